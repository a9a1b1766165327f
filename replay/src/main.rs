//! The `theater-replay` program. Everything it does is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    theater_replay::main_from(std::env::args_os(), &mut theater_replay::Ui::terminal()).into()
}
