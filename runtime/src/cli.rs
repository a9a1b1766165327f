//! The command line of `theater`.

mod run;

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Runs WebAssembly components as actors and records everything that crosses their sandbox.
#[derive(Parser)]
#[command(name = "theater", version, propagate_version = true, after_help = EXIT_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Run(Box<run::Args>),
}

/// What every `--help` says about the exit status.
const EXIT_HELP: &str = "\
Exit status:
  0  the component came to its end
  1  it failed: it trapped, hit a limit, or returned an error
  2  it could not be run or recorded: wrong usage, not a component, unwritable chain
A component that ends itself with another status passes that status on.";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The component came to its end.
    Fine,
    /// The component failed.
    Failed,
    /// It could not be run or recorded.
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
    let outcome = match Cli::try_parse_from(args) {
        Ok(cli) => match cli.command {
            Command::Run(args) => run::run(&args, out, err),
        },
        Err(usage) => return show_usage(&usage, out, err),
    };
    match outcome {
        Ok(exit) => exit,
        Err(error) => {
            // If not even messages can be printed, the exit status has to do.
            let _ = err.write_all(complaint(&error).as_bytes());
            Exit::Trouble
        }
    }
}

fn show_usage(usage: &clap::Error, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let text = usage.render().to_string();
    if usage.use_stderr() {
        let _ = err.write_all(text.as_bytes());
        Exit::Trouble
    } else {
        let _ = out.write_all(text.as_bytes());
        Exit::Fine
    }
}

/// An error that comes with a piece of advice, shown as `try: ...`.
fn advised(error: anyhow::Error, advice: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Advised { error, advice: advice.into() })
}

#[derive(Debug)]
struct Advised {
    error: anyhow::Error,
    advice: String,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Advised {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// An error with its causes in one sentence, and what to try.
fn complaint(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors already quote their cause.
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    let mut complaint = format!("error: {}\n", text.trim_end());
    if let Some(advice) = error.chain().find_map(|cause| cause.downcast_ref::<Advised>()) {
        complaint = format!("{complaint}  try: {}\n", advice.advice);
    }
    complaint
}
