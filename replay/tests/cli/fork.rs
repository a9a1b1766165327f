//! `fork`: what a component would have done, had the host answered otherwise.

use expect_test::expect;
use theater_record::Event;

use crate::recorded::{Stage, events};
use crate::scene::frame_of;

/// The event of the first return of a function of `hello`, in the recording `a.cbor`.
fn returned(stage: &Stage, name: &str) -> usize {
    let events = events(&stage.read("a.cbor"));
    let function = events.iter().find_map(|event| match event {
        Event::Function(function) if function.name == name => Some(function.id),
        _ => None,
    });
    let is_return =
        |event: &Event| matches!(event, Event::ImportReturn(end) if Some(end.function) == function);
    events.iter().position(is_return).unwrap()
}

const CHECK: &str = "[method]output-stream.check-write";

#[test]
fn another_answer() {
    let stage = Stage::with("hello", &[]);
    let at = returned(&stage, CHECK);
    let fork = format!("fork a.cbor --component hello.wasm --at {at}");
    stage.check(&format!("{fork} --set result.ok=1"), &expect![[r#"
        a.cbor: what if event 19 had another answer
          recorded  19  <- wasi:io/streams@0.2.6 [method]output-stream.check-write: ok(18446744073709551615)
          instead       <- wasi:io/streams@0.2.6 [method]output-stream.check-write: ok(1)
          then, at event 21, the component passes other arguments, to which the recording has no answer
          in wasi:io/streams@0.2.6#[method]output-stream.write
          args[1], from byte 1:
            expected  b"ello, world\n"
            actual    nothing, it ends there
          before    18  -> wasi:io/streams@0.2.6 [method]output-stream.check-write(self: &output-stream#1)
          expected  21  -> wasi:io/streams@0.2.6 [method]output-stream.write(self: &output-stream#1, contents: b"hello, world\n")
          actual        -> wasi:io/streams@0.2.6 [method]output-stream.write(self: &output-stream#1, contents: b"h")
          after     24  -> wasi:io/streams@0.2.6 [method]output-stream.blocking-flush(self: &output-stream#1)
          in write, line unknown
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          called from:
            function 2 at OFFSET
            streams_method_output_stream_write at OFFSET
            write at OFFSET
            <std::io::stdio::StdoutLock as std::io::Write>::write_all at OFFSET
            <std::io::default_write_fmt::Adapter<std::io::stdio::StdoutLock> as core::fmt::Write>::write_str at OFFSET
            core::fmt::write at OFFSET
            and 5 more, which --json shows
        --- exit 0
    "#]]);
    stage.check(&format!("{fork} --set 'result=err(closed)' --out b.cbor"), &expect![[r#"
        a.cbor: what if event 19 had another answer
          recorded  19  <- wasi:io/streams@0.2.6 [method]output-stream.check-write: ok(18446744073709551615)
          instead       <- wasi:io/streams@0.2.6 [method]output-stream.check-write: err(closed)
          then, at event 21, the component calls another function, to which the recording has no answer
          before    18  -> wasi:io/streams@0.2.6 [method]output-stream.check-write(self: &output-stream#1)
          expected  21  -> wasi:io/streams@0.2.6 [method]output-stream.write(self: &output-stream#1, contents: b"hello, world\n")
          actual        -> wasi:cli/environment@0.2.6 get-environment()
          after     24  -> wasi:io/streams@0.2.6 [method]output-stream.blocking-flush(self: &output-stream#1)
          in getenv, line unknown
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          called from:
            function 4 at OFFSET
            environment_get_environment at OFFSET
            __wasilibc_initialize_environ at OFFSET
            __wasilibc_ensure_environ at OFFSET
            getenv at OFFSET
            std::panic::get_backtrace_style at OFFSET
            and 10 more, which --json shows
          wrote b.cbor, marked synthetic
        --- exit 0
    "#]]);
    assert_eq!(stage.run("run b.cbor --component hello.wasm").status.code(), Some(1));
    // The call itself stands for its answer.
    let fork = format!("fork a.cbor --component hello.wasm --at {} --set result.ok=1", at - 1);
    assert_eq!(stage.run(&fork).status.code(), Some(0));
}

#[test]
fn an_answer_that_makes_no_difference() {
    let stage = Stage::with("hello", &[]);
    let at = returned(&stage, "get-arguments");
    let line = format!("fork a.cbor --component hello.wasm --at {at} --set 'result[0]=\"other\"'");
    stage.check(
        &line,
        &expect![[r#"
        hello, world
        a.cbor: what if event 6 had another answer
          recorded  6  <- wasi:cli/environment@0.2.6 get-arguments: ["hello.wasm"]
          instead      <- wasi:cli/environment@0.2.6 get-arguments: ["other"]
          then all is the same, to the end of the recording
        --- exit 0
    "#]],
    );
}

#[test]
fn answers_that_cannot_be_given() {
    let stage = Stage::with("hello", &[]);
    let at = returned(&stage, CHECK);
    let check = |rest: &str, expected| {
        stage.check(&format!("fork a.cbor --component hello.wasm --at {at} {rest}"), &expected);
    };
    check(
        "",
        expect![[r#"
        --- messages
        error: nothing is to be otherwise; event 19 is <- wasi:io/streams@0.2.6 [method]output-stream.check-write: ok(18446744073709551615)
          try: --set 'result=VALUE' with another value, or --set 'result.PATH=VALUE' for a part of it
        --- exit 2
    "#]],
    );
    check(
        "--set result",
        expect![[r#"
        --- messages
        error: invalid value 'result' for '--set <PATH=VALUE>': expected PATH=VALUE, such as result.ok=3

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    check(
        "--set other=1",
        expect![[r#"
        --- messages
        error: invalid value 'other=1' for '--set <PATH=VALUE>': a path starts with result, such as result.ok.status

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    check(
        "--set 'result=err(closd)'",
        expect![[r#"
        --- messages
        error: cannot set result: stream-error has no case "closd", at column 5; it has last-operation-failed, closed
        --- exit 2
    "#]],
    );
    check(
        "--set result.ok=-1",
        expect![[r#"
        --- messages
        error: cannot set result.ok: expected u64 at column 1, found -1
        --- exit 2
    "#]],
    );
}

#[test]
fn paths_that_lead_nowhere() {
    let stage = Stage::with("hello", &[]);
    let at = returned(&stage, CHECK);
    let check = |rest: &str, expected| {
        stage.check(&format!("fork a.cbor --component hello.wasm --at {at} {rest}"), &expected);
    };
    check(
        "--set result.err=1",
        expect![[r#"
        --- messages
        error: result.err leads nowhere: there is no .err in a result that is ok
        --- exit 2
    "#]],
    );
    check(
        "--set result.ok.deeper=1",
        expect![[r#"
        --- messages
        error: result.ok.deeper leads nowhere: there is no .deeper in a value without parts
        --- exit 2
    "#]],
    );
    check(
        "--set 'result[99999999999999999999]=1'",
        expect![[r#"
        --- messages
        error: invalid value 'result[99999999999999999999]=1' for '--set <PATH=VALUE>': "99999999999999999999" is not a position

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}

#[test]
fn events_without_an_answer() {
    let stage = Stage::with("hello", &[]);
    stage.check(
        "fork a.cbor --at 0 --set result=1",
        &expect![[r#"
        --- messages
        error: event 0 (header) is no import call and no return of one
          try: theater-replay show a.cbor --filter 'kind = import-return'
        --- exit 2
    "#]],
    );
    stage.check(
        "fork a.cbor --at 2 --set result=1",
        &expect![[r#"
        --- messages
        error: event 2 (function) is no import call and no return of one
          try: theater-replay show a.cbor --filter 'kind = import-return'
        --- exit 2
    "#]],
    );
    stage.check(
        "fork a.cbor --at 99999 --set result=1",
        &expect![[r#"
        --- messages
        error: a.cbor has no event 99999
          try: theater-replay show a.cbor --filter 'kind = import-return'
        --- exit 2
    "#]],
    );
    let whole = stage.read("a.cbor");
    let at = returned(&stage, CHECK);
    stage.write("cut.cbor", &whole[..frame_of(&whole, at as u64).start]);
    stage.check(
        "fork cut.cbor --at 0 --set result=1",
        &expect![[r#"
        --- messages
        cut.cbor is open and was not replayed
          try: --prefix to replay its good start, or theater-replay verify cut.cbor
        --- exit 3
    "#]],
    );
    let line = format!("fork cut.cbor --prefix --at {} --set result=1", at - 1);
    stage.check(
        &line,
        &expect![[r#"
        --- messages
        error: event 18 of cut.cbor was never answered, so there is nothing to change
          try: theater-replay show cut.cbor --filter 'kind = import-return'
        --- exit 2
    "#]],
    );
}
