//! Fuel: a clock that tells the same wherever a component runs.

use theater_record::{Event, Kind};
use theater_runtime::{Backend, Ending, Limits, PlaybackOptions};

use super::comes_to_its_end;
use crate::stage::{BACKENDS, Recorded, Setup, component, replay_with};

#[test]
fn fuel_that_was_recorded_is_burned_again_on_both_backends() {
    // Replay compares what each record says, its fuel included.
    let recorded = comes_to_its_end(&ledger(true));
    let fuel = recorded_fuel(&recorded);
    assert!(fuel.len() == 8 && fuel.is_sorted_by_key(|(_, fuel)| *fuel), "{fuel:?}");
    for backend in BACKENDS {
        assert_eq!(index(&recorded, backend), outgoing(&recorded, &fuel), "{}", backend.name());
    }
}

#[test]
fn fuel_that_was_not_recorded_can_be_counted_in_a_replay() {
    let (counted, uncounted) = (ledger(true).record(), ledger(false).record());
    assert!(recorded_fuel(&uncounted).is_empty());
    let fuel = outgoing(&counted, &recorded_fuel(&counted));
    for backend in BACKENDS {
        assert_eq!(index(&uncounted, backend), fuel, "{}", backend.name());
    }
}

#[test]
fn counting_fuel_changes_nothing_but_the_numbers() {
    let shapes = |recorded: &Recorded| {
        recorded.history().entries.iter().map(|entry| entry.shape()).collect::<Vec<_>>()
    };
    assert_eq!(shapes(&ledger(true).record()), shapes(&ledger(false).record()));
}

fn ledger(counts_fuel: bool) -> Setup {
    Setup::of("ledger")
        .call("open(\"ann\")")
        .call("add(\"ann\", 5)")
        .call("history(newest-first)")
        .with_limits(Limits { fuel: counts_fuel, ..Limits::default() })
}

/// The fuel in a chain's own records, by event.
fn recorded_fuel(recorded: &Recorded) -> Vec<(u64, u64)> {
    let history = recorded.history();
    let fuel = history.entries.iter().filter_map(|entry| {
        let fuel = match &entry.event {
            Event::ExportCall(call) | Event::ImportCall(call) => call.fuel,
            Event::ImportReturn(end) | Event::ExportReturn(end) => end.fuel,
            _ => None,
        };
        Some((entry.seq, fuel?))
    });
    fuel.collect()
}

/// Only those events that the component brings about.
fn outgoing(recorded: &Recorded, fuel: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let history = recorded.history();
    let is_outgoing = |seq: u64| {
        matches!(history.entries[seq as usize].event.kind(), Kind::ImportCall | Kind::ExportReturn)
    };
    fuel.iter().copied().filter(|(seq, _)| is_outgoing(*seq)).collect()
}

/// The fuel at each event as a replay counts it, in a replay that comes to the same head.
fn index(recorded: &Recorded, backend: Backend) -> Vec<(u64, u64)> {
    let chain = recorded.verified();
    let options = PlaybackOptions { fuel_index: true, ..PlaybackOptions::default() };
    let played = replay_with(&chain, &component("ledger"), backend, options);
    assert!(matches!(played.ending, Ending::Same), "{:?}", played.ending);
    assert_eq!(played.head, chain.head().hash);
    played.fuel
}
