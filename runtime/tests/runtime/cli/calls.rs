//! `run --calls`: scripts of calls.

use expect_test::expect;

use super::Scene;

#[test]
fn the_calls_of_a_script_come_first() {
    let scene = Scene::with(&["ledger"]);
    let script = "# Two accounts.\n\nopen(\"ann\")\r\n  open(\"bob\")\n# nothing\nadd(\"ann\", 5)";
    scene.write("opening.wave", script.as_bytes());
    let run = ["ledger.wasm", "--chain", "none", "--calls", "opening.wave"];
    scene.check(
        &run,
        &expect![[r#"
        ok
        ok
        ok(5)
        --- exit 0
    "#]],
    );
    scene.check(
        &[&run[..], &["--invoke", "balance(\"ann\")"]].concat(),
        &expect![[r#"
        ok
        ok
        ok(5)
        some(5)
        --- exit 0
    "#]],
    );
}

#[test]
fn a_script_goes_on_with_an_actor() {
    let scene = Scene::with(&["ledger"]);
    scene.write("opening.wave", b"open(\"ann\")\nadd(\"ann\", 5)\n");
    scene.write("more.wave", b"add(\"ann\", 6)\n");
    let opening = ["ledger.wasm", "--chain", "a.cbor", "--pause", "--calls", "opening.wave"];
    assert!(scene.run(&opening).status.success());
    scene.check(
        &["--resume", "a.cbor", "--calls", "more.wave"],
        &expect![[r#"
        ok(11)
        --- messages
        chain: a.cbor
        --- exit 0
    "#]],
    );
}

#[test]
fn mistakes_in_a_script_are_found_by_line() {
    let scene = Scene::with(&["ledger"]);
    let check = |script: &[u8], expected| {
        scene.write("a.wave", script);
        scene.check(&["ledger.wasm", "--chain", "a.cbor", "--calls", "a.wave"], expected);
        assert!(!scene.exists("a.cbor"), "nothing was run");
    };
    check(
        b"open(\"ann\")\n\nadd(\"ann\", five)\n",
        &expect![[r#"
            --- messages
            error: a.wave:3: expected s64 at column 12, found five
            --- exit 2
        "#]],
    );
    check(
        b"# one\nopne(\"ann\")\n",
        &expect![[r#"
            --- messages
            error: a.wave:2: no function is called opne; did you mean theater:ledger/accounts#open?
            --- exit 2
        "#]],
    );
    check(
        b"open(\"ann\") # no comment\n",
        &expect![[r#"
            --- messages
            error: a.wave:1: expected the end at column 13, found #
            --- exit 2
        "#]],
    );
    check(
        b"# nothing\n\n",
        &expect![[r#"
            --- messages
            error: a.wave holds no call
              try: name a text file with one call to a line, such as add("ann", 5)
            --- exit 2
        "#]],
    );
    check(
        b"open(\"\xff\")\n",
        &expect![[r#"
            --- messages
            error: a.wave is not text in UTF-8
              try: name a text file with one call to a line, such as add("ann", 5)
            --- exit 2
        "#]],
    );
}

#[test]
fn a_script_that_cannot_be_read() {
    let scene = Scene::with(&["ledger"]);
    let check = |script, expected| {
        scene.check(&["ledger.wasm", "--chain", "a.cbor", "--calls", script], expected);
    };
    check(
        "none.wave",
        &expect![[r#"
            --- messages
            error: cannot read the calls in none.wave: No such file or directory (os error 2)
              try: name a text file with one call to a line, such as add("ann", 5)
            --- exit 2
        "#]],
    );
    check(
        ".",
        &expect![[r#"
            --- messages
            error: cannot read the calls in .: Is a directory (os error 21)
              try: name a text file with one call to a line, such as add("ann", 5)
            --- exit 2
        "#]],
    );
}

#[test]
fn waiting_for_a_fixed_clock_takes_no_time() {
    let scene = Scene::with(&["resources"]);
    // A day, and as long as there are numbers for.
    scene.write(
        "wait.wave",
        b"start-waiting(86400000000000)\nstart-waiting(18446744073709551615)\nwait()\n",
    );
    scene.check(
        &["resources.wasm", "--chain", "none", "--clocks", "fixed:0+1", "--calls", "wait.wave"],
        &expect![[r#"
            1
            2
            [2, 1]
            --- exit 0
        "#]],
    );
}
