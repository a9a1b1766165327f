//! A web server: it greets whoever asks for `/`, counts the visits, and sends back what it gets on the
//! WebSocket `/echo`.

mod bindings;

use bindings::exports::theater::simple::actor::Guest as Actor;
use bindings::exports::theater::simple::http_handlers::{
    Guest as Http, HttpRequest, HttpResponse, MiddlewareResult, WebsocketMessage,
};
use bindings::theater::simple::http_server::{
    add_route, enable_websocket, get_server_info, register_handler,
};
use bindings::theater::simple::runtime::log;

/// The server that the manifest gives a port. It starts to listen once `init` has returned.
const SERVER: u64 = 0;

struct Component;

/// How many visitors there were, as text.
type State = Option<Vec<u8>>;

impl Actor for Component {
    fn init(state: State, params: (String,)) -> Result<(State,), String> {
        let (id,) = params;
        let greeting = register_handler("greeting")?;
        let echo = register_handler("echo")?;
        add_route(SERVER, "/", "GET", greeting)?;
        enable_websocket(SERVER, "/echo", None, echo, None)?;
        let port = get_server_info(SERVER)?.port;
        log(&format!("actor {id} is going to listen on port {port}"));
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
