//! Every template, built by cargo as it is and put to use.
//!
//! Runs only where `THEATER_TEMPLATES` is set, as in CI: it needs crates from the registry and the target
//! wasm32-wasip2.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use tempfile::TempDir;
use theater_record::{About, Clock, Options, Outcome, Recorder, Seed, Value, Values};
use theater_runtime::host::{Grants, Host, Service, ServiceCall};
use theater_runtime::{Backend, Component, Engine, Failure, Limits, Recording, RecordingOptions};

/// The projects, one for each template, in a folder that lasts as long as the tests run.
struct Projects {
    folder: TempDir,
}

/// The templates, each with the components it comes to.
const TEMPLATES: &[(&str, &[&str])] = &[
    ("basic", &["my_basic"]),
    ("message", &["my_message"]),
    ("http", &["my_http"]),
    ("supervisor", &["my_supervisor", "my_supervisor_child"]),
    ("agent", &["my_agent"]),
];

/// The projects, unless this is a place where they cannot be built.
#[allow(clippy::print_stdout, reason = "a test that is left out says so")]
fn projects() -> Option<&'static Projects> {
    static PROJECTS: OnceLock<Option<Projects>> = OnceLock::new();
    let wanted = || std::env::var_os("THEATER_TEMPLATES").is_some();
    let projects = PROJECTS.get_or_init(|| wanted().then(Projects::create));
    if projects.is_none() {
        println!("left out: THEATER_TEMPLATES is not set");
    }
    projects.as_ref()
}

impl Projects {
    fn create() -> Projects {
        let projects = Projects { folder: tempfile::tempdir().expect("there is room") };
        for (template, _) in TEMPLATES {
            let name = format!("my-{template}");
            projects.run(env!("CARGO_BIN_EXE_theater"), &["create", &name, "-t", template], "");
            projects.run("cargo", &["fmt", "--check", "--all"], &name);
            projects.run(env!("CARGO_BIN_EXE_theater"), &["build"], &name);
        }
        projects
    }

    /// Runs a program in one of the projects, which has to end well. All of them share what cargo
    /// has compiled.
    fn run(&self, program: &str, args: &[&str], project: &str) {
        let output = Command::new(program)
            .args(args)
            .current_dir(self.folder.path().join(project))
            .env("CARGO_TARGET_DIR", target())
            .env("RUSTFLAGS", "-D warnings")
            .output()
            .expect("the program can be run");
        let said = [output.stdout, output.stderr].concat();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&said));
    }
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates")
}

fn built(component: &str) -> PathBuf {
    target().join(format!("wasm32-wasip2/release/{component}.wasm"))
}

/// Answers for all of `theater:simple` from a list, and notes what it was asked.
#[derive(Clone, Default)]
struct World {
    answers: BTreeMap<&'static str, Value>,
    calls: Arc<Mutex<Vec<String>>>,
}

struct Interface {
    name: &'static str,
    world: World,
}

impl Service for Interface {
    fn call(&mut self, call: ServiceCall<'_>) -> Result<Vec<Value>, Failure> {
        let mut calls = self.world.calls.lock().expect("no test panics while it holds this");
        match call.args.first() {
            Some(Value::String(text)) => calls.push(format!("{} {text}", call.function)),
            _ => calls.push(call.function.to_owned()),
        }
        let path = format!("{}.{}", self.name, call.function);
        match self.world.answers.get(&*path) {
            Some(value) => Ok(vec![value.clone()]),
            None if path == "runtime.log" => Ok(Vec::new()),
            None => panic!("nobody expects {path}"),
        }
    }
}

const INTERFACES: &[&str] = &[
    "environment",
    "filesystem",
    "http-client",
    "http-server",
    "message-server-host",
    "runtime",
    "supervisor",
    "timing",
];

/// An actor of one of the templates.
struct Actor {
    component: Component,
    recording: Recording,
}

impl Actor {
    fn start(component: &str, world: &World) -> Actor {
        let limits = Limits::default();
        let engine = Engine::new(Backend::Cranelift, &limits, None).expect("it is supported");
        let component = Component::load(&engine, &built(component)).expect("it is a component");
        let mut host = Host::new(Grants::default()).expect("nothing is granted");
        for name in INTERFACES.iter().copied() {
            let service = Box::new(Interface { name, world: world.clone() });
            host.serve(&format!("theater:simple/{name}"), service);
        }
        let clock: Clock = Arc::new(|| 7);
        let about = About {
            component: Some(component.digest()),
            settings: limits.settings(Backend::Cranelift),
            ..About::default()
        };
        let (log, seed) = (std::io::sink(), Seed::new([1; 32]));
        let recorder = Recorder::create(log, about, Options::default(), seed, clock.clone())
            .expect("a sink takes everything");
        let options = RecordingOptions { limits, durable: false, clock, redact: Vec::new() };
        let recording = Recording::start(&component, host, recorder, &options)
            .expect("all that it imports is served");
        Actor { component, recording }
    }

