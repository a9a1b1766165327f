//! Bugs as a change brings them in: six builds of a shop's back office that each have one, replayed on
//! the chain of the build that has none, and recorded beside it. Each is caught, at the event where
//! it shows first and in the value that shows it. What each of them is stands in
//! `corpus/guests/rust/shop/src/lib.rs`.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use expect_test::{Expect, expect};
use serde_json::Value;
use theater_record::Kind;

use crate::stage::divergence::{Expected, agree, function};
use crate::stage::history::History;
use crate::stage::programs::{compared, printed, replayed};
use crate::stage::shop::{REGRESSIONS, Services};
use crate::stage::{component, folder};

const HEADERS: &str = "wasi:http/types#[static]fields.from-list";
const PATH: &str = "wasi:http/types#[method]outgoing-request.set-path-with-query";
const BODY: &str = "wasi:io/streams#[method]output-stream.blocking-write-and-flush";
const CHECK: &str = "wasi:io/streams#[method]output-stream.check-write";
const PRINT: &str = "wasi:io/streams#[method]output-stream.write";
const SLEEP: &str = "wasi:clocks/monotonic-clock#subscribe-duration";

/// A bug, and where it shows.
pub(crate) struct Regression {
    pub(crate) name: &'static str,
    pub(crate) expected: Expected,
    /// What is called there.
    actual: &'static str,
    /// Both values in full, if it is a value that differs.
    values: Option<(&'static str, &'static str)>,
}

/// An order takes three requests, or five if it cannot be paid; a report takes one for each page.
pub(crate) fn regressions() -> Vec<Regression> {
    let call = |kind, function, nth| Expected::new(kind, (Kind::ImportCall, function, nth));
    vec![
        // The last page of the last report is never asked for; the report is printed instead.
        Regression {
            name: "off-by-one",
            expected: call("other-function", HEADERS, 15),
            actual: CHECK,
            values: None,
        },
        Regression {
            name: "tool-order",
            expected: Expected {
                difference: Some(("args[1].some", "\"stock\"", "\"payments\"")),
                ..call("other-arguments", PATH, 2)
            },
            actual: PATH,
            values: Some(("/stock", "/payments")),
        },
        // The first order that has to be tried again is the third.
        Regression {
            name: "header",
            expected: Expected {
                difference: Some(("args[0][2][1]", "nothing, it ends there", "b\"-2\"")),
                ..call("other-arguments", HEADERS, 10)
            },
            actual: HEADERS,
            values: Some(("o-19", "o-19-2")),
        },
        // The first amount that ends in a zero is the second. Each order has two bodies so far.
        Regression {
            name: "float-format",
            expected: Expected {
                difference: Some(("args[1]", "b\"0}\"", "b\"}\"")),
                ..call("other-arguments", BODY, 4)
            },
            actual: BODY,
            values: Some((
                "{\"order\":\"o-18\",\"amount\":59.70}",
                "{\"order\":\"o-18\",\"amount\":59.7}",
            )),
        },
        // A line for each order, two for the first report, and the first of the second.
        Regression {
            name: "time-zone",
            expected: Expected {
                difference: Some(("args[1]", "b\"5\\n\"", "b\"4\\n\"")),
                ..call("other-arguments", PRINT, 6)
            },
            actual: PRINT,
            values: Some(("sales of 2023-11-15\n", "sales of 2023-11-14\n")),
        },
        // Where it is printed that the third order was not paid.
        Regression {
            name: "retries",
            expected: call("other-function", CHECK, 3),
            actual: SLEEP,
            values: None,
        },
    ]
}

#[test]
fn a_replay_catches_each_where_it_shows_first() {
    for Regression { name, expected, actual, .. } in regressions() {
        let outcome = run(name, "cranelift");
        expected.check(name, &outcome, &RECORDED.history);
        assert_eq!(function(&outcome["divergence"]["actual"]), actual, "{name}");
    }
}

