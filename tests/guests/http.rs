//! Guests that ask servers. They are replayed after the server has stopped.

use std::path::Path;

use super::comes_to_its_end;
use crate::stage::server::{Request, Server};
use crate::stage::{Recorded, Setup, folder};

#[test]
fn fetch_prints_what_a_server_answers() {
    let server = Server::start(|request| match request.path.as_str() {
        "/page" => (200, "the page\n".to_owned()),
        path => (404, format!("no {path}")),
    });
    let found = Setup::of("fetch").args(&[&server.url("/page")]).http(&server.authority()).record();
    let lost = Setup::of("fetch").args(&[&server.url("/lost")]).http(&server.authority()).record();
    assert_eq!(server.connections(), 2);
    drop(server);
    assert!(found.stdout.starts_with("status 200\n"), "{}{}", found.stdout, found.stderr);
    assert!(found.stdout.ends_with("the page\n"));
    assert!(lost.stdout.starts_with("status 404\n"), "{}{}", lost.stdout, lost.stderr);
    found.replays();
    lost.replays();
}

#[test]
fn fetch_of_a_large_body_is_replayed() {
    let server = Server::start(|_| (200, "0123456789".repeat(30_000)));
    let recorded = Setup::of("fetch").args(&[&server.url("/")]).http(&server.authority()).record();
    drop(server);
    assert!(recorded.stdout.contains("300000 bytes, "), "{}", recorded.stderr);
    recorded.replays();
}

#[test]
fn fetch_from_a_server_that_is_not_there_fails_in_the_replay_as_well() {
    // Nobody listens on port 1.
    let setup = Setup::of("fetch").args(&["http://127.0.0.1:1/"]).http("127.0.0.1:1");
    let recorded = setup.record();
    assert!(recorded.stderr.starts_with("fetch: http://127.0.0.1:1/: "), "{}", recorded.stderr);
    recorded.replays();
}

#[test]
fn agent_does_what_its_model_tells_it() {
    let recorded = agent();
    assert!(recorded.stdout.contains("done after 6 steps\n"), "{}", recorded.stdout);
    for step in [
        "step 1 done: notes.txt",
        "step 2 done: 8 bytes, ",
        "step 3 done: status 200: sunny",
        "step 4 done: status 200: got {\"noted\":\"sunny\"}",
        "step 5 done: 5 bytes written",
        "step 6 done: 5 bytes, ",
    ] {
        assert!(recorded.stdout.contains(step), "{step} is not in\n{}", recorded.stdout);
    }
    recorded.replays();
}

#[test]
fn agent_gives_up_on_a_model_that_makes_no_sense() {
    let server = Server::start(|_| (200, "think harder".to_owned()));
    let setup = Setup::of("agent").args(&[&server.url("/model")]).http(&server.authority());
    let recorded = comes_to_its_end(&setup);
    assert!(recorded.stdout.contains("gave up: the plan is not JSON"), "{}", recorded.stdout);
}

/// An agent that is led through all of its tools by a model in two rounds.
fn agent() -> Recorded {
    let files = folder(&[("notes.txt", "buy milk")]);
    let server = Server::start(model_and_tools);
    let recorded = agent_of(&server, files.path()).record();
    assert_eq!(server.connections(), 4, "two rounds with the model, two tools");
    recorded
}

/// An agent that asks this server and works in this folder.
pub(super) fn agent_of(server: &Server, folder: &Path) -> Setup {
    Setup::of("agent")
        .args(&[&server.url("/model"), "what is the weather?"])
        .http(&server.authority())
        .dir(folder, "/desk")
}

/// Answers as the agent's model, and as the tools that the model has in mind.
pub(super) fn model_and_tools(request: &Request) -> (u16, String) {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/model") if request.body.contains("\"step\"") => (200, SECOND_PLAN.to_owned()),
        // The agent asked the server by the only address it has.
        ("POST", "/model") => (200, FIRST_PLAN.replace("SERVER", &request.host)),
        ("GET", "/weather") => (200, "sunny".to_owned()),
        ("POST", "/note") => (200, format!("got {}", request.body)),
        _ => (404, String::new()),
    }
}

const FIRST_PLAN: &str = r#"{"steps": [
    {"tool": "list", "path": "/desk"},
    {"tool": "read", "path": "/desk/notes.txt"},
    {"tool": "get", "url": "http://SERVER/weather"},
    {"tool": "post", "url": "http://SERVER/note", "json": {"noted": "sunny"}}
], "done": false}"#;

const SECOND_PLAN: &str = r#"{"steps": [
    {"tool": "write", "path": "/desk/answer.txt", "text": "sunny"},
    {"tool": "read", "path": "/desk/answer.txt"}
], "done": true}"#;
