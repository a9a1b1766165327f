//! The bounded queue between the caller of a recorder and its writer thread.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::codec::{body_bytes, encode_fields};
use crate::event::{CheckpointPolicy, CloseReason, Event, Kind};
use crate::frame::Frame;
use crate::ledger::Ledger;
use crate::outline::{Payload, outlined_bytes};
use crate::recorder::{RecordError, Tip};

/// A batch this large is worth waking the writer for.
const BATCH_BYTES: usize = 64 << 10;
/// How long the writer lets a small batch grow. Also how much a killed process can lose.
const LINGER: Duration = Duration::from_millis(1);

/// What the writer is to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Writes a record with the next of the batch's fields.
    Record {
        kind: Kind,
        field_count: usize,
        payload: Payload,
        /// Where its fields end.
        end: usize,
    },
    /// Writes a checkpoint and syncs.
    Checkpoint,
    /// Writes the close record and syncs.
    Close(CloseReason, Box<str>),
}

/// A part of the queue as the writer takes it.
#[derive(Default)]
pub(crate) struct Batch {
    /// The encoded fields of all records, one after another, payloads still in line.
    pub(crate) fields: Vec<u8>,
    pub(crate) tasks: Vec<Task>,
}

impl Batch {
    /// How much memory it takes.
    fn bytes(&self) -> usize {
        self.fields.len() + self.tasks.len() * size_of::<Task>()
    }
}

/// The queue. Event numbers are given out under its lock, so the writer's own checkpoints by time
/// and the caller's records never collide.
pub(crate) struct Queue {
    state: Mutex<State>,
    to_writer: Condvar,
    to_caller: Condvar,
    policy: CheckpointPolicy,
    queue_bytes_max: usize,
}

struct State {
    batch: Batch,
    next_seq: u64,
    /// Records queued since the last checkpoint, that one included, and the bytes they would take
    /// with all payloads in line. How many they take once those are out of line is known only
    /// later, and where a checkpoint stands must not depend on when.
    segment_records: u64,
    segment_bytes: u64,
    /// Set when the writer must not linger.
    urgent: bool,
    stopping: bool,
    linked: Tip,
    durable: Option<u64>,
    failure: Option<Arc<io::Error>>,
    writer_gone: bool,
}

impl Queue {
    pub(crate) fn new(ledger: &Ledger, policy: CheckpointPolicy, queue_bytes_max: usize) -> Queue {
        let place = ledger.place();
        let state = State {
            batch: Batch::default(),
            next_seq: place.seq,
            segment_records: ledger.segment_records(),
            segment_bytes: ledger.segment_bytes(),
            urgent: false,
            stopping: false,
            linked: Tip { seq: place.seq.saturating_sub(1), hash: ledger.head() },
            durable: None,
            failure: None,
            writer_gone: false,
        };
        Queue {
            state: Mutex::new(state),
            to_writer: Condvar::new(),
            to_caller: Condvar::new(),
            policy,
            queue_bytes_max: queue_bytes_max.max(1),
        }
    }

    /// Queues an event. Encodes it in the one place from where the writer takes it.
    pub(crate) fn push(&self, event: &Event, payload: Payload) -> Result<u64, RecordError> {
        let mut state = self.lock();
        while state.batch.bytes() >= self.queue_bytes_max && state.is_working() {
            state = wait(&self.to_caller, state);
        }
        state.check()?;
        let before = state.batch.bytes();
        let (seq, body) = state.record(event, payload)?;
        let after = state.batch.bytes();
        state.segment_records += 1;
        state.segment_bytes += Frame::bytes_around(body) as u64;
        let full = state.segment_records >= self.policy.records_max.max(2)
            || state.segment_bytes >= self.policy.bytes_max.max(1);
        if full {
            state.command(Task::Checkpoint);
        }
        if before == 0 || (before < BATCH_BYTES && after >= BATCH_BYTES) {
            self.to_writer.notify_one();
        }
        Ok(seq)
    }

    /// Queues a checkpoint or a close record and wakes the writer. Returns its event number.
    pub(crate) fn command(&self, task: Task) -> Result<u64, RecordError> {
        let mut state = self.lock();
        state.check()?;
        let seq = state.command(task);
        state.urgent = true;
        self.to_writer.notify_one();
        Ok(seq)
    }

