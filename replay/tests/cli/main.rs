//! The command line as people see it, in process: what is printed and how it exits.
//!
//! `UPDATE_EXPECT=1 cargo test -p theater-replay` rewrites the expected texts.

#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

mod bisect;
mod bisect_commits;
mod chains;
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
mod shop;
mod show;
mod source;
mod stat;
mod trouble;
mod verify;
