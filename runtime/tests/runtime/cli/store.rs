//! `theater store`: what it says, what it leaves, and what is left when it is killed.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::Value;
use theater_runtime::escape::argument;
use theater_runtime::{Home, Store};

use super::validate::conforms;
use super::{Scene, transcript};

fn command(scene: &Scene, args: &[&str]) -> Command {
    let mut command = scene.command(env!("CARGO_BIN_EXE_theater"));
    command.env("THEATER_HOME", scene.path("home")).arg("store").args(args);
    command
}

fn store(scene: &Scene, args: &[&str]) -> Output {
    command(scene, args).output().expect("the program can be run")
}

/// Types one command after the other, and compares all that is said.
#[track_caller]
fn check(scene: &Scene, commands: &[&[&str]], expected: &Expect) {
    let home = scene.path("home").display().to_string();
    let said = commands.iter().map(|args| {
        let words = args.iter().map(|word| argument(Path::new(word)));
        let typed = words.collect::<Vec<_>>().join(" ");
        format!("$ theater store {typed}\n{}", transcript(&store(scene, args)))
    });
    expected.assert_eq(&said.collect::<String>().replace(&home, "HOME"));
}

fn scene() -> Scene {
    let scene = Scene::with(&[]);
    scene.write("one", b"one");
    scene.write("two", b"two");
    scene
}

/// The store of the scene's home, as a library has it.
fn opened(scene: &Scene) -> Store {
    Store::open(Home::at(scene.path("home")).store()).expect("the folder can be written")
}

