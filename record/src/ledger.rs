//! What a writer must remember about the chain so far in order to continue it.
//!
//! The recorder advances a ledger with every frame it writes; recovery and resumption rebuild one
//! by reading the file. Checkpoint and close records are made from it, in one place.

use crate::codec::{Place, encode_body};
use crate::event::{Checkpoint, Close, CloseReason, Event, Kind};
use crate::format::MAGIC;
use crate::frame::Frame;
use crate::hash::{Hash, SegmentHasher, close_digest, record_hash};
use crate::merkle::{CheckpointLog, segment_root};
use crate::sign::{PublicKey, Seed, Signature, SigningKey};

/// How many bytes a digest field takes at the end of a close record.
const DIGEST_FIELD_BYTES: usize = 34;

/// The running totals and hashes of a chain.
pub(crate) struct Ledger {
    tag: [u8; 4],
    /// The link hash of the last record.
    head: Hash,
    /// How many records there are; the next one's event number.
    records: u64,
    /// Where the next frame starts in the file.
    offset: u64,
    segment: Segment,
    checkpoints: u64,
    log: CheckpointLog,
    record_bytes: u64,
    blob_count: u64,
    blob_bytes: u64,
    checkpoint_offset: u64,
    durable: Option<u64>,
}

/// What happened since the last checkpoint, that record included.
struct Segment {
    first_seq: u64,
    offset: u64,
    /// How many bytes its first record has.
    first_bytes: u64,
    bytes: u64,
    leaves: Vec<Hash>,
    digest: SegmentHasher,
    blob_count: u64,
    blob_bytes: u64,
}

impl Segment {
    fn starting(first_seq: u64, offset: u64) -> Segment {
        Segment {
            first_seq,
            offset,
            first_bytes: 0,
            bytes: 0,
            leaves: Vec::new(),
            digest: SegmentHasher::default(),
            blob_count: 0,
            blob_bytes: 0,
        }
    }
}

impl Ledger {
    /// The ledger of a file that holds the magic and nothing else.
    pub(crate) fn new(tag: [u8; 4]) -> Ledger {
        let offset = MAGIC.len() as u64;
        Ledger {
            tag,
            head: Hash::ZERO,
            records: 0,
            offset,
            segment: Segment::starting(0, offset),
            checkpoints: 0,
            log: CheckpointLog::default(),
            record_bytes: 0,
            blob_count: 0,
            blob_bytes: 0,
            checkpoint_offset: 0,
            durable: None,
        }
    }

    pub(crate) fn head(&self) -> Hash {
        self.head
    }

    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// How many records the current segment has.
    pub(crate) fn segment_records(&self) -> u64 {
        self.segment.leaves.len() as u64
    }

