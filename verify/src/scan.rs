//! Scans a stretch of a chain: finds its frames, hashes them and notes where links break.
//!
//! Stretches are scanned independently of each other. A stretch in the middle of a file begins at
//! the first place that looks like a frame. That is a guess, which the caller checks: the stretch
//! before must end exactly there.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use memchr::memmem;
use theater_record::{
    BlobFrame, FRAME_BYTES_MAX, Frame, FrameKind, Hash, Kind, Place, Tombstone, check_body,
    sync_pattern,
};

use crate::lanes::Lanes;
use crate::piece::{Detail, Mark, Piece, Run, Stretch};
use crate::report::{Depth, VerifyError};
use crate::source::Source;

/// How much is read beyond a stretch, so that most frames that straddle its end are there.
const OVERLAP_BYTES: usize = 8 << 10;
/// The start of a frame up to its kind.
const FRAME_START_BYTES: u64 = 64;
/// How many bytes of blobs are loaded to find out what broke the link across them.
const BLOBS_BYTES_MAX: u64 = 64 << 20;
/// How much is searched at a time for the next frame after damage.
const SEARCH_BYTES: usize = 256 << 10;

/// Where a scan begins.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Start {
    /// At a place where a frame must start.
    At(u64),
    /// At the first place from here that looks like a frame.
    From(u64),
}

/// A frame within the buffer. Kept small: there is one for each record of a stretch.
#[derive(Clone, Copy)]
struct Span {
    start: u32,
    /// Where the body starts.
    body: u32,
    len: u32,
    seq: u64,
    what: What,
}

/// What a frame holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    /// A record that says something about the chain as a whole.
    Mark(Kind),
    /// Any other record.
    Record,
    Blob,
    Tombstone,
}

impl What {
    fn of(kind: FrameKind) -> (What, u64) {
        match kind {
            FrameKind::Record { seq, kind } => match Kind::from_number(kind) {
                Some(kind @ (Kind::Header | Kind::Checkpoint | Kind::Close | Kind::Recover)) => {
                    (What::Mark(kind), seq)
                }
                _ => (What::Record, seq),
            },
            FrameKind::Blob => (What::Blob, 0),
            FrameKind::Tombstone => (What::Tombstone, 0),
        }
    }

    fn is_record(self) -> bool {
        matches!(self, What::Mark(_) | What::Record)
    }
}

