//! Frames: how a record or a blob stands in the file.
//!
//! Every frame is tag 24 around a byte string, the body. All bodies start alike (a short array
//! head, the chain tag, 32 bytes), so a reader hops from frame to frame without decoding, and can
//! find its footing again after damage.

use crate::cbor::{Encoder, head_bytes};
use crate::format::{BODY_BYTES_MAX, BODY_BYTES_MIN, BODY_PREV_AT, BODY_SEQ_AT, BODY_TAG_AT};
use crate::hash::Hash;

/// One frame as stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    /// How many bytes stand before the body.
    head: usize,
}

/// What a frame holds, told by the first byte after the 32-byte field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A record with its sequence number and its kind's number.
    Record {
        /// The event number.
        seq: u64,
        /// The number of its kind; it may be unknown.
        kind: u64,
    },
    /// A piece of a payload.
    Blob,
    /// What is left of a removed piece.
    Tombstone,
}

impl<'a> Frame<'a> {
    /// Measures the frame at the start of some bytes: its head's and its whole length.
    ///
    /// Looks at the frame's head and the fixed start of its body only. `None` if no frame can
    /// start here, or if there are too few bytes to tell.
    #[inline]
    #[must_use]
    pub fn measure(bytes: &[u8]) -> Option<(usize, usize)> {
        if bytes.len() < 8 || bytes[0] != 0xd8 || bytes[1] != 0x18 {
            return None;
        }
        let (head, body) = match bytes[2] {
            0x58 => (4, bytes[3] as usize),
            0x59 => (5, u16::from_be_bytes([bytes[3], bytes[4]]) as usize),
            0x5a => (7, u32::from_be_bytes([bytes[3], bytes[4], bytes[5], bytes[6]]) as usize),
            _ => return None,
        };
        let shortest = match head {
            4 => body >= BODY_BYTES_MIN,
            5 => body > 0xff,
            _ => body > 0xffff && body <= BODY_BYTES_MAX,
        };
        let start = bytes.get(head..head + BODY_PREV_AT)?;
        let plausible = shortest
            && start[0] & 0xe0 == 0x80
            && start[0] & 0x1f < 24
            && start[1] == 0x44
            && start[6] == 0x58
            && start[7] == 32;
        plausible.then_some((head, head + body))
    }

    /// The tag and the 32-byte field of a frame of which only the start may be there.
    #[must_use]
    pub fn claimed_prev(bytes: &[u8]) -> Option<([u8; 4], Hash)> {
        let (head, _) = Frame::measure(bytes)?;
        let tag = bytes.get(head + BODY_TAG_AT..)?.first_chunk()?;
        let prev = bytes.get(head + BODY_PREV_AT..)?.first_chunk()?;
        Some((*tag, Hash(*prev)))
    }

