//! Measures the comparison of two long chains that differ in one event, nowhere, or in everything
//! from some event on.
//!
//! `cargo bench --bench compare` measures chains of a million events; a number asks for another
//! length: `cargo bench --bench compare -- 100000`.
//!
//! *opening* is one walk over both files. *first* and *all* are what comes after: the search for
//! the first difference alone, and with the alignment of everything behind it. *linked* chains have
//! one header and checked links, as two builds replayed from one recording have; the others were
//! recorded independently and have to be walked through. Files come from the page cache.
#![allow(clippy::print_stdout, reason = "a bench prints its rows")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop right there")]

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_diff::{Chain, Comparison, Options, Outline, compare};
use theater_record::{
    About, Call, CloseReason, Event, Outcome, Reader, Recorder, Return, Seed, Type, Value, Values,
};

/// What `theater-replay diff` allows the alignment by default.
const DEADLINE: Duration = Duration::from_secs(3);
const RUNS: usize = 3;

/// In what the second chain is different, from which event on.
#[derive(Clone, Copy)]
enum Edit {
    Nothing,
    /// One argument.
    Value(u64),
    /// One call and its return more.
    Extra(u64),
    /// The arguments of every third call.
    EveryThird(u64),
    /// Everything: a handful of functions in another order, with other arguments.
    Tail(u64),
}

fn main() {
    let events = std::env::args().find_map(|arg| arg.parse().ok()).unwrap_or(1_000_000);
    println!(
        "the chains differ in               linked  opening ms  first ms    all ms  peak MB  aligned"
    );
    for (what, edit) in rows(events) {
        for is_linked in [true, false] {
            row(what, events, edit, is_linked);
        }
    }
}

fn rows(events: u64) -> Vec<(&'static str, Edit)> {
    let at = |percent: u64| events * percent / 100;
    vec![
        ("nothing", Edit::Nothing),
        ("one value at 10 %", Edit::Value(at(10))),
        ("one value at 50 %", Edit::Value(at(50))),
        ("one value at 99 %", Edit::Value(at(99))),
        ("one more call at 10 %", Edit::Extra(at(10))),
        ("every third call from 50 % on", Edit::EveryThird(at(50))),
        ("all from 10 % on, few functions", Edit::Tail(at(10))),
    ]
}

fn row(what: &str, events: u64, edit: Edit, is_linked: bool) {
    let other_seed = if is_linked { 1 } else { 2 };
    let chains = [chain("a", events, Edit::Nothing, 1), chain("b", events, edit, other_seed)];
    reset_peak();
    let (outlines, opening) = best(|| [outline(&chains[0]), outline(&chains[1])]);
    let run = |first_only| best(|| diff(&chains, &outlines, is_linked, first_only));
    let (_, first) = run(true);
    let (comparison, all) = run(false);
    println!(
        "{what:<34} {:<7} {opening:>10.1}  {first:>8.2}  {all:>8.1}  {:>7}  {}",
        if is_linked { "yes" } else { "no" },
        peak_megabytes(),
        aligned(&comparison),
    );
    chains.iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

fn aligned(comparison: &Comparison) -> String {
    let Some(rest) = &comparison.rest else { return "-".to_owned() };
    format!(
        "{} equal, {} changed, {} + {} alone, {} + {} not aligned",
        rest.equal,
        rest.changed,
        rest.missing,
        rest.extra,
        rest.not_aligned[0],
        rest.not_aligned[1]
    )
}

fn diff(
    paths: &[PathBuf; 2],
    outlines: &[Outline; 2],
    is_linked: bool,
    first_only: bool,
) -> Comparison {
    let files = [File::open(&paths[0]).unwrap(), File::open(&paths[1]).unwrap()];
    let read_expected = |buffer: &mut [u8], offset| files[0].read_exact_at(buffer, offset);
    let read_actual = |buffer: &mut [u8], offset| files[1].read_exact_at(buffer, offset);
    let chain = |side: usize, read_at| Chain {
        outline: &outlines[side],
        read_at,
        bytes: files[side].metadata().unwrap().len(),
        is_linked,
    };
    let deadline = Some(Instant::now() + DEADLINE);
    let options = Options { first_only, deadline, ..Options::default() };
    compare(chain(0, &read_expected), chain(1, &read_actual), &options).unwrap()
}

fn outline(path: &Path) -> Outline {
    let mut outline = Outline::default();
    let mut reader = Reader::new(Box::new(File::open(path).unwrap()) as Box<dyn Read>).unwrap();
    while let Some(stored) = reader.read().unwrap() {
        outline.add(&stored).unwrap();
    }
    outline
}

/// The last result and the best time in milliseconds.
fn best<T>(mut run: impl FnMut() -> T) -> (T, f64) {
    let mut best: Option<(T, f64)> = None;
    for _ in 0..RUNS {
        let start = Instant::now();
        let result = run();
        let time = start.elapsed().as_secs_f64() * 1e3;
        let least = best.as_ref().map_or(time, |(_, least)| least.min(time));
        best = Some((result, least));
    }
    best.expect("there is at least one run")
}

/// Calls to five functions with small arguments, as a busy actor makes them.
fn chain(name: &str, events: u64, edit: Edit, seed: u8) -> PathBuf {
    let path =
        std::env::temp_dir().join(format!("theater-diff-bench-{}-{name}.cbor", std::process::id()));
    let mut options = theater_record::Options::default();
    options.policy.interval_ns = None;
    let log = File::create(&path).unwrap();
    let mut recorder =
        Recorder::create(log, About::default(), options, Seed::new([seed; 32]), Arc::new(|| 1))
            .unwrap();
    let params = [("key", Type::U64), ("text", Type::String)];
    let functions: Vec<_> = ["get", "put", "send", "log", "poll"]
        .iter()
        .map(|name| recorder.function_id("bench:it/all", name, &params, &[Type::U64]).unwrap())
        .collect();
    let mut append = |number: u64, is_other: bool, is_shuffled: bool| {
        let which = if is_shuffled { mixed(number) % 5 } else { number % 5 };
        let function = functions[which as usize];
        let key = if is_other { mixed(number) } else { number % 1000 };
        let args = [Value::U64(key), Value::String(format!("the value of number {key}"))];
        let args = Values::of(&args).unwrap();
        recorder.append(&Event::ImportCall(Call { function, args, fuel: None })).unwrap();
        let outcome = Outcome::Returned(Values::of(&[Value::U64(key % 7)]).unwrap());
        recorder.append(&Event::ImportReturn(Return { function, outcome, fuel: None })).unwrap();
    };
    for number in 0..events / 2 {
        let at = 2 * number;
        match edit {
            Edit::Nothing => append(number, false, false),
            Edit::Value(from) => append(number, at == from / 2 * 2, false),
            Edit::Extra(from) => {
                if at == from / 2 * 2 {
                    append(number, true, false);
                }
                append(number, false, false);
            }
            Edit::EveryThird(from) => append(number, at >= from && number % 3 == 0, false),
            Edit::Tail(from) => append(number, at >= from, at >= from),
        }
    }
    recorder.close(CloseReason::Completed, "").unwrap();
    path
}

/// A number that looks random and is always the same.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Starts the peak of resident memory anew, where the system can.
fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak_megabytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = peak.and_then(|peak| peak.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() / 1024
}
