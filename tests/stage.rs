//! A stage for guests: what they are given, what they are asked to do, how they are recorded and
//! replayed. The parts are the real ones; only time, randomness and names are held still.

pub(crate) mod actors;
pub(crate) mod browser;
pub(crate) mod divergence;
pub(crate) mod history;
pub(crate) mod programs;
pub(crate) mod server;
pub(crate) mod shop;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use theater_record::{
    About, CheckpointPolicy, Clock, IdentityKey, Options, Reader, Recorder, Seed, Stored, Values,
};
use theater_runtime::host::{Captured, Clocks, DirGrant, Grants, Host, Input, Output, Random};
use theater_runtime::{
    Backend, Component, Console, Ending, Engine, Failure, Invocation, Limits, PlaybackOptions,
    Played, Recording, RecordingOptions, Stream, World, play,
};
use theater_verify::{Checked, Source, Verdict, VerifiedChain};

use history::History;

/// When everything on this stage happens.
const NOW: u64 = 1_700_000_000_000_000_000;

/// What executes components, each in its own way.
pub(crate) const BACKENDS: [Backend; 2] = [Backend::Cranelift, Backend::Pulley];

/// A guest with all it is given and asked. Two recordings of one setup have the same input.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) component: PathBuf,
    pub(crate) grants: Grants,
    pub(crate) limits: Limits,
    /// Exports to call, in WAVE; without any, the guest is a program and is run.
    pub(crate) calls: Vec<String>,
    /// Whether calls with effects are durable before the host acts.
    pub(crate) durable: bool,
    /// Whether the chain is signed, and its header vouched for.
    pub(crate) sign: bool,
    /// Engine and processor that the header names in place of the real ones.
    pub(crate) named_engine: Option<[(&'static str, &'static str); 2]>,
}

/// A chain and what else came out of a recording.
pub(crate) struct Recorded {
    pub(crate) chain: Vec<u8>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) failure: Option<Failure>,
    component: PathBuf,
}

/// What a guest printed.
#[derive(Default)]
pub(crate) struct Printed {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Setup {
    /// A guest of the corpus with clocks and randomness that are the same every time, and nothing
    /// else.
    pub(crate) fn of(guest: &str) -> Setup {
        Setup::at(component(guest))
    }

