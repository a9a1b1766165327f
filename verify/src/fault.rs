//! What can be wrong with a chain, as data with positions.

use std::fmt;

use serde::Serialize;

/// One finding. `offset` is a byte offset in the file, `seq` an event number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "kebab-case")]
pub enum Fault {
    /// One flipped bit, found by trying them all; flipping it back heals the chain.
    BitFlip {
        /// The event it is in; `None` in the magic and in blob frames.
        seq: Option<u64>,
        /// The byte.
        offset: u64,
        /// The bit, 0 for the lowest.
        bit: u8,
        /// The byte as it is.
        found: u8,
        /// The byte as it was.
        original: u8,
    },
    /// The event is not the one that the next event was written after.
    Altered {
        /// The event.
        seq: u64,
        /// Where its frame starts.
        offset: u64,
    },
    /// Events are gone, and no bytes are left of them.
    Removed {
        /// The first event that is gone.
        first: u64,
        /// The last event that is gone.
        last: u64,
        /// Where they should be.
        offset: u64,
    },
    /// Records that do not belong to this chain stand between two events that follow each other.
    Inserted {
        /// How many.
        count: u64,
        /// Where the first of them starts.
        offset: u64,
        /// The event they stand before.
        before: u64,
        /// Whether they carry the tag of another chain.
        foreign: bool,
    },
    /// Events occur a second time.
    Duplicated {
        /// The first event of the copy.
        first: u64,
        /// The last event of the copy.
        last: u64,
        /// Where the copy starts.
        offset: u64,
    },
    /// Events stand in the wrong place, otherwise unharmed.
    Moved {
        /// The first of them.
        first: u64,
        /// The last of them.
        last: u64,
        /// Where they stand.
        offset: u64,
    },
    /// Records of another history stand in place of events.
    Spliced {
        /// The first event that was replaced.
        first: u64,
        /// The last event that was replaced.
        last: u64,
        /// Where the replacement starts.
        offset: u64,
        /// Whether the replacement carries the tag of another chain.
        foreign: bool,
    },
    /// Bytes that are no record stand where records should.
    Lost {
        /// Where they start.
        offset: u64,
        /// How many.
        bytes: u64,
        /// The events that are gone: first and last; `None` if all events around are there.
        events: Option<(u64, u64)>,
        /// The event before them, if nothing vouches for it any more: only the event after it
        /// carries its hash, and that one is gone.
        unproven: Option<u64>,
    },
    /// The file ends in bytes that are no complete record: a crash or a cut.
    TornTail {
        /// Where they start.
        offset: u64,
        /// How many.
        bytes: u64,
    },
    /// Bytes stand after the close record, where nothing may.
    AfterClose {
        /// Where they start.
        offset: u64,
        /// How many.
        bytes: u64,
    },
    /// The event is linked but its bytes break the rules of the format.
    Malformed {
        /// The event.
        seq: u64,
        /// Where its frame starts.
        offset: u64,
        /// Which rule, and where in the body.
        reason: String,
    },
    /// A checkpoint or close record says something about the chain that is not so.
    Contradicted {
        /// The checkpoint's or close record's event number.
        seq: u64,
        /// Where its frame starts.
        offset: u64,
        /// What it says wrongly.
        field: CheckpointField,
    },
    /// A blob's bytes are not the ones its digest stands for.
    BlobAltered {
        /// Where its frame starts.
        offset: u64,
        /// How long its frame is.
        bytes: u64,
    },
    /// Blobs of a segment are gone without a tombstone.
    BlobsMissing {
        /// The checkpoint that counted them.
        seq: u64,
        /// Where that checkpoint starts.
        offset: u64,
        /// How many are gone.
        count: u64,
    },
    /// A segment holds blobs that its checkpoint did not count.
    BlobsAdded {
        /// The checkpoint that counted.
        seq: u64,
        /// Where that checkpoint starts.
        offset: u64,
        /// How many were added.
        count: u64,
    },
    /// A signature that is there is wrong, or one that should be there is missing.
    Signature {
        /// The event that carries or should carry it.
        seq: u64,
        /// Where its frame starts.
        offset: u64,
        /// What is wrong.
        problem: SignatureFault,
    },
    /// The header says that this is a what-if, not a recording.
    Synthetic,
}

