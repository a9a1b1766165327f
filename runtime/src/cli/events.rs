//! `events`: what an actor has done, from its chain.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde::Deserialize;
use serde_json::Value;

use crate::client::{Client, actor_path, encoded};
use crate::entry::json;
use crate::escape::{argument, visible};
use crate::moment::utc;

use super::Exit;
use super::at_server::{ServerArgs, not_answered};

/// How many events are asked for at a time.
const PAGE: usize = 1000;

const EXAMPLES: &str = "\
Examples:
  theater events ID                                  the newest events
  theater events ID --from 0 --limit 10              the first ten
  theater events ID --from 1h --type permission      decisions of the last hour
  theater events ID --function 'theater:simple/store*' --format pretty
  theater events ID --search 'not found' --reverse   the newest first
  theater events ID --export all.csv --format csv    all of them, to a file

Nothing is verified here: the server reads the chain behind the actor. theater inspect ID names the
file, and theater-replay verify FILE checks it.";

/// Shows what an actor has done, from its chain.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The actor.
    id: String,
    /// At most this many; with --export, all unless this is given.
    #[arg(
        short,
        long,
        value_name = "N",
        default_value_if("export", clap::builder::ArgPredicate::IsPresent, None),
        default_value = "50"
    )]
    limit: Option<usize>,
    #[command(flatten)]
    which: Which,
    /// How to print them.
    #[arg(short, long, value_enum, default_value = "compact")]
    format: Format,
    /// The newest first.
    #[arg(short, long)]
    reverse: bool,
    /// Write them to this file, which must not exist.
    #[arg(short, long, value_name = "FILE")]
    export: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// Which events.
#[derive(clap::Args)]
#[command(next_help_heading = "Which events")]
struct Which {
    /// Of these kinds, with commas between them, such as import-call,permission.
    #[arg(short = 't', long = "type", value_name = "KIND")]
    kind: Option<String>,
    /// About this function: its name, its interface, or `INTERFACE#NAME`; the start with a `*`.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// Beginning with this number, or with this time: 90s, 2h or 1d ago, or 2026-11-21T09:30:00Z.
    #[arg(long, value_name = "SEQ|TIME")]
    from: Option<String>,
    /// Up to this number or time.
    #[arg(long, value_name = "SEQ|TIME")]
    to: Option<String>,
    /// With this text in their lines.
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Of this chain of the actor's, counted from 1 [default: the newest].
    #[arg(long, value_name = "N")]
    chain: Option<usize>,
}

/// How events are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// With times and links, and all values as a whole.
    Pretty,
    /// A line for each.
    Compact,
    /// One JSON document.
    Json,
    /// A table for other programs.
    Csv,
}

/// Some events, as the server sends them.
#[derive(Deserialize)]
struct Page {
    events: Vec<Value>,
    rest: Option<Rest>,
}

#[derive(Deserialize)]
struct Rest {
    from: u64,
    to: u64,
}

/// An event as a line.
#[derive(Deserialize)]
pub(super) struct Line {
    pub(super) seq: u64,
    kind: String,
    link: String,
    parent: Option<String>,
    time: Option<u64>,
    pub(super) line: String,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = args.server.client()?;
    let format = if args.json { Format::Json } else { args.format };
    let Some(path) = &args.export else {
        print(&client, args, format, out)?;
        return Ok(Exit::Fine);
    };
    let file =
        File::create_new(path).with_context(|| format!("cannot create {}", argument(path)))?;
    let mut file = BufWriter::new(file);
    let count = print(&client, args, format, &mut file)?;
    file.flush().with_context(|| format!("cannot write {}", argument(path)))?;
    writeln!(err, "{count} events written to {}", argument(path))?;
    Ok(Exit::Fine)
}

/// The newest events of an actor, for other subcommands.
pub(super) fn print_newest(
    client: &Client,
    id: &str,
    count: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let path = actor_path(id, &format!("/events?form=line&order=newest&limit={count}"));
    let page: Page = client.get(&path).map_err(not_answered)?;
    for event in page.events.into_iter().rev() {
        let event: Line = serde_json::from_value(event).context("the server sends no events")?;
        writeln!(out, "{}", visible(&event.line))?;
    }
    Ok(())
}

