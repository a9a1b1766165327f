//! Servers of actors, for clients that mean no good, and for handlers that answer what must not be sent.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use theater_runtime::End;

use super::{Plan, decisions, soon};
use crate::stage::browser::{ask, connect, exchange, get, raw, request};
use crate::stage::history::History;

const SOON: Duration = Duration::from_secs(20);

/// What a chain says was refused: what, as what, and how often that was so.
fn refusals(history: &History) -> Vec<(String, String, usize)> {
    let mut counts = BTreeMap::new();
    for decision in decisions(history, "http-server") {
        let Some(refused) = decision.strip_prefix("no: ") else { continue };
        let (what, why) = refused.split_once(" (").unwrap();
        let (why, from) = why.split_once(", ").unwrap();
        assert_eq!(from, "from 127.0.0.1 to server 1)");
        *counts.entry((what.to_owned(), why.to_owned())).or_insert(0) += 1;
    }
    counts.into_iter().map(|((what, why), count)| (what, why, count)).collect()
}

fn told((what, why, count): (&str, &str, usize)) -> (String, String, usize) {
    (what.to_owned(), why.to_owned(), count)
}

#[test]
fn what_is_too_large_is_refused() {
    let web = Plan { server: "max_request_bytes = \"1KiB\"", ..Plan::new() }.start();
    let port = web.serve(&["echo"], "route 1 * /{*all} 1");
    assert_eq!(ask(port, "POST", "/", &[], &"x".repeat(1024)).status, 200);
    assert_eq!(ask(port, "POST", "/", &[], &"x".repeat(1025)).status, 413);
    let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
    let chunked = |chunks: usize| {
        let head =
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        raw(port, format!("{head}{}0\r\n\r\n", chunk.repeat(chunks)).as_bytes()).unwrap().status
    };
    assert_eq!((chunked(1), chunked(2)), (200, 413));
    // Nobody waits for what is too much already.
    let huge =
        b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 999999999999\r\n\r\n";
    assert_eq!(raw(port, huge).unwrap().status, 413);
    let long = format!("x-long: {}", "x".repeat(63 << 10));
    assert_eq!(ask(port, "GET", "/", &[&long], "").status, 200);
    let longer = format!("x-long: {}", "x".repeat(66 << 10));
    assert_eq!(ask(port, "GET", "/", &[&longer], "").status, 431);
    let many: Vec<String> = (0..1001).map(|number| format!("x-{number}: 1")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(ask(port, "GET", "/", &many, "").status, 431);
    let endless = format!("/{}", "x".repeat(200 << 10));
    let status = raw(port, &request("GET", &endless, &[], "")).map(|reply| reply.status);
    assert!(matches!(status, None | Some(414 | 431)), "{status:?}");
    let expected = [
        ("GET /", "431 Request Header Fields Too Large", 1),
        ("POST /", "413 Payload Too Large", 3),
        // Nothing but that they are too large is known of these.
        ("what is no request", "431 Request Header Fields Too Large", 2),
    ];
    assert_eq!(refusals(&web.ends_and_replays()), expected.map(told));
}

#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    let web = Plan::new().start();
    let port = web.serve(&["echo"], "route 1 * /{*all} 1");
    let paths = [
        "/../secret",
        "/a/../b",
        "/a/%2e%2e/b",
        "/a/./b",
        "/a/%2E",
        "//a",
        "/a//b",
        "/a%5c..%5cb",
        "/a%2f..%2fb",
        "/admin%2Fusers",
        "/a%00",
        "/a%0d%0ab",
        "/%zz",
        "/%ff",
    ];
    for path in paths {
        assert_eq!(get(port, path).status, 400, "{path}");
    }
    let whole = |head: &str, body: &str| {
        raw(port, format!("{head}\r\nconnection: close\r\n\r\n{body}").as_bytes())
            .map(|it| it.status)
    };
    for head in [
        "GET / HTTP/1.1",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1, 2",
        "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +1",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity",
        "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked",
        "GET / HTTP/1.1\r\nhost: a\r\nx-bad : 1",
        "GET / HTTP/1.1\r\nhost: a\r\nx-bad: 1\r\n folded: 2",
        "GET / HTTP/1.1\r\nhost: a\r\nx: \u{1}",
    ] {
        assert_eq!(whole(head, "xy"), Some(400), "{head}");
    }
    let not_text = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: \xff\r\n\r\n";
    assert_eq!(raw(port, not_text).unwrap().status, 400);
    assert_eq!(whole("CONNECT a:1 HTTP/1.1\r\nhost: a", ""), Some(400));
    // Where both lengths are given, what follows is never taken for a request of its own.
    let lengths = ["content-length: 4\r\n", "transfer-encoding: chunked\r\n"];
    for lengths in [lengths.concat(), [lengths[1], lengths[0]].concat()] {
        let both = format!(
            "POST / HTTP/1.1\r\nhost: a\r\n{lengths}\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
        );
        let answers = String::from_utf8(exchange(connect(port), both.as_bytes())).unwrap();
        assert!(answers.starts_with("HTTP/1.1 ") && !answers.contains("smuggled"), "{answers}");
    }
    let history = web.ends_and_replays();
    let reached = decisions(&history, "http-server");
    assert!(reached.iter().all(|it| it.starts_with("no: ") || !it.contains("secret")));
    let refused = refusals(&history);
    for path in paths {
        assert!(refused.contains(&told((&format!("GET {path}"), "400 Bad Request", 1))), "{path}");
    }
    for other in [("CONNECT ", 1), ("GET /", 3), ("what is no request", 8)] {
        assert!(refused.contains(&told((other.0, "400 Bad Request", other.1))), "{refused:?}");
    }
    assert_eq!(refused.len(), paths.len() + 3);
}