    /// Waits until the record with this number is on disk.
    pub(crate) fn wait_durable(&self, seq: u64) -> Result<(), RecordError> {
        let mut state = self.lock();
        while state.durable < Some(seq) && state.is_working() {
            state = wait(&self.to_caller, state);
        }
        if state.durable >= Some(seq) { Ok(()) } else { state.check() }
    }

    /// Waits until the last queued record is linked.
    pub(crate) fn wait_linked(&self) -> Result<Tip, RecordError> {
        let mut state = self.lock();
        state.urgent = true;
        self.to_writer.notify_one();
        while state.linked.seq + 1 < state.next_seq && state.is_working() {
            state = wait(&self.to_caller, state);
        }
        state.check()?;
        Ok(state.linked)
    }

    /// Lets the writer finish what is queued and end.
    pub(crate) fn stop(&self) {
        self.lock().stopping = true;
        self.to_writer.notify_one();
    }

    /// The writer's side: waits for work. `None` when there will be no more.
    ///
    /// `idle_since` is when the last checkpoint was written; once the policy's interval has passed
    /// since then with records waiting for one, a checkpoint is queued here.
    pub(crate) fn take(&self, spare: Batch, idle_since: Instant) -> Option<Batch> {
        let mut state = self.lock();
        let deadline = self.policy.interval_ns.map(|ns| idle_since + Duration::from_nanos(ns));
        while state.batch.tasks.is_empty() && !state.stopping {
            // The checkpoint itself is the first record of the new segment.
            let timer = deadline.filter(|_| state.segment_records > 1);
            let Some(deadline) = timer else {
                state = wait(&self.to_writer, state);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.command(Task::Checkpoint);
            } else {
                state = wait_for(&self.to_writer, state, left);
            }
        }
        let lingering = Instant::now();
        while !state.urgent && !state.stopping && state.batch.bytes() < BATCH_BYTES {
            let left = LINGER.saturating_sub(lingering.elapsed());
            if left.is_zero() {
                break;
            }
            state = wait_for(&self.to_writer, state, left);
        }
        let due = deadline.is_some_and(|deadline| deadline <= Instant::now());
        if due && state.segment_records > 1 {
            state.command(Task::Checkpoint);
        }
        if state.batch.tasks.is_empty() {
            return None;
        }
        state.urgent = false;
        let batch = std::mem::replace(&mut state.batch, spare);
        self.to_caller.notify_all();
        Some(batch)
    }

    /// The writer's side: tells how far it got.
    pub(crate) fn report(&self, linked: Tip, durable: Option<u64>) {
        let mut state = self.lock();
        state.linked = linked;
        state.durable = durable;
        self.to_caller.notify_all();
    }

    /// The writer's side: writing failed, for good.
    pub(crate) fn fail(&self, error: io::Error) {
        self.lock().failure = Some(Arc::new(error));
        self.to_caller.notify_all();
    }

    /// The writer's side: it ends, be it by a panic.
    pub(crate) fn writer_ends(&self) {
        self.lock().writer_gone = true;
        self.to_caller.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Encodes an event. Returns its number and how long its body is with the payload in line.
    fn record(&mut self, event: &Event, payload: Payload) -> Result<(u64, usize), RecordError> {
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
        Ok((seq, body_bytes(seq, kind, end - start)))
    }

    fn command(&mut self, task: Task) -> u64 {
        self.batch.tasks.push(task);
        let seq = self.next_seq;
        self.next_seq += 1;
        self.segment_records = 1;
        self.segment_bytes = 0;
        seq
    }

    fn is_working(&self) -> bool {
        self.failure.is_none() && !self.writer_gone
    }

    fn check(&self) -> Result<(), RecordError> {
        match &self.failure {
            Some(error) => Err(RecordError::Log(error.clone())),
            None if self.writer_gone => Err(RecordError::WriterGone),
            None => Ok(()),
        }
    }
}

fn wait<'a>(condvar: &Condvar, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
    condvar.wait(state).unwrap_or_else(PoisonError::into_inner)
}

fn wait_for<'a>(
    condvar: &Condvar,
    state: MutexGuard<'a, State>,
    time: Duration,
) -> MutexGuard<'a, State> {
    condvar.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
}
