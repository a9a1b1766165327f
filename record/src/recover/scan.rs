//! Finds out how much of a chain a crash has left.
//!
//! A writer syncs after the header and after each checkpoint before it writes anything else. So
//! whatever stands before one of these that has something behind it is on disk. Of the rest any
//! sector may be lost; it then reads as zeros.

use std::io::{Read, Seek, SeekFrom};

use crate::event::{Event, Header, Kind};
use crate::format::BODY_SEQ_AT;
use crate::frame::Frame;
use crate::hash::{Hash, close_digest};
use crate::interned::Interned;
use crate::ledger::Ledger;
use crate::reader::{ReadError, Reader, Record, Stored, stored};
use crate::recover::{CHUNK_BYTES, RecoverError};
use crate::sign::{DIGEST_FIELD_BYTES, PublicKey};

/// The start of a frame up to and including the first byte of its sequence number.
const FRAME_START_BYTES: u64 = 7 + BODY_SEQ_AT as u64 + 1;
/// The unit in which disks lose what was not synced.
const SECTOR_BYTES: u64 = 512;

/// Follows the links of a chain for as long as they hold.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) header: Option<Header>,
    pub(super) ledger: Option<Ledger>,
    pub(super) interned: Interned,
    /// The first event that names a type or a function by another number than the next one.
    pub(super) misnumbered: Option<u64>,
    /// The kinds of the last two records.
    pub(super) last: [Option<Kind>; 2],
    /// Where the last record starts, and its bytes.
    last_record: (u64, Vec<u8>),
    /// The key that should have signed the last record.
    last_key: Option<PublicKey>,
    /// The key announced for the next checkpoint.
    next_key: Option<PublicKey>,
}

