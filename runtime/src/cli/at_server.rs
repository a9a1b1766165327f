//! What the commands that talk to a server have in common: where it is, and what is said when it does not
//! do what it is asked.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Error;
use serde::Serialize;

use crate::client::{Client, ClientError, actor_path};
use crate::complaint::advised;
use crate::server::listing::{ActorJson, EndJson};
use crate::server::{PORT, Token};

use super::Exit;

/// The variable that says where the server is.
pub(super) const ADDRESS: &str = "THEATER_ADDRESS";
/// The variable that holds its token.
pub(super) const TOKEN: &str = "THEATER_TOKEN";

/// Which server.
#[derive(clap::Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerArgs {
    /// Where the server is [default: $THEATER_ADDRESS, else 127.0.0.1:9000].
    #[arg(short, long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// The file with the server's token [default: the token itself in $THEATER_TOKEN].
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl ServerArgs {
    /// A client of that server.
    pub(super) fn client(&self) -> anyhow::Result<Client> {
        let address = self.address.clone().or_else(|| set(ADDRESS));
        let address = address.unwrap_or_else(|| format!("127.0.0.1:{PORT}"));
        let token =
            match (&self.token_file, set(TOKEN)) {
                (Some(path), _) => Some(Token::read(path)?),
                (None, Some(token)) => Some(Token::new(&token).map_err(|error| {
                    Error::new(error).context(format!("{TOKEN} holds no token"))
                })?),
                (None, None) => None,
            };
        Client::new(&address, token).map_err(not_answered)
    }
}

/// The actor that a command does something to.
#[derive(clap::Args)]
pub(super) struct ActorArgs {
    /// The actor.
    id: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

impl ActorArgs {
    /// Has the server do something to the actor, and says that it is done.
    pub(super) fn has_done(
        &self,
        action: &str,
        done: &str,
        out: &mut dyn Write,
    ) -> anyhow::Result<Exit> {
        let client = self.server.client()?;
        let answer = client.post(&actor_path(&self.id, action), Vec::new());
        let actor: ActorJson = answer.and_then(|it| client.parsed(&it)).map_err(not_answered)?;
        if self.json {
            return print_json(&actor, out);
        }
        writeln!(out, "{done} {}", actor.id)?;
        Ok(Exit::Fine)
    }
}

/// What a variable of the environment says, if it says anything.
pub(super) fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// Why a server has not done what it was asked, with what to try.
pub(super) fn not_answered(error: ClientError) -> Error {
    let advice = match &error {
        ClientError::BadAddress(_) => "name its host and port, as in -a 127.0.0.1:9000",
        ClientError::Unreachable { .. } => {
            "start one with theater server, or say where it is with -a HOST:PORT"
        }
        ClientError::Broken { .. } => "see whether it still runs, and what it has printed",
        ClientError::Stranger { .. } => "say where the server is with -a HOST:PORT",
        ClientError::Refused(refusal) => match refusal.code.as_str() {
            "unauthorized" => {
                "name the file with its token with --token-file, or set THEATER_TOKEN"
            }
            "no-actor" | "actor-ended" => "theater list shows the actors there are",
            "no-event" => "theater inspect ID shows how many events there are",
            "timed-out" => {
                "wait longer with --timeout, or look what it does with theater events ID"
            }
            "mailbox-full" | "busy" => "try again later",
            _ => return error.into(),
        },
    };
    advised(error.into(), advice)
}

/// Prints an answer as JSON, as it came.
pub(super) fn print_json(answer: &impl Serialize, out: &mut dyn Write) -> anyhow::Result<Exit> {
    writeln!(out, "{}", crate::entry::json::document(answer))?;
    Ok(Exit::Fine)
}

/// An end in a few words, for people.
pub(super) fn end_text(end: &EndJson) -> String {
    match (&end.error, &end.left) {
        (Some(error), _) => format!("{}: {}", end.kind, crate::escape::plain(&error.message)),
        (None, Some(left)) => format!("{}: {}", end.kind, left.shown()),
        (None, None) => end.kind.clone(),
    }
}

/// How a program exits that has waited for an actor.
pub(super) fn exit_of(actor: &ActorJson) -> Exit {
    match ["failed", "killed"].contains(&actor.status.as_str()) {
        true => Exit::Failed,
        false => Exit::Fine,
    }
}
