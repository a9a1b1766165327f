//! The command line `theater-replay`: what people do with a chain once it was recorded.
//!
//! Every subcommand is one file in `cli/`, with its arguments and a `run` function. What they share
//! has a file of its own here: [`Exit`] says what an exit status means, [`Ui`] is where they print,
//! `open` turns a path into the bytes of a chain. Checking is the business of `theater-verify`,
//! reading that of `theater-record`.

mod bisect;
mod chain_set;
mod cli;
mod comparison;
mod condition;
mod damage;
mod diag;
mod divergence;
mod doctor;
mod exit;
mod filter;
mod find;
mod findings;
mod fuzzed;
mod good_if;
mod locate;
mod minimise;
mod open;
mod output;
mod packed;
mod policy;
pub mod property;
mod redact;
mod replay;
mod set;
mod side;
pub mod source;
mod story;
mod synthetic;
mod tally;
mod ui;
mod walk;
mod whence;

use theater_runtime::amount;
use theater_runtime::entry::{self, json, line, render, tree};

pub use cli::main_from;
pub use divergence::{Divergence, DivergenceKind};
pub use exit::Exit;
pub use ui::Ui;