/// What stands behind the frames of a stretch.
enum Ahead {
    /// A record, noted as the last span.
    Record,
    /// Blobs, and where the record after them starts and belongs, if it was looked for and found.
    Blobs(Option<(u64, Place)>),
    /// The end of the file, or bytes that are no frame.
    NoFrame,
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
    /// Start and length of the records among the spans, and their link hashes.
    record_spans: Vec<(u32, u32)>,
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
        let (mut end, mut ahead) = self.collect_spans(start, limit, limit)?;
        if let Ahead::Blobs(Some((offset, next))) = ahead
            && offset - limit <= BLOBS_BYTES_MAX
            && !self.last_leads_to(&next)
        {
            // What broke may be one of the blobs in between, so they are looked at after all.
            (end, ahead) = self.collect_spans(start, limit, offset)?;
        }
        let broken_at = self.split_runs(end, &ahead, limit, pieces);
        // Frames at and after the limit were only looked at to judge those before it.
        match broken_at {
            None => Ok(end.min(self.first_beyond(limit))),
            Some(at) => {
                let next = self.resync(at + 1)?;
                push_gap(pieces, at, next);
                Ok(next)
            }
        }
    }

    /// Where the first collected frame at or after the limit starts.
    fn first_beyond(&self, limit: u64) -> u64 {
        let beyond = self.spans.iter().rev().take_while(|span| self.offset(span) >= limit);
        beyond.last().map_or(u64::MAX, |span| self.offset(span))
    }

    /// Notes all frames that start from `start` up to the limit and computes their hashes; also
    /// blobs behind the limit up to `reach`, and the record that follows at once. Returns where it
    /// stopped, and what is ahead.
    fn collect_spans(
        &mut self,
        start: u64,
        limit: u64,
        reach: u64,
    ) -> Result<(u64, Ahead), VerifyError> {
        let stopped = self.collect_frames(start, limit, reach)?;
        self.lanes.record_hashes(&self.buffer, &self.record_spans, &mut self.hashes);
        Ok(stopped)
    }

    fn collect_frames(
        &mut self,
        start: u64,
        limit: u64,
        reach: u64,
    ) -> Result<(u64, Ahead), VerifyError> {
        self.spans.clear();
        self.record_spans.clear();
        let mut at = start;
        loop {
            let Some((head, len, kind)) = self.frame_at(at)? else {
                return Ok((at, Ahead::NoFrame));
            };
            let (what, seq) = What::of(kind);
            if at >= reach && !what.is_record() {
                // There may be gigabytes of blobs, so they are hopped over, not loaded.
                let wanted = !self.record_spans.is_empty();
                let record = if wanted { self.record_after(at)? } else { None };
                return Ok((at, Ahead::Blobs(record)));
            }
            let start = (at - self.base) as u32;
            let span = Span { start, body: start + head as u32, len: len as u32, seq, what };
            self.spans.push(span);
            if what.is_record() {
                self.record_spans.push((span.start, span.len));
                if at >= limit {
                    return Ok((at + len as u64, Ahead::Record));
                }
            }
            at += len as u64;
        }
    }

    /// Where the first record after the blobs from here on starts, and the place it claims.
    fn record_after(&self, mut at: u64) -> Result<Option<(u64, Place)>, VerifyError> {
        loop {
            let left = self.source.len().saturating_sub(at);
            let start = read_range(self.source, at, left.min(FRAME_START_BYTES))?;
            let whole = Frame::measure(&start).filter(|(_, len)| *len as u64 <= left);
            let Some((head, len)) = whole else { return Ok(None) };
            let body = &start[head..];
            match Frame::kind_of(body) {
                Some(FrameKind::Record { seq, .. }) => {
                    let (tag, prev) = Frame::tag_and_prev(body);
                    return Ok(Some((at, Place { tag: *tag, prev: Hash(*prev), seq })));
                }
                Some(FrameKind::Blob | FrameKind::Tombstone) => at += len as u64,
                None => return Ok(None),
            }
        }
    }

    /// Turns the collected frames into runs. If something there is no well-formed frame, stops
    /// before it and returns its offset.
    fn split_runs(
        &self,
        end: u64,
        ahead: &Ahead,
        limit: u64,
        pieces: &mut Vec<Piece>,
    ) -> Option<u64> {
        let beyond = self.spans.partition_point(|span| self.offset(span) < limit);
        let mut run = Building::default();
        let mut record = 0;
        for (at, span) in self.spans.iter().enumerate() {
            if !span.what.is_record() {
                continue;
            }
            if let Some((last, last_record)) = run.last
                && !self.links(last, last_record, span)
            {
                // A break. Either side may be no record at all but bytes that look like one.
                let suspect = [at - 1, at].into_iter().find(|at| !self.is_well_formed(*at));
                if let Some(suspect) = suspect {
                    return Some(self.cut_run(&run, suspect, pieces));
                }
                if at < beyond {
                    self.finish_run(&run, at, pieces);
                    run = Building { from: at, ..Building::default() };
                }
            }
            if at < beyond {
                run.first.get_or_insert((at, record));
                run.last = Some((at, record));
            }
            record += 1;
        }
        if matches!(ahead, Ahead::NoFrame) && end < self.source.len() {
            // The frame that led here may claim a wrong length.
            if let Some(last) = self.spans.len().checked_sub(1)
                && !self.is_well_formed(last)
            {
                return Some(self.cut_run(&run, last, pieces));
            }
            self.finish_run(&run, self.spans.len(), pieces);
            return Some(end);
        }
        self.finish_run(&run, beyond, pieces);
        None
    }

    /// Whether a record in this place follows the last one collected.
    fn last_leads_to(&self, next: &Place) -> bool {
        let last = self.spans.iter().rposition(|span| span.what.is_record());
        let record = self.record_spans.len().checked_sub(1);
        last.zip(record).is_none_or(|(last, record)| self.leads_to(last, record, next))
    }

    /// Whether the record in `span` follows the one at `last`, whose hash is the given one.
    fn links(&self, last: usize, record: usize, span: &Span) -> bool {
        let (tag, prev) = self.tag_and_prev(span);
        self.leads_to(last, record, &Place { tag: *tag, prev: Hash(*prev), seq: span.seq })
    }

    fn leads_to(&self, last: usize, record: usize, next: &Place) -> bool {
        let last = &self.spans[last];
        self.hashes[record] == next.prev
            && last.seq.checked_add(1) == Some(next.seq)
            && *self.tag_and_prev(last).0 == next.tag
    }

    /// Ends a run before a frame that turned out to be none. Returns that frame's offset.
    fn cut_run(&self, run: &Building, before: usize, pieces: &mut Vec<Piece>) -> u64 {
        let mut run = *run;
        run.first = run.first.filter(|(at, _)| *at < before);
        // The record before, if the last one was taken back.
        while let Some((at, record)) = run.last.filter(|(at, _)| *at >= before) {
            let earlier = (run.from..at).rev().find(|at| self.spans[*at].what.is_record());
            run.last = earlier.map(|earlier| (earlier, record - 1));
        }
        self.finish_run(&run, before, pieces);
        self.offset(&self.spans[before])
    }

    /// Adds the run that ends before the frame at `to`.
    fn finish_run(&self, run: &Building, to: usize, pieces: &mut Vec<Piece>) {
        if run.from >= to {
            return;
        }
        let start = self.offset(&self.spans[run.from]);
        let last_span = &self.spans[to - 1];
        let end = self.offset(last_span) + u64::from(last_span.len);
        let (Some((first, first_record)), Some((last, last_record))) = (run.first, run.last) else {
            let detail = self.detail(run.from..to, 0..0);
            pieces.push(Piece::Blobs { start, end, detail });
            return;
        };
        let (first, last) = (&self.spans[first], &self.spans[last]);
        pieces.push(Piece::Run(Run {
            start,
            end,
            tag: self.frame(first).tag(),
            first_prev: Hash(*self.frame(first).prev()),
            first_seq: first.seq,
            last_seq: last.seq,
            last_hash: self.hashes[last_record],
            last: (self.offset(last), u64::from(last.len)),
            index: vec![(first.seq, self.offset(first))],
            detail: self.detail(run.from..to, first_record..last_record + 1),
        }));
    }

    /// What the deeper checks need to know about the frames in this range of spans, whose records
    /// are in this range of hashes.
    fn detail(&self, spans: Range<usize>, records: Range<usize>) -> Detail {
        let mut detail = Detail::default();
        let is_deep = self.depth >= Depth::Structure;
        if is_deep {
            detail.leaves = Arc::new(self.hashes[records.clone()].to_vec());
        }
        let mut record = records.start;
        for at in spans {
            let span = &self.spans[at];
            match span.what {
                What::Blob | What::Tombstone => {
                    self.note_blob(span, &mut detail);
                    continue;
                }
                What::Mark(kind) => detail.marks.push(Mark {
                    kind,
                    seq: span.seq,
                    offset: self.offset(span),
                    frame: self.frame(span).bytes().to_vec(),
                    hash: self.hashes[record],
                    before: std::mem::take(&mut detail.tail),
                }),
                What::Record => {}
            }
            record += 1;
            detail.tail.record_bytes += u64::from(span.len);
            if is_deep && let Err(error) = check_body(self.frame(span).body()) {
                detail.malformed.push((span.seq, self.offset(span), error.to_string()));
            }
        }
        detail
    }

    fn note_blob(&self, span: &Span, detail: &mut Detail) {
        let frame = self.frame(span);
        let count = &mut detail.tail.blobs;
        if span.what == What::Tombstone {
            count.redacted += 1;
            let len = Tombstone::decode_body(frame.body()).map_or(0, |stone| stone.len);
            count.redacted_bytes = count.redacted_bytes.saturating_add(len);
            return;
        }
        count.present += 1;
        count.bytes += u64::from(span.len);
        let is_intact = || {
            frame.tag() == self.tag
                && BlobFrame::decode_body(frame.body()).is_ok_and(|blob| blob.is_intact())
        };
        if self.depth >= Depth::Structure && !is_intact() {
            detail.altered_blobs.push((self.offset(span), u64::from(span.len)));
        }
    }

    fn offset(&self, span: &Span) -> u64 {
        self.base + u64::from(span.start)
    }

    fn is_well_formed(&self, at: usize) -> bool {
        is_well_formed(&self.frame(&self.spans[at]))
    }

    /// What stands at fixed places of every body. Quicker than to parse the frame again.
    fn tag_and_prev(&self, span: &Span) -> (&[u8; 4], &[u8; 32]) {
        let body = &self.buffer[span.body as usize..(span.start + span.len) as usize];
        Frame::tag_and_prev(body)
    }

    fn frame(&self, span: &Span) -> Frame<'_> {
        let (start, len) = (span.start as usize, span.len as usize);
        Frame::parse(&self.buffer[start..start + len]).expect("the span was measured as a frame")
    }

    /// Measures the frame at this offset, if a whole one is there: its head, its length, its kind.
    fn frame_at(&mut self, offset: u64) -> Result<Option<(usize, usize, FrameKind)>, VerifyError> {
        if offset >= self.source.len() {
            return Ok(None);
        }
        let at = (offset - self.base) as usize;
        if at + 16 > self.filled {
            self.extend(offset + OVERLAP_BYTES as u64)?;
        }
        let Some((head, len)) = Frame::measure(&self.buffer[at..self.filled]) else {
            return Ok(None);
        };
        if offset + len as u64 > self.source.len() {
            return Ok(None);
        }
        if at + len > self.filled {
            self.extend(offset + len as u64)?;
        }
        let kind = Frame::kind_of(&self.buffer[at + head..at + len]);
        Ok(kind.map(|kind| (head, len, kind)))
    }

    /// Loads the file from `start` up to a bit beyond `limit`, unless it is there already.
    fn load(&mut self, start: u64, limit: u64) -> Result<(), VerifyError> {
        let held = self.base..self.base + self.filled as u64;
        if !held.contains(&start) || held.end < limit {
            self.base = start;
            self.filled = 0;
        }
        self.extend(limit.max(start) + OVERLAP_BYTES as u64)
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
    let finder = memmem::Finder::new(&sync_pattern(tag)).into_owned();
    let mut from = 0;
    let hits = std::iter::from_fn(move || {
        let hit = from + finder.find(&data[from..])?;
        from = hit + 1;
        Some(hit)
    });
    hits.filter_map(|hit| {
        // The pattern stands one byte into the body, behind a head of four, five or seven bytes.
        [4, 5, 7].into_iter().find_map(|head| {
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

/// A run that is being built: from which span on, and its first and last record, each by its
/// position among the spans and among the records.
#[derive(Clone, Copy, Default)]
struct Building {
    from: usize,
    first: Option<(usize, usize)>,
    last: Option<(usize, usize)>,
}
