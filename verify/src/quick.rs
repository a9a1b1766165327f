//! The quick check: digests of whole segments instead of records one by one.
//!
//! It starts from the close record at the end of the file and follows the checkpoints back to the
//! header. Where the file gives it nothing to go by (it is open, redacted or damaged in that
//! respect), it declines, and the caller checks every link instead.

use rayon::prelude::*;
use theater_record::{
    Checkpoint, Close, Event, Frame, FrameKind, Kind, MAGIC, Record, record_hash, sync_pattern,
};

use crate::audit::Auditor;
use crate::fault::Fault;
use crate::heal::has_own_digest;
use crate::piece::{Detail, Mark, Since};
use crate::policy::unmet;
use crate::report::{Depth, Head, Report, VerifyError};
use crate::scan::{is_well_formed, read_range};
use crate::source::Source;
use crate::verify::Options;

/// A close record and a checkpoint are well below this many bytes, unless somebody made them long.
const TAIL_BYTES: u64 = 64 << 10;
/// A checkpoint frame is read together with this many bytes.
const PEEK_BYTES: u64 = 1 << 10;
/// How many segments are digested between two progress reports.
const ROUND: usize = 64;

/// Checks a closed chain by its segments; `None` if that cannot be done.
pub(crate) fn quick(
    source: &(impl Source + ?Sized),
    options: &Options<'_>,
) -> Result<Option<Report>, VerifyError> {
    let Some(marks) = find_marks(source)? else { return Ok(None) };
    let mut auditor = Auditor::new(Depth::Quick, MAGIC.len() as u64);
    let last = marks.last().map(|mark| Head {
        seq: mark.seq,
        hash: mark.hash,
        end: mark.offset + mark.frame.len() as u64,
    });
    auditor.take(0, &Detail { marks, ..Detail::default() });
    let mut jobs = std::mem::take(&mut auditor.jobs);
    while !jobs.is_empty() {
        let rest = jobs.split_off(jobs.len().min(ROUND));
        let found: Vec<Option<Fault>> =
            jobs.into_par_iter().map(|job| job.run(source)).collect::<Result<_, _>>()?;
        auditor.faults.extend(found.into_iter().flatten());
        jobs = rest;
        if let (Some(progress), Some(next)) = (options.progress, jobs.first()) {
            progress(next.offset());
        }
    }
    // Whatever is wrong, looking at every link says it better.
    if !auditor.faults.is_empty() || auditor.unsupported.is_some() {
        return Ok(None);
    }
    let mut report = Report {
        depth: Depth::Quick,
        faults: Vec::new(),
        more_faults: false,
        unmet: Vec::new(),
        header: auditor.header,
        head: last,
        closed: true,
        records: last.map_or(0, |head| head.seq + 1),
        bytes: source.len(),
        checkpoints: auditor.checkpoints,
        recoveries: 0,
        blobs: auditor.blobs,
        signatures: auditor.signatures,
    };
    if !options.policy.anchors.iter().all(|anchor| Some(anchor.seq) == last.map(|l| l.seq)) {
        return Ok(None);
    }
    report.unmet = unmet(&report, &options.policy, |_| Ok(None))?;
    Ok(Some(report))
}

/// The header, all checkpoints and the close record, in order.
fn find_marks(source: &(impl Source + ?Sized)) -> Result<Option<Vec<Mark>>, VerifyError> {
    let start = MAGIC.len() as u64;
    if source.len() < start + 64 || read_range(source, 0, start)? != MAGIC {
        return Ok(None);
    }
    let Some(header) = mark_at(source, start)?.filter(|mark| mark.kind == Kind::Header) else {
        return Ok(None);
    };
    let Some(close) = find_close(source, &header)? else { return Ok(None) };
    let Some(Event::Close(said)) = event(&close) else { return Ok(None) };
    let mut marks = vec![close];
    let Close { checkpoint_offset, .. } = *said;
    let mut offset = checkpoint_offset;
    loop {
        let before = marks.last().map_or(0, |mark| mark.offset);
        if offset >= before || offset <= start {
            return Ok(None);
        }
        let Some(mark) = mark_at(source, offset)?.filter(|mark| mark.kind == Kind::Checkpoint)
        else {
            return Ok(None);
        };
        let Some(Event::Checkpoint(said)) = event(&mark) else { return Ok(None) };
        let Checkpoint { number, segment_offset, .. } = *said;
        marks.push(mark);
        offset = segment_offset;
        if number == 0 {
            break;
        }
    }
    if offset != start {
        return Ok(None);
    }
    marks.push(header);
    marks.reverse();
    // The close record commits to the last checkpoint by its link.
    let linked = match &marks[..] {
        [.., checkpoint, close] => {
            Frame::parse(&close.frame).is_some_and(|frame| *frame.prev() == checkpoint.hash.0)
        }
        _ => false,
    };
    Ok(linked.then_some(marks))
}

/// The close record, if the file ends with it.
fn find_close(source: &(impl Source + ?Sized), header: &Mark) -> Result<Option<Mark>, VerifyError> {
    let Some(tag) = Frame::parse(&header.frame).map(|frame| frame.tag()) else { return Ok(None) };
    let len = TAIL_BYTES.min(source.len());
    let start = source.len() - len;
    let tail = read_range(source, start, len)?;
    let pattern = sync_pattern(tag);
    let hits = memchr::memmem::rfind_iter(&tail, &pattern);
    let candidates =
        hits.flat_map(|hit| [5, 6, 8].into_iter().filter_map(move |head| hit.checked_sub(head)));
    for at in candidates {
        let Some(frame) = Frame::parse(&tail[at..]).filter(|f| f.bytes().len() == tail.len() - at)
        else {
            continue;
        };
        if let Some(mark) = mark(frame, start + at as u64)
            && mark.kind == Kind::Close
            && has_own_digest(&frame)
        {
            return Ok(Some(mark));
        }
    }
    Ok(None)
}

fn mark_at(source: &(impl Source + ?Sized), offset: u64) -> Result<Option<Mark>, VerifyError> {
    let left = source.len().saturating_sub(offset);
    let mut bytes = read_range(source, offset, left.min(PEEK_BYTES))?;
    let Some((_, len)) = Frame::measure(&bytes) else { return Ok(None) };
    if len as u64 > left {
        return Ok(None);
    }
    if len > bytes.len() {
        bytes = read_range(source, offset, len as u64)?;
    }
    Ok(Frame::parse(&bytes).and_then(|frame| mark(frame, offset)))
}

fn mark(frame: Frame<'_>, offset: u64) -> Option<Mark> {
    let Some(FrameKind::Record { seq, kind }) = frame.kind() else { return None };
    if !is_well_formed(&frame) {
        return None;
    }
    Some(Mark {
        kind: Kind::from_number(kind)?,
        seq,
        offset,
        frame: frame.bytes().to_vec(),
        hash: record_hash(frame.bytes()),
        before: Since::default(),
    })
}

fn event(mark: &Mark) -> Option<Event> {
    let frame = Frame::parse(&mark.frame)?;
    Record { offset: mark.offset, seq: mark.seq, kind: mark.kind, frame }.event().ok()
}
