//! The command line: subcommands, dispatch, and how errors are shown.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::escape::is_hidden;
use crate::exit::{self, Exit};
use crate::ui::{ColourChoice, Ui};

mod diff;
mod fork;
mod keygen;
mod pack;
mod prove;
mod recover;
mod redact;
mod run;
mod show;
mod stat;
mod unpack;
mod verify;
mod verify_proof;

/// Looks at, checks and explains recordings of WebAssembly actors.
#[derive(Parser)]
#[command(name = "theater-replay", version, max_term_width = 100)]
struct Cli {
    /// When to use colours.
    #[arg(long = "color", global = true, value_name = "WHEN", default_value = "auto")]
    colour: ColourChoice,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Show(show::Args),
    Stat(stat::Args),
    Diff(diff::Args),
    Verify(verify::Args),
    Prove(prove::Args),
    Redact(redact::Args),
    Pack(pack::Args),
    Unpack(unpack::Args),
    Recover(recover::Args),
    Run(run::Args),
    Fork(fork::Args),
    Keygen(keygen::Args),
}

fn run(command: &Command, ui: &mut Ui) -> anyhow::Result<Exit> {
    match command {
        Command::Show(args) => show::run(args, ui),
        Command::Stat(args) => stat::run(args, ui),
        Command::Diff(args) => diff::run(args, ui),
        Command::Verify(args) => verify::run(args, ui),
        Command::Prove(args) => prove::run(args, ui),
        Command::Redact(args) => redact::run(args, ui),
        Command::Pack(args) => pack::run(args, ui),
        Command::Unpack(args) => unpack::run(args, ui),
        Command::Recover(args) => recover::run(args, ui),
        Command::Run(args) => run::run(args, ui),
        Command::Fork(args) => fork::run(args, ui),
        Command::Keygen(args) => keygen::run(args, ui),
    }
}

/// Runs the program: parses the arguments, does the work, prints, and says how it ended.
pub fn main_from<I>(args: I, ui: &mut Ui) -> Exit
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let parsed = command().try_get_matches_from(args).and_then(|m| Cli::from_arg_matches(&m));
    let outcome = match parsed {
        Ok(cli) => {
            ui.set_colour(cli.colour);
            run(&cli.command, ui)
        }
        Err(usage) => show_usage(&usage, ui),
    };
    let outcome = outcome.and_then(|exit| {
        ui.out.flush()?;
        Ok(exit)
    });
    match outcome {
        Ok(exit) => exit,
        // Whoever reads the output has seen enough, as `head` does.
        Err(error) if is_broken_pipe(&error) => Exit::Fine,
        Err(error) => {
            // If not even messages can be printed, the exit status has to do.
            let _ = ui.out.flush();
            let _ = ui.err.write_all(complaint(&error).as_bytes());
            Exit::Trouble
        }
    }
}

/// The whole command line, with what every `--help` has in common.
fn command() -> clap::Command {
    Cli::command().after_help(exit::HELP).mut_subcommands(|subcommand| {
        let examples = subcommand.get_after_help().map(ToString::to_string).unwrap_or_default();
        subcommand.after_help(format!("{examples}\n\n{}", exit::HELP).trim_start().to_owned())
    })
}

/// An error that comes with a piece of advice, shown as `try: ...`.
pub(crate) fn advised(error: anyhow::Error, advice: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Advised { error, advice: advice.into() })
}

#[derive(Debug)]
struct Advised {
    error: anyhow::Error,
    advice: String,
}

impl std::fmt::Display for Advised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Advised {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Says which chain could not be read.
pub(crate) fn not_read(error: anyhow::Error, chain: &Path) -> anyhow::Error {
    advised(error.context(chain.display().to_string()), "name a file that theater has recorded")
}

/// An error as people see it: one line with its causes, one line with the advice.
pub(crate) fn complaint(error: &anyhow::Error) -> String {
    let mut text = format!("error: {}\n", sentence(error));
    if let Some(advice) = error.chain().find_map(|cause| cause.downcast_ref::<Advised>()) {
        text = format!("{text}  try: {}\n", advice.advice);
    }
    // A message may quote a chain or the name of a file. Its line breaks are ours or another
    // library's, who draw pictures with them.
    text.chars().map(|char| if is_hidden(char) && char != '\n' { '?' } else { char }).collect()
}

/// An error with its causes in one sentence.
pub(crate) fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors already quote their cause.
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

fn show_usage(usage: &clap::Error, ui: &mut Ui) -> anyhow::Result<Exit> {
    let text = usage.render();
    if usage.use_stderr() {
        write!(ui.err, "{text}")?;
        return Ok(Exit::Trouble);
    }
    write!(ui.out, "{text}")?;
    Ok(Exit::Fine)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
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
