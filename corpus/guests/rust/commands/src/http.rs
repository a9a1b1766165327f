//! One request and its whole response, through `wasi:http/outgoing-handler`.

use std::fmt;
use std::io::{Read, Write};

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    ErrorCode, Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};

/// What a server answered.
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

/// Why there is no response.
#[derive(Debug)]
pub enum HttpError {
    /// The address cannot be asked for.
    Address,
    /// The host does not let this guest send it.
    Denied(ErrorCode),
    /// It was sent, or nearly, and came to nothing.
    Failed(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HttpError::Address => f.write_str("not an http or https address"),
            HttpError::Denied(code) => write!(f, "denied: {}", name(code)),
            HttpError::Failed(what) => f.write_str(what),
        }
    }
}

impl Response {
    /// The first header of this name as text.
    pub fn header(&self, name: &str) -> Option<String> {
        let (_, value) = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

/// Asks for what is at an address.
pub fn get(address: &str) -> Result<Response, HttpError> {
    send(&Method::Get, address, None)
}

/// Sends JSON to an address.
pub fn post_json(address: &str, body: &str) -> Result<Response, HttpError> {
    send(&Method::Post, address, Some(body))
}

fn send(method: &Method, address: &str, body: Option<&str>) -> Result<Response, HttpError> {
    let request = request_to(address, body).ok_or(HttpError::Address)?;
    request.set_method(method).map_err(|()| failed("the method was refused"))?;
    let outgoing = request.body().map_err(|()| failed("there is no body to write"))?;
    let future = handle(request, None).map_err(from_code)?;
    if let Some(body) = body {
        let mut stream = outgoing.write().map_err(|()| failed("the body cannot be written"))?;
        // The host closes the stream as soon as it has all bytes that were announced, and at once
        // if it denies the request. The answer says which it was, so that a failure here says no
        // more, and there is nothing to flush.
        let _ = stream.write_all(body.as_bytes());
    }
    let _ = OutgoingBody::finish(outgoing, None);

    let pollable = future.subscribe();
    let answer = loop {
        if let Some(answer) = future.get() {
            break answer;
        }
        pollable.block();
    };
    let response = answer.map_err(|()| failed("the response was taken already"))?;
    read(&response.map_err(from_code)?)
}

/// A request with scheme, authority and path of this address.
fn request_to(address: &str, json: Option<&str>) -> Option<OutgoingRequest> {
    let (scheme, rest) = address.split_once("://")?;
    let scheme = match scheme {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return None,
    };
    let path_at = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(path_at);
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };

    let headers = Fields::new();
    if let Some(json) = json {
        headers.append("content-type", b"application/json").ok()?;
        headers.append("content-length", json.len().to_string().as_bytes()).ok()?;
    }
    let request = OutgoingRequest::new(headers);
    request.set_scheme(Some(&scheme)).ok()?;
    request.set_authority(Some(authority)).ok()?;
    request.set_path_with_query(Some(&path)).ok()?;
    Some(request)
}

fn read(response: &IncomingResponse) -> Result<Response, HttpError> {
    let incoming = response.consume().map_err(|()| failed("the body was taken already"))?;
    let mut stream = incoming.stream().map_err(|()| failed("the body cannot be read"))?;
    let mut body = Vec::new();
    stream.read_to_end(&mut body).map_err(failed)?;
    Ok(Response { status: response.status(), headers: response.headers().entries(), body })
}

fn from_code(code: ErrorCode) -> HttpError {
    match code {
        ErrorCode::HttpRequestDenied => HttpError::Denied(code),
        code => HttpError::Failed(name(&code)),
    }
}

fn failed(what: impl ToString) -> HttpError {
    HttpError::Failed(what.to_string())
}

/// The code in the words of the interface, without the name of the type.
fn name(code: &ErrorCode) -> String {
    format!("{code:?}").trim_start_matches("ErrorCode::").to_owned()
}