    /// The same for a guest that lies anywhere.
    pub(crate) fn at(component: PathBuf) -> Setup {
        let name = component.file_name().unwrap().to_str().unwrap().to_owned();
        let grants = Grants {
            args: vec![name],
            random: Random::Seeded(1),
            clocks: Clocks::Fixed { start_ns: NOW, step_ns: 1_000_000 },
            ..Grants::default()
        };
        Setup {
            component,
            grants,
            limits: Limits::default(),
            calls: Vec::new(),
            durable: false,
            sign: false,
            named_engine: None,
        }
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Setup {
        self.grants.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }

    pub(crate) fn call(mut self, call: &str) -> Setup {
        self.calls.push(call.to_owned());
        self
    }

    pub(crate) fn stdin(mut self, input: &str) -> Setup {
        self.grants.stdin = Input::Bytes(input.as_bytes().to_vec());
        self
    }

    /// Grants a folder.
    pub(crate) fn dir(mut self, host: &Path, guest: &str) -> Setup {
        let (host, guest) = (host.to_owned(), guest.to_owned());
        self.grants.dirs.push(DirGrant { host, guest, read_only: false });
        self
    }

    /// Grants a folder for reading.
    pub(crate) fn read_only_dir(mut self, host: &Path, guest: &str) -> Setup {
        let (host, guest) = (host.to_owned(), guest.to_owned());
        self.grants.dirs.push(DirGrant { host, guest, read_only: true });
        self
    }

    /// Grants requests to a server, as `HOST:PORT`.
    pub(crate) fn http(mut self, server: &str) -> Setup {
        self.grants.http.push(server.parse().unwrap());
        self
    }

    pub(crate) fn with_limits(mut self, limits: Limits) -> Setup {
        self.limits = limits;
        self
    }

    /// With the clocks and the randomness of this machine.
    pub(crate) fn unsteady(mut self) -> Setup {
        self.grants.random = Random::System;
        self.grants.clocks = Clocks::System;
        self
    }

    /// Runs the guest and records it.
    pub(crate) fn record(&self) -> Recorded {
        let (stdout, stderr) = (Captured::default(), Captured::default());
        let grants = Grants {
            stdout: Output::Captured(stdout.clone()),
            stderr: Output::Captured(stderr.clone()),
            ..self.grants.clone()
        };
        let engine = Engine::new(Backend::Cranelift, &self.limits, Some(&cache())).unwrap();
        let component = Component::load(&engine, &self.component).unwrap();
        let calls = self.encoded_calls(component.world());
        let host = Host::new(grants).unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let recorder = self.recorder(&component, log.clone());
        let options = RecordingOptions {
            limits: self.limits,
            durable: self.durable,
            clock: still(),
            redact: Vec::new(),
        };
        let failure = engine.on_stack(|| {
            let mut recording = Recording::start(&component, host, recorder, &options).unwrap();
            for (export, args) in calls {
                if recording.failure().is_none() {
                    recording.call(export, args).unwrap();
                }
            }
            let failure = recording.failure().cloned();
            recording.finish().unwrap();
            failure
        });
        let text = |stream: &Captured| String::from_utf8(stream.contents()).unwrap();
        let chain = std::mem::take(&mut *log.lock().unwrap());
        let (stdout, stderr) = (text(&stdout), text(&stderr));
        Recorded { chain, stdout, stderr, failure, component: self.component.clone() }
    }

    fn recorder(&self, component: &Component, log: Arc<Mutex<Vec<u8>>>) -> Recorder {
        let mut settings = self.limits.settings(Backend::Cranelift);
        for (name, value) in self.named_engine.iter().flatten() {
            settings.iter_mut().find(|(known, _)| known == name).unwrap().1 = (*value).to_owned();
        }
        let about = About {
            recorder: "corpus 1".to_owned(),
            name: self.component.file_stem().unwrap().to_str().unwrap().to_owned(),
            component: Some(component.digest()),
            settings,
            world: Some(component.world().wit.clone()),
            ..About::default()
        };
        let identity = self.sign.then(|| IdentityKey::from_secret([0x1d; 32]));
        // A checkpoint by time would stand where the machine's speed has put it.
        let policy = CheckpointPolicy { interval_ns: None, ..CheckpointPolicy::default() };
        let options = Options { policy, sign: self.sign, identity, ..Options::default() };
        Recorder::create(log, about, options, Seed::new([7; 32]), still()).unwrap()
    }

    fn encoded_calls(&self, world: &World) -> Vec<(usize, Values)> {
        if self.calls.is_empty() {
            let run = world.program().expect("the guest is a program");
            return vec![(run, Values::of(&[]).unwrap())];
        }
        let encoded = |call: &String| Invocation::parse(call).unwrap().encoded(world).unwrap();
        self.calls.iter().map(encoded).collect()
    }
}

impl Recorded {
    /// The chain, which has to be complete and without a fault.
    pub(crate) fn verified(&self) -> VerifiedChain {
        verified(&self.chain)
    }

    /// Everything that is in the chain.
    pub(crate) fn history(&self) -> History {
        History::of(&self.verified())
    }

