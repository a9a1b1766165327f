//! The broken chains: each is a sound one to which one thing was done.

use theater_record::{
    BlobFrame, Checkpoint, Close, Event, Frame, FrameKind, Hash, Kind, MAGIC, Place, Record,
    Signature, close_digest, record_hash,
};

use super::Sample;
use super::chains::{
    Tape, add_calls, blobs, chain, every_eight, frames, open, recover, segments, signed,
};

/// All broken chains, by name.
pub(crate) fn all() -> Vec<Sample> {
    let bytes_changed = [
        ("bit-flip-in-record", flipped(&segments(1), 5, 3)),
        ("bit-flip-in-blob", flipped(&blobs(), first_blob(&frames(&blobs())), 3)),
        ("bit-flip-in-close", flipped(&segments(1), frames(&segments(1)).len() - 1, 50)),
        ("bit-flip-in-magic", with(segments(1), |file| file[6] ^= 0x20)),
        ("altered", altered()),
        ("blob-altered", blob_altered()),
        ("garbage-in-place-of-records", lost(&[4, 5, 6], 60)),
        ("garbage-between-records", lost(&[], 33)),
        ("torn-tail", with(segments(1), |file| file.truncate(file.len() - 9))),
        ("torn-tail-of-zeros", with(open(), |file| file.extend([0; 512]))),
        ("after-close", with(segments(1), |file| file.extend(b"one more thing"))),
    ];
    let frames_moved = [
        ("removed", on_frames(&segments(1), |frames| drop(frames.drain(9..12)))),
        ("removed-header", on_frames(&segments(1), |frames| drop(frames.remove(0)))),
        ("inserted", on_frames(&segments(1), |frames| drop(frames.splice(7..7, foreign(6..8))))),
        ("spliced", on_frames(&segments(1), |frames| drop(frames.splice(6..9, foreign(6..9))))),
        (
            "duplicated",
            on_frames(&segments(1), |frames| {
                let copy = frames[3..5].to_vec();
                drop(frames.splice(11..11, copy));
            }),
        ),
        ("moved", on_frames(&segments(1), |frames| frames[4..14].rotate_left(3))),
        ("blob-missing", on_frames(&blobs(), |frames| drop(frames.remove(first_blob(frames))))),
        ("blob-added", blob_added()),
    ];
    let rules_broken = [
        ("malformed", malformed()),
        ("synthetic", synthetic()),
        ("signature-wrong", signature_wrong()),
        ("signature-missing", signature_missing()),
        ("signature-unannounced", signature_unannounced()),
        ("recovery-unvouched", recovery_unvouched()),
        ("false-number", false_checkpoint(|checkpoint| checkpoint.number += 1)),
        ("false-extent", false_checkpoint(|checkpoint| checkpoint.segment_bytes -= 1)),
        ("false-digest", false_checkpoint(|c| c.segment_digest = Hash([7; 32]))),
        ("false-root", false_checkpoint(|checkpoint| checkpoint.segment_root = Hash([7; 32]))),
        ("false-log-root", false_checkpoint(|checkpoint| checkpoint.log_root = Hash([7; 32]))),
        // Its own number: a record cannot know that it is on disk itself.
        ("false-durable", false_checkpoint(|checkpoint| checkpoint.durable_seq = Some(29))),
        ("false-totals", false_close(|close| close.record_bytes += 1)),
        ("false-close-digest", false_close_digest()),
    ];
    let all = bytes_changed.into_iter().chain(frames_moved).chain(rules_broken);
    all.map(|(name, bytes)| Sample::new("broken", name, bytes)).collect()
}

fn with(mut file: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut file);
    file
}

fn on_frames(file: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    chain(with_frames(file, change))
}

