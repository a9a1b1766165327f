//! Guests that are called through interfaces of their own.

use theater_record::Kind;

use super::comes_to_its_end;
use crate::stage::{Recorded, Setup};

#[test]
fn ledger_keeps_accounts_from_call_to_call() {
    let recorded = comes_to_its_end(&bank("ledger"));
    assert_eq!(returned(&recorded).len(), 9);
}

#[test]
fn two_builds_of_the_ledger_differ_in_the_transfer() {
    let (first, second) = (comes_to_its_end(&bank("ledger")), comes_to_its_end(&bank("ledger-v2")));
    let (first, second) = (returned(&first), returned(&second));
    let differ: Vec<usize> = (0..first.len()).filter(|&at| first[at] != second[at]).collect();
    // Both transfers, what is left after them, the history and the statement.
    assert_eq!(differ, [3, 4, 5, 6, 7]);
}

#[test]
fn resources_that_a_guest_exports_live_on_between_calls() {
    let setup = Setup::of("resources")
        .call("counters#[constructor]counter(40)")
        .call("counters#[method]counter.add(@1, 2)")
        .call("counters#[method]counter.copy(@1)")
        .call("counters#[static]counter.sum([@1, @2])")
        .call("counters#alive()")
        .call("counters#spend(@1)")
        .call("counters#[resource-drop]counter(@2)")
        .call("counters#alive()");
    let recorded = comes_to_its_end(&setup);
    let returned = returned(&recorded);
    assert_eq!(returned[1], "[S64(42)]");
    assert_eq!(returned[4], "[U32(3)]");
    assert_eq!(returned[5], "[S64(42)]");
    assert_eq!(returned[7], "[U32(1)]");
}

#[test]
fn floats_are_the_same_to_the_last_bit() {
    let setup = Setup::of("floats")
        .call("scale(1.5, -0.0)")
        .call("widen([nan, inf, -inf, -0.0, 1.0e-45])")
        .call("narrow([nan, 1.0e300, 1.0e-300])")
        .call("to-bits([nan, -0.0, 5.0e-324])")
        .call("from-bits([9218868437227405313, 18444492273895866368, 1])")
        .call("mirror(some({x: nan, y: -0.0, marks: [1.0, nan]}))")
        .call("mirror(none)")
        .call("survey()");
    let recorded = comes_to_its_end(&setup);
    assert!(recorded.stdout.lines().count() > 30, "{}", recorded.stdout);
}

/// What each call returned, as text.
fn returned(recorded: &Recorded) -> Vec<String> {
    let history = recorded.history();
    let ends = history.entries.iter().filter(|entry| entry.event.kind() == Kind::ExportReturn);
    ends.map(|end| format!("{:?}", history.values(end))).collect()
}

fn bank(guest: &str) -> Setup {
    Setup::of(guest)
        .call("open(\"ann\")")
        .call("open(\"bob\")")
        .call("add(\"ann\", 500)")
        .call("transfer(\"ann\", \"bob\", 200, some(\"rent\"))")
        .call("transfer(\"bob\", \"ann\", 1000, none)")
        .call("balance(\"ann\")")
        .call("history(oldest-first)")
        .call("statement([])")
        .call("close()")
}
