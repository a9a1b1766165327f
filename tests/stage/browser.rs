//! Clients of an actor's servers: bytes go out as they are given, and what comes back is read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What a server has answered.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Lines.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    fn of(bytes: &[u8]) -> Option<Reply> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Reply { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(|(it, _)| it.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

pub(crate) fn connect(port: u16) -> TcpStream {
    if_there(port).expect("somebody listens")
}

fn if_there(port: u16) -> Option<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    Some(stream)
}

/// Sends bytes and reads all that comes back until the server closes. Who is cut off gets what there was.
pub(crate) fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(bytes);
    let (mut received, mut buffer) = (Vec::new(), [0; 64 << 10]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return received,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the server does not close")
            }
            Err(_) => return received,
        }
    }
}

/// What is answered to such bytes, if anything.
pub(crate) fn raw(port: u16, bytes: &[u8]) -> Option<Reply> {
    Reply::of(&exchange(if_there(port)?, bytes))
}

/// A request in one piece. Headers are lines.
pub(crate) fn request(method: &str, path: &str, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n");
    for header in headers {
        text.push_str(&format!("{header}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    format!("{text}\r\n{body}").into_bytes()
}

#[track_caller]
pub(crate) fn ask(port: u16, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
    let request = request(method, path, headers, body);
    raw(port, &request).unwrap_or_else(|| panic!("{method} {path} is not answered"))
}

#[track_caller]
pub(crate) fn get(port: u16, path: &str) -> Reply {
    ask(port, "GET", path, &[], "")
}

/// The same over TLS, trusting this certificate.
pub(crate) fn get_tls(port: u16, path: &str, trusted: &str) -> Result<Reply, String> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(session, connect(port));
    stream.flush().map_err(|error| error.to_string())?;
    let answer = exchange(stream, &request("GET", path, &[], ""));
    Reply::of(&answer).ok_or_else(|| "no answer".to_owned())
}
