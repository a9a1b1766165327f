//! What `fuzz` says of a host with a bug: it runs another build than the one it was given.

use std::path::Path;

use clap::Parser;
use expect_test::{expect, expect_file};
use theater_runtime::{Backend, Component, Engine};

use super::{Args, Exit, Ui, property, search};

/// The arguments as a command line of their own.
#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

fn component(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/components");
    folder.join(format!("{name}.wasm")).display().to_string()
}

/// What is printed when the base is recorded while the mutant runs, without what depends on this
/// machine and on how the guest was built.
fn found_in(folder: &Path, options: &[&str]) -> String {
    let (base, folder) = (component("mutant-base"), folder.display().to_string());
    let line = ["fuzz", &base, "--seed", "42", "--out", &folder];
    let Line { args } = Line::parse_from(line.iter().chain(options));
    let property = property(&args).unwrap();
    let conditions = property.conditions().clone();
    let engine = Engine::new(Backend::Cranelift, &conditions.limits, None).unwrap();
    let mutant = Component::load(&engine, component("mutant-changed-argument").as_ref()).unwrap();
    let property = property.recorded_by(move |_, calls| conditions.record(&mutant, calls));
    let mut ui = Ui::captured();
    assert_eq!(search(&args, &property, &mut ui).unwrap(), Exit::Finding);
    let (out, err) = ui.into_captured();
    assert_eq!(err, "");
    without_places(&out, &base, &folder)
}

fn without_places(text: &str, base: &str, folder: &str) -> String {
    text.replace(base, "mutant-base.wasm")
        .replace(&format!("{folder}/"), "out/")
        .replace(folder, "out")
}

/// The lines without those that say from where in the component a call came.
fn without_frames(text: &str) -> String {
    let mut in_frames = false;
    let shown = text.split_inclusive('\n').filter(|line| {
        let begins = line.trim_end() == "  called from:";
        in_frames = begins || (in_frames && line.starts_with("    "));
        !in_frames
    });
    shown.collect()
}

#[test]
fn calls_that_break_the_property() {
    let folder = tempfile::tempdir().unwrap();
    let said = found_in(folder.path(), &[]);
    expect![[r#"
        mutant-base.wasm: broken in case 4: the replay on cranelift diverges at event 24: the component passes other arguments
          after 1 call, shrunk from 4:
            theater:mutants/steps#step(3)
          in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush
          args[1], from byte 7:
            expected  b"ENDS\n"
            actual    b"ends\n"
          before    22  -> wasi:clocks/monotonic-clock@0.2.12 now()
          expected  24  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#1, contents: b"step 3 ENDS\n")
          actual        -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#1, contents: b"step 3 ends\n")
          after     27  <= theater:mutants/steps step: ok([{name: "seconds", value: 1700000000}, {name: "random", value: 2573934286509310097}, {name: "monotonic", value: 0}, {name: "total", value: 3}])
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          11 calls in 4 cases
            8  theater:mutants/steps#step
            3  theater:mutants/steps#total
          the same cases again: theater-replay fuzz mutant-base.wasm --seed 42
          the calls are in out/mutant-base-42.wave, what was recorded in out/mutant-base-42.chain.cbor
          the same calls again: theater run mutant-base.wasm --calls out/mutant-base-42.wave --random seed:1 --clocks fixed:1700000000000000000+1000000 --timeout-fuel 100000000
          next: theater-replay run out/mutant-base-42.chain.cbor --component mutant-base.wasm
    "#]]
    .assert_eq(&without_frames(&said));
    let script = std::fs::read_to_string(folder.path().join("mutant-base-42.wave")).unwrap();
    let shown = folder.path().display().to_string();
    expect![[r#"
        # Calls that break the replay of mutant-base: the replay on cranelift diverges at event 24: the component passes other arguments
        # Run them again with: theater run mutant-base.wasm --calls out/mutant-base-42.wave --random seed:1 --clocks fixed:1700000000000000000+1000000 --timeout-fuel 100000000
        theater:mutants/steps#step(3)
    "#]]
    .assert_eq(&without_places(&script, &component("mutant-base"), &shown));
    let chain = std::fs::read(folder.path().join("mutant-base-42.chain.cbor")).unwrap();
    assert!(chain.starts_with(&theater_record::MAGIC));
}

#[test]
fn calls_that_break_the_property_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let said = found_in(folder.path(), &["--json"]);
    let mut said: serde_json::Value = serde_json::from_str(&said).unwrap();
    // Its schema is that of `run`.
    let divergence = said["found"]["divergence"].take();
    assert_eq!(divergence["kind"], "other-arguments");
    said["found"]["divergence"] = serde_json::json!({ "kind": divergence["kind"] });
    let said = serde_json::to_string_pretty(&said).unwrap() + "\n";
    expect_file!["./found.json.txt"].assert_eq(&said);
}

#[test]
fn what_was_found_before_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    std::fs::write(file("mutant-base-42.wave"), "precious").unwrap();
    let said = found_in(folder.path(), &[]);
    let files =
        "in out/mutant-base-42-2.wave, what was recorded in out/mutant-base-42-2.chain.cbor";
    assert!(said.contains(files), "{said}");
    assert_eq!(std::fs::read_to_string(file("mutant-base-42.wave")).unwrap(), "precious");
    assert!(!file("mutant-base-42.chain.cbor").exists(), "the two belong together");
    assert!(file("mutant-base-42-2.wave").exists());
}

#[test]
fn nothing_is_run_when_there_is_nowhere_to_save_it() {
    let Line { args } = Line::parse_from(["fuzz", "none.wasm", "--out", "no/such/folder"]);
    let error = super::run(&args, &mut Ui::captured()).unwrap_err();
    assert_eq!(error.to_string(), "there is no folder no/such/folder");
}
