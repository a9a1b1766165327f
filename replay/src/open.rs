//! From a path to the bytes of a chain.

use std::fs::File;
use std::io;
use std::path::Path;

use anyhow::{Context, anyhow};
use theater_verify::{FileSource, Source};

use crate::cli::advised;

/// Opens a chain. Whether the bytes are a chain is for the reader to find out.
pub(crate) fn open(path: &Path) -> anyhow::Result<Box<dyn Source>> {
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
            format!("name a file in it: ls {shown}"),
        ));
    }
    let file = File::open(path).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => Some("check the spelling, or look with ls"),
            io::ErrorKind::PermissionDenied => Some("ask its owner, or copy it as its owner"),
            _ => None,
        };
        let error = anyhow::Error::new(error).context(format!("cannot open {shown}"));
        match advice {
            Some(advice) => advised(error, advice),
            None => error,
        }
    })?;
    let source = FileSource::new(file).with_context(|| format!("cannot measure {shown}"))?;
    Ok(Box::new(source))
}
