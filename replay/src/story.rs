//! A divergence told: what was expected, what happened instead, and around what.

use std::fmt::Write;

use serde::Serialize;
use theater_diff::Typed;
use theater_record::{Event, Lifecycle, TypeTable, Value};
use theater_runtime::escape::plain;
use theater_runtime::{Crossing, Frame};

use crate::divergence::{Divergence, DivergenceKind, path, sides};
use crate::entry::Lexicon;
use crate::json::{EntryJson, to_value};
use crate::line::{Naming, Style};
use crate::locate::SourceArgs;
use crate::render::{self, Limits, Previews};
use crate::source::Located;
use crate::tree::Tree;
use crate::ui::Paint;
use crate::whence;
use theater_runtime::{params_text, type_text};

/// What is shown of bytes that end where they part.
const ENDS: &str = "nothing, it ends there";

/// How many bytes of a long string or list are shown around the first difference.
const EXCERPT_BYTES: usize = 24;

/// A divergence as text for people, below a headline that says what kind it is.
pub(crate) fn tell(divergence: &Divergence, args: &SourceArgs, paint: Paint) -> String {
    let mut lines = what(divergence, paint);
    let located = [&divergence.recorded_source, &divergence.source].map(Option::as_ref);
    let told = located.map(|one| one.map(|one| Told::of(one, args, paint)));
    lines.extend(sources(["the recorded build", "this build"], told, &divergence.frames));
    indented(&lines)
}

/// What differs, and around what, in lines for people.
pub(crate) fn what(divergence: &Divergence, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    if divergence.is_swapped {
        lines.push("the recorded call comes next: two calls changed places".to_owned());
    }
    if let Some(difference) = &divergence.difference {
        if let Some(function) = divergence.function() {
            lines.push(format!("in {}", paint.name(plain(&function))));
        }
        let (expected, actual) = texts(divergence, difference);
        let at = byte_of(difference).map_or_else(String::new, |byte| format!(", from byte {byte}"));
        lines.push(format!("{}{at}:", paint.strong(plain(&difference.path.to_string()))));
        lines.push(format!("  expected  {}", paint.good(expected)));
        lines.push(format!("  actual    {}", paint.bad(actual)));
    }
    lines.extend(rows(&around(divergence, paint), paint));
    lines
}

/// The lines, two blanks in.
pub(crate) fn indented(lines: &[String]) -> String {
    lines.iter().fold(String::new(), |mut text, line| {
        writeln!(text, "  {line}").expect("a string takes everything");
        text
    })
}

/// What stands before a crossing, its event number if it has one, and what it says.
pub(crate) type Row = (Label, Option<u64>, String);

/// What stands before a crossing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    /// The call before.
    Before,
    /// What was recorded.
    Expected,
    /// What the host answered.
    Recorded,
    /// What was put in its place.
    Instead,
    /// What the component did.
    Actual,
    /// What was recorded next.
    After,
}

/// Rows as lines whose columns stand below one another.
pub(crate) fn rows(rows: &[Row], paint: Paint) -> Vec<String> {
    let number = |number: &Option<u64>| number.map_or_else(String::new, |seq| seq.to_string());
    let width = rows.iter().map(|(_, seq, _)| number(seq).len()).max().unwrap_or(0);
    let row = |(label, seq, text): &Row| {
        let label = match label {
            Label::Before => paint.dim("before").to_string() + "  ",
            Label::Expected => paint.good("expected").to_string(),
            Label::Recorded => paint.good("recorded").to_string(),
            Label::Instead => paint.warn("instead").to_string() + " ",
            Label::Actual => paint.bad("actual").to_string() + "  ",
            Label::After => paint.dim("after").to_string() + "   ",
        };
        format!("{label}  {:>width$}  {text}", number(seq))
    };
    rows.iter().map(row).collect()
}

/// The crossings around a divergence.
fn around(divergence: &Divergence, paint: Paint) -> Vec<Row> {
    let mut rows = Vec::new();
    // There the calls look alike; what differs is how the two describe what is called.
    let tell = match divergence.kind {
        DivergenceKind::OtherSignature => |crossing: &Crossing, _: Paint| signature(crossing),
        _ => brief,
    };
    if let Some((seq, before)) = &divergence.before {
        rows.push((Label::Before, Some(*seq), brief(before, paint)));
    }
    let expected = match &divergence.expected {
        Some(expected) => (Some(divergence.seq), tell(expected, paint)),
        None => (None, "nothing: the recording ends here".to_owned()),
    };
    rows.push((Label::Expected, expected.0, expected.1));
    let actual = match &divergence.actual {
        Some(actual) => tell(actual, paint),
        None => "the component does not export that function".to_owned(),
    };
    rows.push((Label::Actual, None, actual));
    if let Some((seq, after)) = &divergence.after {
        rows.push((Label::After, Some(*seq), brief(after, paint)));
    }
    rows
}

