//! `inspect`: what is known of one actor.

use std::io::Write;

use crate::client::actor_path;
use crate::escape::plain;
use crate::server::listing::Inspected;

use super::Exit;
use super::at_server::{ServerArgs, end_text, not_answered, print_json};
use super::events;

/// How many events are shown of it.
const EVENTS: usize = 5;

const EXAMPLES: &str = "\
Examples:
  theater inspect ID
  theater inspect ID --json | jq -r '.chains[-1]'      the file of its newest chain";

/// Shows what is known of an actor: what it is doing, where its chains are, its newest events.
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
    let known: Inspected = client.get(&actor_path(&args.id, "")).map_err(not_answered)?;
    if args.json {
        return print_json(&known, out);
    }
    let Inspected { actor, children, chains, head } = &known;
    writeln!(out, "id        {}", actor.id)?;
    writeln!(out, "name      {}", plain(&actor.name))?;
    writeln!(out, "status    {}", actor.status)?;
    if let Some(end) = &actor.end {
        writeln!(out, "end       {}", end_text(end))?;
    }
    writeln!(out, "started   {}", times(actor.lives))?;
    writeln!(out, "mailbox   {} waiting", actor.waiting)?;
    if let Some(parent) = &actor.parent {
        writeln!(out, "parent    {parent}")?;
    }
    for child in children {
        writeln!(out, "child     {child}")?;
    }
    for chain in chains {
        writeln!(out, "chain     {}", plain(chain))?;
    }
    if let Some(head) = head {
        writeln!(out, "head      {}@{}", head.link, head.seq)?;
        writeln!(out, "newest events:")?;
        events::print_newest(&client, &actor.id, EVENTS, out)?;
    }
    Ok(Exit::Fine)
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}
