//! Brings a chain whose writer crashed back to a state in which it can be continued.
//!
//! Everything that is linked stays. What follows the last linked record, the torn tail, is set
//! aside, never deleted, and a recover record says how much it was. Damage to what a checkpoint
//! calls durable is not the work of a crash and is never repaired here.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use memchr::memmem;

use crate::codec::decode_body;
use crate::event::{CloseReason, Event, Header, Kind, Recover};
use crate::frame::{Frame, FrameKind, sync_pattern};
use crate::hash::Hash;
use crate::interned::Interned;
use crate::ledger::{Keys, Ledger};
use crate::log::Log;
use crate::reader::ReadError;
use crate::recorder::Clock;
use crate::sign::{IdentityKey, Seed, Signature};

mod scan;

use scan::Scan;

/// How much is read at a time while looking through or copying a tail.
const CHUNK_BYTES: usize = 1 << 20;
/// A checkpoint or close record fits into this many bytes unless somebody made it long.
const CLAIM_BYTES: usize = 64 << 10;

/// Why a chain cannot be recovered.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The chain could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The chain could not be read or written.
    #[error("the chain could not be recovered")]
    Io(#[from] io::Error),
    /// Not even the header is whole, or nothing tells that it is: it stands alone, carries no
    /// signature, and has zeros where a sector may have been lost.
    #[error("there is no whole header, so there is nothing to recover")]
    NoHeader,
    /// Something is damaged that was on disk before the crash.
    #[error(
        "event {seq} at byte {offset} is damaged, but event {claim} at byte {claim_offset} says \
         that it was safely on disk: this is not the work of a crash"
    )]
    Corrupt {
        /// The first event that is not there as it was.
        seq: u64,
        /// Where it should be.
        offset: u64,
        /// The checkpoint or close record that vouches for it.
        claim: u64,
        /// Where that record is.
        claim_offset: u64,
    },
    /// Bytes follow the close record. A crash does not do that.
    #[error("bytes follow the close record, from byte {offset}: this is not the work of a crash")]
    AfterClose {
        /// Where they start.
        offset: u64,
    },
}

/// What recovery would do to a chain.
pub struct Recovery {
    /// The header of the chain.
    pub header: Header,
    /// How many events stay.
    pub events: u64,
    /// How many bytes of the file stay.
    pub keep: u64,
    /// How many bytes after those would be set aside.
    pub torn: u64,
    /// Whether the chain is closed, so that there is nothing to do.
    pub closed: bool,
    /// Whether the chain was recovered already and nothing happened since.
    pub recovered: bool,
    pub(crate) ledger: Ledger,
    pub(crate) interned: Interned,
    /// The first event that names a type or a function by another number than the next one.
    pub(crate) misnumbered: Option<u64>,
}

/// How to recover.
pub struct RecoverOptions {
    /// Whether to close the chain as well, so that it counts as complete.
    pub close: bool,
    /// The identity key named in the header; without it nobody vouches for the new signing key.
    pub identity: Option<IdentityKey>,
}

impl Recovery {
    /// Reads a chain and tells what recovery would do. Changes nothing.
    pub fn plan(file: &mut (impl Read + Seek)) -> Result<Recovery, RecoverError> {
        let len = file.seek(SeekFrom::End(0))?;
        let (mut scan, mut keep) = Scan::run(file, len)?;
        if !scan.is_last_trusted(file, keep)? {
            (scan, keep) = Scan::run(file, scan.last_offset())?;
        }
        let (Some(header), Some(ledger)) = (scan.header, scan.ledger) else {
            return Err(RecoverError::NoHeader);
        };
        let closed = scan.last[1] == Some(Kind::Close);
        if closed && keep < len {
            return Err(RecoverError::AfterClose { offset: keep });
        }
        refuse_corruption(file, &header, &ledger, keep)?;
        Ok(Recovery {
            header,
            events: ledger.records(),
            keep,
            torn: len - keep,
            closed,
            recovered: keep == len && scan.last == [Some(Kind::Recover), Some(Kind::Checkpoint)],
            ledger,
            interned: scan.interned,
            misnumbered: scan.misnumbered,
        })
    }

