//! Which events of two chains to show, in which order.

use theater_diff::{Comparison, Differences, Divergence, Edit, Rest, What};

use super::{RUN_SHOWN, View};

/// One event or a pair of events; numbers are positions in the outline of their side.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Row<'a> {
    /// An equal event; the actual one is left out where events are ignored in between.
    Same { expected: usize, actual: Option<usize> },
    /// A pair with other values.
    Changed { expected: usize, actual: usize, differences: &'a Differences },
    /// An event that only one side has.
    Only { side: usize, position: usize },
    /// More of those.
    MoreOnly { side: usize, events: u64 },
    /// More equal events than are worth showing.
    MoreSame,
}

/// An edit by positions: where it starts and ends on both sides.
struct Hunk<'a> {
    start: [usize; 2],
    end: [usize; 2],
    differences: Option<&'a Differences>,
}

/// The rows that show a comparison.
pub(super) fn of<'a>(
    comparison: &'a Comparison,
    first: &'a Divergence,
    view: &View<'_>,
    lens: [usize; 2],
) -> Vec<Row<'a>> {
    let listed = comparison.rest.as_ref().filter(|rest| !rest.edits.is_empty());
    let hunks: Vec<_> = match listed {
        Some(rest) => rest.edits.iter().take(view.edits_max).map(hunk).collect(),
        None => vec![first_hunk(first, lens)],
    };
    let mut rows = Vec::new();
    let mut done: Option<[usize; 2]> = None;
    for hunk in &hunks {
        match done {
            None => before(&mut rows, hunk.start, view.context.min(hunk.start[0])),
            Some(end) => between(&mut rows, end, hunk.start, view.context),
        }
        show(&mut rows, hunk);
        done = Some(hunk.end);
    }
    if let (Some(rest), Some(end)) = (listed, done) {
        let next = after(rest, hunks.len(), end, lens);
        same(&mut rows, end, next, view.context.min(next[0] - end[0]));
    }
    rows
}

fn hunk(edit: &Edit) -> Hunk<'_> {
    match edit {
        Edit::Changed { expected, actual, differences } => {
            let start = [expected.position, actual.position];
            Hunk { start, end: start.map(|at| at + 1), differences: Some(differences) }
        }
        Edit::Missing { first, count, before } => {
            let start = [first.position, *before];
            Hunk { start, end: [first.position + *count as usize, *before], differences: None }
        }
        Edit::Extra { first, count, before } => {
            let start = [*before, first.position];
            Hunk { start, end: [*before, first.position + *count as usize], differences: None }
        }
    }
}

/// The first difference by itself, where nothing was aligned.
fn first_hunk(first: &Divergence, lens: [usize; 2]) -> Hunk<'_> {
    let events = [first.expected, first.actual];
    let start = [0, 1].map(|side| events[side].map_or(lens[side], |event| event.position));
    let end = [0, 1].map(|side| start[side] + usize::from(events[side].is_some()));
    let differences = match &first.what {
        What::Values(differences) => Some(differences),
        What::Shape | What::End => None,
    };
    Hunk { start, end, differences }
}

fn show<'a>(rows: &mut Vec<Row<'a>>, hunk: &Hunk<'a>) {
    let [expected, actual] = hunk.start;
    if let Some(differences) = hunk.differences {
        rows.push(Row::Changed { expected, actual, differences });
        return;
    }
    for side in [0, 1] {
        let events = (hunk.end[side] - hunk.start[side]) as u64;
        // One more event takes no more room than saying that there is one more.
        let shown = if events == RUN_SHOWN + 1 { events } else { events.min(RUN_SHOWN) };
        for at in 0..shown as usize {
            rows.push(Row::Only { side, position: hunk.start[side] + at });
        }
        if events > shown {
            rows.push(Row::MoreOnly { side, events: events - shown });
        }
    }
}

/// Equal events up to a place.
fn before(rows: &mut Vec<Row<'_>>, end: [usize; 2], events: usize) {
    let start = [end[0] - events, end[1].saturating_sub(events)];
    same(rows, start, end, events);
}

/// Equal events between two places, with a gap if there are many.
fn between(rows: &mut Vec<Row<'_>>, from: [usize; 2], to: [usize; 2], context: usize) {
    let events = to[0] - from[0];
    if events <= 2 * context {
        return same(rows, from, to, events);
    }
    same(rows, from, to, context);
    rows.push(Row::MoreSame);
    before(rows, to, context);
}

/// The first so many equal events between two places.
fn same(rows: &mut Vec<Row<'_>>, from: [usize; 2], to: [usize; 2], events: usize) {
    // Side by side the two go on together, unless events are ignored on one of them.
    let is_parallel = to[0] - from[0] == to[1] - from[1];
    rows.extend((0..events).map(|at| Row::Same {
        expected: from[0] + at,
        actual: is_parallel.then_some(from[1] + at),
    }));
}

/// Up to where the events after the last shown edit are known to be equal.
fn after(rest: &Rest, shown: usize, end: [usize; 2], lens: [usize; 2]) -> [usize; 2] {
    match rest.edits.get(shown) {
        Some(edit) => hunk(edit).start,
        None if rest.unlisted > 0 => end,
        None => [0, 1].map(|side| lens[side] - rest.not_aligned[side] as usize),
    }
}
