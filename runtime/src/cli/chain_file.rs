//! The file that a run is recorded to.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Error, anyhow};
use theater_record::{About, Log, Options, Recorder, Seed};

use crate::complaint::advised;
use crate::escape::argument;
use crate::machine;

/// The file that the chain goes to, if it goes to one.
pub(super) struct ChainFile(Option<(PathBuf, File)>);

impl ChainFile {
    /// Creates the file, which must not exist. `none` and `-` are no file; without a path, the file
    /// is named after the actor and the time.
    pub(super) fn create(path: Option<&Path>, actor: &str) -> anyhow::Result<ChainFile> {
        let path = match path {
            Some(path) if path.as_os_str() == "none" || path.as_os_str() == "-" => {
                return Ok(ChainFile(None));
            }
            Some(path) => path.to_owned(),
            None => PathBuf::from(format!("{}-{}.chain.cbor", file_stem(actor), file_time())),
        };
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.and_then(|file| {
            // A resume must not write to a chain that is still being recorded.
            file.lock()?;
            Ok(file)
        });
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => advised(
                anyhow!("{} exists already, and a chain is never written over", path.display()),
                "name another file with --chain",
            ),
            _ => advised(
                Error::new(error).context(format!("cannot create {}", path.display())),
                "name a file that can be written with --chain, or discard with --chain none",
            ),
        })?;
        Ok(ChainFile(Some((path, file))))
    }

    /// A chain that is gone on with.
    pub(super) fn resumed(path: &Path, file: File) -> ChainFile {
        ChainFile(Some((path.to_owned(), file)))
    }

    /// Starts the chain.
    pub(super) fn recorder(&self, about: About, options: Options) -> anyhow::Result<Recorder> {
        let seed = Seed::new(machine::random()?);
        let log: Box<dyn Log> = match &self.0 {
            Some((_, file)) => Box::new(file.try_clone()?),
            None => Box::new(io::sink()),
        };
        let made = Recorder::create(log, about, options, seed, machine::clock());
        made.map_err(|error| match &self.0 {
            Some((path, _)) => advised(
                Error::new(error).context(format!("cannot start {}", path.display())),
                "name a file where there is room with --chain",
            ),
            None => error.into(),
        })
    }

    /// The component did not start, so there is nothing to keep.
    pub(super) fn discard(&self) {
        if let Some((path, _)) = &self.0 {
            // It is empty but for its header; if it cannot be removed, it is at least no lie.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Says where the chain is.
    pub(super) fn mention(&self, err: &mut dyn Write) -> io::Result<()> {
        match &self.0 {
            Some((path, _)) => writeln!(err, "chain: {}", argument(path)),
            None => Ok(()),
        }
    }

    /// Says what is left of a chain that could not be written any further.
    pub(super) fn explain(&self, error: impl Into<Error>) -> Error {
        match &self.0 {
            Some((path, _)) => advised(
                error.into().context(format!("{}: the component was stopped", path.display())),
                format!("theater-replay verify {} shows what was kept", argument(path)),
            ),
            None => error.into().context("the component was stopped"),
        }
    }
}

/// An actor's name as the start of a file's name: a name can be anything.
fn file_stem(actor: &str) -> String {
    const CHARS_MAX: usize = 100;
    let tame = |char: char| if char.is_alphanumeric() || "-_.".contains(char) { char } else { '-' };
    let stem: String = actor.chars().take(CHARS_MAX).map(tame).collect();
    match stem.trim_start_matches(['-', '.']) {
        "" => "actor".to_owned(),
        stem => stem.to_owned(),
    }
}

/// The time in UTC for the name of a file, such as 20261121T093000Z.
fn file_time() -> String {
    let since = machine::clock()() / 1_000_000_000;
    let (days, second) = (since / 86_400, since % 86_400);
    let (year, month, day) = machine::date(days);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{:02}Z", second % 60)
}

#[cfg(test)]
mod tests {
    use super::file_stem;

    #[test]
    fn files_are_named_after_actors() {
        assert_eq!(file_stem("hello"), "hello");
        assert_eq!(file_stem("../../etc/x"), "etc-x");
        assert_eq!(file_stem("a\u{1b}[31m b"), "a--31m-b");
        assert_eq!(file_stem(""), "actor");
        assert_eq!(file_stem(&"é".repeat(9999)).chars().count(), 100);
    }
}
