//! Scans a stretch of a chain: finds its frames, hashes them and notes where links break.
//!
//! Stretches are scanned independently of each other. A stretch in the middle of a file begins at
//! the first place that looks like a frame. That is a guess, which the caller checks: the stretch
//! before must end exactly there.

use std::io;

use memchr::memmem;
use theater_record::{
    BlobFrame, FRAME_BYTES_MAX, Frame, FrameKind, Hash, Kind, Tombstone, check_body, sync_pattern,
};

use crate::lanes::Lanes;
use crate::report::{BlobCount, Depth, VerifyError};
use crate::source::Source;

/// How much is read beyond a stretch, so that most frames that straddle its end are there.
const OVERLAP_BYTES: usize = 8 << 10;
/// How much is searched at a time for the next frame after damage.
const SEARCH_BYTES: usize = 256 << 10;
/// The longest head of a frame: tag 24 and a byte string head with a four-byte length.
const FRAME_HEAD_BYTES_MAX: u64 = 7;

/// Where a scan begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// At a place where a frame must start.
    At(u64),
    /// At the first place from here that looks like a frame.
    From(u64),
}

/// A part of the file.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    /// Records that follow each other without a fault.
    Run(Run),
    /// Blob frames without a record among them.
    Blobs {
        /// Where they start.
        start: u64,
        /// Where they end.
        end: u64,
        /// What they hold.
        detail: Detail,
    },
    /// Bytes that are no frames.
    Gap {
        /// Where they start.
        start: u64,
        /// Where the next frame starts, or the file ends.
        end: u64,
    },
}

/// Records that follow each other: each carries the hash of the one before, the next number and
/// the same tag. Blob frames may stand among them.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) tag: [u8; 4],
    pub(crate) first_prev: Hash,
    pub(crate) first_seq: u64,
    pub(crate) last_seq: u64,
    pub(crate) last_hash: Hash,
    /// Where the last record starts, and how long it is.
    pub(crate) last: (u64, u64),
    /// Where some of the records start, so that any can be found quickly.
    pub(crate) index: Vec<(u64, u64)>,
    /// What the deeper checks need to know about the records.
    pub(crate) detail: Detail,
}

impl Run {
    pub(crate) fn count(&self) -> u64 {
        self.last_seq - self.first_seq + 1
    }

    /// Whether `next` goes on right where this run ends.
    pub(crate) fn is_followed_by(&self, next: &Run) -> bool {
        self.end == next.start && self.leads_to(next)
    }

    /// Whether `next` is the continuation of this run, wherever it stands.
    pub(crate) fn leads_to(&self, next: &Run) -> bool {
        self.tag == next.tag
            && self.last_hash == next.first_prev
            && self.last_seq.checked_add(1) == Some(next.first_seq)
    }
}

/// What the deeper checks need to know about the records of a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Detail {
    /// The link hash of every record; left out at the shallow depths.
    pub(crate) leaves: Vec<Hash>,
    /// The records that say something about the chain as a whole.
    pub(crate) marks: Vec<Mark>,
    /// What stands after the last mark, the mark itself included.
    pub(crate) tail: Since,
    /// Records whose form is wrong: event number, offset, reason.
    pub(crate) malformed: Vec<(u64, u64, String)>,
    /// Blob frames whose content is not what it was: where they are.
    pub(crate) altered_blobs: Vec<(u64, u64)>,
}

/// A header, checkpoint, close or recover record.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) kind: Kind,
    pub(crate) seq: u64,
    pub(crate) offset: u64,
    pub(crate) frame: Vec<u8>,
    pub(crate) hash: Hash,
    /// What stands between the mark before it, that one included, and this one.
    pub(crate) before: Since,
}

/// What stands between two marks.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Since {
    pub(crate) blobs: BlobCount,
    /// How many bytes the records have.
    pub(crate) record_bytes: u64,
}

/// What a scan of a stretch found.
#[derive(Debug, Default)]
pub(crate) struct Stretch {
    pub(crate) pieces: Vec<Piece>,
    /// Where the first piece starts; `None` if no frame starts in the stretch.
    pub(crate) start: Option<u64>,
    /// Where the next stretch must start.
    pub(crate) end: u64,
}

