//! An agent: asks a model what to do, does it step by step with its tools, and tells the model what
//! came of it.
//!
//! `agent MODEL-URL [GOAL]`; the address may also be in `MODEL_URL`. The model is whatever answers a
//! POST of `{"goal", "asked", "token", "results"}` with `{"steps": [...], "done": true or false}`. A
//! step is an object whose `tool` says what its other members mean:
//!
//! | tool | members |
//! |---|---|
//! | `read`, `list` | `path` |
//! | `write` | `path`, `text` |
//! | `get` | `url` |
//! | `post` | `url`, `json` |
//!
//! A model may ask for what the agent was not given; the denial is reported to it and logged. Ends
//! with 1 if the model cannot be asked or understood.

mod json;
mod tools;

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use guest_commands::http;
use wasip2::random::random::get_random_u64;

use json::Json;
use tools::Outcome;

/// How often the model is asked before the agent gives up.
const ROUNDS_MAX: u32 = 8;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let model = arguments.next().or_else(|| std::env::var("MODEL_URL").ok());
    let goal = arguments.next().unwrap_or_else(|| "look around".to_owned());
    let Some(model) = model else {
        eprintln!("agent MODEL-URL [GOAL]");
        return ExitCode::from(2);
    };
    match pursue(&model, &goal) {
        Ok(steps) => {
            println!("done after {steps} steps");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("gave up: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Asks and acts until the model has nothing more to do. How many steps were taken.
fn pursue(model: &str, goal: &str) -> Result<usize, String> {
    println!("goal: {goal}");
    // The token shows the model which requests belong together.
    let token = format!("{:016x}", get_random_u64());
    let mut results = Vec::new();
    for round in 1..=ROUNDS_MAX {
        let plan = ask(model, goal, &token, &results)?;
        let Some(Json::List(steps)) = plan.get("steps") else {
            return Err("the plan has no steps".to_owned());
        };
        println!("round {round}: {} steps", steps.len());
        for step in steps {
            results.push(take(results.len() + 1, step));
        }
        if plan.get("done") == Some(&Json::Bool(true)) || steps.is_empty() {
            return Ok(results.len());
        }
    }
    Err(format!("no end after {ROUNDS_MAX} rounds"))
}

fn ask(model: &str, goal: &str, token: &str, results: &[Json]) -> Result<Json, String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let question = Json::Object(vec![
        ("goal".to_owned(), Json::Text(goal.to_owned())),
        ("asked".to_owned(), Json::Number(now.to_string())),
        ("token".to_owned(), Json::Text(token.to_owned())),
        ("results".to_owned(), Json::List(results.to_vec())),
    ]);
    let response = http::post_json(model, &question.to_string())
        .map_err(|error| format!("the model {model}: {error}"))?;
    if response.status != 200 {
        return Err(format!("the model answered with status {}", response.status));
    }
    let text = String::from_utf8(response.body).map_err(|_| "the plan is not text".to_owned())?;
    Json::parse(&text).map_err(|error| format!("the plan is not JSON: {error}"))
}

/// Takes a step, logs it and puts it in words for the model.
fn take(number: usize, step: &Json) -> Json {
    println!("step {number}: {step}");
    let (outcome, words) = match tools::take(step) {
        Outcome::Done(words) => ("done", words),
        Outcome::Denied(words) => ("denied", words),
        Outcome::Failed(words) => ("failed", words),
    };
    println!("step {number} {outcome}: {words}");
    Json::Object(vec![
        ("step".to_owned(), Json::Number(number.to_string())),
        ("outcome".to_owned(), Json::Text(outcome.to_owned())),
        ("words".to_owned(), Json::Text(words)),
    ])
}
