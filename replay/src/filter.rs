//! Filters: which events to show.
//!
//! ```text
//! expr  = term ("or" term)*
//! term  = factor ("and" factor)*
//! factor = "not" factor | "(" expr ")" | path op value
//! path  = name ("." name | "[" number "]")*
//! op    = "=" | "!=" | "~" | "<" | "<=" | ">" | ">="
//! value = a word without spaces, or a string in double quotes with \" and \\
//! ```

use std::fmt;

use theater_record::Kind;

use crate::entry::Entry;
use crate::render::{self, Limits, Previews};
use crate::tree::{PathStep, Tree};

mod parser;

use parser::Parser;

/// The names a path may start with. A typing mistake would otherwise match nothing, silently.
const ROOTS: &str = "\
    kind interface function seq offset args result trap fuel detail resource state time \
    capability subject allowed reason version chain origin recorder created name component \
    embedded manifest settings world first_key identity signed id type params results \
    number first_event segment_bytes blobs blob_bytes durable segment_digest segment_root \
    log_root next_key checkpoints record_bytes digest discarded_bytes discarded_digest";

/// A condition on an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    /// At least one of several, which are two or more.
    Or(Vec<Filter>),
    /// All of several, which are two or more.
    And(Vec<Filter>),
    Not(Box<Filter>),
    Test(Test),
}

/// A comparison of a field with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    root: String,
    rest: Vec<PathStep>,
    op: Op,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Contains,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer spellings come before their beginnings.
const OPS: [(&str, Op); 7] = [
    ("!=", Op::NotEqual),
    ("<=", Op::LessOrEqual),
    (">=", Op::GreaterOrEqual),
    ("=", Op::Equal),
    ("~", Op::Contains),
    ("<", Op::Less),
    (">", Op::Greater),
];

/// What is wrong with the text of a filter, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", picture(.text, *.column))]
pub(crate) struct FilterError {
    text: String,
    /// Counted in characters, from 1.
    column: usize,
    message: String,
}

/// The text with a caret under the column, where there is any text.
fn picture(text: &str, column: usize) -> String {
    match text.is_empty() {
        true => String::new(),
        false => format!("\n  {}\n  {:>column$}", theater_runtime::escape::plain(text), '^'),
    }
}

impl Filter {
    /// Reads a filter.
    pub(crate) fn parse(text: &str) -> Result<Filter, FilterError> {
        Parser::new(text).filter()
    }

    /// Whether an event meets the condition. A test on a field that the event does not have fails,
    /// also with `!=`.
    pub(crate) fn matches(&self, entry: &Entry, previews: &Previews) -> bool {
        match self {
            Filter::Or(parts) => parts.iter().any(|part| part.matches(entry, previews)),
            Filter::And(parts) => parts.iter().all(|part| part.matches(entry, previews)),
            Filter::Not(part) => !part.matches(entry, previews),
            Filter::Test(test) => test.matches(entry, previews),
        }
    }
}

impl Test {
    fn matches(&self, entry: &Entry, previews: &Previews) -> bool {
        let function = entry.function.as_ref();
        let own = match self.root.as_str() {
            "kind" => Some(Tree::text(entry.kind.name())),
            "seq" => Some(Tree::Uint(entry.seq)),
            "offset" => Some(Tree::Uint(entry.offset)),
            "interface" => function.map(|(interface, _)| Tree::text(interface)),
            "function" => function.map(|(_, name)| Tree::text(name)),
            _ => None,
        };
        let root = own.as_ref().or_else(|| entry.field(&self.root));
        root.and_then(|root| root.get(&self.rest))
            .is_some_and(|tree| self.op.holds(tree, &self.value, previews))
    }
}