/// A frame within the buffer.
#[derive(Clone, Copy)]
struct Span {
    /// Offset in the file.
    offset: u64,
    /// Offset in the buffer and length.
    at: (usize, usize),
    kind: FrameKind,
}

/// Scans stretches, one at a time, with buffers that are kept.
pub(crate) struct Scanner<'s, S: ?Sized> {
    source: &'s S,
    tag: [u8; 4],
    depth: Depth,
    lanes: Lanes,
    buffer: Vec<u8>,
    /// The buffer holds the file from `base`, `filled` bytes of it.
    base: u64,
    filled: usize,
    spans: Vec<Span>,
    record_spans: Vec<(usize, usize)>,
    hashes: Vec<Hash>,
}

impl<'s, S: Source + ?Sized> Scanner<'s, S> {
    pub(crate) fn new(source: &'s S, tag: [u8; 4], depth: Depth) -> Scanner<'s, S> {
        Scanner {
            source,
            tag,
            depth,
            lanes: Lanes::new(),
            buffer: Vec::new(),
            base: 0,
            filled: 0,
            spans: Vec::new(),
            record_spans: Vec::new(),
            hashes: Vec::new(),
        }
    }

    /// Scans all frames that start before `limit`, and the whole of what is broken at its end.
    pub(crate) fn scan(&mut self, start: Start, limit: u64) -> Result<Stretch, VerifyError> {
        let limit = limit.min(self.source.len());
        let mut stretch = Stretch { end: limit, ..Stretch::default() };
        let mut at = match start {
            Start::At(at) => at,
            Start::From(from) => {
                self.load(from, limit)?;
                match self.guess_start(from, limit) {
                    Some(at) => at,
                    None => return Ok(stretch),
                }
            }
        };
        stretch.start = Some(at);
        while at < limit {
            self.load(at, limit)?;
            at = self.scan_frames(at, limit, &mut stretch.pieces)?;
        }
        stretch.end = at;
        Ok(stretch)
    }

    /// Scans frames up to the limit or the first bytes that are no frame. Returns where to go on.
    fn scan_frames(
        &mut self,
        start: u64,
        limit: u64,
        pieces: &mut Vec<Piece>,
    ) -> Result<u64, VerifyError> {
        let end = self.collect_spans(start, limit)?;
        self.record_spans.clear();
        self.record_spans.extend(
            self.spans
                .iter()
                .filter(|span| matches!(span.kind, FrameKind::Record { .. }))
                .map(|span| span.at),
        );
        let mut hashes = std::mem::take(&mut self.hashes);
        self.lanes.record_hashes(&self.buffer, &self.record_spans, &mut hashes);
        self.hashes = hashes;
        let broken_at = self.split_runs(end, limit, pieces);
        // Frames at and after the limit were only looked at to judge those before it.
        match broken_at {
            None => Ok(end.min(self.spans_end(limit))),
            Some(at) => {
                let next = self.resync(at + 1)?;
                push_gap(pieces, at, next);
                Ok(next)
            }
        }
    }

    /// Where the first collected frame at or after the limit starts.
    fn spans_end(&self, limit: u64) -> u64 {
        self.spans.iter().find(|span| span.offset >= limit).map_or(u64::MAX, |s| s.offset)
    }

    /// Notes all frames from `start` and one record more than start before the limit. Returns the
    /// offset of the first byte after them.
    fn collect_spans(&mut self, start: u64, limit: u64) -> Result<u64, VerifyError> {
        self.spans.clear();
        let mut at = start;
        loop {
            let Some((len, kind)) = self.frame_at(at)? else { return Ok(at) };
            let span = Span { offset: at, at: ((at - self.base) as usize, len), kind };
            self.spans.push(span);
            at += len as u64;
            if span.offset >= limit && matches!(kind, FrameKind::Record { .. }) {
                return Ok(at);
            }
        }
    }

    /// Turns the collected frames into runs. If something there is no well-formed frame, stops
    /// before it and returns its offset.
    fn split_runs(&self, end: u64, limit: u64, pieces: &mut Vec<Piece>) -> Option<u64> {
        let mut building = Building::default();
        let mut record = 0;
        for (at, span) in self.spans.iter().enumerate() {
            let FrameKind::Record { seq, kind } = span.kind else {
                if span.offset < limit {
                    building.blobs.push(at);
                }
                continue;
            };
            let frame = self.frame(span);
            let hash = self.hashes[record];
            record += 1;
            let link = Link { at, seq, kind, prev: Hash(*frame.prev()), tag: frame.tag(), hash };
            if building.last().is_some_and(|last| !last.leads_to(&link)) {
                // A break. Either side may be no record at all but bytes that look like one.
                let suspects = [building.last_frame(), Some(at)];
                for suspect in suspects.into_iter().flatten() {
                    if !is_well_formed(&self.frame(&self.spans[suspect])) {
                        building.retract(suspect);
                        let offset = self.spans[suspect].offset;
                        self.finish_run(&mut building, offset, pieces);
                        return Some(offset);
                    }
                }
                if span.offset < limit {
                    self.finish_run(&mut building, span.offset, pieces);
                }
            }
            if span.offset < limit {
                building.links.push(link);
            }
        }
        let looked_ahead = self.spans.last().is_some_and(|span| {
            span.offset >= limit && matches!(span.kind, FrameKind::Record { .. })
        });
        if looked_ahead || end == self.source.len() {
            self.finish_run(&mut building, end.min(self.spans_end(limit)), pieces);
            return None;
        }
        // No frame starts at `end`. The frame that led here may claim a wrong length.
        let last = building.last_frame();
        if let Some(last) = last.filter(|last| !is_well_formed(&self.frame(&self.spans[*last]))) {
            building.retract(last);
            let offset = self.spans[last].offset;
            self.finish_run(&mut building, offset, pieces);
            return Some(offset);
        }
        self.finish_run(&mut building, end, pieces);
        Some(end)
    }

    fn finish_run(&self, building: &mut Building, end: u64, pieces: &mut Vec<Piece>) {
        let Building { links, blobs } = std::mem::take(building);
        let (Some(first), Some(last)) = (links.first(), links.last()) else {
            if let Some(first) = blobs.first() {
                let start = self.spans[*first].offset;
                pieces.push(Piece::Blobs { start, end, detail: self.detail(&[], &blobs) });
            }
            return;
        };
        let start = self.spans[blobs.first().map_or(first.at, |blob| first.at.min(*blob))].offset;
        let last_span = self.spans[last.at];
        pieces.push(Piece::Run(Run {
            start,
            end,
            tag: first.tag,
            first_prev: first.prev,
            first_seq: first.seq,
            last_seq: last.seq,
            last_hash: last.hash,
            last: (last_span.offset, last_span.at.1 as u64),
            index: vec![(first.seq, self.spans[first.at].offset)],
            detail: self.detail(&links, &blobs),
        }));
    }

    fn detail(&self, links: &[Link], blobs: &[usize]) -> Detail {
        let mut detail = Detail::default();
        if self.depth >= Depth::Structure {
            detail.leaves = links.iter().map(|link| link.hash).collect();
        }
        let mut blobs = blobs.iter().peekable();
        for link in links {
            while let Some(blob) = blobs.next_if(|blob| **blob < link.at) {
                self.note_blob(*blob, &mut detail);
            }
            let span = &self.spans[link.at];
            let frame = self.frame(span);
            if self.depth >= Depth::Structure
                && let Err(error) = check_body(frame.body())
            {
                detail.malformed.push((link.seq, span.offset, error.to_string()));
            }
            if let Some(kind @ (Kind::Header | Kind::Checkpoint | Kind::Close | Kind::Recover)) =
                Kind::from_number(link.kind)
            {
                detail.marks.push(Mark {
                    kind,
                    seq: link.seq,
                    offset: span.offset,
                    frame: frame.bytes().to_vec(),
                    hash: link.hash,
                    before: std::mem::take(&mut detail.tail),
                });
            }
            detail.tail.record_bytes += span.at.1 as u64;
        }
        blobs.for_each(|blob| self.note_blob(*blob, &mut detail));
        detail
    }

    fn note_blob(&self, at: usize, detail: &mut Detail) {
        let span = &self.spans[at];
        let frame = self.frame(span);
        let count = &mut detail.tail.blobs;
        match span.kind {
            FrameKind::Tombstone => {
                count.redacted += 1;
                let len = Tombstone::decode_body(frame.body()).map_or(0, |stone| stone.len);
                count.redacted_bytes = count.redacted_bytes.saturating_add(len);
            }
            FrameKind::Blob | FrameKind::Record { .. } => {
                count.present += 1;
                count.bytes += span.at.1 as u64;
                if self.depth >= Depth::Structure
                    && (frame.tag() != self.tag
                        || !BlobFrame::decode_body(frame.body()).is_ok_and(|b| b.is_intact()))
                {
                    detail.altered_blobs.push((span.offset, span.at.1 as u64));
                }
            }
        }
    }

    fn frame(&self, span: &Span) -> Frame<'_> {
        let (at, len) = span.at;
        Frame::parse(&self.buffer[at..at + len]).expect("the span was measured as a frame")
    }

