//! `kill`: ends an actor at once.

use std::io::Write;

use super::Exit;
use super::at_server::ActorArgs;

const EXAMPLES: &str = "\
Examples:
  theater kill 019aa8f2-6c50-7d3e-9a41-0242ac120002";

/// Ends an actor in the middle of whatever it is doing. To its supervisor that is a failure.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    actor: ActorArgs,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    args.actor.has_done("/kill", "killed", out)
}
