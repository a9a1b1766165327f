//! The store: components and other bytes, each under its own BLAKE3 digest, and labels that name them.
//!
//! The bytes with the digest `abcdef..` are the file `ab/cdef..`. So people can look around with the
//! tools they have: `b3sum ab/cdef..` must print the name it was asked for. How labels are kept stands in
//! `store/labels.rs`.
//!
//! Files appear whole or not at all, so that whoever reads never waits and never sees half of a change.
//! Changes happen one after another, also those of several processes. A content is as old as the last
//! time it was kept or labelled; that is what keeps the garbage collector off it until something names it.

mod check;
mod files;
mod garbage;
mod labels;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use theater_record::Hash;

use files::{Turn, Unfinished, failed, names_in};

pub use check::{Checked, Flaw};
pub use garbage::{Garbage, Names, NamesError};
pub use labels::{BadLabel, Label};

/// A folder of content under its digests.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// What can go wrong with a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store does not have it.
    #[error("the store {} has no content {hash}", .folder.display())]
    Missing {
        /// What was asked for.
        hash: Hash,
        /// The store's folder.
        folder: PathBuf,
    },
    /// A file holds something else than its name says.
    #[error("{} is damaged: its content is {found}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The digest of what it holds.
        found: Hash,
    },
    /// Text that is no label.
    #[error(transparent)]
    BadLabel(#[from] BadLabel),
    /// There is no such label.
    #[error("the store {} has no label {label}", .folder.display())]
    NoLabel {
        /// What was asked for.
        label: Label,
        /// The store's folder.
        folder: PathBuf,
    },
    /// A label names so many contents that there is no room for another.
    #[error("the label {label} names {} contents already", labels::CONTENTS_MAX)]
    FullLabel {
        /// The label.
        label: Label,
    },
    /// A label's file that holds something else.
    #[error("{} is damaged: it does not hold a label with its digests", .path.display())]
    DamagedLabel {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else has been changing the store all the time.
    #[error("the store {} is being changed by somebody else", .folder.display())]
    Busy {
        /// The store's folder.
        folder: PathBuf,
    },
    /// The file system failed.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

impl Store {
    /// The store in this folder, which is made if there is none.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Store, StoreError> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(failed("create", &folder))?;
        Ok(Store { folder })
    }

    /// The store in this folder, if there is one.
    #[must_use]
    pub fn existing(folder: impl Into<PathBuf>) -> Option<Store> {
        let folder = folder.into();
        folder.is_dir().then_some(Store { folder })
    }

    /// The store's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Keeps some bytes and says under which digest. They are on the disk when this returns.
    ///
    /// Keeping what is there already makes it young again, and mends it if it was damaged.
    pub fn put(&self, bytes: &[u8]) -> Result<Hash, StoreError> {
        let hash = digest(bytes);
        let path = self.path(&hash);
        if self.is_sound(&hash)? && self.turn()?.renew(&path)? {
            return Ok(hash);
        }
        let unfinished = Unfinished::write(&path, bytes)?;
        self.turn()?.put_in_place(unfinished)?;
        Ok(hash)
    }

    /// The bytes with this digest. They are checked: damaged content is an error.
    pub fn get(&self, hash: &Hash) -> Result<Vec<u8>, StoreError> {
        let path = self.path(hash);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(self.missing(hash));
            }
            Err(error) => return Err(failed("read", &path)(error)),
        };
        match digest(&bytes) {
            found if found == *hash => Ok(bytes),
            found => Err(StoreError::Damaged { path, found }),
        }
    }

    /// Whether there is content under this digest. It is not checked.
    #[must_use]
    pub fn contains(&self, hash: &Hash) -> bool {
        self.path(hash).is_file()
    }

    /// How many bytes a content has, which is not checked.
    pub fn len_of(&self, hash: &Hash) -> Result<u64, StoreError> {
        let path = self.path(hash);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.missing(hash)),
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// The digests of everything in the store, in order.
    pub fn list(&self) -> Result<Vec<Hash>, StoreError> {
        let mut hashes = Vec::new();
        for start in names_in(&self.folder)?.iter().filter(|name| name.len() == 2) {
            let names = names_in(&self.folder.join(start))?;
            // Anything else is not ours, or a file that a crash left unfinished.
            hashes.extend(
                names.iter().filter_map(|rest| format!("{start}{rest}").parse::<Hash>().ok()),
            );
        }
        hashes.sort();
        Ok(hashes)
    }

    /// How many bytes all contents have together, which is not checked.
    pub fn bytes(&self) -> Result<u64, StoreError> {
        let mut sum = 0;
        for hash in self.list()? {
            match self.len_of(&hash) {
                Ok(bytes) => sum += bytes,
                // It was collected just now.
                Err(StoreError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(sum)
    }

    /// The digest that a name stands for: a digest, or a label's newest content. This is what follows
    /// `store:` in a manifest.
    pub fn find(&self, name: &str) -> Result<Hash, StoreError> {
        if let Ok(hash) = name.parse() {
            return Ok(hash);
        }
        let label: Label = name.parse()?;
        let newest = self.label(&label)?;
        newest.ok_or_else(|| StoreError::NoLabel { label, folder: self.folder.clone() })
    }

    /// Where the content with this digest is, or would be.
    #[must_use]
    pub fn path(&self, hash: &Hash) -> PathBuf {
        let name = hash.to_string();
        self.folder.join(&name[..2]).join(&name[2..])
    }

    fn is_sound(&self, hash: &Hash) -> Result<bool, StoreError> {
        match self.get(hash) {
            Ok(_) => Ok(true),
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn missing(&self, hash: &Hash) -> StoreError {
        StoreError::Missing { hash: *hash, folder: self.folder.clone() }
    }

    /// Waits until nobody else changes the store. Nobody does until the turn is dropped.
    fn turn(&self) -> Result<Turn, StoreError> {
        Turn::wait(&self.folder)
    }
}

fn digest(bytes: &[u8]) -> Hash {
    Hash(*blake3::hash(bytes).as_bytes())
}
