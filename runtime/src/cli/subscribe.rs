//! `subscribe`: what actors do, while they do it.

use std::io::{BufRead, Write};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, anyhow, bail};
use serde_json::Value;

use crate::client::{Client, ServerEvent, actor_path, encoded};
use crate::entry::json;
use crate::escape::visible;
use crate::manifest::amounts::parse_time;
use crate::server::listing::ActorJson;

use super::Exit;
use super::at_server::{ServerArgs, end_text, not_answered};
use super::events::Line;

/// How many actors can be followed at a time.
const ACTORS_MAX: usize = 100;

const EXAMPLES: &str = "\
Examples:
  theater subscribe ID
  theater subscribe ID --history                   from the actor's first event on
  theater subscribe ID --type import-call,import-return --json
  theater start manifest.toml --id-only | theater subscribe -
  theater list --json | jq -r '.actors[].id' | theater subscribe -";

/// Shows the events of actors as they happen, until the actors end.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The actors; `-` reads their ids from standard input, one to a line.
    #[arg(required = true)]
    ids: Vec<String>,
    /// Events of these kinds only, with commas between them, such as import-call,permission.
    #[arg(short = 'e', long = "type", alias = "event-type", value_name = "KIND")]
    kind: Option<String>,
    /// Events about this function only: its name, its interface, or `INTERFACE#NAME`; the start with
    /// a `*`.
    #[arg(long, value_name = "NAME")]
    function: Option<String>,
    /// How many events that are there already come first.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1000))]
    last: u64,
    /// Begin with the first event.
    #[arg(short = 'H', long, conflicts_with = "last")]
    history: bool,
    /// Stop after this many events.
    #[arg(short, long, value_name = "N")]
    limit: Option<u64>,
    /// Stop after this time.
    #[arg(short, long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
    /// Print a JSON object for each event.
    #[arg(long)]
    json: bool,
}

/// How events are printed as they come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Compact,
    Json,
}

/// What is heard of an actor.
enum Heard {
    Event(Value),
    Ended(Box<ActorJson>),
    /// The server has stopped.
    Stopped,
    Failed(Error),
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let client = args.server.client()?;
    let ids = args.ids()?;
    let (tell, told) = sync_channel(256);
    for id in &ids {
        let path = actor_path(id, &args.query());
        let (client, id, tell) = (client.clone(), id.clone(), tell.clone());
        thread::spawn(move || {
            listen(&client, &path, |heard| tell.send((id.clone(), heard)).is_ok());
        });
    }
    drop::<SyncSender<_>>(tell);
    let until = args.timeout.map(|ns| Instant::now() + Duration::from_nanos(ns));
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let next = match until {
            None => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => told.recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        // All actors have ended, or the time is over.
        let Ok((id, heard)) = next else { break };
        match heard {
            Heard::Event(event) => {
                left -= 1;
                print(&event, args.format(), (ids.len() > 1).then_some(&id), out)?;
            }
            Heard::Ended(actor) => {
                let end = actor.end.as_ref().map(end_text).unwrap_or_default();
                writeln!(err, "{id} has ended: {end}")?;
            }
            Heard::Stopped => writeln!(err, "the server has stopped")?,
            Heard::Failed(error) => return Err(error),
        }
    }
    Ok(Exit::Fine)
}

/// Waits for an actor's end, and prints its events meanwhile, if they are wanted. `None` if the server
/// stops first.
pub(super) fn until_its_end(
    client: &Client,
    id: &str,
    format: Option<Format>,
    out: &mut dyn Write,
) -> anyhow::Result<Option<ActorJson>> {
    let form = if format == Some(Format::Json) { "json" } else { "line" };
    // Whoever wants no events gets the last ones only, of which there are few.
    let kind = if format.is_none() { "&kind=close" } else { "" };
    let path = actor_path(id, &format!("/events?follow=true&from=0&form={form}{kind}"));
    let (mut ended, mut trouble) = (None, None);
    listen(client, &path, |heard| match heard {
        Heard::Event(event) => {
            let printed = format.map(|format| print(&event, format, None, out));
            trouble = printed.and_then(Result::err);
            trouble.is_none()
        }
        Heard::Ended(actor) => {
            ended = Some(*actor);
            false
        }
        Heard::Stopped => false,
        Heard::Failed(error) => {
            trouble = Some(error);
            false
        }
    });
    trouble.map_or(Ok(ended), Err)
}

