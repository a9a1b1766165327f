//! What makes a failure the same failure, however many calls came before it.

use theater_record::{FunctionType, Outcome, TrapCode, Type, TypeTable, Value};
use theater_runtime::{Excerpt, Frame, Inbound, Life};

use crate::divergence::{Divergence, DivergenceKind};

/// What has to stay as it is while calls are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fingerprint {
    /// A call into the component does not return.
    Trap {
        function: String,
        code: TrapCode,
        detail: String,
        /// The places on the component's stack, without what recursion repeats.
        places: Vec<(u32, Option<usize>)>,
    },
    /// It returns an error.
    Error {
        function: String,
        /// The error; of a variant only which case it is.
        error: Option<Value>,
    },
    /// Another build does something else.
    Divergence { kind: DivergenceKind, function: Option<String>, path: Option<String> },
}

impl Fingerprint {
    /// How a call failed in an excerpt, if it did.
    pub(crate) fn of_call(life: &Life, position: usize, excerpt: &Excerpt) -> Option<Fingerprint> {
        let call = &life.calls[position];
        let (_, outcome) = excerpt.outcomes.iter().find(|(made, _)| *made == position)?;
        let function = path(&call.function);
        match outcome {
            Outcome::Trapped { code, detail } => {
                let places = places(*code, &excerpt.trapped_at);
                Some(Fingerprint::Trap { function, code: *code, detail: detail.clone(), places })
            }
            Outcome::Returned(_) => {
                let error = error_of(&call.function, outcome, &life.types)?;
                Some(Fingerprint::Error { function, error: error.map(|value| essence(&value)) })
            }
        }
    }

    pub(crate) fn of_divergence(divergence: &Divergence) -> Fingerprint {
        Fingerprint::Divergence {
            kind: divergence.kind,
            function: divergence.function(),
            path: divergence.difference.as_ref().map(|difference| difference.path.to_string()),
        }
    }

    /// The kind of failure, for programs.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Fingerprint::Trap { .. } => "trap",
            Fingerprint::Error { .. } => "error",
            Fingerprint::Divergence { .. } => "divergence",
        }
    }
}

/// Whether a recorded call ended in a failure. A program that ends itself with status 0 has not
/// failed.
pub(crate) fn is_failure(call: &Inbound, types: &TypeTable) -> bool {
    match &call.end {
        Some((_, Outcome::Trapped { code: TrapCode::Exit, detail })) => detail != "0",
        Some((_, Outcome::Trapped { .. })) => true,
        Some((_, outcome)) => error_of(&call.function, outcome, types).is_some(),
        None => false,
    }
}

/// The error that a function returned, if it returned one; errors need not have a value.
pub(crate) fn error_of(
    function: &FunctionType,
    outcome: &Outcome,
    types: &TypeTable,
) -> Option<Option<Value>> {
    let Outcome::Returned(values) = outcome else { return None };
    match values.decode(function.results.iter(), types).ok()?.pop()? {
        Value::Result(Err(error)) => Some(error.map(|error| *error)),
        _ => None,
    }
}

/// The type of the errors that a function returns.
pub(crate) fn error_type<'t>(function: &'t FunctionType, types: &'t TypeTable) -> Option<&'t Type> {
    match types.resolve(function.results.first()?)? {
        Type::Result(_, error) => error.as_deref(),
        _ => None,
    }
}

/// Interface and name of a function.
pub(crate) fn path(function: &FunctionType) -> String {
    match function.interface.as_str() {
        "" => function.name.clone(),
        interface => format!("{interface}#{}", function.name),
    }
}

/// What is left of an error when everything goes that other calls may have made different: a
/// variant's case says what went wrong, what it carries says with what.
fn essence(error: &Value) -> Value {
    match error {
        Value::Variant(case, _) => Value::Variant(*case, None),
        Value::Own(_) => Value::Own(0),
        error => error.clone(),
    }
}

/// Where it trapped. Where the stack or the fuel ends depends on what came before.
fn places(code: TrapCode, frames: &[Frame]) -> Vec<(u32, Option<usize>)> {
    if matches!(code, TrapCode::StackOverflow | TrapCode::OutOfFuel) {
        return Vec::new();
    }
    let mut places = Vec::new();
    for frame in frames {
        let place = (frame.function, frame.offset);
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}
