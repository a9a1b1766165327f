//! How two chains compare, as JSON.

use serde::{Serialize, Serializer};
use theater_diff::{
    Change, Comparison, Difference, Differences, Divergence, Edit, EventAt, Rest, Stopped, Typed,
    What,
};
use theater_verify::Verdict;

use super::next_command;
use super::values::tree;
use crate::entry::Entry;
use crate::json::{EntryJson, TreeJson, document};
use crate::render::Previews;
use crate::side::Side;
use crate::source::Located;
use crate::tree::Tree;
use theater_runtime::type_text;

/// The whole comparison as one document.
pub(crate) fn text(
    comparison: &Comparison,
    sides: &[Side; 2],
    sources: &[Option<Located>; 2],
) -> anyhow::Result<String> {
    let setup = comparison.setup.iter().map(|setup| Setup {
        name: &setup.name,
        expected: setup.expected.as_deref(),
        actual: setup.actual.as_deref(),
    });
    Ok(document(&Document {
        schema: "theater-replay/diff/1",
        same: comparison.first.is_none(),
        expected: Chain::of(&sides[0], comparison.ignored[0]),
        actual: Chain::of(&sides[1], comparison.ignored[1]),
        setup: setup.collect(),
        equal: comparison.equal,
        first: comparison
            .first
            .as_ref()
            .map(|first| First::of(first, sides, sources))
            .transpose()?,
        rest: comparison.rest.as_ref().map(|rest| RestJson::of(rest, sides)).transpose()?,
        next: next_command(comparison, sides),
    }))
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    same: bool,
    expected: Chain,
    actual: Chain,
    setup: Vec<Setup<'a>>,
    equal: u64,
    first: Option<First<'a>>,
    rest: Option<RestJson<'a>>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Chain {
    chain: String,
    verdict: &'static str,
    events: usize,
    ignored: u64,
}

impl Chain {
    fn of(side: &Side, ignored: u64) -> Chain {
        let verdict = match side.report.verdict() {
            Verdict::Complete => "complete",
            Verdict::Open => "open",
            Verdict::Damaged => "damaged",
            Verdict::Unmet => "unmet",
        };
        let chain = side.path.display().to_string();
        Chain { chain, verdict, events: side.outline.len(), ignored }
    }
}

#[derive(Serialize)]
struct Setup<'a> {
    name: &'a str,
    expected: Option<&'a str>,
    actual: Option<&'a str>,
}

/// A place in which the chains differ: what either says there.
#[derive(Serialize)]
struct Place<'a> {
    expected: Option<Event<'a>>,
    actual: Option<Event<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    differences: Option<Vec<DifferenceJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    more_differences: Option<bool>,
}

impl<'a> Place<'a> {
    fn of(
        events: [Option<&EventAt>; 2],
        differences: Option<&'a Differences>,
        sides: &'a [Side; 2],
    ) -> anyhow::Result<Place<'a>> {
        let event = |at: usize| events[at].map(|event| Event::of(event, &sides[at])).transpose();
        let found = |differences: &'a Differences| -> Vec<_> {
            differences.found.iter().map(|found| DifferenceJson::of(found, sides)).collect()
        };
        Ok(Place {
            expected: event(0)?,
            actual: event(1)?,
            differences: differences.map(found),
            more_differences: differences.map(|differences| differences.truncated),
        })
    }
}

/// An event as `show --json` has it.
struct Event<'a> {
    entry: Entry,
    previews: &'a Previews,
}

impl<'a> Event<'a> {
    fn of(event: &EventAt, side: &'a Side) -> anyhow::Result<Event<'a>> {
        Ok(Event { entry: side.entry(event.position)?, previews: &side.previews })
    }
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        EntryJson(&self.entry, self.previews).serialize(serializer)
    }
}

#[derive(Serialize)]
struct First<'a> {
    kind: &'static str,
    after_gap: [bool; 2],
    expected_source: Option<&'a Located>,
    actual_source: Option<&'a Located>,
    #[serde(flatten)]
    place: Place<'a>,
}

impl<'a> First<'a> {
    fn of(
        first: &'a Divergence,
        sides: &'a [Side; 2],
        sources: &'a [Option<Located>; 2],
    ) -> anyhow::Result<First<'a>> {
        let (kind, differences) = match &first.what {
            What::Values(differences) => ("values", Some(differences)),
            What::Shape => ("shape", None),
            What::End => ("end", None),
        };
        let events = [first.expected.as_ref(), first.actual.as_ref()];
        let place = Place::of(events, differences, sides)?;
        let [expected_source, actual_source] = [&sources[0], &sources[1]].map(Option::as_ref);
        Ok(First { kind, after_gap: first.after_gap, expected_source, actual_source, place })
    }
}

