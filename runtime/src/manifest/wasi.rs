//! What an actor gets of WASI: the handler of the type `wasi`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::host::{
    Clocks, DirGrant, GrantError, Grants, HttpGrant, Input, NetGrant, Output, Random,
};

use super::patterns::real_path;
use super::section::Section;

/// What an actor gets of WASI. The default is nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Wasi {
    /// Directories; relative ones start at the manifest's folder.
    pub dirs: Vec<DirGrant>,
    /// Addresses for sockets.
    pub net: Vec<NetGrant>,
    /// Servers for `wasi:http`.
    pub http: Vec<HttpGrant>,
    /// Environment variables.
    pub env: Vec<Variable>,
    /// Arguments, without the program's name, which is the actor's.
    pub args: Vec<String>,
    /// Where input comes from.
    pub stdin: Stdio,
    /// Where output goes.
    pub stdout: Stdio,
    /// Where messages go.
    pub stderr: Stdio,
    /// Where randomness comes from.
    pub random: Random,
    /// What clocks show.
    pub clocks: Clocks,
}

/// An environment variable. As text: `NAME=VALUE`, or `NAME` to pass on the one of this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value, unless it is passed on.
    pub value: Option<String>,
}

/// The other end of an input or output. As text: `none`, `inherit`, or else the path of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Stdio {
    /// Nothing.
    #[default]
    None,
    /// That of this process.
    Inherit,
    /// A file.
    File(PathBuf),
}

impl Wasi {
    /// What this grants to an actor of this name whose manifest is in this folder. Paths are as the file system has
    /// them at this moment, with all links followed. Variables that are
    /// passed on but not set here are left out.
    #[must_use]
    pub fn grants(&self, name: &str, base_dir: &Path) -> Grants {
        let mut args = vec![name.to_owned()];
        args.extend(self.args.iter().cloned());
        let value = |variable: &Variable| {
            let inherited = || std::env::var(&variable.name).ok();
            let inherited = || inherited().filter(|_| !is_own_variable(&variable.name));
            let value = variable.value.clone().or_else(inherited)?;
            Some((variable.name.clone(), value))
        };
        let in_place =
            |dir: &DirGrant| DirGrant { host: real_path(&base_dir.join(&dir.host)), ..dir.clone() };
        Grants {
            args,
            env: self.env.iter().filter_map(value).collect(),
            dirs: self.dirs.iter().map(in_place).collect(),
            stdin: match &self.stdin {
                Stdio::None => Input::None,
                Stdio::Inherit => Input::Inherit,
                Stdio::File(path) => Input::File(real_path(&base_dir.join(path))),
            },
            stdout: self.stdout.output(base_dir),
            stderr: self.stderr.output(base_dir),
            net: self.net.clone(),
            http: self.http.clone(),
            random: self.random,
            clocks: self.clocks,
            ..Grants::default()
        }
    }

    pub(super) fn read(section: &mut Section<'_>) -> Wasi {
        Wasi {
            dirs: section.list("dirs").unwrap_or_default(),
            net: section.list("net").unwrap_or_default(),
            http: section.list("http").unwrap_or_default(),
            env: section.list("env").unwrap_or_default(),
            args: section.list("args").unwrap_or_default(),
            stdin: section.parsed("stdin").unwrap_or_default(),
            stdout: section.parsed("stdout").unwrap_or_default(),
            stderr: section.parsed("stderr").unwrap_or_default(),
            random: section.parsed("random").unwrap_or_default(),
            clocks: section.parsed("clocks").unwrap_or_default(),
        }
    }
}

/// Whether a variable is about this program. It is nobody else's business: one of them opens the server.
pub(crate) fn is_own_variable(name: &str) -> bool {
    name.starts_with("THEATER_")
}

impl Stdio {
    fn output(&self, base_dir: &Path) -> Output {
        match self {
            Stdio::None => Output::None,
            Stdio::Inherit => Output::Inherit,
            Stdio::File(path) => Output::File(real_path(&base_dir.join(path))),
        }
    }
}

impl FromStr for Variable {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Variable, GrantError> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() {
            let expected = "a variable as NAME=VALUE or NAME";
            return Err(GrantError { expected, found: text.to_owned() });
        }
        Ok(Variable { name: name.to_owned(), value })
    }
}

impl FromStr for Stdio {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Stdio, GrantError> {
        match text {
            "none" => Ok(Stdio::None),
            "inherit" | "-" => Ok(Stdio::Inherit),
            "" => {
                let expected = "none, inherit or the path of a file";
                Err(GrantError { expected, found: String::new() })
            }
            path => Ok(Stdio::File(path.into())),
        }
    }
}
