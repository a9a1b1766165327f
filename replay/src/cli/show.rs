//! `show`: the events of a chain, for people and for programs.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use anyhow::bail;
use theater_record::{Kind, Record, Stored};

use theater_runtime::complaint::sentence;

use crate::cli::not_read;
use crate::damage::{Damage, Skip};
use crate::entry::{Entry, Lexicon};
use crate::exit::Exit;
use crate::filter::Filter;
use crate::line::{Naming, Style};
use crate::locate::{self, Lines, SourceArgs};
use crate::open::{open, open_growing};
use crate::render::{Limits, Previews};
use crate::source::cache::Places;
use crate::source::{Located, Stack};
use crate::ui::Ui;
use crate::walk::{Step, walk};
use crate::{diag, json, whence};
use theater_runtime::escape::{argument, plain};

/// How far below its event a source line is indented.
const SOURCE_INDENT: usize = 13;

const EXAMPLES: &str = "\
Reading the output:
  =>  the world calls the component       <=  the component answers
  ->  the component calls out             <-  the world answers

Filters:
  FIELD OP VALUE, combined with `and`, `or`, `not` and parentheses.
  Fields: kind, interface, function, seq, args.NAME, args[N], result, trap, capability, allowed,
    and every field that --json shows. A path goes on into the value: args.name.headers[3].value,
    result.ok.status. A test on a field that an event does not have is false.
  Operators: = != ~ (contains) < <= > >=
  Values with spaces or one of ()=!~<>\" go in double quotes.
  Values that are stored out of line are compared by their first 48 bytes.

Examples:
  theater-replay show out.chain.cbor
  theater-replay show out.chain.cbor --from 40 --to 60 --full
  theater-replay show out.chain.cbor --filter 'kind = permission and allowed = false'
  theater-replay show out.chain.cbor --filter 'function ~ open-at and args.path ~ /etc'
  theater-replay show out.chain.cbor --follow
  theater-replay show out.chain.cbor --source --from 40 --to 60
  theater-replay show out.chain.cbor --jsonl | jq -r .kind | sort | uniq -c

The JSON is described by replay/schemas/show-1.json; --jsonl prints its $defs/event, one per line.";

/// Shows the events of a chain, damaged or not.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain.
    chain: PathBuf,

    /// The first event to show.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,

    /// The last event to show.
    #[arg(long, value_name = "N")]
    to: Option<u64>,

    /// Show only events that meet this condition.
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,

    /// Print one JSON document.
    #[arg(long, group = "format")]
    json: bool,

    /// Print one JSON object per line.
    #[arg(long, group = "format")]
    jsonl: bool,

    /// Print each record in CBOR diagnostic notation.
    #[arg(long, group = "format")]
    diag: bool,

    /// Show long values as a whole.
    #[arg(long)]
    full: bool,

    /// Go on while the chain is still being written, until it is closed.
    #[arg(long, conflicts_with = "json")]
    follow: bool,

    /// Say from which line of the guest's source each event comes. What is found is kept beside the
    /// chain, in CHAIN.sources.json.
    #[arg(help_heading = "Source lines", long, conflicts_with_all = ["follow", "diag"])]
    source: bool,
    /// The component's file, if it is neither in the chain nor in the store.
    #[arg(help_heading = "Source lines", long, value_name = "FILE", requires = "source")]
    component: Option<PathBuf>,
    #[command(flatten)]
    lines: SourceArgs,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    if let Some(to) = args.to
        && args.from > to
    {
        bail!("--from {} is after --to {to}", args.from);
    }
    let filter = args.filter.as_deref().map(Filter::parse).transpose()?;
    let lines = args.source.then(|| lines(args, ui)).transpose()?;
    let source = if args.follow { open_growing(&args.chain)? } else { open(&args.chain)? };
    let mut show = Show {
        args,
        filter,
        ui,
        lexicon: Lexicon::default(),
        previews: Previews::default(),
        depth: 0,
        open_call: None,
        shown: 0,
        damage: Damage::default(),
        closed: false,
        places: lines.map(|lines| lines.places).unwrap_or_default(),
    };
    if args.json {
        write!(show.ui.out, "{{\"schema\":\"theater-replay/show/1\",\"events\":[")?;
    }
    let walked = walk(&*source, args.follow, |step| show.step(step));
    walked.map_err(|error| not_read(error, &args.chain))?;
    show.finish(source.len())
}

