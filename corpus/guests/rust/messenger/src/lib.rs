//! An actor for tests of actors. Its state is the number of messages it got, as text. What it does is
//! said in the message:
//!
//! | message | it |
//! |---|---|
//! | `count` | answers with its count |
//! | `pass ID TEXT` | sends TEXT to the actor ID |
//! | `ask ID TEXT` | asks the actor ID, and answers with its answer |
//! | `later` | answers no request until the next `now`, which answers all |
//! | `self` | answers with its id |
//! | `fail TEXT` | returns an error |
//! | `trap` | executes `unreachable` |
//! | `spin` | computes for ever |
//! | `leave TEXT` | comes to its end, and leaves TEXT behind |
//!
//! It keeps what it hears of its children, and answers `children` with it.

use std::cell::RefCell;

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as Client};
use exports::theater::simple::supervisor_handlers::{ActorError, Guest as Parent};
use theater::simple::{message_server_host, runtime};

wit_bindgen::generate!({
    inline: "
        package guest:messenger;

        world messenger {
            include theater:simple/message-actor@0.1.0;
            export theater:simple/supervisor-handlers@0.1.0;
        }
    ",
    path: "../../../../wit",
    world: "guest:messenger/messenger",
    generate_all,
});

thread_local! {
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Messenger;

type State = Option<Vec<u8>>;

impl Actor for Messenger {
    fn init(state: State, (id,): (String,)) -> Result<(State,), String> {
        runtime::log(&format!("{id} starts"));
        Ok((Some(state.unwrap_or_else(|| b"0".to_vec())),))
    }
}

impl Client for Messenger {
    fn handle_send(state: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        let state = counted(state);
        act(&state, &message)?;
        Ok((Some(state),))
    }

    fn handle_request(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let state = counted(state);
        let answer = act(&state, &message)?;
        Ok((Some(state), (answer,)))
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

impl Parent for Messenger {
    fn handle_child_error(
        state: State,
        (_, error): (String, ActorError),
    ) -> Result<(State,), String> {
        hear(format!("failed: {}", error.message));
        Ok((state,))
    }

    fn handle_child_exit(
        state: State,
        (_, left): (String, Option<Vec<u8>>),
    ) -> Result<(State,), String> {
        hear(format!("left: {}", String::from_utf8_lossy(&left.unwrap_or_default())));
        Ok((state,))
    }

    fn handle_child_external_stop(state: State, (_,): (String,)) -> Result<(State,), String> {
        hear("stopped".to_owned());
        Ok((state,))
    }
}

fn counted(state: State) -> Vec<u8> {
    let text = String::from_utf8(state.unwrap_or_default()).unwrap_or_default();
    let count: u64 = text.parse().unwrap_or(0);
    (count + 1).to_string().into_bytes()
}

/// Does what a message says; the answer, if it wants one now.
fn act(state: &[u8], message: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let text = String::from_utf8_lossy(message).into_owned();
    let mut words = text.splitn(3, ' ');
    match (words.next().unwrap_or_default(), words.next(), words.next()) {
        ("count", ..) => Ok(Some(state.to_vec())),
        ("self", ..) => Ok(Some(runtime::self_().into_bytes())),
        ("children", ..) => Ok(Some(HEARD.take().join("\n").into_bytes())),
        ("pass", Some(id), Some(text)) => {
            let sent = message_server_host::send(id, text.as_bytes());
            Ok(Some(format!("{sent:?}").into_bytes()))
        }
        ("ask", Some(id), Some(text)) => {
            let answer = message_server_host::request(id, text.as_bytes());
            Ok(Some(answer.unwrap_or_else(|error| format!("no: {error}").into_bytes())))
        }
        ("later", ..) => Ok(None),
        ("now", ..) => {
            for id in message_server_host::list_outstanding_requests() {
                // The request that says `now` is among them, and answered below.
                let _ = message_server_host::respond_to_request(&id, b"at last");
            }
            Ok(None)
        }
        ("fail", ..) => Err(text["fail".len()..].trim().to_owned()),
        ("trap", ..) => core::arch::wasm32::unreachable(),
        ("spin", ..) => {
            let mut number = 0_u64;
            loop {
                number = std::hint::black_box(number.wrapping_add(1));
            }
        }
        ("leave", ..) => {
            runtime::shutdown(Some(text["leave".len()..].trim().as_bytes()))?;
            Ok(Some(b"goodbye".to_vec()))
        }
        _ => Ok(Some(message.to_vec())),
    }
}

fn hear(news: String) {
    HEARD.with_borrow_mut(|heard| heard.push(news));
}

export!(Messenger);