/// A statement of a checkpoint or close record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckpointField {
    /// The number of checkpoints before.
    Number,
    /// Where its segment begins, or how long it is.
    Segment,
    /// The digest of the segment's bytes.
    SegmentDigest,
    /// The root of the tree over the segment's records.
    SegmentRoot,
    /// The root over earlier checkpoints.
    LogRoot,
    /// The last event known to be on disk.
    Durable,
    /// The totals in the close record.
    Totals,
    /// The close record's digest of itself.
    CloseDigest,
}

/// What is wrong with a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SignatureFault {
    /// It is not the signature of the key announced for this place.
    Wrong,
    /// The chain is signed, but not here.
    Missing,
    /// It is signed, but no key was announced for this place.
    Unannounced,
    /// A recovery introduced a new key and no identity key vouches for it.
    Unvouched,
}

impl Fault {
    /// The event number the finding is about, where it is about one.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        match self {
            Fault::BitFlip { seq, .. } => *seq,
            Fault::Altered { seq, .. }
            | Fault::Malformed { seq, .. }
            | Fault::Contradicted { seq, .. }
            | Fault::BlobsMissing { seq, .. }
            | Fault::BlobsAdded { seq, .. }
            | Fault::Signature { seq, .. }
            | Fault::Inserted { before: seq, .. }
            | Fault::Removed { first: seq, .. }
            | Fault::Duplicated { first: seq, .. }
            | Fault::Moved { first: seq, .. }
            | Fault::Spliced { first: seq, .. } => Some(*seq),
            Fault::Lost { events, unproven, .. } => unproven.or(events.map(|(first, _)| first)),
            Fault::TornTail { .. }
            | Fault::AfterClose { .. }
            | Fault::BlobAltered { .. }
            | Fault::Synthetic => None,
        }
    }

    /// Where in the file the finding is.
    #[must_use]
    pub fn offset(&self) -> u64 {
        match self {
            Fault::BitFlip { offset, .. }
            | Fault::Altered { offset, .. }
            | Fault::Removed { offset, .. }
            | Fault::Inserted { offset, .. }
            | Fault::Duplicated { offset, .. }
            | Fault::Moved { offset, .. }
            | Fault::Spliced { offset, .. }
            | Fault::Lost { offset, .. }
            | Fault::TornTail { offset, .. }
            | Fault::AfterClose { offset, .. }
            | Fault::Malformed { offset, .. }
            | Fault::Contradicted { offset, .. }
            | Fault::BlobAltered { offset, .. }
            | Fault::BlobsMissing { offset, .. }
            | Fault::BlobsAdded { offset, .. }
            | Fault::Signature { offset, .. } => *offset,
            Fault::Synthetic => 0,
        }
    }
}

/// `event 7 was` or `events 7..9 were`.
struct Were(u64, u64);

impl fmt::Display for Were {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Events(self.0, self.1), if self.0 == self.1 { "was" } else { "were" })
    }
}

