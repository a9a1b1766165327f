//! Servers of actors, for clients that behave.

use std::io::{Read, Write};
use std::net::TcpStream;

use theater_runtime::{End, Status};

use super::{Plan, Web, decisions, free_port, soon};
use crate::stage::browser::{ask, connect, get, get_tls, raw};

#[test]
fn a_manifest_with_a_port_is_enough_for_a_server() {
    let port = free_port();
    let web = Plan { server: &format!("config = {{ port = {port} }}"), ..Plan::new() }.start();
    let reply = ask(port, "POST", "/any/path?with=query", &["X-One: 1", "x-one: 2"], "hello");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), Some("text/plain"));
    let expected = "POST /any/path?with=query\nhost: localhost\nconnection: close\nx-one: 1\nx-one: 2\n\
                    content-length: 5\n\nhello";
    assert_eq!(reply.body, expected);
    let history = web.ends_and_replays();
    assert_eq!(
        decisions(&history, "http-server"),
        [
            format!("yes: 127.0.0.1:{port} (of the manifest)"),
            "yes: POST /any/path (from 127.0.0.1 to server 0)".to_owned(),
        ]
    );
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it ended with the actor");
}

#[test]
fn the_server_of_the_manifest_gets_routes_in_init() {
    let port = free_port();
    let state = "register count\nroute 0 GET /count 1\n";
    let web = Plan { server: &format!("port = {port}"), state, ..Plan::new() }.start();
    assert_eq!(get(port, "/count").body, "1");
    assert_eq!(get(port, "/any").status, 404);
    let expected =
        format!("id: 0, port: {port}, host: \"127.0.0.1\", running: true, routes-count: 1");
    assert!(web.ask("info 0").contains(&expected), "{}", web.ask("info 0"));
    assert_eq!(web.ask("start 0"), "no: server 0 listens already");
    web.ends_and_replays();
}

#[test]
fn an_actor_whose_port_is_taken_has_failed() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let started = Plan { server: &format!("port = {port}"), ..Plan::new() }.try_start();
    let Err(failed) = started else { panic!("the port is taken") };
    let (web, error) = *failed;
    let expected = format!("cannot listen on 127.0.0.1:{port}: Address already in use");
    assert!(error.to_string().contains(&expected), "{error}");
    let history = web.ends_and_replays();
    let decisions = decisions(&history, "http-server");
    assert!(decisions[1].starts_with(&format!("no: 127.0.0.1:{port} (Address")), "{decisions:?}");
}

#[test]
fn routes_lead_to_handlers_by_path_and_method() {
    let web = Plan::new().start();
    let routes = "route 1 GET /users/{id} 1\nroute 1 GET /users/me 2\nroute 1 * /files/{*rest} 1";
    let port = web.serve(&["echo", "count"], routes);
    assert!(get(port, "/users/7").body.starts_with("GET /users/7\n"));
    assert_eq!(get(port, "/users/me").body, "2");
    assert_eq!(get(port, "/users/%6De?x").body, "3", "it is the same path");
    assert!(ask(port, "PATCH", "/files/a/b", &[], "x").body.starts_with("PATCH /files/a/b\n"));
    assert_eq!(get(port, "/users").status, 404);
    assert_eq!(get(port, "/users/7/x").status, 404);
    let reply = ask(port, "POST", "/users/7", &[], "");
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    let reply = ask(port, "OPTIONS", "/users/7", &[], "");
    assert_eq!((reply.status, reply.header("allow")), (204, Some("GET, HEAD, OPTIONS")));
    assert_eq!(ask(port, "OPTIONS", "*", &[], "").status, 204);
    let reply = ask(port, "HEAD", "/users/me", &[], "");
    assert_eq!((reply.status, reply.header("content-length"), &*reply.body), (200, Some("1"), ""));
    assert_eq!(
        web.ask("route 1 GET /users/{name} 1"),
        "no: server 1 has the route GET /users/{name} already"
    );
    assert_eq!(web.ask("unroute 2\nunroute 2"), "removed\nno: there is no route 2");
    assert!(get(port, "/users/me").body.starts_with("GET /users/me\n"));
    assert_eq!(web.ask("route 1 GET /x 3"), "no: there is no handler 3");
    assert_eq!(web.ask("route 2 GET /x 1"), "no: there is no server 2");
    assert_eq!(web.ask("route 0 GET /x 1"), "no: there is no server 0: the manifest gives no port");
    web.ends_and_replays();
}

