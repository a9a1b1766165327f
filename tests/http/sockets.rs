//! WebSocket connections to actors.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, client};

use super::{Plan, Web, decisions, soon};
use crate::stage::browser::{ask, connect, get};

type Socket = WebSocket<TcpStream>;

fn open(port: u16, path: &str) -> Socket {
    client(format!("ws://localhost:{port}{path}"), connect(port)).unwrap().0
}

fn starts(server: &str) -> (Web, u16) {
    let web = Plan { server, ..Plan::new() }.start();
    let port = web.serve(&["echo", "count"], "socket 1 /ws/{room} 1\nroute 1 GET /count 2");
    (web, port)
}

/// Reads until the server has closed, and says why it did.
#[track_caller]
fn closing(socket: &mut Socket) -> Option<CloseCode> {
    let mut code = None;
    loop {
        match socket.read() {
            Ok(Message::Close(frame)) => code = frame.map(|frame| frame.code),
            Ok(_) => {}
            Err(Error::ConnectionClosed | Error::AlreadyClosed) => return code,
            Err(Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the server does not close")
            }
            Err(_) => return code,
        }
    }
}

#[test]
fn messages_come_back_in_order_and_the_chain_replays() {
    let (web, port) = starts("");
    let mut one = open(port, "/ws/a?who=me");
    let mut other = open(port, "/ws/b");
    for number in 0..50 {
        one.send(Message::text(format!("grün {number}"))).unwrap();
        other.send(Message::binary(vec![0, 255, number])).unwrap();
    }
    for number in 0..50 {
        assert_eq!(one.read().unwrap(), Message::text(format!("grün {number}")));
        assert_eq!(other.read().unwrap(), Message::binary(vec![0, 255, number]));
    }
    one.send(Message::Ping("x".into())).unwrap();
    assert_eq!(one.read().unwrap(), Message::Pong("x".into()));
    one.close(None).unwrap();
    closing(&mut one);
    soon("it hears of the end", || web.ask("heard").contains("closed"));
    let heard = web.ask("heard");
    assert!(heard.contains("1 opened /ws/a Some(\"who=me\")"), "{heard}");
    assert!(heard.contains("2 opened /ws/b None") && heard.ends_with("1 closed"), "{heard}");
    assert_eq!(
        web.ask("say 1 2 hello\nsay 1 1 hello\nsay 1 3 hello").lines().collect::<Vec<_>>(),
        [
            "said",
            "no: there is no WebSocket connection 1",
            "no: there is no WebSocket connection 3",
        ]
    );
    assert_eq!(other.read().unwrap(), Message::text("hello"));
    let hung_up = web.ask("hang-up 1 2\nhang-up 1 1\nhang-up 1 3");
    assert_eq!(hung_up, "closed\nclosed\nno: there is no WebSocket connection 3");
    assert_eq!(closing(&mut other), Some(CloseCode::Normal));
    soon("it hears of that end too", || web.ask("heard").ends_with("2 closed"));
    let history = web.ends_and_replays();
    let expected = "yes: GET /ws/a (from 127.0.0.1 to server 1, websocket 1)".to_owned();
    assert_eq!(decisions(&history, "http-server").iter().filter(|it| **it == expected).count(), 52);
}

#[test]
fn only_well_made_requests_are_taken_up() {
    let (web, port) = starts("");
    let of = |headers: &[&str], path: &str| ask(port, "GET", path, headers, "");
    let upgrade = ["upgrade: websocket", "connection: upgrade"];
    let key = "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
    let with = |more: &[&'static str], path: &str| of(&[&upgrade[..], more].concat(), path);
    assert_eq!(with(&[key], "/ws/a").status, 426);
    let reply = with(&[key, "sec-websocket-version: 8"], "/ws/a");
    assert_eq!((reply.status, reply.header("sec-websocket-version")), (426, Some("13")));
    assert_eq!(with(&["sec-websocket-version: 13"], "/ws/a").status, 400);
    let short = ["sec-websocket-version: 13", "sec-websocket-key: abc"];
    assert_eq!(with(&short, "/ws/a").status, 400);
    assert_eq!(with(&[key, "sec-websocket-version: 13"], "/other").status, 404);
    assert_eq!(get(port, "/ws/a").status, 404, "it is not for requests");
    assert_eq!(web.ask("heard"), "");
    web.ends_and_replays();
}

#[test]
fn middleware_decides_about_connections_too() {
    let web = Plan::new().start();
    let port = web.serve(&["echo", "guard"], "socket 1 /ws 1\nmiddleware 1 / 2");
    let refused = client(format!("ws://localhost:{port}/ws"), connect(port));
    assert!(refused.is_err());
    let request = "GET /ws HTTP/1.1\r\nhost: a\r\nx-key: 1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let mut stream = connect(port);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 300];
    let count = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..count]);
    // The example of RFC 6455.
    let accepted = "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains(accepted), "{answer}");
    drop(stream);
    web.ends_and_replays();
}

