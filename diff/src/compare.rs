//! The comparison of two chains; start here.

use std::time::Instant;

use crate::align::align;
use crate::chain::{Chain, DiffError};
use crate::first::first;
use crate::ignore::Ignore;
use crate::outline::EventAt;
use crate::pair::Pair;
use crate::value::Differences;

/// How to compare.
#[derive(Debug, Clone)]
pub struct Options {
    /// What takes no part.
    pub ignore: Ignore,
    /// Whether to leave values out and compare directions, interfaces and functions only.
    pub shape_only: bool,
    /// Whether to stop at the first difference.
    pub first_only: bool,
    /// How many differences between the values of two events are listed.
    pub differences_max: usize,
    /// How many edits are listed. What is beyond is counted only.
    pub edits_max: usize,
    /// When to stop aligning what comes after the first difference. Which difference is the first
    /// does not depend on it.
    pub deadline: Option<Instant>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            ignore: Ignore::default(),
            shape_only: false,
            first_only: false,
            differences_max: 32,
            edits_max: 256,
            deadline: None,
        }
    }
}

/// How two chains compare.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// How the recordings were set up differently. That alone makes no difference.
    pub setup: Vec<SetupDifference>,
    /// How many events are equal up to the first difference, or altogether.
    pub equal: u64,
    /// Where the chains part, if they do.
    pub first: Option<Divergence>,
    /// What comes from there on, that place included; `None` if the chains do not part or nobody
    /// asked.
    pub rest: Option<Rest>,
    /// How many events of each chain were ignored.
    pub ignored: [u64; 2],
}

/// A field of the header in which the chains differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetupDifference {
    /// Its name.
    pub name: String,
    /// What the expected chain says.
    pub expected: Option<String>,
    /// What the actual chain says.
    pub actual: Option<String>,
}

/// The first place in which two chains differ.
///
/// A source position of either event, once somebody has found it, belongs beside the event here
/// and in [`Edit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Divergence {
    /// The event of the expected chain; `None` where that chain has ended.
    pub expected: Option<EventAt>,
    /// The event of the actual chain; `None` where that chain has ended.
    pub actual: Option<EventAt>,
    /// What is different.
    pub what: What,
    /// Whether records are missing right before it in either chain, so that damage explains it.
    pub after_gap: [bool; 2],
}

/// What is different in the first place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Both chains say something about the same, with other values.
    Values(Differences),
    /// They say something about different functions, in different directions, or otherwise
    /// different things.
    Shape,
    /// One chain goes on where the other ends.
    End,
}

/// How the events from the first difference on belong together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest {
    /// Pairs of events that are equal.
    pub equal: u64,
    /// Pairs of events about the same with other values.
    pub changed: u64,
    /// Events of the expected chain that have no counterpart.
    pub missing: u64,
    /// Events of the actual chain that have no counterpart.
    pub extra: u64,
    /// What is different, in order, as far as listed.
    pub edits: Vec<Edit>,
    /// How many changed pairs, missing and extra events are not listed.
    pub unlisted: u64,
    /// How many events of each chain were not looked at.
    pub not_aligned: [u64; 2],
    /// Why not.
    pub stopped: Option<Stopped>,
}

/// One thing that makes the actual chain from the expected one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// An event with other values.
    Changed {
        /// In the expected chain.
        expected: EventAt,
        /// In the actual chain.
        actual: EventAt,
        /// Which values.
        differences: Differences,
    },
    /// Events that the actual chain lacks.
    Missing {
        /// The first of them, in the expected chain.
        first: EventAt,
        /// How many.
        count: u64,
        /// The position in the actual chain before which they would be.
        before: usize,
    },
    /// Events that the expected chain lacks.
    Extra {
        /// The first of them, in the actual chain.
        first: EventAt,
        /// How many.
        count: u64,
        /// The position in the expected chain before which they would be.
        before: usize,
    },
}

/// Why the alignment stopped before the ends of the chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// Time was up. A faster machine may get further.
    Deadline,
    /// Nothing in as many events as are looked at together belongs together.
    NothingAlike,
}

/// Compares two chains, the expected one first.
pub fn compare(
    expected: Chain<'_>,
    actual: Chain<'_>,
    options: &Options,
) -> Result<Comparison, DiffError> {
    let chains = [expected, actual];
    let mut pair = Pair::new(chains, &options.ignore, options.shape_only, options.differences_max);
    let (equal, first) = first(&mut pair)?;
    let rest = match &first {
        Some(divergence) if !options.first_only => {
            let position = |side: usize, event: &Option<EventAt>| {
                event.map_or(chains[side].outline.len(), |event| event.position)
            };
            let from = [position(0, &divergence.expected), position(1, &divergence.actual)];
            Some(align(&mut pair, from, options)?)
        }
        _ => None,
    };
    let setup = crate::setup::differences(chains.map(|chain| chain.outline.header()));
    Ok(Comparison { setup, equal, first, rest, ignored: pair.left_out })
}
