//! The property that every recording can be replayed: it holds for sound guests, and breaks for a
//! host with a bug in it, with no more calls than it takes.
//!
//! The host with bugs is a real one whose recordings are changed afterwards: what it then says is not
//! what it did.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use theater_record::{
    About, CheckpointPolicy, CloseReason, Event, FunctionId, FunctionType, Header, Kind, Options,
    Outcome, Reader, Recorder, Return, Seed, Stored, Value, Values,
};
use theater_replay::DivergenceKind;
use theater_replay::property::{
    Call, Conditions, Counterexample, Property, Recorded, Search, Violation,
};
use theater_runtime::Component;
use theater_runtime::host::{Clocks, DirGrant, Random};

use crate::stage::component;
use crate::stage::history::History;
use crate::stage::programs::run_at_home;

#[test]
fn ledger_keeps_the_property() {
    holds("ledger");
}

#[test]
fn floats_keeps_the_property() {
    holds("floats");
}

#[test]
fn resources_keeps_the_property() {
    let called = holds("resources");
    // Also what takes a resource, which another call has to give first.
    let names = ["counter.add", "counter.copy", "counter.sum", "spend", "[resource-drop]counter"];
    for name in names {
        let calls = called.iter().find(|(path, _)| path.ends_with(name)).map(|(_, calls)| *calls);
        assert!(calls.is_some_and(|calls| calls > 20), "{name}: {calls:?}");
    }
}

#[test]
fn programs_keep_the_property() {
    for guest in ["calls", "payloads", "overflow", "panic", "exit"] {
        of(guest).test(20);
    }
}

#[test]
fn the_mutants_are_deterministic_each_for_itself() {
    for guest in ["mutant-base", "mutant-early-stop", "mutant-other-state"] {
        of(guest).test(100);
    }
}

#[test]
fn time_and_randomness_of_the_system_are_no_violation() {
    let mut conditions = Conditions::default();
    conditions.grants.random = Random::System;
    conditions.grants.clocks = Clocks::System;
    Property::load(&component("mutant-base"), conditions).unwrap().test(50);
}

#[test]
fn a_folder_that_is_granted_is_not_the_same_the_second_time() {
    let folder = crate::stage::folder(&[("a", "one")]);
    let mut conditions = Conditions::default();
    let (host, guest) = (folder.path().to_owned(), "/".to_owned());
    conditions.grants.dirs.push(DirGrant { host, guest, read_only: false });
    let property = Property::load(&component("resources"), conditions).unwrap();
    assert!(!property.records_twice());
    property.only(&["holding".parse().unwrap()]).unwrap().test(50);
}

#[test]
fn a_search_can_be_repeated() {
    let search = Search { cases: 30, calls_max: 6, seed: 42 };
    let transcript = |seed| {
        let chains = Arc::new(Mutex::new(Vec::new()));
        let (property, seen) = (of("ledger"), chains.clone());
        let conditions = property.conditions().clone();
        let property = property.recorded_by(move |component, calls| {
            let recorded = conditions.record(component, calls);
            seen.lock().unwrap().push(recorded.chain.clone());
            recorded
        });
        assert!(property.search(&Search { seed, ..search }, &mut |_| {}).found.is_none());
        std::mem::take(&mut *chains.lock().unwrap())
    };
    let first = transcript(42);
    assert_eq!(first.len(), 60, "each is recorded twice");
    assert_eq!(first, transcript(42));
    assert_ne!(first, transcript(43));
}

#[test]
fn a_host_that_records_another_answer_than_it_gave() {
    let found = broken("mutant-base", |events| {
        let number = function(events, "get-random-u64");
        if let Some(end) = returns(events, number).next() {
            let random = Value::U64(4);
            end.outcome = Outcome::Returned(Values::of(&[random]).unwrap());
        }
    });
    assert!(diverges(&found, DivergenceKind::OtherReturn), "{found}");
    assert_eq!(texts(&found), ["theater:mutants/steps#step(1)"]);
    let expected = "\
the replay on cranelift diverges at event 27: the component returns another value
  after 1 call:
    theater:mutants/steps#step(1)
  in theater:mutants/steps#step
  result.ok[1].value:
    expected  2573934286509310097
    actual    4";
    let found = found.to_string();
    let found: Vec<&str> = found.lines().take(7).collect();
    assert_eq!(found.join("\n"), expected);
}