    /// Replays the chain with the recorded component on both backends: it has to do the same, to
    /// the same head, and to print the same.
    #[track_caller]
    pub(crate) fn replays(&self) {
        let chain = self.verified();
        for backend in BACKENDS {
            let printed = replay(&chain, &self.component, backend);
            let name = backend.name();
            assert_eq!(String::from_utf8_lossy(&printed.stdout), self.stdout, "{name}");
            assert_eq!(String::from_utf8_lossy(&printed.stderr), self.stderr, "{name}");
        }
    }
}

/// Replays a chain with no host at all: the component has to do the same, to the same head. What it
/// prints is returned.
#[track_caller]
pub(crate) fn replay(chain: &VerifiedChain, component: &Path, backend: Backend) -> Printed {
    let printed = Arc::new(Mutex::new(Printed::default()));
    let heard = printed.clone();
    let console = Console::listening(move |stream, bytes| {
        let mut printed = heard.lock().unwrap();
        match stream {
            Stream::Stdout => printed.stdout.extend_from_slice(bytes),
            Stream::Stderr => printed.stderr.extend_from_slice(bytes),
        }
    });
    let options = PlaybackOptions { console, ..PlaybackOptions::default() };
    let played = replay_with(chain, component, backend, options);
    let name = format!("{} on {}", component.display(), backend.name());
    assert!(matches!(played.ending, Ending::Same), "{name}: {:?}", played.ending);
    assert_eq!(played.head, chain.head().hash, "{name}");
    assert_eq!(played.seq, chain.head().seq, "{name}");
    assert_eq!(played.uncompared, 0, "{name}");
    std::mem::take(&mut *printed.lock().unwrap())
}

/// Replays a chain of a guest of the corpus with no host at all, on both backends.
#[track_caller]
pub(crate) fn replays(chain: &VerifiedChain, guest: &str) {
    for backend in BACKENDS {
        replay(chain, &component(guest), backend);
    }
}

/// Replays a chain as the options say. The engine counts fuel if they want to know it.
pub(crate) fn replay_with(
    chain: &VerifiedChain,
    component: &Path,
    backend: Backend,
    options: PlaybackOptions,
) -> Played {
    let settings = &chain.header().settings;
    let counts_fuel = options.fuel_index;
    let engine = Engine::for_replay(backend, settings, counts_fuel, Some(&cache())).unwrap();
    let component = Component::load(&engine, component).unwrap();
    engine.on_stack(|| play(&component, chain, options)).unwrap()
}

/// A chain that has to be complete and without a fault.
pub(crate) fn verified(chain: &[u8]) -> VerifiedChain {
    let source: Arc<dyn Source> = Arc::new(chain.to_vec());
    let checked = Checked::new(source, &theater_verify::Options::default()).unwrap();
    assert_eq!(checked.report.verdict(), Verdict::Complete, "{:?}", checked.report.faults);
    checked.whole().unwrap_or_else(|report| panic!("{:?}", report.faults))
}

/// The first events of a chain, as they stand in the file while the rest is not written yet.
pub(crate) fn cut(chain: &[u8], events: u64) -> &[u8] {
    let mut reader = Reader::new(chain).unwrap();
    let end = loop {
        match reader.read().unwrap().expect("the chain is longer") {
            Stored::Record(record) if record.seq == events => break record.offset,
            _ => {}
        }
    };
    &chain[..end as usize]
}

/// The same, checked.
pub(crate) fn prefix(chain: &[u8], events: u64) -> VerifiedChain {
    let source: Arc<dyn Source> = Arc::new(cut(chain, events).to_vec());
    let checked = Checked::new(source, &theater_verify::Options::default()).unwrap();
    assert_eq!(checked.report.verdict(), Verdict::Open);
    checked.good_prefix().unwrap_or_else(|report| panic!("{:?}", report.faults))
}

/// A guest that is kept in the corpus.
pub(crate) fn component(guest: &str) -> PathBuf {
    let components = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/components");
    components.join(format!("{guest}.wasm"))
}

/// A folder that is gone after the test, with these files in it.
pub(crate) fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

/// Where compiled guests are kept from one test, and one run of the tests, to the next.
pub(crate) fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("theater/cache")
}

fn still() -> Clock {
    Arc::new(|| NOW)
}
