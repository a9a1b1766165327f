//! The store: components and other bytes, each under its own BLAKE3 digest.
//!
//! The bytes with the digest `abcdef..` are the file `ab/cdef..`. A label is a file in `labels`
//! that holds a digest as text. So people can look around with the tools they have:
//! `b3sum ab/cdef..` must print the name it was asked for.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use theater_record::Hash;

/// How long a label may be.
const LABEL_BYTES_MAX: usize = 128;

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
    /// A label that could not be a file's name everywhere.
    #[error(
        "{label:?} cannot be a label: up to {LABEL_BYTES_MAX} letters, digits, dots, dashes and \
         underscores, not starting with a dot or a dash"
    )]
    BadLabel {
        /// The label.
        label: String,
    },
    /// A label's file that does not hold a digest.
    #[error("the label {} does not hold a digest", .path.display())]
    DamagedLabel {
        /// The file.
        path: PathBuf,
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

    /// Keeps some bytes and says under which digest. They are on the disk when this returns.
    ///
    /// Keeping what is there already does nothing, unless what is there was damaged.
    pub fn put(&self, bytes: &[u8]) -> Result<Hash, StoreError> {
        let hash = digest(bytes);
        match self.get(&hash) {
            Ok(_) => return Ok(hash),
            Err(StoreError::Missing { .. } | StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error),
        }
        write_whole(&self.path(&hash), bytes)?;
        Ok(hash)
    }

    /// The bytes with this digest. They are checked: damaged content is an error.
    pub fn get(&self, hash: &Hash) -> Result<Vec<u8>, StoreError> {
        let path = self.path(hash);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { hash: *hash, folder: self.folder.clone() });
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

    /// Points a label at some content, in place of whatever it pointed at before.
    pub fn set_label(&self, label: &str, hash: &Hash) -> Result<(), StoreError> {
        let path = self.label_path(label)?;
        if !self.contains(hash) {
            return Err(StoreError::Missing { hash: *hash, folder: self.folder.clone() });
        }
        write_whole(&path, format!("{hash}\n").as_bytes())
    }

    /// What a label points at, if there is such a label.
    pub fn label(&self, label: &str) -> Result<Option<Hash>, StoreError> {
        let path = self.label_path(label)?;
        match fs::read_to_string(&path) {
            Ok(text) => match text.trim_end().parse() {
                Ok(hash) => Ok(Some(hash)),
                Err(_) => Err(StoreError::DamagedLabel { path }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(StoreError::DamagedLabel { path })
            }
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Every label with what it points at, in order of their names.
    pub fn labels(&self) -> Result<Vec<(String, Hash)>, StoreError> {
        let mut labels = Vec::new();
        for label in
            names_in(&self.folder.join("labels"))?.into_iter().filter(|name| is_label(name))
        {
            if let Some(hash) = self.label(&label)? {
                labels.push((label, hash));
            }
        }
        Ok(labels)
    }

    /// Where the content with this digest is, or would be.
    #[must_use]
    pub fn path(&self, hash: &Hash) -> PathBuf {
        let name = hash.to_string();
        self.folder.join(&name[..2]).join(&name[2..])
    }

    fn label_path(&self, label: &str) -> Result<PathBuf, StoreError> {
        if !is_label(label) {
            return Err(StoreError::BadLabel { label: label.to_owned() });
        }
        Ok(self.folder.join("labels").join(label))
    }
}

fn digest(bytes: &[u8]) -> Hash {
    Hash(*blake3::hash(bytes).as_bytes())
}

fn is_label(text: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Writes a file that appears whole or not at all, and is on the disk when this returns.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let folder = path.parent().expect("everything in a store stands in a folder of it");
    fs::create_dir_all(folder).map_err(failed("create", folder))?;
    let mut file = tempfile::Builder::new()
        .prefix(".unfinished-")
        .tempfile_in(folder)
        .map_err(failed("write in", folder))?;
    let written = file.write_all(bytes).and_then(|()| file.as_file().sync_all());
    written.map_err(failed("write", path))?;
    file.persist(path).map_err(|error| failed("write", path)(error.error))?;
    sync_folder(folder).map_err(failed("sync", folder))
}

/// Makes a new name in a folder durable.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Other systems make names durable by themselves, and cannot open a folder as a file.
#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// The names in a folder, in order. Names that are not Unicode are never the store's.
fn names_in(folder: &Path) -> Result<Vec<String>, StoreError> {
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

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}
