//! The management server: the actors of a system over HTTP, for programs, for `curl`, and for the commands
//! of `theater`.
//!
//! Requests and answers are JSON or plain bytes, and what goes on comes as server-sent events.
//! `schemas/openapi-1.json` describes all of it. Nothing here makes an actor wait: events are read
//! from the files of chains, behind whoever writes them, at the pace of whoever reads.

mod access;
mod actors;
mod channels;
mod connections;
pub(crate) mod content;
mod events;
mod feed;
pub(crate) mod input;
pub(crate) mod listing;
mod managed;
mod messages;
mod problem;
mod routes;
mod signals;
#[cfg(test)]
mod tests;
mod views;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::system::System;

use managed::Managed;
pub(crate) use signals::Signals;

pub use access::{Token, TokenError};
pub(crate) use managed::Farewell;

/// The port of a server that is not told another.
pub(crate) const PORT: u16 = 9000;

/// How long requests that are under way get to be answered when the server stops.
const LAST_ANSWERS: Duration = Duration::from_secs(2);
/// How many threads wait for actors and files.
const BLOCKING_THREADS_MAX: usize = 512;

/// A server that has its address and takes no requests yet.
pub struct Server {
    listener: TcpListener,
    runtime: Runtime,
    managed: Managed,
}

/// How a server came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// With all that belongs to it.
    InOrder,
    /// In the middle of that.
    AtOnce,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be had.
    #[error("cannot listen on {address}")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Whoever reaches this address could do everything.
    #[error("a server on {0} can be reached from other machines, so it needs a token")]
    NoToken(SocketAddr),
    /// The system gives no threads.
    #[error("cannot start the server's threads")]
    Threads(#[source] io::Error),
}

impl Server {
    /// A server for the actors of a system. An address that other machines can reach needs a token.
    pub fn bind(
        system: System,
        address: SocketAddr,
        token: Option<Token>,
    ) -> Result<Server, ServerError> {
        if token.is_none() && !address.ip().is_loopback() {
            return Err(ServerError::NoToken(address));
        }
        let failed = |source| ServerError::Address { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        if token.is_none() {
            system.close_address(listener.local_addr().map_err(failed)?);
        }
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2).max_blocking_threads(BLOCKING_THREADS_MAX);
        let runtime = builder.enable_all().build().map_err(ServerError::Threads)?;
        Ok(Server { listener, runtime, managed: Managed::new(system, token) })
    }

    /// The address that it has got.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until a signal or a request says that it is enough. Then all new requests are refused,
    /// `last` is done, and what is still under way is answered; a second signal cuts that short.
    pub(crate) fn run(
        self,
        last: impl FnOnce(&System, Farewell) + Send + 'static,
    ) -> io::Result<Stopped> {
        let Server { listener, runtime, managed } = self;
        let stopped = runtime.block_on(async {
            let mut signals = Signals::listen()?;
            let listener = tokio::net::TcpListener::from_std(listener)?;
            let routes = routes::router(managed.clone());
            let enough = async {
                tokio::select! {
                    () = signals.next() => {}
                    () = managed.asked_to_stop() => {}
                }
            };
            let connections = connections::accept(listener, routes, enough).await;
            let farewell = managed.close();
            let system = managed.system().clone();
            let ending = async {
                let _ = tokio::task::spawn_blocking(move || last(&system, farewell)).await;
                let _ = tokio::time::timeout(LAST_ANSWERS, connections.shutdown()).await;
            };
            tokio::select! {
                () = ending => Ok(Stopped::InOrder),
                () = signals.next() => Ok(Stopped::AtOnce),
            }
        });
        // A thread may still wait for an actor that never answers.
        runtime.shutdown_background();
        stopped
    }
}