    /// Calls a handler; returns the new state and whatever comes with it.
    fn call(&mut self, handler: &str, state: Option<&str>, params: Vec<Value>) -> Vec<Value> {
        let state = Value::Option(state.map(|state| Box::new(bytes(state))));
        let exports = &self.component.world().exports;
        let is_it = |path: &str| path.replace("@0.1.0", "") == format!("theater:simple/{handler}");
        let export = exports.iter().position(|function| is_it(&function.path()));
        let export = export.unwrap_or_else(|| panic!("{handler} is not exported"));
        let results = exports[export].results.clone();
        let args = Values::of(&[state, Value::Tuple(params)]).expect("they are small");
        let outcome = self.recording.call(export, args).expect("a sink takes everything");
        let Outcome::Returned(values) = outcome else { panic!("{outcome:?}") };
        let values = values.decode(results.iter(), &self.component.world().type_table());
        match values.expect("it returns what its type says").remove(0) {
            Value::Result(Ok(Some(returned))) => match *returned {
                Value::Tuple(returned) => returned,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn bytes(text: &str) -> Value {
    Value::Bytes(text.as_bytes().to_vec())
}

fn some(value: Value) -> Value {
    Value::Option(Some(Box::new(value)))
}

fn ok(value: Value) -> Value {
    Value::Result(Ok(Some(Box::new(value))))
}

#[test]
fn the_basic_actor_logs_and_returns_its_state() {
    let Some(_) = projects() else { return };
    let world = World::default();
    let mut actor = Actor::start("my_basic", &world);
    let returned = actor.call("actor#init", Some("kept"), vec![text("the-id")]);
    assert_eq!(returned, [some(bytes("kept"))]);
    assert_eq!(*world.calls.lock().unwrap(), ["log actor the-id has started"]);
}

#[test]
fn the_counter_counts() {
    let Some(_) = projects() else { return };
    let world = World::default();
    let mut actor = Actor::start("my_message", &world);
    assert_eq!(actor.call("actor#init", None, vec![text("id")]), [some(bytes("0"))]);
    let handler = "message-server-client#handle-send";
    assert_eq!(actor.call(handler, Some("0"), vec![bytes("5")]), [some(bytes("5"))]);
    let handler = "message-server-client#handle-request";
    let returned = actor.call(handler, Some("5"), vec![text("request"), bytes("nothing")]);
    assert_eq!(returned, [some(bytes("5")), Value::Tuple(vec![some(bytes("5"))])]);
}

#[test]
fn the_web_server_greets_and_counts() {
    let Some(_) = projects() else { return };
    let number = || ok(Value::U64(1));
    let info = Value::Record(vec![
        Value::U64(0),
        Value::U16(8080),
        text("127.0.0.1"),
        Value::Bool(false),
        Value::U32(1),
        Value::U32(0),
        Value::Bool(true),
    ]);
    let answers = BTreeMap::from([
        ("http-server.register-handler", number()),
        ("http-server.add-route", number()),
        ("http-server.enable-websocket", Value::Result(Ok(None))),
        ("http-server.get-server-info", ok(info)),
    ]);
    let world = World { answers, ..World::default() };
    let mut actor = Actor::start("my_http", &world);
    assert_eq!(actor.call("actor#init", None, vec![text("id")]), [Value::Option(None)]);
    let listening = "log actor id is going to listen on port 8080";
    assert_eq!(world.calls.lock().unwrap().last().expect("there were calls"), listening);
    let none = Value::List(Vec::new());
    let request = Value::Record(vec![text("GET"), text("/"), none, Value::Option(None)]);
    let returned = actor.call("http-handlers#handle-request", None, vec![Value::U64(1), request]);
    let shown = format!("{returned:?}");
    assert_eq!(returned[0], some(bytes("1")));
    assert!(shown.contains("U16(200)"), "{shown}");
}

#[test]
fn the_supervisor_starts_its_child_and_starts_it_again() {
    let Some(_) = projects() else { return };
    /// `failed` of `actor-status`.
    const FAILED: Value = Value::Enum(5);
    let answers = BTreeMap::from([
        ("supervisor.spawn-child", ok(text("kid"))),
        ("supervisor.get-child-status", ok(FAILED)),
        ("supervisor.restart-child", Value::Result(Ok(None))),
    ]);
    let world = World { answers, ..World::default() };
    let mut actor = Actor::start("my_supervisor", &world);
    actor.call("actor#init", None, vec![text("id")]);
    let error = Value::Record(vec![Value::Enum(1), text("it trapped")]);
    let handler = "supervisor-handlers#handle-child-error";
    let returned = actor.call(handler, None, vec![text("kid"), error]);
    assert_eq!(returned, [some(bytes("1"))]);
    let expected = [
        "spawn-child child/manifest.toml",
        "get-child-status kid",
        "log child kid is ActorStatus::Failed",
        "restart-child kid",
        "log child kid has failed: it trapped",
        "restart-child kid",
    ];
    assert_eq!(*world.calls.lock().unwrap(), expected);
    let mut child = Actor::start("my_supervisor_child", &World::default());
    child.call("actor#init", None, vec![text("kid")]);
}

#[test]
fn the_agent_asks_uses_tools_and_answers() {
    let Some(_) = projects() else { return };
    let body = some(bytes(r#"{"answer": "42"}"#));
    let response = Value::Record(vec![Value::U16(200), Value::List(Vec::new()), body]);
    let answers = BTreeMap::from([
        ("environment.get-var", Value::Option(None)),
        ("http-client.send-http", ok(response)),
    ]);
    let world = World { answers, ..World::default() };
    let mut actor = Actor::start("my_agent", &world);
    actor.call("actor#init", None, vec![text("id")]);
    let handler = "message-server-client#handle-request";
    let returned = actor.call(handler, None, vec![text("request"), bytes("what is it?")]);
    assert_eq!(returned, [some(bytes("1")), Value::Tuple(vec![some(bytes("42"))])]);
}

#[test]
fn manifests_name_what_was_built() {
    let Some(projects) = projects() else { return };
    for (template, components) in TEMPLATES {
        let manifests = ["manifest.toml", "child/manifest.toml"];
        for (component, manifest) in components.iter().zip(manifests) {
            let path = projects.folder.path().join(format!("my-{template}")).join(manifest);
            let text = std::fs::read_to_string(&path).expect("it is there");
            // The folder that all share is outside of the projects.
            let line = format!("component = \"{}\"", built(component).display());
            assert!(text.contains(&line), "{text}");
        }
    }
}

#[test]
fn the_sample_of_the_documents_takes_the_place_of_the_actor() {
    let Some(projects) = projects() else { return };
    let sample = r#"
        #![allow(unused_variables)]
        mod bindings;
        bindings::export!(Component with_types_in bindings);

        use bindings::exports::theater::simple::actor::Guest;
        use bindings::theater::simple::runtime::log;

        struct Component;

        impl Guest for Component {
            fn init(state: Option<Vec<u8>>, params: (String,)) -> Result<(Option<Vec<u8>>,), String> {
                log("Actor initialized!");
                Ok((state,))
            }
        }
    "#;
    projects.run(env!("CARGO_BIN_EXE_theater"), &["create", "sample"], "");
    let path = projects.folder.path().join("sample/src/lib.rs");
    std::fs::write(path, sample).expect("it can be written");
    projects.run(env!("CARGO_BIN_EXE_theater"), &["build"], "sample");
}

#[test]
fn the_first_steps_of_the_documents_lead_to_a_running_actor() {
    let Some(_) = projects() else { return };
    for create in ["create", "new"] {
        first_steps(create);
    }
}

/// What a newcomer types, in an empty folder.
fn first_steps(create: &str) {
    let folder = tempfile::tempdir().expect("there is room");
    let theater = |args: &[&str], dir: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_theater"));
        command.args(args).current_dir(folder.path().join(dir)).env("CARGO_TARGET_DIR", target());
        // As the other projects are built, so that nothing is compiled again.
        command.env("RUSTFLAGS", "-D warnings").env("THEATER_HOME", folder.path().join("home"));
        command
    };
    let said = |mut command: Command| {
        let output = command.output().expect("the program can be run");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command:?}: {output:?}");
        said
    };
    said(theater(&[create, "my-actor"], ""));
    said(theater(&["build"], "my-actor"));
    let mut server = theater(&["server", "--address", "127.0.0.1:0"], "my-actor");
    let mut server = server.stdout(Stdio::piped()).spawn().expect("the program can be run");
    let mut line = String::new();
    let pipe = server.stdout.as_mut().expect("it is a pipe");
    BufReader::new(pipe).read_line(&mut line).expect("it says where it is");
    let address = line.trim_end().rsplit("http://").next().unwrap_or_default().to_owned();
    let ask = |args: &[&str]| {
        let mut command = theater(args, "my-actor");
        command.env("THEATER_ADDRESS", &address);
        command
    };
    let started = said(ask(&["start", "manifest.toml"]));
    let id = started.trim_end().rsplit(' ').next().expect("it names the actor");
    assert!(said(ask(&["list"])).contains(id));
    let events = said(ask(&["events", id]));
    assert!(events.contains(&format!("actor {id} has started")), "{events}");
    let mut start = ask(&["start", "manifest.toml", "--id-only"]);
    let mut start = start.stdout(Stdio::piped()).spawn().expect("the program can be run");
    let mut subscribe = ask(&["subscribe", "-", "--limit", "3", "--history"]);
    subscribe.stdin(start.stdout.take().expect("it is a pipe"));
    assert_eq!(said(subscribe).lines().count(), 3);
    assert!(start.wait().expect("it was started").success());
    server.kill().expect("it is there");
    server.wait().expect("it was started");
}
