//! Measures checking chains at every depth against `b3sum` of the same bytes, in one run.
//!
//! `cargo bench --bench verify` measures the published rows; with arguments, such as
//! `cargo bench --bench verify -- 10000000 148 2`, one row: events, payload bytes, threads.
//!
//! The yardstick is `Hasher::update_mmap_rayon`, which is all that `b3sum` does. Both see the same
//! file from the page cache; the best of several runs counts. Resident memory is the peak during
//! the verify runs only, because the yardstick maps the whole file.
#![allow(clippy::print_stdout, reason = "a bench prints its rows")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop right there")]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use theater_record::{About, Call, CloseReason, Event, Options as RecordOptions, Recorder, Seed};
use theater_record::{Type, Value, Values};
use theater_verify::{Depth, FileSource, Options, Verdict, verify};

const RUNS: usize = 7;

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    println!(
        "events    record B  threads  depth       GB/s  M events/s  cpu ns/event  x b3sum  peak MB"
    );
    if let [events, payload, threads] = numbers[..] {
        return row(events, payload as usize, threads as usize);
    }
    for (events, payload) in [(10_000_000, 148), (10_000_000, 8), (500_000, 4032), (2_000, 1 << 20)]
    {
        for threads in [2, 1] {
            row(events, payload, threads);
        }
    }
}

fn row(events: u64, payload: usize, threads: usize) {
    let path = chain(events, payload);
    let bytes = path.metadata().unwrap().len();
    let (yardstick, cpu) = best(|| b3sum(&path, threads));
    let print = |depth: &str, wall: f64, cpu: f64, peak: String| {
        println!(
            "{events:<9} {:<9} {threads:<8} {depth:10} {:5.2}  {:10.1}  {:12.1}  {:7.2}  {peak:>7}",
            bytes / events,
            bytes as f64 / wall / 1e9,
            events as f64 / wall / 1e6,
            cpu / events as f64 * 1e9,
            yardstick / wall,
        );
    };
    print("b3sum", yardstick, cpu, String::new());
    for depth in [Depth::Quick, Depth::Links, Depth::Structure, Depth::Full] {
        reset_peak();
        let (wall, cpu) = best(|| check(&path, depth, threads));
        print(&format!("{depth:?}"), wall, cpu, peak_megabytes().to_string());
    }
}

/// The best wall time and the best processor time, in seconds.
fn best(mut run: impl FnMut()) -> (f64, f64) {
    let (mut wall, mut cpu) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..RUNS {
        let (start, cpu_start) = (Instant::now(), cpu_seconds());
        run();
        wall = wall.min(start.elapsed().as_secs_f64());
        cpu = cpu.min(cpu_seconds() - cpu_start);
    }
    (wall, cpu)
}

/// Processor time of this process so far, in steps of ten milliseconds. Linux only.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / 100.0
}

fn b3sum(path: &Path, threads: usize) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut hasher = blake3::Hasher::new();
    pool.install(|| {
        if threads > 1 {
            hasher.update_mmap_rayon(path).map(drop)
        } else {
            hasher.update_mmap(path).map(drop)
        }
    })
    .unwrap();
    std::hint::black_box(hasher.finalize());
}

fn check(path: &Path, depth: Depth, threads: usize) {
    let source = FileSource::new(File::open(path).unwrap()).unwrap();
    let options = Options { depth, threads: Some(threads), ..Options::default() };
    let report = verify(&source, &options).unwrap();
    assert_eq!((report.verdict(), report.depth), (Verdict::Complete, depth));
}

/// The chain for a row, written once and kept under the target folder.
fn chain(events: u64, payload: usize) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("bench-{events}-{payload}.chain.cbor"));
    if path.exists() {
        return path;
    }
    let partial = path.with_extension("partial");
    let mut options = RecordOptions { inline_bytes_max: usize::MAX, ..RecordOptions::default() };
    options.policy.interval_ns = None;
    let (log, seed) = (File::create(&partial).unwrap(), Seed::new([3; 32]));
    let clock = Arc::new(|| 0);
    let mut recorder = Recorder::create(log, About::default(), options, seed, clock).unwrap();
    let bytes = Type::List(Box::new(Type::U8));
    let put = recorder.function_id("bench:kv/store", "put", &[("value", bytes)], &[]).unwrap();
    let mut noise = vec![0; payload];
    for at in 0..events {
        // Incompressible without costing more than the recording itself.
        for (word, chunk) in noise.chunks_mut(8).enumerate().take(8) {
            let word = (at + word as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        let args = Values::of(&[Value::Bytes(noise.clone())]).unwrap();
        recorder.append(&Event::ImportCall(Call { function: put, args, fuel: None })).unwrap();
    }
    recorder.close(CloseReason::Completed, "").unwrap();
    std::fs::rename(&partial, &path).unwrap();
    path
}

fn reset_peak() {
    // Linux only; elsewhere the column is zero.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes: u64 = line.and_then(|l| l.split_whitespace().next()?.parse().ok()).unwrap_or(0);
    kilobytes / 1024
}
