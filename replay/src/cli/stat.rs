//! `stat`: what a chain is made of, in numbers.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

use serde::Serialize;
use theater_record::{Kind, Stored};

use crate::amount::{count, counted, instant, size, span};
use theater_runtime::complaint::sentence;

use crate::cli::not_read;
use crate::damage::{Damage, Skip};
use crate::exit::Exit;
use crate::json;
use crate::open::open;
use crate::tally::{Blobs, Function, Share, Tally};
use crate::ui::Ui;
use crate::walk::{Step, walk};
use theater_runtime::escape::{argument, plain, quoted};

const EXAMPLES: &str = "\
Examples:
  theater-replay stat out.chain.cbor
  theater-replay stat out.chain.cbor --json | jq '.functions[] | select(.traps > 0)'

Bytes in and out are seen from the component: in are arguments of its exports and results of its
imports. Signatures are counted, not checked: that is what verify does.

The JSON is described by replay/schemas/stat-1.json.";

/// Counts what is in a chain: calls, bytes, blobs, checkpoints.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain.
    chain: PathBuf,

    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let source = open(&args.chain)?;
    let mut tally = Tally::default();
    let mut damage = Damage::default();
    let mut notes = Vec::new();
    let progress = ui.progress(source.len());
    let walked = walk(&*source, false, |step| {
        match step {
            Step::Frame(Stored::Record(record)) => {
                notes.extend(damage.step(&record));
                match record.event() {
                    Ok(event) => tally.add(&record, event),
                    Err(error) => {
                        let bytes = record.frame.bytes().len() as u64;
                        let reason = sentence(&error.into());
                        let offset = record.offset;
                        notes.extend(damage.skip(Skip { offset, bytes, reason, is_torn: false }));
                    }
                }
                progress.set(record.offset);
            }
            Step::Frame(Stored::Blob { blob, .. }) => tally.add_blob(blob.content.len() as u64),
            Step::Frame(Stored::Tombstone { tombstone, .. }) => tally.add_tombstone(tombstone.len),
            Step::Skipped(skip) => notes.extend(damage.skip(skip)),
            Step::Waiting => {}
        }
        Ok(ControlFlow::Continue(()))
    });
    drop(progress);
    walked.map_err(|error| not_read(error, &args.chain))?;
    let summary = Summary::new(&args.chain, source.len(), &tally, &damage);
    if args.json {
        writeln!(ui.out, "{}", json::document(&summary))?;
    } else {
        print(&summary, ui)?;
    }
    ui.out.flush()?;
    for note in notes {
        writeln!(ui.err, "note: {note}")?;
    }
    let exit = damage.exit(source.len());
    if exit == Exit::Finding {
        writeln!(ui.err, "  try: theater-replay verify {}", argument(&args.chain))?;
    }
    Ok(exit)
}

/// The JSON document, and what people get to see.
#[derive(Serialize)]
struct Summary {
    schema: &'static str,
    chain: String,
    name: Option<String>,
    recorder: Option<String>,
    component: Option<String>,
    /// Nanoseconds since the Unix epoch, from the header.
    created: Option<u64>,
    /// The last time that any record states.
    last_time: Option<u64>,
    bytes: u64,
    events: u64,
    record_bytes: u64,
    /// Arguments and results as stored in records.
    payload_bytes: u64,
    closed: bool,
    kinds: Vec<KindShare>,
    functions: Vec<Function>,
    blobs: Blobs,
    checkpoints: u64,
    signatures: Signatures,
    denied: Vec<Denied>,
    skipped: Vec<Skip>,
}

#[derive(Serialize)]
struct KindShare {
    kind: &'static str,
    #[serde(flatten)]
    share: Share,
}

/// What the chain says about its signatures. Nothing of it is checked here.
#[derive(Serialize)]
struct Signatures {
    signed: u64,
    first_key: Option<String>,
    identity: Option<String>,
}

#[derive(Serialize)]
struct Denied {
    capability: String,
    count: u64,
}

impl Summary {
    fn new(chain: &std::path::Path, bytes: u64, tally: &Tally, damage: &Damage) -> Summary {
        let header = tally.header.as_ref();
        let total = tally.total();
        let share = |(kind, share): (&Kind, &Share)| KindShare { kind: kind.name(), share: *share };
        let denied = |(capability, count): (&String, &u64)| Denied {
            capability: capability.clone(),
            count: *count,
        };
        Summary {
            schema: "theater-replay/stat/1",
            chain: chain.display().to_string(),
            name: header.map(|header| header.name.clone()),
            recorder: header.map(|header| header.recorder.clone()),
            component: header.and_then(|header| header.component).map(|hash| hash.to_string()),
            created: header.map(|header| header.created),
            last_time: tally.last_time,
            bytes,
            events: total.events,
            record_bytes: total.bytes,
            payload_bytes: tally.payload_bytes,
            closed: tally.closed,
            kinds: tally.kinds.iter().map(share).collect(),
            functions: tally.functions(),
            blobs: tally.blobs,
            checkpoints: tally.kinds.get(&Kind::Checkpoint).map_or(0, |share| share.events),
            signatures: Signatures {
                signed: tally.signed,
                first_key: header.and_then(|h| h.first_key).map(|key| key.to_string()),
                identity: header.and_then(|h| h.identity).map(|key| key.to_string()),
            },
            denied: tally.denied.iter().map(denied).collect(),
            skipped: damage.skipped.clone(),
        }
    }

