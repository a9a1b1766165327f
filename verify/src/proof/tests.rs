//! Every event of a chain can be proved, and nothing else can.

use std::sync::{Arc, Mutex};

use theater_record::{
    About, CheckpointPolicy, CloseReason, Event, Options, Permission, Reader, Recorder, Seed,
    Stored,
};

use super::{Proof, ProofError, ProveError, prove};
use crate::report::Anchor;

/// A chain with a checkpoint after so many records, of events that carry so many bytes.
fn chain(events: u64, records_max: u64, payload: usize, closed: bool) -> Vec<u8> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let policy = CheckpointPolicy { records_max, bytes_max: u64::MAX, interval_ns: None };
    let options = Options { policy, ..Options::default() };
    let (seed, clock) = (Seed::new([3; 32]), Arc::new(|| 1_700_000_000_000_000_000));
    let about = About::default();
    let mut recorder = Recorder::create(log.clone(), about, options, seed, clock).unwrap();
    for at in 0..events {
        let permission = Permission {
            capability: "filesystem".to_owned(),
            subject: format!("file {at}"),
            allowed: true,
            reason: 0,
            detail: "x".repeat(payload),
        };
        recorder.append(&Event::Permission(permission)).unwrap();
    }
    if closed {
        recorder.close(CloseReason::Completed, "").unwrap();
    } else {
        drop(recorder);
    }
    log.lock().unwrap().clone()
}

/// The events of a chain with their hashes, and the last of them that a checkpoint covers.
fn records(chain: &[u8]) -> (Vec<(Anchor, Event)>, u64) {
    let mut reader = Reader::new(chain).unwrap();
    let (mut records, mut covered) = (Vec::new(), 0);
    while let Some(stored) = reader.read().unwrap() {
        let Stored::Record(record) = stored else { continue };
        let event = record.event().unwrap();
        if matches!(event, Event::Checkpoint(_) | Event::Close(_)) {
            covered = record.seq;
        }
        records.push((Anchor { seq: record.seq, hash: record.hash() }, event));
    }
    (records, covered)
}

#[test]
fn every_event_that_a_checkpoint_covers_is_proved_against_the_head() {
    for (events, records_max, closed) in
        [(40, 5, true), (40, 5, false), (33, 2, true), (1, 100, true), (70, 7, false)]
    {
        let chain = chain(events, records_max, 10, closed);
        let (records, covered) = records(&chain);
        let Event::Header(header) = &records[0].1 else { panic!("no header") };
        let tag = header.chain_id.tag();
        for (anchor, event) in &records {
            let proof = prove(&chain[..], anchor.seq, |_| {});
            if anchor.seq > covered {
                assert!(matches!(proof, Err(ProveError::NotCovered { .. })), "{anchor:?}");
                continue;
            }
            let proof = Proof::from_bytes(&proof.unwrap().to_bytes()).unwrap();
            let proved = proof.check().unwrap();
            assert_eq!((&proved.record, &proved.event), (anchor, event));
            assert_eq!(proved.tag, tag);
            assert_eq!(proved.above.last(), Some(&records[covered as usize].0));
            for rung in &proved.above {
                assert_eq!(*rung, records[rung.seq as usize].0);
                assert!(rung.seq > anchor.seq || proved.above.len() == 1);
            }
        }
        let end = records.len() as u64;
        assert!(matches!(prove(&chain[..], end, |_| {}), Err(ProveError::NoSuchEvent { .. })));
    }
}