/// `event 7` or `events 7..9`.
struct Events(u64, u64);

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == self.1 {
            write!(f, "event {}", self.0)
        } else {
            write!(f, "events {}..{}", self.0, self.1)
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::BitFlip { seq, offset, bit, found, original } => {
                let place = match seq {
                    Some(seq) => format!("event {seq}"),
                    None if *offset < 12 => "magic".to_owned(),
                    None => "blob".to_owned(),
                };
                let bytes = format_args!("{found:#04x} should be {original:#04x}");
                write!(f, "{place}: bit {bit} of byte {offset} was flipped: {bytes}")
            }
            Fault::Altered { seq, offset } => {
                write!(f, "event {seq} at byte {offset} was altered")
            }
            Fault::Removed { first, last, offset } => {
                write!(f, "{} removed before byte {offset}", Were(*first, *last))
            }
            Fault::Inserted { count, offset, before, foreign } => {
                let whose = if *foreign { "of another chain " } else { "" };
                let records = if *count == 1 { "record" } else { "records" };
                let verb = if *count == 1 { "was" } else { "were" };
                let place = format_args!("at byte {offset}, before event {before}");
                write!(f, "{count} {records} {whose}{verb} inserted {place}")
            }
            Fault::Duplicated { first, last, offset } => {
                write!(f, "a second copy of {} stands at byte {offset}", Events(*first, *last))
            }
            Fault::Moved { first, last, offset } => {
                write!(f, "{} moved to byte {offset}", Were(*first, *last))
            }
            Fault::Spliced { first, last, offset, foreign } => {
                let (were, whose) = (Were(*first, *last), whose_records(*foreign));
                write!(f, "{were} replaced at byte {offset} by records of {whose}")
            }
            Fault::Lost { offset, bytes, events, unproven } => {
                write!(f, "{bytes} bytes from byte {offset} are no record")?;
                write_lost(f, *events, *unproven)
            }
            Fault::TornTail { offset, bytes } => {
                write!(f, "the last {bytes} bytes, from byte {offset}, are no complete record")
            }
            Fault::AfterClose { offset, bytes } => {
                write!(f, "{bytes} bytes follow the close record, from byte {offset}")
            }
            Fault::Malformed { seq, offset, reason } => {
                write!(f, "event {seq} at byte {offset} is malformed: {reason}")
            }
            Fault::Contradicted { seq, offset, field } => {
                write!(f, "event {seq} at byte {offset} states {}, which is not so", field.name())
            }
            Fault::BlobAltered { offset, bytes } => {
                write!(f, "the blob of {bytes} bytes at byte {offset} was altered")
            }
            Fault::BlobsMissing { seq, offset, count } => write!(
                f,
                "{count} blobs are missing from the segment that ends with event {seq} at byte {offset}"
            ),
            Fault::BlobsAdded { seq, offset, count } => write!(
                f,
                "{count} blobs were added to the segment that ends with event {seq} at byte {offset}"
            ),
            Fault::Signature { seq, offset, problem } => {
                write!(f, "event {seq} at byte {offset}: {}", problem.name())
            }
            Fault::Synthetic => {
                f.write_str("the header says that this is a what-if, not a recording")
            }
        }
    }
}

/// What the bytes that are no record mean for the events around them.
fn write_lost(
    f: &mut fmt::Formatter<'_>,
    events: Option<(u64, u64)>,
    unproven: Option<u64>,
) -> fmt::Result {
    match events {
        Some((first, last)) => write!(f, "; {} lost", Were(first, last))?,
        None => f.write_str("; no event was lost")?,
    }
    match unproven {
        Some(seq) => write!(f, ", and nothing vouches for event {seq} any more"),
        None => Ok(()),
    }
}

fn whose_records(foreign: bool) -> &'static str {
    if foreign { "another chain" } else { "another history of this chain" }
}

impl CheckpointField {
    fn name(self) -> &'static str {
        match self {
            CheckpointField::Number => "its number",
            CheckpointField::Segment => "the extent of its segment",
            CheckpointField::SegmentDigest => "the digest of its segment",
            CheckpointField::SegmentRoot => "the tree root of its segment",
            CheckpointField::LogRoot => "the root over earlier checkpoints",
            CheckpointField::Durable => "the last durable event",
            CheckpointField::Totals => "the chain's totals",
            CheckpointField::CloseDigest => "its own digest",
        }
    }
}

impl SignatureFault {
    fn name(self) -> &'static str {
        match self {
            SignatureFault::Wrong => "the signature is not by the key announced for this place",
            SignatureFault::Missing => "a signature is missing in a signed chain",
            SignatureFault::Unannounced => "a signature stands where no key was announced",
            SignatureFault::Unvouched => "no identity key vouches for the key introduced here",
        }
    }
}