/// A place in the source, told in lines.
pub(crate) struct Told {
    /// Whether anything is known of it, and whether that is a line.
    is_known: bool,
    has_line: bool,
    lines: Vec<String>,
}

impl Told {
    /// Tells of a place.
    pub(crate) fn of(located: &Located, args: &SourceArgs, paint: Paint) -> Told {
        Told {
            is_known: located.place.is_some(),
            has_line: located.without.is_none(),
            lines: whence::tell(located, args, paint),
        }
    }
}

/// Where in the source it happened, in both builds if two are at hand: in the one that does what was
/// recorded, and in the one that does not, of which the frames are known in any case.
pub(crate) fn sources(
    names: [&str; 2],
    [recorded, actual]: [Option<Told>; 2],
    frames: &[Frame],
) -> Vec<String> {
    let has_line = actual.as_ref().is_some_and(|actual| actual.has_line);
    let mut lines = match (recorded.filter(|recorded| recorded.is_known), actual) {
        (Some(recorded), Some(actual)) => whence::both(names, &[recorded.lines, actual.lines]),
        (Some(one), None) | (None, Some(one)) => one.lines,
        (None, None) => Vec::new(),
    };
    if !has_line {
        lines.extend(called_from(frames));
    }
    lines
}

/// More frames than this are only in the JSON.
const FRAMES_SHOWN: usize = 6;

/// Where in the component it happened, the innermost frame first.
fn called_from(frames: &[Frame]) -> Vec<String> {
    let mut lines = Vec::new();
    if !frames.is_empty() {
        lines.push("called from:".to_owned());
    }
    lines.extend(frames.iter().take(FRAMES_SHOWN).map(|frame| format!("  {}", place(frame))));
    if let Some(more) = frames.len().checked_sub(FRAMES_SHOWN).filter(|more| *more > 0) {
        lines.push(format!("  and {more} more, which --json shows"));
    }
    lines
}

fn place(frame: &Frame) -> String {
    let name = match &frame.name {
        // What compilers for Rust make of a name is not for people.
        Some(name) => plain(&format!("{:#}", rustc_demangle::demangle(name))),
        None => format!("function {}", frame.function),
    };
    match frame.offset {
        Some(offset) => format!("{name} at {offset:#x}"),
        None => name,
    }
}

/// A crossing as `show` would print it, without its event number.
pub(crate) fn brief(crossing: &Crossing, paint: Paint) -> String {
    if let Event::Lifecycle(Lifecycle { state, detail, .. }) = &crossing.event {
        // The time of a replay says nothing.
        return format!("{} {}", paint.strong(state.name()), plain(detail));
    }
    let lexicon = Lexicon::of(crossing.types.clone(), crossing.function.clone());
    let entry = { lexicon }.explain(0, 0, crossing.event.clone());
    let previews = Previews::default();
    let style = Style { paint, limits: Limits::LINE, previews: &previews };
    style.text(&entry, 0, Naming::Full)
}

/// How a function is described.
fn signature(crossing: &Crossing) -> String {
    let Some(function) = &crossing.function else { return String::new() };
    let params = params_text(&function.params, &crossing.types);
    let results: Vec<_> =
        function.results.iter().map(|ty| type_text(ty, &crossing.types)).collect();
    let arrow = if results.is_empty() { "" } else { " -> " };
    plain(&format!("{}({params}){arrow}{}", function.name, results.join(", ")))
}

/// From which byte on two texts or lists of bytes differ.
pub(crate) fn byte_of(difference: &theater_diff::Difference) -> Option<u64> {
    match &difference.change {
        theater_diff::Change::Bytes { equal_start, .. } => *equal_start,
        _ => None,
    }
}

/// Both sides of a divergence's difference as text.
fn texts(divergence: &Divergence, difference: &theater_diff::Difference) -> (String, String) {
    let table = |crossing: &Option<Crossing>| {
        crossing.as_ref().map(|crossing| crossing.types.clone()).unwrap_or_default()
    };
    side_texts(difference, [&table(&divergence.expected), &table(&divergence.actual)])
}

