//! Every template, built by cargo as it is and put to use as people do it: by the programs, over the network,
//! and replayed once all of that is gone.
//!
//! Runs only where `THEATER_TEMPLATES` is set, as in CI: it needs crates from the registry and the target
//! wasm32-wasip2.

mod project;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client};

use crate::stage::browser::{connect, get};
use crate::stage::component;
use crate::stage::programs::said;
use crate::stage::server::Server;
use project::{Projects, Served, TEMPLATES, built, projects, theater};

/// A server in the folder of one of the projects.
fn served(projects: &Projects, project: &str) -> Served {
    Served::new(&projects.path(project), &[])
}

/// Writes a manifest beside that of a project, as somebody does who has other plans: texts in place of others.
fn changed(projects: &Projects, project: &str, changes: &[(&str, String)]) {
    let folder = projects.path(project);
    let mut text = fs::read_to_string(folder.join("manifest.toml")).unwrap();
    for (from, to) in changes {
        assert!(text.contains(from), "{text}");
        text = text.replace(from, to);
    }
    fs::write(folder.join("changed.toml"), text).unwrap();
}

#[test]
fn the_basic_actor_logs_and_keeps_its_state() {
    let Some(projects) = projects() else { return };
    let served = served(projects, "my-basic");
    let id = served.said(&["start", "manifest.toml", "-i", "kept", "--id-only"]);
    let id = id.trim_end();
    served.logs(id, &format!("actor {id} has started"));
    assert_eq!(served.said(&["state", id]), "kept\n");
    served.ends_and_replays(&[id], 1, &[&built("my_basic")]);
}

#[test]
fn the_counter_counts() {
    let Some(projects) = projects() else { return };
    let served = served(projects, "my-message");
    let id = served.start("manifest.toml");
    assert_eq!(served.said(&["state", &id]), "0\n");
    served.said(&["message", &id, "5"]);
    served.logs(&id, "the sum is 5");
    assert_eq!(served.said(&["message", &id, "nothing", "--request"]), "5\n");
    assert_eq!(served.said(&["message", &id, "-7", "--request"]), "-2\n");
    assert_eq!(served.said(&["state", &id]), "-2\n");
    served.ends_and_replays(&[&id], 1, &[&built("my_message")]);
}

#[test]
fn the_web_server_greets_and_counts() {
    let Some(projects) = projects() else { return };
    let port = crate::http::free_port();
    changed(projects, "my-http", &[("port = 8080", format!("port = {port}"))]);
    let served = served(projects, "my-http");
    let id = served.start("changed.toml");
    served.logs(&id, &format!("actor {id} is going to listen on port {port}"));
    for visitor in 1..=2 {
        let reply = get(port, "/");
        assert_eq!(reply.status, 200);
        assert_eq!(reply.body, format!("Hello! You are visitor {visitor}.\n"));
    }
    assert_eq!(get(port, "/elsewhere").status, 404);
    let (mut socket, _) = client(format!("ws://localhost:{port}/echo"), connect(port)).unwrap();
    socket.send(Message::text("anybody there?")).unwrap();
    assert_eq!(socket.read().unwrap(), Message::text("anybody there?"));
    drop(socket);
    assert_eq!(served.said(&["state", &id]), "2\n");
    served.ends_and_replays(&[&id], 1, &[&built("my_http")]);
}

/// The id of the only child that an actor has.
fn child(served: &Served, parent: &str) -> String {
    let tree = served.said(&["tree", "--root", parent]);
    assert_eq!(tree.lines().count(), 2, "{tree}");
    tree.trim_end().rsplit(' ').next().unwrap().to_owned()
}

#[test]
fn the_supervisor_starts_its_child() {
    let Some(projects) = projects() else { return };
    let served = served(projects, "my-supervisor");
    let id = served.start("manifest.toml");
    let child = child(&served, &id);
    served.logs(&id, &format!("child {child} is ActorStatus::Running"));
    served.logs(&child, &format!("child {child} has started"));
    served.said(&["stop", &child]);
    served.logs(&id, &format!("somebody has stopped child {child}"));
    let components = [&*built("my_supervisor"), &built("my_supervisor_child")];
    served.ends_and_replays(&[&id], 2, &components);
}

