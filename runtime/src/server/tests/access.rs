//! Who is let in, and what becomes of requests that make no sense.

use super::{Stage, code};
use crate::client::{Client, ClientError};
use crate::server::{Server, ServerError, Token};

const TOKEN: &str = "a-token-of-24-characters";

#[test]
fn a_server_with_a_token_answers_to_nothing_else() {
    let stage = Stage::with_token(Some(TOKEN));
    assert_eq!(stage.get("/v1/health")["status"], "ok");
    for wrong in [None, Some("a-token-of-24-character!"), Some("a-token-of-24-characters0")] {
        let token = wrong.map(|token| Token::new(token).unwrap());
        let client = Client::new(&stage.address.to_string(), token).unwrap();
        for path in ["/v1/health", "/openapi.json", "/v1/actors/x/events", "/nowhere"] {
            assert_eq!(code(client.bytes(path)), "unauthorized", "{wrong:?} {path}");
        }
    }
    let answer = stage.raw("GET /v1/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert!(answer.contains("\r\nwww-authenticate: Bearer\r\n"), "{answer}");
    // Who knows the token may come by any name, and from a page.
    let request = format!(
        "GET /v1/health HTTP/1.1\r\nhost: far.example\r\norigin: http://far.example\r\n\
         authorization: Bearer {TOKEN}\r\nconnection: close\r\n\r\n"
    );
    assert!(stage.raw(&request).starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_server_without_a_token_is_for_this_machine() {
    let stage = Stage::new();
    let said = |headers: &str| {
        let request = format!("POST /v1/shutdown HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        stage.raw(&request)
    };
    for headers in [
        "host: evil.example\r\n",
        "host: localhost\r\norigin: http://evil.example\r\n",
        "host: localhost\r\norigin: null\r\n",
        "host: localhost\r\nhost: evil.example\r\n",
    ] {
        let said = said(headers);
        let is_refused = said.starts_with("HTTP/1.1 403 ") || said.starts_with("HTTP/1.1 400 ");
        assert!(is_refused, "{headers}: {said}");
        assert!(!said.contains("access-control"), "{said}");
    }
    assert_eq!(stage.get("/v1/health")["status"], "ok", "nobody could stop it");
    let bound = Server::bind(stage.system.clone(), ([0, 0, 0, 0], 0).into(), None);
    assert!(matches!(bound, Err(ServerError::NoToken(_))));
}

#[test]
fn what_makes_no_sense_is_refused_with_a_code() {
    let stage = Stage::new();
    let id = stage.start();
    let get = |path: &str| code(stage.client.bytes(path));
    assert_eq!(get("/v1/nothing"), "not-found");
    assert_eq!(get("/v1/shutdown"), "method-not-allowed");
    assert_eq!(get("/v1/actors/nobody"), "no-actor");
    assert_eq!(get("/v1/actors/019aa8f2-6c50-7d3e-9a41-0242ac120002"), "no-actor");
    assert_eq!(get("/v1/tree?root=nobody"), "no-actor");
    assert_eq!(get("/v1/channels/none"), "no-channel");
    let of_it = |rest: &str| get(&format!("/v1/actors/{id}{rest}"));
    for rest in [
        "/events?limit=many",
        "/events?kind=surprise",
        "/events?since=tomorrow",
        "/events?unknown=1",
        "/events?from=2&to=1",
        "/events?function=*a*",
        "/state?at=-1",
        "/events?follow=perhaps",
    ] {
        assert_eq!(of_it(rest), "bad-request", "{rest}");
    }
    assert_eq!(of_it("/events?chain=2"), "no-chain");
    assert_eq!(of_it("/state?at=100000"), "no-event");
    let start = |body: &str| code(stage.client.post("/v1/actors", body.as_bytes().to_vec()));
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"path": "manifest.toml"}"#,
        r#"{"path": "/a", "text": ""}"#,
        r#"{"text": ""}"#,
        r#"{"path": "/no/such/manifest.toml"}"#,
        r#"{"path": "/a", "more": 1}"#,
        r#"{"path": "/a", "state": {"hex": "0"}}"#,
    ] {
        assert_eq!(start(body), "bad-request", "{body}");
    }
    assert_eq!(start(r#"{"path": "/a", "parent": "nobody"}"#), "no-actor");
    assert_eq!(start(r#"{"text": "nonsense", "base_dir": "/"}"#), "bad-manifest");
    assert_eq!(start(&stage.manifest("parrot = 1").to_string()), "bad-manifest");
}

#[test]
fn nobody_can_send_more_than_is_good() {
    let stage = Stage::new();
    let id = stage.start();
    let huge = format!(
        "POST /v1/actors/{id}/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-length: 99999999999\r\n\r\n{}",
        "x".repeat(9 << 20)
    );
    let said = stage.raw(&huge);
    // The connection may break before the answer was read.
    assert!(said.is_empty() || said.contains("\"too-large\""), "{said}");
    let large = stage.client.post(&format!("/v1/actors/{id}/messages"), vec![0; 2 << 20]);
    assert_eq!(code(large), "too-large", "the manifest allows 1 MiB");
    let said =
        stage.raw(&format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(1 << 20)));
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    assert_eq!(stage.ask(&id, "count"), "1", "none of it reached the actor");
}

#[test]
fn a_stranger_is_told_apart_from_a_server() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::new(&listener.local_addr().unwrap().to_string(), None).unwrap();
    let stranger = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").unwrap();
    });
    let said = client.get::<serde_json::Value>("/v1/health");
    assert!(matches!(said, Err(ClientError::Stranger { .. })), "{said:?}");
    stranger.join().unwrap();
    let gone = client.get::<serde_json::Value>("/v1/health");
    assert!(matches!(gone, Err(ClientError::Unreachable { .. })), "{gone:?}");
}
