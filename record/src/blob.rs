//! Blobs: payloads kept out of line, so that they can be removed without breaking a link.
//!
//! A record refers to a blob by the digests of its pieces. The pieces travel in blob frames, which
//! take no part in the links. A removed piece may leave a tombstone, which says that it was removed
//! on purpose.

use std::collections::HashMap;

use zeroize::Zeroize;

use crate::cbor::{CborError, CborFault, Decoder, Encoder};
use crate::format::{BLOB_PIECE_BYTES_MAX, BLOB_TAG};
use crate::frame::Frame;
use crate::hash::{Hash, blob_digest};

/// Sixteen secret bytes that keep a short payload from being guessed once it was removed.
pub type Salt = [u8; 16];

/// Stands in a record where an out-of-line payload was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRef {
    /// How many bytes the whole payload has.
    pub len: u64,
    /// The digest of each piece. All but the last piece have [`BLOB_PIECE_BYTES_MAX`] bytes.
    pub pieces: Vec<Hash>,
}

impl BlobRef {
    /// A reference to some content as long as the real one, made without a look at the content.
    pub(crate) fn of_length(len: usize) -> BlobRef {
        let pieces = len.div_ceil(BLOB_PIECE_BYTES_MAX).max(1);
        BlobRef { len: len as u64, pieces: vec![Hash::ZERO; pieces] }
    }

    /// Appends the reference: the blob tag around `[length, digest, ...]`.
    pub fn encode(&self, out: &mut Encoder<'_>) {
        out.tag(BLOB_TAG);
        out.array(1 + self.pieces.len());
        out.uint(self.len);
        self.pieces.iter().for_each(|piece| out.bytes(&piece.0));
    }

    /// Reads a reference, tag included.
    pub fn decode(input: &mut Decoder<'_>) -> Result<BlobRef, CborError> {
        input.tag(BLOB_TAG)?;
        let (len, pieces) = BlobRef::decode_head(input)?;
        let pieces = (0..pieces).map(|_| input.byte_array().map(Hash)).collect::<Result<_, _>>()?;
        Ok(BlobRef { len, pieces })
    }

    /// Walks over what must follow the tag, without keeping it.
    pub(crate) fn skip_fields(input: &mut Decoder<'_>) -> Result<(), CborError> {
        let (_, pieces) = BlobRef::decode_head(input)?;
        (0..pieces).try_for_each(|_| input.byte_array::<32>().map(drop))
    }

    /// The length of the payload and the number of digests that follow it.
    fn decode_head(input: &mut Decoder<'_>) -> Result<(u64, u64), CborError> {
        let at = input.position();
        let fields = input.array()?;
        let len = input.uint()?;
        let pieces = fields.saturating_sub(1) as u64;
        if pieces != len.div_ceil(BLOB_PIECE_BYTES_MAX as u64).max(1) {
            return Err(CborError { at, fault: CborFault::OutOfRange });
        }
        Ok((len, pieces))
    }
}

/// One stored piece of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobFrame<'a> {
    /// What records call this piece.
    pub digest: Hash,
    /// The salt that went into the digest.
    pub salt: Salt,
    /// The payload's bytes.
    pub content: &'a [u8],
}

impl<'a> BlobFrame<'a> {
    /// Makes the frame for some content under a salt.
    #[must_use]
    pub fn seal(salt: Salt, content: &'a [u8]) -> BlobFrame<'a> {
        BlobFrame { digest: digest_of(&salt, content), salt, content }
    }

    /// Whether the stored bytes are the ones the digest stands for.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        digest_of(&self.salt, self.content) == self.digest
    }

    /// Appends the body of the frame.
    pub fn encode_body(&self, tag: [u8; 4], out: &mut Vec<u8>) {
        let mut out = Encoder(out);
        out.array(4);
        out.bytes(&tag);
        out.bytes(&self.digest.0);
        out.bytes(&self.salt);
        out.bytes(self.content);
    }

