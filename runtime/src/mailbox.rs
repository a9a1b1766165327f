//! What waits to be done by an actor, in order, and never more than there is room for.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::threads::aside;

/// A bounded queue with many senders and one receiver at a time.
pub(crate) struct Mailbox<T> {
    inner: Mutex<Inner<T>>,
    room: Condvar,
    capacity: usize,
    bytes_max: usize,
}

struct Inner<T> {
    /// Each with the bytes it takes.
    waiting: VecDeque<(T, usize)>,
    bytes: usize,
    /// Once closed, nothing more gets in.
    is_closed: bool,
}

/// Why something was not put into a mailbox. It comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused<T> {
    /// There was no room for as long as the sender would wait.
    Full(T),
    /// The actor has come to its end.
    Closed(T),
}

impl<T> Inner<T> {
    fn add(&mut self, item: T, bytes: usize) {
        self.waiting.push_back((item, bytes));
        self.bytes += bytes;
    }
}

impl<T> Mailbox<T> {
    /// A mailbox with room for so many, and for so many bytes.
    #[must_use]
    pub(crate) fn new(capacity: usize, bytes_max: usize) -> Mailbox<T> {
        let inner = Mutex::new(Inner { waiting: VecDeque::new(), bytes: 0, is_closed: false });
        Mailbox { inner, room: Condvar::new(), capacity: capacity.max(1), bytes_max }
    }

    /// Puts something of so many bytes in, waiting for room for a while. What is larger than all the room there
    /// is gets in once nothing else waits.
    pub(crate) fn put(&self, item: T, bytes: usize, patience: Duration) -> Result<(), Refused<T>> {
        let until = Instant::now() + patience;
        let mut inner = self.lock();
        loop {
            if inner.is_closed {
                return Err(Refused::Closed(item));
            }
            if self.has_room(&inner, bytes) {
                inner.add(item, bytes);
                return Ok(());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Refused::Full(item));
            }
            let waited = aside(|| self.room.wait_timeout(inner, left));
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Puts something in that has to get in, such as news of a child. There is room for it always.
    pub(crate) fn put_anyway(&self, item: T, bytes: usize) -> Result<(), Refused<T>> {
        let mut inner = self.lock();
        if inner.is_closed {
            return Err(Refused::Closed(item));
        }
        inner.add(item, bytes);
        Ok(())
    }

    /// Takes what has waited longest.
    pub(crate) fn take(&self) -> Option<T> {
        let mut inner = self.lock();
        let was_full = inner.waiting.len() >= self.capacity;
        let (item, bytes) = inner.waiting.pop_front()?;
        inner.bytes -= bytes;
        match was_full {
            true => self.room.notify_one(),
            // Whoever waits does so for bytes, and there may be room for many small ones where a large one was.
            false => self.room.notify_all(),
        }
        Some(item)
    }

    /// Lets nothing more in, and gives back what was never taken.
    pub(crate) fn close(&self) -> Vec<T> {
        let mut inner = self.lock();
        inner.is_closed = true;
        self.room.notify_all();
        inner.bytes = 0;
        inner.waiting.drain(..).map(|(item, _)| item).collect()
    }

    /// Lets things in again.
    pub(crate) fn open(&self) {
        self.lock().is_closed = false;
    }

    /// How much waits.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn has_room(&self, inner: &Inner<T>, bytes: usize) -> bool {
        let is_empty = inner.waiting.is_empty();
        inner.waiting.len() < self.capacity && (is_empty || inner.bytes + bytes <= self.bytes_max)
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Nothing in here can be left half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;
    use std::time::Duration;

    use super::{Mailbox, Refused};

    #[test]
    fn what_was_put_first_is_taken_first_and_some_always_get_in() {
        let mailbox = Mailbox::new(2, 100);
        mailbox.put("a", 1, Duration::ZERO).unwrap();
        mailbox.put("b", 1, Duration::ZERO).unwrap();
        mailbox.put_anyway("c", 1).unwrap();
        let taken: Vec<_> = std::iter::from_fn(|| mailbox.take()).collect();
        assert_eq!(taken, ["a", "b", "c"]);
    }

    #[test]
    fn without_room_a_sender_waits_and_then_hears_so() {
        let mailbox = Mailbox::new(1, 100);
        mailbox.put(1, 1, Duration::ZERO).unwrap();
        assert_eq!(mailbox.put(2, 1, Duration::from_millis(5)), Err(Refused::Full(2)));
        assert_eq!(mailbox.len(), 1);
    }

    #[test]
    fn what_is_large_waits_for_room_and_what_is_larger_than_all_room_gets_in_alone() {
        let mailbox = Mailbox::new(10, 100);
        mailbox.put("over", 101, Duration::ZERO).unwrap();
        assert_eq!(mailbox.put("no", 1, Duration::ZERO), Err(Refused::Full("no")));
        assert_eq!(mailbox.take(), Some("over"));
        mailbox.put("a", 60, Duration::ZERO).unwrap();
        mailbox.put("b", 40, Duration::ZERO).unwrap();
        assert_eq!(mailbox.put("no", 1, Duration::ZERO), Err(Refused::Full("no")));
        assert_eq!(mailbox.take(), Some("a"));
        mailbox.put("c", 60, Duration::ZERO).unwrap();
        assert_eq!(mailbox.close(), ["b", "c"]);
        mailbox.open();
        mailbox.put("d", 100, Duration::ZERO).unwrap();
    }

    #[test]
    fn a_sender_that_waits_gets_in_once_there_is_room() {
        let mailbox = Arc::new(Mailbox::new(1, 100));
        mailbox.put(1, 1, Duration::ZERO).unwrap();
        let sender = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.put(2, 1, Duration::from_secs(60))
        });
        while mailbox.take().is_none() {}
        assert_eq!(sender.join().unwrap(), Ok(()));
        assert_eq!(mailbox.take(), Some(2));
    }

    #[test]
    fn closing_gives_back_what_waits_and_lets_nothing_in() {
        let mailbox = Arc::new(Mailbox::new(1, 100));
        mailbox.put(1, 1, Duration::ZERO).unwrap();
        let sender = thread::spawn({
            let mailbox = mailbox.clone();
            move || mailbox.put(2, 1, Duration::from_secs(60))
        });
        assert_eq!(mailbox.close(), [1]);
        assert_eq!(sender.join().unwrap(), Err(Refused::Closed(2)));
        assert_eq!(mailbox.put(3, 1, Duration::ZERO), Err(Refused::Closed(3)));
        assert_eq!(mailbox.put_anyway(4, 1), Err(Refused::Closed(4)));
        mailbox.open();
        assert_eq!(mailbox.put(5, 1, Duration::ZERO), Ok(()));
    }
}
