//! The server as its clients see it: over real connections, with real actors.

mod access;
mod feeds;
mod resources;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::problem::Code;
use super::{Server, Token, routes};
use crate::client::{Client, ClientError, Refusal, actor_path};
use crate::machine;
use crate::system::{System, SystemOptions};

/// Longer than anything takes that works.
const SOON: Duration = Duration::from_secs(60);

/// A server with a folder of its own, for one test.
struct Stage {
    folder: TempDir,
    address: SocketAddr,
    system: System,
    client: Client,
    served: Option<JoinHandle<()>>,
}

impl Stage {
    fn new() -> Stage {
        Stage::with_token(None)
    }

    fn with_token(token: Option<&str>) -> Stage {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let system = System::new(SystemOptions {
            chains: folder.path().join("chains"),
            stores: folder.path().join("stores"),
            store: None,
            cache: Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tmp/home/cache")),
            clock: machine::clock(),
            random: Box::new(|| machine::random().expect("there is randomness")),
            log: Box::new(|_, _| {}),
        });
        let system = system.expect("the folder can be used");
        let token = token.map(|token| Token::new(token).expect("it is one"));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = Server::bind(system.clone(), address, token.clone()).expect("there are ports");
        let address = server.address().expect("it has one");
        let client = Client::new(&address.to_string(), token).expect("it is an address");
        let served = std::thread::spawn(move || {
            let stopped = server.run(|system, _| system.shutdown(SOON));
            stopped.expect("it could take connections");
        });
        Stage { folder, address, system, client, served: Some(served) }
    }

    /// Starts a messenger. What it does is said in `corpus/guests/rust/messenger/src/lib.rs`.
    fn start(&self) -> String {
        let answer = self.client.post("/v1/actors", self.manifest("").to_string().into_bytes());
        let actor: Value = self.client.parsed(&answer.expect("it is started")).expect("it is JSON");
        actor["id"].as_str().expect("it has an id").to_owned()
    }

    /// What starts a messenger, with more in its manifest.
    fn manifest(&self, more: &str) -> Value {
        let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/components");
        let component = component.canonicalize().expect("the corpus is there");
        let text = format!(
            "name = \"messenger\"\ncomponent = \"messenger.wasm\"\n{more}\n\
             [[handlers]]\ntype = \"runtime\"\n[[handlers]]\ntype = \"message-server\"\n"
        );
        json!({ "text": text, "base_dir": component })
    }

    fn get(&self, path: &str) -> Value {
        self.client.get(path).unwrap_or_else(|error| panic!("{path}: {error:?}"))
    }

    fn ask(&self, id: &str, message: &str) -> String {
        let path = actor_path(id, "/requests");
        let answer = self.client.post(&path, message.as_bytes().to_vec()).expect("it answers");
        String::from_utf8(answer).expect("it answers in text")
    }

    fn tell(&self, id: &str, message: &str) {
        let path = actor_path(id, "/messages");
        self.client.post(&path, message.as_bytes().to_vec()).expect("it takes messages");
    }

    /// What the server says to bytes that no client of ours would send.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it takes connections");
        stream.set_read_timeout(Some(SOON)).expect("there is such a time");
        // It may answer and close before it has read everything.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.client.post("/v1/shutdown?actors=end", Vec::new());
        if let Some(served) = self.served.take() {
            // Whether it has panicked is of interest only if the test has not.
            let ended = served.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server has panicked");
        }
    }
}

/// The code of a refusal.
#[track_caller]
fn code<T: std::fmt::Debug>(outcome: Result<T, ClientError>) -> String {
    match outcome {
        Err(ClientError::Refused(Refusal { code, .. })) => code,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn the_description_has_the_codes_and_the_paths_that_there_are() {
    let document: Value = serde_json::from_str(routes::OPENAPI).unwrap();
    let error = &document["components"]["schemas"]["error"]["properties"]["error"];
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    assert_eq!(error["properties"]["code"]["enum"], json!(codes));
    let described: BTreeSet<&str> =
        document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    let there: BTreeSet<&str> = routes::routes().into_iter().map(|(path, _)| path).collect();
    assert_eq!(described, there);
}

#[test]
fn the_description_has_the_methods_that_there_are() {
    let stage = Stage::new();
    let document = stage.get("/openapi.json");
    for (path, described) in document["paths"].as_object().unwrap() {
        if path == "/v1/shutdown" {
            continue;
        }
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let place = path.replace("{id}", "nobody");
            let stream = if path.ends_with("/events") { "?kind=none" } else { "" };
            let request = format!(
                "{method} {place}{stream} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\
                 connection: close\r\n\r\n"
            );
            let is_there = !stage.raw(&request).starts_with("HTTP/1.1 405 ");
            let is_described = described.get(method.to_lowercase()).is_some();
            assert_eq!(is_there, is_described, "{method} {path}");
        }
    }
}
