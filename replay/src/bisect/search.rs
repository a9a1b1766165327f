//! The search for the border between good and bad builds: which build to test next, and what is known
//! in the end. It runs nothing itself.

/// What the test of a build says about where the border is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// It still does what the bad end does not.
    Good,
    /// It does what the bad end does.
    Bad,
    /// It says nothing.
    Unknown,
}

/// A search over builds in order of age.
///
/// It looks for the last border: the one that the bad end is still behind. In a history where the
/// difference came only once, that is the only one.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    known: Vec<Option<Judgement>>,
    /// Whether to test all builds.
    scans: bool,
}

/// What a search has found: good up to here, bad from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Border {
    /// The last build that is known to be good.
    pub(crate) good: usize,
    /// The first one after it that is known to be bad. Builds between the two say nothing.
    pub(crate) bad: usize,
}

impl Border {
    /// Whether one build is the culprit for certain.
    pub(crate) fn is_exact(self) -> bool {
        self.good + 1 == self.bad
    }
}

impl Search {
    /// Begins a search over at least two builds, of which the first was found good and the last bad.
    pub(crate) fn new(builds: usize, scans: bool) -> Search {
        assert!(builds >= 2, "a border is between two builds");
        let mut known = vec![None; builds];
        known[0] = Some(Judgement::Good);
        known[builds - 1] = Some(Judgement::Bad);
        Search { known, scans }
    }

    /// Notes what a test said.
    pub(crate) fn note(&mut self, build: usize, judgement: Judgement) {
        self.known[build] = Some(judgement);
    }

    /// The build to test next, if any.
    pub(crate) fn next(&self) -> Option<usize> {
        if self.scans {
            return self.known.iter().position(Option::is_none);
        }
        let Border { good, bad } = self.border();
        // Builds that say nothing often stand together. So the middle of an untested stretch beside
        // the border comes first, which leads to the edges of such a gap in few steps, and stretches
        // inside it come last. Without such builds there is but one stretch.
        let (mut best, mut start) = (None, good + 1);
        for at in good + 1..=bad {
            if self.known[at].is_some() {
                let is_beside = start == good + 1 || at == bad;
                let rank = (is_beside, at - start);
                if at > start && best.is_none_or(|(known, _)| rank > known) {
                    best = Some((rank, start));
                }
                start = at + 1;
            }
        }
        best.map(|((_, length), start)| start + (length - 1) / 2)
    }

    /// The border, as far as it is known.
    pub(crate) fn border(&self) -> Border {
        let is = |wanted: Judgement| move |one: &Option<Judgement>| *one == Some(wanted);
        let good = self.known.iter().rposition(is(Judgement::Good));
        let good = good.expect("the first build is good");
        let bad = self.known[good..].iter().position(is(Judgement::Bad));
        Border { good, bad: good + bad.expect("the last build is bad") }
    }

