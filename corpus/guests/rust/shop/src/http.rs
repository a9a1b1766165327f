//! Requests to the shop's services, through `wasi:http/outgoing-handler`.

use std::fmt;

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{
    Fields, IncomingResponse, Method, OutgoingBody, OutgoingRequest, Scheme,
};
use wasip2::io::streams::StreamError;

/// How many bytes of a body are asked for at once.
const READ_BYTES: u64 = 16 * 1024;

/// Where the services are.
pub struct Client {
    authority: String,
}

/// Why a service did not do what it was asked to.
pub enum Failure {
    /// The shop does not know where its services are.
    NoAddress,
    /// The request did not come through.
    Unreachable,
    /// It was answered with this status.
    Status(u16),
    /// The answer makes no sense.
    Nonsense,
}

impl Failure {
    /// Whether it may work later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Failure::Status(503))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::NoAddress => f.write_str("SHOP_URL is no address"),
            Failure::Unreachable => f.write_str("the service cannot be reached"),
            Failure::Status(status) => write!(f, "the service answered with {status}"),
            Failure::Nonsense => f.write_str("the answer makes no sense"),
        }
    }
}

impl Client {
    pub fn from_environment() -> Result<Client, Failure> {
        let address = std::env::var("SHOP_URL").map_err(|_| Failure::NoAddress)?;
        let authority = address.strip_prefix("http://").ok_or(Failure::NoAddress)?;
        Ok(Client { authority: authority.to_owned() })
    }

    /// What is at this path.
    pub fn get(&self, path: &str) -> Result<String, Failure> {
        let headers = [("accept", "text/plain")];
        self.send(&Method::Get, path, &headers, |_| Ok(()))
    }

    /// Sends JSON to this path. Requests with equal keys are one request, sent several times.
    pub fn post(&self, path: &str, key: &str, json: &str) -> Result<(), Failure> {
        let headers = [
            ("accept", "text/plain"),
            ("content-type", "application/json"),
            ("idempotency-key", key),
        ];
        let write = |body: &OutgoingBody| write(body, json.as_bytes()); // on the way: float-format
        self.send(&Method::Post, path, &headers, write).map(drop)
    }

    /// Sends a request whose body is written by `write`, and waits for the whole answer.
    fn send(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        write: impl FnOnce(&OutgoingBody) -> Result<(), Failure>,
    ) -> Result<String, Failure> {
        let entries = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into()));
        let entries: Vec<(String, Vec<u8>)> = entries.collect();
        let fields = Fields::from_list(&entries).map_err(lost)?; // here: header; there: off-by-one
        let request = OutgoingRequest::new(fields);
        request.set_method(method).map_err(lost)?;
        request.set_scheme(Some(&Scheme::Http)).map_err(lost)?;
        request.set_authority(Some(&self.authority)).map_err(lost)?;
        request.set_path_with_query(Some(path)).map_err(lost)?; // here: tool-order

        let body = request.body().map_err(lost)?;
        let answer = handle(request, None).map_err(lost)?;
        write(&body)?;
        OutgoingBody::finish(body, None).map_err(lost)?;

        // Not asked for before it is there, so that it takes the same calls however long that is.
        answer.subscribe().block();
        match answer.get() {
            Some(Ok(Ok(response))) => read(&response),
            _ => Err(Failure::Unreachable),
        }
    }
}

fn write(body: &OutgoingBody, bytes: &[u8]) -> Result<(), Failure> {
    let stream = body.write().map_err(lost)?;
    stream.blocking_write_and_flush(bytes).map_err(lost) // here: float-format
}

/// The body of an answer that is as it should be.
fn read(response: &IncomingResponse) -> Result<String, Failure> {
    match response.status() {
        200 => {}
        status => return Err(Failure::Status(status)),
    }
    let body = response.consume().map_err(lost)?;
    let stream = body.stream().map_err(lost)?;
    let mut bytes = Vec::new();
    loop {
        match stream.blocking_read(READ_BYTES) {
            Ok(read) => bytes.extend(read),
            Err(StreamError::Closed) => break,
            Err(StreamError::LastOperationFailed(_)) => return Err(Failure::Unreachable),
        }
    }
    String::from_utf8(bytes).map_err(|_| Failure::Nonsense)
}

fn lost<E>(_: E) -> Failure {
    Failure::Unreachable
}
