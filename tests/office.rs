//! A tree of five actors, asked over HTTP by many at once: a chief, the front that it has started, two workers
//! and an archive. What each does is said in `corpus/guests/rust/office/src/lib.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value as Json;
use theater_replay::Exit;
use theater_runtime::ActorId;

use crate::sets::{discrepancies, over};
use crate::stage::actors::{SOON, Stage};
use crate::stage::browser::raw;
use crate::stage::component;

/// Who asks, and how often each.
const CLIENTS: usize = 8;
const TIMES: usize = 10;

/// An office that is at work.
struct Office {
    stage: Stage,
    port: u16,
}

impl Office {
    fn new() -> Office {
        let stage = Stage::new();
        fs::copy(component("office"), stage.path("office.wasm")).unwrap();
        let all = ["runtime", "message-server", "supervisor", "http-server", "store"];
        for (name, given) in [
            ("chief", &all[..]),
            ("front", &all[..4]),
            ("worker", &all[..2]),
            ("archive", &["runtime", "message-server", "store"]),
        ] {
            let handler = |handler: &&str| format!("[[handlers]]\ntype = \"{handler}\"\n");
            let handlers: String = given.iter().map(handler).collect();
            let text = format!(
                "name = \"{name}\"\ncomponent = \"office.wasm\"\ninit_state = {{ text = \"{name}\" }}\n{handlers}"
            );
            fs::write(stage.path(&format!("{name}.toml")), text).unwrap();
        }
        stage.start(stage.path("chief.toml")).unwrap();
        let logged = stage.logged.lock().unwrap().clone();
        let port = logged.iter().find_map(|line| line.strip_prefix("listens on ")).unwrap();
        Office { port: port.parse().unwrap(), stage }
    }

    /// Has something done.
    fn post(&self, text: &str) -> (u16, String) {
        let request = format!(
            "POST /work HTTP/1.1\r\nhost: office\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
            text.len()
        );
        let reply = raw(self.port, request.as_bytes()).unwrap();
        (reply.status, reply.body)
    }

    /// Has much done, by many at once.
    fn work(&self) {
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                scope.spawn(move || {
                    for time in 0..TIMES {
                        let text = format!("{client}-{time}");
                        let turned: String = text.chars().rev().collect();
                        assert_eq!(self.post(&text), (200, turned));
                    }
                });
            }
        });
    }

    fn workers(&self) -> Vec<ActorId> {
        self.stage.named("worker")
    }
}

/// What a set of chains comes to, by the names of the actors.
fn replays(document: &Json) -> BTreeMap<String, String> {
    let chains = document["chains"].as_array().unwrap().iter();
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    chains.map(|chain| (text(&chain["name"]), text(&chain["verdict"]))).collect()
}

#[test]
fn an_office_works_for_many_and_its_chains_fit_and_replay() {
    let office = Office::new();
    office.work();
    let archive = office.stage.the("archive");
    let all = (CLIENTS * TIMES).to_string();
    assert_eq!(office.stage.ask(archive, "count"), all);
    office.stage.system.shutdown(SOON);
    let chains = office.stage.chains();
    let (exit, verified) = over("verify", &chains, &[]);
    assert_eq!((exit, discrepancies(&verified)), (Exit::Fine, Vec::new()));
    let (exit, replayed) =
        over("run", &chains, &["--component", component("office").to_str().unwrap()]);
    assert_eq!(exit, Exit::Fine, "{replayed}");
    assert_eq!(replays(&replayed).len(), 4, "{replayed}");
}

#[test]
fn an_office_that_loses_workers_goes_on() {
    let office = Office::new();
    office.work();
    for worker in office.workers() {
        office.stage.system.kill(worker).unwrap();
        office.stage.wait_for(worker, |it| it.end.is_some());
    }
    // A front that cannot have its work done has failed, and so it is started again by the chief.
    assert_eq!(office.post("lost").0, 500);
    let front = office.stage.the("front");
    office.stage.wait_for_life(front, 2);
    office.stage.system.shutdown(SOON);
    let (exit, verified) = over("verify", &office.stage.chains(), &[]);
    assert_eq!(exit, Exit::Fine, "{verified}");
}

/// Chains that tell of messages otherwise than they were are found out by the others; how they are told anew
/// is in `tests/sets.rs`, for two actors. Here, one of five is missing: what the others had from it, nobody has
/// sent.
#[test]
fn a_chain_that_is_missing_is_missed() {
    let office = Office::new();
    office.work();
    let front = office.stage.the("front");
    office.stage.system.shutdown(SOON);
    fs::remove_file(office.stage.system.chain_path(front).unwrap()).unwrap();
    let (exit, verified) = over("verify", &office.stage.chains(), &[]);
    let faults = discrepancies(&verified).into_iter().filter(|(_, is_fault)| *is_fault);
    let names: BTreeSet<&str> = faults.map(|(name, _)| name).collect();
    assert_eq!((exit, names), (Exit::Finding, BTreeSet::from(["unknown-sender"])), "{verified}");
}
