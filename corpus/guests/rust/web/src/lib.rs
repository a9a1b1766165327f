//! An actor for tests of HTTP. It does what messages tell it, one command in each line, and answers with
//! one line for each. The same can stand in the state that it is started with. Its state is the number of
//! requests it got, as text.
//!
//! | command | it |
//! |---|---|
//! | `create HOST PORT [CERT KEY]` | makes a server |
//! | `start N`, `stop N`, `destroy N`, `info N` | does this with a server |
//! | `register NAME` | registers a handler, which does what is said of its name below |
//! | `route N METHOD PATH HANDLER` | adds a route |
//! | `unroute ROUTE` | takes it away |
//! | `middleware N PATH HANDLER` | adds middleware |
//! | `socket N PATH HANDLER` | takes WebSocket connections, with this handler for all that happens |
//! | `unsocket N PATH` | takes no more |
//! | `say N CONNECTION TEXT` | sends text on a WebSocket connection |
//! | `hang-up N CONNECTION` | closes one |
//! | `fetch METHOD URL [NAME:VALUE]...` | sends a request, with the body `body` unless it is a GET |
//! | `heard` | tells what it heard of WebSocket connections |
//!
//! | handler | what it answers or decides |
//! |---|---|
//! | `echo` | the request as text |
//! | `count` | how many requests there were |
//! | `login` | a cookie |
//! | `large` | 8 MiB |
//! | `injection` | a header with another one in its value |
//! | `status` | a status that is none |
//! | `fail` | nothing: it returns an error |
//! | `spin` | nothing: it computes for ever |
//! | `guard` | 403, unless the request has the header `x-key` |
//! | `tag` | the request goes on with the header `x-tag` |
//! | `rewrite` | the request goes on to `/rewritten` |
//!
//! A handler that nobody has registered is an `echo`.

use std::cell::RefCell;

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::http_handlers::{Guest as Http, MiddlewareResult, WebsocketMessage};
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as Client};
use theater::simple::http_types::{HttpRequest, HttpResponse, ServerConfig, TlsConfig};
use theater::simple::{http_client, http_server as server};

wit_bindgen::generate!({
    inline: "
        package guest:web;

        world web {
            include theater:simple/message-actor@0.1.0;
            include theater:simple/http-actor@0.1.0;
            import theater:simple/http-client@0.1.0;
        }
    ",
    path: "../../../../wit",
    world: "guest:web/web",
    generate_all,
});

