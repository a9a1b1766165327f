//! Every way to damage a small chain is noticed and located.

use theater_verify::{Fault, Options, Verdict, verify};

use crate::chains::{all_kinds, records, short_segments};
use crate::intact::check;

/// The number of the event whose frame holds this byte.
fn event_at(records: &[(usize, usize)], byte: usize) -> Option<u64> {
    records.iter().position(|(at, len)| (*at..at + len).contains(&byte)).map(|seq| seq as u64)
}

#[test]
fn every_flipped_bit_is_found_and_told_exactly() {
    let chain = all_kinds(1, short_segments(5));
    let records = records(&chain);
    let mut wrong = Vec::new();
    for byte in 0..chain.len() {
        for bit in 0..8 {
            let mut damaged = chain.clone();
            damaged[byte] ^= 1 << bit;
            let expected = Fault::BitFlip {
                seq: event_at(&records, byte),
                offset: byte as u64,
                bit,
                found: damaged[byte],
                original: chain[byte],
            };
            let options = Options { threads: None, ..Options::default() };
            let faults = match verify(&damaged[..], &options) {
                Ok(report) => report.faults,
                Err(error) => {
                    wrong.push(format!("{byte}.{bit}: {error}"));
                    continue;
                }
            };
            if faults != [expected] {
                wrong.push(format!("{byte}.{bit} in {:?}: {faults:?}", event_at(&records, byte)));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        chain.len() * 8,
        wrong[..wrong.len().min(40)].join("\n")
    );
}

#[test]
fn every_cut_leaves_an_open_chain_and_is_located() {
    let chain = all_kinds(1, short_segments(5));
    let records = records(&chain);
    for cut in 1..chain.len() {
        let report = check(&chain[..cut]);
        assert_eq!(report.verdict(), Verdict::Open, "cut at {cut}: {:?}", report.faults);
        let whole = records.iter().filter(|(at, len)| at + len <= cut).count() as u64;
        assert_eq!(report.head.map(|head| head.seq + 1).unwrap_or(0), whole, "cut at {cut}");
    }
}
