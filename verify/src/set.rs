//! Sets of chains: what actors that exchanged messages have recorded, held against each other.
//!
//! A chain that was changed and hashed anew verifies. The chains of those it talked with do not change
//! with it: what one says that it received, another has to say that it sent. Each chain is checked by
//! itself first; then [`Member::of`] reads what it says of messages, and [`hold`] compares. What chains
//! say of messages, and where, is described in `record/FORMAT.md`.
//!
//! Memory grows with the number of messages, not with the length of chains.

mod arrivals;
mod departures;
mod discrepancy;
mod index;
mod lives;
mod member;
mod payloads;
mod scan;

pub use discrepancy::{Discrepancy, Messages, Place, What};
pub use member::Member;

use index::Index;

/// What came of holding the chains of a set against each other.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// What does not fit together, in the order of the members and of their events.
    pub discrepancies: Vec<Discrepancy>,
    /// How many messages were found with whoever sent them and with whoever received them.
    pub messages: u64,
    /// How many answers were found on both sides.
    pub answers: u64,
    /// How many messages came from outside of all actors: nobody else has recorded them.
    pub outside: u64,
    /// How many messages and answers could not be compared, because their bytes were removed.
    pub not_compared: u64,
}

impl Held {
    /// Whether nothing contradicts anything else.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        !self.discrepancies.iter().any(|found| found.what.is_fault())
    }
}

/// Holds the chains of a set against each other.
///
/// The outcome depends on the order of the members only in the order of what is found, and in which of
/// two chains is called the second one.
#[must_use]
pub fn hold(members: &[Member]) -> Held {
    let index = Index::of(members);
    let mut held = Held::default();
    lives::hold(&index, &mut held);
    let received = arrivals::hold(&index, &mut held);
    departures::hold(&index, &received, &mut held);
    held.discrepancies.sort_by_key(|found| (found.at.member, found.at.seq));
    held
}
