//! `store gc`: removes what nobody needs.

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::json;
use crate::amount::{counted, size};
use crate::complaint::advised;
use crate::home::Home;
use crate::manifest::amounts::parse_time;
use crate::store::{Names, Store};

const EXAMPLES: &str = "\
What is kept: what a label names, what a chain's header or a manifest names, and what a manifest in
  the store names that is kept itself. Chains and manifests are looked for in the theater home, and
  in the folders given with --chains. Packed chains are not looked into.

Examples:
  theater store gc --dry-run
  theater store gc --chains ~/recordings --chains ~/agents
  theater store gc --older-than 24h";

/// Removes contents that nothing names and that are old.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Only say what would be removed.
    #[arg(long)]
    dry_run: bool,
    /// Leave what was kept or labelled within this time, such as 12h.
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "720h")]
    older_than: u64,
    /// A folder whose chains and manifests name what is needed, with all below it; may be repeated.
    #[arg(long, value_name = "DIR")]
    chains: Vec<PathBuf>,
}

pub(super) fn run(
    args: &Args,
    home: &Home,
    store: &Store,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let age = Duration::from_nanos(args.older_than);
    let before = SystemTime::now().checked_sub(age).unwrap_or(SystemTime::UNIX_EPOCH);
    let left_out = [home.store(), home.stores(), home.cache(), home.outcomes()];
    let mut names = Names::default();
    for folder in std::iter::once(home.path()).chain(args.chains.iter().map(PathBuf::as_path)) {
        names.add_folder(folder, &left_out).map_err(|error| {
            let advice =
                "nothing was removed: see to that file first, or take it out of the folder";
            advised(error.into(), advice)
        })?;
    }
    let mut garbage = store.garbage(&names, before)?;
    if !args.dry_run {
        garbage = store.remove(garbage, before)?;
    }
    if json {
        return json::print(&json::gc(&garbage, args.dry_run), out);
    }
    for (hash, bytes) in &garbage.contents {
        writeln!(out, "{hash}  {:>7}", size(*bytes))?;
    }
    let contents = counted(garbage.contents.len() as u64, "content");
    let done = if args.dry_run { "would be removed" } else { "removed" };
    let files = match garbage.unfinished.len() {
        0 => String::new(),
        files => format!(" and {}", counted(files as u64, "unfinished file")),
    };
    writeln!(out, "{done}: {contents} of {}{files}", size(garbage.bytes()))?;
    Ok(())
}
