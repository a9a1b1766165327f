//! Says what happened to a chain whose records do not all follow each other.
//!
//! The file was split into runs, within which all is well, and gaps. The classifier follows the
//! chain from event 0 through the runs and, at each place where the next one does not continue,
//! looks for the smallest explanation. It reads only the few records beside a break again.

use std::collections::HashMap;

use memchr::memmem;
use theater_record::{Frame, FrameKind, Hash, Kind, Place, record_hash};

use crate::fault::Fault;
use crate::heal::{Goal, Healer, has_own_digest};
use crate::piece::{Piece, Run};
use crate::report::VerifyError;
use crate::scan::read_range;
use crate::source::Source;

/// Gaps larger than this are not searched for the hash of the record before them.
const GAP_SEARCH_BYTES_MAX: u64 = 16 << 20;
/// How many records may be looked up to tell copies from strangers.
const LOOKUPS_MAX: u32 = 4096;

/// What the classifier found out.
pub(crate) struct Diagnosis {
    pub(crate) faults: Vec<Fault>,
    /// Whether the chain, as far as it could be followed, ends with its close record.
    pub(crate) closed: bool,
}

/// Explains every break between the pieces.
pub(crate) fn classify(
    source: &(impl Source + ?Sized),
    tag: [u8; 4],
    pieces: Vec<Piece>,
) -> Result<Diagnosis, VerifyError> {
    let mut classifier = Classifier::new(source, tag, pieces);
    let mut at = 0;
    while at < classifier.pieces.len() {
        classifier.step(at)?;
        at += 1;
    }
    classifier.finish()
}

/// A run, or a gap, and whether it has been explained.
struct Item {
    piece: Piece,
    done: bool,
}

struct Classifier<'s, S: ?Sized> {
    source: &'s S,
    tag: [u8; 4],
    pieces: Vec<Item>,
    /// Runs of this chain by the hash that their first record carries.
    by_prev: HashMap<Hash, Vec<usize>>,
    healer: Healer,
    faults: Vec<Fault>,
    /// The number that the next event must have.
    next: u64,
    /// The hash that the next event must carry.
    head: Hash,
    /// The runs that belong to the chain, in its order.
    accepted: Vec<usize>,
    /// Runs that stand before events they come after.
    deferred: Vec<usize>,
    /// A gap right before the run at hand.
    gap: Option<(u64, u64)>,
    lookups: u32,
}

