//! Source lines: what `run`, `fork`, `show` and `diff` say of where in the guest's source it was.
//!
//! The components are stripped; `corpus/twins` has builds of the same code that are not.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::{Expect, expect};
use serde_json::Value;

use theater_record::Event;

use crate::recorded::{self, Stage, component, record, transcript};

const STEPS: [&str; 4] = ["step(1)", "step(2)", "step(3)", "step(4)"];

fn corpus(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(path)
}

/// A recording of the base and the builds to hold against it, with their twins.
fn stage() -> Stage {
    let stage = Stage::with("mutant-base", &STEPS);
    for mutant in ["mutant-changed-argument", "mutant-other-result"] {
        stage.add_component(mutant);
    }
    stage
}

/// Runs a command line with twins and sources at hand.
fn check(stage: &Stage, line: &str, expected: &Expect) {
    let text = transcript(&stage.run(&with_sources(line)));
    // Components have other digests when they are built anew.
    let is_lasting = |line: &&str| !line.contains("setup: component");
    expected.assert_eq(&text.split_inclusive('\n').filter(is_lasting).collect::<String>());
}

fn with_sources(line: &str) -> String {
    let (twins, sources) = (corpus("twins"), corpus("guests/rust"));
    format!("{line} --debug-info '{}' --source-root '{}'", twins.display(), sources.display())
}

#[test]
fn a_divergence_has_the_lines_of_both_builds() {
    check(
        &stage(),
        "run a.cbor --component mutant-changed-argument.wasm --recorded mutant-base.wasm --quiet",
        &expect![[r#"
            a.cbor: diverged at event 54: the component passes other arguments
              this is component HASH,
              another build than HASH, which was recorded
              in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush
              args[1], from byte 7:
                expected  b"ends\n"
                actual    b"ENDS\n"
              before    52  -> wasi:clocks/monotonic-clock@0.2.12 now()
              expected  54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
              actual        -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ENDS\n")
              after     57  <= theater:mutants/steps step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 6483294338957213699}, {name: "monotonic", value: 2000}, {name: "total", value: 6}])
              the recorded build and this build:
                at mutants/src/lib.rs:99:24 in {closure#0}
                     98 |         // A host that refuses the line has recorded that it did; the step goes on.
                  >  99 |         let _ = output.blocking_write_and_flush(line.as_bytes());
                    100 |     };
                called from mutants/src/lib.rs:117:5 in write_and_measure
                called from mutants/src/lib.rs:79:21 in step
                called from mutants/src/lib.rs:60:21 in step
              next: theater-replay show a.cbor --from 50 --to 58
            --- exit 1
        "#]],
    );
}

#[test]
fn a_return_names_the_function_that_has_returned() {
    check(
        &stage(),
        "run a.cbor --component mutant-other-result.wasm --recorded mutant-base.wasm --quiet",
        &expect![[r#"
            a.cbor: diverged at event 57: the component returns another value
              this is component HASH,
              another build than HASH, which was recorded
              in theater:mutants/steps#step
              result.ok[3].value:
                expected  6
                actual    7
              before    54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
              expected  57  <= theater:mutants/steps step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 6483294338957213699}, {name: "monotonic", value: 2000}, {name: "total", value: 6}])
              actual        <= theater:mutants/steps step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 6483294338957213699}, {name: "monotonic", value: 2000}, {name: "total", value: 7}])
              after     58  => theater:mutants/steps step(n: 4)
              the recorded build and this build:
                in step, mutants/src/lib.rs:57:9
                    56 |     fn step(n: u32) -> Result<Vec<Entry>, String> {
                  > 57 |         match n {
                    58 |             0 => Err("there is no step 0".to_owned()),
              next: theater-replay show a.cbor --from 53 --to 61
            --- exit 1
        "#]],
    );
}

