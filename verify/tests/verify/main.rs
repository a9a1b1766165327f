//! What the verifier finds, in chains that are whole and in chains that are not.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail right there")]

mod chains;
mod conversation;
mod hostile;
mod intact;
mod model;
mod set;
mod stretches;
mod tamper;
