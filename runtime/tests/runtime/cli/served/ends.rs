//! How servers, and actors without one, come to their end.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use theater_record::{MAGIC, Reader, Stored};
use theater_verify::Verdict;

use super::{SOON, Served, THEATER, scene, transcript};

#[test]
fn a_signal_ends_the_server_in_order_and_the_next_one_goes_on_with_its_actors() {
    let mut served = Served::new();
    let id = served.start("messenger");
    let mut follow = served.command(&["subscribe", &id, "-H"]);
    let mut follow = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    assert!(lines.next().is_some(), "it has begun to follow");
    served.said(&["message", &id, "hello"]);
    served.signal(Signal::TERM);
    assert!(lines.all(|line| line.is_ok()));
    let said = follow.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&said.stderr).contains("the server has stopped"));
    let (status, said) = served.ended();
    assert!(status.success(), "{status}");
    assert!(said.ends_with("stopped\n"), "{said}");
    served.go_on();
    assert_eq!(served.said(&["message", &id, "count", "-r"]), "2\n", "it has lost nothing");
    served.said(&["stop", &id]);
    let report = served.scene.verify(&format!("chains/{id}.chain.cbor"));
    assert_eq!(report.verdict(), Verdict::Complete, "{report:?}");
}

#[test]
fn a_server_that_was_killed_leaves_its_actors_to_the_next_one() {
    let mut served = Served::new();
    let id = served.start("messenger");
    assert_eq!(served.said(&["message", &id, "hello"]), "sent\n");
    served.signal(Signal::KILL);
    let (status, _) = served.ended();
    assert!(!status.success());
    served.go_on();
    assert_eq!(served.said(&["message", &id, "count", "-r"]), "2\n");
}

#[test]
fn an_actor_of_which_no_more_than_a_header_is_left_is_started_anew() {
    let mut served = Served::new();
    let id = served.start("messenger");
    served.signal(Signal::KILL);
    served.ended();
    let path = served.scene.path(&format!("chains/{id}.chain.cbor"));
    let bytes = std::fs::read(&path).unwrap();
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let Some(Stored::Record(header)) = reader.read().unwrap() else { panic!("no header") };
    let end = MAGIC.len() + header.frame.bytes().len();
    std::fs::write(&path, &bytes[..end]).unwrap();
    served.go_on();
    assert_eq!(served.said(&["message", &id, "count", "-r"]), "1\n");
    served.said(&["stop", &id]);
    for name in [format!("chains/{id}.chain.cbor"), format!("chains/{id}.2.chain.cbor")] {
        assert_eq!(served.scene.verify(&name).verdict(), Verdict::Complete, "{name}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut served = Served::new();
    let id = served.start("messenger");
    let spins = served.theater(&["message", &id, "spin", "-r", "--timeout", "50ms"]);
    assert_eq!(spins.status.code(), Some(2), "{}", transcript(&spins));
    let start = Instant::now();
    served.signal(Signal::INT);
    // The first one has to be heard before the second.
    while served.theater(&["list"]).status.success() {
        assert!(start.elapsed() < SOON, "it still takes requests");
    }
    served.signal(Signal::INT);
    let (status, _) = served.ended();
    assert_eq!(status.code(), Some(130));
}

#[test]
fn an_actor_runs_without_a_server_until_it_is_interrupted() {
    let scene = scene();
    let mut command = scene.command(THEATER);
    let command = command.arg("run").current_dir(scene.path("messenger"));
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.ends_with(" starts")), "what it logs is not printed");
    // It logs this while it is started, and is listened to for signals once it is.
    std::thread::sleep(Duration::from_millis(500));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let said = lines.collect::<Vec<_>>().join("\n");
    assert!(child.wait().unwrap().success(), "{said}");
    let chain = said.trim_end().rsplit_once("chain: ").unwrap().1;
    let report = scene.verify(&format!("messenger/{chain}"));
    assert_eq!(report.verdict(), Verdict::Complete, "{report:?}");
}

#[test]
fn what_an_actor_of_a_manifest_comes_to_is_the_exit() {
    let scene = scene();
    let run = |args: &[&str]| {
        let output = scene.command(THEATER).arg("run").args(args).output().unwrap();
        let said = transcript(&output);
        let is_kept = |line: &&str| !line.starts_with("chain: ");
        said.lines().filter(is_kept).collect::<Vec<_>>().join("\n")
    };
    let failed = run(&["--manifest", "keeper", "-i", "fail"]);
    assert!(failed.starts_with("--- messages\nnot started: "), "{failed}");
    assert!(failed.ends_with("--- exit 1"), "{failed}");
    let wrong = run(&["keeper/manifest.toml", "--dir", ".::/"]);
    assert!(wrong.contains("--dir is for components"), "{wrong}");
    assert!(wrong.ends_with("--- exit 2"), "{wrong}");
    let nothing = run(&[]);
    assert!(nothing.contains("this folder has no manifest.toml"), "{nothing}");
    assert!(nothing.ends_with("--- exit 2"), "{nothing}");
}
