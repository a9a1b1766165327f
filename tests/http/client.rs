//! Requests of actors to servers elsewhere, which may mean no good.

use std::time::{Duration, Instant};

use theater_runtime::End;
use theater_runtime::server::Server;

use super::elsewhere::{Elsewhere, response};
use super::{Plan, decisions, soon};

fn says(text: &'static str) -> Elsewhere {
    Elsewhere::start(move |_| response(200, &[], text))
}

#[test]
fn a_response_is_recorded_and_replayed_without_the_server() {
    let server = says("sunny");
    let web = Plan::new().start();
    let url = server.url("/weather?in=here");
    assert_eq!(web.ask(&format!("fetch GET {url} x-a:1 x-b:2 x-a:3")), "200 5 sunny");
    assert_eq!(web.ask(&format!("fetch PUT {url}")), "200 5 sunny");
    let asked = server.asked();
    let authority = server.authority();
    let expected = format!(
        "GET /weather?in=here HTTP/1.1\r\nhost: {authority}\r\nx-a: 1\r\nx-a: 3\r\nx-b: 2\r\n\r\n"
    );
    assert_eq!(asked[0], expected);
    assert!(asked[1].starts_with("PUT ") && asked[1].ends_with("\r\n\r\nbody"), "{}", asked[1]);
    drop(server);
    let gone = web.ask(&format!("fetch GET {url}"));
    // Its listener goes a moment later than it does, so how it cannot be reached differs.
    let unreached = format!("no: http://{authority}: ");
    assert!(gone.starts_with(&unreached), "{gone}");
    let history = web.ends_and_replays();
    let expected = format!("yes: GET http://{authority} ()");
    assert_eq!(decisions(&history, "http-client")[0], expected);
}

#[test]
fn the_server_that_manages_all_actors_is_closed_to_them() {
    let web = Plan::new().start();
    let loopback = ([127, 0, 0, 1], 0).into();
    let server = Server::bind(web.stage.system.clone(), loopback, None).unwrap();
    let port = server.address().unwrap().port();
    for host in ["127.0.0.1", "localhost", "127.0.0.9", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]"] {
        let refused = web.ask(&format!("fetch GET http://{host}:{port}/v1/actors"));
        assert!(refused.contains("the server that manages all actors"), "{host}: {refused}");
    }
    web.ends_and_replays();
}

#[test]
fn servers_and_methods_that_are_not_allowed_are_not_asked() {
    let (allowed, other) = (says("fine"), says("secret"));
    let client =
        format!("allowed_hosts = [\"{}\"]\nallowed_methods = [\"GET\"]", allowed.authority());
    let web = Plan { client: &client, ..Plan::new() }.start();
    let (ours, theirs) = (allowed.authority(), other.authority());
    for (command, expected) in [
        (format!("fetch GET http://{ours}/"), "200 4 fine".to_owned()),
        (format!("fetch get http://{ours}/"), "200 4 fine".to_owned()),
        (
            format!("fetch POST http://{ours}/"),
            format!("no: POST http://{ours} is not permitted: allowed_methods does not have POST"),
        ),
        (
            format!("fetch GET http://{theirs}/"),
            format!("no: GET http://{theirs} is not permitted: allowed_hosts does not have http://{theirs}"),
        ),
        (
            format!("fetch GET http://{ours}@{theirs}/"),
            "no: an address has a scheme (http or https), a host and no user name, as https://example.com/a has"
                .to_owned(),
        ),
        (
            format!("fetch GET http://{ours}/ host:{theirs}"),
            "no: the header host says something else than the address".to_owned(),
        ),
    ] {
        assert_eq!(web.ask(&command), expected);
    }
    assert!(other.asked().is_empty());
    assert_eq!(allowed.asked().len(), 2);
    let history = web.ends_and_replays();
    let denied = decisions(&history, "http-client").into_iter().filter(|it| it.starts_with("no: "));
    assert_eq!(denied.count(), 2);
}

