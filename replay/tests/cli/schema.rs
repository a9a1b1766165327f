//! What `--json` prints is what the schemas in `schemas/` promise.
//!
//! The schemas use a small part of JSON Schema, and this checker knows just that part: it panics at
//! any keyword it does not know rather than let something pass unchecked.

use serde_json::{Map, Value};

use crate::bisect;
use crate::recorded::Stage;
use crate::scene::{Scene, frame_of, open, sample, signed};
use crate::set;

const BISECT: &str = include_str!("../../schemas/bisect-1.json");
const DIFF: &str = include_str!("../../schemas/diff-1.json");
const DOCTOR: &str = include_str!("../../schemas/doctor-1.json");
const FORK: &str = include_str!("../../schemas/fork-1.json");
const FUZZ: &str = include_str!("../../schemas/fuzz-1.json");
const MINIMISE: &str = include_str!("../../schemas/minimise-1.json");
const PROOF: &str = include_str!("../../schemas/proof-1.json");
const RECOVER: &str = include_str!("../../schemas/recover-1.json");
const RUN: &str = include_str!("../../schemas/run-1.json");
const RUN_SET: &str = include_str!("../../schemas/run-set-1.json");
const SHOW: &str = include_str!("../../schemas/show-1.json");
const STAT: &str = include_str!("../../schemas/stat-1.json");
const VERIFY: &str = include_str!("../../schemas/verify-1.json");
const VERIFY_SET: &str = include_str!("../../schemas/verify-set-1.json");

/// A scene with one chain of each condition.
fn scene() -> Scene {
    let scene = Scene::with_sample();
    scene.write("open.chain", &open());
    scene.write("signed.chain", &signed().0);
    let mut bytes = sample();
    let (overwritten, removed) = (frame_of(&bytes, 6), frame_of(&bytes, 9));
    bytes.drain(removed);
    bytes[overwritten].fill(0);
    scene.write("bad.chain", &bytes);
    scene
}

fn conforms(line: &str, schema: &str) {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let out = scene().run(line).out;
    let document: Value = serde_json::from_str(&out).expect(&out);
    if let Err(problem) = check(&document, &schema, &schema, "") {
        panic!("{line}: {problem}");
    }
}

#[test]
fn show_conforms() {
    conforms("show sample.chain --json", SHOW);
    conforms("show signed.chain --json", SHOW);
    conforms("show bad.chain --json", SHOW);
    conforms("show sample.chain --json --from 1000", SHOW);
}

#[test]
fn lines_of_show_are_events() {
    let schema: Value = serde_json::from_str(SHOW).unwrap();
    for line in scene().run("show sample.chain --jsonl").out.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        check(&event, &schema["$defs"]["event"], &schema, "").unwrap();
    }
}

#[test]
fn stat_conforms() {
    conforms("stat sample.chain --json", STAT);
    conforms("stat signed.chain --json", STAT);
    conforms("stat bad.chain --json", STAT);
}

#[test]
fn diff_conforms() {
    let pairs = ["sample.chain signed.chain", "sample.chain bad.chain", "open.chain sample.chain"];
    for pair in pairs {
        for options in ["", "--first", "--ignore time,ids", "--deadline 0", "--shape-only"] {
            conforms(&format!("diff {pair} --json {options}"), DIFF);
        }
    }
    let (mut damaged, scene) = (sample(), scene());
    // A function that was never named, as far as one can tell.
    let named = frame_of(&damaged, 2);
    damaged[named].fill(0);
    scene.write("nameless.chain", &damaged);
    let schema: Value = serde_json::from_str(DIFF).unwrap();
    for pair in ["sample.chain nameless.chain", "nameless.chain sample.chain"] {
        let out = scene.run(&format!("diff {pair} --json")).out;
        let document: Value = serde_json::from_str(&out).expect(&out);
        check(&document, &schema, &schema, "").unwrap();
        assert_eq!(document["same"], Value::Bool(false));
    }
}

#[test]
fn verify_conforms() {
    let chains = "sample.chain open.chain signed.chain bad.chain missing.chain";
    conforms(&format!("verify {chains} --json"), VERIFY);
    conforms(&format!("verify {chains} --json --quick --min-events 99"), VERIFY);
}

#[test]
fn sets_conform() {
    let schema: Value = serde_json::from_str(VERIFY_SET).unwrap();
    for chains in [set::pair(), set::lied(), set::pair()[..1].to_vec()] {
        let scene = set::scene(&chains);
        scene.write("chains/no.chain.cbor", b"not a chain");
        scene.write("chains/bad.chain.cbor", &chains[0].bytes[..700]);
        let folder = scene.path("chains").display().to_string();
        let out = scene.run_words(&["verify", "--set", &folder, "--json"]).out;
        let document: Value = serde_json::from_str(&out).expect(&out);
        check(&document, &schema, &schema, "").unwrap();
    }
    let (stage, base) = (set::stage(), "--component mutant-base.wasm");
    let other = "--component mutant-changed-argument.wasm";
    for options in [base, other, "", &format!("{base} --prefix")] {
        stage_conforms(&stage, &format!("run --set chains --json {options}"), RUN_SET);
        stage.write("chains/no.cbor", b"not a chain");
    }
}

