//! The outcome of a check, and what the person who checks asks for.

use std::io;

use serde::Serialize;
use theater_record::{Hash, Header, PublicKey};

use crate::fault::Fault;

/// How deep to look. Each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Segment digests and signatures only. Records are not looked at one by one.
    Quick,
    /// Every link.
    Links,
    /// Also the form of every record, every blob, and the trees over the records.
    Structure,
    /// Also the segment digests, so that a quick check can never disagree with this one.
    Full,
}

/// The one-word answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every record is there, from the header to the close record, and nothing was changed.
    Complete,
    /// Nothing was changed, but there is no close record: still being written, crashed, or cut.
    Open,
    /// Something was changed.
    Damaged,
    /// The chain itself is fine, but not what the policy asks for.
    Unmet,
}

/// An event and its link hash, noted outside the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    /// The event number.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
}

/// What the person who checks asks for. It never comes from the chain itself.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The chain must be signed without a gap, starting from this key: the first key in the
    /// header, or an identity key that vouches for the header.
    pub signed_by: Option<PublicKey>,
    /// There must be at least this many events.
    pub events_min: Option<u64>,
    /// These events must have these hashes.
    pub anchors: Vec<Anchor>,
    /// The header must name this component.
    pub component: Option<Hash>,
    /// The chain must have a close record.
    pub closed: bool,
}

/// A demand of the policy that the chain does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "unmet", rename_all = "kebab-case")]
pub enum Unmet {
    /// The chain is not signed at all.
    Unsigned,
    /// It is signed, but starting from another key.
    OtherKey {
        /// The keys it does start from, as text.
        found: Vec<String>,
    },
    /// A signature in it is wrong or missing; the faults say where.
    BrokenSignatures,
    /// Events after the last signed checkpoint are not covered by any signature.
    UnsignedTail {
        /// The first event that no signature covers.
        first: u64,
    },
    /// It has fewer events.
    TooFewEvents {
        /// How many it has.
        found: u64,
        /// How many were asked for.
        wanted: u64,
    },
    /// The event has another hash.
    OtherHash {
        /// The event.
        seq: u64,
        /// Its hash.
        found: String,
        /// The hash that was asked for.
        wanted: String,
    },
    /// The anchored event is not there.
    NoSuchEvent {
        /// The event.
        seq: u64,
    },
    /// It names another component, or none.
    OtherComponent {
        /// The digest it names.
        found: Option<String>,
    },
    /// It has no close record.
    NotClosed,
}

/// The last record that everything before it leads to without a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Its event number.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Where the good part of the file ends.
    pub end: u64,
}

/// Blobs found along the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct BlobCount {
    /// Blob frames whose content is there.
    pub present: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Tombstones: blobs removed on purpose.
    pub redacted: u64,
    /// Bytes of content removed on purpose.
    pub redacted_bytes: u64,
}

impl BlobCount {
    pub(crate) fn add(&mut self, other: BlobCount) {
        self.present += other.present;
        self.bytes += other.bytes;
        self.redacted += other.redacted;
        // A tombstone states its length itself, so the sum may be anything.
        self.redacted_bytes = self.redacted_bytes.saturating_add(other.redacted_bytes);
    }
}

/// What is known about a chain's signatures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Signatures {
    /// The key that signed checkpoint 0, if the chain is signed.
    pub first_key: Option<PublicKey>,
    /// The identity key named in the header, if its signature is right.
    pub identity: Option<PublicKey>,
    /// How many checkpoints and close records are signed, all rightly unless a fault says otherwise.
    pub signed: u64,
    /// The last event that a signature covers.
    pub covered: Option<u64>,
}

/// Everything a check found out.
#[derive(Debug, Clone)]
pub struct Report {
    /// How deep it looked.
    pub depth: Depth,
    /// What is wrong, in file order.
    pub faults: Vec<Fault>,
    /// Whether more is wrong than the faults say, because there were too many to tell apart.
    pub more_faults: bool,
    /// Which demands of the policy are not met.
    pub unmet: Vec<Unmet>,
    /// The header, if it could be read.
    pub header: Option<Header>,
    /// The end of the longest good prefix; `None` if not even the header is good.
    pub head: Option<Head>,
    /// Whether the chain ends with a close record.
    pub closed: bool,
    /// How many records were found, good or not.
    pub records: u64,
    /// How many bytes the file has.
    pub bytes: u64,
    /// How many checkpoints were found.
    pub checkpoints: u64,
    /// How many recoveries were found. A quick check does not see them.
    pub recoveries: u64,
    /// Blobs found along the way. A quick check does not see them.
    pub blobs: BlobCount,
    /// What is known about signatures.
    pub signatures: Signatures,
}

impl Report {
    /// The one-word answer.
    ///
    /// A torn tail alone leaves a chain open: a crash and a cut look the same from inside.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let torn_only = self
            .faults
            .iter()
            .all(|fault| matches!(fault, Fault::TornTail { .. } | Fault::Signature { .. }));
        let broken_signature =
            self.faults.iter().any(|fault| matches!(fault, Fault::Signature { .. }));
        if !torn_only || self.more_faults {
            Verdict::Damaged
        } else if broken_signature || !self.unmet.is_empty() {
            Verdict::Unmet
        } else if self.closed {
            Verdict::Complete
        } else {
            Verdict::Open
        }
    }
}

/// Why a chain could not be checked at all.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The bytes could not be had.
    #[error("cannot read at byte {offset}")]
    Io {
        /// Where reading failed.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The threads asked for could not be started.
    #[error("the threads could not be started: {reason}")]
    Threads {
        /// Why.
        reason: String,
    },
    /// There is nothing in the file.
    #[error("not a chain: the file is empty")]
    Empty,
    /// Nothing in the file looks like a chain.
    #[error("not a chain: neither the magic nor any record was found")]
    NotAChain,
    /// The chain uses a format this program does not know.
    #[error("format version {found} is newer than {known}, the newest this program knows")]
    Version {
        /// The version the header names.
        found: u64,
        /// The newest version known here.
        known: u64,
    },
    /// The header lists a feature that must be understood and is not.
    #[error("the chain needs feature {feature}, which this program does not know")]
    Feature {
        /// The feature's number.
        feature: u64,
    },
}
