//! A place in a component's source, and the stack of them at a crossing.

use std::fmt;

use serde::{Deserialize, Serialize};
use theater_runtime::escape::plain;

use super::names;

/// A place in the source of a component, or as much of it as is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The function, by a name that people can read.
    pub function: Option<String>,
    /// The file, as the compiler wrote it down.
    pub file: Option<String>,
    /// The directory in which the compiler worked.
    pub directory: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
    /// The column, from 1.
    pub column: Option<u32>,
    /// Whether the compiler has put this function into the one that follows in the stack.
    pub inlined: bool,
    /// Why this place is not the guest's own, if it is not.
    pub foreign: Option<Foreign>,
}

/// Why a place is not one that the guest's author has written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Foreign {
    /// Nothing says which line it is.
    NoLine,
    /// It was generated: bindings, entry points.
    Generated,
    /// It belongs to a library, or to the language.
    Library,
}

impl Place {
    /// The file as it looks from the directory in which the compiler worked.
    #[must_use]
    pub fn short_file(&self) -> Option<&str> {
        let file = self.file.as_deref()?;
        let within = self.directory.as_deref().and_then(|directory| file.strip_prefix(directory));
        Some(within.map_or(file, |rest| rest.trim_start_matches('/')))
    }

    /// File, line and column, as far as they are known.
    #[must_use]
    pub fn position(&self) -> Option<String> {
        let file = self.short_file()?;
        Some(match (self.line, self.column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}"),
            (Some(line), None) => format!("{file}:{line}"),
            (None, _) => file.to_owned(),
        })
    }
}

/// `src/orders.rs:88:17 in orders::charge`, without anything that could steer a terminal.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.position(), &self.function) {
            (Some(position), Some(function)) => format!("{position} in {function}"),
            (Some(position), None) => position,
            (None, Some(function)) => function.clone(),
            (None, None) => "a function without a name".to_owned(),
        };
        f.write_str(&plain(&text))
    }
}

/// Where a component was when it crossed its sandbox, the innermost place first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stack {
    /// The places.
    pub places: Vec<Place>,
}

impl Stack {
    /// Whether nothing is known of it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether any place in it has a line.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        self.places.iter().any(|place| place.line.is_some())
    }

    /// The line of the guest's own source from which the sandbox was crossed.
    #[must_use]
    pub fn origin(&self) -> Option<&Place> {
        self.own().next()
    }

    /// The innermost function with a name of which nothing says that it was generated, be it as
    /// the binding of the function that was called. Where no line is known, this is the best there
    /// is.
    #[must_use]
    pub fn named(&self, called: Option<&str>) -> Option<&Place> {
        let binding = called.map(names::binding);
        let is_named = |place: &&Place| match (&place.function, place.foreign) {
            (Some(function), Some(Foreign::NoLine)) => {
                binding.as_ref().is_none_or(|binding| !function.ends_with(binding))
            }
            _ => false,
        };
        self.places.iter().find(is_named)
    }

    /// The places that the guest's author has written.
    pub fn own(&self) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(|place| place.foreign.is_none())
    }
}
