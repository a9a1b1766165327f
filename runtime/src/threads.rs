//! Threads on which actors run: one for each call that is under way, none for an actor that waits
//! for its next message.
//!
//! A call may wait for the world for as long as it likes without holding up another actor. What it
//! costs meanwhile is a thread's stack, of which only what was touched takes memory.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A thread with nothing to do goes after this long.
const IDLE_MAX: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce() + Send>;

/// A set of threads that grows and shrinks with what there is to do.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    more: Condvar,
    stack_bytes: usize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    idle: usize,
}

impl Threads {
    /// Threads with stacks of this size.
    pub(crate) fn new(stack_bytes: usize) -> Threads {
        let (state, more) = (Mutex::new(State::default()), Condvar::new());
        Threads(Arc::new(Shared { state, more, stack_bytes }))
    }

    /// Has a thread do something at once. If the system gives no more threads, one that becomes free
    /// does it.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock();
        let has_idle = state.idle > state.jobs.len();
        state.jobs.push_back(Box::new(job));
        drop(state);
        if has_idle {
            self.0.more.notify_one();
            return;
        }
        let shared = Arc::clone(&self.0);
        let thread = std::thread::Builder::new().name("actor".to_owned());
        let _ = thread.stack_size(self.0.stack_bytes).spawn(move || shared.work());
    }
}

impl Shared {
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let (woken, waited) =
                self.more.wait_timeout(state, IDLE_MAX).unwrap_or_else(PoisonError::into_inner);
            state = woken;
            state.idle -= 1;
            if waited.timed_out() && state.jobs.is_empty() {
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No job runs while this is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::Threads;

    #[test]
    fn jobs_that_wait_for_one_another_all_run() {
        let threads = Threads::new(1 << 20);
        let (done, all_done) = mpsc::channel();
        let gates: Vec<_> = (0..50).map(|_| mpsc::channel::<()>()).collect();
        let (opens, waits): (Vec<_>, Vec<_>) = gates.into_iter().unzip();
        for (number, wait) in waits.into_iter().enumerate() {
            let done = done.clone();
            let job = move || {
                wait.recv().unwrap();
                done.send(number).unwrap();
            };
            threads.run(job);
        }
        for open in opens.into_iter().rev() {
            open.send(()).unwrap();
        }
        let mut numbers: Vec<_> = all_done.iter().take(50).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..50));
    }
}
