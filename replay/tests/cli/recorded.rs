//! Chains of real components, recorded with a clock that stands still, and the program in a process
//! of its own: what a component prints goes there, and the store is found by the environment.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use expect_test::Expect;
use tempfile::TempDir;
use theater_record::{
    About, CloseReason, Event, Options, Reader, Recorder, Seed, Stored, Value, Values,
};
use theater_runtime::host::{Captured, Clocks, Grants, Host, Output as Sink, Random};
use theater_runtime::{
    Backend, Component, Engine, Invocation, Limits, Recording, RecordingOptions,
};

use crate::scene::NOW;

/// A folder for one test.
pub(crate) struct Stage {
    folder: TempDir,
    /// Where the program keeps what outlives a run.
    home: PathBuf,
}

impl Stage {
    /// A folder with the recording of a component, `a.cbor`, and the component beside it.
    pub(crate) fn with(component: &str, calls: &[&str]) -> Stage {
        let stage = Stage::new();
        stage.write("a.cbor", &record(component, calls, false));
        stage.add_component(component);
        stage
    }

    pub(crate) fn new() -> Stage {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home");
        Stage { folder: tempfile::tempdir().unwrap(), home }
    }

    /// The same, where nothing is remembered from other tests.
    pub(crate) fn with_own_home(mut self) -> Stage {
        self.home = self.path("home");
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn add_component(&self, name: &str) {
        self.write(&format!("{name}.wasm"), &component(name));
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Runs a command line; single quotes hold words together.
    pub(crate) fn run(&self, line: &str) -> Output {
        let mut words = Vec::new();
        for (at, part) in line.split('\'').enumerate() {
            match at % 2 {
                0 => words.extend(part.split_whitespace()),
                _ => words.push(part),
            }
        }
        let mut program = Command::new(env!("CARGO_BIN_EXE_theater-replay"));
        program.args(words).current_dir(self.folder.path()).env("THEATER_HOME", &self.home);
        program.output().unwrap()
    }

    /// Runs a command line and compares everything: output, messages, exit.
    pub(crate) fn check(&self, line: &str, expected: &Expect) {
        expected.assert_eq(&transcript(&self.run(line)));
    }
}

/// What came out, with everything left out that depends on how a component was built.
pub(crate) fn transcript(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, mut err) = (text(&output.stdout), text(&output.stderr));
    if !err.is_empty() {
        err.insert_str(0, "--- messages\n");
    }
    let exit = output.status.code().unwrap_or(-1);
    let text = format!("{out}{err}--- exit {exit}\n");
    text.split_inclusive([' ', '\n', '@', ',']).map(without_build).collect()
}

/// A word, unless it is a hash or an offset in code.
fn without_build(word: &str) -> String {
    let bare = word.trim_end_matches([' ', '\n', '@', ',']);
    let rest = &word[bare.len()..];
    let is_hash = bare.len() == 64 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (is_hash, bare.strip_prefix("0x")) {
        (true, _) => format!("HASH{rest}"),
        (false, Some(_)) => format!("OFFSET{rest}"),
        (false, None) => word.to_owned(),
    }
}

/// The bytes of a component of the corpus.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/components");
    fs::read(folder.join(format!("{name}.wasm"))).unwrap()
}

/// A chain of a component that was called like this; without calls, it is run as a program.
pub(crate) fn record(name: &str, calls: &[&str], embed: bool) -> Vec<u8> {
    record_seeded(name, calls, embed, 7)
}

/// The same as a chain of its own: other seeds give other ids.
pub(crate) fn record_seeded(name: &str, calls: &[&str], embed: bool, seed: u8) -> Vec<u8> {
    let limits = Limits::default();
    let engine = Engine::new(Backend::Cranelift, &limits, None).unwrap();
    let component = Component::new(&engine, component(name)).unwrap();
    let grants = Grants {
        args: vec![format!("{name}.wasm")],
        stdout: Sink::Captured(Captured::default()),
        stderr: Sink::Captured(Captured::default()),
        random: Random::Seeded(7),
        clocks: Clocks::Fixed { start_ns: NOW, step_ns: 1000 },
        ..Grants::default()
    };
    let about = About {
        recorder: "theater 0.1.0".to_owned(),
        name: name.to_owned(),
        component: Some(component.digest()),
        embedded: embed.then(|| component.bytes().to_vec()),
        settings: limits.settings(Backend::Cranelift),
        world: Some(component.world().wit.clone()),
        ..About::default()
    };
    let (recorder, log) = recorder(about, seed);
    let options =
        RecordingOptions { limits, durable: false, clock: Arc::new(|| NOW), redact: Vec::new() };
    engine.on_stack(|| {
        let host = Host::new(grants).unwrap();
        let mut recording = Recording::start(&component, host, recorder, &options).unwrap();
        let exports = &component.world().exports;
        if calls.is_empty() {
            let run = exports.iter().position(|export| export.name == "run").unwrap();
            recording.call(run, Values::of(&[]).unwrap()).unwrap();
        }
        for call in calls {
            let call = Invocation::parse(call).unwrap();
            let (export, args) = call.encoded(component.world()).unwrap();
            recording.call(export, args).unwrap();
        }
        recording.finish().unwrap();
    });
    log.lock().unwrap().clone()
}

fn recorder(about: About, seed: u8) -> (Recorder, Arc<Mutex<Vec<u8>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut options = Options::default();
    options.policy.interval_ns = None;
    let clock = Arc::new(|| NOW);
    let recorder = Recorder::create(log.clone(), about, options, Seed::new([seed; 32]), clock);
    (recorder.unwrap(), log)
}

/// All events of a chain.
pub(crate) fn events(chain: &[u8]) -> Vec<Event> {
    let mut reader = Reader::new(chain).unwrap();
    let mut events = Vec::new();
    while let Some(stored) = reader.read().unwrap() {
        if let Stored::Record(record) = stored {
            events.push(record.event().unwrap());
        }
    }
    events
}

/// The same chain told anew with other settings and other events: what a liar would record.
pub(crate) fn retold(
    chain: &[u8],
    settings: impl Fn(&mut Vec<(String, String)>),
    change: impl Fn(&mut Event),
) -> Vec<u8> {
    let mut about = None;
    let mut others = Vec::new();
    for event in events(chain) {
        match event {
            Event::Header(header) => about = Some(header),
            Event::Checkpoint(_) | Event::Close(_) => {}
            mut event => {
                change(&mut event);
                others.push(event);
            }
        }
    }
    let header = about.unwrap();
    let mut about = About {
        recorder: header.recorder.clone(),
        name: header.name.clone(),
        component: header.component,
        settings: header.settings.clone(),
        world: header.world.clone(),
        ..About::default()
    };
    settings(&mut about.settings);
    let (mut recorder, log) = recorder(about, 7);
    for event in &others {
        recorder.append(event).unwrap();
    }
    recorder.close(CloseReason::Completed, "").unwrap();
    log.lock().unwrap().clone()
}

/// Puts another text in place of a returned list of texts.
pub(crate) fn texts(texts: &[&str]) -> Values {
    let texts = texts.iter().map(|text| Value::String((*text).to_owned())).collect();
    Values::of(&[Value::List(texts)]).unwrap()
}
