//! `bisect` over builds that are files, as people see it.

use std::process::Output;

use expect_test::{Expect, expect};

use crate::recorded::{Stage, component, transcript};
use crate::scene::frame_of;

pub(crate) const BASE: &str = "mutant-base";
pub(crate) const CULPRIT: &str = "mutant-changed-argument";

/// A recording of the base, `a.cbor`, and a folder of builds that do what these guests do, each with
/// bytes of its own: `builds/v0.wasm` and so on.
pub(crate) fn stage(builds: &[&str]) -> Stage {
    let stage = Stage::with(BASE, &["step(1)", "step(2)", "step(3)", "step(4)"]).with_own_home();
    std::fs::create_dir(stage.path("builds")).unwrap();
    for (at, guest) in builds.iter().enumerate() {
        stage.write(&format!("builds/v{at}.wasm"), &build(guest, at));
    }
    stage
}

/// A guest with a section that says which build it is; anything else than a guest is itself.
fn build(guest: &str, number: usize) -> Vec<u8> {
    if !guest.starts_with("mutant") && guest != "hello" {
        return guest.as_bytes().to_vec();
    }
    let content = number.to_string();
    let name = "build";
    let mut build = component(guest);
    build.extend([0, (1 + name.len() + content.len()) as u8, name.len() as u8]);
    build.extend(name.bytes().chain(content.bytes()));
    build
}

/// What came out, without what is told of the divergence: that is the same each time.
pub(crate) fn brief(output: &Output) -> String {
    let mut is_told = false;
    let mut brief = String::new();
    for line in transcript(output).split_inclusive('\n') {
        is_told &= !line.starts_with("  the last good build");
        if !is_told {
            brief.push_str(line);
        }
        is_told |= line.starts_with("  diverged at");
    }
    brief
}

#[track_caller]
fn check_brief(stage: &Stage, line: &str, expected: &Expect) {
    expected.assert_eq(&brief(&stage.run(line)));
}

/// Builds of the base up to the culprit, and of a mutant from there on.
pub(crate) fn monotone(builds: usize, culprit: usize) -> Vec<&'static str> {
    (0..builds).map(|at| if at < culprit { BASE } else { CULPRIT }).collect()
}

