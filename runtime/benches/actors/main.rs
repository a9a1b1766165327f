//! Measures what actors cost: to start them, to start them again, to talk to them, to keep them.
//!
//! `cargo bench --bench actors` measures all rows; words behind `--` choose those
//! whose names hold one of them. The guest is `corpus/components/messenger.wasm`. Each row is measured
//! twice: recorded to files, and recorded to nowhere. Behind them come those of the program in `yardstick/`, which
//! has the same messages go between actors of another library. All is of one run.
#![allow(clippy::print_stdout, reason = "a bench prints its rows")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop right there")]

mod network;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use theater_runtime::{ActorId, Awaited, Spec, System, SystemOptions, machine};

const PATIENCE: Duration = Duration::from_secs(60);

/// How many clients there are where there is more than one, each with actors of its own.
const CLIENTS: usize = 8;

/// How many requests a client has under way where it does not wait for each answer before the next request.
const UNDER_WAY: usize = 32;

/// A row: its name, how many clients, how often each does it, and what it does.
type Row = (&'static str, usize, usize, fn(&Stage, &Pair));

const ROWS: [Row; 8] = [
    ("spawn", 1, 500, |stage, _| {
        stage.spawn();
    }),
    ("restart", 1, 500, |stage, pair| stage.system.restart(pair.one).unwrap()),
    ("request", 1, 20_000, |stage, pair| stage.ask(pair.one, b"count")),
    ("request, many clients", CLIENTS, 10_000, |stage, pair| stage.ask(pair.one, b"count")),
    ("request by an actor", 1, 10_000, |stage, pair| stage.ask(pair.one, &pair.asks)),
    ("request by an actor, many", CLIENTS, 5_000, |stage, pair| stage.ask(pair.one, &pair.asks)),
    ("message by an actor", 1, 10_000, |stage, pair| stage.ask(pair.one, &pair.passes)),
    ("message from outside", 1, 20_000, |stage, pair| {
        stage.system.send(pair.one, b"hello".to_vec(), PATIENCE).unwrap();
    }),
];

/// How many actors that do nothing are kept at once.
const IDLE: [usize; 2] = [1_000, 10_000];

/// Has this program measure that many, and nothing else: what was measured before would be in the way.
const IDLE_ALONE: &str = "--idle=";

fn main() {
    if let Some(count) = std::env::args().find_map(|arg| arg.strip_prefix(IDLE_ALONE)?.parse().ok())
    {
        return idle(count);
    }
    let words: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(&**word));
    println!(
        "{:28} {:>9} {:>9} {:>9}   {:>9} {:>9} {:>9}   {:>6}",
        "recorded to files | nowhere",
        "p50 us",
        "p99 us",
        "k/s",
        "p50 us",
        "p99 us",
        "k/s",
        "ratio"
    );
    for (name, clients, times, act) in ROWS {
        if wanted(name) {
            let [files, nowhere] =
                [true, false].map(|keep| Stage::new(keep).measure(clients, times, act));
            let ratio = nowhere.per_second / files.per_second;
            println!("{name:28} {files}   {nowhere}   {ratio:6.2}");
        }
    }
    if wanted("requests under way") {
        let [files, nowhere] = [true, false].map(|keep| Stage::new(keep).measure_stream());
        let ratio = nowhere.per_second / files.per_second;
        println!("{:28} {files}   {nowhere}   {ratio:6.2}", "requests under way, many");
    }
    yardstick(&words);
    let web = component("web");
    if wanted("http requests") {
        let [files, nowhere] = [true, false].map(|keep| network::serving(&web, keep));
        let ratio = nowhere.per_second / files.per_second;
        println!("{:28} {files}   {nowhere}   {ratio:6.2}", "http requests, many");
    }
    if wanted("waiting") {
        let least = network::LEAST.as_secs_f64();
        let [files, nowhere] = [true, false].map(|keep| network::waiting(&web, keep).as_secs_f64());
        println!(
            "\n1,000 actors wait {least} s each on an HTTP call at once: all are back after {files:.2} s | {nowhere:.2} s"
        );
    }
    if wanted("idle") {
        println!("\n{:28} {:>9} {:>9} {:>9}", "idle actors", "spawn us", "KiB each", "threads");
        for count in IDLE {
            let mut alone = Command::new(std::env::current_exe().unwrap());
            assert!(alone.arg(format!("{IDLE_ALONE}{count}")).status().unwrap().success());
        }
    }
}

/// Prints the same rows for actors of kameo. That is a program in a workspace of its own, as what it asks of other
/// crates would have the engine built twice.
fn yardstick(words: &[String]) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/yardstick/Cargo.toml");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("yardstick");
    println!();
    let mut command = Command::new(cargo);
    command.args(["run", "--quiet", "--release", "--locked", "--manifest-path", manifest]);
    command.arg("--target-dir").arg(target).arg("--").args(words);
    assert!(command.status().unwrap().success(), "the yardstick cannot be built or run");
    println!();
}

/// A system of its own in a folder of its own.
struct Stage {
    system: System,
    spec: Spec,
    _folder: TempDir,
}

/// Two actors, and what the first is told to make it talk to the other.
struct Pair {
    one: ActorId,
    asks: Vec<u8>,
    passes: Vec<u8>,
}

