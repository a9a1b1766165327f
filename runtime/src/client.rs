//! A client of the management server that waits for each answer: for command lines.

mod events;

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

use crate::server::{PORT, Token};

pub(crate) use events::{Events, ServerEvent};

/// How long a server may take to take a connection.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// What a server answers is not larger than this.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// A client of one server.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Host and port, as they stand in a URL.
    address: String,
    token: Option<Token>,
}

/// Why there is no answer, or not the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// This is no address.
    #[error("{0:?} is not the address of a server, which looks like 127.0.0.1:{PORT}")]
    BadAddress(String),
    /// Nobody is there.
    #[error("no server answers at {address}")]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The connection broke.
    #[error("the server at {address} has broken off")]
    Broken {
        /// Where.
        address: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server says no.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// What answers is something else.
    #[error("what answers at {address} is no theater server")]
    Stranger {
        /// Where.
        address: String,
    },
}

/// Why a server has not done what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Refusal {
    /// What kind of reason it is.
    pub(crate) code: String,
    /// The reason for people.
    pub(crate) message: String,
}

#[derive(Deserialize)]
struct Refused {
    error: Refusal,
}

impl Client {
    /// A client of the server at an address: a host, perhaps with a port.
    pub(crate) fn new(address: &str, token: Option<Token>) -> Result<Client, ClientError> {
        let wrong = || ClientError::BadAddress(address.to_owned());
        let authority = address.strip_prefix("http://").unwrap_or(address).trim_end_matches('/');
        let uri: Uri = format!("http://{authority}/").parse().map_err(|_| wrong())?;
        let known = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let (Some(known), "/", None) = (known, uri.path(), uri.query()) else {
            return Err(wrong());
        };
        if known.host().is_empty() {
            return Err(wrong());
        }
        // A port that is none is not the usual one.
        let has_port = known.as_str().len() > known.host().len();
        let port = match known.port_u16() {
            Some(port) => port,
            None if has_port => return Err(wrong()),
            None => PORT,
        };
        Ok(Client { address: format!("{}:{port}", known.host()), token })
    }

    /// What stands at a path, as JSON.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.parsed(&self.ask(Method::GET, path, Vec::new())?)
    }

    /// What stands at a path, as it is.
    pub(crate) fn bytes(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        self.ask(Method::GET, path, Vec::new())
    }

    /// Hands something in, and takes the answer as it is.
    pub(crate) fn post(&self, path: &str, body: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        self.ask(Method::POST, path, body)
    }

    /// Has something ended or removed.
    pub(crate) fn delete(&self, path: &str) -> Result<Vec<u8>, ClientError> {
        self.ask(Method::DELETE, path, Vec::new())
    }

    /// Follows what goes on.
    pub(crate) fn follow(&self, path: &str) -> Result<Events, ClientError> {
        let runtime = self.runtime()?;
        let body = runtime.block_on(async {
            let response = self.send(Method::GET, path, Vec::new(), true).await?;
            if response.status() == StatusCode::OK {
                return Ok(response.into_body());
            }
            let status = response.status();
            let body = self.body(response).await?;
            Err(self.refused(status, &body))
        })?;
        Ok(Events::new(self.clone(), runtime, body))
    }

    /// An answer in JSON.
    pub(crate) fn parsed<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body)
            .map_err(|_| ClientError::Stranger { address: self.address.clone() })
    }

    fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> Result<Vec<u8>, ClientError> {
        self.runtime()?.block_on(async {
            let response = self.send(method, path, body, false).await?;
            let status = response.status();
            let body = self.body(response).await?;
            match status.is_success() {
                true => Ok(body),
                false => Err(self.refused(status, &body)),
            }
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        follows: bool,
    ) -> Result<Response<Incoming>, ClientError> {
        let connected = timeout(CONNECT_PATIENCE, TcpStream::connect(&self.address)).await;
        let stream = connected.map_err(|late| self.unreachable(late))?;
        let stream = TokioIo::new(stream.map_err(|error| self.unreachable(error))?);
        let shaken = http1::handshake(stream).await;
        let (mut sender, connection) = shaken.map_err(|error| self.broken(error))?;
        // It is driven by whoever waits for the answer, and ends with it.
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, &self.address)
            .header(header::USER_AGENT, concat!("theater/", env!("CARGO_PKG_VERSION")));
        if follows {
            request = request.header(header::ACCEPT, "text/event-stream");
        }
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, token.bearer());
        }
        let request = request.body(Full::new(Bytes::from(body)));
        let request = request.map_err(|error| self.broken(error))?;
        sender.send_request(request).await.map_err(|error| self.broken(error))
    }

    async fn body(&self, response: Response<Incoming>) -> Result<Vec<u8>, ClientError> {
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body =
            body.map_err(|source| ClientError::Broken { address: self.address.clone(), source })?;
        Ok(body.to_bytes().to_vec())
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> ClientError {
        match serde_json::from_slice(body) {
            Ok(Refused { error }) if !status.is_success() => ClientError::Refused(error),
            _ => ClientError::Stranger { address: self.address.clone() },
        }
    }

    fn runtime(&self) -> Result<Runtime, ClientError> {
        Builder::new_current_thread().enable_all().build().map_err(|error| self.unreachable(error))
    }

    fn unreachable(
        &self,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> ClientError {
        ClientError::Unreachable { address: self.address.clone(), source: error.into() }
    }

    fn broken(&self, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ClientError {
        ClientError::Broken { address: self.address.clone(), source: error.into() }
    }
}

/// Text as a part of a path or as the value of a parameter.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                out.push(byte.into());
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// The path of an actor, or of something of it.
pub(crate) fn actor_path(id: &str, rest: &str) -> String {
    // A dot would be taken for a part of the way.
    let id = encoded(id).replace('.', "%2E");
    format!("/v1/actors/{id}{rest}")
}

#[cfg(test)]
mod tests {
    use super::{Client, actor_path};

    #[test]
    fn no_id_leads_elsewhere() {
        assert_eq!(actor_path("019a-0", "/kill"), "/v1/actors/019a-0/kill");
        assert_eq!(actor_path("../a?b#c", ""), "/v1/actors/%2E%2E%2Fa%3Fb%23c");
    }

    #[test]
    fn addresses_are_read_with_and_without_a_port() {
        let address = |text: &str| Client::new(text, None).map(|client| client.address).ok();
        let with = |text: &str| Some(text.to_owned());
        assert_eq!(address("127.0.0.1:80"), with("127.0.0.1:80"));
        assert_eq!(address("localhost"), with("localhost:9000"));
        assert_eq!(address("http://localhost:1/"), with("localhost:1"));
        assert_eq!(address("[::1]"), with("[::1]:9000"));
        for wrong in ["", ":9000", "https://a", "a/b", "a b", "a:b", "u@a", "a:99999", "http://"] {
            assert_eq!(address(wrong), None, "{wrong:?}");
        }
    }
}
