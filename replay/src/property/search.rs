//! Looks for calls that break the property, and for the fewest of them.

use proptest::strategy::{BoxedStrategy, Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use theater_record::TrapCode;

use super::Property;
use super::calls::Call;
use super::record::Recorded;
use super::violation::Counterexample;
use crate::source::SourceMap;

/// What to try. The same search of the same component always tries the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Search {
    /// How many cases.
    pub cases: u64,
    /// How many calls a case has at most.
    pub calls_max: usize,
    /// What all cases follow from.
    pub seed: u64,
}

impl Default for Search {
    fn default() -> Search {
        Search { cases: 256, calls_max: 8, seed: 0 }
    }
}

/// How many smaller cases are tried at most once a case broke the property.
const SHRINKS_MAX: u64 = 4096;

/// What a search has come to.
#[derive(Debug, Default)]
pub struct Searched {
    /// How many cases were tried, not counting those tried to shrink one.
    pub cases: u64,
    /// How many calls were made in them.
    pub calls: u64,
    /// How many cases ended in a trap, which is as good an end as any other.
    pub traps: u64,
    /// How often each export was called, in the order of
    /// [`Exports::called`](super::Exports::called).
    pub called: Vec<u64>,
    /// The calls that break the property, if some do.
    pub found: Option<Found>,
}

/// Calls that break the property, shrunk.
#[derive(Debug)]
pub struct Found {
    /// The smallest that were found.
    pub smallest: Box<Counterexample>,
    /// How many calls there were before shrinking.
    pub calls_before: usize,
    /// How many other cases were tried to get there.
    pub tried: u64,
}

impl Searched {
    fn count(&mut self, recorded: &Recorded, positions: &[usize]) {
        self.cases += 1;
        self.calls += recorded.calls.len() as u64;
        for call in &recorded.calls {
            if let Some(at) = positions.iter().position(|export| *export == call.export) {
                self.called[at] += 1;
            }
        }
        if let Ok(Some(failure)) = &recorded.ended
            && failure.code != TrapCode::Exit
        {
            self.traps += 1;
        }
    }
}

/// Tries cases until one breaks the property, which is shrunk then. `progress` hears after each.
pub(super) fn search(
    property: &Property,
    search: &Search,
    progress: &mut dyn FnMut(&Searched),
) -> Searched {
    let strategy = property.calls(search.calls_max);
    let positions = property.exports().positions();
    let mut searched = Searched { called: vec![0; positions.len()], ..Searched::default() };
    let mut cases = Cases::new(&strategy, search.seed);
    while searched.cases < search.cases {
        let mut case = cases.next();
        let calls = case.current();
        match property.check(&calls) {
            Ok(recorded) => searched.count(&recorded, positions),
            Err(broken) => {
                searched.count(&broken.recorded, positions);
                let mut found = shrink(property, &mut *case, broken);
                // Where the file makes no sense as far as that is concerned, lines are not told.
                if let Ok(map) = SourceMap::of(property.component().bytes(), &[]) {
                    found.smallest.violation.locate(&map);
                }
                searched.found = Some(found);
            }
        }
        progress(&searched);
        if searched.found.is_some() {
            break;
        }
    }
    searched
}

/// Cases that follow from a seed.
struct Cases<'s> {
    strategy: &'s BoxedStrategy<Vec<Call>>,
    runner: TestRunner,
}

type Case = Box<dyn ValueTree<Value = Vec<Call>>>;

impl<'s> Cases<'s> {
    fn new(strategy: &'s BoxedStrategy<Vec<Call>>, seed: u64) -> Cases<'s> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Cases { strategy, runner: TestRunner::new_with_rng(Config::default(), rng) }
    }

    fn next(&mut self) -> Case {
        self.strategy.new_tree(&mut self.runner).expect("no value is ever rejected")
    }
}

/// The smallest case that still breaks the property.
fn shrink(
    property: &Property,
    case: &mut dyn ValueTree<Value = Vec<Call>>,
    broken: Box<Counterexample>,
) -> Found {
    let calls_before = broken.calls.len();
    let mut found = Found { smallest: broken, calls_before, tried: 0 };
    let mut goes_on = case.simplify();
    while goes_on && found.tried < SHRINKS_MAX {
        found.tried += 1;
        goes_on = match property.check(&case.current()) {
            Ok(_) => case.complicate(),
            Err(smaller) => {
                found.smallest = smaller;
                case.simplify()
            }
        };
    }
    found
}
