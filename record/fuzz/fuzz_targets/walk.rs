//! The strict walk over arbitrary record bodies.
//!
//! It may not panic. Whatever it accepts, another CBOR implementation must read and write back
//! byte for byte, and decoding it must succeed and encode to the same bytes again; otherwise two
//! readers could see two histories in one chain. Run with
//! `cargo fuzz run --fuzz-dir record/fuzz walk`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use theater_record::{
    BODY_BYTES_MAX, BODY_BYTES_MIN, Encoder, Frame, Kind, Place, Reader, Stored, check_body,
};

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    if let [count, kind, fields @ ..] = bytes {
        check(&with_common_fields(*count, *kind, fields));
    }
});

/// A body whose first four fields are right, so that the fuzzer gets to the rest at once.
fn with_common_fields(count: u8, kind: u8, fields: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(fields.len() + 48);
    let mut out = Encoder(&mut body);
    out.array(4 + usize::from(count) % 20);
    out.bytes(b"fuzz");
    out.bytes(&[7; 32]);
    out.uint(u64::from(count));
    out.uint(u64::from(kind) % (Kind::ALL.len() as u64 + 1));
    out.raw(fields);
    body
}

fn check(body: &[u8]) {
    let verdict = check_body(body);
    if verdict.is_ok() {
        assert!(body.len() >= BODY_BYTES_MIN && body.len() <= BODY_BYTES_MAX);
        let value: ciborium::Value = ciborium::from_reader(body).expect("what we accept is CBOR");
        let mut again = Vec::new();
        ciborium::into_writer(&value, &mut again).expect("memory cannot fail to be written");
        assert_eq!(body, again, "there is one way only to write a body");
    } else if body.len() < BODY_BYTES_MIN {
        return;
    }
    let mut frame = Vec::new();
    Frame::wrap(body, &mut frame);
    let mut reader = Reader::at_frame(&frame[..], 0);
    let Ok(Some(Stored::Record(record))) = reader.read() else { return };
    assert_eq!(Ok(record.kind), verdict, "the reader and the walk agree");
    let event = record.event().expect("what the walk accepts can be decoded");
    let place = Place { tag: record.frame.tag(), prev: record.prev(), seq: record.seq };
    assert_eq!(place.frame(&event), frame, "decoding loses nothing");
    assert_eq!(event.kind(), record.kind);
}