    /// How many bytes the records of the current segment have behind its first one.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment.bytes - self.segment.first_bytes
    }

    /// The place of the next record.
    pub(crate) fn place(&self) -> Place {
        Place { tag: self.tag, prev: self.head, seq: self.records }
    }

    /// Notes a record that has just been written.
    pub(crate) fn add_record(&mut self, frame: &[u8], kind: Kind) {
        let len = frame.len() as u64;
        if kind == Kind::Checkpoint {
            self.segment = Segment::starting(self.records, self.offset);
            self.checkpoint_offset = self.offset;
            self.checkpoints += 1;
            self.log.push(frame);
        }
        if self.segment.leaves.is_empty() {
            self.segment.first_bytes = len;
        }
        self.head = record_hash(frame);
        self.segment.leaves.push(self.head);
        self.segment.digest.update(frame);
        self.segment.bytes += len;
        self.record_bytes += len;
        self.records += 1;
        self.offset += len;
    }

    /// Notes a blob frame or a tombstone.
    pub(crate) fn add_blob(&mut self, len: u64) {
        self.segment.blob_count += 1;
        self.segment.blob_bytes += len;
        self.blob_count += 1;
        self.blob_bytes += len;
        self.offset += len;
    }

    /// Notes that every record up to this one is on disk.
    pub(crate) fn set_durable(&mut self, seq: u64) {
        self.durable = Some(seq);
    }

    /// The frame of the checkpoint that ends the current segment.
    pub(crate) fn checkpoint_frame(&self, time: u64, keys: &mut Keys) -> Vec<u8> {
        let (signing, next_key) = keys.advance();
        let checkpoint = Checkpoint {
            number: self.checkpoints,
            first_seq: self.segment.first_seq,
            segment_offset: self.segment.offset,
            segment_bytes: self.segment.bytes,
            blob_count: self.segment.blob_count,
            blob_bytes: self.segment.blob_bytes,
            durable_seq: self.durable,
            segment_digest: self.segment.digest.finish(),
            segment_root: segment_root(self.segment.leaves.clone()),
            log_root: self.log.root(),
            time,
            next_key,
            signature: signing.as_ref().map(|_| Signature([0; 64])),
        };
        self.signed_frame(&Event::Checkpoint(Box::new(checkpoint)), signing.as_ref())
    }

    /// The frame of the close record.
    pub(crate) fn close_frame(
        &self,
        reason: CloseReason,
        detail: &str,
        time: u64,
        keys: &mut Keys,
    ) -> Vec<u8> {
        let (signing, _) = keys.advance();
        let close = Close {
            reason,
            detail: detail.to_owned(),
            checkpoints: self.checkpoints,
            record_bytes: self.record_bytes,
            blob_count: self.blob_count,
            blob_bytes: self.blob_bytes,
            checkpoint_offset: self.checkpoint_offset,
            durable_seq: self.durable,
            time,
            signature: signing.as_ref().map(|_| Signature([0; 64])),
            digest: Hash::ZERO,
        };
        let mut body = Vec::new();
        encode_body(self.place(), &Event::Close(Box::new(close)), &mut body);
        if let Some(key) = &signing {
            key.sign_body(Kind::Close, &mut body);
        }
        let covered = body.len() - DIGEST_FIELD_BYTES;
        let digest = close_digest(&body[..covered]);
        body[covered + 2..].copy_from_slice(&digest.0);
        let mut frame = Vec::new();
        Frame::wrap(&body, &mut frame);
        frame
    }

    /// The frame of an event in the next place, signed where the event has room for a signature.
    pub(crate) fn signed_frame(&self, event: &Event, key: Option<&SigningKey>) -> Vec<u8> {
        let (mut body, mut frame) = (Vec::new(), Vec::new());
        encode_body(self.place(), event, &mut body);
        if let Some(key) = key {
            key.sign_body(event.kind(), &mut body);
        }
        Frame::wrap(&body, &mut frame);
        frame
    }
}

/// The keys of a chain as they evolve: one that signs next, and the seed of those after it.
pub(crate) struct Keys {
    current: Option<SigningKey>,
    seed: Seed,
}

impl Keys {
    /// Keys that never sign.
    pub(crate) fn unsigned(seed: Seed) -> Keys {
        Keys { current: None, seed }
    }

    /// Keys drawn from the seed, the first one at once.
    pub(crate) fn signing(mut seed: Seed) -> Keys {
        let current = Some(SigningKey::from_secret(seed.draw()));
        Keys { current, seed }
    }

    /// The public half of the key that signs next.
    pub(crate) fn public(&self) -> Option<PublicKey> {
        self.current.as_ref().map(SigningKey::public)
    }

    /// Hands out the key for this signature and makes the next one, whose public half it returns.
    ///
    /// The key handed out is erased when the caller drops it.
    fn advance(&mut self) -> (Option<SigningKey>, Option<PublicKey>) {
        let Some(key) = self.current.take() else { return (None, None) };
        self.current = Some(SigningKey::from_secret(self.seed.draw()));
        (Some(key), self.public())
    }
}
