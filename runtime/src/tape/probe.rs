//! What a component does after it first did something else than the recording.
//!
//! The first difference alone does not tell a changed call from an added or a missing one. So the
//! component is let run for a few more calls, with answers that the recording gave to like calls.
//! What it does then is evidence, nothing more: it does not change where the difference is.

use theater_record::{Call, Event, Outcome};

use super::Crossing;

/// How many recorded crossings are looked at behind the difference.
pub(super) const WINDOW: usize = 64;

/// How many calls the component may make in a probe.
const CALLS_MAX: usize = 4;

/// What was seen of the recording and of the component from the first difference on.
#[derive(Debug, Clone)]
pub struct Probe {
    /// What the recording has from the difference on.
    pub recorded: Vec<(u64, Crossing)>,
    /// What the component did after the first different crossing.
    pub actual: Vec<Crossing>,
}

impl Probe {
    pub(super) fn new(expected: Option<(u64, Crossing)>, ahead: Vec<(u64, Crossing)>) -> Probe {
        Probe { recorded: expected.into_iter().chain(ahead).collect(), actual: Vec::new() }
    }

    /// Takes note of one more crossing; says whether to go on.
    pub(super) fn note(&mut self, crossing: Crossing) -> bool {
        self.actual.push(crossing);
        self.actual.len() < CALLS_MAX
    }

    /// An answer to a call that the recording might have given.
    pub(super) fn guess(
        &self,
        call: &Call,
        function: &(String, String),
        before: impl FnOnce() -> Option<Outcome>,
    ) -> Option<Outcome> {
        let calls_it = |crossing: &Crossing| {
            crossing
                .function
                .as_ref()
                .is_some_and(|known| known.interface == function.0 && known.name == function.1)
        };
        let is_same = |crossing: &Crossing| matches!(&crossing.event, Event::ImportCall(other) if other.args == call.args);
        let answer_behind = |at: usize| match &self.recorded.get(at + 1)?.1.event {
            Event::ImportReturn(end) => Some(end.outcome.clone()),
            _ => None,
        };
        let find = |exactly: bool| {
            self.recorded.iter().position(|(_, crossing)| {
                matches!(crossing.event, Event::ImportCall(_))
                    && calls_it(crossing)
                    && (!exactly || is_same(crossing))
            })
        };
        find(true)
            .and_then(answer_behind)
            .or_else(before)
            .or_else(|| find(false).and_then(answer_behind))
    }
}
