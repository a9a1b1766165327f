//! Measures what the membrane costs: one component linked straight against the host, recorded, and
//! replayed.
//!
//! `cargo bench --bench membrane` measures all rows; `cargo bench --bench membrane -- scalar
//! replay` those whose names hold one of the words.
//!
//! The component is `corpus/components/calls.wasm`, which makes one kind of call over and over. The
//! yardstick is the same component on the same engine with the same host, linked by wasmtime's own
//! linker and recorded by nobody. Times are processor time of the thread that runs the component, so
//! hashing and writing, which another thread does, are not in them; the last column but one is wall
//! time until the chain is closed and synced. Every row's ratios are of one run of this program.
#![allow(clippy::print_stdout, reason = "a bench prints its rows")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop right there")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;
use theater_record::{About, Log, Options, Outcome, Recorder, Seed, Values};
use theater_runtime::host::{self, DirGrant, Grants, Host, HostView};
use theater_runtime::{Backend, Component, Ending, Engine, Limits, PlaybackOptions, play};
use theater_runtime::{Recording, RecordingOptions};
use theater_verify::{Checked, FileSource, Options as VerifyOptions, VerifiedChain};
use wasmtime::Store;
use wasmtime::component::{Component as Compiled, Linker};
use wasmtime_wasi::p2::bindings::sync::Command;
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

const RUNS: usize = 5;

/// What the component is asked to do: its mode, how often, and how many bytes at a time.
const ROWS: [(&str, u64, Option<u64>); 11] = [
    ("scalar", 1_000_000, None),
    ("clock", 500_000, None),
    ("random64", 500_000, None),
    ("random32", 500_000, None),
    ("read", 200_000, Some(256)),
    ("write", 200_000, Some(256)),
    ("read", 100_000, Some(4 << 10)),
    ("write", 100_000, Some(4 << 10)),
    ("read", 10_000, Some(64 << 10)),
    ("write", 10_000, Some(64 << 10)),
    ("compute", 200, None),
];

/// How many scalar calls make a chain to replay. Each is two events.
const REPLAYED: [u64; 3] = [5_000, 50_000, 500_000];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(&**word));
    let bench = Bench::new();
    println!("ns per call on the component's thread, best of {RUNS} runs");
    println!(
        "{:14} {:>9} {:>16} {:>16} {:>16} {:>14} {:>10}",
        "call", "direct", "to nowhere", "to a file", "replayed", "wall, to file", "B/crossing"
    );
    for (mode, count, size) in ROWS {
        let name = size.map_or(mode.to_owned(), |size| format!("{mode} {size}"));
        if wanted(&name) {
            bench.row(&name, &Work::new(mode, count, size));
        }
    }
    if wanted("replay") {
        println!("\nevents     M events/s replayed, wall time");
        REPLAYED.into_iter().for_each(|count| bench.replay_row(count));
    }
}

/// What the component is to do.
struct Work {
    args: Vec<String>,
    count: u64,
}

impl Work {
    fn new(mode: &str, count: u64, size: Option<u64>) -> Work {
        let words = ["calls".to_owned(), mode.to_owned(), count.to_string()];
        Work { args: words.into_iter().chain(size.map(|size| size.to_string())).collect(), count }
    }
}

/// How long something took, in nanoseconds.
#[derive(Clone, Copy)]
struct Time {
    /// On the thread that asks.
    thread: f64,
    wall: f64,
}

impl Time {
    const ENDLESS: Time = Time { thread: f64::INFINITY, wall: f64::INFINITY };

    fn of<R>(run: impl FnOnce() -> R) -> (Time, R) {
        let (wall, thread) = (Instant::now(), thread_ns());
        let outcome = run();
        let time = Time { thread: thread_ns() - thread, wall: wall.elapsed().as_nanos() as f64 };
        (time, outcome)
    }

    fn min(self, other: Time) -> Time {
        Time { thread: self.thread.min(other.thread), wall: self.wall.min(other.wall) }
    }
}

fn thread_ns() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn best(mut run: impl FnMut() -> Time) -> Time {
    (0..RUNS).map(|_| run()).fold(Time::ENDLESS, Time::min)
}

/// A component linked without a membrane.
struct Direct(Host);

impl HostView for Direct {
    fn host(&mut self) -> &mut Host {
        &mut self.0
    }
}

impl WasiView for Direct {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.0.wasi()
    }
}

impl WasiHttpView for Direct {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.0.http()
    }
}

struct Bench {
    engine: Engine,
    component: Component,
    /// The position of `wasi:cli/run` among what the component exports.
    run: usize,
    /// The component's folder, and where chains go.
    folder: TempDir,
}

