//! `theater:simple/filesystem`: files below one folder.

mod folder;
#[cfg(test)]
mod tests;
mod trouble;

use std::sync::Arc;

use theater_record::Value;

use super::{decision, unknown};
use crate::host::{Service, ServiceCall};
use crate::trap::Failure;

pub(super) use folder::Folder;
pub(super) use trouble::Trouble;

/// The service for one instance of an actor.
pub(super) struct Filesystem(pub(super) Arc<Folder>);

impl Service for Filesystem {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let ServiceCall { function, args, decisions, .. } = call;
        let folder = &self.0;
        let (path, outcome) = match (function, &args[..]) {
            ("read-file", [Value::String(path)]) => {
                (path, folder.read(path).map(|content| Some(Value::Bytes(content))))
            }
            ("write-file", [Value::String(path), Value::Bytes(content)]) => {
                (path, folder.write(path, content).map(|()| None))
            }
            ("list-files", [Value::String(path)]) => {
                let list = |names: Vec<String>| names.into_iter().map(Value::String).collect();
                (path, folder.list(path).map(|names| Some(Value::List(list(names)))))
            }
            ("delete-file", [Value::String(path)]) => {
                (path, folder.delete_file(path).map(|()| None))
            }
            ("create-dir", [Value::String(path)]) => (path, folder.create_dir(path).map(|()| None)),
            ("delete-dir", [Value::String(path)]) => (path, folder.delete_dir(path).map(|()| None)),
            ("path-exists", [Value::String(path)]) => {
                (path, folder.exists(path).map(|exists| Some(Value::Bool(exists))))
            }
            (function, _) => return Err(unknown("filesystem", function)),
        };
        decisions.push(match &outcome {
            Ok(_) => decision(crate::host::Reason::Granted, "filesystem", path, ""),
            Err(trouble) => trouble.decision("filesystem", path),
        });
        let answer = match outcome {
            Ok(value) => Ok(value.map(Box::new)),
            Err(trouble) => {
                let error = format!("{function} {}: {trouble}", shown(path));
                Err(Some(Box::new(Value::String(error))))
            }
        };
        Ok(vec![Value::Result(answer)])
    }
}

/// A path as errors show it.
pub(super) fn shown(path: &str) -> String {
    match path.len() {
        0..=folder::PATH_BYTES_MAX => format!("{path:?}"),
        bytes => format!("(a path of {bytes} bytes)"),
    }
}
