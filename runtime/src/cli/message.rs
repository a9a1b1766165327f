//! `message`: sends an actor a message, and prints its answer if one is wanted.

use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::{Context, bail};

use crate::client::{ClientError, actor_path, encoded};
use crate::escape::visible;
use crate::server::content::Content;
use crate::server::input::MESSAGE_BYTES_MAX;

use super::Exit;
use super::at_server::{ServerArgs, not_answered, print_json};

const EXAMPLES: &str = "\
Examples:
  theater message ID 'hello'                               sends it and goes on
  theater message ID 'how many?' --request                 prints the answer
  theater message ID --file order.json --request --raw > answer.bin
  date | theater message ID --file -                       from standard input";

/// Sends a message to an actor. It stands in the actor's chain once this returns.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The actor.
    id: String,
    /// The message.
    #[arg(
        required_unless_present = "file",
        conflicts_with = "file",
        allow_negative_numbers = true
    )]
    text: Option<String>,
    /// Send what is in this file; `-` is standard input.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Wait for the answer and print it.
    #[arg(short, long)]
    request: bool,
    /// Print the answer as it is, byte for byte.
    #[arg(long, requires = "request")]
    raw: bool,
    /// How long to wait for room in the mailbox, or for the answer.
    #[arg(long, value_name = "TIME", default_value = "30s")]
    timeout: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Print one JSON document.
    #[arg(long, conflicts_with = "raw")]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = args.server.client()?;
    let message = match (&args.text, &args.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(path)) => read(path)?,
        (None, None) => bail!("there is no message"),
    };
    if message.len() > MESSAGE_BYTES_MAX {
        bail!("the message has {} bytes; at most 8 MiB can be sent", message.len());
    }
    let resource = if args.request { "requests" } else { "messages" };
    let rest = format!("/{resource}?timeout={}", encoded(&args.timeout));
    let answer = match client.post(&actor_path(&args.id, &rest), message) {
        Ok(answer) => answer,
        // The actor has been reached, and says no.
        Err(ClientError::Refused(refusal)) if refusal.code == "refused" => {
            writeln!(err, "the actor refuses: {}", visible(&refusal.message))?;
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(not_answered(error)),
    };
    match (args.request, args.json) {
        (true, true) => return print_json(&Content::of(&answer), out),
        (true, false) if args.raw => out.write_all(&answer)?,
        (true, false) => writeln!(out, "{}", Content::of(&answer).shown())?,
        (false, true) => return print_json(&serde_json::json!({ "sent": true }), out),
        (false, false) => writeln!(out, "sent")?,
    }
    Ok(Exit::Fine)
}

/// What is in a file, or in standard input.
pub(super) fn read(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        let limit = MESSAGE_BYTES_MAX as u64 + 1;
        std::io::stdin()
            .take(limit)
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