#[test]
fn middleware_guards_changes_and_answers() {
    let web = Plan::new().start();
    let more =
        "route 1 GET /{*all} 1\nmiddleware 1 /admin 2\nmiddleware 1 / 3\nmiddleware 1 /old 4";
    let port = web.serve(&["echo", "guard", "tag", "rewrite"], more);
    let reply = get(port, "/admin/users");
    assert_eq!((reply.status, &*reply.body), (403, "no key"));
    // Whoever asks for the same by another name is shown to the guard as well.
    assert_eq!(get(port, "/%61dmin/users").status, 403);
    assert_eq!(get(port, "/admin").status, 403);
    assert_eq!(get(port, "/administrator").status, 200);
    let reply = ask(port, "GET", "/admin/users", &["x-key: 1"], "");
    assert!(reply.body.contains("x-tag: seen"), "{reply:?}");
    assert!(get(port, "/old/page").body.starts_with("GET /rewritten\n"));
    assert_eq!(web.ask("unroute 9\nunroute 1"), "no: there is no route 9\nremoved");
    assert_eq!(get(port, "/admin/users").status, 403, "middleware comes before routes");
    assert_eq!(get(port, "/other").status, 404);
    web.ends_and_replays();
}

#[test]
fn servers_stop_start_again_and_are_forgotten() {
    let web = Plan::new().start();
    let port = web.serve(&["echo"], "route 1 GET / 1");
    let mut kept = connect(port);
    kept.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
    assert!(kept.read(&mut [0; 1000]).unwrap() > 0);
    assert_eq!(web.ask("stop 1\nstop 1"), "stopped\nstopped");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody listens");
    assert_eq!(kept.read(&mut [0; 1000]).unwrap(), 0, "what was idle is closed");
    assert!(web.ask("info 1").contains("port: 0, host: \"127.0.0.1\", running: false"));
    let port: u16 = web.ask("start 1").parse().unwrap();
    assert_eq!(get(port, "/").status, 200);
    assert_eq!(web.ask("destroy 1\ninfo 1"), "destroyed\nno: there is no server 1");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(web.ask("create 127.0.0.1 0"), "2", "numbers are not used again");
    web.ends_and_replays();
}

#[test]
fn many_clients_are_answered_and_the_chain_replays() {
    let web = Plan::new().start();
    let port = web.serve(&["count", "echo"], "route 1 GET /count 1\nroute 1 POST /echo 2");
    std::thread::scope(|scope| {
        for client in 0..8 {
            scope.spawn(move || {
                for number in 0..25 {
                    let body = format!("{client} {number}");
                    assert!(ask(port, "POST", "/echo", &[], &body).body.ends_with(&body));
                    assert_eq!(get(port, "/count").status, 200);
                }
            });
        }
    });
    assert_eq!(get(port, "/count").body, "401");
    let history = web.ends_and_replays();
    assert_eq!(
        decisions(&history, "http-server").iter().filter(|it| it.contains("from")).count(),
        401
    );
}

#[test]
fn one_connection_serves_many_requests() {
    let web = Plan::new().start();
    let port = web.serve(&["count"], "route 1 GET / 1");
    let one = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let last = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let all =
        crate::stage::browser::exchange(connect(port), format!("{one}{one}{last}").as_bytes());
    let all = String::from_utf8(all).unwrap();
    assert_eq!(all.matches("HTTP/1.1 200 OK").count(), 3);
    assert!(all.ends_with("\r\n\r\n3"), "{all}");
    // Who says first how much there is to come hears first whether it is wanted.
    let mut stream = connect(port);
    let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 405", "nobody has to send what nobody wants");
    web.ends_and_replays();
}

