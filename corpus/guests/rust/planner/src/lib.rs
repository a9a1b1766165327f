//! An agent. A request is a goal; the agent asks a model over HTTP what to do next, does it, tells the model
//! what came of it, and so on until the model has an answer.
//!
//! The state that it is started with says where the model is, unless the variable `MODEL` does. The model gets the goal and all steps so far, one to a line, and
//! answers with the next one:
//!
//! | step | the agent |
//! |---|---|
//! | `fetch URL` | sends a GET request |
//! | `read PATH`, `write PATH TEXT` | reads or writes a file |
//! | `wait MILLISECONDS` | waits |
//! | `answer TEXT` | is done |
//!
//! What a tool refuses is told to the model as any other result.

use exports::theater::simple::actor::Guest as Actor;
use exports::theater::simple::message_server_client::{ChannelAccept, Guest as Client};
use theater::simple::http_types::HttpRequest;
use theater::simple::{environment, filesystem, http_client, runtime, timing};

wit_bindgen::generate!({
    inline: "
        package guest:planner;

        world planner {
            include theater:simple/agent-actor@0.1.0;
        }
    ",
    path: "../../../../wit",
    world: "guest:planner/planner",
    generate_all,
});

/// More steps lead nowhere.
const STEPS_MAX: usize = 20;

struct Planner;

type State = Option<Vec<u8>>;

impl Actor for Planner {
    fn init(state: State, _: (String,)) -> Result<(State,), String> {
        Ok((state,))
    }
}

impl Client for Planner {
    fn handle_send(state: State, _: (Vec<u8>,)) -> Result<(State,), String> {
        Ok((state,))
    }

    fn handle_request(
        state: State,
        (_, goal): (String, Vec<u8>),
    ) -> Result<(State, (Option<Vec<u8>>,)), String> {
        let model = String::from_utf8(state.clone().unwrap_or_default()).unwrap_or_default();
        let model = environment::get_var("MODEL").unwrap_or(model);
        let answer = pursue(&model, &String::from_utf8_lossy(&goal))?;
        Ok((state, (Some(answer.into_bytes()),)))
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

/// Goes from step to step.
fn pursue(model: &str, goal: &str) -> Result<String, String> {
    let mut so_far = format!("goal: {goal}");
    for _ in 0..STEPS_MAX {
        let step = ask(model, &so_far)?;
        runtime::log(&step);
        if let Some(answer) = step.strip_prefix("answer ") {
            return Ok(answer.to_owned());
        }
        let result = act(&step).unwrap_or_else(|error| format!("refused: {error}"));
        so_far += &format!("\n{step} -> {result}");
    }
    Err("it leads nowhere".to_owned())
}

fn ask(model: &str, so_far: &str) -> Result<String, String> {
    let headers = vec![
        ("authorization".to_owned(), "Bearer the-key-of-the-model".to_owned()),
        ("content-type".to_owned(), "text/plain".to_owned()),
    ];
    let body = Some(so_far.as_bytes().to_vec());
    send(&HttpRequest { method: "POST".to_owned(), uri: model.to_owned(), headers, body })
}

fn act(step: &str) -> Result<String, String> {
    let mut words = step.splitn(3, ' ');
    match (words.next().unwrap_or_default(), words.next(), words.next()) {
        ("fetch", Some(uri), None) => send(&HttpRequest {
            method: "GET".to_owned(),
            uri: uri.to_owned(),
            headers: Vec::new(),
            body: None,
        }),
        ("read", Some(path), None) => {
            Ok(String::from_utf8_lossy(&filesystem::read_file(path)?).into_owned())
        }
        ("write", Some(path), Some(text)) => {
            filesystem::write_file(path, text.as_bytes())?;
            Ok("written".to_owned())
        }
        ("wait", Some(time), None) => {
            timing::sleep(time.parse().map_err(|_| "that is no time")?)?;
            Ok("waited".to_owned())
        }
        _ => Err(format!("there is no such tool: {step}")),
    }
}

fn send(request: &HttpRequest) -> Result<String, String> {
    let response = http_client::send_http(request)?;
    let body = response.body.unwrap_or_default();
    Ok(String::from_utf8_lossy(&body).trim().to_owned())
}

export!(Planner);
