//! The check itself: from bytes to a report.

use theater_record::{Frame, FrameKind, Hash, Kind, MAGIC, Place, Record, record_hash};

use crate::classify::{classify, find_record};
use crate::fault::{CheckpointField, Fault};
use crate::heal::{Goal, Healer};
use crate::piece::{Piece, Run};
use crate::policy::unmet;
use crate::quick::quick;
use crate::report::{Depth, Head, Policy, Report, VerifyError};
use crate::scan::{is_well_formed, read_range};
use crate::source::Source;
use crate::survey::{STRETCH_BYTES, STRETCH_BYTES_MAX, Survey, survey};

/// How much of a file is searched for the chain's tag.
const TAG_SEARCH_BYTES: u64 = 1 << 20;

/// How to check.
#[derive(Clone)]
pub struct Options<'a> {
    /// How deep to look.
    pub depth: Depth,
    /// How many threads to use; all that rayon has if not given.
    pub threads: Option<usize>,
    /// What is asked of the chain.
    pub policy: Policy,
    /// Called now and then with the number of bytes that are done.
    pub progress: Option<&'a (dyn Fn(u64) + Sync)>,
    /// In how large stretches the file is scanned. The outcome does not depend on it.
    pub stretch_bytes: u64,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Options {
            depth: Depth::Full,
            threads: None,
            policy: Policy::default(),
            progress: None,
            stretch_bytes: STRETCH_BYTES,
        }
    }
}

/// Checks a chain.
pub fn verify(
    source: &(impl Source + ?Sized),
    options: &Options<'_>,
) -> Result<Report, VerifyError> {
    if source.is_empty() {
        return Err(VerifyError::Empty);
    }
    match options.threads {
        None => check(source, options),
        Some(threads) => {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads.max(1))
                .build()
                .map_err(|error| VerifyError::Threads { reason: error.to_string() })?;
            pool.install(|| check(source, options))
        }
    }
}

fn check(source: &(impl Source + ?Sized), options: &Options<'_>) -> Result<Report, VerifyError> {
    if options.depth == Depth::Quick
        && let Some(report) = quick(source, options)?
    {
        return Ok(report);
    }
    let mut faults = check_magic(source)?;
    let Some(tag) = find_tag(source)? else {
        return without_records(source, options, faults);
    };
    // A quick check that finds nothing to go by looks at every link instead.
    let depth = options.depth.max(Depth::Links);
    let nothing = |_| {};
    let progress = options.progress.unwrap_or(&nothing);
    let found =
        survey(source, tag, depth, options.stretch_bytes.clamp(64, STRETCH_BYTES_MAX), progress)?;
    let Survey { pieces, mut auditor, census, in_shreds } = found;
    faults.append(&mut auditor.faults);
    let first = first_run(&pieces, tag).cloned();
    let unbroken = first.as_ref().filter(|run| pieces.len() == 1 && run.end == source.len());
    let mut closed = auditor.closed_at.is_some();
    match (unbroken, auditor.closed_at) {
        (Some(_), Some(end)) if end < source.len() => {
            faults.push(Fault::AfterClose { offset: end, bytes: source.len() - end });
        }
        (Some(_), _) => {}
        (None, _) => {
            let diagnosis = classify(source, tag, pieces)?;
            faults.extend(diagnosis.faults);
            closed = diagnosis.closed;
        }
    }
    if let Some(run) = unbroken {
        closed |= heal_last(source, tag, run, &mut faults)?;
    }
    heal_blobs(source, tag, &mut faults)?;
    drop_consequences(&mut faults);
    if let Some(error) = auditor.unsupported
        && !faults.iter().any(|fault| fault.seq() == Some(0))
    {
        return Err(error);
    }
    let head = good_prefix(source, first.as_ref(), &faults)?;
    let mut report = Report {
        depth,
        faults,
        more_faults: in_shreds,
        unmet: Vec::new(),
        header: auditor.header,
        head,
        closed,
        records: census.records,
        bytes: source.len(),
        checkpoints: census.checkpoints,
        recoveries: census.recoveries,
        blobs: census.blobs,
        signatures: auditor.signatures,
    };
    let index = first.map(|run| (run.index, run.end)).unwrap_or_default();
    report.unmet =
        unmet(&report, &options.policy, |seq| find_from_index(source, &index.0, index.1, seq))?;
    Ok(report)
}