thread_local! {
    /// The names of handlers, the first one's first.
    static HANDLERS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Web;

type State = Option<Vec<u8>>;

impl Actor for Web {
    fn init(state: State, (_,): (String,)) -> Result<(State,), String> {
        let commands = String::from_utf8(state.unwrap_or_default()).unwrap_or_default();
        for command in commands.lines() {
            obey(command)?;
        }
        Ok((Some(b"0".to_vec()),))
    }
}

impl Client for Web {
    fn handle_send(state: State, (_,): (Vec<u8>,)) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_request(
        state: State,
        (_, commands): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let commands = String::from_utf8_lossy(&commands).into_owned();
        let answer = |command| obey(command).unwrap_or_else(|error| format!("no: {error}"));
        let answers: Vec<String> = commands.lines().map(answer).collect();
        Ok((state, (Some(answers.join("\n").into_bytes()),)))
    }

    fn handle_channel_open(
        state: State,
        (_, _): (String, Vec<u8>),
    ) -> Result<(State, (ChannelAccept,)), String> {
        Ok((state, (ChannelAccept { accepted: false, message: None },)))
    }

    fn handle_channel_message(state: State, (_, _): (String, Vec<u8>)) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_channel_close(state: State, (_,): (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl Http for Web {
    fn handle_request(
        state: State,
        (handler, request): (u64, HttpRequest),
    ) -> Result<(State, (HttpResponse,)), String> {
        let text = String::from_utf8(state.unwrap_or_default()).unwrap_or_default();
        let count = text.parse::<u64>().unwrap_or(0) + 1;
        let plain = |text: String| response(200, &[("content-type", "text/plain")], text.into());
        let response = match name(handler).as_str() {
            "count" => plain(count.to_string()),
            "login" => response(200, &[("set-cookie", "session=crumbly")], Vec::new()),
            "large" => response(200, &[], vec![b'x'; 8 << 20]),
            "injection" => {
                response(200, &[("x-fine", "fine\r\nset-cookie: session=stolen")], Vec::new())
            }
            "status" => response(1000, &[], Vec::new()),
            "fail" => return Err("as it was told".to_owned()),
            "spin" => {
                let mut number = 0_u64;
                loop {
                    number = std::hint::black_box(number.wrapping_add(1));
                }
            }
            _ => plain(told(&request)),
        };
        Ok((Some(count.to_string().into_bytes()), (response,)))
    }

    fn handle_middleware(
        state: State,
        (handler, mut request): (u64, HttpRequest),
    ) -> Result<(State, (MiddlewareResult,)), String> {
        match name(handler).as_str() {
            "guard" if !request.headers.iter().any(|(name, _)| name == "x-key") => {
                let refused = response(403, &[], b"no key".to_vec());
                return Ok((state, (MiddlewareResult::Respond(refused),)));
            }
            "tag" => request.headers.push(("x-tag".to_owned(), "seen".to_owned())),
            "rewrite" => request.uri = "/rewritten".to_owned(),
            _ => {}
        }
        Ok((state, (MiddlewareResult::Proceed(request),)))
    }

    fn handle_websocket_connect(
        state: State,
        (_, connection, path, query): (u64, u64, String, Option<String>),
    ) -> Result<(State,), String> {
        hear(format!("{connection} opened {path} {query:?}"));
        Ok((state,))
    }

    fn handle_websocket_message(
        state: State,
        (_, _, message): (u64, u64, WebsocketMessage),
    ) -> Result<(State, (Vec<WebsocketMessage>,)), String> {
        let replies = match &message {
            WebsocketMessage::Text(text) => match text.split_once(' ') {
                Some(("repeat", count)) => {
                    let count: usize =
                        count.parse().map_err(|_| format!("{count} is no number"))?;
                    vec![WebsocketMessage::Binary(vec![7; 100_000]); count]
                }
                _ => vec![message],
            },
            WebsocketMessage::Binary(_) => vec![message],
        };
        Ok((state, (replies,)))
    }

    fn handle_websocket_disconnect(
        state: State,
        (_, connection): (u64, u64),
    ) -> Result<(State,), String> {
        hear(format!("{connection} closed"));
        Ok((state,))
    }
}

/// Does what a command says.
fn obey(command: &str) -> Result<String, String> {
    let words: Vec<&str> = command.split(' ').collect();
    match words[..] {
        ["create", host, port, ref tls @ ..] => {
            let tls = match tls {
                [cert, key] => {
                    Some(TlsConfig { cert_path: (*cert).into(), key_path: (*key).into() })
                }
                _ => None,
            };
            let port = Some(port.parse().map_err(|_| format!("{port} is no port"))?);
            let config = ServerConfig { port, host: Some(host.to_owned()), tls };
            server::create_server(&config).map(|number| number.to_string())
        }
        ["start", it] => server::start_server(number(it)?).map(|port| port.to_string()),
        ["stop", it] => server::stop_server(number(it)?).map(|()| "stopped".to_owned()),
        ["destroy", it] => server::destroy_server(number(it)?).map(|()| "destroyed".to_owned()),
        ["info", it] => server::get_server_info(number(it)?).map(|info| format!("{info:?}")),
        ["register", name] => {
            HANDLERS.with_borrow_mut(|handlers| handlers.push(name.to_owned()));
            server::register_handler(name).map(|number| number.to_string())
        }
        ["route", it, method, path, handler] => {
            server::add_route(number(it)?, path, method, number(handler)?).map(|it| it.to_string())
        }
        ["unroute", it] => server::remove_route(number(it)?).map(|()| "removed".to_owned()),
        ["middleware", it, path, handler] => {
            server::add_middleware(number(it)?, path, number(handler)?).map(|it| it.to_string())
        }
        ["socket", it, path, handler] => {
            let handler = number(handler)?;
            let enabled =
                server::enable_websocket(number(it)?, path, Some(handler), handler, Some(handler));
            enabled.map(|()| "enabled".to_owned())
        }
        ["unsocket", it, path] => {
            server::disable_websocket(number(it)?, path).map(|()| "disabled".to_owned())
        }
        ["say", it, connection, text] => {
            let text = WebsocketMessage::Text(text.to_owned());
            let said = server::send_websocket_message(number(it)?, number(connection)?, &text);
            said.map(|()| "said".to_owned())
        }
        ["hang-up", it, connection] => {
            let closed = server::close_websocket(number(it)?, number(connection)?);
            closed.map(|()| "closed".to_owned())
        }
        ["fetch", method, url, ref headers @ ..] => fetch(method, url, headers),
        ["heard"] => Ok(HEARD.with_borrow(|heard| heard.join(", "))),
        _ => Err(format!("nobody understands {command:?}")),
    }
}

fn fetch(method: &str, url: &str, headers: &[&str]) -> Result<String, String> {
    let header = |header: &&str| {
        let (name, value) = header.split_once(':').unwrap_or((header, ""));
        // A line is a command, so that line breaks have to be written otherwise.
        (name.to_owned(), value.replace("\\r", "\r").replace("\\n", "\n"))
    };
    let request = HttpRequest {
        method: method.to_owned(),
        uri: url.to_owned(),
        headers: headers.iter().map(header).collect(),
        body: (method != "GET").then(|| b"body".to_vec()),
    };
    let response = http_client::send_http(&request)?;
    let body = response.body.unwrap_or_default();
    Ok(format!(
        "{} {} {}",
        response.status,
        body.len(),
        String::from_utf8_lossy(&body[..body.len().min(200)])
    ))
}

fn response(status: u16, headers: &[(&str, &str)], body: Vec<u8>) -> HttpResponse {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    HttpResponse { status, headers: headers.collect(), body: Some(body) }
}

/// A request as text.
fn told(request: &HttpRequest) -> String {
    let headers = request.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
    let headers: String = headers.collect();
    let body = String::from_utf8_lossy(request.body.as_deref().unwrap_or_default()).into_owned();
    format!("{} {}\n{headers}\n{body}", request.method, request.uri)
}

fn name(handler: u64) -> String {
    let at = usize::try_from(handler).ok().and_then(|number| number.checked_sub(1));
    HANDLERS.with_borrow(|handlers| at.and_then(|at| handlers.get(at)).cloned().unwrap_or_default())
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn hear(news: String) {
    HEARD.with_borrow_mut(|heard| heard.push(news));
}

export!(Web);
