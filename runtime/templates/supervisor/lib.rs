//! A supervisor: it starts a child, and starts it again when it fails, but not for ever.

mod bindings;
mod theater;

use bindings::exports::theater::simple::actor::Guest as Actor;
use bindings::exports::theater::simple::supervisor_handlers::{ActorError, Guest as Children};
use theater::runtime::log;
use theater::supervisor::*;

/// How often the child may fail.
const RESTARTS_MAX: u64 = 3;

struct Component;

/// How often the child was started again, as text.
type State = Option<Vec<u8>>;

impl Actor for Component {
    fn init(state: State, _params: (String,)) -> Result<(State,), String> {
        let child_id = supervisor::spawn_child("child/manifest.toml")?;
        let status = supervisor::get_child_status(&child_id)?;
        log(&format!("child {child_id} is {status:?}"));
        if status != ActorStatus::Running {
            supervisor::restart_child(&child_id)?;
        }
        Ok((state,))
    }
}

impl Children for Component {
    fn handle_child_error(state: State, params: (String, ActorError)) -> Result<(State,), String> {
        let (child_id, error) = params;
        let restarts = restarts(&state)?;
        log(&format!("child {child_id} has failed: {}", error.message));
        if restarts == RESTARTS_MAX {
            return Err(format!("child {child_id} has failed too often"));
        }
        supervisor::restart_child(&child_id)?;
        Ok((Some((restarts + 1).to_string().into_bytes()),))
    }

    fn handle_child_exit(
        state: State,
        params: (String, Option<Vec<u8>>),
    ) -> Result<(State,), String> {
        let (child_id, _last_word) = params;
        log(&format!("child {child_id} is done"));
        Ok((state,))
    }

    fn handle_child_external_stop(state: State, params: (String,)) -> Result<(State,), String> {
        let (child_id,) = params;
        log(&format!("somebody has stopped child {child_id}"));
        Ok((state,))
    }
}

/// The restarts that a state has counted: none if there is no state yet.
fn restarts(state: &State) -> Result<u64, String> {
    let Some(bytes) = state else { return Ok(0) };
    let text = String::from_utf8_lossy(bytes);
    text.parse()
        .map_err(|_| format!("the state is not a number: {text}"))
}

bindings::export!(Component with_types_in bindings);