#[test]
fn a_stack_is_shown_whole_when_asked_for() {
    check(
        &stage(),
        "run a.cbor --component mutant-changed-argument.wasm --quiet --verbose",
        &expect![[r#"
            a.cbor: diverged at event 54: the component passes other arguments
              this is component HASH,
              another build than HASH, which was recorded
              in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush
              args[1], from byte 7:
                expected  b"ends\n"
                actual    b"ENDS\n"
              before    52  -> wasi:clocks/monotonic-clock@0.2.12 now()
              expected  54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
              actual        -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ENDS\n")
              after     57  <= theater:mutants/steps step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 6483294338957213699}, {name: "monotonic", value: 2000}, {name: "total", value: 6}])
              at mutants/src/lib.rs:99:24 in {closure#0}
                   98 |         // A host that refuses the line has recorded that it did; the step goes on.
                >  99 |         let _ = output.blocking_write_and_flush(line.as_bytes());
                  100 |     };
                a function without a name, no line known
                src/imports.rs:4595:25 in wasip2::imports::wasi::io::streams::OutputStream::blocking_write_and_flush, generated
                mutants/src/lib.rs:99:24 in {closure#0}, inlined
                mutants/src/lib.rs:117:5 in write_and_measure, inlined
                mutants/src/lib.rs:79:21 in step, inlined
                mutants/src/lib.rs:60:21 in step, inlined
                mutants/src/lib.rs:41:1 in _export_step_cabi<guest_mutants::Mutants>, inlined, generated
                mutants/src/lib.rs:41:1 in theater:mutants/steps#step, generated
              next: theater-replay show a.cbor --from 50 --to 58
            --- exit 1
        "#]],
    );
}

