//! Whole chains are called whole, at every depth, with every number of threads.

use std::sync::Arc;

use theater_verify::{Anchor, Checked, Depth, Options, Policy, Report, Unmet, Verdict, verify};

use crate::chains::{all_kinds, calls, hash_of, identity, records, short_segments, signed};

pub(crate) fn check(chain: &[u8]) -> Report {
    check_with(chain, Depth::Full, Policy::default())
}

pub(crate) fn check_with(chain: &[u8], depth: Depth, policy: Policy) -> Report {
    let options = Options { depth, policy, threads: Some(2), ..Options::default() };
    verify(chain, &options).unwrap()
}

#[test]
fn a_whole_chain_is_complete_at_every_depth() {
    for chain in
        [all_kinds(1, short_segments(5)), all_kinds(2, signed()), calls(3, 300, short_segments(16))]
    {
        let count = records(&chain).len() as u64;
        for depth in [Depth::Quick, Depth::Links, Depth::Structure, Depth::Full] {
            let report = check_with(&chain, depth, Policy::default());
            assert_eq!(report.faults, []);
            assert_eq!(report.verdict(), Verdict::Complete);
            assert_eq!(report.depth, depth);
            assert_eq!(report.records, count);
            let head = report.head.unwrap();
            assert_eq!(head.seq, count - 1);
            assert_eq!(head.hash, hash_of(&chain, *records(&chain).last().unwrap()));
            assert_eq!(head.end, chain.len() as u64);
            assert_eq!(report.header.unwrap().name, "subject");
        }
    }
}

#[test]
fn a_policy_that_holds_is_met_and_one_that_does_not_is_not() {
    let chain = all_kinds(2, signed());
    let records = records(&chain);
    let anchor =
        |seq: usize, of: usize| Anchor { seq: seq as u64, hash: hash_of(&chain, records[of]) };
    let key = identity().public();
    for depth in [Depth::Quick, Depth::Full] {
        let met = Policy {
            signed_by: Some(key),
            events_min: Some(records.len() as u64),
            anchors: vec![anchor(4, 4), anchor(0, 0), anchor(records.len() - 1, records.len() - 1)],
            component: None,
            closed: true,
        };
        assert_eq!(check_with(&chain, depth, met).verdict(), Verdict::Complete);
        let other = theater_record::IdentityKey::from_secret([6; 32]).public();
        let policy = Policy {
            signed_by: Some(other),
            events_min: Some(records.len() as u64 + 1),
            anchors: vec![anchor(4, 5), anchor(1000, 5)],
            component: Some(hash_of(&chain, records[0])),
            closed: true,
        };
        let report = check_with(&chain, depth, policy);
        assert_eq!(report.verdict(), Verdict::Unmet);
        assert!(matches!(
            report.unmet[..],
            [
                Unmet::OtherKey { .. },
                Unmet::TooFewEvents { .. },
                Unmet::OtherHash { seq: 4, .. },
                Unmet::NoSuchEvent { seq: 1000 },
                Unmet::OtherComponent { found: None },
            ]
        ));
    }
}

#[test]
fn only_a_sound_chain_or_its_good_start_gets_through_the_door() {
    let chain = calls(3, 30, short_segments(8));
    let records = records(&chain);
    let source = Arc::new(chain.clone());
    let options = Options::default();
    let whole = Checked::new(source.clone(), &options).unwrap().whole().unwrap();
    assert_eq!((whole.head().seq, whole.bytes()), (records.len() as u64 - 1, chain.len() as u64));
    let quick = Options { depth: Depth::Quick, ..Options::default() };
    assert!(Checked::new(source, &quick).unwrap().whole().is_err(), "not enough was looked at");

    let mut damaged = chain.clone();
    damaged[records[20].0 + 60] ^= 1;
    let source = Arc::new(damaged);
    let refused = Checked::new(source.clone(), &options).unwrap().whole();
    assert_eq!(refused.map(|_| ()).unwrap_err().verdict(), Verdict::Damaged);
    let start = Checked::new(source, &options).unwrap().good_prefix().unwrap();
    assert_eq!((start.head().seq, start.head().hash), (19, hash_of(&chain, records[19])));
    let mut reader = start.reader().unwrap();
    let mut read = 0;
    while reader.read().unwrap().is_some() {
        read += 1;
    }
    assert_eq!(read, 20);
}