#[test]
fn proofs_conform() {
    let scene = scene();
    scene.run("prove sample.chain 6 -o proof.chain");
    let mut wrong = std::fs::read(scene.path("proof.chain")).unwrap();
    let last = wrong.len() - 1;
    wrong[last] ^= 1;
    scene.write("wrong.chain", &wrong);
    let schema: Value = serde_json::from_str(PROOF).unwrap();
    for proof in ["proof.chain", "wrong.chain"] {
        let out = scene.run(&format!("verify --proof {proof} --json")).out;
        let document: Value = serde_json::from_str(&out).expect(&out);
        assert_eq!(document["proved"], Value::Bool(proof == "proof.chain"));
        check(&document, &schema, &schema, "").unwrap();
    }
}

#[test]
fn recover_conforms() {
    conforms("recover open.chain --close --json", RECOVER);
    conforms("recover open.chain --dry-run --json", RECOVER);
    conforms("recover sample.chain --json", RECOVER);
}

/// A stage with a recording that is whole, one that is cut off, and another build.
fn stage() -> Stage {
    let stage = Stage::with("mutant-base", &["step(1)", "step(3)"]);
    stage.add_component("mutant-changed-argument");
    let whole = stage.read("a.cbor");
    stage.write("cut.cbor", &whole[..frame_of(&whole, 11).start + 7]);
    stage
}

fn replay_conforms(line: &str, schema: &str) {
    stage_conforms(&stage(), line, schema);
}

fn stage_conforms(stage: &Stage, line: &str, schema: &str) {
    let schema: Value = serde_json::from_str(schema).unwrap();
    let output = stage.run(line);
    let document: Value = serde_json::from_slice(&output.stdout).expect(line);
    if let Err(problem) = check(&document, &schema, &schema, "") {
        panic!("{line}: {problem}");
    }
}

#[test]
fn run_conforms() {
    let run = |rest: &str| replay_conforms(&format!("run --json {rest}"), RUN);
    run("a.cbor --component mutant-base.wasm");
    run("a.cbor --component mutant-base.wasm --fuel-index --to 9");
    run("a.cbor --component mutant-changed-argument.wasm");
    run("cut.cbor");
    run("cut.cbor --prefix --component mutant-base.wasm");
    run("a.cbor --component mutant-base.wasm --good-if same");
    run("a.cbor --component mutant-changed-argument.wasm --good-if same");
    let twins = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/twins");
    let recorded = "--recorded mutant-base.wasm";
    let other = "a.cbor --component mutant-changed-argument.wasm";
    run(&format!("{other} {recorded} --debug-info '{twins}'"));
}

#[test]
fn source_lines_conform() {
    let twins = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/twins");
    let show = |rest: &str| {
        let lines = format!("--source --component mutant-base.wasm --debug-info '{twins}'");
        replay_conforms(&format!("show a.cbor --json {lines} {rest}"), SHOW);
    };
    show("");
    show("--verbose");
}

#[test]
fn bisect_conforms() {
    let (base, culprit) = ("mutant-base", "mutant-changed-argument");
    let others = ["mutant-missing-call", "mutant-other-result", "garbage", "hello"];
    let stage = bisect::stage(&[&[base, culprit, base], &others[..], &[culprit]].concat());
    for options in ["", "--scan", "--until 20", "--bad v2.wasm", "--good v1.wasm", "--bad v5.wasm"]
    {
        stage_conforms(&stage, &format!("bisect a.cbor builds --json {options}"), BISECT);
    }
    let twins = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/twins");
    let lines = format!("bisect a.cbor builds --json --debug-info '{twins}'");
    stage_conforms(&stage, &lines, BISECT);
    let whole = stage.read("a.cbor");
    stage.write("cut.cbor", &whole[..frame_of(&whole, 11).start + 7]);
    stage_conforms(&stage, "bisect cut.cbor builds --json", BISECT);
}

#[test]
fn fork_conforms() {
    let fork = |rest: &str| replay_conforms(&format!("fork --json {rest}"), FORK);
    let at = crate::recorded::events(&stage().read("a.cbor"))
        .iter()
        .position(|event| matches!(event, theater_record::Event::ImportReturn(_)))
        .unwrap();
    let set = format!("--at {at} --set result.seconds=1");
    fork(&format!("a.cbor {set} --component mutant-base.wasm"));
    fork(&format!("cut.cbor {set}"));
}

