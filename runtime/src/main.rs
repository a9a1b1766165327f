//! The `theater` program. Everything it does is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    theater_runtime::main_from(std::env::args_os(), &mut out, &mut err).into()
}
