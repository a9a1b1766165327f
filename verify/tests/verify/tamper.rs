//! Every way to damage a small chain is noticed and located.

use std::collections::BTreeSet;

use theater_record::{Frame, FrameKind, Kind};
use theater_verify::{
    Anchor, Depth, Fault, Options, Policy, SignatureFault, Unmet, Verdict, verify,
};

use crate::chains::{
    all_kinds, all_kinds_recovered, calls, identity, records, short_segments, signed,
};
use crate::intact::{check, check_with};

/// Every single removal, swap and copy, the header and the last record included, keeps a chain from
/// being called complete. What exactly it is called is tested where there is only one answer.
#[test]
fn nothing_done_to_any_record_goes_unnoticed() {
    let chain = all_kinds_recovered();
    let records = records(&chain);
    let piece = |at: usize| slice(&chain, &records, at, at + 1);
    let built = |order: &[usize]| {
        let mut built = chain[..records[0].0].to_vec();
        order.iter().for_each(|at| built.extend(piece(*at)));
        built
    };
    let order: Vec<usize> = (0..records.len()).collect();
    assert_eq!(built(&order), chain);
    for at in 0..order.len() {
        let mut removed = order.clone();
        removed.remove(at);
        assert_ne!(check(&built(&removed)).verdict(), Verdict::Complete, "without event {at}");
        for to in 0..order.len() {
            let mut copied = order.clone();
            copied.insert(to, at);
            let report = check(&built(&copied));
            assert_eq!(report.verdict(), Verdict::Damaged, "event {at} once more at {to}");
            let mut swapped = order.clone();
            swapped.swap(at, to);
            let report = check(&built(&swapped));
            let expected = if at == to { Verdict::Complete } else { Verdict::Damaged };
            assert_eq!(report.verdict(), expected, "events {at} and {to} swapped");
        }
    }
}

/// The number of the event whose frame holds this byte.
fn event_at(records: &[(usize, usize)], byte: usize) -> Option<u64> {
    records.iter().position(|(at, len)| (*at..at + len).contains(&byte)).map(|seq| seq as u64)
}