/// A bit flip in the magic is as good as any other.
fn check_magic(source: &(impl Source + ?Sized)) -> Result<Vec<Fault>, VerifyError> {
    let len = source.len().min(MAGIC.len() as u64);
    let found = read_range(source, 0, len)?;
    let different: Vec<usize> = (0..found.len()).filter(|at| found[*at] != MAGIC[*at]).collect();
    Ok(match different[..] {
        [] if found.len() < MAGIC.len() => vec![Fault::TornTail { offset: 0, bytes: len }],
        [] => Vec::new(),
        [at] if (found[at] ^ MAGIC[at]).is_power_of_two() => vec![Fault::BitFlip {
            seq: None,
            offset: at as u64,
            bit: (found[at] ^ MAGIC[at]).trailing_zeros() as u8,
            found: found[at],
            original: MAGIC[at],
        }],
        _ => vec![Fault::Lost { offset: 0, bytes: len, events: None, unproven: None }],
    })
}

/// The chain tag that most of the first frames carry; one of them may be damaged.
fn find_tag(source: &(impl Source + ?Sized)) -> Result<Option<[u8; 4]>, VerifyError> {
    let start = MAGIC.len() as u64;
    let mut len = source.len().saturating_sub(start).min(TAG_SEARCH_BYTES);
    if len == 0 {
        return Ok(None);
    }
    if let Some((_, first)) = Frame::measure(&read_range(source, start, len.min(16))?) {
        len = source.len().saturating_sub(start).min(len + first as u64);
    }
    let data = read_range(source, start, len)?;
    let mut votes: Vec<[u8; 4]> = Vec::new();
    let mut at = 0;
    while votes.len() < 4 && at < data.len() {
        let Some(frame) = Frame::parse(&data[at..]).filter(is_well_formed) else {
            let next = memchr::memmem::find(&data[at + 1..], &[0xd8, 0x18]);
            at = next.map_or(data.len(), |next| at + 1 + next);
            continue;
        };
        if let Some(header) = as_header(&frame) {
            votes.push(header.chain_id.tag());
        }
        votes.push(frame.tag());
        at += frame.bytes().len();
    }
    let most = |tag: &[u8; 4]| votes.iter().filter(|vote| *vote == tag).count();
    Ok(votes.iter().rev().max_by_key(|tag| most(tag)).copied())
}

fn as_header(frame: &Frame<'_>) -> Option<theater_record::Header> {
    let record = record_of(frame, 0)?;
    match record.event() {
        Ok(theater_record::Event::Header(header)) => Some(*header),
        _ => None,
    }
}

/// A frame as a record, if it is one.
fn record_of<'a>(frame: &Frame<'a>, offset: u64) -> Option<Record<'a>> {
    let Some(FrameKind::Record { seq, kind }) = frame.kind() else { return None };
    Some(Record { offset, seq, kind: Kind::from_number(kind)?, frame: *frame })
}

/// The report on a file in which no record was found.
fn without_records(
    source: &(impl Source + ?Sized),
    options: &Options<'_>,
    mut faults: Vec<Fault>,
) -> Result<Report, VerifyError> {
    let magic = MAGIC.len() as u64;
    let is_torn = matches!(faults[..], [] | [Fault::TornTail { .. }]);
    if !is_torn {
        return Err(VerifyError::NotAChain);
    }
    if source.len() > magic {
        faults.push(Fault::TornTail { offset: magic, bytes: source.len() - magic });
    }
    let mut report = Report {
        depth: options.depth,
        faults,
        more_faults: false,
        unmet: Vec::new(),
        header: None,
        head: None,
        closed: false,
        records: 0,
        bytes: source.len(),
        checkpoints: 0,
        recoveries: 0,
        blobs: Default::default(),
        signatures: Default::default(),
    };
    report.unmet = unmet(&report, &options.policy, |_| Ok(None))?;
    Ok(report)
}

/// The first run, if it starts where a chain starts.
fn first_run(pieces: &[Piece], tag: [u8; 4]) -> Option<&Run> {
    match pieces.first() {
        Some(Piece::Run(run)) => Some(run).filter(|run| {
            run.start == MAGIC.len() as u64
                && run.first_seq == 0
                && run.first_prev == Hash::ZERO
                && run.tag == tag
        }),
        _ => None,
    }
}

