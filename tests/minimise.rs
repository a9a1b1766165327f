//! Excerpts of recordings, and `theater-replay minimise` on guests that fail: the calls that are left
//! fail the same way when they are made anew, and nothing outside is asked for that.

use std::path::Path;

use theater_record::{Kind, Outcome, Value};
use theater_runtime::{Backend, Component, Engine, Excerpt, Life, play_excerpt};
use theater_verify::VerifiedChain;

use crate::stage::programs::{Said, run_at_home};
use crate::stage::{Recorded, Setup, component, folder};

/// Makes some of the calls of a recording again.
fn excerpt(guest: &str, recorded: &Recorded, kept: &[usize]) -> (Life, Excerpt) {
    let chain: VerifiedChain = recorded.verified();
    let settings = &chain.header().settings;
    let engine = Engine::for_replay(Backend::Cranelift, settings, false, None).unwrap();
    let component = Component::load(&engine, &component(guest)).unwrap();
    let life = Life::read(&chain, None).unwrap().expect("the guest has lived");
    let excerpt = engine.on_stack(|| play_excerpt(&component, &chain, &life, kept, None)).unwrap();
    (life, excerpt)
}

/// What a call of an excerpt returned.
fn returned(life: &Life, excerpt: &Excerpt, position: usize) -> Vec<Value> {
    let (_, outcome) = excerpt.outcomes.iter().find(|(made, _)| *made == position).unwrap();
    let Outcome::Returned(values) = outcome else { panic!("{outcome:?}") };
    values.decode(life.calls[position].function.results.iter(), &life.types).unwrap()
}

#[test]
fn all_calls_of_a_recording_do_what_they_did() {
    let ledger = ["open(\"ann\")", "add(\"ann\", 5)", "history(newest-first)", "balance(\"bob\")"];
    let steps = ["step(1)", "step(2)", "step(0)", "total()"];
    for (guest, calls) in [("ledger", ledger), ("mutant-base", steps)] {
        let recorded = calls.iter().fold(Setup::of(guest), |setup, call| setup.call(call)).record();
        let (life, excerpt) = excerpt(guest, &recorded, &[0, 1, 2, 3]);
        assert!(excerpt.unanswered.is_none() && excerpt.failure.is_none());
        let outcomes: Vec<_> =
            life.calls.iter().map(|call| &call.end.as_ref().unwrap().1).collect();
        assert_eq!(excerpt.outcomes.iter().map(|(_, one)| one).collect::<Vec<_>>(), outcomes);
    }
}

#[test]
fn resources_keep_their_numbers_when_others_are_left_out() {
    let recorded = Setup::of("resources")
        .call("counters#[constructor]counter(40)")
        .call("counters#[constructor]counter(7)")
        .call("counters#[method]counter.add(@2, 1)")
        .call("counters#alive()")
        .record();
    let (life, excerpt) = excerpt("resources", &recorded, &[1, 2, 3]);
    assert_eq!(returned(&life, &excerpt, 2), [Value::S64(8)]);
    assert_eq!(returned(&life, &excerpt, 3), [Value::U32(1)]);
}

