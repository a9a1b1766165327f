//! `theater create` and `theater build`. Cargo is a script here, so that nothing is compiled; what real
//! cargo makes of the templates is tested in `tests/templates.rs`, where the project is tested as a whole.

use std::fs;
use std::process::Output;

use expect_test::{Expect, expect};

use super::{Scene, transcript};

/// A scene in which `theater` finds only the programs that are put into it.
fn scene() -> Scene {
    let scene = Scene::with(&[]);
    fs::create_dir(scene.path("bin")).expect("the folder can be written");
    scene
}

fn theater(scene: &Scene, args: &[&str]) -> Output {
    let mut command = scene.command(env!("CARGO_BIN_EXE_theater"));
    let command = command.args(args).env("PATH", scene.path("bin")).env_remove("RUSTC");
    command.output().expect("the program can be run")
}

fn check(scene: &Scene, args: &[&str], expected: &Expect) {
    expected.assert_eq(&transcript(&theater(scene, args)));
}

#[test]
fn what_is_created_has_valid_manifests() {
    let scene = scene();
    for template in ["basic", "message", "http", "supervisor", "agent"] {
        let name = format!("my-{template}");
        theater(&scene, &["create", &name, "--template", template]);
        let manifests = files(&scene, &name);
        let manifests = manifests.iter().filter(|file| file.ends_with("manifest.toml"));
        for manifest in manifests {
            let path = format!("{name}/{manifest}");
            // Only the build knows where the component is.
            let text = fs::read_to_string(scene.path(&path)).expect("it was made");
            if !text.contains("component = ") {
                let text = format!("component = \"a.wasm\"\n{text}");
                fs::write(scene.path(&path), text).expect("the folder can be written");
            }
            let said = transcript(&theater(&scene, &["validate", &path]));
            assert!(said.contains("is valid"), "{path}: {said}");
            assert!(!said.contains("NOTES"), "{path}: {said}");
        }
    }
}

