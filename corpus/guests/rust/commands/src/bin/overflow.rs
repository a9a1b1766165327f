//! Calls itself until the stack is full.
//!
//! `overflow silent` does nothing else; `overflow calling` asks the host for the time at every level,
//! so that how deep it came is in the recording.

use wasip2::clocks::monotonic_clock;

fn main() {
    let mode = std::env::args().nth(1).unwrap_or_else(|| "silent".to_owned());
    println!("about to overflow the stack: {mode}");
    let end = match mode.as_str() {
        "calling" => descend_calling(0),
        _ => descend(1, u64::MAX),
    };
    println!("not reached: {end}");
}

/// What is done to each result keeps this from being turned into a loop.
#[inline(never)]
fn descend(depth: u64, limit: u64) -> u64 {
    if depth == limit {
        return depth;
    }
    descend(depth + 1, limit).rotate_left(7) ^ depth
}

#[inline(never)]
fn descend_calling(depth: u64) -> u64 {
    let now = monotonic_clock::now();
    if depth == u64::MAX {
        return now;
    }
    descend_calling(depth + 1).rotate_left(7) ^ now
}
