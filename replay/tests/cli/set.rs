//! `verify --set` and `run --set`: what people see of a folder of chains.

use std::fs;

use expect_test::{Expect, expect, expect_file};
use theater_record::Event;

use crate::conversation::{Act, Chain, converse, converse_as};
use crate::recorded::{Stage, record, record_seeded};
use crate::scene::Scene;

/// A scene with these chains in the folder `chains`.
pub(crate) fn scene(chains: &[Chain]) -> Scene {
    let scene = Scene::new();
    fs::create_dir(scene.path("chains")).unwrap();
    for (number, chain) in chains.iter().enumerate() {
        scene.write(&format!("chains/{number}.chain.cbor"), &chain.bytes);
    }
    scene
}

/// Two actors, of which one sends two messages to the other and then asks it something.
pub(crate) fn pair() -> Vec<Chain> {
    let acts = vec![
        Act::Send(1, b"one".to_vec()),
        Act::Send(1, b"two".to_vec()),
        Act::Ask(1, b"three".to_vec()),
    ];
    converse(2, &[(0, acts)])
}

/// The pair, after the receiver's chain was told anew: it got something else first, and then the second
/// message before the first.
pub(crate) fn lied() -> Vec<Chain> {
    let mut chains = pair();
    chains[1] = chains[1].retold(|events| {
        let messages = |event: &Event| matches!(event, Event::Permission(_));
        let at = events.iter().position(messages).unwrap();
        let Event::ExportCall(call) = &mut events[at + 1] else { panic!("no call") };
        let mut bytes = call.args.as_bytes().to_vec();
        *bytes.last_mut().unwrap() = b'x';
        call.args = theater_record::Values::from_encoded(bytes).unwrap();
        events[at..at + 6].rotate_left(3);
    });
    chains
}

/// What is said of every set that is not signed.
const UNSIGNED: &str = "
               unsigned: nothing shows who wrote these chains
               a rewrite of all chains together cannot be excluded without --key";

/// Checks chains that are not signed. What is said of all such chains has to be there, and is left out.
#[track_caller]
fn check(chains: &[Chain], expected: &Expect) {
    check_in(&scene(chains), expected);
}

#[track_caller]
fn check_in(scene: &Scene, expected: &Expect) {
    let folder = scene.path("chains").display().to_string();
    let said = scene.transcript(&["verify", "--set", &folder]);
    assert_eq!(said.matches(UNSIGNED).count(), 1, "{said}");
    expected.assert_eq(&said.replace(UNSIGNED, ""));
}

/// The same where there is no set to speak of.
#[track_caller]
fn check_trouble(scene: &Scene, options: &str, expected: &Expect) {
    let folder = scene.path("chains").display().to_string();
    let words = ["verify", "--set", &folder].into_iter().chain(options.split_whitespace());
    scene.check_words(&words.collect::<Vec<_>>(), expected);
}