    /// Reads the body of a frame.
    pub fn decode_body(body: &'a [u8]) -> Result<BlobFrame<'a>, CborError> {
        let mut input = Decoder::new(body);
        input.array_of(4)?;
        input.byte_array::<4>()?;
        let digest = Hash(input.byte_array()?);
        let salt = input.byte_array()?;
        let at = input.position();
        let content = input.bytes()?;
        if content.len() > BLOB_PIECE_BYTES_MAX {
            return Err(CborError { at, fault: CborFault::OutOfRange });
        }
        input.finish()?;
        Ok(BlobFrame { digest, salt, content })
    }
}

/// What is left of a piece that was removed on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// What records call the removed piece.
    pub digest: Hash,
    /// How many bytes it had.
    pub len: u64,
}

impl Tombstone {
    /// Appends the body of the frame.
    pub fn encode_body(&self, tag: [u8; 4], out: &mut Vec<u8>) {
        let mut out = Encoder(out);
        out.array(4);
        out.bytes(&tag);
        out.bytes(&self.digest.0);
        out.null();
        out.uint(self.len);
    }

    /// Reads the body of a frame.
    pub fn decode_body(body: &[u8]) -> Result<Tombstone, CborError> {
        let mut input = Decoder::new(body);
        input.array_of(4)?;
        input.byte_array::<4>()?;
        let digest = Hash(input.byte_array()?);
        if !input.null()? {
            return Err(CborError { at: input.position(), fault: CborFault::Expected("null") });
        }
        let len = input.uint()?;
        input.finish()?;
        Ok(Tombstone { digest, len })
    }
}

/// Turns payloads into blob frames, each distinct content once.
pub(crate) struct Sealer {
    /// Salts are derived from the content under this secret: equal contents get equal salts, and
    /// nobody without the secret can tell which salt a content would get.
    secret: [u8; 32],
    /// Digests by content hash: the newer half and the older half of what is remembered.
    recent: HashMap<Hash, Hash>,
    older: HashMap<Hash, Hash>,
}

/// How many contents each half of a sealer's memory holds. Repeats further apart are stored again.
const REMEMBERED_MAX: usize = 1 << 16;

impl Sealer {
    pub(crate) fn new(secret: [u8; 32]) -> Sealer {
        Sealer { secret, recent: HashMap::new(), older: HashMap::new() }
    }

    /// Appends the frames of those pieces that are new, and returns the reference to all.
    pub(crate) fn seal(&mut self, content: &[u8], tag: [u8; 4], frames: &mut Vec<u8>) -> BlobRef {
        // An empty payload still has one, empty, piece.
        let empty = content.is_empty().then_some(content);
        let pieces = content.chunks(BLOB_PIECE_BYTES_MAX).chain(empty);
        let pieces = pieces.map(|piece| self.seal_piece(piece, tag, frames)).collect();
        BlobRef { len: content.len() as u64, pieces }
    }

    fn seal_piece(&mut self, content: &[u8], tag: [u8; 4], frames: &mut Vec<u8>) -> Hash {
        let plain = Hash(*blake3::hash(content).as_bytes());
        if let Some(digest) = self.recent.get(&plain).or_else(|| self.older.get(&plain)) {
            return *digest;
        }
        let keyed = blake3::keyed_hash(&self.secret, &plain.0);
        let salt = *keyed.as_bytes().first_chunk().expect("16 of 32 bytes");
        let digest = blob_digest(&salt, &plain);
        let start = frames.len();
        BlobFrame { digest, salt, content }.encode_body(tag, frames);
        Frame::wrap_from(start, frames);
        if self.recent.len() == REMEMBERED_MAX {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(plain, digest);
        digest
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

fn digest_of(salt: &Salt, content: &[u8]) -> Hash {
    blob_digest(salt, &Hash(*blake3::hash(content).as_bytes()))
}
