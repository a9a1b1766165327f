//! Servers that actors send requests to: each answers with bytes as they are given, and keeps what it
//! was asked.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A server. It stops when it is dropped.
pub(super) struct Elsewhere {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stops: Arc<AtomicBool>,
}

/// What becomes of a request, given its text.
type Answers = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

impl Elsewhere {
    /// Answers requests, and closes each connection afterwards. An empty answer is none: then the
    /// connection is left open for as long as the client likes.
    pub(super) fn start(answers: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Elsewhere {
        Elsewhere::listen(None, Arc::new(answers))
    }

    /// The same over TLS, with a certificate and its key in PEM.
    pub(super) fn start_tls(
        cert: &str,
        key: &str,
        answers: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static,
    ) -> Elsewhere {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        Elsewhere::listen(Some(Arc::new(config)), Arc::new(answers))
    }

    fn listen(tls: Option<Arc<ServerConfig>>, answers: Answers) -> Elsewhere {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, stops) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (all, stop) = (asked.clone(), stops.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, tls, answers, all) =
                    (stream.unwrap(), tls.clone(), answers.clone(), all.clone());
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                std::thread::spawn(move || match tls {
                    None => serve(stream, &answers, &all),
                    Some(tls) => {
                        let session = ServerConnection::new(tls).unwrap();
                        serve(StreamOwned::new(session, stream), &answers, &all);
                    }
                });
            }
        });
        Elsewhere { address, asked, stops }
    }

    /// Where it is, as `HOST:PORT`.
    pub(super) fn authority(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests that came so far.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::SeqCst);
        // It waits for somebody to come.
        drop(TcpStream::connect(self.address));
    }
}

/// A response with a body.
pub(super) fn response(status: u16, headers: &[&str], body: &str) -> Vec<u8> {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} Such\r\ncontent-length: {length}\r\nconnection: close\r\n");
    format!("{head}{headers}\r\n{body}").into_bytes()
}

fn serve(mut stream: impl Read + Write, answers: &Answers, asked: &Mutex<Vec<String>>) {
    let Some(request) = read(&mut stream) else { return };
    let answer = answers(&request);
    asked.lock().unwrap().push(request);
    if answer.is_empty() {
        let _ = stream.read(&mut [0]);
    } else {
        // Who hangs up in the middle is not the server's concern.
        let _ = stream.write_all(&answer).and_then(|()| stream.flush());
    }
}

/// A request with its body; `None` if nobody sends one.
fn read(stream: &mut impl Read) -> Option<String> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.trim().parse().unwrap())];
    stream.read_exact(&mut body).ok()?;
    Some(head + &String::from_utf8_lossy(&body))
}
