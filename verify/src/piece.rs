//! What a file is made of: runs of records, blobs, gaps.

use std::sync::Arc;

use theater_record::{Hash, Kind};

use crate::report::BlobCount;

/// A part of the file.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Records that follow each other without a fault.
    Run(Run),
    /// Blob frames without a record among them.
    Blobs {
        /// Where they start.
        start: u64,
        /// Where they end.
        end: u64,
        /// What they hold.
        detail: Detail,
    },
    /// Bytes that are no frames.
    Gap {
        /// Where they start.
        start: u64,
        /// Where the next frame starts, or the file ends.
        end: u64,
    },
}

/// Records that follow each other: each carries the hash of the one before, the next number and
/// the same tag. Blob frames may stand among them.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) tag: [u8; 4],
    pub(crate) first_prev: Hash,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) last_hash: Hash,
    /// Where the last record starts, and how long it is.
    pub(crate) last: (u64, u64),
    /// Where some of the records start, so that any can be found quickly.
    pub(crate) index: Vec<(u64, u64)>,
    /// What the deeper checks need to know about the records.
    pub(crate) detail: Detail,
}

impl Run {
    pub(crate) fn count(&self) -> u64 {
        self.last_seq - self.first_seq + 1
    }

    /// Where the first record starts. Blobs may stand before it, and whether they count as part of
    /// this run depends on where stretches begin.
    pub(crate) fn first_offset(&self) -> u64 {
        self.index.first().map_or(self.start, |(_, offset)| *offset)
    }

    /// Whether `next` goes on right where this run ends.
    pub(crate) fn is_followed_by(&self, next: &Run) -> bool {
        self.end == next.start && self.leads_to(next)
    }

    /// Whether `next` is the continuation of this run, wherever it stands.
    pub(crate) fn leads_to(&self, next: &Run) -> bool {
        self.tag == next.tag
            && self.last_hash == next.first_prev
            && self.last_seq.checked_add(1) == Some(next.first_seq)
    }
}

/// What the deeper checks need to know about the records of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Detail {
    /// The link hash of every record; left out at the shallow depths.
    pub(crate) leaves: Arc<Vec<Hash>>,
    /// The records that say something about the chain as a whole.
    pub(crate) marks: Vec<Mark>,
    /// What stands after the last mark, the mark itself included.
    pub(crate) tail: Since,
    /// Records whose form is wrong: event number, offset, reason.
    pub(crate) malformed: Vec<(u64, u64, String)>,
    /// Blob frames whose content is not what it was: where they are.
    pub(crate) altered_blobs: Vec<(u64, u64)>,
}

/// A header, checkpoint, close or recover record.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    pub(crate) offset: u64,
    pub(crate) frame: Vec<u8>,
    pub(crate) hash: Hash,
    /// What stands between the mark before it, that one included, and this one.
    pub(crate) before: Since,
}

/// What stands between two marks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Since {
    pub(crate) blobs: BlobCount,
    /// How many bytes the records have.
    pub(crate) record_bytes: u64,
}

impl Since {
    pub(crate) fn add(&mut self, other: Since) {
        self.blobs.add(other.blobs);
        self.record_bytes += other.record_bytes;
    }
}

/// What a scan of a stretch found.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) pieces: Vec<Piece>,
    /// Where the first piece starts; `None` if no frame starts in the stretch.
    pub(crate) start: Option<u64>,
    /// Where the next stretch must start.
    pub(crate) end: u64,
}