    /// Where the difference went away again, as far as is known: bad builds, each with the good one
    /// that comes next among those that say something.
    pub(crate) fn relapses(&self) -> Vec<(usize, usize)> {
        let said = self.known.iter().enumerate();
        let said: Vec<_> = said
            .filter_map(|(at, known)| match known {
                Some(Judgement::Good) => Some((at, true)),
                Some(Judgement::Bad) => Some((at, false)),
                Some(Judgement::Unknown) | None => None,
            })
            .collect();
        let relapses = said.windows(2).filter(|pair| !pair[0].1 && pair[1].1);
        relapses.map(|pair| (pair[0].0, pair[1].0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Border, Judgement, Search};

    /// Searches a history, and says what was found after how many tests, both ends included.
    fn searched(history: &[Judgement], scans: bool) -> (Search, usize) {
        let mut search = Search::new(history.len(), scans);
        let mut tests = 2;
        while let Some(build) = search.next() {
            assert_eq!(search.known[build], None, "a build is tested once");
            search.note(build, history[build]);
            tests += 1;
        }
        (search, tests)
    }

    /// A history in which the difference came once.
    fn history(builds: usize, culprit: usize, unknown: &[usize]) -> Vec<Judgement> {
        let judgement = |at: usize| match at {
            at if unknown.contains(&at) && at != 0 && at != builds - 1 => Judgement::Unknown,
            at if at < culprit => Judgement::Good,
            _ => Judgement::Bad,
        };
        (0..builds).map(judgement).collect()
    }

    fn most_tests(builds: usize) -> usize {
        2 + builds.next_power_of_two().ilog2() as usize
    }

    #[test]
    fn every_culprit_is_found_in_few_tests() {
        for builds in 2..80 {
            for culprit in 1..builds {
                let (search, tests) = searched(&history(builds, culprit, &[]), false);
                assert_eq!(search.border(), Border { good: culprit - 1, bad: culprit });
                assert!(search.border().is_exact());
                assert!(tests <= most_tests(builds), "{tests} tests of {builds} builds");
                assert!(search.relapses().is_empty());
            }
        }
    }

    #[test]
    fn two_builds_need_no_further_test() {
        let (search, tests) = searched(&history(2, 1, &[]), false);
        assert_eq!((search.border(), tests), (Border { good: 0, bad: 1 }, 2));
    }

    #[test]
    fn a_difference_that_went_away_and_came_back() {
        use Judgement::{Bad, Good, Unknown};
        let history = [Good, Bad, Bad, Unknown, Good, Good, Bad, Bad];
        let (search, tests) = searched(&history, true);
        assert_eq!(tests, history.len());
        assert_eq!(search.relapses(), [(2, 4)]);
        assert_eq!(search.border(), Border { good: 5, bad: 6 });
    }

    #[test]
    fn what_is_known_before_is_not_tested_again() {
        let mut search = Search::new(32, false);
        search.note(20, Judgement::Bad);
        search.note(10, Judgement::Good);
        let next = search.next().unwrap();
        assert!((11..20).contains(&next), "{next}");
        // This contradicts what was known, and moves the border behind it.
        search.note(25, Judgement::Good);
        assert_eq!(search.border(), Border { good: 25, bad: 31 });
        assert_eq!(search.relapses(), [(20, 25)]);
    }

    #[test]
    fn a_wide_gap_is_stepped_around() {
        let gap: Vec<usize> = (250..750).collect();
        for culprit in [1, 100, 249, 751, 800, 999] {
            let (search, tests) = searched(&history(1000, culprit, &gap), false);
            let border = Border { good: culprit - 1, bad: culprit };
            assert_eq!(search.border(), border);
            assert!(tests < 40, "{tests} tests for build {culprit}");
        }
    }

    proptest! {
        #[test]
        fn the_culprit_or_the_right_range_is_found(
            builds in 2usize..200,
            culprit in any::<prop::sample::Index>(),
            unknown in prop::collection::vec(0usize..200, 0..60),
        ) {
            let culprit = 1 + culprit.index(builds - 1);
            let history = history(builds, culprit, &unknown);
            let (search, tests) = searched(&history, false);
            let Border { good, bad } = search.border();
            prop_assert!(good < culprit && culprit <= bad, "{good} {culprit} {bad}");
            // No build in the range could say more.
            let between = &history[good + 1..bad];
            prop_assert!(between.iter().all(|one| *one == Judgement::Unknown));
            prop_assert!(tests <= builds);
            prop_assert!(search.relapses().is_empty());
            let (scanned, tests) = searched(&history, true);
            prop_assert_eq!(tests, builds);
            prop_assert_eq!(scanned.border(), search.border());
        }

        #[test]
        fn any_history_has_an_end(history in any_history(), scans in any::<bool>()) {
            let (search, tests) = searched(&history, scans);
            let Border { good, bad } = search.border();
            prop_assert_eq!(history[good], Judgement::Good);
            prop_assert_eq!(history[bad], Judgement::Bad);
            prop_assert!(history[good + 1..bad].iter().all(|one| *one == Judgement::Unknown));
            prop_assert!(tests <= history.len());
            if scans {
                prop_assert!(!history[bad..].contains(&Judgement::Good), "the last border");
            }
        }
    }

    /// Any history between a good end and a bad one.
    fn any_history() -> impl Strategy<Value = Vec<Judgement>> {
        let judgement =
            prop::sample::select(vec![Judgement::Good, Judgement::Bad, Judgement::Unknown]);
        prop::collection::vec(judgement, 0..60)
            .prop_map(|between| [vec![Judgement::Good], between, vec![Judgement::Bad]].concat())
    }
}
