//! Puts the stretches of a file together: one line of records if all is well, else pieces.

use std::sync::Mutex;

use rayon::prelude::*;
use theater_record::{Kind, MAGIC};

use crate::audit::Auditor;
use crate::fault::Fault;
use crate::job::Job;
use crate::piece::{Detail, Piece, Run, Stretch};
use crate::report::{BlobCount, Depth, VerifyError};
use crate::scan::{Scanner, Start};
use crate::source::Source;

/// How large a stretch is unless a test says otherwise.
pub(crate) const STRETCH_BYTES: u64 = 256 << 10;
/// Larger stretches would only cost memory.
pub(crate) const STRETCH_BYTES_MAX: u64 = 64 << 20;
/// How many stretches are scanned between two times that they are put together; bounds memory.
const ROUND: u64 = 64;
/// Beyond this many pieces a chain is in shreds, and telling what happened to each is no use.
const PIECES_MAX: usize = 1 << 16;

/// What the file is made of.
pub(crate) struct Survey {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) auditor: Auditor,
    pub(crate) census: Census,
    /// Whether there are more pieces than are listed.
    pub(crate) in_shreds: bool,
}

/// What there is in a file, whether or not it belongs together.
#[derive(Clone, Copy, Default)]
pub(crate) struct Census {
    pub(crate) records: u64,
    pub(crate) checkpoints: u64,
    pub(crate) recoveries: u64,
    pub(crate) blobs: BlobCount,
}

