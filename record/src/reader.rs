//! Reads a chain from front to back in bounded memory.

use std::io::{self, Read};

use crate::blob::{BlobFrame, Tombstone};
use crate::cbor::CborError;
use crate::codec;
use crate::event::{Event, Kind};
use crate::format::{FRAME_BYTES_MAX, MAGIC};
use crate::frame::{Frame, FrameKind};
use crate::hash::{Hash, record_hash};

/// How much is read at a time.
const READ_BYTES: usize = 256 << 10;

/// Why reading cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The bytes could not be had.
    #[error("cannot read the chain at byte {offset}")]
    Io {
        /// Where reading failed.
        offset: u64,
        /// Why.
        source: io::Error,
    },
    /// The first bytes are not those of a chain.
    #[error("not a chain: the first bytes are not a chain's magic")]
    NotAChain,
    /// The bytes end in the middle of a frame. More may follow later.
    #[error("the last frame, at byte {offset}, is cut off after {bytes} bytes")]
    Torn {
        /// Where the frame starts.
        offset: u64,
        /// How many of its bytes are there.
        bytes: u64,
    },
    /// Something that is no frame.
    #[error("no record starts at byte {offset}, where one should")]
    NotAFrame {
        /// Where a frame should start.
        offset: u64,
    },
    /// A frame whose body is malformed.
    #[error("the record at byte {offset} is malformed: {source}")]
    Malformed {
        /// Where the frame starts.
        offset: u64,
        /// What is wrong with its body.
        source: CborError,
    },
}

/// One frame as read.
#[derive(Debug)]
pub enum Stored<'a> {
    /// A record.
    Record(Record<'a>),
    /// A piece of a payload.
    Blob {
        /// Where its frame starts.
        offset: u64,
        /// How long its frame is.
        bytes: u64,
        /// The piece.
        blob: BlobFrame<'a>,
    },
    /// What is left of a removed piece.
    Tombstone {
        /// Where its frame starts.
        offset: u64,
        /// How long its frame is.
        bytes: u64,
        /// Which piece it was.
        tombstone: Tombstone,
    },
}

/// A record as stored, not decoded yet.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where its frame starts.
    pub offset: u64,
    /// The event number it claims.
    pub seq: u64,
    /// Its kind.
    pub kind: Kind,
    /// Its bytes.
    pub frame: Frame<'a>,
}

impl Record<'_> {
    /// The hash that the next record must carry.
    #[must_use]
    pub fn hash(&self) -> Hash {
        record_hash(self.frame.bytes())
    }

    /// The hash of the record before, as this one claims it.
    #[must_use]
    pub fn prev(&self) -> Hash {
        Hash(*self.frame.prev())
    }

    /// What the record says.
    pub fn event(&self) -> Result<Event, ReadError> {
        match codec::decode_body(self.frame.body()) {
            Ok((_, event)) => Ok(event),
            Err(source) => Err(ReadError::Malformed { offset: self.offset, source }),
        }
    }
}

/// A cursor over the frames of a chain. It follows frames only: links are the verifier's business.
pub struct Reader<R> {
    input: R,
    buffer: Vec<u8>,
    /// The unread bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
    /// The file offset of `buffer[start]`.
    offset: u64,
}

impl<R: Read> Reader<R> {
    /// Starts at the magic.
    pub fn new(input: R) -> Result<Reader<R>, ReadError> {
        let mut reader = Reader::at_frame(input, 0);
        while reader.end - reader.start < MAGIC.len() && reader.fill()? {}
        if reader.buffer[..reader.end.min(MAGIC.len())] != MAGIC {
            return Err(ReadError::NotAChain);
        }
        reader.advance(MAGIC.len());
        Ok(reader)
    }

    /// Starts at a place where a frame is known to start; `offset` says where in the file that is.
    pub fn at_frame(input: R, offset: u64) -> Reader<R> {
        Reader { input, buffer: Vec::new(), start: 0, end: 0, offset }
    }

    /// Where the next frame starts.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next frame and checks its form; `None` at the end.
    ///
    /// After [`ReadError::Torn`] the call may be made again once the file has grown.
    pub fn read(&mut self) -> Result<Option<Stored<'_>>, ReadError> {
        match self.read_frame()? {
            Some((offset, frame)) => stored(frame, offset).map(Some),
            None => Ok(None),
        }
    }

    /// Reads the next frame, whatever it holds, and where it starts; `None` at the end.
    pub fn read_frame(&mut self) -> Result<Option<(u64, Frame<'_>)>, ReadError> {
        let len = loop {
            let unread = &self.buffer[self.start..self.end];
            match Frame::measure(unread) {
                Some((_, len)) if len <= unread.len() => break len,
                None if unread.len() >= 16 => {
                    return Err(ReadError::NotAFrame { offset: self.offset });
                }
                _ => {}
            }
            if !self.fill()? {
                return match (self.end - self.start) as u64 {
                    0 => Ok(None),
                    bytes => Err(ReadError::Torn { offset: self.offset, bytes }),
                };
            }
        };
        let (offset, start) = (self.offset, self.start);
        self.advance(len);
        let frame = Frame::parse(&self.buffer[start..start + len])
            .expect("the frame was measured and is there as a whole");
        Ok(Some((offset, frame)))
    }

    fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    /// Reads some more bytes behind the unread ones; `false` if there are none.
    fn fill(&mut self) -> Result<bool, ReadError> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.buffer.len() < self.end + READ_BYTES {
            debug_assert!(self.end <= FRAME_BYTES_MAX);
            self.buffer.resize(self.end + READ_BYTES, 0);
        }
        loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Ok(read) => {
                    self.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.offset + (self.end - self.start) as u64;
                    return Err(ReadError::Io { offset, source });
                }
            }
        }
    }
}

/// Checks the form of a frame.
pub(crate) fn stored(frame: Frame<'_>, offset: u64) -> Result<Stored<'_>, ReadError> {
    let malformed = |source| ReadError::Malformed { offset, source };
    let bytes = frame.bytes().len() as u64;
    match frame.kind() {
        Some(FrameKind::Record { seq, .. }) => {
            let kind = crate::shape::check_body(frame.body()).map_err(|e| malformed(e.0))?;
            Ok(Stored::Record(Record { offset, seq, kind, frame }))
        }
        Some(FrameKind::Blob) => {
            let blob = BlobFrame::decode_body(frame.body()).map_err(malformed)?;
            Ok(Stored::Blob { offset, bytes, blob })
        }
        Some(FrameKind::Tombstone) => {
            let tombstone = Tombstone::decode_body(frame.body()).map_err(malformed)?;
            Ok(Stored::Tombstone { offset, bytes, tombstone })
        }
        None => Err(ReadError::NotAFrame { offset }),
    }
}
