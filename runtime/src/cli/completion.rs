//! `completion`: what a shell needs to complete the commands of `theater`.

use std::io::Write;

use clap_complete::{Shell, generate};

use super::Exit;

const EXAMPLES: &str = "\
Examples:
  theater completion bash > ~/.local/share/bash-completion/completions/theater
  theater completion fish > ~/.config/fish/completions/theater.fish
  theater completion zsh > ~/.zfunc/_theater";

/// Prints a script with which a shell completes commands and options.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    // The generator cannot say that nobody reads any more, so it does not write to whoever reads.
    let mut script = Vec::new();
    generate(args.shell, &mut super::command(), "theater", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Fine)
}
