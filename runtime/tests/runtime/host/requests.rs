//! HTTP requests, against real servers on the loopback.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use theater_runtime::host::Grants;
use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sync::io::poll::HostPollable;
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler::Host as _;
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode, HostFields, HostFutureIncomingResponse, HostIncomingResponse, HostOutgoingRequest,
    Scheme,
};

use super::{Data, data, decisions};

fn granted(http: &[&str]) -> Data {
    let http = http.iter().map(|text| text.parse().expect("a grant")).collect();
    data(Grants { http, ..Grants::default() })
}

/// Sends a GET request and waits for the status of the response.
fn get(data: &mut Data, scheme: Scheme, authority: &str) -> Result<u16, ErrorCode> {
    let mut http = data.http();
    let fields = HostFields::new(&mut http).expect("there is room in the table");
    let request = HostOutgoingRequest::new(&mut http, fields).expect("there is room in the table");
    let again = || Resource::new_borrow(request.rep());
    let taken = "the address is well formed";
    HostOutgoingRequest::set_scheme(&mut http, again(), Some(scheme)).expect(taken).expect(taken);
    HostOutgoingRequest::set_authority(&mut http, again(), Some(authority.to_owned()))
        .expect(taken)
        .expect(taken);
    HostOutgoingRequest::set_path_with_query(&mut http, again(), Some("/a?b".to_owned()))
        .expect(taken)
        .expect(taken);
    let future = http.handle(request, None).map_err(|error| error.downcast().expect("no trap"))?;
    let again = || Resource::new_borrow(future.rep());
    let pollable = http.subscribe(again()).expect("there is room in the table");
    HostPollable::block(http.table, pollable).expect("no trap");
    let answer = HostFutureIncomingResponse::get(&mut http, again()).expect("no trap");
    let answer = answer.expect("it was waited for");
    let response = answer.expect("it was not taken before")?;
    Ok(HostIncomingResponse::status(&mut http, response).expect("no trap"))
}

/// A server that answers one request and gives back what it was sent.
fn server(answer: &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback is there");
    let port = listener.local_addr().expect("it is bound").port();
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody connects");
        let mut request = Vec::new();
        let mut buffer = [0; 1024];
        while !request.ends_with(b"\r\n\r\n") {
            let length = stream.read(&mut buffer).expect("the request arrives");
            assert_ne!(length, 0, "the request ends early");
            request.extend_from_slice(&buffer[..length]);
        }
        stream.write_all(answer.as_bytes()).expect("the answer is taken");
        String::from_utf8(request).expect("the request is text")
    });
    (port, served)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

#[test]
fn a_granted_server_answers() {
    for grant in ["*", "127.0.0.1", "http://*", "http://127.0.0.1:PORT", "127.0.0.1:PORT"] {
        let (port, served) = server(OK);
        let grant = grant.replace("PORT", &port.to_string());
        let mut data = granted(&["example.com", &grant]);
        assert_eq!(get(&mut data, Scheme::Http, &format!("127.0.0.1:{port}")).unwrap(), 200);
        let request = served.join().unwrap();
        assert!(request.starts_with("GET /a?b HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{request}");
        assert_eq!(
            decisions(&mut data),
            [format!("+0 http-client http://127.0.0.1:{port}: granted by --http {grant}")]
        );
    }
}

#[test]
fn any_other_server_is_denied_before_anything_is_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let grants = ["", "localhost", "127.0.0.1:1", "https://127.0.0.1", "http://127.0.0.1"];
    for grant in grants {
        let mut data = granted(if grant.is_empty() { &[] } else { std::slice::from_ref(&grant) });
        let denied = get(&mut data, Scheme::Http, &format!("127.0.0.1:{port}")).unwrap_err();
        assert!(matches!(denied, ErrorCode::HttpRequestDenied), "{grant}: {denied:?}");
        assert_eq!(
            decisions(&mut data),
            [format!(
                "-1 http-client http://127.0.0.1:{port}: not granted; \
             --http 127.0.0.1:{port} would grant it"
            )]
        );
    }
    assert!(listener.accept().is_err(), "nobody connected");
}

#[test]
fn a_grant_for_sockets_is_none_for_http_and_the_other_way_round() {
    let net = vec!["*".parse().unwrap()];
    let mut data = data(Grants { net, ..Grants::default() });
    let denied = get(&mut data, Scheme::Http, "127.0.0.1:1").unwrap_err();
    assert!(matches!(denied, ErrorCode::HttpRequestDenied), "{denied:?}");
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
    elsewhere.set_nonblocking(true).unwrap();
    let target = elsewhere.local_addr().unwrap();
    let answer =
        format!("HTTP/1.1 302 Found\r\nLocation: http://{target}/\r\nContent-Length: 0\r\n\r\n");
    let (port, served) = server(answer.leak());
    let mut data = granted(&[&format!("127.0.0.1:{port}")]);
    assert_eq!(get(&mut data, Scheme::Http, &format!("127.0.0.1:{port}")).unwrap(), 302);
    served.join().unwrap();
    assert!(elsewhere.accept().is_err(), "nobody followed");
    assert_eq!(decisions(&mut data).len(), 1);
    // A component that follows by itself asks again, and is denied.
    let denied = get(&mut data, Scheme::Http, &target.to_string()).unwrap_err();
    assert!(matches!(denied, ErrorCode::HttpRequestDenied), "{denied:?}");
}

#[test]
fn a_scheme_and_a_default_port_belong_together() {
    let mut data = granted(&["http://example.invalid"]);
    let denied = get(&mut data, Scheme::Https, "example.invalid").unwrap_err();
    assert!(matches!(denied, ErrorCode::HttpRequestDenied), "{denied:?}");
    // The default port of the right scheme is granted: now it is the name that fails.
    let failed = get(&mut data, Scheme::Http, "example.invalid").unwrap_err();
    assert!(matches!(failed, ErrorCode::DnsError(_)), "{failed:?}");
    let lines = decisions(&mut data);
    assert!(lines[0].starts_with("-1 http-client https://example.invalid:443: "), "{lines:?}");
    assert!(lines[1].starts_with("+0 http-client http://example.invalid:80: "), "{lines:?}");
}

#[test]
fn a_user_name_cannot_disguise_the_host() {
    let mut data = granted(&["good.invalid", "127.0.0.1"]);
    for authority in ["127.0.0.1:1@good.invalid", "good.invalid@127.0.0.1:1"] {
        let denied = get(&mut data, Scheme::Http, authority).unwrap_err();
        assert!(matches!(denied, ErrorCode::HttpRequestDenied), "{authority}: {denied:?}");
    }
    assert!(decisions(&mut data).iter().all(|line| line.starts_with("-1 http-client ")));
}
