//! From a path to the bytes of a chain.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context, anyhow};
use theater_verify::{FileSource, GrowingFile, Source};

use crate::packed::{Packed, is_packed};
use theater_runtime::complaint::advised;
use theater_runtime::escape::argument;

/// Opens a chain, packed or not. Whether the bytes are a chain is for the reader to find out.
pub(crate) fn open(path: &Path) -> anyhow::Result<Box<dyn Source>> {
    Ok(match open_either(path)? {
        Opened::Plain(file) => Box::new(file),
        Opened::Packed(packed) => Box::new(packed),
    })
}

/// A chain as it lies in the file system.
pub(crate) enum Opened {
    /// As it was recorded.
    Plain(FileSource),
    /// As `pack` wrote it.
    Packed(Packed),
}

/// Opens a chain and tells whether it is packed.
pub(crate) fn open_either(path: &Path) -> anyhow::Result<Opened> {
    let shown = path.display();
    let file = open_file(path)?;
    let source = FileSource::new(file).with_context(|| format!("cannot measure {shown}"))?;
    let cannot_read = || format!("cannot read {shown}");
    if !is_packed(&source).with_context(cannot_read)? {
        return Ok(Opened::Plain(source));
    }
    Ok(Opened::Packed(Packed::new(Box::new(source)).with_context(cannot_read)?))
}

/// Opens a chain that is still being written: its length grows.
pub(crate) fn open_growing(path: &Path) -> anyhow::Result<Box<dyn Source>> {
    Ok(Box::new(GrowingFile::new(open_file(path)?)))
}

fn open_file(path: &Path) -> anyhow::Result<File> {
    let shown = path.display();
    if path.as_os_str() == "-" {
        return Err(advised(
            anyhow!("a chain cannot be read from standard input"),
            "write it to a file first: a chain is read at many places at once",
        ));
    }
    if path.is_dir() {
        return Err(advised(
            anyhow!("{shown} is a directory, not a chain"),
            format!("name a file in it: ls {}", argument(path)),
        ));
    }
    File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            advised(anyhow!("there is no file {shown}"), "check the spelling, or look with ls")
        }
        io::ErrorKind::PermissionDenied => advised(
            anyhow!("no permission to read {shown}"),
            "ask its owner, or copy it as its owner",
        ),
        _ => anyhow::Error::new(error).context(format!("cannot open {shown}")),
    })
}
