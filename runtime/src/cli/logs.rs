//! `logs`: what an actor has left for people.

use std::io::Write;

use serde::Deserialize;
use serde_json::Value;

use crate::client::{Client, actor_path};
use crate::entry::json;
use crate::escape::visible;
use crate::moment::utc;

use super::Exit;
use super::at_server::{ServerArgs, not_answered};

const EXAMPLES: &str = "\
Examples:
  theater logs ID
  theater logs ID -l 100
  theater logs ID --follow          until the actor ends";

/// Shows what an actor has logged. It stands in its chain, so nothing of it is lost.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The actor.
    id: String,
    /// Go on with what is still to come.
    #[arg(short, long)]
    follow: bool,
    /// How many lines that are there already.
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1000))]
    lines: u64,
    #[command(flatten)]
    server: ServerArgs,
    /// Print a JSON object for each line.
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Page {
    events: Vec<Value>,
}

/// What was logged at a time.
#[derive(Deserialize)]
struct Logged {
    time: Option<u64>,
    text: String,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = args.server.client()?;
    if args.follow {
        return follow(&client, args, out);
    }
    let path = actor_path(&args.id, &format!("/logs?order=newest&limit={}", args.lines));
    let page: Page = client.get(&path).map_err(not_answered)?;
    for logged in page.events.iter().rev() {
        print(logged, args.json, out)?;
    }
    Ok(Exit::Fine)
}

fn follow(client: &Client, args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let path = actor_path(&args.id, &format!("/logs?follow=true&last={}", args.lines));
    for event in client.follow(&path).map_err(not_answered)? {
        let event = event.map_err(not_answered)?;
        if event.name == "log" {
            print(&client.parsed(event.data.as_bytes()).map_err(not_answered)?, args.json, out)?;
            out.flush()?;
        }
    }
    Ok(Exit::Fine)
}

fn print(logged: &Value, as_json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    if as_json {
        writeln!(out, "{}", json::line(logged))?;
        return Ok(());
    }
    let Logged { time, text } = Logged::deserialize(logged)?;
    // The time is noted now and then only; what is newest may have none yet.
    match time {
        Some(time) => writeln!(out, "[{}] {}", utc(time), visible(&text))?,
        None => writeln!(out, "{}", visible(&text))?,
    }
    Ok(())
}
