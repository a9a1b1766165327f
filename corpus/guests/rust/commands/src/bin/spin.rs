//! Prints a line and never ends.

use std::hint::black_box;

fn main() {
    println!("about to spin");
    let mut round = 0_u64;
    loop {
        round = black_box(round.wrapping_add(1));
    }
}