#[test]
fn the_supervisor_starts_a_child_again_that_fails_but_not_for_ever() {
    let Some(_) = projects() else { return };
    let folder = tempfile::tempdir().unwrap();
    let handler = |name| format!("[[handlers]]\ntype = \"{name}\"\n");
    let write = |path: &str, component: &Path, more: &str| {
        let path = folder.path().join(path);
        let handlers = ["runtime", "supervisor"].map(handler).concat();
        let component = component.display();
        let text = format!("name = \"one\"\ncomponent = \"{component}\"\n{handlers}{more}");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    // One that fails when it is told to.
    let (supervisor, keeper) = (built("my_supervisor"), component("keeper"));
    write("manifest.toml", &supervisor, "");
    write("child/manifest.toml", &keeper, &handler("message-server"));
    let served = Served::new(folder.path(), &[]);
    let id = served.start("manifest.toml");
    let child = child(&served, &id);
    for restarts in 1..=3 {
        let failed = served.asked(&["message", &child, "trap", "--request"]);
        assert_eq!(failed.exit, "Trouble", "{failed:?}");
        served.says(&["state", &id], |said| said == format!("{restarts}\n"));
        assert_eq!(served.said(&["message", &child, "count", "--request"]), "1\n");
    }
    served.logs(&id, &format!("child {child} has failed: "));
    served.asked(&["message", &child, "trap", "--request"]);
    let ended = served.says(&["inspect", &id], |said| !said.contains("running"));
    assert!(ended.contains(&format!("child {child} has failed too often")), "{ended}");
    // A child that is started again by its parent begins a chain each time.
    served.ends_and_replays(&[], 5, &[&supervisor, &keeper]);
}

/// A model that wants every tool to be used, and then has an answer.
fn model(tool: &str, elsewhere: &str) -> (Server, Arc<Mutex<Vec<Value>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let plan = [
        json!({ "tool": "write-file", "path": "note.txt", "content": "rain" }),
        json!({ "tool": "read-file", "path": "note.txt" }),
        json!({ "tool": "list-files", "path": "." }),
        json!({ "tool": "read-file", "path": "../manifest.toml" }),
        json!({ "tool": "fetch", "url": tool }),
        json!({ "tool": "fetch", "url": elsewhere }),
        json!({ "tool": "time" }),
        json!({ "tool": "fly" }),
        json!({ "answer": "42" }),
    ];
    let model = Server::start(move |request| {
        let question: Value = serde_json::from_str(&request.body).unwrap();
        if question["task"] == "something hard" {
            return (500, "no idea".to_owned());
        }
        let done = question["steps"].as_array().unwrap().len();
        noted.lock().unwrap().push(question);
        (200, plan[done].to_string())
    });
    (model, asked)
}

#[test]
fn the_agent_asks_uses_tools_and_answers() {
    let Some(projects) = projects() else { return };
    let tool = Server::start(|_| (200, "sunny".to_owned()));
    let elsewhere = Server::start(|_| (200, "secret".to_owned()));
    let (model, asked) = model(&tool.url("/weather"), &elsewhere.url("/"));
    let hosts = format!("\"{}\", \"{}\"", model.authority(), tool.authority());
    changed(projects, "my-agent", &[("\"127.0.0.1:8090\"", hosts)]);
    let variables = [("MODEL_URL", model.url("/next"))];
    let served = Served::new(&projects.path("my-agent"), &variables);
    let id = served.start("changed.toml");
    assert_eq!(served.said(&["message", &id, "what is it?", "--request"]), "42\n");
    assert_eq!(served.said(&["state", &id]), "1\n");
    let told = asked.lock().unwrap().last().unwrap()["steps"].clone();
    let results: Vec<&str> =
        told.as_array().unwrap().iter().filter_map(|step| step["result"].as_str()).collect();
    let [written, read, listed, fetched, time] = results[..] else { panic!("{told}") };
    assert_eq!((written, read, fetched), ("written", "rain", "status 200\nsunny"));
    assert!(listed.contains("note.txt") && time.ends_with(" ms since 1970"), "{told}");
    assert_eq!(fs::read_to_string(projects.path("my-agent/files/note.txt")).unwrap(), "rain");
    let denied = told[5]["error"].as_str().unwrap();
    assert!(told[3]["error"].is_string() && denied.contains("not permitted"), "{told}");
    assert_eq!(told[7]["error"], "there is no tool fly");
    assert_eq!((tool.connections() > 0, elsewhere.connections()), (true, 0));
    let answer = served.said(&["message", &id, "something hard", "--request"]);
    assert_eq!(answer, "I could not do that: the model answered with status 500\n");
    drop((model, tool, elsewhere));
    served.ends_and_replays(&[&id], 1, &[&built("my_agent")]);
}

#[test]
fn manifests_name_what_was_built() {
    let Some(projects) = projects() else { return };
    for (template, components) in TEMPLATES {
        let manifests = ["manifest.toml", "child/manifest.toml"];
        for (component, manifest) in components.iter().zip(manifests) {
            let path = projects.path(&format!("my-{template}")).join(manifest);
            let text = fs::read_to_string(&path).unwrap();
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
    projects.theater("", &["create", "sample"]);
    fs::write(projects.path("sample/src/lib.rs"), sample).unwrap();
    projects.theater("sample", &["build"]);
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
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("my-actor");
    let typed = |dir: &Path, words: &[&str]| project::fine(theater(dir, folder.path(), words));
    typed(folder.path(), &[create, "my-actor"]);
    typed(&project, &["build"]);
    let served = Served::new(&project, &[]);
    let started = served.said(&["start", "manifest.toml"]);
    let id = started.trim_end().rsplit(' ').next().unwrap();
    assert!(served.said(&["list"]).contains(id));
    let events = served.said(&["events", id]);
    assert!(events.contains(&format!("actor {id} has started")), "{events}");
    let other = served.said(&["start", "manifest.toml", "--id-only"]);
    let mut subscribe = served.process(&["subscribe", "-", "--limit", "3", "--history"]);
    let subscribe = subscribe.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut subscribe = subscribe.spawn().unwrap();
    subscribe.stdin.take().unwrap().write_all(other.as_bytes()).unwrap();
    let heard = said(subscribe.wait_with_output().unwrap());
    assert_eq!((heard.exit.as_str(), heard.out.lines().count()), ("Fine", 3), "{heard:?}");
    served.ends_and_replays(&[id, other.trim_end()], 2, &[&built("my_actor")]);
}
