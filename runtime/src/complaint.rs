//! Errors as people see them on the command line: one sentence, and what to try.

use std::fmt;
use std::io;
use std::path::Path;

use anyhow::{Error, anyhow};

use crate::component::ComponentError;
use crate::escape::{argument, visible};
use crate::world::WorldError;

/// An error that comes with a piece of advice, shown as `try: ...`.
pub fn advised(error: Error, advice: impl Into<String>) -> Error {
    Error::new(Advised { error, advice: advice.into() })
}

#[derive(Debug)]
struct Advised {
    error: Error,
    advice: String,
}

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Advised {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// An error as people see it: one line with its causes, one line with the advice.
#[must_use]
pub fn complaint(error: &Error) -> String {
    let mut text = format!("error: {}\n", sentence(error));
    if let Some(advice) = error.chain().find_map(|cause| cause.downcast_ref::<Advised>()) {
        text = format!("{text}  try: {}\n", advice.advice);
    }
    // A message may quote a chain or the name of a file. Its line breaks are ours or another
    // library's, who draw pictures with them.
    visible(&text)
}

/// An error with its causes in one sentence.
#[must_use]
pub fn sentence(error: &Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        // Some errors already quote their cause.
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

/// Whether whoever reads the output has seen enough, as `head` does.
#[must_use]
pub fn is_broken_pipe(error: &Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Why the component in this file cannot be run, and what to try.
#[must_use]
pub fn not_runnable(error: ComponentError, path: &Path) -> Error {
    let shown = path.display();
    match error {
        ComponentError::Unreadable { source, .. } => unreadable(source, path),
        ComponentError::NotWasm => advised(
            anyhow!(
                "{shown} is not WebAssembly: its first bytes are not a module's or a component's"
            ),
            "build the component first, and name the .wasm file",
        ),
        ComponentError::Invalid(source) | ComponentError::World(WorldError::Unreadable(source)) => {
            advised(
                source.context(format!("{shown} is not a valid component")),
                "build it again: it was cut off or altered, or it is newer than this program",
            )
        }
        error @ (ComponentError::ForeignImports { .. } | ComponentError::NotAdaptable(_)) => {
            advised(
                Error::new(error).context(format!("{shown} cannot be made a component")),
                "build it as a component, for instance for the target wasm32-wasip2",
            )
        }
        error @ (ComponentError::World(_) | ComponentError::Compile(_)) => {
            Error::new(error).context(format!("{shown} cannot be run"))
        }
    }
}

fn unreadable(error: io::Error, path: &Path) -> Error {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            advised(anyhow!("there is no file {shown}"), "check the spelling, or look with ls")
        }
        io::ErrorKind::IsADirectory => advised(
            anyhow!("{shown} is a directory, not a component"),
            format!("name a file in it: ls {}", argument(path)),
        ),
        io::ErrorKind::PermissionDenied => advised(
            anyhow!("no permission to read {shown}"),
            "ask its owner, or copy it as its owner",
        ),
        _ => Error::new(error).context(format!("cannot read {shown}")),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::{advised, complaint};

    #[test]
    fn causes_and_advice_are_told_once() {
        let error = anyhow!("no space").context("the file a: no space").context("cannot write");
        let error = advised(error, "buy a disk");
        let expected = "error: cannot write: the file a: no space\n  try: buy a disk\n";
        assert_eq!(
            complaint(&error.context("outer")),
            expected.replace("error: ", "error: outer: ")
        );
    }

    #[test]
    fn nothing_in_a_message_steers_the_terminal() {
        let error = advised(anyhow!("there is no file \u{1b}[2Ja"), "look for \u{202e}a");
        let expected = "error: there is no file \\u{1b}[2Ja\n  try: look for \\u{202e}a\n";
        assert_eq!(complaint(&error), expected);
    }
}
