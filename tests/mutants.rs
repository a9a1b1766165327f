//! Ten builds of one guest that each do one thing differently, replayed on the chain of the build
//! that does not: each is caught, where it parts and for what it is. What each of them does is told
//! in `corpus/guests/rust/mutants/src/lib.rs`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;
use theater_record::Kind;

use crate::stage::divergence::{Expected, agree};
use crate::stage::history::History;
use crate::stage::{Recorded, Setup, component, programs};

const NOW: &str = "wasi:clocks/monotonic-clock#now";
const WALL: &str = "wasi:clocks/wall-clock#now";
const RANDOM: &str = "wasi:random/random#get-random-u64";
const WRITE: &str = "wasi:io/streams#[method]output-stream.blocking-write-and-flush";
const STEP: &str = "theater:mutants/steps#step";

/// The mutants part in step 3, or by what step 3 has left behind. A step writes twice.
pub(crate) fn expected() -> Vec<(&'static str, Expected)> {
    let call = |kind, function, nth| Expected::new(kind, (Kind::ImportCall, function, nth));
    let end = |kind, nth| Expected::new(kind, (Kind::ExportReturn, STEP, nth));
    let total = |expected, actual| Some(("result.ok[3].value", expected, actual));
    vec![
        (
            "changed-argument",
            Expected {
                difference: Some(("args[1]", "b\"ends\\n\"", "b\"ENDS\\n\"")),
                ..call("other-arguments", WRITE, 6)
            },
        ),
        ("other-callee", call("other-function", NOW, 3)),
        ("extra-call", Expected { function: RANDOM, ..call("extra-call", NOW, 3) }),
        ("missing-call", call("missing-call", NOW, 3)),
        ("swapped-calls", Expected { swapped: true, ..call("other-function", WALL, 3) }),
        ("extra-call-at-end", Expected { function: NOW, ..end("extra-call", 3) }),
        ("early-stop", call("early-end", NOW, 3)),
        ("other-result", Expected { difference: total("6", "7"), ..end("other-return", 3) }),
        ("other-state", Expected { difference: total("10", "11"), ..end("other-return", 4) }),
        ("other-trap", end("other-trap", 5)),
    ]
}

#[test]
fn each_mutant_is_caught_where_it_parts_and_for_what_it_is() {
    for (mutant, expected) in expected() {
        expected.check(mutant, &replayed(mutant, "cranelift"), &RECORDED.history);
    }
}

#[test]
fn each_mutant_is_caught_on_the_second_backend_too() {
    for (mutant, _) in expected() {
        agree(mutant, ["cranelift", "pulley"].map(|backend| replayed(mutant, backend)));
    }
}

#[test]
fn the_base_is_the_same_as_itself() {
    for backend in ["cranelift", "pulley"] {
        let outcome = replayed("base", backend);
        assert_eq!(outcome["replay"], "same");
        assert_eq!(outcome["heads_equal"], true);
        assert_eq!(outcome["divergence"], Value::Null);
    }
}

#[test]
fn every_kind_of_divergence_is_among_them() {
    let kinds: BTreeSet<&str> = expected().iter().map(|(_, expected)| expected.kind).collect();
    let all = [
        "early-end",
        "extra-call",
        "missing-call",
        "other-arguments",
        "other-function",
        "other-return",
        "other-trap",
    ];
    assert!(kinds.iter().eq(all.iter()), "{kinds:?}");
}

#[test]
fn frames_lead_to_the_call_that_differs() {
    let outcome = replayed("changed-argument", "cranelift");
    let frames = outcome["divergence"]["frames"].as_array().unwrap();
    assert!(frames.iter().all(|frame| frame["offset"].is_u64()), "{frames:?}");
    assert!(!frames.is_empty());
}

/// Records a build in four steps, when asked for the total, and when it is to trap.
pub(crate) fn record(build: PathBuf) -> Recorded {
    let calls = ["step(1)", "step(2)", "step(3)", "step(4)", "total()", "step(99)"];
    calls.into_iter().fold(Setup::at(build), Setup::call).record()
}

/// What the base does.
struct Recording {
    folder: tempfile::TempDir,
    history: History,
}

static RECORDED: LazyLock<Recording> = LazyLock::new(|| {
    let recorded = record(component("mutant-base"));
    let folder = crate::stage::folder(&[]);
    std::fs::write(chain_in(&folder), &recorded.chain).unwrap();
    Recording { folder, history: recorded.history() }
});

fn chain_in(folder: &tempfile::TempDir) -> PathBuf {
    folder.path().join("base.chain")
}

/// What `theater-replay run` says of a mutant on the base's chain.
fn replayed(mutant: &str, backend: &str) -> Value {
    let component = component(&format!("mutant-{mutant}"));
    programs::replayed(&chain_in(&RECORDED.folder), &component, &["--backend", backend])
}
