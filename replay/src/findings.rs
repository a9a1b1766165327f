//! The outcome of a check in words.

use std::path::Path;

use theater_verify::{Depth, Policy, Report, Unmet, Verdict};

use crate::amount::{count, counted, size};
use theater_runtime::escape::argument;

/// The verdict in one word.
pub(crate) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Complete => "complete",
        Verdict::Open => "open",
        Verdict::Damaged => "damaged",
        Verdict::Unmet => "unmet",
    }
}

/// How deep the check looked, as one word.
pub(crate) fn depth(depth: Depth) -> &'static str {
    match depth {
        Depth::Quick => "quick",
        Depth::Links => "links",
        Depth::Structure => "structure",
        Depth::Full => "full",
    }
}

/// What was looked at.
pub(crate) fn checked(report: &Report, policy: &Policy) -> Vec<String> {
    let mut checked = vec![match report.depth {
        Depth::Quick => "the bytes of every segment, against its checkpoint".to_owned(),
        // Asked for a quick check, the verifier falls back to this.
        Depth::Links => {
            "every link, because --quick needs a chain that is closed and unredacted".to_owned()
        }
        Depth::Structure => "every link, record, blob and tree".to_owned(),
        Depth::Full => "every link, record, blob, tree and segment digest".to_owned(),
    }];
    let signatures = &report.signatures;
    if signatures.first_key.is_some() {
        checked.push(counted(signatures.signed, "signature"));
    }
    if policy.signed_by.is_some() {
        checked.push("the key they start from".to_owned());
    }
    if !policy.anchors.is_empty() {
        checked.push(counted(policy.anchors.len() as u64, "noted hash").replace("hashs", "hashes"));
    }
    if policy.events_min.is_some() || policy.component.is_some() || policy.closed {
        checked.push("the policy".to_owned());
    }
    checked
}

/// What nobody should take for granted after this check.
pub(crate) fn not_checked(report: &Report, policy: &Policy) -> Vec<String> {
    let mut gaps = Vec::new();
    match report.depth {
        Depth::Quick => {
            gaps.push("single links, the form of records, and blobs: leave out --quick");
        }
        Depth::Links => gaps.push("the form of records, and blobs: leave out --quick"),
        Depth::Structure | Depth::Full => {}
    }
    match (report.signatures.first_key, policy.signed_by) {
        (None, _) => gaps.push("unsigned: nothing shows who wrote this"),
        (Some(_), None) => gaps.push("whose key it is: anybody can make one; say which with --key"),
        (Some(_), Some(_)) => {}
    }
    if policy.signed_by.is_none() && policy.anchors.is_empty() {
        gaps.push("a complete rewrite cannot be excluded without --key or --expect-head");
    }
    if report.verdict() == Verdict::Damaged {
        gaps.push("what checkpoints and signatures say beyond the first fault");
    }
    if !report.closed {
        gaps.push("still being written, crashed, or cut: cannot be told apart");
    }
    let mut gaps: Vec<_> = gaps.into_iter().map(str::to_owned).collect();
    let blobs = report.blobs;
    if blobs.redacted > 0 {
        let (blobs, bytes) = (counted(blobs.redacted, "blob"), size(blobs.redacted_bytes));
        gaps.push(format!("the content of {blobs}, {bytes}, removed on purpose"));
    }
    gaps
}

/// A demand that is not met.
pub(crate) fn unmet(unmet: &Unmet) -> String {
    match unmet {
        Unmet::Unsigned => "it is not signed".to_owned(),
        Unmet::OtherKey { found } => {
            format!("it is signed, but starting from another key: {}", found.join(", "))
        }
        Unmet::BrokenSignatures => "a signature is wrong or missing".to_owned(),
        Unmet::UnsignedTail { first } => {
            format!("no signature covers what comes from event {first} on")
        }
        Unmet::TooFewEvents { found, wanted } => {
            format!("it has {}, fewer than {}", counted(*found, "event"), count(*wanted))
        }
        Unmet::OtherHash { seq, found, wanted } => {
            format!("event {seq} has the hash {found}, not {wanted}: it was rewritten")
        }
        Unmet::NoSuchEvent { seq } => {
            format!("event {seq}, whose hash was noted, is not in the good part of the chain")
        }
        Unmet::OtherComponent { found: Some(found) } => {
            format!("it is a recording of another component: {found}")
        }
        Unmet::OtherComponent { found: None } => "it does not say of which component".to_owned(),
        Unmet::NotClosed => "it has no close record".to_owned(),
    }
}

/// What to do next, if anything.
pub(crate) fn advice(report: &Report, chain: &Path) -> Option<String> {
    let chain = argument(chain);
    match report.verdict() {
        Verdict::Complete => None,
        Verdict::Open if report.faults.is_empty() => Some(format!(
            "theater-replay recover {chain} --close, if nothing will write to it any more"
        )),
        Verdict::Open => {
            Some(format!("theater-replay recover {chain}, if nothing writes to it any more"))
        }
        Verdict::Damaged => {
            let seq = report.faults.iter().find_map(theater_verify::Fault::seq).unwrap_or(0);
            let (from, to) = (seq.saturating_sub(3), seq.saturating_add(3));
            Some(format!("theater-replay show {chain} --from {from} --to {to}"))
        }
        Verdict::Unmet => Some(format!(
            "theater-replay stat {chain}, and ask whoever gave you the chain or the policy"
        )),
    }
}
