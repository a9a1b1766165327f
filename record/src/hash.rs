//! Hashes, chain ids and the pre-image rules of format v1.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use blake3::hazmat::{HasherExt, hash_derive_key_context};

const CONTEXT_RECORD: &str = "theater chain v1 record";
const CONTEXT_NODE: &str = "theater chain v1 node";
const CONTEXT_SEGMENT: &str = "theater chain v1 segment";
const CONTEXT_BLOB: &str = "theater chain v1 blob";
const CONTEXT_CLOSE: &str = "theater chain v1 close";

static RECORD_KEY: LazyLock<[u8; 32]> = LazyLock::new(|| hash_derive_key_context(CONTEXT_RECORD));
static NODE_KEY: LazyLock<[u8; 32]> = LazyLock::new(|| hash_derive_key_context(CONTEXT_NODE));
static SEGMENT_KEY: LazyLock<[u8; 32]> = LazyLock::new(|| hash_derive_key_context(CONTEXT_SEGMENT));
static BLOB_KEY: LazyLock<[u8; 32]> = LazyLock::new(|| hash_derive_key_context(CONTEXT_BLOB));
static CLOSE_KEY: LazyLock<[u8; 32]> = LazyLock::new(|| hash_derive_key_context(CONTEXT_CLOSE));

/// A 32-byte digest. Which rule made it depends on the field that holds it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The `prev` of the first record of every chain.
    pub const ZERO: Hash = Hash([0; 32]);

    /// Copies a hash out of a slice that is known to hold 32 bytes.
    ///
    /// # Panics
    /// If the slice has another length.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Hash {
        Hash(bytes.try_into().expect("the caller sliced exactly 32 bytes"))
    }

    /// The first eight hex digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl FromStr for Hash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Hash, ParseHashError> {
        parse_hex(text).map(Hash)
    }
}

/// The random name of a chain. Its first four bytes, the chain tag, stand in every record.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ChainId(pub [u8; 16]);

impl ChainId {
    /// The four bytes that mark every record of this chain.
    #[must_use]
    pub fn tag(&self) -> [u8; 4] {
        [self.0[0], self.0[1], self.0[2], self.0[3]]
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// Text that should be 64 hexadecimal digits and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits, found {found:?}")]
pub struct ParseHashError {
    found: String,
}

impl ParseHashError {
    /// The error for text that must not be shown, because it may be a secret.
    pub(crate) fn hidden() -> ParseHashError {
        ParseHashError { found: "something else".to_owned() }
    }
}

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

pub(crate) fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], ParseHashError> {
    let wrong = || ParseHashError { found: text.to_owned() };
    if text.len() != 2 * N || !text.is_ascii() {
        return Err(wrong());
    }
    let mut out = [0; N];
    for (byte, at) in out.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
    }
    Ok(out)
}

/// The key under which record hashes are computed; for callers that batch the hashing.
#[must_use]
pub fn record_hash_key() -> &'static [u8; 32] {
    &RECORD_KEY
}

/// The key under which the nodes of a segment's tree are computed; for callers that batch.
#[must_use]
pub fn node_hash_key() -> &'static [u8; 32] {
    &NODE_KEY
}

/// The link hash of a record: BLAKE3 derive-key over the stored frame, zero-padded.
///
/// The pre-image is the frame exactly as stored, tag 24 and length head included, followed by
/// zero bytes up to the next multiple of 64. The padding lets sixteen records of one padded size
/// be hashed in a single SIMD call; it cannot make two frames collide because a frame says its own
/// length.
#[must_use]
pub fn record_hash(frame: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_from_context_key(&RECORD_KEY);
    hasher.update(frame);
    hasher.update(&[0; 64][..frame.len().wrapping_neg() % 64]);
    Hash(*hasher.finalize().as_bytes())
}

/// The parent of two nodes of a segment tree.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = blake3::Hasher::new_from_context_key(&NODE_KEY);
    hasher.update(&left.0);
    hasher.update(&right.0);
    Hash(*hasher.finalize().as_bytes())
}

/// The digest that stands for one blob piece: it commits to the salt and to the content.
///
/// The content goes in by its own plain BLAKE3 hash, so one pass over a large payload is enough
/// and `b3sum` of an extracted payload can be checked against it. Once the salt is gone the digest
/// says nothing about the content, not even whether a guess at it is right.
pub(crate) fn blob_digest(salt: &[u8; 16], content: &Hash) -> Hash {
    let mut hasher = blake3::Hasher::new_from_context_key(&BLOB_KEY);
    hasher.update(salt);
    hasher.update(&content.0);
    Hash(*hasher.finalize().as_bytes())
}

/// The digest a close record carries of its own body, up to the digest field itself.
#[must_use]
pub fn close_digest(body_before_digest: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new_from_context_key(&CLOSE_KEY);
    hasher.update(body_before_digest);
    Hash(*hasher.finalize().as_bytes())
}

/// Digests the stored bytes of a segment's records, blob frames left out.
pub struct SegmentHasher(blake3::Hasher);

impl SegmentHasher {
    /// Takes the next bytes of the segment.
    pub fn update(&mut self, frames: &[u8]) {
        self.0.update(frames);
    }

    /// The digest of everything taken so far.
    #[must_use]
    pub fn finish(&self) -> Hash {
        Hash(*self.0.finalize().as_bytes())
    }
}

impl Default for SegmentHasher {
    fn default() -> SegmentHasher {
        SegmentHasher(blake3::Hasher::new_from_context_key(&SEGMENT_KEY))
    }
}