    /// Measures the frame at this offset, if a whole one is there.
    fn frame_at(&mut self, offset: u64) -> Result<Option<(usize, FrameKind)>, VerifyError> {
        if offset >= self.source.len() {
            return Ok(None);
        }
        let at = (offset - self.base) as usize;
        if at + 16 > self.filled {
            self.extend(offset + OVERLAP_BYTES as u64)?;
        }
        let Some((_, len)) = Frame::measure(&self.buffer[at..self.filled]) else {
            return Ok(None);
        };
        if offset + len as u64 > self.source.len() {
            return Ok(None);
        }
        if at + len > self.filled {
            self.extend(offset + len as u64)?;
        }
        let kind = Frame::parse(&self.buffer[at..self.filled]).and_then(|frame| frame.kind());
        Ok(kind.map(|kind| (len, kind)))
    }

    /// Loads the file from `start` up to a bit beyond `limit`, unless it is there already.
    fn load(&mut self, start: u64, limit: u64) -> Result<(), VerifyError> {
        let wanted = (limit.saturating_sub(start)) as usize + OVERLAP_BYTES;
        self.base = start;
        self.filled = 0;
        self.extend(start + wanted as u64)
    }

    /// Extends the buffer up to this offset of the file, or to its end.
    fn extend(&mut self, end: u64) -> Result<(), VerifyError> {
        let end = end.min(self.source.len());
        let wanted = end.saturating_sub(self.base) as usize;
        if wanted <= self.filled {
            return Ok(());
        }
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        let offset = self.base + self.filled as u64;
        self.source
            .read_at(&mut self.buffer[self.filled..wanted], offset)
            .map_err(|source| VerifyError::Io { offset, source })?;
        self.filled = wanted;
        Ok(())
    }

