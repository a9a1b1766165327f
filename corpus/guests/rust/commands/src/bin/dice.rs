//! Depends on randomness: rolls three dice.

use wasip2::random::random::get_random_u64;

fn main() {
    let roll = || get_random_u64() % 6 + 1;
    println!("{} {} {}", roll(), roll(), roll());
}
