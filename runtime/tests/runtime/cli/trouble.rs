//! Good components with arguments that make no sense, and disks that take no more.

use expect_test::expect;

use super::Scene;

#[test]
fn functions_that_do_not_exist() {
    let scene = Scene::with(&["ledger"]);
    let check = |call: &str, expected| {
        scene.check(&["ledger.wasm", "--chain", "a.cbor", "--invoke", call], &expected);
    };
    check(
        "balanc(\"ann\")",
        expect![[r#"
        --- messages
        error: --invoke 'balanc("ann")': no function is called balanc; did you mean theater:ledger/accounts#balance?
        --- exit 2
    "#]],
    );
    check(
        "theater:ledgr/accounts#balance(\"ann\")",
        expect![[r#"
        --- messages
        error: --invoke 'theater:ledgr/accounts#balance("ann")': no function is called theater:ledgr/accounts#balance; did you mean theater:ledger/accounts#balance?
        --- exit 2
    "#]],
    );
    check(
        "zzz()",
        expect![[r#"
        --- messages
        error: --invoke 'zzz()': no function is called zzz; there are theater:ledger/accounts#open, theater:ledger/accounts#add, theater:ledger/accounts#transfer, theater:ledger/accounts#balance, theater:ledger/accounts#history, theater:ledger/accounts#statement, theater:ledger/accounts#close
        --- exit 2
    "#]],
    );
    assert!(!scene.exists("a.cbor"));
}

#[test]
fn calls_with_wrong_arguments() {
    let scene = Scene::with(&["ledger"]);
    let check = |call: &str, expected| {
        scene.check(&["ledger.wasm", "--chain", "a.cbor", "--invoke", call], &expected);
    };
    check(
        "balance",
        expect![[r#"
        --- messages
        error: --invoke 'balance': expected `(` and the arguments at column 8, found the end
        --- exit 2
    "#]],
    );
    check(
        "balance(ann)",
        expect![[r#"
        --- messages
        error: --invoke 'balance(ann)': expected string at column 9, found ann
        --- exit 2
    "#]],
    );
    check(
        "balance()",
        expect![[r#"
        --- messages
        error: --invoke 'balance()': expected the argument account: string at column 9, found `)`
        --- exit 2
    "#]],
    );
    check(
        "balance(\"ann\", \"bob\")",
        expect![[r#"
        --- messages
        error: --invoke 'balance("ann", "bob")': expected `)` after the arguments (account: string) at column 16, found "bob"
        --- exit 2
    "#]],
    );
    check(
        "close(1)",
        expect![[r#"
        --- messages
        error: --invoke 'close(1)': expected `)` after no arguments at column 7, found 1
        --- exit 2
    "#]],
    );
    check(
        "",
        expect![[r#"
        --- messages
        error: --invoke '': expected the name of a function at column 1, found nothing
        --- exit 2
    "#]],
    );
    check(
        "\u{1b}[2J()",
        expect![[r#"
        --- messages
        error: --invoke '\u{1b}[2J()': expected the name of a function at column 1, found \u{1b}[2J
        --- exit 2
    "#]],
    );
    assert!(!scene.exists("a.cbor"));
}

#[test]
fn grants_that_cannot_be_given() {
    let scene = Scene::with(&["hello"]);
    let check = |args: &[&str], expected| {
        scene.check(&[&["hello.wasm", "--chain", "a.cbor"], args].concat(), &expected);
    };
    check(
        &["--dir", "missing::/x"],
        expect![[r#"
        --- messages
        error: cannot grant the directory missing: No such file or directory (os error 2)
          try: name a directory that exists, as in --dir HOST::GUEST
        --- exit 2
    "#]],
    );
    check(
        &["--dir", ".::/x", "--dir", "..::/x"],
        expect![[r#"
        --- messages
        error: two directories are granted under the name /x
          try: give one of them another name, as in --dir HOST::GUEST
        --- exit 2
    "#]],
    );
    check(
        &["--stdin", "missing.txt"],
        expect![[r#"
        --- messages
        error: cannot open missing.txt as stdin: No such file or directory (os error 2)
          try: name a file that can be read, or leave it out
        --- exit 2
    "#]],
    );
    check(
        &["--stdin", "."],
        expect![[r#"
        --- messages
        error: cannot open . as stdin: is a directory
          try: name a file that can be read, or leave it out
        --- exit 2
    "#]],
    );
    check(
        &["--max-memory", "12x"],
        expect![[r#"
        --- messages
        error: invalid value '12x' for '--max-memory <SIZE>': "x" is not a unit; use KiB, MiB or GiB

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    check(
        &["--timeout-fuel", "soon"],
        expect![[r#"
        --- messages
        error: invalid value 'soon' for '--timeout-fuel <FUEL>': expected a whole number such as 1000000

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    assert!(!scene.exists("a.cbor"));
}

#[test]
fn keys_that_are_none() {
    let scene = Scene::with(&["hello"]);
    scene.write("binary.key", &[0xff; 40]);
    scene.check(
        &["hello.wasm", "--chain", "a.cbor", "--sign", "no.key"],
        &expect![[r#"
        --- messages
        error: cannot read the key no.key: No such file or directory (os error 2)
          try: make one with theater-replay keygen
        --- exit 2
    "#]],
    );
    scene.check(
        &["hello.wasm", "--chain", "a.cbor", "--sign", "binary.key"],
        &expect![[r#"
        --- messages
        error: binary.key holds no identity key
          try: make one with theater-replay keygen
        --- exit 2
    "#]],
    );
    assert!(!scene.exists("a.cbor"));
}

#[test]
fn chains_that_cannot_be_created() {
    let scene = Scene::with(&["hello"]);
    scene.write("a.cbor", b"precious");
    scene.check(
        &["hello.wasm", "--chain", "a.cbor"],
        &expect![[r#"
        --- messages
        error: a.cbor exists already, and a chain is never written over
          try: name another file with --chain
        --- exit 2
    "#]],
    );
    scene.check(
        &["hello.wasm", "--chain", "missing/a.cbor"],
        &expect![[r#"
        --- messages
        error: cannot create missing/a.cbor: No such file or directory (os error 2)
          try: name a file that can be written with --chain, or discard with --chain none
        --- exit 2
    "#]],
    );
    assert_eq!(std::fs::read(scene.path("a.cbor")).expect("it is still there"), b"precious");
}

#[test]
fn a_home_that_cannot_be_written() {
    let scene = Scene::with(&["hello"]);
    scene.write("file", b"");
    let run = |args: &[&str]| {
        let mut command = scene.command(env!("CARGO_BIN_EXE_theater"));
        command.env("THEATER_HOME", scene.path("file")).args(["run", "hello.wasm"]).args(args);
        command.output().expect("the program can be run").status.code()
    };
    assert_eq!(run(&["--chain", "a.cbor"]), Some(2));
    assert!(!scene.exists("a.cbor"));
    assert_eq!(run(&["--chain", "a.cbor", "--embed"]), Some(0));
}

/// A limit on the size of files is a full disk for those who write: the write fails.
#[cfg(unix)]
#[test]
fn a_full_disk() {
    use theater_verify::Verdict;

    let scene = Scene::with(&["calls"]);
    // So that the limit hits the chain and not the store.
    let output = scene.run(&["calls.wasm", "--chain", "none", "--", "clock", "1"]);
    assert_eq!(output.status.code(), Some(0));
    let script =
        "trap '' XFSZ; ulimit -f 64; exec \"$0\" run calls.wasm --chain a.cbor -- clock 100000";
    let mut shell = scene.command("sh");
    shell.args(["-c", script, env!("CARGO_BIN_EXE_theater")]);
    let output = shell.output().expect("there is a shell");
    expect![[r#"
        --- messages
        error: a.cbor: the component was stopped: the chain could not be written: File too large (os error 27)
          try: theater-replay verify a.cbor shows what was kept
        --- exit 2
    "#]].assert_eq(&super::transcript(&output));
    // What was recorded before is good, and nobody says that it is all.
    let report = scene.verify("a.cbor");
    assert_eq!(report.verdict(), Verdict::Open);
    assert!(report.head.expect("it has a start").seq > 100);
}
