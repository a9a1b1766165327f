//! Looks for the single flipped bit that explains a damage.

use theater_record::{Frame, FrameKind, Hash, Kind, Place, close_digest, record_hash};

use crate::scan::is_well_formed;

/// How many bytes all searches of one check may hash together.
const BUDGET_BYTES: u64 = 8 << 30;
const DIGEST_FIELD_BYTES: usize = 34;

/// What the bytes must be once the right bit is flipped back.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// A record with this hash, because the next record says so.
    Hash(Hash),
    /// The close record of the chain, which carries a digest of itself.
    Close(Place),
    /// A record in this place. Weaker: it says nothing about the rest of the record.
    Place(Place),
    /// A blob of the chain with this tag, whose content has its digest.
    Blob([u8; 4]),
}

/// Tries every bit, within a budget for the whole check.
pub(crate) struct Healer {
    budget: u64,
}

impl Healer {
    /// Longer ranges are not searched: the search is quadratic in the length.
    pub(crate) const BYTES_MAX: u64 = 16 << 10;

    pub(crate) fn new() -> Healer {
        Healer { budget: BUDGET_BYTES }
    }

    /// The byte and bit that must be flipped to reach the goal, if one flip does.
    pub(crate) fn find(&mut self, bytes: &[u8], goal: Goal) -> Option<(usize, u8)> {
        let cost = 8 * bytes.len() as u64 * bytes.len() as u64;
        if bytes.len() as u64 > Healer::BYTES_MAX || cost > self.budget {
            return None;
        }
        self.budget -= cost;
        let mut bytes = bytes.to_vec();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                bytes[at] ^= 1 << bit;
                if goal.is_met(&bytes) {
                    return Some((at, bit));
                }
                bytes[at] ^= 1 << bit;
            }
        }
        None
    }
}

impl Goal {
    fn is_met(self, bytes: &[u8]) -> bool {
        if let Goal::Hash(hash) = self {
            return record_hash(bytes) == hash;
        }
        let Some(frame) = Frame::parse(bytes).filter(|frame| frame.bytes().len() == bytes.len())
        else {
            return false;
        };
        match self {
            Goal::Hash(_) => false,
            Goal::Close(place) => {
                stands_at(&place, &frame, Some(Kind::Close)) && has_own_digest(&frame)
            }
            Goal::Place(place) => stands_at(&place, &frame, None),
            Goal::Blob(tag) => {
                frame.tag() == tag
                    && frame.kind() == Some(FrameKind::Blob)
                    && theater_record::BlobFrame::decode_body(frame.body())
                        .is_ok_and(|blob| blob.is_intact())
            }
        }
    }
}

/// Whether a frame is a record in this place, and of the wanted kind.
fn stands_at(place: &Place, frame: &Frame<'_>, wanted: Option<Kind>) -> bool {
    let Some(FrameKind::Record { seq, kind }) = frame.kind() else { return false };
    seq == place.seq
        && *frame.prev() == place.prev.0
        && frame.tag() == place.tag
        && wanted.is_none_or(|wanted| wanted as u64 == kind)
        && is_well_formed(frame)
}

/// Whether a close record is what its own digest says.
pub(crate) fn has_own_digest(frame: &Frame<'_>) -> bool {
    let body = frame.body();
    body.len()
        .checked_sub(DIGEST_FIELD_BYTES)
        .is_some_and(|covered| body[covered + 2..] == close_digest(&body[..covered]).0)
}
