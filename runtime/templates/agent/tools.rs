//! What the agent can do, one function for each tool.

use serde_json::Value;

use crate::bindings::theater::simple::filesystem::{list_files, read_file, write_file};
use crate::bindings::theater::simple::http_client::{HttpRequest, send_http};
use crate::bindings::theater::simple::timing::now;

/// The names of all tools, for the model to choose from.
pub const NAMES: &[&str] = &["read-file", "write-file", "list-files", "fetch", "time"];

/// Does what the model has chosen, and returns what the model is told about it.
pub fn apply(call: &Value) -> Result<String, String> {
    match call["tool"].as_str() {
        Some("read-file") => read_file(text(call, "path")?).map(lossy),
        Some("write-file") => {
            write_file(text(call, "path")?, text(call, "content")?.as_bytes())?;
            Ok("written".to_owned())
        }
        Some("list-files") => list_files(text(call, "path")?).map(|names| names.join("\n")),
        Some("fetch") => fetch(text(call, "url")?),
        Some("time") => Ok(format!("{} ms since 1970", now())),
        Some(other) => Err(format!("there is no tool {other}")),
        None => Err("neither a tool nor an answer".to_owned()),
    }
}

fn fetch(url: &str) -> Result<String, String> {
    let response = send_http(&HttpRequest {
        method: "GET".to_owned(),
        uri: url.to_owned(),
        headers: Vec::new(),
        body: None,
    })?;
    Ok(format!(
        "status {}\n{}",
        response.status,
        lossy(response.body.unwrap_or_default())
    ))
}

fn text<'a>(call: &'a Value, argument: &str) -> Result<&'a str, String> {
    call[argument]
        .as_str()
        .ok_or_else(|| format!("the argument {argument} is missing"))
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}
