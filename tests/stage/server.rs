//! A small HTTP server on the loopback interface that counts who comes.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A server. It stops when it is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    stops: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

/// What somebody asks.
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// The server, as the one who asks calls it.
    pub(crate) host: String,
    pub(crate) body: String,
}

/// What the server answers: a status and a body.
pub(crate) type Answer = (u16, String);

impl Server {
    /// Starts to answer requests on a port of its own.
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, stops) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop) = (connections.clone(), stops.clone());
        let listener = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                count.fetch_add(1, Ordering::SeqCst);
                // Who hangs up in the middle is not the server's concern.
                let _ = serve(&stream.unwrap(), &answer);
            }
        });
        Server { address, connections, stops, listener: Some(listener) }
    }

    /// Where it is, as `HOST:PORT`.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// The address of something on it.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections were made to it so far.
    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::SeqCst);
        // It waits for somebody to come.
        drop(TcpStream::connect(self.address));
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

fn serve(stream: &TcpStream, answer: &impl Fn(&Request) -> Answer) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let request = read(&mut BufReader::new(stream))?;
    let (status, body) = answer(&request);
    let bytes = body.len();
    let head = format!(
        "HTTP/1.1 {status} Such\r\ncontent-type: text/plain\r\ncontent-length: {bytes}\r\n\
         connection: close\r\n\r\n"
    );
    // In one piece, so that it does not arrive in several.
    let mut stream = stream;
    stream.write_all((head + &body).as_bytes())
}

fn read(input: &mut impl BufRead) -> std::io::Result<Request> {
    let mut line = String::new();
    input.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut host, mut in_chunks) = (0, String::new(), false);
    loop {
        let mut header = String::new();
        input.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        match header.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap_or(0);
            }
            Some((name, value)) if name.eq_ignore_ascii_case("host") => {
                host = value.trim().to_owned();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("transfer-encoding") => {
                in_chunks = value.trim() == "chunked";
            }
            _ => {}
        }
    }
    let body = if in_chunks { read_chunks(input)? } else { read_bytes(input, length)? };
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Request { method, path, host, body })
}

fn read_bytes(input: &mut impl BufRead, length: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// A body whose length its sender did not know before. An empty chunk ends it.
fn read_chunks(input: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        input.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).unwrap_or(0);
        body.extend(read_bytes(input, length)?);
        input.read_line(&mut line)?;
        if length == 0 {
            return Ok(body);
        }
    }
}
