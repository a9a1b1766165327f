//! Measures what holding the chains of a set against each other costs beside checking each of them.
//!
//! `cargo bench --bench set` measures the published rows. The chains are in memory; the
//! best of several runs counts.
#![allow(clippy::print_stdout, reason = "a bench prints its rows")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot go on should stop right there")]

// The actors that talk are those that the verifier is tested with.
#[allow(dead_code, reason = "tests tell chains anew, a bench does not")]
#[path = "../tests/verify/conversation.rs"]
mod conversation;

use std::sync::Arc;
use std::time::Instant;

use rayon::prelude::*;
use theater_verify::set::{Member, hold};
use theater_verify::{Checked, Options, Source, VerifiedChain};

use conversation::{Act, Chain, converse_as};

const RUNS: usize = 7;
/// How many actors know one another.
const SYSTEM: usize = 20;

fn main() {
    println!("chains   messages   MB      check ms  read ms  hold ms  messages/s");
    for (systems, rounds) in [(1, 500), (100, 5), (500, 1)] {
        row(systems, rounds);
    }
}

fn row(systems: usize, rounds: usize) {
    let chains: Vec<Chain> =
        (0..systems).flat_map(|system| talk(SYSTEM * system, rounds)).collect();
    let sources: Vec<Arc<dyn Source>> =
        chains.into_iter().map(|chain| Arc::new(chain.bytes) as Arc<dyn Source>).collect();
    let bytes: u64 = sources.iter().map(|source| source.len()).sum();
    let check = || -> Vec<VerifiedChain> {
        let check = |source: &Arc<dyn Source>| {
            let checked = Checked::new(source.clone(), &Options::default()).unwrap();
            checked.whole().unwrap_or_else(|report| panic!("{:?}", report.faults))
        };
        sources.par_iter().map(check).collect()
    };
    let (check_ms, verified) = best(check);
    let read = || -> Vec<Member> {
        verified.par_iter().map(|chain| Member::of(chain, true).unwrap()).collect()
    };
    let (read_ms, members) = best(read);
    let (hold_ms, held) = best(|| hold(&members));
    assert_eq!(held.discrepancies, []);
    println!(
        "{:<8} {:<10} {:<7.1} {check_ms:8.1}  {read_ms:7.1}  {hold_ms:7.1}  {:10.0}",
        sources.len(),
        held.messages,
        bytes as f64 / 1e6,
        held.messages as f64 / (check_ms + read_ms + hold_ms) * 1e3,
    );
}

/// Everybody sends something to everybody else, again and again.
fn talk(first: usize, rounds: usize) -> Vec<Chain> {
    let acts: Vec<Act> = (0..SYSTEM).map(|to| Act::Send(to, vec![to as u8; 100])).collect();
    let moves: Vec<_> =
        (0..rounds).flat_map(|_| (0..SYSTEM).map(|who| (who, acts.clone()))).collect();
    converse_as(first, SYSTEM, &moves, false)
}

/// The best time in milliseconds, and what came out.
fn best<T>(mut run: impl FnMut() -> T) -> (f64, T) {
    let timed = |_| {
        let start = Instant::now();
        let outcome = run();
        (start.elapsed().as_secs_f64() * 1e3, outcome)
    };
    let runs = (0..RUNS).map(timed);
    runs.min_by(|one, other| one.0.total_cmp(&other.0)).unwrap()
}
