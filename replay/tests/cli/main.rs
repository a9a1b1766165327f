//! The command line as people see it, in process: what is printed and how it exits.
//!
//! `UPDATE_EXPECT=1 cargo test -p theater-replay` rewrites the expected texts.

#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

mod scene;

mod show;

mod filter;

mod damage;

mod follow;

mod stat;

mod verify;

mod schema;

mod trouble;
