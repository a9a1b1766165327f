//! Brings one chain from its queue into its log, on whatever thread has the time.
//!
//! A chain has no thread of its own. Whoever has taken its output writes it, and nobody else does: one
//! of the [`threads`] that come by when something has waited for a while, or the recorder's caller, if
//! it has to wait for the outcome anyway. Linking takes no log, so that a caller who wants a hash does
//! not wait for a disk.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::event::Event;
use crate::linker::{Linker, Ready};
use crate::log::Log;
use crate::outline::Payload;
use crate::queue::{Queue, Task};
use crate::recorder::{RecordError, Tip};
use crate::threads::{self, Visit};

/// Once this much waits, it is written at once.
const BATCH_BYTES: usize = 64 << 10;
/// How long less than that waits for more. Also how much a killed process can lose.
const LINGER: Duration = Duration::from_millis(1);
/// A thread that was asked to come by at once may be kept from it, but whoever waits for it not for longer.
const VISIT_MAX: Duration = Duration::from_millis(20);
/// Frames are written as soon as this many bytes of them are ready.
const WRITE_BYTES: usize = 1 << 20;

/// What a recorder and the threads that write for it have in common.
pub(crate) struct Writer {
    state: Mutex<State>,
    /// Locked before the state, if both are.
    linker: Mutex<Linker>,
    changed: Condvar,
    queue_bytes_max: usize,
}

struct State {
    queue: Queue,
    /// How much of what is linked waits to be written.
    ready_bytes: usize,
    /// Where to write to. Whoever writes has taken it out; after a failure it does not come back.
    output: Option<Output>,
    /// The last record that is known to be in the log.
    written: Option<u64>,
    /// The last record that is known to be on disk.
    durable: Option<u64>,
    /// Who wants to hear once a record is in the log, in the order of these records.
    hearers: VecDeque<(u64, Hears)>,
    failure: Option<RecordError>,
    /// When a thread comes by.
    visit: Option<Visit>,
}

/// Hears that something is in the log, or that it will never be. It must not wait.
pub(crate) type Hears = Box<dyn FnOnce(Result<(), RecordError>) + Send>;

struct Output {
    log: Box<dyn Log>,
    /// What was written last. Kept for its memory while the chain is busy.
    written: Ready,
}

impl Writer {
    /// The writer of a chain that has a header.
    pub(crate) fn new(
        log: Box<dyn Log>,
        queue: Queue,
        linker: Linker,
        queue_bytes_max: usize,
    ) -> Arc<Writer> {
        let ready_bytes = linker.ready_bytes();
        let output = Some(Output { log, written: Ready::default() });
        // What the chain has so far is in the log, unless something waits behind it already.
        let written = (ready_bytes == 0).then(|| queue.last_seq());
        let state = State {
            queue,
            ready_bytes,
            output,
            written,
            durable: None,
            hearers: VecDeque::new(),
            failure: None,
            visit: None,
        };
        let writer = Arc::new(Writer {
            state: Mutex::new(state),
            linker: Mutex::new(linker),
            changed: Condvar::new(),
            queue_bytes_max: queue_bytes_max.max(1),
        });
        // A new chain has a header to be written.
        writer.ask_for_visit(&mut writer.lock(), LINGER);
        writer
    }

    /// Queues an event. Waits while there is no room.
    pub(crate) fn push(
        self: &Arc<Writer>,
        event: &Event,
        payload: Payload,
    ) -> Result<u64, RecordError> {
        let mut state = self.lock();
        if state.waiting_bytes() >= self.queue_bytes_max {
            state = self.wait(state, |state| state.waiting_bytes() < self.queue_bytes_max);
        }
        state.check()?;
        let before = state.waiting_bytes();
        let seq = state.queue.push(event, payload)?;
        if before < BATCH_BYTES && state.waiting_bytes() >= BATCH_BYTES {
            self.ask_for_visit(&mut state, Duration::ZERO);
        } else if before == 0 {
            self.ask_for_visit(&mut state, LINGER);
        }
        Ok(seq)
    }

