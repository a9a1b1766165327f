//! Checkpoints stand where the policy asks for them, and what is called durable was synced.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail right there")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use theater_record::{
    About, CheckpointPolicy, Event, Kind, Lifecycle, LifecycleState, Options, Reader, Recorder,
    Seed, Stored,
};

type Memory = Arc<Mutex<Vec<u8>>>;

fn recorder(policy: CheckpointPolicy) -> (Recorder, Memory) {
    let log = Memory::default();
    let options = Options { policy, ..Options::default() };
    let (about, seed) = (About::default(), Seed::new([1; 32]));
    let recorder = Recorder::create(log.clone(), about, options, seed, Arc::new(|| 1)).unwrap();
    (recorder, log)
}

fn never() -> CheckpointPolicy {
    CheckpointPolicy { records_max: u64::MAX, bytes_max: u64::MAX, interval_ns: None }
}

fn event() -> Event {
    let (state, detail) = (LifecycleState::Paused, "for a while".to_owned());
    Event::Lifecycle(Lifecycle { state, time: 1, detail })
}

fn kinds(log: &Memory) -> Vec<Kind> {
    let bytes = log.lock().unwrap().clone();
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let mut kinds = Vec::new();
    while let Some(Stored::Record(record)) = reader.read().unwrap() {
        kinds.push(record.kind);
    }
    kinds
}

fn checkpoints(log: &Memory) -> Vec<usize> {
    let kinds = kinds(log).into_iter().enumerate();
    kinds.filter(|(_, kind)| *kind == Kind::Checkpoint).map(|(at, _)| at).collect()
}

#[test]
fn by_count() {
    let (mut recorder, log) = recorder(CheckpointPolicy { records_max: 4, ..never() });
    for _ in 0..9 {
        recorder.append(&event()).unwrap();
    }
    drop(recorder);
    assert_eq!(checkpoints(&log), [4, 8, 12], "every segment has four records");
}

#[test]
fn by_bytes() {
    let (mut recorder, log) = recorder(CheckpointPolicy { bytes_max: 200, ..never() });
    for _ in 0..12 {
        recorder.append(&event()).unwrap();
    }
    drop(recorder);
    assert!(checkpoints(&log).len() >= 3, "{:?}", kinds(&log));
}

#[test]
fn by_time_and_only_with_something_pending() {
    let policy = CheckpointPolicy { interval_ns: Some(5_000_000), ..never() };
    let (mut recorder, log) = recorder(policy);
    recorder.append(&event()).unwrap();
    let start = Instant::now();
    while checkpoints(&log).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(20), "no checkpoint came");
        std::thread::sleep(Duration::from_millis(2));
    }
    let count = kinds(&log).len();
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(kinds(&log).len(), count, "nothing happened, so there is nothing to commit to");
}

#[test]
fn a_durable_event_is_in_the_log_behind_a_checkpoint_when_the_call_returns() {
    let (mut recorder, log) = recorder(never());
    recorder.append(&event()).unwrap();
    let seq = recorder.append_durable(&event()).unwrap();
    assert_eq!(seq, 2);
    let expected = [Kind::Header, Kind::Lifecycle, Kind::Lifecycle, Kind::Checkpoint];
    assert_eq!(kinds(&log), expected);
}
