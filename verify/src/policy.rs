//! Compares a chain with what the person who checks asks for.

use theater_record::{Hash, record_hash};

use crate::fault::Fault;
use crate::report::{Anchor, Policy, Report, Unmet, VerifyError};

/// A frame and where it starts.
type Found = Option<(u64, Vec<u8>)>;

/// The demands that are not met. `find` finds an event of the good part of the chain.
pub(crate) fn unmet(
    report: &Report,
    policy: &Policy,
    find: impl Fn(u64) -> Result<Found, VerifyError>,
) -> Result<Vec<Unmet>, VerifyError> {
    let mut unmet = Vec::new();
    check_signatures(report, policy, &mut unmet);
    let found = report.head.map_or(0, |head| head.seq + 1);
    if let Some(wanted) = policy.events_min
        && found < wanted
    {
        unmet.push(Unmet::TooFewEvents { found, wanted });
    }
    for Anchor { seq, hash } in &policy.anchors {
        let known = report.head.filter(|head| *seq <= head.seq);
        let found = match known {
            Some(head) if head.seq == *seq => Some(head.hash),
            Some(_) => find(*seq)?.map(|(_, frame)| record_hash(&frame)),
            None => None,
        };
        match found {
            None => unmet.push(Unmet::NoSuchEvent { seq: *seq }),
            Some(found) if found != *hash => unmet.push(Unmet::OtherHash {
                seq: *seq,
                found: found.to_string(),
                wanted: hash.to_string(),
            }),
            Some(_) => {}
        }
    }
    if let Some(wanted) = policy.component {
        let found = report.header.as_ref().and_then(|header| header.component);
        if found != Some(wanted) {
            let found = found.as_ref().map(Hash::to_string);
            unmet.push(Unmet::OtherComponent { found });
        }
    }
    if policy.closed && !report.closed {
        unmet.push(Unmet::NotClosed);
    }
    Ok(unmet)
}

fn check_signatures(report: &Report, policy: &Policy, unmet: &mut Vec<Unmet>) {
    let Some(wanted) = policy.signed_by else { return };
    let signatures = &report.signatures;
    let Some(first_key) = signatures.first_key else {
        unmet.push(Unmet::Unsigned);
        return;
    };
    if wanted != first_key && Some(wanted) != signatures.identity {
        let found = std::iter::once(first_key).chain(signatures.identity);
        unmet.push(Unmet::OtherKey { found: found.map(|key| key.to_string()).collect() });
    }
    if report.faults.iter().any(|fault| matches!(fault, Fault::Signature { .. })) {
        unmet.push(Unmet::BrokenSignatures);
    }
    let first = signatures.covered.map_or(0, |covered| covered + 1);
    if report.head.is_some_and(|head| head.seq >= first) {
        unmet.push(Unmet::UnsignedTail { first });
    }
}
