//! Proofs: one event stands in a chain, shown without the chain.
//!
//! A proof is a ladder. The event's own record is the lowest rung; each rung above is a record
//! that commits to the one below: the checkpoint that ends the event's segment, the chain's last
//! checkpoint, the close record. Whoever knows the hash of a rung above from elsewhere knows that
//! the event is part of that history.

mod prove;
#[cfg(test)]
mod tests;

pub use prove::{ProveError, prove};

use std::fmt;

use theater_record::{
    AuditPath, CborError, CborFault, Checkpoint, Decoder, Encoder, Event, Frame, FrameKind, Hash,
    LogPath, ReadError, Record, check_body, close_digest,
};

use crate::report::Anchor;

/// The first field of every proof.
const PROOF_NAME: &str = "theater proof";
/// The version this crate writes, and the only one it reads.
const PROOF_VERSION: u64 = 1;
/// The digest field at the end of a close record's body: a two-byte head and 32 bytes.
const CLOSE_DIGEST_BYTES: usize = 34;

/// Everything needed to see that one event stands in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The frame of the event's record.
    record: Vec<u8>,
    /// The way from that record to the checkpoint that ends its segment.
    segment: Option<(AuditPath, Vec<u8>)>,
    /// The way from that checkpoint to the last one.
    log: Option<(LogPath, Vec<u8>)>,
    /// The close record, which follows the last checkpoint directly.
    close: Option<Vec<u8>>,
}

/// What a proof shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proved {
    /// The chain tag, the first four bytes of the chain id.
    pub tag: [u8; 4],
    /// The event and the hash of its record.
    pub record: Anchor,
    /// What the record says.
    pub event: Event,
    /// The records that commit to it, in chain order; the event itself if it is the top. Knowing
    /// any one of these hashes from elsewhere is enough.
    pub above: Vec<Anchor>,
}

impl Proved {
    /// The top of the proof: the close record or the last checkpoint.
    #[must_use]
    pub fn head(&self) -> Anchor {
        *self.above.last().expect("a proof without a top is refused")
    }

    /// Whether a noted hash vouches for the event: it is the hash of a record that commits to it.
    #[must_use]
    pub fn is_under(&self, noted: &Anchor) -> bool {
        self.above.contains(noted)
    }
}

/// A part of a proof that should be a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The event's own record.
    Record,
    /// The checkpoint that ends the event's segment.
    Checkpoint,
    /// The last checkpoint.
    LastCheckpoint,
    /// The close record.
    Close,
}

/// Why something is no proof, or a wrong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The bytes are not those of a proof.
    #[error("not a proof: {0}")]
    NotAProof(#[from] CborError),
    /// The proof is of a version this program does not know.
    #[error("the proof has version {found}; this program knows only version {PROOF_VERSION}")]
    Version {
        /// The version it names.
        found: u64,
    },
    /// A part of the proof is not one whole record.
    #[error("the proof's {0} is not a record")]
    NotARecord(Part),
    /// A part of the proof breaks the rules of the chain format.
    #[error("the proof's {part} is malformed: {source}")]
    Malformed {
        /// Which part.
        part: Part,
        /// What is wrong with its body.
        source: CborError,
    },
    /// A part of the proof is a record of another kind than belongs there.
    #[error("the proof's {0} is a record of another kind")]
    OtherKind(Part),
    /// Parts of the proof are records of different chains.
    #[error("the proof's {0} belongs to another chain")]
    OtherChain(Part),
    /// A part of the proof speaks of other events than the one below it.
    #[error("the proof's {0} does not cover the record below it")]
    NotCovered(Part),
    /// A hash does not come out as a part of the proof says.
    #[error("the proof's {0} commits to another record than the one below it")]
    OtherHash(Part),
    /// The record is neither covered nor able to stand for itself.
    #[error("nothing in the proof covers its record")]
    Bare,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Record => "record",
            Part::Checkpoint => "checkpoint",
            Part::LastCheckpoint => "last checkpoint",
            Part::Close => "close record",
        })
    }
}

