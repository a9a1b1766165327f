//! The first difference between two chains.

use crate::chain::DiffError;
use crate::compare::{Divergence, What};
use crate::outline::EventAt;
use crate::pair::{Pair, Sameness};

/// How many events are equal, and the difference that ends them, if one does.
///
/// This looks at nothing but the chains: neither time nor the alignment of what follows has any
/// influence on it.
pub(crate) fn first(pair: &mut Pair<'_>) -> Result<(u64, Option<Divergence>), DiffError> {
    let shared = shared_prefix(pair)?;
    let mut positions = [shared; 2];
    let mut equal = shared as u64;
    loop {
        let next = [pair.next(0, positions[0])?, pair.next(1, positions[1])?];
        let [Some(expected), Some(actual)] = next else {
            return Ok((equal, ended(pair, next)?));
        };
        let what = match pair.compare([expected, actual])? {
            Sameness::Same => {
                equal += 1;
                positions = [expected + 1, actual + 1];
                continue;
            }
            Sameness::Values(differences) => What::Values(differences),
            Sameness::Other => What::Shape,
        };
        return Ok((equal, Some(divergence(pair, next, what)?)));
    }
}

fn ended(pair: &mut Pair<'_>, next: [Option<usize>; 2]) -> Result<Option<Divergence>, DiffError> {
    if next == [None, None] { Ok(None) } else { divergence(pair, next, What::End).map(Some) }
}

fn divergence(
    pair: &mut Pair<'_>,
    positions: [Option<usize>; 2],
    what: What,
) -> Result<Divergence, DiffError> {
    let mut event = |side: usize| -> Result<Option<EventAt>, DiffError> {
        positions[side].map(|position| pair.event_at(side, position)).transpose()
    };
    let (expected, actual) = (event(0)?, event(1)?);
    let after_gap = [0, 1].map(|side| {
        let position = positions[side].unwrap_or(pair.len(side));
        pair.chains[side].outline.has_gap_before(position)
    });
    Ok(Divergence { expected, actual, what, after_gap })
}

/// How many events at the start are certainly equal, because a later record of both chains carries
/// the same link. Nothing is known about the event after them.
fn shared_prefix(pair: &mut Pair<'_>) -> Result<usize, DiffError> {
    if !pair.chains.iter().all(|chain| chain.is_linked) {
        return Ok(0);
    }
    // Before `equal` every link is the same; from `unknown` on none is looked at any more.
    let (mut equal, mut unknown) = (0, pair.len(0).min(pair.len(1)));
    while equal < unknown {
        let middle = equal + (unknown - equal) / 2;
        if pair.link(0, middle)? == pair.link(1, middle)? {
            equal = middle + 1;
        } else {
            unknown = middle;
        }
    }
    Ok(equal.saturating_sub(1))
}
