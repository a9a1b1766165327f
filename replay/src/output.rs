//! Files that appear whole or not at all.

use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use tempfile::{NamedTempFile, TempPath};
use theater_verify::Source;

use theater_runtime::complaint::advised;

/// How much is copied at a time.
const COPY_BYTES: usize = 256 << 10;

/// A file under another name until it is complete. Dropping it leaves nothing behind.
pub(crate) struct Output {
    file: BufWriter<File>,
    temporary: TempPath,
    path: PathBuf,
    replace: bool,
}

impl Output {
    /// Begins a file beside where it is to appear. Unless `replace` is set, there must be none.
    pub(crate) fn create(path: &Path, replace: bool) -> anyhow::Result<Output> {
        if !replace && fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".theater-");
        // A file that is replaced keeps its permissions; a new one gets the usual ones.
        let permissions = fs::metadata(path).ok().map(|metadata| metadata.permissions());
        if let Some(permissions) = permissions.or_else(usual_permissions) {
            builder.permissions(permissions);
        }
        let temporary = builder
            .tempfile_in(folder)
            .with_context(|| format!("cannot write to {}", folder.display()))?;
        let (file, temporary) = NamedTempFile::into_parts(temporary);
        let file = BufWriter::with_capacity(COPY_BYTES, file);
        Ok(Output { file, temporary, path: path.to_owned(), replace })
    }

    /// Makes the file durable and lets it appear.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let shown = self.path.display();
        let cannot = || format!("cannot write {shown}");
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error);
        file.and_then(|file| file.sync_all()).with_context(cannot)?;
        let persisted = if self.replace {
            self.temporary.persist(&self.path)
        } else {
            self.temporary.persist_noclobber(&self.path)
        };
        match persisted.map_err(|error| error.error) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&self.path)),
            Err(error) => Err(error).with_context(cannot),
        }
    }

    /// Appends a part of a chain as it is. `done` hears how many bytes of the chain are behind.
    pub(crate) fn copy(
        &mut self,
        chain: &dyn Source,
        start: u64,
        end: u64,
        done: impl Fn(u64),
    ) -> anyhow::Result<()> {
        let mut buffer = vec![0; COPY_BYTES];
        let mut at = start;
        while at < end {
            let left = usize::try_from(end - at).unwrap_or(usize::MAX);
            let part = &mut buffer[..left.min(COPY_BYTES)];
            chain
                .read_at(part, at)
                .with_context(|| format!("cannot read the chain at byte {at}"))?;
            self.write_all(part)
                .with_context(|| format!("cannot write {}", self.path.display()))?;
            at += part.len() as u64;
            done(at);
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn exists(path: &Path) -> anyhow::Error {
    let shown = path.display();
    advised(anyhow!("{shown} exists already"), "name another file with -o, or add --force")
}

#[cfg(unix)]
fn usual_permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    // The process's umask takes away what should not be there.
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn usual_permissions() -> Option<Permissions> {
    None
}
