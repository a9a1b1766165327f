//! Depends on what is ready first: takes the first of two timers that it is told of.

use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::io::poll::poll;

fn main() {
    let timers = [subscribe_duration(1_000_000), subscribe_duration(2_000_000)];
    let ready = poll(&[&timers[0], &timers[1]]);
    println!("timer {} came first", ready[0]);
}
