//! Ranges of events, and streams of them.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;

use serde_json::{Value, json};

use super::Stage;
use crate::client::{ServerEvent, actor_path};

/// Follows an actor's events until its end, and gives back what came, and what it ended with.
fn followed(stage: &Stage, id: &str, query: &str) -> (Vec<Value>, ServerEvent) {
    let mut events = Vec::new();
    for event in stage.client.follow(&actor_path(id, query)).expect("it is there") {
        let event = event.expect("it comes whole");
        match event.name.as_str() {
            "event" | "log" => events.push(serde_json::from_str(&event.data).expect("it is JSON")),
            _ => return (events, event),
        }
    }
    panic!("the stream ended without saying why");
}

fn numbers(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["seq"].as_u64().expect("it has one")).collect()
}

#[test]
fn ranges_of_events_can_be_chosen() {
    let stage = Stage::new();
    let id = stage.start();
    for _ in 0..20 {
        stage.tell(&id, "hello");
    }
    let page = |query: &str| stage.get(&actor_path(&id, &format!("/events{query}")));
    let count = |query: &str| page(query)["events"].as_array().unwrap().len();
    let of = |query: &str| numbers(page(query)["events"].as_array().unwrap());
    assert_eq!(of("?from=3&to=5"), [3, 4, 5]);
    assert_eq!(of("?from=3&limit=2&order=newest").len(), 2);
    let first = page("?limit=7");
    assert_eq!(first["rest"]["from"], 7);
    assert_eq!(page("?limit=1000")["rest"], Value::Null);
    assert_eq!(first["events"][0]["kind"], "header");
    assert_eq!(first["events"][0]["parent"], Value::Null);
    assert_eq!(first["events"][1]["parent"], first["events"][0]["link"]);
    assert_eq!(count("?kind=permission"), 20, "each message says who has sent it");
    assert_eq!(
        count("?function=theater:simple/message-server-client%23handle-send&kind=export-call"),
        20
    );
    assert_eq!(count("?kind=permission,import-call"), 21);
    assert_eq!(count("?since=2000-01-01&limit=1000"), count("?limit=1000"));
    assert_eq!(count("?until=2000-01-01"), 0);
    let line = page("?kind=import-call&form=line")["events"][0].clone();
    assert!(line["line"].as_str().unwrap().contains("log"), "{line}");
    let logs = stage.get(&actor_path(&id, "/logs"));
    assert_eq!(logs["events"][0]["text"], json!(format!("{id} starts")));
}

#[test]
fn a_stream_has_every_event_once_and_then_the_end() {
    let stage = Stage::new();
    let id = stage.start();
    std::thread::scope(|scope| {
        let whole = scope.spawn(|| followed(&stage, &id, "/events?follow&from=0"));
        let logs = scope.spawn(|| followed(&stage, &id, "/logs?follow=true&last=1"));
        for _ in 0..300 {
            stage.tell(&id, "hello");
        }
        stage.client.delete(&actor_path(&id, "")).unwrap();
        let (events, end) = whole.join().unwrap();
        let numbers = numbers(&events);
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "{numbers:?}");
        assert_eq!(events.last().unwrap()["kind"], "close");
        assert_eq!(end.name, "end");
        assert_eq!(serde_json::from_str::<Value>(&end.data).unwrap()["status"], "stopped");
        let (logged, _) = logs.join().unwrap();
        assert_eq!(logged[0]["text"], json!(format!("{id} starts")));
    });
}

#[test]
fn a_stream_goes_on_behind_the_last_event_that_came() {
    let stage = Stage::new();
    let id = stage.start();
    stage.client.delete(&actor_path(&id, "")).unwrap();
    let (all, _) = followed(&stage, &id, "/events?follow=true&from=0");
    let request = |last: &str| {
        format!(
            "GET /v1/actors/{id}/events HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n\
             last-event-id: {last}\r\nconnection: close\r\n\r\n"
        )
    };
    let said = stage.raw(&request("1.4"));
    let ids: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("id: ")).collect();
    let expected: Vec<String> = (5..all.len()).map(|seq| format!("1.{seq}")).collect();
    assert_eq!(ids, expected);
    assert!(stage.raw(&request("nonsense")).contains("\"bad-request\""));
}

#[test]
fn many_subscribers_see_the_same_and_one_that_does_not_read_stops_nobody() {
    let stage = Stage::new();
    let id = stage.start();
    // It asks for everything and takes nothing.
    let mut idle = TcpStream::connect(stage.address).unwrap();
    let request = format!(
        "GET /v1/actors/{id}/events?follow=true&from=0&form=full HTTP/1.1\r\nhost: localhost\r\n\r\n"
    );
    idle.write_all(request.as_bytes()).unwrap();
    std::thread::scope(|scope| {
        let follow = || followed(&stage, &id, "/events?follow=true&from=0&form=line").0;
        let followers: Vec<_> = (0..40).map(|_| scope.spawn(follow)).collect();
        let text = "x".repeat(100_000);
        for _ in 0..100 {
            stage.tell(&id, &text);
        }
        assert_eq!(stage.ask(&id, "count"), "101");
        stage.client.delete(&actor_path(&id, "")).unwrap();
        let seen: BTreeSet<Vec<u64>> =
            followers.into_iter().map(|follower| numbers(&follower.join().unwrap())).collect();
        assert_eq!(seen.len(), 1);
    });
}

#[test]
fn a_stream_of_all_actors_has_those_that_come_later_too() {
    let stage = Stage::new();
    let early = stage.start();
    let mut events = stage.client.follow("/v1/events?kind=permission").unwrap();
    stage.tell(&early, "hello");
    let mut next =
        || -> Value { serde_json::from_str(&events.next().unwrap().unwrap().data).unwrap() };
    assert_eq!(next()["actor"], json!(early));
    let late = stage.start();
    stage.tell(&late, "hello");
    assert_eq!(next()["actor"], json!(late));
}

#[test]
fn streams_end_when_the_server_does() {
    let stage = Stage::new();
    let id = stage.start();
    let follower = stage.client.follow(&actor_path(&id, "/events?follow=true&from=0")).unwrap();
    stage.client.post("/v1/shutdown", Vec::new()).unwrap();
    let last = follower.map(|event| event.unwrap().name).last().unwrap();
    assert!(["shutdown", "end"].contains(&last.as_str()), "{last}");
}