#[test]
fn no_flipped_bit_of_a_proof_leaves_it_standing_under_the_same_head() {
    for closed in [true, false] {
        let chain = chain(40, 5, 10, closed);
        for seq in [0, 9, 12, 30] {
            let proof = prove(&chain[..], seq, |_| {}).unwrap();
            let head = *proof.check().unwrap().above.last().unwrap();
            let good = proof.to_bytes();
            for bit in 0..good.len() * 8 {
                let mut bytes = good.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                let checked = Proof::from_bytes(&bytes).and_then(|proof| proof.check());
                if let Ok(proved) = checked {
                    assert!(!closed, "bit {bit}: a close record has a digest of its own");
                    assert!(!proved.above.contains(&head), "bit {bit} of event {seq}");
                }
            }
            for len in 0..good.len() {
                assert!(Proof::from_bytes(&good[..len]).is_err());
            }
        }
    }
}

#[test]
fn a_proof_whose_numbers_lie_is_refused() {
    let chain = chain(40, 5, 10, true);
    let good = prove(&chain[..], 9, |_| {}).unwrap();
    let (path, frame) = good.segment.clone().unwrap();
    let (log, _) = good.log.clone().unwrap();
    let with = |change: &dyn Fn(&mut Proof)| {
        let mut proof = good.clone();
        change(&mut proof);
        proof.check().unwrap_err()
    };
    let refused = [
        with(&|proof| proof.segment.as_mut().unwrap().0.index = u64::MAX),
        with(&|proof| proof.segment.as_mut().unwrap().0.leaves = u64::MAX),
        with(&|proof| proof.log.as_mut().unwrap().0.0.index += 1),
        with(&|proof| proof.log.as_mut().unwrap().0.0.leaves += 1),
        with(&|proof| proof.segment.as_mut().unwrap().0.siblings.clear()),
        with(&|proof| proof.log.as_mut().unwrap().0.0.siblings.push(path.siblings[0])),
        with(&|proof| proof.log = None),
        with(&|proof| proof.segment = None),
        with(&|proof| (proof.segment, proof.log, proof.close) = (None, None, None)),
        with(&|proof| proof.log = Some((log.clone(), frame.clone()))),
        with(&|proof| proof.close = Some(frame.clone())),
        with(&|proof| proof.record.push(0)),
        with(&|proof| proof.record = prove(&chain[..], 8, |_| {}).unwrap().record),
    ];
    let refused: Vec<_> = refused.iter().map(ToString::to_string).collect();
    expect_test::expect![[r#"
        the proof's checkpoint does not cover the record below it
        the proof's checkpoint does not cover the record below it
        the proof's last checkpoint does not cover the record below it
        the proof's last checkpoint does not cover the record below it
        the proof's checkpoint commits to another record than the one below it
        the proof's last checkpoint commits to another record than the one below it
        the proof's close record does not cover the record below it
        the proof's record is a record of another kind
        nothing in the proof covers its record
        the proof's last checkpoint does not cover the record below it
        the proof's close record is a record of another kind
        the proof's record is not a record
        the proof's checkpoint does not cover the record below it"#]]
    .assert_eq(&refused.join("\n"));
}

#[test]
fn nothing_is_proved_from_a_damaged_chain() {
    let good = chain(12, 5, 10, true);
    let (records, _) = records(&good);
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let proved = prove(&bytes[..], 3, |_| {}).ok().map(|proof| proof.check().unwrap());
        // A cut-off end looks like a chain that is still being written; all else is noticed.
        if let Some(proved) = proved {
            assert_eq!((&proved.record, &proved.event), (&records[3].0, &records[3].1));
            for rung in proved.above {
                assert_eq!(rung, records[rung.seq as usize].0, "bit {bit}");
            }
        }
    }
}

#[test]
fn a_proof_is_small() {
    let chain = chain(20_000, 4096, 140, true);
    let size = prove(&chain[..], 5000, |_| {}).unwrap().to_bytes().len();
    assert!((1000..3072).contains(&size), "{size} bytes");
}

#[test]
fn other_files_are_no_proofs() {
    for bytes in [&b""[..], b"{}", &[0x86], &[0xff; 4000], &[0x9b; 9], &chain(1, 5, 1, true)] {
        assert!(matches!(Proof::from_bytes(bytes), Err(ProofError::NotAProof(_))));
    }
}
