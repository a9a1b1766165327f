//! `unpack`: gives back the chain that was packed, byte for byte.

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use theater_verify::Source;

use crate::amount::size;
use crate::exit::Exit;
use crate::open::{Opened, open_either};
use crate::output::Output;
use crate::ui::Ui;
use theater_runtime::complaint::advised;
use theater_runtime::escape::argument;

const EXAMPLES: &str = "\
Examples:
  theater-replay unpack run.chain.zst                writes run.chain
  theater-replay unpack run.chain.zst -o copy.chain";

/// Gives back the chain that was packed, byte for byte.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The packed chain.
    packed: PathBuf,
    /// Where to write [default: PACKED without .zst].
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the output file if it exists.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let shown = args.packed.display();
    let Opened::Packed(packed) = open_either(&args.packed)? else {
        return Err(advised(
            anyhow!("{shown} is not packed"),
            format!("use it as it is: theater-replay verify {}", argument(&args.packed)),
        ));
    };
    let path = match &args.out {
        Some(out) => out.clone(),
        None if args.packed.extension().is_some_and(|end| end == "zst") => {
            args.packed.with_extension("")
        }
        None => {
            let error = anyhow!("{shown} does not end in .zst, so there is no name for the chain");
            return Err(advised(error, "name it with -o FILE"));
        }
    };
    let mut out = Output::create(&path, args.force)?;
    let progress = ui.progress(packed.len());
    out.copy(&packed, 0, packed.len(), |bytes| progress.set(bytes))?;
    drop(progress);
    out.finish()?;
    writeln!(ui.out, "{}: {}", path.display(), size(packed.len()))?;
    Ok(Exit::Fine)
}