    /// The frame at the start of some bytes, if it is there as a whole.
    #[inline]
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Frame<'a>> {
        let (head, len) = Frame::measure(bytes)?;
        Some(Frame { bytes: bytes.get(..len)?, head })
    }

    /// The stored bytes, which are what is hashed.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The body, without tag 24 and the length.
    #[inline]
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.bytes[self.head..]
    }

    /// The chain tag.
    #[inline]
    #[must_use]
    pub fn tag(&self) -> [u8; 4] {
        *Frame::tag_and_prev(self.body()).0
    }

    /// The 32-byte field: the previous hash of a record, the digest of a blob.
    #[inline]
    #[must_use]
    pub fn prev(&self) -> &'a [u8; 32] {
        Frame::tag_and_prev(self.body()).1
    }

    /// The chain tag and the 32-byte field of a measured frame's body.
    ///
    /// # Panics
    /// If the body is shorter than any that `measure` lets pass.
    #[inline]
    #[must_use]
    pub fn tag_and_prev(body: &'a [u8]) -> (&'a [u8; 4], &'a [u8; 32]) {
        let start: &[u8; BODY_SEQ_AT] = body.first_chunk().expect("a body has at least 42 bytes");
        let (tag, prev) = (&start[BODY_TAG_AT..], &start[BODY_PREV_AT..]);
        let whole = "the fixed part of a body is 40 bytes long";
        (tag.first_chunk().expect(whole), prev.first_chunk().expect(whole))
    }

    /// What the frame holds, or `None` if it is neither a record nor a blob.
    #[inline]
    #[must_use]
    pub fn kind(&self) -> Option<FrameKind> {
        Frame::kind_of(self.body())
    }

    /// What a frame with this body holds.
    #[inline]
    #[must_use]
    pub fn kind_of(body: &[u8]) -> Option<FrameKind> {
        let rest = body.get(BODY_SEQ_AT..).filter(|rest| !rest.is_empty())?;
        match rest[0] {
            0x50 => Some(FrameKind::Blob),
            0xf6 => Some(FrameKind::Tombstone),
            _ => {
                let (seq, len) = short_uint(rest)?;
                let (kind, _) = short_uint(&rest[len..])?;
                Some(FrameKind::Record { seq, kind })
            }
        }
    }

    /// The frames that follow one another in some bytes, up to where no whole one starts.
    pub(crate) fn all_in(mut bytes: &[u8]) -> impl Iterator<Item = Frame<'_>> {
        std::iter::from_fn(move || {
            let frame = Frame::parse(bytes)?;
            bytes = &bytes[frame.bytes.len()..];
            Some(frame)
        })
    }

    /// How long the frame around a body of this length is.
    pub(crate) fn bytes_around(body: usize) -> usize {
        2 + head_bytes(body as u64) + body
    }

    /// Puts a frame around a body.
    pub fn wrap(body: &[u8], out: &mut Vec<u8>) {
        out.reserve(Frame::bytes_around(body.len()));
        let start = out.len();
        out.extend_from_slice(body);
        Frame::wrap_from(start, out);
    }

    /// Puts a frame around the body that stands in `out` from `start` on.
    pub(crate) fn wrap_from(start: usize, out: &mut Vec<u8>) {
        let body = out.len() - start;
        debug_assert!(body >= BODY_BYTES_MIN);
        // How long the head is depends on how long the body is, so it is written last and then
        // brought to the front.
        Frame::encode_head(body, out);
        let head = out.len() - start - body;
        out[start..].rotate_right(head);
    }

    /// Appends what stands before a body of this length.
    pub(crate) fn encode_head(body: usize, out: &mut Vec<u8>) {
        let mut out = Encoder(out);
        out.tag(24);
        out.bytes_head(body);
    }
}

/// The seven bytes that stand near the start of every frame of a chain.
///
/// The tag is random and the guest does not know it, so payloads do not hold them by accident.
#[must_use]
pub fn sync_pattern(tag: [u8; 4]) -> [u8; 7] {
    [0x44, tag[0], tag[1], tag[2], tag[3], 0x58, 32]
}

/// A shortest-form unsigned integer and the bytes it takes.
#[inline]
fn short_uint(bytes: &[u8]) -> Option<(u64, usize)> {
    let rest = bytes.get(1..)?;
    match bytes[0] {
        small @ 0..24 => Some((u64::from(small), 1)),
        24 if *rest.first()? >= 24 => Some((u64::from(rest[0]), 2)),
        25 => rest.first_chunk().map(|b| (u64::from(u16::from_be_bytes(*b)), 3)),
        26 => rest.first_chunk().map(|b| (u64::from(u32::from_be_bytes(*b)), 5)),
        27 => rest.first_chunk().map(|b| (u64::from_be_bytes(*b), 9)),
        _ => None,
    }
    .filter(|(number, len)| match len {
        3 => *number > 0xff,
        5 => *number > 0xffff,
        9 => *number > 0xffff_ffff,
        _ => true,
    })
}
