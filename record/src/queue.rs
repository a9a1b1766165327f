//! What a recorder's caller has appended and nobody has linked yet.

use std::time::{Duration, Instant};

use crate::codec::{body_bytes, encode_fields};
use crate::event::{CheckpointPolicy, CloseReason, Event, Kind};
use crate::frame::Frame;
use crate::ledger::Ledger;
use crate::outline::{Payload, outlined_bytes};
use crate::recorder::RecordError;

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Links a record with the next of the batch's fields.
    Record {
        kind: Kind,
        field_count: usize,
        payload: Payload,
        /// Where its fields end.
        end: usize,
    },
    /// Links a checkpoint, to be synced.
    Checkpoint,
    /// Links the close record, to be synced.
    Close(CloseReason, Box<str>),
}

/// A part of the queue as the linker takes it.
#[derive(Default)]
pub(crate) struct Batch {
    /// The encoded fields of all records, one after another, payloads still in line.
    pub(crate) fields: Vec<u8>,
    pub(crate) tasks: Vec<Task>,
}

impl Batch {
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.tasks.clear();
    }

    /// How much memory it takes.
    fn bytes(&self) -> usize {
        self.fields.len() + self.tasks.len() * size_of::<Task>()
    }
}

/// The queue. Event numbers are given out here, so that checkpoints by time and the caller's records
/// never collide.
pub(crate) struct Queue {
    batch: Batch,
    next_seq: u64,
    /// Records queued since the last checkpoint, that one included, and the bytes they would take
    /// with all payloads in line. How many they take once those are out of line is known only
    /// later, and where a checkpoint stands must not depend on when.
    segment_records: u64,
    segment_bytes: u64,
    /// Since when a record has been without a checkpoint behind it.
    pending_since: Option<Instant>,
    policy: CheckpointPolicy,
}

impl Queue {
    /// The queue of a chain that has come so far.
    pub(crate) fn new(ledger: &Ledger, policy: CheckpointPolicy) -> Queue {
        let segment_records = ledger.segment_records();
        Queue {
            batch: Batch::default(),
            next_seq: ledger.records(),
            segment_records,
            segment_bytes: ledger.segment_bytes(),
            pending_since: (segment_records > 1).then(Instant::now),
            policy,
        }
    }

    /// How much memory what is queued takes.
    pub(crate) fn bytes(&self) -> usize {
        self.batch.bytes()
    }

    /// The event number that was given out last.
    pub(crate) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batch.tasks.is_empty()
    }

    /// When the policy asks for a checkpoint if nothing else does before.
    pub(crate) fn checkpoint_due(&self) -> Option<Instant> {
        let interval = Duration::from_nanos(self.policy.interval_ns?);
        self.pending_since?.checked_add(interval)
    }

    /// Queues an event, and a checkpoint behind it if the policy asks for one. Returns the event's
    /// number. Encodes it in the one place from where the linker takes it.
    pub(crate) fn push(&mut self, event: &Event, payload: Payload) -> Result<u64, RecordError> {
        let (seq, kind) = (self.next_seq, event.kind());
        let fields = &mut self.batch.fields;
        let start = fields.len();
        encode_fields(event, fields);
        let outlined = outlined_bytes(event, &fields[start..], payload);
        let bytes = body_bytes(seq, kind, outlined);
        if bytes > kind.body_bytes_max() {
            fields.truncate(start);
            return Err(RecordError::TooLarge { bytes });
        }
        let end = fields.len();
        let field_count = event.field_count();
        self.batch.tasks.push(Task::Record { kind, field_count, payload, end });
        self.next_seq += 1;
        self.segment_records += 1;
        self.segment_bytes += Frame::bytes_around(body_bytes(seq, kind, end - start)) as u64;
        let is_full = self.segment_records >= self.policy.records_max.max(2)
            || self.segment_bytes >= self.policy.bytes_max.max(1);
        if is_full {
            self.command(Task::Checkpoint);
        } else if self.pending_since.is_none() {
            self.pending_since = Some(Instant::now());
        }
        Ok(seq)
    }

    /// Queues a checkpoint or a close record. Returns its event number.
    pub(crate) fn command(&mut self, task: Task) -> u64 {
        self.batch.tasks.push(task);
        let seq = self.next_seq;
        self.next_seq += 1;
        self.segment_records = 1;
        self.segment_bytes = 0;
        self.pending_since = None;
        seq
    }

    /// Gives back the memory that only a busy chain needs. To be called when nothing is queued.
    pub(crate) fn rest(&mut self) {
        debug_assert!(self.is_empty(), "what is queued would be forgotten");
        self.batch = Batch::default();
    }

    /// Exchanges what is queued for an empty batch.
    pub(crate) fn swap(&mut self, empty: &mut Batch) {
        std::mem::swap(&mut self.batch, empty);
    }
}
