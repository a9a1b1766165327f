//! Actors that are brought back by a new process, in the middle of whatever they were doing. What the guest does
//! with a message is said in `corpus/guests/rust/keeper/src/lib.rs`.

use std::path::Path;
use std::time::{Duration, Instant};

use theater_record::{Event, Reader, Stored};
use theater_runtime::{ActorId, End, ErrorKind, Status};

use crate::stage::actors::{SOON, Stage};
use crate::stage::verified;

/// Waits until a chain's file says this.
#[track_caller]
fn until_told(stage: &Stage, actor: ActorId, text: &str) {
    let chain = stage.system.chain_path(actor).unwrap();
    let start = Instant::now();
    let is_told =
        || std::fs::read(&chain).unwrap().windows(text.len()).any(|word| word == text.as_bytes());
    while !is_told() {
        assert!(start.elapsed() < SOON, "it is not told {text}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Cuts a chain off right before the last event for which this holds, as a crash might.
fn cut_before_last(chain: &Path, is_it: impl Fn(&Event) -> bool) {
    let bytes = std::fs::read(chain).unwrap();
    let mut reader = Reader::new(bytes.as_slice()).unwrap();
    let mut found = None;
    while let Some(stored) = reader.read().unwrap() {
        if let Stored::Record(record) = stored
            && is_it(&record.event().unwrap())
        {
            found = Some(record.offset);
        }
    }
    let at = usize::try_from(found.unwrap()).unwrap();
    std::fs::write(chain, &bytes[..at]).unwrap();
}

#[test]
fn who_waits_for_whom_in_the_middle_of_calls_goes_on_waiting() {
    let stage = Stage::new();
    let busy = stage.start(stage.keeper("busy", "")).unwrap();
    let child = |name| format!("[[children]]\nname = \"{name}\"\nmanifest = \"{name}.toml\"\n");
    ["one", "two"].into_iter().for_each(|name| drop(stage.keeper(name, "")));
    let top = stage.keeper("top", &format!("{}{}", child("one"), child("two")));
    let top = stage.start(top).unwrap();
    let [one, two] = ["one", "two"].map(|name| stage.the(name));
    // One waits for its parent, which waits for somebody who does not end.
    let all = [(busy, "spin".to_owned()), (top, format!("ask {busy} count"))];
    for (actor, what) in all.into_iter().chain([(one, format!("ask {top} children"))]) {
        drop(stage.system.request_later(actor, what.clone().into_bytes(), SOON).unwrap());
        until_told(&stage, actor, &what);
    }
    let begun = Instant::now();
    let crashed = stage.crashed(SOON);
    assert!(begun.elapsed() < SOON, "nobody waited for what does not end");
    for actor in [busy, top, one, two] {
        assert_eq!(crashed.listed(actor).status, Status::Running);
    }
    crashed.system.kill(busy).unwrap();
    assert_eq!(crashed.end(busy), End::Killed);
    assert_eq!(crashed.ask(top, "children"), format!("{one}\n{two}"));
    assert_eq!(crashed.ask(one, "count"), "2", "it has got its answer");
    crashed.all_end_and_replay();
    stage.system.kill(busy).unwrap();
    stage.all_end_and_replay();
}

#[test]
fn what_fails_where_it_goes_on_has_failed() {
    let stage = Stage::new();
    let busy = stage.start(stage.keeper("busy", "")).unwrap();
    stage.keeper("worker", "");
    let at_once = "[supervision]\nback_off = { first = \"0ms\" }\n";
    let child = "[[children]]\nname = \"worker\"\nmanifest = \"worker.toml\"\n";
    let top = stage.start(stage.keeper("top", &format!("{at_once}{child}"))).unwrap();
    let worker = stage.the("worker");
    for (actor, what) in [(busy, "spin".to_owned()), (worker, format!("ask {busy} count"))] {
        drop(stage.system.request_later(actor, what.clone().into_bytes(), SOON).unwrap());
        until_told(&stage, actor, &what);
    }
    let crashed = stage.crashed(SOON);
    crashed.system.kill(worker).unwrap();
    crashed.wait_for_life(worker, 2);
    assert_eq!(crashed.ask(worker, "count"), "1");
    assert_eq!(crashed.ask(top, "heard"), "stopped");
    assert_eq!(crashed.system.chain_paths(worker).unwrap().len(), 1, "one life after another");
    crashed.system.kill(busy).unwrap();
    crashed.all_end_and_replay();
    stage.system.kill(busy).unwrap();
    stage.all_end_and_replay();
}

#[test]
fn a_child_whose_parent_was_not_told_of_it_is_not_started_twice() {
    let stage = Stage::new();
    let top = stage.start(stage.keeper("top", "")).unwrap();
    stage.keeper("worker", "");
    let first: ActorId = stage.ask(top, "spawn worker.toml").parse().unwrap();
    let second = stage.ask(top, "spawn worker.toml").parse().unwrap();
    let chain = stage.system.chain_path(top).unwrap();
    // Of the second, it was about to be told.
    let is_allowed =
        |event: &Event| matches!(event, Event::Permission(it) if it.capability == "supervisor");
    let stage = stage.suspended_and_resumed_after(|| cut_before_last(&chain, is_allowed));
    let children = stage.ask(top, "children");
    assert_eq!(children, format!("{first}\n{second}"));
    assert_eq!(stage.ask(second, "count"), "1");
    stage.all_end_and_replay();
}

#[test]
fn who_had_not_been_told_to_start_is_told_so_once() {
    let stage = Stage::new();
    let actor = stage.start(stage.keeper("one", "")).unwrap();
    let chain = stage.system.chain_path(actor).unwrap();
    let is_call = |event: &Event| matches!(event, Event::ExportCall(_));
    let stage = stage.suspended_and_resumed_after(|| cut_before_last(&chain, is_call));
    assert_eq!(*stage.logged.lock().unwrap(), ["starts"]);
    assert_eq!(stage.ask(actor, "count"), "1");
    let stage = stage.suspended_and_resumed();
    assert!(stage.logged.lock().unwrap().is_empty());
    stage.all_end_and_replay();
}

#[test]
fn who_has_asked_for_its_end_comes_to_it() {
    let stage = Stage::new();
    let leaves = stage.keeper("leaves", "init_state = { text = \"leave\" }\n\n");
    let at_once = stage.start(leaves).unwrap();
    assert_eq!(stage.end(at_once), End::Completed(Some(b"at once".to_vec())));
    let later = stage.start(stage.keeper("later", "")).unwrap();
    assert_eq!(stage.ask(later, "leave a note"), "done");
    assert_eq!(stage.end(later), End::Completed(Some(b"a note".to_vec())));
    // Without what came after its call, it has still asked for it.
    let chain = stage.system.chain_path(later).unwrap();
    let bytes = std::fs::read(&chain).unwrap();
    let is_return = |event: &Event| matches!(event, Event::ExportReturn(_));
    cut_before_last(&chain, is_return);
    let roster = stage.chains().join("actors.jsonl");
    let lines = std::fs::read_to_string(&roster).unwrap();
    let there = lines.split_inclusive('\n').filter(|line| !line.starts_with("{\"ended\""));
    std::fs::write(roster, there.collect::<String>()).unwrap();
    let crashed = stage.crashed(SOON);
    assert_eq!(crashed.end(later), End::Completed(Some(b"a note".to_vec())));
    crashed.all_end_and_replay();
    std::fs::write(chain, bytes).unwrap();
    stage.all_end_and_replay();
}

#[test]
fn a_child_whose_chain_is_not_sound_begins_anew_beside_it() {
    let stage = Stage::new();
    let child = |name| format!("[[children]]\nname = \"{name}\"\nmanifest = \"{name}.toml\"\n");
    ["one", "two"].into_iter().for_each(|name| drop(stage.keeper(name, "")));
    let top = stage.keeper("top", &format!("{}{}", child("one"), child("two")));
    stage.start(top).unwrap();
    let [one, two] = ["one", "two"].map(|name| stage.the(name));
    for child in [one, two] {
        assert_eq!(stage.ask(child, "ten"), "ten");
    }
    let chain = stage.system.chain_path(one).unwrap();
    let mut forged = std::fs::read(&chain).unwrap();
    let told = forged.windows(3).position(|bytes| bytes == b"ten").unwrap();
    forged[told] = b'T';
    std::fs::write(&chain, &forged).unwrap();
    let crashed = stage.crashed(SOON);
    assert_eq!(crashed.ask(one, "count"), "1");
    assert_eq!(crashed.ask(two, "count"), "2");
    let chains = crashed.system.chain_paths(one).unwrap();
    assert_eq!(chains.len(), 2);
    assert_eq!(std::fs::read(&chains[0]).unwrap(), forged, "it stays as it is");
    crashed.system.shutdown(SOON);
    verified(&std::fs::read(&chains[1]).unwrap());
}

#[test]
fn an_actor_whose_host_fails_ends_and_harms_no_other() {
    let stage = Stage::logging(|text| assert!(text != "panic", "as it was told to"));
    let [one, other] = ["one", "other"].map(|name| stage.start(stage.keeper(name, "")).unwrap());
    let asked = stage.system.request(one, b"log panic".to_vec(), SOON);
    assert!(asked.is_err(), "{asked:?}");
    let End::Failed(error) = stage.end(one) else { panic!("it has not failed") };
    assert_eq!(error.message, "its host has failed");
    assert_eq!(stage.ask(other, "count"), "1");
}

#[test]
fn what_waits_for_an_actor_is_done_before_it_rests() {
    let stage = Stage::new();
    let actor = stage.start(stage.keeper("one", "")).unwrap();
    let asked: Vec<_> = (0..100)
        .map(|_| stage.system.request_later(actor, b"count".to_vec(), SOON).unwrap())
        .collect();
    let stage = stage.suspended_and_resumed();
    for awaited in asked {
        awaited.wait(SOON).unwrap();
    }
    assert_eq!(stage.ask(actor, "count"), "101");
    stage.all_end_and_replay();
}

#[test]
fn a_busy_actor_keeps_no_other_from_coming_back_and_can_be_killed() {
    let stage = Stage::new();
    let start = |name: &str| stage.start(stage.keeper(name, "")).unwrap();
    let [busy, other] = ["busy", "other"].map(start);
    let _spins = stage.system.request_later(busy, b"spin".to_vec(), SOON).unwrap();
    until_told(&stage, busy, "spin");
    let crashed = stage.crashed(SOON);
    assert_eq!(crashed.ask(other, "count"), "1");
    assert_eq!(crashed.listed(busy).status, Status::Running);
    crashed.system.kill(busy).unwrap();
    assert_eq!(crashed.end(busy), End::Killed);
    stage.system.kill(busy).unwrap();
    stage.all_end_and_replay();
}

#[test]
fn bonds_hold_across_a_restart_of_their_server() {
    let stage = Stage::new();
    let start = |name: &str| stage.start(stage.keeper(name, "")).unwrap();
    let [a, b, c, watcher] = ["a", "b", "c", "watcher"].map(start);
    assert_eq!(stage.ask(a, &format!("link {b}")), "done");
    assert_eq!(stage.ask(c, &format!("link {a}")), "done");
    assert_eq!(stage.ask(c, &format!("unlink {a}")), "done");
    for (number, actor) in [a, b, c].into_iter().enumerate() {
        let number = (number + 1).to_string();
        assert_eq!(stage.ask(watcher, &format!("monitor {actor}")), number);
    }
    assert_eq!(stage.ask(watcher, "demonitor 2"), "done");
    let stage = stage.suspended_and_resumed();
    assert_eq!(stage.ask(watcher, &format!("monitor {c}")), "4", "no number is given twice");
    let _ = stage.system.request(a, b"trap".to_vec(), SOON);
    assert!(matches!(stage.end(b), End::Failed(error) if error.kind == ErrorKind::Linked));
    while stage.ask(watcher, "heard") != "1 failed" {}
    assert_eq!(stage.ask(c, "count"), "3", "it was linked no more");
    let stage = stage.suspended_and_resumed();
    stage.system.stop(c, SOON).unwrap();
    while stage.ask(watcher, "heard") != "3 stopped\n4 stopped" {}
    stage.all_end_and_replay();
}

#[test]
fn who_does_not_come_back_with_its_server_has_failed_to_those_who_care() {
    let stage = Stage::new();
    let start = |name: &str| stage.start(stage.keeper(name, "")).unwrap();
    let [gone, linked, watcher] = ["gone", "linked", "watcher"].map(start);
    assert_eq!(stage.ask(linked, &format!("link {gone}")), "done");
    assert_eq!(stage.ask(watcher, &format!("monitor {gone}")), "1");
    let chain = stage.system.chain_path(gone).unwrap();
    let stage = stage.suspended_and_resumed_after(|| std::fs::remove_file(chain).unwrap());
    let End::Failed(error) = stage.end(linked) else { panic!("it has not failed") };
    assert_eq!(error.kind, ErrorKind::Linked);
    assert!(error.message.ends_with("it did not come back with its server"), "{error:?}");
    while stage.ask(watcher, "heard") != "1 failed" {}
    stage.all_end_and_replay();
}
