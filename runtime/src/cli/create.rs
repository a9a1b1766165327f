//! `create`: writes a new actor project.

use std::io::Write;
use std::path::PathBuf;

use super::Exit;
use crate::complaint::advised;
use crate::escape::argument;
use crate::project::{CreateError, NameError, ProjectName, Template, create};

const EXAMPLES: &str = "\
Examples:
  theater create my-actor                                a folder my-actor, ready to build
  theater create counter --template message              answers messages
  theater create site --template http -o ~/projects      ~/projects/site, a web server";

/// Creates an actor project in Rust, in a new folder of its name.
///
/// It builds as it is: next are `theater build` and `theater start manifest.toml`.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The project's name: letters, digits, hyphens and underscores.
    name: String,
    /// What to start from.
    #[arg(short, long, value_enum, default_value = "basic")]
    template: Template,
    /// The folder in which to make the project's.
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    output_dir: PathBuf,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let name: ProjectName = args.name.parse().map_err(|error| no_name(&args.name, error))?;
    let folder = create(&name, args.template, &args.output_dir).map_err(not_created)?;
    let folder = argument(&folder);
    writeln!(out, "created {folder} from the template {}", args.template.name())?;
    writeln!(out, "next:")?;
    writeln!(out, "  cd {folder}")?;
    writeln!(out, "  theater build")?;
    writeln!(out, "  theater start manifest.toml     with `theater server` in another terminal")?;
    Ok(Exit::Fine)
}

fn no_name(name: &str, error: NameError) -> anyhow::Error {
    advised(
        anyhow::Error::new(error).context(format!("a project cannot be called {name:?}")),
        "take letters, digits and hyphens, as in my-actor; where it goes is for --output-dir",
    )
}

fn not_created(error: CreateError) -> anyhow::Error {
    let advice = match &error {
        CreateError::NoParent { .. } => "make it first, or name another one with --output-dir",
        CreateError::Exists { .. } => "take another name, or another folder with --output-dir",
        CreateError::Write { .. } => "name a folder that can be written with --output-dir",
    };
    advised(error.into(), advice)
}
