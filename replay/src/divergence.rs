//! The first place where a replay and its recording differ, named.

use theater_diff::{Change, Difference, Side, diff_args, diff_results};
use theater_record::{BlobRef, Event, FunctionId, FunctionType, Outcome, TypeTable, Values};
use theater_runtime::{Crossing, Frame, Mismatch};

use crate::source::{Located, SourceMap};

/// How a replay differs from its recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DivergenceKind {
    /// Another function is called.
    OtherFunction,
    /// The same function is called with other arguments.
    OtherArguments,
    /// A call that the recording does not have.
    ExtraCall,
    /// A call that only the recording has.
    MissingCall,
    /// The component answers with another value.
    OtherReturn,
    /// The component traps where it did not, or otherwise than it did.
    OtherTrap,
    /// The component answers while the recording has it call out several times more.
    EarlyEnd,
    /// The same, after another amount of fuel.
    OtherFuel,
    /// The chain describes a function or a type in another way than the component does.
    OtherSignature,
}

impl DivergenceKind {
    /// Every kind there is.
    pub const ALL: [DivergenceKind; 9] = [
        DivergenceKind::OtherFunction,
        DivergenceKind::OtherArguments,
        DivergenceKind::ExtraCall,
        DivergenceKind::MissingCall,
        DivergenceKind::OtherReturn,
        DivergenceKind::OtherTrap,
        DivergenceKind::EarlyEnd,
        DivergenceKind::OtherFuel,
        DivergenceKind::OtherSignature,
    ];

    /// The kind of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<DivergenceKind> {
        DivergenceKind::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name people and programs read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            DivergenceKind::OtherFunction => "other-function",
            DivergenceKind::OtherArguments => "other-arguments",
            DivergenceKind::ExtraCall => "extra-call",
            DivergenceKind::MissingCall => "missing-call",
            DivergenceKind::OtherReturn => "other-return",
            DivergenceKind::OtherTrap => "other-trap",
            DivergenceKind::EarlyEnd => "early-end",
            DivergenceKind::OtherFuel => "other-fuel",
            DivergenceKind::OtherSignature => "other-signature",
        }
    }

    /// What happened, in words.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        match self {
            DivergenceKind::OtherFunction => "the component calls another function",
            DivergenceKind::OtherArguments => "the component passes other arguments",
            DivergenceKind::ExtraCall => "the component makes a call that was not recorded",
            DivergenceKind::MissingCall => "the component leaves out a recorded call",
            DivergenceKind::OtherReturn => "the component returns another value",
            DivergenceKind::OtherTrap => "the component does not end its call as it was recorded",
            DivergenceKind::EarlyEnd => "the component returns before its recorded calls are made",
            DivergenceKind::OtherFuel => "the component does the same after another amount of fuel",
            DivergenceKind::OtherSignature => {
                "the chain describes a function in another way than the component"
            }
        }
    }
}

/// The first place where a replay and its recording differ.
#[derive(Debug, Clone)]
pub struct Divergence {
    /// What kind of difference it is.
    pub kind: DivergenceKind,
    /// Whether the recorded call comes next: two calls changed places.
    pub is_swapped: bool,
    /// The event, in the recording.
    pub seq: u64,
    /// Where that event stands in the file.
    pub offset: u64,
    /// What was recorded.
    pub expected: Option<Crossing>,
    /// What the component did.
    pub actual: Option<Crossing>,
    /// The first value that differs, if the two can be compared.
    pub difference: Option<Difference>,
    /// The call before.
    pub before: Option<(u64, Crossing)>,
    /// What was recorded next.
    pub after: Option<(u64, Crossing)>,
    /// Where in the component it happened, the innermost frame first.
    pub frames: Vec<Frame>,
    /// Where in its source the component did what it did, once somebody has looked.
    pub source: Option<Located>,
    /// Where in its source the recorded build did what was recorded, if that is another build, and
    /// somebody has looked.
    pub recorded_source: Option<Located>,
}

impl Divergence {
    /// Names a mismatch.
    #[must_use]
    pub fn of(mismatch: Mismatch) -> Divergence {
        let (kind, is_swapped) = classify(&mismatch);
        let comparable =
            matches!(kind, DivergenceKind::OtherArguments | DivergenceKind::OtherReturn);
        let difference = match (&mismatch.expected, &mismatch.actual) {
            (Some(expected), Some(actual)) if comparable => first_difference(expected, actual),
            _ => None,
        };
        Divergence {
            kind,
            is_swapped,
            seq: mismatch.seq,
            offset: mismatch.offset,
            expected: mismatch.expected,
            actual: mismatch.actual,
            difference,
            before: mismatch.before,
            after: mismatch.after,
            frames: mismatch.frames,
            source: None,
            recorded_source: None,
        }
    }

