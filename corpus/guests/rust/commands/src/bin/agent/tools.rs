//! What the agent can do besides thinking: each tool takes a step's members and says what came of it.

use std::fs;

use guest_commands::digest::digest;
use guest_commands::http::{self, HttpError};

use crate::json::Json;

/// How a step ended, in words that go into the log and back to the model.
pub(crate) enum Outcome {
    Done(String),
    Denied(String),
    Failed(String),
}

/// Does one step of the plan.
pub(crate) fn take(step: &Json) -> Outcome {
    let member = |name: &str| step.text(name).unwrap_or_default();
    match member("tool") {
        "read" => read(member("path")),
        "write" => write(member("path"), member("text")),
        "list" => list(member("path")),
        "get" => get(member("url")),
        "post" => post(member("url"), step.get("json").unwrap_or(&Json::Null)),
        other => Outcome::Failed(format!("there is no tool `{other}`")),
    }
}

fn read(path: &str) -> Outcome {
    match fs::read(path) {
        Ok(bytes) => Outcome::Done(format!("{} bytes, {:016x}", bytes.len(), digest(&bytes))),
        Err(error) => of_io(path, &error),
    }
}

fn write(path: &str, text: &str) -> Outcome {
    match fs::write(path, text) {
        Ok(()) => Outcome::Done(format!("{} bytes written", text.len())),
        Err(error) => of_io(path, &error),
    }
}

fn list(path: &str) -> Outcome {
    let entries = fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    });
    match entries {
        Ok(names) => {
            let mut names: Vec<String> = names;
            names.sort();
            Outcome::Done(names.join(", "))
        }
        Err(error) => of_io(path, &error),
    }
}

fn get(url: &str) -> Outcome {
    match http::get(url) {
        Ok(response) => of_response(&response),
        Err(error) => of_http(url, &error),
    }
}

fn post(url: &str, json: &Json) -> Outcome {
    match http::post_json(url, &json.to_string()) {
        Ok(response) => of_response(&response),
        Err(error) => of_http(url, &error),
    }
}

fn of_response(response: &http::Response) -> Outcome {
    let text = String::from_utf8_lossy(&response.body);
    let words = format!("status {}: {}", response.status, text.trim_end());
    if response.status < 400 { Outcome::Done(words) } else { Outcome::Failed(words) }
}

fn of_http(url: &str, error: &HttpError) -> Outcome {
    match error {
        HttpError::Denied(_) => Outcome::Denied(format!("{url}: {error}")),
        HttpError::Address | HttpError::Failed(_) => Outcome::Failed(format!("{url}: {error}")),
    }
}

/// A path outside of every folder that was given is not denied in so many words: the library that
/// looks for the folder does not find one.
fn of_io(path: &str, error: &std::io::Error) -> Outcome {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    let outside = error.to_string().contains("no pre-opened file descriptor");
    match error.kind() {
        PermissionDenied | ReadOnlyFilesystem => Outcome::Denied(format!("{path}: {error}")),
        _ if outside => Outcome::Denied(format!("{path}: not in a folder that was given")),
        _ => Outcome::Failed(format!("{path}: {error}")),
    }
}
