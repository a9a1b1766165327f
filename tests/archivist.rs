//! Stores that actors share, and actors that read their own chain. What the guest does with a request is
//! said in `corpus/guests/rust/archivist/src/lib.rs`.

use std::fs;
use std::time::Duration;

use theater_record::{Event, Frame, Stored, record_hash};
use theater_runtime::chain_view::ChainView;
use theater_runtime::manifest::{RuntimeUse, StoreUse};
use theater_runtime::{ActorId, Backend, End, Spec, Store, System, SystemOptions};
use theater_verify::VerifiedChain;

use crate::stage::{component, replay, verified};

const SOON: Duration = Duration::from_secs(20);

/// A system with a folder of its own.
struct Scene {
    system: System,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let system = System::new(SystemOptions {
            chains: folder.path().join("chains"),
            stores: folder.path().join("stores"),
            store: None,
            cache: Some(crate::stage::cache()),
            clock: theater_runtime::machine::clock(),
            random: Box::new(|| theater_runtime::machine::random().unwrap()),
            log: Box::new(|_, _| {}),
        });
        Scene { system: system.unwrap(), folder }
    }

    /// An archivist who may do this with stores.
    fn spawn(&self, may: Option<StoreUse>) -> ActorId {
        let bytes = fs::read(component("archivist")).unwrap();
        let mut spec = Spec::new("archivist", bytes);
        spec.handlers.runtime = Some(RuntimeUse);
        spec.handlers.store = may;
        spec.state = Some(b"nothing yet".to_vec());
        self.system.spawn(spec, None).unwrap()
    }

    #[track_caller]
    fn ask(&self, id: ActorId, request: &str) -> String {
        let answer = self.system.request(id, request.as_bytes().to_vec(), SOON).unwrap();
        String::from_utf8(answer).unwrap()
    }

    /// Stops an actor, takes all stores away, and holds its chain against its component.
    #[track_caller]
    fn ends_and_replays(self, ids: &[ActorId]) -> Vec<VerifiedChain> {
        for id in ids {
            self.system.stop(*id, SOON).unwrap();
        }
        let _ = fs::remove_dir_all(self.folder.path().join("stores"));
        let one = |id: &ActorId| {
            let chain = verified(&fs::read(self.system.chain_path(*id).unwrap()).unwrap());
            for backend in [Backend::Cranelift, Backend::Pulley] {
                replay(&chain, &component("archivist"), backend);
            }
            chain
        };
        ids.iter().map(one).collect()
    }
}

/// What a chain says was decided about stores, without their ids.
fn decisions(chain: &VerifiedChain) -> Vec<String> {
    let mut decisions = Vec::new();
    let mut reader = chain.reader().unwrap();
    while let Some(stored) = reader.read().unwrap() {
        let Stored::Record(record) = stored else { continue };
        if let Event::Permission(decision) = record.event().unwrap()
            && decision.capability == "store"
        {
            decisions.push(format!("{} {}", decision.reason, decision.detail));
        }
    }
    decisions
}

#[test]
fn content_is_kept_named_and_shared() {
    let scene = Scene::new();
    let (one, other) =
        (scene.spawn(Some(StoreUse::default())), scene.spawn(Some(StoreUse::default())));
    let store = scene.ask(one, "new");
    let note = scene.ask(one, &format!("put {store} note"));
    assert_eq!(note, blake3::hash(b"note").to_string());
    assert_eq!(scene.ask(other, &format!("get {store} {note}")), "note");
    assert_eq!(scene.ask(other, &format!("exists {store} {}", "0".repeat(64))), "false");
    assert_eq!(scene.ask(one, &format!("label {store} latest {note}")), "done");
    let newer = scene.ask(other, &format!("put-at {store} latest newer"));
    assert_eq!(scene.ask(one, &format!("labelled {store} latest")), newer);
    assert_eq!(scene.ask(one, &format!("take {store} latest {newer}")), "done");
    assert_eq!(scene.ask(one, &format!("labelled {store} latest")), note);
    let newest = scene.ask(one, &format!("replace-at {store} latest newest"));
    assert_eq!(scene.ask(one, &format!("set {store} first {note}")), "done");
    assert_eq!(scene.ask(one, &format!("labels {store}")), "first\nlatest");
    let mut all = [note, newer, newest];
    all.sort();
    assert_eq!(scene.ask(other, &format!("all {store}")), all.join("\n"));
    assert_eq!(scene.ask(other, &format!("size {store}")), "15");
    assert_eq!(scene.ask(one, &format!("forget {store} latest")), "done");
    assert_eq!(scene.ask(one, &format!("labelled {store} latest")), "none");
    let chains = scene.ends_and_replays(&[one, other]);
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
    let scene = Scene::new();
    let id = scene.spawn(Some(StoreUse::default()));
    let store = scene.ask(id, "new");
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
        assert_eq!(scene.ask(id, &request), format!("no: {expected}"), "{request}");
    }
    assert_eq!(scene.ask(id, &format!("all {store}")), "", "nothing was kept by any of these");
    let largest = scene.ask(id, &format!("put-bytes {store} {}", 8 << 20));
    let folder = scene.folder.path().join("stores").join(&store);
    let kept = Store::open(folder).unwrap();
    fs::write(kept.path(&largest.parse().unwrap()), "damaged").unwrap();
    let answer = scene.ask(id, &format!("get {store} {largest}"));
    assert_eq!(answer, format!("no: the content {largest} is damaged"));
    scene.ends_and_replays(&[id]);
}

