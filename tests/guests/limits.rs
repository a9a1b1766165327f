//! Guests that come upon a limit: of memory, of the stack, of fuel. The limit is part of the chain.

use theater_record::{Event, Kind, TrapCode};
use theater_runtime::Limits;

use super::fails;
use crate::stage::Setup;

#[test]
fn oom_is_refused_memory_at_the_limit() {
    let limits = Limits { memory_bytes_max: 8 << 20, ..Limits::default() };
    let recorded = fails(&Setup::of("oom").with_limits(limits), TrapCode::MemoryLimit);
    assert_eq!(recorded.stdout, "refused after 6 MiB\n");
}

#[test]
fn another_limit_leads_to_another_refusal() {
    let limits = Limits { memory_bytes_max: 16 << 20, ..Limits::default() };
    let recorded = fails(&Setup::of("oom").with_limits(limits), TrapCode::MemoryLimit);
    assert_eq!(recorded.stdout, "refused after 14 MiB\n");
}

#[test]
fn overflow_fills_the_stack_without_a_call() {
    let recorded = fails(&Setup::of("overflow").args(&["silent"]), TrapCode::StackOverflow);
    assert_eq!(recorded.stdout, "about to overflow the stack: silent\n");
}

#[test]
fn overflow_fills_the_stack_with_a_call_at_every_level() {
    let limits = Limits { stack_bytes_max: 128 << 10, ..Limits::default() };
    let setup = Setup::of("overflow").args(&["calling"]).with_limits(limits);
    let recorded = fails(&setup, TrapCode::StackOverflow);
    let history = recorded.history();
    let depth = history.all(Kind::ImportCall, "wasi:clocks/monotonic-clock#now").count();
    assert!(depth > 100, "{depth} levels");
}

#[test]
fn an_overflow_burns_another_amount_of_fuel_under_another_compiler() {
    let setup = Setup::of("overflow").args(&["silent"]);
    let limits = Limits { fuel: true, ..Limits::default() };
    let recorded = fails(&setup.clone().with_limits(limits), TrapCode::StackOverflow);
    let history = recorded.history();
    let end = history.entries.iter().rev().find_map(|entry| match &entry.event {
        Event::ExportReturn(end) => end.fuel,
        _ => None,
    });
    // Where stack frames are smaller, the fuel ends first.
    let fuel_max = end.map(|fuel| fuel + 10);
    let limits = Limits { fuel_max, ..limits };
    fails(&setup.with_limits(limits), TrapCode::StackOverflow);
}

#[test]
fn spin_is_ended_by_its_fuel() {
    let limits = Limits { fuel: true, fuel_max: Some(3_000_000), ..Limits::default() };
    let recorded = fails(&Setup::of("spin").with_limits(limits), TrapCode::OutOfFuel);
    assert_eq!(recorded.stdout, "about to spin\n");
}

#[test]
fn fuel_can_run_out_in_the_middle_of_calls() {
    let limits = Limits { fuel: true, fuel_max: Some(20_000), ..Limits::default() };
    let setup = Setup::of("calls").args(&["scalar", "1000000"]).with_limits(limits);
    let recorded = fails(&setup, TrapCode::OutOfFuel);
    let calls = recorded.history();
    let calls = calls.all(Kind::ImportCall, "wasi:clocks/monotonic-clock#now").count();
    assert!((1..1_000_000).contains(&calls), "{calls} calls");
}