    /// The first place in the loaded bytes, before the limit, where frames seem to start.
    fn guess_start(&self, from: u64, limit: u64) -> Option<u64> {
        let data = &self.buffer[..self.filled];
        candidates(data, self.tag)
            .take_while(|at| from + (*at as u64) < limit)
            .find(|at| {
                let Some((_, len)) = Frame::measure(&data[*at..]) else { return false };
                let next = at + len;
                next + 48 > data.len() || Frame::measure(&data[next..]).is_some()
            })
            .map(|at| from + at as u64)
    }

    /// The next place at or after `from` where a well-formed frame of this chain starts, or the
    /// end of the file.
    fn resync(&mut self, from: u64) -> Result<u64, VerifyError> {
        let mut chunk = Vec::new();
        let mut at = from;
        while at < self.source.len() {
            let len = (SEARCH_BYTES as u64 + 64).min(self.source.len() - at) as usize;
            chunk.resize(len, 0);
            self.source
                .read_at(&mut chunk, at)
                .map_err(|source| VerifyError::Io { offset: at, source })?;
            for candidate in candidates(&chunk, self.tag) {
                let offset = at + candidate as u64;
                if self.is_well_formed_at(offset)? {
                    return Ok(offset);
                }
            }
            at += SEARCH_BYTES as u64;
        }
        Ok(self.source.len())
    }

