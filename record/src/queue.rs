//! The bounded queue between the caller of a recorder and its writer thread.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::cbor::Encoder;
use crate::event::{CheckpointPolicy, CloseReason, Kind};
use crate::format::COMMON_FIELDS;
use crate::frame::Frame;
use crate::hash::Hash;
use crate::ledger::Ledger;
use crate::recorder::{RecordError, Tip};

/// A batch this large is worth waking the writer for.
const BATCH_BYTES: usize = 64 << 10;
/// How long the writer lets a small batch grow. Also how much a killed process can lose.
const LINGER: Duration = Duration::from_millis(1);

/// Frames one after another. Records among them still lack the previous hash.
#[derive(Default)]
pub(crate) struct Frames {
    pub(crate) bytes: Vec<u8>,
}

impl Frames {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// Visits each frame's bytes.
    pub(crate) fn each(&self, mut visit: impl FnMut(&[u8])) {
        let mut rest = &self.bytes[..];
        while let Some(frame) = Frame::parse(rest) {
            visit(frame.bytes());
            rest = &rest[frame.bytes().len()..];
        }
        debug_assert!(rest.is_empty());
    }
}

/// What the writer does between two frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Writes a checkpoint and syncs.
    Checkpoint,
    /// Writes the close record and syncs.
    Close(CloseReason, String),
}

/// A part of the queue as the writer takes it.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) frames: Frames,
    /// Commands, each with the offset in `frames` before which it is carried out.
    pub(crate) commands: Vec<(usize, Command)>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.frames.bytes.is_empty() && self.commands.is_empty()
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
    tag: [u8; 4],
    next_seq: u64,
    /// Records and bytes queued since the last checkpoint command, that command included.
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
            tag: place.tag,
            next_seq: place.seq,
            segment_records: ledger.segment_records(),
            segment_bytes: 0,
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

    /// Queues the blob frames and then the record with these encoded fields.
    pub(crate) fn push(
        &self,
        kind: Kind,
        field_count: usize,
        fields: &[u8],
        blobs: &Frames,
    ) -> Result<u64, RecordError> {
        let mut state = self.lock();
        while state.batch.frames.bytes.len() >= self.queue_bytes_max && state.is_working() {
            state = wait(&self.to_caller, state);
        }
        state.check()?;
        let seq = state.next_seq;
        let body_bytes = 40 + uint_bytes(seq) + uint_bytes(kind as u64) + fields.len();
        if body_bytes > kind.body_bytes_max() {
            return Err(RecordError::TooLarge { bytes: body_bytes });
        }
        let before = state.batch.frames.bytes.len();
        let tag = state.tag;
        let out = &mut state.batch.frames.bytes;
        out.extend_from_slice(&blobs.bytes);
        let mut out = Encoder(out);
        out.tag(24);
        out.bytes_head(body_bytes);
        out.array(COMMON_FIELDS + field_count);
        out.bytes(&tag);
        out.bytes(&Hash::ZERO.0);
        out.uint(seq);
        out.uint(kind as u64);
        out.raw(fields);
        let after = state.batch.frames.bytes.len();
        state.next_seq += 1;
        state.segment_records += 1;
        state.segment_bytes += (after - before) as u64;
        let full = state.segment_records >= self.policy.records_max.max(2)
            || state.segment_bytes >= self.policy.bytes_max.max(1);
        if full {
            state.command(Command::Checkpoint);
        }
        if before == 0 || (before < BATCH_BYTES && after >= BATCH_BYTES) {
            self.to_writer.notify_one();
        }
        Ok(seq)
    }

    /// Queues a command and wakes the writer. Returns the event number of the record it writes.
    pub(crate) fn command(&self, command: Command) -> Result<u64, RecordError> {
        let mut state = self.lock();
        state.check()?;
        let seq = state.command(command);
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
        while state.batch.is_empty() && !state.stopping {
            // The checkpoint itself is the first record of the new segment.
            let timer = deadline.filter(|_| state.segment_records > 1);
            let Some(deadline) = timer else {
                state = wait(&self.to_writer, state);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.command(Command::Checkpoint);
            } else {
                state = wait_for(&self.to_writer, state, left);
            }
        }
        let lingering = Instant::now();
        while !state.urgent && !state.stopping && state.batch.frames.bytes.len() < BATCH_BYTES {
            let left = LINGER.saturating_sub(lingering.elapsed());
            if left.is_zero() {
                break;
            }
            state = wait_for(&self.to_writer, state, left);
        }
        let due = deadline.is_some_and(|deadline| deadline <= Instant::now());
        if due && state.segment_records > 1 {
            state.command(Command::Checkpoint);
        }
        if state.batch.is_empty() {
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
    fn command(&mut self, command: Command) -> u64 {
        let at = self.batch.frames.bytes.len();
        self.batch.commands.push((at, command));
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

/// How many bytes the shortest form of a number takes.
fn uint_bytes(number: u64) -> usize {
    match number {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}
