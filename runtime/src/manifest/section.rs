//! Reading a table of a manifest key by key, with every problem at its place.
//!
//! A section knows its keys by being asked for them: what nobody asked for is unknown. So there is
//! no second list of keys that could go stale.

use std::ops::RangeInclusive;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::amounts::{parse_size, parse_time};
use super::findings::Findings;

/// More entries than this in one list is a mistake, or an attack.
const ENTRIES_MAX: usize = 1024;

/// A table of a manifest.
pub(super) struct Section<'a> {
    pub(super) findings: &'a Findings<'a>,
    /// How its keys are called from the top, with a dot at the end.
    prefix: String,
    /// Where it starts.
    pub(super) start: usize,
    entries: Vec<Entry<'a>>,
    /// The keys that were asked for.
    known: Vec<&'static str>,
}

struct Entry<'a> {
    key: String,
    key_start: usize,
    value: &'a Spanned<DeValue<'a>>,
    is_taken: bool,
}

/// A value with the name of its key and its place.
pub(super) struct Item<'a> {
    findings: &'a Findings<'a>,
    /// The key from the top, as messages name it.
    pub(super) path: String,
    pub(super) at: usize,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Section<'a> {
    /// The whole file.
    pub(super) fn root(table: &'a DeTable<'a>, findings: &'a Findings<'a>) -> Section<'a> {
        Section::new(table, 0, String::new(), findings)
    }

    fn new(
        table: &'a DeTable<'a>,
        start: usize,
        prefix: String,
        findings: &'a Findings<'a>,
    ) -> Section<'a> {
        let mut section =
            Section { findings, prefix, start, entries: Vec::new(), known: Vec::new() };
        section.add(table);
        section
    }

    fn add(&mut self, table: &'a DeTable<'a>) {
        self.entries.extend(table.iter().map(|(key, value)| Entry {
            key: key.get_ref().to_string(),
            key_start: key.span().start,
            value,
            is_taken: false,
        }));
    }

    /// The name of a key from the top.
    pub(super) fn path(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// Whether a key is there and not taken yet.
    pub(super) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key && !entry.is_taken)
    }

    /// Where a key stands, or else the section.
    pub(super) fn place(&self, key: &str) -> usize {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.start, |e| e.key_start)
    }

    /// Takes a key from the section.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Item<'a>> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        self.take_old(key)
    }

    /// Takes a key that is not one to suggest.
    pub(super) fn take_old(&mut self, key: &str) -> Option<Item<'a>> {
        let path = self.path(key);
        let entry = self.entries.iter_mut().find(|entry| entry.key == key && !entry.is_taken)?;
        entry.is_taken = true;
        let at = entry.value.span().start;
        self.findings.place(path.clone(), at);
        Some(Item { findings: self.findings, path, at, value: entry.value })
    }

    /// Lets an old key stand for a newer one.
    pub(super) fn rename(&mut self, old: &str, new: &'static str) {
        if !self.has(old) {
            return;
        }
        let (at, old_path, new_path) = (self.place(old), self.path(old), self.path(new));
        if self.has(new) {
            let message = format!("{old_path} says the same as {new_path}: leave one of them out");
            self.findings.problem(at, message);
            self.take_old(old);
            return;
        }
        self.findings.note(at, format!("{old_path} is now written {new_path}"));
        for entry in self.entries.iter_mut().filter(|entry| entry.key == old) {
            entry.key = new.to_owned();
        }
    }

    /// Accepts an old key that means nothing any more.
    pub(super) fn ignore(&mut self, old: &str, why: &str) {
        if let Some(item) = self.take_old(old) {
            self.findings.note(self.place(old), format!("{} has no effect: {why}", item.path));
        }
    }

    /// Takes the keys of a table in this one as if they stood beside it.
    pub(super) fn flatten(&mut self, old: &str, new_place: &str) {
        let at = self.place(old);
        let Some(item) = self.take_old(old) else { return };
        match item.value.get_ref() {
            DeValue::Table(table) => {
                if !table.is_empty() {
                    let message = format!("the keys in {} now stand {new_place}", item.path);
                    self.findings.note(at, message);
                }
                self.add(table);
            }
            _ => drop(item.wrong::<()>("a table")),
        }
    }

    /// A list of texts under an old key.
    pub(super) fn old_list(&mut self, key: &str) -> Option<Vec<String>> {
        self.take_old(key)?.list(str::parse)
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.take(key)?.text()
    }

    /// A text that something can be read from.
    pub(super) fn parsed<T: FromStr<Err: ToString>>(&mut self, key: &'static str) -> Option<T> {
        self.take(key)?.parsed(str::parse)
    }

    /// A list of texts that something can be read from each.
    pub(super) fn list<T: FromStr<Err: ToString>>(&mut self, key: &'static str) -> Option<Vec<T>> {
        self.take(key)?.list(str::parse)
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Option<T> {
        self.take(key)?.choice(words)
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.take(key)?.flag()
    }

    /// A whole number within a range.
    pub(super) fn number(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.take(key)?.within(range, "a whole number", |text| {
            text.parse().map_err(|_| "expected a whole number".to_owned())
        })
    }

    /// A number of bytes.
    pub(super) fn size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        self.take(key)?.within(range, "a size such as \"64MiB\"", parse_size)
    }

    /// A time in nanoseconds. A bare number is milliseconds.
    pub(super) fn time(&mut self, key: &'static str) -> Option<u64> {
        self.take(key)?.time()
    }

    /// A table within this one.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Section<'a>> {
        self.take(key)?.section()
    }

    /// Tables within this one, in their order.
    pub(super) fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some(item) = self.take(key) else { return Vec::new() };
        let items = item.items("a list of tables, each under a line [[...]]").unwrap_or_default();
        items.iter().filter_map(Item::section).collect()
    }

    /// A text that has to be there.
    pub(super) fn required_text(&mut self, key: &'static str, example: &str) -> Option<String> {
        if !self.has(key) {
            self.missing(key, example);
        }
        self.text(key)
    }

    /// Says that a key is missing that has to be there.
    pub(super) fn missing(&self, key: &str, example: &str) {
        let path = self.path(key);
        self.findings.problem(self.start, format!("{path} is missing: add {example}"));
    }

    /// Everything is read: what is left is unknown.
    pub(super) fn finish(self) {
        for entry in self.entries.iter().filter(|entry| !entry.is_taken) {
            let near = nearest(&entry.key, self.known.iter().copied());
            let advice = match near {
                Some(near) => format!("did you mean {near}?"),
                None if self.known.is_empty() => "there are no keys here".to_owned(),
                None => format!("known here: {}", self.known.join(", ")),
            };
            let path = self.path(&entry.key);
            self.findings.problem(entry.key_start, format!("unknown key {path}: {advice}"));
        }
    }
}