#[test]
fn files_are_kept_labelled_listed_and_got_back() {
    let scene = scene();
    let two = blake3::hash(b"two").to_string();
    check(
        &scene,
        &[
            &["put", "one", "--label", "it"],
            &["put", "two"],
            &["list"],
            &["label", "my it", "it"],
            &["label", "it", &two, "--add"],
            &["labels"],
            &["get", "it"],
            &["get", "store:my it", "--output", "copy"],
        ],
        &expect![[r#"
            $ theater store put one --label it
            d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492
            --- exit 0
            $ theater store put two
            dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763
            --- exit 0
            $ theater store list
            d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492      3 B  it
            dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763      3 B
            2 contents, 6 B
            --- exit 0
            $ theater store label 'my it' it
            "my it"  d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492
            --- exit 0
            $ theater store label it dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763 --add
            it  d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492  dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763
            --- exit 0
            $ theater store labels
            it  d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492  dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763
            "my it"  d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492
            2 labels
            --- exit 0
            $ theater store get it
            two--- exit 0
            $ theater store get 'store:my it' --output copy
            --- exit 0
        "#]],
    );
    assert_eq!(std::fs::read(scene.path("copy")).unwrap(), b"one");
    check(
        &scene,
        &[&["remove-label", "it", &two], &["remove-label", "it"], &["check"]],
        &expect![[r#"
            $ theater store remove-label it dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763
            it  d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492
            --- exit 0
            $ theater store remove-label it
            it is no label now
            --- exit 0
            $ theater store check
            2 contents of 6 B and 1 label: all as they should be
            --- exit 0
        "#]],
    );
}

#[test]
fn mistakes_are_told_in_a_sentence() {
    let scene = scene();
    check(
        &scene,
        &[
            &["get", "nothing"],
            &["get", &"0".repeat(64)],
            &["put", "nowhere"],
            &["label", "a/b", "it"],
            &["list", "--store", "../store"],
            &["gc", "--chains", "nowhere"],
        ],
        &expect![[r#"
            $ theater store get nothing
            --- messages
            error: the store HOME/store has no label nothing
              try: theater store labels
            --- exit 2
            $ theater store get 0000000000000000000000000000000000000000000000000000000000000000
            --- messages
            error: the store HOME/store has no content 0000000000000000000000000000000000000000000000000000000000000000
              try: theater store list
            --- exit 2
            $ theater store put nowhere
            --- messages
            error: cannot read nowhere: No such file or directory (os error 2)
              try: name a file, or - for standard input
            --- exit 2
            $ theater store label a/b it
            --- messages
            error: invalid value 'a/b' for '<LABEL>': "a/b" cannot be a label: a label has 1 to 255 bytes, no control characters and no slashes

            For more information, try '--help'.
            --- exit 2
            $ theater store list --store ../store
            --- messages
            error: there is no store "../store"
              try: look which there are with ls HOME/stores
            --- exit 2
            $ theater store gc --chains nowhere
            --- messages
            error: cannot tell which contents nowhere names: No such file or directory (os error 2)
              try: nothing was removed: see to that file first, or take it out of the folder
            --- exit 2
        "#]],
    );
}

#[test]
fn damage_is_named_and_the_exit_status_says_so() {
    let scene = scene();
    store(&scene, &["put", "one", "--label", "it"]);
    let opened = opened(&scene);
    let hash = opened.find("it").unwrap();
    std::fs::write(opened.path(&hash), "altered").unwrap();
    check(
        &scene,
        &[&["check"], &["get", "it"]],
        &expect![[r#"
        $ theater store check
        the content d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492 is damaged: what is there is 0d884fd216da79dafe1a865838f5449c5eac6296852c0f5697827e3003045865
        1 content of 0 B and 1 label: 1 flaw
        --- exit 1
        $ theater store get it
        --- messages
        error: HOME/store/d3/3fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492 is damaged: its content is 0d884fd216da79dafe1a865838f5449c5eac6296852c0f5697827e3003045865
        --- exit 2
    "#]],
    );
    store(&scene, &["put", "one"]);
    check(
        &scene,
        &[&["check"]],
        &expect![[r#"
        $ theater store check
        1 content of 3 B and 1 label: all as they should be
        --- exit 0
    "#]],
    );
}

#[test]
fn garbage_is_what_nothing_names_and_what_is_old_enough() {
    let scene = scene();
    store(&scene, &["put", "one", "--label", "it"]);
    store(&scene, &["put", "two"]);
    check(
        &scene,
        &[&["gc"], &["gc", "--older-than", "0s", "--dry-run"]],
        &expect![[r#"
        $ theater store gc
        removed: 0 contents of 0 B
        --- exit 0
        $ theater store gc --older-than 0s --dry-run
        dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763      3 B
        would be removed: 1 content of 3 B
        --- exit 0
    "#]],
    );
    let manifest = format!("component = \"store:{}\"", blake3::hash(b"two"));
    std::fs::create_dir(scene.path("agents")).unwrap();
    scene.write("agents/manifest.toml", manifest.as_bytes());
    check(
        &scene,
        &[
            &["gc", "--older-than", "0s", "--chains", "agents"],
            &["gc", "--older-than", "0s"],
            &["list"],
        ],
        &expect![[r#"
            $ theater store gc --older-than 0s --chains agents
            removed: 0 contents of 0 B
            --- exit 0
            $ theater store gc --older-than 0s
            dc770fff53f50835f8cc957e01c0d5731d3c2ed544c375493a28c09be5e09763      3 B
            removed: 1 content of 3 B
            --- exit 0
            $ theater store list
            d33fb48ab5adff269ae172b29a6913ff04f6f266207a7a8e976f2ecd571d4492      3 B  it
            1 content, 3 B
            --- exit 0
        "#]],
    );
}

#[test]
fn the_component_of_a_chain_is_no_garbage() {
    let scene = Scene::with(&["hello"]);
    let mut run = scene.command(env!("CARGO_BIN_EXE_theater"));
    let run = run.env("THEATER_HOME", scene.path("home")).args(["run", "hello.wasm"]);
    let ran = run.args(["--chain", "home/hello.cbor"]).output().expect("the program can be run");
    assert!(ran.status.success(), "{}", transcript(&ran));
    let left = |args: &[&str]| {
        store(&scene, args);
        opened(&scene).list().unwrap().len()
    };
    assert_eq!(left(&["gc", "--older-than", "0s"]), 1, "the chain names it");
    std::fs::rename(scene.path("home/hello.cbor"), scene.path("hello.cbor")).unwrap();
    assert_eq!(left(&["gc", "--older-than", "0s", "--chains", "."]), 1);
    assert_eq!(left(&["gc", "--older-than", "0s"]), 0, "nobody is told of the chain any more");
}

#[test]
fn the_stores_of_actors_are_looked_after_too() {
    let scene = scene();
    let home = Home::at(scene.path("home"));
    let id = "00112233445566778899aabbccddeeff";
    let store_of_actor = Store::open(home.stores().join(id)).unwrap();
    let hash = store_of_actor.put(b"note").unwrap();
    store_of_actor.set_label(&"notes".parse().unwrap(), &hash).unwrap();
    check(
        &scene,
        &[&["labels", "--store", id], &["--store", id, "get", "notes"]],
        &expect![[r#"
        $ theater store labels --store 00112233445566778899aabbccddeeff
        notes  2d98215960d21018a79de0be95eb5e3b2eac5dcfaf880f700d8a8d62769583dd
        1 label
        --- exit 0
        $ theater store --store 00112233445566778899aabbccddeeff get notes
        note--- exit 0
    "#]],
    );
    assert_eq!(opened(&scene).list().unwrap(), []);
}

#[test]
fn json_is_as_its_schema_promises() {
    let schema = include_str!("../../../schemas/store-1.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    let scene = scene();
    let damaged = store(&scene, &["put", "two", "--label", "lost", "--json"]);
    let mut outputs = vec![damaged];
    let opened = opened(&scene);
    std::fs::remove_file(opened.path(&opened.find("lost").unwrap())).unwrap();
    for args in [
        &["put", "one"][..],
        &["put", "one", "--label", "it"],
        &["list"],
        &["labels"],
        &["label", "that", "it"],
        &["remove-label", "that"],
        &["check"],
        &["gc", "--older-than", "0s", "--dry-run"],
    ] {
        outputs.push(store(&scene, &[args, &["--json"]].concat()));
    }
    let alternatives = schema["oneOf"].as_array().unwrap();
    for output in outputs {
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let is_it = |alternative: &&Value| {
            alternative["properties"]["schema"]["const"] == document["schema"]
        };
        let alternative = alternatives.iter().find(is_it);
        conforms(&document, alternative.expect("the schema has it"), &schema);
    }
}

/// Starts to keep a file of some megabytes, and gives it the label.
fn keeps(scene: &Scene, byte: u8) -> Child {
    let mut child = command(scene, &["put", "-", "--label", "it"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the program can be run");
    let mut input = child.stdin.take().expect("it is piped");
    thread::spawn(move || {
        // It may be killed before it has read everything.
        let _ = input.write_all(&vec![byte; 4 << 20]);
    });
    child
}

#[test]
fn a_store_is_sound_wherever_a_writer_was_killed() {
    let scene = scene();
    let store = opened(&scene);
    for number in 0..24_u8 {
        let mut child = keeps(&scene, number);
        thread::sleep(Duration::from_millis(5 + 4 * u64::from(number)));
        child.kill().expect("it can be killed");
        child.wait().expect("it has ended");
        let checked = store.check().unwrap();
        assert_eq!(checked.flaws, [], "after {number}");
    }
    // Nobody who was killed keeps others waiting, and half-written files can be removed.
    assert!(keeps(&scene, 99).wait().expect("it ends").success());
    assert_eq!(store.get(&store.find("it").unwrap()).unwrap(), vec![99; 4 << 20]);
    self::store(&scene, &["gc", "--older-than", "0s"]);
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn several_processes_change_a_store_at_once() {
    let scene = scene();
    for number in 0..8 {
        scene.write(&format!("file-{number}"), number.to_string().as_bytes());
        store(&scene, &["put", &format!("file-{number}")]);
    }
    let started: Vec<Child> = (0..8)
        .map(|number: u32| {
            let hash = blake3::hash(number.to_string().as_bytes()).to_string();
            command(&scene, &["label", "all", &hash, "--add"])
                .stdout(Stdio::null())
                .spawn()
                .expect("the program can be run")
        })
        .collect();
    for mut child in started {
        assert!(child.wait().expect("it ends").success());
    }
    let store = opened(&scene);
    assert_eq!(store.labelled(&"all".parse().unwrap()).unwrap().len(), 8, "no change was lost");
}
