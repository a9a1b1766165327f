//! What is to be said about a manifest, each thing with its place in the file.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use crate::escape::plain;

use super::template::Template;

/// Something about a manifest, at a place in its file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// One sentence.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, plain(&self.message))
    }
}

/// Where the keys of a manifest have their values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<String, Finding>);

impl Places {
    /// A finding about the key with this name, which is counted from the top, such as
    /// `children[1].manifest`; at the start of the file if there is no such key.
    #[must_use]
    pub fn finding(&self, key: &str, message: String) -> Finding {
        let (line, column) = self.0.get(key).map_or((1, 1), |place| (place.line, place.column));
        Finding { line, column, message }
    }

    /// The key of the one handler that has a key of this name.
    #[must_use]
    pub fn handler_key(&self, name: &str) -> Option<&str> {
        let is_it = |key: &&String| {
            let rest = key.strip_prefix("handlers[").and_then(|rest| rest.split_once("]."));
            rest.is_some_and(|(_, rest)| rest == name)
        };
        self.0.keys().find(is_it).map(String::as_str)
    }
}

/// All that was found.
pub(super) struct Sorted {
    pub(super) problems: Vec<Finding>,
    pub(super) notes: Vec<Finding>,
    pub(super) places: Places,
}

/// Collects findings while a manifest is read.
pub(super) struct Findings<'a> {
    text: &'a str,
    pub(super) template: Template<'a>,
    problems: RefCell<Vec<Finding>>,
    notes: RefCell<Vec<Finding>>,
    /// Where each key that was read has its value.
    places: RefCell<BTreeMap<String, usize>>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(text: &'a str, template: Template<'a>) -> Findings<'a> {
        let (problems, notes, places) = Default::default();
        Findings { text, template, problems, notes, places }
    }

    /// Notes something that keeps the manifest from being used.
    pub(super) fn problem(&self, at: usize, message: impl Into<String>) {
        self.problems.borrow_mut().push(self.finding(at, message.into()));
    }

    /// Notes something worth knowing.
    pub(super) fn note(&self, at: usize, message: impl Into<String>) {
        self.notes.borrow_mut().push(self.finding(at, message.into()));
    }

    /// Remembers where a key has its value.
    pub(super) fn place(&self, key: String, at: usize) {
        self.places.borrow_mut().insert(key, at);
    }

    /// All that was found, in the order of the file.
    pub(super) fn into_sorted(self) -> Sorted {
        let places = self.places.take().into_iter();
        let places = places.map(|(key, at)| (key, self.finding(at, String::new()))).collect();
        let (mut problems, mut notes) = (self.problems.into_inner(), self.notes.into_inner());
        for findings in [&mut problems, &mut notes] {
            findings.sort();
            findings.dedup();
        }
        Sorted { problems, notes, places: Places(places) }
    }

    fn finding(&self, at: usize, message: String) -> Finding {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |line_end| line_end + 1);
        Finding {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message,
        }
    }
}
