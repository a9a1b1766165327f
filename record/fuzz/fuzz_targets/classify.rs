//! The whole check over arbitrary bytes and over damaged chains.
//!
//! It may not panic, its answer may not depend on the number of threads or on where stretches
//! begin, and no damage to a chain may leave it complete unless all its records are as they were. Run with
//! `cargo fuzz run --fuzz-dir record/fuzz classify`.

#![no_main]

mod sample;

use libfuzzer_sys::fuzz_target;
use theater_record::{Frame, FrameKind};
use theater_verify::{Depth, Options, Verdict, VerifyError, verify};

use crate::sample::{SAMPLE, damaged_sample, frames};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let damaged = damaged_sample(bytes);
    let verdict = check(&damaged);
    if verdict == Some(Verdict::Complete) {
        assert_eq!(records(&damaged), records(&SAMPLE), "a change went unnoticed");
    }
    if damaged == *SAMPLE {
        assert_eq!(verdict, Some(Verdict::Complete), "the sample itself is fine");
    }
});

/// The records among the leading frames of some bytes, which are all that links protect.
fn records(chain: &[u8]) -> Vec<&[u8]> {
    let is_record = |bytes: &&[u8]| {
        let kind = Frame::parse(bytes).and_then(|frame| frame.kind());
        matches!(kind, Some(FrameKind::Record { .. }))
    };
    frames(chain).into_iter().filter(is_record).collect()
}

/// Checks some bytes in several ways and returns what they agree on.
fn check(bytes: &[u8]) -> Option<Verdict> {
    let (verdict, report) = outcome(bytes, Options { threads: Some(1), ..Options::default() });
    let in_parallel = Options { threads: Some(3), stretch_bytes: 64, ..Options::default() };
    assert_eq!(report, outcome(bytes, in_parallel).1, "one thread and several");
    for depth in [Depth::Quick, Depth::Links, Depth::Structure] {
        let shallow = outcome(bytes, Options { depth, threads: Some(1), ..Options::default() }).0;
        if verdict == Some(Verdict::Complete) {
            assert_eq!(shallow, verdict, "{depth:?} sees more than a full check");
        }
    }
    verdict
}

fn outcome(bytes: &[u8], options: Options<'_>) -> (Option<Verdict>, String) {
    match verify(bytes, &options) {
        Ok(report) => (Some(report.verdict()), format!("{report:?}")),
        Err(VerifyError::Io { offset, .. }) => panic!("read beyond the end, at {offset}"),
        Err(error) => (None, error.to_string()),
    }
}
