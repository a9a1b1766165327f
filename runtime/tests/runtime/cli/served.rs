//! `theater server` and the commands that talk to it, each in a process of its own.

mod actors;
mod ends;
mod load;
mod refused;
mod streams;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use expect_test::Expect;
use rustix::process::{Pid, Signal, kill_process};

use super::{Scene, transcript};

/// Longer than anything takes that works.
const SOON: Duration = Duration::from_secs(60);

const THEATER: &str = env!("CARGO_BIN_EXE_theater");

/// A scene with a server in it, and manifests of a messenger and a keeper.
struct Served {
    scene: Scene,
    server: Child,
    address: String,
}

impl Served {
    fn new() -> Served {
        let scene = scene();
        Served::in_scene(scene, &[])
    }

    fn in_scene(scene: Scene, args: &[&str]) -> Served {
        let (server, address) = launched(&scene, args);
        Served { scene, server, address }
    }

    /// Another server, with the chains of one that has ended.
    fn go_on(&mut self) {
        (self.server, self.address) = launched(&self.scene, &[]);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.scene.command(THEATER);
        command.args(args).env("THEATER_ADDRESS", &self.address).env_remove("THEATER_TOKEN");
        command
    }

    fn theater(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the program can be run")
    }

    /// What a command prints, which has to end well.
    #[track_caller]
    fn said(&self, args: &[&str]) -> String {
        let output = self.theater(args);
        assert!(output.status.success(), "{args:?}: {}", transcript(&output));
        String::from_utf8(output.stdout).expect("it prints text")
    }

    /// Starts an actor.
    #[track_caller]
    fn start(&self, manifest: &str) -> String {
        self.said(&["start", manifest, "--id-only"]).trim_end().to_owned()
    }

    /// Compares all that is said of an actor, whose id is different every time.
    #[track_caller]
    fn check(&self, id: &str, args: &[&str], expected: &Expect) {
        let transcript = transcript(&self.theater(args)).replace(id, "ID");
        expected.assert_eq(&transcript.replace(&self.address, "ADDRESS"));
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.server);
        kill_process(pid, signal).expect("it is there");
    }

    /// How the server exits, and what it says until then.
    #[track_caller]
    fn ended(&mut self) -> (ExitStatus, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.server.try_wait().expect("it was started") {
                break status;
            }
            assert!(start.elapsed() < SOON, "the server goes on");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut said = String::new();
        let mut pipe = self.server.stdout.take().expect("it is a pipe");
        pipe.read_to_string(&mut said).expect("it prints text");
        (status, said)
    }
}

/// A server, and where it is.
fn launched(scene: &Scene, args: &[&str]) -> (Child, String) {
    let mut command = scene.command(THEATER);
    // Whatever has this address set must not have tests talk to another server.
    let command = command.args(["server", "-a", "127.0.0.1:0", "--chains", "chains"]).args(args);
    let command = command.env_remove("THEATER_TOKEN").stdout(Stdio::piped());
    let mut server = command.stderr(Stdio::null()).spawn().expect("the program can be run");
    let mut line = String::new();
    let pipe = server.stdout.as_mut().expect("it is a pipe");
    BufReader::with_capacity(1, pipe).read_line(&mut line).expect("it says where it is");
    let address = line.trim_end().rsplit_once("http://").map(|(_, address)| address.to_owned());
    (server, address.unwrap_or_else(|| panic!("no address in {line:?}")))
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// A scene with manifests of a messenger and a keeper.
fn scene() -> Scene {
    let scene = Scene::with(&["messenger", "keeper"]);
    for name in ["messenger", "keeper"] {
        fs::create_dir(scene.path(name)).expect("the folder can be written");
        scene.write(&format!("{name}/manifest.toml"), manifest(name).as_bytes());
    }
    scene
}

fn manifest(name: &str) -> String {
    format!(
        "name = \"{name}\"\ncomponent = \"../{name}.wasm\"\n\n\
         [[handlers]]\ntype = \"runtime\"\n\n[[handlers]]\ntype = \"message-server\"\n"
    )
}
