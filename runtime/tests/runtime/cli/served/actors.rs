//! The life of actors, as people type it.

use std::io::Write;
use std::process::Stdio;

use expect_test::expect;
use serde_json::Value;

use super::{Served, transcript};

#[test]
#[allow(clippy::too_many_lines, reason = "most of it is what is printed")]
fn an_actor_is_started_looked_at_and_stopped() {
    let served = Served::new();
    assert_eq!(served.said(&["list"]), "0 actors\n");
    assert_eq!(served.said(&["tree"]), "no actors\n");
    let id = served.start("messenger/manifest.toml");
    assert_eq!(id.len(), 36, "nothing but the id is printed: {id}");
    let check = |args: &[&str], expected| served.check(&id, args, &expected);
    check(
        &["list"],
        expect![[r#"
        ID  running     messenger
        1 actor
        --- exit 0
    "#]],
    );
    check(
        &["tree"],
        expect![[r#"
        messenger  running  ID
        --- exit 0
    "#]],
    );
    check(
        &["message", &id, "hello"],
        expect![[r#"
        sent
        --- exit 0
    "#]],
    );
    check(
        &["message", &id, "count", "--request"],
        expect![[r#"
        2
        --- exit 0
    "#]],
    );
    check(
        &["state", &id],
        expect![[r#"
        2
        --- exit 0
    "#]],
    );
    check(
        &["events", &id, "--from", "0", "--type", "permission"],
        expect![[r#"
             8  allowed message "outside"
            12  allowed message "outside"
        --- exit 0
    "#]],
    );
    check(
        &["stop", &id],
        expect![[r#"
        stopped ID
        --- exit 0
    "#]],
    );
    check(
        &["list"],
        expect![[r#"
        ID  stopped     messenger
        1 actor
        --- exit 0
    "#]],
    );
    check(
        &["message", &id, "hello"],
        expect![[r#"
        --- messages
        error: ID has ended
          try: theater list shows the actors there are
        --- exit 2
    "#]],
    );
}

#[test]
fn an_actor_is_started_in_every_way() {
    let served = Served::new();
    let started = served.said(&["start", "messenger"]);
    assert!(started.starts_with("started messenger: 0"), "{started}");
    let mut command = served.command(&["start", "-i", "41", "--json"]);
    let output = command.current_dir(served.scene.path("messenger")).output().unwrap();
    let actor: Value = serde_json::from_slice(&output.stdout).unwrap();
    let id = actor["id"].as_str().unwrap();
    assert_eq!(served.said(&["state", id]), "41\n");
    served.scene.write("state.json", b"{\"a\": [1]}");
    let id = served.said(&["start", "messenger", "-i", "state.json", "--id-only"]);
    let id = id.trim_end();
    assert_eq!(served.said(&["state", id]), "{\"a\": [1]}\n");
    assert_eq!(served.said(&["state", id, "-f", "json"]), "{\"a\":[1]}\n");
    assert_eq!(served.said(&["state", id, "-f", "pretty"]), "{\n  \"a\": [\n    1\n  ]\n}\n");
    assert_eq!(served.said(&["state", id, "-f", "raw"]), "{\"a\": [1]}");
    let child = served.said(&["start", "messenger", "-p", id, "--id-only"]);
    let tree = served.said(&["tree", "--root", id]);
    let expected =
        format!("messenger  running  {id}\n  messenger  running  {}\n", child.trim_end());
    assert_eq!(tree, expected);
    assert_eq!(served.said(&["tree", "-r", id, "-d", "0"]).lines().count(), 1);
    assert_eq!(served.said(&["--json", "tree"]), served.said(&["tree", "--json"]));
    let build = transcript(&served.theater(&["--json", "build"]));
    assert!(build.contains("does not print JSON"), "{build}");
}

#[test]
fn messages_come_from_files_and_pipes_and_answers_are_bytes() {
    let served = Served::new();
    let id = served.start("keeper");
    served.scene.write("message", b"count");
    assert_eq!(served.said(&["message", &id, "-f", "message", "-r"]), "1\n");
    assert_eq!(served.said(&["message", &id, "-f", "message", "-r", "--raw"]), "2");
    let mut command = served.command(&["message", &id, "-f", "-", "-r", "--json"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"what a \x1b[2Jmess").unwrap();
    let said = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(answer["text"], "what a \u{1b}[2Jmess");
    let said = served.said(&["message", &id, "what a \u{1b}[2Jmess", "-r"]);
    assert_eq!(said, "what a \\u{1b}[2Jmess\n", "an actor does not steer the terminal");
    let refused = served.theater(&["message", &id, "fail badly", "-r"]);
    let expected = "--- messages\nthe actor refuses: badly\n--- exit 1\n";
    assert_eq!(transcript(&refused), expected);
}

#[test]
fn an_actor_is_killed_and_started_again() {
    let served = Served::new();
    let id = served.start("messenger");
    assert_eq!(served.said(&["kill", &id]), format!("killed {id}\n"));
    assert_eq!(served.said(&["restart", &id]), format!("restarted {id}\n"));
    assert_eq!(served.said(&["message", &id, "count", "-r"]), "1\n");
    let known = served.said(&["inspect", &id]);
    assert!(known.contains("status    running\n"), "{known}");
    assert!(known.contains("started   2 times\n"), "{known}");
    let known: Value = serde_json::from_str(&served.said(&["inspect", &id, "--json"])).unwrap();
    assert_eq!(known["lives"], 2);
}

#[test]
fn lines_go_over_a_channel_in_both_directions() {
    let served = Served::new();
    let id = served.start("keeper");
    let mut command = served.command(&["channel", "open", &id, "-m", "good morning"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"one\ntwo\n").unwrap();
    let said = child.wait_with_output().unwrap();
    assert_eq!(transcript(&said), "good morning\n--- exit 0\n");
    let heard = served.said(&["message", &id, "heard", "-r"]);
    assert_eq!(heard, "said: one\nsaid: two\nclosed\n");
    let declined = served.theater(&["channel", "open", &id, "-m", "no"]);
    assert_eq!(declined.status.code(), Some(1), "{}", transcript(&declined));
}

#[test]
fn shells_can_complete_every_command() {
    let served = Served::new();
    for shell in ["bash", "fish", "zsh"] {
        let script = served.said(&["completion", shell]);
        assert!(script.contains("subscribe"), "{shell}: {script}");
    }
}
