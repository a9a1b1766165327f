//! Labels: names for contents.
//!
//! A label names one content or several, the newest last. It is a file in the folder `labels`: its first
//! line is the label, each further line a digest. As a label is almost any text, and some file systems take
//! `A` for `a`, the file is called by the digest of the label.

use std::fmt;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use theater_record::Hash;

use super::files::{Turn, Unfinished, failed, names_in};
use super::{Store, StoreError, digest};

/// How long a label may be.
const BYTES_MAX: usize = 255;

/// How many contents a label may name.
pub(super) const CONTENTS_MAX: usize = 1 << 16;

/// A name for contents: 1 to 255 bytes of UTF-8 without control characters and slashes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(String);

/// Text that is no label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} cannot be a label: a label has 1 to {BYTES_MAX} bytes, no control characters and no \
     slashes"
)]
pub struct BadLabel {
    text: String,
}

impl FromStr for Label {
    type Err = BadLabel;

    fn from_str(text: &str) -> Result<Label, BadLabel> {
        let is_path = text.contains(['/', '\\']) || text == "." || text == "..";
        let fits = (1..=BYTES_MAX).contains(&text.len());
        if !fits || is_path || text.chars().any(char::is_control) {
            return Err(BadLabel { text: text.to_owned() });
        }
        Ok(Label(text.to_owned()))
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Label {
    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Store {
    /// The content that a label names, the newest if there are several; none if there is no such label.
    pub fn label(&self, label: &Label) -> Result<Option<Hash>, StoreError> {
        Ok(self.labelled(label)?.pop())
    }

    /// All contents that a label names, the newest last. None if there is no such label.
    pub fn labelled(&self, label: &Label) -> Result<Vec<Hash>, StoreError> {
        let path = self.label_path(label);
        match read(&path)? {
            None => Ok(Vec::new()),
            Some((found, hashes)) if found == *label => Ok(hashes),
            Some(_) => Err(StoreError::DamagedLabel { path }),
        }
    }

    /// Every label with what it names, sorted by the labels' bytes.
    pub fn labels(&self) -> Result<Vec<(Label, Vec<Hash>)>, StoreError> {
        let mut labels = Vec::new();
        for path in self.label_paths()? {
            // One that was removed just now is no label any more.
            let Some((label, hashes)) = read(&path)? else { continue };
            if self.label_path(&label) != path {
                return Err(StoreError::DamagedLabel { path });
            }
            labels.push((label, hashes));
        }
        labels.sort();
        Ok(labels)
    }

    /// Makes a content the only one that a label names. A label whose file is damaged is mended so.
    pub fn set_label(&self, label: &Label, hash: &Hash) -> Result<(), StoreError> {
        let turn = self.turn()?;
        self.renew(&turn, hash)?;
        self.write_label(&turn, label, &[*hash])
    }

    /// Adds a content to those that a label names, as the newest. If it is among them, it becomes the
    /// newest.
    pub fn add_to_label(&self, label: &Label, hash: &Hash) -> Result<(), StoreError> {
        let turn = self.turn()?;
        self.renew(&turn, hash)?;
        let mut hashes = self.labelled(label)?;
        hashes.retain(|named| named != hash);
        if hashes.len() >= CONTENTS_MAX {
            return Err(StoreError::FullLabel { label: label.clone() });
        }
        hashes.push(*hash);
        self.write_label(&turn, label, &hashes)
    }

    /// Takes a content from those that a label names, and the label with its last one. Says whether it
    /// was among them.
    pub fn remove_from_label(&self, label: &Label, hash: &Hash) -> Result<bool, StoreError> {
        let turn = self.turn()?;
        let mut hashes = self.labelled(label)?;
        let count = hashes.len();
        hashes.retain(|named| named != hash);
        match hashes.len() {
            left if left == count => return Ok(false),
            0 => drop(turn.remove(&self.label_path(label))?),
            _ => self.write_label(&turn, label, &hashes)?,
        }
        Ok(true)
    }

    /// Forgets a label. Its contents stay until garbage is collected. Says whether there was one.
    pub fn remove_label(&self, label: &Label) -> Result<bool, StoreError> {
        self.turn()?.remove(&self.label_path(label))
    }

    /// The files of all labels.
    pub(super) fn label_paths(&self) -> Result<Vec<PathBuf>, StoreError> {
        let folder = self.folder.join("labels");
        let names = names_in(&folder)?.into_iter().filter(|name| name.parse::<Hash>().is_ok());
        Ok(names.map(|name| folder.join(name)).collect())
    }

    pub(super) fn label_path(&self, label: &Label) -> PathBuf {
        self.folder.join("labels").join(digest(label.0.as_bytes()).to_string())
    }

    fn write_label(&self, turn: &Turn, label: &Label, hashes: &[Hash]) -> Result<(), StoreError> {
        let mut text = format!("{label}\n");
        hashes.iter().for_each(|hash| text += &format!("{hash}\n"));
        turn.put_in_place(Unfinished::write(&self.label_path(label), text.as_bytes())?)
    }

    /// A content that gets a label must be there, and stay.
    fn renew(&self, turn: &Turn, hash: &Hash) -> Result<(), StoreError> {
        if turn.renew(&self.path(hash))? { Ok(()) } else { Err(self.missing(hash)) }
    }
}

/// What a label's file holds, if it is there.
pub(super) fn read(path: &PathBuf) -> Result<Option<(Label, Vec<Hash>)>, StoreError> {
    let damaged = || StoreError::DamagedLabel { path: path.clone() };
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(damaged()),
        Err(error) => return Err(failed("read", path)(error)),
    };
    let mut lines = text.strip_suffix('\n').ok_or_else(damaged)?.split('\n');
    let label = lines.next().and_then(|line| line.parse().ok()).ok_or_else(damaged)?;
    let hashes: Result<Vec<Hash>, _> = lines.map(str::parse).collect();
    match hashes {
        Ok(hashes) if !hashes.is_empty() => Ok(Some((label, hashes))),
        Ok(_) | Err(_) => Err(damaged()),
    }
}
