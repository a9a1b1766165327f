//! The actors of an office, for tests of whole trees. Which one an actor is stands in the state that it is
//! started with:
//!
//! | state | it |
//! |---|---|
//! | `chief` | starts an archive, two workers and a front, from `archive.toml`, `worker.toml`, `front.toml` |
//! | `worker` | answers a request with its text turned round |
//! | `archive` | keeps each text that is sent to it, under the label `work`, and answers `count` with how many |
//! | `front ARCHIVE WORKER...` | serves HTTP: has each body that is posted to `/work` done by the workers in turn, sends what they did to the archive, and answers with it |
//!
//! The front logs the port that it listens on. The state is then that, with the number of things done behind it.

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::http_handlers::{Guest as Http, MiddlewareResult, WebsocketMessage};
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as Client};
use exports::theater::simple::supervisor_handlers::{ActorError, Guest as Parent};
use theater::simple::http_types::{HttpRequest, HttpResponse, ServerConfig};
use theater::simple::{http_server, message_server_host, runtime, store, supervisor};

wit_bindgen::generate!({
    inline: "
        package guest:office;

        world office {
            include theater:simple/message-actor@0.1.0;
            include theater:simple/supervisor-actor@0.1.0;
            include theater:simple/http-actor@0.1.0;
            import theater:simple/store@0.1.0;
        }
    ",
    path: "../../../../wit",
    world: "guest:office/office",
    generate_all,
});

struct Office;

type State = Option<Vec<u8>>;

/// Who an actor is, and how much it has done.
struct Desk {
    role: String,
    done: u64,
}

impl Desk {
    fn of(state: State) -> Desk {
        let text = String::from_utf8(state.unwrap_or_default()).unwrap_or_default();
        match text.rsplit_once('\n') {
            Some((role, done)) => Desk { role: role.to_owned(), done: done.parse().unwrap_or(0) },
            None => Desk { role: text, done: 0 },
        }
    }

    fn state(&self) -> State {
        Some(format!("{}\n{}", self.role, self.done).into_bytes())
    }

    fn words(&self) -> Vec<String> {
        self.role.split(' ').map(str::to_owned).collect()
    }
}

impl Actor for Office {
    fn init(state: State, (_,): (String,)) -> Result<(State,), String> {
        let mut desk = Desk::of(state);
        match desk.words()[0].as_str() {
            "chief" => hire()?,
            "archive" => desk.role = format!("archive {}", store::new()?),
            "front" => open()?,
            _ => {}
        }
        Ok((desk.state(),))
    }
}

/// Starts everybody who works here.
fn hire() -> Result<(), String> {
    let mut front = vec!["front".to_owned(), supervisor::spawn_child("archive.toml")?];
    for _ in 0..2 {
        front.push(supervisor::spawn_child("worker.toml")?);
    }
    supervisor::spawn("front.toml", Some(front.join(" ").as_bytes())).map(drop)
}

/// Serves HTTP, on any port that is free.
fn open() -> Result<(), String> {
    let config = ServerConfig { port: None, host: None, tls: None };
    let server = http_server::create_server(&config)?;
    let handler = http_server::register_handler("work")?;
    http_server::add_route(server, "/work", "POST", handler)?;
    let port = http_server::start_server(server)?;
    runtime::log(&format!("listens on {port}"));
    Ok(())
}

impl Client for Office {
    fn handle_send(state: State, (text,): (Vec<u8>,)) -> Result<(State,), String> {
        let mut desk = Desk::of(state);
        if let ["archive", store] = &desk.words().iter().map(String::as_str).collect::<Vec<_>>()[..]
        {
            store::store_at_label(store, "work", &text)?;
        }
        desk.done += 1;
        Ok((desk.state(),))
    }

    fn handle_request(
        state: State,
        (_, text): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let mut desk = Desk::of(state);
        if desk.words()[0] != "worker" {
            let count = desk.done.to_string().into_bytes();
            return Ok((desk.state(), (Some(count),)));
        }
        desk.done += 1;
        let turned = String::from_utf8_lossy(&text).chars().rev().collect::<String>();
        Ok((desk.state(), (Some(turned.into_bytes()),)))
    }

    fn handle_channel_open(
        state: State,
        _: (String, Vec<u8>),
    ) -> Result<(State, (ChannelAccept,)), String> {
        Ok((state, (ChannelAccept { accepted: false, message: None },)))
    }

    fn handle_channel_message(state: State, _: (String, Vec<u8>)) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_channel_close(state: State, _: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl Parent for Office {
    fn handle_child_error(
        state: State,
        (child, error): (String, ActorError),
    ) -> Result<(State,), String> {
        // Nobody is missed for long.
        runtime::log(&format!("{child} has failed: {}", error.message));
        supervisor::restart_child(&child)?;
        Ok((state,))
    }

    fn handle_child_exit(state: State, _: (String, Option<Vec<u8>>)) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_child_external_stop(state: State, _: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl Http for Office {
    fn handle_request(
        state: State,
        (_, request): (u64, HttpRequest),
    ) -> Result<(State, (HttpResponse,)), String> {
        let mut desk = Desk::of(state);
        let words = desk.words();
        let (archive, workers) = (&words[1], &words[2..]);
        let worker = &workers[desk.done as usize % workers.len()];
        let done = message_server_host::request(worker, &request.body.unwrap_or_default())?;
        message_server_host::send(archive, &done)?;
        desk.done += 1;
        Ok((desk.state(), (HttpResponse { status: 200, headers: Vec::new(), body: Some(done) },)))
    }

    fn handle_middleware(
        state: State,
        (_, request): (u64, HttpRequest),
    ) -> Result<(State, (MiddlewareResult,)), String> {
        Ok((state, (MiddlewareResult::Proceed(request),)))
    }

    fn handle_websocket_connect(
        state: State,
        _: (u64, u64, String, Option<String>),
    ) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_websocket_message(
        state: State,
        _: (u64, u64, WebsocketMessage),
    ) -> Result<(State, (Vec<WebsocketMessage>,)), String> {
        Ok((state, (Vec::new(),)))
    }

    fn handle_websocket_disconnect(state: State, _: (u64, u64)) -> Result<(State,), String> {
        Ok((state,))
    }
}

export!(Office);
