//! Manifests as they were written for earlier versions load as they are.

use std::path::Path;

use super::{notes, parse, problems};
use crate::manifest::{ComponentSource, InitState, Name, Root, Rule};

/// A manifest with a permission policy.
const AGENT: &str = r#"
name = "agent"
version = "0.1.0"
component = "store://theater/agent-latest"
description = "Plans and acts."
long_description = "It really does."
save_chain = false

[permission_policy]
http_client = { type = "restrict", config = { allowed_methods = ["get"], allowed_hosts = ["api.example.com"], max_redirects = 3, timeout = 5000 } }
process = { type = "disallow" }
environment = { type = "inherit" }

[[handler]]
type = "runtime"

[[handler]]
type = "http-framework"

[[handler]]
type = "environment"
allowed_vars = ["HOME"]
allowed_prefixes = ["AGENT_"]
denied_vars = ["AGENT_KEY"]
allow_list_all = false

[[handler]]
type = "timing"
max_sleep_duration = 3600000
min_sleep_duration = 1

[[handler]]
type = "random"
seed = 7
max_bytes = 1048576
max_int = 10
allow_crypto_secure = false

[[handler]]
type = "process"
max_processes = 10
max_output_buffer = 1048576
allowed_programs = ["ls"]
"#;

#[test]
fn from_the_first_days() {
    let loaded = parse(
        r#"
name = "counter"
component_path = "target/counter.wasm"

[interface]
implements = "ntwk:simple-actor/http-actor"
requires = ["ntwk:simple-actor/http-runtime"]

[[handlers]]
type = "Http-server"
config = { port = 8081 }

[[handlers]]
type = "Message-server"
config = { port = 8080 }

[logging]
chain_events = true
level = "info"
output = "stdout"
file_path = "counter.log"

[event_server]
port = 3030
"#,
    )
    .unwrap();
    let manifest = &loaded.manifest;
    assert_eq!(manifest.component, ComponentSource::File("target/counter.wasm".into()));
    let server = manifest.handlers.http_server.as_ref().unwrap();
    assert_eq!((server.port, server.host.as_str()), (Some(8081), "127.0.0.1"));
    assert!(manifest.handlers.message_server.is_some());
    assert_eq!(
        notes(&loaded),
        [
            "component_path is now written component",
            "[interface] is no longer needed: the component itself says what it implements",
            "ntwk:simple-actor/http-actor is an old name; actors implement theater:simple/actor",
            "ntwk:simple-actor/http-runtime is an old name; actors implement theater:simple/actor",
            "handlers[1].type \"Http-server\" is now written \"http-server\"",
            "the keys in handlers[1].config now stand beside type",
            "handlers[2].type \"Message-server\" is now written \"message-server\"",
            "the keys in handlers[2].config now stand beside type",
            "handlers[2].port has no effect: messages come through the server, which has one port \
             for all",
            "logging has no effect: the chain has all that is logged; see theater logs",
            "event_server has no effect: the server serves the events of all actors",
        ]
    );
}

#[test]
fn from_the_time_of_the_first_command_line() {
    let loaded = parse(
        r#"
name = "chat"
component_path = "./target/wasm32-wasip1/release/chat.wasm"
init_state = "init.json"

[interface]
implements = "ntwk:theater/actor"
requires = []

[[handlers]]
type = "message-server"
config = {}

[[handlers]]
type = "supervisor"
config = {}

[[handlers]]
type = "filesystem"
config = { path = "data" }

[logging]
level = "debug"
log_dir = "logs"
"#,
    )
    .unwrap();
    let handlers = &loaded.manifest.handlers;
    assert!(handlers.message_server.is_some() && handlers.supervisor.is_some());
    let root = handlers.filesystem.as_ref().map(|filesystem| &filesystem.root);
    assert_eq!(root, Some(&Root::At("data".into())));
    assert_eq!(loaded.manifest.init_state, Some(InitState::File("init.json".into())));
    assert_eq!(loaded.notes.len(), 5, "{:?}", loaded.notes);
}

