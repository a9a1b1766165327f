//! An actor for tests of stores and of chains that are read from within. Its state is the last request it
//! got. What it does is said in the request, and it answers with what came of it:
//!
//! | request | it |
//! |---|---|
//! | `new` | makes a store |
//! | `put STORE TEXT`, `get STORE HASH`, `exists STORE HASH` | keeps and reads content |
//! | `label STORE LABEL HASH`, `set STORE LABEL HASH`, `take STORE LABEL HASH` | changes what a label names |
//! | `put-at STORE LABEL TEXT`, `replace-at STORE LABEL TEXT` | keeps content and labels it |
//! | `labelled STORE LABEL`, `forget STORE LABEL` | looks a label up, or forgets it |
//! | `labels STORE`, `all STORE`, `size STORE` | says what is there |
//! | `put-bytes STORE COUNT` | keeps that many zeros |
//! | `head`, `event N`, `events N COUNT`, `chain`, `state N` | reads its chain |
//! | `log COUNT` | logs a line of that many bytes |
//! | `leave TWICE` | asks for its end twice |

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as Client};
use theater::simple::runtime;
use theater::simple::store::{self, ContentRef};
use theater::simple::types::ChainEvent;

wit_bindgen::generate!({
    inline: "
        package guest:archivist;

        world archivist {
            include theater:simple/message-actor@0.1.0;
            import theater:simple/store@0.1.0;
        }
    ",
    path: "../../../../wit",
    world: "guest:archivist/archivist",
    generate_all,
});

struct Archivist;

type State = Option<Vec<u8>>;

impl Actor for Archivist {
    fn init(state: State, (_,): (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl Client for Archivist {
    fn handle_send(_: State, (message,): (Vec<u8>,)) -> Result<(State,), String> {
        Ok((Some(message),))
    }

    fn handle_request(
        _: State,
        (_, message): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let text = String::from_utf8_lossy(&message).into_owned();
        let answer = act(&text).unwrap_or_else(|error| format!("no: {error}"));
        Ok((Some(message), (Some(answer.into_bytes()),)))
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

fn act(request: &str) -> Result<String, String> {
    let words: Vec<&str> = request.splitn(4, ' ').collect();
    match words[..] {
        ["head"] => {
            let head = runtime::get_chain_head()?;
            Ok(format!("{} {}", head.number, hex(&head.hash)))
        }
        ["event", number] => Ok(told(&runtime::get_chain_event(parsed(number)?)?)),
        ["events", first, count] => {
            let events = runtime::get_chain_events(parsed(first)?, parsed(count)?)?;
            Ok(events.iter().map(told).collect::<Vec<_>>().join("\n"))
        }
        ["chain"] => Ok(runtime::get_chain()?.len().to_string()),
        ["state", number] => {
            let state = runtime::get_state_at(parsed(number)?)?;
            Ok(state
                .map_or("none".to_owned(), |state| String::from_utf8_lossy(&state).into_owned()))
        }
        ["log", count] => {
            runtime::log(&"x".repeat(parsed(count)?));
            Ok("logged".to_owned())
        }
        ["leave", "twice"] => {
            let first = runtime::shutdown(None);
            Ok(format!("{first:?} {:?}", runtime::shutdown(None)))
        }
        _ => keep(&words),
    }
}

fn keep(words: &[&str]) -> Result<String, String> {
    let done = || "done".to_owned();
    match *words {
        ["new"] => store::new(),
        ["put", id, text] => Ok(store::store(id, text.as_bytes())?.hash),
        ["put-bytes", id, count] => Ok(store::store(id, &vec![0; parsed(count)?])?.hash),
        ["get", id, hash] => {
            let content = store::get(id, &content(hash))?;
            Ok(String::from_utf8_lossy(&content).into_owned())
        }
        ["exists", id, hash] => Ok(store::exists(id, &content(hash))?.to_string()),
        ["label", id, label, hash] => store::label(id, label, &content(hash)).map(|()| done()),
        ["set", id, label, hash] => {
            store::replace_at_label(id, label, &content(hash)).map(|()| done())
        }
        ["take", id, label, hash] => {
            store::remove_from_label(id, label, &content(hash)).map(|()| done())
        }
        ["put-at", id, label, text] => Ok(store::store_at_label(id, label, text.as_bytes())?.hash),
        ["replace-at", id, label, text] => {
            Ok(store::replace_content_at_label(id, label, text.as_bytes())?.hash)
        }
        ["labelled", id, label] => {
            let content = store::get_by_label(id, label)?;
            Ok(content.map_or("none".to_owned(), |content| content.hash))
        }
        ["forget", id, label] => store::remove_label(id, label).map(|()| done()),
        ["labels", id] => Ok(store::list_labels(id)?.join("\n")),
        ["all", id] => {
            let all = store::list_all_content(id)?;
            Ok(all.into_iter().map(|content| content.hash).collect::<Vec<_>>().join("\n"))
        }
        ["size", id] => Ok(store::calculate_total_size(id)?.to_string()),
        _ => Err("what?".to_owned()),
    }
}

fn content(hash: &str) -> ContentRef {
    ContentRef { hash: hash.to_owned() }
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn told(event: &ChainEvent) -> String {
    let parent = event.parent_hash.as_deref().map_or("none".to_owned(), hex);
    let ChainEvent { number, hash, event_type, data, .. } = event;
    format!("{number} {} {parent} {event_type} {}", hex(hash), hex(data))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

export!(Archivist);
