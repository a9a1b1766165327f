//! Where in the arguments or the results of a call a value stands.

use std::fmt;

/// A way into the values of an event, such as `args[1].headers[3].value`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValuePath {
    /// Which of the event's values.
    pub root: Root,
    /// From there on inwards.
    pub steps: Vec<PathStep>,
}

/// One of the values that an event has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Root {
    /// An argument of a call.
    Arg {
        /// Its position.
        at: usize,
        /// The name of the parameter.
        name: String,
    },
    /// The one result of a call.
    Result,
    /// One of several results.
    ResultAt(usize),
    /// Anything else that an event says, such as `trap` or `detail`.
    Field(&'static str),
}

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathStep {
    /// A field of a record, a flag, the payload of a case, or the `key` or `value` of a map's
    /// entry.
    Name(String),
    /// An element of a list or a tuple, or an entry of a map.
    Index(usize),
}

impl ValuePath {
    /// The name of the parameter that the path starts at, if it starts at one.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        match &self.root {
            Root::Arg { name, .. } => Some(name),
            Root::Result | Root::ResultAt(_) | Root::Field(_) => None,
        }
    }
}

impl fmt::Display for ValuePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.root {
            Root::Arg { at, .. } => write!(f, "args[{at}]")?,
            Root::Result => f.write_str("result")?,
            Root::ResultAt(at) => write!(f, "result[{at}]")?,
            Root::Field(name) => f.write_str(name)?,
        }
        self.steps.iter().try_for_each(|step| match step {
            PathStep::Name(name) => write!(f, ".{name}"),
            PathStep::Index(at) => write!(f, "[{at}]"),
        })
    }
}