#[test]
fn redirects_are_followed_as_far_as_is_allowed() {
    let server = Elsewhere::start(|request| {
        let path = request.split(' ').nth(1).unwrap();
        let number: u32 = path.trim_start_matches('/').parse().unwrap();
        match number {
            0 => response(200, &[], "there"),
            number => response(302, &[&format!("location: /{}", number - 1)], "elsewhere"),
        }
    });
    let none = Plan::new().start();
    assert_eq!(none.ask(&format!("fetch GET {}", server.url("/2"))), "302 9 elsewhere");
    let some = Plan { client: "max_redirects = 2", ..Plan::new() }.start();
    assert_eq!(some.ask(&format!("fetch POST {}", server.url("/2"))), "200 5 there");
    assert_eq!(some.ask(&format!("fetch GET {}", server.url("/3"))), "302 9 elsewhere");
    let methods: Vec<String> = server.asked().iter().map(|it| it[..6].to_owned()).collect();
    assert_eq!(
        methods[1..4],
        ["POST /", "GET /1", "GET /0"],
        "what was posted is not posted again"
    );
    none.ends_and_replays();
    let history = some.ends_and_replays();
    assert_eq!(decisions(&history, "http-client").len(), 6, "each step is decided");
}

#[test]
fn a_redirect_leads_nowhere_that_is_not_allowed() {
    let secret = says("the metadata of the cloud");
    let (target, port) = (secret.url("/latest/meta-data"), secret.port());
    let server = Elsewhere::start(move |request| {
        let location = match request.split(' ').nth(1).unwrap() {
            "/plain" => target.clone(),
            "/name" => format!("http://localhost:{port}/"),
            "/scheme" => format!("//127.0.0.1:{port}/"),
            "/user" => format!("http://me@127.0.0.1:{port}/"),
            _ => "file:///etc/passwd".to_owned(),
        };
        response(307, &[&format!("location: {location}")], "")
    });
    let client = format!("allowed_hosts = [\"{}\"]\nmax_redirects = 5", server.authority());
    let web = Plan { client: &client, ..Plan::new() }.start();
    for path in ["/plain", "/name", "/scheme"] {
        let answer = web.ask(&format!("fetch GET {}", server.url(path)));
        assert!(answer.contains(&format!(":{port} is not permitted: ")), "{answer}");
    }
    for path in ["/user", "/file"] {
        let answer = web.ask(&format!("fetch GET {}", server.url(path)));
        assert_eq!(answer, "no: the redirect leads to no address");
    }
    assert!(secret.asked().is_empty(), "nobody was asked who must not be");
    let history = web.ends_and_replays();
    let denied: Vec<String> = decisions(&history, "http-client")
        .into_iter()
        .filter(|it| it.starts_with("no: "))
        .collect();
    assert_eq!(denied.len(), 3);
    assert!(denied[0].starts_with(&format!("no: GET http://127.0.0.1:{port} (")), "{denied:?}");
}

#[test]
fn what_proves_who_one_is_does_not_travel_to_another_server() {
    let other = says("fine");
    let target = other.url("/");
    let server = Elsewhere::start(move |request| match request.split(' ').nth(1).unwrap() {
        "/away" => response(302, &[&format!("location: {target}")], ""),
        "/home" => response(302, &["location: /end"], ""),
        _ => response(200, &[], "fine"),
    });
    let web = Plan { client: "max_redirects = 5", ..Plan::new() }.start();
    let headers = "Authorization:secret Cookie:secret X-Api-Key:secret x-plain:open";
    for path in ["/away", "/home"] {
        assert_eq!(web.ask(&format!("fetch GET {} {headers}", server.url(path))), "200 4 fine");
    }
    let [away] = &other.asked()[..] else { panic!("it was asked once") };
    assert!(!away.contains("secret") && away.contains("x-plain: open"), "{away}");
    let home = server.asked().pop().unwrap();
    assert_eq!(home.matches("secret").count(), 3, "{home}");
    web.ends_and_replays();
}

#[test]
fn nothing_is_sent_that_could_start_another_request() {
    let server = says("fine");
    let web = Plan::new().start();
    for (header, expected) in [
        ("x:1\\r\\nhost:evil", "the value of the header x has control characters in it"),
        ("x\\r\\ny:1", "\"x\\\\r\\\\ny\" is no name of a header"),
        (
            "transfer-encoding:chunked",
            "the header transfer-encoding is about the connection, which is not the actor's",
        ),
        ("content-length:99", "the header content-length says \"99\", but the body has 0 bytes"),
    ] {
        assert_eq!(
            web.ask(&format!("fetch GET {} {header}", server.url("/"))),
            format!("no: {expected}")
        );
    }
    assert!(server.asked().is_empty());
    web.ends_and_replays();
}