#[test]
fn permissions_hold_and_denials_are_recorded() {
    let scene = Scene::new();
    let owner = scene.spawn(Some(StoreUse::default()));
    let store = scene.ask(owner, "new");
    let note = scene.ask(owner, &format!("put {store} note"));
    let reader = scene.spawn(Some(StoreUse { write: Some(false), max_bytes: None }));
    let small = scene.spawn(Some(StoreUse { write: None, max_bytes: Some(4) }));
    let nobody = scene.spawn(None);
    assert_eq!(scene.ask(reader, &format!("get {store} {note}")), "note");
    assert_eq!(scene.ask(reader, &format!("put {store} x")), {
        "no: store#store is denied: stores can only be read"
    });
    assert_eq!(scene.ask(reader, "new"), "no: store#new is denied: stores can only be read");
    assert_eq!(scene.ask(small, &format!("put {store} note")), note);
    assert_eq!(scene.ask(small, &format!("put {store} notes")), {
        "no: store#store is denied: 5 bytes are more than 4"
    });
    assert_eq!(scene.ask(nobody, &format!("labels {store}")), {
        "no: store#list-labels is denied: the manifest has no such handler"
    });
    assert_eq!(scene.ask(owner, &format!("size {store}")), "4");
    let chains = scene.ends_and_replays(&[reader, small, nobody]);
    let decided: Vec<_> = chains.iter().map(decisions).collect();
    assert_eq!(decided[0], ["2 stores can only be read"; 2]);
    assert_eq!(decided[1], ["0 store", "1 5 bytes are more than 4"]);
    assert_eq!(decided[2], ["1 the manifest has no such handler"]);
}

#[test]
fn an_actor_reads_its_own_chain() {
    let scene = Scene::new();
    let id = scene.spawn(None);
    let head = scene.ask(id, "head");
    let (number, hash) = head.split_once(' ').unwrap();
    let view = ChainView::open(&scene.system.chain_path(id).unwrap()).unwrap();
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
    assert_eq!(scene.ask(id, "event 0"), told(&view.event(0).unwrap()));
    assert_eq!(scene.ask(id, &format!("event {number}")), told(&event));
    let some = view.events(2, 3, usize::MAX).unwrap();
    let some: Vec<String> = some.iter().map(told).collect();
    assert_eq!(scene.ask(id, "events 2 3"), some.join("\n"));
    assert_eq!(scene.ask(id, "events 99999 3"), "", "there is nothing beyond the end");
    let missing = scene.ask(id, "event 99999");
    assert!(missing.starts_with("no: there is no event 99999: "), "{missing}");
    assert_eq!(scene.ask(id, "state 0"), "nothing yet");
    assert_eq!(scene.ask(id, &format!("state {number}")), "nothing yet");
    let newest = view.count().unwrap() - 1;
    assert_eq!(scene.ask(id, &format!("state {newest}")), format!("state {number}"));
    let all: u64 = scene.ask(id, "chain").parse().unwrap();
    assert!(all > newest && all <= view.count().unwrap());
    for _ in 0..20 {
        assert_eq!(scene.ask(id, "log 65536"), "logged");
    }
    // Long payloads stand out of line, so it takes many events to come to a megabyte.
    assert!(scene.ask(id, "chain").parse::<u64>().is_ok());
    scene.ends_and_replays(&[id]);
}

#[test]
fn data_and_links_are_what_stands_in_the_chain() {
    let scene = Scene::new();
    let id = scene.spawn(None);
    let events = scene.ask(id, "events 0 4096");
    scene.system.stop(id, SOON).unwrap();
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
    scene.ends_and_replays(&[id]);
}

#[test]
fn what_is_too_long_for_a_log_ends_the_actor_and_it_ends_once() {
    let scene = Scene::new();
    let (logs, leaves) = (scene.spawn(None), scene.spawn(None));
    assert!(scene.system.request(logs, b"log 65537".to_vec(), SOON).is_err());
    assert_eq!(scene.ask(leaves, "leave twice"), {
        "Ok(()) Err(\"the actor is coming to its end already\")"
    });
    let end = |id| scene.system.stop(id, SOON).unwrap();
    assert!(matches!(end(logs), End::Failed(_)));
    assert_eq!(end(leaves), End::Completed(None));
    scene.ends_and_replays(&[logs, leaves]);
}
