//! `restart`: starts an actor again, under its id.

use std::io::Write;

use crate::client::actor_path;
use crate::server::listing::ActorJson;

use super::Exit;
use super::at_server::{ServerArgs, not_answered, print_json};

const EXAMPLES: &str = "\
Examples:
  theater restart 019aa8f2-6c50-7d3e-9a41-0242ac120002";

/// Starts an actor again, with its first state. Its id stays; one that still runs is stopped first. Its
/// chain goes on, unless it was closed when the actor ended.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The actor.
    id: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = args.server.client()?;
    let answer = client.post(&actor_path(&args.id, "/restart"), Vec::new());
    let actor: ActorJson = answer.and_then(|it| client.parsed(&it)).map_err(not_answered)?;
    if args.json {
        return print_json(&actor, out);
    }
    writeln!(out, "restarted {}", actor.id)?;
    Ok(Exit::Fine)
}