#[test]
fn chains_that_fit_together() {
    check(
        &pair(),
        &expect![[r#"
            complete  chains  2 chains, 38 events, 4.13 kB
              checked      every link, record, blob, tree and segment digest of every chain; 3 messages and 1 answer on both sides
              not shown    a message from outside, which nobody else has recorded
            --- exit 0
        "#]],
    );
}

#[test]
fn chains_that_contradict_each_other() {
    check(
        &lied(),
        &expect![[r#"
            contradicted  chains  2 chains, 38 events, 4.13 kB
              checked      every link, record, blob, tree and segment digest of every chain; 3 messages and 1 answer on both sides
              not shown    a message from outside, which nobody else has recorded
              fault        1.chain.cbor event 11 at byte 1373: the message is not the one that was sent; see 0.chain.cbor event 9 at byte 993
              fault        1.chain.cbor event 11 at byte 1373: the message was received after one that was sent later; see 0.chain.cbor event 11 at byte 1135
              try          theater-replay show chains/1.chain.cbor --from 8 --to 14
            --- exit 1
        "#]],
    );
    let scene = scene(&lied());
    let folder = scene.path("chains").display().to_string();
    let line = format!("verify --set {folder} --threads 1 --json");
    scene.check_file(&line, &expect_file!["set.json.txt"]);
}

#[test]
fn chains_that_are_missing_damaged_or_open() {
    let mut chains = pair();
    let end = chains[0].bytes.len();
    chains[0].bytes.truncate(end - 20);
    check(
        &chains,
        &expect![[r#"
            open  chains  2 chains, 37 events, 4.11 kB
              checked      every link, record, blob, tree and segment digest of every chain; 3 messages and 1 answer on both sides
              not shown    a message from outside, which nobody else has recorded
              open         0.chain.cbor: the last 76 bytes, from byte 1809, are no complete record
            --- exit 3
        "#]],
    );
    check(
        &chains[..1],
        &expect![[r#"
            open  chains  1 chain, 18 events, 1.89 kB
              checked      every link, record, blob, tree and segment digest of every chain; 0 messages and 0 answers on both sides
              not shown    a message from outside, which nobody else has recorded
              open         0.chain.cbor: the last 76 bytes, from byte 1809, are no complete record
              note         0.chain.cbor event 9 at byte 993: 3 messages, from this event to event 13, went to actor 019aa8f2-6c50-7d3e-9a41-000000000001, which is not in the set
            --- exit 3
        "#]],
    );
    chains[1].bytes[700] ^= 1;
    check(
        &chains,
        &expect![[r#"
            damaged  chains  2 chains, 36 events, 4.11 kB
              checked      every link, record, blob, tree and segment digest of every chain; 0 messages and 0 answers on both sides
              not shown    a message from outside, which nobody else has recorded
              open         0.chain.cbor: the last 76 bytes, from byte 1809, are no complete record
              damaged      1.chain.cbor: event 5: bit 0 of byte 700 was flipped: 0x83 should be 0x82
              note         0.chain.cbor event 9 at byte 993: 3 messages, from this event to event 13, to actor 019aa8f2-6c50-7d3e-9a41-000000000001 were not received so far; the end of its chain is missing
              try          theater-replay verify chains/1.chain.cbor
            --- exit 1
        "#]],
    );
    let scene = scene(&chains[..1]);
    scene.write("chains/2.chain.cbor", b"not a chain");
    check_in(
        &scene,
        &expect![[r#"
            open  chains  2 chains, 18 events, 1.89 kB
              checked      every link, record, blob, tree and segment digest of every chain; 0 messages and 0 answers on both sides
              not shown    a message from outside, which nobody else has recorded
              open         0.chain.cbor: the last 76 bytes, from byte 1809, are no complete record
              note         0.chain.cbor event 9 at byte 993: 3 messages, from this event to event 13, went to actor 019aa8f2-6c50-7d3e-9a41-000000000001, which is not in the set
            --- messages
            error: cannot check chains/2.chain.cbor: not a chain: neither the magic nor any record was found
              try: take it out of the folder, or copy it there again
            --- exit 2
        "#]],
    );
}

#[test]
fn a_finding_as_json_has_each_field_once() {
    let scene = scene(&pair()[1..]);
    let folder = scene.path("chains").display().to_string();
    let said = scene.run_words(&["verify", "--set", &folder, "--json"]).out;
    let (_, finding) = said.split_once("unknown-sender").unwrap();
    assert_eq!(finding.matches("\"chain\":").count(), 1, "{said}");
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    let finding = &document["discrepancies"][0];
    assert_eq!(finding["chain"], "0.chain.cbor");
    assert_ne!(finding["other_chain"], serde_json::Value::Null);
    assert_eq!(finding["messages"], 3);
}

#[test]
fn packed_chains_and_other_files() {
    let scene = scene(&pair());
    let chain = scene.path("chains/0.chain.cbor").display().to_string();
    scene.run_words(&["pack", &chain]);
    fs::remove_file(chain).unwrap();
    scene.write("chains/notes.txt", b"nothing");
    check_trouble(
        &scene,
        "--key ed25519:nonsense",
        &expect![[r#"
        --- messages
        error: "ed25519:nonsense" is neither a key (ed25519: and 64 digits) nor a file with one: No such file or directory (os error 2)
        --- exit 2
    "#]],
    );
    check_in(
        &scene,
        &expect![[r#"
            complete  chains  2 chains, 38 events, 4.13 kB
              checked      every link, record, blob, tree and segment digest of every chain; 3 messages and 1 answer on both sides
              not shown    a message from outside, which nobody else has recorded
            --- exit 0
        "#]],
    );
}

#[test]
fn a_folder_without_chains() {
    let scene = scene(&[]);
    check_trouble(
        &scene,
        "",
        &expect![[r#"
        --- messages
        error: the folder chains holds no chains: no files *.cbor or *.chain, packed or not
          try: name the folder to which a system of actors has recorded
        --- exit 2
    "#]],
    );
    fs::remove_dir(scene.path("chains")).unwrap();
    check_trouble(
        &scene,
        "",
        &expect![[r#"
            --- messages
            error: cannot read the folder chains: No such file or directory (os error 2)
              try: check the spelling, or look with ls
            --- exit 2
        "#]],
    );
}

#[test]
fn two_thousand_chains() {
    let mut chains = Vec::new();
    for system in 0..100 {
        let acts = (1..20).map(|to| Act::Send(to, format!("to {to}").into_bytes())).collect();
        chains.extend(converse_as(20 * system, 20, &[(0, acts)], false));
    }
    check(
        &chains,
        &expect![[r#"
            complete  chains  2,000 chains, 28,400 events, 3.25 MB
              checked      every link, record, blob, tree and segment digest of every chain; 1,900 messages and 0 answers on both sides
              not shown    100 messages from outside, which nobody else has recorded
            --- exit 0
        "#]],
    );
}

/// A folder with recordings of a component that know nothing of one another.
pub(crate) fn stage() -> Stage {
    let stage = Stage::new();
    fs::create_dir(stage.path("chains")).unwrap();
    let recorded = [("a", &["step(1)"][..]), ("b", &["step(2)", "step(3)"])];
    for (seed, (name, calls)) in (1..).zip(recorded) {
        let chain = record_seeded("mutant-base", calls, false, seed);
        stage.write(&format!("chains/{name}.cbor"), &chain);
    }
    for component in ["mutant-base", "mutant-changed-argument", "hello"] {
        stage.add_component(component);
    }
    stage
}

#[test]
fn every_chain_of_a_set_is_replayed() {
    let stage = stage();
    stage.check(
        "run --set chains --component mutant-base.wasm",
        &expect![[r#"
        same  chains  2 of 2 chains did what was recorded
          mutant-base  a.cbor: the same, 31 events
          mutant-base  b.cbor: the same, 46 events
          messages     0 messages and 0 answers on both sides
        --- exit 0
    "#]],
    );
    stage.check(
        "run --set chains --backend pulley --component mutant-base.wasm",
        &expect![[r#"
        same  chains  2 of 2 chains did what was recorded
          mutant-base  a.cbor: the same, 31 events
          mutant-base  b.cbor: the same, 46 events
          messages     0 messages and 0 answers on both sides
        --- exit 0
    "#]],
    );
    stage.check("run --set chains --component mutant-changed-argument.wasm", &expect![[r#"
        diverged  chains  1 of 2 chains did what was recorded
          mutant-base  a.cbor: the same, 31 events
          mutant-base  b.cbor: diverged at event 39: the component passes other arguments
          messages     0 messages and 0 answers on both sides
          first        b.cbor at event 39: the component passes other arguments
          in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush
          args[1], from byte 7:
            expected  b"ends\n"
            actual    b"ENDS\n"
          before    37  -> wasi:clocks/monotonic-clock@0.2.12 now()
          expected  39  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#2, contents: b"step 3 ends\n")
          actual        -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#2, contents: b"step 3 ENDS\n")
          after     42  <= theater:mutants/steps step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 15281206232557367728}, {name: "monotonic", value: 1000}, {name: "total", value: 5}])
          next: theater-replay run chains/b.cbor
        --- exit 1
    "#]]);
    stage.check(
        "run --set chains",
        &expect![[r#"
        incomplete  chains  0 of 2 chains did what was recorded
          mutant-base  a.cbor: could not be replayed
          mutant-base  b.cbor: could not be replayed
          messages     0 messages and 0 answers on both sides
        --- messages
        error: the component HASH is neither in the chain nor in the store
          try: name its file: theater-replay run --set chains --component FILE
        --- exit 2
    "#]],
    );
}

#[test]
fn components_of_a_set() {
    let stage = stage();
    stage.write("chains/c.cbor", &record("hello", &[], false));
    let both = "run --set chains --component mutant-base.wasm --component hello.wasm";
    stage.check(
        both,
        &expect![[r#"
        same  chains  3 of 3 chains did what was recorded
          mutant-base  a.cbor: the same, 31 events
          mutant-base  b.cbor: the same, 46 events
          hello  c.cbor: the same, 30 events
          messages     0 messages and 0 answers on both sides
        --- exit 0
    "#]],
    );
    stage.check("run --set chains --component mutant-changed-argument.wasm", &expect![[r#"
        --- messages
        error: no chain of the set was recorded from mutant-changed-argument.wasm, and they have 2 components
          try: hold another build against one chain: theater-replay run CHAIN --component FILE
        --- exit 2
    "#]]);
    stage.check(
        "run chains/a.cbor --component hello.wasm --component hello.wasm",
        &expect![[r#"
        --- messages
        error: one chain is replayed with one component
          try: name one --component, or a whole --set
        --- exit 2
    "#]],
    );
}

#[test]
fn chains_of_a_set_that_are_open_are_replayed_if_that_is_wanted() {
    let stage = stage();
    let chain = stage.read("chains/a.cbor");
    stage.write("chains/a.cbor", &chain[..chain.len() - 9]);
    stage.check(
        "run --set chains --component mutant-base.wasm",
        &expect![[r#"
        incomplete  chains  1 of 2 chains did what was recorded
          mutant-base  a.cbor: not replayed, because its chain is open
          mutant-base  b.cbor: the same, 46 events
          messages     0 messages and 0 answers on both sides
        --- exit 3
    "#]],
    );
    stage.check(
        "run --set chains --prefix --component mutant-base.wasm",
        &expect![[r#"
        same  chains  2 of 2 chains did what was recorded
          mutant-base  a.cbor: the same, 30 events
          mutant-base  b.cbor: the same, 46 events
          messages     0 messages and 0 answers on both sides
        --- exit 0
    "#]],
    );
}
