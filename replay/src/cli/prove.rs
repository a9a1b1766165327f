//! `prove`: writes the proof that one event stands in a chain.

use std::io::Write;
use std::path::PathBuf;

use theater_record::ReadError;
use theater_verify::{ProveError, prove};

use crate::amount::size;
use crate::cli::pack::with_suffix;
use crate::exit::Exit;
use crate::open::open;
use crate::output::Output;
use crate::ui::Ui;
use theater_runtime::complaint::advised;
use theater_runtime::escape::argument;

const EXAMPLES: &str = "\
Examples:
  theater-replay prove run.chain 1234                writes run.chain.1234.proof
  theater-replay prove run.chain 1234 -o answer.proof
  theater-replay verify --proof answer.proof --expect-head HASH@EVENT";

/// Proves that one event stands in a chain, to somebody who does not get the chain.
///
/// The proof has about 2 kB beside the event itself. It convinces whoever knows the hash of the
/// chain's head, or of any checkpoint that the proof names, from a source they trust.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain.
    chain: PathBuf,
    /// The event number.
    event: u64,
    /// Where to write [default: CHAIN.EVENT.proof].
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the output file if it exists.
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let shown = args.chain.display();
    let source = open(&args.chain)?;
    let progress = ui.progress(source.len());
    let proof = prove(&*source, args.event, |bytes| progress.set(bytes));
    drop(progress);
    let proof = match proof {
        Ok(proof) => proof,
        Err(error) if is_damage(&error) => {
            writeln!(ui.out, "{shown}: {error}")?;
            writeln!(ui.out, "nothing is proved from a damaged chain")?;
            return Ok(Exit::Finding);
        }
        Err(error @ ProveError::NotCovered { .. }) => {
            let advice =
                format!("after a crash: theater-replay recover {} --close", argument(&args.chain));
            return Err(advised(error.into(), advice));
        }
        Err(error) => return Err(anyhow::Error::new(error).context(shown.to_string())),
    };
    let proved = proof.check()?;
    let path = args
        .out
        .clone()
        .unwrap_or_else(|| with_suffix(&args.chain, &format!(".{}.proof", args.event)));
    let bytes = proof.to_bytes();
    let mut out = Output::create(&path, args.force)?;
    out.write_all(&bytes)?;
    out.finish()?;
    writeln!(ui.out, "{}: {}", path.display(), size(bytes.len() as u64))?;
    let head = proved.head();
    writeln!(ui.out, "proves event {} under head {}@{}", args.event, head.hash, head.seq)?;
    Ok(Exit::Fine)
}

fn is_damage(error: &ProveError) -> bool {
    match error {
        ProveError::Read(error) => {
            matches!(error, ReadError::NotAFrame { .. } | ReadError::Malformed { .. })
        }
        ProveError::Damaged { .. } | ProveError::Contradicted(_) => true,
        ProveError::Newer | ProveError::NoSuchEvent { .. } | ProveError::NotCovered { .. } => false,
    }
}
