//! `recover`: brings a chain whose writer crashed back in order.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use serde::Serialize;
use theater_record::{Header, IdentityKey, Log, RecoverError, RecoverOptions, Recovery, Seed};

use crate::amount::{counted, size};
use crate::cli::pack::with_suffix;
use crate::exit::Exit;
use crate::json;
use crate::open::{Opened, open_either};
use crate::ui::Ui;
use theater_runtime::complaint::advised;
use theater_runtime::escape::argument;
use theater_runtime::machine;

/// How many torn tails of one chain may lie side by side.
const ASIDES_MAX: u32 = 1000;

const EXAMPLES: &str = "\
Examples:
  theater-replay recover out.chain.cbor --dry-run
  theater-replay recover out.chain.cbor --close
  theater-replay recover out.chain.cbor --close --key identity.key

Make sure that the program which recorded has ended: two writers ruin a chain.
The JSON is described by replay/schemas/recover-1.json.";

/// Brings a chain whose writer crashed back in order, losing nothing.
///
/// What follows the last whole record is set aside in CHAIN.torn-OFFSET, and a recover record says
/// how much it was. Damage to what was already safe on disk is not the work of a crash, and is
/// never repaired here. A chain that was recovered before is left as it is.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain.
    chain: PathBuf,

    /// Also close the chain, so that it counts as complete.
    #[arg(long)]
    close: bool,

    /// Say what would be done, and change nothing.
    #[arg(long)]
    dry_run: bool,

    /// The file with the identity key that the chain names; it vouches for a signed chain's new key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Recover a signed chain although nobody vouches for its new key. Its signatures then end here.
    #[arg(long, conflicts_with = "key")]
    unvouched: bool,

    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let shown = args.chain.display();
    if let Opened::Packed(_) = open_either(&args.chain)? {
        return Err(advised(
            anyhow!("{shown} is packed, so it cannot be changed"),
            format!("theater-replay unpack {}", argument(&args.chain)),
        ));
    }
    let mut file = open_alone(&args.chain, args.dry_run)?;
    let recovery = match Recovery::plan(&mut file) {
        Ok(recovery) => recovery,
        Err(error @ (RecoverError::Corrupt { .. } | RecoverError::AfterClose { .. })) => {
            writeln!(ui.out, "{shown}: {error}")?;
            writeln!(ui.err, "  try: theater-replay verify {}", argument(&args.chain))?;
            return Ok(Exit::Finding);
        }
        Err(error) => return Err(anyhow::Error::new(error).context(shown.to_string())),
    };
    let identity = args.key.as_deref().map(read_key).transpose()?;
    let options = RecoverOptions { close: args.close, identity };
    let mut outcome = Outcome::of(&recovery, &options, args);
    if outcome.needed {
        require_vouched(&recovery.header, options.identity.as_ref(), args)?;
    }
    if outcome.needed && !args.dry_run {
        let (keep, mut aside) = (recovery.keep, None);
        let set_aside = || {
            let (path, log) = create_aside(&args.chain, keep)?;
            aside = Some(path);
            Ok(Box::new(log) as Box<dyn Log>)
        };
        recovery
            .apply(&mut file, options, Seed::new(machine::random()?), &machine::clock(), set_aside)
            .with_context(|| format!("cannot recover {shown}"))?;
        outcome.done = true;
        outcome.aside = aside.map(|path| path.display().to_string());
    }
    if args.json {
        writeln!(ui.out, "{}", json::document(&outcome))?;
    } else {
        print(&args.chain, &outcome, ui)?;
    }
    Ok(Exit::Fine)
}

/// What was done, or would be.
#[derive(Serialize)]
struct Outcome {
    schema: &'static str,
    /// Whether there is anything to do.
    needed: bool,
    done: bool,
    events: u64,
    kept_bytes: u64,
    torn_bytes: u64,
    /// Where the torn tail is now.
    aside: Option<String>,
    /// Whether the chain has a close record, or gets one.
    closed: bool,
}