impl<'s, S: Source + ?Sized> Classifier<'s, S> {
    fn new(source: &'s S, tag: [u8; 4], pieces: Vec<Piece>) -> Classifier<'s, S> {
        let pieces: Vec<Item> =
            pieces.into_iter().map(|piece| Item { piece, done: false }).collect();
        let mut by_prev: HashMap<Hash, Vec<usize>> = HashMap::new();
        for (at, item) in pieces.iter().enumerate() {
            if let Piece::Run(run) = &item.piece
                && run.tag == tag
            {
                by_prev.entry(run.first_prev).or_default().push(at);
            }
        }
        Classifier {
            source,
            tag,
            pieces,
            by_prev,
            healer: Healer::new(),
            faults: Vec::new(),
            next: 0,
            head: Hash::ZERO,
            accepted: Vec::new(),
            deferred: Vec::new(),
            gap: None,
            lookups: 0,
        }
    }

    /// Explains one piece. A run may be looked at again after others were accepted before it.
    fn step(&mut self, at: usize) -> Result<(), VerifyError> {
        if let Piece::Gap { start, end } | Piece::Blobs { start, end, .. } = self.pieces[at].piece {
            if let Some(gap) = self.gap.replace((start, end)) {
                self.harmless(gap);
            }
            return Ok(());
        }
        while !self.pieces[at].done {
            let run = self.run(at).clone();
            if self.continues(&run) {
                self.explain_harmless_gap()?;
                self.accept(at, &run);
            } else if let Some(gap) = self.gap.take() {
                self.explain_gap(at, &run, gap)?;
            } else {
                self.explain_break(at, &run)?;
            }
        }
        Ok(())
    }

    fn run(&self, at: usize) -> &Run {
        match &self.pieces[at].piece {
            Piece::Run(run) => run,
            Piece::Gap { .. } | Piece::Blobs { .. } => unreachable!("the caller looks at runs"),
        }
    }

    /// The run right behind this piece, if the next piece is one.
    fn run_after(&self, at: usize) -> Option<&Run> {
        match self.pieces.get(at + 1) {
            Some(Item { piece: Piece::Run(run), done: false }) => Some(run),
            _ => None,
        }
    }

    fn continues(&self, run: &Run) -> bool {
        run.tag == self.tag && run.first_prev == self.head && run.first_seq == self.next
    }

    fn accept(&mut self, at: usize, run: &Run) {
        self.pieces[at].done = true;
        self.accepted.push(at);
        self.head = run.last_hash;
        self.next = run.last_seq.saturating_add(1);
    }

    /// Goes on with a run as if everything up to it had been there.
    fn adopt(&mut self, run: &Run) {
        self.head = run.first_prev;
        self.next = run.first_seq;
    }

    // ---- gaps ----

    /// No event is missing around the gap: it is bytes put there, or a damaged blob.
    fn explain_harmless_gap(&mut self) -> Result<(), VerifyError> {
        let Some((start, end)) = self.gap.take() else { return Ok(()) };
        let bytes = self.heal_range(start, end)?;
        match bytes.as_ref().and_then(|bytes| self.healer.find(bytes, Goal::Blob(self.tag))) {
            Some(flip) => self.bit_flip(None, start, flip, &bytes.unwrap_or_default()),
            None => self.harmless((start, end)),
        }
        Ok(())
    }

    fn explain_gap(&mut self, at: usize, run: &Run, gap: (u64, u64)) -> Result<(), VerifyError> {
        if run.tag != self.tag || run.first_seq <= self.next {
            self.harmless(gap);
            return Ok(());
        }
        let (start, end) = gap;
        if run.first_seq == self.next + 1
            && let Some(bytes) = self.heal_range(start, end)?
            && let Some(flip) = self.healer.find(&bytes, Goal::Hash(run.first_prev))
        {
            self.bit_flip(Some(self.next), start, flip, &bytes);
        } else {
            // The event before the gap is vouched for only by the one after it, which is in the
            // gap: its hash must be found there, or it may have been changed as well.
            let vouched = self.next == 0 || self.gap_holds(start, end, self.head)?;
            let unproven = if vouched { None } else { Some(self.next - 1) };
            let (offset, bytes) = (start, end - start);
            let events = Some((self.next, run.first_seq - 1));
            self.faults.push(Fault::Lost { offset, bytes, events, unproven });
        }
        self.adopt(run);
        self.accept(at, run);
        Ok(())
    }

    fn gap_holds(&self, start: u64, end: u64, hash: Hash) -> Result<bool, VerifyError> {
        if end - start > GAP_SEARCH_BYTES_MAX {
            return Ok(false);
        }
        Ok(memmem::find(&read_range(self.source, start, end - start)?, &hash.0).is_some())
    }

    // ---- breaks between two runs ----

    fn explain_break(&mut self, at: usize, run: &Run) -> Result<(), VerifyError> {
        if self.find_continuation(at, run)? || self.take_deferred() {
            return Ok(());
        }
        if run.tag == self.tag && run.first_seq < self.next && self.explain_copy(at, run)? {
            return Ok(());
        }
        if run.count() == 1 && self.explain_single(at, run)? {
            return Ok(());
        }
        if run.tag == self.tag {
            self.explain_own(at, run)
        } else {
            self.explain_foreign(at, run);
            Ok(())
        }
    }

    /// If the chain goes on with a later run, what stands in between was put there or moved.
    fn find_continuation(&mut self, at: usize, run: &Run) -> Result<bool, VerifyError> {
        let later = self.by_prev.get(&self.head).and_then(|runs| {
            runs.iter().copied().find(|later| {
                *later > at && !self.pieces[*later].done && self.continues(self.run(*later))
            })
        });
        let Some(later) = later else { return Ok(false) };
        let there = self.run(later).clone();
        let (offset, count) = (run.first_offset(), run.count());
        if run.tag != self.tag {
            self.faults.push(Fault::Inserted { count, offset, before: self.next, foreign: true });
            self.pieces[at].done = true;
        } else if there.leads_to(run) {
            // Two neighbours changed places; the shorter one is said to have moved.
            let moved = if count < there.count() { run } else { &there };
            let (first, last, offset) = (moved.first_seq, moved.last_seq, moved.first_offset());
            self.faults.push(Fault::Moved { first, last, offset });
            self.accept(later, &there);
        } else if run.first_seq >= self.next {
            self.deferred.push(at);
            self.pieces[at].done = true;
        } else if !self.explain_copy(at, run)? {
            self.faults.push(Fault::Inserted { count, offset, before: self.next, foreign: false });
            self.pieces[at].done = true;
        }
        Ok(true)
    }

    /// If the chain goes on with a run that was passed over, that run was moved here from later.
    fn take_deferred(&mut self) -> bool {
        let found = self.deferred.iter().position(|deferred| self.continues(self.run(*deferred)));
        let Some(found) = found else { return false };
        let at = self.deferred.remove(found);
        let run = self.run(at).clone();
        let (first, last, offset) = (run.first_seq, run.last_seq, run.first_offset());
        self.faults.push(Fault::Moved { first, last, offset });
        self.accept(at, &run);
        true
    }

    /// If the run, or its start, is a copy of events that were accepted before.
    fn explain_copy(&mut self, at: usize, run: &Run) -> Result<bool, VerifyError> {
        let last = run.last_seq.min(self.next - 1);
        let copied = run.first_seq <= last
            && match self.event_hash(last)? {
                Some(hash) => self.hash_in(run, last)? == Some(hash),
                None => false,
            };
        if !copied {
            return Ok(false);
        }
        let (first, offset) = (run.first_seq, run.first_offset());
        self.faults.push(Fault::Duplicated { first, last, offset });
        if run.last_seq > last {
            // The copy runs on into the events that come next.
            self.accept(at, run);
        }
        self.pieces[at].done = true;
        Ok(true)
    }

    /// A record alone, with a break on either side, is most likely the right event, altered.
    fn explain_single(&mut self, at: usize, run: &Run) -> Result<bool, VerifyError> {
        let bytes = self.heal_range(run.last.0, run.last.0 + run.last.1)?.unwrap_or_default();
        let place = Place { tag: self.tag, prev: self.head, seq: self.next };
        let (event, offset) = (self.next, run.last.0);
        let after = self.run_after(at).cloned();
        let Some(after) = after else {
            let goals = [Goal::Close(place), Goal::Place(place)];
            let Some(flip) = goals.into_iter().find_map(|goal| self.healer.find(&bytes, goal))
            else {
                return Ok(false);
            };
            self.bit_flip(Some(event), offset, flip, &bytes);
            self.adopt_altered(at, run);
            return Ok(true);
        };
        if after.tag != self.tag || after.first_seq != self.next + 1 {
            return Ok(false);
        }
        if let Some(flip) = self.healer.find(&bytes, Goal::Hash(after.first_prev)) {
            self.bit_flip(Some(event), offset, flip, &bytes);
        } else if run.tag == self.tag {
            self.faults.push(Fault::Altered { seq: event, offset });
        } else {
            let (first, last) = (event, event);
            self.faults.push(Fault::Spliced { first, last, offset, foreign: true });
        }
        self.adopt_altered(at, run);
        self.adopt(&after);
        Ok(true)
    }

    fn adopt_altered(&mut self, at: usize, run: &Run) {
        self.pieces[at].done = true;
        self.accepted.push(at);
        self.head = run.last_hash;
        self.next += 1;
    }

    fn explain_own(&mut self, at: usize, run: &Run) -> Result<(), VerifyError> {
        let (first, last, offset) = (run.first_seq, run.last_seq, run.first_offset());
        if first > self.next {
            let (first, last) = (self.next, first - 1);
            self.faults.push(Fault::Removed { first, last, offset });
        } else if first < self.next {
            let (count, before) = (run.count(), self.next);
            self.faults.push(Fault::Inserted { count, offset, before, foreign: false });
            self.pieces[at].done = true;
            return Ok(());
        } else if !self.explain_previous(run)? {
            let both_ends_open = self
                .run_after(at)
                .is_some_and(|after| after.tag == self.tag && after.first_seq == last + 1);
            if both_ends_open {
                self.faults.push(Fault::Spliced { first, last, offset, foreign: false });
                let after = self.run_after(at).cloned();
                self.accept(at, run);
                after.iter().for_each(|after| self.adopt(after));
                return Ok(());
            }
            self.blame_previous(run);
        }
        self.accept(at, run);
        Ok(())
    }

    /// Whether one flipped bit in the record before explains why this run does not follow it.
    fn explain_previous(&mut self, run: &Run) -> Result<bool, VerifyError> {
        let Some(previous) = self.accepted.last().map(|at| self.run(*at).clone()) else {
            return Ok(false);
        };
        let (start, len) = previous.last;
        let Some(bytes) = self.heal_range(start, start + len)? else { return Ok(false) };
        let Some(flip) = self.healer.find(&bytes, Goal::Hash(run.first_prev)) else {
            return Ok(false);
        };
        self.bit_flip(Some(run.first_seq - 1), start, flip, &bytes);
        Ok(true)
    }

    fn blame_previous(&mut self, run: &Run) {
        let (seq, offset) = match self.accepted.last().map(|at| self.run(*at).last.0) {
            Some(offset) if run.first_seq > 0 => (run.first_seq - 1, offset),
            _ => (run.first_seq, run.first_offset()),
        };
        self.faults.push(Fault::Altered { seq, offset });
    }

    /// Records of another chain, and everything of theirs that follows.
    fn explain_foreign(&mut self, at: usize, run: &Run) {
        let mut count = 0;
        let mut end = at;
        while let Some(Item { piece: Piece::Run(other), done }) = self.pieces.get_mut(end)
            && other.tag != self.tag
        {
            count += other.count();
            *done = true;
            end += 1;
        }
        let offset = run.first_offset();
        let after = match self.pieces.get(end) {
            Some(Item { piece: Piece::Run(after), .. }) if after.first_seq > self.next => {
                Some(after.clone())
            }
            _ => None,
        };
        match after {
            Some(after) => {
                let (first, last) = (self.next, after.first_seq - 1);
                self.faults.push(Fault::Spliced { first, last, offset, foreign: true });
                self.adopt(&after);
            }
            None => {
                let before = self.next;
                self.faults.push(Fault::Inserted { count, offset, before, foreign: true });
            }
        }
    }

    // ---- the end ----

    fn finish(mut self) -> Result<Diagnosis, VerifyError> {
        for at in std::mem::take(&mut self.deferred) {
            let run = self.run(at).clone();
            if run.first_seq >= self.next || !self.explain_copy(at, &run)? {
                let (count, offset, before) = (run.count(), run.first_offset(), self.next);
                let foreign = false;
                self.faults.push(Fault::Inserted { count, offset, before, foreign });
            }
        }
        let mut closed = self.ends_with_close()?;
        if let Some((start, end)) = self.gap.take() {
            let bytes = end - start;
            let place = Place { tag: self.tag, prev: self.head, seq: self.next };
            let found = self.heal_range(start, end)?;
            let flip = found.as_ref().and_then(|b| self.healer.find(b, Goal::Close(place)));
            match (flip, closed) {
                (Some(flip), false) => {
                    self.bit_flip(Some(self.next), start, flip, &found.unwrap_or_default());
                    closed = true;
                }
                (_, true) => self.faults.push(Fault::AfterClose { offset: start, bytes }),
                (None, false) => self.faults.push(Fault::TornTail { offset: start, bytes }),
            }
        }
        Ok(Diagnosis { faults: self.faults, closed })
    }

    fn ends_with_close(&self) -> Result<bool, VerifyError> {
        let Some(last) = self.accepted.last().map(|at| self.run(*at)) else { return Ok(false) };
        let bytes = read_range(self.source, last.last.0, last.last.1)?;
        Ok(Frame::parse(&bytes).is_some_and(|frame| {
            matches!(frame.kind(), Some(FrameKind::Record { kind, .. }) if kind == Kind::Close as u64)
                && has_own_digest(&frame)
        }))
    }

    // ---- looking things up ----

    /// The link hash of an accepted event.
    fn event_hash(&mut self, seq: u64) -> Result<Option<Hash>, VerifyError> {
        self.lookups += 1;
        if self.lookups > LOOKUPS_MAX {
            return Ok(None);
        }
        let run = self
            .accepted
            .iter()
            .map(|at| self.run(*at))
            .find(|run| (run.first_seq..=run.last_seq).contains(&seq));
        run.map_or(Ok(None), |run| self.hash_in(run, seq))
    }

    /// The link hash of an event of a run.
    fn hash_in(&self, run: &Run, seq: u64) -> Result<Option<Hash>, VerifyError> {
        if seq == run.last_seq {
            return Ok(Some(run.last_hash));
        }
        let Some((_, offset)) = run.index.iter().rev().find(|(first, _)| *first <= seq) else {
            return Ok(None);
        };
        let found = find_record(self.source, *offset, run.end, seq)?;
        Ok(found.map(|(_, frame)| record_hash(&frame)))
    }

    /// The bytes of a part of the file, unless it is too long to be searched for a flipped bit.
    fn heal_range(&self, start: u64, end: u64) -> Result<Option<Vec<u8>>, VerifyError> {
        if end - start > Healer::BYTES_MAX {
            return Ok(None);
        }
        read_range(self.source, start, end - start).map(Some)
    }

    fn harmless(&mut self, (offset, end): (u64, u64)) {
        let (bytes, events, unproven) = (end - offset, None, None);
        self.faults.push(Fault::Lost { offset, bytes, events, unproven });
    }

    fn bit_flip(&mut self, seq: Option<u64>, start: u64, flip: (usize, u8), bytes: &[u8]) {
        let (at, bit) = flip;
        let found = bytes[at];
        let offset = start + at as u64;
        self.faults.push(Fault::BitFlip { seq, offset, bit, found, original: found ^ (1 << bit) });
    }
}

/// Finds a record by its number from a place where frames start: its offset and its frame.
pub(crate) fn find_record(
    source: &(impl Source + ?Sized),
    start: u64,
    end: u64,
    seq: u64,
) -> Result<Option<(u64, Vec<u8>)>, VerifyError> {
    let mut at = start;
    while at < end {
        let mut head = [0; 64];
        let len = (end - at).min(64) as usize;
        source
            .read_at(&mut head[..len], at)
            .map_err(|source| VerifyError::Io { offset: at, source })?;
        let Some((head_len, len)) = Frame::measure(&head[..len]) else { return Ok(None) };
        let mut number = theater_record::Decoder::new(head.get(head_len + 40..).unwrap_or(&[]));
        if number.uint() == Ok(seq) {
            return Ok(Some((at, read_range(source, at, (len as u64).min(end - at))?)));
        }
        at += len as u64;
    }
    Ok(None)
}
