//! A chain of what a replay did. It is marked synthetic, so it never passes for a recording.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use theater_record::{About, CheckpointPolicy, Options, Recorder, Seed};
use theater_verify::VerifiedChain;

use theater_runtime::complaint::advised;
use theater_runtime::machine;

/// A file that is removed again unless it is kept.
pub(crate) struct OutFile {
    path: Option<PathBuf>,
}

impl OutFile {
    /// The chain is whole.
    pub(crate) fn keep(mut self) {
        self.path = None;
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // It could not be finished; nothing half-written stays behind.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Starts a chain about what the actor of `chain` does in a replay.
pub(crate) fn recorder(chain: &VerifiedChain, path: &Path) -> anyhow::Result<(Recorder, OutFile)> {
    let shown = path.display();
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let file = file.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            advised(anyhow!("{shown} exists already"), "name another file with --out")
        }
        _ => advised(
            anyhow::Error::new(error).context(format!("cannot create {shown}")),
            "name a file that can be written with --out",
        ),
    })?;
    let out = OutFile { path: Some(path.to_owned()) };
    let header = chain.header();
    let about = About {
        recorder: concat!("theater-replay ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: header.name.clone(),
        component: header.component,
        embedded: None,
        manifest: header.manifest.clone(),
        state: header.state.clone(),
        settings: header.settings.clone(),
        world: header.world.clone(),
        synthetic: true,
    };
    let policy = CheckpointPolicy { interval_ns: None, ..CheckpointPolicy::default() };
    let options = Options { policy, ..Options::default() };
    let seed = Seed::new(machine::random()?);
    let recorder = Recorder::create(file, about, options, seed, machine::clock())
        .with_context(|| format!("cannot write {shown}"))?;
    Ok((recorder, out))
}
