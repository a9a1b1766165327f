//! Checks what checkpoints and the close record say about the chain, as far as its links hold.

use theater_record::{
    Checkpoint, CheckpointLog, Close, Event, FORMAT_VERSION, Frame, Header, Kind, Origin,
    PublicKey, Reader, Recover, Stored,
};

use crate::fault::{CheckpointField, Fault, SignatureFault};
use crate::heal::has_own_digest;
use crate::job::Job;
use crate::leaves::Leaves;
use crate::piece::{Detail, Mark, Since};
use crate::report::{BlobCount, Depth, Signatures, VerifyError};

/// Follows the records of a chain from the header on.
pub(crate) struct Auditor {
    depth: Depth,
    pub(crate) faults: Vec<Fault>,
    /// Checks that can run on any thread.
    pub(crate) jobs: Vec<Job>,
    pub(crate) header: Option<Header>,
    pub(crate) signatures: Signatures,
    pub(crate) blobs: BlobCount,
    pub(crate) checkpoints: u64,
    /// Where the close record ends, once it was seen.
    pub(crate) closed_at: Option<u64>,
    /// Set if the header asks for something this program does not know.
    pub(crate) unsupported: Option<VerifyError>,
    /// The key that must sign next.
    key: Option<PublicKey>,
    log: CheckpointLog,
    segment: Segment,
    record_bytes: u64,
    last_checkpoint: Option<(u64, u64)>,
    durable: Option<u64>,
    /// Whether blobs were removed or lost, which moves everything after them.
    shifted: bool,
}

/// The segment that is being followed.
#[derive(Default)]
struct Segment {
    first_seq: u64,
    offset: u64,
    since: Since,
    leaves: Leaves,
}

impl Auditor {
    pub(crate) fn new(depth: Depth, start: u64) -> Auditor {
        Auditor {
            depth,
            faults: Vec::new(),
            jobs: Vec::new(),
            header: None,
            signatures: Signatures::default(),
            blobs: BlobCount::default(),
            checkpoints: 0,
            closed_at: None,
            unsupported: None,
            key: None,
            log: CheckpointLog::default(),
            segment: Segment { offset: start, ..Segment::default() },
            record_bytes: 0,
            last_checkpoint: None,
            durable: None,
            shifted: false,
        }
    }

    /// Takes the next records of the chain; `first_seq` is the first one's number.
    pub(crate) fn take(&mut self, first_seq: u64, detail: &Detail) {
        let mut from = 0;
        for mark in &detail.marks {
            let upto = (mark.seq - first_seq) as usize;
            if self.depth >= Depth::Structure {
                self.segment.leaves.push(&detail.leaves, from..upto);
                from = upto;
            }
            self.add(mark.before);
            self.take_mark(mark);
        }
        if self.depth >= Depth::Structure {
            self.segment.leaves.push(&detail.leaves, from..detail.leaves.len());
        }
        self.add(detail.tail);
    }

    fn add(&mut self, since: Since) {
        self.record_bytes += since.record_bytes;
        self.blobs.add(since.blobs);
        self.segment.since.add(since);
    }

    fn take_mark(&mut self, mark: &Mark) {
        if (mark.kind == Kind::Header) != (mark.seq == 0) {
            self.malformed(mark, "only the first record of a chain is a header");
            return;
        }
        let event = match decode(mark) {
            Ok(event) => event,
            Err(reason) => return self.malformed(mark, &reason),
        };
        match event {
            Event::Header(header) => self.take_header(mark, *header),
            Event::Checkpoint(checkpoint) => self.take_checkpoint(mark, &checkpoint),
            Event::Close(close) => self.take_close(mark, &close),
            Event::Recover(recover) => self.take_recover(mark, &recover),
            _ => {}
        }
    }

    fn take_header(&mut self, mark: &Mark, header: Header) {
        let unknown = header
            .features
            .iter()
            .find(|feature| !theater_record::FEATURES_KNOWN.contains(feature));
        if header.version != FORMAT_VERSION {
            let found = header.version;
            self.unsupported = Some(VerifyError::Version { found, known: FORMAT_VERSION });
        } else if let Some(feature) = unknown {
            self.unsupported = Some(VerifyError::Feature { feature: *feature });
        }
        let tag = Frame::parse(&mark.frame).map(|frame| frame.tag());
        if tag != Some(header.chain_id.tag()) {
            self.malformed(mark, "the chain tag is not the start of the chain id");
        }
        if header.origin == Origin::Synthetic {
            self.faults.push(Fault::Synthetic);
        }
        self.key = header.first_key;
        self.signatures.first_key = header.first_key;
        match (header.identity, header.signature.is_some()) {
            (Some(identity), true) if verifies(identity, mark) => {
                self.signatures.identity = Some(identity);
            }
            (_, true) => self.signature_fault(mark, SignatureFault::Wrong),
            (Some(_), false) => self.signature_fault(mark, SignatureFault::Missing),
            (None, false) => {}
        }
        self.header = Some(header);
    }