impl<'a> Item<'a> {
    /// Says what is wrong with the value. It is no value then.
    pub(super) fn problem<T>(&self, message: impl AsRef<str>) -> Option<T> {
        self.findings.problem(self.at, format!("{}: {}", self.path, message.as_ref()));
        None
    }

    /// Says something worth knowing about the value.
    pub(super) fn note(&self, message: impl AsRef<str>) {
        self.findings.note(self.at, format!("{}: {}", self.path, message.as_ref()));
    }

    /// Yes or no.
    pub(super) fn flag(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.wrong("true or false"),
        }
    }

    /// The tables in a list take numbers in their names.
    pub(super) fn section(&self) -> Option<Section<'a>> {
        match self.value.get_ref() {
            DeValue::Table(table) => {
                let prefix = format!("{}.", self.path);
                Some(Section::new(table, self.at, prefix, self.findings))
            }
            _ => self.wrong("a table"),
        }
    }

    /// Whether it is a table.
    pub(super) fn is_table(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Table(_))
    }

    /// Whether it is a text.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::String(_))
    }

    /// Yes or no; `None` if it is neither, which is no problem yet.
    pub(super) fn as_flag(&self) -> Option<bool> {
        match self.value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => None,
        }
    }

    /// A text as it stands there, for what would be filled in from itself.
    pub(super) fn raw_text(&self) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            _ => self.wrong("a text in quotes"),
        }
    }

    /// A text, filled in.
    pub(super) fn text(&self) -> Option<String> {
        match self.value.get_ref() {
            DeValue::String(text) => match self.findings.template.fill(text) {
                Ok(text) if text.contains('\0') => self.problem("a text cannot hold a zero byte"),
                Ok(text) => Some(text),
                Err(message) => self.problem(message),
            },
            _ => self.wrong("a text in quotes"),
        }
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.problem(match nearest(&text, all.iter().copied()) {
            Some(near) => format!("{text:?} is not known here; did you mean {near:?}?"),
            None => format!("{text:?} is not known here; choose among {}", all.join(", ")),
        })
    }

    /// Something read from a text.
    pub(super) fn parsed<T, E: ToString>(&self, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        let text = self.text()?;
        parse(&text).map_or_else(|error| self.problem(error.to_string()), Some)
    }

    /// A list of what can be read from texts. One text alone stands for a list of one.
    pub(super) fn list<T, E: ToString>(
        &self,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let items = match self.value.get_ref() {
            DeValue::String(_) => return Some(vec![self.parsed(parse)?]),
            _ => self.items("a list of texts")?,
        };
        // All of them are read before any counts, so that all problems are found.
        let parsed: Vec<Option<T>> = items.iter().map(|item| item.parsed(&parse)).collect();
        parsed.into_iter().collect()
    }

    /// A time in nanoseconds.
    pub(super) fn time(&self) -> Option<u64> {
        match self.value.get_ref() {
            DeValue::Integer(_) => {
                let range = 0..=u64::MAX / 1_000_000;
                Some(self.within(range, "a time", |_| Err(String::new()))? * 1_000_000)
            }
            _ => self.parsed(parse_time),
        }
    }

    /// What the entries of a list are.
    fn items(&self, expected: &str) -> Option<Vec<Item<'a>>> {
        let DeValue::Array(values) = self.value.get_ref() else { return self.wrong(expected) };
        if values.len() > ENTRIES_MAX {
            let message =
                format!("{} entries are more than the {ENTRIES_MAX} there may be", values.len());
            return self.problem(message);
        }
        let item = |(number, value): (usize, &'a Spanned<DeValue<'a>>)| Item {
            findings: self.findings,
            path: format!("{}[{number}]", self.path),
            at: value.span().start,
            value,
        };
        Some((1..).zip(values.iter()).map(item).collect())
    }

    fn within(
        &self,
        range: RangeInclusive<u64>,
        expected: &str,
        parse: impl Fn(&str) -> Result<u64, String>,
    ) -> Option<u64> {
        let number = match self.value.get_ref() {
            DeValue::Integer(number) => {
                i128::from_str_radix(number.as_str(), number.radix()).unwrap_or(i128::MAX)
            }
            DeValue::String(_) => i128::from(self.parsed(parse)?),
            _ => return self.wrong(expected),
        };
        match u64::try_from(number).ok().filter(|number| range.contains(number)) {
            Some(number) => Some(number),
            None => {
                let (least, most) = (range.start(), range.end());
                self.problem(format!("{number} is out of range: from {least} to {most}"))
            }
        }
    }

    fn wrong<T>(&self, expected: &str) -> Option<T> {
        let found = match self.value.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.problem(format!("expected {expected}, found {found}"))
    }
}

/// What somebody probably meant.
pub(super) fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let folded = word.to_ascii_lowercase().replace('_', "-");
    let near = |known: &str| strsim::jaro_winkler(&folded, &known.replace('_', "-"));
    known
        .map(|known| (near(known), known))
        .filter(|(near, _)| *near > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