#[test]
fn every_flipped_bit_is_found_and_told_exactly() {
    let chain = all_kinds_recovered();
    let records = records(&chain);
    assert_eq!(check(&chain).verdict(), Verdict::Complete);
    assert_eq!(kinds(&chain).len(), Kind::ALL.len(), "every kind of record is in it");
    let mut wrong = Vec::new();
    for byte in 0..chain.len() {
        for bit in 0..8 {
            let mut damaged = chain.clone();
            damaged[byte] ^= 1 << bit;
            let expected = Fault::BitFlip {
                seq: event_at(&records, byte),
                offset: byte as u64,
                bit,
                found: damaged[byte],
                original: chain[byte],
            };
            let options = Options { threads: None, ..Options::default() };
            let faults = match verify(&damaged[..], &options) {
                Ok(report) => report.faults,
                Err(error) => {
                    wrong.push(format!("{byte}.{bit}: {error}"));
                    continue;
                }
            };
            if faults != [expected] {
                wrong.push(format!("{byte}.{bit} in {:?}: {faults:?}", event_at(&records, byte)));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        chain.len() * 8,
        wrong[..wrong.len().min(40)].join("\n")
    );
}

#[test]
fn every_cut_leaves_an_open_chain_and_is_located() {
    let chain = all_kinds_recovered();
    let records = records(&chain);
    for cut in 1..chain.len() {
        let report = check(&chain[..cut]);
        assert_eq!(report.verdict(), Verdict::Open, "cut at {cut}: {:?}", report.faults);
        let whole = records.iter().filter(|(at, len)| at + len <= cut).count() as u64;
        assert_eq!(report.head.map(|head| head.seq + 1).unwrap_or(0), whole, "cut at {cut}");
    }
}

/// The bytes of records `from..to`, with the blob frames among them.
fn slice(chain: &[u8], records: &[(usize, usize)], from: usize, to: usize) -> Vec<u8> {
    chain[start(chain, records, from)..start(chain, records, to)].to_vec()
}

fn start(chain: &[u8], records: &[(usize, usize)], at: usize) -> usize {
    records.get(at).map_or(chain.len(), |(start, _)| *start)
}

/// The numbers of the kinds that occur.
fn kinds(chain: &[u8]) -> BTreeSet<u64> {
    let kind = |(at, len): (usize, usize)| match Frame::parse(&chain[at..at + len])?.kind()? {
        FrameKind::Record { kind, .. } => Some(kind),
        FrameKind::Blob | FrameKind::Tombstone => None,
    };
    records(chain).into_iter().filter_map(kind).collect()
}

/// Checks one way to damage chains, for every place and several lengths.
fn check_each(
    damage: impl Fn(&[u8], &[(usize, usize)], usize, usize) -> Vec<u8>,
    expected: impl Fn(&[u8], &[(usize, usize)], usize, usize) -> Fault,
) {
    for chain in [calls(3, 30, short_segments(8)), all_kinds_recovered()] {
        let records = records(&chain);
        for from in 1..records.len() - 4 {
            for to in [from + 1, from + 2, from + 3] {
                let damaged = damage(&chain, &records, from, to);
                let report = check(&damaged);
                assert_eq!(report.faults, [expected(&chain, &records, from, to)], "{from}..{to}");
                assert_eq!(report.verdict(), Verdict::Damaged);
            }
        }
    }
}

#[test]
fn removed_events_are_named() {
    check_each(
        |chain, records, from, to| [&chain[..records[from].0], &chain[records[to].0..]].concat(),
        |_, records, from, to| Fault::Removed {
            first: from as u64,
            last: to as u64 - 1,
            offset: records[from].0 as u64,
        },
    );
}

#[test]
fn a_removed_head_is_named() {
    let chain = calls(3, 30, short_segments(8));
    let records = records(&chain);
    for to in 1..20 {
        let damaged = [&chain[..12], &chain[records[to].0..]].concat();
        let expected = Fault::Removed { first: 0, last: to as u64 - 1, offset: 12 };
        assert_eq!(check(&damaged).faults, [expected]);
    }
}

#[test]
fn events_that_occur_twice_are_named() {
    check_each(
        |chain, records, from, to| {
            let copy = slice(chain, records, from, to);
            [&chain[..records[to].0], &copy, &chain[records[to].0..]].concat()
        },
        |_, records, from, to| Fault::Duplicated {
            first: from as u64,
            last: to as u64 - 1,
            offset: records[to].0 as u64,
        },
    );
    // The copy may stand anywhere.
    let chain = calls(3, 30, short_segments(8));
    let records = records(&chain);
    for (from, to, at) in [(2, 5, 20), (20, 23, 3), (7, 8, 25), (25, 26, 7)] {
        let copy = slice(&chain, &records, from, to);
        let damaged = [&chain[..records[at].0], &copy, &chain[records[at].0..]].concat();
        let (first, last, offset) = (from as u64, to as u64 - 1, records[at].0 as u64);
        assert_eq!(check(&damaged).faults, [Fault::Duplicated { first, last, offset }]);
    }
}

#[test]
fn neighbours_that_changed_places_are_named() {
    check_each(
        |chain, records, from, to| {
            // The run `from..to` changes places with the event before it.
            let (before, run) =
                (slice(chain, records, from - 1, from), slice(chain, records, from, to));
            [&chain[..records[from - 1].0], &run, &before, &chain[records[to].0..]].concat()
        },
        |_, records, from, to| {
            let run_bytes = records[to].0 - records[from].0;
            // The event alone has moved, unless both are one event: then it is the later one.
            let moved = (from - 1) as u64;
            Fault::Moved {
                first: moved,
                last: moved,
                offset: (records[from - 1].0 + run_bytes) as u64,
            }
        },
    );
}

#[test]
fn events_that_were_moved_far_are_named() {
    let chain = calls(3, 30, short_segments(8));
    let records = records(&chain);
    for (from, to, at) in [(2, 5, 20), (20, 23, 3), (7, 8, 25), (25, 26, 7)] {
        let run = slice(&chain, &records, from, to);
        let rest = [&chain[..records[from].0], &chain[records[to].0..]].concat();
        let mut place = records[at].0;
        if at >= to {
            place -= run.len();
        }
        let damaged = [&rest[..place], &run, &rest[place..]].concat();
        let (first, last) = (from as u64, to as u64 - 1);
        assert_eq!(check(&damaged).faults, [Fault::Moved { first, last, offset: place as u64 }]);
    }
}

#[test]
fn records_of_another_chain_are_named() {
    let other = calls(4, 30, short_segments(8));
    let theirs = records(&other);
    check_each(
        |chain, records, from, to| {
            [
                &chain[..records[from].0],
                &slice(&other, &theirs, from, to),
                &chain[records[from].0..],
            ]
            .concat()
        },
        |_, records, from, to| Fault::Inserted {
            count: (to - from) as u64,
            offset: records[from].0 as u64,
            before: from as u64,
            foreign: true,
        },
    );
    check_each(
        |chain, records, from, to| {
            [&chain[..records[from].0], &slice(&other, &theirs, from, to), &chain[records[to].0..]]
                .concat()
        },
        |_, records, from, to| Fault::Spliced {
            first: from as u64,
            last: to as u64 - 1,
            offset: records[from].0 as u64,
            foreign: true,
        },
    );
}

/// Writes every record from `from` on anew, so that the links hold again: what somebody would do
/// who changes an event and covers it up.
fn rechain(chain: &[u8], from: usize, change: impl Fn(u64, &mut theater_record::Event)) -> Vec<u8> {
    use theater_record::{Event, Frame, FrameKind, Kind, Place, Reader, Record, record_hash};
    let records = records(chain);
    let mut forged = chain[..records[from].0].to_vec();
    let mut prev = crate::chains::hash_of(chain, records[from - 1]);
    let mut reader = Reader::at_frame(&chain[records[from].0..], 0);
    while let Some((offset, frame)) = reader.read_frame().unwrap() {
        let Some(FrameKind::Record { seq, kind }) = frame.kind() else {
            forged.extend_from_slice(frame.bytes());
            continue;
        };
        let kind = Kind::from_number(kind).unwrap();
        let record = Record { offset, seq, kind, frame };
        let mut event = record.event().unwrap();
        change(record.seq, &mut event);
        let place = Place { tag: record.frame.tag(), prev, seq: record.seq };
        let mut frame = place.frame(&event);
        if let Event::Close(_) = event {
            let end = frame.len();
            let body = Frame::parse(&frame).unwrap().body();
            let digest = theater_record::close_digest(&body[..body.len() - 34]);
            frame[end - 32..].copy_from_slice(&digest.0);
        }
        prev = record_hash(&frame);
        forged.extend_from_slice(&frame);
    }
    forged
}

fn forge_payload(seq: u64, event: &mut theater_record::Event) {
    use theater_record::{Event, Value, Values};
    if let (7, Event::ImportCall(call)) = (seq, event) {
        call.args = Values::of(&[Value::Bytes(b"forged".to_vec())]).unwrap();
    }
}

#[test]
fn records_of_another_history_of_the_same_chain_are_named() {
    let chain = calls(3, 30, short_segments(64));
    let records = records(&chain);
    // The sibling has the same header and the same tag, and differs from event 7 on.
    let sibling = rechain(&chain, 7, forge_payload);
    let theirs = crate::chains::records(&sibling);
    for (from, to) in [(9, 12), (15, 17), (8, 30)] {
        let damaged = [
            &chain[..records[from].0],
            &slice(&sibling, &theirs, from, to),
            &chain[records[to].0..],
        ]
        .concat();
        let (first, last, offset) = (from as u64, to as u64 - 1, records[from].0 as u64);
        let expected = Fault::Spliced { first, last, offset, foreign: false };
        assert_eq!(check(&damaged).faults, [expected], "{from}..{to}");
    }
    // One record alone looks like an altered one, and so does the last record before a switch.
    let damaged =
        [&chain[..records[9].0], &slice(&sibling, &theirs, 9, 10), &chain[records[10].0..]]
            .concat();
    let offset = records[9].0 as u64;
    assert_eq!(check(&damaged).faults, [Fault::Altered { seq: 9, offset }]);
    let damaged = [&chain[..records[9].0], &sibling[theirs[9].0..]].concat();
    let offset = records[8].0 as u64;
    assert_eq!(check(&damaged).faults[0], Fault::Altered { seq: 8, offset });
}

#[test]
fn altered_and_lost_bytes_are_located() {
    let chain = calls(3, 30, short_segments(64));
    let records = records(&chain);
    for (at, (start, len)) in records.iter().copied().enumerate().skip(2).take(26) {
        let mut altered = chain.clone();
        altered[start + len - 3] ^= 0x5a;
        let expected = Fault::Altered { seq: at as u64, offset: start as u64 };
        assert_eq!(check(&altered).faults, [expected], "altered {at}");
        let cut = [&chain[..start + 20], &chain[start + 23..]].concat();
        let expected = Fault::Lost {
            offset: start as u64,
            bytes: len as u64 - 3,
            events: Some((at as u64, at as u64)),
            unproven: Some(at as u64 - 1),
        };
        assert_eq!(check(&cut).faults, [expected], "bytes cut out of {at}");
        let noise = [&chain[..start], &[0x55; 100], &chain[start..]].concat();
        let expected =
            Fault::Lost { offset: start as u64, bytes: 100, events: None, unproven: None };
        assert_eq!(check(&noise).faults, [expected], "noise before {at}");
    }
}

#[test]
fn bytes_after_the_close_record_are_noticed() {
    let chain = calls(3, 30, short_segments(8));
    for extra in [&b"more"[..], &calls(4, 3, short_segments(8))[12..], &[0; 4096]] {
        let longer = [&chain[..], extra].concat();
        let report = check(&longer);
        assert_eq!(report.verdict(), Verdict::Damaged, "{:?}", report.faults);
        assert_eq!(report.faults[0].offset(), chain.len() as u64);
    }
}

#[test]
fn a_chain_written_anew_is_caught_by_an_anchor_and_not_without() {
    let chain = all_kinds(1, short_segments(64));
    let forged = rechain(&chain, 3, |seq, event| {
        // The forger keeps the length, so that even the checkpoints' counts are right.
        if let (3, theater_record::Event::Lifecycle(lifecycle)) = (seq, event) {
            lifecycle.detail = "nice".to_owned();
        }
    });
    // Links alone hold again. Only what was noted elsewhere shows the difference.
    assert_eq!(check_with(&forged, Depth::Links, Policy::default()).verdict(), Verdict::Complete);
    let seq = records(&chain).len() as u64 - 1;
    let hash = check(&chain).head.unwrap().hash;
    let policy = Policy { anchors: vec![Anchor { seq, hash }], ..Policy::default() };
    let report = check_with(&forged, Depth::Links, policy.clone());
    assert_eq!(report.verdict(), Verdict::Unmet);
    assert!(matches!(report.unmet[..], [Unmet::OtherHash { .. }]));
    assert_eq!(check_with(&chain, Depth::Links, policy).verdict(), Verdict::Complete);
}

#[test]
fn cutting_and_appending_is_caught_by_signatures_and_not_without() {
    let policy = Policy { signed_by: Some(identity().public()), ..Policy::default() };
    for (options, is_caught) in [(signed(), true), (short_segments(5), false)] {
        let chain = all_kinds(1, options);
        let records = records(&chain);
        // Cut after the second checkpoint, then write another event behind it.
        let cut = 11;
        let forged = {
            let shorter = &chain[..records[cut].0];
            let prev = crate::chains::hash_of(&chain, records[cut - 1]);
            let tag = theater_record::Frame::parse(&chain[records[1].0..]).unwrap().tag();
            let event = theater_record::Event::Lifecycle(theater_record::Lifecycle {
                state: theater_record::LifecycleState::Completed,
                time: 1,
                detail: "nothing to see here".to_owned(),
            });
            let frame = theater_record::Place { tag, prev, seq: cut as u64 }.frame(&event);
            [shorter, &frame].concat()
        };
        assert_eq!(check(&forged).verdict(), Verdict::Open, "indistinguishable from inside");
        let report = check_with(&forged, Depth::Full, policy.clone());
        assert_eq!(report.verdict(), Verdict::Unmet);
        let unsigned_tail = Unmet::UnsignedTail { first: cut as u64 };
        assert_eq!(report.unmet == [unsigned_tail], is_caught, "{:?}", report.unmet);
    }
}

#[test]
fn a_forged_checkpoint_does_not_carry_the_right_signature() {
    let chain = all_kinds(1, signed());
    let forged = rechain(&chain, 2, |_, event| {
        if let theater_record::Event::Lifecycle(lifecycle) = event {
            lifecycle.detail = "forg".to_owned();
        }
    });
    let report = check_with(&forged, Depth::Links, Policy::default());
    let wrong: Vec<u64> = report
        .faults
        .iter()
        .filter(|f| matches!(f, Fault::Signature { problem: SignatureFault::Wrong, .. }))
        .filter_map(Fault::seq)
        .collect();
    assert_eq!(wrong.first(), Some(&5), "{:?}", report.faults);
}
