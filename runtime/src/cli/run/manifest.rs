//! Runs the actor of a manifest in this process, until it ends or somebody interrupts.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, anyhow};
use tokio::runtime::Builder;
use tokio::time::sleep;

use super::Args;
use crate::actor_id::ActorId;
use crate::blueprint::{BlueprintError, Source};
use crate::cli::console::Console;
use crate::cli::server::options;
use crate::cli::start::initial_state;
use crate::cli::{Exit, MANIFEST};
use crate::complaint::{advised, sentence};
use crate::end::End;
use crate::escape::{argument, plain, visible};
use crate::home::Home;
use crate::manifest::ManifestError;
use crate::server::content::Content;
use crate::server::{Signals, Stopped};
use crate::system::{SpawnError, System};

/// Where the chains go.
const CHAINS: &str = "chains";
/// How long the actor and its children get to finish what they are doing.
const GRACE: Duration = Duration::from_secs(10);
/// How often it is looked whether the actor has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The manifest that is meant, unless it is a component that is to be run.
pub(super) fn meant(args: &Args) -> anyhow::Result<Option<PathBuf>> {
    let is_manifest = |path: &&PathBuf| {
        path.join(MANIFEST).is_file() || path.extension().is_some_and(|ext| ext == "toml")
    };
    let named = args.manifest.as_ref().or_else(|| args.component.as_ref().filter(is_manifest));
    let path = match (named, &args.component) {
        (None, Some(_)) => return Ok(None),
        (Some(path), _) if path.is_dir() => path.join(MANIFEST),
        (Some(path), _) => path.clone(),
        (None, None) if Path::new(MANIFEST).is_file() => PathBuf::from(MANIFEST),
        (None, None) => {
            let error = anyhow!("there is nothing to run: this folder has no {MANIFEST}");
            return Err(advised(error, "name a component, or a manifest with --manifest"));
        }
    };
    match args.of_components() {
        Some(option) => Err(advised(
            anyhow!("{option} is for components, and {} is a manifest", argument(&path)),
            "leave it out: the manifest says what the actor is given and how it is recorded",
        )),
        None => Ok(Some(path)),
    }
}

pub(super) fn run(
    args: &Args,
    path: &Path,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let state = args.initial_state.as_deref().map(initial_state).transpose()?;
    let home = Home::find().map_err(|error| {
        advised(error.into(), "set THEATER_HOME to a folder for store and cache")
    })?;
    let console = Console::new();
    let system = System::new(options(&home, PathBuf::from(CHAINS), console.log())?)
        .with_context(|| format!("cannot make the folder {CHAINS}"))?;
    let id = match system.start(&Source::File(path.to_owned()), state, None) {
        Ok(id) => id,
        Err(error) => {
            console.finish();
            return not_started(error, err);
        }
    };
    let stopped = wait(&system, id)?;
    let listed = system.listed(id)?;
    let chain = system.chain_path(id);
    drop(system);
    console.finish();
    if let Ok(chain) = chain {
        writeln!(err, "chain: {}", argument(&chain))?;
    }
    let Stopped::InOrder = stopped else { return Ok(Exit::Status(130)) };
    match listed.end {
        Some(End::Completed(Some(left))) => writeln!(out, "{}", Content::of(&left).shown())?,
        Some(end @ (End::Failed(_) | End::Killed)) => {
            writeln!(err, "{} has failed: {}", plain(&listed.name), visible(&end.to_string()))?;
            return Ok(Exit::Failed);
        }
        Some(End::Completed(None) | End::Stopped) | None => {}
    }
    Ok(Exit::Fine)
}

/// Waits for the actor's end, or for a signal, and then ends whatever is left.
fn wait(system: &System, id: ActorId) -> anyhow::Result<Stopped> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let stopped = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        loop {
            let status = system.listed(id)?.status;
            if status.is_over() {
                break;
            }
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                () = signals.next() => break,
            }
        }
        let all = system.clone();
        let ending = tokio::task::spawn_blocking(move || all.shutdown(GRACE));
        Ok(tokio::select! {
            _ = ending => Stopped::InOrder,
            () = signals.next() => Stopped::AtOnce,
        })
    });
    runtime.shutdown_background();
    stopped
}

fn not_started(error: SpawnError, err: &mut dyn Write) -> anyhow::Result<Exit> {
    match error {
        SpawnError::Blueprint(BlueprintError::Manifest(
            error @ ManifestError::Unreadable { .. },
        )) => Err(advised(
            error.into(),
            "name a manifest, or the folder of a manifest.toml, with --manifest",
        )),
        error => {
            writeln!(err, "not started: {}", visible(&sentence(&Error::new(error))))?;
            Ok(Exit::Failed)
        }
    }
}
