//! `start`: has a server start an actor.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde_json::{Value, json};

use crate::client::{Client, ClientError};
use crate::complaint::advised;
use crate::escape::{plain, visible};
use crate::server::content::Content;
use crate::server::listing::ActorJson;

use super::at_server::{ServerArgs, end_text, exit_of, not_answered, print_json};
use super::subscribe::{self, Format};
use super::{Exit, MANIFEST};

const EXAMPLES: &str = "\
Examples:
  theater start                                        the manifest.toml of this folder
  theater start worker/manifest.toml --initial-state '{\"limit\": 10}'
  theater start manifest.toml --subscribe              and show what it does
  theater start manifest.toml --id-only | theater subscribe -
  theater start manifest.toml --wait                   exit as the actor ends";

/// Starts an actor at a server, as its manifest says.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The manifest, or the folder of a manifest.toml; or `store:` and a digest or label. The file
    /// has to be on the server's machine.
    #[arg(default_value = ".")]
    manifest: PathBuf,
    /// The state to start with: a file, or else the state itself.
    #[arg(short, long, value_name = "STATE", allow_negative_numbers = true)]
    initial_state: Option<String>,
    /// Who is to be its parent.
    #[arg(short, long, value_name = "ID")]
    parent: Option<String>,
    /// Print its id and nothing else.
    #[arg(long, conflicts_with_all = ["subscribe", "json"])]
    id_only: bool,
    /// Show its events until it ends.
    #[arg(short, long)]
    subscribe: bool,
    /// Wait until it ends.
    #[arg(short, long)]
    wait: bool,
    #[command(flatten)]
    server: ServerArgs,
    /// Print one JSON document; with --subscribe, one for each line.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = args.server.client()?;
    let body = serde_json::to_vec(&args.body()?)?;
    let started = client.post("/v1/actors", body).and_then(|answer| client.parsed(&answer));
    let actor: ActorJson = match started {
        Ok(actor) => actor,
        Err(ClientError::Refused(refusal)) if is_of_the_actor(&refusal.code) => {
            writeln!(err, "not started: {}", visible(&refusal.message))?;
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(not_answered(error)),
    };
    match (args.id_only, args.json) {
        (true, _) => writeln!(out, "{}", actor.id)?,
        (false, true) if args.subscribe => writeln!(out, "{}", crate::entry::json::line(&actor))?,
        (false, true) => drop(print_json(&actor, out)?),
        (false, false) => writeln!(out, "started {}: {}", plain(&actor.name), actor.id)?,
    }
    out.flush()?;
    if !args.subscribe && !args.wait {
        return Ok(Exit::Fine);
    }
    wait(args, &client, &actor.id, out, err)
}

/// Waits for the actor's end, showing its events or not.
fn wait(
    args: &Args,
    client: &Client,
    id: &str,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let format = match (args.subscribe, args.json) {
        (false, _) => None,
        (true, true) => Some(Format::Json),
        (true, false) => Some(Format::Compact),
    };
    let Some(ended) = subscribe::until_its_end(client, id, format, out)? else {
        return Err(anyhow!("the server has stopped before the actor ended"));
    };
    if let Some(end) = &ended.end {
        writeln!(err, "{id} has ended: {}", end_text(end))?;
    }
    Ok(exit_of(&ended))
}

/// Whether a refusal is about what was to be started.
fn is_of_the_actor(code: &str) -> bool {
    ["bad-manifest", "not-started"].contains(&code)
}

impl Args {
    /// What the server is asked to start.
    fn body(&self) -> anyhow::Result<Value> {
        let mut body = match self.manifest.to_str().filter(|text| text.starts_with("store:")) {
            Some(stored) => json!({ "stored": stored, "base_dir": std::env::current_dir()? }),
            None => json!({ "path": found(&self.manifest)? }),
        };
        if let Some(state) = &self.initial_state {
            body["state"] = json!(Content::of(&initial_state(state)?));
        }
        if let Some(parent) = &self.parent {
            body["parent"] = json!(parent);
        }
        Ok(body)
    }
}

/// The manifest's file, by a path that means the same to the server.
fn found(path: &Path) -> anyhow::Result<PathBuf> {
    let file = if path.is_dir() { path.join(MANIFEST) } else { path.to_owned() };
    let shown = file.strip_prefix(".").unwrap_or(&file).display().to_string();
    // Links are followed, because the folder that counts is that of the file.
    file.canonicalize()
        .with_context(|| format!("there is no manifest {shown}"))
        .map_err(|error| advised(error, "name one, or make a project with theater create NAME"))
}

pub(super) fn initial_state(text: &str) -> anyhow::Result<Vec<u8>> {
    let path = Path::new(text);
    match path.is_file() {
        true => std::fs::read(path).with_context(|| format!("cannot read the state {text}")),
        false => Ok(text.as_bytes().to_vec()),
    }
}
