//! From the engine's errors to the stable codes of a chain.

use std::fmt;

use theater_record::{Outcome, TrapCode};
use wasmtime::Trap;

/// What a host function ended with instead of returning; also how the recorded end of one comes
/// back to the component in replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stable code.
    pub code: TrapCode,
    /// What to tell people.
    pub detail: String,
}

impl Failure {
    /// How a call ended, if it did not return.
    pub(crate) fn of(outcome: &Outcome) -> Option<Failure> {
        match outcome {
            Outcome::Returned(_) => None,
            Outcome::Trapped { code, detail } => {
                Some(Failure { code: *code, detail: detail.clone() })
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail.as_str() {
            "" => f.write_str(self.code.name()),
            detail => write!(f, "{}: {detail}", self.code.name()),
        }
    }
}

impl std::error::Error for Failure {}

/// How a call into a component ended, when it did not return.
///
/// `limit_hit` is the limit that was refused to the component last, if any: what looks like an
/// `unreachable` is then most likely an allocator that gave up.
pub(crate) fn failure(error: &wasmtime::Error, limit_hit: Option<TrapCode>) -> Failure {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.clone();
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let code = code(*trap);
        return match limit_hit {
            Some(limit) if code == TrapCode::Unreachable => {
                Failure { code: limit, detail: "unreachable after the limit was hit".to_owned() }
            }
            _ => Failure { code, detail: detail(code, *trap) },
        };
    }
    // What is left are values and handles that break the component model's rules.
    let detail = error.root_cause().to_string();
    if let Some(limit) = limit_hit
        && detail.contains("exceeds")
    {
        // It asks for more from the start than it may have.
        return Failure { code: limit, detail };
    }
    let code = if detail.contains("handle") || detail.contains("resource") {
        TrapCode::BadResource
    } else {
        TrapCode::InvalidValue
    };
    Failure { code, detail }
}

/// How a host function failed. An exit is no failure, but ends the component just the same.
pub(crate) fn host_failure(error: &wasmtime::Error) -> Failure {
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return failure.clone();
    }
    if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
        return Failure { code: TrapCode::Exit, detail: exit.0.to_string() };
    }
    // A component that recurses through its imports may run out of stack on the way to the host.
    let code = match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => TrapCode::StackOverflow,
        _ => TrapCode::HostError,
    };
    Failure { code, detail: error.root_cause().to_string() }
}

fn detail(code: TrapCode, trap: Trap) -> String {
    if code == TrapCode::Other || code == TrapCode::InvalidValue {
        trap.to_string()
    } else {
        String::new()
    }
}

/// The engine's set of traps is open, so what is not listed is "other".
fn code(trap: Trap) -> TrapCode {
    match trap {
        Trap::UnreachableCodeReached => TrapCode::Unreachable,
        Trap::MemoryOutOfBounds => TrapCode::MemoryOutOfBounds,
        Trap::TableOutOfBounds | Trap::ArrayOutOfBounds => TrapCode::TableOutOfBounds,
        Trap::IndirectCallToNull | Trap::NullReference => TrapCode::NullReference,
        Trap::BadSignature => TrapCode::BadSignature,
        Trap::IntegerOverflow => TrapCode::IntegerOverflow,
        Trap::IntegerDivisionByZero => TrapCode::DivisionByZero,
        Trap::BadConversionToInteger => TrapCode::BadConversion,
        Trap::StackOverflow => TrapCode::StackOverflow,
        Trap::OutOfFuel => TrapCode::OutOfFuel,
        Trap::CannotEnterComponent | Trap::CannotLeaveComponent => TrapCode::CannotEnter,
        Trap::InvalidChar
        | Trap::InvalidDiscriminant
        | Trap::StringOutOfBounds
        | Trap::ListOutOfBounds
        | Trap::UnalignedPointer => TrapCode::InvalidValue,
        _ => TrapCode::Other,
    }
}