    /// Whether the component could not even be called, because it lacks an export.
    #[must_use]
    pub fn lacks_export(&self) -> bool {
        self.expected.is_some() && self.actual.is_none()
    }

    /// Looks up where in its source the component did what it did.
    pub fn locate(&mut self, map: &SourceMap) {
        let Some(actual) = &self.actual else { return };
        self.source = Some(map.locate(&actual.event, actual.function.as_ref(), &self.frames));
    }

    /// The function at which the two part: the recorded one, else the one that was called.
    #[must_use]
    pub fn function(&self) -> Option<String> {
        let crossing = match self.kind {
            DivergenceKind::ExtraCall => self.actual.as_ref().or(self.expected.as_ref()),
            _ => self.expected.as_ref().or(self.actual.as_ref()),
        };
        crossing.and_then(path)
    }
}

/// Interface and name of the function that a crossing is about.
pub(crate) fn path(crossing: &Crossing) -> Option<String> {
    let function = crossing.function.as_ref()?;
    Some(match function.interface.as_str() {
        "" => function.name.clone(),
        interface => format!("{interface}#{}", function.name),
    })
}

/// Which kind of difference it is, and whether two calls changed places.
fn classify(mismatch: &Mismatch) -> (DivergenceKind, bool) {
    let (expected, actual) = match (&mismatch.expected, &mismatch.actual) {
        (_, None) => return (DivergenceKind::OtherFunction, false),
        (None, Some(_)) => return (DivergenceKind::ExtraCall, false),
        (Some(expected), Some(actual)) => (expected, actual),
    };
    match (&expected.event, &actual.event) {
        (Event::ExportReturn(recorded), Event::ExportReturn(end)) => {
            (other_end(&recorded.outcome, &end.outcome), false)
        }
        (_, Event::Lifecycle(_)) => (DivergenceKind::OtherTrap, false),
        (_, Event::ExportReturn(end)) => (ends_instead(mismatch, &end.outcome), false),
        (Event::ImportCall(_) | Event::ResourceDrop(_), _) => calls_instead(mismatch),
        _ => (DivergenceKind::ExtraCall, false),
    }
}

fn other_end(recorded: &Outcome, actual: &Outcome) -> DivergenceKind {
    match (recorded, actual) {
        _ if recorded == actual => DivergenceKind::OtherFuel,
        (Outcome::Returned(_), Outcome::Returned(_)) => DivergenceKind::OtherReturn,
        (Outcome::Trapped { .. }, _) | (_, Outcome::Trapped { .. }) => DivergenceKind::OtherTrap,
    }
}

/// The component came to an end where it called out.
fn ends_instead(mismatch: &Mismatch, end: &Outcome) -> DivergenceKind {
    if let Outcome::Trapped { .. } = end {
        return DivergenceKind::OtherTrap;
    }
    let recorded = mismatch.probe.recorded.iter().map(|(_, crossing)| &crossing.event);
    let until_end = recorded.take_while(|event| !matches!(event, Event::ExportReturn(_)));
    let calls = until_end.filter(|event| matches!(event, Event::ImportCall(_))).count();
    if calls > 1 { DivergenceKind::EarlyEnd } else { DivergenceKind::MissingCall }
}

/// The component made a call, and not the recorded one.
fn calls_instead(mismatch: &Mismatch) -> (DivergenceKind, bool) {
    let recorded = calls(mismatch.probe.recorded.iter().map(|(_, crossing)| crossing));
    let actual = calls(mismatch.actual.iter().chain(&mismatch.probe.actual));
    let is_same = |recorded_at: usize, actual_at: usize| {
        matches!(
            (recorded.get(recorded_at), actual.get(actual_at)),
            (Some(recorded), Some(actual)) if is_same_call(recorded, actual)
        )
    };
    if is_same(0, 0) {
        // Names and values agree, so it is in how they are written down.
        let fuel = fuel(recorded[0]) != fuel(actual[0]);
        let kind = match fuel {
            true => DivergenceKind::OtherFuel,
            false => DivergenceKind::OtherSignature,
        };
        return (kind, false);
    }
    let same_function = names(recorded[0]) == names(actual[0]);
    let in_place = match same_function {
        true => DivergenceKind::OtherArguments,
        false => DivergenceKind::OtherFunction,
    };
    if is_same(1, 0) && is_same(0, 1) {
        return (in_place, true);
    }
    // A changed call is followed by what followed it before; that explanation is the simplest.
    if is_same(1, 1) && !is_same(1, 0) {
        return (in_place, false);
    }
    if is_same(0, 1) {
        return (DivergenceKind::ExtraCall, false);
    }
    let skipped =
        (1..recorded.len()).find(|at| is_same(*at, 0) && (actual.len() < 2 || is_same(at + 1, 1)));
    match skipped {
        None => (in_place, false),
        Some(skipped) => (left_out(&recorded[..skipped], mismatch), false),
    }
}

