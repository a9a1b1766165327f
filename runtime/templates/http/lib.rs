//! A web server: it greets whoever asks for `/`, counts the visits, and sends back what it gets on the
//! WebSocket `/echo`.

mod bindings;

use bindings::exports::theater::simple::actor::Guest as Actor;
use bindings::exports::theater::simple::http_handlers::{
    Guest as Http, HttpRequest, HttpResponse, MiddlewareResult, WebsocketMessage,
};
use bindings::theater::simple::http_server::{
    ServerConfig, add_route, create_server, enable_websocket, register_handler, start_server,
};
use bindings::theater::simple::runtime::log;

/// Where the server listens, on this machine only.
const PORT: u16 = 8080;

struct Component;

/// How many visitors there were, as text.
type State = Option<Vec<u8>>;

impl Actor for Component {
    fn init(state: State, params: (String,)) -> Result<(State,), String> {
        let (id,) = params;
        let server = create_server(&ServerConfig {
            port: Some(PORT),
            host: None,
            tls: None,
        })?;
        let greeting = register_handler("greeting")?;
        let echo = register_handler("echo")?;
        add_route(server, "/", "GET", greeting)?;
        enable_websocket(server, "/echo", None, echo, None)?;
        let port = start_server(server)?;
        log(&format!("actor {id} listens on port {port}"));
        Ok((state,))
    }
}

impl Http for Component {
    fn handle_request(
        state: State,
        params: (u64, HttpRequest),
    ) -> Result<(State, (HttpResponse,)), String> {
        let (_handler, request) = params;
        let visits = visits(&state)? + 1;
        log(&format!("{} {}", request.method, request.uri));
        let response = HttpResponse {
            status: 200,
            headers: vec![(
                "content-type".to_owned(),
                "text/plain; charset=utf-8".to_owned(),
            )],
            body: Some(format!("Hello! You are visitor {visits}.\n").into_bytes()),
        };
        Ok((Some(visits.to_string().into_bytes()), (response,)))
    }

    fn handle_middleware(
        state: State,
        params: (u64, HttpRequest),
    ) -> Result<(State, (MiddlewareResult,)), String> {
        let (_handler, request) = params;
        Ok((state, (MiddlewareResult::Proceed(request),)))
    }

    fn handle_websocket_connect(
        state: State,
        _params: (u64, u64, String, Option<String>),
    ) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_websocket_message(
        state: State,
        params: (u64, u64, WebsocketMessage),
    ) -> Result<(State, (Vec<WebsocketMessage>,)), String> {
        let (_handler, _connection, message) = params;
        Ok((state, (vec![message],)))
    }

    fn handle_websocket_disconnect(state: State, _params: (u64, u64)) -> Result<(State,), String> {
        Ok((state,))
    }
}

/// The visits that a state has counted: none if there is no state yet.
fn visits(state: &State) -> Result<u64, String> {
    let Some(bytes) = state else { return Ok(0) };
    let text = String::from_utf8_lossy(bytes);
    text.parse()
        .map_err(|_| format!("the state is not a number: {text}"))
}

bindings::export!(Component with_types_in bindings);