#[test]
fn slow_clients_are_given_up() {
    let web = Plan { server: "timeout = \"1s\"", ..Plan::new() }.start();
    let port = web.serve(&["echo", "large"], "route 1 POST / 1\nroute 1 GET /large 2");
    let start = Instant::now();
    // A header that never ends, sent little by little.
    let mut dribbles = connect(port);
    let mut is_open = true;
    while is_open {
        assert!(start.elapsed() < SOON, "it may take its time for ever");
        is_open = dribbles.write_all(b"x").is_ok();
        std::thread::sleep(Duration::from_millis(20));
    }
    // A body that never comes.
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\nconnection: close\r\n\r\nabc";
    assert_eq!(raw(port, head).unwrap().status, 408);
    // A connection on which nothing is asked.
    assert!(exchange(connect(port), b"").is_empty());
    // An answer that nobody reads.
    let mut deaf = connect(port);
    deaf.write_all(&request("GET", "/large", &[], "")).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let received = exchange(deaf, b"").len();
    assert!(received < 8 << 20, "{received} bytes");
    assert!(start.elapsed() < SOON * 2);
    let expected =
        [("POST /", "408 Request Timeout", 1), ("what is no request", "408 Request Timeout", 1)];
    assert_eq!(refusals(&web.ends_and_replays()), expected.map(told));
}

#[test]
fn there_are_only_so_many_connections() {
    let web = Plan { server: "max_connections = 2", ..Plan::new() }.start();
    let port = web.serve(&["echo"], "route 1 GET / 1");
    let held: Vec<_> = (0..2)
        .map(|_| {
            let mut stream = connect(port);
            stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            assert!(stream.read(&mut [0; 1000]).unwrap() > 0);
            stream
        })
        .collect();
    assert_eq!(raw(port, b"").unwrap().status, 503);
    drop(held);
    soon("there is room again", || {
        raw(port, &request("GET", "/", &[], "")).is_some_and(|reply| reply.status == 200)
    });
    let expected = [("a connection", "503 Service Unavailable", 1)];
    assert_eq!(refusals(&web.ends_and_replays()), expected.map(told));
}

#[test]
fn a_handler_cannot_smuggle_headers_and_the_chain_says_that_it_tried() {
    let web = Plan::new().start();
    let port =
        web.serve(&["injection", "status"], "route 1 GET /injection 1\nroute 1 GET /status 2");
    let reply = get(port, "/injection");
    assert_eq!(
        (reply.status, reply.header("set-cookie"), reply.header("x-fine")),
        (500, None, None)
    );
    assert_eq!(get(port, "/status").status, 500);
    let history = web.ends_and_replays();
    let decisions = decisions(&history, "http-server");
    let denied: Vec<_> = decisions.iter().filter(|it| it.starts_with("no: ")).collect();
    assert_eq!(
        denied,
        [
            "no: GET /injection (the value of the header x-fine has control characters in it)",
            "no: GET /status (an answer has a status from 200 to 599, not 1000)",
        ]
    );
}

#[test]
fn a_kill_ends_what_waits_at_once() {
    let web =
        Plan { server: "timeout = \"60s\"", more: "[limits]\nmailbox = 2", ..Plan::new() }.start();
    let port = web.serve(&["spin"], "route 1 GET / 1");
    let is_killed = AtomicBool::new(false);
    let refused = AtomicUsize::new(0);
    // Who finds no room comes again, and may then find nobody.
    let comes = || loop {
        match raw(port, &request("GET", "/", &[], "")).map(|reply| reply.status) {
            Some(503) if !is_killed.load(Ordering::SeqCst) => {
                refused.fetch_add(1, Ordering::SeqCst);
            }
            status => return status,
        }
    };
    std::thread::scope(|scope| {
        let waits: Vec<_> = (0..4).map(|_| scope.spawn(comes)).collect();
        // One is being handled, two are in the mailbox, and there is no room for the fourth.
        soon("all wait", || web.stage.listed(web.id).waiting == 2);
        let before = refused.load(Ordering::SeqCst);
        soon("nobody is refused", || refused.load(Ordering::SeqCst) > before + 1);
        let start = Instant::now();
        is_killed.store(true, Ordering::SeqCst);
        web.stage.system.kill(web.id).unwrap();
        let answers: Vec<_> = waits.into_iter().filter_map(|wait| wait.join().unwrap()).collect();
        assert!(answers.iter().all(|status| matches!(status, 500 | 503)), "{answers:?}");
        assert!(answers.len() >= 3, "who waits is answered: {answers:?}");
        assert!(start.elapsed() < SOON);
    });
    assert_eq!(web.end(), End::Killed);
    soon("nobody listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    web.ends_and_replays();
}

#[test]
fn a_handler_that_takes_too_long_is_not_waited_for() {
    let web = Plan { server: "timeout = \"1s\"", ..Plan::new() }.start();
    let port = web.serve(&["spin"], "route 1 GET / 1");
    assert_eq!(get(port, "/").status, 504);
    web.stage.system.kill(web.id).unwrap();
    web.ends_and_replays();
}
