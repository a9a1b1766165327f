//! `theater validate`: what it says, in words and as JSON.

use std::process::Output;

use expect_test::{Expect, expect};
use serde_json::Value;

use super::{Scene, transcript};

const GOOD: &str = "name = \"counter\"\nversion = \"1.0.0\"\ncomponent = \"counter.wasm\"\n";
const OLD: &str = "name = \"counter\"\ncomponent_path = \"counter.wasm\"\n\n[[handlers]]\n\
                   type = \"Http-server\"\nconfig = { port = 8081 }\n";
const BAD: &str = "nmae = \"counter\"\ncomponent_path = \"counter.wasm\"\n\n[limits]\n\
                   memory = \"lots\"\n";

fn scene() -> Scene {
    let scene = Scene::with(&[]);
    for (name, text) in [("manifest.toml", GOOD), ("old.toml", OLD), ("bad.toml", BAD)] {
        scene.write(name, text.as_bytes());
    }
    scene
}

fn validate(scene: &Scene, args: &[&str]) -> Output {
    let mut command = scene.command(env!("CARGO_BIN_EXE_theater"));
    command.arg("validate").args(args).output().expect("the program can be run")
}

#[track_caller]
fn check(args: &[&str], expected: &Expect) {
    expected.assert_eq(&transcript(&validate(&scene(), args)));
}

#[test]
fn a_valid_manifest_is_named() {
    check(
        &[],
        &expect![[r#"
            manifest.toml is valid: counter 1.0.0
            --- exit 0
        "#]],
    );
}

#[test]
fn an_old_manifest_is_valid_and_says_what_is_newer() {
    check(
        &["old.toml"],
        &expect![[r#"
            NOTES
              old.toml:2:1: component_path is now written component
              old.toml:5:8: handlers[1].type "Http-server" is now written "http-server"
              old.toml:6:1: the keys in handlers[1].config now stand beside type

            old.toml is valid: counter
            --- exit 0
        "#]],
    );
}

#[test]
fn a_bad_manifest_is_told_as_a_whole() {
    check(
        &["bad.toml"],
        &expect![[r#"
            ERRORS
              bad.toml:1:1: name is missing: add name = "my-actor"
              bad.toml:1:1: unknown key nmae: did you mean name?
              bad.toml:5:10: limits.memory: expected a number such as 64MiB

            NOTES
              bad.toml:2:1: component_path is now written component

            bad.toml is not valid: 3 errors
            --- exit 1
        "#]],
    );
}

#[test]
fn paths_are_checked_when_asked_for() {
    let scene = scene();
    scene.write(
        "far.toml",
        b"name = \"a\"\ncomponent = \"counter.wasm\"\ninit_state = \"old.toml\"\n\
          [[children]]\nname = \"b\"\nmanifest = \"b/manifest.toml\"\n\
          [[handlers]]\ntype = \"wasi\"\ndirs = [\"data\"]\n[chain]\nsign = \"my.key\"\n",
    );
    expect![[r#"
        ERRORS
          far.toml:2:13: component: there is no counter.wasm
          far.toml:6:12: children[1].manifest: there is no b/manifest.toml
          far.toml:9:8: handlers[1].dirs: there is no data
          far.toml:11:8: chain.sign: there is no my.key

        far.toml is not valid: 4 errors
        --- exit 1
    "#]]
    .assert_eq(&transcript(&validate(&scene, &["far.toml", "--check-paths"])));
    expect![[r#"
        far.toml is valid: a with 1 child
        --- exit 0
    "#]]
    .assert_eq(&transcript(&validate(&scene, &["far.toml"])));
}

#[test]
fn gaps_are_filled_in_from_a_given_state() {
    let scene = scene();
    scene.write("gap.toml", b"name = \"${who}\"\ncomponent = \"a.wasm\"\n");
    scene.write("state.json", b"{\"who\": \"me\"}");
    expect![[r#"
        gap.toml is valid: me
        --- exit 0
    "#]]
    .assert_eq(&transcript(&validate(&scene, &["gap.toml", "--init-state", "state.json"])));
    expect![[r#"
        ERRORS
          gap.toml:1:8: name: the initial state has no who: give it, or write ${who:default}

        gap.toml is not valid: 1 error
        --- exit 1
    "#]]
    .assert_eq(&transcript(&validate(&scene, &["gap.toml"])));
}

#[test]
fn what_cannot_be_read_is_trouble() {
    check(
        &["missing.toml"],
        &expect![[r#"
            --- messages
            error: cannot read the manifest missing.toml: No such file or directory (os error 2)
              try: name a manifest, or the folder of a manifest.toml
            --- exit 2
        "#]],
    );
    check(
        &["--init-state", "missing.json"],
        &expect![[r#"
            --- messages
            error: cannot read the state missing.json: No such file or directory (os error 2)
            --- exit 2
        "#]],
    );
}

#[test]
fn nothing_in_a_manifest_steers_the_terminal() {
    let scene = scene();
    scene.write("evil.toml", b"name = \"a\"\ncomponent = \"a\"\n\"\\u001b[2J\" = 1\n");
    let output = validate(&scene, &["evil.toml"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("unknown key \\u{1b}[2J") && !text.contains('\u{1b}'), "{text:?}");
}

#[test]
fn json_is_as_its_schema_promises() {
    let schema = include_str!("../../../schemas/validate-1.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    for (file, valid, errors, notes) in
        [("manifest.toml", true, 0, 0), ("old.toml", true, 0, 3), ("bad.toml", false, 3, 1)]
    {
        let output = validate(&scene(), &[file, "--json"]);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        conforms(&document, &schema, &schema);
        assert_eq!(document["valid"], valid);
        assert_eq!(document["errors"].as_array().unwrap().len(), errors);
        assert_eq!(document["notes"].as_array().unwrap().len(), notes);
        assert_eq!(output.status.code(), Some(i32::from(!valid)));
    }
}

/// Checks a document against the part of JSON Schema that the schema uses.
pub(super) fn conforms(value: &Value, schema: &Value, root: &Value) {
    if let Some(name) = schema["$ref"].as_str() {
        return conforms(value, &root["$defs"][name.trim_start_matches("#/$defs/")], root);
    }
    if let Some(wanted) = schema.get("const") {
        return assert_eq!(value, wanted);
    }
    if let Some(cases) = schema["enum"].as_array() {
        return assert!(cases.contains(value), "{value} is none of {cases:?}");
    }
    let is_type = |ty: &Value| match ty.as_str().expect("a type is a name") {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        unknown => panic!("this checker does not know the type {unknown}"),
    };
    let types = &schema["type"];
    let fits = types.as_array().map_or_else(|| is_type(types), |types| types.iter().any(is_type));
    assert!(fits, "{value} is not of the type {types}");
    for item in value.as_array().into_iter().flatten() {
        conforms(item, &schema["items"], root);
    }
    if let Some(fields) = value.as_object() {
        assert_eq!(schema["additionalProperties"], false);
        let named = schema["properties"].as_object().expect("an object has fields");
        for name in schema["required"].as_array().expect("an object says what it needs") {
            assert!(name.as_str().is_some_and(|name| fields.contains_key(name)), "no {name}");
        }
        for (name, field) in fields {
            conforms(field, named.get(name).unwrap_or_else(|| panic!("no field {name}")), root);
        }
    }
}
