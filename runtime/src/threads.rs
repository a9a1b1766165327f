//! Threads on which actors run: one for each call that is under way, none for an actor that waits
//! for its next message.
//!
//! A call may wait for the world for as long as it likes without holding up another actor. What it
//! costs meanwhile is a thread's stack, of which only what was touched takes memory.
//!
//! No more of them compute at once than there are processors: a thread that is up does what comes next,
//! and no other has to be woken for it. One that is about to wait stands [`aside`] for another. One that
//! computes for long, or waits without saying so, holds the others up for [`LATE`] and not longer.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A thread with nothing to do goes after this long.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// A job that nobody has taken for so long gets one thread more.
const LATE: Duration = Duration::from_millis(1);

type Job = Box<dyn FnOnce() + Send>;

/// A set of threads that grows and shrinks with what there is to do.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    more: Condvar,
    stack_bytes: usize,
    /// How many threads compute at once.
    busy_max: usize,
}

#[derive(Default)]
struct State {
    /// What there is to do, and since when.
    jobs: VecDeque<(Instant, Job)>,
    /// How many threads have a job and do not stand aside.
    busy: usize,
    /// How many threads wait to be woken.
    idle: usize,
    /// How many of them were woken and are not up yet.
    woken: usize,
    /// How many threads were started and are not up yet.
    started: usize,
    /// Whether a thread looks after jobs that may become late.
    is_watched: bool,
}

thread_local! {
    /// The set that this thread is one of.
    static SET: RefCell<Option<Arc<Shared>>> = const { RefCell::new(None) };
}

/// Does something that may have to wait. If this thread is one on which actors run, another may take its
/// place meanwhile.
pub(crate) fn aside<R>(wait: impl FnOnce() -> R) -> R {
    // While it stands aside, it does not belong to them.
    let Some(set) = SET.take() else { return wait() };
    let mut state = set.lock();
    state.busy -= 1;
    set.call(state);
    let _back = Back(set);
    wait()
}

/// Takes its place again where a thread stood aside.
struct Back(Arc<Shared>);

impl Drop for Back {
    fn drop(&mut self) {
        self.0.lock().busy += 1;
        SET.set(Some(Arc::clone(&self.0)));
    }
}

impl Threads {
    /// Threads with stacks of this size.
    pub(crate) fn new(stack_bytes: usize) -> Threads {
        let processors = std::thread::available_parallelism().map_or(2, usize::from);
        // Two at least, so that on one processor one that computes for long holds nobody up.
        let (state, more) = (Mutex::new(State::default()), Condvar::new());
        Threads(Arc::new(Shared { state, more, stack_bytes, busy_max: processors.max(2) }))
    }

    /// Has a thread do something soon. If the system gives no more threads, one that becomes free
    /// does it.
    pub(crate) fn run(&self, job: impl FnOnce() + Send + 'static) {
        let mut state = self.0.lock();
        state.jobs.push_back((Instant::now(), Box::new(job)));
        self.0.call(state);
    }
}

impl Shared {
    /// Gets a thread up, if one is needed.
    fn call(self: &Arc<Shared>, mut state: MutexGuard<'_, State>) {
        let wanted = state.jobs.len().min(self.busy_max.saturating_sub(state.busy));
        let wanted = match state.jobs.is_empty() || state.is_watched {
            true => wanted,
            // One more becomes the watch.
            false => wanted.max(1),
        };
        if state.woken + state.started >= wanted {
            return;
        }
        if state.idle > state.woken {
            state.woken += 1;
            drop(state);
            return self.more.notify_one();
        }
        state.started += 1;
        drop(state);
        let shared = Arc::clone(self);
        let thread = std::thread::Builder::new().name("actor".to_owned());
        if thread.stack_size(self.stack_bytes).spawn(move || shared.work()).is_err() {
            self.lock().started -= 1;
        }
    }

    fn work(self: Arc<Shared>) {
        SET.set(Some(Arc::clone(&self)));
        let mut state = self.lock();
        state.started -= 1;
        loop {
            if let Some(job) = self.due(&mut state) {
                state.busy += 1;
                self.call(state);
                // A panic is a defect of this program, of which the others know nothing.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
                state.busy -= 1;
            } else if !state.jobs.is_empty() && !state.is_watched {
                state.is_watched = true;
                drop(state);
                std::thread::sleep(LATE);
                state = self.lock();
                state.is_watched = false;
            } else {
                let idle;
                (state, idle) = self.rest(state);
                if idle {
                    return;
                }
            }
        }
    }

    /// The next job, if this thread is to do it.
    fn due(&self, state: &mut State) -> Option<Job> {
        let (since, _) = state.jobs.front()?;
        let is_due = state.busy < self.busy_max || since.elapsed() >= LATE;
        state.jobs.pop_front_if(|_| is_due).map(|(_, job)| job)
    }

    /// Waits until there is something to do. Says whether that took too long.
    fn rest<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, bool) {
        state.idle += 1;
        let waited = self.more.wait_timeout_while(state, IDLE_MAX, |state| state.woken == 0);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        state.idle -= 1;
        if timeout.timed_out() && state.woken == 0 {
            return (state, true);
        }
        state.woken -= 1;
        (state, false)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No job runs while this is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::{Duration, Instant};

    use super::{Threads, aside};

    /// Runs jobs of which each waits for the one after it.
    fn all_run(wait: fn(&mpsc::Receiver<()>)) {
        let threads = Threads::new(1 << 20);
        let (done, all_done) = mpsc::channel();
        let gates: Vec<_> = (0..50).map(|_| mpsc::channel::<()>()).collect();
        let (opens, waits): (Vec<_>, Vec<_>) = gates.into_iter().unzip();
        for (number, gate) in waits.into_iter().enumerate() {
            let done = done.clone();
            threads.run(move || {
                wait(&gate);
                done.send(number).unwrap();
            });
        }
        for open in opens.into_iter().rev() {
            open.send(()).unwrap();
        }
        let numbers = all_done.iter().take(50);
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..50));
    }

    #[test]
    fn jobs_that_wait_for_one_another_all_run_whether_they_say_so_or_not() {
        all_run(|gate| aside(|| gate.recv().unwrap()));
        all_run(|gate| gate.recv().unwrap());
    }

    #[test]
    fn no_more_compute_at_once_than_there_are_processors() {
        let threads = Threads::new(1 << 20);
        let (tell, told) = mpsc::channel();
        for _ in 0..2000 {
            let tell = tell.clone();
            threads.run(move || tell.send(std::thread::current().id()).unwrap());
        }
        let mut ids: Vec<_> = told.iter().take(2000).collect();
        ids.sort_unstable_by_key(|id| format!("{id:?}"));
        ids.dedup();
        // Each time that one was late, there may be one more.
        assert!(ids.len() <= 200, "{} threads", ids.len());
    }

    #[test]
    fn a_job_that_panics_takes_nothing_from_the_others() {
        let threads = Threads::new(1 << 20);
        for _ in 0..10 {
            threads.run(|| panic!("this test has a job panic"));
            threads.run(|| aside(|| panic!("this test has a job panic that stands aside")));
        }
        let (tell, told) = mpsc::channel();
        threads.run(move || tell.send(7).unwrap());
        assert_eq!(told.recv_timeout(Duration::from_secs(60)), Ok(7));
        // Late jobs are done even if all places are taken, so only this shows that none is lost.
        let start = Instant::now();
        while threads.0.lock().busy > 0 {
            assert!(start.elapsed() < Duration::from_secs(60), "a place is lost");
        }
    }
}