impl Proof {
    /// The proof as a file's bytes: one CBOR array under the same strict rules as a chain.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = Encoder(&mut bytes);
        out.array(6);
        out.text(PROOF_NAME);
        out.uint(PROOF_VERSION);
        out.bytes(&self.record);
        encode_step(self.segment.as_ref().map(|(path, frame)| (path, frame)), &mut out);
        encode_step(self.log.as_ref().map(|(path, frame)| (&path.0, frame)), &mut out);
        match &self.close {
            Some(frame) => out.bytes(frame),
            None => out.null(),
        }
        bytes
    }

    /// Reads what [`Proof::to_bytes`] wrote, and nothing else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Proof, ProofError> {
        let mut input = Decoder::new(bytes);
        input.array_of(6)?;
        let at = input.position();
        if input.text()? != PROOF_NAME {
            let fault = CborFault::Expected("the words that start every proof");
            return Err(ProofError::NotAProof(CborError { at, fault }));
        }
        let found = input.uint()?;
        if found != PROOF_VERSION {
            return Err(ProofError::Version { found });
        }
        let record = input.bytes()?.to_vec();
        let segment = decode_step(&mut input)?;
        let log = decode_step(&mut input)?.map(|(path, frame)| (LogPath(path), frame));
        let close = if input.null()? { None } else { Some(input.bytes()?.to_vec()) };
        input.finish()?;
        Ok(Proof { record, segment, log, close })
    }

    /// Climbs from the event's record to the top. Believes nothing that no hash binds.
    pub fn check(&self) -> Result<Proved, ProofError> {
        let mut ladder = vec![Rung::read(Part::Record, &self.record)?];
        if let Some((path, frame)) = &self.segment {
            let rung = Rung::read(Part::Checkpoint, frame)?;
            rung.ends_segment_of(&ladder[ladder.len() - 1], path)?;
            ladder.push(rung);
        }
        if let Some((path, frame)) = &self.log {
            let rung = Rung::read(Part::LastCheckpoint, frame)?;
            rung.logs(&ladder[ladder.len() - 1], path)?;
            ladder.push(rung);
        }
        if let Some(frame) = &self.close {
            let rung = Rung::read(Part::Close, frame)?;
            rung.closes(&ladder[ladder.len() - 1])?;
            ladder.push(rung);
        }
        ladder[ladder.len() - 1].stands_for_itself()?;
        let above = ladder[usize::from(ladder.len() > 1)..].iter().map(Rung::anchor).collect();
        let base = ladder.swap_remove(0);
        Ok(Proved { tag: base.record.frame.tag(), record: base.anchor(), event: base.event, above })
    }
}

/// One record of a proof, taken apart.
struct Rung<'a> {
    part: Part,
    record: Record<'a>,
    event: Event,
}

