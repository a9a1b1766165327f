//! An agent that plans with a model and acts with tools, some of which it may not use. What it does is said in
//! `corpus/guests/rust/planner/src/lib.rs`.

use std::fs;

use theater_record::Permission;
use theater_verify::VerifiedChain;

use crate::stage::actors::Stage;
use crate::stage::history::History;
use crate::stage::server::{Request, Server};
use crate::stage::{component, replays};

/// What the model wants done, step by step.
fn plan(tool: &str, elsewhere: &str) -> [String; 7] {
    [
        format!("fetch {tool}/weather"),
        format!("fetch {elsewhere}/secrets"),
        "write notes.txt sunny".to_owned(),
        "write ../outside.txt sunny".to_owned(),
        "read notes.txt".to_owned(),
        "wait 1".to_owned(),
        "answer it is sunny".to_owned(),
    ]
}

/// A model that goes through a plan: it has got as far as there are lines.
fn model(plan: impl Fn() -> [String; 7] + Send + Sync + 'static) -> Server {
    Server::start(move |request: &Request| {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/plan"));
        let done = request.body.lines().count() - 1;
        (200, plan()[done].clone())
    })
}

#[test]
fn every_attempt_of_an_agent_is_in_its_chain_allowed_or_not() {
    let stage = Stage::new();
    let tool = Server::start(|_| (200, "sunny".to_owned()));
    let elsewhere = Server::start(|_| (200, "secret".to_owned()));
    let (tool_url, elsewhere_url) = (tool.url(""), elsewhere.url(""));
    let model = model(move || plan(&tool_url, &elsewhere_url));
    fs::copy(component("planner"), stage.path("planner.wasm")).unwrap();
    fs::create_dir(stage.path("desk")).unwrap();
    let manifest = format!(
        "name = \"planner\"\ncomponent = \"planner.wasm\"\n\
         init_state = {{ text = \"{}\" }}\n\
         [[handlers]]\ntype = \"runtime\"\n[[handlers]]\ntype = \"message-server\"\n\
         [[handlers]]\ntype = \"timing\"\n\
         [[handlers]]\ntype = \"environment\"\nallowed_vars = [\"MODEL\"]\n\
         [[handlers]]\ntype = \"filesystem\"\npath = \"desk\"\n\
         [[handlers]]\ntype = \"http-client\"\nallowed_hosts = [\"{}\", \"{}\"]\n",
        model.url("/plan"),
        model.authority(),
        tool.authority(),
    );
    fs::write(stage.path("planner.toml"), manifest).unwrap();
    let agent = stage.start(stage.path("planner.toml")).unwrap();
    assert_eq!(stage.ask(agent, "how is the weather?"), "it is sunny");
    assert_eq!(fs::read_to_string(stage.path("desk/notes.txt")).unwrap(), "sunny");
    assert!(!stage.path("outside.txt").exists());
    assert_eq!((tool.connections() > 0, elsewhere.connections()), (true, 0));
    let chain = stage.ended(agent);
    let decisions = decisions(&chain);
    let refused: Vec<_> = decisions.iter().filter(|it| !it.allowed).collect();
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert_eq!(refused[0].capability, "http-client");
    assert!(refused[0].subject.contains(&elsewhere.authority()), "{refused:?}");
    assert_eq!(refused[1].capability, "filesystem");
    assert!(refused[1].subject.contains("../outside.txt"), "{refused:?}");
    assert!(refused.iter().all(|it| it.reason != 0 && !it.detail.is_empty()), "{refused:?}");
    let allowed = |capability: &str| {
        decisions.iter().filter(|it| it.allowed && it.capability == capability).count()
    };
    // Each question to the model, and the tool.
    assert_eq!(allowed("http-client"), plan("", "").len() + 1);
    assert_eq!(allowed("filesystem"), 2);
    // With the model, the tools and the files gone, it does the same.
    drop((model, tool, elsewhere));
    fs::remove_dir_all(stage.path("desk")).unwrap();
    replays(&chain, "planner");
}

fn decisions(chain: &VerifiedChain) -> Vec<Permission> {
    let history = History::of(chain);
    let decisions = history.permissions().into_iter().cloned();
    decisions.filter(|decision| decision.capability != "message").collect()
}
