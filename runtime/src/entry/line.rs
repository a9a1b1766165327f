//! One event as one line for people.

use std::fmt::Write;

use theater_record::Kind;

use super::Entry;
use super::render::{self, Limits, Previews};
use super::tree::Tree;
use crate::amount;
use crate::escape::plain;
use crate::paint::Paint;

/// Deeper calls are not indented further: the line is needed for what they say.
const INDENT_MAX: usize = 12;

/// How lines look.
pub struct Style<'a> {
    /// In which colours.
    pub paint: Paint,
    /// How long they get.
    pub limits: Limits,
    /// What is known of payloads out of line.
    pub previews: &'a Previews,
}

/// How a return says what returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// Not at all: the call stands just above.
    None,
    /// By the function's name: the call stands somewhere above.
    Short,
    /// With the interface.
    Full,
}

impl Style<'_> {
    /// The line for an event within `depth` calls.
    #[must_use]
    pub fn line(&self, entry: &Entry, depth: usize, naming: Naming) -> String {
        let number = self.paint.dim(entry.seq);
        let mut line = format!("{number:>6}  {}", self.text(entry, depth, naming));
        if self.limits == Limits::NONE && entry.field("fuel").is_some() {
            let fuel = format!("  fuel {}", amount::count(uint(entry, "fuel")));
            write!(line, "{}", self.paint.dim(fuel)).expect("a string takes everything");
        }
        line
    }

    /// The same without the event number.
    #[must_use]
    pub fn text(&self, entry: &Entry, depth: usize, naming: Naming) -> String {
        let indent = "  ".repeat(depth.min(INDENT_MAX));
        let paint = self.paint;
        match entry.kind {
            Kind::Header => self.header(entry),
            Kind::Type => {
                let name = self.plain(entry, "name");
                paint.dim(format!("type        {name} = {}", self.plain(entry, "type"))).to_string()
            }
            Kind::Function => paint.dim(self.function(entry)).to_string(),
            Kind::ExportCall => format!("{indent}{} {}", paint.strong("=>"), self.call(entry)),
            Kind::ImportCall => format!("{indent}{} {}", paint.strong("->"), self.call(entry)),
            Kind::ImportReturn => {
                format!("{indent}{} {}", paint.good("<-"), self.end(entry, naming))
            }
            Kind::ExportReturn => {
                format!("{indent}{} {}", paint.good("<="), self.end(entry, naming))
            }
            Kind::ResourceDrop => format!("{indent}drop {}", self.value(entry, "resource")),
            Kind::Lifecycle => {
                let state = self.plain(entry, "state");
                let detail = self.with_colon(entry);
                let time = paint.dim(time(entry, "time")).to_string();
                format!("{:<10}{detail}  {time}", paint.strong(state))
            }
            Kind::Permission => format!("{indent}{}", self.permission(entry)),
            Kind::Checkpoint => paint.dim(self.checkpoint(entry)).to_string(),
            Kind::Close => {
                let reason = format!("{}{}", self.plain(entry, "reason"), self.with_colon(entry));
                let time = paint.dim(time(entry, "time")).to_string();
                format!("{}       {reason}  {time}", paint.strong("close"))
            }
            Kind::Recover => {
                let bytes = amount::size(uint(entry, "discarded_bytes"));
                let text = format!("recover     {bytes} of a torn tail were set aside");
                format!("{}  {}", paint.warn(text), paint.dim(time(entry, "time")))
            }
        }
    }

    fn header(&self, entry: &Entry) -> String {
        let name = self.value(entry, "name");
        let recorder = self.plain(entry, "recorder");
        let origin = self.plain(entry, "origin");
        let origin =
            if origin == "recorded" { origin } else { self.paint.warn(origin).to_string() };
        let made = format!("{origin} by {recorder}");
        let chain = self.plain(entry, "chain");
        let time = self.paint.dim(time(entry, "created"));
        format!("{}      {name} {made}, chain {chain}  {time}", self.paint.strong("header"))
    }

    fn function(&self, entry: &Entry) -> String {
        let interface = self.plain(entry, "interface");
        let gap = if interface.is_empty() { "" } else { " " };
        let name = self.plain(entry, "name");
        let results = self.plain(entry, "results");
        let arrow = if results.is_empty() { "" } else { " -> " };
        let params = self.plain(entry, "params");
        format!("function    {interface}{gap}{name}({params}){arrow}{results}")
    }

    fn call(&self, entry: &Entry) -> String {
        let args = entry.field("args");
        let args = args.map(|args| render::arguments(args, self.previews, self.limits));
        format!("{}({})", self.name(entry), args.unwrap_or_default())
    }

    fn end(&self, entry: &Entry, naming: Naming) -> String {
        let name = match (naming, &entry.function) {
            (Naming::Short, Some((_, name))) => format!("{}: ", self.paint.name(plain(name))),
            (Naming::Full, Some(_)) => format!("{}: ", self.name(entry)),
            (Naming::None, _) | (_, None) => "  ".to_owned(),
        };
        let outcome = match entry.field("result") {
            Some(tree @ Tree::Case(case, _)) if case == "err" => {
                self.paint.warn(render::value(tree, self.previews, self.limits)).to_string()
            }
            Some(tree) => render::value(tree, self.previews, self.limits),
            None => {
                let trap = self.plain(entry, "trap");
                format!("{}{}", self.paint.bad(format!("trap {trap}")), self.with_colon(entry))
            }
        };
        format!("{name}{outcome}")
    }

    fn name(&self, entry: &Entry) -> String {
        let Some((interface, name)) = &entry.function else { return String::new() };
        let name = self.paint.name(plain(name));
        match interface.as_str() {
            "" => name.to_string(),
            interface => format!("{} {name}", self.paint.dim(plain(interface))),
        }
    }

    fn permission(&self, entry: &Entry) -> String {
        let what = format!("{} {}", self.plain(entry, "capability"), self.value(entry, "subject"));
        let detail = self.with_colon(entry);
        match entry.field("allowed") {
            Some(Tree::Bool(true)) => format!("{} {what}{detail}", self.paint.good("allowed")),
            _ => {
                let reason = format!(" (reason {})", uint(entry, "reason"));
                format!("{} {what}{}{detail}", self.paint.bad("denied"), self.paint.dim(reason))
            }
        }
    }

    fn checkpoint(&self, entry: &Entry) -> String {
        let number = uint(entry, "number");
        let bytes = amount::size(uint(entry, "segment_bytes"));
        let first = uint(entry, "first_event");
        let signed = match entry.field("signed") {
            Some(Tree::Bool(true)) => ", signed",
            _ => "",
        };
        let time = time(entry, "time");
        format!("checkpoint  {number} over {bytes} since event {first}{signed}  {time}")
    }

    /// A field that people read as it is.
    fn plain(&self, entry: &Entry, field: &str) -> String {
        match entry.field(field) {
            Some(Tree::Text(text)) => plain(text),
            Some(Tree::Case(name, None)) => plain(name),
            _ => String::new(),
        }
    }

    /// The detail, where there is one.
    fn with_colon(&self, entry: &Entry) -> String {
        match self.plain(entry, "detail") {
            detail if detail.is_empty() => detail,
            detail => format!(": {detail}"),
        }
    }

    fn value(&self, entry: &Entry, field: &str) -> String {
        let tree = entry.field(field);
        tree.map(|tree| render::value(tree, self.previews, self.limits)).unwrap_or_default()
    }
}

fn uint(entry: &Entry, field: &str) -> u64 {
    match entry.field(field) {
        Some(Tree::Uint(number)) => *number,
        _ => 0,
    }
}

fn time(entry: &Entry, field: &str) -> String {
    amount::instant(uint(entry, field))
}
