//! `minimise`: what people see when a chain is shrunk, and what is left in the new one.

use expect_test::expect;
use theater_record::Event;

use crate::recorded::{Stage, events, record};
use crate::scene::{frame_of, open};

const STEPS: [&str; 6] = ["step(1)", "step(2)", "step(3)", "total()", "step(4)", "step(99)"];

/// A stage with a recording and the component beside it.
fn stage(calls: &[&str]) -> Stage {
    Stage::with("mutant-base", calls)
}

#[test]
fn a_trap_that_needs_nothing_else() {
    let stage = stage(&STEPS);
    stage.check("minimise a.cbor --component mutant-base.wasm --out b.cbor", &expect![[]]);
    let functions = events(&stage.read("b.cbor"));
    let calls = functions.iter().filter(|event| matches!(event, Event::ExportCall(_))).count();
    assert_eq!(calls, 1);
    stage.check("verify b.cbor", &expect![[]]);
    stage.check("run b.cbor --component mutant-base.wasm", &expect![[]]);
}

#[test]
fn source_lines_come_from_twins() {
    let twins = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/twins");
    stage(&STEPS).check(
        &format!(
            "minimize a.cbor --component mutant-base.wasm --out b.cbor --debug-info '{twins}'"
        ),
        &expect![[]],
    );
}

#[test]
fn a_divergence_of_another_build_that_needs_one_call_more() {
    let stage = stage(&STEPS);
    stage.add_component("mutant-other-state");
    stage.check(
        "minimise a.cbor --component mutant-other-state.wasm --recorded mutant-base.wasm --out b.cbor",
        &expect![[]],
    );
    stage.check("minimise a.cbor --component mutant-other-state.wasm --out c.cbor", &expect![[]]);
    stage.check(
        "minimise a.cbor --component mutant-base.wasm --recorded mutant-other-state.wasm --out b.cbor",
        &expect![[]],
    );
}

#[test]
fn an_error_that_needs_what_was_done_before() {
    let calls = [
        "open(\"ann\")",
        "open(\"bob\")",
        "add(\"ann\", 100)",
        "add(\"bob\", 7)",
        "transfer(\"ann\", \"bob\", 30, none)",
        "balance(\"ann\")",
        "transfer(\"bob\", \"ann\", 500, some(\"rent\"))",
        "balance(\"bob\")",
    ];
    let stage = Stage::with("ledger", &calls);
    stage.check("minimise a.cbor --component ledger.wasm --out b.cbor", &expect![[]]);
}

#[test]
fn any_failure_can_be_asked_for() {
    let stage = stage(&["step(1)", "step(0)", "step(2)", "step(99)"]);
    let chain = events(&stage.read("a.cbor"));
    let calls = chain.iter().enumerate().filter(|(_, e)| matches!(e, Event::ExportCall(_)));
    let calls: Vec<usize> = calls.map(|(seq, _)| seq).collect();
    let minimise = "minimise a.cbor --component mutant-base.wasm --out b.cbor --event";
    stage.check(&format!("{minimise} {}", calls[1]), &expect![[]]);
    stage.check(&format!("{} {}", minimise.replace("b.cbor", "c.cbor"), calls[2]), &expect![[]]);
}

#[test]
fn few_tries_are_said_to_be_few() {
    let calls = ["open(\"a\")", "open(\"b\")", "open(\"c\")", "open(\"d\")", "open(\"c\")"];
    Stage::with("ledger", &calls)
        .check("minimise a.cbor --component ledger.wasm --out b.cbor --tries 1", &expect![[]]);
}

#[test]
fn nothing_to_shrink() {
    let stage = stage(&["step(1)", "total()"]);
    let minimise = "minimise a.cbor --component mutant-base.wasm --out b.cbor";
    stage.check(minimise, &expect![[]]);
    stage.add_component("mutant-other-trap");
    stage.check(
        "minimise a.cbor --component mutant-other-trap.wasm --recorded mutant-base.wasm --out b.cbor",
        &expect![[]],
    );
    assert!(!stage.exists("b.cbor"), "nothing is left of what was not made");
    stage.write("a.cbor", &record("mutant-base", &["step(1)"], true));
    stage.write("b.cbor", b"mine");
    stage.check(minimise, &expect![[]]);
    assert_eq!(stage.read("b.cbor"), b"mine");
}

#[test]
fn chains_that_are_not_good() {
    let stage = stage(&STEPS);
    let whole = stage.read("a.cbor");
    stage.write("cut.cbor", &whole[..frame_of(&whole, 30).start + 7]);
    stage.check("minimise cut.cbor --out b.cbor", &expect![[]]);
    stage.check(
        "minimise cut.cbor --prefix --component mutant-base.wasm --out b.cbor",
        &expect![[]],
    );
    stage.check("minimise missing.cbor --out b.cbor", &expect![[]]);
    stage.write("open.cbor", &open());
    stage.check("minimise open.cbor --prefix --out b.cbor", &expect![[]]);
    stage.check("minimise a.cbor", &expect![[]]);
}
