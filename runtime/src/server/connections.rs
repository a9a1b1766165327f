//! Takes connections, a bounded number at a time, and gives up on clients that do not say what they want.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::stall::Stalls;

/// How many connections there are at a time; others wait to be taken.
const CONNECTIONS_MAX: usize = 2048;
/// How long a client may take to say what it wants.
const HEADERS_PATIENCE: Duration = Duration::from_secs(20);
/// How long a client may read nothing of what waits for it. Somebody may look at a stream page by page.
const READ_PATIENCE: Duration = Duration::from_secs(600);
/// How long to wait when the system has no more connections to give.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until something comes to pass. Those that are left are handed back.
pub(super) async fn accept(
    listener: TcpListener,
    routes: Router,
    until: impl Future<Output = ()>,
) -> GracefulShutdown {
    let connections = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let next = async || {
        let place = Arc::clone(&room).acquire_owned().await;
        (place, listener.accept().await)
    };
    tokio::pin!(until);
    loop {
        let (place, accepted) = tokio::select! {
            () = &mut until => return connections,
            next = next() => next,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(EXHAUSTED_PAUSE).await;
            continue;
        };
        // Answers are small and wanted at once.
        let _ = stream.set_nodelay(true);
        let stream = Stalls::new(stream, READ_PATIENCE, Arc::default());
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(HEADERS_PATIENCE);
        let service = TowerToHyperService::new(routes.clone());
        let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(async move {
            // A client that is gone is no trouble of the server's.
            let _ = connection.await;
            drop(place);
        });
    }
}