#[test]
fn what_is_too_large_broken_or_late_is_an_error() {
    let server = Elsewhere::start(|request| match request.split(' ').nth(1).unwrap() {
        "/length" => b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n".to_vec(),
        "/endless" => format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(100_000)).into_bytes(),
        "/headers" => format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(100_000)).into_bytes(),
        "/bytes" => b"HTTP/1.1 200 OK\r\nx: \xff\r\n\r\n".to_vec(),
        "/garbage" => b"SSH-2.0-OpenSSH_9.2\r\n\r\n".to_vec(),
        "/short" => b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_vec(),
        "/fits" => response(200, &[], &"x".repeat(1000)),
        _ => Vec::new(),
    });
    let client = "max_response_bytes = 1000\ntimeout = \"500ms\"";
    let web = Plan { client, ..Plan::new() }.start();
    let get = |path: &str| web.ask(&format!("fetch GET {}", server.url(path)));
    assert!(get("/fits").starts_with("200 1000 xxx"));
    let too_large = format!(
        "no: http://{}: in the response, the body has more than 1000 bytes",
        server.authority()
    );
    assert_eq!(get("/length"), too_large);
    assert_eq!(get("/endless"), too_large);
    let bytes = get("/bytes");
    assert!(bytes.ends_with("in the response, the value of the header x is not UTF-8"), "{bytes}");
    for path in ["/headers", "/garbage", "/short"] {
        let answer = get(path);
        assert!(answer.starts_with("no: http://"), "{path}: {answer}");
    }
    let start = Instant::now();
    assert_eq!(get("/never"), "no: no response within 500 ms");
    assert!(start.elapsed() < Duration::from_secs(5));
    web.ends_and_replays();
}

#[test]
fn only_servers_that_prove_who_they_are_are_asked_over_tls() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let server = Elsewhere::start_tls(&cert, &key, |_| response(200, &[], "safe"));
    let url = format!("https://localhost:{}/", server.port());
    let web = Plan::new().start();
    let answer = web.ask(&format!("fetch GET {url} authorization:secret"));
    assert!(answer.contains("cannot speak TLS: invalid peer certificate"), "{answer}");
    assert!(server.asked().is_empty(), "nothing was said to it");
    web.ends_and_replays();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), &cert).unwrap();
    let web = Plan { client: "ca = \"ca.pem\"\ntimeout = \"2s\"", ..Plan::new() }.start_in(folder);
    assert_eq!(web.ask(&format!("fetch GET {url}")), "200 4 safe");
    let other_name = format!("fetch GET https://127.0.0.1:{}/", server.port());
    let answer = web.ask(&other_name);
    assert!(answer.contains("cannot speak TLS: invalid peer certificate"), "{answer}");
    // Nobody waits for ever for somebody who says nothing that could be TLS.
    let plain = says("not TLS");
    let answer = web.ask(&format!("fetch GET https://{}/", plain.authority()));
    assert_eq!(answer, "no: no response within 2000 ms");
    web.ends_and_replays();
}

#[test]
fn a_kill_while_it_waits_for_a_response_returns_at_once() {
    let server = Elsewhere::start(|_| Vec::new());
    let web = Plan::new().start();
    let message = format!("fetch GET {}", server.url("/")).into_bytes();
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| {
            web.stage.system.request(web.id, message.clone(), Duration::from_secs(20)).is_err()
        });
        soon("it waits", || !server.asked().is_empty());
        let start = Instant::now();
        web.stage.system.kill(web.id).unwrap();
        assert_eq!(web.end(), End::Killed);
        assert!(asks.join().unwrap());
        assert!(start.elapsed() < Duration::from_secs(5));
    });
    web.ends_and_replays();
}

#[test]
fn an_actor_without_the_handler_asks_nobody() {
    let server = says("secret");
    let stage = crate::stage::actors::Stage::new();
    let id = stage.spawn_as(|spec| {
        spec.component = std::fs::read(crate::stage::component("web")).unwrap().into();
    });
    let answer = stage.ask(id, &format!("fetch GET {}\ncreate 127.0.0.1 0", server.url("/")));
    assert_eq!(
        answer,
        "no: http-client#send-http is denied: the manifest has no such handler\n\
         no: http-server#create-server is denied: the manifest has no such handler"
    );
    assert!(server.asked().is_empty());
}
