//! What nobody needs any more, and its removal.
//!
//! Needed is what a label names, and what is named by its digest in a chain's header, in a manifest, or in
//! the text of a content that is needed itself, as manifests in the store name components. Any 64
//! hexadecimal digits in a text count as a name, so that too much is kept rather than too little.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use theater_record::{Hash, MAGIC};

use super::files::{UNFINISHED, failed, names_in};
use super::{Store, StoreError};
use crate::chain_view::{ChainView, ViewError};

/// Longer contents are not looked into for names: they are no manifests.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// Contents that something outside of a store names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<Hash>);

/// It cannot be told what a file names, so nothing may be removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell which contents {} names", path.display())]
pub struct NamesError {
    path: PathBuf,
    #[source]
    source: Unreadable,
}

/// Why not.
#[derive(Debug, thiserror::Error)]
enum Unreadable {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error(transparent)]
    Chain(#[from] ViewError),
}

/// What can be removed from a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Contents with their lengths, in order.
    pub contents: Vec<(Hash, u64)>,
    /// Files that a crash has left half written.
    pub unfinished: Vec<PathBuf>,
}

impl Garbage {
    /// How many bytes the contents have together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.contents.iter().map(|(_, bytes)| bytes).sum()
    }
}

impl Names {
    /// Adds what stands in a text.
    pub fn add_text(&mut self, text: &str) {
        let runs = text.split(|char: char| !char.is_ascii_hexdigit());
        self.0.extend(runs.filter_map(|run| run.parse::<Hash>().ok()));
    }

    /// Adds what the headers of chains and the texts of manifests name that are in a folder or below it.
    /// These folders in it are left out.
    pub fn add_folder(&mut self, folder: &Path, left_out: &[PathBuf]) -> Result<(), NamesError> {
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            if left_out.contains(&folder) {
                continue;
            }
            let not_read =
                |source: io::Error| NamesError { path: folder.clone(), source: source.into() };
            for entry in fs::read_dir(&folder).map_err(not_read)? {
                let entry = entry.map_err(not_read)?;
                // A link may lead anywhere, also back here.
                let kind = entry.file_type().map_err(not_read)?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    let path = entry.path();
                    self.add_file(&path).map_err(|source| NamesError { path, source })?;
                }
            }
        }
        Ok(())
    }

    fn add_file(&mut self, path: &Path) -> Result<(), Unreadable> {
        if path.extension().is_some_and(|extension| extension == "toml") {
            self.add_text(&String::from_utf8_lossy(&fs::read(path)?));
            return Ok(());
        }
        let mut start = Vec::new();
        File::open(path)?.take(MAGIC.len() as u64).read_to_end(&mut start)?;
        if start != MAGIC {
            return Ok(());
        }
        let header = ChainView::open(path)?.header()?;
        self.0.extend(header.component);
        self.add_text(&header.manifest.unwrap_or_default());
        self.add_text(&String::from_utf8_lossy(&header.state.unwrap_or_default()));
        Ok(())
    }
}

impl Store {
    /// What nothing names and is older than this.
    pub fn garbage(&self, names: &Names, before: SystemTime) -> Result<Garbage, StoreError> {
        let needed = self.needed(names)?;
        let mut garbage = Garbage::default();
        for hash in self.list()? {
            if !needed.contains(&hash) && is_older(&self.path(&hash), before)? {
                match self.len_of(&hash) {
                    Ok(bytes) => garbage.contents.push((hash, bytes)),
                    Err(StoreError::Missing { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        for folder in names_in(&self.folder)? {
            let folder = self.folder.join(folder);
            for name in names_in(&folder)?.iter().filter(|name| name.starts_with(UNFINISHED)) {
                let path = folder.join(name);
                if is_older(&path, before)? {
                    garbage.unfinished.push(path);
                }
            }
        }
        Ok(garbage)
    }

    /// Removes garbage, but for what was kept or labelled again since it was found. Returns what was
    /// removed.
    pub fn remove(&self, garbage: Garbage, before: SystemTime) -> Result<Garbage, StoreError> {
        let mut removed = Garbage::default();
        for (hash, bytes) in garbage.contents {
            let path = self.path(&hash);
            // A turn for each, so that nobody has to wait for all of it.
            let turn = self.turn()?;
            if is_older(&path, before)? && turn.remove(&path)? {
                removed.contents.push((hash, bytes));
            }
        }
        for path in garbage.unfinished {
            if self.turn()?.remove(&path)? {
                removed.unfinished.push(path);
            }
        }
        Ok(removed)
    }

    /// Everything that is named, also by what is named itself.
    fn needed(&self, names: &Names) -> Result<BTreeSet<Hash>, StoreError> {
        let mut due: Vec<Hash> = names.0.iter().copied().collect();
        due.extend(self.labels()?.into_iter().flat_map(|(_, hashes)| hashes));
        let mut needed = BTreeSet::new();
        while let Some(hash) = due.pop() {
            if !needed.insert(hash) {
                continue;
            }
            match self.len_of(&hash) {
                Ok(bytes) if bytes <= TEXT_BYTES_MAX => {}
                Ok(_) | Err(StoreError::Missing { .. }) => continue,
                Err(error) => return Err(error),
            }
            let path = self.path(&hash);
            let bytes = fs::read(&path).map_err(failed("read", &path))?;
            let mut inner = Names::default();
            inner.add_text(&String::from_utf8_lossy(&bytes));
            due.extend(inner.0);
        }
        Ok(needed)
    }
}

/// Whether a file is there that was last written before this.
fn is_older(path: &Path, before: SystemTime) -> Result<bool, StoreError> {
    match fs::metadata(path).and_then(|metadata| metadata.modified()) {
        Ok(modified) => Ok(modified < before),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed("read", path)(error)),
    }
}
