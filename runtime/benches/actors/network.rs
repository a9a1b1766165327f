//! Actors on the network: requests that they answer, and many that wait for answers at once.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use theater_runtime::Spec;
use theater_runtime::manifest::{HttpClientHandler, HttpServer, HttpServerHandler};

use super::{CLIENTS, Stage, Times};

/// How many requests each client sends.
const TIMES: usize = 3_000;
/// How many actors wait at once, and how long each.
const WAITING: usize = 1_000;
const WAIT: Duration = Duration::from_secs(1);

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n";

/// An actor that serves and sends requests.
fn web(component: Vec<u8>, keeps_chains: bool) -> Spec {
    let mut spec = Spec::new("web", component);
    spec.handlers.http_client =
        Some(HttpClientHandler { ca: None, restriction: Default::default() });
    spec.handlers.http_server = Some(HttpServerHandler {
        port: None,
        host: "127.0.0.1".to_owned(),
        tls: None,
        restriction: HttpServer::default(),
    });
    spec.chain.keep = keeps_chains;
    spec
}

/// Has clients send requests to one actor each, over connections that stay open.
pub(super) fn serving(component: &[u8], keeps_chains: bool) -> Times {
    let stage = Stage::of(web(component.to_vec(), keeps_chains));
    let ports: Vec<u16> = (0..CLIENTS).map(|_| serve(&stage)).collect();
    let client = |port: u16| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        (0..TIMES / 20).for_each(|_| exchange(&mut stream));
        let start = Instant::now();
        let taken: Vec<Duration> = (0..TIMES)
            .map(|_| {
                let before = Instant::now();
                exchange(&mut stream);
                before.elapsed()
            })
            .collect();
        (start.elapsed(), taken)
    };
    let runs: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            ports.into_iter().map(|port| scope.spawn(move || client(port))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    Times::of(runs)
}

/// Has an actor serve on a free port, which is returned.
fn serve(stage: &Stage) -> u16 {
    let id = stage.spawn();
    let commands = b"create 127.0.0.1 0\nregister count\nroute 1 GET / 1\nstart 1";
    let answer = stage.answer(id, commands);
    answer.lines().last().and_then(|port| port.parse().ok()).expect("it serves")
}

/// Sends a request and reads the answer, whose head says how long its body is.
fn exchange(stream: &mut TcpStream) {
    stream.write_all(REQUEST).unwrap();
    let (mut received, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).unwrap();
        assert_ne!(count, 0, "the server has hung up");
        received.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&received);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let length = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = length.map(|(_, length)| length.parse().unwrap()).next().unwrap();
        if body.len() >= length {
            return;
        }
    }
}

/// Has actors ask a server that takes its time, all at once. Returns how long all of it takes.
pub(super) fn waiting(component: &[u8], keeps_chains: bool) -> Duration {
    let stage = Stage::of(web(component.to_vec(), keeps_chains));
    let ids: Vec<_> = (0..WAITING).map(|_| stage.spawn()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let fetch = format!("fetch GET http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().take(WAITING) {
            let stream = stream.unwrap();
            std::thread::Builder::new().stack_size(64 << 10).spawn(move || late(stream)).unwrap();
        }
    });
    let start = Instant::now();
    let (stage, fetch) = (&stage, fetch.as_bytes());
    std::thread::scope(|scope| {
        for id in ids {
            let ask = move || assert_eq!(stage.answer(id, fetch), "200 4 late");
            let thread = std::thread::Builder::new().stack_size(128 << 10);
            thread.spawn_scoped(scope, ask).unwrap();
        }
    });
    start.elapsed()
}

/// How long the actors would take if waiting were all.
pub(super) const LEAST: Duration = WAIT;

fn late(mut stream: TcpStream) {
    let mut request = [0; 1024];
    let _ = stream.read(&mut request);
    std::thread::sleep(WAIT);
    let _ =
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nlate");
}
