//! Writes payloads around the sizes where hosts and recorders change their ways, reads them back and
//! prints what came. `payloads [FOLDER]`, by default `/`.

use std::path::Path;
use std::{fs, io};

use guest_commands::digest::digest;

const SIZES: [usize; 8] = [0, 1, 4095, 4096, 4097, 64 << 10, 1 << 20, 5 << 20];

fn main() -> io::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "/".to_owned());
    let path = Path::new(&folder).join("payload.bin");
    for size in SIZES {
        let written = contents(size);
        fs::write(&path, &written)?;
        let read = fs::read(&path)?;
        let same = if read == written { "same" } else { "different" };
        println!("{size:>8} {:016x} {same}", digest(&read));
    }
    fs::remove_file(&path)
}

/// Bytes without a short period, other ones for every size.
fn contents(size: usize) -> Vec<u8> {
    let mut state = size as u32 | 1;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..size).map(next).collect()
}
