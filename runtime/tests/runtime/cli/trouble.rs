//! Good components with arguments that make no sense, and disks that take no more.

use expect_test::expect;

use super::Scene;

#[test]
fn calls_that_cannot_be_made() {
    let scene = Scene::with(&["ledger"]);
    let check = |call: &str, expected| {
        scene.check(&["ledger.wasm", "--chain", "a.cbor", "--invoke", call], &expected);
    };
    check("balanc(\"ann\")", expect![""]);
    check("theater:ledgr/accounts#balance(\"ann\")", expect![""]);
    check("zzz()", expect![""]);
    check("balance", expect![""]);
    check("balance(ann)", expect![""]);
    check("balance()", expect![""]);
    check("balance(\"ann\", \"bob\")", expect![""]);
    check("", expect![""]);
    check("\u{1b}[2J()", expect![""]);
    assert!(!scene.exists("a.cbor"));
}

#[test]
fn grants_that_cannot_be_given() {
    let scene = Scene::with(&["hello"]);
    let check = |args: &[&str], expected| {
        scene.check(&[&["hello.wasm", "--chain", "a.cbor"], args].concat(), &expected);
    };
    check(&["--dir", "missing::/x"], expect![""]);
    check(&["--dir", ".::/x", "--dir", "..::/x"], expect![""]);
    check(&["--stdin", "missing.txt"], expect![""]);
    check(&["--stdin", "."], expect![""]);
    check(&["--max-memory", "12x"], expect![""]);
    check(&["--timeout-fuel", "soon"], expect![""]);
    assert!(!scene.exists("a.cbor"));
}

#[test]
fn keys_that_are_none() {
    let scene = Scene::with(&["hello"]);
    scene.write("binary.key", &[0xff; 40]);
    scene.check(&["hello.wasm", "--chain", "a.cbor", "--sign", "no.key"], &expect![""]);
    scene.check(&["hello.wasm", "--chain", "a.cbor", "--sign", "binary.key"], &expect![""]);
    assert!(!scene.exists("a.cbor"));
}

#[test]
fn chains_that_cannot_be_created() {
    let scene = Scene::with(&["hello"]);
    scene.write("a.cbor", b"precious");
    scene.check(&["hello.wasm", "--chain", "a.cbor"], &expect![""]);
    scene.check(&["hello.wasm", "--chain", "missing/a.cbor"], &expect![""]);
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
    expect![""].assert_eq(&super::transcript(&output));
    // What was recorded before is good, and nobody says that it is all.
    let report = scene.verify("a.cbor");
    assert_eq!(report.verdict(), Verdict::Open);
    assert!(report.head.expect("it has a start").seq > 100);
}