#[test]
fn the_first_bad_build() {
    let stage = stage(&monotone(32, 17));
    stage.check("bisect a.cbor builds", &expect![[r#""#]]);
    check_brief(&stage, "bisect a.cbor builds --backend pulley --bad v20.wasm", &expect![[r#""#]]);
    // Nothing is replayed twice, and what is known narrows a search between other ends.
    check_brief(&stage, "bisect a.cbor builds --good v15.wasm --bad builds/v19.wasm", &expect![[r#""#]]);
}

#[test]
fn a_range() {
    let mut builds = monotone(12, 6);
    builds[5] = "garbage";
    builds[6] = "hello";
    let stage = stage(&builds);
    stage.write("list", b"builds/v4.wasm\nbuilds/v5.wasm\nbuilds/v6.wasm\nbuilds/v7.wasm\n");
    check_brief(&stage, "bisect a.cbor @list", &expect![[r#""#]]);
    let whole = String::from_utf8(stage.run("bisect a.cbor builds").stdout).unwrap();
    assert!(whole.contains("first bad build: one of 3 builds"), "{whole}");
}

#[test]
fn other_divergences() {
    // The bad end parts at the second write of step 3; one of the others parts before, one after.
    let (before, after) = ("mutant-missing-call", "mutant-other-result");
    let builds = [BASE, BASE, BASE, before, after, CULPRIT, CULPRIT, CULPRIT];
    check_brief(&stage(&builds), "bisect a.cbor builds --scan", &expect![[r#""#]]);
}

#[test]
fn a_difference_that_went_away() {
    let builds = [BASE, CULPRIT, CULPRIT, BASE, BASE, BASE, CULPRIT, CULPRIT];
    let stage = stage(&builds);
    check_brief(&stage, "bisect a.cbor builds --scan --backend pulley", &expect![[r#""#]]);
    // What is known by now tells it even where the search would not have come upon it.
    stage.run("bisect a.cbor builds --scan");
    check_brief(&stage, "bisect a.cbor builds", &expect![[r#""#]]);
}

#[test]
fn ends_that_are_not_what_they_should_be() {
    let stage = stage(&[CULPRIT, BASE, BASE, CULPRIT, "mutant-other-result", "text"]);
    check_brief(&stage, "bisect a.cbor builds --bad v1.wasm", &expect![[r#""#]]);
    check_brief(&stage, "bisect a.cbor builds --good v1.wasm --bad v2.wasm",
        &expect![[r#""#]],
    );
    check_brief(&stage, "bisect a.cbor builds --bad v4.wasm", &expect![[r#""#]]);
    check_brief(&stage, "bisect a.cbor builds/v4.wasm builds/v3.wasm", &expect![[r#""#]]);
    check_brief(&stage, "bisect a.cbor builds --good v1.wasm", &expect![[r#""#]]);
    check_brief(&stage, "bisect a.cbor builds/v5.wasm builds/v3.wasm --until 50",
        &expect![[r#""#]],
    );
    check_brief(&stage, "bisect a.cbor builds/v1.wasm builds/v3.wasm --until 54",
        &expect![[r#""#]],
    );
    let until = stage.run("bisect a.cbor builds/v1.wasm builds/v3.wasm --until 55");
    assert_eq!(until.status.code(), Some(0));
}

#[test]
fn wrong_input() {
    let stage = stage(&[BASE, CULPRIT]);
    std::fs::create_dir(stage.path("empty")).unwrap();
    let check = |rest: &str, expected: Expect| stage.check(&format!("bisect {rest}"), &expected);
    check(
        "a.cbor",
        expect![[r#""#]],
    );
    check(
        "a.cbor builds/v0.wasm",
        expect![[r#""#]],
    );
    check(
        "a.cbor builds/v0.wasm missing.wasm",
        expect![[r#""#]],
    );
    check(
        "a.cbor builds --good v7.wasm",
        expect![[r#""#]],
    );
    check(
        "a.cbor builds --good v1.wasm --bad v0.wasm",
        expect![[r#""#]],
    );
    check(
        "a.cbor empty",
        expect![[r#""#]],
    );
    check(
        "a.cbor @missing",
        expect![[r#""#]],
    );
    check(
        "a.cbor builds --until 0",
        expect![[r#""#]],
    );
    check(
        "missing.cbor builds",
        expect![[r#""#]],
    );
    check(
        "builds/v0.wasm builds",
        expect![[r#""#]],
    );
    check(
        "a.cbor --git . --build true --good HEAD",
        expect![[r#""#]],
    );
    check(
        "a.cbor builds --git . --build true --good HEAD",
        expect![[r#""#]],
    );
    let mut whole = stage.read("a.cbor");
    stage.write("cut.cbor", &whole[..frame_of(&whole, 30).start + 7]);
    check(
        "cut.cbor builds",
        expect![[r#""#]],
    );
    whole[1000] ^= 1;
    stage.write("damaged.cbor", &whole);
    assert_eq!(stage.run("bisect damaged.cbor builds").status.code(), Some(1));
}

#[test]
fn a_chain_that_is_damaged_behind_the_difference() {
    let stage = stage(&[BASE, CULPRIT]);
    let mut whole = stage.read("a.cbor");
    let end = frame_of(&whole, 56).start;
    whole[end + 60] ^= 1;
    stage.write("damaged.cbor", &whole);
    let out = stage.run("bisect damaged.cbor builds --prefix");
    let said = String::from_utf8(out.stdout).unwrap();
    assert!(said.contains("first bad build: builds/v1.wasm"), "{said}");
    assert!(said.contains("run damaged.cbor --component builds/v1.wasm --prefix"), "{said}");
}

