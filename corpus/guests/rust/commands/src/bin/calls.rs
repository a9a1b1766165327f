//! Makes one kind of host call over and over: `calls MODE N [SIZE]`. The benchmarks measure with it
//! what recording costs, so nothing but that call is in the loop.
//!
//! | mode | each round |
//! |---|---|
//! | `scalar` | a call that returns a number (monotonic clock) |
//! | `clock` | a call that returns a record (wall clock) |
//! | `random64` | a call that returns a random number |
//! | `random32` | a call that returns a list of 32 random bytes |
//! | `read SIZE` | reads SIZE bytes at offset 0 of `calls.bin` in the first folder it was given |
//! | `write SIZE` | writes SIZE bytes at offset 0 of that file |
//! | `compute` | no call, but a million rounds of arithmetic |

use std::process::ExitCode;

use guest_commands::digest::digest;
use wasip2::clocks::{monotonic_clock, wall_clock};
use wasip2::filesystem::preopens;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};
use wasip2::random::random;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |word: &str| word.parse::<u64>().map_err(|_| format!("{word}: not a number"));
    let sum = match words[..] {
        [mode, count] => number(count).and_then(|count| repeat(mode, count, 0)),
        [mode, count, size] => number(count).and_then(|count| repeat(mode, count, number(size)?)),
        _ => Err("calls MODE N [SIZE]".to_owned()),
    };
    match sum {
        Ok(sum) => {
            println!("{} = {sum}", words.join(" "));
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("calls: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Does the same thing `count` times and adds up something of each answer, so that none is unused.
fn repeat(mode: &str, count: u64, size: u64) -> Result<u64, String> {
    let rounds = 0..count;
    let sum = u64::wrapping_add;
    Ok(match mode {
        "scalar" => rounds.map(|_| monotonic_clock::now()).fold(0, sum),
        "clock" => rounds.map(|_| u64::from(wall_clock::now().nanoseconds)).fold(0, sum),
        "random64" => rounds.map(|_| random::get_random_u64()).fold(0, sum),
        "random32" => rounds.map(|_| u64::from(random::get_random_bytes(32)[0])).fold(0, sum),
        "compute" => rounds.map(arithmetic).fold(0, sum),
        "read" => {
            let file = file_of(size)?;
            for _ in rounds {
                let (bytes, _) = file.read(size, 0).map_err(|code| format!("read: {code}"))?;
                if bytes.len() as u64 != size {
                    return Err(format!("read {} bytes instead of {size}", bytes.len()));
                }
            }
            count * size
        }
        "write" => {
            let file = file_of(size)?;
            let bytes = contents(size);
            for _ in rounds {
                file.write(&bytes, 0).map_err(|code| format!("write: {code}"))?;
            }
            count * size
        }
        other => return Err(format!("{other}: not a mode")),
    })
}

/// A fresh file of this size in the first folder that was given.
fn file_of(size: u64) -> Result<Descriptor, String> {
    let (folder, _) = preopens::get_directories().into_iter().next().ok_or("no folder")?;
    let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
    let file = folder
        .open_at(PathFlags::empty(), "calls.bin", OpenFlags::CREATE | OpenFlags::TRUNCATE, flags)
        .map_err(|code| format!("calls.bin: {code}"))?;
    file.write(&contents(size), 0).map_err(|code| format!("calls.bin: {code}"))?;
    Ok(file)
}

fn contents(size: u64) -> Vec<u8> {
    (0..size).map(|offset| offset as u8).collect()
}

/// A million steps of a generator, none of which can be left out.
fn arithmetic(seed: u64) -> u64 {
    let mut state = seed | 1;
    for _ in 0..1_000_000 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    digest(&state.to_le_bytes())
}
