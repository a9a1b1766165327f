//! Interfaces that are not WASI's, answered by whoever embeds this runtime.
//!
//! A service gets values and gives values. It needs no code for the canonical ABI, and what it does is
//! recorded as everything else.

use theater_record::{Permission, RecordError, Recorder, Tip, Type, Value};

use crate::trap::Failure;

/// Answers the functions of one interface.
pub trait Service: Send {
    /// Answers a call with its results. A failure ends the component; what a component should be able to
    /// deal with is an error among the results.
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure>;

    /// Hears of a call that was answered in an earlier process, when an actor is brought back from its
    /// chain: what the actor believes to have has to be there again.
    fn remember(&mut self, _function: &str, _args: &[Value], _results: &[Value]) {}

    /// Hears of a call of one of the actor's handlers for this interface, in an earlier process as well.
    fn was_called(&mut self, _handler: &str, _args: &[Value]) {}

    /// What was remembered so far belongs to a life of the actor that has ended: what it had made is gone.
    fn forget(&mut self) {}
}

/// A call of a function that a service answers.
pub struct ServiceCall<'a> {
    /// The function's name.
    pub function: &'a str,
    /// Its arguments.
    pub args: Vec<Value>,
    /// The types of its results.
    pub results: &'a [Type],
    /// What the service decides about capabilities; it is recorded between the call and its return.
    pub decisions: &'a mut Vec<Permission>,
    /// What the chain is written with.
    pub(crate) recorder: &'a Recorder,
    /// The event of the call, if it is one from an earlier process that is made again.
    pub(crate) made_before: Option<Tip>,
}

impl ServiceCall<'_> {
    /// The event of this call in the caller's chain, with its link. That has to be hashed at once, so
    /// not every call should ask.
    pub fn tip(&self) -> Result<Tip, RecordError> {
        self.made_before.map_or_else(|| self.recorder.last_event(), Ok)
    }

    /// Has everything so far, this call included, written to the caller's chain.
    pub(crate) fn write(&self) -> Result<(), RecordError> {
        self.recorder.write()
    }
}
