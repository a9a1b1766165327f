//! `restart`: starts an actor again, under its id.

use std::io::Write;

use super::Exit;
use super::at_server::ActorArgs;

const EXAMPLES: &str = "\
Examples:
  theater restart 019aa8f2-6c50-7d3e-9a41-0242ac120002";

/// Starts an actor again, with its first state. Its id stays; one that still runs is stopped first. Its
/// chain goes on, unless it was closed when the actor ended.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    actor: ActorArgs,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    args.actor.has_done("/restart", "restarted", out)
}
