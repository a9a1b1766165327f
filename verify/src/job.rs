//! Checks that stand on their own and can run on any thread.

use std::io::Read;

use theater_record::{Frame, FrameKind, Hash, Kind, PublicKey, ReadError, Reader, SegmentHasher};

use crate::fault::{CheckpointField, Fault, SignatureFault};
use crate::leaves::Leaves;
use crate::report::VerifyError;
use crate::source::{Source, SourceReader};

/// How much of a segment is read at a time: enough for hashing at full speed, and little enough to
/// stay in the processor's cache.
const READ_BYTES: usize = 64 << 10;

/// One check, with the checkpoint it is about.
#[derive(Debug)]
pub(crate) enum Job {
    /// Does the tree over these leaves have this root?
    Root { seq: u64, offset: u64, leaves: Leaves, expected: Hash },
    /// Do the segment's bytes have this digest? The segment ends where the checkpoint starts.
    Digest { seq: u64, offset: u64, start: u64, has_blobs: bool, expected: Hash },
    /// Is the record signed by this key?
    Signature { seq: u64, offset: u64, kind: Kind, key: PublicKey, frame: Vec<u8> },
}

impl Job {
    /// Where the checkpoint starts.
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Job::Root { offset, .. }
            | Job::Digest { offset, .. }
            | Job::Signature { offset, .. } => *offset,
        }
    }

    /// Carries the check out.
    pub(crate) fn run(self, source: &(impl Source + ?Sized)) -> Result<Option<Fault>, VerifyError> {
        Ok(match self {
            Job::Root { seq, offset, leaves, expected } => {
                let field = CheckpointField::SegmentRoot;
                (leaves.root() != expected).then_some(Fault::Contradicted { seq, offset, field })
            }
            Job::Digest { seq, offset, start, has_blobs, expected } => {
                let field = CheckpointField::SegmentDigest;
                (segment_digest(source, start, offset, has_blobs)? != expected)
                    .then_some(Fault::Contradicted { seq, offset, field })
            }
            Job::Signature { seq, offset, kind, key, frame } => {
                let holds = Frame::parse(&frame).is_some_and(|f| key.verifies(kind, f.body()));
                let problem = SignatureFault::Wrong;
                (!holds).then_some(Fault::Signature { seq, offset, problem })
            }
        })
    }
}

/// The digest of the records in this part of the file.
///
/// Only where there are blobs, which do not count, is it necessary to look at frames at all.
fn segment_digest(
    source: &(impl Source + ?Sized),
    start: u64,
    end: u64,
    has_blobs: bool,
) -> Result<Hash, VerifyError> {
    let mut input = SourceReader::new(source, start, end);
    let mut hasher = SegmentHasher::default();
    if has_blobs {
        let mut reader = Reader::at_frame(input, start);
        loop {
            match reader.read_frame() {
                Ok(Some((_, frame))) => {
                    if matches!(frame.kind(), Some(FrameKind::Record { .. })) {
                        hasher.update(frame.bytes());
                    }
                }
                Ok(None) => return Ok(hasher.finish()),
                Err(ReadError::Io { offset, source }) => {
                    return Err(VerifyError::Io { offset, source });
                }
                // Whatever stands here is not what the checkpoint has digested.
                Err(_) => return Ok(Hash::ZERO),
            }
        }
    }
    let mut buffer = vec![0; READ_BYTES.min(end.saturating_sub(start) as usize)];
    let mut offset = start;
    while offset < end {
        let read = input.read(&mut buffer).map_err(|source| VerifyError::Io { offset, source })?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
        offset += read as u64;
    }
    Ok(hasher.finish())
}
