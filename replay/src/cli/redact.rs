//! `redact`: removes payloads from a chain so that it still verifies.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use theater_verify::{Checked, Fault, Options, Report, Source, Verdict, VerifiedChain};

use crate::amount::{counted, size};
use crate::exit::Exit;
use crate::filter::Filter;
use crate::open::{Opened, open_either};
use crate::output::Output;
use crate::redact::{Choice, Plan};
use crate::ui::Ui;
use theater_runtime::complaint::advised;
use theater_runtime::escape::argument;

const EXAMPLES: &str = "\
Examples:
  theater-replay redact run.chain --function fetch -o public.chain
  theater-replay redact run.chain --filter 'interface ~ wasi:http' --larger-than 65536 -o less.chain
  theater-replay redact run.chain --digest 5f3a --in-place
  theater-replay redact run.chain --all --dry-run";

/// Removes payloads that are stored out of line, so that the chain still verifies.
///
/// A tombstone takes the place of each removed payload: links, digests and signatures hold, and
/// verify says how much was removed. What stands inside a record cannot be removed. Conditions are
/// combined: a payload goes if all of them hold. A payload that other events refer to as well is
/// kept, unless --shared is given. Exits with 1 if nothing was to be removed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
#[command(group = clap::ArgGroup::new("where").required(true))]
pub(crate) struct Args {
    /// The chain.
    chain: PathBuf,
    /// Payloads of the events that meet this condition; see show --help for the language.
    #[arg(long, value_name = "EXPR", group = "what")]
    filter: Option<String>,
    /// Payloads of calls to this function and returns from it: NAME or INTERFACE#NAME.
    #[arg(long, value_name = "NAME", group = "what")]
    function: Option<String>,
    /// Payloads whose digest starts with these hexadecimal digits.
    #[arg(long, value_name = "PREFIX", group = "what")]
    digest: Option<String>,
    /// Payloads of more than this many bytes.
    #[arg(long, value_name = "BYTES", group = "what")]
    larger_than: Option<u64>,
    /// Every payload, the embedded component included.
    #[arg(long, group = "what", conflicts_with_all = ["filter", "function", "digest", "larger_than"])]
    all: bool,
    /// Also remove payloads that events which were not chosen refer to as well.
    #[arg(long)]
    shared: bool,
    /// Where to write.
    #[arg(short, long, value_name = "FILE", group = "where")]
    out: Option<PathBuf>,
    /// Replace the chain itself. Copies and backups keep what was removed.
    #[arg(long, group = "where")]
    in_place: bool,
    /// Say what would be removed, and write nothing.
    #[arg(long, group = "where")]
    dry_run: bool,
    /// Replace the output file if it exists.
    #[arg(long, requires = "out")]
    force: bool,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let choice = choice(args)?;
    let opened = open_either(&args.chain)?;
    let (chain, packed): (Arc<dyn Source>, bool) = match opened {
        Opened::Plain(file) => (Arc::new(file), false),
        Opened::Packed(packed) => (Arc::new(packed), true),
    };
    let shown = args.chain.display();
    if packed && args.in_place {
        return Err(advised(
            anyhow!("{shown} is packed, so it cannot be changed in place"),
            format!("theater-replay unpack {}", argument(&args.chain)),
        ));
    }
    let chain = require_whole(&args.chain, chain, args.in_place, ui)?;
    let progress = ui.progress(chain.bytes());
    let plan = Plan::make(&chain, &choice, |bytes| progress.set(bytes))?;
    drop(progress);
    let target = match &args.out {
        // A link stays a link: what it points to is replaced.
        None if args.in_place => Some(args.chain.canonicalize()?),
        out => out.clone(),
    };
    if let Some(target) = target.as_ref().filter(|_| plan.count() > 0) {
        let mut out = Output::create(target, args.in_place || args.force)?;
        let progress = ui.progress(chain.bytes());
        plan.write(&chain, &mut out, |bytes| progress.set(bytes))?;
        drop(progress);
        out.finish()?;
    }
    report(&plan, target.as_deref(), ui)
}

fn choice(args: &Args) -> anyhow::Result<Choice> {
    let digest = args.digest.as_ref().map(|digits| digits.to_ascii_lowercase());
    if let Some(digits) = &digest
        && (digits.is_empty() || !digits.chars().all(|char| char.is_ascii_hexdigit()))
    {
        bail!("--digest takes hexadecimal digits, not {digits:?}");
    }
    Ok(Choice {
        filter: args.filter.as_deref().map(Filter::parse).transpose()?,
        function: args.function.clone(),
        digest,
        larger_than: args.larger_than,
        shared: args.shared,
        unused: args.all,
    })
}

/// Redaction rewrites the file, and must not hide damage that was there before.
fn require_whole(
    path: &Path,
    chain: Arc<dyn Source>,
    in_place: bool,
    ui: &Ui,
) -> anyhow::Result<VerifiedChain> {
    let shown = path.display();
    let progress = ui.progress(chain.len());
    let set = |bytes| progress.set(bytes);
    let options = Options { progress: Some(&set), ..Options::default() };
    let checked = Checked::new(chain, &options).with_context(|| format!("cannot check {shown}"))?;
    let recover = format!("theater-replay recover {} --close", argument(path));
    if in_place && checked.report.verdict() == Verdict::Open {
        return Err(advised(
            anyhow!("{shown} is open: a program may be writing to it"),
            format!("write a copy with -o FILE, or after a crash: {recover}"),
        ));
    }
    checked.whole().map_err(|report| {
        if ends_torn(&report) {
            return advised(anyhow!("{shown} ends in the middle of a record"), recover);
        }
        advised(
            anyhow!("{shown} is damaged; redacting it would blur what happened to it"),
            format!("theater-replay verify {}", argument(path)),
        )
    })
}

fn ends_torn(report: &Report) -> bool {
    matches!(report.faults[..], [Fault::TornTail { .. }])
}

fn report(plan: &Plan, written: Option<&Path>, ui: &mut Ui) -> anyhow::Result<Exit> {
    let out = &mut ui.out;
    if plan.shared > 0 {
        let kept = counted(plan.shared, "payload piece");
        writeln!(
            out,
            "kept {kept} that other events refer to too; --shared removes these as well"
        )?;
    }
    if plan.count() == 0 {
        writeln!(out, "nothing to remove; nothing was written")?;
        return Ok(Exit::Finding);
    }
    let pieces = counted(plan.count(), "payload piece");
    let verb = if written.is_some() { "removed" } else { "would remove" };
    write!(out, "{verb} {pieces} with {}", size(plan.bytes()))?;
    if plan.references > 0 {
        let shown: Vec<_> = plan.events.iter().map(ToString::to_string).collect();
        let more = if plan.references > shown.len() as u64 { " and more" } else { "" };
        write!(out, ", referred to by events {}{more}", shown.join(", "))?;
    }
    writeln!(out)?;
    if let Some(path) = written {
        writeln!(out, "wrote {}", path.display())?;
    }
    Ok(Exit::Fine)
}