#[test]
fn both_backends_say_the_same_of_each() {
    for name in REGRESSIONS {
        agree(name, ["cranelift", "pulley"].map(|backend| run(name, backend)));
    }
}

#[test]
fn the_build_without_a_bug_is_the_same_as_itself() {
    for backend in ["cranelift", "pulley"] {
        assert_eq!(run("base", backend)["replay"], "same");
    }
    assert_eq!(diff("again")["first"], Value::Null);
}

#[test]
fn recordings_of_each_part_at_the_same_event_in_the_same_value() {
    for Regression { name, expected, actual, values } in regressions() {
        let first = &diff(name)["first"];
        let event = expected.event(&RECORDED.history);
        let sides = [(&first["expected"], expected.function), (&first["actual"], actual)];
        for (side, called) in sides {
            assert_eq!(side["seq"], event, "{name}");
            assert_eq!(side["kind"], "import-call", "{name}");
            assert_eq!(function(side), called, "{name}");
        }
        assert_eq!(first["kind"], if values.is_some() { "values" } else { "shape" }, "{name}");
        let found = first["differences"].as_array().map(|differences| {
            let [difference] = &differences[..] else { panic!("{name}: {differences:?}") };
            let path = difference["path"].as_str().unwrap();
            (path, text(&difference["expected"]["value"]), text(&difference["actual"]["value"]))
        });
        let wanted = expected
            .difference
            .zip(values)
            .map(|((path, ..), (expected, actual))| (path, expected.to_owned(), actual.to_owned()));
        assert_eq!(found, wanted, "{name}");
    }
}