impl Bench {
    fn new() -> Bench {
        let engine = Engine::new(Backend::Cranelift, &Limits::default(), None).unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/components/calls.wasm");
        let component = Component::load(&engine, &path).unwrap();
        let run = component.world().exports.iter().position(|export| export.name == "run");
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        std::fs::create_dir(folder.path().join("granted")).unwrap();
        Bench { engine, component, run: run.unwrap(), folder }
    }

    fn row(&self, name: &str, work: &Work) {
        let each = work.count as f64;
        let direct = best(|| self.direct(work));
        let nowhere = best(|| self.record(work, std::io::sink()).0);
        let to_file = best(|| self.record(work, File::create(self.chain_path()).unwrap()).0);
        let bytes = self.chain_path().metadata().unwrap().len();
        let (chain, events) = self.chain();
        let replayed = best(|| self.replay(&chain));
        let column =
            |time: Time| format!("{:.0} ({:.2}x)", time.thread / each, time.thread / direct.thread);
        println!(
            "{name:14} {:9.0} {:>16} {:>16} {:>16} {:14.0} {:10.1}",
            direct.thread / each,
            column(nowhere),
            column(to_file),
            column(replayed),
            to_file.wall / each,
            bytes as f64 / events as f64,
        );
    }

    fn replay_row(&self, calls: u64) {
        let work = Work::new("scalar", calls, None);
        self.record(&work, File::create(self.chain_path()).unwrap());
        let (chain, events) = self.chain();
        let time = best(|| self.replay(&chain));
        println!("{events:<10} {:.2}", events as f64 / time.wall * 1e3);
    }

    /// Runs the component without a membrane.
    fn direct(&self, work: &Work) -> Time {
        let engine = self.engine.wasmtime();
        let compiled = Compiled::from_binary(engine, self.component.bytes()).unwrap();
        self.engine.on_stack(|| {
            let mut linker = Linker::new(engine);
            host::add_to_linker(&mut linker).unwrap();
            let mut store = Store::new(engine, Direct(self.host(work)));
            store.set_hostcall_fuel(usize::MAX);
            let command = Command::instantiate(&mut store, &compiled, &linker).unwrap();
            let (time, outcome) = Time::of(|| command.wasi_cli_run().call_run(&mut store));
            outcome.unwrap().unwrap();
            time
        })
    }

    /// Runs and records it. Wall time is until the chain is closed. Also the last event's number.
    fn record(&self, work: &Work, log: impl Log + 'static) -> (Time, u64) {
        let limits = Limits::default();
        let about = About {
            component: Some(self.component.digest()),
            settings: limits.settings(Backend::Cranelift),
            ..About::default()
        };
        let (seed, clock) = (Seed::new([7; 32]), Arc::new(|| 0));
        let recorder = Recorder::create(log, about, Options::default(), seed, clock.clone());
        let options = RecordingOptions { limits, durable: false, clock, redact: Vec::new() };
        self.engine.on_stack(|| {
            let (host, recorder) = (self.host(work), recorder.unwrap());
            let mut recording =
                Recording::start(&self.component, host, recorder, &options).unwrap();
            let start = Instant::now();
            let no_args = Values::of(&[]).unwrap();
            let (time, outcome) = Time::of(|| recording.call(self.run, no_args).unwrap());
            assert_eq!(outcome, Outcome::Returned(ok()), "the component reports a failure");
            let tip = recording.finish().unwrap();
            (Time { wall: start.elapsed().as_nanos() as f64, ..time }, tip.seq)
        })
    }

    /// Replays a chain, from linking the component to comparing the last event.
    fn replay(&self, chain: &VerifiedChain) -> Time {
        self.engine.on_stack(|| {
            let options = PlaybackOptions::default();
            let (time, played) = Time::of(|| play(&self.component, chain, options).unwrap());
            assert!(matches!(played.ending, Ending::Same), "replayed: {:?}", played.ending);
            time
        })
    }

    /// What the component has of the world: clocks, randomness, and a folder of its own.
    fn host(&self, work: &Work) -> Host {
        let folder = self.folder.path().join("granted");
        let dir = DirGrant { host: folder, guest: "/".to_owned(), read_only: false };
        let (args, dirs) = (work.args.clone(), vec![dir]);
        Host::new(Grants { args, dirs, ..Grants::default() }).unwrap()
    }

    fn chain_path(&self) -> PathBuf {
        self.folder.path().join("membrane.chain.cbor")
    }

    /// The chain written last, checked, and how many events it has.
    fn chain(&self) -> (VerifiedChain, u64) {
        let source = FileSource::new(File::open(self.chain_path()).unwrap()).unwrap();
        let checked = Checked::new(Arc::new(source), &VerifyOptions::default()).unwrap();
        let events = checked.report.head.unwrap().seq + 1;
        (checked.whole().unwrap(), events)
    }
}

/// What a program that did well returns: `result::ok`.
fn ok() -> Values {
    use theater_record::Value;
    Values::of(&[Value::Result(Ok(None))]).unwrap()
}