/// Prints all that was asked for, and says how many that are.
fn print(
    client: &Client,
    args: &Args,
    format: Format,
    out: &mut dyn Write,
) -> anyhow::Result<usize> {
    // Whoever names no beginning wants to see the end, and in the order in which things happened.
    let wants_end = args.which.from.is_none() && args.limit.is_some();
    let order = if args.reverse || wants_end { "newest" } else { "oldest" };
    let mut printer = Printer { format, count: 0 };
    printer.begin(out)?;
    let mut kept = Vec::new();
    pages(client, args, format, order, |events| {
        if wants_end && !args.reverse {
            kept.extend(events);
            return Ok(());
        }
        events.iter().try_for_each(|event| printer.event(event, out))
    })?;
    kept.iter().rev().try_for_each(|event| printer.event(event, out))?;
    printer.end(out)?;
    Ok(printer.count)
}

/// Asks for page after page until there is enough.
fn pages(
    client: &Client,
    args: &Args,
    format: Format,
    order: &str,
    mut take: impl FnMut(Vec<Value>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let form = match format {
        Format::Json => "json",
        Format::Compact | Format::Csv => "line",
        Format::Pretty => "full",
    };
    let (fixed, mut range) = args.which.query()?;
    let mut left = args.limit.unwrap_or(usize::MAX);
    while left > 0 {
        let limit = left.min(PAGE);
        let query = format!("/events?form={form}&order={order}&limit={limit}{fixed}{range}");
        let page: Page = client.get(&actor_path(&args.id, &query)).map_err(not_answered)?;
        left = left.saturating_sub(page.events.len());
        take(page.events)?;
        let Some(rest) = page.rest else { break };
        range = format!("&from={}&to={}", rest.from, rest.to);
    }
    Ok(())
}

impl Which {
    /// The parameters of a request: those that stay, and the range of numbers.
    fn query(&self) -> anyhow::Result<(String, String)> {
        let (mut fixed, mut range) = (String::new(), String::new());
        let texts = [("kind", &self.kind), ("function", &self.function), ("text", &self.search)];
        for (name, text) in texts {
            if let Some(text) = text {
                fixed.push_str(&format!("&{name}={}", encoded(text)));
            }
        }
        if let Some(chain) = self.chain {
            fixed.push_str(&format!("&chain={chain}"));
        }
        for (bound, number, time) in [(&self.from, "from", "since"), (&self.to, "to", "until")] {
            let Some(bound) = bound else { continue };
            match bound.parse::<u64>() {
                Ok(seq) => range.push_str(&format!("&{number}={seq}")),
                Err(_) => fixed.push_str(&format!("&{time}={}", encoded(bound))),
            }
        }
        if let (Some(Ok(from)), Some(Ok(to))) =
            (self.from.as_deref().map(str::parse::<u64>), self.to.as_deref().map(str::parse::<u64>))
            && from > to
        {
            bail!("--from {from} is after --to {to}");
        }
        Ok((fixed, range))
    }
}

/// Prints events in a format, one after another.
struct Printer {
    format: Format,
    count: usize,
}

impl Printer {
    fn begin(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        match self.format {
            Format::Json => write!(out, "{{\"schema\":\"theater/events/1\",\"events\":[")?,
            Format::Csv => writeln!(out, "seq,time,kind,link,parent,line")?,
            Format::Pretty | Format::Compact => {}
        }
        Ok(())
    }

    fn event(&mut self, event: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
        self.count += 1;
        if self.format == Format::Json {
            let comma = if self.count == 1 { "" } else { "," };
            write!(out, "{comma}\n{}", json::line(event))?;
            return Ok(());
        }
        let event = Line::deserialize(event).context("the server sends no events")?;
        let Line { seq, kind, link, parent, time, line } = &event;
        let time = time.map(utc).unwrap_or_default();
        match self.format {
            Format::Csv => {
                let parent = parent.as_deref().unwrap_or_default();
                let line = visible(line.trim()).replace('"', "\"\"");
                writeln!(out, "{seq},{time},{kind},{link},{parent},\"{line}\"")?;
            }
            Format::Pretty => {
                writeln!(out, "event {seq}  {kind}  {time}")?;
                writeln!(out, "  link  {link}")?;
                writeln!(out, "{}\n", visible(line))?;
            }
            Format::Compact | Format::Json => writeln!(out, "{}", visible(line))?,
        }
        Ok(())
    }

    fn end(&self, out: &mut dyn Write) -> anyhow::Result<()> {
        if self.format == Format::Json {
            writeln!(out, "\n]}}")?;
        }
        Ok(())
    }
}
