//! Payloads that look like records do not lead the verifier astray, wherever they stand.

use theater_record::{
    Call, CloseReason, Event, Lifecycle, LifecycleState, Options, Place, Type, Value, Values,
};
use theater_verify::{Options as VerifyOptions, Verdict, verify};

use crate::chains::{hash_of, recorder, records, short_segments};

/// A chain whose guest knows the chain tag and puts whole valid records into its payloads.
fn hostile_chain(payload_frames: usize) -> Vec<u8> {
    let options = Options { inline_bytes_max: usize::MAX, ..short_segments(16) };
    let (mut recorder, log) = recorder(1, options);
    let tag = recorder.chain_id().tag();
    let bytes = Type::List(Box::new(Type::U8));
    let put = recorder.function_id("test:kv/store", "put", &[("value", bytes)], &[]).unwrap();
    for at in 0..24u64 {
        let mut payload = vec![0xd8, 0x18, 0x58];
        let mut prev = recorder.tip().unwrap().hash;
        for step in 0..payload_frames as u64 {
            let event = Event::Lifecycle(Lifecycle {
                state: LifecycleState::Killed,
                time: at,
                detail: "not really".to_owned(),
            });
            let frame = Place { tag, prev, seq: at + 3 + step }.frame(&event);
            prev = theater_record::record_hash(&frame);
            payload.extend_from_slice(&frame);
        }
        let args = Values::of(&[Value::Bytes(payload)]).unwrap();
        recorder.append(&Event::ImportCall(Call { function: put, args, fuel: None })).unwrap();
    }
    recorder.close(CloseReason::Completed, "").unwrap();

    log.lock().unwrap().clone()
}

#[test]
fn records_inside_payloads_are_not_records() {
    for payload_frames in [1, 5, 60] {
        let chain = hostile_chain(payload_frames);
        let count = records(&chain).len() as u64;
        let head = hash_of(&chain, *records(&chain).last().unwrap());
        // Every alignment of stretch borders to payloads turns up.
        for stretch_bytes in (64..1200).step_by(7) {
            let options = VerifyOptions { stretch_bytes, ..VerifyOptions::default() };
            let report = verify(&chain[..], &options).unwrap();
            assert_eq!(report.faults, [], "stretches of {stretch_bytes}");
            assert_eq!(report.verdict(), Verdict::Complete);
            assert_eq!((report.records, report.head.unwrap().hash), (count, head));
        }
    }
}

#[test]
fn damage_among_hostile_payloads_is_still_noticed() {
    let chain = hostile_chain(5);
    let records = records(&chain);
    for (at, (start, len)) in records.iter().enumerate().skip(3).take(20) {
        for byte in [0, 2, 9, 45, len / 2, len - 1] {
            let mut damaged = chain.clone();
            damaged[start + byte] ^= 0x10;
            let report = verify(&damaged[..], &VerifyOptions::default()).unwrap();
            assert_eq!(report.verdict(), Verdict::Damaged);
            let good = report.head.map_or(0, |head| head.seq + 1);
            assert!(good <= at as u64, "event {at}, byte {byte}: {good} called good");
        }
    }
}