    fn is_well_formed_at(&self, offset: u64) -> Result<bool, VerifyError> {
        let left = self.source.len() - offset;
        let mut head = [0; 16];
        let io = |source| VerifyError::Io { offset, source };
        let head_len = left.min(16) as usize;
        self.source.read_at(&mut head[..head_len], offset).map_err(io)?;
        let Some((_, len)) = Frame::measure(&head[..head_len]) else { return Ok(false) };
        if len as u64 > left || len > FRAME_BYTES_MAX {
            return Ok(false);
        }
        let mut frame = vec![0; len];
        self.source.read_at(&mut frame, offset).map_err(io)?;
        Ok(Frame::parse(&frame).is_some_and(|frame| is_well_formed(&frame)))
    }
}

/// Reads whole frames of a source outside of a scan; for the few that need a second look.
pub(crate) fn read_range(
    source: &(impl Source + ?Sized),
    start: u64,
    len: u64,
) -> Result<Vec<u8>, VerifyError> {
    let mut bytes = vec![0; len as usize];
    source
        .read_at(&mut bytes, start)
        .map_err(|error: io::Error| VerifyError::Io { offset: start, source: error })?;
    Ok(bytes)
}

/// Whether a frame is a record, blob or tombstone down to its last byte.
pub(crate) fn is_well_formed(frame: &Frame<'_>) -> bool {
    match frame.kind() {
        Some(FrameKind::Record { .. }) => check_body(frame.body()).is_ok(),
        Some(FrameKind::Blob) => BlobFrame::decode_body(frame.body()).is_ok(),
        Some(FrameKind::Tombstone) => Tombstone::decode_body(frame.body()).is_ok(),
        None => false,
    }
}

/// Places in some bytes where a frame with this tag may start, in order.
fn candidates(data: &[u8], tag: [u8; 4]) -> impl Iterator<Item = usize> {
    let pattern = sync_pattern(tag);
    let hits: Vec<usize> = memmem::find_iter(data, &pattern).collect();
    hits.into_iter().filter_map(move |hit| {
        // The pattern stands one byte into the body, behind a head of four, five or seven bytes.
        [4, 5, FRAME_HEAD_BYTES_MAX as usize].into_iter().find_map(|head| {
            let start = hit.checked_sub(1 + head)?;
            let (measured, _) = Frame::measure(&data[start..])?;
            (measured == head).then_some(start)
        })
    })
}

fn push_gap(pieces: &mut Vec<Piece>, start: u64, end: u64) {
    match pieces.last_mut() {
        Some(Piece::Gap { end: last, .. }) if *last == start => *last = end,
        _ => pieces.push(Piece::Gap { start, end }),
    }
}

/// A record of a run that is being built.
#[derive(Clone, Copy)]
struct Link {
    at: usize,
    seq: u64,
    kind: u64,
    prev: Hash,
    tag: [u8; 4],
    hash: Hash,
}

impl Link {
    fn leads_to(&self, next: &Link) -> bool {
        self.hash == next.prev && self.seq.checked_add(1) == Some(next.seq) && self.tag == next.tag
    }
}

/// A run that is being built, by positions in the collected frames.
#[derive(Default)]
struct Building {
    links: Vec<Link>,
    blobs: Vec<usize>,
}

impl Building {
    fn last(&self) -> Option<&Link> {
        self.links.last()
    }

    /// The last frame of either kind.
    fn last_frame(&self) -> Option<usize> {
        let record = self.links.last().map(|link| link.at);
        record.max(self.blobs.last().copied())
    }

    /// Takes back a frame that turned out to be none, and all after it.
    fn retract(&mut self, from: usize) {
        self.links.retain(|link| link.at < from);
        self.blobs.retain(|blob| *blob < from);
    }
}
