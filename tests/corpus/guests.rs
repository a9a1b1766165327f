//! The chains of guests: what small guests of the corpus did, on a stage that holds everything still.

use std::fs;

use theater_runtime::Limits;

use super::Sample;
use crate::stage::history::{History, differ_only, tells_of_files};
use crate::stage::{BACKENDS, Setup, component, folder, replay, verified};

/// What the headers name as engine and processor. It was true when the first of these chains were
/// recorded, and stays, so that later engines and other machines make the same bytes.
const ENGINE: [(&str, &str); 2] = [("engine", "wasmtime 48.0.8"), ("target", "x86_64")];

/// All chains of guests, by name.
pub(crate) fn all() -> Vec<Sample> {
    let recorded = |name: &str| golden(name).record().chain;
    let mut samples: Vec<Sample> = STILL.iter().map(|name| sample(name, recorded(name))).collect();
    // A file system numbers and dates its files, and that is recorded, so that no two recordings of
    // this guest are equal. There is the one that was committed.
    let walk = sample("walk", Vec::new());
    let bytes = fs::read(walk.path()).unwrap_or_else(|_| walk_a_tree());
    samples.push(Sample { bytes, ..walk });
    samples
}

/// Guests whose recordings depend on nothing but what they are given.
const STILL: [&str; 9] =
    ["hello", "clocks", "filter", "ledger", "floats", "panic", "exit", "overflow", "spin"];

fn sample(guest: &str, bytes: Vec<u8>) -> Sample {
    Sample::new("chains", &format!("guest-{guest}"), bytes)
}

/// What a guest is given and asked. A chain that is to do more than these is a new one.
fn golden(guest: &str) -> Setup {
    let setup = Setup { named_engine: Some(ENGINE), ..Setup::of(guest) };
    match guest {
        "hello" => setup.args(&["Ann"]),
        "clocks" => {
            let mut setup = setup.args(&["first"]);
            setup.grants.env.push(("COLOUR".to_owned(), "green".to_owned()));
            setup
        }
        "filter" => setup.stdin("one\nzwölf\n"),
        "ledger" => setup
            .call("open(\"ann\")")
            .call("open(\"bob\")")
            .call("add(\"ann\", 500)")
            .call("transfer(\"ann\", \"bob\", 200, some(\"rent\"))")
            .call("history(newest-first)"),
        "floats" => setup.call("from-bits([9218868437227405313, 1])").call("survey()"),
        "panic" => setup.args(&["as", "planned"]),
        "exit" => setup.args(&["1"]),
        "overflow" => setup.args(&["silent"]),
        "spin" => {
            let limits = Limits { fuel: true, fuel_max: Some(100_000), ..Limits::default() };
            setup.with_limits(limits)
        }
        other => panic!("{other} has no golden chain"),
    }
}

fn walk_a_tree() -> Vec<u8> {
    // One entry in each folder: in which order a file system lists several is its own affair.
    let tree = folder(&[("sub/deep/a", "one")]);
    let setup = Setup { named_engine: Some(ENGINE), ..Setup::of("walk") };
    setup.args(&["/", "/report"]).read_only_dir(tree.path(), "/").record().chain
}

#[test]
fn chains_of_guests_are_replayed_on_both_backends() {
    for sample in all() {
        let chain = verified(&fs::read(sample.path()).expect("the chain was committed"));
        let guest = component(&chain.header().name);
        for backend in BACKENDS {
            replay(&chain, &guest, backend);
        }
    }
}

#[test]
fn the_walk_comes_out_as_it_was_committed_but_for_what_a_file_system_says_of_itself() {
    let committed = all().pop().expect("the walk is the last").bytes;
    let [committed, anew] = [committed, walk_a_tree()].map(|chain| History::of(&verified(&chain)));
    differ_only(&committed, &anew, &tells_of_files);
}
