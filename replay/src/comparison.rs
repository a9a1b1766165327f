//! How two chains compare, for people.

use std::io::Write;
use std::time::Duration;

use theater_diff::{Comparison, Divergence, Rest, SetupDifference, Stopped, What};

use crate::amount::{count, counted};
use crate::line::{Naming, Style};
use crate::locate::SourceArgs;
use crate::render::Limits;
use crate::side::Side;
use crate::source::Located;
use crate::ui::{Paint, Ui};
use crate::whence;
use theater_runtime::escape::{argument, plain};

mod columns;
pub(crate) mod json;
mod rows;
mod values;

use rows::Row;

/// More than this of a setting helps nobody.
const SETUP_CHARS: usize = 32;
/// Of a run of events that only one chain has, so many are shown.
const RUN_SHOWN: u64 = 5;

/// What to show of a comparison.
pub(crate) struct View<'a> {
    /// How many equal events to show around each difference.
    pub(crate) context: usize,
    /// How many edits to show.
    pub(crate) edits_max: usize,
    /// Counts only.
    pub(crate) stat: bool,
    /// The two chains beside each other.
    pub(crate) side_by_side: bool,
    /// How long the alignment was allowed to take.
    pub(crate) deadline: Duration,
    /// How to show lines of source.
    pub(crate) source: &'a SourceArgs,
}

/// Prints a comparison.
pub(crate) fn print(
    comparison: &Comparison,
    sides: &[Side; 2],
    sources: &[Option<Located>; 2],
    view: &View<'_>,
    ui: &mut Ui,
) -> anyhow::Result<()> {
    let paint = ui.paint();
    let names = [sides[0].name(), sides[1].name()];
    writeln!(ui.out, "{}", headline(comparison, &names, paint))?;
    for setup in &comparison.setup {
        writeln!(ui.out, "  {}", paint.dim(setup_line(setup)))?;
    }
    if let Some(first) = &comparison.first {
        for note in gap_notes(first, &names) {
            writeln!(ui.out, "  {}", paint.warn(note))?;
        }
        if !view.stat {
            writeln!(ui.out)?;
            let lens = [sides[0].outline.len(), sides[1].outline.len()];
            let rows = rows::of(comparison, first, view, lens);
            if view.side_by_side {
                columns::print(&rows, sides, paint, ui)?;
            } else {
                unified(&rows, sides, ui)?;
            }
            writeln!(ui.out)?;
            for line in source_lines(sources, &names, view, paint) {
                writeln!(ui.out, "{line}")?;
            }
        }
    }
    if let Some(rest) = &comparison.rest {
        for line in rest_lines(rest, &names, view) {
            writeln!(ui.out, "{line}")?;
        }
    }
    if comparison.ignored != [0, 0] {
        let [a, b] = comparison.ignored.map(count);
        writeln!(ui.out, "ignored: {a} events of {} and {b} of {}", names[0], names[1])?;
    }
    if let Some(next) = next_command(comparison, sides) {
        writeln!(ui.out, "next: {next}")?;
    }
    Ok(())
}

/// From which lines of source the first difference comes.
fn source_lines(
    sources: &[Option<Located>; 2],
    names: &[String; 2],
    view: &View<'_>,
    paint: Paint,
) -> Vec<String> {
    let found = |at: usize| sources[at].as_ref().filter(|located| located.place.is_some());
    match (found(0), found(1)) {
        (Some(expected), Some(actual)) => {
            let names = [names[0].as_str(), names[1].as_str()];
            whence::both(
                names,
                &[expected, actual].map(|one| whence::tell(one, view.source, paint)),
            )
        }
        (Some(located), None) | (None, Some(located)) => {
            let name = &names[usize::from(found(0).is_none())];
            let told = whence::tell(located, view.source, paint);
            let lines = told.iter().map(|line| format!("  {line}"));
            std::iter::once(format!("{name}:")).chain(lines).collect()
        }
        (None, None) => {
            let without = sources.iter().flatten().find_map(|located| located.without.as_ref());
            without.map(|without| plain(without)).into_iter().collect()
        }
    }
}

fn headline(comparison: &Comparison, names: &[String; 2], paint: Paint) -> String {
    let equal = counted(comparison.equal, "event");
    let Some(first) = &comparison.first else {
        return format!("{}: {equal}", paint.good("same"));
    };
    let different = paint.bad("different");
    match (&first.expected, &first.actual) {
        (Some(x), Some(y)) => format!(
            "{different} at event {} of {} and event {} of {}, after {} equal",
            x.seq,
            names[0],
            y.seq,
            names[1],
            count(comparison.equal)
        ),
        (None, Some(y)) => format!(
            "{different}: {} ends after {equal}, {} goes on with event {}",
            names[0], names[1], y.seq
        ),
        (Some(x), None) => format!(
            "{different}: {} ends after {equal}, {} goes on with event {}",
            names[1], names[0], x.seq
        ),
        (None, None) => different.to_string(),
    }
}

