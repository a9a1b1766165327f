//! Actors on the network: requests, WebSocket connections and responses over real sockets, well-behaved
//! and not, and their chains once all of that is gone. What the guest does with messages and requests is
//! said in `corpus/guests/rust/web/src/lib.rs`.

mod client;
mod elsewhere;
mod hostile;
mod secrets;
mod server;
mod sockets;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use theater_record::Event;
use theater_runtime::{ActorId, End, Source, SpawnError};

use crate::stage::actors::{SOON, Stage};
use crate::stage::history::History;
use crate::stage::{component, replays, verified};

/// An actor that is on the network.
struct Web {
    stage: Stage,
    folder: tempfile::TempDir,
    id: ActorId,
}

/// A manifest of an actor on the network: `client` and `server` are what else stands in its handlers.
struct Plan<'a> {
    client: &'a str,
    server: &'a str,
    /// What it is told at first, in lines.
    state: &'a str,
    more: &'a str,
}

impl Plan<'_> {
    fn new() -> Plan<'static> {
        Plan { client: "", server: "", state: "", more: "" }
    }

    fn text(&self) -> String {
        let Plan { client, server, state, more } = self;
        format!(
            "name = \"web\"\ncomponent = \"web.wasm\"\ninit_state = {{ text = '''\n{state}''' }}\n\
             [[handlers]]\ntype = \"runtime\"\n[[handlers]]\ntype = \"message-server\"\n\
             [[handlers]]\ntype = \"http-client\"\n{client}\n\
             [[handlers]]\ntype = \"http-server\"\n{server}\n{more}\n"
        )
    }

    fn start(&self) -> Web {
        self.try_start().unwrap_or_else(|failed| panic!("{:?}", failed.1))
    }

    fn try_start(&self) -> Result<Web, Box<(Web, SpawnError)>> {
        Web::start(self, tempfile::tempdir().unwrap())
    }

    /// Starts the actor in a folder where there are other files already.
    fn start_in(&self, folder: tempfile::TempDir) -> Web {
        Web::start(self, folder).unwrap_or_else(|failed| panic!("{:?}", failed.1))
    }
}

impl Web {
    fn start(plan: &Plan<'_>, folder: tempfile::TempDir) -> Result<Web, Box<(Web, SpawnError)>> {
        let stage = Stage::new();
        let manifest = folder.path().join("manifest.toml");
        fs::copy(component("web"), folder.path().join("web.wasm")).unwrap();
        fs::write(&manifest, plan.text()).unwrap();
        let started = stage.system.start(&Source::File(manifest), None, None);
        let listed = stage.system.list();
        let id = listed.first().unwrap_or_else(|| panic!("{started:?}")).id;
        let web = Web { stage, folder, id };
        match started {
            Ok(_) => Ok(web),
            Err(error) => Err(Box::new((web, error))),
        }
    }

    /// Has it do something; the answer has a line for each command.
    fn ask(&self, commands: &str) -> String {
        self.stage.ask(self.id, commands)
    }

    /// Has it make a server on a free port with these handlers, which have the numbers from 1 on, and
    /// what else is said. Returns the port.
    #[track_caller]
    fn serve(&self, handlers: &[&str], more: &str) -> u16 {
        let mut commands = vec!["create 127.0.0.1 0".to_owned()];
        commands.extend(handlers.iter().map(|name| format!("register {name}")));
        commands.extend(more.lines().map(str::to_owned));
        commands.push("start 1".to_owned());
        let answer = self.ask(&commands.join("\n"));
        assert!(!answer.contains("no: "), "{answer}");
        answer.lines().last().unwrap().parse().unwrap()
    }

    fn chain_path(&self) -> PathBuf {
        self.stage.system.chain_path(self.id).unwrap()
    }

    /// How it came to its end, which it has to do soon.
    fn end(&self) -> End {
        self.stage.end(self.id)
    }

    /// Stops it, and holds its chain against its component once nothing is left of the network.
    #[track_caller]
    fn ends_and_replays(self) -> History {
        // It may have come to its end already.
        let _ = self.stage.system.stop(self.id, SOON);
        self.stage.end(self.id);
        let chain = verified(&fs::read(self.chain_path()).unwrap());
        drop((self.stage, self.folder));
        replays(&chain, "web");
        History::of(&chain)
    }
}

/// Decisions of a chain about one capability: whether each was granted, its subject, its detail.
fn decisions(history: &History, capability: &str) -> Vec<String> {
    let told = |event: &Event| match event {
        Event::Permission(it) if it.capability == capability => {
            let granted = if it.allowed { "yes" } else { "no" };
            Some(format!("{granted}: {} ({})", it.subject, it.detail))
        }
        _ => None,
    };
    history.entries.iter().filter_map(|entry| told(&entry.event)).collect()
}

/// Waits until something is so, which it has to be soon.
#[track_caller]
fn soon(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < SOON, "not soon: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
