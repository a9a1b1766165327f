//! Prints everything a guest learns without opening anything: time, randomness, environment and
//! arguments. Two runs print different things, a run and its replay the same.

use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::random::{insecure_seed, random};

fn main() {
    let now = wall_clock::now();
    println!("wall clock: {}.{:09}", now.seconds, now.nanoseconds);
    let resolution = wall_clock::resolution();
    println!("wall clock resolution: {}.{:09}", resolution.seconds, resolution.nanoseconds);

    let before = monotonic_clock::now();
    let after = monotonic_clock::now();
    println!("monotonic clock: {before}, then {after}");
    monotonic_clock::subscribe_duration(1_000_000).block();
    println!("a millisecond later: {}", monotonic_clock::now());

    println!("random number: {:016x}", random::get_random_u64());
    let bytes: String = random::get_random_bytes(16).iter().map(|b| format!("{b:02x}")).collect();
    println!("random bytes: {bytes}");
    let (low, high) = insecure_seed::insecure_seed();
    println!("insecure seed: {low:016x}{high:016x}");

    for (number, argument) in std::env::args().enumerate() {
        println!("argument {number}: {argument}");
    }
    for (name, value) in std::env::vars() {
        println!("variable {name}: {value}");
    }
}
