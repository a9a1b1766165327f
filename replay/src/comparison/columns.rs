//! Two chains beside each other.

use std::io::Write;

use super::rows::Row;
use super::{line, values};
use crate::amount::counted;
use crate::side::Side;
use crate::ui::{Paint, Ui};

/// How many characters of a line each side gets.
const COLUMN: usize = 76;

/// Prints rows, the expected chain on the left.
pub(super) fn print(
    rows: &[Row<'_>],
    sides: &[Side; 2],
    paint: Paint,
    ui: &mut Ui,
) -> anyhow::Result<()> {
    for row in rows {
        let [left, mark, right] = cells(row, sides)?;
        let mark = match mark.as_str() {
            " " => paint.dim(mark),
            _ => paint.warn(mark),
        };
        writeln!(ui.out, "{left:<COLUMN$} {mark} {right}")?;
        if let Row::Changed { differences, .. } = row {
            for line in values::lines(differences, sides, paint) {
                writeln!(ui.out, "            {line}")?;
            }
        }
    }
    Ok(())
}

fn cells(row: &Row<'_>, sides: &[Side; 2]) -> anyhow::Result<[String; 3]> {
    let cell = |side: usize, position: usize| -> anyhow::Result<String> {
        line(&sides[side], position, Paint::PLAIN).map(|line| cut(&line))
    };
    let cells = |left, mark: &str, right| [left, mark.to_owned(), right];
    Ok(match *row {
        Row::Same { expected, actual } => {
            let actual = actual.map(|actual| cell(1, actual)).transpose()?;
            cells(cell(0, expected)?, " ", actual.unwrap_or_default())
        }
        Row::Changed { expected, actual, .. } => cells(cell(0, expected)?, "|", cell(1, actual)?),
        Row::Only { side: 0, position } => cells(cell(0, position)?, "<", String::new()),
        Row::Only { position, .. } => cells(String::new(), ">", cell(1, position)?),
        Row::MoreOnly { side, events } => {
            let more = format!("        ... {}", counted(events, "more event"));
            match side {
                0 => cells(more, "<", String::new()),
                _ => cells(String::new(), ">", more),
            }
        }
        Row::MoreSame => cells("        ...".to_owned(), " ", "        ...".to_owned()),
    })
}

/// What fits into a column.
fn cut(line: &str) -> String {
    if line.chars().count() <= COLUMN {
        return line.to_owned();
    }
    line.chars().take(COLUMN - 3).chain("...".chars()).collect()
}