impl Scan {
    /// Follows the chain up to `end` or the first frame that does not belong where it stands.
    /// Returns where that is.
    pub(super) fn run(
        file: &mut (impl Read + Seek),
        end: u64,
    ) -> Result<(Scan, u64), RecoverError> {
        let mut scan = Scan::default();
        file.rewind()?;
        let mut reader = Reader::new(file.by_ref().take(end))?;
        loop {
            let offset = reader.offset();
            let taken = match reader.read_frame() {
                Ok(Some((offset, frame))) => {
                    stored(frame, offset).map(|stored| scan.take(&frame, &stored))
                }
                Ok(None) => Ok(false),
                Err(error) => Err(error),
            };
            match taken {
                Ok(true) => {}
                Ok(false)
                | Err(
                    ReadError::Torn { .. }
                    | ReadError::NotAFrame { .. }
                    | ReadError::Malformed { .. },
                ) => return Ok((scan, offset)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Where the last record starts.
    pub(super) fn last_offset(&self) -> u64 {
        self.last_record.0
    }

    /// Whether the last record can be what was written.
    ///
    /// Records are vouched for by those that follow them. The last one is vouched for by its own
    /// digest or signature, by the start of a frame that broke off behind it, or by having been
    /// synced before anything was written behind it. If there is nothing of all this, it must at
    /// least not have lost a sector.
    pub(super) fn is_last_trusted(
        &self,
        file: &mut (impl Read + Seek),
        keep: u64,
    ) -> Result<bool, RecoverError> {
        let Some(ledger) = &self.ledger else { return Ok(true) };
        let Some(kind) = self.last[1] else { return Ok(true) };
        let (offset, bytes) = &self.last_record;
        if kind == Kind::Close || self.is_last_signed(kind) {
            return Ok(true);
        }
        if let Some(claimed) = claimed_prev(file, keep, ledger.place().tag)? {
            return Ok(claimed == ledger.head());
        }
        let was_synced =
            matches!(kind, Kind::Header | Kind::Checkpoint) && holds_something(file, keep)?;
        Ok(was_synced || !in_sectors(*offset, bytes).any(is_lost))
    }

    fn is_last_signed(&self, kind: Kind) -> bool {
        let frame = Frame::parse(&self.last_record.1);
        let key = self.last_key.as_ref();
        frame.zip(key).is_some_and(|(frame, key)| key.verifies(kind, frame.body()))
    }

    /// Takes the next frame if it belongs where it stands.
    fn take(&mut self, frame: &Frame<'_>, stored: &Stored<'_>) -> bool {
        let is_foreign =
            self.ledger.as_ref().is_some_and(|ledger| ledger.place().tag != frame.tag());
        if is_foreign || self.last[1] == Some(Kind::Close) {
            return false;
        }
        match stored {
            Stored::Record(record) => self.take_record(record),
            Stored::Blob { blob, bytes, .. } => blob.is_intact() && self.add_blob(*bytes),
            Stored::Tombstone { bytes, .. } => self.add_blob(*bytes),
        }
    }

    fn take_record(&mut self, record: &Record<'_>) -> bool {
        let Ok(event) = record.event() else { return false };
        let place = match (&self.ledger, &event) {
            (Some(ledger), _) => ledger.place(),
            (None, Event::Header(header)) => Ledger::new(header.chain_id.tag()).place(),
            (None, _) => return false,
        };
        let follows = record.prev() == place.prev
            && record.seq == place.seq
            && record.frame.tag() == place.tag
            && is_digest_right(&event, record.frame.body());
        if !follows {
            return false;
        }
        let ledger = self.ledger.get_or_insert_with(|| Ledger::new(place.tag));
        ledger.add_record(record.frame.bytes(), record.kind);
        if let Event::Checkpoint(checkpoint) = &event
            && let Some(durable) = checkpoint.durable_seq
        {
            ledger.set_durable(durable);
        }
        self.follow_keys(&event);
        if !self.interned.follow(&event) {
            self.misnumbered.get_or_insert(record.seq);
        }
        self.last = [self.last[1], Some(record.kind)];
        self.last_record = (record.offset, record.frame.bytes().to_vec());
        if let (None, Event::Header(header)) = (&self.header, event) {
            self.header = Some(*header);
        }
        true
    }

    fn follow_keys(&mut self, event: &Event) {
        let identity = self.header.as_ref().and_then(|header| header.identity);
        (self.last_key, self.next_key) = match event {
            Event::Header(header) => (header.identity, header.first_key),
            Event::Recover(recover) => (identity, recover.next_key),
            Event::Checkpoint(checkpoint) => (self.next_key, checkpoint.next_key),
            _ => (None, self.next_key),
        };
    }

    fn add_blob(&mut self, bytes: u64) -> bool {
        self.ledger.as_mut().is_some_and(|ledger| {
            ledger.add_blob(bytes);
            true
        })
    }
}

/// The close record says itself whether it is whole.
fn is_digest_right(event: &Event, body: &[u8]) -> bool {
    match event {
        Event::Close(close) => body
            .len()
            .checked_sub(DIGEST_FIELD_BYTES)
            .is_some_and(|covered| close_digest(&body[..covered]) == close.digest),
        _ => true,
    }
}

/// The hash that a record carries, if one of this chain starts here and that much of it is there.
fn claimed_prev(
    file: &mut (impl Read + Seek),
    start: u64,
    tag: [u8; 4],
) -> Result<Option<Hash>, RecoverError> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.by_ref().take(FRAME_START_BYTES).read_to_end(&mut bytes)?;
    let Some((head, _)) = Frame::measure(&bytes) else { return Ok(None) };
    // Blobs have their digest where records have the hash. If the number behind it is not 0, no
    // record's first one, then no sector was lost on the way there.
    let is_record = bytes.get(head + BODY_SEQ_AT).is_some_and(|byte| (1..0x1c).contains(byte));
    let claimed = Frame::claimed_prev(&bytes).filter(|(found, _)| is_record && *found == tag);
    Ok(claimed.map(|(_, prev)| prev))
}

/// Splits bytes that start at this offset of a file at the bounds of its sectors.
fn in_sectors(offset: u64, bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let to_bound = (SECTOR_BYTES - offset % SECTOR_BYTES) as usize;
    let (first, rest) = bytes.split_at(to_bound.min(bytes.len()));
    std::iter::once(first).chain(rest.chunks(SECTOR_BYTES as usize))
}

fn is_lost(part: &[u8]) -> bool {
    part.iter().all(|byte| *byte == 0)
}

/// Whether anything but zeros stands at or after this offset.
fn holds_something(file: &mut (impl Read + Seek), start: u64) -> Result<bool, RecoverError> {
    let mut chunk = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    loop {
        chunk.clear();
        if file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut chunk)? == 0 {
            return Ok(false);
        }
        if !is_lost(&chunk) {
            return Ok(true);
        }
    }
}
