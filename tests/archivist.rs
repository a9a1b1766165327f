//! Stores that actors share, and actors that read their own chain. What the guest does with a request is
//! said in `corpus/guests/rust/archivist/src/lib.rs`.

use std::fs;

use theater_record::{Frame, record_hash};
use theater_runtime::chain_view::ChainView;
use theater_runtime::manifest::{RuntimeUse, StoreUse};
use theater_runtime::{ActorId, End, Store};
use theater_verify::VerifiedChain;

use crate::stage::actors::{SOON, Stage};
use crate::stage::history::History;
use crate::stage::replays;

/// An archivist who may do this with stores.
fn archivist(stage: &Stage, may: Option<StoreUse>) -> ActorId {
    stage.spawn_of("archivist", |spec| {
        spec.handlers.runtime = Some(RuntimeUse);
        spec.handlers.store = may;
        spec.state = Some(b"nothing yet".to_vec());
    })
}

/// Stops actors, takes all stores away, and holds each chain against its component.
#[track_caller]
fn end_and_replay(stage: &Stage, ids: &[ActorId]) -> Vec<VerifiedChain> {
    let chains: Vec<_> = ids.iter().map(|id| stage.ended(*id)).collect();
    let _ = fs::remove_dir_all(stage.path("stores"));
    chains.iter().for_each(|chain| replays(chain, "archivist"));
    chains
}

/// What a chain says was decided about stores, without their ids.
fn decisions(chain: &VerifiedChain) -> Vec<String> {
    let history = History::of(chain);
    let about_stores = history.permissions().into_iter().filter(|it| it.capability == "store");
    about_stores.map(|it| format!("{} {}", it.reason, it.detail)).collect()
}

#[test]
fn content_is_kept_named_and_shared() {
    let stage = Stage::new();
    let (one, other) = (
        archivist(&stage, Some(StoreUse::default())),
        archivist(&stage, Some(StoreUse::default())),
    );
    let store = stage.ask(one, "new");
    let note = stage.ask(one, &format!("put {store} note"));
    assert_eq!(note, blake3::hash(b"note").to_string());
    assert_eq!(stage.ask(other, &format!("get {store} {note}")), "note");
    assert_eq!(stage.ask(other, &format!("exists {store} {}", "0".repeat(64))), "false");
    assert_eq!(stage.ask(one, &format!("label {store} latest {note}")), "done");
    let newer = stage.ask(other, &format!("put-at {store} latest newer"));
    assert_eq!(stage.ask(one, &format!("labelled {store} latest")), newer);
    assert_eq!(stage.ask(one, &format!("take {store} latest {newer}")), "done");
    assert_eq!(stage.ask(one, &format!("labelled {store} latest")), note);
    let newest = stage.ask(one, &format!("replace-at {store} latest newest"));
    assert_eq!(stage.ask(one, &format!("set {store} first {note}")), "done");
    assert_eq!(stage.ask(one, &format!("labels {store}")), "first\nlatest");
    let mut all = [note, newer, newest];
    all.sort();
    assert_eq!(stage.ask(other, &format!("all {store}")), all.join("\n"));
    assert_eq!(stage.ask(other, &format!("size {store}")), "15");
    assert_eq!(stage.ask(one, &format!("forget {store} latest")), "done");
    assert_eq!(stage.ask(one, &format!("labelled {store} latest")), "none");
    let chains = end_and_replay(&stage, &[one, other]);
    let expected = [
        "new",
        "store",
        "label",
        "remove-from-label",
        "replace-content-at-label",
        "replace-at-label",
        "remove-label",
    ];
    assert_eq!(decisions(&chains[0]), expected.map(|function| format!("0 {function}")));
}

#[test]
fn what_is_not_there_not_sound_or_no_name_is_an_error() {
    let stage = Stage::new();
    let id = archivist(&stage, Some(StoreUse::default()));
    let store = stage.ask(id, "new");
    let missing = "0".repeat(64);
    for (request, expected) in [
        (format!("get {store} {missing}"), format!("the store has no content {missing}")),
        (format!("label {store} it {missing}"), format!("the store has no content {missing}")),
        (format!("get {store} abc"), "\"abc\" is not a digest of 64 hexadecimal digits".to_owned()),
        ("labels ../stores".to_owned(), "there is no store \"../stores\"".to_owned()),
        (format!("labels {missing}"), format!("there is no store {missing:?}")),
        (
            format!("put-at {store} a/b text"),
            "\"a/b\" cannot be a label: a label has 1 to 255 bytes, no control characters and no \
             slashes"
                .to_owned(),
        ),
        (
            format!("put-bytes {store} {}", (8 << 20) + 1),
            "a content of 8388609 bytes is too large for an actor".to_owned(),
        ),
    ] {
        assert_eq!(stage.ask(id, &request), format!("no: {expected}"), "{request}");
    }
    assert_eq!(stage.ask(id, &format!("all {store}")), "", "nothing was kept by any of these");
    let largest = stage.ask(id, &format!("put-bytes {store} {}", 8 << 20));
    let folder = stage.path("stores").join(&store);
    let kept = Store::open(folder).unwrap();
    fs::write(kept.path(&largest.parse().unwrap()), "damaged").unwrap();
    let answer = stage.ask(id, &format!("get {store} {largest}"));
    assert_eq!(answer, format!("no: the content {largest} is damaged"));
    end_and_replay(&stage, &[id]);
}