#[test]
fn over_tls_only_who_speaks_it_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    std::fs::write(folder.path().join("cert.pem"), &cert).unwrap();
    std::fs::write(folder.path().join("key.pem"), &key).unwrap();
    std::fs::write(folder.path().join("other.pem"), &key).unwrap();
    let port = free_port();
    let tls = "tls = { cert = \"cert.pem\", key = \"key.pem\" }";
    let server = format!("port = {port}\n{tls}");
    let web = Plan { server: &server, ..Plan::new() }.start_in(folder);
    assert!(get_tls(port, "/safe", &cert).unwrap().body.starts_with("GET /safe\n"));
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem();
    assert!(get_tls(port, "/", &other).is_err(), "it is not who it says");
    assert!(raw(port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").is_none());
    // The actor can use these files for servers of its own, and no others.
    assert_eq!(web.ask("create 127.0.0.1 0 cert.pem key.pem"), "1");
    let own: u16 =
        web.ask("register echo\nroute 1 GET / 1\nstart 1").lines().last().unwrap().parse().unwrap();
    assert_eq!(get_tls(own, "/", &cert).unwrap().status, 200);
    let refused = web.ask("create 127.0.0.1 0 cert.pem other.pem");
    assert!(refused.ends_with("the manifest does not name these files under tls"), "{refused}");
    let chain = std::fs::read(web.chain_path()).unwrap();
    let secret = key.lines().nth(1).unwrap().as_bytes();
    assert!(!chain.windows(secret.len()).any(|it| it == secret), "keys are not recorded");
    web.ends_and_replays();
}

#[test]
fn servers_and_routes_are_held_against_the_permissions() {
    let server = "allowed_addresses = [\"127.0.0.1\"]\nallowed_routes = [\"/api\"]\nallowed_methods = [\"GET\"]";
    let web = Plan { server, ..Plan::new() }.start();
    for (command, expected) in [
        ("create 0.0.0.0 0", "no: 0.0.0.0:0 is not permitted: allowed_addresses does not have it"),
        ("create example.com 0", "no: \"example.com\" is no IP address, such as 127.0.0.1"),
        ("create localhost 0", "1"),
        ("register echo", "1"),
        ("route 1 GET /apis 1", "no: GET /apis is not permitted: allowed_routes does not have it"),
        (
            "route 1 GET /{*all} 1",
            "no: GET /{*all} is not permitted: allowed_routes does not have it",
        ),
        (
            "route 1 POST /api/x 1",
            "no: POST /api/x is not permitted: allowed_methods does not have it",
        ),
        ("socket 1 /ws 1", "no: GET /ws is not permitted: allowed_routes does not have it"),
        ("route 1 * /api/{*all} 1", "1"),
        ("middleware 1 / 1", "1"),
    ] {
        assert_eq!(web.ask(command), expected);
    }
    let port = web.ask("start 1").parse().unwrap();
    assert_eq!(get(port, "/api/x").status, 200);
    assert_eq!(ask(port, "POST", "/api/x", &[], "").status, 405);
    assert_eq!(get(port, "/other").status, 404, "not even middleware sees it");
    let history = web.ends_and_replays();
    let denied = decisions(&history, "http-server").into_iter().filter(|it| it.starts_with("no: "));
    let denied: Vec<String> = denied.collect();
    assert_eq!(denied.len(), 7, "{denied:#?}");
    let from = "from 127.0.0.1 to server 1";
    assert_eq!(denied[5], format!("no: POST /api/x (405 Method Not Allowed, {from})"));
    assert_eq!(denied[6], format!("no: GET /other (404 Not Found, {from})"));
}

#[test]
fn a_restarted_actor_serves_again_on_its_port() {
    let port = free_port();
    let server = format!("port = {port}");
    let web = Plan { server: &server, ..Plan::new() }.start();
    for life in 2..5 {
        assert_eq!(get(port, "/").status, 200);
        web.stage.system.restart(web.id).unwrap();
        web.stage.wait_for_life(web.id, life);
    }
    assert_eq!(get(port, "/").status, 200);
    web.ends_and_replays();
}

#[test]
fn an_actor_that_is_brought_back_serves_what_it_served() {
    let port = free_port();
    let state = "register count\nregister guard\nroute 0 GET /count 1\nmiddleware 0 /count 2\n";
    let web = Plan { server: &format!("port = {port}"), state, ..Plan::new() }.start();
    let count = |port: u16| ask(port, "GET", "/count", &["x-key: 1"], "");
    assert_eq!(count(port).body, "1");
    web.stage.system.restart(web.id).unwrap();
    web.stage.wait_for_life(web.id, 2);
    assert_eq!(count(port).body, "1");
    let own = web.ask("create 127.0.0.1 0\nroute 1 GET /own 1\nstart 1");
    let own: u16 = own.lines().last().unwrap().parse().unwrap();
    assert_eq!(get(own, "/own").body, "2");
    let web = Web { stage: web.stage.suspended_and_resumed(), ..web };
    assert_eq!(count(port).body, "3");
    assert_eq!(get(port, "/count").status, 403, "it is guarded as before");
    assert_eq!(get(port, "/any").status, 404, "and has no more routes than before");
    assert_eq!(get(own, "/own").body, "4", "on the port that others know");
    assert_eq!(web.ask("register echo\nroute 0 GET /echo 3"), "3\n3");
    assert!(get(port, "/echo").body.starts_with("GET /echo"));
    web.ends_and_replays();
}

#[test]
fn a_failed_handler_is_an_error_and_the_end() {
    let web = Plan::new().start();
    let port = web.serve(&["fail"], "route 1 GET / 1");
    assert_eq!(get(port, "/").status, 500);
    assert!(matches!(web.end(), End::Failed(error) if error.message == "as it was told"));
    soon("nobody listens", || TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(web.stage.listed(web.id).status, Status::Failed);
    web.ends_and_replays();
}
