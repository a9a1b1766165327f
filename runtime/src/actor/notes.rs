//! What was decided about an actor without it, which waits to be written down.

use theater_record::Permission;

/// Decisions about what has never reached an actor. There is room for some; of the others it is known how many
/// there were.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    waiting: Vec<Permission>,
    left_out: u64,
}

impl Notes {
    /// Adds a decision. Whether nothing has waited, so that the actor has to hear that something does.
    pub(crate) fn add(&mut self, decision: Permission) -> bool {
        if self.waiting.len() >= WAITING_MAX {
            self.left_out += 1;
            return false;
        }
        self.waiting.push(decision);
        self.waiting.len() == 1
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes all of them.
    pub(crate) fn take(&mut self) -> Vec<Permission> {
        if let (more @ 1.., Some(last)) =
            (std::mem::take(&mut self.left_out), self.waiting.last_mut())
        {
            last.detail += &format!(", and {more} more after it for which there was no room");
        }
        std::mem::take(&mut self.waiting)
    }
}

/// How many decisions wait at most.
const WAITING_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::{Notes, WAITING_MAX};
    use crate::host::Reason;

    #[test]
    fn what_finds_no_room_is_counted() {
        let decision = || Reason::NotGranted.permission("http-server", "GET /", "400");
        let mut notes = Notes::default();
        assert!(notes.add(decision()));
        for _ in 1..WAITING_MAX + 3 {
            assert!(!notes.add(decision()));
        }
        let taken = notes.take();
        assert_eq!(taken.len(), WAITING_MAX);
        let last = &taken[WAITING_MAX - 1].detail;
        assert_eq!(last, "400, and 3 more after it for which there was no room");
        assert!(notes.add(decision()), "it has to hear of it again");
        assert_eq!(notes.take()[0].detail, "400");
    }
}
