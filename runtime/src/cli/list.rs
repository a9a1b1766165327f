//! `list`: the actors of a server.

use std::io::Write;

use crate::escape::plain;
use crate::server::listing::{ActorJson, Actors};

use super::Exit;
use super::at_server::{ServerArgs, not_answered, print_json};

const EXAMPLES: &str = "\
Examples:
  theater list
  theater list --json | jq -r '.actors[].id'
  theater list -a 127.0.0.1:9001                the actors of another server";

/// Lists all actors: their ids, what they are doing, their names.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    server: ServerArgs,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let all: Actors<ActorJson> = args.server.client()?.get("/v1/actors").map_err(not_answered)?;
    if args.json {
        return print_json(&all, out);
    }
    for actor in &all.actors {
        // The longest status is `restarting`.
        writeln!(out, "{}  {:10}  {}", actor.id, actor.status, plain(&actor.name))?;
    }
    match all.actors.len() {
        1 => writeln!(out, "1 actor")?,
        count => writeln!(out, "{count} actors")?,
    }
    Ok(Exit::Fine)
}