impl<'a> Rung<'a> {
    fn read(part: Part, bytes: &'a [u8]) -> Result<Rung<'a>, ProofError> {
        let malformed = |source| ProofError::Malformed { part, source };
        let whole = Frame::parse(bytes).filter(|frame| frame.bytes().len() == bytes.len());
        let frame = whole.ok_or(ProofError::NotARecord(part))?;
        let Some(FrameKind::Record { seq, .. }) = frame.kind() else {
            return Err(ProofError::NotARecord(part));
        };
        let kind = check_body(frame.body()).map_err(|error| malformed(error.0))?;
        let record = Record { offset: 0, seq, kind, frame };
        let event = record.event().map_err(|error| match error {
            ReadError::Malformed { source, .. } => malformed(source),
            _ => ProofError::NotARecord(part),
        })?;
        Ok(Rung { part, record, event })
    }

    fn anchor(&self) -> Anchor {
        Anchor { seq: self.record.seq, hash: self.record.hash() }
    }

    fn checkpoint(&self) -> Result<&Checkpoint, ProofError> {
        match &self.event {
            Event::Checkpoint(checkpoint) => Ok(checkpoint),
            _ => Err(ProofError::OtherKind(self.part)),
        }
    }

    /// Whether this is the checkpoint that ends the segment which `below` is in.
    fn ends_segment_of(&self, below: &Rung<'_>, path: &AuditPath) -> Result<(), ProofError> {
        let checkpoint = self.checkpoint()?;
        let after_first = |seq: u64| seq.checked_sub(checkpoint.first_seq);
        self.require(
            after_first(self.record.seq) == Some(path.leaves)
                && after_first(below.record.seq) == Some(path.index),
            below,
        )?;
        self.require_root(path.root(below.record.hash()), checkpoint.segment_root)
    }

    /// Whether this is a checkpoint that commits to the earlier checkpoint `below`.
    fn logs(&self, below: &Rung<'_>, path: &LogPath) -> Result<(), ProofError> {
        let (checkpoint, earlier) = (self.checkpoint()?, below.checkpoint()?);
        self.require(
            path.0.index == earlier.number
                && path.0.leaves == checkpoint.number
                && checkpoint.first_seq >= below.record.seq
                && checkpoint.first_seq < self.record.seq,
            below,
        )?;
        self.require_root(path.root(below.record.frame.bytes()), checkpoint.log_root)
    }

    /// Whether this is the close record that follows the checkpoint `below`.
    fn closes(&self, below: &Rung<'_>) -> Result<(), ProofError> {
        below.checkpoint()?;
        if !matches!(self.event, Event::Close(_)) {
            return Err(ProofError::OtherKind(self.part));
        }
        self.require(Some(self.record.seq) == below.record.seq.checked_add(1), below)?;
        self.require_root(Some(below.record.hash()), self.record.prev())
    }

    /// Whether this can be the top: only checkpoints and close records sum a chain up.
    fn stands_for_itself(&self) -> Result<(), ProofError> {
        match &self.event {
            Event::Checkpoint(_) => Ok(()),
            Event::Close(close) => {
                let body = self.record.frame.body();
                let digest = close_digest(&body[..body.len() - CLOSE_DIGEST_BYTES]);
                self.require_root(Some(digest), close.digest)
            }
            _ => Err(ProofError::Bare),
        }
    }

    fn require(&self, covered: bool, below: &Rung<'_>) -> Result<(), ProofError> {
        if self.record.frame.tag() != below.record.frame.tag() {
            return Err(ProofError::OtherChain(self.part));
        }
        if covered { Ok(()) } else { Err(ProofError::NotCovered(self.part)) }
    }

    fn require_root(&self, found: Option<Hash>, stated: Hash) -> Result<(), ProofError> {
        if found == Some(stated) { Ok(()) } else { Err(ProofError::OtherHash(self.part)) }
    }
}

/// A step up is `[index, leaves, [sibling...], frame]`, or `null` where it is not needed.
fn encode_step(step: Option<(&AuditPath, &Vec<u8>)>, out: &mut Encoder<'_>) {
    let Some((path, frame)) = step else { return out.null() };
    out.array(4);
    out.uint(path.index);
    out.uint(path.leaves);
    out.array(path.siblings.len());
    path.siblings.iter().for_each(|sibling| out.bytes(&sibling.0));
    out.bytes(frame);
}

fn decode_step(input: &mut Decoder<'_>) -> Result<Option<(AuditPath, Vec<u8>)>, CborError> {
    if input.null()? {
        return Ok(None);
    }
    input.array_of(4)?;
    let (index, leaves) = (input.uint()?, input.uint()?);
    // The decoder has bounded the length by the bytes there are.
    let siblings =
        (0..input.array()?).map(|_| input.byte_array().map(Hash)).collect::<Result<_, _>>()?;
    let frame = input.bytes()?.to_vec();
    Ok(Some((AuditPath { index, leaves, siblings }, frame)))
}
