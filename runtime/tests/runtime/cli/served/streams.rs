//! What actors do, shown in every form and while they do it.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use serde_json::Value;

use super::{Served, transcript};

#[test]
fn events_are_printed_in_every_form() {
    let served = Served::new();
    let id = served.start("messenger");
    for _ in 0..10 {
        served.said(&["message", &id, "hello"]);
    }
    // Now and then, a checkpoint is written while an actor runs.
    served.said(&["stop", &id]);
    let events = |args: &[&str]| served.said(&[&["events", &id], args].concat());
    let all = events(&["--from", "0", "--limit", "1000"]);
    let newest: Vec<&str> = all.lines().rev().take(3).collect();
    assert!(events(&["-l", "3"]).lines().rev().eq(newest.iter().copied()));
    assert!(events(&["-l", "3", "--reverse"]).lines().eq(newest));
    assert_eq!(events(&["--from", "2", "--to", "4"]).lines().count(), 3);
    assert_eq!(events(&["--type", "permission"]).lines().count(), 10);
    assert_eq!(events(&["--type", "permission", "--from", "1h"]).lines().count(), 10);
    assert_eq!(events(&["--type", "permission", "--to", "2000-01-01"]), "");
    assert_eq!(events(&["--search", &format!("{id} starts")]).lines().count(), 1);
    assert_eq!(events(&["--function", "log", "--type", "import-call"]).lines().count(), 1);
    let csv = events(&["--format", "csv", "--from", "0", "--limit", "1000"]);
    assert!(csv.starts_with("seq,time,kind,link,parent,line\n0,"), "{csv}");
    let json: Value =
        serde_json::from_str(&events(&["--json", "--from", "0", "--limit", "1000"])).unwrap();
    assert_eq!(json["schema"], "theater/events/1");
    assert_eq!(json["events"].as_array().unwrap().len(), all.lines().count());
    let pretty = events(&["--format", "pretty", "--limit", "1"]);
    assert!(pretty.contains("\n  link  "), "{pretty}");
    let exported = served.theater(&["events", &id, "--export", "all.csv", "--format", "csv"]);
    let count = csv.lines().count() - 1;
    let said = format!("--- messages\n{count} events written to all.csv\n--- exit 0\n");
    assert_eq!(transcript(&exported), said);
    assert_eq!(std::fs::read_to_string(served.scene.path("all.csv")).unwrap(), csv);
    let again = served.theater(&["events", &id, "--export", "all.csv"]);
    assert_eq!(again.status.code(), Some(2), "nothing is written over");
}

#[test]
fn what_is_started_is_followed_to_its_end_through_a_pipe() {
    let served = Served::new();
    let mut start = served.command(&["start", "messenger/manifest.toml", "--id-only"]);
    let mut start = start.stdout(Stdio::piped()).spawn().unwrap();
    let mut subscribe = served.command(&["subscribe", "-", "--history"]);
    let subscribe = subscribe.stdin(start.stdout.take().unwrap()).stdout(Stdio::piped());
    let mut subscribe = subscribe.stderr(Stdio::piped()).spawn().unwrap();
    assert!(start.wait().unwrap().success());
    let mut lines = BufReader::new(subscribe.stdout.take().unwrap()).lines();
    // They come while the actor runs.
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains("messenger"), "{first}");
    let listed: Value = serde_json::from_str(&served.said(&["list", "--json"])).unwrap();
    let id = listed["actors"][0]["id"].as_str().unwrap();
    served.said(&["stop", id]);
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert!(rest.last().unwrap().contains("close"), "{rest:?}");
    let said = subscribe.wait_with_output().unwrap();
    assert_eq!(transcript(&said), format!("--- messages\n{id} has ended: stopped\n--- exit 0\n"));
}

#[test]
fn subscribers_choose_what_they_see_and_for_how_long() {
    let served = Served::new();
    let ids = [served.start("messenger"), served.start("keeper")];
    let both = served.said(&["subscribe", &ids[0], &ids[1], "-H", "-l", "4", "--json"]);
    for line in both.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        assert!(ids.iter().any(|id| event["actor"] == **id), "{event}");
    }
    assert_eq!(both.lines().count(), 4);
    let some = ["subscribe", &ids[0], "-H", "-e", "header,function", "-l", "2"];
    assert_eq!(served.said(&some).lines().count(), 2);
    served.said(&["subscribe", &ids[0], "--timeout", "1ms"]);
    let nobody = served.command(&["subscribe", "-"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(nobody.status.code(), Some(2));
}

#[test]
fn logs_are_shown_and_followed() {
    let served = Served::new();
    let id = served.start("messenger");
    let logged = served.said(&["logs", &id]);
    assert!(logged.ends_with(&format!("{id} starts\n")), "{logged}");
    let mut follow = served.command(&["logs", &id, "--follow", "--json"]);
    let follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    served.said(&["stop", &id]);
    let said = follow.wait_with_output().unwrap();
    let line: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(line["text"], format!("{id} starts"));
}

#[test]
fn who_starts_an_actor_can_wait_for_its_end() {
    let served = Served::new();
    let wait = |args: &[&str], message: &str| {
        let mut command = served.command(&[&["start", "messenger"], args].concat());
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut started = String::new();
        said.read_line(&mut started).unwrap();
        let id = started.trim_end().rsplit(' ').next().unwrap().to_owned();
        // It may end before it answers.
        let _ = served.theater(&["message", &id, message, "-r"]);
        let events = said.lines().count();
        let output = child.wait_with_output().unwrap();
        (events, transcript(&output).replace(&id, "ID"))
    };
    let (events, end) = wait(&["--wait"], "leave a note");
    assert_eq!(events, 0);
    assert_eq!(end, "--- messages\nID has ended: completed: a note\n--- exit 0\n");
    let (events, end) = wait(&["--subscribe"], "fail badly");
    assert!(events > 10, "{events}");
    assert_eq!(end, "--- messages\nID has ended: failed: badly\n--- exit 1\n");
}

#[test]
fn whoever_stops_reading_is_no_trouble() {
    let served = Served::new();
    let id = served.start("messenger");
    let mut follow = served.command(&["subscribe", &id, "-H"]);
    let mut follow = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(follow.stdout.take());
    served.said(&["stop", &id]);
    let said = follow.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&said.stderr).contains("error"), "{}", transcript(&said));
    std::io::stdout().flush().unwrap();
}
