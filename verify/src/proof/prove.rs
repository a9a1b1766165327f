//! Makes the proof of one event in a single pass over the chain, in bounded memory.

use theater_record::{
    AuditPath, Event, FEATURES_KNOWN, FORMAT_VERSION, Hash, Kind, LogPath, PathFinder, ReadError,
    Reader, Record, Stored, log_leaf,
};

use super::{Proof, ProofError};
use crate::source::{Source, SourceReader};

/// Why no proof could be made.
#[derive(Debug, thiserror::Error)]
pub enum ProveError {
    /// The chain could not be read, or is damaged so that reading cannot go on.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The chain needs a newer program.
    #[error("the chain uses a newer format than this program knows")]
    Newer,
    /// A record does not follow the one before it. Nothing is proved from a damaged chain.
    #[error("the chain is damaged: event {seq} at byte {offset} does not follow the one before it")]
    Damaged {
        /// The event number it claims.
        seq: u64,
        /// Where its frame starts.
        offset: u64,
    },
    /// The chain ends before the event.
    #[error("there is no event {seq}: the chain has {records} events")]
    NoSuchEvent {
        /// The event that was asked for.
        seq: u64,
        /// How many the chain has.
        records: u64,
    },
    /// No checkpoint follows the event yet.
    #[error("event {seq} cannot be proved yet: no checkpoint follows it")]
    NotCovered {
        /// The event that was asked for.
        seq: u64,
    },
    /// The links hold, but a checkpoint or close record says something that is not so.
    #[error("the chain contradicts itself: {0}")]
    Contradicted(#[from] ProofError),
}

/// Proves that an event stands in a chain, checking every link on the way to the chain's end.
///
/// A torn tail is no obstacle: the chain may still be written to. `done` hears how many bytes are
/// behind.
pub fn prove<S: Source + ?Sized>(
    source: &S,
    seq: u64,
    done: impl Fn(u64),
) -> Result<Proof, ProveError> {
    let mut reader = Reader::new(SourceReader::new(source, 0, source.len()))?;
    let mut prover = Prover::new(seq);
    loop {
        match reader.read() {
            Ok(Some(Stored::Record(record))) => prover.take(&record)?,
            Ok(Some(Stored::Blob { .. } | Stored::Tombstone { .. })) => {}
            Ok(None) | Err(ReadError::Torn { .. }) => break,
            Err(error) => return Err(error.into()),
        }
        done(reader.offset());
    }
    let proof = prover.finish()?;
    // The paths were found without looking at the roots that the checkpoints state.
    proof.check()?;
    Ok(proof)
}

/// What is kept of the records that went by.
struct Prover {
    /// The event to prove.
    seq: u64,
    tag: Option<[u8; 4]>,
    /// The hash the next record must carry, and how many records there were.
    prev: Hash,
    records: u64,
    /// The path inside the current segment; given away once the event's segment is complete.
    in_segment: PathFinder,
    in_log: PathFinder,
    found: Option<Vec<u8>>,
    segment: Option<(AuditPath, Vec<u8>)>,
    last_checkpoint: Option<Vec<u8>>,
    close: Option<Vec<u8>>,
}

impl Prover {
    fn new(seq: u64) -> Prover {
        Prover {
            seq,
            tag: None,
            prev: Hash::ZERO,
            records: 0,
            in_segment: PathFinder::in_segment(),
            in_log: PathFinder::in_log(),
            found: None,
            segment: None,
            last_checkpoint: None,
            close: None,
        }
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), ProveError> {
        let hash = self.link(record)?;
        let frame = record.frame.bytes();
        if record.kind == Kind::Checkpoint {
            self.end_segment(frame);
        }
        if record.seq == self.seq {
            self.found = Some(frame.to_vec());
            self.in_segment.mark();
        }
        self.in_segment.push(hash);
        if record.kind == Kind::Close {
            self.close = Some(frame.to_vec());
        }
        Ok(())
    }

    /// Checks that the record follows the one before it.
    fn link(&mut self, record: &Record<'_>) -> Result<Hash, ProveError> {
        if record.seq == 0 && self.records == 0 {
            check_header(record)?;
        }
        let tag = record.frame.tag();
        let follows = record.prev() == self.prev
            && record.seq == self.records
            && *self.tag.get_or_insert(tag) == tag
            && self.close.is_none();
        if !follows {
            return Err(ProveError::Damaged { seq: record.seq, offset: record.offset });
        }
        self.prev = record.hash();
        self.records += 1;
        Ok(self.prev)
    }

    fn end_segment(&mut self, checkpoint: &[u8]) {
        // The log holds the checkpoints before the last one, so each enters when the next is here.
        if let Some(earlier) = self.last_checkpoint.replace(checkpoint.to_vec()) {
            self.in_log.push(log_leaf(&earlier));
        }
        let finder = std::mem::replace(&mut self.in_segment, PathFinder::in_segment());
        if let Some(path) = finder.finish() {
            self.segment = Some((path, checkpoint.to_vec()));
            self.in_log.mark();
        }
    }

    fn finish(self) -> Result<Proof, ProveError> {
        let (seq, records) = (self.seq, self.records);
        let record = self.found.ok_or(ProveError::NoSuchEvent { seq, records })?;
        let is_top =
            self.close.as_ref() == Some(&record) || self.last_checkpoint.as_ref() == Some(&record);
        if self.segment.is_none() && !is_top {
            return Err(ProveError::NotCovered { seq });
        }
        let close = self.close.filter(|close| *close != record);
        // There is no path to the last checkpoint if it is the one that ends the segment.
        let log = self.in_log.finish().zip(self.last_checkpoint);
        let log = log.map(|(path, frame)| (LogPath(path), frame));
        Ok(Proof { record, segment: self.segment, log, close })
    }
}

/// The header must be one that this program understands.
fn check_header(record: &Record<'_>) -> Result<(), ProveError> {
    match record.event()? {
        Event::Header(header)
            if header.version <= FORMAT_VERSION
                && header.features.iter().all(|feature| FEATURES_KNOWN.contains(feature)) =>
        {
            Ok(())
        }
        Event::Header(_) => Err(ProveError::Newer),
        _ => Err(ProveError::Damaged { seq: record.seq, offset: record.offset }),
    }
}
