//! Where things are kept: the store and the cache, in one folder that people can find.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable that says where the folder is.
const VARIABLE: &str = "THEATER_HOME";

/// The folder that holds what outlives a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

/// There is no telling where things are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no folder to keep things in: {VARIABLE} is not set, and neither is {fallback}")]
pub struct HomeError {
    /// The variable from which the usual folder would follow.
    fallback: &'static str,
}

impl Home {
    /// The folder at this path.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Home {
        Home(path.into())
    }

    /// The folder that `$THEATER_HOME` names, else the usual place for a program's data.
    pub fn find() -> Result<Home, HomeError> {
        Home::find_in(|name| env::var_os(name))
    }

    /// The same, in an environment that is handed in.
    pub fn find_in(variable: impl Fn(&str) -> Option<OsString>) -> Result<Home, HomeError> {
        let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        match set(VARIABLE) {
            Some(home) => Ok(Home(home)),
            None => data_folder(set).map(|data| Home(data.join("theater"))),
        }
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the store is.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.0.join("store")
    }

    /// Where the stores of actors are, each in a folder with its id.
    #[must_use]
    pub fn stores(&self) -> PathBuf {
        self.0.join("stores")
    }

    /// Where a server keeps the chains of its actors.
    #[must_use]
    pub fn chains(&self) -> PathBuf {
        self.0.join("chains")
    }

    /// Where compiled code is. Everything in it can be deleted.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.0.join("cache")
    }

    /// Where it is noted what replays came to. Everything in it can be deleted.
    #[must_use]
    pub fn outcomes(&self) -> PathBuf {
        self.0.join("outcomes")
    }
}

/// Where this system's programs keep the data of the user.
#[cfg(windows)]
fn data_folder(set: impl Fn(&'static str) -> Option<PathBuf>) -> Result<PathBuf, HomeError> {
    set("LOCALAPPDATA").ok_or(HomeError { fallback: "LOCALAPPDATA" })
}

/// Where this system's programs keep the data of the user.
#[cfg(not(windows))]
fn data_folder(set: impl Fn(&'static str) -> Option<PathBuf>) -> Result<PathBuf, HomeError> {
    // The rule for this variable is that a relative path does not count.
    if let Some(data) = set("XDG_DATA_HOME").filter(|data| data.is_absolute()) {
        return Ok(data);
    }
    let home = set("HOME").ok_or(HomeError { fallback: "HOME" })?;
    let below =
        if cfg!(target_os = "macos") { "Library/Application Support" } else { ".local/share" };
    Ok(home.join(below))
}
