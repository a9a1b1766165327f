//! Two recordings of one component held against each other: what it was told differently, and where
//! that first shows outside.
//!
//! Outside is whatever it calls out and returns. Questions that change nothing do not count, nor does
//! how often or with what they are asked: for the time, for random numbers, for what is ready, for
//! what files there are. So a component that asks for the time and only waits shows nothing of it.
//! Numbers of resources do not count either, and drops.

use std::collections::BTreeMap;

use theater_diff::Difference;
use theater_record::{Event, Outcome};

use super::trace::{self, Trace};
use crate::divergence::DivergenceKind;

/// How two recordings compare.
#[derive(Default)]
pub(crate) struct Compared {
    /// The functions that answered differently to equal calls, each where it first did, up to where
    /// it shows.
    pub(crate) entries: Vec<Entry>,
    pub(crate) shows: Option<Shown>,
}

/// A function through which a difference enters.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) function: String,
    /// The position of the first such call in the first recording.
    pub(crate) at: usize,
}

/// The first place where a difference shows outside.
pub(crate) struct Shown {
    pub(crate) kind: DivergenceKind,
    /// Its position in either recording; `None` in one that has ended.
    pub(crate) at: [Option<usize>; 2],
    /// The value that differs, if two can be compared.
    pub(crate) difference: Option<Difference>,
}

/// Compares two recordings.
pub(crate) fn compare(one: &Trace, other: &Trace) -> Compared {
    let shows = shows(one, other);
    let end = |side: usize, trace: &Trace| {
        let shown = shows.as_ref().and_then(|shown| shown.at[side]);
        shown.unwrap_or(trace.crossings.len())
    };
    let entries = entries((one, end(0, one)), (other, end(1, other)));
    Compared { entries, shows }
}

fn shows(one: &Trace, other: &Trace) -> Option<Shown> {
    let mut other_positions = outward(other);
    for at in outward(one) {
        let Some(other_at) = other_positions.next() else {
            let kind = DivergenceKind::MissingCall;
            return Some(Shown { kind, at: [Some(at), None], difference: None });
        };
        let (event, other_event) = (&one.crossings[at].event, &other.crossings[other_at].event);
        let at = [Some(at), Some(other_at)];
        let is_same_function = one.name(event) == other.name(other_event);
        let kind = match (event, other_event) {
            (Event::ImportCall(_), Event::ImportCall(_)) if is_same_function => {
                DivergenceKind::OtherArguments
            }
            (Event::ExportReturn(end), Event::ExportReturn(other_end)) if is_same_function => {
                match (&end.outcome, &other_end.outcome) {
                    (Outcome::Returned(_), Outcome::Returned(_)) => DivergenceKind::OtherReturn,
                    _ => DivergenceKind::OtherTrap,
                }
            }
            (event, other_event) => {
                let kind = other_step(event, other_event);
                return Some(Shown { kind, at, difference: None });
            }
        };
        let (is_same, difference) = trace::compare((one, event), (other, other_event));
        if !is_same {
            return Some(Shown { kind, at, difference });
        }
    }
    let kind = DivergenceKind::ExtraCall;
    other_positions.next().map(|at| Shown { kind, at: [None, Some(at)], difference: None })
}

/// What kind of difference it is when the two do not even do the same kind of thing.
fn other_step(event: &Event, other: &Event) -> DivergenceKind {
    match (event, other) {
        (Event::ImportCall(_), Event::ImportCall(_)) => DivergenceKind::OtherFunction,
        (Event::ExportReturn(end), _) | (_, Event::ExportReturn(end))
            if matches!(end.outcome, Outcome::Trapped { .. }) =>
        {
            DivergenceKind::OtherTrap
        }
        (Event::ImportCall(_), _) => DivergenceKind::MissingCall,
        _ => DivergenceKind::ExtraCall,
    }
}

/// The positions of what the outside hears of.
fn outward(trace: &Trace) -> impl Iterator<Item = usize> {
    let is_outward = |at: &usize| {
        let event = &trace.crossings[*at].event;
        match event {
            Event::ImportCall(_) => {
                !trace.function(event).is_some_and(|f| is_question(&f.interface, &f.name))
            }
            Event::ExportReturn(_) => true,
            _ => false,
        }
    };
    (0..trace.crossings.len()).filter(is_outward)
}

/// Whether a call only asks, so that nothing outside depends on it.
fn is_question(interface: &str, name: &str) -> bool {
    const QUESTIONS: [&str; 5] = [
        "wasi:clocks/",
        "wasi:random/",
        "wasi:io/poll@",
        "wasi:cli/environment@",
        "wasi:cli/terminal",
    ];
    const QUESTIONS_OF_FILES: [&str; 10] = [
        "get-flags",
        "get-type",
        "is-same-object",
        "metadata-hash",
        "metadata-hash-at",
        "read-directory",
        "read-directory-entry",
        "readlink-at",
        "stat",
        "stat-at",
    ];
    let member = name.rsplit('.').next().unwrap_or(name);
    let is_of_files =
        interface.starts_with("wasi:filesystem/") && QUESTIONS_OF_FILES.contains(&member);
    let is_other = QUESTIONS.iter().any(|start| interface.starts_with(start));
    is_of_files || is_other || member == "subscribe"
}

/// The functions whose answers differ before the given positions: the first to the first, the second
/// to the second, as long as what was asked is the same.
fn entries((one, end): (&Trace, usize), (other, other_end): (&Trace, usize)) -> Vec<Entry> {
    let others = asked(other, other_end);
    let mut entries = Vec::new();
    for (function, calls) in asked(one, end) {
        let Some(other_calls) = others.get(&function) else { continue };
        let differs = |(at, other_at): (&usize, &usize)| {
            let same = |at: usize, other_at: usize| {
                let event = &one.crossings[at].event;
                let other_event = &other.crossings[other_at].event;
                trace::compare((one, event), (other, other_event)).0
            };
            same(*at, *other_at) && !same(at + 1, other_at + 1)
        };
        let first = calls.iter().zip(other_calls).find(|(at, other_at)| differs((at, other_at)));
        if let Some((&at, _)) = first {
            entries.push(Entry { function, at });
        }
    }
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// The positions of answered calls before `end`, by function.
fn asked(trace: &Trace, end: usize) -> BTreeMap<String, Vec<usize>> {
    let mut asked: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for at in 0..end.min(trace.crossings.len().saturating_sub(1)) {
        let (event, next) = (&trace.crossings[at].event, &trace.crossings[at + 1].event);
        if let (Event::ImportCall(_), Event::ImportReturn(_)) = (event, next) {
            asked.entry(trace.name(event)).or_default().push(at);
        }
    }
    asked
}
