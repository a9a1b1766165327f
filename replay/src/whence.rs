//! Where in its source a component crossed its sandbox, for people.

use theater_runtime::escape::plain;

use crate::locate::SourceArgs;
use crate::source::{Foreign, Located, Place, PlaceIs, Snippet};
use crate::ui::Paint;

/// More callers than this are shown only when asked for.
const CALLERS_SHOWN: usize = 4;

/// In one line.
pub(crate) fn brief(located: &Located) -> Option<String> {
    let place = located.place.as_ref()?;
    Some(match located.is {
        PlaceIs::Line => format!("at {place}"),
        PlaceIs::Function => format!("in {}", function(place)),
        PlaceIs::Name => format!("in {}, line unknown", function(place)),
    })
}

/// With the text of the source, if it is found, and who called.
pub(crate) fn tell(located: &Located, args: &SourceArgs, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    if let (Some(brief), Some(place)) = (brief(located), &located.place) {
        lines.push(paint.strong(brief).to_string());
        lines.extend(snippet(place, args, paint));
    }
    lines.extend(located.without.as_deref().map(plain));
    if args.verbose {
        lines.extend(located.stack.places.iter().map(|place| paint.dim(whole(place)).to_string()));
        return lines;
    }
    let callers: Vec<_> = located.stack.own().skip(1).collect();
    let shown = callers.iter().take(CALLERS_SHOWN);
    lines.extend(shown.map(|place| format!("called from {place}")));
    if let Some(more) = callers.len().checked_sub(CALLERS_SHOWN).filter(|more| *more > 0) {
        lines.push(format!("and {more} more, which --verbose shows"));
    }
    lines
}

/// Two builds below each other, or as one where both are in the same place.
pub(crate) fn both(names: [&str; 2], told: &[Vec<String>; 2]) -> Vec<String> {
    let block = |(name, lines): (&str, &Vec<String>)| {
        let indented = lines.iter().map(|line| format!("  {line}"));
        std::iter::once(format!("{name}:")).chain(indented).collect::<Vec<String>>()
    };
    if told[0] == told[1] {
        return block((&format!("{} and {}", names[0], names[1]), &told[0]));
    }
    names.into_iter().zip(told).flat_map(block).collect()
}

fn function(place: &Place) -> String {
    let name = plain(place.function.as_deref().unwrap_or("a function without a name"));
    match place.position() {
        Some(position) => format!("{name}, {}", plain(&position)),
        None => name,
    }
}

/// A place of the stack, and whose it is.
fn whole(place: &Place) -> String {
    let inlined = if place.inlined { ", inlined" } else { "" };
    let whose = match place.foreign {
        None => "",
        Some(Foreign::NoLine) => ", no line known",
        Some(Foreign::Generated) => ", generated",
        Some(Foreign::Library) => ", a library's",
    };
    format!("  {place}{inlined}{whose}")
}

fn snippet(place: &Place, args: &SourceArgs, paint: Paint) -> Vec<String> {
    let Some(snippet) = Snippet::around(place, &args.source_root) else { return Vec::new() };
    let last = snippet.first as usize + snippet.lines.len();
    let width = last.to_string().len();
    let numbered = (snippet.first..).zip(&snippet.lines);
    let line = |(number, text): (u32, &String)| {
        let text = format!("{number:>width$} | {}", plain(text));
        match Some(number) == place.line {
            true => format!("  > {text}"),
            false => format!("    {}", paint.dim(text)),
        }
    };
    numbered.map(line).collect()
}
