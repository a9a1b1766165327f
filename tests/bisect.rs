//! Bisection over 32 builds of one guest, of which all from some build on do one thing differently:
//! few replays find that build, the event and the line of source, wherever in history it is planted.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::stage::programs::{Said, run};
use crate::stage::{Setup, component, folder};

const BASE: &str = "mutant-base";
const CULPRIT: &str = "mutant-changed-argument";
const BUILDS: usize = 32;

/// A folder with a recording of the base, the builds, and a home where nothing is remembered.
struct History {
    folder: tempfile::TempDir,
    builds: Vec<Vec<u8>>,
}

impl History {
    /// A history of guests of the corpus, each build with bytes of its own.
    fn of(guests: &[&str]) -> History {
        let mut setup = Setup::of(BASE);
        for step in ["step(1)", "step(2)", "step(3)", "step(4)", "total()"] {
            setup = setup.call(step);
        }
        let folder = folder(&[("builds/none", "")]);
        fs::write(folder.path().join("base.chain"), setup.record().chain).unwrap();
        let named = |(at, guest): (usize, &&str)| {
            let mut build = fs::read(component(guest)).unwrap();
            // A section of its own, as a build has that says when it was made.
            build.extend([0, 3, 1, b'n', u8::try_from(at).unwrap()]);
            build
        };
        let builds = guests.iter().enumerate().map(named).collect();
        let history = History { folder, builds };
        for at in 0..history.builds.len() {
            history.write(at, &history.builds[at]);
        }
        history
    }

    /// A history in which the difference came with this build, and stayed.
    fn with_culprit(culprit: usize) -> History {
        let guests: Vec<_> =
            (0..BUILDS).map(|at| if at < culprit { BASE } else { CULPRIT }).collect();
        History::of(&guests)
    }

    fn write(&self, build: usize, bytes: &[u8]) {
        fs::write(self.path(build), bytes).unwrap();
    }

    fn path(&self, build: usize) -> PathBuf {
        self.folder.path().join(format!("builds/build-{build}.wasm"))
    }

    fn name(&self, build: usize) -> String {
        self.path(build).display().to_string()
    }

    fn said(&self, options: &[&str]) -> Said {
        let [chain, builds] = ["base.chain", "builds"].map(|name| self.folder.path().join(name));
        let command = ["theater-replay", "bisect", chain.to_str().unwrap(), "--json"];
        let rest = [&[builds.to_str().unwrap()], options].concat();
        run(&self.folder.path().join("home"), &[&command[..], &rest].concat())
    }

    fn bisected(&self, options: &[&str]) -> Value {
        self.said(options).json()
    }
}

/// Where the culprit parts from the recording.
fn divergence() -> Value {
    json!({
        "event": 54,
        "kind": "other-arguments",
        "function": "wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush",
        "path": "args[1]",
    })
}

#[test]
fn the_culprit_is_found_wherever_it_is() {
    let twins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/twins");
    for culprit in [1, 2, BUILDS / 2, BUILDS - 2, BUILDS - 1] {
        let history = History::with_culprit(culprit);
        let said = history.said(&["--debug-info", twins.to_str().unwrap()]);
        assert_eq!(said.exit, "Fine", "{said:?}");
        let found = said.json();
        assert_eq!(found["answer"], "found", "{culprit}");
        assert_eq!(found["first_bad"], history.name(culprit));
        assert_eq!(found["last_good"], history.name(culprit - 1));
        assert_eq!(found["divergence"], divergence());
        assert!(found["replays"].as_u64().unwrap() <= 7, "{culprit}: {}", found["replays"]);
        assert_eq!(found["cached"], 0);
        for source in ["good_source", "bad_source"] {
            let place = &found[source]["place"];
            assert!(place["file"].as_str().unwrap().ends_with("mutants/src/lib.rs"), "{place}");
            assert_eq!(place["line"], line_of_the_write(), "{place}");
        }
    }
}

/// Where the mutants' source hands a line to the host.
fn line_of_the_write() -> usize {
    let source = include_str!("../corpus/guests/rust/mutants/src/lib.rs");
    let is_write = |line: &str| line.contains("blocking_write_and_flush(");
    1 + source.lines().position(is_write).expect("the base writes")
}

