//! A counter. Messages with a number add to it, requests are answered with the sum so far, and on a
//! channel every number is.
//!
//! The sum is the state that travels through the handlers, so it outlives this instance.

mod bindings;

use bindings::exports::theater::simple::actor::Guest as Actor;
use bindings::exports::theater::simple::message_server_client::{ChannelAccept, Guest as Messages};
use bindings::theater::simple::message_server_host::send_on_channel;
use bindings::theater::simple::runtime::log;

struct Component;

/// The sum so far, as text.
type State = Option<Vec<u8>>;

impl Actor for Component {
    fn init(state: State, params: (String,)) -> Result<(State,), String> {
        let (id,) = params;
        let sum = sum(&state)?;
        log(&format!("counter {id} starts at {sum}"));
        Ok((to_state(sum),))
    }
}

impl Messages for Component {
    fn handle_send(state: State, params: (Vec<u8>,)) -> Result<(State,), String> {
        let (message,) = params;
        let sum = add(sum(&state)?, &message);
        log(&format!("the sum is {sum}"));
        Ok((to_state(sum),))
    }

    fn handle_request(
        state: State,
        params: (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let (_request, message) = params;
        let sum = add(sum(&state)?, &message);
        let answer = sum.to_string().into_bytes();
        Ok((to_state(sum), (Some(answer),)))
    }

    fn handle_channel_open(
        state: State,
        params: (String, Vec<u8>),
    ) -> Result<(State, (ChannelAccept,)), String> {
        let (channel, _first) = params;
        log(&format!("channel {channel} is open"));
        Ok((
            state,
            (ChannelAccept {
                accepted: true,
                message: None,
            },),
        ))
    }

    fn handle_channel_message(state: State, params: (String, Vec<u8>)) -> Result<(State,), String> {
        let (channel, message) = params;
        let sum = add(sum(&state)?, &message);
        // The other side may have closed it meanwhile. That is no reason to fail.
        if let Err(error) = send_on_channel(&channel, sum.to_string().as_bytes()) {
            log(&format!("channel {channel}: {error}"));
        }
        Ok((to_state(sum),))
    }

    fn handle_channel_close(state: State, params: (String,)) -> Result<(State,), String> {
        let (channel,) = params;
        log(&format!("channel {channel} is closed"));
        Ok((state,))
    }
}

/// The sum that a state holds: 0 if there is no state yet.
fn sum(state: &State) -> Result<i64, String> {
    let Some(bytes) = state else { return Ok(0) };
    number(bytes).ok_or_else(|| "the state is not a number".to_owned())
}

fn to_state(sum: i64) -> State {
    Some(sum.to_string().into_bytes())
}

/// Adds what a message holds. A message without a number adds nothing.
fn add(sum: i64, message: &[u8]) -> i64 {
    sum.saturating_add(number(message).unwrap_or(0))
}

fn number(bytes: &[u8]) -> Option<i64> {
    std::str::from_utf8(bytes).ok()?.trim().parse().ok()
}

bindings::export!(Component with_types_in bindings);
