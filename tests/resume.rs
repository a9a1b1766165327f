//! Guards against a resumed chain that is worth less than one recorded in one go: whoever reads or
//! verifies it finds the same events, under the same numbers of types and functions.

use std::fs::{self, File};
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use theater_record::{
    CloseReason, IdentityKey, Kind, Options, Reader, RecoverError, ResumeError, ResumeOptions,
    Stored, Type,
};
use theater_verify::Verdict;

use crate::crash::{self, Numbered};

fn open(path: &Path) -> File {
    File::options().read(true).write(true).create(true).truncate(false).open(path).unwrap()
}

fn options(sign: bool) -> ResumeOptions {
    ResumeOptions { identity: sign.then(crash::identity), ..ResumeOptions::default() }
}

fn resume(path: &Path, options: ResumeOptions) -> Result<Numbered, ResumeError> {
    Numbered::resume(open(path), options, [9; 32])
}

fn record(path: &Path, options: Options, events: u64) -> Numbered {
    let mut chain = Numbered::create(open(path), "resume", options, [3; 32]).unwrap();
    (0..events).for_each(|_| assert!(chain.append().is_ok()));
    chain
}

fn kinds(chain: &[u8]) -> Vec<Kind> {
    let mut reader = Reader::new(chain).unwrap();
    let mut kinds = Vec::new();
    while let Some(stored) = reader.read().unwrap() {
        if let Stored::Record(record) = stored {
            kinds.push(record.kind);
        }
    }
    kinds
}

/// What is left of a chain's kinds without those that say how it was written.
fn crossings(chain: &[u8]) -> Vec<Kind> {
    let bookkeeping = [Kind::Checkpoint, Kind::Recover];
    kinds(chain).into_iter().filter(|kind| !bookkeeping.contains(kind)).collect()
}

fn refusal(path: &Path, options: ResumeOptions) -> ResumeError {
    let before = fs::read(path).unwrap();
    let refused = resume(path, options).err().expect("nobody may go on with this chain");
    assert!(fs::read(path).unwrap() == before, "a refusal changed the chain");
    refused
}

proptest! {
    #![proptest_config(Config { cases: 48, rng_seed: RngSeed::Fixed(1), ..Config::default() })]

    #[test]
    fn a_chain_resumed_anywhere_reads_as_one_recorded_in_one_go(
        events in 1..60_u64,
        cuts in prop::collection::vec((0..60_u64, any::<bool>()), 1..4),
        records_max in 2..20_u64,
        sign in any::<bool>(),
    ) {
        let folder = crash::folder();
        let [whole, path] = ["whole", "cut"].map(|name| folder.path().join(name));
        let one_go = record(&whole, crash::options(records_max, sign), events);
        one_go.recorder.close(CloseReason::Completed, "").unwrap();

        let mut chain = record(&path, crash::options(records_max, sign), 0);
        let mut cuts = cuts;
        cuts.sort_unstable();
        for (cut, flush) in cuts {
            while chain.next < cut.min(events) {
                chain.append().unwrap();
            }
            // Zeros at the end of what was never synced could be a lost sector, so recovery would
            // set them aside.
            let ends_in_zeros = chain.next % 8 == 6;
            if flush || ends_in_zeros {
                chain.recorder.flush().unwrap();
            }
            let next = chain.next;
            drop(chain);
            let before = fs::read(&path).unwrap();
            crash::assert_verdict(&before, Verdict::Open);
            chain = resume(&path, options(sign)).unwrap();
            chain.next = next;
            prop_assert!(fs::read(&path).unwrap().starts_with(&before));
        }
        while chain.next < events {
            chain.append().unwrap();
        }
        let tip = chain.recorder.close(CloseReason::Completed, "").unwrap();
        let (whole, cut) = (fs::read(&whole).unwrap(), fs::read(&path).unwrap());
        crash::assert_verdict(&cut, Verdict::Complete);
        prop_assert_eq!(crash::count_numbered(&cut), events);
        prop_assert_eq!(crossings(&cut), crossings(&whole));
        prop_assert_eq!(kinds(&cut).len() as u64, tip.seq + 1);
    }
}