#[test]
fn people_read_which_header_changed() {
    check(
        "header",
        &expect![[r#"
        base.chain: diverged at event 457: the component passes other arguments
          this is component <shop-header>,
          another build than <shop-base>, which was recorded
          in wasi:http/types@0.2.12#[static]fields.from-list
          args[0][2][1], from byte 4:
            expected  nothing, it ends there
            actual    b"-2"
          before    454  -> wasi:io/poll@0.2.12 [method]pollable.block(self: &pollable#79)
          expected  457  -> wasi:http/types@0.2.12 [static]fields.from-list(entries: [("accept", b"text/plain"), ("content-type", b"application/json"), ("idempotency-key", b"o-19")])
          actual         -> wasi:http/types@0.2.12 [static]fields.from-list(entries: [("accept", b"text/plain"), ("content-type", b"application/json"), ("idempotency-key", b"o-19-2")])
          after     459  -> wasi:http/types@0.2.12 [constructor]outgoing-request(headers: fields#80)
          in guest_shop::http::Client::post, line unknown
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          called from:
            function 10 at 0x1b78f
            wasip2::proxy::wasi::http::types::Fields::from_list at 0x416a
            guest_shop::http::Client::post at 0x54c2
            theater:shop/office#handle at 0x7710
          next: theater-replay show base.chain --from 453 --to 461
    "#]],
        &expect![[r#"
        different at event 457 of base.chain and event 457 of header.chain, after 409 equal
          setup: component <shop-base> -> <shop-header>
          setup: name shop-base -> shop-header

             454  -> wasi:io/poll@0.2.12 [method]pollable.block(self: &pollable#79)
             455  <- [method]pollable.block: ()
             456  drop pollable#79
        -    457  -> wasi:http/types@0.2.12 [static]fields.from-list(entries: [("accept", b"text/plain"), ("content-type", b"application/json"), ("idempotency-key", b"o-19")])
        +    457  -> wasi:http/types@0.2.12 [static]fields.from-list(entries: [("accept", b"text/plain"), ("content-type", b"application/json"), ("idempotency-key", b"o-19-2")])
                    args[0][2][1] (entries): b"o-19" -> b"o-19-2"

        next: theater-replay show base.chain --from 454 --to 460 --full
    "#]],
    );
}

#[test]
fn people_read_what_is_done_instead_of_giving_up() {
    check(
        "retries",
        &expect![[r#"
        base.chain: diverged at event 532: the component calls another function
          this is component <shop-retries>,
          another build than <shop-base>, which was recorded
          before    528  -> wasi:http/types@0.2.12 [method]incoming-response.status(self: &incoming-response#94)
          expected  532  -> wasi:io/streams@0.2.12 [method]output-stream.check-write(self: &output-stream#27)
          actual         -> wasi:clocks/monotonic-clock@0.2.12 subscribe-duration(when: 16000000)
          after     534  -> wasi:io/streams@0.2.12 [method]output-stream.write(self: &output-stream#27, contents: b"o-19: the service answered with 503\n")
          in clock_nanosleep, line unknown
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          called from:
            monotonic_clock_subscribe_duration at 0xf38b
            clock_nanosleep at 0xee1e
            theater:shop/office#handle at 0x7752
          next: theater-replay show base.chain --from 528 --to 536
    "#]],
        &expect![[r#"
        different at event 532 of base.chain and event 532 of retries.chain, after 484 equal
          setup: component <shop-base> -> <shop-retries>
          setup: name shop-base -> shop-retries

             529  <- [method]incoming-response.status: 503
             530  drop incoming-response#94
             531  drop future-incoming-response#91
        -    532  -> wasi:io/streams@0.2.12 [method]output-stream.check-write(self: &output-stream#27)
        +    532  -> wasi:clocks/monotonic-clock@0.2.12 subscribe-duration(when: 16000000)

        next: theater-replay show base.chain --from 529 --to 535 --full
    "#]],
    );
}

/// Holds what `run` says of a build on the chain of the one without a bug, and what `diff` says of
/// their chains, against the texts that people are to read.
#[track_caller]
fn check(name: &str, run: &Expect, diff: &Expect) {
    let builds = ["base", name].map(|name| (format!("shop-{name}"), build(name)));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (base, other) = (text(&chain("base")), text(&chain(name)));
    let said = |command: &[&str]| printed(command, RECORDED.folder.path(), &builds);
    run.assert_eq(&said(&["run", &base, "--quiet", "--component", &text(&builds[1].1)]));
    diff.assert_eq(&said(&["diff", &base, &other, "--first"]));
}

/// The chains of all builds at the same work, and what the one without a bug did.
struct Recordings {
    folder: tempfile::TempDir,
    history: History,
}

static RECORDED: LazyLock<Recordings> = LazyLock::new(|| {
    let (services, folder) = (Services::start(), folder(&[]));
    for name in REGRESSIONS {
        let recorded = services.record(build(name));
        std::fs::write(folder.path().join(format!("{name}.chain")), &recorded.chain).unwrap();
    }
    for name in ["base", "again"] {
        let recorded = services.record(build("base"));
        std::fs::write(folder.path().join(format!("{name}.chain")), &recorded.chain).unwrap();
    }
    let history = services.record(build("base")).history();
    Recordings { folder, history }
});

/// The chain of a build.
fn chain(name: &str) -> PathBuf {
    RECORDED.folder.path().join(format!("{name}.chain"))
}

fn build(name: &str) -> PathBuf {
    component(&format!("shop-{name}"))
}

/// What `theater-replay run` says of a build on the chain of the one without a bug.
fn run(name: &str, backend: &str) -> Value {
    replayed(&chain("base"), &build(name), &["--backend", backend])
}

/// What `theater-replay diff` says of a build's chain and that of the one without a bug.
fn diff(name: &str) -> Value {
    compared([&chain("base"), &chain(name)], &[])
}

/// A string, or bytes that are text.
fn text(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    let digits = value["bytes"].as_str().expect("a string or bytes");
    let bytes = (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16));
    String::from_utf8(bytes.collect::<Result<_, _>>().unwrap()).unwrap()
}
