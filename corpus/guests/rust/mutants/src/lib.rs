//! One guest in eleven builds: the base, and ten mutants that each do one thing differently. They are
//! what a replay of the base's recording has to catch.
//!
//! A step of the base crosses the sandbox like this, in this order:
//!
//! | | call | answer used for |
//! |---|---|---|
//! | 1 | `wasi:clocks/wall-clock#now` | entry `seconds` |
//! | 2 | `wasi:random/random#get-random-u64` | entry `random` |
//! | 3 | `wasi:cli/stdout#get-stdout` | calls 4 and 6 |
//! | 4 | `wasi:io/streams#[method]output-stream.blocking-write-and-flush`, `step N begins` | |
//! | 5 | `wasi:clocks/monotonic-clock#now` | entry `monotonic` |
//! | 6 | `wasi:io/streams#[method]output-stream.blocking-write-and-flush`, `step N ends` | |
//! | | the stream of call 3 is dropped | |
//! | | the step returns `ok` with the entries `seconds`, `random`, `monotonic`, `total` | |
//!
//! Every mutant does the same until step 3, and the same again in every later step:
//!
//! | feature | in step 3 |
//! |---|---|
//! | `changed-argument` | call 6 writes `step 3 ENDS` |
//! | `other-callee` | call 5 is `monotonic-clock#resolution` |
//! | `extra-call` | between calls 4 and 5 stands another `get-random-u64` |
//! | `missing-call` | call 5 is left out, entry `monotonic` is 0 |
//! | `swapped-calls` | call 2 comes before call 1 |
//! | `extra-call-at-end` | after the drop of the stream stands another `monotonic-clock#now` |
//! | `early-stop` | the step drops the stream after call 4 and returns, entry `monotonic` is 0 |
//! | `other-result` | entry `total` is 1 too high, in what is returned only |
//! | `other-state` | the total is kept 1 too high after the step; the next step or `total` shows it |
//! | `other-trap` | nothing; but step 99 reads beyond its memory where the base comes upon `unreachable` |

use std::cell::Cell;
use std::hint::black_box;

use wasip2::cli::stdout::get_stdout;
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::random::random::get_random_u64;

use exports::theater::mutants::steps::{Entry, Guest};

wit_bindgen::generate!({ world: "mutants" });

/// The step in which mutants differ.
const MUTANT_STEP: u32 = 3;

/// The step that traps.
const TRAP_STEP: u32 = 99;

thread_local! {
    static TOTAL: Cell<u64> = const { Cell::new(0) };
}

struct Mutants;

impl Guest for Mutants {
    fn step(n: u32) -> Result<Vec<Entry>, String> {
        match n {
            0 => Err("there is no step 0".to_owned()),
            TRAP_STEP => trap(),
            n => Ok(step(n)),
        }
    }

    fn total() -> u64 {
        TOTAL.get()
    }
}

fn step(n: u32) -> Vec<Entry> {
    let mutant = n == MUTANT_STEP;
    let total = TOTAL.get() + u64::from(n);

    let (seconds, random) = if mutant && cfg!(feature = "swapped-calls") {
        let random = get_random_u64();
        (wall_clock::now().seconds, random)
    } else {
        (wall_clock::now().seconds, get_random_u64())
    };
    let monotonic = write_and_measure(n);
    if mutant && cfg!(feature = "extra-call-at-end") {
        black_box(monotonic_clock::now());
    }

    TOTAL.set(total + u64::from(mutant && cfg!(feature = "other-state")));
    vec![
        entry("seconds", seconds),
        entry("random", random),
        entry("monotonic", monotonic),
        entry("total", total + u64::from(mutant && cfg!(feature = "other-result"))),
    ]
}

/// Calls 3 to 6. The time of call 5, 0 if that was not made.
fn write_and_measure(n: u32) -> u64 {
    let mutant = n == MUTANT_STEP;
    let output = get_stdout();
    let write = |line: String| {
        // A host that refuses the line has recorded that it did; the step goes on.
        let _ = output.blocking_write_and_flush(line.as_bytes());
    };

    write(format!("step {n} begins\n"));
    if mutant && cfg!(feature = "early-stop") {
        return 0;
    }
    if mutant && cfg!(feature = "extra-call") {
        black_box(get_random_u64());
    }
    let monotonic = if mutant && cfg!(feature = "missing-call") {
        0
    } else if mutant && cfg!(feature = "other-callee") {
        monotonic_clock::resolution()
    } else {
        monotonic_clock::now()
    };
    let ends = if mutant && cfg!(feature = "changed-argument") { "ENDS" } else { "ends" };
    write(format!("step {n} {ends}\n"));
    monotonic
}

#[cfg(not(feature = "other-trap"))]
fn trap() -> ! {
    core::arch::wasm32::unreachable()
}

#[cfg(feature = "other-trap")]
fn trap() -> ! {
    let beyond = std::ptr::without_provenance::<u64>(usize::MAX - 7);
    // SAFETY: There is none, on purpose. No memory reaches this far, so that the read traps.
    black_box(unsafe { beyond.read_volatile() });
    core::arch::wasm32::unreachable()
}

fn entry(name: &str, value: u64) -> Entry {
    Entry { name: name.to_owned(), value }
}

export!(Mutants);
