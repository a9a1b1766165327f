//! How actors come to their end, and what they are doing before that.

use std::fmt;

use theater_record::{LifecycleState, TrapCode, Value};

use crate::supervision::Exit;
use crate::trap::Failure;

/// How an actor came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself, with what it left behind.
    Completed(Option<Vec<u8>>),
    /// With an error.
    Failed(ActorError),
    /// It was asked to.
    Stopped,
    /// It was killed.
    Killed,
}

/// The error that ended an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorError {
    /// What kind of error it is.
    pub kind: ErrorKind,
    /// The error in words.
    pub message: String,
}

/// What kind of error ended an actor: `actor-error-kind` of `theater:simple/types`, in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// One of its handlers returned an error.
    Returned = 0,
    /// It trapped.
    Trapped = 1,
    /// It used up what it may.
    Exhausted = 2,
    /// It could not be started.
    Unstartable = 3,
    /// An actor that it is linked to has ended, and not by completing.
    Linked = 4,
    /// Its children failed more often than its supervision allows.
    Escalated = 5,
    /// Its chain could not be written.
    Unrecorded = 6,
}

/// What an actor is doing: `actor-status` of `theater:simple/types`, in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Its instance is being made, or its `init` has not returned yet.
    Starting = 0,
    /// It takes messages.
    Running = 1,
    /// It waits to be brought back.
    Paused = 2,
    /// It has ended, and is about to be started again.
    Restarting = 3,
    /// It has ended by its own wish.
    Completed = 4,
    /// It has ended with an error.
    Failed = 5,
    /// It was asked to stop, and did.
    Stopped = 6,
    /// It was killed.
    Killed = 7,
}

/// More of an error is not passed on.
const MESSAGE_BYTES_MAX: usize = 4096;

impl ActorError {
    /// An error of a kind; what is too long of its message is cut off.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> ActorError {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(MESSAGE_BYTES_MAX));
        ActorError { kind, message }
    }
}

impl End {
    /// The end of an actor that failed.
    pub(crate) fn failed(kind: ErrorKind, message: impl Into<String>) -> End {
        End::Failed(ActorError::new(kind, message))
    }

    /// The end of an actor whose call trapped.
    pub(crate) fn trapped(failure: &Failure) -> End {
        match failure.code {
            TrapCode::Killed => End::Killed,
            TrapCode::OutOfFuel
            | TrapCode::MemoryLimit
            | TrapCode::TableLimit
            | TrapCode::StackOverflow => End::failed(ErrorKind::Exhausted, failure.to_string()),
            _ => End::failed(ErrorKind::Trapped, failure.to_string()),
        }
    }

    /// The end of an actor whose chain cannot be written.
    pub(crate) fn unrecorded(error: &(dyn std::error::Error + 'static)) -> End {
        let causes = std::iter::successors(Some(error), |error| error.source());
        let texts: Vec<String> = causes.map(ToString::to_string).collect();
        End::failed(ErrorKind::Unrecorded, texts.join(": "))
    }

    /// What a supervisor is told.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            End::Completed(_) => Exit::Completed,
            End::Failed(_) => Exit::Failed,
            End::Stopped => Exit::Stopped,
            End::Killed => Exit::Killed,
        }
    }

    /// What is listed from then on.
    pub(crate) fn status(&self) -> Status {
        match self {
            End::Completed(_) => Status::Completed,
            End::Failed(_) => Status::Failed,
            End::Stopped => Status::Stopped,
            End::Killed => Status::Killed,
        }
    }

    /// What its chain says.
    pub(crate) fn lifecycle(&self) -> (LifecycleState, &str) {
        match self {
            End::Completed(_) => (LifecycleState::Completed, ""),
            End::Failed(error) => (LifecycleState::Failed, &error.message),
            End::Stopped => (LifecycleState::Stopped, ""),
            End::Killed => (LifecycleState::Killed, ""),
        }
    }

    /// `actor-end` of `theater:simple/types`.
    pub(crate) fn value(&self) -> Value {
        let (case, payload) = match self {
            End::Completed(left) => (0, Some(bytes_or_none(left.clone()))),
            End::Failed(error) => (1, Some(error.value())),
            End::Stopped => (2, None),
            End::Killed => (3, None),
        };
        Value::Variant(case, payload.map(Box::new))
    }
}

impl ActorError {
    /// `actor-error` of `theater:simple/types`.
    pub(crate) fn value(&self) -> Value {
        Value::Record(vec![Value::Enum(self.kind as u32), Value::String(self.message.clone())])
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Completed(_) => f.write_str("it came to its end"),
            End::Failed(error) => f.write_str(&error.message),
            End::Stopped => f.write_str("it was stopped"),
            End::Killed => f.write_str("it was killed"),
        }
    }
}

impl Status {
    /// Whether an actor that is doing this has ended, and is not about to go on.
    pub(crate) fn is_over(self) -> bool {
        match self {
            Status::Starting | Status::Running | Status::Paused | Status::Restarting => false,
            Status::Completed | Status::Failed | Status::Stopped | Status::Killed => true,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Starting => "starting",
            Status::Running => "running",
            Status::Paused => "paused",
            Status::Restarting => "restarting",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Stopped => "stopped",
            Status::Killed => "killed",
        })
    }
}

/// `option<list<u8>>`.
pub(crate) fn bytes_or_none(bytes: Option<Vec<u8>>) -> Value {
    Value::Option(bytes.map(|bytes| Box::new(Value::Bytes(bytes))))
}