#[test]
fn a_fork_names_the_function_that_returned_otherwise() {
    let stage = Stage::with("mutant-base", &["step(1)"]);
    let events = recorded::events(&stage.read("a.cbor"));
    let is_return = |event: &Event| matches!(event, Event::ImportReturn(_));
    let first = events.iter().position(is_return).unwrap();
    let set = format!("--at {first} --set result.seconds=7 --component mutant-base.wasm --quiet");
    check(
        &stage,
        &format!("fork a.cbor {set}"),
        &expect![[r#"
            a.cbor: what if event 8 had another answer
              recorded  8  <- wasi:clocks/wall-clock@0.2.12 now: {seconds: 1767323045, nanoseconds: 6000000}
              instead      <- wasi:clocks/wall-clock@0.2.12 now: {seconds: 7, nanoseconds: 6000000}
              then, at event 27, the component returns another value
              in theater:mutants/steps#step
              result.ok[0].value:
                expected  1767323045
                actual    7
              before    24  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#1, contents: b"step 1 ends\n")
              expected  27  <= theater:mutants/steps step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 14719366934365324992}, {name: "monotonic", value: 0}, {name: "total", value: 1}])
              actual        <= theater:mutants/steps step: ok([{name: "seconds", value: 7}, {name: "random", value: 14719366934365324992}, {name: "monotonic", value: 0}, {name: "total", value: 1}])
              in step, mutants/src/lib.rs:57:9
                  56 |     fn step(n: u32) -> Result<Vec<Entry>, String> {
                > 57 |         match n {
                  58 |             0 => Err("there is no step 0".to_owned()),
            --- exit 0
        "#]],
    );
}

#[test]
fn events_are_shown_with_their_lines() {
    check(
        &stage(),
        "show a.cbor --source --component mutant-base.wasm --from 10 --to 20",
        &expect![[r#"
                10    -> wasi:random/random@0.2.12 get-random-u64()
                           at mutants/src/lib.rs:77:37 in step
                11    <-   14719366934365324992
                12  type        wasi:io/streams@0.2.12#output-stream = resource
                13  function    wasi:cli/stdout@0.2.12 get-stdout() -> output-stream
                14    -> wasi:cli/stdout@0.2.12 get-stdout()
                           at mutants/src/lib.rs:96:18 in write_and_measure
                15    <-   output-stream#1
                16  type        wasi:io/error@0.2.12#error = resource
                17  type        wasi:io/streams@0.2.12#stream-error = variant {last-operation-failed(error), closed}
                18  function    wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: borrow<output-stream>, contents: list<u8>) -> result<_, stream-error>
                19    -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#1, contents: b"step 1 begins\n")
                           at mutants/src/lib.rs:99:24 in {closure#0}
                20    <-   ok
            --- exit 0
        "#]],
    );
    check(
        &stage(),
        "show a.cbor --source --component mutant-base.wasm --from 29 --to 29 --verbose",
        &expect![[r#"
                29    -> wasi:clocks/wall-clock@0.2.12 now()
                           at mutants/src/lib.rs:77:10 in step
                               76 |     } else {
                             > 77 |         (wall_clock::now().seconds, get_random_u64())
                               78 |     };
                             a function without a name, no line known
                             /crates/wasip2-1.0.4+wasi-0.2.12/src/imports.rs:768:21 in now, inlined, a library's
                             mutants/src/lib.rs:77:10 in step, inlined
                             mutants/src/lib.rs:60:21 in step, inlined
                             mutants/src/lib.rs:41:1 in _export_step_cabi<guest_mutants::Mutants>, inlined, generated
                             mutants/src/lib.rs:41:1 in theater:mutants/steps#step, generated
            --- exit 0
        "#]],
    );
}

#[test]
fn a_diff_has_the_lines_of_both_chains() {
    let stage = stage();
    stage.write("b.cbor", &record("mutant-changed-argument", &STEPS, false));
    let components = "--component-a mutant-base.wasm --component-b mutant-changed-argument.wasm";
    check(
        &stage,
        &format!("diff a.cbor b.cbor {components}"),
        &expect![[r#"
        different at event 54 of a.cbor and event 54 of b.cbor, after 42 equal
          setup: name mutant-base -> mutant-changed-argument

              51  <- [method]output-stream.blocking-write-and-flush: ok
              52  -> wasi:clocks/monotonic-clock@0.2.12 now()
              53  <- now: 2000
        -     54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
        +     54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ENDS\n")
                    args[1] (contents): b"step 3 ends\n" -> b"step 3 ENDS\n"
              55  <- [method]output-stream.blocking-write-and-flush: ok
              56  drop output-stream#3
              57  <= step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 6483294338957213699}, {name: "monotonic", value: 2000}, {name: "total", value: 6}])

        a.cbor and b.cbor:
          at mutants/src/lib.rs:99:24 in {closure#0}
               98 |         // A host that refuses the line has recorded that it did; the step goes on.
            >  99 |         let _ = output.blocking_write_and_flush(line.as_bytes());
              100 |     };
          called from mutants/src/lib.rs:117:5 in write_and_measure
          called from mutants/src/lib.rs:79:21 in step
          called from mutants/src/lib.rs:60:21 in step
        from there on: 20 equal, 1 changed, 0 only in a.cbor, 0 only in b.cbor
        next: theater-replay show a.cbor --from 51 --to 57 --full
        --- exit 1
    "#]],
    );
    let line = with_sources(&format!("diff a.cbor b.cbor {components} --json"));
    let found: Value = serde_json::from_slice(&stage.run(&line).stdout).unwrap();
    for side in ["expected_source", "actual_source"] {
        let place = &found["first"][side]["place"];
        assert!(place["file"].as_str().unwrap().ends_with("mutants/src/lib.rs"), "{place}");
        assert_eq!(place["line"], line_of("blocking_write_and_flush("));
    }
}

/// The line of the mutants' source that has this text.
fn line_of(text: &str) -> u64 {
    let source = fs::read_to_string(corpus("guests/rust/mutants/src/lib.rs")).unwrap();
    source.lines().position(|line| line.contains(text)).unwrap() as u64 + 1
}

#[test]
fn what_is_dropped_at_the_end_of_a_function_is_dropped_there() {
    // The brace stands in the first column, as does what macros have made.
    check(
        &stage(),
        "show a.cbor --source --component mutant-base.wasm --from 56 --to 56",
        &expect![[r#"
                56    drop output-stream#3
                           at mutants/src/lib.rs:119:1 in write_and_measure
            --- exit 0
        "#]],
    );
}

#[test]
fn a_component_inside_the_chain_is_found() {
    let stage = Stage::new();
    stage.write("a.cbor", &record("mutant-base", &STEPS, true));
    stage.write("b.cbor", &record("mutant-changed-argument", &STEPS, true));
    let found = transcript(&stage.run(&with_sources("diff a.cbor b.cbor --first")));
    assert!(
        found.contains(&format!("mutants/src/lib.rs:{}", line_of("blocking_write_and_flush("))),
        "{found}"
    );
    let found = transcript(&stage.run(&with_sources("diff a.cbor b.cbor --first --no-source")));
    assert!(!found.contains("lib.rs"), "{found}");
}

#[test]
fn what_was_found_is_kept_beside_the_chain_and_believed_only_if_it_fits() {
    let stage = stage();
    let show = with_sources("show a.cbor --source --component mutant-base.wasm --from 10 --to 20");
    let first = transcript(&stage.run(&show));
    let kept = String::from_utf8(stage.read("a.cbor.sources.json")).unwrap();
    assert!(kept.contains("theater-replay/sources/1"), "{kept}");
    // A line that no replay finds shows that there was none.
    let line = line_of("blocking_write_and_flush(");
    stage.write(
        "a.cbor.sources.json",
        kept.replace(&format!("\"line\":{line}"), "\"line\":7777").as_bytes(),
    );
    assert!(transcript(&stage.run(&show)).contains("lib.rs:7777"));
    for unfit in
        ["", "{}", "[1", &kept[..kept.len() / 2], &kept.replace("\"head\":\"", "\"head\":\"0")]
    {
        stage.write("a.cbor.sources.json", unfit.as_bytes());
        assert_eq!(transcript(&stage.run(&show)), first);
    }
    // Beyond what was looked at before, more is looked for.
    let more = show.replace("--to 20", "--to 40");
    assert!(transcript(&stage.run(&more)).lines().count() > first.lines().count());
}

#[test]
fn without_debug_information_that_is_said() {
    stage().check(
        "run a.cbor --component mutant-changed-argument.wasm --quiet",
        &expect![[r#"
            a.cbor: diverged at event 54: the component passes other arguments
              this is component HASH,
              another build than HASH, which was recorded
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
              next: theater-replay show a.cbor --from 50 --to 58
            --- exit 1
        "#]],
    );
    stage().check(
        "show a.cbor --source --component mutant-base.wasm --from 10 --to 12",
        &expect![[r#"
                10    -> wasi:random/random@0.2.12 get-random-u64()
                11    <-   14719366934365324992
                12  type        wasi:io/streams@0.2.12#output-stream = resource
            --- messages
            note: no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
            --- exit 0
        "#]],
    );
    stage().check(
        "show a.cbor --source --component mutant-base.wasm --from 10 --to 10 --debug-info .",
        &expect![[r#"
                10    -> wasi:random/random@0.2.12 get-random-u64()
            --- messages
            note: no source lines: nothing in . was built to the same code and with debug information
            --- exit 0
        "#]],
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    stage().check(
        "run a.cbor --component mutant-changed-argument.wasm --quiet --debug-info nowhere.wasm",
        &expect![[r#"
            --- messages
            error: cannot read nowhere.wasm: No such file or directory (os error 2)
            --- exit 2
        "#]],
    );
    stage().check(
        "show a.cbor --source --from 10 --to 10 --component nowhere.wasm",
        &expect![[r#"
        --- messages
        error: cannot read nowhere.wasm: No such file or directory (os error 2)
        --- exit 2
    "#]],
    );
    stage().check(
        "show a.cbor --component mutant-base.wasm",
        &expect![[r#"
        --- messages
        error: the following required arguments were not provided:
          --source

        Usage: theater-replay show --source --component <FILE> <CHAIN>

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}

#[test]
fn debug_information_that_lies_does_no_harm() {
    let stage = stage();
    let twin = fs::read(corpus("twins/mutant-base.wasm")).unwrap();
    let debug = twin.windows(11).position(|name| name == b".debug_info").unwrap();
    let plain = component("mutant-base").len();
    assert!(plain < twin.len());
    for (step, from) in [(7, debug), (13, debug + 5), (101, debug + 40)] {
        let mut broken = twin.clone();
        for byte in broken[from + 11..].iter_mut().step_by(step).take(3000) {
            *byte ^= 0xa5;
        }
        stage.write("broken.wasm", &broken);
        let line = "show a.cbor --source --component mutant-base.wasm --from 10 --to 20";
        let output = stage.run(&format!("{line} --debug-info broken.wasm"));
        assert!(matches!(output.status.code(), Some(0 | 2)), "{output:?}");
    }
}