    /// Whether the chain is to be left as it is.
    #[must_use]
    pub fn is_done(&self, options: &RecoverOptions) -> bool {
        self.closed || (self.recovered && !options.close)
    }

    /// Carries the recovery out: sets the torn tail aside, then replaces it by a recover record
    /// and a checkpoint. `aside` is asked for a log only if there are bytes to set aside; it must
    /// be a new one each time.
    ///
    /// A crash at any moment leaves a chain that can be recovered again, and loses nothing.
    pub fn apply(
        mut self,
        file: &mut File,
        options: RecoverOptions,
        seed: Seed,
        clock: &Clock,
        aside: impl FnOnce() -> io::Result<Box<dyn Log>>,
    ) -> Result<(), RecoverError> {
        if self.is_done(&options) {
            return Ok(());
        }
        let signed = self.header.first_key.is_some();
        let mut keys = if signed { Keys::signing(seed) } else { Keys::unsigned(seed) };
        // An unsigned chain that was recovered before has all it needs to be closed. The key of a
        // signed one is lost again each time, so it needs another.
        if signed || !self.recovered {
            self.write_recovery(file, options.identity.as_ref(), &mut keys, clock, aside)?;
        }
        if options.close {
            file.seek(SeekFrom::End(0))?;
            let frame = self.ledger.close_frame(CloseReason::Recovered, "", clock(), &mut keys);
            self.append(file, Kind::Close, &frame)?;
            Log::sync(file)?;
        }
        // The identity key is needed no longer; dropping it erases it.
        drop(options);
        Ok(())
    }

    /// Sets the torn tail aside and writes the recover record and a checkpoint in its place.
    fn write_recovery(
        &mut self,
        file: &mut File,
        identity: Option<&IdentityKey>,
        keys: &mut Keys,
        clock: &Clock,
        aside: impl FnOnce() -> io::Result<Box<dyn Log>>,
    ) -> Result<(), RecoverError> {
        let mut discarded_digest = Hash(*blake3::hash(&[]).as_bytes());
        if self.torn > 0 {
            discarded_digest = set_aside(file, self.keep, aside()?.as_mut())?;
            // Nothing of the tail may show through if what replaces it is lost in turn.
            file.set_len(self.keep)?;
            file.sync_all()?;
        }
        let event = recover_event(self.torn, discarded_digest, clock(), keys, identity);
        file.seek(SeekFrom::Start(self.keep))?;
        let frame = self.ledger.signed_frame(&event, identity.map(IdentityKey::key));
        self.append(file, Kind::Recover, &frame)?;
        let frame = self.ledger.checkpoint_frame(clock(), keys);
        self.append(file, Kind::Checkpoint, &frame)?;
        Log::sync(file)?;
        Ok(())
    }

    fn append(&mut self, file: &mut File, kind: Kind, frame: &[u8]) -> io::Result<()> {
        self.ledger.add_record(frame, kind);
        Log::append(file, frame)
    }
}

/// Says what was set aside and introduces the key that signs next. To be signed, if at all, by the
/// identity key.
pub(crate) fn recover_event(
    discarded_bytes: u64,
    discarded_digest: Hash,
    time: u64,
    keys: &Keys,
    identity: Option<&IdentityKey>,
) -> Event {
    Event::Recover(Box::new(Recover {
        discarded_bytes,
        discarded_digest,
        time,
        next_key: keys.public(),
        signature: identity.map(|_| Signature([0; 64])),
    }))
}

