//! Which events belong together after the first difference.

use std::ops::Range;
use std::time::Instant;

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline};

use crate::chain::DiffError;
use crate::compare::{Edit, Options, Rest, Stopped};
use crate::pair::{Pair, Sameness};
use crate::shape::Shape;

/// How many events of each chain are aligned together. Most differences are small, so the first
/// windows are; the largest one is what a real divergence in a monotonous chain can take without
/// anybody having to wait.
const WINDOW_EVENTS_FIRST: usize = 1_000;
const WINDOW_EVENTS_MAX: usize = 25_000;
/// The deadline is looked at again after this many pairs.
const PAIRS_BETWEEN_LOOKS: usize = 64;

/// Some events of one chain: their positions, and by what they are aligned.
struct Window {
    positions: Vec<usize>,
    shapes: Vec<Shape>,
    keys: Vec<(Shape, u64)>,
    /// The position after the last one.
    end: usize,
    /// Whether no event comes after them.
    is_last: bool,
}

/// What is to be done with the next event or events, by their places in the windows.
#[derive(Clone, Copy)]
enum Step {
    Pair(usize, usize),
    Missing(usize),
    Extra(usize),
}

/// Aligns everything from two positions on, window by window.
pub(crate) fn align(
    pair: &mut Pair<'_>,
    from: [usize; 2],
    options: &Options,
) -> Result<Rest, DiffError> {
    let mut tally = Tally { rest: Rest::default(), from, options };
    let mut size = WINDOW_EVENTS_FIRST;
    loop {
        if tally.is_late() {
            tally.rest.stopped = Some(Stopped::Deadline);
            break;
        }
        let windows =
            [window(pair, 0, tally.from[0], size)?, window(pair, 1, tally.from[1], size)?];
        let mut steps = steps(&windows, options.deadline);
        if tally.is_late() {
            // Hurried steps would be poor ones, and others on another day.
            tally.rest.stopped = Some(Stopped::Deadline);
            break;
        }
        let is_last = windows[0].is_last && windows[1].is_last;
        let is_one_over =
            windows.iter().any(|window| window.is_last && window.positions.is_empty());
        if !is_last && !is_one_over {
            // What follows the last pair may belong to events that are not in the windows yet.
            let paired = steps.iter().rposition(|step| matches!(step, Step::Pair(..)));
            steps.truncate(paired.map_or(0, |last| last + 1));
            if steps.is_empty() && size == WINDOW_EVENTS_MAX {
                tally.rest.stopped = Some(Stopped::NothingAlike);
                break;
            }
        }
        size = WINDOW_EVENTS_MAX;
        let is_whole = tally.apply(pair, &windows, &steps)?;
        if is_last || !is_whole {
            break;
        }
    }
    Ok(tally.finish(pair))
}

fn window(pair: &mut Pair<'_>, side: usize, from: usize, size: usize) -> Result<Window, DiffError> {
    let mut window = Window {
        positions: Vec::new(),
        shapes: Vec::new(),
        keys: Vec::new(),
        end: from,
        is_last: false,
    };
    while window.positions.len() < size {
        let Some(position) = pair.next(side, window.end)? else {
            window.end = pair.len(side);
            window.is_last = true;
            break;
        };
        let key = pair.keys(side, position)?;
        window.positions.push(position);
        window.shapes.push(key.0);
        window.keys.push(key);
        window.end = position + 1;
    }
    Ok(window)
}

/// Aligns two windows: first by events that are equal in all they say, then, between those, by
/// what the events are about.
fn steps(windows: &[Window; 2], deadline: Option<Instant>) -> Vec<Step> {
    let [expected, actual] = windows;
    let mut steps = Vec::new();
    for op in diff(&expected.keys, &actual.keys, deadline) {
        let (old, new) = (op.old_range(), op.new_range());
        if matches!(op, DiffOp::Equal { .. }) {
            steps.extend(old.zip(new).map(|(at, actual_at)| Step::Pair(at, actual_at)));
            continue;
        }
        for op in diff(&expected.shapes[old.clone()], &actual.shapes[new.clone()], deadline) {
            let shifted = |range: Range<usize>, by: usize| range.start + by..range.end + by;
            let (old, new) =
                (shifted(op.old_range(), old.start), shifted(op.new_range(), new.start));
            if matches!(op, DiffOp::Equal { .. }) {
                steps.extend(old.zip(new).map(|(at, actual_at)| Step::Pair(at, actual_at)));
            } else {
                steps.extend(old.map(Step::Missing));
                steps.extend(new.map(Step::Extra));
            }
        }
    }
    steps
}

