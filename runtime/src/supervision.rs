//! Supervision: who is started again, in which order, how often, and when it is given up.
//!
//! This is the part of supervision that needs no actor, no thread and no clock: [`Supervisor`] is told
//! what happened and what time it is, and answers what is to be done. Equal events at equal times
//! give equal actions.
//!
//! # What OTP means by it, and so do we
//!
//! - Children are started in order, each once the one before it is up, and stopped in reverse order,
//!   each once the one after it is down. A child that does not stop within its time is killed.
//! - *One-for-one* starts the child that ended again and leaves the others alone. *One-for-all* stops
//!   all others and starts all. *Rest-for-one* does so with the children after the one that ended.
//! - A *permanent* child is always started again, a *transient* one unless it came to its end or was
//!   stopped, a *temporary* one never. A child that is not started again disturbs no other.
//! - When a group is started again, so are transient and stopped children of the group; temporary ones
//!   are gone once they are stopped.
//! - If restarts become more than `intensity` within `period`, the supervisor stops all children and
//!   *escalates*: to its own supervisor it has failed. A failed start counts as one more failure. If a
//!   child cannot even be started for the first time, the supervisor escalates at once.
//!
//! # Where we differ
//!
//! - A restart waits for the *back-off*, which doubles with every failure in a row; OTP knows none, and
//!   neither do we if `first_ns` is zero. While a child waits, a one-for-one supervisor goes on
//!   caring for the others. A restart counts from when its cause happened, not from when it is carried out.
//! - Starting takes time and does not block: a child can be stopped while it starts.
//! - There are no significant children and no automatic shutdown.
//! - Links and monitors ([`Bonds`]) are kept beside the supervisor; exits cannot be trapped, so
//!   whoever wants to survive the fall of another watches it instead of being linked to it.

use std::time::Duration;

mod links;
mod supervisor;
#[cfg(test)]
mod tests;

pub use links::{Bonds, Effect};
pub use supervisor::{Action, Child, Escalation, Event, Report, Supervisor};

/// How a supervisor deals with children that end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Whom the end of one child concerns.
    pub strategy: Strategy,
    /// How many restarts are tolerated within the period.
    pub intensity: u32,
    /// The period, in nanoseconds.
    pub period_ns: u64,
    /// How long restarts wait.
    pub back_off: BackOff,
}

/// Whom the end of one child concerns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    /// That child alone.
    #[default]
    OneForOne,
    /// All children.
    OneForAll,
    /// That child and those that were started after it.
    RestForOne,
}

/// What a supervisor has to know of a child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildSpec {
    /// Its name, unique among the children of a manifest.
    pub name: String,
    /// Whether it is started again.
    pub restart: Restart,
    /// How it is stopped.
    pub shutdown: Shutdown,
}

/// Whether a child that ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    #[default]
    Permanent,
    /// Unless it came to its end or was stopped.
    Transient,
    /// Never.
    Temporary,
}

/// How a child is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// It is asked to stop, and killed if it takes longer than this many nanoseconds.
    Within(u64),
    /// It is asked to stop and waited for, however long it takes. For children that are supervisors.
    Whenever,
    /// It is killed at once.
    Kill,
}

/// How long restarts wait: `first_ns`, then twice as long after every failure in a row, up to `max_ns`.
///
/// A child that was up for the whole period of its supervisor has begun a new row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// The first wait, in nanoseconds. Zero for no waiting at all.
    pub first_ns: u64,
    /// The longest wait, in nanoseconds.
    pub max_ns: u64,
}

/// How an actor ended, in the words of its chain's last lifecycle record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It came to its end by itself.
    Completed,
    /// It trapped, hit a limit, or returned an error.
    Failed,
    /// Somebody asked it to stop, and it did.
    Stopped,
    /// It was killed.
    Killed,
}

impl Default for Policy {
    /// One-for-one; more than three restarts in five seconds escalate; waits from 100 ms to 30 s.
    fn default() -> Policy {
        Policy {
            strategy: Strategy::default(),
            intensity: 3,
            period_ns: 5_000_000_000,
            back_off: BackOff::default(),
        }
    }
}

impl Default for BackOff {
    fn default() -> BackOff {
        BackOff { first_ns: 100_000_000, max_ns: 30_000_000_000 }
    }
}

impl Default for Shutdown {
    fn default() -> Shutdown {
        Shutdown::Within(5_000_000_000)
    }
}

impl Shutdown {
    /// How long to wait for it.
    #[must_use]
    pub fn grace(self) -> Duration {
        match self {
            Shutdown::Within(time_ns) => Duration::from_nanos(time_ns),
            Shutdown::Whenever => Duration::MAX,
            Shutdown::Kill => Duration::ZERO,
        }
    }
}

impl BackOff {
    /// How long to wait after this many earlier failures in a row.
    #[must_use]
    pub fn delay_ns(self, earlier: u32) -> u64 {
        if self.first_ns == 0 {
            return 0;
        }
        let doubled = 1_u64.checked_shl(earlier).and_then(|times| self.first_ns.checked_mul(times));
        doubled.unwrap_or(u64::MAX).min(self.max_ns)
    }
}

impl Restart {
    /// Whether a child that ended like this is started again.
    #[must_use]
    pub fn applies_to(self, exit: Exit) -> bool {
        match self {
            Restart::Permanent => true,
            Restart::Transient => !exit.is_normal(),
            Restart::Temporary => false,
        }
    }
}

impl Exit {
    /// Whether nothing is wrong with an actor that ended like this.
    #[must_use]
    pub fn is_normal(self) -> bool {
        match self {
            Exit::Completed | Exit::Stopped => true,
            Exit::Failed | Exit::Killed => false,
        }
    }
}
