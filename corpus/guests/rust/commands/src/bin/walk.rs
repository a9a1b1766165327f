//! Walks a folder and everything below it, digests each file and writes a report.
//!
//! `walk [FOLDER [REPORT]]`, by default `/` and no report. A folder lists its entries in whatever
//! order the host likes; they are visited by name.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::ExitCode;

use guest_commands::digest::Digest;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| "/".to_owned());
    let report = arguments.next();
    match walk(Path::new(&folder), report.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("walk: {folder}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn walk(folder: &Path, report: Option<&str>) -> io::Result<()> {
    let mut lines = String::new();
    let total = visit(folder, &mut lines)?;
    print!("{lines}");
    println!("{total} bytes in all");
    if let Some(report) = report {
        fs::write(report, &lines)?;
        println!("report of {} bytes in {report}", fs::metadata(report)?.len());
    }
    Ok(())
}

/// Describes everything in a folder and says how many bytes its files have together.
fn visit(folder: &Path, lines: &mut String) -> io::Result<u64> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    let mut total = 0;
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            let _ = writeln!(lines, "{:>10} {:16} {}/", "", "", path.display());
            total += visit(&path, lines)?;
        } else if kind.is_symlink() {
            let _ = writeln!(lines, "{:>10} {:16} {}@", "", "", path.display());
        } else {
            let (size, digest) = read(&path)?;
            let _ = writeln!(lines, "{size:>10} {digest:016x} {}", path.display());
            total += size;
        }
    }
    Ok(total)
}

/// The size and the digest of a file, by what was read.
fn read(path: &Path) -> io::Result<(u64, u64)> {
    let mut file = File::open(path)?;
    let mut digest = Digest::new();
    let mut size = 0;
    let mut buffer = vec![0; 8192];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((size, digest.value()));
        }
        digest.update(&buffer[..count]);
        size += count as u64;
    }
}
