//! `diff`: where two chains part, and in what.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use theater_diff::{Ignore, Options, compare};
use theater_verify::Verdict;

use crate::comparison::{self, View};
use crate::exit::Exit;
use crate::side::Side;
use crate::ui::Ui;
use theater_runtime::escape::argument;

const EXAMPLES: &str = "\
Two chains are compared event by event. What differs between any two recordings takes no part: hashes,
times of records, numbers of types and functions, checkpoints, fuel. How a recording was set up is
shown, but makes no difference by itself.

What to ignore:
  time    events of wasi:clocks and theater:simple/timing
  random  events of wasi:random and theater:simple/random
  ids     the numbers of resources
  PATH    a value and all in it: args.request.headers[*].value, args[0], result.ok.date, detail

Exit status of diff: 0 if the chains are the same, 1 if they differ, 2 if they cannot be compared.

Examples:
  theater-replay diff good.chain.cbor bad.chain.cbor
  theater-replay diff monday.chain.cbor tuesday.chain.cbor --ignore time,random,ids
  theater-replay diff old.chain.cbor new.chain.cbor --first --ignore 'args.headers[*].value'
  theater-replay diff old.chain.cbor new.chain.cbor --json | jq .first.differences

The JSON is described by replay/schemas/diff-1.json.";

/// Shows where two chains part, and which values differ.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain to compare with: the expected one.
    #[arg(value_name = "A")]
    expected: PathBuf,

    /// The chain to compare: the actual one.
    #[arg(value_name = "B")]
    actual: PathBuf,

    /// Print one JSON document.
    #[arg(long)]
    json: bool,

    /// Show the two chains beside each other.
    #[arg(long, conflicts_with_all = ["json", "stat"])]
    side_by_side: bool,

    /// How many equal events to show around each difference.
    #[arg(long, value_name = "N", default_value_t = 3)]
    context: usize,

    /// Stop at the first difference.
    #[arg(long)]
    first: bool,

    /// Show counts only.
    #[arg(long, conflicts_with = "json")]
    stat: bool,

    /// What takes no part: time, random, ids, or the path of a value.
    #[arg(long, value_name = "CLASS|PATH", value_delimiter = ',')]
    ignore: Vec<String>,

    /// Compare directions, interfaces and functions only, not values.
    #[arg(long)]
    shape_only: bool,

    /// How many seconds to spend on what comes after the first difference.
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    deadline: f64,
}

/// How many differences are shown to people, and how many JSON lists.
const EDITS_SHOWN: usize = 20;
const EDITS_LISTED: usize = 256;

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let mut ignore = Ignore::default();
    args.ignore.iter().try_for_each(|text| ignore.add(text)).context("--ignore")?;
    let time = Duration::try_from_secs_f64(args.deadline).context("--deadline")?;
    let sides = [Side::open(&args.expected, ui)?, Side::open(&args.actual, ui)?];
    let options = Options {
        ignore,
        shape_only: args.shape_only,
        first_only: args.first,
        edits_max: EDITS_LISTED,
        deadline: Instant::now().checked_add(time),
        ..Options::default()
    };
    let found = {
        let [expected, actual] = &sides;
        let read_expected = |buffer: &mut [u8], offset| expected.read_at(buffer, offset);
        let read_actual = |buffer: &mut [u8], offset| actual.read_at(buffer, offset);
        compare(expected.chain(&read_expected), actual.chain(&read_actual), &options)
            .with_context(|| format!("cannot compare {} with {}", expected.name(), actual.name()))?
    };
    if args.json {
        writeln!(ui.out, "{}", comparison::json::text(&found, &sides)?)?;
    } else {
        let view = View {
            context: args.context,
            edits_max: EDITS_SHOWN,
            stat: args.stat,
            side_by_side: args.side_by_side,
            deadline: time,
        };
        comparison::print(&found, &sides, &view, ui)?;
    }
    ui.out.flush()?;
    for side in &sides {
        warn(side, ui)?;
    }
    Ok(if found.first.is_none() { Exit::Fine } else { Exit::Finding })
}

/// Says so if a chain is not what it was when it was recorded: then it proves little about what
/// happened.
fn warn(side: &Side, ui: &mut Ui) -> anyhow::Result<()> {
    if side.report.verdict() == Verdict::Damaged || !side.report.faults.is_empty() {
        let name = side.name();
        writeln!(ui.err, "warning: {name} is damaged; what can be read of it was compared")?;
        writeln!(ui.err, "  try: theater-replay verify {}", argument(&side.path))?;
    }
    Ok(())
}
