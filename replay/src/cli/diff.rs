//! `diff`: where two chains part, and in what.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use theater_diff::{Divergence, Ignore, Options, compare};
use theater_verify::Verdict;

use crate::comparison::{self, View};
use crate::exit::Exit;
use crate::locate::{self, SourceArgs};
use crate::side::Side;
use crate::source::Located;
use crate::ui::Ui;
use theater_runtime::escape::argument;

const EXAMPLES: &str = "\
Two chains are compared event by event. What differs between any two recordings takes no part:
hashes, times of records, numbers of types and functions, checkpoints, fuel. How a recording was set
up is shown, but makes no difference by itself.

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
  theater-replay diff old.chain.cbor new.chain.cbor --debug-info target/wasm32-wasip2/debug

If the components are at hand, the lines of source are shown that the first difference comes from.
The chains are replayed up to there for it, once; what is found is kept in CHAIN.sources.json.

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

    /// The file of the component that A was recorded from, if it is neither in A nor in the store.
    #[arg(help_heading = "Source lines", long, value_name = "FILE")]
    component_a: Option<PathBuf>,
    /// The same for B.
    #[arg(help_heading = "Source lines", long, value_name = "FILE")]
    component_b: Option<PathBuf>,
    /// Do not look for the source lines of the first difference.
    #[arg(help_heading = "Source lines", long)]
    no_source: bool,
    #[command(flatten)]
    source: SourceArgs,

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
    let sources = match &found.first {
        Some(first) if !args.no_source => sources(args, first, &sides, ui)?,
        _ => [None, None],
    };
    if args.json {
        writeln!(ui.out, "{}", comparison::json::text(&found, &sides, &sources)?)?;
    } else {
        let view = View {
            context: args.context,
            edits_max: EDITS_SHOWN,
            stat: args.stat,
            side_by_side: args.side_by_side,
            deadline: time,
            source: &args.source,
        };
        comparison::print(&found, &sides, &sources, &view, ui)?;
    }
    ui.out.flush()?;
    for side in &sides {
        warn(side, ui)?;
    }
    Ok(if found.first.is_none() { Exit::Fine } else { Exit::Finding })
}

/// The lines of source from which the events come that differ first.
fn sources(
    args: &Args,
    first: &Divergence,
    sides: &[Side; 2],
    ui: &Ui,
) -> anyhow::Result<[Option<Located>; 2]> {
    let mut sources = [None, None];
    let components = [&args.component_a, &args.component_b];
    let events = [&first.expected, &first.actual];
    for (at, side) in sides.iter().enumerate() {
        let Some(event) = events[at] else { continue };
        // Without a component there is nothing to ask, and no need to check the chain for it.
        if side.component.is_none() {
            continue;
        }
        let component = components[at].as_deref();
        let range = event.seq..event.seq.saturating_add(1);
        match locate::in_file(&side.path, component, &args.source.debug_info, range, ui) {
            Ok(lines) => {
                let place = lines.places.into_values().next();
                sources[at] = place.map(Arc::unwrap_or_clone);
            }
            // A component that was named has to be there; one that was not may well be gone.
            Err(error) if component.is_some() => return Err(error),
            Err(_) => {}
        }
    }
    Ok(sources)
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