#[test]
fn fuzz_conforms() {
    let schema: Value = serde_json::from_str(FUZZ).unwrap();
    let line = "fuzz resources.wasm --json --seed 1 --cases 5 --only counters";
    let output = crate::fuzz::stage(&["resources"]).run(line);
    let document: Value = serde_json::from_slice(&output.stdout).expect(line);
    check(&document, &schema, &schema, "").unwrap();
    // What is said of calls that were found is kept beside the sources: no component has any.
    let found = include_str!("../../src/cli/fuzz/found.json.txt");
    check(&serde_json::from_str(found).unwrap(), &schema, &schema, "").unwrap();
}

#[test]
fn minimise_conforms() {
    let minimise = |rest: &str| replay_conforms(&format!("minimise --json {rest}"), MINIMISE);
    let base = "a.cbor --component mutant-base.wasm";
    let crash = crate::recorded::record("mutant-base", &["step(1)", "step(99)"], false);
    let refused = crate::recorded::record("mutant-base", &["step(1)", "step(0)"], false);
    let schema: Value = serde_json::from_str(MINIMISE).unwrap();
    for chain in [crash, refused] {
        let stage = stage();
        stage.write("crash.cbor", &chain);
        let line = "minimise --json crash.cbor --component mutant-base.wasm --out out.cbor";
        let document: Value = serde_json::from_slice(&stage.run(line).stdout).unwrap();
        check(&document, &schema, &schema, "").unwrap();
    }
    minimise(
        &format!("{base} --recorded mutant-base.wasm --out out.cbor")
            .replace("--component mutant-base", "--component mutant-changed-argument"),
    );
    minimise("cut.cbor --out out.cbor");
}

#[test]
fn doctor_conforms() {
    let doctor = |rest: &str| replay_conforms(&format!("doctor --json {rest}"), DOCTOR);
    doctor("mutant-base.wasm --invoke step(1) --keep kept");
    doctor("mutant-base.wasm --invoke step(1) --invoke step(99) --runs 1");
}

#[test]
fn the_checker_notices() {
    let schema: Value = serde_json::from_str(STAT).unwrap();
    let out = scene().run("stat sample.chain --json").out;
    let good: Value = serde_json::from_str(&out).unwrap();
    let changes: [fn(&mut Map<String, Value>); 3] = [
        |stat| drop(stat.remove("events")),
        |stat| drop(stat.insert("events".to_owned(), Value::from("many"))),
        |stat| drop(stat.insert("surprise".to_owned(), Value::Null)),
    ];
    for change in changes {
        let mut bad = good.clone();
        change(bad.as_object_mut().unwrap());
        assert!(check(&bad, &schema, &schema, "").is_err());
    }
}

fn check(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<(), String> {
    for (keyword, wanted) in schema.as_object().unwrap() {
        let holds = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let name = wanted.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                check(value, &root["$defs"][name], root, at)?;
                true
            }
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "type" => match wanted {
                Value::Array(types) => types.iter().any(|ty| is_type(value, ty)),
                ty => is_type(value, ty),
            },
            "oneOf" => {
                let all = wanted.as_array().unwrap().iter();
                all.filter(|schema| check(value, schema, root, at).is_ok()).count() == 1
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(item, wanted, root, &format!("{at}[{index}]"))?;
                }
                true
            }
            "required" => wanted.as_array().unwrap().iter().all(|name| {
                value.as_object().is_none_or(|fields| fields.contains_key(name.as_str().unwrap()))
            }),
            "properties" => {
                for (name, schema) in wanted.as_object().unwrap() {
                    if let Some(field) = value.get(name) {
                        check(field, schema, root, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" => check_others(value, schema, root, at)?,
            unknown => panic!("this checker does not know {unknown}"),
        };
        if !holds {
            return Err(format!("{at}: {keyword} asks for {wanted}, found {value}"));
        }
    }
    Ok(())
}

/// Checks the fields that `properties` does not name.
fn check_others(value: &Value, schema: &Value, root: &Value, at: &str) -> Result<bool, String> {
    let named = schema["properties"].as_object().unwrap();
    let others =
        value.as_object().into_iter().flatten().filter(|(name, _)| !named.contains_key(*name));
    for (name, other) in others {
        match &schema["additionalProperties"] {
            Value::Bool(allowed) if !allowed => return Err(format!("{at}: unknown field {name}")),
            Value::Bool(_) => {}
            schema => check(other, schema, root, &format!("{at}.{name}"))?,
        }
    }
    Ok(true)
}

fn is_type(value: &Value, ty: &Value) -> bool {
    match ty.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("this checker does not know the type {unknown}"),
    }
}
