//! Projects from templates, and servers that run them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use tempfile::TempDir;

use crate::stage::actors::SOON;
use crate::stage::programs::{Said, process, run, said};

/// The templates, each with the components it comes to.
pub(super) const TEMPLATES: &[(&str, &[&str])] = &[
    ("basic", &["my_basic"]),
    ("message", &["my_message"]),
    ("http", &["my_http"]),
    ("supervisor", &["my_supervisor", "my_supervisor_child"]),
    ("agent", &["my_agent"]),
];

/// The projects, one for each template, in a folder that lasts as long as the tests run.
pub(super) struct Projects {
    folder: TempDir,
}

/// The projects, unless this is a place where they cannot be built.
#[allow(clippy::print_stdout, reason = "a test that is left out says so")]
pub(super) fn projects() -> Option<&'static Projects> {
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
        let projects = Projects { folder: tempfile::tempdir().unwrap() };
        for (template, _) in TEMPLATES {
            let name = format!("my-{template}");
            projects.theater("", &["create", &name, "-t", template]);
            let mut formatted = Command::new("cargo");
            formatted.args(["fmt", "--check", "--all"]).current_dir(projects.path(&name));
            let formatted = formatted.output().unwrap();
            assert!(formatted.status.success(), "{name}: {formatted:?}");
            projects.theater(&name, &["build"]);
        }
        projects
    }

    pub(super) fn path(&self, project: &str) -> PathBuf {
        self.folder.path().join(project)
    }

    /// Runs `theater` in one of the projects, which has to end well.
    #[track_caller]
    pub(super) fn theater(&self, project: &str, words: &[&str]) -> String {
        fine(theater(&self.path(project), self.folder.path(), words))
    }
}

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates")
}

pub(super) fn built(component: &str) -> PathBuf {
    target().join(format!("wasm32-wasip2/release/{component}.wasm"))
}

/// A process of `theater` in a folder. All of them share what cargo has compiled.
pub(super) fn theater(folder: &Path, home: &Path, words: &[&str]) -> Command {
    let mut process = process(home, &[&["theater"], words].concat());
    process.current_dir(folder).env("CARGO_TARGET_DIR", target()).env("RUSTFLAGS", "-D warnings");
    process.env_remove("THEATER_TOKEN");
    process
}

/// What a program prints, which has to end well.
#[track_caller]
pub(super) fn fine(mut process: Command) -> String {
    let said = said(process.output().unwrap());
    assert_eq!(said.exit, "Fine", "{said:?}");
    said.out
}

/// A server, started in a folder as people do it.
pub(super) struct Served {
    folder: PathBuf,
    home: TempDir,
    server: Child,
    pub(super) address: String,
}

impl Served {
    /// Starts a server in a folder, with more variables in its environment.
    pub(super) fn new(folder: &Path, variables: &[(&str, String)]) -> Served {
        let home = tempfile::tempdir().unwrap();
        let words = ["server", "--address", "127.0.0.1:0", "--quiet"];
        let mut server = theater(folder, home.path(), &words);
        server.envs(variables.iter().cloned()).stdout(Stdio::piped());
        let mut server = server.spawn().unwrap();
        let mut pipe = BufReader::with_capacity(1, server.stdout.as_mut().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(pipe.read_line(&mut line).unwrap(), 0, "the server has ended");
            if let Some((_, address)) = line.trim_end().rsplit_once("http://") {
                break address.to_owned();
            }
        };
        Served { folder: folder.to_owned(), home, server, address }
    }

    /// A process of `theater` that asks this server.
    pub(super) fn process(&self, words: &[&str]) -> Command {
        let mut process = theater(&self.folder, self.home.path(), words);
        process.env("THEATER_ADDRESS", &self.address);
        process
    }

    /// What a command prints, which has to end well.
    #[track_caller]
    pub(super) fn said(&self, words: &[&str]) -> String {
        fine(self.process(words))
    }

    /// How a command ends and what it prints.
    pub(super) fn asked(&self, words: &[&str]) -> Said {
        said(self.process(words).output().unwrap())
    }

    /// Starts an actor, and returns its id.
    #[track_caller]
    pub(super) fn start(&self, manifest: &str) -> String {
        self.said(&["start", manifest, "--id-only"]).trim_end().to_owned()
    }

    /// Waits until an actor has logged something, which it has to do soon.
    #[track_caller]
    pub(super) fn logs(&self, id: &str, expected: &str) {
        self.says(&["logs", id], |said| said.contains(expected));
    }

    /// Waits until a command says what it should, which it has to do soon.
    #[track_caller]
    pub(super) fn says(&self, words: &[&str], is_it: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        loop {
            let said = self.said(words);
            if is_it(&said) {
                return said;
            }
            assert!(start.elapsed() < SOON, "{words:?} says {said}");
        }
    }

    /// Ends the server with all that the actors have talked to. Their chains, so many, hold together, and
    /// replay with nothing there but these components.
    #[track_caller]
    pub(super) fn ends_and_replays(mut self, actors: &[&str], chains: usize, components: &[&Path]) {
        for actor in actors {
            self.said(&["stop", actor]);
        }
        self.end();
        let folder = self.home.path().join("chains").display().to_string();
        let verify = ["theater-replay", "verify", "--set", &folder, "--json"];
        let verified = run(self.home.path(), &verify);
        assert_eq!(verified.exit, "Fine", "{verified:?}");
        let verified = verified.json();
        assert_eq!(verified["verdict"], "complete", "{verified}");
        assert_eq!(verified["chains"].as_array().unwrap().len(), chains, "{verified}");
        let mut replay = vec!["theater-replay", "run", "--set", &folder, "--json"];
        for component in components {
            replay.extend(["--component", component.to_str().unwrap()]);
        }
        let replayed = run(self.home.path(), &replay);
        assert_eq!(replayed.exit, "Fine", "{replayed:?}");
        assert_eq!(replayed.json()["replay"], "same", "{replayed:?}");
    }

    fn end(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.end();
    }
}