#[test]
fn a_host_that_leaves_out_a_record() {
    let found = broken("mutant-base", |events| {
        let number = function(events, "get-random-u64");
        let of_call = |event: &Event| matches!(event, Event::ImportCall(call) if Some(call.function) == number);
        let second = (0..events.len()).filter(|at| of_call(&events[*at])).nth(1);
        if let Some(second) = second {
            // The call, and the answer behind it.
            events.drain(second..second + 2);
        }
    });
    assert!(diverges(&found, DivergenceKind::ExtraCall), "{found}");
    let step = "theater:mutants/steps#step(1)";
    assert_eq!(texts(&found), [step, step]);
}

#[test]
fn a_host_that_mixes_up_two_answers() {
    let found = broken("ledger", |events| {
        let number = function(events, "now");
        let answers: Vec<Outcome> =
            returns(events, number).map(|end| end.outcome.clone()).collect();
        for (end, answer) in returns(events, number).zip(answers.into_iter().rev()) {
            end.outcome = answer;
        }
    });
    // Two entries in the book and a look at it: with less, nobody could notice.
    assert!(diverges(&found, DivergenceKind::OtherReturn), "{found}");
    assert_eq!(found.made().len(), 3, "{found}");
    let calls = |name: &str| texts(&found).iter().filter(|call| call.contains(name)).count();
    assert_eq!((calls("#open(\"\")"), calls("#history(")), (2, 1), "{found}");
}

#[test]
fn a_host_that_answers_by_how_often_it_was_asked() {
    let asked = AtomicU64::new(0);
    let property = of("mutant-base");
    let conditions = property.conditions().clone();
    let property = property.recorded_by(move |component, calls| {
        let mut conditions = conditions.clone();
        let before = asked.fetch_add(calls.len() as u64, Ordering::Relaxed);
        conditions.grants.random = Random::Seeded(before);
        conditions.record(component, calls)
    });
    let found = search(&property);
    let Violation::OtherRecording { first: Some(first), second: Some(second), .. } =
        &found.violation
    else {
        panic!("{found}");
    };
    let answer = "<- wasi:random/random@0.2.12 get-random-u64: ";
    assert!(first.starts_with(answer) && second.starts_with(answer), "{found}");
    assert_eq!(texts(&found), ["theater:mutants/steps#step(1)"]);
}

#[test]
fn a_host_that_answers_a_call_that_was_not_made() {
    let found = broken("mutant-base", |events| {
        let (random, now) = (function(events, "get-random-u64"), function(events, "now"));
        if let (Some(end), Some(now)) = (returns(events, random).last(), now) {
            end.function = now;
        }
    });
    assert!(matches!(found.violation, Violation::NotReplayable { .. }), "{found}");
    assert_eq!(texts(&found), ["theater:mutants/steps#step(1)"]);
}

#[test]
fn a_host_that_changes_what_is_written_already() {
    let property = of("ledger");
    let conditions = property.conditions().clone();
    let property = property.recorded_by(move |component, calls| {
        let mut recorded = conditions.record(component, calls);
        if recorded.calls.iter().any(|call| call.function().name == "transfer") {
            let middle = recorded.chain.len() / 2;
            recorded.chain[middle] ^= 1;
        }
        recorded
    });
    let found = search(&property);
    assert!(matches!(found.violation, Violation::NotVerified { .. }), "{found}");
    assert_eq!(texts(&found), ["theater:ledger/accounts#transfer(\"\", \"\", 0, none)"]);
}