    /// Queues a checkpoint or a close record, and returns once it and all before it are on disk.
    pub(crate) fn write_durably(self: &Arc<Writer>, task: Task) -> Result<(), RecordError> {
        let mut state = self.lock();
        state.check()?;
        let seq = state.queue.command(task);
        let state = self.wait(state, |state| state.durable >= Some(seq));
        if state.durable >= Some(seq) { Ok(()) } else { state.check() }
    }

    /// Returns once the header is in the log. A thread sees to it, as the sync behind it is not waited for.
    pub(crate) fn write_header(self: &Arc<Writer>) -> Result<(), RecordError> {
        let mut state = self.lock();
        let is_missing = |state: &mut State| state.written.is_none() && state.failure.is_none();
        if is_missing(&mut state) {
            self.ask_for_visit(&mut state, Duration::ZERO);
        }
        let waited = self.changed.wait_timeout_while(state, VISIT_MAX, is_missing);
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        self.wait(state, |state| state.written.is_some()).check()
    }

    /// Returns once everything that is queued by now is in the log, whatever is queued meanwhile.
    pub(crate) fn write(self: &Arc<Writer>) -> Result<(), RecordError> {
        let state = self.lock();
        let last = Some(state.queue.last_seq());
        self.wait(state, |state| state.written >= last).check()
    }

    /// Has somebody hear of it once everything that is queued is in the log.
    pub(crate) fn when_written(&self, hears: Hears) {
        let mut state = self.lock();
        let outcome = match (&state.failure, state.queue.last_seq()) {
            (Some(failure), _) => Err(failure.clone()),
            (None, last) if state.written >= Some(last) => Ok(()),
            (None, last) => return state.hearers.push_back((last, hears)),
        };
        drop(state);
        hears(outcome);
    }

    /// Links everything that is queued. Returns the last record, and the last event of the caller's.
    pub(crate) fn link(&self) -> Result<(Tip, Tip), RecordError> {
        let mut linker = self.linker();
        loop {
            if let Err(error) = caught(|| linker.link(usize::MAX)) {
                let mut state = self.lock();
                let error = state.fail(error);
                drop(self.tell(state));
                return Err(error);
            }
            let mut state = self.lock();
            state.check()?;
            state.ready_bytes = linker.ready_bytes();
            if state.queue.is_empty() {
                return Ok((linker.tip(), linker.event()));
            }
            linker.take(&mut state.queue);
        }
    }

    /// Writes what is queued, and nothing ever after.
    pub(crate) fn stop(self: &Arc<Writer>) {
        let mut state = self.wait(self.lock(), State::is_at_rest);
        if let Some(visit) = state.visit.take() {
            threads::cancel(visit);
        }
        state.output = None;
    }

    /// Does what is due. For the threads that come by.
    pub(crate) fn attend(self: &Arc<Writer>, visit: Visit) {
        let mut state = self.lock();
        if state.visit == Some(visit) {
            state.visit = None;
        }
        // Whoever writes looks ahead once it is done.
        let Some(output) = state.output.take() else { return };
        if state.queue.checkpoint_due().is_some_and(|due| due <= Instant::now()) {
            state.queue.command(Task::Checkpoint);
        }
        drop(self.work(state, output));
    }

