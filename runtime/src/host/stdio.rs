//! Where a component's input comes from and its output goes.

use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::cli::{InputFile, OutputFile, StdoutStream};
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};

use super::HostError;

/// Where stdin comes from. As text: `none`, `inherit` or `-`, or else the path of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Input {
    /// It is at its end from the start.
    #[default]
    None,
    /// From this process.
    Inherit,
    /// From a file.
    File(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// Where stdout or stderr goes. As text: `none`, `inherit` or `-`, or else the path of a file.
#[derive(Debug, Clone, Default)]
pub enum Output {
    /// Nowhere.
    #[default]
    None,
    /// To this process.
    Inherit,
    /// To a file, which is emptied first.
    File(PathBuf),
    /// Into memory.
    Captured(Captured),
}

/// Output that stays in memory. Clones share it.
#[derive(Debug, Clone)]
pub struct Captured(MemoryOutputPipe);

impl Captured {
    /// Everything that was written so far.
    #[must_use]
    pub fn contents(&self) -> Vec<u8> {
        self.0.contents().to_vec()
    }
}

impl Default for Captured {
    fn default() -> Captured {
        Captured(MemoryOutputPipe::new(usize::MAX))
    }
}

impl FromStr for Input {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Input, Infallible> {
        Ok(match text {
            "none" => Input::None,
            "inherit" | "-" => Input::Inherit,
            path => Input::File(path.into()),
        })
    }
}

impl FromStr for Output {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Output, Infallible> {
        Ok(match text {
            "none" => Output::None,
            "inherit" | "-" => Output::Inherit,
            path => Output::File(path.into()),
        })
    }
}

impl Input {
    /// The file it comes from, if it is one.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        match self {
            Input::File(path) => Some(path),
            Input::None | Input::Inherit | Input::Bytes(_) => None,
        }
    }

    /// Makes this the stdin of a component.
    pub(super) fn give(self, builder: &mut WasiCtxBuilder) -> Result<(), HostError> {
        match self {
            Input::None => {}
            Input::Inherit => drop(builder.inherit_stdin()),
            Input::File(path) => {
                let file = open_to_read(&path).map_err(cannot_open("stdin", &path))?;
                builder.stdin(InputFile::new(file));
            }
            Input::Bytes(bytes) => drop(builder.stdin(MemoryInputPipe::new(bytes))),
        }
        Ok(())
    }
}

impl Output {
    /// The file it goes to, if it is one.
    pub(super) fn file(&self) -> Option<&PathBuf> {
        match self {
            Output::File(path) => Some(path),
            Output::None | Output::Inherit | Output::Captured(_) => None,
        }
    }

    /// Makes this the stdout of a component.
    pub(super) fn give_stdout(self, builder: &mut WasiCtxBuilder) -> Result<(), HostError> {
        if let Some(stream) = self.open("stdout", wasmtime_wasi::cli::stdout())? {
            builder.stdout(stream);
        }
        Ok(())
    }

    /// Makes this the stderr of a component.
    pub(super) fn give_stderr(self, builder: &mut WasiCtxBuilder) -> Result<(), HostError> {
        if let Some(stream) = self.open("stderr", wasmtime_wasi::cli::stderr())? {
            builder.stderr(stream);
        }
        Ok(())
    }

    fn open(
        self,
        name: &'static str,
        inherited: impl StdoutStream + Sync + 'static,
    ) -> Result<Option<Box<dyn StdoutStream + Sync>>, HostError> {
        Ok(Some(match self {
            Output::None => return Ok(None),
            Output::Inherit => Box::new(inherited),
            Output::File(path) => {
                Box::new(OutputFile::new(File::create(&path).map_err(cannot_open(name, &path))?))
            }
            Output::Captured(Captured(pipe)) => Box::new(pipe),
        }))
    }
}

/// A directory can be opened, but not read.
fn open_to_read(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    Ok(file)
}

fn cannot_open(stream: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HostError {
    let path = path.to_owned();
    move |source| HostError::Stream { stream, path, source }
}
