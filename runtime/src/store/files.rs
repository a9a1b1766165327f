//! Files that appear whole or not at all, and turns at changing them.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tempfile::NamedTempFile;

use super::StoreError;

/// How the name of a file starts that is still being written.
pub(super) const UNFINISHED: &str = ".unfinished-";

/// How long to wait for a turn. One takes a few milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often to look whether it has come: at first, and at most.
const POLL_FIRST: Duration = Duration::from_micros(100);
const POLL_LAST: Duration = Duration::from_millis(10);

/// A turn at changing a store. It ends when it is dropped, or with the process.
pub(super) struct Turn {
    /// The lock is on this open file.
    _lock: File,
}

/// A file that is on the disk as a whole, but not yet in its place.
pub(super) struct Unfinished {
    file: NamedTempFile,
    place: PathBuf,
}

impl Turn {
    pub(super) fn wait(store: &Path) -> Result<Turn, StoreError> {
        let path = store.join("lock");
        let opened = File::options().write(true).create(true).truncate(false).open(&path);
        let file = opened.map_err(failed("open", &path))?;
        let start = Instant::now();
        let mut pause = POLL_FIRST;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Turn { _lock: file }),
                Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
                Err(TryLockError::WouldBlock) if start.elapsed() > PATIENCE => {
                    return Err(StoreError::Busy { folder: store.to_owned() });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(pause),
            }
            pause = POLL_LAST.min(2 * pause);
        }
    }

    /// Puts a file where it belongs, in place of whatever is there.
    pub(super) fn put_in_place(&self, unfinished: Unfinished) -> Result<(), StoreError> {
        let Unfinished { file, place } = unfinished;
        file.persist(&place).map_err(|error| failed("write", &place)(error.error))?;
        sync_folder_of(&place)
    }

    /// Makes a file young again. Says whether it is there.
    pub(super) fn renew(&self, path: &Path) -> Result<bool, StoreError> {
        let renewed = File::options().write(true).open(path);
        match renewed.and_then(|file| file.set_modified(SystemTime::now())) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("renew", path)(error)),
        }
    }

    /// Removes a file. Says whether it was there.
    pub(super) fn remove(&self, path: &Path) -> Result<bool, StoreError> {
        match fs::remove_file(path) {
            Ok(()) => sync_folder_of(path).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("remove", path)(error)),
        }
    }
}

impl Unfinished {
    /// Writes a file beside the place where it will appear.
    pub(super) fn write(place: &Path, bytes: &[u8]) -> Result<Unfinished, StoreError> {
        let folder = folder_of(place);
        if !folder.is_dir() {
            fs::create_dir_all(folder).map_err(failed("create", folder))?;
            sync_folder_of(folder)?;
        }
        let file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(folder);
        let mut file = file.map_err(failed("write in", folder))?;
        let written = file.write_all(bytes).and_then(|()| file.as_file().sync_all());
        written.map_err(failed("write", place))?;
        Ok(Unfinished { file, place: place.to_owned() })
    }
}

/// The names in a folder, in order. Names that are not Unicode are never the store's.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>, StoreError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).map_err(failed("list", folder))?;
    let names = entries.map(|entry| Ok(entry?.file_name().into_string().ok()));
    let names: io::Result<Vec<Option<String>>> = names.collect();
    let mut names: Vec<_> = names.map_err(failed("list", folder))?.into_iter().flatten().collect();
    names.sort();
    Ok(names)
}

pub(super) fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().expect("everything in a store stands in a folder of it")
}

/// Makes a new name, or that one is gone, durable.
#[cfg(unix)]
fn sync_folder_of(path: &Path) -> Result<(), StoreError> {
    let folder = folder_of(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed("sync", folder))
}

/// Other systems make names durable by themselves, and cannot open a folder as a file.
#[cfg(not(unix))]
fn sync_folder_of(_: &Path) -> Result<(), StoreError> {
    Ok(())
}
