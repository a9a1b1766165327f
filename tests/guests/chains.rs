//! What can be done with a guest's chain from the command line: the component inside it or in the
//! store, payloads removed, signatures, durable intents.

use std::path::Path;

use theater_record::Kind;

use crate::stage::history::History;
use crate::stage::programs::{Said, run, run_at_home};
use crate::stage::{Setup, component, folder};

#[test]
fn a_component_is_found_in_the_store() {
    let scene = folder(&[]);
    let (chain, home) = (scene.path().join("x.chain"), scene.path().join("home"));
    let (chain, hello) = (text(&chain), text(&component("hello")));
    let recorded = run(&home, &["theater", "run", &hello, "--chain", &chain, "--", "Ann"]);
    assert_eq!((&*recorded.exit, &*recorded.out), ("Fine", "hello, Ann\n"), "{recorded:?}");
    let replayed = run(&home, &["theater-replay", "run", &chain, "--json"]);
    assert_eq!(replayed.json()["component"]["found_in"], "store");
    same(&replayed);

    std::fs::remove_dir_all(home.join("store")).unwrap();
    let lost = run(&home, &["theater-replay", "run", &chain]);
    assert_eq!(lost.exit, "Trouble");
    assert!(lost.err.contains("is neither in the chain nor in the store"), "{}", lost.err);
}

#[test]
fn a_component_is_found_inside_its_chain() {
    let scene = folder(&[]);
    let chain = text(&scene.path().join("x.chain"));
    let hello = text(&component("hello"));
    run(&scene.path().join("one"), &["theater", "run", &hello, "--embed", "--chain", &chain]);
    let replayed = run(&scene.path().join("other"), &["theater-replay", "run", &chain, "--json"]);
    assert_eq!(replayed.json()["component"]["found_in"], "chain");
    same(&replayed);
}

#[test]
fn exit_statuses_are_passed_on() {
    let exit = |words: &[&str]| {
        let start = ["theater", "run", "--chain", "none"];
        run_at_home(&[&start, words].concat()).exit
    };
    let guest = |name| text(&component(name));
    assert_eq!(exit(&[&guest("exit"), "--", "7"]), "Status(1)");
    assert_eq!(exit(&[&guest("exit"), "--", "0"]), "Fine");
    assert_eq!(exit(&[&guest("panic")]), "Failed");
    assert_eq!(exit(&[&guest("spin"), "--timeout-fuel", "1000000"]), "Failed");
    assert_eq!(exit(&[&guest("async-export")]), "Trouble");
}

#[test]
fn a_signed_chain_is_verified_and_replayed() {
    let scene = folder(&[]);
    let path = |name| text(&scene.path().join(name));
    let key = path("identity.key");
    let made = run_at_home(&["theater-replay", "keygen", "--out", &key]);
    assert_eq!(made.exit, "Fine", "{made:?}");
    let (hello, chain) = (text(&component("hello")), path("x.chain"));
    let recorded =
        run_at_home(&["theater", "run", &hello, "--durable", "--sign", &key, "--chain", &chain]);
    assert_eq!(recorded.exit, "Fine", "{recorded:?}");
    let public = made.out.trim();
    let verified = run_at_home(&["theater-replay", "verify", &chain, "--key", public]);
    assert_eq!(verified.exit, "Fine", "{verified:?}");
    same(&run_at_home(&["theater-replay", "run", &chain, "--json"]));
}

#[test]
fn signed_chains_of_the_same_input_are_equal_too() {
    let setup = Setup { sign: true, ..Setup::of("hello") };
    let (first, second) = (setup.record(), setup.record());
    assert!(first.verified().header().first_key.is_some());
    assert!(first.chain == second.chain);
    first.replays();
}

#[test]
fn a_durable_chain_says_how_far_it_was_on_disk() {
    let files = folder(&[]);
    let setup = Setup::of("calls").args(&["write", "4", "100"]).dir(files.path(), "/");
    let durable = Setup { durable: true, ..setup.clone() }.record();
    let (durable_history, plain) = (durable.history(), setup.record().history());
    let checkpoints = |history: &History| {
        let kinds = history.entries.iter().map(|entry| entry.event.kind());
        kinds.filter(|kind| *kind == Kind::Checkpoint).count()
    };
    assert_eq!(checkpoints(&plain), 1);
    assert!(checkpoints(&durable_history) > 4, "one before each write at the least");
    durable.replays();
}

#[test]
fn a_chain_whose_answers_were_removed_is_refused_with_a_reason() {
    let (scene, chain) = chain_of("read");
    let redacted = redact(scene.path(), &chain, "[method]descriptor.read");
    let refused = run_at_home(&["theater-replay", "run", &redacted, "--component", &calls()]);
    assert_eq!(refused.exit, "Trouble", "{refused:?}");
    assert!(refused.err.contains("was removed from the chain"), "{}", refused.err);
    assert!(refused.err.contains("--to EVENT"), "{}", refused.err);
}

#[test]
fn a_chain_whose_arguments_were_removed_is_replayed_without_comparing_them() {
    let (scene, chain) = chain_of("write");
    let redacted = redact(scene.path(), &chain, "[method]descriptor.write");
    let command = ["theater-replay", "run", &redacted, "--component", &calls(), "--json"];
    let replayed = run_at_home(&command);
    same(&replayed);
    assert_eq!(replayed.json()["not_compared"], 3);
}

/// A chain in which 5000 bytes are written, and then read or written twice.
fn chain_of(mode: &str) -> (tempfile::TempDir, Vec<u8>) {
    let files = folder(&[]);
    let setup = Setup::of("calls").args(&[mode, "2", "5000"]).dir(files.path(), "/");
    let chain = setup.record().chain;
    (files, chain)
}

/// Removes the payloads of a function, wherever else they stand.
fn redact(folder: &Path, chain: &[u8], function: &str) -> String {
    let (whole, redacted) = (folder.join("whole.chain"), text(&folder.join("redacted.chain")));
    std::fs::write(&whole, chain).unwrap();
    let whole = text(&whole);
    let command = ["theater-replay", "redact", &whole, "--shared", "--out", &redacted];
    let said = run_at_home(&[&command[..], &["--function", function]].concat());
    assert_eq!(said.exit, "Fine", "{said:?}");
    redacted
}

#[track_caller]
fn same(replayed: &Said) {
    let outcome = replayed.json();
    assert_eq!(replayed.exit, "Fine", "{replayed:?}");
    assert_eq!(outcome["replay"], "same");
    assert_eq!(outcome["verdict"], "complete");
    assert_eq!(outcome["heads_equal"], true);
}

fn calls() -> String {
    text(&component("calls"))
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}