#[test]
fn permissions_hold_and_denials_are_recorded() {
    let stage = Stage::new();
    let owner = archivist(&stage, Some(StoreUse::default()));
    let store = stage.ask(owner, "new");
    let note = stage.ask(owner, &format!("put {store} note"));
    let reader = archivist(&stage, Some(StoreUse { write: Some(false), max_bytes: None }));
    let small = archivist(&stage, Some(StoreUse { write: None, max_bytes: Some(4) }));
    let nobody = archivist(&stage, None);
    assert_eq!(stage.ask(reader, &format!("get {store} {note}")), "note");
    assert_eq!(stage.ask(reader, &format!("put {store} x")), {
        "no: store#store is denied: stores can only be read"
    });
    assert_eq!(stage.ask(reader, "new"), "no: store#new is denied: stores can only be read");
    assert_eq!(stage.ask(small, &format!("put {store} note")), note);
    assert_eq!(stage.ask(small, &format!("put {store} notes")), {
        "no: store#store is denied: 5 bytes are more than 4"
    });
    assert_eq!(stage.ask(nobody, &format!("labels {store}")), {
        "no: store#list-labels is denied: the manifest has no such handler"
    });
    assert_eq!(stage.ask(owner, &format!("size {store}")), "4");
    let chains = end_and_replay(&stage, &[reader, small, nobody]);
    let decided: Vec<_> = chains.iter().map(decisions).collect();
    assert_eq!(decided[0], ["2 stores can only be read"; 2]);
    assert_eq!(decided[1], ["0 store", "1 5 bytes are more than 4"]);
    assert_eq!(decided[2], ["1 the manifest has no such handler"]);
}

#[test]
fn an_actor_reads_its_own_chain() {
    let stage = Stage::new();
    let id = archivist(&stage, None);
    let head = stage.ask(id, "head");
    let (number, hash) = head.split_once(' ').unwrap();
    let view = ChainView::open(&stage.system.chain_path(id).unwrap()).unwrap();
    let event = view.event(number.parse().unwrap()).unwrap();
    assert_eq!(event.hash.to_string(), hash);
    assert_eq!(event.kind.name(), "import-call");
    let shown = view.shown(event.number).unwrap();
    assert_eq!(shown.entry.function.unwrap().1, "get-chain-head", "the head is this very call");
    let told = |event: &theater_runtime::chain_view::ChainEvent| {
        let parent = event.parent.map_or("none".to_owned(), |parent| parent.to_string());
        let data: String = event.body.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {} {parent} {} {data}", event.number, event.hash, event.kind.name())
    };
    assert_eq!(stage.ask(id, "event 0"), told(&view.event(0).unwrap()));
    assert_eq!(stage.ask(id, &format!("event {number}")), told(&event));
    let some = view.events(2, 3, usize::MAX).unwrap();
    let some: Vec<String> = some.iter().map(told).collect();
    assert_eq!(stage.ask(id, "events 2 3"), some.join("\n"));
    assert_eq!(stage.ask(id, "events 99999 3"), "", "there is nothing beyond the end");
    let missing = stage.ask(id, "event 99999");
    assert!(missing.starts_with("no: there is no event 99999: "), "{missing}");
    assert_eq!(stage.ask(id, "state 0"), "nothing yet");
    assert_eq!(stage.ask(id, &format!("state {number}")), "nothing yet");
    let newest = view.count().unwrap() - 1;
    assert_eq!(stage.ask(id, &format!("state {newest}")), format!("state {number}"));
    let all: u64 = stage.ask(id, "chain").parse().unwrap();
    assert!(all > newest && all <= view.count().unwrap());
    for _ in 0..20 {
        assert_eq!(stage.ask(id, "log 65536"), "logged");
    }
    // Long payloads stand out of line, so it takes many events to come to a megabyte.
    assert!(stage.ask(id, "chain").parse::<u64>().is_ok());
    end_and_replay(&stage, &[id]);
}

#[test]
fn data_and_links_are_what_stands_in_the_chain() {
    let stage = Stage::new();
    let id = archivist(&stage, None);
    let events = stage.ask(id, "events 0 4096");
    stage.system.stop(id, SOON).unwrap();
    let mut parent = "none".to_owned();
    for line in events.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let body: Vec<u8> = (0..words[4].len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&words[4][at..at + 2], 16).unwrap())
            .collect();
        let mut frame = Vec::new();
        Frame::wrap(&body, &mut frame);
        assert_eq!(record_hash(&frame).to_string(), words[1]);
        assert_eq!(words[2], parent);
        parent = words[1].to_owned();
    }
    assert!(events.lines().count() > 10);
    end_and_replay(&stage, &[id]);
}

#[test]
fn what_is_too_long_for_a_log_ends_the_actor_and_it_ends_once() {
    let stage = Stage::new();
    let (logs, leaves) = (archivist(&stage, None), archivist(&stage, None));
    assert!(stage.system.request(logs, b"log 65537".to_vec(), SOON).is_err());
    assert_eq!(stage.ask(leaves, "leave twice"), {
        "Ok(()) Err(\"the actor is coming to its end already\")"
    });
    let end = |id| stage.system.stop(id, SOON).unwrap();
    assert!(matches!(end(logs), End::Failed(_)));
    assert_eq!(end(leaves), End::Completed(None));
    end_and_replay(&stage, &[logs, leaves]);
}
