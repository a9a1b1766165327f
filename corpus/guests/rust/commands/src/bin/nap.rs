//! Asks for the time and waits until a moment later. Nothing that it tells depends on when that was.

use wasip2::clocks::monotonic_clock;

fn main() {
    let deadline = monotonic_clock::now() + 1_000_000;
    monotonic_clock::subscribe_instant(deadline).block();
    println!("good morning");
}