impl Op {
    fn holds(self, tree: &Tree, value: &str, previews: &Previews) -> bool {
        use std::cmp::Ordering::{Equal, Greater, Less};
        if let Tree::Option(Some(inner)) = tree {
            return self.holds(inner, value, previews);
        }
        let text = || match tree {
            Tree::Text(text) => text.clone(),
            Tree::Char(char) => char.to_string(),
            Tree::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => text.to_owned(),
                Err(_) => render::hex(bytes),
            },
            other => render::value(other, previews, Limits::NONE),
        };
        let ordering = || match (number(tree), value.parse::<i128>(), value.parse::<f64>()) {
            (Some(Number::Whole(found)), Ok(wanted), _) => Some(found.cmp(&wanted)),
            (Some(Number::Whole(found)), _, Ok(wanted)) => (found as f64).partial_cmp(&wanted),
            (Some(Number::Float(found)), _, Ok(wanted)) => found.partial_cmp(&wanted),
            (Some(_), ..) => None,
            (None, ..) => Some(text().as_str().cmp(value)),
        };
        match self {
            Op::Contains => text().contains(value),
            Op::Equal => text() == value || ordering() == Some(Equal),
            Op::NotEqual => text() != value && ordering() != Some(Equal),
            Op::Less => ordering() == Some(Less),
            Op::LessOrEqual => matches!(ordering(), Some(Less | Equal)),
            Op::Greater => ordering() == Some(Greater),
            Op::GreaterOrEqual => matches!(ordering(), Some(Greater | Equal)),
        }
    }
}

enum Number {
    Whole(i128),
    Float(f64),
}

fn number(tree: &Tree) -> Option<Number> {
    match tree {
        Tree::Uint(number) => Some(Number::Whole(i128::from(*number))),
        Tree::Int(number) => Some(Number::Whole(i128::from(*number))),
        Tree::F32(bits) => Some(Number::Float(f64::from(f32::from_bits(*bits)))),
        Tree::F64(bits) => Some(Number::Float(f64::from_bits(*bits))),
        _ => None,
    }
}

impl Test {
    /// Refuses what could never match.
    fn check(&self) -> Result<(), String> {
        let exact = matches!(self.op, Op::Equal | Op::NotEqual);
        if self.root == "kind" && exact && Kind::ALL.iter().all(|kind| kind.name() != self.value) {
            let kinds = Kind::ALL.map(Kind::name).join(", ");
            return Err(format!("unknown kind; the kinds are {kinds}"));
        }
        if self.root == "seq" && self.op != Op::Contains && self.value.parse::<u64>().is_err() {
            return Err("expected an event number".to_owned());
        }
        Ok(())
    }
}

fn is_bare(char: char) -> bool {
    !char.is_whitespace() && !matches!(char, '(' | ')' | '"' | '=' | '!' | '~' | '<' | '>')
}

fn is_keyword(word: &str) -> bool {
    matches!(word, "and" | "or" | "not")
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Filter], word: &str| {
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    write!(f, " {word} ")?;
                }
                // Parentheses where they carry meaning: around any other list.
                match part {
                    Filter::Or(_) => write!(f, "({part})")?,
                    Filter::And(_) if word == "and" => write!(f, "({part})")?,
                    part => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Filter::Or(parts) => list(f, parts, "or"),
            Filter::And(parts) => list(f, parts, "and"),
            Filter::Not(part) => match **part {
                Filter::Or(_) | Filter::And(_) => write!(f, "not ({part})"),
                Filter::Not(_) | Filter::Test(_) => write!(f, "not {part}"),
            },
            Filter::Test(test) => write!(f, "{test}"),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.root)?;
        for step in &self.rest {
            match step {
                PathStep::Name(name) => write!(f, ".{name}")?,
                PathStep::Index(at) => write!(f, "[{at}]")?,
            }
        }
        let (spelling, _) =
            OPS.iter().find(|(_, op)| *op == self.op).expect("every operator is in the table");
        if !self.value.is_empty() && self.value.chars().all(is_bare) && !is_keyword(&self.value) {
            write!(f, " {spelling} {}", self.value)
        } else {
            let value = self.value.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, " {spelling} \"{value}\"")
        }
    }
}

#[cfg(test)]
mod tests;
