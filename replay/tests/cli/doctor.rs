//! `doctor`: what people see of a diagnosis.

use expect_test::expect;

use crate::recorded::Stage;

/// A folder with a component in it.
fn stage(component: &str) -> Stage {
    let stage = Stage::new();
    stage.add_component(component);
    stage
}

#[test]
fn findings_with_source_lines() {
    let twins = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/twins");
    let stage = stage("mutant-base");
    stage.check(
        &format!("doctor mutant-base.wasm --invoke step(3) --keep kept --debug-info '{twins}'"),
        &expect![[]],
    );
    stage.check("run kept/first.chain.cbor --component mutant-base.wasm --quiet", &expect![[]]);
    stage.check("diff kept/first.chain.cbor kept/random.chain.cbor --stat", &expect![[]]);
}

#[test]
fn one_finding() {
    stage("buckets").check("doctor buckets.wasm", &expect![[]]);
    stage("whoami").check("doctor whoami.wasm --runs 1", &expect![[]]);
}

#[test]
fn what_is_given_is_input() {
    stage("whoami").check("doctor whoami.wasm --env USER=eve", &expect![[]]);
}

#[test]
fn nothing_found() {
    stage("hello").check("doctor hello.wasm -- world", &expect![[]]);
    stage("nap").check("doctor nap.wasm", &expect![[]]);
}

#[test]
fn trouble() {
    let stage = stage("ledger");
    stage.add_component("hello");
    stage.add_component("unknown-import");
    stage.write("no.wasm", b"nothing");
    stage.check("doctor missing.wasm", &expect![[]]);
    stage.check("doctor no.wasm", &expect![[]]);
    stage.check("doctor ledger.wasm", &expect![[]]);
    stage.check("doctor ledger.wasm --invoke close", &expect![[]]);
    stage.check("doctor ledger.wasm --invoke 'balance(7)'", &expect![[]]);
    stage.check("doctor unknown-import.wasm --invoke ask()", &expect![[]]);
    stage.check("doctor hello.wasm --runs 0", &expect![[]]);
    stage.check("doctor hello.wasm --dir missing::/", &expect![[]]);
    stage.check("doctor hello.wasm --stdin missing", &expect![[]]);
    stage.check("doctor hello.wasm --keep hello.wasm", &expect![[]]);
    stage.check("doctor hello.wasm --debug-info missing", &expect![[]]);
}
