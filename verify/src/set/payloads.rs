//! What messages hold, so that it can be compared wherever it stands: in records or out of line.

use std::collections::HashMap;
use std::sync::Arc;

use theater_record::{
    BLOB_PIECE_BYTES_MAX, BlobFrame, BlobRef, Decoder, Frame, Hash, ReadError, Type, TypeTable,
    Value,
};

use crate::source::Source;

/// Names and other texts that are looked at are no longer than this.
const TEXT_BYTES_MAX: u64 = 64 << 10;

/// The content of a message, or of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Bytes, by a digest that does not depend on how the chain stores them.
    Bytes(Hash),
    /// Bytes that were removed from the chain on purpose.
    Removed,
    /// Bytes that the chain does not have, and does not say to have lost. They equal no others.
    Missing,
}

impl Content {
    /// Whether two contents are the same, unless there is no telling.
    pub(super) fn same(self, other: Content) -> Option<bool> {
        match (self, other) {
            (Content::Missing, _) | (_, Content::Missing) => Some(false),
            (Content::Removed, _) | (_, Content::Removed) => None,
            (Content::Bytes(one), Content::Bytes(other)) => Some(one == other),
        }
    }
}

/// A piece of a payload.
enum Piece {
    /// Where its frame starts, and how long that is.
    Stands(u64, u64),
    Removed,
}

/// The payloads that a chain keeps out of line, by the digests of their pieces.
pub(super) struct Payloads {
    source: Arc<dyn Source>,
    pieces: HashMap<Hash, Piece>,
}

impl Payloads {
    pub(super) fn of(source: Arc<dyn Source>) -> Payloads {
        Payloads { source, pieces: HashMap::new() }
    }

    /// Notes where a piece stands.
    pub(super) fn add(&mut self, offset: u64, frame: &Frame<'_>) {
        let piece = Piece::Stands(offset, frame.bytes().len() as u64);
        self.pieces.insert(Hash(*frame.prev()), piece);
    }

    /// Notes that a piece was removed, unless it stands somewhere else too.
    pub(super) fn add_removed(&mut self, frame: &Frame<'_>) {
        self.pieces.entry(Hash(*frame.prev())).or_insert(Piece::Removed);
    }

    /// The content of a byte list.
    pub(super) fn content(&self, value: &Value) -> Result<Content, ReadError> {
        match value {
            Value::Bytes(bytes) => {
                // An empty payload has one, empty, piece.
                let empty = bytes.is_empty().then_some(&bytes[..]);
                let pieces = bytes.chunks(BLOB_PIECE_BYTES_MAX).chain(empty);
                let hashes = pieces.map(|piece| *blake3::hash(piece).as_bytes());
                Ok(Content::Bytes(digest(bytes.len() as u64, hashes)))
            }
            Value::Blob(blob) => {
                let mut hashes = Vec::new();
                for piece in &blob.pieces {
                    match self.piece(piece, |content| *blake3::hash(content).as_bytes())? {
                        Some(hash) => hashes.push(hash),
                        None if self.pieces.contains_key(piece) => return Ok(Content::Removed),
                        None => return Ok(Content::Missing),
                    }
                }
                Ok(Content::Bytes(digest(blob.len, hashes.into_iter())))
            }
            _ => Ok(Content::Missing),
        }
    }

    /// A text, unless it was removed or is longer than any that is looked at.
    pub(super) fn text(&self, value: &Value) -> Result<Option<String>, ReadError> {
        Ok(match value {
            Value::String(text) => Some(text.clone()),
            Value::Blob(blob) if blob.len <= TEXT_BYTES_MAX => {
                self.load(blob)?.and_then(|bytes| String::from_utf8(bytes).ok())
            }
            _ => None,
        })
    }

    /// A value that is neither a text nor a byte list, brought back in line.
    pub(super) fn inline(
        &self,
        value: Value,
        ty: &Type,
        types: &TypeTable,
    ) -> Result<Option<Value>, ReadError> {
        let Value::Blob(blob) = value else { return Ok(Some(value)) };
        let Some(bytes) = self.load(&blob)? else { return Ok(None) };
        Ok(Value::decode(&mut Decoder::new(&bytes), ty, types).ok())
    }

    fn load(&self, blob: &BlobRef) -> Result<Option<Vec<u8>>, ReadError> {
        let mut bytes = Vec::new();
        for piece in &blob.pieces {
            if self.piece(piece, |content| bytes.extend_from_slice(content))?.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(bytes))
    }

    /// Looks at a piece, if it is there.
    fn piece<T>(
        &self,
        digest: &Hash,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<Option<T>, ReadError> {
        let Some(&Piece::Stands(offset, len)) = self.pieces.get(digest) else { return Ok(None) };
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.source
            .read_at(&mut bytes, offset)
            .map_err(|source| ReadError::Io { offset, source })?;
        let Some(frame) = Frame::parse(&bytes) else { return Ok(None) };
        let blob = BlobFrame::decode_body(frame.body())
            .map_err(|source| ReadError::Malformed { offset, source })?;
        Ok(Some(look(blob.content)))
    }
}

/// The digest of content, from its length and the hashes of its pieces. Chains salt theirs.
fn digest(len: u64, pieces: impl Iterator<Item = [u8; 32]>) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&len.to_le_bytes());
    pieces.for_each(|piece| {
        hasher.update(&piece);
    });
    Hash(*hasher.finalize().as_bytes())
}
