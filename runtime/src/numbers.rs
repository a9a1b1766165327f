//! Numbers that an actor gets for what is made for it, and that no other thing of that kind gets later: not in its
//! next life either, and not once it was brought back.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is numbered in all lives of an actor together.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) processes: Count,
    pub(crate) sockets: Count,
    pub(crate) monitors: Count,
    pub(crate) requests: Count,
}

/// The last number that was given out, from 1 on.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Gives the next number out.
    pub(crate) fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// The last number that was given out, or 0.
    pub(crate) fn last(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Notes that this number was given out, and with it all before.
    pub(crate) fn was_given(&self, number: u64) {
        self.0.fetch_max(number, Ordering::Relaxed);
    }
}
