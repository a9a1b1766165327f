//! `channel`: talks with an actor, line by line.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use serde::Deserialize;

use crate::client::{Client, ClientError, actor_path, encoded};
use crate::escape::visible;
use crate::manifest::amounts::parse_time;
use crate::server::content::Content;

use super::Exit;
use super::at_server::{ServerArgs, not_answered};
use super::message::read;

const EXAMPLES: &str = "\
Examples:
  theater channel open ID                             each line typed is a message
  theater channel open ID --message 'good morning'    what the actor decides by
  theater channel open ID < lines.txt > answers.txt";

/// Talks with an actor over a channel.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Opens a channel: sends each line of standard input, and prints what the actor sends.
    Open(OpenArgs),
}

#[derive(clap::Args)]
struct OpenArgs {
    /// The actor.
    id: String,
    /// The first message, by which the actor decides whether it accepts.
    #[arg(short, long, value_name = "TEXT", default_value = "", conflicts_with = "file")]
    message: String,
    /// The first message, from a file.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// How long to listen on after the last line of input, and after each message then.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_time)]
    linger: u64,
    #[command(flatten)]
    server: ServerArgs,
}

/// What happens next, from either side.
enum Next {
    Line(String),
    EndOfInput,
    Message(String),
    Closed(String),
    Failed(anyhow::Error),
}

/// The channel that a server has opened.
#[derive(Deserialize)]
struct Opened {
    channel: String,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let Command::Open(args) = &args.command;
    let client = args.server.client()?;
    let first = match &args.file {
        Some(path) => read(path)?,
        None => args.message.clone().into_bytes(),
    };
    let opened = client.post(&actor_path(&args.id, "/channels"), first);
    let path = match opened.and_then(|answer| client.parsed(&answer)) {
        Ok(Opened { channel }) => format!("/v1/channels/{}", encoded(&channel)),
        Err(ClientError::Refused(refusal)) if refusal.code == "refused" => {
            writeln!(err, "the actor refuses: {}", visible(&refusal.message))?;
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(not_answered(error)),
    };
    let (tell, told) = sync_channel(64);
    listen(client.clone(), path.clone(), tell.clone());
    thread::spawn(move || read_lines(&tell));
    let talked = talk(&client, &path, &told, Duration::from_nanos(args.linger), out, err);
    // It may be closed already.
    let _ = client.delete(&path);
    talked
}

/// Does what comes next until there is nothing more to come.
fn talk(
    client: &Client,
    path: &str,
    told: &Receiver<Next>,
    linger: Duration,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut has_input = true;
    loop {
        let next = match has_input {
            true => told.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => told.recv_timeout(linger),
        };
        match next {
            Ok(Next::Line(line)) => match client.post(path, line.into_bytes()) {
                Ok(_) => {}
                // That it is closed is about to be heard.
                Err(ClientError::Refused(refusal)) if refusal.code == "no-channel" => {}
                Err(error) => return Err(not_answered(error)),
            },
            Ok(Next::EndOfInput) => has_input = false,
            Ok(Next::Message(text)) => {
                writeln!(out, "{text}")?;
                out.flush()?;
            }
            Ok(Next::Closed(reason)) => {
                writeln!(err, "closed: {}", visible(&reason))?;
                return Ok(Exit::Fine);
            }
            Ok(Next::Failed(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Ok(Exit::Fine);
            }
        }
    }
}

/// Has a thread of its own listen to what the actor sends.
fn listen(client: Client, path: String, tell: SyncSender<Next>) {
    #[derive(Deserialize)]
    struct Reason {
        reason: String,
    }
    thread::spawn(move || {
        let next = match client.follow(&path) {
            Ok(events) => events,
            // Whoever hears of it is gone if this cannot be told.
            Err(error) => return drop(tell.send(Next::Failed(not_answered(error)))),
        };
        for event in next {
            let next = match event {
                Ok(event) if event.name == "closed" => match client.parsed(event.data.as_bytes()) {
                    Ok(Reason { reason }) => Next::Closed(reason),
                    Err(error) => Next::Failed(not_answered(error)),
                },
                Ok(event) => match client.parsed::<Content>(event.data.as_bytes()) {
                    Ok(message) => Next::Message(message.shown()),
                    Err(error) => Next::Failed(not_answered(error)),
                },
                Err(error) => Next::Failed(not_answered(error)),
            };
            if tell.send(next).is_err() {
                return;
            }
        }
        let _ = tell.send(Next::Closed("the server has stopped".to_owned()));
    });
}

fn read_lines(tell: &SyncSender<Next>) {
    for line in std::io::stdin().lock().lines() {
        let next = match line.context("cannot read standard input") {
            Ok(line) => Next::Line(line),
            Err(error) => Next::Failed(error),
        };
        if tell.send(next).is_err() {
            return;
        }
    }
    let _ = tell.send(Next::EndOfInput);
}
