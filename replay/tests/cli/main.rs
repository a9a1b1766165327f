//! The command line as people see it, in process: what is printed and how it exits.
//!
//! `UPDATE_EXPECT=1 cargo test -p theater-replay` rewrites the expected texts.

#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

mod bisect;
mod bisect_commits;
mod chains;
// The actors that talk in tests of sets are those that the verifier is tested with.
#[path = "../../../verify/tests/verify/conversation.rs"]
mod conversation;
mod damage;
mod diff;
mod doctor;
mod filter;
mod follow;
mod fork;
mod fuzz;
mod good_if;
mod keygen;
mod minimise;
mod pack;
mod process;
mod prove;
mod recorded;
mod recover;
mod redact;
mod repository;
mod run;
mod scene;
mod schema;
mod set;
mod shop;
mod show;
mod source;
mod stat;
mod trouble;
mod verify;