#[test]
fn builds_that_cannot_be_tested_are_stepped_around() {
    let history = History::with_culprit(20);
    // Those that the search would ask for first, and those next to the border.
    let other_world = fs::read(component("hello")).unwrap();
    for (at, bytes) in
        [(15, &b"garbage"[..]), (18, &other_world), (19, &history.builds[3][..900]), (23, b"")]
    {
        history.write(at, bytes);
    }
    let said = history.said(&[]);
    assert_eq!(said.exit, "Finding");
    let found = said.json();
    assert_eq!(found["answer"], "range");
    assert_eq!(found["first_bad"], Value::Null);
    assert_eq!(found["last_good"], history.name(17));
    let candidates = json!([history.name(18), history.name(19), history.name(20)]);
    assert_eq!(found["candidates"], candidates);
    let skipped: Vec<_> =
        all(&found).filter(|tested| tested["outcome"] == "skipped").cloned().collect();
    assert!(skipped.iter().all(|tested| tested["reason"].is_string()), "{skipped:?}");
    let names: Vec<_> = skipped.iter().map(|tested| tested["build"].clone()).collect();
    assert!(names.contains(&history.name(18).into()) && names.contains(&history.name(19).into()));
    // Away from the border they do not matter.
    history.write(18, &history.builds[18]);
    history.write(19, &history.builds[19]);
    assert_eq!(history.bisected(&[])["first_bad"], history.name(20));
}

#[test]
fn a_history_that_goes_back_and_forth() {
    let guests: Vec<_> = (0..BUILDS)
        .map(|at| if (8..12).contains(&at) || at >= 20 { CULPRIT } else { BASE })
        .collect();
    let history = History::of(&guests);
    let scanned = history.bisected(&["--scan"]);
    assert_eq!(scanned["first_bad"], history.name(20));
    assert_eq!(scanned["replays"], BUILDS);
    let pair = |from: usize| json!({"from": history.name(from - 1), "to": history.name(from)});
    assert_eq!(scanned["changes"], json!([pair(8), pair(12), pair(20)]));
    assert_eq!(scanned["relapses"], json!([pair(12)]));
    // All of it is known now, also to a search that would not have looked.
    let searched = history.bisected(&[]);
    assert_eq!(searched["relapses"], json!([pair(12)]));
    assert_eq!(searched["first_bad"], history.name(20));
    assert_eq!((&searched["replays"], &searched["cached"]), (&json!(0), &json!(BUILDS)));
}

#[test]
fn other_divergences_are_not_called_bad() {
    // Another fault came before and went with the culprit, one that hides whether it was there.
    let before = "mutant-missing-call";
    let guests: Vec<_> = (0..BUILDS)
        .map(|at| match at {
            0..13 => BASE,
            13..16 => before,
            _ => CULPRIT,
        })
        .collect();
    let history = History::of(&guests);
    let found = history.bisected(&[]);
    assert_eq!(found["answer"], "range");
    assert_eq!(found["last_good"], history.name(12));
    let candidates: Vec<_> = (13..=16).map(|at| history.name(at)).collect();
    assert_eq!(found["candidates"], json!(candidates));
    assert_eq!(found["divergence"], divergence());
    let other: Vec<_> = all(&found).filter(|tested| tested["standing"] == "other").collect();
    assert_eq!(other.len(), 3);
    assert!(other.iter().all(|tested| tested["divergence"]["kind"] == "missing-call"));
}

#[test]
fn another_fault_that_comes_later_hides_nothing() {
    let guests: Vec<_> = (0..BUILDS)
        .map(|at| match at {
            0..5 => BASE,
            // It parts from the recording only behind where the bad end does.
            5..26 => "mutant-other-result",
            _ => CULPRIT,
        })
        .collect();
    let history = History::of(&guests);
    let found = history.bisected(&[]);
    assert_eq!(found["first_bad"], history.name(26));
    assert!(found["replays"].as_u64().unwrap() <= 7);
    assert!(all(&found).any(|tested| tested["standing"] == "later"));
}

#[test]
fn nothing_is_replayed_twice() {
    let history = History::with_culprit(16);
    let first = history.bisected(&[]);
    let replays = first["replays"].clone();
    let second = history.bisected(&[]);
    assert_eq!((&second["replays"], &second["cached"]), (&json!(0), &replays));
    assert_eq!(second["first_bad"], first["first_bad"]);
    assert_eq!(second["good_source"], first["good_source"]);
    // Another question, another answer.
    assert_eq!(history.bisected(&["--until", "900"])["cached"], 0);
    assert_eq!(history.bisected(&["--backend", "pulley"])["cached"], 0);
    // What is kept is believed only while it is whole.
    let outcomes = history.folder.path().join("home/outcomes");
    for kept in fs::read_dir(&outcomes).unwrap() {
        let path = kept.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        bytes[80] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(history.bisected(&[])["replays"], replays);
    assert_eq!(history.bisected(&[])["cached"], replays);
    // And where nothing can be kept, all is found out again.
    fs::remove_dir_all(&outcomes).unwrap();
    fs::write(&outcomes, "in the way").unwrap();
    for _ in 0..2 {
        assert_eq!(history.bisected(&[])["replays"], replays);
    }
}

/// What is known of the builds.
fn all(found: &Value) -> impl Iterator<Item = &Value> {
    found["tested"].as_array().unwrap().iter()
}
