//! `stop`: brings an actor to its end.

use std::io::Write;

use crate::client::{actor_path, encoded};
use crate::server::listing::ActorJson;

use super::Exit;
use super::at_server::{ServerArgs, end_text, not_answered, print_json};

const EXAMPLES: &str = "\
Examples:
  theater stop 019aa8f2-6c50-7d3e-9a41-0242ac120002
  theater stop 019aa8f2-6c50-7d3e-9a41-0242ac120002 --timeout 1m";

/// Stops an actor and all it has started. What it is doing is finished first.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The actor.
    id: String,
    /// How long it gets; then it is killed.
    #[arg(long, value_name = "TIME", default_value = "5s")]
    timeout: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = args.server.client()?;
    let path = actor_path(&args.id, &format!("?timeout={}", encoded(&args.timeout)));
    let actor: ActorJson =
        client.delete(&path).and_then(|answer| client.parsed(&answer)).map_err(not_answered)?;
    if args.json {
        return print_json(&actor, out);
    }
    match actor.end.as_ref().filter(|end| end.kind != "stopped") {
        Some(end) => writeln!(out, "stopped {}, which had ended: {}", actor.id, end_text(end))?,
        None => writeln!(out, "stopped {}", actor.id)?,
    }
    Ok(Exit::Fine)
}
