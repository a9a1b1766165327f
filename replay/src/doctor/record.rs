//! Records the component. This is the one place in this program that has a host: a diagnosis needs
//! recordings to compare. Whatever replays has none; see `Patient::replay`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use theater_record::{
    About, CheckpointPolicy, Clock, Options, RecordError, Recorder, Seed, Values,
};
use theater_runtime::host::{Captured, DirGrant, Grants, Host, HostError, Input, Output};
use theater_runtime::{
    Component, FramesAt, Limits, PlaybackError, PlaybackOptions, Played, Recording,
    RecordingOptions, RunError, play,
};
use theater_verify::{Checked, VerifiedChain, VerifyError};

use super::vary::Setting;

/// What is examined: a component with all that it is given and asked.
pub(crate) struct Patient {
    pub(crate) component: Component,
    pub(crate) name: String,
    /// The exports to call, by their positions, with arguments.
    pub(crate) calls: Vec<(usize, Values)>,
    pub(crate) limits: Limits,
    pub(crate) args: Vec<String>,
    /// The variables that were asked for. They are input, and stay as they are.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) dirs: Vec<DirGrant>,
    pub(crate) stdin: Vec<u8>,
}

/// A recording.
pub(crate) struct Run {
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) chain: VerifiedChain,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RecordingError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("what was recorded cannot be checked")]
    Check(#[from] VerifyError),
    #[error("what was recorded is not sound")]
    Unsound,
    #[error("cannot copy {}", path.display())]
    Copy { path: PathBuf, source: io::Error },
    #[error("{} holds more than can be copied for each run", .0.display())]
    TooMuch(PathBuf),
}

/// No more than this is copied for each run.
const COPIED_BYTES_MAX: u64 = 64 << 20;
const COPIED_FILES_MAX: u64 = 10_000;

impl Patient {
    /// Records the component under a setting.
    pub(crate) fn record(&self, setting: &Setting) -> Result<Run, RecordingError> {
        // What one run has written must not be there for the next.
        let mut copies = Vec::new();
        let dirs = self.dirs.iter().map(|dir| own_copy(dir, &mut copies));
        let dirs = dirs.collect::<Result<_, RecordingError>>()?;
        let host = Host::new(self.grants(setting, dirs))?;
        let log = Arc::new(Mutex::new(Vec::new()));
        let recorder = self.recorder(log.clone())?;
        let options = RecordingOptions {
            limits: self.limits,
            durable: false,
            clock: still_clock(),
            redact: Vec::new(),
        };
        let mut recording = Recording::start(&self.component, host, recorder, &options)?;
        for (export, args) in &self.calls {
            if recording.failure().is_none() {
                recording.call(*export, args.clone())?;
            }
        }
        recording.finish()?;
        let bytes = std::mem::take(&mut *log.lock().expect("the writer has ended"));
        let bytes = Arc::new(bytes);
        let checked = Checked::new(bytes.clone(), &theater_verify::Options::default())?;
        let chain = checked.whole().map_err(|_| RecordingError::Unsound)?;
        Ok(Run { bytes, chain })
    }

    /// Replays a recording, which needs nothing but the recording.
    pub(crate) fn replay(&self, run: &Run, frames_at: FramesAt) -> Result<Played, PlaybackError> {
        let options = PlaybackOptions { frames_at, ..PlaybackOptions::default() };
        play(&self.component, &run.chain, options)
    }

    fn grants(&self, setting: &Setting, dirs: Vec<DirGrant>) -> Grants {
        let program = format!("{}{}", self.name, setting.program);
        let is_given = |name: &str| self.env.iter().any(|(given, _)| given == name);
        let ambient = setting.env.iter().filter(|(name, _)| !is_given(name));
        Grants {
            args: std::iter::once(program).chain(self.args.iter().cloned()).collect(),
            env: self.env.iter().chain(ambient).cloned().collect(),
            dirs,
            stdin: Input::Bytes(self.stdin.clone()),
            stdout: Output::Captured(Captured::default()),
            stderr: Output::Captured(Captured::default()),
            random: setting.random,
            clocks: setting.clocks,
            liberties: setting.liberties,
            ..Grants::default()
        }
    }

    /// A recorder that writes equal bytes for equal events.
    fn recorder(&self, log: Arc<Mutex<Vec<u8>>>) -> Result<Recorder, RecordError> {
        let about = About {
            recorder: concat!("theater-replay ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: self.name.clone(),
            component: Some(self.component.digest()),
            settings: self.limits.settings(theater_runtime::Backend::Cranelift),
            world: Some(self.component.world().wit.clone()),
            ..About::default()
        };
        // A checkpoint by time would stand where the machine's speed has put it.
        let policy = CheckpointPolicy { interval_ns: None, ..CheckpointPolicy::default() };
        let options = Options { policy, ..Options::default() };
        Recorder::create(log, about, options, Seed::new([0; 32]), still_clock())
    }
}

/// The clock of the records themselves, which no component sees.
fn still_clock() -> Clock {
    Arc::new(|| 1_700_000_000_000_000_000)
}

/// A directory of this run's own, unless nothing in it can be changed anyway.
fn own_copy(dir: &DirGrant, copies: &mut Vec<TempDir>) -> Result<DirGrant, RecordingError> {
    if dir.read_only {
        return Ok(dir.clone());
    }
    let failed = |source| RecordingError::Copy { path: dir.host.clone(), source };
    let copy = tempfile::tempdir().map_err(failed)?;
    let mut left = Left { bytes: COPIED_BYTES_MAX, files: COPIED_FILES_MAX };
    if !copy_tree(&dir.host, copy.path(), &mut left).map_err(failed)? {
        return Err(RecordingError::TooMuch(dir.host.clone()));
    }
    let host = copy.path().to_owned();
    copies.push(copy);
    Ok(DirGrant { host, ..dir.clone() })
}

/// How much may still be copied.
struct Left {
    bytes: u64,
    files: u64,
}

/// Copies what is in a directory, with the times of files. `false` if it is too much.
fn copy_tree(from: &Path, to: &Path, left: &mut Left) -> io::Result<bool> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        let bytes = if kind.is_file() { entry.metadata()?.len() } else { 0 };
        let (Some(bytes), Some(files)) = (left.bytes.checked_sub(bytes), left.files.checked_sub(1))
        else {
            return Ok(false);
        };
        *left = Left { bytes, files };
        if kind.is_dir() {
            fs::create_dir(&copy)?;
            if !copy_tree(&path, &copy, left)? {
                return Ok(false);
            }
        } else if kind.is_symlink() {
            copy_link(&path, &copy)?;
        } else if kind.is_file() {
            fs::copy(&path, &copy)?;
            let found = entry.metadata()?;
            let times = fs::FileTimes::new().set_modified(found.modified()?);
            // What cannot be opened for writing keeps the time of the copy.
            if let Ok(file) = fs::File::options().write(true).open(&copy) {
                file.set_times(times)?;
            }
        }
    }
    Ok(true)
}

#[cfg(unix)]
fn copy_link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(fs::read_link(from)?, to)
}

#[cfg(not(unix))]
fn copy_link(_: &Path, _: &Path) -> io::Result<()> {
    Ok(())
}