/// Looks through the tail for a record that says the first damaged event was on disk.
fn refuse_corruption(
    file: &mut (impl Read + Seek),
    header: &Header,
    ledger: &Ledger,
    keep: u64,
) -> Result<(), RecoverError> {
    let place = ledger.place();
    let finder = memmem::Finder::new(&sync_pattern(header.chain_id.tag())).into_owned();
    let mut window = Vec::new();
    let mut start = keep;
    file.seek(SeekFrom::Start(keep))?;
    loop {
        let read = file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut window)?;
        for hit in finder.find_iter(&window) {
            let Some((seq, durable)) = claim_at(&window, hit) else { continue };
            if durable >= place.seq {
                let offset = keep;
                let claim_offset = start + hit as u64;
                return Err(RecoverError::Corrupt {
                    seq: place.seq,
                    offset,
                    claim: seq,
                    claim_offset,
                });
            }
        }
        if read == 0 {
            return Ok(());
        }
        let done = window.len().saturating_sub(CLAIM_BYTES);
        window.drain(..done);
        start += done as u64;
    }
}

/// The number of the checkpoint or close record around this hit of the pattern, and the event
/// that it says was on disk.
fn claim_at(window: &[u8], hit: usize) -> Option<(u64, u64)> {
    // Where a frame starts depends on how long the head of its body is.
    let frame = [5, 6, 8]
        .into_iter()
        .find_map(|head| Frame::parse(window.get(hit.checked_sub(head)?..)?))?;
    let durable = match decode_body(frame.body()) {
        Ok((_, Event::Checkpoint(checkpoint))) => checkpoint.durable_seq?,
        Ok((_, Event::Close(close))) => close.durable_seq?,
        _ => return None,
    };
    match frame.kind() {
        Some(FrameKind::Record { seq, .. }) => Some((seq, durable)),
        _ => None,
    }
}

/// Copies everything from `start` on to the log, makes it durable, and returns its digest.
fn set_aside(file: &mut File, start: u64, aside: &mut dyn Log) -> io::Result<Hash> {
    file.seek(SeekFrom::Start(start))?;
    let mut hasher = blake3::Hasher::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let read = file.read(&mut chunk)?;
        if read == 0 {
            aside.sync()?;
            return Ok(Hash(*hasher.finalize().as_bytes()));
        }
        hasher.update(&chunk[..read]);
        aside.append(&chunk[..read])?;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::format::{BODY_SEQ_AT, MAGIC};
    use crate::recorder::{About, Options, Recorder};

    fn recorder() -> (Recorder, Arc<Mutex<Vec<u8>>>) {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (about, options, seed) = (About::default(), Options::default(), Seed::new([1; 32]));
        let recorder = Recorder::create(log.clone(), about, options, seed, Arc::new(|| 1));
        (recorder.unwrap(), log)
    }

    #[test]
    fn a_header_that_is_not_the_first_record_is_no_header() {
        let (recorder, log) = recorder();
        drop(recorder);
        let mut chain = log.lock().unwrap().clone();
        assert_eq!(Recovery::plan(&mut Cursor::new(&chain)).unwrap().events, 1);
        let (head, _) = Frame::measure(&chain[MAGIC.len()..]).unwrap();
        chain[MAGIC.len() + head + BODY_SEQ_AT] ^= 4;
        let refused = Recovery::plan(&mut Cursor::new(&chain)).err();
        assert!(matches!(refused, Some(RecoverError::NoHeader)), "{refused:?}");
    }

    #[test]
    fn a_close_record_that_was_half_written_does_not_close_the_chain() {
        let (recorder, log) = recorder();
        let tip = recorder.close(CloseReason::Completed, "").unwrap();
        let mut chain = log.lock().unwrap().clone();
        assert!(Recovery::plan(&mut Cursor::new(&chain)).unwrap().closed);
        chain.iter_mut().rev().take(8).for_each(|byte| *byte = 0);
        let plan = Recovery::plan(&mut Cursor::new(&chain)).unwrap();
        assert!(!plan.closed);
        assert_eq!(plan.events, tip.seq);
    }
}
