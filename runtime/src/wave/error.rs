//! What can be wrong with a value that somebody typed, and where.

use std::fmt;

use theater_record::NESTING_DEPTH_MAX;

use super::cursor::Cursor;

/// A place in typed text. Both numbers start at 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    pub(super) fn of(text: &str, at: usize) -> Position {
        let before = &text[..at];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 1 {
            write!(f, "line {}, ", self.line)?;
        }
        write!(f, "column {}", self.column)
    }
}

/// Why text is not a call, or not a value of the type it should have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WaveError {
    /// Something else stands there.
    #[error("expected {expected} at {at}, found {found}")]
    Expected {
        /// A type in WIT text, or what kind of thing.
        expected: String,
        /// Where.
        at: Position,
        /// What stands there instead, as it was typed.
        found: String,
    },
    /// A name that the type does not have.
    #[error("{of} has no {what} {name:?}, at {at}; it has {known}")]
    UnknownName {
        /// A field, a case or a flag.
        what: &'static str,
        /// The name as it was typed.
        name: String,
        /// The type in WIT text.
        of: String,
        /// Where.
        at: Position,
        /// The names that the type has.
        known: String,
    },
    /// A field or a flag that was given before.
    #[error("the {what} {name:?} is given for the second time at {at}")]
    Twice {
        /// A field or a flag.
        what: &'static str,
        /// Which.
        name: String,
        /// Where it stands again.
        at: Position,
    },
    /// A record without one of the fields that it must have.
    #[error("the field {name:?} of {of} is missing at {at}")]
    MissingField {
        /// Which.
        name: String,
        /// The type in WIT text.
        of: String,
        /// Where the record ends.
        at: Position,
    },
    /// Nested deeper than a chain can hold.
    #[error("the value at {at} is nested deeper than {NESTING_DEPTH_MAX} levels")]
    TooDeep {
        /// Where the level too many begins.
        at: Position,
    },
    /// A type that refers to something the table does not have.
    #[error("the type of the value at {at} refers to a type that is not known")]
    UnknownType {
        /// Where the value begins.
        at: Position,
    },
}

impl WaveError {
    /// The error for whatever stands at this byte of the text.
    pub(super) fn expected(expected: impl Into<String>, text: &str, at: usize) -> WaveError {
        WaveError::Expected {
            expected: expected.into(),
            at: Position::of(text, at),
            found: Cursor::new(text, at).shown(),
        }
    }
}