impl Stage {
    fn new(keeps_chains: bool) -> Stage {
        let mut spec = Spec::new("messenger", component("messenger"));
        spec.chain.keep = keeps_chains;
        Stage::of(spec)
    }

    /// A stage for actors like this.
    fn of(spec: Spec) -> Stage {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let folder = tempfile::tempdir_in(target).unwrap();
        let system = System::new(SystemOptions {
            chains: folder.path().join("chains"),
            stores: folder.path().join("stores"),
            store: None,
            cache: Some(target.join("cache")),
            clock: machine::clock(),
            random: Box::new(|| machine::random().unwrap()),
            log: Box::new(|_, _| {}),
        });
        let stage = Stage { system: system.unwrap(), spec, _folder: folder };
        // The first one has the component compiled and linked.
        stage.spawn();
        stage
    }

    fn spawn(&self) -> ActorId {
        self.system.spawn(self.spec.clone(), None).unwrap()
    }

    fn ask(&self, id: ActorId, message: &[u8]) {
        self.system.request(id, message.to_vec(), PATIENCE).unwrap();
    }

    fn answer(&self, id: ActorId, message: &[u8]) -> String {
        let answer = self.system.request(id, message.to_vec(), PATIENCE).unwrap();
        String::from_utf8(answer).unwrap()
    }

    fn pair(&self) -> Pair {
        let (one, other) = (self.spawn(), self.spawn());
        let text = |verb: &str| format!("{verb} {other} count").into_bytes();
        Pair { one, asks: text("ask"), passes: text("pass") }
    }

    /// Has some clients do something over and over, all at once.
    fn measure(&self, clients: usize, times: usize, act: fn(&Stage, &Pair)) -> Times {
        self.at_once(
            clients,
            |pair, times| {
                let each = |_| {
                    let before = Instant::now();
                    act(self, pair);
                    before.elapsed()
                };
                (0..times).map(each).collect()
            },
            times,
        )
    }

    /// Has clients send requests while answers to others are under way.
    fn measure_stream(&self) -> Times {
        self.at_once(
            CLIENTS,
            |pair, times| {
                let mut under_way: VecDeque<(Instant, Awaited)> = VecDeque::new();
                let mut taken = Vec::with_capacity(times);
                for number in 0..times + UNDER_WAY {
                    if under_way.len() == UNDER_WAY || number >= times {
                        let Some((before, awaited)) = under_way.pop_front() else { break };
                        awaited.wait(PATIENCE).unwrap();
                        taken.push(before.elapsed());
                    }
                    if number < times {
                        let before = Instant::now();
                        let sent = self.system.request_later(pair.one, b"count".to_vec(), PATIENCE);
                        under_way.push_back((before, sent.unwrap()));
                    }
                }
                taken
            },
            20_000,
        )
    }

    /// Has some clients do something so many times, all at once, after a few times to get going.
    fn at_once(
        &self,
        clients: usize,
        run: impl Fn(&Pair, usize) -> Vec<Duration> + Sync,
        times: usize,
    ) -> Times {
        let pairs: Vec<_> = (0..clients).map(|_| self.pair()).collect();
        let together = Barrier::new(clients);
        let client = |pair: &Pair| {
            run(pair, times / 20);
            together.wait();
            let start = Instant::now();
            let taken = run(pair, times);
            (start.elapsed(), taken)
        };
        let runs: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = pairs.iter().map(|pair| scope.spawn(|| client(pair))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        Times::of(runs)
    }
}

/// A guest of the corpus.
fn component(name: &str) -> Vec<u8> {
    let corpus = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/components"));
    std::fs::read(corpus.join(format!("{name}.wasm"))).unwrap()
}

/// How long something takes, and how often it was done in a second.
struct Times {
    p50: Duration,
    p99: Duration,
    per_second: f64,
}

impl Times {
    /// Of clients that did it at the same time: how long each was at it, and how long each time took.
    fn of(runs: Vec<(Duration, Vec<Duration>)>) -> Times {
        // They have started together.
        let longest = runs.iter().map(|(all, _)| *all).max().unwrap_or_default();
        let mut taken: Vec<_> = runs.into_iter().flat_map(|(_, taken)| taken).collect();
        let per_second = taken.len() as f64 / longest.as_secs_f64();
        taken.sort_unstable();
        let at = |share: f64| taken[(taken.len() as f64 * share) as usize];
        Times { p50: at(0.5), p99: at(0.99), per_second }
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        write!(f, "{:9.1} {:9.1} {:9.2}", us(self.p50), us(self.p99), self.per_second / 1e3)
    }
}

/// Keeps actors that do nothing, and tells what each takes.
fn idle(count: usize) {
    let stage = Stage::new(true);
    let (memory, start) = (resident(), Instant::now());
    for _ in 0..count {
        stage.spawn();
    }
    let each = start.elapsed().as_secs_f64() / count as f64 * 1e6;
    // Chains become durable, and threads without work go.
    std::thread::sleep(Duration::from_secs(8));
    let kib = (resident() - memory) / count as f64;
    println!("{count:<28} {each:9.1} {kib:9.1} {:9}", threads());
}

/// How many KiB of memory this process has in use.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(f64::NAN)
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").map_or(0, Iterator::count)
}