/// No record commits to the last one. If its form or its own digest is wrong, one bit may explain
/// it. Returns whether that makes it a close record.
fn heal_last(
    source: &(impl Source + ?Sized),
    tag: [u8; 4],
    run: &Run,
    faults: &mut Vec<Fault>,
) -> Result<bool, VerifyError> {
    let (offset, len) = run.last;
    let bytes = read_range(source, offset, len)?;
    let Some(frame) = Frame::parse(&bytes) else { return Ok(false) };
    let well_formed = is_well_formed(&frame);
    let suspicious = faults.iter().any(|fault| match fault {
        Fault::Malformed { seq, .. }
        | Fault::Contradicted { seq, field: CheckpointField::CloseDigest, .. } => {
            *seq == run.last_seq
        }
        _ => false,
    });
    if well_formed && !suspicious {
        return Ok(false);
    }
    let place = Place { tag, prev: Hash(*frame.prev()), seq: run.last_seq };
    match Healer::new().find(&bytes, Goal::Close(place)) {
        Some((at, bit)) => {
            faults.push(bit_flip(Some(run.last_seq), offset, at, bit, bytes[at]));
            Ok(true)
        }
        None if !suspicious => {
            let reason = "its form is wrong".to_owned();
            faults.push(Fault::Malformed { seq: run.last_seq, offset, reason });
            Ok(false)
        }
        None => Ok(false),
    }
}

fn heal_blobs(
    source: &(impl Source + ?Sized),
    tag: [u8; 4],
    faults: &mut [Fault],
) -> Result<(), VerifyError> {
    let mut healer = Healer::new();
    for fault in faults {
        let Fault::BlobAltered { offset, bytes } = *fault else { continue };
        if bytes <= Healer::BYTES_MAX {
            let frame = read_range(source, offset, bytes)?;
            if let Some((at, bit)) = healer.find(&frame, Goal::Blob(tag)) {
                *fault = bit_flip(None, offset, at, bit, frame[at]);
            }
        }
    }
    Ok(())
}

fn bit_flip(seq: Option<u64>, start: u64, at: usize, bit: u8, found: u8) -> Fault {
    let (offset, original) = (start + at as u64, found ^ (1 << bit));
    Fault::BitFlip { seq, offset, bit, found, original }
}

/// Puts findings in file order, one for each cause. What an altered record seems to say is no
/// finding of its own, and two checks may have noticed the same.
fn drop_consequences(faults: &mut Vec<Fault>) {
    let altered: Vec<u64> = faults
        .iter()
        .filter(|fault| matches!(fault, Fault::BitFlip { .. } | Fault::Altered { .. }))
        .filter_map(Fault::seq)
        .collect();
    faults.retain(|fault| match fault {
        Fault::Malformed { seq, .. }
        | Fault::Contradicted { seq, .. }
        | Fault::BlobsMissing { seq, .. }
        | Fault::BlobsAdded { seq, .. }
        | Fault::Signature { seq, .. } => !altered.contains(seq),
        Fault::Synthetic => !altered.contains(&0),
        _ => true,
    });
    faults.sort_by_key(Fault::offset);
    faults.dedup_by(|later, earlier| {
        let malformed = |fault: &Fault| matches!(fault, Fault::Malformed { .. });
        malformed(later) && malformed(earlier) && later.seq() == earlier.seq() || later == earlier
    });
}

/// The end of the longest prefix that no finding touches.
fn good_prefix(
    source: &(impl Source + ?Sized),
    first: Option<&Run>,
    faults: &[Fault],
) -> Result<Option<Head>, VerifyError> {
    let Some(run) = first else { return Ok(None) };
    let bad = faults
        .iter()
        .filter(|fault| !matches!(fault, Fault::Signature { .. }))
        .filter_map(Fault::seq)
        .min();
    let last = match bad {
        Some(0) => return Ok(None),
        Some(bad) => run.last_seq.min(bad - 1),
        None => run.last_seq,
    };
    if last == run.last_seq {
        let end = run.last.0 + run.last.1;
        return Ok(Some(Head { seq: last, hash: run.last_hash, end }));
    }
    let found = find_from_index(source, &run.index, run.end, last)?;
    Ok(found.map(|(offset, frame)| Head {
        seq: last,
        hash: record_hash(&frame),
        end: offset + frame.len() as u64,
    }))
}

/// Finds an event, starting from the closest one before it whose place is known.
fn find_from_index(
    source: &(impl Source + ?Sized),
    index: &[(u64, u64)],
    end: u64,
    seq: u64,
) -> Result<Option<(u64, Vec<u8>)>, VerifyError> {
    match index.iter().rev().find(|(first, _)| *first <= seq) {
        Some((_, offset)) => find_record(source, *offset, end, seq),
        None => Ok(None),
    }
}
