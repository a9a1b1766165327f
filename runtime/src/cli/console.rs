//! What actors log, on standard error, without any of them ever waiting for whoever reads it.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::actor_id::ActorId;
use crate::escape::visible;
use crate::system::Log;

/// How many lines may wait to be printed.
const LINES_MAX: usize = 4096;

/// Prints lines on a thread of its own.
pub(super) struct Console {
    left_out: Arc<AtomicU64>,
    /// Taken when no more lines are to come.
    lines: Arc<Mutex<Option<SyncSender<String>>>>,
    printer: JoinHandle<()>,
}

impl Console {
    /// A console that prints from now on.
    pub(super) fn new() -> Console {
        let (lines, printed) = sync_channel(LINES_MAX);
        let left_out = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&left_out);
        let printer = thread::spawn(move || print(&printed, &lost));
        Console { left_out, lines: Arc::new(Mutex::new(Some(lines))), printer }
    }

    /// What a system is given to log with.
    pub(super) fn log(&self) -> Log {
        let (lines, left_out) = (Arc::clone(&self.lines), Arc::clone(&self.left_out));
        Box::new(move |actor: ActorId, text: &str| {
            let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(lines) = lines.as_ref() else { return };
            if lines.try_send(format!("{actor} {}", visible(text))).is_err() {
                left_out.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// Prints what is left.
    pub(super) fn finish(self) {
        drop(self.lines.lock().unwrap_or_else(PoisonError::into_inner).take());
        // A printer that has panicked has printed what it could.
        let _ = self.printer.join();
    }
}

fn print(lines: &Receiver<String>, left_out: &AtomicU64) {
    let mut err = std::io::stderr();
    for line in lines {
        // If nobody reads it, it still stands in the chain.
        let _ = writeln!(err, "{line}");
        let lost = left_out.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(err, "({lost} lines left out; theater logs has them)");
        }
    }
}
