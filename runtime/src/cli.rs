//! The command line of `theater`.

mod at_server;
mod build;
mod chain_file;
mod channel;
mod completion;
mod console;
mod create;
mod events;
mod inspect;
mod kill;
mod list;
mod logs;
mod message;
mod restart;
mod run;
mod server;
mod start;
mod state;
mod stop;
mod store;
mod subscribe;
mod tree;
mod validate;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::complaint::{advised, complaint, is_broken_pipe};
use crate::escape::visible;

/// Runs WebAssembly components as actors and records everything that crosses their sandbox.
#[derive(Parser)]
#[command(name = "theater", version, max_term_width = 100)]
struct Cli {
    /// Print JSON; for who writes it before the subcommand. Those that can say so in their help.
    #[arg(long, global = true, hide = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(visible_alias = "new")]
    Create(create::Args),
    Build(build::Args),
    Validate(validate::Args),
    Run(Box<run::Args>),
    Server(server::Args),
    Start(start::Args),
    Stop(stop::Args),
    Restart(restart::Args),
    Kill(kill::Args),
    List(list::Args),
    Tree(tree::Args),
    Inspect(inspect::Args),
    State(state::Args),
    Events(Box<events::Args>),
    Logs(logs::Args),
    Subscribe(subscribe::Args),
    Message(message::Args),
    Channel(channel::Args),
    Store(store::Args),
    Completion(completion::Args),
}

impl Command {
    /// Whether there is a `--json` for it.
    fn speaks_json(&self) -> bool {
        match self {
            Command::Create(_)
            | Command::Build(_)
            | Command::Run(_)
            | Command::Server(_)
            | Command::Channel(_)
            | Command::Completion(_) => false,
            Command::Validate(_)
            | Command::Start(_)
            | Command::Stop(_)
            | Command::Restart(_)
            | Command::Kill(_)
            | Command::List(_)
            | Command::Tree(_)
            | Command::Inspect(_)
            | Command::State(_)
            | Command::Events(_)
            | Command::Logs(_)
            | Command::Subscribe(_)
            | Command::Message(_)
            | Command::Store(_) => true,
        }
    }

    fn run(&self, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
        match self {
            Command::Create(args) => create::run(args, out),
            Command::Build(args) => build::run(args, out),
            Command::Validate(args) => validate::run(args, out),
            Command::Run(args) => run::run(args, out, err),
            Command::Server(args) => server::run(args, out, err),
            Command::Start(args) => start::run(args, out, err),
            Command::Stop(args) => stop::run(args, out),
            Command::Restart(args) => restart::run(args, out),
            Command::Kill(args) => kill::run(args, out),
            Command::List(args) => list::run(args, out),
            Command::Tree(args) => tree::run(args, out),
            Command::Inspect(args) => inspect::run(args, out),
            Command::State(args) => state::run(args, out, err),
            Command::Events(args) => events::run(args, out, err),
            Command::Logs(args) => logs::run(args, out),
            Command::Subscribe(args) => subscribe::run(args, out, err),
            Command::Message(args) => message::run(args, out, err),
            Command::Channel(args) => channel::run(args, out, err),
            Command::Store(args) => store::run(args, out),
            Command::Completion(args) => completion::run(args, out),
        }
    }
}

/// The manifest that is meant when its folder is named.
const MANIFEST: &str = "manifest.toml";

/// What every `--help` says about the exit status; the same as the documentation of [`Exit`], for
/// people.
const EXIT_HELP: &str = "\
Exit status:
  0  it is done: the component came to its end, the manifest is valid, the store is sound, the
     server did what was asked
  1  the component or actor failed: it trapped, hit a limit, returned an error; it refuses; the
     manifest is not valid; the store is damaged
  2  it could not be done: wrong usage, not a component, unwritable chain, no server, no such actor
  Another status is the component's own; most can only end with 0 or 1.";

/// How the program ends. Scripts rely on these numbers; they do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// What was asked for is done: a component that was run came to its end, a manifest is valid, a store is
    /// sound, a server did it.
    Fine,
    /// The component or the actor failed or refuses, the manifest is not valid, or the store is damaged.
    Failed,
    /// What was asked for could not be done.
    Trouble,
    /// The component ended itself with this status.
    Status(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Trouble => 2,
            Exit::Status(status) => status,
        })
    }
}

/// Runs the program: parses the arguments, does the work, prints, and says how it ended.
pub fn main_from<I>(args: I, out: &mut dyn Write, err: &mut dyn Write) -> Exit
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let parsed = command().try_get_matches_from(args).and_then(|m| Cli::from_arg_matches(&m));
    let outcome = match parsed {
        Ok(cli) if cli.json && !cli.command.speaks_json() => {
            Err(advised(anyhow!("this subcommand does not print JSON"), "leave out --json"))
        }
        Ok(cli) => cli.command.run(out, err),
        Err(usage) => return show_usage(&usage, out, err),
    };
    match outcome {
        Ok(exit) => exit,
        Err(error) if is_broken_pipe(&error) => Exit::Fine,
        Err(error) => {
            // If not even messages can be printed, the exit status has to do.
            let _ = err.write_all(complaint(&error).as_bytes());
            Exit::Trouble
        }
    }
}

/// The whole command line, with what every `--help` has in common.
fn command() -> clap::Command {
    Cli::command().after_help(EXIT_HELP).mut_subcommands(|subcommand| {
        let examples = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
        subcommand.after_help(format!("{examples}\n\n{EXIT_HELP}").trim_start().to_owned())
    })
}

fn show_usage(usage: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    // It quotes what was typed.
    let text = visible(&usage.render().to_string());
    if usage.use_stderr() {
        let _ = err.write_all(text.as_bytes());
        Exit::Trouble
    } else {
        let _ = out.write_all(text.as_bytes());
        Exit::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::command;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_help_has_examples_and_the_exit_status() {
        for subcommand in command().get_subcommands_mut() {
            let help = subcommand.render_long_help().to_string();
            for part in ["Examples:\n", "Exit status:\n"] {
                assert!(help.contains(part), "{} lacks {part}", subcommand.get_name());
            }
        }
    }
}
