//! Tests of the comparison through its public interface.

#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

mod chains;
mod ignore;
mod recordings;
mod samples;
mod values;
