//! Filters: which events to show.
//!
//! ```text
//! test = path op value
//! path = name ("." name | "[" number "]")*
//! ```
//!
//! How tests are joined, and what operators and values look like, stands in `condition.rs`.

use std::fmt;

use theater_record::Kind;

use crate::condition::{Condition, ConditionError, OPS, Op, Parser, is_bare, is_keyword};
use crate::entry::Entry;
use crate::render::Previews;
use crate::tree::{PathStep, Tree};

/// The names a path may start with. A typing mistake would otherwise match nothing, silently.
const ROOTS: &str = "\
    kind interface function seq offset args result trap fuel detail resource state time \
    capability subject allowed reason version chain origin recorder created name component \
    embedded manifest settings world first_key identity signed id type params results \
    number first_event segment_bytes blobs blob_bytes durable segment_digest segment_root \
    log_root next_key checkpoints record_bytes digest discarded_bytes discarded_digest";

/// A condition on an event.
pub(crate) type Filter = Condition<Test>;

/// A comparison of a field with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Test {
    root: String,
    rest: Vec<PathStep>,
    op: Op,
    value: String,
}

impl Filter {
    /// Reads a filter.
    pub(crate) fn parse(text: &str) -> Result<Filter, ConditionError> {
        Parser::new("the filter", text).condition(test)
    }

    /// Whether an event meets the condition. A test on a field that the event does not have fails,
    /// also with `!=`.
    pub(crate) fn matches(&self, entry: &Entry, previews: &Previews) -> bool {
        self.holds(&|test| test.matches(entry, previews))
    }
}

/// Reads a test.
fn test(parser: &mut Parser<'_>) -> Result<Test, ConditionError> {
    let start = parser.skip_space();
    let root = parser.name("expected a field, such as `kind` or `args.path`")?;
    if ROOTS.split(' ').all(|known| known != root) {
        let message = "unknown field; the most used are kind, interface, function, seq, args, \
                       result, trap, capability and allowed";
        return Err(parser.error_at(start, message));
    }
    let rest = parser.path()?;
    let op = parser.op()?;
    let start = parser.skip_space();
    let value = parser.value()?;
    let test = Test { root, rest, op, value };
    test.check().map_err(|message| parser.error_at(start, &message))?;
    Ok(test)
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
