//! An actor that keeps others, for tests of supervision. Its state is the number of messages it got, as
//! text. What it does is said in the message:
//!
//! | message | it |
//! |---|---|
//! | `count` | answers with its count |
//! | `ask ID TEXT` | asks the actor ID, and answers with its answer |
//! | `spawn MANIFEST` | starts a child, and answers with its id |
//! | `status ID`, `state ID` | answers with a child's |
//! | `stop ID`, `kill ID`, `restart ID`, `resume ID`, `forget ID` | does that to a child |
//! | `children` | answers with the ids of its children |
//! | `link ID`, `unlink ID`, `monitor ID`, `demonitor NUMBER` | does that |
//! | `open ID TEXT` | opens a channel with this first message, and answers with its id |
//! | `say CHANNEL TEXT`, `close CHANNEL` | does that |
//! | `heard` | answers with what it has heard since the last time: of children, ends, channels |
//! | `fail TEXT` | returns an error |
//! | `trap` | executes `unreachable` |
//! | `spin` | computes for ever |
//! | `grow` | takes memory until there is none |
//! | `log TEXT` | logs TEXT |
//! | `leave TEXT` | comes to its end, and leaves TEXT behind |
//!
//! It accepts channels, with the first message back, unless that is `no`. An initial state that is no number is
//! what it does instead of starting: `fail` or `trap`; or, while it starts, `leave`.

use std::cell::RefCell;

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::lifecycle_handlers::{ActorEnd, Guest as Watcher};
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as Client};
use exports::theater::simple::supervisor_handlers::{ActorError, Guest as Parent};
use theater::simple::{lifecycle, message_server_host, runtime, supervisor};

wit_bindgen::generate!({
    inline: "
        package guest:keeper;

        world keeper {
            include theater:simple/message-actor@0.1.0;
            include theater:simple/supervisor-actor@0.1.0;
            import theater:simple/lifecycle@0.1.0;
            export theater:simple/lifecycle-handlers@0.1.0;
        }
    ",
    path: "../../../../wit",
    world: "guest:keeper/keeper",
    generate_all,
});

thread_local! {
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Keeper;

type State = Option<Vec<u8>>;

impl Actor for Keeper {
    fn init(state: State, (_,): (String,)) -> Result<(State,), String> {
        let state = state.unwrap_or_else(|| b"0".to_vec());
        match state.as_slice() {
            b"fail" => Err("it does not want to".to_owned()),
            b"trap" => core::arch::wasm32::unreachable(),
            other => {
                if other == b"leave" {
                    runtime::shutdown(Some(b"at once"))?;
                }
                runtime::log("starts");
                Ok((Some(state),))
            }
        }
    }
}

impl Client for Keeper {
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
        Ok((Some(state), (Some(answer.into_bytes()),)))
    }

    fn handle_channel_open(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (ChannelAccept,)), String> {
        let accepted = message != b"no";
        Ok((state, (ChannelAccept { accepted, message: Some(message) },)))
    }

    fn handle_channel_message(
        state: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State,), String> {
        hear(format!("said: {}", String::from_utf8_lossy(&message)));
        Ok((state,))
    }

    fn handle_channel_close(state: State, (_,): (String,)) -> Result<(State,), String> {
        hear("closed".to_owned());
        Ok((state,))
    }
}

impl Parent for Keeper {
    fn handle_child_error(
        state: State,
        (_, error): (String, ActorError),
    ) -> Result<(State,), String> {
        hear(format!("{:?}: {}", error.kind, error.message));
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

impl Watcher for Keeper {
    fn handle_actor_end(
        state: State,
        (monitor, _, end): (u64, String, ActorEnd),
    ) -> Result<(State,), String> {
        let end = match end {
            ActorEnd::Completed(_) => "completed",
            ActorEnd::Failed(_) => "failed",
            ActorEnd::Stopped => "stopped",
            ActorEnd::Killed => "killed",
        };
        hear(format!("{monitor} {end}"));
        Ok((state,))
    }
}

fn counted(state: State) -> Vec<u8> {
    let text = String::from_utf8(state.unwrap_or_default()).unwrap_or_default();
    let count: u64 = text.parse().unwrap_or(0);
    (count + 1).to_string().into_bytes()
}

/// Does what a message says, and answers.
fn act(state: &[u8], message: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(message).into_owned();
    let (command, rest) = text.split_once(' ').unwrap_or((&text, ""));
    let (first, more) = rest.split_once(' ').unwrap_or((rest, ""));
    let text_of = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let done = |outcome: Result<(), String>| outcome.map(|()| "done".to_owned());
    let answer = match command {
        "count" => Ok(text_of(state.to_vec())),
        "ask" => message_server_host::request(first, more.as_bytes()).map(text_of),
        "spawn" => supervisor::spawn_child(rest),
        "status" => supervisor::get_child_status(first).map(|status| format!("{status:?}")),
        "state" => supervisor::get_child_state(first)
            .map(|state| state.map_or_else(|| "none".to_owned(), text_of)),
        "stop" => done(supervisor::stop_child(first)),
        "kill" => done(supervisor::kill_child(first)),
        "restart" => done(supervisor::restart_child(first)),
        "resume" => done(supervisor::resume_child(first)),
        "forget" => done(supervisor::forget_child(first)),
        "children" => Ok(supervisor::list_children().join("\n")),
        "link" => done(lifecycle::link(first)),
        "unlink" => done(lifecycle::unlink(first)),
        "monitor" => lifecycle::monitor(first).map(|number| number.to_string()),
        "demonitor" => done(lifecycle::demonitor(first.parse().unwrap_or(0))),
        "open" => message_server_host::open_channel(first, more.as_bytes()),
        "say" => done(message_server_host::send_on_channel(first, more.as_bytes())),
        "close" => done(message_server_host::close_channel(first)),
        "heard" => Ok(HEARD.take().join("\n")),
        "fail" => return Err(rest.to_owned()),
        "trap" => core::arch::wasm32::unreachable(),
        "spin" => spin(),
        "grow" => grow(),
        "log" => {
            runtime::log(rest);
            Ok("done".to_owned())
        }
        "leave" => done(runtime::shutdown(Some(rest.as_bytes()))),
        _ => Ok(text),
    };
    Ok(answer.unwrap_or_else(|error| format!("no: {error}")))
}

fn spin() -> ! {
    let mut number = 0_u64;
    loop {
        number = std::hint::black_box(number.wrapping_add(1));
    }
}

fn grow() -> ! {
    loop {
        std::mem::forget(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

fn hear(news: String) {
    HEARD.with_borrow_mut(|heard| heard.push(news));
}

export!(Keeper);
