//! Whether the chains of one actor are its lives, one after the other.

use std::collections::HashMap;

use theater_record::MAGIC;

use super::Held;
use super::discrepancy::{Discrepancy, Place, What};
use super::index::Index;
use super::member::Follows;

/// Holds the chains of each actor against each other.
pub(super) fn hold(index: &Index<'_>, held: &mut Held) {
    for member in 0..index.members.len() {
        if !index.is_first(member) {
            let other = index.chain(index.members[member].chain).map(header);
            report(held, What::ChainTwice, member, other);
        } else if let Some(follows) = &index.members[member].follows
            && let Some((what, other)) = life_before(index, member, follows)
        {
            report(held, what, member, other);
        }
    }
    for (actor, lives) in index.actors() {
        let mut first = None;
        let mut followers = HashMap::new();
        for &member in lives {
            let actor = || actor.to_owned();
            let (before, what) = match &index.members[member].follows {
                None => (first.replace(member), What::Unordered { actor: actor() }),
                Some(Follows::Event { chain, .. }) => {
                    (followers.insert(*chain, member), What::Forked { actor: actor() })
                }
                Some(Follows::Garbled) => continue,
            };
            if let Some(before) = before {
                report(held, what, member, Some(header(before)));
            }
        }
    }
}

/// What is wrong with what a chain says of the life before.
fn life_before(
    index: &Index<'_>,
    member: usize,
    follows: &Follows,
) -> Option<(What, Option<Place>)> {
    let Follows::Event { chain, seq, link } = follows else {
        return Some((What::OtherLife, None));
    };
    let Some(before) = index.chain(*chain) else {
        return Some((What::UnknownLife { chain: chain.to_string() }, None));
    };
    let life = &index.members[before];
    if life.actor != index.members[member].actor {
        return Some((What::OtherLife, Some(header(before))));
    }
    if life.ends.contains(&(*seq, *link)) {
        return None;
    }
    let is_cut = !life.is_whole && *seq > life.last_seq || life.may_have_lost(*seq);
    let what = if is_cut { What::SentBehindEnd { event: *seq } } else { What::OtherLife };
    Some((what, Some(header(before))))
}

fn report(held: &mut Held, what: What, member: usize, other: Option<Place>) {
    held.discrepancies.push(Discrepancy { what, at: header(member), other });
}

fn header(member: usize) -> Place {
    Place { member, seq: 0, offset: MAGIC.len() as u64 }
}
