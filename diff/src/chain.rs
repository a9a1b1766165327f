//! Reads events and blobs of a chain, wherever they stand.

use std::hash::{DefaultHasher, Hasher};
use std::io;

use theater_record::{BlobFrame, BlobRef, Decoder, Frame, FrameKind, Kind};

use crate::outline::{Outline, is_compared};

/// How much is read at a time: little at first, because one event may be all that is wanted.
const CHUNK_BYTES_FIRST: usize = 4 << 10;
const CHUNK_BYTES_MAX: usize = 256 << 10;
/// Payloads out of line that are longer are compared by digest only, which bounds memory.
const CONTENT_BYTES_MAX: u64 = 64 << 20;

/// Fills the whole buffer with the bytes of a chain from some offset on.
pub type ReadAt<'a> = &'a dyn Fn(&mut [u8], u64) -> io::Result<()>;

/// One of the two chains of a comparison.
#[derive(Clone, Copy)]
pub struct Chain<'a> {
    /// What a walk over it has found.
    pub outline: &'a Outline,
    /// Its bytes.
    pub read_at: ReadAt<'a>,
    /// How many there are.
    pub bytes: u64,
    /// Whether somebody has checked that every link of it holds.
    ///
    /// Two such chains are equal up to wherever they carry the same link, so that the first
    /// difference can be searched for rather than walked to.
    pub is_linked: bool,
}

/// Why a comparison cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The bytes could not be had.
    #[error("cannot read the chain at byte {offset}")]
    Io {
        /// Where reading failed.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// A record that was there when the chain was walked over is not there any more.
    #[error("the record at byte {offset} has changed since the chain was opened")]
    Changed {
        /// Where its frame starts.
        offset: u64,
    },
}

/// A record taken apart only as far as its kind.
#[derive(Clone, Copy)]
pub(crate) struct Raw<'f> {
    pub(crate) offset: u64,
    pub(crate) seq: u64,
    pub(crate) kind: Kind,
    pub(crate) frame: Frame<'f>,
    /// The encoded fields of the kind.
    pub(crate) fields: &'f [u8],
}

impl<'f> Raw<'f> {
    fn of(frame: Frame<'f>, offset: u64) -> Option<Raw<'f>> {
        let Some(FrameKind::Record { seq, kind }) = frame.kind() else { return None };
        let kind = Kind::from_number(kind).filter(|kind| is_compared(*kind))?;
        let mut input = Decoder::new(frame.body());
        input.array().ok()?;
        input.bytes().ok()?;
        input.bytes().ok()?;
        input.uint().ok()?;
        input.uint().ok()?;
        Some(Raw { offset, seq, kind, frame, fields: &frame.body()[input.position()..] })
    }

    /// What the fields say about a call or its end: the function's number and the encoded arguments
    /// or outcome. Fuel is left out: it differs between builds and says nothing about behaviour.
    pub(crate) fn call(&self) -> Option<(u32, &'f [u8])> {
        match self.kind {
            Kind::ExportCall | Kind::ImportCall | Kind::ImportReturn | Kind::ExportReturn => {
                let mut input = Decoder::new(self.fields);
                Some((input.uint_as().ok()?, input.item().ok()?))
            }
            Kind::Header
            | Kind::Type
            | Kind::Function
            | Kind::ResourceDrop
            | Kind::Lifecycle
            | Kind::Permission
            | Kind::Checkpoint
            | Kind::Close
            | Kind::Recover => None,
        }
    }

    /// A number that tells most values apart. Equal ones still have to be compared.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.call().map_or(&[], |(_, values)| values));
        hasher.finish()
    }
}

/// Reads frames of a chain, quickest from front to back.
pub(crate) struct Frames<'a> {
    chain: Chain<'a>,
    buffer: Vec<u8>,
    /// Where in the file the buffer starts.
    start: u64,
    /// How much is read next.
    chunk: usize,
}

impl<'a> Frames<'a> {
    pub(crate) fn new(chain: Chain<'a>) -> Frames<'a> {
        Frames { chain, buffer: Vec::new(), start: 0, chunk: CHUNK_BYTES_FIRST }
    }

    /// The event in this position, which must be one the outline has.
    pub(crate) fn event(&mut self, position: usize) -> Result<Raw<'_>, DiffError> {
        let offset = self.chain.outline.offset(position).expect("the position is in the outline");
        let frame = self.frame(offset)?;
        Raw::of(frame, offset).ok_or(DiffError::Changed { offset })
    }

    /// The content of a payload out of line, unless it is gone, damaged or too long.
    pub(crate) fn content(chain: Chain<'a>, blob: &BlobRef) -> Option<Vec<u8>> {
        if blob.len > CONTENT_BYTES_MAX {
            return None;
        }
        let mut frames = Frames::new(chain);
        let mut content = Vec::new();
        for piece in &blob.pieces {
            let offset = *chain.outline.blobs.get(piece)?;
            let frame = frames.frame(offset).ok()?;
            let blob = BlobFrame::decode_body(frame.body()).ok()?;
            if blob.digest != *piece || !blob.is_intact() {
                return None;
            }
            content.extend_from_slice(blob.content);
        }
        Some(content)
    }

    /// The frame that starts at this offset.
    fn frame(&mut self, offset: u64) -> Result<Frame<'_>, DiffError> {
        let mut len = self.buffered(offset).and_then(Frame::measure).map(|(_, len)| len);
        if len.is_none_or(|len| self.buffered(offset).is_none_or(|bytes| bytes.len() < len)) {
            self.fill(offset, len.unwrap_or_default())?;
            len = self.buffered(offset).and_then(Frame::measure).map(|(_, len)| len);
            if let Some(len) = len.filter(|len| *len > self.buffer.len()) {
                self.fill(offset, len)?;
            }
        }
        let frame = self.buffered(offset).and_then(Frame::parse);
        frame.ok_or(DiffError::Changed { offset })
    }

    fn buffered(&self, offset: u64) -> Option<&[u8]> {
        self.buffer.get(usize::try_from(offset.checked_sub(self.start)?).ok()?..)
    }

    /// Reads from an offset on, at least so many bytes if there are so many.
    fn fill(&mut self, offset: u64, least: usize) -> Result<(), DiffError> {
        let goes_on = (self.start..=self.start + 2 * self.chunk as u64).contains(&offset);
        self.chunk = if goes_on { CHUNK_BYTES_MAX.min(2 * self.chunk) } else { CHUNK_BYTES_FIRST };
        let left = usize::try_from(self.chain.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        self.buffer.resize(left.min(self.chunk.max(least)), 0);
        self.start = offset;
        let read = (self.chain.read_at)(&mut self.buffer, offset);
        read.map_err(|source| {
            self.buffer.clear();
            DiffError::Io { offset, source }
        })
    }
}
