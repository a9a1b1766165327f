//! The answer does not depend on where the stretches of a scan begin, nor on threads.

use theater_verify::{Options, verify};

use crate::chains::{all_kinds, frames, records, short_segments};

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

#[test]
fn a_break_across_blobs_is_told_alike_in_stretches_of_every_size() {
    let chain = all_kinds(1, short_segments(5));
    let frames = frames(&chain);
    let is_blob = |at: usize| !records(&chain).contains(&frames[at]);
    for at in (1..frames.len() - 2).filter(|at| is_blob(at + 1)) {
        let ((start, len), (blob, blob_len)) = (frames[at], frames[at + 1]);
        let next = frames[at + 2];
        for byte in [start + 45, start + len / 2, start + len - 1, blob + 3, blob + blob_len - 1] {
            for value in [0, 0x61, 0xff] {
                let mut damaged = chain.clone();
                damaged[byte] = value;
                let gone = damaged.splice(next.0..next.0 + next.1, []).count();
                let whole = outcome(&damaged, 1, 1 << 30);
                for stretch_bytes in [64, 150, 1000] {
                    let parts = outcome(&damaged, 3, stretch_bytes);
                    assert_eq!(whole, parts, "{byte} is {value}, {gone} bytes gone");
                }
            }
        }
    }
}

#[test]
fn a_blob_that_claims_to_go_on_beyond_the_file_is_no_frame() {
    let chain = all_kinds(1, short_segments(5));
    let blobs = frames(&chain).into_iter().filter(|frame| !records(&chain).contains(frame));
    for (start, len) in blobs {
        let cut = &chain[..start + len - 1];
        let whole = outcome(cut, 1, 1 << 30);
        assert!(whole.contains("TornTail"), "{whole}");
        for stretch_bytes in 64..400 {
            assert_eq!(whole, outcome(cut, 2, stretch_bytes), "stretches of {stretch_bytes}");
        }
    }
}
