//! The answer does not depend on where the stretches of a scan begin, nor on threads.

use theater_verify::{Options, verify};

use crate::chains::{all_kinds, frames, short_segments};

/// The whole report as text, or the error.
fn outcome(chain: &[u8], threads: usize, stretch_bytes: u64) -> String {
    let options = Options { threads: Some(threads), stretch_bytes, ..Options::default() };
    match verify(chain, &options) {
        Ok(report) => format!("{report:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn removed_bytes_are_told_alike_in_stretches_of_every_size() {
    let chain = all_kinds(1, short_segments(5));
    let starts: Vec<usize> = frames(&chain).iter().map(|(at, _)| *at).collect();
    for at in (1..chain.len()).step_by(23).chain(starts) {
        for len in [1, 60, 300] {
            let damaged = [&chain[..at], &chain[(at + len).min(chain.len())..]].concat();
            let whole = outcome(&damaged, 1, 1 << 30);
            for stretch_bytes in [64, 150, 1000] {
                let parts = outcome(&damaged, 3, stretch_bytes);
                assert_eq!(whole, parts, "{len} bytes from {at}, stretches of {stretch_bytes}");
            }
        }
    }
}
