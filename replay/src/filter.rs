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

/// The names a path may start with. A typing mistake would otherwise match nothing, silently.
const ROOTS: [&str; 48] = [
    "kind",
    "interface",
    "function",
    "seq",
    "offset",
    "args",
    "result",
    "trap",
    "fuel",
    "detail",
    "resource",
    "state",
    "time",
    "capability",
    "subject",
    "allowed",
    "reason",
    "version",
    "chain",
    "origin",
    "recorder",
    "created",
    "name",
    "component",
    "embedded",
    "manifest",
    "settings",
    "world",
    "first_key",
    "identity",
    "signed",
    "id",
    "type",
    "params",
    "results",
    "number",
    "first_event",
    "segment_bytes",
    "blobs",
    "blob_bytes",
    "durable",
    "segment_digest",
    "segment_root",
    "log_root",
    "next_key",
    "checkpoints",
    "record_bytes",
    "digest",
];

/// Nesting deeper than this is refused, so that no filter can exhaust the stack.
const DEPTH_MAX: usize = 64;

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
#[error("{message}\n  {shown}\n  {caret:>width$}", shown = crate::escape::plain(text), caret = '^', width = column)]
pub(crate) struct FilterError {
    text: String,
    /// Counted in characters, from 1.
    column: usize,
    message: String,
}

impl Filter {
    /// Reads a filter.
    pub(crate) fn parse(text: &str) -> Result<Filter, FilterError> {
        let mut parser = Parser { text, at: 0 };
        let filter = parser.expr(DEPTH_MAX)?;
        parser.skip_space();
        if parser.at < text.len() {
            return Err(parser.error("expected `and`, `or` or the end"));
        }
        Ok(filter)
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

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn expr(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut parts = vec![self.term(depth)?];
        while self.keyword("or") {
            parts.push(self.term(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn term(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut parts = vec![self.factor(depth)?];
        while self.keyword("and") {
            parts.push(self.factor(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn factor(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth == 0 {
            return Err(self.error("too deeply nested"));
        }
        if self.keyword("not") {
            return Ok(Filter::Not(Box::new(self.factor(depth - 1)?)));
        }
        if self.symbol("(") {
            let inner = self.expr(depth - 1)?;
            if !self.symbol(")") {
                return Err(self.error("expected `)`"));
            }
            return Ok(inner);
        }
        self.test().map(Filter::Test)
    }

    fn test(&mut self) -> Result<Test, FilterError> {
        self.skip_space();
        let start = self.at;
        let root = self.name("expected a field, such as `kind` or `args.path`")?;
        if !ROOTS.contains(&root.as_str()) {
            self.at = start;
            let known = ROOTS[..7].join(", ");
            return Err(self.error(&format!(
                "unknown field; the most used are {known}, capability and allowed"
            )));
        }
        let rest = self.path()?;
        self.skip_space();
        let op = OPS.iter().find(|(spelling, _)| self.symbol(spelling)).map(|(_, op)| *op);
        let op = op.ok_or_else(|| self.error("expected one of = != ~ < <= > >="))?;
        self.skip_space();
        let start = self.at;
        let value = self.value()?;
        let test = Test { root, rest, op, value };
        if let Err(message) = test.check() {
            self.at = start;
            return Err(self.error(&message));
        }
        Ok(test)
    }

    fn path(&mut self) -> Result<Vec<PathStep>, FilterError> {
        let mut path = Vec::new();
        loop {
            // No spaces inside a path: `args .x` is a mistake.
            if self.text[self.at..].starts_with('.') {
                self.at += 1;
                path.push(PathStep::Name(self.name("expected a field name after `.`")?));
            } else if self.text[self.at..].starts_with('[') {
                self.at += 1;
                let digits = self.take(|char| char.is_ascii_digit());
                let index = digits.parse();
                let index = index.map_err(|_| self.error("expected a number after `[`"))?;
                if !self.text[self.at..].starts_with(']') {
                    return Err(self.error("expected `]`"));
                }
                self.at += 1;
                path.push(PathStep::Index(index));
            } else {
                return Ok(path);
            }
        }
    }

    fn name(&mut self, expected: &str) -> Result<String, FilterError> {
        let name = self.take(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
        if name.is_empty() { Err(self.error(expected)) } else { Ok(name) }
    }

    fn value(&mut self) -> Result<String, FilterError> {
        if !self.text[self.at..].starts_with('"') {
            let word = self.take(is_bare);
            return if word.is_empty() || is_keyword(&word) {
                self.at -= word.len();
                Err(self.error("expected a value; put it in \"quotes\" if it is unusual"))
            } else {
                Ok(word)
            };
        }
        let mut value = String::new();
        let mut chars = self.text[self.at + 1..].char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.at += 1 + at + 1;
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                    _ => {
                        self.at += 1 + at;
                        return Err(self.error("only \\\" and \\\\ can be escaped"));
                    }
                },
                char => value.push(char),
            }
        }
        Err(self.error("the quote that starts here has no end"))
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let rest = &self.text[self.at..];
        let end = rest.find(|char| !belongs(char)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        self.skip_space();
        let found = self.text[self.at..].starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        self.skip_space();
        let rest = &self.text[self.at..];
        let word = rest.find(|char: char| !is_bare(char)).map_or(rest, |end| &rest[..end]);
        let found = word == keyword;
        if found {
            self.at += keyword.len();
        }
        found
    }

    fn skip_space(&mut self) {
        self.take(char::is_whitespace);
    }

    fn error(&self, message: &str) -> FilterError {
        FilterError {
            text: self.text.to_owned(),
            column: self.text[..self.at].chars().count() + 1,
            message: format!("in the filter: {message}"),
        }
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
