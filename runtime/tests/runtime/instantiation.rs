//! What happens while a component comes to life is recorded and replayed like the rest.

#![allow(clippy::unwrap_used, reason = "what cannot be set up is a test that failed")]

use std::sync::{Arc, Mutex};

use theater_record::{
    About, CheckpointPolicy, Clock, Event, Kind, LifecycleState, Options, Outcome, Recorder, Seed,
    Stored, TrapCode, Value, Values,
};
use theater_runtime::host::{Grants, Host};
use theater_runtime::{
    Backend, Component, Ending, Engine, Failure, Limits, PlaybackOptions, Recording,
    RecordingOptions, play,
};
use theater_verify::{Checked, VerifiedChain};

/// A component around a core module that may import `random: func() -> u64` and exports
/// `get: func() -> u64`.
fn component(core: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (import "wasi:random/random@0.2.0" (instance $random
                (export "get-random-u64" (func (result u64)))))
            (core func $random (canon lower (func $random "get-random-u64")))
            (core module $m (import "host" "random" (func $random (result i64))) {core})
            (core instance $i (instantiate $m
                (with "host" (instance (export "random" (func $random))))))
            (func (export "get") (result u64) (canon lift (core func $i "get"))))"#
    );
    wat::parse_str(text).unwrap()
}

struct Run {
    chain: VerifiedChain,
    outcomes: Vec<Outcome>,
    failure: Option<Failure>,
}

fn record(core: &str, limits: Limits, calls: usize) -> Run {
    let engine = Engine::new(Backend::Cranelift, &limits, None).unwrap();
    let component = Component::new(&engine, component(core)).unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let clock: Clock = Arc::new(|| 7);
    let about = About {
        component: Some(component.digest()),
        settings: limits.settings(Backend::Cranelift),
        ..About::default()
    };
    let policy = CheckpointPolicy { interval_ns: None, ..CheckpointPolicy::default() };
    let options = Options { policy, ..Options::default() };
    let recorder =
        Recorder::create(log.clone(), about, options, Seed::new([1; 32]), clock.clone()).unwrap();
    let host = Host::new(Grants::default()).unwrap();
    let options = RecordingOptions { limits, durable: false, clock, redact: Vec::new() };
    let mut recording = Recording::start(&component, host, recorder, &options).unwrap();
    let failure = recording.failure().cloned();
    let call = |_| recording.call(0, Values::of(&[]).unwrap()).unwrap();
    let outcomes = (0..calls).map(call).collect();
    recording.finish().unwrap();
    let bytes = log.lock().unwrap().clone();
    let checked = Checked::new(Arc::new(bytes), &theater_verify::Options::default()).unwrap();
    Run { chain: checked.whole().unwrap(), outcomes, failure }
}

/// Replays on both backends and expects the same.
fn replays(core: &str, chain: &VerifiedChain) {
    for backend in [Backend::Cranelift, Backend::Pulley] {
        let engine = Engine::for_replay(backend, &chain.header().settings, false, None).unwrap();
        let component = Component::new(&engine, component(core)).unwrap();
        let played = play(&component, chain, PlaybackOptions::default()).unwrap();
        assert!(matches!(played.ending, Ending::Same), "{backend:?}: {:?}", played.ending);
        assert_eq!(played.head, chain.head().hash, "{backend:?}");
    }
}

fn events(chain: &VerifiedChain) -> Vec<Event> {
    let mut reader = chain.reader().unwrap();
    let mut events = Vec::new();
    while let Some(stored) = reader.read().unwrap() {
        if let Stored::Record(record) = stored {
            events.push(record.event().unwrap());
        }
    }
    events
}

const DRAWS_AT_START: &str = r#"
    (global $drawn (mut i64) (i64.const 0))
    (func $start (global.set $drawn (call $random)))
    (start $start)
    (func (export "get") (result i64) (global.get $drawn))"#;

#[test]
fn a_start_function_may_call_out() {
    let run = record(DRAWS_AT_START, Limits::default(), 2);
    let kinds = events(&run.chain).iter().map(Event::kind).collect::<Vec<_>>();
    let first = |kind| kinds.iter().position(|known| *known == kind).unwrap();
    assert!(first(Kind::Lifecycle) < first(Kind::ImportCall));
    assert!(first(Kind::ImportReturn) < first(Kind::ExportCall));
    assert_eq!(run.outcomes[0], run.outcomes[1], "it was drawn once");
    replays(DRAWS_AT_START, &run.chain);
}

const TRAPS_AT_START: &str = r#"
    (func $start (drop (call $random)) unreachable)
    (start $start)
    (func (export "get") (result i64) (i64.const 0))"#;

#[test]
fn a_component_that_traps_at_its_start_is_an_outcome() {
    let run = record(TRAPS_AT_START, Limits::default(), 0);
    assert_eq!(run.failure.unwrap().code, TrapCode::Unreachable);
    let failed = events(&run.chain).into_iter().any(|event| {
        matches!(event, Event::Lifecycle(one)
            if one.state == LifecycleState::Failed && one.detail == "instantiation: unreachable")
    });
    assert!(failed);
    replays(TRAPS_AT_START, &run.chain);
}

#[test]
fn another_end_of_the_start_is_a_divergence() {
    let run = record(TRAPS_AT_START, Limits::default(), 0);
    let settings = &run.chain.header().settings;
    let engine = Engine::for_replay(Backend::Cranelift, settings, false, None).unwrap();
    let other =
        TRAPS_AT_START.replace("unreachable", "(drop (i32.div_u (i32.const 1) (i32.const 0)))");
    let component = Component::new(&engine, component(&other)).unwrap();
    let played = play(&component, &run.chain, PlaybackOptions::default()).unwrap();
    assert!(matches!(played.ending, Ending::Diverged(_)), "{:?}", played.ending);
}

const GROWS_A_TABLE: &str = r#"
    (table $t 1 funcref)
    (func (export "get") (result i64)
        (i64.extend_i32_s (table.grow $t (ref.null func) (i32.const 100))))"#;

#[test]
fn the_limit_on_tables_is_hit_at_the_same_place() {
    let limits = Limits { table_elements_max: 150, ..Limits::default() };
    let run = record(GROWS_A_TABLE, limits, 2);
    let got =
        |number: i64| Outcome::Returned(Values::of(&[Value::U64(number.cast_unsigned())]).unwrap());
    assert_eq!(run.outcomes, [got(1), got(-1)], "the second time there is no room");
    replays(GROWS_A_TABLE, &run.chain);
}

const IS_TOO_LARGE: &str = r#"
    (memory 64)
    (func (export "get") (result i64) (i64.const 0))"#;

#[test]
fn a_component_that_starts_beyond_its_limits_does_not_start() {
    let limits = Limits { memory_bytes_max: 1 << 20, ..Limits::default() };
    let run = record(IS_TOO_LARGE, limits, 0);
    assert_eq!(run.failure.unwrap().code, TrapCode::MemoryLimit);
    replays(IS_TOO_LARGE, &run.chain);
}