/// Hears of an actor until there is nothing more to hear, or nobody wants to.
fn listen(client: &Client, path: &str, mut hear: impl FnMut(Heard) -> bool) {
    let events = match client.follow(path) {
        Ok(events) => events,
        Err(error) => {
            hear(Heard::Failed(not_answered(error)));
            return;
        }
    };
    for event in events {
        let heard = event.map_err(not_answered).and_then(|event| heard(client, &event));
        let heard = heard.unwrap_or_else(Heard::Failed);
        let is_last = !matches!(heard, Heard::Event(_));
        if !hear(heard) || is_last {
            return;
        }
    }
    hear(Heard::Stopped);
}

fn heard(client: &Client, event: &ServerEvent) -> anyhow::Result<Heard> {
    let data = event.data.as_bytes();
    match event.name.as_str() {
        "end" => Ok(Heard::Ended(Box::new(client.parsed(data).map_err(not_answered)?))),
        "shutdown" => Ok(Heard::Stopped),
        "error" => {
            let told: Value = client.parsed(data).map_err(not_answered)?;
            let message = told["message"].as_str().unwrap_or("no reason given");
            Err(anyhow!("the chain cannot be followed any further: {message}"))
        }
        _ => Ok(Heard::Event(client.parsed(data).map_err(not_answered)?)),
    }
}

fn print(
    event: &Value,
    format: Format,
    actor: Option<&String>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match (format, actor) {
        (Format::Json, None) => writeln!(out, "{}", json::line(event))?,
        (Format::Json, Some(actor)) => {
            let mut event = event.clone();
            event["actor"] = Value::from(actor.as_str());
            writeln!(out, "{}", json::line(&event))?;
        }
        (Format::Compact, actor) => {
            let line = <Line as serde::Deserialize>::deserialize(event)?.line;
            let actor = actor.map(|actor| format!("{actor} ")).unwrap_or_default();
            writeln!(out, "{actor}{}", visible(&line))?;
        }
    }
    // Whoever reads it wants to see it as it happens.
    out.flush()?;
    Ok(())
}

impl Args {
    /// The actors that are meant.
    fn ids(&self) -> anyhow::Result<Vec<String>> {
        let mut ids = Vec::new();
        for id in &self.ids {
            if id != "-" {
                ids.push(id.clone());
                continue;
            }
            for line in std::io::stdin().lock().lines() {
                let line = line.context("cannot read standard input")?;
                ids.extend(Some(line.trim().to_owned()).filter(|line| !line.is_empty()));
            }
        }
        match ids.len() {
            0 => bail!("standard input names no actor"),
            count if count > ACTORS_MAX => {
                bail!("{count} actors are too many to follow: at most {ACTORS_MAX}")
            }
            _ => Ok(ids),
        }
    }

    fn query(&self) -> String {
        let form = if self.json { "json" } else { "line" };
        let mut query = format!("/events?follow=true&form={form}");
        match self.history {
            true => query.push_str("&from=0"),
            false => query.push_str(&format!("&last={}", self.last)),
        }
        for (name, text) in [("kind", &self.kind), ("function", &self.function)] {
            if let Some(text) = text {
                query.push_str(&format!("&{name}={}", encoded(text)));
            }
        }
        query
    }

    fn format(&self) -> Format {
        if self.json { Format::Json } else { Format::Compact }
    }
}
