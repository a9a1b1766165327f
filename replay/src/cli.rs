//! The command line: subcommands, dispatch, and how errors are shown.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use theater_runtime::complaint::{advised, complaint, is_broken_pipe};
use theater_runtime::escape::visible;

use crate::exit::{self, Exit};
use crate::ui::{ColourChoice, Ui};

mod bisect;
mod diff;
mod doctor;
mod fork;
mod fuzz;
mod keygen;
mod minimise;
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
    Bisect(bisect::Args),
    Fuzz(fuzz::Args),
    #[command(alias = "minimize")]
    Minimise(minimise::Args),
    Doctor(doctor::Args),
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
        Command::Bisect(args) => bisect::run(args, ui),
        Command::Fuzz(args) => fuzz::run(args, ui),
        Command::Minimise(args) => minimise::run(args, ui),
        Command::Doctor(args) => doctor::run(args, ui),
        Command::Keygen(args) => keygen::run(args, ui),
    }
}

/// Runs the program: parses the arguments, does the work, prints, and says how it ended.
pub fn main_from<I>(args: I, ui: &mut Ui) -> Exit
where
    I: IntoIterator,
    I::Item: Into<OsString> + Clone,
{
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let parsed = command().try_get_matches_from(&args).and_then(|m| Cli::from_arg_matches(&m));
    let outcome = match parsed {
        Ok(cli) => {
            ui.set_colour(cli.colour);
            run(&cli.command, ui)
        }
        Err(usage) => show_usage(&usage, run::trouble(&args), ui),
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

/// Says which chain could not be read.
pub(crate) fn not_read(error: anyhow::Error, chain: &Path) -> anyhow::Error {
    advised(error.context(chain.display().to_string()), "name a file that theater has recorded")
}

fn show_usage(usage: &clap::Error, wrong: Exit, ui: &mut Ui) -> anyhow::Result<Exit> {
    // It quotes what was typed.
    let text = visible(&usage.render().to_string());
    if usage.use_stderr() {
        write!(ui.err, "{text}")?;
        return Ok(wrong);
    }
    write!(ui.out, "{text}")?;
    Ok(Exit::Fine)
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