#[test]
fn a_call_gets_its_own_answers_first_and_then_those_of_calls_that_are_left_out() {
    let setup = Setup::of("ledger").call("open(\"ann\")").call("open(\"bob\")");
    let recorded = setup.call("history(oldest-first)").record();
    let when = |kept: &[usize]| -> Vec<u64> {
        let (life, excerpt) = excerpt("ledger", &recorded, kept);
        let [Value::List(entries)] = &returned(&life, &excerpt, 2)[..] else { panic!() };
        let seconds_and_nanoseconds = |entry: &Value| match entry {
            Value::Record(fields) => match &fields[1] {
                Value::Record(at) => at[1].clone(),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        };
        let number = |value: Value| match value {
            Value::U32(number) => u64::from(number),
            other => panic!("{other:?}"),
        };
        entries.iter().map(seconds_and_nanoseconds).map(number).collect()
    };
    let both = when(&[0, 1, 2]);
    assert_eq!(both.len(), 2);
    assert_ne!(both[0], both[1]);
    assert_eq!(when(&[1, 2]), both[1..], "bob's time is bob's, with or without ann");
}

#[test]
fn what_was_never_recorded_ends_an_excerpt() {
    let recorded =
        Setup::of("mutant-base").call("step(1)").call("total()").call("step(2)").record();
    // Another build asks for something else in step 3 only; in step 2 it finds all it asks for.
    let (_, complete) = excerpt("mutant-extra-call", &recorded, &[2]);
    assert!(complete.unanswered.is_none());
    let setup = Setup::of("mutant-base").call("step(3)");
    let (life, missing) = excerpt("mutant-extra-call", &setup.record(), &[0]);
    let asked = missing.unanswered.expect("there is one random number too few");
    assert_eq!(asked.event.kind(), Kind::ImportCall);
    assert_eq!(asked.function.unwrap().name, "get-random-u64");
    assert!(missing.outcomes.is_empty() && life.calls.len() == 1);
}

/// Shrinks a recording.
fn shrunk(guest: &str, recorded: &Recorded, folder: &Path) -> Said {
    let chain = folder.join("chain.cbor");
    std::fs::write(&chain, &recorded.chain).unwrap();
    let (component, out) = (component(guest), folder.join("out.cbor"));
    run_at_home(&[
        "theater-replay",
        "minimise",
        text(&chain),
        "--json",
        "--component",
        text(&component),
        "--out",
        text(&out),
    ])
}

/// The calls that are left, made anew, fail as all of them did.
#[track_caller]
fn fails_the_same_way(guest: &str, calls: &[&str], needed: &[&str]) {
    let setup =
        |calls: &[&str]| calls.iter().fold(Setup::of(guest), |setup, call| setup.call(call));
    let recorded = setup(calls).record();
    let scene = folder(&[]);
    let said = shrunk(guest, &recorded, scene.path());
    assert_eq!(said.exit, "Fine", "{said:?}");
    let outcome = said.json();
    let kept: Vec<&str> = outcome["kept"]
        .as_array()
        .unwrap()
        .iter()
        .map(|call| call["call"].as_str().unwrap())
        .collect();
    assert_eq!(kept, needed, "{guest}");
    assert_eq!(outcome["is_minimal"], true);
    let again = setup(&kept).record();
    assert_eq!(again.failure, recorded.failure, "{guest}");
    if recorded.failure.is_none() {
        assert_eq!(again.history().end(), recorded.history().end(), "{guest}");
    }
    again.replays();
}

#[test]
fn a_trap_after_many_steps_needs_its_own_step_only() {
    let steps: Vec<String> = (1..40).map(|step| format!("step({step})")).collect();
    let mut calls: Vec<&str> = steps.iter().map(String::as_str).collect();
    calls.push("step(99)");
    fails_the_same_way("mutant-base", &calls, &["step(99)"]);
}

#[test]
fn an_error_keeps_the_calls_that_lead_to_it() {
    let calls = [
        "open(\"ann\")",
        "add(\"ann\", 3)",
        "open(\"bob\")",
        "history(oldest-first)",
        "open(\"eve\")",
        "balance(\"bob\")",
        "open(\"bob\")",
    ];
    fails_the_same_way("ledger", &calls, &["open(\"bob\")", "open(\"bob\")"]);
    let calls = ["open(\"ann\")", "add(\"ann\", 3)", "balance(\"ann\")", "add(\"bob\", 1)"];
    fails_the_same_way("ledger", &calls, &["add(\"bob\", 1)"]);
}

#[test]
fn nothing_outside_is_asked_while_a_chain_is_shrunk() {
    let tree = folder(&[("a", "one")]);
    let setup = Setup::of("resources").dir(tree.path(), "/");
    let recorded = setup
        .call("holding#open(\"a\")")
        .call("holding#read(3)")
        .call("holding#close()")
        .call("holding#open(\"a\")")
        .call("holding#close()")
        .call("holding#read(3)")
        .record();
    std::fs::remove_file(tree.path().join("a")).unwrap();
    let scene = folder(&[]);
    let said = shrunk("resources", &recorded, scene.path());
    assert_eq!(said.exit, "Fine", "{said:?}");
    assert_eq!(said.json()["kept"][0]["call"], "read(3)");
    assert_eq!(said.json()["calls_after"], 1);
    assert!(!tree.path().join("a").exists());
}

#[test]
fn a_program_that_fails_is_as_short_as_it_gets() {
    let recorded = Setup::of("panic").args(&["at", "the", "disco"]).record();
    let scene = folder(&[]);
    let said = shrunk("panic", &recorded, scene.path());
    assert_eq!(said.exit, "Fine", "{said:?}");
    let outcome = said.json();
    assert_eq!(outcome["fingerprint"]["kind"], "trap");
    assert_eq!((&outcome["calls_before"], &outcome["calls_after"]), (&1.into(), &1.into()));
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
