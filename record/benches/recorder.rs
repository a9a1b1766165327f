//! Measures what recording costs: on the caller's thread, and until everything is on disk.
//!
//! `cargo bench --bench recorder`. The caller's column is the time in `append` with a queue that
//! never fills; the others go on until the chain is closed and synced, with the usual queue. All
//! include making the event, which the last column shows alone.
#![allow(clippy::print_stdout, reason = "a bench prints its rows")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop right there")]

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_record::{
    About, Call, CloseReason, Event, Log, Options, Recorder, Seed, Type, Value, Values,
};

const EVENTS: u64 = 400_000;
const RUNS: usize = 5;
/// How many recorders are kept idle at once.
const IDLE: usize = 10_000;

fn main() {
    println!("ns per event, best of {RUNS} runs of {EVENTS} events");
    println!("payload B  stored B  caller  to nowhere  to disk  signed, to disk  event alone");
    for payload in [0, 256, 4096] {
        let disk = Path::new(env!("CARGO_TARGET_TMPDIR")).join("recorder.chain.cbor");
        let file = || File::create(&disk).unwrap();
        let signed = || Options { sign: true, ..Options::default() };
        let roomy = || Options { queue_bytes_max: usize::MAX, ..Options::default() };
        let caller = best(|| record(io::sink(), roomy(), payload).0);
        let nowhere = best(|| record(io::sink(), Options::default(), payload).1);
        let to_disk = best(|| record(file(), Options::default(), payload).1);
        let stored = disk.metadata().unwrap().len() / EVENTS;
        let signed = best(|| record(file(), signed(), payload).1);
        let alone = best(|| make(payload));
        println!(
            "{payload:<10} {stored:<9} {caller:6.0}  {nowhere:10.0}  {to_disk:7.0}  {signed:15.0}  {alone:11.0}"
        );
        std::fs::remove_file(&disk).unwrap();
    }
    idle();
}

/// What recorders cost that have nothing to do: memory, and threads for all of them.
fn idle() {
    let before = resident();
    let mut recorders = Vec::new();
    for _ in 0..IDLE {
        let (about, seed) = (About::default(), Seed::new([1; 32]));
        let options = Options::default();
        let recorder = Recorder::create(io::sink(), about, options, seed, Arc::new(|| 0));
        let mut recorder = recorder.unwrap();
        let put = recorder.function_id("bench:kv/store", "put", &[], &[]).unwrap();
        recorder.append(&call(put, 256, 0)).unwrap();
        recorders.push(recorder);
    }
    // All are checkpointed, and threads that are not needed go.
    std::thread::sleep(Duration::from_secs(8));
    let bytes = (resident() - before) * 1024 / IDLE;
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count) - 1;
    println!("{IDLE} idle recorders: {bytes} bytes each, {threads} threads for all of them");
}

/// How many KiB of memory this process has in use, where the system tells.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|text| text.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn best(mut run: impl FnMut() -> f64) -> f64 {
    (0..RUNS).map(|_| run()).fold(f64::INFINITY, f64::min)
}

/// Nanoseconds per event: spent by the caller in `append`, and until the chain is closed.
fn record(log: impl Log + 'static, options: Options, payload: usize) -> (f64, f64) {
    let (about, seed) = (About::default(), Seed::new([1; 32]));
    let mut recorder = Recorder::create(log, about, options, seed, Arc::new(|| 0)).unwrap();
    let bytes = Type::List(Box::new(Type::U8));
    let put = recorder.function_id("bench:kv/store", "put", &[("value", bytes)], &[]).unwrap();
    let start = Instant::now();
    for at in 0..EVENTS {
        recorder.append(&call(put, payload, at)).unwrap();
    }
    let caller = start.elapsed().as_nanos() as f64 / EVENTS as f64;
    recorder.close(CloseReason::Completed, "").unwrap();
    (caller, start.elapsed().as_nanos() as f64 / EVENTS as f64)
}

/// An event whose payload differs from all others, because equal large ones are stored once.
fn call(function: theater_record::FunctionId, payload: usize, at: u64) -> Event {
    let mut bytes = vec![0x5a; payload];
    let number = at.to_le_bytes();
    let len = number.len().min(payload);
    bytes[..len].copy_from_slice(&number[..len]);
    Event::ImportCall(Call {
        function,
        args: Values::of(&[Value::Bytes(bytes)]).unwrap(),
        fuel: None,
    })
}

/// What making the events alone costs.
fn make(payload: usize) -> f64 {
    let start = Instant::now();
    for at in 0..EVENTS {
        std::hint::black_box(call(theater_record::FunctionId(0), payload, at));
    }
    start.elapsed().as_nanos() as f64 / EVENTS as f64
}
