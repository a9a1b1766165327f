//! Asks for the address in its argument and prints status, type, length and body.
//!
//! Ends with 1 if it failed, and with 3 if the host does not let it ask.

use std::io::{self, Write};
use std::process::ExitCode;

use guest_commands::digest::digest;
use guest_commands::http::{self, HttpError, Response};

fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("fetch ADDRESS");
        return ExitCode::from(2);
    };
    match http::get(&address) {
        Ok(response) => match print(&response) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(error @ HttpError::Denied(_)) => {
            println!("{address}: {error}");
            ExitCode::from(3)
        }
        Err(error) => {
            eprintln!("fetch: {address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(response: &Response) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "status {}", response.status)?;
    for name in ["content-type", "content-length", "location"] {
        if let Some(value) = response.header(name) {
            writeln!(output, "{name}: {value}")?;
        }
    }
    writeln!(output, "{} bytes, {:016x}", response.body.len(), digest(&response.body))?;
    output.write_all(&response.body)?;
    output.flush()
}