/// Every file of a folder, by its path from there.
fn files(scene: &Scene, folder: &str) -> Vec<String> {
    let root = scene.path(folder);
    let (mut found, mut due) = (Vec::new(), vec![root.clone()]);
    while let Some(folder) = due.pop() {
        for entry in fs::read_dir(folder).expect("it is a folder") {
            let path = entry.expect("it can be read").path();
            match path.is_dir() {
                true => due.push(path),
                false => {
                    let inside = path.strip_prefix(&root).expect("it is inside");
                    found.push(inside.to_string_lossy().into_owned());
                }
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_project_is_made_and_what_comes_next_is_said() {
    let scene = scene();
    check(
        &scene,
        &["create", "my-actor"],
        &expect![[r#"
            created my-actor from the template basic
            next:
              cd my-actor
              theater build
              theater start manifest.toml     with `theater server` in another terminal
            --- exit 0
        "#]],
    );
    let own: Vec<String> = files(&scene, "my-actor")
        .into_iter()
        .filter(|file| !file.starts_with("wit/deps/"))
        .collect();
    let expected = [
        ".gitignore",
        "Cargo.toml",
        "README.md",
        "manifest.toml",
        "src/bindings.rs",
        "src/lib.rs",
        "wit/world.wit",
    ];
    assert_eq!(own, expected);
    let read = |file| fs::read_to_string(scene.path(file)).expect("it is there");
    assert!(read("my-actor/Cargo.toml").starts_with("[package]\nname = \"my-actor\"\n"));
    assert!(read("my-actor/wit/deps/theater-simple/actor.wit").contains("interface actor {"));
    expect![[r#"
        name = "my-actor"
        version = "0.1.0"

        [[handlers]]
        type = "runtime"
    "#]]
    .assert_eq(&read("my-actor/manifest.toml"));
    expect![[r#"
        # my-actor

        An actor that says that it has started.

        ```
        theater build                   # compile it, and note the component in manifest.toml
        theater server                  # in another terminal
        theater start manifest.toml     # prints the id of the actor
        theater events ID               # everything that crossed its sandbox so far
        ```

        Rust must know the target: `rustup target add wasm32-wasip2`.

        | file | what is in it |
        |---|---|
        | `src/lib.rs` | the actor |
        | `manifest.toml` | what it is called and what it may do |
        | `wit/world.wit` | which interfaces it uses |
        | `wit/deps/` | all interfaces there are, each item explained |
    "#]]
    .assert_eq(&read("my-actor/README.md"));
}

#[test]
fn the_other_spelling_and_another_folder() {
    let scene = scene();
    fs::create_dir(scene.path("my projects")).expect("the folder can be written");
    check(
        &scene,
        &["new", "watch", "--template", "supervisor", "--output-dir", "my projects"],
        &expect![[r#"
            created 'my projects/watch' from the template supervisor
            next:
              cd 'my projects/watch'
              theater build
              theater start manifest.toml     with `theater server` in another terminal
            --- exit 0
        "#]],
    );
    let made = files(&scene, "my projects/watch");
    for file in ["child/Cargo.toml", "child/manifest.toml", "child/src/lib.rs", "src/theater.rs"] {
        assert!(made.iter().any(|made| made == file), "{file} is not among {made:?}");
    }
}

#[test]
fn templates_go_by_the_names_of_handlers_too() {
    let scene = scene();
    for (name, template) in [("a", "message-server"), ("b", "http-server")] {
        let output = theater(&scene, &["create", name, "-t", template]);
        assert!(output.status.success(), "{}", transcript(&output));
    }
}

#[test]
fn what_is_no_name_is_refused() {
    let scene = scene();
    for (name, expected) in [
        (
            "../up",
            expect![[r#"
                --- messages
                error: a project cannot be called "../up": a project's name has no '.'
                  try: take letters, digits and hyphens, as in my-actor; where it goes is for --output-dir
                --- exit 2
            "#]],
        ),
        (
            "2go",
            expect![[r#"
                --- messages
                error: a project cannot be called "2go": a project's name begins with a letter
                  try: take letters, digits and hyphens, as in my-actor; where it goes is for --output-dir
                --- exit 2
            "#]],
        ),
        (
            "match",
            expect![[r#"
                --- messages
                error: a project cannot be called "match": that is a word or a crate of Rust's own, or a device
                  try: take letters, digits and hyphens, as in my-actor; where it goes is for --output-dir
                --- exit 2
            "#]],
        ),
    ] {
        check(&scene, &["create", name], &expected);
    }
    assert_eq!(files(&scene, "."), [""; 0]);
}

#[test]
fn what_is_there_is_left_alone() {
    let scene = scene();
    fs::create_dir(scene.path("mine")).expect("the folder can be written");
    scene.write("file", b"precious");
    check(
        &scene,
        &["create", "mine"],
        &expect![[r#"
            --- messages
            error: mine exists already
              try: take another name, or another folder with --output-dir
            --- exit 2
        "#]],
    );
    check(
        &scene,
        &["create", "file"],
        &expect![[r#"
            --- messages
            error: file exists already
              try: take another name, or another folder with --output-dir
            --- exit 2
        "#]],
    );
    check(
        &scene,
        &["create", "new", "-o", "nowhere"],
        &expect![[r#"
            --- messages
            error: there is no folder nowhere
              try: make it first, or name another one with --output-dir
            --- exit 2
        "#]],
    );
    check(
        &scene,
        &["create", "new", "-o", "file"],
        &expect![[r#"
            --- messages
            error: there is no folder file
              try: make it first, or name another one with --output-dir
            --- exit 2
        "#]],
    );
    assert_eq!(files(&scene, "."), ["file"]);
    assert_eq!(fs::read(scene.path("file")).expect("it is there"), b"precious");
}

#[test]
fn only_projects_can_be_built() {
    let scene = scene();
    check(
        &scene,
        &["build"],
        &expect![[r#"
            --- messages
            error: . is no project: it has no Cargo.toml
              try: make one with theater create NAME, or name its folder
            --- exit 2
        "#]],
    );
    check(
        &scene,
        &["build", "nowhere"],
        &expect![[r#"
            --- messages
            error: nowhere is no project: it has no Cargo.toml
              try: make one with theater create NAME, or name its folder
            --- exit 2
        "#]],
    );
}

#[test]
fn without_cargo_there_is_advice() {
    let scene = scene();
    theater(&scene, &["create", "my-actor"]);
    check(
        &scene,
        &["build", "my-actor"],
        &expect![[r#"
            --- messages
            error: cannot build my-actor: cargo, which compiles actors, cannot be found
              try: install Rust as https://rustup.rs says
            --- exit 2
        "#]],
    );
}

/// Builds with scripts in place of the tools.
#[cfg(unix)]
mod scripted {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A project, and a compiler that has what it takes.
    fn project() -> Scene {
        let scene = scene();
        theater(&scene, &["create", "my-actor"]);
        script(&scene, "rustc", "echo .");
        scene
    }

    fn script(scene: &Scene, name: &str, text: &str) {
        let path = format!("bin/{name}");
        scene.write(&path, format!("#!/bin/sh\n{text}\n").as_bytes());
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(scene.path(&path), executable).expect("it is there");
    }

    /// A cargo that makes these components, in a project that it finds itself in.
    fn cargo_makes(scene: &Scene, components: &[&str]) {
        let made = components.iter().map(|name| {
            format!(
                r#"echo component > out/{name}.wasm
echo '{{"reason":"compiler-artifact","manifest_path":"'$PWD'/Cargo.toml","target":{{"kind":["cdylib"]}},"filenames":["'$PWD'/out/{name}.wasm"]}}'"#
            )
        });
        let text = ["echo cargo \"$@\" >&2".to_owned(), "[ -d out ] || /bin/mkdir out".to_owned()];
        script(scene, "cargo", &text.into_iter().chain(made).collect::<Vec<_>>().join("\n"));
    }

    fn manifest(scene: &Scene) -> String {
        fs::read_to_string(scene.path("my-actor/manifest.toml")).expect("it is there")
    }

    #[test]
    fn the_manifest_names_what_was_built() {
        let scene = project();
        let before = manifest(&scene);
        cargo_makes(&scene, &["it"]);
        check(
            &scene,
            &["build", "my-actor"],
            &expect![[r#"
                built my-actor/out/it.wasm, 10 bytes
                  my-actor/manifest.toml names it now
                next: theater start my-actor/manifest.toml     with `theater server` in another terminal
                --- messages
                cargo build --target wasm32-wasip2 --message-format json-render-diagnostics --release
                --- exit 0
            "#]],
        );
        let line = "version = \"0.1.0\"\n";
        let named = before.replace(line, &format!("{line}component = \"out/it.wasm\"\n"));
        assert_eq!(manifest(&scene), named);
        check(
            &scene,
            &["build", "my-actor", "--debug"],
            &expect![[r#"
                built my-actor/out/it.wasm, 10 bytes
                  my-actor/manifest.toml names it
                next: theater start my-actor/manifest.toml     with `theater server` in another terminal
                --- messages
                cargo build --target wasm32-wasip2 --message-format json-render-diagnostics
                --- exit 0
            "#]],
        );
        assert_eq!(manifest(&scene), named);
    }

    #[test]
    fn a_manifest_that_names_another_component_is_mentioned() {
        let scene = project();
        cargo_makes(&scene, &["it"]);
        scene.write("my-actor/manifest.toml", b"name = \"a\"\ncomponent_path = \"old.wasm\"\n");
        check(
            &scene,
            &["build", "my-actor"],
            &expect![[r#"
                built my-actor/out/it.wasm, 10 bytes
                  note: my-actor/manifest.toml names another component, old.wasm
                next: theater start my-actor/manifest.toml     with `theater server` in another terminal
                --- messages
                cargo build --target wasm32-wasip2 --message-format json-render-diagnostics --release
                --- exit 0
            "#]],
        );
    }

    #[test]
    fn several_components_and_no_manifest() {
        let scene = project();
        cargo_makes(&scene, &["one", "two"]);
        check(
            &scene,
            &["build", "my-actor"],
            &expect![[r#"
                built my-actor/out/one.wasm, 10 bytes
                  note: my-actor/manifest.toml names no component, and there are several to choose from
                built my-actor/out/two.wasm, 10 bytes
                  note: my-actor/manifest.toml names no component, and there are several to choose from
                next: theater start my-actor/manifest.toml     with `theater server` in another terminal
                --- messages
                cargo build --target wasm32-wasip2 --message-format json-render-diagnostics --release
                --- exit 0
            "#]],
        );
        fs::remove_file(scene.path("my-actor/manifest.toml")).expect("it is there");
        check(
            &scene,
            &["build", "my-actor"],
            &expect![[r#"
                built my-actor/out/one.wasm, 10 bytes
                built my-actor/out/two.wasm, 10 bytes
                next: theater run my-actor/out/one.wasm
                --- messages
                cargo build --target wasm32-wasip2 --message-format json-render-diagnostics --release
                --- exit 0
            "#]],
        );
    }

    #[test]
    fn what_goes_wrong_is_said() {
        let scene = project();
        for (cargo, expected) in [
            (
                "echo 'error: expected `;`' >&2; exit 101",
                expect![[r#"
                    --- messages
                    error: expected `;`
                    error: cannot build my-actor: cargo could not build it
                      try: what cargo says above
                    --- exit 2
                "#]],
            ),
            (
                "exit 0",
                expect![[r#"
                    --- messages
                    error: my-actor has no package that becomes a component
                      try: put crate-type = ["cdylib"] below [lib] in Cargo.toml
                    --- exit 2
                "#]],
            ),
        ] {
            script(&scene, "cargo", cargo);
            check(&scene, &["build", "my-actor"], &expected);
        }
        script(&scene, "rustc", "echo /nowhere/lib");
        check(
            &scene,
            &["build", "my-actor"],
            &expect![[r#"
                --- messages
                error: cannot build my-actor: the Rust compiler has nothing for the target wasm32-wasip2
                  try: rustup target add wasm32-wasip2
                --- exit 2
            "#]],
        );
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_named() {
        let scene = project();
        cargo_makes(&scene, &["it"]);
        scene.write("my-actor/manifest.toml", b"name = \"a\"\nversion 3\n");
        check(
            &scene,
            &["build", "my-actor"],
            &expect![[r#"
                --- messages
                cargo build --target wasm32-wasip2 --message-format json-render-diagnostics --release
                error: my-actor/manifest.toml:2: key with no value, expected `=`
                  try: correct that line
                --- exit 2
            "#]],
        );
    }
}
