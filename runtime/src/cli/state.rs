//! `state`: what an actor keeps between its calls.

use std::io::Write;

use clap::ValueEnum;

use crate::client::actor_path;
use crate::server::content::Content;

use super::Exit;
use super::at_server::{ServerArgs, not_answered, print_json};

const EXAMPLES: &str = "\
Examples:
  theater state ID                         as text, or in hexadecimal digits
  theater state ID --format pretty         JSON, indented
  theater state ID --format raw > state    byte for byte
  theater state ID --at 40                 as it was at event 40 of the actor's chain";

/// Shows the state that an actor gave back last, or had as of an event.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The actor.
    id: String,
    /// As of this event of its newest chain.
    #[arg(long, value_name = "SEQ")]
    at: Option<u64>,
    /// How to print it.
    #[arg(short, long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    server: ServerArgs,
    /// Print one JSON document: `text` or `hex`, or null if there is no state.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// How a state is printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Text as text, anything else in hexadecimal digits.
    Text,
    /// JSON in one line, if it is JSON.
    Json,
    /// JSON, indented, if it is JSON.
    Pretty,
    /// Byte for byte.
    Raw,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let at = args.at.map(|at| format!("?at={at}")).unwrap_or_default();
    let path = actor_path(&args.id, &format!("/state{at}"));
    let client = args.server.client()?;
    let answer = client.bytes(&path).map_err(not_answered)?;
    // An empty state and none are not the same.
    let state: Option<Content> = client.parsed(&answer).map_err(not_answered)?;
    if args.json {
        return print_json(&state, out);
    }
    let Some(state) = state else {
        writeln!(err, "{} has no state", crate::escape::plain(&args.id))?;
        return Ok(Exit::Fine);
    };
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match (args.format, &state) {
        (Format::Raw, state) => out.write_all(&state.bytes())?,
        (Format::Json | Format::Pretty, Content::Text(text)) => match parsed(text) {
            Some(value) if args.format == Format::Pretty => return print_json(&value, out),
            Some(value) => writeln!(out, "{}", crate::entry::json::line(&value))?,
            None => writeln!(out, "{}", state.shown())?,
        },
        (_, state) => writeln!(out, "{}", state.shown())?,
    }
    Ok(Exit::Fine)
}
