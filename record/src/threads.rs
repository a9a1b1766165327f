//! The few threads that write all chains of a process, each when something has waited for a while.
//!
//! They are started when there is something to do. One of them, the lead, waits for the next chain
//! that is due; before it turns to that chain it has another one lead. So however long a disk takes,
//! somebody looks after the chains on other disks, until [`THREADS_MAX`] are stuck. Even then, what a
//! recorder's caller has to wait for is done by the caller itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::writer::Writer;

/// How many threads there are at most.
const THREADS_MAX: usize = 32;
/// A thread that nobody needed for so long goes. The lead stays.
const IDLE_MAX: Duration = Duration::from_secs(5);
/// Room for a log's own code; what is done here takes little.
const STACK_BYTES: usize = 512 << 10;

/// When a thread is to come by at a chain. Each is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Visit {
    /// The time from which on it is due.
    pub(crate) at: Instant,
    number: u64,
}

/// Has a thread come by at a chain.
pub(crate) fn visit(writer: &Arc<Writer>, at: Instant) -> Visit {
    let mut state = THREADS.lock();
    state.visits_asked += 1;
    let visit = Visit { at, number: state.visits_asked };
    state.visits.insert(visit, Arc::clone(writer));
    if state.has_lead {
        let is_first = state.visits.first_key_value().is_some_and(|(first, _)| *first == visit);
        if is_first {
            THREADS.due.notify_one();
        }
    } else if state.threads == 0 {
        state.start_one();
    }
    visit
}

/// Has no thread come by after all. One may be on its way.
pub(crate) fn cancel(visit: Visit) {
    THREADS.lock().visits.remove(&visit);
}

static THREADS: Threads = Threads {
    state: Mutex::new(State {
        visits: BTreeMap::new(),
        visits_asked: 0,
        threads: 0,
        idle: 0,
        has_lead: false,
    }),
    due: Condvar::new(),
    lead: Condvar::new(),
};

struct Threads {
    state: Mutex<State>,
    /// Tells the lead that something is due earlier.
    due: Condvar,
    /// Tells an idle thread that nobody leads.
    lead: Condvar,
}

struct State {
    visits: BTreeMap<Visit, Arc<Writer>>,
    visits_asked: u64,
    threads: usize,
    /// How many threads neither lead nor write.
    idle: usize,
    /// Whether a thread waits for the next visit.
    has_lead: bool,
}

impl Threads {
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.has_lead {
                state.idle += 1;
                let waited = self.lead.wait_timeout(state, IDLE_MAX);
                let (woken, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                state = woken;
                state.idle -= 1;
                if timeout.timed_out() && state.has_lead {
                    state.threads -= 1;
                    return;
                }
                continue;
            }
            let (visit, writer);
            (state, visit, writer) = self.next(state);
            if state.idle > 0 {
                self.lead.notify_one();
            } else {
                state.start_one();
            }
            drop(state);
            writer.attend(visit);
            // It may be the last to hold on to the chain.
            drop(writer);
            state = self.lock();
        }
    }

    /// Leads until a chain is due.
    fn next<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> (MutexGuard<'a, State>, Visit, Arc<Writer>) {
        state.has_lead = true;
        loop {
            let Some(first) = state.visits.first_entry() else {
                state = self.due.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = first.key().at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let (visit, writer) = first.remove_entry();
                state.has_lead = false;
                return (state, visit, writer);
            }
            let waited = self.due.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Starts a thread, unless there are enough or the system has no more. Then chains are written by
    /// those that there are, and by callers who wait for it.
    fn start_one(&mut self) {
        if self.threads == THREADS_MAX {
            return;
        }
        let thread = std::thread::Builder::new().name("chain-writer".to_owned());
        if thread.stack_size(STACK_BYTES).spawn(|| THREADS.work()).is_ok() {
            self.threads += 1;
        }
    }
}
