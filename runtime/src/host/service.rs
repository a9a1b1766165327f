//! Interfaces that are not WASI's, answered by whoever embeds this runtime.
//!
//! A service gets values and gives values. It needs no code for the canonical ABI, and what it does is
//! recorded as everything else.

use theater_record::{Permission, RecordError, Tip, Value};

use crate::trap::Failure;

/// Answers the functions of one interface.
pub trait Service: Send {
    /// Answers a call. A failure ends the component; what a component should be able to deal with is
    /// an error among the results.
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Answer, Failure>;
}

/// A call of a function that a service answers.
pub struct ServiceCall<'a> {
    /// The function's name.
    pub function: &'a str,
    /// Its arguments.
    pub args: Vec<Value>,
    pub(crate) tip: &'a mut dyn FnMut() -> Result<Tip, RecordError>,
}

impl ServiceCall<'_> {
    /// The event of this call in the caller's chain, with its link. Waits for what is behind the
    /// recorder, so that not every call should ask.
    pub fn tip(&mut self) -> Result<Tip, RecordError> {
        (self.tip)()
    }
}

/// What a service answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The results.
    pub results: Vec<Value>,
    /// What was decided about capabilities on the way.
    pub decisions: Vec<Permission>,
}

impl From<Value> for Answer {
    fn from(result: Value) -> Answer {
        Answer { results: vec![result], decisions: Vec::new() }
    }
}
