//! Copies standard input to standard output in upper case, line by line, and counts on standard
//! error.

use std::io::{self, BufRead, Write};

fn main() -> io::Result<()> {
    let mut lines = 0;
    let mut bytes = 0;
    let mut output = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let line = line?;
        lines += 1;
        bytes += line.len();
        writeln!(output, "{}", line.to_uppercase())?;
    }
    output.flush()?;
    eprintln!("{lines} lines, {bytes} bytes");
    Ok(())
}
