//! Actors over HTTP: started, found, talked to, ended.

use serde_json::{Value, json};

use super::{Stage, code};
use crate::client::actor_path;

#[test]
fn an_actor_is_started_talked_to_and_stopped() {
    let stage = Stage::new();
    let id = stage.start();
    let listed = stage.get("/v1/actors");
    let expected = json!({
        "id": id, "name": "messenger", "parent": null, "status": "running", "end": null,
        "waiting": 0, "lives": 1,
    });
    assert_eq!(listed, json!({ "actors": [expected] }));
    stage.tell(&id, "hello");
    assert_eq!(stage.ask(&id, "count"), "2");
    assert_eq!(stage.get(&actor_path(&id, "/state")), json!({ "text": "2" }));
    assert_eq!(stage.client.bytes(&actor_path(&id, "/state?raw=true")).unwrap(), b"2");
    let known = stage.get(&actor_path(&id, ""));
    let chain = known["chains"][0].as_str().unwrap();
    assert!(std::path::Path::new(chain).starts_with(stage.folder.path()), "{chain}");
    assert!(known["head"]["seq"].as_u64().unwrap() > 5, "{known}");
    let stopped = stage.client.delete(&actor_path(&id, "")).unwrap();
    let stopped: Value = serde_json::from_slice(&stopped).unwrap();
    assert_eq!(stopped["status"], "stopped");
    assert_eq!(stopped["end"], json!({ "kind": "stopped", "error": null, "left": null }));
    let late = stage.client.post(&actor_path(&id, "/requests"), b"count".to_vec());
    assert_eq!(code(late), "actor-ended");
}

#[test]
fn a_state_can_be_given_and_looked_up_as_of_an_event() {
    let stage = Stage::new();
    let mut start = stage.manifest("");
    start["state"] = json!({ "hex": "3431" });
    let answer = stage.client.post("/v1/actors", start.to_string().into_bytes()).unwrap();
    let id = stage.client.parsed::<Value>(&answer).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(stage.ask(&id, "count"), "42");
    assert_eq!(stage.get(&actor_path(&id, "/state")), json!({ "text": "42" }));
    let head = stage.get(&actor_path(&id, ""))["head"]["seq"].as_u64().unwrap();
    let at = |seq: u64| stage.get(&actor_path(&id, &format!("/state?at={seq}")));
    assert_eq!(at(0), json!({ "text": "41" }));
    assert_eq!(at(head), json!({ "text": "42" }));
}

#[test]
fn what_has_happened_is_in_the_chain_for_whoever_asks_next() {
    let stage = Stage::new();
    let returns = |id: &str| {
        let events = stage.get(&actor_path(id, "/events?kind=export-return"));
        events["events"].as_array().unwrap().len()
    };
    for _ in 0..20 {
        let id = stage.start();
        assert_eq!(returns(&id), 1, "init has returned");
        assert_eq!(stage.ask(&id, "count"), "1");
        assert_eq!(returns(&id), 2, "the request was answered");
    }
}

#[test]
fn what_an_actor_does_wrong_is_told_apart() {
    let stage = Stage::new();
    let (fails, traps, spins) = (stage.start(), stage.start(), stage.start());
    let ask = |id: &str, message: &str| {
        let timeout = if message == "spin" { "300ms" } else { "20s" };
        let requests = actor_path(id, &format!("/requests?timeout={timeout}"));
        stage.client.post(&requests, message.as_bytes().to_vec())
    };
    assert_eq!(code(ask(&fails, "fail badly")), "refused");
    assert_eq!(code(ask(&traps, "trap")), "actor-ended");
    assert_eq!(code(ask(&spins, "spin")), "timed-out");
    let status = |id: &str| stage.get(&actor_path(id, ""))["status"].clone();
    assert_eq!((status(&fails), status(&traps)), (json!("failed"), json!("failed")));
    assert_eq!(status(&spins), "running");
    stage.client.post(&actor_path(&spins, "/kill"), Vec::new()).unwrap();
    assert_eq!(status(&spins), "killed");
}

#[test]
fn an_actor_is_started_again_under_its_id() {
    let stage = Stage::new();
    let id = stage.start();
    assert_eq!(stage.ask(&id, "count"), "1");
    let answer = stage.client.post(&actor_path(&id, "/restart"), Vec::new()).unwrap();
    let restarted: Value = stage.client.parsed(&answer).unwrap();
    assert_eq!((&restarted["status"], &restarted["lives"]), (&json!("running"), &json!(2)));
    assert_eq!(stage.ask(&id, "count"), "1", "it has begun again");
}

#[test]
fn a_tree_has_children_below_their_parents() {
    let stage = Stage::new();
    let top = stage.start();
    let other = stage.start();
    let below = |parent: &str| {
        let mut start = stage.manifest("");
        start["parent"] = json!(parent);
        let answer = stage.client.post("/v1/actors", start.to_string().into_bytes()).unwrap();
        stage.client.parsed::<Value>(&answer).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let child = below(&top);
    let grandchild = below(&child);
    let tree = |query: &str| -> Vec<(u64, String)> {
        let tree = stage.get(&format!("/v1/tree{query}"));
        let line = |line: &Value| {
            (line["depth"].as_u64().unwrap(), line["id"].as_str().unwrap().to_owned())
        };
        tree["actors"].as_array().unwrap().iter().map(line).collect()
    };
    let expected =
        [(0, top.clone()), (1, child.clone()), (2, grandchild.clone()), (0, other.clone())];
    assert_eq!(tree(""), expected);
    assert_eq!(tree(&format!("?root={child}")), [(0, child.clone()), (1, grandchild)]);
    assert_eq!(stage.get(&actor_path(&top, ""))["children"], json!([child]));
}

#[test]
fn an_actor_can_decline_a_channel() {
    let stage = Stage::new();
    let id = stage.start();
    let opened = stage.client.post(&actor_path(&id, "/channels"), b"hello".to_vec());
    assert_eq!(code(opened), "refused");
}