fn with_frames(file: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<Vec<u8>> {
    let mut frames = frames(file);
    change(&mut frames);
    frames
}

/// Flips one bit in the frame at `index`, so many bytes before its end.
fn flipped(file: &[u8], index: usize, from_end: usize) -> Vec<u8> {
    chain(with_frames(file, |frames| {
        let at = frames[index].len() - from_end;
        frames[index][at] ^= 0x04;
    }))
}

fn altered() -> Vec<u8> {
    on_frames(&segments(1), |frames| {
        let at = frames[6].len() - 4;
        frames[6][at..].copy_from_slice(b"fake");
    })
}

fn first_blob(frames: &[Vec<u8>]) -> usize {
    let is_blob = |bytes: &Vec<u8>| kind_of(bytes) == Some(FrameKind::Blob);
    frames.iter().position(is_blob).expect("there are blobs")
}

fn kind_of(bytes: &[u8]) -> Option<FrameKind> {
    Frame::parse(bytes).expect("a frame").kind()
}

fn blob_altered() -> Vec<u8> {
    on_frames(&blobs(), |frames| {
        let blob = first_blob(frames);
        let at = frames[blob].len() - 4;
        frames[blob][at..].copy_from_slice(b"fake");
    })
}

/// Puts bytes that are no record in place of these records, or before record 4.
fn lost(records: &[usize], bytes: usize) -> Vec<u8> {
    on_frames(&segments(1), |frames| {
        drop(frames.splice(4..4 + records.len(), [vec![0x5a; bytes]]));
    })
}

/// Records of another chain.
fn foreign(range: std::ops::Range<usize>) -> Vec<Vec<u8>> {
    frames(&segments(9))[range].to_vec()
}

fn blob_added() -> Vec<u8> {
    on_frames(&blobs(), |frames| {
        let at = first_blob(frames);
        let tag = Frame::parse(&frames[at]).expect("a frame").tag();
        let (mut body, mut frame) = (Vec::new(), Vec::new());
        BlobFrame::seal([7; 16], b"smuggled").encode_body(tag, &mut body);
        Frame::wrap(&body, &mut frame);
        frames.insert(at, frame);
    })
}

/// A record that is linked but has an array head too long for its length.
fn malformed() -> Vec<u8> {
    let mut file = frames(&open());
    let frame = Frame::parse(&file[4]).expect("a frame");
    // Before the arguments stand 44 bytes: head, tag, hash, number, kind, function.
    let (before, args) = frame.body().split_at(43);
    assert_eq!(args[0], 0x82, "two arguments");
    let body = [before, &[0x98, 0x02], &args[1..]].concat();
    file[4].clear();
    Frame::wrap(&body, &mut file[4]);
    chain(relinked(file, 5))
}

fn synthetic() -> Vec<u8> {
    let about = theater_record::About { synthetic: true, ..Default::default() };
    Tape::about(about, 7, every_eight()).close()
}

/// The number of the last checkpoint, which the close record follows.
fn last_checkpoint(file: &[Vec<u8>]) -> usize {
    file.len() - 2
}

fn false_checkpoint(change: impl FnOnce(&mut Checkpoint)) -> Vec<u8> {
    let mut file = frames(&segments(1));
    let last = last_checkpoint(&file);
    rewrite(&mut file[last], |event| match event {
        Event::Checkpoint(checkpoint) => change(checkpoint),
        _ => unreachable!("the close record follows a checkpoint"),
    });
    chain(relinked(file, last + 1))
}

fn false_close(change: impl FnOnce(&mut Close)) -> Vec<u8> {
    let mut file = frames(&segments(1));
    let last = file.len() - 1;
    rewrite(&mut file[last], |event| match event {
        Event::Close(close) => change(close),
        _ => unreachable!("the chain is closed"),
    });
    chain(relinked(file, last))
}

fn false_close_digest() -> Vec<u8> {
    on_frames(&segments(1), |frames| {
        let last = frames.last_mut().expect("a close record");
        let at = last.len() - 32;
        last[at..].fill(7);
    })
}

fn signature_wrong() -> Vec<u8> {
    signed_otherwise(&signed(), Some(Signature([7; 64])))
}

fn signature_missing() -> Vec<u8> {
    signed_otherwise(&signed(), None)
}

fn signature_unannounced() -> Vec<u8> {
    signed_otherwise(&segments(1), Some(Signature([7; 64])))
}

/// Another signature in the last checkpoint, with the totals in the close record to match.
fn signed_otherwise(file: &[u8], signature: Option<Signature>) -> Vec<u8> {
    let mut file = frames(file);
    let (last, before) = (last_checkpoint(&file), file[last_checkpoint(&file)].len() as u64);
    rewrite(&mut file[last], |event| match event {
        Event::Checkpoint(checkpoint) => checkpoint.signature = signature,
        _ => unreachable!("the close record follows a checkpoint"),
    });
    let after = file[last].len() as u64;
    rewrite(&mut file[last + 1], |event| match event {
        Event::Close(close) => close.record_bytes = close.record_bytes + after - before,
        _ => unreachable!("the chain is closed"),
    });
    chain(relinked(file, last + 1))
}

/// A signed chain that was continued after a crash by somebody the identity key does not know.
fn recovery_unvouched() -> Vec<u8> {
    let options = theater_record::Options { sign: true, ..every_eight() };
    let mut tape = Tape::new(8, options);
    add_calls(&mut tape, 2);
    tape.append(&recover());
    tape.abandon()
}

/// Decodes a record, changes it and puts it back in its place.
fn rewrite(bytes: &mut Vec<u8>, change: impl FnOnce(&mut Event)) {
    let frame = Frame::parse(bytes).expect("a frame");
    let Some(FrameKind::Record { seq, kind }) = frame.kind() else { panic!("not a record") };
    let kind = Kind::from_number(kind).expect("a known kind");
    let record = Record { offset: MAGIC.len() as u64, seq, kind, frame };
    let mut event = record.event().expect("well-formed");
    change(&mut event);
    *bytes = Place { tag: frame.tag(), prev: record.prev(), seq }.frame(&event);
}

/// Links records to what now stands before them, from this one on, as somebody would who wants
/// the change to go unnoticed.
fn relinked(mut file: Vec<Vec<u8>>, from: usize) -> Vec<Vec<u8>> {
    for at in from..file.len() {
        let prev = record_hash(&file[at - 1]);
        let closes = matches!(kind_of(&file[at]), Some(FrameKind::Record { kind: 11, .. }));
        let bytes = &mut file[at];
        let body = bytes.len() - Frame::parse(bytes).expect("a frame").body().len();
        bytes[body + 8..body + 40].copy_from_slice(&prev.0);
        if closes {
            let end = bytes.len() - 34;
            let digest = close_digest(&bytes[body..end]);
            bytes[end + 2..].copy_from_slice(&digest.0);
        }
    }
    file
}
