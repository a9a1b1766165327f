//! The parallel verifier against a naive one, and against itself cut up differently.

use proptest::prelude::*;
use theater_record::{Event, Frame, FrameKind, Hash, MAGIC, Reader, Stored, record_hash};
use theater_verify::{Depth, Options, Policy, Report, Verdict, VerifyError, verify};

use crate::chains::{append_calls, calls, record_all_kinds, recorder, short_segments};

/// What a reader finds out that does one thing after the other and stops at the first fault.
#[derive(Debug, PartialEq)]
struct Naive {
    /// How many records follow each other from the start.
    good: u64,
    /// Whether the last of them is a close record with the right digest, at the end of the file.
    closed: bool,
    /// Whether the file ends right after the good records and their blobs.
    ends: bool,
}

fn naive(chain: &[u8]) -> Naive {
    let mut at = MAGIC.len();
    let (mut prev, mut good, mut closed) = (Hash::ZERO, 0, false);
    let mut tag = None;
    while let Some(frame) = chain.get(at..).and_then(Frame::parse).filter(|_| !closed) {
        if let Some(FrameKind::Record { seq, .. }) = frame.kind() {
            let follows = *frame.prev() == prev.0 && seq == good;
            if !follows || *tag.get_or_insert(frame.tag()) != frame.tag() {
                break;
            }
            let mut reader = Reader::at_frame(frame.bytes(), 0);
            let Ok(Some(Stored::Record(record))) = reader.read() else { break };
            if let Ok(Event::Close(close)) = record.event() {
                let body = frame.body();
                closed = theater_record::close_digest(&body[..body.len() - 34]) == close.digest;
            }
            prev = record_hash(frame.bytes());
            good += 1;
        }
        at += frame.bytes().len();
    }
    Naive { good, closed, ends: at == chain.len() }
}

/// What somebody may do to a file.
#[derive(Debug, Clone)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Copy(prop::sample::Index, usize, prop::sample::Index),
    Cut(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 0..8u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        (at(), 1..600usize).prop_map(|(at, len)| Damage::Remove(at, len)),
        (at(), prop::collection::vec(any::<u8>(), 1..300))
            .prop_map(|(at, b)| Damage::Insert(at, b)),
        (at(), 1..900usize, at()).prop_map(|(from, len, to)| Damage::Copy(from, len, to)),
        at().prop_map(Damage::Cut),
    ]
}

fn apply(damage: &Damage, chain: &mut Vec<u8>) {
    if chain.is_empty() {
        return;
    }
    let end = |at: usize, len: usize| (at + len).min(chain.len());
    match damage {
        Damage::Flip(at, bit) => {
            let at = at.index(chain.len());
            chain[at] ^= 1 << bit;
        }
        Damage::Remove(at, len) => {
            let at = at.index(chain.len());
            chain.drain(at..end(at, *len));
        }
        Damage::Insert(at, bytes) => {
            let at = at.index(chain.len());
            chain.splice(at..at, bytes.iter().copied());
        }
        Damage::Copy(from, len, to) => {
            let (from, to) = (from.index(chain.len()), to.index(chain.len()));
            let copy = chain[from..end(from, *len)].to_vec();
            chain.splice(to..to, copy);
        }
        Damage::Cut(at) => chain.truncate(at.index(chain.len())),
    }
}

fn check(chain: &[u8], depth: Depth, threads: usize, stretch_bytes: u64) -> Option<Report> {
    let (policy, progress, threads) = (Policy::default(), None, Some(threads));
    match verify(chain, &Options { depth, threads, policy, progress, stretch_bytes }) {
        Ok(report) => Some(report),
        Err(VerifyError::Empty | VerifyError::NotAChain) => None,
        Err(error) => panic!("{error}"),
    }
}

proptest! {
    #[test]
    fn the_verdict_is_that_of_the_naive_reader(
        count in 0..40u64,
        segment in 2..12u64,
        close in any::<bool>(),
        damages in prop::collection::vec(damage(), 0..3),
    ) {
        let (mut recorder, log) = recorder(9, short_segments(segment));
        record_all_kinds(&mut recorder);
        append_calls(&mut recorder, 1, count);
        if close {
            recorder.close(theater_record::CloseReason::Completed, "").unwrap();
        } else {
            recorder.flush().unwrap();
            drop(recorder);
        }
        let intact = log.lock().unwrap().clone();
        let mut chain = intact.clone();
        damages.iter().for_each(|damage| apply(damage, &mut chain));
        let expected = naive(&chain);
        let Some(report) = check(&chain, Depth::Full, 2, 4096) else {
            prop_assert!(expected.good == 0);
            return Ok(());
        };
        if chain == intact {
            prop_assert_eq!(report.verdict(), if close { Verdict::Complete } else { Verdict::Open });
        }
        if report.faults.is_empty() {
            prop_assert!(expected.ends);
            prop_assert_eq!(report.closed, expected.closed);
        } else {
            prop_assert_ne!(report.verdict(), Verdict::Complete);
        }
        // The good prefix may stop earlier, at a record that its successor does not vouch for, but
        // it never goes beyond what the naive reader accepts.
        prop_assert!(report.head.map_or(0, |head| head.seq + 1) <= expected.good);
    }

    #[test]
    fn the_outcome_does_not_depend_on_stretches_or_threads(
        count in 0..60u64,
        damages in prop::collection::vec(damage(), 0..4),
        stretch in 64..5000u64,
        threads in 1..5usize,
    ) {
        let mut chain = calls(7, count, short_segments(6));
        damages.iter().for_each(|damage| apply(damage, &mut chain));
        for depth in [Depth::Quick, Depth::Links, Depth::Structure, Depth::Full] {
            let whole = check(&chain, depth, 1, u64::MAX);
            let parts = check(&chain, depth, threads, stretch);
            match (whole, parts) {
                (None, None) => {}
                (Some(whole), Some(parts)) => {
                    prop_assert_eq!(&whole.faults, &parts.faults);
                    prop_assert_eq!(whole.head, parts.head);
                    prop_assert_eq!(whole.verdict(), parts.verdict());
                    prop_assert_eq!(
                        (whole.records, whole.checkpoints, whole.blobs, whole.closed),
                        (parts.records, parts.checkpoints, parts.blobs, parts.closed)
                    );
                }
                (whole, parts) => prop_assert!(false, "{:?} {:?}", whole, parts),
            }
        }
    }
}