#[derive(Serialize)]
struct RestJson<'a> {
    equal: u64,
    changed: u64,
    missing: u64,
    extra: u64,
    not_aligned: [u64; 2],
    stopped: Option<&'static str>,
    edits: Vec<EditJson<'a>>,
    unlisted: u64,
}

impl<'a> RestJson<'a> {
    fn of(rest: &'a Rest, sides: &'a [Side; 2]) -> anyhow::Result<RestJson<'a>> {
        let edits = rest.edits.iter().map(|edit| EditJson::of(edit, sides));
        Ok(RestJson {
            equal: rest.equal,
            changed: rest.changed,
            missing: rest.missing,
            extra: rest.extra,
            not_aligned: rest.not_aligned,
            stopped: rest.stopped.map(|stopped| match stopped {
                Stopped::Deadline => "deadline",
                Stopped::NothingAlike => "nothing-alike",
            }),
            edits: edits.collect::<anyhow::Result<_>>()?,
            unlisted: rest.unlisted,
        })
    }
}

#[derive(Serialize)]
struct EditJson<'a> {
    edit: &'static str,
    count: u64,
    #[serde(flatten)]
    place: Place<'a>,
}

impl<'a> EditJson<'a> {
    fn of(edit: &'a Edit, sides: &'a [Side; 2]) -> anyhow::Result<EditJson<'a>> {
        let (edit, count, events, differences) = match edit {
            Edit::Changed { expected, actual, differences } => {
                ("changed", 1, [Some(expected), Some(actual)], Some(differences))
            }
            Edit::Missing { first, count, .. } => ("missing", *count, [Some(first), None], None),
            Edit::Extra { first, count, .. } => ("extra", *count, [None, Some(first)], None),
        };
        Ok(EditJson { edit, count, place: Place::of(events, differences, sides)? })
    }
}

#[derive(Serialize)]
struct DifferenceJson<'a> {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    change: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<TypedJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<TypedJson<'a>>,
    #[serde(flatten)]
    inside: Option<Inside>,
}

/// Where strings or byte lists differ.
#[derive(Serialize)]
struct Inside {
    equal_start: Option<u64>,
    equal_end: Option<u64>,
    expected_length: u64,
    actual_length: u64,
}

impl<'a> DifferenceJson<'a> {
    fn of(difference: &'a Difference, sides: &'a [Side; 2]) -> DifferenceJson<'a> {
        let (change, expected, actual) = match &difference.change {
            Change::Value { expected, actual } => ("value", Some(expected), Some(actual)),
            Change::Bytes { expected, actual, .. } => ("bytes", Some(expected), Some(actual)),
            Change::Missing { expected } => ("missing", Some(expected), None),
            Change::Extra { actual } => ("extra", None, Some(actual)),
            Change::Type { expected, actual } => ("type", Some(expected), Some(actual)),
            Change::Unknown { expected, actual } => ("unknown", Some(expected), Some(actual)),
        };
        let inside = match &difference.change {
            Change::Bytes { equal_start, equal_end, expected_len, actual_len, .. } => {
                Some(Inside {
                    equal_start: *equal_start,
                    equal_end: *equal_end,
                    expected_length: *expected_len,
                    actual_length: *actual_len,
                })
            }
            Change::Value { .. }
            | Change::Missing { .. }
            | Change::Extra { .. }
            | Change::Type { .. }
            | Change::Unknown { .. } => None,
        };
        DifferenceJson {
            path: difference.path.to_string(),
            parameter: difference.path.parameter(),
            change,
            expected: expected.map(|typed| TypedJson::of(typed, &sides[0])),
            actual: actual.map(|typed| TypedJson::of(typed, &sides[1])),
            inside,
        }
    }
}

#[derive(Serialize)]
struct TypedJson<'a> {
    #[serde(rename = "type")]
    ty: String,
    value: TreeOf<'a>,
}

impl<'a> TypedJson<'a> {
    fn of(typed: &Typed, side: &'a Side) -> TypedJson<'a> {
        let ty = type_text(&typed.ty, &side.lexicon.types);
        TypedJson { ty, value: TreeOf { tree: tree(side, typed), previews: &side.previews } }
    }
}

struct TreeOf<'a> {
    tree: Tree,
    previews: &'a Previews,
}

impl Serialize for TreeOf<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        TreeJson(&self.tree, self.previews).serialize(serializer)
    }
}
