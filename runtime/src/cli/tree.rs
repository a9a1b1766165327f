//! `tree`: who has started whom.

use std::io::Write;

use crate::client::encoded;
use crate::escape::plain;
use crate::server::listing::{Actors, TreeLine};

use super::Exit;
use super::at_server::{ServerArgs, not_answered, print_json};

const EXAMPLES: &str = "\
Examples:
  theater tree
  theater tree --depth 1                                       the top and its children
  theater tree --root 019aa8f2-6c50-7d3e-9a41-0242ac120002     one actor and all below it";

/// Shows all actors below those that have started them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Begin with this actor.
    #[arg(short, long, value_name = "ID")]
    root: Option<String>,
    /// How far down to look; 0 shows the top only.
    #[arg(short, long, value_name = "N")]
    depth: Option<usize>,
    #[command(flatten)]
    server: ServerArgs,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let root = args.root.iter().map(|root| format!("?root={}", encoded(root))).collect::<String>();
    let path = format!("/v1/tree{root}");
    let mut tree: Actors<TreeLine> = args.server.client()?.get(&path).map_err(not_answered)?;
    tree.actors.retain(|line| args.depth.is_none_or(|depth| line.depth <= depth));
    if args.json {
        return print_json(&tree, out);
    }
    for TreeLine { depth, actor } in &tree.actors {
        let name = plain(&actor.name);
        writeln!(out, "{}{name}  {}  {}", "  ".repeat(*depth), actor.status, actor.id)?;
    }
    if tree.actors.is_empty() {
        writeln!(out, "no actors")?;
    }
    Ok(Exit::Fine)
}
