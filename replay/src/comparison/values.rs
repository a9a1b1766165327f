//! What differs between two values, as lines for people.

use theater_diff::{Change, Difference, Differences, Typed};
use theater_record::Value;

use crate::amount::count;
use crate::render::{self, Limits};
use crate::side::Side;
use crate::tree::Tree;
use crate::ui::Paint;
use theater_runtime::escape::{plain, quoted};
use theater_runtime::type_text;

/// Strings up to this length are shown whole; of longer ones, what is around the difference.
const WHOLE_BYTES: usize = 64;
/// How much of what is equal is shown before the difference.
const LEAD_BYTES: usize = 16;

/// One line or more for each difference.
pub(super) fn lines(differences: &Differences, sides: &[Side; 2], paint: Paint) -> Vec<String> {
    let mut lines: Vec<_> =
        differences.found.iter().flat_map(|found| of(found, sides, paint)).collect();
    if differences.truncated {
        lines.push(paint.dim("... and more").to_string());
    }
    lines
}

fn of(difference: &Difference, sides: &[Side; 2], paint: Paint) -> Vec<String> {
    let parameter = difference.path.parameter().filter(|name| !name.is_empty());
    let parameter = parameter.map(|name| format!(" ({})", plain(name))).unwrap_or_default();
    let path = paint.name(format!("{}{parameter}", plain(&difference.path.to_string())));
    let show = |side: usize, typed: &Typed| {
        render::value(&tree(&sides[side], typed), &sides[side].previews, Limits::LINE)
    };
    let ty = |side: usize, typed: &Typed| type_text(&typed.ty, &sides[side].lexicon.types);
    let name = |side: usize| sides[side].name();
    let arrow = |expected: &str, actual: &str| {
        format!("{path}: {} -> {}", paint.bad(expected), paint.good(actual))
    };
    match &difference.change {
        Change::Value { expected, actual } => {
            let step = step(&tree(&sides[0], expected), &tree(&sides[1], actual));
            vec![format!("{}{step}", arrow(&show(0, expected), &show(1, actual)))]
        }
        Change::Missing { expected } => {
            vec![format!("{path}: {} only in {}", paint.bad(show(0, expected)), name(0))]
        }
        Change::Extra { actual } => {
            vec![format!("{path}: {} only in {}", paint.good(show(1, actual)), name(1))]
        }
        Change::Type { expected, actual } => {
            let typed = |side, value| format!("{} ({})", show(side, value), ty(side, value));
            vec![arrow(&typed(0, expected), &typed(1, actual))]
        }
        Change::Unknown { expected, actual } => {
            let text = arrow(&show(0, expected), &show(1, actual));
            vec![format!("{text}: cannot be compared, the content is not at hand")]
        }
        Change::Bytes { expected, actual, equal_start, expected_len, actual_len, .. } => {
            let start = equal_start.and_then(|start| usize::try_from(start).ok());
            let (x, y) = (excerpt(&expected.value, start), excerpt(&actual.value, start));
            match (x, y, start) {
                (Some(Excerpt::Whole(x)), Some(Excerpt::Whole(y)), _) => vec![arrow(&x, &y)],
                (Some(x), Some(y), Some(start)) => vec![
                    format!(
                        "{path}: differs from byte {} on; {} -> {} bytes",
                        count(start as u64),
                        count(*expected_len),
                        count(*actual_len)
                    ),
                    format!("  {} {}", paint.bad("-"), paint.bad(x.text())),
                    format!("  {} {}", paint.good("+"), paint.good(y.text())),
                ],
                _ => vec![format!(
                    "{path}: {} -> {} bytes; the content is not at hand",
                    count(*expected_len),
                    count(*actual_len)
                )],
            }
        }
    }
}

/// A value with the names its own chain has for it.
pub(super) fn tree(side: &Side, typed: &Typed) -> Tree {
    Tree::of(typed.value.clone(), &typed.ty, &side.lexicon.types)
}

/// By how much a number changed.
fn step(expected: &Tree, actual: &Tree) -> String {
    let number = |tree: &Tree| match tree {
        Tree::Uint(number) => Some(i128::from(*number)),
        Tree::Int(number) => Some(i128::from(*number)),
        _ => None,
    };
    match number(expected).zip(number(actual)) {
        Some((expected, actual)) => format!(" ({:+})", actual - expected),
        None => String::new(),
    }
}

/// Part of a string or of a list of bytes.
enum Excerpt {
    Whole(String),
    Part(String),
}

impl Excerpt {
    fn text(self) -> String {
        match self {
            Excerpt::Whole(text) | Excerpt::Part(text) => text,
        }
    }
}

/// What is around the difference; `None` if the content is not at hand.
fn excerpt(value: &Value, start: Option<usize>) -> Option<Excerpt> {
    let from = start.unwrap_or_default().saturating_sub(LEAD_BYTES);
    match value {
        Value::String(text) if text.len() <= WHOLE_BYTES => Some(Excerpt::Whole(quoted(text))),
        Value::String(text) => {
            let from = text.floor_char_boundary(from);
            let to = text.floor_char_boundary(text.len().min(from + WHOLE_BYTES));
            Some(Excerpt::Part(dotted(from, &quoted(&text[from..to]), text.len() - to)))
        }
        Value::Bytes(bytes) => {
            let is_whole = bytes.len() <= WHOLE_BYTES / 2;
            let (from, to) = match is_whole {
                true => (0, bytes.len()),
                false => (from.min(bytes.len()), bytes.len().min(from + WHOLE_BYTES / 2)),
            };
            let text = match std::str::from_utf8(&bytes[from..to]) {
                Ok(text) if render::is_readable(text) => format!("b{}", quoted(text)),
                _ => format!("0x{}", render::hex(&bytes[from..to])),
            };
            let text = dotted(from, &text, bytes.len() - to);
            Some(if is_whole { Excerpt::Whole(text) } else { Excerpt::Part(text) })
        }
        _ => None,
    }
}

/// Dots on the sides where something was left out.
fn dotted(before: usize, text: &str, after: usize) -> String {
    let dots = |left_out: usize| if left_out > 0 { "..." } else { "" };
    format!("{}{text}{}", dots(before), dots(after))
}
