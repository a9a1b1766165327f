//! Depends on the time: writes which day of the week it is.

use wasip2::clocks::wall_clock;

fn main() {
    let days = wall_clock::now().seconds / 86_400;
    // The first day of 1970 was a Thursday.
    println!("day {} of the week", (days + 3) % 7 + 1);
}
