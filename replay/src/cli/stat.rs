//! `stat`: how many records of which kind a chain has.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use theater_record::{Reader, Stored};
use theater_verify::SourceReader;

use crate::exit::Exit;
use crate::open::open;
use crate::ui::Ui;

const EXAMPLES: &str = "\
Examples:
  theater-replay stat out.chain.cbor";

/// Counts what is in a chain.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain.
    chain: PathBuf,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let source = open(&args.chain)?;
    let mut reader = Reader::new(SourceReader::new(&*source, 0, source.len()))?;
    let mut counts = BTreeMap::new();
    while let Some(stored) = reader.read()? {
        if let Stored::Record(record) = stored {
            *counts.entry(record.kind).or_insert(0u64) += 1;
        }
    }
    for (kind, count) in counts {
        writeln!(ui.out, "{count:>10} {}", kind.name())?;
    }
    Ok(Exit::Fine)
}