fn setup_line(setup: &SetupDifference) -> String {
    let short = |text: &Option<String>| match text {
        None => "none".to_owned(),
        Some(text) if text.chars().count() > SETUP_CHARS => {
            format!("{}...", plain(&text.chars().take(SETUP_CHARS).collect::<String>()))
        }
        Some(text) => plain(text),
    };
    let (expected, actual) = (short(&setup.expected), short(&setup.actual));
    if expected == actual {
        return format!("setup: other {}", plain(&setup.name));
    }
    format!("setup: {} {expected} -> {actual}", plain(&setup.name))
}

fn gap_notes(first: &Divergence, names: &[String; 2]) -> Vec<String> {
    let sides = first.after_gap.iter().zip(names).filter(|(is_after_gap, _)| **is_after_gap);
    sides
        .map(|(_, name)| {
            format!("records of {name} are missing right before: damage may be all there is to it")
        })
        .collect()
}

fn rest_lines(rest: &Rest, names: &[String; 2], view: &View<'_>) -> Vec<String> {
    let mut lines = vec![format!(
        "from there on: {} equal, {} changed, {} only in {}, {} only in {}",
        count(rest.equal),
        count(rest.changed),
        count(rest.missing),
        names[0],
        count(rest.extra),
        names[1],
    )];
    if let Some(stopped) = rest.stopped {
        let [a, b] = rest.not_aligned.map(count);
        let why = match stopped {
            Stopped::Deadline => format!(
                "time was up after {} s; a longer --deadline or a faster machine gets further",
                view.deadline.as_secs_f64()
            ),
            Stopped::NothingAlike => "nothing there is alike".to_owned(),
        };
        lines.push(format!(
            "not aligned: {a} events of {} and {b} of {}: {why}",
            names[0], names[1]
        ));
    }
    let hidden = rest.edits.len().saturating_sub(view.edits_max);
    if !view.stat && (hidden > 0 || rest.unlisted > 0) {
        lines.push(format!(
            "not shown: more differences; --json lists {}",
            count(rest.edits.len() as u64)
        ));
    }
    lines
}

/// One line for each event, the expected chain's before the actual chain's.
fn unified(rows: &[Row<'_>], sides: &[Side; 2], ui: &mut Ui) -> anyhow::Result<()> {
    let paint = ui.paint();
    for row in rows {
        match *row {
            Row::Same { expected, .. } => {
                writeln!(ui.out, "  {}", line(&sides[0], expected, paint)?)?;
            }
            Row::Changed { expected, actual, differences } => {
                let removed = line(&sides[0], expected, paint)?;
                let added = line(&sides[1], actual, paint)?;
                writeln!(ui.out, "{} {removed}", paint.bad("-"))?;
                writeln!(ui.out, "{} {added}", paint.good("+"))?;
                for line in values::lines(differences, sides, paint) {
                    writeln!(ui.out, "            {line}")?;
                }
            }
            Row::Only { side, position } => {
                let shown = line(&sides[side], position, paint)?;
                let mark = if side == 0 { paint.bad("-") } else { paint.good("+") };
                writeln!(ui.out, "{mark} {shown}")?;
            }
            Row::MoreOnly { side, events } => {
                let mark = if side == 0 { paint.bad("-") } else { paint.good("+") };
                let more = counted(events, "more event");
                writeln!(ui.out, "{mark}         ... {more} only in {}", sides[side].name())?;
            }
            Row::MoreSame => writeln!(ui.out, "          ...")?,
        }
    }
    Ok(())
}

/// An event as one line.
fn line(side: &Side, position: usize, paint: Paint) -> anyhow::Result<String> {
    let entry = side.entry(position)?;
    let style = Style { paint, limits: Limits::LINE, previews: &side.previews };
    Ok(style.line(&entry, 0, Naming::Short))
}

/// The command that shows more of where the chains part.
pub(crate) fn next_command(comparison: &Comparison, sides: &[Side; 2]) -> Option<String> {
    let first = comparison.first.as_ref()?;
    // Where one chain has ended, the other shows what is different.
    let (side, event) = match (&first.expected, &first.actual, &first.what) {
        (_, Some(actual), What::End) => (1, actual),
        (Some(expected), _, _) => (0, expected),
        (None, Some(actual), _) => (1, actual),
        (None, None, _) => return None,
    };
    let from = event.seq.saturating_sub(3);
    let chain = argument(&sides[side].path);
    let to = event.seq.saturating_add(3);
    Some(format!("theater-replay show {chain} --from {from} --to {to} --full"))
}
