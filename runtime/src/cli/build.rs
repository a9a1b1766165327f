//! `build`: compiles an actor project to components.

use std::io::Write;
use std::path::PathBuf;

use super::Exit;
use crate::complaint::advised;
use crate::escape::plain;
use crate::project::{BuildError, Built, CargoError, ManifestOf, Names, Profile, build};

const EXAMPLES: &str = "\
Examples:
  theater build                       the project in this folder
  theater build my-actor              that in another one
  theater build --debug               quickly, and for a debugger";

/// Builds an actor project with cargo, for the target wasm32-wasip2.
///
/// A manifest.toml beside the project's Cargo.toml that names no component yet will name the new one.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The project's folder.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Without optimisation: quick to build, slow to run.
    #[arg(long)]
    debug: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let profile = if args.debug { Profile::Debug } else { Profile::Release };
    let built = build(&args.dir, profile).map_err(not_built)?;
    for one in &built {
        report(one, out)?;
    }
    // Of a project and its parts, the project itself is the shortest to name.
    let manifests = built.iter().filter_map(|one| one.manifest.as_ref());
    match manifests.min_by_key(|manifest| manifest.path.components().count()) {
        Some(ManifestOf { path, .. }) => {
            let path = plain(&path.to_string_lossy());
            writeln!(
                out,
                "next: theater start {path}     with `theater server` in another terminal"
            )?;
        }
        None => {
            let component = plain(&built[0].component.to_string_lossy());
            writeln!(out, "next: theater run {component}")?;
        }
    }
    Ok(Exit::Fine)
}

fn report(built: &Built, out: &mut dyn Write) -> anyhow::Result<()> {
    let component = plain(&built.component.to_string_lossy());
    writeln!(out, "built {component}, {} bytes", built.bytes)?;
    let Some(ManifestOf { path, names }) = &built.manifest else { return Ok(()) };
    let path = plain(&path.to_string_lossy());
    match names {
        Names::It => writeln!(out, "  {path} names it")?,
        Names::ItNow => writeln!(out, "  {path} names it now")?,
        Names::Other(other) => {
            writeln!(out, "  note: {path} names another component, {}", plain(other))?;
        }
        Names::None => {
            writeln!(
                out,
                "  note: {path} names no component, and there are several to choose from"
            )?;
        }
    }
    Ok(())
}

fn not_built(error: BuildError) -> anyhow::Error {
    let advice = match &error {
        BuildError::NoProject { .. } => "make one with theater create NAME, or name its folder",
        BuildError::Cargo { source: CargoError::Missing, .. } => {
            "install Rust as https://rustup.rs says"
        }
        BuildError::Cargo { source: CargoError::NoTarget, .. } => "rustup target add wasm32-wasip2",
        BuildError::Cargo { source: CargoError::Run(_) | CargoError::Failed, .. } => {
            "what cargo says above"
        }
        BuildError::NoComponent { .. } => "put crate-type = [\"cdylib\"] below [lib] in Cargo.toml",
        BuildError::Manifest { .. } => "correct that line",
        BuildError::File { .. } => "see to it that it can be read and written",
    };
    advised(error.into(), advice)
}