/// Both sides of a difference as text; long ones around where they part.
pub(crate) fn side_texts(
    difference: &theater_diff::Difference,
    types: [&TypeTable; 2],
) -> (String, String) {
    let start = byte_of(difference);
    let (expected, actual) = sides(&difference.change);
    let show = |side: Option<&Typed>, types: &TypeTable| match side {
        Some(typed) => shown(typed, types, start),
        None => "nothing".to_owned(),
    };
    (show(expected, types[0]), show(actual, types[1]))
}

fn shown(typed: &Typed, types: &TypeTable, start: Option<u64>) -> String {
    let is_empty = |bytes: &[u8]| start.is_some_and(|start| excerpt(bytes, start).is_empty());
    match &typed.value {
        Value::Bytes(bytes) if is_empty(bytes) => return ENDS.to_owned(),
        Value::String(text) if is_empty(text.as_bytes()) => return ENDS.to_owned(),
        _ => {}
    }
    let value = match (&typed.value, start) {
        (Value::Bytes(bytes), Some(start)) => Value::Bytes(excerpt(bytes, start).to_vec()),
        (Value::String(text), Some(start)) => {
            let part = excerpt(text.as_bytes(), start);
            Value::String(String::from_utf8_lossy(part).into_owned())
        }
        (value, _) => value.clone(),
    };
    let tree = Tree::of(value, &typed.ty, types);
    render::value(&tree, &Previews::default(), Limits::LINE)
}

fn excerpt(bytes: &[u8], start: u64) -> &[u8] {
    let start = usize::try_from(start).unwrap_or(usize::MAX).min(bytes.len());
    &bytes[start..bytes.len().min(start + EXCERPT_BYTES)]
}

/// A divergence for programs.
#[derive(Serialize)]
pub(crate) struct DivergenceJson {
    kind: &'static str,
    event: u64,
    offset: u64,
    function: Option<String>,
    swapped: bool,
    path: Option<String>,
    byte: Option<u64>,
    expected: Option<serde_json::Value>,
    actual: Option<serde_json::Value>,
    expected_value: Option<String>,
    actual_value: Option<String>,
    before: Option<NeighbourJson>,
    after: Option<NeighbourJson>,
    source: Option<Located>,
    recorded_source: Option<Located>,
    frames: Vec<FrameJson>,
}

#[derive(Serialize)]
struct NeighbourJson {
    event: u64,
    kind: &'static str,
    function: Option<String>,
}

#[derive(Serialize)]
struct FrameJson {
    function: u32,
    name: Option<String>,
    offset: Option<usize>,
    function_offset: Option<usize>,
}

impl DivergenceJson {
    pub(crate) fn of(divergence: &Divergence) -> DivergenceJson {
        let difference = divergence.difference.as_ref();
        let values = difference.map(|difference| texts(divergence, difference));
        let (expected_value, actual_value) = values.unzip();
        let neighbour = |near: &Option<(u64, Crossing)>| {
            near.as_ref().map(|(event, crossing)| NeighbourJson {
                event: *event,
                kind: crossing.event.kind().name(),
                function: path(crossing),
            })
        };
        let frame = |frame: &Frame| FrameJson {
            function: frame.function,
            name: frame.name.clone(),
            offset: frame.offset,
            function_offset: frame.function_offset,
        };
        DivergenceJson {
            kind: divergence.kind.name(),
            event: divergence.seq,
            offset: divergence.offset,
            function: divergence.function(),
            swapped: divergence.is_swapped,
            path: difference.map(|difference| difference.path.to_string()),
            byte: difference.and_then(byte_of),
            expected: divergence.expected.as_ref().map(|one| crossing(divergence.seq, one)),
            actual: divergence.actual.as_ref().map(|one| crossing(divergence.seq, one)),
            expected_value,
            actual_value,
            before: neighbour(&divergence.before),
            after: neighbour(&divergence.after),
            source: divergence.source.clone(),
            recorded_source: divergence.recorded_source.clone(),
            frames: divergence.frames.iter().map(frame).collect(),
        }
    }
}

/// A crossing as `show --json` would print it.
pub(crate) fn crossing(seq: u64, crossing: &Crossing) -> serde_json::Value {
    let lexicon = Lexicon::of(crossing.types.clone(), crossing.function.clone());
    let entry = { lexicon }.explain(seq, 0, crossing.event.clone());
    to_value(&EntryJson(&entry, &Previews::default()))
}