#[test]
fn from_the_time_of_permission_policies() {
    let loaded = parse(AGENT).unwrap();
    let manifest = &loaded.manifest;
    assert_eq!(manifest.component, ComponentSource::Label("agent-latest".to_owned()));
    assert!(!manifest.chain.keep);
    assert_eq!(manifest.permissions.process, Rule::Deny);
    assert_eq!(manifest.permissions.environment, Rule::Inherit);
    let Rule::Restrict(client) = &manifest.permissions.http_client else { panic!() };
    assert_eq!(client.allowed_methods.as_ref().unwrap()[0].0, "GET");
    assert_eq!(client.timeout_ns, Some(5_000_000_000));
    let handlers = &manifest.handlers;
    let environment = handlers.environment.as_ref().unwrap();
    assert!(environment.allows("HOME") && environment.allows("AGENT_NAME"));
    assert!(!environment.allows("AGENT_KEY") && !environment.allows("PATH"));
    assert_eq!(environment.denied_vars, [Name::Exactly("AGENT_KEY".to_owned())]);
    assert_eq!(handlers.timing.as_ref().unwrap().max_sleep_ns, Some(3_600_000_000_000));
    assert_eq!(handlers.random.as_ref().unwrap().seed, Some(7));
    assert_eq!(handlers.process.as_ref().unwrap().max_output_bytes, Some(1 << 20));
    assert!(handlers.http_server.as_ref().unwrap().port.is_none());
    let said = notes(&loaded).join("\n");
    for part in [
        "is now written \"store:agent-latest\"",
        "save_chain is now written keep, in [chain]",
        "permission_policy is now written permissions",
        "permissions.http_client is now written permissions.http-client",
        "permissions.process.type is no longer needed",
        "handler is now written handlers",
        "\"http-framework\" is now written \"http-server\"",
        "handlers[4].max_sleep_duration is now written handlers[4].max_sleep",
        "handlers[5].allow_crypto_secure has no effect",
    ] {
        assert!(said.contains(part), "{part} is not in\n{said}");
    }
}

#[test]
fn from_the_time_of_packages() {
    let loaded = parse(
        r#"
name = "worker"
package = "worker.wasm"
initial_state = "state.json"
static_package = true

[[handler]]
type = "wasi-http"
port = 8080
host = "0.0.0.0"

[[handler]]
type = "store"
base_path = "/var/lib/theater"
store_id = "main"
"#,
    )
    .unwrap();
    let manifest = &loaded.manifest;
    assert_eq!(manifest.component, ComponentSource::File("worker.wasm".into()));
    assert_eq!(manifest.handlers.http_server.as_ref().unwrap().host, "0.0.0.0");
    assert!(manifest.handlers.store.is_some());
    assert_eq!(loaded.notes.len(), 7, "{:?}", loaded.notes);
    // What newer versions say is not different for it.
    let grants = manifest.grants(Path::new("/here"));
    assert!(grants.dirs.is_empty() && grants.net.is_empty() && grants.env.is_empty());
}

#[test]
fn handlers_that_are_gone_say_what_to_do_instead() {
    let text =
        "name = \"a\"\ncomponent = \"a.wasm\"\n[[handler]]\ntype = \"replay\"\nchain = \"x\"\n";
    assert_eq!(
        problems(text),
        "actor.toml:4:8: handlers[1].type: there is no handler \"replay\" any more; replay a \
         chain with theater-replay run"
    );
}

#[test]
fn old_and_new_together_are_one_too_many() {
    let text = "name = \"a\"\ncomponent = \"a.wasm\"\ncomponent_path = \"b.wasm\"\n";
    assert_eq!(
        problems(text),
        "actor.toml:3:1: component_path says the same as component: leave one of them out"
    );
}
