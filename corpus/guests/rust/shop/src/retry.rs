//! Patience with services that are busy.

use std::thread;
use std::time::Duration;

use crate::http::Failure;

/// How often something is tried again, at most.
const RETRIES_MAX: u32 = if cfg!(feature = "retries") { 3 } else { 2 };

/// Does something until it works, or fails for good; it is told which attempt this is.
pub fn patiently<T>(mut attempt: impl FnMut(u32) -> Result<T, Failure>) -> Result<T, Failure> {
    let mut number = 1;
    loop {
        match attempt(number) {
            Err(failure) if failure.is_passing() && number <= RETRIES_MAX => {
                thread::sleep(pause_after(number)); // here: retries
                number += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Twice as long after each attempt.
fn pause_after(attempt: u32) -> Duration {
    Duration::from_millis(2 << attempt)
}
