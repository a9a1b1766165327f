//! What a bisection is told that does not fit: ends, builds, options, chains.

use expect_test::{Expect, expect};

use super::{BASE, CULPRIT, check_brief, stage};
use crate::recorded::Stage;
use crate::scene::{frame_of, open};

/// A stage for ends that do not fit: a bad build, two good ones, a bad one, one that parts later, and
/// no build at all.
fn stage_of_ends() -> Stage {
    stage(&[CULPRIT, BASE, BASE, CULPRIT, "mutant-other-result", "text"])
}

#[test]
fn a_good_end_that_diverges() {
    let stage = stage_of_ends();
    check_brief(
        &stage,
        "bisect a.cbor builds --bad v1.wasm",
        &expect![[r#"
        a.cbor: 2 builds, from builds/v0.wasm to builds/v1.wasm
          builds/v0.wasm: diverged at event 54: other-arguments in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush, args[1]
          builds/v1.wasm: the same
        no answer: the good end, builds/v0.wasm, diverges and the bad end, builds/v1.wasm, does not; are the builds in the wrong order?
          2 replays for 2 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v0.wasm
                theater-replay run a.cbor --component builds/v1.wasm
        --- exit 1
    "#]],
    );
    check_brief(
        &stage,
        "bisect a.cbor builds --bad v4.wasm",
        &expect![[r#"
        a.cbor: 5 builds, from builds/v0.wasm to builds/v4.wasm
          builds/v0.wasm: diverged at event 54: other-arguments in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush, args[1]
          builds/v1.wasm: the same
          builds/v4.wasm: diverged at event 57: other-return in theater:mutants/steps#step, result.ok[3].value
        no answer: the good end, builds/v0.wasm, diverges too, at event 54
          try: an older build as the good end
          1 replay for 5 builds, 2 from the cache
          next: theater-replay run a.cbor --component builds/v0.wasm
        --- exit 1
    "#]],
    );
    check_brief(
        &stage,
        "bisect a.cbor builds/v4.wasm builds/v3.wasm",
        &expect![[r#"
        a.cbor: 2 builds, from builds/v4.wasm to builds/v3.wasm
          builds/v4.wasm: diverged at event 57: other-return in theater:mutants/steps#step, result.ok[3].value
          builds/v3.wasm: diverged at event 54: other-arguments in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush, args[1]
        no answer: the good end, builds/v4.wasm, diverges too, at event 57
          try: --until 57, to look at what comes before that only
          1 replay for 2 builds, 1 from the cache
          next: theater-replay run a.cbor --component builds/v4.wasm
        --- exit 1
    "#]],
    );
}

#[test]
fn a_bad_end_that_does_not_diverge() {
    let stage = stage_of_ends();
    check_brief(
        &stage,
        "bisect a.cbor builds --good v1.wasm --bad v2.wasm",
        &expect![[r#"
        a.cbor: 2 builds, from builds/v1.wasm to builds/v2.wasm
          builds/v1.wasm: the same
          builds/v2.wasm: the same
        no answer: the bad end, builds/v2.wasm, does what was recorded
          try: a recording of what goes wrong, or a later build
          2 replays for 2 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v2.wasm
        --- exit 1
    "#]],
    );
    let ends = "bisect a.cbor builds/v1.wasm builds/v3.wasm";
    check_brief(
        &stage,
        &format!("{ends} --until 54"),
        &expect![[r#"
        a.cbor: 2 builds, from builds/v1.wasm to builds/v3.wasm
          builds/v1.wasm: the same
          builds/v3.wasm: the same
        no answer: the bad end, builds/v3.wasm, does what was recorded before event 54
          try: a recording of what goes wrong, or a later build
          2 replays for 2 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v3.wasm --to 54
        --- exit 1
    "#]],
    );
    assert_eq!(stage.run(&format!("{ends} --until 55")).status.code(), Some(0));
}

#[test]
fn ends_that_cannot_be_tested() {
    let stage = stage_of_ends();
    check_brief(
        &stage,
        "bisect a.cbor builds --good v1.wasm",
        &expect![[r#"
        a.cbor: 5 builds, from builds/v1.wasm to builds/v5.wasm
          builds/v1.wasm: the same
          builds/v5.wasm: not WebAssembly: the first bytes are not a module's or a component's
        no answer: the bad end, builds/v5.wasm, cannot be tested
          try: another build as the bad end
          1 replay for 5 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v5.wasm
        --- exit 1
    "#]],
    );
    let ends = "bisect a.cbor builds/v5.wasm builds/v3.wasm";
    check_brief(
        &stage,
        &format!("{ends} --until 50"),
        &expect![[r#"
        a.cbor: 2 builds, from builds/v5.wasm to builds/v3.wasm
          builds/v5.wasm: not WebAssembly: the first bytes are not a module's or a component's
          builds/v3.wasm: the same
        no answer: the good end, builds/v5.wasm, cannot be tested
          try: another build as the good end
          1 replay for 2 builds, none from the cache
          next: theater-replay run a.cbor --component builds/v5.wasm --to 50
                theater-replay run a.cbor --component builds/v3.wasm --to 50
        --- exit 1
    "#]],
    );
}

#[test]
fn builds_that_are_none() {
    let stage = stage(&[BASE, CULPRIT]);
    std::fs::create_dir(stage.path("empty")).unwrap();
    let check = |rest: &str, expected: Expect| {
        stage.check(&format!("bisect a.cbor {rest}"), &expected);
    };
    check(
        "",
        expect![[r#"
        --- messages
        error: the following required arguments were not provided:
          <BUILD>...

        Usage: theater-replay bisect <CHAIN> <BUILD>...

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    check(
        "builds/v0.wasm",
        expect![[r#"
        --- messages
        error: a bisection needs at least two builds, one good and one bad
          try: name the builds in order of age, the oldest first
        --- exit 2
    "#]],
    );
    check(
        "builds/v0.wasm missing.wasm",
        expect![[r#"
        --- messages
        error: there is no file missing.wasm
          try: check the spelling, or look with ls
        --- exit 2
    "#]],
    );
    check(
        "builds --good v7.wasm",
        expect![[r#"
        --- messages
        error: --good v7.wasm is not one of the builds
          try: name it as it is named among the builds, or by the name of its file
        --- exit 2
    "#]],
    );
    check(
        "builds --good v1.wasm --bad v0.wasm",
        expect![[r#"
        --- messages
        error: the good build comes after the bad one
          try: name the builds in order of age, the oldest first
        --- exit 2
    "#]],
    );
    check(
        "empty",
        expect![[r#"
        --- messages
        error: there is no *.wasm in the folder empty
          try: look what it holds: ls empty
        --- exit 2
    "#]],
    );
    check(
        "@missing",
        expect![[r#"
        --- messages
        error: there is no file missing
          try: check the spelling, or look with ls
        --- exit 2
    "#]],
    );
}

#[test]
fn options_that_do_not_fit() {
    let stage = stage(&[BASE, CULPRIT]);
    let check = |rest: &str, expected: Expect| {
        stage.check(&format!("bisect a.cbor {rest}"), &expected);
    };
    check(
        "builds --until 0",
        expect![[r#"
        --- messages
        error: --until 0 leaves nothing to compare, because event 0 is the header
          try: name the event before which to stop
        --- exit 2
    "#]],
    );
    check(
        "builds --debug-info missing",
        expect![[r#"
        --- messages
        error: there is no file missing
          try: check the spelling, or look with ls
        --- exit 2
    "#]],
    );
    check(
        "--git . --build true --good HEAD",
        expect![[r#"
        --- messages
        error: . is not a git repository
          try: name the folder of a checkout, such as .
        --- exit 2
    "#]],
    );
    check(
        "builds --git . --build true --good HEAD",
        expect![[r#"
        --- messages
        error: the argument '[BUILD]...' cannot be used with '--git <REPO>'

        Usage: theater-replay bisect --build <COMMAND> --good <BUILD> <CHAIN> <BUILD>...

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    check(
        "--git . --good HEAD",
        expect![[r#"
        --- messages
        error: the following required arguments were not provided:
          --build <COMMAND>

        Usage: theater-replay bisect --git <REPO> --build <COMMAND> --good <BUILD> <CHAIN> [BUILD]...

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}

#[test]
fn chains_that_are_not_good() {
    let stage = stage(&[BASE, CULPRIT]);
    let check = |rest: &str, expected: Expect| stage.check(&format!("bisect {rest}"), &expected);
    check(
        "missing.cbor builds",
        expect![[r#"
        --- messages
        error: there is no file missing.cbor
          try: check the spelling, or look with ls
        --- exit 2
    "#]],
    );
    check(
        "builds/v0.wasm builds",
        expect![[r#"
        --- messages
        error: cannot check builds/v0.wasm: not a chain: neither the magic nor any record was found
          try: name a file that theater has recorded
        --- exit 2
    "#]],
    );
    stage.write("open.cbor", &open());
    check(
        "open.cbor builds --prefix",
        expect![[r#"
        --- messages
        error: open.cbor names no component, so there is nothing to replay
          try: name a chain that theater run has recorded
        --- exit 2
    "#]],
    );
    let mut whole = stage.read("a.cbor");
    stage.write("cut.cbor", &whole[..frame_of(&whole, 30).start + 7]);
    check(
        "cut.cbor builds",
        expect![[r#"
        --- messages
        cut.cbor is open and was not replayed: the last 7 bytes, from byte 5393, are no complete record
          try: --prefix to replay its good start, or theater-replay verify cut.cbor
        --- exit 3
    "#]],
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
