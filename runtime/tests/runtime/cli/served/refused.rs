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
    expect![[""]].assert_eq(&said);
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
fn what_is_typed_wrong_is_said_to_be() {
    let served = Served::new();
    let check = |args: &[&str], expected: Expect| served.check("none", args, &expected);
    check(&["inspect", "my-actor"], expect![[""]]);
    check(&["stop", "019aa8f2-6c50-7d3e-9a41-0242ac120002"], expect![[""]]);
    check(&["start", "nowhere.toml"], expect![[""]]);
    served.scene.write("bad.toml", b"name = \"a\"\nparrot = 1\n");
    let shown = transcript(&served.theater(&["start", "bad.toml"]));
    let folder = served.scene.path("").canonicalize().unwrap();
    expect![[""]].assert_eq(&shown.replace(&format!("{}/", folder.display()), ""));
    let id = served.start("messenger");
    let check = |args: &[&str], expected: Expect| served.check(&id, args, &expected);
    check(&["events", &id, "--type", "surprise"], expect![[""]]);
    check(&["events", &id, "--from", "tomorrow"], expect![[""]]);
    check(&["state", &id, "--at", "99999"], expect![[""]]);
    check(&["message", &id, "spin", "-r", "--timeout", "100ms"], expect![[""]]);
    check(&["list", "-a", "not an address"], expect![[""]]);
}

#[test]
fn a_server_with_a_token_is_for_those_who_have_it() {
    let served = Served::in_scene(scene(), &["--token-file", "token"]);
    let denied = served.theater(&["list"]);
    expect![[""]].assert_eq(&transcript(&denied));
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
    let check = |args: &[&str], expected: Expect| served.check("none", args, &expected);
    check(&["server", "--chains", "chains"], expect![[""]]);
    check(&["server", "--chains", "other", "-a", &served.address], expect![[""]]);
    check(&["server", "--chains", "other", "-a", "0.0.0.0:0"], expect![[""]]);
    check(&["server", "--chains", "other", "-a", "nonsense"], expect![[""]]);
}
