//! Which of some things are needed: the search that drops as many as it can. Plain data in and out.

use std::collections::BTreeMap;

/// What is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Minimal {
    /// The things that are kept, in order.
    pub(crate) kept: Vec<usize>,
    /// How many sets were tried.
    pub(crate) tried: u64,
    /// Whether it is certain that none of them can be left out. If not, there were no tries left.
    pub(crate) is_certain: bool,
}

/// Drops as many of the things `0..count` as it can while `holds` stays true.
///
/// It must hold with all of them, which is not tried again. In the end it does not hold without any
/// single one of those that are kept, unless `tries` sets were not enough to find that out. No set is
/// tried twice, and the same question has the same answer each time.
pub(crate) fn ddmin<E>(
    count: usize,
    tries: u64,
    holds: impl FnMut(&[usize]) -> Result<bool, E>,
) -> Result<Minimal, E> {
    let mut search = Search { holds, known: BTreeMap::new(), tried: 0, tries };
    let mut kept: Vec<usize> = (0..count).collect();
    // Most often nothing else is needed.
    if !kept.is_empty() && search.holds(&[])? {
        kept.clear();
    }
    let mut parts = 2;
    while !kept.is_empty() && !search.is_over() {
        parts = parts.min(kept.len());
        match search.smaller(&kept, parts)? {
            Some((smaller, fewer_parts)) => (kept, parts) = (smaller, fewer_parts),
            None if parts == kept.len() => break,
            None => parts *= 2,
        }
    }
    Ok(Minimal { kept, tried: search.tried, is_certain: !search.is_over() })
}

/// A search that is under way.
struct Search<F> {
    holds: F,
    known: BTreeMap<Vec<usize>, bool>,
    tried: u64,
    tries: u64,
}

impl<E, F: FnMut(&[usize]) -> Result<bool, E>> Search<F> {
    /// A part of `kept` for which it holds, or all but one part, and in how many parts to look at
    /// that next.
    fn smaller(&mut self, kept: &[usize], parts: usize) -> Result<Option<(Vec<usize>, usize)>, E> {
        let part = kept.len().div_ceil(parts);
        for chunk in kept.chunks(part) {
            if chunk.len() < kept.len() && self.holds(chunk)? {
                return Ok(Some((chunk.to_vec(), 2)));
            }
        }
        for start in (0..kept.len()).step_by(part) {
            let end = (start + part).min(kept.len());
            let rest = [&kept[..start], &kept[end..]].concat();
            if self.holds(&rest)? {
                return Ok(Some((rest, (parts - 1).max(2))));
            }
        }
        Ok(None)
    }

    /// Once there are no tries left, nothing holds.
    fn holds(&mut self, set: &[usize]) -> Result<bool, E> {
        if let Some(known) = self.known.get(set) {
            return Ok(*known);
        }
        if self.is_over() {
            return Ok(false);
        }
        self.tried += 1;
        let holds = (self.holds)(set)?;
        self.known.insert(set.to_vec(), holds);
        Ok(holds)
    }

    fn is_over(&self) -> bool {
        self.tried >= self.tries
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    fn search(count: usize, tries: u64, holds: impl Fn(&[usize]) -> bool) -> Minimal {
        let Ok(minimal) = ddmin::<Infallible>(count, tries, |set| Ok(holds(set)));
        minimal
    }

    #[test]
    fn what_is_not_needed_goes() {
        assert_eq!(search(100, 1000, |_| true).kept, Vec::<usize>::new());
        assert_eq!(search(100, 1000, |set| set.contains(&42)).kept, [42]);
        let minimal = search(100, 1000, |set| set.contains(&3) && set.contains(&97));
        assert_eq!(minimal.kept, [3, 97]);
        assert!(minimal.is_certain && minimal.tried < 100, "{minimal:?}");
        assert_eq!(search(7, 1000, |set| set.len() == 7).kept, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn nothing_can_be_dropped_of_nothing() {
        let minimal = search(0, 10, |_| panic!("nothing is to be tried"));
        assert_eq!(minimal, Minimal { kept: Vec::new(), tried: 0, is_certain: true });
    }

    #[test]
    fn without_tries_what_holds_so_far_stays() {
        let minimal = search(100, 5, |set| set.contains(&42) && set.contains(&43));
        assert_eq!(minimal.tried, 5);
        assert!(!minimal.is_certain);
        assert!(minimal.kept.contains(&42) && minimal.kept.contains(&43));
    }

    proptest! {
        /// Any set of sets that has the whole among them, so also without any order in it.
        #[test]
        fn none_that_is_left_can_be_left_out(count in 0_usize..24, salt: u64, rarity in 1_u64..9) {
            let holds = |set: &[usize]| set.len() == count || hash(set, salt).is_multiple_of(rarity);
            let minimal = search(count, u64::MAX, holds);
            prop_assert!(holds(&minimal.kept));
            prop_assert!(minimal.is_certain);
            prop_assert!(minimal.kept.is_sorted_by(|one, next| one < next));
            for at in 0..minimal.kept.len() {
                let mut without = minimal.kept.clone();
                without.remove(at);
                prop_assert!(!holds(&without), "{:?} does without {at}", minimal.kept);
            }
            prop_assert_eq!(search(count, u64::MAX, holds), minimal);
        }

        /// Where each of some things is needed and nothing else, exactly those are left.
        #[test]
        fn what_is_needed_is_found(needed: BTreeSet<u8>) {
            let needed: Vec<usize> = needed.into_iter().map(usize::from).collect();
            let holds = |set: &[usize]| needed.iter().all(|one| set.contains(one));
            prop_assert_eq!(search(256, u64::MAX, holds).kept, needed);
        }
    }

    fn hash(set: &[usize], salt: u64) -> u64 {
        let words = set.iter().map(|one| *one as u64).chain([salt]);
        words.fold(0xcbf2_9ce4_8422_2325, |hash, word| {
            (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
        })
    }
}