#[test]
fn the_script_makes_the_same_calls_again() {
    let found = broken("resources", |events| {
        // What an addition gives is written down as something else.
        let number = function(events, "[method]counter.add");
        let ends = events.iter_mut().filter_map(|event| match event {
            Event::ExportReturn(end) if Some(end.function) == number => Some(end),
            _ => None,
        });
        for end in ends {
            end.outcome = Outcome::Returned(Values::of(&[Value::S64(-4)]).unwrap());
        }
    });
    let calls = texts(&found);
    assert_eq!(
        calls,
        [
            "theater:resources/counters#[constructor]counter(0)",
            "theater:resources/counters#[method]counter.add(@1, 0)"
        ]
    );
    let folder = crate::stage::folder(&[("again.wave", &found.script(&["Two\nlines."]))]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (guest, script, chain) =
        (component("resources").display().to_string(), path("again.wave"), path("again.cbor"));
    let run = ["theater", "run", &guest, "--calls", &script, "--chain", &chain];
    let said = run_at_home(&run);
    assert_eq!((said.exit.as_str(), said.out.as_str()), ("Fine", "@1\n0\n"), "{said:?}");
    let again = History::of(&crate::stage::verified(&std::fs::read(&chain).unwrap()));
    let again = again.entries.iter().filter(|entry| entry.event.kind() == Kind::ExportCall);
    assert_eq!(again.count(), calls.len());
}

#[test]
#[should_panic(expected = "the replay on cranelift diverges at event")]
fn a_test_fails_with_what_was_found() {
    broken_property("mutant-base", |events| {
        let number = function(events, "get-random-u64");
        returns(events, number)
            .for_each(|end| end.outcome = Outcome::Returned(Values::of(&[Value::U64(4)]).unwrap()));
    })
    .test(50);
}

/// The property of a guest of the corpus.
fn of(guest: &str) -> Property {
    Property::of(component(guest)).unwrap()
}

/// The property holds for a guest. Says how often each export was called.
#[track_caller]
fn holds(guest: &str) -> Vec<(String, u64)> {
    let property = of(guest);
    assert!(property.exports().left_out().is_empty(), "{:?}", property.exports().left_out());
    let searched = property.search(&Search { cases: 300, ..Search::default() }, &mut |_| {});
    if let Some(found) = searched.found {
        panic!("{}", found.smallest);
    }
    assert_eq!(searched.cases, 300);
    property.exports().called().map(|function| function.path()).zip(searched.called).collect()
}

/// The fewest calls that give the host away, which are at most three.
#[track_caller]
fn search(property: &Property) -> Counterexample {
    let searched = property.search(&Search::default(), &mut |_| {});
    let found = searched.found.expect("the host has a bug");
    assert!(found.smallest.made().len() <= 3, "{}", found.smallest);
    *found.smallest
}

/// The same with a host whose recordings are changed like this.
#[track_caller]
fn broken(guest: &str, change: impl Fn(&mut Vec<Event>) + Send + Sync + 'static) -> Counterexample {
    search(&broken_property(guest, change))
}

fn broken_property(
    guest: &str,
    change: impl Fn(&mut Vec<Event>) + Send + Sync + 'static,
) -> Property {
    let property = of(guest);
    let conditions = property.conditions().clone();
    property.recorded_by(move |component: &Component, calls: &[Call]| {
        let recorded = conditions.record(component, calls);
        Recorded { chain: retold(&recorded.chain, &change), ..recorded }
    })
}

/// The chain told anew, with other events. One that has payloads out of line is left as it is.
fn retold(chain: &[u8], change: &impl Fn(&mut Vec<Event>)) -> Vec<u8> {
    let mut reader = Reader::new(chain).unwrap();
    let mut events = Vec::new();
    while let Some(stored) = reader.read().unwrap() {
        match stored {
            Stored::Record(record) => events.push(record.event().unwrap()),
            Stored::Blob { .. } | Stored::Tombstone { .. } => return chain.to_vec(),
        }
    }
    let Event::Header(header) = events.remove(0) else { panic!("a chain starts with its header") };
    events.retain(|event| !matches!(event, Event::Checkpoint(_) | Event::Close(_)));
    change(&mut events);
    let log = Arc::new(Mutex::new(Vec::new()));
    let policy = CheckpointPolicy { interval_ns: None, ..CheckpointPolicy::default() };
    let options = Options { policy, ..Options::default() };
    let seed = Seed::new([7; 32]);
    let recorder = Recorder::create(log.clone(), about(&header), options, seed, Arc::new(|| 0));
    let mut recorder = recorder.unwrap();
    for event in &events {
        recorder.append(event).unwrap();
    }
    recorder.close(CloseReason::Completed, "").unwrap();
    std::mem::take(&mut *log.lock().unwrap())
}

fn about(header: &Header) -> About {
    About {
        recorder: header.recorder.clone(),
        name: header.name.clone(),
        component: header.component,
        settings: header.settings.clone(),
        world: header.world.clone(),
        ..About::default()
    }
}

/// The number of the last function of this name that a chain has named.
fn function(events: &[Event], name: &str) -> Option<FunctionId> {
    let id = |event: &Event| match event {
        Event::Function(FunctionType { id, name: named, .. }) if named == name => Some(*id),
        _ => None,
    };
    events.iter().rev().find_map(id)
}

/// What a host answered to calls of a function.
fn returns(
    events: &mut [Event],
    function: Option<FunctionId>,
) -> impl DoubleEndedIterator<Item = &mut Return> {
    events.iter_mut().filter_map(move |event| match event {
        Event::ImportReturn(end) if Some(end.function) == function => Some(end),
        _ => None,
    })
}

fn diverges(found: &Counterexample, kind: DivergenceKind) -> bool {
    matches!(&found.violation, Violation::Diverged { divergence, .. } if divergence.kind == kind)
}

fn texts(found: &Counterexample) -> Vec<String> {
    found.made().iter().map(ToString::to_string).collect()
}