/// Scans the whole file.
pub(crate) fn survey(
    source: &(impl Source + ?Sized),
    tag: [u8; 4],
    depth: Depth,
    stretch_bytes: u64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Survey, VerifyError> {
    let threads = rayon::current_num_threads();
    let scanners: Vec<_> =
        (0..=threads).map(|_| Mutex::new(Scanner::new(source, tag, depth))).collect();
    let start = MAGIC.len() as u64;
    let stretches = source.len().saturating_sub(start).div_ceil(stretch_bytes);
    let limits = |at: u64| (start + at * stretch_bytes, start + (at + 1) * stretch_bytes);
    let scan = |begin, limit| {
        // One scanner for each thread of the pool; the last is for a caller outside of it.
        let thread = rayon::current_thread_index().unwrap_or(threads);
        let mut scanner =
            scanners[thread].lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        scanner.scan(begin, limit)
    };
    let mut line = Line::new(depth, start);
    for round in (0..stretches).step_by(ROUND as usize) {
        let round = round..stretches.min(round + ROUND);
        let scanned: Vec<Stretch> = round
            .clone()
            .into_par_iter()
            .map(|at| {
                let (from, limit) = limits(at);
                scan(if at == 0 { Start::At(from) } else { Start::From(from) }, limit)
            })
            .collect::<Result<_, _>>()?;
        for (at, stretch) in round.clone().zip(scanned) {
            let (_, limit) = limits(at);
            if line.end >= limit.min(source.len()) {
                continue;
            }
            // A guessed start that is not where the line ends was a wrong guess.
            let right = stretch.start == Some(line.end);
            line.join(if right { stretch } else { scan(Start::At(line.end), limit)? });
        }
        line.run_jobs(source)?;
        progress(limits(round.end).0.min(source.len()));
    }
    Ok(line.finish())
}

/// The pieces so far, in file order.
struct Line {
    pieces: Vec<Piece>,
    auditor: Auditor,
    /// Whether all records so far follow each other from the first one on.
    unbroken: bool,
    /// Where the next stretch must start.
    end: u64,
    census: Census,
    in_shreds: bool,
}

impl Line {
    fn new(depth: Depth, start: u64) -> Line {
        Line {
            pieces: Vec::new(),
            auditor: Auditor::new(depth, start),
            unbroken: true,
            end: start,
            census: Census::default(),
            in_shreds: false,
        }
    }

    fn join(&mut self, stretch: Stretch) {
        self.end = stretch.end;
        for piece in stretch.pieces {
            self.add(piece);
        }
    }

    fn add(&mut self, piece: Piece) {
        if self.pieces.len() >= PIECES_MAX {
            self.in_shreds = true;
        }
        match piece {
            Piece::Run(run) => self.add_run(run),
            Piece::Blobs { start, end, detail } => self.add_blobs(start, end, detail),
            Piece::Gap { start, end } => self.add_gap(start, end),
        }
    }

    fn add_gap(&mut self, start: u64, end: u64) {
        self.unbroken = false;
        // Blobs with no record on either side are bytes like any others.
        let start = self.take_blobs().map_or(start, |(start, _)| start);
        match self.pieces.last_mut() {
            Some(Piece::Gap { end: last, .. }) if *last == start => *last = end,
            _ if self.in_shreds => {}
            _ => self.pieces.push(Piece::Gap { start, end }),
        }
    }

    fn add_run(&mut self, mut run: Run) {
        let detail = std::mem::take(&mut run.detail);
        self.note(&detail);
        self.census.records += run.count();
        let before = self.take_blobs();
        let first = self.pieces.is_empty() && run.first_seq == 0 && run.first_prev.0 == [0; 32];
        let follows = match self.pieces.last() {
            Some(Piece::Run(last)) => last.is_followed_by(&run),
            _ => false,
        };
        self.unbroken &= first || follows;
        if let Some((start, blobs)) = before {
            run.start = start;
            if self.unbroken {
                self.auditor.take(run.first_seq, &blobs);
            }
        }
        if self.unbroken {
            self.auditor.take(run.first_seq, &detail);
        }
        match self.pieces.last_mut() {
            Some(Piece::Run(last)) if follows => {
                last.end = run.end;
                last.last_seq = run.last_seq;
                last.last_hash = run.last_hash;
                last.last = run.last;
                last.index.append(&mut run.index);
            }
            _ if self.in_shreds => {}
            _ => self.pieces.push(Piece::Run(run)),
        }
    }

    fn add_blobs(&mut self, start: u64, end: u64, detail: Detail) {
        self.note(&detail);
        match self.pieces.last_mut() {
            Some(Piece::Run(last)) => {
                last.end = end;
                if self.unbroken {
                    self.auditor.take(last.last_seq + 1, &detail);
                }
            }
            // They belong to the next record, which may stand in the next stretch.
            Some(Piece::Blobs { end: last, detail: before, .. }) => {
                *last = end;
                before.tail.add(detail.tail);
            }
            _ if self.in_shreds => {}
            _ => self.pieces.push(Piece::Blobs { start, end, detail }),
        }
    }

    /// Takes back the blobs that stand last, if no record stands before them.
    fn take_blobs(&mut self) -> Option<(u64, Detail)> {
        match self.pieces.pop_if(|last| matches!(last, Piece::Blobs { .. })) {
            Some(Piece::Blobs { start, detail, .. }) => Some((start, detail)),
            _ => None,
        }
    }

    fn note(&mut self, detail: &Detail) {
        for mark in &detail.marks {
            self.census.checkpoints += u64::from(mark.kind == Kind::Checkpoint);
            self.census.recoveries += u64::from(mark.kind == Kind::Recover);
            self.census.blobs.add(mark.before.blobs);
        }
        self.census.blobs.add(detail.tail.blobs);
        for (seq, offset, reason) in &detail.malformed {
            let (seq, offset, reason) = (*seq, *offset, reason.clone());
            self.push(Fault::Malformed { seq, offset, reason });
        }
        for (offset, len) in &detail.altered_blobs {
            self.push(Fault::BlobAltered { offset: *offset, bytes: *len });
        }
    }

    fn push(&mut self, fault: Fault) {
        if self.auditor.faults.len() < PIECES_MAX {
            self.auditor.faults.push(fault);
        } else {
            self.in_shreds = true;
        }
    }

    fn run_jobs(&mut self, source: &(impl Source + ?Sized)) -> Result<(), VerifyError> {
        let jobs: Vec<Job> = std::mem::take(&mut self.auditor.jobs);
        let faults: Vec<Option<Fault>> =
            jobs.into_par_iter().map(|job| job.run(source)).collect::<Result<_, _>>()?;
        faults.into_iter().flatten().for_each(|fault| self.push(fault));
        Ok(())
    }

    fn finish(mut self) -> Survey {
        if let Some(Piece::Blobs { start, end, .. }) = self.pieces.last() {
            self.add_gap(*start, *end);
        }
        Survey {
            pieces: self.pieces,
            auditor: self.auditor,
            census: self.census,
            in_shreds: self.in_shreds,
        }
    }
}