/// The component went on behind some recorded calls. If all it does there is to tidy up and return,
/// and it was more than one call, it did not leave something out but stopped early.
fn left_out(skipped: &[&Crossing], mismatch: &Mismatch) -> DivergenceKind {
    let mut then = mismatch.actual.iter().chain(&mismatch.probe.actual);
    let ends = then
        .all(|crossing| matches!(crossing.event, Event::ResourceDrop(_) | Event::ExportReturn(_)));
    let calls = skipped.iter().filter(|one| matches!(one.event, Event::ImportCall(_))).count();
    if ends && calls > 1 { DivergenceKind::EarlyEnd } else { DivergenceKind::MissingCall }
}

fn calls<'a>(crossings: impl Iterator<Item = &'a Crossing>) -> Vec<&'a Crossing> {
    let is_call = |crossing: &&Crossing| {
        matches!(crossing.event, Event::ImportCall(_) | Event::ResourceDrop(_))
    };
    crossings.filter(is_call).collect()
}

fn names(crossing: &Crossing) -> Option<(&str, &str)> {
    crossing.function.as_ref().map(|function| {
        let interface = function.interface.split('@').next().unwrap_or_default();
        (interface, function.name.as_str())
    })
}

fn is_same_call(one: &Crossing, other: &Crossing) -> bool {
    names(one) == names(other)
        && match (&one.event, &other.event) {
            (Event::ImportCall(a), Event::ImportCall(b)) => a.args == b.args,
            (Event::ResourceDrop(a), Event::ResourceDrop(b)) => a.resource == b.resource,
            _ => false,
        }
}

fn fuel(crossing: &Crossing) -> Option<u64> {
    match &crossing.event {
        Event::ImportCall(call) | Event::ExportCall(call) => call.fuel,
        _ => None,
    }
}

/// The first value in which two crossings of the same kind differ.
fn first_difference(expected: &Crossing, actual: &Crossing) -> Option<Difference> {
    let none = |_: &BlobRef| None;
    let expected_values = decoded(expected)?;
    let actual_values = decoded(actual)?;
    let nameless = FunctionType {
        id: FunctionId(0),
        interface: String::new(),
        name: String::new(),
        params: Vec::new(),
        results: Vec::new(),
    };
    let side = |crossing: &'_ Crossing| crossing.function.clone().unwrap_or(nameless.clone());
    let (expected_function, actual_function) = (side(expected), side(actual));
    let expected_side = Side {
        values: &expected_values,
        function: &expected_function,
        types: &expected.types,
        contents: &none,
    };
    let actual_side = Side {
        values: &actual_values,
        function: &actual_function,
        types: &actual.types,
        contents: &none,
    };
    let differences = match &expected.event {
        Event::ImportCall(_) => diff_args(&expected_side, &actual_side, 1),
        _ => diff_results(&expected_side, &actual_side, 1),
    };
    differences.found.into_iter().next()
}

fn decoded(crossing: &Crossing) -> Option<Vec<theater_record::Value>> {
    let function = crossing.function.as_ref()?;
    let decode = |values: &Values, types: Vec<&theater_record::Type>, table: &TypeTable| {
        values.decode(types.into_iter(), table).ok()
    };
    match &crossing.event {
        Event::ImportCall(call) | Event::ExportCall(call) => {
            let types = function.params.iter().map(|(_, ty)| ty).collect();
            decode(&call.args, types, &crossing.types)
        }
        Event::ImportReturn(end) | Event::ExportReturn(end) => match &end.outcome {
            Outcome::Returned(values) => {
                decode(values, function.results.iter().collect(), &crossing.types)
            }
            Outcome::Trapped { .. } => None,
        },
        _ => None,
    }
}

/// Both sides of a difference, as types and values.
pub(crate) fn sides(
    change: &Change,
) -> (Option<&theater_diff::Typed>, Option<&theater_diff::Typed>) {
    match change {
        Change::Value { expected, actual }
        | Change::Bytes { expected, actual, .. }
        | Change::Type { expected, actual }
        | Change::Unknown { expected, actual } => (Some(expected), Some(actual)),
        Change::Missing { expected } => (Some(expected), None),
        Change::Extra { actual } => (None, Some(actual)),
    }
}
