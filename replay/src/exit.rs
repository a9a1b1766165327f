//! The exit status of every subcommand: the one place that says what each number means.

use std::process::ExitCode;

/// How a run ended. Scripts rely on these numbers; they do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It was done, and there is nothing to complain about.
    Fine = 0,
    /// It was done, and the answer is bad news: the chain is damaged, its component does something
    /// else in a replay, or the chains of a set contradict each other.
    Finding = 1,
    /// It could not be done: wrong usage, a file that cannot be read, a file that is no chain.
    Trouble = 2,
    /// The chain has no close record: still being written, crashed or cut off.
    Open = 3,
    /// The chain is whole, but not what the policy, the key or the noted hash asks for.
    Unmet = 4,
    /// For `git bisect run`: this build cannot be tested, others may be.
    Untestable = 125,
    /// For `git bisect run`, which takes most numbers for a bad build: no build can be tested.
    Abort = 128,
}

/// What every `--help` shows; the same as the documentation of [`Exit`], for people.
pub(crate) const HELP: &str = "\
Exit status:
  0  all is well
  1  bad news: the chain is damaged, or its component does something else; or the chains of a set
     contradict each other
  2  it could not be done: wrong usage, unreadable file, not a chain
  3  the chain is open: still being written, crashed, or cut off
  4  the chain is whole, but a policy, key or noted hash is not met";

impl Exit {
    /// The worse of two outcomes, for runs over several chains.
    ///
    /// Trouble comes first, because then not everything was looked at; then damage, then a policy
    /// that is not met, then an open chain.
    #[must_use]
    pub fn worse(self, other: Exit) -> Exit {
        let badness = |exit| match exit {
            Exit::Fine => 0,
            Exit::Open => 1,
            Exit::Unmet => 2,
            Exit::Finding => 3,
            Exit::Trouble => 4,
            Exit::Untestable => 5,
            Exit::Abort => 6,
        };
        if badness(other) > badness(self) { other } else { self }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
