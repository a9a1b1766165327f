//! Connections to servers, kept for a while for the next request.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::hop::Hop;
use crate::host::{HttpScheme, IS_CLOSED, Origin, reaches};
use crate::services::http_types::{
    HEADERS_MAX, Malformed, READ_AHEAD_BYTES_MAX, Response, received,
};

/// How long a connection is kept that nobody uses. Many servers end theirs a little later.
const IDLE_MAX: Duration = Duration::from_secs(4);
/// How many unused connections are kept for one server.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// How long one address of a server is tried before the next one is.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

type Sender = SendRequest<Full<Bytes>>;

/// The connections of one actor.
pub(super) struct Connections {
    tls: TlsConnector,
    /// What must not be reached.
    closed: Option<SocketAddr>,
    idle: BTreeMap<Origin, Vec<(Sender, Instant)>>,
}

/// Why a request has no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSent {
    #[error("the name has no address: {0}")]
    Unknown(io::Error),
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("cannot speak TLS: {0}")]
    Tls(io::Error),
    #[error("{}", reasons(.0))]
    Http(#[from] hyper::Error),
    #[error("in the response, {0}")]
    Malformed(#[from] Malformed),
}

impl Connections {
    pub(super) fn new(tls: Arc<ClientConfig>, closed: Option<SocketAddr>) -> Connections {
        Connections { tls: tls.into(), closed, idle: BTreeMap::new() }
    }

    /// Sends a request and reads the whole response.
    pub(super) async fn send(&mut self, hop: &Hop, bytes_max: usize) -> Result<Response, NotSent> {
        self.forget_old();
        let mut message = hop.message();
        while let Some(mut sender) = self.take(&hop.origin) {
            match sender.try_send_request(message).await {
                Ok(response) => return self.receive(hop, sender, response, bytes_max).await,
                // The server has closed it meanwhile, and the request was not sent.
                Err(mut error) => match error.take_message() {
                    Some(unsent) => message = unsent,
                    None => return Err(error.into_error().into()),
                },
            }
        }
        let mut sender = self.connect(&hop.origin).await?;
        let response = sender.send_request(message).await?;
        self.receive(hop, sender, response, bytes_max).await
    }

    async fn receive(
        &mut self,
        hop: &Hop,
        mut sender: Sender,
        response: http::Response<Incoming>,
        bytes_max: usize,
    ) -> Result<Response, NotSent> {
        let (head, body) = response.into_parts();
        let headers = received(&head.headers)?;
        let body = read(body, bytes_max).await?;
        let is_switched = head.status == http::StatusCode::SWITCHING_PROTOCOLS;
        if !is_switched && sender.ready().await.is_ok() {
            let idle = self.idle.entry(hop.origin.clone()).or_default();
            idle.push((sender, Instant::now()));
            let surplus = idle.len().saturating_sub(IDLE_CONNECTIONS_MAX);
            idle.drain(..surplus);
        }
        let body = (!body.is_empty()).then_some(body);
        Ok(Response { status: head.status.as_u16(), headers, body })
    }

    fn take(&mut self, origin: &Origin) -> Option<Sender> {
        self.idle.get_mut(origin)?.pop().map(|(sender, _)| sender)
    }

    fn forget_old(&mut self) {
        for idle in self.idle.values_mut() {
            idle.retain(|(sender, since)| since.elapsed() < IDLE_MAX && !sender.is_closed());
        }
        self.idle.retain(|_, idle| !idle.is_empty());
    }

    async fn connect(&self, origin: &Origin) -> Result<Sender, NotSent> {
        let host = origin.host.trim_start_matches('[').trim_end_matches(']');
        let stream = connect(host, origin.port, self.closed).await?;
        match origin.scheme {
            HttpScheme::Http => start(stream).await,
            HttpScheme::Https => {
                let invalid = |error| NotSent::Tls(io::Error::other(error));
                let name = ServerName::try_from(host.to_owned()).map_err(invalid)?;
                start(self.tls.connect(name, stream).await.map_err(NotSent::Tls)?).await
            }
        }
    }
}

/// Tries each address of a server.
async fn connect(host: &str, port: u16, closed: Option<SocketAddr>) -> Result<TcpStream, NotSent> {
    let addresses = tokio::net::lookup_host((host, port)).await.map_err(NotSent::Unknown)?;
    let mut last = io::Error::other("there is no address for this name");
    for address in addresses {
        if closed.is_some_and(|closed| reaches(address, closed)) {
            last = io::Error::new(io::ErrorKind::PermissionDenied, IS_CLOSED);
            continue;
        }
        match tokio::time::timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Small requests should not wait for more to be sent. Without it, they only take longer.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(NotSent::Connect(last))
}

/// Starts to speak HTTP. The work on the connection ends once nobody sends on it any more.
async fn start<S>(stream: S) -> Result<Sender, NotSent>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut builder = http1::Builder::new();
    builder.max_headers(HEADERS_MAX).max_buf_size(READ_AHEAD_BYTES_MAX);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender)
}

async fn read(mut body: Incoming, bytes_max: usize) -> Result<Vec<u8>, NotSent> {
    let mut bytes = Vec::new();
    let too_large = || NotSent::Malformed(Malformed::BodyTooLarge(bytes_max));
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    while let Some(frame) = body.frame().await {
        // What follows a body besides are trailers, which are left out.
        let Ok(data) = frame?.into_data() else { continue };
        if bytes.len() + data.len() > bytes_max {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// An error with what has caused it.
fn reasons(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