    /// Waits until something is so, or can be no more. If nobody writes, the caller does.
    fn wait<'a>(
        self: &'a Arc<Writer>,
        mut state: MutexGuard<'a, State>,
        is_so: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        while !is_so(&state) && state.failure.is_none() {
            state = match state.output.take() {
                Some(output) => self.work(state, output),
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state
    }

    /// Writes what waits to where the caller has taken out.
    fn work<'a>(
        self: &'a Arc<Writer>,
        state: MutexGuard<'a, State>,
        mut output: Output,
    ) -> MutexGuard<'a, State> {
        drop(state);
        let written = caught(|| self.write_all(&mut output));
        let mut state = self.lock();
        match written {
            Ok(()) if state.failure.is_none() => {
                state.output = Some(output);
                self.look_ahead(&mut state);
            }
            Ok(()) => {}
            // A failed sync may have dropped pages that later syncs would call clean, so there is
            // no second try.
            Err(error) => drop(state.fail(error)),
        }
        self.changed.notify_all();
        self.tell(state)
    }

    /// Tells those whose records are in the log by now, or will never be.
    fn tell<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let count = match state.failure {
            Some(_) => state.hearers.len(),
            None => state.hearers.partition_point(|(seq, _)| Some(*seq) <= state.written),
        };
        if count == 0 {
            return state;
        }
        let (outcome, heard) = (state.check(), state.hearers.drain(..count).collect::<Vec<_>>());
        drop(state);
        heard.into_iter().for_each(|(_, hears)| hears(outcome.clone()));
        self.lock()
    }

    /// Links and writes what waits by now.
    fn write_all(&self, output: &mut Output) -> io::Result<()> {
        let mut linker = self.linker();
        if linker.is_done() {
            linker.take(&mut self.lock().queue);
        }
        loop {
            linker.link(WRITE_BYTES)?;
            let is_last = linker.is_done();
            let mut state = self.lock();
            if state.failure.is_some() {
                return Ok(());
            }
            linker.hand_out(&mut output.written);
            let last = linker.tip().seq;
            state.ready_bytes = 0;
            drop((state, linker));
            self.changed.notify_all();
            self.write_ready(&output.written, output.log.as_mut())?;
            let mut state = self.lock();
            state.written = Some(last);
            drop(self.tell(state));
            linker = self.linker();
            if is_last {
                let mut state = self.lock();
                if state.queue.is_empty() {
                    // An idle chain keeps no memory for what it may have to write one day.
                    state.queue.rest();
                    linker.rest();
                    output.written = Ready::default();
                }
                return Ok(());
            }
        }
    }

    fn write_ready(&self, ready: &Ready, log: &mut dyn Log) -> io::Result<()> {
        let mut start = 0;
        for point in &ready.syncs {
            append(log, &ready.frames[start..point.end])?;
            let mut state = self.lock();
            state.written = Some(point.seq);
            drop(self.tell(state));
            self.changed.notify_all();
            log.sync()?;
            start = point.end;
            self.lock().durable = Some(point.seq);
            self.changed.notify_all();
        }
        append(log, &ready.frames[start..])
    }

    /// Has a thread come by for what came in meanwhile, and for the next checkpoint by time.
    fn look_ahead(self: &Arc<Writer>, state: &mut State) {
        if state.waiting_bytes() >= BATCH_BYTES {
            self.ask_for_visit(state, Duration::ZERO);
        } else if !state.is_written() {
            self.ask_for_visit(state, LINGER);
        } else if let Some(due) = state.queue.checkpoint_due() {
            self.ask_for_visit(state, due.saturating_duration_since(Instant::now()));
        }
    }

    /// Has a thread come by after this time, or before.
    fn ask_for_visit(self: &Arc<Writer>, state: &mut State, after: Duration) {
        // Whoever writes looks ahead once it is done.
        if state.output.is_none() {
            return;
        }
        let at = Instant::now() + after;
        if state.visit.is_none_or(|visit| visit.at > at) {
            if let Some(visit) = state.visit.take() {
                threads::cancel(visit);
            }
            state.visit = Some(threads::visit(self, at));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn linker(&self) -> MutexGuard<'_, Linker> {
        // A panic of the clock is kept as a failure, and nothing is written after that.
        self.linker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How much memory takes what is neither written nor being written.
    fn waiting_bytes(&self) -> usize {
        self.queue.bytes() + self.ready_bytes
    }

    fn is_written(&self) -> bool {
        self.waiting_bytes() == 0
    }

    /// Whether nothing waits and nobody writes.
    fn is_at_rest(&self) -> bool {
        self.output.is_some() && self.is_written()
    }

    /// Keeps the first failure; it is final.
    fn fail(&mut self, error: RecordError) -> RecordError {
        self.output = None;
        self.failure.get_or_insert(error).clone()
    }

    fn check(&self) -> Result<(), RecordError> {
        self.failure.clone().map_or(Ok(()), Err)
    }
}

/// A log or a clock that panics is the end of its own chain, not of those that share the thread.
fn caught(work: impl FnOnce() -> io::Result<()>) -> Result<(), RecordError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| RecordError::Log(Arc::new(error))),
        Err(_) => Err(RecordError::Panicked),
    }
}

fn append(log: &mut dyn Log, frames: &[u8]) -> io::Result<()> {
    if frames.is_empty() { Ok(()) } else { log.append(frames) }
}
