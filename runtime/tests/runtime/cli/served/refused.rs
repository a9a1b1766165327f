//! What is said when there is no server, no such actor, no permission.

use std::process::Output;

use expect_test::{Expect, expect};

use super::{Served, THEATER, scene, transcript};

#[test]
fn without_a_server_it_is_said_how_to_get_one() {
    let scene = scene();
    let run = |args: &[&str]| -> Output {
        let mut command = scene.command(THEATER);
        // Port 1 is nobody's.
        command.args(args).env("THEATER_ADDRESS", "127.0.0.1:1").output().unwrap()
    };
    let said = transcript(&run(&["list"]));
    expect![[r#"
        --- messages
        error: no server answers at 127.0.0.1:1: Connection refused (os error 111)
          try: start one with theater server, or say where it is with -a HOST:PORT
        --- exit 2
    "#]]
    .assert_eq(&said);
    for args in [
        &["start", "messenger"][..],
        &["stop", "x"],
        &["restart", "x"],
        &["kill", "x"],
        &["tree"],
        &["inspect", "x"],
        &["state", "x"],
        &["events", "x"],
        &["logs", "x"],
        &["logs", "x", "-f"],
        &["subscribe", "x"],
        &["message", "x", "y"],
        &["channel", "open", "x"],
    ] {
        assert_eq!(transcript(&run(args)), said, "{args:?}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "most of it is what is printed")]
fn what_is_typed_wrong_is_said_to_be() {
    let served = Served::new();
    let check = |args: &[&str], expected: Expect| served.check("no id", args, &expected);
    check(
        &["inspect", "my-actor"],
        expect![[r#"
        --- messages
        error: "my-actor" is not an actor's id, which looks like 019aa8f2-6c50-7d3e-9a41-0242ac120002
          try: theater list shows the actors there are
        --- exit 2
    "#]],
    );
    check(
        &["stop", "019aa8f2-6c50-7d3e-9a41-0242ac120002"],
        expect![[r#"
        --- messages
        error: there is no actor 019aa8f2-6c50-7d3e-9a41-0242ac120002
          try: theater list shows the actors there are
        --- exit 2
    "#]],
    );
    check(
        &["start", "nowhere.toml"],
        expect![[r#"
        --- messages
        error: there is no manifest nowhere.toml: No such file or directory (os error 2)
          try: name one, or make a project with theater create NAME
        --- exit 2
    "#]],
    );
    served.scene.write("bad.toml", b"name = \"a\"\nparrot = 1\n");
    let shown = transcript(&served.theater(&["start", "bad.toml"]));
    let folder = served.scene.path("").canonicalize().unwrap();
    expect![[r#"
        --- messages
        not started: bad.toml:1:1: component is missing: add component = "my-actor.wasm"
        bad.toml:2:1: unknown key parrot: known here: name, version, description, component, init_state, handlers, permissions, limits, supervision, children, chain
        --- exit 1
    "#]].assert_eq(&shown.replace(&format!("{}/", folder.display()), ""));
    let id = served.start("messenger");
    let check = |args: &[&str], expected: Expect| served.check(&id, args, &expected);
    check(
        &["events", &id, "--type", "surprise"],
        expect![[r#"
        --- messages
        error: kind: "surprise" is none of header, type, function, export-call, import-call, import-return, export-return, resource-drop, lifecycle, permission, checkpoint, close, recover
        --- exit 2
    "#]],
    );
    check(
        &["events", &id, "--from", "tomorrow"],
        expect![[r#"
        --- messages
        error: since: "tomorrow" is no time: write 90s or 2h or 1d for so long ago, or 2026-11-21T09:30:00Z
        --- exit 2
    "#]],
    );
    let late = transcript(&served.theater(&["state", &id, "--at", "99999"]));
    // A second later there is a checkpoint more.
    expect![[r#"
        --- messages
        error: there is no event 99999: the chain has 8 so far
          try: theater inspect ID shows how many events there are
        --- exit 2
    "#]]
    .assert_eq(&late.replace("has 9 so far", "has 8 so far"));
    check(
        &["message", &id, "spin", "-r", "--timeout", "100ms"],
        expect![[r#"
        --- messages
        error: no answer within 100 ms
          try: wait longer with --timeout, or look what it does with theater events ID
        --- exit 2
    "#]],
    );
    check(
        &["list", "-a", "not an address"],
        expect![[r#"
        --- messages
        error: "not an address" is not the address of a server, which looks like 127.0.0.1:9000
          try: name its host and port, as in -a 127.0.0.1:9000
        --- exit 2
    "#]],
    );
}

#[test]
fn a_server_with_a_token_is_for_those_who_have_it() {
    let served = Served::in_scene(scene(), &["--token-file", "token"]);
    let denied = served.theater(&["list"]);
    expect![[r#"
        --- messages
        error: this server wants its token, as in Authorization: Bearer TOKEN
          try: name the file with its token with --token-file, or set THEATER_TOKEN
        --- exit 2
    "#]]
    .assert_eq(&transcript(&denied));
    assert_eq!(served.said(&["list", "--token-file", "token"]), "0 actors\n");
    let token = std::fs::read_to_string(served.scene.path("token")).unwrap();
    let output = served.command(&["list"]).env("THEATER_TOKEN", token.trim()).output().unwrap();
    assert_eq!(transcript(&output), "0 actors\n--- exit 0\n");
    let output = served.command(&["list"]).env("THEATER_TOKEN", "x".repeat(64)).output().unwrap();
    assert_eq!(transcript(&output), transcript(&denied));
}

#[test]
fn a_server_that_cannot_be_says_why() {
    let served = Served::new();
    let check = |args: &[&str], expected: Expect| served.check("no id", args, &expected);
    check(
        &["server", "--chains", "chains"],
        expect![[r#"
        --- messages
        error: another server has the chains in chains
          try: stop it, or name another folder with --chains
        --- exit 2
    "#]],
    );
    check(
        &["server", "--chains", "other", "-a", &served.address],
        expect![[r#"
        --- messages
        error: cannot listen on ADDRESS: Address already in use (os error 98)
          try: name another address with -a HOST:PORT; port 0 is any free one
        --- exit 2
    "#]],
    );
    check(
        &["server", "--chains", "other", "-a", "0.0.0.0:0"],
        expect![[r#"
        --- messages
        error: a server on 0.0.0.0:0 can be reached from other machines, so it needs a token
          try: add --token-file FILE, which is made if there is none
        --- exit 2
    "#]],
    );
    check(
        &["server", "--chains", "other", "-a", "nonsense"],
        expect![[r#"
        --- messages
        error: "nonsense" is no address to listen on
          try: name a host and a port, as in -a 127.0.0.1:9000
        --- exit 2
    "#]],
    );
}
