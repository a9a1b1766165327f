//! A divergence told: what was expected, what happened instead, and around what.

use std::fmt::Write;

use serde::Serialize;
use theater_diff::Typed;
use theater_record::{TypeTable, Value};
use theater_runtime::{Crossing, Frame};

use crate::divergence::{Divergence, path, sides};
use crate::entry::Lexicon;
use crate::json::{EntryJson, to_value};
use crate::line::{Naming, Style};
use crate::render::{self, Limits, Previews};
use crate::tree::Tree;
use crate::ui::Paint;
use theater_runtime::escape::plain;

/// How many bytes of a long string or list are shown around the first difference.
const EXCERPT_BYTES: usize = 24;

/// A divergence as text for people.
pub(crate) fn tell(divergence: &Divergence, paint: Paint) -> String {
    let mut text = String::new();
    let mut line = |parts: std::fmt::Arguments<'_>| {
        writeln!(text, "  {parts}").expect("a string takes everything");
    };
    line(format_args!("{}", divergence.kind.sentence()));
    if divergence.is_swapped {
        line(format_args!("the recorded call comes next: two calls changed places"));
    }
    if let Some(function) = divergence.function() {
        line(format_args!("in {}", paint.name(plain(&function))));
    }
    if let Some(difference) = &divergence.difference {
        let (expected, actual) = texts(divergence, difference);
        let at = byte_of(difference).map_or_else(String::new, |byte| format!(" from byte {byte}"));
        line(format_args!("{}{at}:", paint.strong(&difference.path)));
        line(format_args!("  expected {}", paint.good(expected)));
        line(format_args!("  actual   {}", paint.bad(actual)));
    }
    if let Some((seq, before)) = &divergence.before {
        line(format_args!("before    {seq:>6}  {}", one_line(before, paint)));
    }
    if let Some(expected) = &divergence.expected {
        let seq = divergence.seq;
        line(format_args!("expected  {seq:>6}  {}", one_line(expected, paint)));
    }
    match &divergence.actual {
        Some(actual) => line(format_args!("actual            {}", one_line(actual, paint))),
        None => line(format_args!("actual            the component does not export that function")),
    }
    if let Some((seq, after)) = &divergence.after {
        line(format_args!("after     {seq:>6}  {}", one_line(after, paint)));
    }
    for frame in divergence.frames.iter().take(FRAMES_SHOWN) {
        line(format_args!("at {}", place(frame)));
    }
    if divergence.frames.len() > FRAMES_SHOWN {
        let more = divergence.frames.len() - FRAMES_SHOWN;
        line(format_args!("and {more} more frames; --json has them all"));
    }
    text
}

/// More frames than this are only in the JSON.
const FRAMES_SHOWN: usize = 6;

fn place(frame: &Frame) -> String {
    let name = frame.name.as_deref().map_or_else(|| format!("function {}", frame.function), plain);
    match frame.offset {
        Some(offset) => format!("{name} (offset {offset:#x})"),
        None => name,
    }
}

/// A crossing as `show` would print it.
fn one_line(crossing: &Crossing, paint: Paint) -> String {
    let lexicon = Lexicon::of(crossing.types.clone(), crossing.function.clone());
    let entry = { lexicon }.explain(0, 0, crossing.event.clone());
    let previews = Previews::default();
    let style = Style { paint, limits: Limits::LINE, previews: &previews };
    style.line(&entry, 0, Naming::Full)
}

fn byte_of(difference: &theater_diff::Difference) -> Option<u64> {
    match &difference.change {
        theater_diff::Change::Bytes { equal_start, .. } => *equal_start,
        _ => None,
    }
}

/// Both sides of a difference as text; long ones around where they part.
fn texts(divergence: &Divergence, difference: &theater_diff::Difference) -> (String, String) {
    let start = byte_of(difference);
    let (expected, actual) = sides(&difference.change);
    let table = |crossing: &Option<Crossing>| {
        crossing.as_ref().map(|crossing| crossing.types.clone()).unwrap_or_default()
    };
    let show = |side: Option<&Typed>, types: &TypeTable| match side {
        Some(typed) => shown(typed, types, start),
        None => "nothing".to_owned(),
    };
    (show(expected, &table(&divergence.expected)), show(actual, &table(&divergence.actual)))
}

fn shown(typed: &Typed, types: &TypeTable, start: Option<u64>) -> String {
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
            frames: divergence.frames.iter().map(frame).collect(),
        }
    }
}

/// A crossing as `show --json` would print it.
fn crossing(seq: u64, crossing: &Crossing) -> serde_json::Value {
    let lexicon = Lexicon::of(crossing.types.clone(), crossing.function.clone());
    let entry = { lexicon }.explain(seq, 0, crossing.event.clone());
    to_value(&EntryJson(&entry, &Previews::default()))
}
