//! Decisions about capabilities, and the stable numbers for their reasons.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use theater_record::Permission;

/// Why a capability was granted or denied. The numbers stand in chains and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Reason {
    /// It was granted.
    Granted = 0,
    /// Nothing that was granted covers it.
    NotGranted = 1,
    /// It would change something in a directory that was granted for reading only.
    ReadOnly = 2,
    /// The path leads out of the granted directories.
    Outside = 3,
    /// It was granted, but the operating system refused it.
    System = 4,
}

impl Reason {
    /// Every reason, each at its own number.
    pub const ALL: [Reason; 5] =
        [Reason::Granted, Reason::NotGranted, Reason::ReadOnly, Reason::Outside, Reason::System];

    /// The name people read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Reason::Granted => "granted",
            Reason::NotGranted => "not-granted",
            Reason::ReadOnly => "read-only",
            Reason::Outside => "outside",
            Reason::System => "system",
        }
    }

    /// The decision for this reason.
    pub(crate) fn permission(
        self,
        capability: &str,
        subject: impl Into<String>,
        detail: impl Into<String>,
    ) -> Permission {
        Permission {
            capability: capability.to_owned(),
            subject: subject.into(),
            allowed: self == Reason::Granted,
            reason: self as u64,
            detail: detail.into(),
        }
    }
}

/// The decisions that were made and not yet recorded. Clones share one list.
#[derive(Debug, Clone, Default)]
pub(super) struct Decisions(Arc<Mutex<Vec<Permission>>>);

impl Decisions {
    pub(super) fn note(&self, decision: Permission) {
        self.list().push(decision);
    }

    pub(super) fn take(&self) -> Vec<Permission> {
        std::mem::take(&mut self.list())
    }

    fn list(&self) -> MutexGuard<'_, Vec<Permission>> {
        // Pushing and taking leave the list whole even if the thread dies in between.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
