//! A replay has nothing but the chain. That it cannot reach a host is the compiler's doing: the state
//! behind a replayed component (`Tape` in `runtime/src/tape.rs`) implements none of the traits that
//! the functions of WASI ask for, and the linker holds nothing but the membrane's stubs. Here it is
//! shown from outside: nothing is touched, what the chain says is what the component hears, and where
//! the chain says nothing the replay ends with a verdict.

use std::path::Path;

use theater_record::{Event, Kind, Outcome, Value, Values};
use theater_runtime::{Ending, Limits, PlaybackOptions};

use crate::stage::programs::run_at_home;
use crate::stage::server::Server;
use crate::stage::{BACKENDS, Setup, component, folder, replay_with};

#[test]
fn a_replay_asks_no_server() {
    let server = Server::start(|_| (200, "sunny".to_owned()));
    let setup = Setup::of("fetch").args(&[&server.url("/")]).http(&server.authority());
    let recorded = setup.record();
    assert_eq!(server.connections(), 1);
    recorded.replays();
    assert_eq!(server.connections(), 1, "the server is still there, and nobody came");
}

#[test]
fn a_replay_opens_no_file_and_writes_none() {
    let tree = folder(&[("a", "one")]);
    let setup = Setup::of("walk").args(&["/", "/report"]).dir(tree.path(), "/");
    let recorded = setup.record();
    let (file, report) = (tree.path().join("a"), tree.path().join("report"));
    std::fs::remove_file(&report).unwrap();
    std::fs::write(&file, "something else").unwrap();
    recorded.replays();
    assert!(!report.exists(), "what the guest wrote is not written again");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "something else");
}

#[test]
fn a_replay_hears_the_recorded_time() {
    let recorded = Setup::of("clocks").unsteady().record();
    std::thread::sleep(std::time::Duration::from_millis(2));
    // It prints the same time, and is not made to wait.
    recorded.replays();
}

#[test]
fn the_component_hears_what_the_chain_says() {
    let recorded = Setup::of("ledger").call("open(\"ann\")").call("history(oldest-first)").record();
    let history = recorded.history();
    let call = history.all(Kind::ImportReturn, "wasi:clocks/wall-clock#now").next().unwrap();
    let end = history.all(Kind::ExportReturn, "theater:ledger/accounts#history").next().unwrap();
    let scene = folder(&[]);
    let chain = scene.path().join("ledger.chain");
    std::fs::write(&chain, &recorded.chain).unwrap();
    let (at, set) = (call.seq.to_string(), "result.seconds=99");
    let ledger = component("ledger");
    let fork = ["theater-replay", "fork", text(&chain), "--at", &at, "--set", set];
    let said = run_at_home(&[&fork[..], &["--json", "--component", text(&ledger)]].concat());
    assert_eq!(said.exit, "Fine", "{said:?}");
    let divergence = &said.json()["divergence"];
    assert_eq!(divergence["kind"], "other-return");
    assert_eq!(divergence["event"], end.seq);
    assert_eq!(divergence["path"], "result[0].at.seconds");
    assert_eq!(divergence["expected_value"], "1700000000");
    assert_eq!(divergence["actual_value"], "99");
}

#[test]
fn a_call_that_the_chain_has_no_answer_to_ends_the_replay() {
    // The file says something else now, so that the guest asks for more than was recorded.
    let recorded = Setup::of("filter").stdin("one\n").record();
    let chain = recorded.verified();
    let history = recorded.history();
    let reads = history.entries.iter().filter(|entry| {
        entry.event.kind() == Kind::ImportReturn
            && entry.function().ends_with("[method]input-stream.blocking-read")
    });
    let first = reads.into_iter().next().expect("the guest reads");
    let longer = Value::Result(Ok(Some(Box::new(Value::Bytes(b"one\ntwo\n".to_vec())))));
    let outcome = Outcome::Returned(Values::of(&[longer]).unwrap());
    for backend in BACKENDS {
        let overrides = vec![(first.seq, outcome.clone())];
        let options = PlaybackOptions { overrides, ..PlaybackOptions::default() };
        let played = replay_with(&chain, &component("filter"), backend, options);
        let Ending::Diverged(mismatch) = played.ending else { panic!("{:?}", played.ending) };
        assert!(mismatch.seq > first.seq);
        assert!(matches!(mismatch.actual.unwrap().event, Event::ImportCall(_)));
    }
}

#[test]
fn a_chain_that_ends_in_a_call_leaves_the_call_unanswered() {
    let recorded = Setup::of("ledger").call("open(\"ann\")").record();
    let history = recorded.history();
    let call = history.all(Kind::ImportCall, "wasi:clocks/wall-clock#now").next().unwrap();
    let prefix = crate::stage::prefix(&recorded.chain, call.seq + 1);
    for backend in BACKENDS {
        let options = PlaybackOptions::default();
        let played = replay_with(&prefix, &component("ledger"), backend, options);
        assert!(matches!(played.ending, Ending::Unanswered(_)), "{:?}", played.ending);
        assert_eq!(played.seq, call.seq);
        assert_eq!(played.head, prefix.head().hash);
    }
}

#[test]
fn a_component_does_not_run_on_where_its_chain_ends() {
    let limits = Limits { fuel: true, fuel_max: Some(1_000_000), ..Limits::default() };
    let recorded = Setup::of("spin").with_limits(limits).record();
    let history = recorded.history();
    let last = history.entries.iter().rev().find(|entry| entry.shape().0 == Kind::ExportReturn);
    // Had it run on, it would have run out of fuel, and said so in a return that has no answer.
    let last = last.unwrap().seq;
    let prefix = crate::stage::prefix(&recorded.chain, last);
    for backend in BACKENDS {
        let played = replay_with(&prefix, &component("spin"), backend, PlaybackOptions::default());
        assert!(matches!(played.ending, Ending::Same), "{:?}", played.ending);
        assert_eq!(played.seq, last - 1);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
