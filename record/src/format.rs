//! Constants of format v1: the magic, the limits and the numbers of kinds.

/// The twelve bytes every chain starts with: tag 55800, tag `THTR`, the byte string `BOR`.
///
/// RFC 9277 calls this a "CBOR-labelled sequence": any CBOR tool reads it as one tagged item.
pub const MAGIC: [u8; 12] =
    [0xd9, 0xd9, 0xf8, 0xda, b'T', b'H', b'T', b'R', 0x43, b'B', b'O', b'R'];

/// The format version this crate writes, and the only one it reads.
pub const FORMAT_VERSION: u64 = 1;

/// The number in the header that stands for "BLAKE3 with the derive-key contexts of format v1".
pub const HASH_SUITE_BLAKE3: u64 = 1;

/// Features a header may list as critical and this crate understands; any other is refused.
pub const FEATURES_KNOWN: &[u64] = &[];

/// A record body is never larger than this, which bounds every reader's memory.
pub const BODY_BYTES_MAX: usize = 1 << 24;

/// The body of a type or function record is never larger than this. Decoded, such a record can
/// take many times the memory of its bytes.
pub const DEFINITION_BYTES_MAX: usize = 1 << 18;

/// The smallest body: array head, chain tag, previous hash, sequence number, kind.
pub const BODY_BYTES_MIN: usize = 42;

/// A whole stored frame: tag 24, the longest permitted byte string head, the body.
pub const FRAME_BYTES_MAX: usize = 2 + 5 + BODY_BYTES_MAX;

/// Nested arrays and tags deeper than this are malformed.
pub const NESTING_DEPTH_MAX: usize = 64;

/// A payload that was put out of line is stored in pieces of at most this many bytes.
pub const BLOB_PIECE_BYTES_MAX: usize = 4 << 20;

/// Strings and byte lists of at least this many bytes are put out of line unless told otherwise.
pub const INLINE_BYTES_DEFAULT: usize = 4096;

/// Encoded arguments or results larger than this go out of line whole, whatever they are made of.
pub const VALUES_BYTES_MAX: usize = 1 << 20;

/// The CBOR tag in front of a blob reference, `"tb"` for "theater blob".
pub const BLOB_TAG: u64 = 0x7462;

/// Where the four bytes of the chain tag start, counted from the start of the body.
pub(crate) const BODY_TAG_AT: usize = 2;
/// Where the previous hash starts, counted from the start of the body.
pub(crate) const BODY_PREV_AT: usize = 8;
/// Where the sequence number's head stands, counted from the start of the body.
pub(crate) const BODY_SEQ_AT: usize = 40;

/// How many fields of a body come before those of its kind: tag, previous hash, number, kind.
pub(crate) const COMMON_FIELDS: usize = 4;
