//! Runs that work, and components that fail.

use expect_test::expect;
use theater_verify::Verdict;

use super::Scene;

#[test]
fn a_program_leaves_a_chain() {
    let scene = Scene::with(&["hello"]);
    scene.check(
        &["hello.wasm", "--chain", "a.cbor"],
        &expect![[r#"
        hello, world
        --- messages
        chain: a.cbor
        --- exit 0
    "#]],
    );
    assert_eq!(scene.verify("a.cbor").verdict(), Verdict::Complete);
}

#[test]
fn a_core_module_is_a_program_too() {
    let scene = Scene::with(&["hello-preview1"]);
    scene.check(
        &["hello-preview1.wasm", "--chain", "none"],
        &expect![[r#"
        hello, world
        --- exit 0
    "#]],
    );
}

#[test]
fn chains_are_named_after_actors() {
    let scene = Scene::with(&["hello"]);
    let output = scene.run(&["hello.wasm", "--name", "../evil\u{1b}[2J"]);
    let messages = String::from_utf8(output.stderr).expect("messages are text");
    let name = messages.trim_end().strip_prefix("chain: evil--2J-").expect(&messages);
    assert!(name.ends_with("Z.chain.cbor"), "{messages}");
    assert!(scene.exists(&format!("evil--2J-{name}")));
}

#[test]
fn what_exports_return_is_printed() {
    let scene = Scene::with(&["ledger"]);
    let calls = ["--invoke", "open(\"ann\")", "--invoke", "balance(\"ann\")"];
    scene.check(
        &[&["ledger.wasm", "--chain", "none"], &calls[..]].concat(),
        &expect![[r#"
        ok
        some(0)
        --- exit 0
    "#]],
    );
    let refused = ["ledger.wasm", "--chain", "none", "--invoke", "add(\"nobody\", 5)"];
    scene.check(
        &refused,
        &expect![[r#"
        err(unknown("nobody"))
        --- exit 1
    "#]],
    );
}

#[test]
fn a_program_ends_well_or_not() {
    let scene = Scene::with(&["exit"]);
    scene.check(
        &["exit.wasm", "--chain", "none", "--", "0"],
        &expect![[r#"
        about to exit with 0
        --- exit 0
    "#]],
    );
    scene.check(
        &["exit.wasm", "--chain", "none", "--", "7"],
        &expect![[r#"
        about to exit with 7
        --- exit 1
    "#]],
    );
}

#[test]
fn failures_are_named() {
    let scene = Scene::with(&["panic", "hello", "spin"]);
    scene.check(
        &["panic.wasm", "--chain", "a.cbor"],
        &expect![[r#"
        about to panic
        --- messages

        thread 'main' (1) panicked at commands/src/bin/panic.rs:6:5:
        as asked
        note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
        chain: a.cbor
        the component failed: unreachable
        --- exit 1
    "#]],
    );
    assert_eq!(scene.verify("a.cbor").verdict(), Verdict::Complete);
    scene.check(
        &["hello.wasm", "--chain", "none", "--max-memory", "0"],
        &expect![[r#"
        --- messages
        the component failed: memory-limit: memory minimum size of 17 pages exceeds memory limits
        --- exit 1
    "#]],
    );
    let fuel = ["spin.wasm", "--chain", "none", "--timeout-fuel", "5000000"];
    scene.check(
        &fuel,
        &expect![[r#"
        about to spin
        --- messages
        the component failed: out-of-fuel
        --- exit 1
    "#]],
    );
}

#[test]
fn what_a_component_prints_is_left_alone() {
    let scene = Scene::with(&["filter"]);
    scene.write("input.txt", b"\x1b[31mred\n");
    let output = scene.run(&["filter.wasm", "--stdin", "input.txt", "--chain", "none"]);
    assert_eq!(output.stdout, b"\x1b[31MRED\n");
}

#[test]
fn the_help_has_examples_and_the_exit_status() {
    let output = Scene::with(&[]).run(&["--help"]);
    let help = String::from_utf8(output.stdout).expect("help is text");
    assert!(help.contains("Examples:\n") && help.contains("Exit status:\n"), "{help}");
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    assert_eq!(output.status.code(), Some(0));
}
