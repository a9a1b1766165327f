//! Other builds of a component with the very same code: they describe it when it was stripped.

use std::fs;
use std::path::{Path, PathBuf};

use theater_record::Hash;

use super::SourceError;
use super::code::{Code, Outline};
use super::dwarf;

/// A module with the same code and with debug information.
pub(super) struct Twin {
    pub(super) code: Code,
    pub(super) bytes: Vec<u8>,
    /// The digest of the file it stands in.
    pub(super) digest: Hash,
}

/// How deep folders are searched.
const DEPTH_MAX: usize = 4;

/// Finds a twin of a module in a file, or in a folder and those in it.
pub(super) fn find(path: &Path, code: &Hash) -> Result<Option<Twin>, SourceError> {
    if !path.is_dir() {
        return in_file(path, code);
    }
    let mut files = Vec::new();
    list(path, DEPTH_MAX, &mut files)?;
    for file in files {
        // Among other files may be some that are no components, or not to be read.
        if let Ok(Some(twin)) = in_file(&file, code) {
            return Ok(Some(twin));
        }
    }
    Ok(None)
}

fn in_file(path: &Path, code: &Hash) -> Result<Option<Twin>, SourceError> {
    let unreadable = |source| SourceError::Unreadable { path: path.to_owned(), source };
    let bytes = fs::read(path).map_err(unreadable)?;
    let Ok(outline) = Outline::of(&bytes) else { return Ok(None) };
    let is_twin = |module: &Code| module.digest == *code && dwarf::has_lines(&module.custom);
    let twin = outline.modules.into_iter().find(is_twin);
    let digest = Hash(*blake3::hash(&bytes).as_bytes());
    Ok(twin.map(|code| Twin { code, bytes, digest }))
}

/// The files of a folder that may be WebAssembly, in a fixed order.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    let unreadable = |source| SourceError::Unreadable { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && !path.is_symlink() {
            if depth > 0 {
                // A folder that must not be read hides nothing that could be used.
                let _ = list(&path, depth - 1, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "wasm") {
            files.push(path);
        }
    }
    Ok(())
}
