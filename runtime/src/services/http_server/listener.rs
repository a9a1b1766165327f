//! Listening: connections are accepted, put under TLS where that is wanted, and served until the server
//! stops or the actor is gone.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener as StdListener};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::request::Visit;
use super::site::Site;
use crate::services::http_types::{HEADERS_MAX, READ_AHEAD_BYTES_MAX};
use crate::stall::Stalls;

/// How long a connection may still be written to once the actor is gone.
pub(super) const GRACE: Duration = Duration::from_secs(1);
/// How long to wait before the next connection is accepted when the system gives no more.
const PAUSE: Duration = Duration::from_millis(50);
/// How often a port is tried that an earlier life of the actor is about to leave, and the time between.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// What is said to a client for whom there is no connection left.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// What the chain calls what is refused before it is a request.
const CONNECTION: &str = "a connection";
const NO_TLS: &str = "a connection without TLS";
const NO_REQUEST: &str = "what is no request";

/// How far a server has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It listens.
    Serving,
    /// It answers what has begun.
    Stopping,
    /// The actor is gone.
    Gone,
}

/// A server that listens. Dropping it ends it at once.
pub(super) struct Listener {
    pub(super) address: SocketAddr,
    phase: watch::Sender<Phase>,
    accepts: JoinHandle<()>,
}

/// Who accepts connections.
struct Door {
    site: Arc<Site>,
    tls: Option<TlsAcceptor>,
    places: Arc<Semaphore>,
    phase: watch::Receiver<Phase>,
}

impl Listener {
    /// Starts to listen.
    pub(super) fn start(
        edge: &Handle,
        site: Arc<Site>,
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        places: Arc<Semaphore>,
    ) -> io::Result<Listener> {
        let listener = bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let _inside = edge.enter();
        let listener = TcpListener::from_std(listener)?;
        let (phase, phases) = watch::channel(Phase::Serving);
        let door = Door { site, tls: tls.map(TlsAcceptor::from), places, phase: phases };
        let accepts = edge.spawn(door.keep(listener));
        Ok(Listener { address, phase, accepts })
    }

    /// Stops to listen. Once what is returned is done, nobody does any more.
    pub(super) async fn stop(mut self) {
        self.phase.send_replace(Phase::Stopping);
        // It cannot fail but by a panic, and then nobody listens either.
        let _ = (&mut self.accepts).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if *self.phase.borrow() == Phase::Serving {
            self.phase.send_replace(Phase::Gone);
        }
        self.accepts.abort();
    }
}

/// The next phase, once the server does not listen any more.
pub(super) async fn changes(phase: &mut watch::Receiver<Phase>) -> Phase {
    match phase.wait_for(|phase| *phase != Phase::Serving).await {
        Ok(phase) => *phase,
        Err(_) => Phase::Gone,
    }
}

fn bind(address: SocketAddr) -> io::Result<StdListener> {
    for _ in 1..TRIES {
        match StdListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                std::thread::sleep(BETWEEN_TRIES);
            }
            outcome => return outcome,
        }
    }
    StdListener::bind(address)
}

impl Door {
    /// Accepts connections until the server stops.
    async fn keep(mut self, listener: TcpListener) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = changes(&mut self.phase) => return,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer.ip()),
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    fn admit(&self, mut stream: TcpStream, peer: IpAddr) {
        let Ok(place) = self.places.clone().try_acquire_owned() else {
            self.site.note(CONNECTION, peer, StatusCode::SERVICE_UNAVAILABLE);
            if self.tls.is_none() {
                // Whatever cannot be written at once, nobody waits for.
                tokio::spawn(async move {
                    let said = async {
                        stream.write_all(NO_PLACE).await?;
                        stream.shutdown().await
                    };
                    let _ = tokio::time::timeout(GRACE, said).await;
                });
            }
            return;
        };
        // Small answers should not wait for more to be sent. Without it, they only take longer.
        let _ = stream.set_nodelay(true);
        let (site, phase) = (self.site.clone(), self.phase.clone());
        let is_asking = Arc::new(AtomicBool::new(false));
        let stream = Stalls::new(stream, site.patience(), is_asking.clone());
        let visit = Visit { site, peer, phase, is_asking, _place: Arc::new(place) };
        match self.tls.clone() {
            None => drop(tokio::spawn(serve(visit, stream))),
            Some(tls) => drop(tokio::spawn(serve_tls(visit, tls, stream))),
        }
    }
}

async fn serve_tls(mut visit: Visit, tls: TlsAcceptor, stream: Stalls<TcpStream>) {
    let patience = visit.site.patience();
    let agreed = tokio::select! {
        agreed = tokio::time::timeout(patience, tls.accept(stream)) => agreed,
        _ = changes(&mut visit.phase) => return,
    };
    match agreed {
        Ok(Ok(stream)) => serve(visit, stream).await,
        Ok(Err(_)) => visit.site.note(NO_TLS, visit.peer, StatusCode::BAD_REQUEST),
        Err(_) => visit.site.note(NO_TLS, visit.peer, StatusCode::REQUEST_TIMEOUT),
    }
}

/// As what a request is refused that could not be read, if that is what has ended a connection.
fn refused(error: &hyper::Error, visit: &Visit) -> Option<StatusCode> {
    let is_asking = visit.is_asking.load(Ordering::Relaxed);
    if error.is_parse_too_large() {
        Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
    } else if error.is_parse() {
        Some(StatusCode::BAD_REQUEST)
    } else if error.is_timeout() && is_asking {
        // One on which nobody asks may be given up without a word.
        Some(StatusCode::REQUEST_TIMEOUT)
    } else {
        None
    }
}

/// Serves one connection: one request after another, perhaps a WebSocket in the end.
async fn serve<S>(visit: Visit, stream: S)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (mut phase, visitor) = (visit.phase.clone(), visit.clone());
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(visit.site.patience())
        .max_headers(HEADERS_MAX)
        .max_buf_size(READ_AHEAD_BYTES_MAX);
    let service = service_fn(move |request| {
        let visit = visit.clone();
        async move { Ok::<_, Infallible>(visit.answer(request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    let mut connection = pin!(connection);
    // A client that breaks off, or breaks the rules, is told so by the connection's end.
    let phase = tokio::select! {
        ended = connection.as_mut() => {
            if let Some(status) = ended.err().and_then(|error| refused(&error, &visitor)) {
                visitor.site.note(NO_REQUEST, visitor.peer, status);
            }
            return;
        }
        phase = changes(&mut phase) => phase,
    };
    connection.as_mut().graceful_shutdown();
    match phase {
        Phase::Gone => drop(tokio::time::timeout(GRACE, connection).await),
        Phase::Serving | Phase::Stopping => drop(connection.await),
    }
}