fn diff<T: Eq + std::hash::Hash>(x: &[T], y: &[T], deadline: Option<Instant>) -> Vec<DiffOp> {
    capture_diff_slices_deadline(Algorithm::Myers, x, y, deadline)
}

/// What has been aligned so far.
struct Tally<'a> {
    rest: Rest,
    /// The first positions that are not aligned yet.
    from: [usize; 2],
    options: &'a Options,
}

impl Tally<'_> {
    fn is_late(&self) -> bool {
        self.options.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Compares the values of pairs and counts the rest; `false` if time was up before the end.
    fn apply(
        &mut self,
        pair: &mut Pair<'_>,
        windows: &[Window; 2],
        steps: &[Step],
    ) -> Result<bool, DiffError> {
        let mut pairs = 0;
        for step in steps {
            match *step {
                Step::Pair(at, actual_at) => {
                    pairs += 1;
                    if pairs % PAIRS_BETWEEN_LOOKS == 0 && self.is_late() {
                        self.rest.stopped = Some(Stopped::Deadline);
                        return Ok(false);
                    }
                    let positions = [windows[0].positions[at], windows[1].positions[actual_at]];
                    self.pair(pair, positions)?;
                    self.from = positions.map(|position| position + 1);
                }
                Step::Missing(at) => {
                    let position = windows[0].positions[at];
                    self.missing(pair, position)?;
                    self.from[0] = position + 1;
                }
                Step::Extra(at) => {
                    let position = windows[1].positions[at];
                    self.extra(pair, position)?;
                    self.from[1] = position + 1;
                }
            }
        }
        // Events that are left out may stand at the end.
        for side in [0, 1] {
            if windows[side].is_last
                && windows[side].positions.last().is_none_or(|last| self.from[side] > *last)
            {
                self.from[side] = windows[side].end;
            }
        }
        Ok(true)
    }

    fn pair(&mut self, pair: &mut Pair<'_>, positions: [usize; 2]) -> Result<(), DiffError> {
        match pair.compare(positions)? {
            Sameness::Same => self.rest.equal += 1,
            Sameness::Values(differences) => {
                self.rest.changed += 1;
                if self.has_room() {
                    let expected = pair.event_at(0, positions[0])?;
                    let actual = pair.event_at(1, positions[1])?;
                    self.rest.edits.push(Edit::Changed { expected, actual, differences });
                }
            }
            // They were of one shape when they were paired.
            Sameness::Other => {
                let offset = pair.event_at(0, positions[0])?.offset;
                return Err(DiffError::Changed { offset });
            }
        }
        Ok(())
    }

    fn missing(&mut self, pair: &mut Pair<'_>, position: usize) -> Result<(), DiffError> {
        self.rest.missing += 1;
        let next = self.from[1];
        if let Some(Edit::Missing { count, before, .. }) = self.rest.edits.last_mut()
            && *before == next
        {
            *count += 1;
        } else if self.has_room() {
            let first = pair.event_at(0, position)?;
            self.rest.edits.push(Edit::Missing { first, count: 1, before: next });
        }
        Ok(())
    }

    fn extra(&mut self, pair: &mut Pair<'_>, position: usize) -> Result<(), DiffError> {
        self.rest.extra += 1;
        let next = self.from[0];
        if let Some(Edit::Extra { count, before, .. }) = self.rest.edits.last_mut()
            && *before == next
        {
            *count += 1;
        } else if self.has_room() {
            let first = pair.event_at(1, position)?;
            self.rest.edits.push(Edit::Extra { first, count: 1, before: next });
        }
        Ok(())
    }

    /// Whether one more edit can be listed; counts it otherwise.
    fn has_room(&mut self) -> bool {
        let has_room = self.rest.edits.len() < self.options.edits_max;
        self.rest.unlisted += u64::from(!has_room);
        has_room
    }

    fn finish(mut self, pair: &Pair<'_>) -> Rest {
        self.rest.not_aligned = [0, 1].map(|side| (pair.len(side) - self.from[side]) as u64);
        self.rest
    }
}
