//! Every mistake has its place, one clear sentence, and what was probably meant.

use expect_test::expect;
use proptest::prelude::*;

use super::{parse, problems, with};
use crate::manifest::{InitState, MANIFEST_BYTES_MAX, Manifest, ManifestError};

#[test]
fn all_mistakes_are_told_at_once() {
    let text = r#"nmae = "a"
component = 7
init_state = { text = "x", hex = "zz" }
surprise = true

[[handlers]]
type = "http-clinet"

[[handlers]]
type = "runtime"
loud = true

[[handlers]]
type = "runtime"

[[handlers]]
port = 80

[[handlers]]
type = "http-server"
port = 70000
host = "example.com"
tls = { cert = "c.pem" }

[[handlers]]
type = "filesystem"

[[handlers]]
type = "wasi"
dirs = ["", 3]
net = ["a b"]
stdin = 1

[permissions]
process = "denied"
network = "restrict"
http-client = { allowed_hosts = ["http://x/y"], allowed_methods = ["GET IT"] }
"#;
    expect![[r#"
        actor.toml:1:1: name is missing: add name = "my-actor"
        actor.toml:1:1: unknown key nmae: did you mean name?
        actor.toml:2:13: component: expected a text in quotes, found a whole number
        actor.toml:3:34: init_state.hex: expected bytes as pairs of hexadecimal digits
        actor.toml:4:1: unknown key surprise: known here: name, version, description, component, init_state, handlers, permissions, limits, supervision, children, chain
        actor.toml:7:8: handlers[1].type: there is no handler "http-clinet"; did you mean "http-client"?
        actor.toml:11:1: unknown key handlers[2].loud: known here: type
        actor.toml:13:1: there are two handlers of the type runtime: make them one
        actor.toml:16:1: handlers[4].type is missing: add type = "runtime", or another type
        actor.toml:21:8: handlers[5].port: 70000 is out of range: from 1 to 65535
        actor.toml:22:8: handlers[5].host: "example.com" is no IP address, such as 127.0.0.1
        actor.toml:23:7: handlers[5].tls.key is missing: add key = "key.pem"
        actor.toml:25:1: handlers[6].path is missing: add path = "data", or new_dir = true
        actor.toml:30:9: handlers[7].dirs[1]: expected a directory as HOST::GUEST or HOST::GUEST:ro, found ""
        actor.toml:30:13: handlers[7].dirs[2]: expected a text in quotes, found a whole number
        actor.toml:31:8: handlers[7].net[1]: expected an address as HOST, HOST:PORT, 10.0.0.0/8, [::1]:80 or *, found "a b"
        actor.toml:32:9: handlers[7].stdin: expected a text in quotes, found a whole number
        actor.toml:35:11: permissions.process: "denied" is not known here; did you mean "deny"?
        actor.toml:36:11: permissions.network: say what is left, in a table: { key = value }
        actor.toml:37:34: permissions.http-client.allowed_hosts[1]: expected a server as HOST, HOST:PORT, https://HOST or *, without a path, found "http://x/y"
        actor.toml:37:68: permissions.http-client.allowed_methods[1]: expected an HTTP method such as GET, found "GET IT""#]]
    .assert_eq(&problems(text));
}

#[test]
fn numbers_times_and_sizes_have_limits() {
    let text = r#"name = "a"
component = "a.wasm"
[limits]
memory = "1KiB"
stack = "1GiB"
tables = -1
mailbox = 0
message = "17MiB"
fuel = 1.5
[supervision]
strategy = "one_for_all"
intensity = 99999999999999999999999
period = "5 fortnights"
back_off = { first = "2s", max = "1s" }
[[children]]
name = "b"
manifest = "b.toml"
restart = "sometimes"
shutdown = "soon"
[[children]]
name = "b"
manifest = "b.toml"
[chain]
sign = 3
redact = ["a*b"]
"#;
    expect![[r#"
        actor.toml:4:10: limits.memory: 1024 is out of range: from 65536 to 68719476736
        actor.toml:5:9: limits.stack: 1073741824 is out of range: from 65536 to 268435456
        actor.toml:6:10: limits.tables: -1 is out of range: from 0 to 10000000
        actor.toml:7:11: limits.mailbox: 0 is out of range: from 1 to 1000000
        actor.toml:8:11: limits.message: 17825792 is out of range: from 1 to 16777216
        actor.toml:9:8: limits.fuel: expected a whole number, found a number with a point
        actor.toml:11:12: supervision.strategy: "one_for_all" is not known here; did you mean "one-for-all"?
        actor.toml:12:13: supervision.intensity: 99999999999999999999999 is out of range: from 0 to 1000000
        actor.toml:13:10: supervision.period: "fortnights" is not a unit; use ms, s, m or h
        actor.toml:14:28: supervision.back_off.max is less than supervision.back_off.first: make it at least as long
        actor.toml:18:11: children[1].restart: "sometimes" is not known here; choose among permanent, transient, temporary
        actor.toml:19:12: children[1].shutdown: expected a time such as 500ms; or write "whenever" or "kill"
        actor.toml:21:1: there are two children "b": name one differently
        actor.toml:24:8: chain.sign: expected a text in quotes, found a whole number
        actor.toml:25:11: chain.redact[1]: expected a name, or the start of one with a * at its end, found "a*b""#]]
    .assert_eq(&problems(text));
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    expect![[r#"
        actor.toml:1:8: this is no TOML: string values must be quoted, expected literal string
        actor.toml:3:1: this is no TOML: duplicate key"#]]
    .assert_eq(&problems("name = a\nb = 1\nb = 2\n"));
}

#[test]
fn names_and_components_are_checked() {
    for (text, message) in [
        ("name = \"\"", "1:1: name: a name has visible characters, and no spaces at its ends"),
        ("name = \"a\\u202Eb\"", "1:1: name: a name has visible"),
        ("component = \"https://a/b.wasm\"", ":13: component: a component is not fetched"),
        ("component = \"store:\"", "component: \"\" is neither a digest of 64 digits nor a label"),
        ("component = \"store:a b\"", "component: \"a b\" is neither"),
        ("component = \"\"", "component: expected the path of a component"),
    ] {
        let found = problems(text);
        assert!(found.contains(message), "{text}: {found}");
    }
    let long = format!("name = \"{}\"\ncomponent = \"a\"", "ä".repeat(129));
    assert_eq!(problems(&long), "actor.toml:1:1: name is longer than 128 characters");
    assert!(parse(&long.replacen('ä', "", 1)).is_ok());
}

#[test]
fn too_many_entries_are_refused() {
    let list = "\"A\", ".repeat(1025);
    let text =
        format!("name = \"a\"\ncomponent = \"a\"\n[[handlers]]\ntype = \"wasi\"\nargs = [{list}]");
    assert!(problems(&text).contains("1025 entries are more than the 1024 there may be"));
}

#[test]
fn a_column_counts_characters() {
    assert!(problems("\"ä€😀\" = x").starts_with("actor.toml:1:9: "));
}

#[test]
fn files_that_are_too_large_or_no_text_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("actor.toml");
    for bytes in [vec![b'#'; MANIFEST_BYTES_MAX as usize + 1], b"name = \"\xff\"".to_vec()] {
        std::fs::write(&path, bytes).unwrap();
        let error = Manifest::load(&path, None).unwrap_err();
        assert!(matches!(error, ManifestError::Unreadable { .. }));
    }
}

#[test]
fn gaps_are_filled_in_from_the_state() {
    let text = r#"
name = "shop-${region.name:eu}"
component = "shop.wasm"
init_state = { text = '{"port": 9000, "region": {"name": "us"}, "dir": "${x}"}' }
[[handlers]]
type = "http-server"
port = "${port:8080}"
[[handlers]]
type = "wasi"
args = ["$${port}", "${port}-${region.name}"]
"#;
    let parse = |state: Option<&[u8]>| {
        Manifest::parse("a.toml", text.to_owned(), state).map(|loaded| loaded.manifest)
    };
    let own = parse(None).unwrap();
    assert_eq!(own.name, "shop-us");
    assert_eq!(own.handlers.http_server.as_ref().unwrap().port, Some(9000));
    assert_eq!(own.handlers.wasi.as_ref().unwrap().args, ["${port}", "9000-us"]);
    let Some(InitState::Bytes(state)) = &own.init_state else { panic!() };
    assert!(state.ends_with(br#""dir": "${x}"}"#), "the state itself is left alone");
    let given = parse(Some(br#"{"port": 1, "region": {"name": "a\"\nb = 1"}}"#));
    let problems = given.unwrap_err().to_string();
    assert!(problems.contains("name: a name has visible characters"), "{problems}");
    let problems = parse(Some(b"no json")).unwrap_err().to_string();
    assert_eq!(
        problems,
        "a.toml:10:21: handlers[2].args[2]: the initial state has no port: give it, or write \
         ${port:default}"
    );
    for (gap, message) in [
        ("${region}", "region of the initial state is no text, number or boolean"),
        ("${}", "${} names no value"),
        ("${a b}", "${a b} names no value"),
        ("${port", "has a ${ without a }"),
    ] {
        let text = text.replace("shop.wasm", gap);
        let problems = Manifest::parse("a.toml", text, None).unwrap_err().to_string();
        assert!(problems.contains(message), "{gap}: {problems}");
    }
}

#[test]
fn states_can_be_bytes() {
    let state = |text: &str| with(&format!("init_state = {text}")).init_state;
    assert_eq!(state("{ hex = \"00fF\" }"), Some(InitState::Bytes(vec![0, 255])));
    assert_eq!(state("{ text = \"a\" }"), Some(InitState::Bytes(b"a".to_vec())));
    assert_eq!(state("{ file = \"a\" }"), Some(InitState::File("a".into())));
    assert_eq!(state("\"a\""), Some(InitState::File("a".into())));
    let problems = problems("name = \"a\"\ncomponent = \"a\"\ninit_state = {}");
    assert_eq!(problems, "actor.toml:3:14: init_state: expected one of file, text and hex");
}

proptest! {
    /// Whatever a file says, it is read or refused; each problem has a place within the file.
    #[test]
    fn nothing_makes_it_fall_over(text in "(name|component|type|\\[+[a-z]{1,8}\\]+|=|\"|'|\\$\\{|[0-9]{1,20}|\\{|\\}|\\[|\\]|,|\n| |ä){0,40}") {
        if let Err(problems) = parse(&text) {
            prop_assert!(!problems.problems.is_empty());
            for problem in problems.problems {
                prop_assert!((1..=text.matches('\n').count() + 1).contains(&problem.line));
                let line = text.split('\n').nth(problem.line - 1).unwrap_or_default();
                prop_assert!(problem.column <= line.chars().count() + 1);
            }
        }
    }
}