impl Outcome {
    fn of(recovery: &Recovery, options: &RecoverOptions, args: &Args) -> Outcome {
        Outcome {
            schema: "theater-replay/recover/1",
            needed: !recovery.is_done(options),
            done: false,
            events: recovery.events,
            kept_bytes: recovery.keep,
            torn_bytes: recovery.torn,
            aside: None,
            closed: recovery.closed || args.close,
        }
    }
}

fn print(chain: &Path, outcome: &Outcome, ui: &mut Ui) -> anyhow::Result<()> {
    let (shown, out) = (chain.display(), &mut ui.out);
    if !outcome.needed {
        let why = if outcome.closed { "closed" } else { "recovered already" };
        writeln!(out, "{shown}: {why}; nothing to do")?;
        return Ok(());
    }
    let would = if outcome.done { "" } else { "would be " };
    let (events, kept) = (counted(outcome.events, "event"), size(outcome.kept_bytes));
    writeln!(out, "{shown}: {events} with {kept} {would}kept")?;
    if outcome.torn_bytes > 0 {
        let torn = size(outcome.torn_bytes);
        match &outcome.aside {
            Some(aside) => writeln!(out, "{torn} of a torn tail set aside in {aside}")?,
            None => writeln!(out, "{torn} of a torn tail {would}set aside")?,
        }
    }
    let end = if outcome.closed { "closed" } else { "left open" };
    writeln!(out, "{would}{end}")?;
    Ok(())
}

/// Opens the chain so that no second recovery can run at the same time.
fn open_alone(path: &Path, read_only: bool) -> anyhow::Result<File> {
    let shown = path.display();
    let file = OpenOptions::new()
        .read(true)
        .write(!read_only)
        .open(path)
        .with_context(|| format!("cannot write to {shown}"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("{shown} is in use by another program"),
        // Some file systems have no locks; then there is nothing to ask.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {shown}"))
        }
    }
}

fn read_key(path: &Path) -> anyhow::Result<IdentityKey> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let key = IdentityKey::from_secret_text(&text);
    key.map_err(|_| advised(anyhow!("{shown} is no secret key"), "name a file made by keygen"))
}

/// A signed chain stays one only if its identity key vouches for the key that comes next.
fn require_vouched(header: &Header, key: Option<&IdentityKey>, args: &Args) -> anyhow::Result<()> {
    let unvouched = "or add --unvouched: its signatures then end at the crash";
    match (&header.identity, key) {
        (Some(named), Some(key)) if *named == key.public() => Ok(()),
        (Some(named), Some(_)) => bail!("the chain names another identity key: {named}"),
        (None, Some(_)) => bail!("the chain names no identity key, so --key cannot vouch for it"),
        (_, None) if header.first_key.is_none() || args.unvouched => Ok(()),
        (Some(named), None) => Err(advised(
            anyhow!("the chain is signed, and its signing key was lost in the crash"),
            format!("give the identity key {named} with --key FILE, {unvouched}"),
        )),
        (None, None) => Err(advised(
            anyhow!(
                "the chain is signed, but names no identity key that could vouch for a new key"
            ),
            unvouched.trim_start_matches("or "),
        )),
    }
}

/// Creates the file for the torn tail. One that is left from an interrupted recovery is kept.
fn create_aside(chain: &Path, offset: u64) -> io::Result<(PathBuf, File)> {
    for attempt in 1..=ASIDES_MAX {
        let again = if attempt == 1 { String::new() } else { format!("-{attempt}") };
        let path = with_suffix(chain, &format!(".torn-{offset}{again}"));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => return sync_folder(&path).map(|()| (path, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("too many torn tails lie beside the chain"))
}

/// Makes a new file's name durable, so that the tail is safe before the chain is cut.
#[cfg(unix)]
fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_file: &Path) -> io::Result<()> {
    Ok(())
}
