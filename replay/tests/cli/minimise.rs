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
    stage.check(
        "minimise a.cbor --component mutant-base.wasm --out b.cbor",
        &expect![[r#"
        a.cbor: 1 of 6 calls is needed
          fails at event 77: theater:mutants/steps#step traps: unreachable
          2 replays tried; without any one of these calls it does not fail this way
          needed, by event:
            76  step(99)
          wrote b.cbor, marked synthetic: it never verifies as a recording
          next: theater-replay show b.cbor
        --- exit 0
    "#]],
    );
    let functions = events(&stage.read("b.cbor"));
    let calls = functions.iter().filter(|event| matches!(event, Event::ExportCall(_))).count();
    assert_eq!(calls, 1);
    let verified = String::from_utf8(stage.run("verify b.cbor").stdout).unwrap();
    assert!(verified.contains("the header says that this is a what-if, not a recording"));
    stage.check(
        "run b.cbor --component mutant-base.wasm",
        &expect![[r#"
        --- messages
        b.cbor is what a replay did, not a recording, and was not replayed
          try: replay the chain that it was made from
        --- exit 1
    "#]],
    );
}

#[test]
fn source_lines_come_from_twins() {
    let twins = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/twins");
    stage(&STEPS).check(
        &format!(
            "minimize a.cbor --component mutant-base.wasm --out b.cbor --debug-info '{twins}'"
        ),
        &expect![[r#"
            a.cbor: 1 of 6 calls is needed
              fails at event 77: theater:mutants/steps#step traps: unreachable
              at mutants/src/lib.rs:57:9 in step
              2 replays tried; without any one of these calls it does not fail this way
              needed, by event:
                76  step(99)
              wrote b.cbor, marked synthetic: it never verifies as a recording
              next: theater-replay show b.cbor
            --- exit 0
        "#]],
    );
}

#[test]
fn a_divergence_of_another_build_that_needs_one_call_more() {
    let stage = stage(&STEPS);
    stage.add_component("mutant-other-state");
    stage.add_component("mutant-other-trap");
    stage.check(
        "minimise a.cbor --component mutant-other-state.wasm --recorded mutant-base.wasm --out b.cbor",
        &expect![[r#"
            a.cbor: 2 of 4 calls are needed
              fails at event 60: the other build parts in theater:mutants/steps#total: other-return, result
              4 replays tried; without any one of these calls it does not fail this way
              needed, by event:
                43  step(3)
                59  total()
              wrote b.cbor, marked synthetic: it never verifies as a recording
              next: theater-replay show b.cbor
            --- exit 0
        "#]],
    );
    stage.check(
        "minimise a.cbor --component mutant-other-state.wasm --out c.cbor",
        &expect![[r#"
        --- messages
        error: the component HASH is neither in the chain nor in the store
          try: name the file of the recorded build with --recorded
        --- exit 2
    "#]],
    );
    stage.check(
        "minimise a.cbor --component mutant-other-trap.wasm --recorded mutant-other-state.wasm --out c.cbor",
        &expect![[r#"
            --- messages
            error: the component given with --recorded is not the one that was recorded
              try: the file that was run, or leave it out if it is in the chain or the store
            --- exit 2
        "#]],
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
    stage.check(
        "minimise a.cbor --component ledger.wasm --out b.cbor",
        &expect![[r#"
        a.cbor: 3 of 7 calls are needed
          fails at event 34: theater:ledger/accounts#transfer returns err(short-of(463))
          6 replays tried; without any one of these calls it does not fail this way
          needed, by event:
             4  open("ann")
            10  open("bob")
            31  transfer("bob", "ann", 500, some("rent"))
          wrote b.cbor, marked synthetic: it never verifies as a recording
          next: theater-replay show b.cbor
        --- exit 0
    "#]],
    );
}

#[test]
fn any_failure_can_be_asked_for() {
    let stage = stage(&["step(1)", "step(0)", "step(2)", "step(99)"]);
    let chain = events(&stage.read("a.cbor"));
    let calls = chain.iter().enumerate().filter(|(_, e)| matches!(e, Event::ExportCall(_)));
    let calls: Vec<usize> = calls.map(|(seq, _)| seq).collect();
    let minimise = "minimise a.cbor --component mutant-base.wasm --out b.cbor --event";
    stage.check(
        &format!("{minimise} {}", calls[1]),
        &expect![[r#"
        a.cbor: 1 of 2 calls is needed
          fails at event 29: theater:mutants/steps#step returns err("there is no step 0")
          2 replays tried; without any one of these calls it does not fail this way
          needed, by event:
            28  step(0)
          wrote b.cbor, marked synthetic: it never verifies as a recording
          next: theater-replay show b.cbor
        --- exit 0
    "#]],
    );
    stage.check(&format!("{} {}", minimise.replace("b.cbor", "c.cbor"), calls[2]), &expect![[r#"
        --- messages
        error: there is nothing to shrink in a.cbor: event 30 does not belong to a call that traps or returns an err
          try: theater-replay show a.cbor --filter 'kind = export-return' finds the event
        --- exit 2
    "#]]);
}

#[test]
fn long_calls_are_shown_in_part() {
    let name = "x".repeat(1000);
    let open = format!("open(\"{name}\")");
    let stage = Stage::with("ledger", &[&open, &open]);
    let minimise = "minimise a.cbor --component ledger.wasm --out";
    let shown = String::from_utf8(stage.run(&format!("{minimise} b.cbor")).stdout).unwrap();
    assert_eq!(shown.matches(" ... and 608 characters\n").count(), 2, "{shown}");
    let json = String::from_utf8(stage.run(&format!("{minimise} c.cbor --json")).stdout).unwrap();
    assert!(json.contains(&format!("open(\\\"{name}\\\")")), "{json}");
}

#[test]
fn few_tries_are_said_to_be_few() {
    let calls = ["open(\"a\")", "open(\"b\")", "open(\"c\")", "open(\"d\")", "open(\"c\")"];
    Stage::with("ledger", &calls).check(
        "minimise a.cbor --component ledger.wasm --out b.cbor --tries 1",
        &expect![[r#"
            a.cbor: 5 of 5 calls are left
              fails at event 25: theater:ledger/accounts#open returns err(exists("c"))
              2 replays tried; perhaps there is a shorter one, which more --tries would find
              needed, by event:
                 4  open("a")
                10  open("b")
                14  open("c")
                18  open("d")
                22  open("c")
              wrote b.cbor, marked synthetic: it never verifies as a recording
              next: theater-replay show b.cbor
            --- exit 0
        "#]],
    );
}

#[test]
fn nothing_to_shrink() {
    let stage = stage(&["step(1)", "total()"]);
    let minimise = "minimise a.cbor --component mutant-base.wasm --out b.cbor";
    stage.check(minimise, &expect![[r#"
        --- messages
        error: there is nothing to shrink in a.cbor: no call into the component traps or returns an err
          try: another build that does something else: --component FILE
        --- exit 2
    "#]]);
    stage.add_component("mutant-other-trap");
    stage.check(
        "minimise a.cbor --component mutant-other-trap.wasm --recorded mutant-base.wasm --out b.cbor",
        &expect![[r#"
            --- messages
            error: there is nothing to shrink in a.cbor: the other build does what was recorded, to the end of the chain
              try: a build that does something else
            --- exit 2
        "#]],
    );
    assert!(!stage.exists("b.cbor"), "nothing is left of what was not made");
    stage.write("a.cbor", &record("mutant-base", &["step(1)"], true));
    stage.write("b.cbor", b"mine");
    stage.check(
        minimise,
        &expect![[r#"
        --- messages
        error: b.cbor exists already
          try: name another file with --out
        --- exit 2
    "#]],
    );
    assert_eq!(stage.read("b.cbor"), b"mine");
}

#[test]
fn chains_that_are_not_good() {
    let stage = stage(&STEPS);
    let whole = stage.read("a.cbor");
    stage.write("cut.cbor", &whole[..frame_of(&whole, 30).start + 7]);
    stage.check("minimise cut.cbor --out b.cbor", &expect![[r#"
        --- messages
        cut.cbor is open and was not replayed: the last 7 bytes, from byte 5393, are no complete record
          try: --prefix to replay its good start, or theater-replay verify cut.cbor
        --- exit 3
    "#]]);
    stage.check(
        "minimise cut.cbor --prefix --component mutant-base.wasm --out b.cbor",
        &expect![[r#"
            --- messages
            error: there is nothing to shrink in cut.cbor: no call into the component traps or returns an err
              try: another build that does something else: --component FILE
            --- exit 2
        "#]],
    );
    stage.check(
        "minimise missing.cbor --out b.cbor",
        &expect![[r#"
        --- messages
        error: there is no file missing.cbor
          try: check the spelling, or look with ls
        --- exit 2
    "#]],
    );
    stage.write("open.cbor", &open());
    stage.check(
        "minimise open.cbor --prefix --out b.cbor",
        &expect![[r#"
            --- messages
            error: open.cbor names no component, so there is nothing to replay
              try: replay a chain that theater run has recorded
            --- exit 2
        "#]],
    );
    stage.check(
        "minimise a.cbor",
        &expect![[r#"
        --- messages
        error: the following required arguments were not provided:
          --out <FILE>

        Usage: theater-replay minimise --out <FILE> <CHAIN>

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}
