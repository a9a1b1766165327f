//! `bisect` over builds that are files, as people see it.

mod trouble;

use std::process::Output;

use expect_test::{Expect, expect};

use crate::recorded::{Stage, component, transcript};

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
    stage.check("bisect a.cbor builds", &expect![[r#"
        a.cbor: 32 builds, from builds/v0.wasm to builds/v31.wasm
          good   builds/v0.wasm
          good   builds/v15.wasm
          good   builds/v16.wasm
          bad    builds/v17.wasm
          bad    builds/v19.wasm
          bad    builds/v23.wasm
          bad    builds/v31.wasm
        first bad build: builds/v17.wasm
          diverged at event 54: the component passes other arguments
          in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush
          args[1], from byte 7:
            expected  b"ends\n"
            actual    b"ENDS\n"
          before    52  -> wasi:clocks/monotonic-clock@0.2.12 now()
          expected  54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
          actual        -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ENDS\n")
          after     57  <= theater:mutants/steps step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 6483294338957213699}, {name: "monotonic", value: 2000}, {name: "total", value: 6}])
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          called from:
            function 1 at OFFSET
            wasip2::imports::wasi::io::streams::OutputStream::blocking_write_and_flush at OFFSET
            theater:mutants/steps#step at OFFSET
          the last good build is builds/v16.wasm
          7 replays for 32 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v17.wasm --quiet --out v17.chain.cbor
                theater-replay diff a.cbor v17.chain.cbor
        --- exit 0
    "#]]);
    check_brief(
        &stage,
        "bisect a.cbor builds --backend pulley --bad v20.wasm",
        &expect![[r#"
        a.cbor: 21 builds, from builds/v0.wasm to builds/v20.wasm
          good   builds/v0.wasm
          good   builds/v10.wasm
          good   builds/v15.wasm
          good   builds/v16.wasm
          bad    builds/v17.wasm
          bad    builds/v20.wasm
        first bad build: builds/v17.wasm
          diverged at event 54: the component passes other arguments
          the last good build is builds/v16.wasm
          6 replays for 21 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v17.wasm --backend pulley --quiet --out v17.chain.cbor
                theater-replay diff a.cbor v17.chain.cbor
        --- exit 0
    "#]],
    );
    // Nothing is replayed twice, and what is known narrows a search between other ends.
    check_brief(
        &stage,
        "bisect a.cbor builds --good v15.wasm --bad builds/v19.wasm",
        &expect![[r#"
            a.cbor: 5 builds, from builds/v15.wasm to builds/v19.wasm
              good   builds/v15.wasm
              good   builds/v16.wasm
              bad    builds/v17.wasm
              bad    builds/v19.wasm
            first bad build: builds/v17.wasm
              diverged at event 54: the component passes other arguments
              the last good build is builds/v16.wasm
              0 replays for 5 builds, 4 from the cache
              next: theater-replay run a.cbor --component builds/v17.wasm --quiet --out v17.chain.cbor
                    theater-replay diff a.cbor v17.chain.cbor
            --- exit 0
        "#]],
    );
}

#[test]
fn the_lines_of_both_builds() {
    let stage = stage(&monotone(8, 3));
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus");
    let sources = format!("--debug-info '{corpus}/twins' --source-root '{corpus}/guests/rust'");
    let lines = |line: &str| {
        let said = transcript(&stage.run(&format!("bisect a.cbor {line} {sources}")));
        said.replace(corpus, "CORPUS").split_once("  after ").unwrap().1.to_owned()
    };
    let first = lines("builds");
    expect![[r#"
            57  <= theater:mutants/steps step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 6483294338957213699}, {name: "monotonic", value: 2000}, {name: "total", value: 6}])
          builds/v2.wasm and builds/v3.wasm:
            at mutants/src/lib.rs:99:24 in {closure#0}
                 98 |         // A host that refuses the line has recorded that it did; the step goes on.
              >  99 |         let _ = output.blocking_write_and_flush(line.as_bytes());
                100 |     };
            called from mutants/src/lib.rs:117:5 in write_and_measure
            called from mutants/src/lib.rs:79:21 in step
            called from mutants/src/lib.rs:60:21 in step
          the last good build is builds/v2.wasm
          5 replays for 8 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v3.wasm --debug-info CORPUS/twins --recorded builds/v2.wasm --quiet --out v3.chain.cbor
                theater-replay diff a.cbor v3.chain.cbor
        --- exit 0
    "#]].assert_eq(&first);
    // They are known from then on; with another bad end, one more replay finds those that are not.
    let cached = "0 replays for 8 builds, 5 from the cache";
    assert_eq!(
        lines("builds"),
        first.replace("5 replays for 8 builds, none from the cache", cached)
    );
    stage.write("builds/v9.wasm", &build("mutant-other-callee", 9));
    expect![[r#"
            54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
          builds/v2.wasm:
            at mutants/src/lib.rs:114:9 in write_and_measure
                113 |     } else {
              > 114 |         monotonic_clock::now()
                115 |     };
            called from mutants/src/lib.rs:79:21 in step
            called from mutants/src/lib.rs:60:21 in step
          builds/v9.wasm:
            no source lines: nothing in CORPUS/twins was built to the same code and with debug information
          called from:
            theater:mutants/steps#step at OFFSET
          the last good build is builds/v2.wasm
          2 replays for 2 builds, 1 from the cache
          next: theater-replay run a.cbor --component builds/v9.wasm --debug-info CORPUS/twins --recorded builds/v2.wasm --quiet --out v9.chain.cbor
                theater-replay diff a.cbor v9.chain.cbor
        --- exit 0
    "#]].assert_eq(&lines("builds/v2.wasm builds/v9.wasm"));
}

#[test]
fn a_range() {
    let mut builds = monotone(12, 6);
    builds[5] = "garbage";
    builds[6] = "hello";
    let stage = stage(&builds);
    stage.write("list", b"builds/v4.wasm\nbuilds/v5.wasm\nbuilds/v6.wasm\nbuilds/v7.wasm\n");
    check_brief(
        &stage,
        "bisect a.cbor @list",
        &expect![[r#"
        a.cbor: 4 builds, from builds/v4.wasm to builds/v7.wasm
          good   builds/v4.wasm
          skip   builds/v5.wasm: not WebAssembly: the first bytes are not a module's or a component's
          skip   builds/v6.wasm: it does not export theater:mutants/steps#step, which event 4 calls
          bad    builds/v7.wasm
        first bad build: one of 3 builds; those before the last could not be told good or bad
          builds/v5.wasm
          builds/v6.wasm
          builds/v7.wasm
          diverged at event 54: the component passes other arguments
          the last good build is builds/v4.wasm
          3 replays for 4 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v7.wasm --quiet --out v7.chain.cbor
                theater-replay diff a.cbor v7.chain.cbor
        --- exit 1
    "#]],
    );
    let whole = String::from_utf8(stage.run("bisect a.cbor builds").stdout).unwrap();
    assert!(whole.contains("first bad build: one of 3 builds"), "{whole}");
}

#[test]
fn other_divergences() {
    // The bad end parts at the second write of step 3; one of the others parts before, one after.
    let (before, after) = ("mutant-missing-call", "mutant-other-result");
    let builds = [BASE, BASE, BASE, before, after, CULPRIT, CULPRIT, CULPRIT];
    check_brief(
        &stage(&builds),
        "bisect a.cbor builds --scan",
        &expect![[r#"
        a.cbor: 8 builds, from builds/v0.wasm to builds/v7.wasm
          good   builds/v0.wasm
          good   builds/v1.wasm
          good   builds/v2.wasm
          other  builds/v3.wasm: other divergence, diverged at event 52: missing-call in wasi:clocks/monotonic-clock@0.2.12#now
          good   builds/v4.wasm: other divergence, later, diverged at event 57: other-return in theater:mutants/steps#step, result.ok[3].value
          bad    builds/v5.wasm
          bad    builds/v6.wasm
          bad    builds/v7.wasm
        first bad build: builds/v5.wasm
          diverged at event 54: the component passes other arguments
          the last good build is builds/v4.wasm
          from builds/v3.wasm on: diverged at event 52: missing-call in wasi:clocks/monotonic-clock@0.2.12#now
          from builds/v4.wasm on: diverged at event 57: other-return in theater:mutants/steps#step, result.ok[3].value
          from builds/v5.wasm on: diverged at event 54: other-arguments in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush, args[1]
          8 replays for 8 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v5.wasm --quiet --out v5.chain.cbor
                theater-replay diff a.cbor v5.chain.cbor
        --- exit 0
    "#]],
    );
}

#[test]
fn a_difference_that_went_away() {
    let builds = [BASE, CULPRIT, CULPRIT, BASE, BASE, BASE, CULPRIT, CULPRIT];
    let stage = stage(&builds);
    check_brief(
        &stage,
        "bisect a.cbor builds --scan --backend pulley",
        &expect![[r#"
        a.cbor: 8 builds, from builds/v0.wasm to builds/v7.wasm
          good   builds/v0.wasm
          bad    builds/v1.wasm
          bad    builds/v2.wasm
          good   builds/v3.wasm
          good   builds/v4.wasm
          good   builds/v5.wasm
          bad    builds/v6.wasm
          bad    builds/v7.wasm
        first bad build: builds/v6.wasm
          diverged at event 54: the component passes other arguments
          the last good build is builds/v5.wasm
          it went away and came back: builds/v2.wasm is bad, and builds/v3.wasm after it is good
          from builds/v1.wasm on: diverged at event 54: other-arguments in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush, args[1]
          from builds/v3.wasm on: the same
          from builds/v6.wasm on: diverged at event 54: other-arguments in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush, args[1]
          8 replays for 8 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v6.wasm --backend pulley --quiet --out v6.chain.cbor
                theater-replay diff a.cbor v6.chain.cbor
        --- exit 0
    "#]],
    );
    // What is known by now tells it even where the search would not have come upon it.
    stage.run("bisect a.cbor builds --scan");
    check_brief(
        &stage,
        "bisect a.cbor builds",
        &expect![[r#"
        a.cbor: 8 builds, from builds/v0.wasm to builds/v7.wasm
          good   builds/v0.wasm
          bad    builds/v1.wasm
          bad    builds/v2.wasm
          good   builds/v3.wasm
          good   builds/v4.wasm
          good   builds/v5.wasm
          bad    builds/v6.wasm
          bad    builds/v7.wasm
        first bad build: builds/v6.wasm
          diverged at event 54: the component passes other arguments
          the last good build is builds/v5.wasm
          it went away and came back: builds/v2.wasm is bad, and builds/v3.wasm after it is good
          try: --scan, which shows every change
          0 replays for 8 builds, 8 from the cache
          next: theater-replay run a.cbor --component builds/v6.wasm --quiet --out v6.chain.cbor
                theater-replay diff a.cbor v6.chain.cbor
        --- exit 0
    "#]],
    );
}
