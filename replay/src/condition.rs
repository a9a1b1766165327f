//! Conditions: tests joined by `and`, `or` and `not`, as people type them.
//!
//! ```text
//! expr   = term ("or" term)*
//! term   = factor ("and" factor)*
//! factor = "not" factor | "(" expr ")" | test
//! op     = "=" | "!=" | "~" | "<" | "<=" | ">" | ">="
//! value  = a word without spaces, or a string in double quotes with \" and \\
//! ```
//!
//! What a test is, says whoever reads a condition.

use std::fmt;

use crate::render::{self, Limits, Previews};
use crate::tree::Tree;

mod parser;

pub(crate) use parser::Parser;

/// Tests of some kind, joined by `and`, `or` and `not`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Condition<T> {
    /// At least one of several, which are two or more.
    Or(Vec<Condition<T>>),
    /// All of several, which are two or more.
    And(Vec<Condition<T>>),
    Not(Box<Condition<T>>),
    Test(T),
}

/// How a field is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Equal,
    NotEqual,
    Contains,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Longer spellings come before their beginnings.
pub(crate) const OPS: [(&str, Op); 7] = [
    ("!=", Op::NotEqual),
    ("<=", Op::LessOrEqual),
    (">=", Op::GreaterOrEqual),
    ("=", Op::Equal),
    ("~", Op::Contains),
    ("<", Op::Less),
    (">", Op::Greater),
];

/// What is wrong with the text of a condition, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", picture(.text, *.column))]
pub(crate) struct ConditionError {
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

impl<T> Condition<T> {
    /// Whether the condition is met, when it is known which tests are.
    pub(crate) fn holds(&self, test: &impl Fn(&T) -> bool) -> bool {
        match self {
            Condition::Or(parts) => parts.iter().any(|part| part.holds(test)),
            Condition::And(parts) => parts.iter().all(|part| part.holds(test)),
            Condition::Not(part) => !part.holds(test),
            Condition::Test(one) => test(one),
        }
    }
}

impl Op {
    /// Whether it holds between a field and the value it is compared with.
    pub(crate) fn holds(self, tree: &Tree, value: &str, previews: &Previews) -> bool {
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

pub(crate) fn is_bare(char: char) -> bool {
    !char.is_whitespace() && !matches!(char, '(' | ')' | '"' | '=' | '!' | '~' | '<' | '>')
}

pub(crate) fn is_keyword(word: &str) -> bool {
    matches!(word, "and" | "or" | "not")
}

impl<T: fmt::Display> fmt::Display for Condition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, parts: &[Condition<T>], word: &str| {
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    write!(f, " {word} ")?;
                }
                // Parentheses where they carry meaning: around any other list.
                match part {
                    Condition::Or(_) => write!(f, "({part})")?,
                    Condition::And(_) if word == "and" => write!(f, "({part})")?,
                    part => write!(f, "{part}")?,
                }
            }
            Ok(())
        };
        match self {
            Condition::Or(parts) => list(f, parts, "or"),
            Condition::And(parts) => list(f, parts, "and"),
            Condition::Not(part) => match **part {
                Condition::Or(_) | Condition::And(_) => write!(f, "not ({part})"),
                Condition::Not(_) | Condition::Test(_) => write!(f, "not {part}"),
            },
            Condition::Test(test) => write!(f, "{test}"),
        }
    }
}