    /// Bytes of frames, links and names for each event: what a chain costs beyond its payload.
    fn overhead(&self) -> u64 {
        self.record_bytes.saturating_sub(self.payload_bytes) / self.events.max(1)
    }
}

fn print(summary: &Summary, ui: &mut Ui) -> anyhow::Result<()> {
    let paint = ui.paint();
    let out = &mut ui.out;
    writeln!(out, "{}", paint.strong(plain(&summary.chain)))?;
    let mut line = |label: &str, text: String| writeln!(out, "  {label:<12} {text}");
    if let (Some(name), Some(recorder)) = (&summary.name, &summary.recorder) {
        line("recorded", format!("{} by {}", quoted(name), plain(recorder)))?;
    }
    if let (Some(created), Some(last)) = (summary.created, summary.last_time) {
        let length = span(last.saturating_sub(created));
        line("time", format!("{}, for {length}", instant(created)))?;
    }
    line("file", size(summary.bytes))?;
    let overhead = size(summary.overhead());
    let events = counted(summary.events, "event");
    line("records", format!("{events}, {}, overhead {overhead} each", size(summary.record_bytes)))?;
    line("end", end(summary).to_owned())?;
    line("blobs", blobs(&summary.blobs))?;
    line("checkpoints", count(summary.checkpoints))?;
    line("signatures", signatures(&summary.signatures))?;
    let denied = summary.denied.iter();
    let denied: Vec<_> = denied
        .map(|denied| format!("{} {}", count(denied.count), plain(&denied.capability)))
        .collect();
    line("denied", if denied.is_empty() { "nothing".to_owned() } else { denied.join(", ") })?;
    print_kinds(summary, ui)?;
    print_functions(summary, ui)
}

fn end(summary: &Summary) -> &'static str {
    match summary.closed {
        true => "closed",
        false => "no close record: still being written, crashed, or cut off",
    }
}

fn blobs(blobs: &Blobs) -> String {
    let Blobs { present, redacted, repeated, .. } = *blobs;
    let mut text = match present {
        0 => "none".to_owned(),
        _ => format!("{}, {}", count(present), size(blobs.present_bytes)),
    };
    if redacted > 0 {
        text += &format!("; {} removed, {}", count(redacted), size(blobs.redacted_bytes));
    }
    if repeated > 0 {
        text += &format!("; {} repeated, {} saved", count(repeated), size(blobs.repeated_bytes));
    }
    text
}

fn signatures(signatures: &Signatures) -> String {
    let mut text = match &signatures.first_key {
        None => "unsigned".to_owned(),
        Some(key) => format!("{}, first key {key}", count(signatures.signed)),
    };
    if let Some(identity) = &signatures.identity {
        text += &format!(", identity {identity}");
    }
    text
}

fn print_kinds(summary: &Summary, ui: &mut Ui) -> anyhow::Result<()> {
    let paint = ui.paint();
    writeln!(ui.out, "\n{}", paint.dim(format!("{:<16}{:>12}{:>12}", "kind", "events", "bytes")))?;
    for KindShare { kind, share } in &summary.kinds {
        let (events, bytes) = (count(share.events), size(share.bytes));
        writeln!(ui.out, "{kind:<16}{events:>12}{bytes:>12}")?;
    }
    Ok(())
}

fn print_functions(summary: &Summary, ui: &mut Ui) -> anyhow::Result<()> {
    if summary.functions.is_empty() {
        return Ok(());
    }
    let paint = ui.paint();
    let name = |function: &Function| format!("  {}", plain(&function.function));
    let interface = |function: &Function| match function.interface.as_str() {
        "" => "(no interface)".to_owned(),
        interface => plain(interface),
    };
    let widths = summary.functions.iter().flat_map(|f| [name(f), interface(f)]);
    let width = widths.map(|text| text.chars().count()).max().unwrap_or(0).max(18);
    let head = format!(
        "{:<width$}{:>10}{:>8}{:>12}{:>12}",
        "interface, function", "calls", "traps", "bytes in", "bytes out"
    );
    writeln!(ui.out, "\n{}", paint.dim(head))?;
    for of_interface in summary.functions.chunk_by(|a, b| a.interface == b.interface) {
        let sum = of_interface.iter().fold(Function::default(), |sum, f| Function {
            calls: sum.calls + f.calls,
            traps: sum.traps + f.traps,
            bytes_in: sum.bytes_in.saturating_add(f.bytes_in),
            bytes_out: sum.bytes_out.saturating_add(f.bytes_out),
            ..sum
        });
        let title = format!("{:<width$}", interface(&of_interface[0]));
        writeln!(ui.out, "{}{}", paint.name(title), columns(&sum))?;
        for function in of_interface {
            writeln!(ui.out, "{:<width$}{}", name(function), columns(function))?;
        }
    }
    Ok(())
}

fn columns(function: &Function) -> String {
    let (calls, traps) = (count(function.calls), count(function.traps));
    let (bytes_in, bytes_out) = (size(function.bytes_in), size(function.bytes_out));
    format!("{calls:>10}{traps:>8}{bytes_in:>12}{bytes_out:>12}")
}
