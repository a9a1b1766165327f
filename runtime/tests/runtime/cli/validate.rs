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
fn what_permissions_do_not_leave_is_an_error_as_it_is_when_the_actor_is_started() {
    let scene = scene();
    scene.write(
        "beyond.toml",
        b"name = \"a\"\ncomponent = \"a.wasm\"\n[[handlers]]\ntype = \"timing\"\nmax_sleep = \"2m\"\n\
          [permissions]\ntiming = { max_sleep = \"1m\" }\n",
    );
    expect![[r#"
        ERRORS
          beyond.toml:7:10: timing.max_sleep asks for 2m, and may have 1m

        beyond.toml is not valid: 1 error
        --- exit 1
    "#]]
    .assert_eq(&transcript(&validate(&scene, &["beyond.toml"])));
}

/// A manifest of a component of the corpus with these handlers and more.
fn of(component: &str, handlers: &[&str], more: &str) -> String {
    let handler = |name: &&str| format!("[[handlers]]\ntype = \"{name}\"\n");
    let handlers: String = handlers.iter().map(handler).collect();
    format!("name = \"a\"\ncomponent = \"{component}.wasm\"\n{handlers}{more}")
}

#[track_caller]
fn check_interfaces(component: &str, handlers: &[&str], more: &str, expected: &Expect) {
    let scene = Scene::with(&[component]);
    scene.write("manifest.toml", of(component, handlers, more).as_bytes());
    expected.assert_eq(&transcript(&validate(&scene, &["--check-interfaces"])));
}

#[test]
fn a_component_that_fits_its_manifest_is_valid() {
    let handlers = ["runtime", "message-server"];
    check_interfaces(
        "messenger",
        &handlers,
        "",
        &expect![[r#"
        manifest.toml is valid: a
        --- exit 0
    "#]],
    );
    let old = "[interface]\nimplements = [\"theater:simple/actor@0.1.0\", \"ntwk:theater/actor\"]\n\
               requires = \"theater:simple/runtime\"\n";
    check_interfaces(
        "messenger",
        &handlers,
        old,
        &expect![[r#"
        NOTES
          manifest.toml:7:1: [interface] is no longer needed: the component itself says what it implements
          manifest.toml:8:1: ntwk:theater/actor is an old name; actors implement theater:simple/actor

        manifest.toml is valid: a
        --- exit 0
    "#]],
    );
}

#[test]
fn what_a_component_imports_has_to_be_given() {
    check_interfaces(
        "planner",
        &["runtime", "message-server"],
        "",
        &expect![[r#"
        ERRORS
          manifest.toml:2:13: the component imports theater:simple/environment, and no handler gives it that: add [[handlers]] with type = "environment"
          manifest.toml:2:13: the component imports theater:simple/filesystem, and no handler gives it that: add [[handlers]] with type = "filesystem"
          manifest.toml:2:13: the component imports theater:simple/http-client, and no handler gives it that: add [[handlers]] with type = "http-client"
          manifest.toml:2:13: the component imports theater:simple/timing, and no handler gives it that: add [[handlers]] with type = "timing"

        manifest.toml is not valid: 4 errors
        --- exit 1
    "#]],
    );
    check_interfaces(
        "unknown-import",
        &[],
        "",
        &expect![[r#"
        ERRORS
          manifest.toml:2:13: the component imports theater:refused/nowhere, which nobody here provides: it can import theater:simple/* and wasi:*

        NOTES
          manifest.toml:2:13: the component does not export theater:simple/actor, so it is not told that it starts: export it, or run it with theater run

        manifest.toml is not valid: 1 error
        --- exit 1
    "#]],
    );
}

#[test]
fn what_comes_in_through_a_handler_has_to_be_answered() {
    let handlers = ["runtime", "message-server", "http-server", "store", "process"];
    check_interfaces(
        "messenger",
        &handlers,
        "",
        &expect![[r#"
        ERRORS
          manifest.toml:8:1: the component does not export theater:simple/http-handlers, so nobody answers what comes in through http-server: export it, or leave the handler out

        NOTES
          manifest.toml:10:1: the component imports nothing of store: leave the handler out
          manifest.toml:12:1: the component imports nothing of process: leave the handler out

        manifest.toml is not valid: 1 error
        --- exit 1
    "#]],
    );
    check_interfaces(
        "hello",
        &["message-server"],
        "",
        &expect![[r#"
        ERRORS
          manifest.toml:4:1: the component does not export theater:simple/message-server-client, so nobody answers what comes in through message-server: export it, or leave the handler out

        NOTES
          manifest.toml:2:13: the component does not export theater:simple/actor, so it is not told that it starts: export it, or run it with theater run

        manifest.toml is not valid: 1 error
        --- exit 1
    "#]],
    );
}

#[test]
fn what_permissions_deny_of_wasi_is_worth_knowing() {
    let denied = "[permissions]\nfilesystem = \"deny\"\nnetwork = \"deny\"\n";
    check_interfaces(
        "walk",
        &[],
        denied,
        &expect![[r#"
        NOTES
          manifest.toml:2:13: the component does not export theater:simple/actor, so it is not told that it starts: export it, or run it with theater run
          manifest.toml:4:14: the component imports wasi:filesystem, and filesystem is denied, so what it asks for there fails: permit some of it, if the component needs it

        manifest.toml is valid: a
        --- exit 0
    "#]],
    );
    let denied = "[permissions]\nrandom = \"deny\"\ntiming = \"deny\"\n";
    check_interfaces(
        "calls",
        &[],
        denied,
        &expect![[r#"
        NOTES
          manifest.toml:2:13: the component does not export theater:simple/actor, so it is not told that it starts: export it, or run it with theater run
          manifest.toml:4:10: the component imports wasi:random, and random is denied, so what it asks for there fails: permit some of it, if the component needs it
          manifest.toml:5:10: the component imports wasi:clocks, and timing is denied, so what it asks for there fails: permit some of it, if the component needs it

        manifest.toml is valid: a
        --- exit 0
    "#]],
    );
}

#[test]
fn what_an_old_manifest_claims_has_to_be_so() {
    let handlers = ["runtime", "message-server"];
    let old = "[interface]\nimplements = [\"theater:simple/actor\", \"theater:simple/http-handlers\"]\n\
               requires = [\"theater:simple/timing@0.1.0\"]\n";
    check_interfaces(
        "messenger",
        &handlers,
        old,
        &expect![[r#"
        ERRORS
          manifest.toml:8:14: interface.implements: the component does not export theater:simple/http-handlers: take it off the list
          manifest.toml:9:12: interface.requires: the component does not import theater:simple/timing@0.1.0: take it off the list

        NOTES
          manifest.toml:7:1: [interface] is no longer needed: the component itself says what it implements

        manifest.toml is not valid: 2 errors
        --- exit 1
    "#]],
    );
}

#[test]
fn a_component_that_is_none_fits_nothing() {
    let scene = Scene::with(&[]);
    scene.write("manifest.toml", of("missing", &[], "").as_bytes());
    expect![[r#"
        ERRORS
          manifest.toml:2:13: component: the component missing.wasm of a cannot be used: cannot read missing.wasm: No such file or directory (os error 2)

        manifest.toml is not valid: 1 error
        --- exit 1
    "#]].assert_eq(&transcript(&validate(&scene, &["--check-interfaces"])));
    scene.write("missing.wasm", b"nothing of the kind");
    expect![[r#"
        ERRORS
          manifest.toml:2:13: component: the component missing.wasm of a cannot be used: not WebAssembly: the first bytes are not a module's or a component's

        manifest.toml is not valid: 1 error
        --- exit 1
    "#]].assert_eq(&transcript(&validate(&scene, &["--check-interfaces"])));
    let stored = of("missing", &[], "").replace("missing.wasm", "store:nobody-has-this");
    scene.write("manifest.toml", stored.as_bytes());
    expect![[r#"
        ERRORS
          manifest.toml:2:13: component: the store does not have nobody-has-this

        manifest.toml is not valid: 1 error
        --- exit 1
    "#]]
    .assert_eq(&transcript(&validate(&scene, &["--check-interfaces"])));
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

#[test]
fn what_does_not_fit_is_told_as_json_too() {
    let scene = Scene::with(&["messenger"]);
    scene.write("manifest.toml", of("messenger", &["runtime", "timing"], "").as_bytes());
    let output = validate(&scene, &["--check-interfaces", "--json"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let schema = include_str!("../../../schemas/validate-1.json");
    let schema: Value = serde_json::from_str(schema).unwrap();
    conforms(&document, &schema, &schema);
    let [errors, notes] = ["errors", "notes"].map(|key| document[key].as_array().unwrap());
    assert_eq!((errors.len(), notes.len()), (1, 1), "{document}");
    assert!(errors[0]["message"].as_str().unwrap().contains("type = \"message-server\""));
    assert_eq!((&notes[0]["line"], &notes[0]["column"]), (&Value::from(6), &Value::from(1)));
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
