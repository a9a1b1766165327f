//! Tests of the project as a whole, in reading order.

#![allow(clippy::unwrap_used, reason = "a test stops at whatever goes wrong")]

mod tidy;

mod corpus;

mod python;

mod crash;
mod crash_fault;
mod crash_kill;
mod crash_log;

mod resume;

mod stage;

mod actors;
mod agent;
mod archivist;
mod bisect;
mod doctor;
mod guests;
mod http;
mod machine;
mod minimise;
mod mutants;
mod no_host;
mod office;
mod property;
mod regressions;
mod revival;
mod sets;
mod source_lines;
mod supervision;
mod templates;
mod wasi;