#[test]
fn what_is_too_large_or_breaks_the_rules_closes_the_connection() {
    let (web, port) = starts("");
    let mut large = open(port, "/ws/a");
    large.send(Message::binary(vec![0; 1 << 20])).unwrap();
    assert_eq!(large.read().unwrap().len(), 1 << 20);
    // The server may have closed before all of it was sent.
    let _ = large.send(Message::binary(vec![0; (1 << 20) + 1]));
    assert!(matches!(closing(&mut large), Some(CloseCode::Size) | None));
    let mut unmasked = open(port, "/ws/a");
    unmasked.get_mut().write_all(&[0x81, 0x01, b'x']).unwrap();
    assert!(matches!(closing(&mut unmasked), Some(CloseCode::Protocol) | None));
    let mut fragments = open(port, "/ws/a");
    // Two megabytes in pieces, each masked with zeros.
    let piece = [&[0x02, 0xff, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0][..], &vec![0; 1 << 19]].concat();
    let next = [&[0x00][..], &piece[1..]].concat();
    for piece in [&piece, &next, &next, &next] {
        let _ = fragments.get_mut().write_all(piece);
    }
    assert!(matches!(closing(&mut fragments), Some(CloseCode::Size) | None));
    soon("it hears of all the ends", || web.ask("heard").matches("closed").count() == 3);
    web.ends_and_replays();
}

#[test]
fn floods_hold_nobody_else_up() {
    let (web, port) = starts("timeout = \"2s\"");
    let mut floods = open(port, "/ws/a");
    floods.get_mut().set_nonblocking(true).unwrap();
    // Messages without end, and nobody reads what comes back.
    let frame = [&[0x82, 0xfe, 0x40, 0x00, 0, 0, 0, 0][..], &vec![0; 0x4000]].concat();
    let (mut sent, mut pauses) = (0, 0);
    while pauses < 20 && sent < 1 << 30 {
        match floods.get_mut().write(&frame[sent % frame.len()..]) {
            Ok(count) => sent += count,
            Err(_) => {
                pauses += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken from somebody who does not read");
    let mut asks = open(port, "/ws/b");
    asks.send(Message::text("repeat 30")).unwrap();
    for _ in 0..10 {
        assert_eq!(get(port, "/count").status, 200);
    }
    for _ in 0..30 {
        assert_eq!(asks.read().unwrap().len(), 100_000);
    }
    soon("who does not read is cut off", || web.ask("heard").contains("1 closed"));
    assert!(web.stage.listed(web.id).waiting < 10);
    drop(floods);
    web.ends_and_replays();
}

#[test]
fn connections_end_with_their_path_their_server_and_their_actor() {
    let (web, port) = starts("");
    let mut of_path = open(port, "/ws/a");
    soon("it is open", || web.ask("heard").contains("1 opened"));
    assert_eq!(web.ask("unsocket 1 /ws/{any}"), "disabled");
    assert_eq!(closing(&mut of_path), Some(CloseCode::Normal));
    assert!(client(format!("ws://localhost:{port}/ws/a"), connect(port)).is_err());
    assert_eq!(
        web.ask("unsocket 1 /ws/{any}"),
        "no: server 1 takes no WebSocket connections on /ws/{any}"
    );
    assert_eq!(web.ask("socket 1 /ws 1"), "enabled");
    let mut of_server = open(port, "/ws");
    soon("it is open", || web.ask("heard").contains("2 opened"));
    assert_eq!(web.ask("stop 1"), "stopped");
    assert_eq!(closing(&mut of_server), Some(CloseCode::Away));
    let port = web.ask("start 1").parse().unwrap();
    let mut of_actor = open(port, "/ws");
    soon("it is open", || web.ask("heard").contains("3 opened"));
    web.ends_and_replays();
    assert!(matches!(closing(&mut of_actor), Some(CloseCode::Away) | None));
}

#[test]
fn no_number_is_used_again_in_another_life_or_once_the_actor_is_back() {
    let (web, port) = starts("");
    let mut first = open(port, "/ws/a");
    soon("it is open", || web.ask("heard").contains("1 opened"));
    web.stage.system.restart(web.id).unwrap();
    closing(&mut first);
    let port = web.serve(&["echo"], "socket 1 /ws/{room} 1");
    let mut second = open(port, "/ws/a");
    soon("it is open", || web.ask("heard").contains("2 opened"));
    second.close(None).unwrap();
    closing(&mut second);
    soon("it is closed", || web.ask("heard").contains("2 closed"));
    let Web { stage, folder, id } = web;
    let web = Web { stage: stage.suspended_and_resumed(), folder, id };
    let _third = open(port, "/ws/a");
    soon("it is open", || web.ask("heard").contains("3 opened"));
    web.ends_and_replays();
}

#[test]
fn who_is_silent_is_asked_whether_he_is_there() {
    let (web, port) = starts("timeout = \"300ms\"");
    let mut silent = open(port, "/ws/a");
    assert!(matches!(silent.read(), Ok(Message::Ping(_))));
    // Reading on answers it.
    assert!(matches!(silent.read(), Ok(Message::Ping(_))));
    soon("who does not answer is gone", || web.ask("heard").contains("1 closed"));
    web.ends_and_replays();
}
