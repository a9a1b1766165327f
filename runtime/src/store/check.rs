//! Whether everything in a store is what it should be.

use std::fmt;
use std::path::PathBuf;

use theater_record::Hash;

use super::{Label, Store, StoreError, labels};

/// What a check of a whole store has found.
#[derive(Debug, Default)]
pub struct Checked {
    /// How many contents there are.
    pub contents: u64,
    /// How many bytes they have together.
    pub bytes: u64,
    /// How many labels there are.
    pub labels: u64,
    /// What is wrong, contents before labels, each in order.
    pub flaws: Vec<Flaw>,
}

/// One thing that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// A content is not what its name says.
    Damaged {
        /// Its name.
        hash: Hash,
        /// The digest of what is there.
        found: Hash,
    },
    /// A content cannot be read.
    Unreadable {
        /// Its name.
        hash: Hash,
        /// Why.
        reason: String,
    },
    /// A label's file holds something else.
    DamagedLabel {
        /// The file.
        path: PathBuf,
    },
    /// A label names a content that is not there.
    Dangling {
        /// The label.
        label: Label,
        /// The content.
        hash: Hash,
    },
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::Damaged { hash, found } => {
                write!(f, "the content {hash} is damaged: what is there is {found}")
            }
            Flaw::Unreadable { hash, reason } => {
                write!(f, "the content {hash} cannot be read: {reason}")
            }
            Flaw::DamagedLabel { path } => {
                write!(f, "{} does not hold a label with its digests", path.display())
            }
            Flaw::Dangling { label, hash } => {
                write!(f, "the label {label} names {hash}, which is not there")
            }
        }
    }
}

impl Store {
    /// Reads everything and holds it against its name.
    pub fn check(&self) -> Result<Checked, StoreError> {
        let mut checked = Checked::default();
        for hash in self.list()? {
            checked.contents += 1;
            match self.get(&hash) {
                Ok(bytes) => checked.bytes += bytes.len() as u64,
                // It was collected just now.
                Err(StoreError::Missing { .. }) => checked.contents -= 1,
                Err(StoreError::Damaged { found, .. }) => {
                    checked.flaws.push(Flaw::Damaged { hash, found });
                }
                Err(error) => {
                    let reason = error.to_string();
                    checked.flaws.push(Flaw::Unreadable { hash, reason });
                }
            }
        }
        for path in self.label_paths()? {
            match labels::read(&path) {
                Ok(Some((label, hashes))) if self.label_path(&label) == path => {
                    checked.labels += 1;
                    let lost = hashes.into_iter().filter(|hash| !self.contains(hash));
                    let dangling = |hash| Flaw::Dangling { label: label.clone(), hash };
                    checked.flaws.extend(lost.map(dangling));
                }
                Ok(Some(_)) | Err(_) => checked.flaws.push(Flaw::DamagedLabel { path }),
                Ok(None) => {}
            }
        }
        Ok(checked)
    }
}
