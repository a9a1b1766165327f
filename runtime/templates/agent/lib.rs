//! An agent. A request sets it a task; it asks a model over HTTP what to do next, does that with its
//! tools, tells the model what came of it, and answers once the model has an answer.
//!
//! What it must not do is for the manifest to say. A tool that is denied something gets an error, which
//! the model is told like any other result.

mod bindings;
mod tools;

use bindings::exports::theater::simple::actor::Guest as Actor;
use bindings::exports::theater::simple::message_server_client::{ChannelAccept, Guest as Messages};
use bindings::theater::simple::environment::get_var;
use bindings::theater::simple::http_client::{HttpRequest, send_http};
use bindings::theater::simple::runtime::log;
use serde_json::{Value, json};

/// Where the model is, unless the environment says otherwise.
const MODEL: &str = "http://127.0.0.1:8090/next";

/// After so many steps a task is given up.
const STEPS_MAX: usize = 16;

struct Component;

/// How many tasks were done, as text.
type State = Option<Vec<u8>>;

impl Actor for Component {
    fn init(state: State, params: (String,)) -> Result<(State,), String> {
        let (id,) = params;
        log(&format!("agent {id} is ready"));
        Ok((state,))
    }
}

impl Messages for Component {
    fn handle_request(
        state: State,
        params: (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let (_request, task) = params;
        // A task that cannot be done is an answer too; the agent lives on.
        let answer = work(&String::from_utf8_lossy(&task)).unwrap_or_else(|error| {
            log(&format!("giving up: {error}"));
            format!("I could not do that: {error}")
        });
        let done = tasks(&state)? + 1;
        Ok((
            Some(done.to_string().into_bytes()),
            (Some(answer.into_bytes()),),
        ))
    }

    fn handle_send(state: State, params: (Vec<u8>,)) -> Result<(State,), String> {
        let (message,) = params;
        log(&format!("noted: {}", String::from_utf8_lossy(&message)));
        Ok((state,))
    }

    fn handle_channel_open(
        state: State,
        _params: (String, Vec<u8>),
    ) -> Result<(State, (ChannelAccept,)), String> {
        Ok((
            state,
            (ChannelAccept {
                accepted: false,
                message: None,
            },),
        ))
    }

    fn handle_channel_message(
        state: State,
        _params: (String, Vec<u8>),
    ) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_channel_close(state: State, _params: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

/// Works on a task step by step until the model has an answer.
fn work(task: &str) -> Result<String, String> {
    let mut steps = Vec::new();
    while steps.len() < STEPS_MAX {
        let next = ask(&json!({ "task": task, "tools": tools::NAMES, "steps": steps }))?;
        if let Some(answer) = next["answer"].as_str() {
            return Ok(answer.to_owned());
        }
        let result = tools::apply(&next);
        log(&format!(
            "{}: {}",
            next["tool"],
            if result.is_ok() { "done" } else { "failed" }
        ));
        steps.push(match result {
            Ok(result) => json!({ "did": next, "result": result }),
            Err(error) => json!({ "did": next, "error": error }),
        });
    }
    Err(format!("no answer after {STEPS_MAX} steps"))
}

/// Asks the model what to do next: an answer, or a tool with its arguments.
fn ask(question: &Value) -> Result<Value, String> {
    let request = HttpRequest {
        method: "POST".to_owned(),
        uri: get_var("MODEL_URL").unwrap_or_else(|| MODEL.to_owned()),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Some(question.to_string().into_bytes()),
    };
    let response = send_http(&request).map_err(|error| format!("asking the model: {error}"))?;
    if response.status != 200 {
        return Err(format!(
            "the model answered with status {}",
            response.status
        ));
    }
    let body = response.body.unwrap_or_default();
    serde_json::from_slice(&body).map_err(|error| format!("the model's answer: {error}"))
}

/// The tasks that a state has counted: none if there is no state yet.
fn tasks(state: &State) -> Result<u64, String> {
    let Some(bytes) = state else { return Ok(0) };
    let text = String::from_utf8_lossy(bytes);
    text.parse()
        .map_err(|_| format!("the state is not a number: {text}"))
}

bindings::export!(Component with_types_in bindings);