#[test]
fn an_unsigned_chain_flushed_at_the_same_place_is_equal_to_the_last_byte() {
    let folder = crash::folder();
    let [whole, path] = ["whole", "cut"].map(|name| folder.path().join(name));
    // Events without blobs: the salts of a resumed chain are other ones.
    let inline = || Options { inline_bytes_max: usize::MAX, ..crash::options(7, false) };
    let mut chain = record(&whole, inline(), 10);
    chain.recorder.flush().unwrap();
    (10..30).for_each(|_| assert!(chain.append().is_ok()));
    chain.recorder.close(CloseReason::Completed, "").unwrap();

    let mut chain = record(&path, inline(), 10);
    chain.recorder.flush().unwrap();
    drop(chain);
    let roomy = ResumeOptions { inline_bytes_max: usize::MAX, ..options(false) };
    let mut chain = resume(&path, roomy).unwrap();
    chain.next = 10;
    (10..30).for_each(|_| assert!(chain.append().is_ok()));
    chain.recorder.close(CloseReason::Completed, "").unwrap();
    assert!(fs::read(&path).unwrap() == fs::read(&whole).unwrap());
}

#[test]
fn names_keep_their_numbers() {
    let folder = crash::folder();
    let path = folder.path().join("chain");
    let mut chain = record(&path, crash::options(7, false), 1);
    let point = chain.recorder.type_id("test:crash/log#point", &Type::Tuple(vec![Type::F64; 2]));
    let point = point.unwrap();
    let draw = [("at", Type::Named(point))];
    let draw = chain.recorder.function_id("test:crash/log", "draw", &draw, &[]).unwrap();
    drop(chain);
    let mut chain = resume(&path, options(false)).unwrap().recorder;
    let events = chain.tip().unwrap().seq;
    assert_eq!(chain.type_id("test:crash/log#point", &Type::U8).unwrap(), point);
    assert_eq!(chain.function_id("test:crash/log", "draw", &[], &[]).unwrap(), draw);
    assert_eq!(chain.tip().unwrap().seq, events, "nothing was named twice");
    assert_eq!(chain.type_id("new", &Type::U8).unwrap().0, point.0 + 1);
    assert_eq!(chain.function_id("", "new", &[], &[]).unwrap().0, draw.0 + 1);
}

#[test]
fn a_closed_chain_is_refused() {
    let folder = crash::folder();
    let path = folder.path().join("chain");
    let chain = record(&path, crash::options(7, false), 5);
    let tip = chain.recorder.close(CloseReason::Completed, "").unwrap();
    let refused = refusal(&path, options(false));
    assert!(matches!(refused, ResumeError::Closed { seq } if seq == tip.seq), "{refused}");
}

#[test]
fn a_torn_chain_is_refused_until_it_was_recovered() {
    let folder = crash::folder();
    let path = folder.path().join("chain");
    drop(record(&path, crash::options(7, true), 20));
    let len = fs::metadata(&path).unwrap().len();
    open(&path).set_len(len - 3).unwrap();
    let refused = refusal(&path, options(true));
    let ResumeError::Torn { offset, bytes } = refused else { panic!("{refused}") };
    assert_eq!(offset + bytes, len - 3);
    crash::apply(&path, false);
    let mut chain = resume(&path, options(true)).unwrap();
    chain.next = crash::count_numbered(&fs::read(&path).unwrap());
    assert_eq!(chain.append().unwrap(), 20);
    chain.recorder.close(CloseReason::Completed, "").unwrap();
    crash::assert_verdict(&fs::read(&path).unwrap(), Verdict::Complete);
}

#[test]
fn a_signed_chain_takes_the_identity_that_its_header_names() {
    let folder = crash::folder();
    let path = folder.path().join("chain");
    drop(record(&path, crash::options(7, true), 5));
    let refused = refusal(&path, options(false));
    assert!(matches!(refused, ResumeError::IdentityMissing), "{refused}");
    let identity = Some(IdentityKey::from_secret([6; 32]));
    let refused = refusal(&path, ResumeOptions { identity, ..ResumeOptions::default() });
    assert!(matches!(refused, ResumeError::IdentityWrong), "{refused}");

    let nameless = folder.path().join("nameless");
    drop(record(&nameless, Options { identity: None, ..crash::options(7, true) }, 5));
    let refused = refusal(&nameless, options(true));
    assert!(matches!(refused, ResumeError::IdentityUnnamed), "{refused}");
}

#[test]
fn what_is_no_chain_is_refused() {
    let folder = crash::folder();
    let path = folder.path().join("chain");
    fs::write(&path, "no chain at all").unwrap();
    let refused = refusal(&path, options(false));
    assert!(matches!(refused, ResumeError::Chain(RecoverError::Read(_))), "{refused}");
}