    fn take_checkpoint(&mut self, mark: &Mark, checkpoint: &Checkpoint) {
        self.compare(mark, CheckpointField::Number, checkpoint.number == self.checkpoints);
        self.check_extent(mark, checkpoint);
        self.check_durable(mark, checkpoint.durable_seq);
        if self.depth != Depth::Links {
            self.compare(mark, CheckpointField::LogRoot, checkpoint.log_root == self.log.root());
        }
        if self.depth >= Depth::Structure {
            self.jobs.push(Job::Root {
                seq: mark.seq,
                offset: mark.offset,
                leaves: std::mem::take(&mut self.segment.leaves),
                expected: checkpoint.segment_root,
            });
        }
        if matches!(self.depth, Depth::Quick | Depth::Full) {
            self.jobs.push(Job::Digest {
                seq: mark.seq,
                offset: mark.offset,
                start: self.segment.offset,
                has_blobs: checkpoint.blob_count > 0 || self.shifted,
                expected: checkpoint.segment_digest,
            });
        }
        self.check_signature(mark, checkpoint.signature.is_some());
        if self.key.is_some() && checkpoint.next_key.is_none() {
            self.signature_fault(mark, SignatureFault::Missing);
        }
        self.key = checkpoint.next_key;
        self.log.push(&mark.frame);
        self.checkpoints += 1;
        self.last_checkpoint = Some((mark.seq, mark.offset));
        self.segment = Segment { first_seq: mark.seq, offset: mark.offset, ..Segment::default() };
    }

    fn check_extent(&mut self, mark: &Mark, checkpoint: &Checkpoint) {
        let found = self.segment.since;
        let mut holds = checkpoint.first_seq == self.segment.first_seq;
        // A quick check does not see what is in a segment.
        if self.depth > Depth::Quick {
            self.check_blob_count(mark, checkpoint.blob_count, found.blobs);
            holds &= checkpoint.segment_bytes == found.record_bytes;
            holds &= self.shifted || checkpoint.blob_bytes == found.blobs.bytes;
        }
        holds &= self.shifted || checkpoint.segment_offset == self.segment.offset;
        self.compare(mark, CheckpointField::Segment, holds);
    }

    fn take_close(&mut self, mark: &Mark, close: &Close) {
        if self.closed_at.is_some() {
            return;
        }
        let holds = Frame::parse(&mark.frame).is_some_and(|frame| has_own_digest(&frame));
        self.compare(mark, CheckpointField::CloseDigest, holds);
        let (checkpoint_seq, checkpoint_offset) = self.last_checkpoint.unwrap_or_default();
        let mut totals = close.checkpoints == self.checkpoints
            && checkpoint_seq.checked_add(1) == Some(mark.seq)
            && (self.shifted || close.checkpoint_offset == checkpoint_offset);
        if self.depth > Depth::Quick {
            totals &= close.record_bytes == self.record_bytes;
            totals &= self.shifted
                || (close.blob_count, close.blob_bytes) == (self.blobs.present, self.blobs.bytes);
        }
        self.compare(mark, CheckpointField::Totals, totals);
        self.check_durable(mark, close.durable_seq);
        self.check_signature(mark, close.signature.is_some());
        self.closed_at = Some(mark.offset + mark.frame.len() as u64);
    }

    fn take_recover(&mut self, mark: &Mark, recover: &Recover) {
        let identity = self.signatures.identity;
        let vouched =
            recover.signature.is_some() && identity.is_some_and(|key| verifies(key, mark));
        match (recover.signature.is_some(), vouched) {
            (true, false) => self.signature_fault(mark, SignatureFault::Wrong),
            (false, _) if self.key.is_some() || recover.next_key.is_some() => {
                self.signature_fault(mark, SignatureFault::Unvouched);
            }
            _ => {}
        }
        self.key = recover.next_key;
    }

    fn check_blob_count(&mut self, mark: &Mark, expected: u64, found: BlobCount) {
        let (seq, offset) = (mark.seq, mark.offset);
        let there = found.present + found.redacted;
        if there < expected {
            self.faults.push(Fault::BlobsMissing { seq, offset, count: expected - there });
        } else if there > expected {
            self.faults.push(Fault::BlobsAdded { seq, offset, count: there - expected });
        }
        self.shifted |= there != expected || found.redacted > 0;
    }

    fn check_durable(&mut self, mark: &Mark, durable: Option<u64>) {
        let plausible = durable >= self.durable && durable < Some(mark.seq);
        self.compare(mark, CheckpointField::Durable, plausible);
        self.durable = durable;
    }

    fn check_signature(&mut self, mark: &Mark, signed: bool) {
        match (self.key, signed) {
            (Some(key), true) => {
                self.signatures.signed += 1;
                self.signatures.covered = Some(mark.seq);
                self.jobs.push(Job::Signature {
                    seq: mark.seq,
                    offset: mark.offset,
                    kind: mark.kind,
                    key,
                    frame: mark.frame.clone(),
                });
            }
            (Some(_), false) => self.signature_fault(mark, SignatureFault::Missing),
            (None, true) => self.signature_fault(mark, SignatureFault::Unannounced),
            (None, false) => {}
        }
    }

    fn compare(&mut self, mark: &Mark, field: CheckpointField, holds: bool) {
        if !holds {
            let (seq, offset) = (mark.seq, mark.offset);
            self.faults.push(Fault::Contradicted { seq, offset, field });
        }
    }

    fn malformed(&mut self, mark: &Mark, reason: &str) {
        let (seq, offset) = (mark.seq, mark.offset);
        self.faults.push(Fault::Malformed { seq, offset, reason: reason.to_owned() });
    }

    fn signature_fault(&mut self, mark: &Mark, problem: SignatureFault) {
        let (seq, offset) = (mark.seq, mark.offset);
        self.faults.push(Fault::Signature { seq, offset, problem });
    }
}

fn verifies(key: PublicKey, mark: &Mark) -> bool {
    Frame::parse(&mark.frame).is_some_and(|frame| key.verifies(mark.kind, frame.body()))
}

fn decode(mark: &Mark) -> Result<Event, String> {
    let mut reader = Reader::at_frame(&mark.frame[..], mark.offset);
    match reader.read() {
        Ok(Some(Stored::Record(record))) => record.event().map_err(|error| error.to_string()),
        Ok(_) => Err("not a record".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