/// The source lines of the events that may be shown. Only for what is good of the chain: the rest was
/// not done by the component, or not in that order.
fn lines(args: &Args, ui: &mut Ui) -> anyhow::Result<Lines> {
    let range = args.from..args.to.map_or(u64::MAX, |to| to.saturating_add(1));
    let component = args.component.as_deref();
    let lines = locate::in_file(&args.chain, component, &args.lines.debug_info, range, ui)?;
    if let Some(without) = &lines.without {
        writeln!(ui.err, "note: {}", plain(without))?;
    }
    Ok(lines)
}

/// An event with the line of source it comes from.
#[derive(serde::Serialize)]
struct Sourced<'a> {
    #[serde(flatten)]
    event: json::EntryJson<'a>,
    source: Located,
}

/// What is known while the walk goes on.
struct Show<'a> {
    args: &'a Args,
    filter: Option<Filter>,
    ui: &'a mut Ui,
    lexicon: Lexicon,
    previews: Previews,
    /// How many calls are under way.
    depth: usize,
    /// The depth of the last call that was shown, until a return is.
    open_call: Option<usize>,
    shown: u64,
    damage: Damage,
    closed: bool,
    /// Source lines, where they were asked for.
    places: Places,
}

impl Show<'_> {
    fn step(&mut self, step: Step<'_>) -> anyhow::Result<ControlFlow<()>> {
        match step {
            Step::Frame(Stored::Record(record)) => return self.record(&record),
            Step::Frame(Stored::Blob { blob, .. }) => self.previews.add(blob.digest, blob.content),
            Step::Frame(Stored::Tombstone { tombstone, .. }) => {
                self.previews.add_removed(tombstone.digest);
            }
            Step::Skipped(skip) => self.skip(skip)?,
            Step::Waiting => self.ui.out.flush()?,
        }
        Ok(ControlFlow::Continue(()))
    }

    fn record(&mut self, record: &Record<'_>) -> anyhow::Result<ControlFlow<()>> {
        if let Some(gap) = self.damage.step(record) {
            self.note(&gap)?;
        }
        let depth = self.depth_of(record.kind);
        let wanted = record.seq >= self.args.from && self.args.to.is_none_or(|to| record.seq <= to);
        if wanted || matches!(record.kind, Kind::Type | Kind::Function) {
            match record.event() {
                Ok(event) => {
                    let entry = self.lexicon.explain(record.seq, record.offset, event);
                    if wanted {
                        self.entry(&entry, record, depth)?;
                    }
                }
                Err(error) => {
                    let bytes = record.frame.bytes().len() as u64;
                    let reason = sentence(&error.into());
                    self.skip(Skip { offset: record.offset, bytes, reason, is_torn: false })?;
                }
            }
        }
        self.closed |= record.kind == Kind::Close;
        let last = self.args.to.is_some_and(|to| record.seq >= to);
        let done = last || self.args.follow && self.closed;
        Ok(if done { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// How many calls a record stands in, which is where its line is indented to.
    fn depth_of(&mut self, kind: Kind) -> usize {
        match kind {
            Kind::ExportCall | Kind::ImportCall => {
                self.depth += 1;
                return self.depth - 1;
            }
            Kind::ImportReturn | Kind::ExportReturn => self.depth = self.depth.saturating_sub(1),
            // Whatever was under way ended with the instance before.
            Kind::Lifecycle | Kind::Close => self.depth = 0,
            Kind::Header
            | Kind::Type
            | Kind::Function
            | Kind::ResourceDrop
            | Kind::Permission
            | Kind::Checkpoint
            | Kind::Recover => {}
        }
        self.depth
    }

    fn entry(&mut self, entry: &Entry, record: &Record<'_>, depth: usize) -> anyhow::Result<()> {
        if self.filter.as_ref().is_some_and(|filter| !filter.matches(entry, &self.previews)) {
            return Ok(());
        }
        let line = if self.args.json || self.args.jsonl {
            self.json(entry)
        } else if self.args.diag {
            let at = format!("/ {} {}, byte {} /", entry.kind.name(), entry.seq, entry.offset);
            format!("{at} {}", diag::frame(record.frame.body(), self.args.full))
        } else {
            let limits = if self.args.full { Limits::NONE } else { Limits::LINE };
            let style = Style { paint: self.ui.paint(), limits, previews: &self.previews };
            style.line(entry, depth, self.naming(depth))
        };
        if self.args.json {
            let separator = if self.shown == 0 { "\n" } else { ",\n" };
            write!(self.ui.out, "{separator}{line}")?;
        } else {
            writeln!(self.ui.out, "{line}")?;
            self.source(entry, depth)?;
        }
        match entry.kind {
            Kind::ImportCall | Kind::ExportCall => self.open_call = Some(depth),
            Kind::ImportReturn | Kind::ExportReturn => self.open_call = None,
            _ => {}
        }
        self.shown += 1;
        Ok(())
    }

    fn json(&self, entry: &Entry) -> String {
        let event = json::EntryJson(entry, &self.previews);
        let Some(located) = self.places.get(&entry.seq) else { return json::line(&event) };
        let mut source = Located::clone(located);
        if !self.args.lines.verbose {
            source.stack = Stack::default();
        }
        json::line(&Sourced { event, source })
    }

    /// Below an event, the line it comes from. An answer comes from where its call did.
    fn source(&mut self, entry: &Entry, depth: usize) -> anyhow::Result<()> {
        let located = self.places.get(&entry.seq);
        let Some(located) = located.filter(|_| entry.kind != Kind::ImportReturn) else {
            return Ok(());
        };
        if self.args.jsonl {
            return Ok(());
        }
        let paint = self.ui.paint();
        let lines = match self.args.lines.verbose {
            true => whence::tell(located, &self.args.lines, paint),
            false => {
                whence::brief(located).map(|line| paint.dim(line).to_string()).into_iter().collect()
            }
        };
        for line in lines {
            writeln!(self.ui.out, "{:indent$}{line}", "", indent = SOURCE_INDENT + 2 * depth)?;
        }
        Ok(())
    }

    /// How a return at this depth names its function: not at all right after its call.
    fn naming(&self, depth: usize) -> Naming {
        if self.open_call == Some(depth) {
            Naming::None
        } else if self.filter.is_none() {
            Naming::Short
        } else {
            Naming::Full
        }
    }

    fn skip(&mut self, skip: Skip) -> anyhow::Result<()> {
        match self.damage.skip(skip) {
            Some(text) => self.note(&text),
            None => Ok(()),
        }
    }

    /// Says something that is not part of the result, in its place between the lines.
    fn note(&mut self, text: &str) -> anyhow::Result<()> {
        self.ui.out.flush()?;
        writeln!(self.ui.err, "note: {text}")?;
        Ok(())
    }

    fn finish(mut self, bytes: u64) -> anyhow::Result<Exit> {
        if self.args.json {
            let skipped = json::line(&self.damage.skipped);
            let closed = self.closed;
            writeln!(self.ui.out, "\n],\"skipped\":{skipped},\"closed\":{closed}}}")?;
        }
        let last = self.damage.last();
        if self.shown == 0
            && let Some(last) = last
        {
            self.note(&format!("no event fits; the last one looked at is event {last}"))?;
        }
        let exit = self.damage.exit(bytes);
        let saw_end = self.args.to.is_none_or(|to| last.is_none_or(|last| last < to));
        if exit == Exit::Finding {
            let chain = argument(&self.args.chain);
            writeln!(self.ui.err, "  try: theater-replay verify {chain}")?;
        } else if saw_end && !self.closed {
            self.note("no close record: still being written, crashed, or cut off")?;
        }
        Ok(exit)
    }
}
