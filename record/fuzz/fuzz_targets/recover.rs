//! Recovery of chains that were cut off, with arbitrary bytes behind the cut, and of damaged ones.
//!
//! It may not panic. What it keeps and what it sets aside are together what was there, doing it
//! again changes nothing, and a chain that was only cut is sound afterwards. Run with
//! `cargo fuzz run --fuzz-dir record/fuzz recover`.

#![no_main]

mod sample;

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::sync::{Arc, Mutex};

use libfuzzer_sys::fuzz_target;
use theater_record::{RecoverError, RecoverOptions, Recovery, Seed};
use theater_verify::{Options, Verdict, verify};

use crate::sample::{SAMPLE, damaged_sample, frames};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(recovered) = recover(&damaged_sample(bytes)) {
        check_done(&recovered);
    }
    let [low, high, junk @ ..] = bytes else { return };
    let cut = usize::from(u16::from_le_bytes([*low, *high])) % SAMPLE.len();
    let torn = [&SAMPLE[..cut], junk].concat();
    let recovered = recover(&torn);
    // Bytes behind the cut may happen to be a record that vouches for what is lost, or the very
    // bytes that were cut off. Where there are none, nothing stands in the way.
    let header = 12 + frames(&SAMPLE)[0].len();
    assert!(recovered.is_ok() || cut < header || !junk.is_empty(), "cut at {cut}");
    if let Ok(recovered) = recovered {
        check_done(&recovered);
        let options = Options { threads: Some(1), ..Options::default() };
        let report = verify(&recovered[..], &options).expect("a recovered chain is a chain");
        assert_ne!(report.verdict(), Verdict::Damaged, "cut at {cut}: {:?}", report.faults);
    }
});

fn check_done(recovered: &[u8]) {
    let again =
        recover(recovered).unwrap_or_else(|error| panic!("done once, refused then: {error}"));
    assert!(again == recovered, "done once is done");
}

/// The chain after recovery, unless it was refused.
fn recover(chain: &[u8]) -> Result<Vec<u8>, RecoverError> {
    let mut file = tempfile::tempfile().expect("there is room for a temporary file");
    file.write_all(chain).expect("there is room for a temporary file");
    let plan = Recovery::plan(&mut file)?;
    let keep = usize::try_from(plan.keep).expect("it is within the file");
    let options = RecoverOptions { close: false, identity: None };
    let is_done = plan.is_done(&options);
    let aside = Arc::new(Mutex::new(Vec::new()));
    let log = aside.clone();
    let clock: theater_record::Clock = Arc::new(|| 1_800_000_000_000_000_000);
    let applied = plan.apply(&mut file, options, Seed::new([3; 32]), &clock, || Ok(Box::new(log)));
    applied.expect("what can be planned can be done");
    let after = content(&mut file).expect("what was written can be read");
    assert_eq!(after[..keep], chain[..keep], "what is kept is not touched");
    if is_done {
        assert_eq!(after, chain);
    } else {
        let aside = aside.lock().expect("nobody else holds it");
        assert_eq!(aside[..], chain[keep..], "what is not kept is set aside");
    }
    Ok(after)
}

fn content(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}
