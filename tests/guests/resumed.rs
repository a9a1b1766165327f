//! Actors that are brought back from their chains by `theater run --resume`, and go on.

use std::fs;
use std::path::{Path, PathBuf};

use theater_record::{Event, Kind, LifecycleState};
use theater_verify::VerifiedChain;

use crate::stage::history::History;
use crate::stage::programs::{Said, run};
use crate::stage::{BACKENDS, component, cut, folder, replay_with, verified};

/// A folder with a home and a chain in it.
struct Actor {
    folder: tempfile::TempDir,
    guest: &'static str,
}

impl Actor {
    fn new(guest: &'static str) -> Actor {
        Actor { folder: folder(&[]), guest }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn theater(&self, words: &[&str]) -> Said {
        let words: Vec<&str> = ["theater", "run"].iter().chain(words).copied().collect();
        run(&self.path("home"), &words)
    }

    /// Records a first call and pauses.
    fn begin(&self, call: &str, more: &[&str]) -> Said {
        let guest = component(self.guest);
        let chain = self.path("a.cbor");
        let words = [text(&guest), "--chain", text(&chain), "--pause", "--invoke", call];
        self.theater(&[&words, more].concat())
    }

    fn resume(&self, call: &str, more: &[&str]) -> Said {
        let chain = self.path("a.cbor");
        self.theater(&[&["--resume", text(&chain), "--invoke", call], more].concat())
    }

    fn chain(&self) -> Vec<u8> {
        fs::read(self.path("a.cbor")).unwrap()
    }

    /// The whole chain, which replays the same on both backends.
    fn replayed(&self) -> VerifiedChain {
        let chain = verified(&self.chain());
        for backend in BACKENDS {
            let played = replay_with(&chain, &component(self.guest), backend, Default::default());
            assert!(matches!(played.ending, theater_runtime::Ending::Same), "{:?}", played.ending);
            assert_eq!(played.head, chain.head().hash);
        }
        chain
    }
}

#[test]
fn an_actor_keeps_its_state_over_several_lives() {
    let ledger = Actor::new("ledger");
    assert_eq!(ledger.begin("open(\"ann\")", &[]).exit, "Fine");
    assert_eq!(ledger.resume("add(\"ann\", 5)", &["--pause"]).out, "ok(5)\n");
    assert_eq!(ledger.resume("balance(\"ann\")", &[]).out, "some(5)\n");
    let history = History::of(&ledger.replayed());
    let resumed = |event: &Event| matches!(event, Event::Lifecycle(one) if one.state == LifecycleState::Resumed);
    assert_eq!(history.entries.iter().filter(|entry| resumed(&entry.event)).count(), 2);
    let opened = history.all(Kind::ExportCall, "theater:ledger/accounts#open").count();
    assert_eq!(opened, 1, "what was replayed is not recorded again");
}

#[test]
fn a_call_that_a_crash_left_unanswered_is_made_again() {
    let ledger = Actor::new("ledger");
    ledger.begin("open(\"ann\")", &[]);
    let whole = ledger.chain();
    // The chain as a crash would leave it while the host was asked for the time.
    let open = theater_verify::Checked::new(
        std::sync::Arc::new(whole.clone()),
        &theater_verify::Options::default(),
    );
    let history = History::of(&open.unwrap().good_prefix().map_err(|_| "damaged").unwrap());
    let call = history.all(Kind::ImportCall, "wasi:clocks/wall-clock#now").next().unwrap().seq;
    fs::write(ledger.path("a.cbor"), cut(&whole, call + 1)).unwrap();
    let said = ledger.resume("balance(\"ann\")", &[]);
    assert_eq!((said.exit.as_str(), said.out.as_str()), ("Fine", "some(0)\n"), "{}", said.err);
    let history = History::of(&ledger.replayed());
    let details = history.entries.iter().filter_map(|entry| match &entry.event {
        Event::Lifecycle(one) if one.state == LifecycleState::Resumed => Some(one.detail.as_str()),
        _ => None,
    });
    let details: Vec<&str> = details.collect();
    assert_eq!(details, ["the last call to the host had no answer and is made again"]);
}

#[test]
fn directories_are_there_again_and_open_files_are_not() {
    let holder = Actor::new("resources");
    fs::create_dir(holder.path("files")).unwrap();
    let grant = format!("{}::/", text(&holder.path("files")));
    let dir = ["--dir", grant.as_str()];
    let said = holder.begin("theater:resources/holding#open(\"a\")", &dir);
    assert_eq!(said.out, "ok\n", "{}", said.err);
    let lost = holder.resume("size()", &dir);
    assert_eq!(lost.exit, "Failed");
    assert!(lost.err.contains("bad-resource"), "{}", lost.err);
    holder.replayed();
}

#[test]
fn standard_output_is_there_again() {
    let steps = Actor::new("mutant-base");
    assert!(steps.begin("step(1)", &[]).out.contains("step 1 ends"));
    let said = steps.resume("step(2)", &[]);
    assert!(said.out.contains("step 2 ends"), "{said:?}");
    assert!(!said.out.contains("step 1"), "nothing is printed twice");
    steps.replayed();
}

#[test]
fn chains_that_nothing_may_follow_are_left_as_they_are() {
    let ledger = Actor::new("ledger");
    ledger.begin("open(\"ann\")", &[]);
    ledger.resume("close()", &[]);
    let closed = ledger.chain();
    let said = ledger.resume("balance(\"ann\")", &[]);
    assert_eq!(said.exit, "Trouble");
    assert!(said.err.contains("is closed: nothing may follow its last record"), "{}", said.err);
    assert!(ledger.chain() == closed);

    let mut damaged = closed.clone();
    damaged[closed.len() / 2] ^= 1;
    fs::write(ledger.path("a.cbor"), &damaged).unwrap();
    let said = ledger.resume("balance(\"ann\")", &[]);
    assert_eq!(said.exit, "Trouble");
    assert!(said.err.contains("is damaged"), "{}", said.err);
    assert!(ledger.chain() == damaged);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
