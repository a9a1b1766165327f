//! The frame scanner and the reader over arbitrary bytes.
//!
//! Neither may panic, claim bytes that are not there, or depend on how the bytes arrive. Run with
//! `cargo fuzz run --fuzz-dir record/fuzz frames`.

#![no_main]

use std::io::{self, Read};

use libfuzzer_sys::fuzz_target;
use theater_record::{
    BODY_BYTES_MIN, Encoder, FRAME_BYTES_MAX, Frame, MAGIC, ReadError, Reader, Stored,
};

fuzz_target!(|bytes: &[u8]| {
    check_frame(bytes);
    let chain = [&MAGIC, bytes].concat();
    let framed = framed(bytes);
    for file in [bytes, &chain[..], &framed[..]] {
        let at_once = read_all(file);
        assert_eq!(at_once, read_all(Trickle { bytes: file, step: 1 }), "byte by byte");
        assert_eq!(at_once, read_all(Trickle { bytes: file, step: 7 }), "in steps of 7");
        check_outcome(file, &at_once);
    }
});

/// What [`Frame::measure`] promises is there, and is the only way to write that body.
fn check_frame(bytes: &[u8]) {
    let Some((head, len)) = Frame::measure(bytes) else {
        assert_eq!(Frame::parse(bytes), None);
        return;
    };
    assert!(head < len && len <= FRAME_BYTES_MAX);
    let Some(frame) = Frame::parse(bytes) else {
        assert!(bytes.len() < len, "a frame that is there as a whole was refused");
        return;
    };
    assert_eq!(frame.bytes(), &bytes[..len]);
    assert_eq!(frame.body(), &bytes[head..len]);
    let mut again = Vec::new();
    Frame::wrap(frame.body(), &mut again);
    assert_eq!(frame.bytes(), again);
    assert_eq!(frame.tag(), frame.body()[2..6]);
    assert_eq!(frame.prev()[..], frame.body()[8..40]);
    let _ = frame.kind();
}

/// A chain with one frame for each part of some bytes, cut off where the last byte says, so that
/// the fuzzer gets past the first frame at once.
fn framed(bytes: &[u8]) -> Vec<u8> {
    let mut chain = MAGIC.to_vec();
    for part in bytes.split(|byte| *byte == 0xfe) {
        let mut body = Vec::new();
        let mut out = Encoder(&mut body);
        out.array(part.first().map_or(0, |count| usize::from(*count) % 24));
        out.bytes(b"fuzz");
        out.bytes(&[7; 32]);
        out.raw(part.get(1..).unwrap_or_default());
        body.resize(body.len().max(BODY_BYTES_MIN), 0);
        Frame::wrap(&body, &mut chain);
    }
    let cut = bytes.last().map_or(0, |byte| usize::from(*byte) % 8);
    chain.truncate(chain.len() - cut);
    chain
}

/// The frames by offset, and how reading ended.
fn read_all(input: impl Read) -> (Vec<u64>, u64, String) {
    let mut offsets = Vec::new();
    let mut reader = match Reader::new(input) {
        Ok(reader) => reader,
        Err(error) => return (offsets, 0, error.to_string()),
    };
    loop {
        let end = reader.offset();
        match reader.read() {
            Ok(Some(Stored::Record(record))) => {
                // Deeper faults than form come out here; they must be errors, never panics.
                let _ = record.event();
                offsets.push(record.offset);
            }
            Ok(Some(Stored::Blob { offset, .. } | Stored::Tombstone { offset, .. })) => {
                offsets.push(offset);
            }
            Ok(None) => return (offsets, end, String::new()),
            Err(ReadError::Io { .. }) => unreachable!("memory cannot fail to be read"),
            Err(error) => return (offsets, end, error.to_string()),
        }
    }
}

/// Frames follow each other without a gap, and reading ends cleanly only at the end of the bytes.
fn check_outcome(file: &[u8], (offsets, end, error): &(Vec<u64>, u64, String)) {
    let mut at = MAGIC.len();
    for offset in offsets {
        assert_eq!(*offset, at as u64);
        at += Frame::parse(&file[at..]).expect("the reader read a frame here").bytes().len();
    }
    if error.is_empty() {
        assert_eq!(*end, file.len() as u64);
    }
    assert!(*end <= file.len() as u64);
}

/// Hands out a few bytes at a time.
struct Trickle<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.step);
        self.bytes.read(&mut buffer[..len])
    }
}
