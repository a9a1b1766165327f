//! `pack`: makes a chain smaller; all other subcommands read it as before.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use theater_verify::Source;

use crate::amount::{counted, size};
use crate::exit::Exit;
use crate::open::{Opened, open_either};
use crate::output::Output;
use crate::packed::pack;
use crate::ui::Ui;
use theater_runtime::complaint::advised;
use theater_runtime::escape::argument;

const EXAMPLES: &str = "\
Examples:
  theater-replay pack run.chain                      writes run.chain.zst
  theater-replay pack run.chain -o small.zst --level 19
  theater-replay verify run.chain.zst                works on packed chains too";

/// Compresses a chain, segment by segment.
///
/// Packing changes no hash: verify, show, stat and prove read a packed chain like any other. Plain
/// `zstd -d` unpacks it too. A damaged or open chain is packed as it is.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain.
    chain: PathBuf,
    /// Where to write [default: CHAIN.zst].
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How hard to compress: 1 is fastest, 22 is smallest.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..=22))]
    level: i32,
    /// Replace the output file if it exists.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let shown = args.chain.display();
    let Opened::Plain(chain) = open_either(&args.chain)? else {
        return Err(advised(
            anyhow!("{shown} is packed already"),
            format!("to pack it harder, first: theater-replay unpack {}", argument(&args.chain)),
        ));
    };
    let path = args.out.clone().unwrap_or_else(|| with_suffix(&args.chain, ".zst"));
    let mut out = Output::create(&path, args.force)?;
    let progress = ui.progress(chain.len());
    let packing = pack(&chain, &mut out, args.level, |bytes| progress.set(bytes))
        .with_context(|| format!("cannot pack {shown}"))?;
    drop(progress);
    out.finish()?;
    if let Some(offset) = packing.damaged_at {
        writeln!(ui.err, "warning: {shown} is damaged at byte {offset}; packed as it is")?;
    }
    let frames = counted(packing.frames as u64, "frame");
    let (plain, packed) = (size(chain.len()), size(packing.bytes));
    writeln!(ui.out, "{}: {frames}, {plain} packed to {packed}", path.display())?;
    Ok(Exit::Fine)
}

/// The same path with more letters at its end.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
