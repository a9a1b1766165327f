//! `run`: what people see of a replay, whether it is the same, diverges or cannot be.

use std::cell::Cell;

use expect_test::{Expect, expect};
use theater_record::{Event, FunctionId, FunctionType, LifecycleState, Outcome};

use crate::recorded::{Stage, record, retold, texts};
use crate::scene::{frame_of, open};

const STEPS: [&str; 4] = ["step(1)", "step(2)", "step(3)", "step(4)"];

#[test]
fn the_same() {
    let stage = Stage::with("hello", &[]);
    stage.check(
        "run a.cbor --component hello.wasm",
        &expect![[r#"
        hello, world
        a.cbor: the same, 30 events
          head HASH@29, computed from what the component did
        --- exit 0
    "#]],
    );
    stage.check(
        "run a.cbor --component hello.wasm --quiet --backend pulley",
        &expect![[r#"
        a.cbor: the same, 30 events
          head HASH@29, computed from what the component did
        --- exit 0
    "#]],
    );
    stage.check(
        "run a.cbor --component hello.wasm --to 10",
        &expect![[r#"
        a.cbor: the same up to event 9
        --- exit 0
    "#]],
    );
    stage.check(
        "run a.cbor --component hello.wasm --quiet --to 1000",
        &expect![[r#"
        a.cbor: the same, 30 events
          head HASH@29, computed from what the component did
          the chain ends before event 1000
        --- exit 0
    "#]],
    );
    stage.check(
        "run a.cbor --to 0",
        &expect![[r#"
        --- messages
        error: --to 0 leaves nothing to replay, because event 0 is the header
          try: name the event before which to stop
        --- exit 2
    "#]],
    );
}

#[test]
fn a_component_is_found_by_its_digest() {
    let stage = Stage::new();
    stage.write("a.cbor", &record("clocks", &[], true));
    assert_eq!(stage.run("run a.cbor").status.code(), Some(0));
    stage.write("b.cbor", &record("fetch", &[], false));
    stage.check(
        "run b.cbor",
        &expect![[r#"
        --- messages
        error: the component HASH is neither in the chain nor in the store
          try: name its file: theater-replay run b.cbor --component FILE
        --- exit 2
    "#]],
    );
    stage.write("no.wasm", b"nothing");
    stage.check(
        "run b.cbor --component no.wasm",
        &expect![[r#"
        --- messages
        error: no.wasm is not WebAssembly: its first bytes are not a module's or a component's
          try: build the component first, and name the .wasm file
        --- exit 2
    "#]],
    );
    stage.check(
        "run b.cbor --component missing.wasm",
        &expect![[r#"
        --- messages
        error: there is no file missing.wasm
          try: check the spelling, or look with ls
        --- exit 2
    "#]],
    );
    stage.check(
        "run b.cbor --component .",
        &expect![[r#"
        --- messages
        error: . is a directory, not a component
          try: name a file in it: ls .
        --- exit 2
    "#]],
    );
}

#[test]
fn a_packed_chain() {
    let stage = Stage::with("hello", &[]);
    stage.run("pack a.cbor -o a.zst");
    stage.check(
        "run a.zst --component hello.wasm",
        &expect![[r#"
        hello, world
        a.zst: the same, 30 events
          head HASH@29, computed from what the component did
        --- exit 0
    "#]],
    );
}

fn diverges(mutant: &str, expected: &Expect) {
    let stage = Stage::with("mutant-base", &STEPS);
    stage.add_component(mutant);
    stage.check(&format!("run a.cbor --quiet --component {mutant}.wasm"), expected);
}

#[test]
fn other_arguments() {
    diverges(
        "mutant-changed-argument",
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
}

#[test]
fn another_function() {
    diverges(
        "mutant-other-callee",
        &expect![[r#"
            a.cbor: diverged at event 52: the component calls another function
              this is component HASH,
              another build than HASH, which was recorded
              before    50  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 begins\n")
              expected  52  -> wasi:clocks/monotonic-clock@0.2.12 now()
              actual        -> wasi:clocks/monotonic-clock@0.2.12 resolution()
              after     54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
              no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
              called from:
                theater:mutants/steps#step at OFFSET
              next: theater-replay show a.cbor --from 48 --to 56
            --- exit 1
        "#]],
    );
}

#[test]
fn swapped_calls() {
    diverges(
        "mutant-swapped-calls",
        &expect![[r#"
            a.cbor: diverged at event 44: the component calls another function
              this is component HASH,
              another build than HASH, which was recorded
              the recorded call comes next: two calls changed places
              before    43  => theater:mutants/steps step(n: 3)
              expected  44  -> wasi:clocks/wall-clock@0.2.12 now()
              actual        -> wasi:random/random@0.2.12 get-random-u64()
              after     46  -> wasi:random/random@0.2.12 get-random-u64()
              no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
              called from:
                theater:mutants/steps#step at OFFSET
              next: theater-replay show a.cbor --from 40 --to 48
            --- exit 1
        "#]],
    );
}

#[test]
fn an_extra_call() {
    diverges(
        "mutant-extra-call",
        &expect![[r#"
            a.cbor: diverged at event 52: the component makes a call that was not recorded
              this is component HASH,
              another build than HASH, which was recorded
              before    50  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 begins\n")
              expected  52  -> wasi:clocks/monotonic-clock@0.2.12 now()
              actual        -> wasi:random/random@0.2.12 get-random-u64()
              after     54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
              no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
              called from:
                theater:mutants/steps#step at OFFSET
              next: theater-replay show a.cbor --from 48 --to 56
            --- exit 1
        "#]],
    );
}

#[test]
fn a_missing_call() {
    diverges(
        "mutant-missing-call",
        &expect![[r#"
            a.cbor: diverged at event 52: the component leaves out a recorded call
              this is component HASH,
              another build than HASH, which was recorded
              before    50  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 begins\n")
              expected  52  -> wasi:clocks/monotonic-clock@0.2.12 now()
              actual        -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
              after     54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
              no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
              called from:
                function 1 at OFFSET
                wasip2::imports::wasi::io::streams::OutputStream::blocking_write_and_flush at OFFSET
                theater:mutants/steps#step at OFFSET
              next: theater-replay show a.cbor --from 48 --to 56
            --- exit 1
        "#]],
    );
}

#[test]
fn another_return() {
    diverges(
        "mutant-other-result",
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
              no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
              next: theater-replay show a.cbor --from 53 --to 61
            --- exit 1
        "#]],
    );
}

#[test]
fn chains_that_are_not_good() {
    let stage = Stage::with("hello", &[]);
    let whole = stage.read("a.cbor");
    let mut damaged = whole.clone();
    let middle = frame_of(&whole, 14).start + 60;
    damaged[middle] ^= 1;
    stage.write("damaged.cbor", &damaged);
    stage.check("run damaged.cbor", &expect![[r#"
        --- messages
        damaged.cbor is damaged and was not replayed: event 15: bit 0 of byte 3603 was flipped: OFFSET should be OFFSET
          try: --prefix to replay its good start, or theater-replay verify damaged.cbor
        --- exit 1
    "#]]);
    stage.check(
        "run damaged.cbor --prefix --component hello.wasm",
        &expect![[r#"
            damaged.cbor: the same, 15 events
              head HASH@14, computed from what the component did
              the chain is damaged; this is about its good start only
            --- exit 0
        "#]],
    );
    stage.write("cut.cbor", &whole[..frame_of(&whole, 14).start + 7]);
    stage.check("run cut.cbor", &expect![[r#"
        --- messages
        cut.cbor is open and was not replayed: the last 7 bytes, from byte 3543, are no complete record
          try: --prefix to replay its good start, or theater-replay verify cut.cbor
        --- exit 3
    "#]]);
    stage.check(
        "run cut.cbor --prefix --component hello.wasm",
        &expect![[r#"
        cut.cbor: the same, 14 events
          head HASH@13, computed from what the component did
          there the component waits for wasi:io/streams@0.2.6#[method]output-stream.subscribe
          the chain is open; this is about its good start only
        --- exit 0
    "#]],
    );
    stage.write("open.cbor", &open());
    stage.check(
        "run open.cbor --prefix",
        &expect![[r#"
        --- messages
        error: open.cbor names no component, so there is nothing to replay
          try: replay a chain that theater run has recorded
        --- exit 2
    "#]],
    );
    stage.write("text.cbor", &[b'a'; 4000]);
    stage.check(
        "run text.cbor",
        &expect![[r#"
        --- messages
        error: cannot check text.cbor: not a chain: neither the magic nor any record was found
          try: name a file that theater has recorded
        --- exit 2
    "#]],
    );
}

#[test]
fn a_replay_is_no_recording() {
    let stage = Stage::with("hello", &[]);
    stage.run("run a.cbor --component hello.wasm --quiet --out b.cbor");
    stage.check(
        "run b.cbor --component hello.wasm",
        &expect![[r#"
        --- messages
        b.cbor is what a replay did, not a recording, and was not replayed
          try: replay the chain that it was made from
        --- exit 1
    "#]],
    );
    let output = stage.run("run b.cbor --component hello.wasm --prefix");
    assert_eq!(output.status.code(), Some(1));
    stage.check(
        "run a.cbor --component hello.wasm --out b.cbor",
        &expect![[r#"
        --- messages
        error: b.cbor exists already
          try: name another file with --out
        --- exit 2
    "#]],
    );
    stage.check(
        "run a.cbor --component hello.wasm --out no/b.cbor",
        &expect![[r#"
        --- messages
        error: cannot create no/b.cbor: No such file or directory (os error 2)
          try: name a file that can be written with --out
        --- exit 2
    "#]],
    );
    assert_eq!(stage.run("run a.cbor --component no.wasm --out c.cbor").status.code(), Some(2));
    assert!(!stage.exists("c.cbor"));
}

#[test]
fn a_header_without_sense() {
    let stage = Stage::with("hello", &[]);
    let chain = stage.read("a.cbor");
    let with = |name: &str, value: &str| {
        let set = |settings: &mut Vec<(String, String)>| {
            settings.retain(|(known, _)| known != name);
            settings.push((name.to_owned(), value.to_owned()));
        };
        stage.write("b.cbor", &retold(&chain, set, |_| {}));
        stage.run("run b.cbor --quiet --component hello.wasm").status.code()
    };
    stage.write("same.cbor", &retold(&chain, |_| {}, |_| {}));
    let same = stage.run("run same.cbor --quiet --component hello.wasm");
    assert_eq!(same.status.code(), Some(0));
    // Every one of these is an answer; none of them is a crash.
    assert_eq!(with("stack-bytes-max", "1152921504606846976"), Some(2));
    assert_eq!(with("stack-bytes-max", "0"), Some(2));
    assert_eq!(with("stack-bytes-max", "\u{1b}[2J"), Some(2));
    assert_eq!(with("memory-bytes-max", "0"), Some(1));
    assert_eq!(with("memory-bytes-max", "18446744073709551615"), Some(0));
    assert_eq!(with("table-elements-max", "0"), Some(1));
    assert_eq!(with("fuel", "counted"), Some(1));
    assert_eq!(with("fuel-max", "18446744073709551615"), Some(0));
    assert_eq!(with("backend", "abacus"), Some(0));
    let set = |settings: &mut Vec<(String, String)>| {
        settings.retain(|(name, _)| name != "stack-bytes-max");
        settings.push(("stack-bytes-max".to_owned(), "\u{1b}[2J".to_owned()));
    };
    stage.write("b.cbor", &retold(&chain, set, |_| {}));
    stage.check("run b.cbor --component hello.wasm", &expect![[r#"
        --- messages
        error: b.cbor cannot be replayed: the chain's setting stack-bytes-max is "\u{1b}[2J", which is not a number in range
        --- exit 2
    "#]]);
}

#[test]
fn definitions_that_lie() {
    let stage = Stage::with("hello", &[]);
    let lie = |event: &mut Event| {
        if let Event::Function(function) = event
            && function.name == "get-arguments"
        {
            function.results = vec![theater_record::Type::U32];
        }
        if let Event::ImportReturn(end) = event
            && end.function.0 == 1
        {
            let one = theater_record::Value::U32(1);
            end.outcome = Outcome::Returned(theater_record::Values::of(&[one]).unwrap());
        }
    };
    stage.write("b.cbor", &retold(&stage.read("a.cbor"), |_| {}, lie));
    stage.check("run b.cbor --component hello.wasm", &expect![[r#"
        b.cbor: diverged at event 5: the chain describes a function in another way than the component
          before    3  => wasi:cli/run@0.2.0 run()
          expected  5  get-arguments() -> u32
          actual       get-arguments() -> list<string>
          after     9  -> wasi:cli/stdout@0.2.6 get-stdout()
          in hello::main, line unknown
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          called from:
            function 0 at OFFSET
            hello::main at OFFSET
            std::sys::backtrace::__rust_begin_short_backtrace at OFFSET
            __main_void at OFFSET
            _start at OFFSET
          next: theater-replay show b.cbor --from 1 --to 9
        --- exit 1
    "#]]);
}

#[test]
fn an_answer_to_another_call_is_none() {
    let stage = Stage::with("hello", &[]);
    let lie = |event: &mut Event| {
        if let Event::ImportReturn(end) = event
            && end.function.0 == 1
        {
            end.function.0 = 0;
        }
    };
    stage.write("b.cbor", &retold(&stage.read("a.cbor"), |_| {}, lie));
    stage.check(
        "run b.cbor --component hello.wasm",
        &expect![[r#"
        --- messages
        error: b.cbor cannot be replayed: event 6 (import-return) cannot come here
        --- exit 2
    "#]],
    );
}

#[test]
fn names_that_nothing_uses_are_refused() {
    let stage = Stage::with("hello", &[]);
    let next = Cell::new(0);
    let lie = |event: &mut Event| match event {
        Event::Function(_) => next.set(next.get() + 1),
        Event::Lifecycle(one) if one.state == LifecycleState::Completed => {
            *event = Event::Function(FunctionType {
                id: FunctionId(next.get()),
                interface: "wasi:filesystem/types@0.2.6".to_owned(),
                name: "[method]descriptor.unlink-file-at".to_owned(),
                params: Vec::new(),
                results: Vec::new(),
            });
        }
        _ => {}
    };
    stage.write("b.cbor", &retold(&stage.read("a.cbor"), |_| {}, lie));
    stage.check(
        "run b.cbor --component hello.wasm",
        &expect![[r#"
        hello, world
        --- messages
        error: b.cbor cannot be replayed: before event 29 stands a name that nothing uses: wasi:filesystem/types@0.2.6#[method]descriptor.unlink-file-at
        --- exit 2
    "#]],
    );
}

#[test]
fn hostile_names() {
    let stage = Stage::with("hello", &[]);
    let lie = |event: &mut Event| {
        if let Event::ImportReturn(end) = event
            && end.function.0 == 1
        {
            end.outcome = Outcome::Returned(texts(&["\u{1b}[2J\u{202e}"]));
        }
        if let Event::Lifecycle(life) = event {
            life.detail = "\u{1b}[2J".to_owned();
        }
    };
    stage.write("\u{1b}[2J.cbor", &retold(&stage.read("a.cbor"), |_| {}, lie));
    for line in ["run \u{1b}[2J.cbor --component hello.wasm", "run \u{1b}[2J.cbor.cbor"] {
        let output = stage.run(line);
        let both = [output.stdout, output.stderr].concat();
        assert!(!both.contains(&0x1b), "{}", String::from_utf8_lossy(&both));
    }
}
