//! What a view remembers of a chain: where events and payloads stand, and what was named.

use std::collections::{BTreeSet, HashMap};
use std::ops::{ControlFlow, Range};

use theater_record::{Event, FunctionId, Hash, Kind, MAGIC, ReadError, Reader, Record, Stored};
use theater_verify::{GrowingFile, Source, SourceReader};

use super::payloads::{Payloads, Piece};
use super::shown::ShownEvent;
use super::state::{self, Given};
use super::{ViewError, parent};
use crate::entry::Lexicon;

/// The place of one in so many events is kept.
const BLOCK_EVENTS: u64 = 64;

/// More than this of an event's payloads stays out of line when it is shown.
const SHOWN_PAYLOAD_BYTES_MAX: u64 = 1 << 20;

/// No state is larger than this: what a handler returns goes through one record.
const STATE_BYTES_MAX: u64 = 32 << 20;

/// The part of a chain that was there at the last look.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Where the next frame starts.
    end: u64,
    /// How long the file was at the last look.
    seen: u64,
    count: u64,
    blocks: Vec<Block>,
    tag: Option<[u8; 4]>,
    lexicon: Lexicon,
    /// The functions that give the actor its state.
    handlers: BTreeSet<FunctionId>,
    /// The last event that has given the actor a state.
    state_giver: Option<u64>,
    pieces: HashMap<Hash, Piece>,
    /// The events that say what time it is, with the time.
    times: Vec<(u64, u64)>,
    is_closed: bool,
}

/// The first of some events.
#[derive(Debug)]
struct Block {
    offset: u64,
    /// The last event before it that has given the actor a state.
    state_giver: Option<u64>,
}

impl Index {
    /// How many events there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Where the last whole frame ends.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Takes in what was written since the last look.
    pub(super) fn catch_up(&mut self, file: &GrowingFile) -> Result<(), ViewError> {
        let len = file.len();
        if len < self.end {
            // Somebody has cut the file back, and may have gone on in another way.
            *self = Index::default();
        }
        if len == self.seen {
            return Ok(());
        }
        if self.end == 0 {
            if len < MAGIC.len() as u64 {
                return Ok(());
            }
            self.end = Reader::new(SourceReader::new(file, 0, MAGIC.len() as u64))?.offset();
        }
        let mut reader = Reader::at_frame(SourceReader::new(file, self.end, len), self.end);
        loop {
            match reader.read() {
                Ok(Some(Stored::Record(record))) => self.add(file, &record)?,
                Ok(Some(Stored::Blob { offset, bytes, blob })) => {
                    self.pieces.insert(blob.digest, Piece::At { offset, bytes });
                }
                Ok(Some(Stored::Tombstone { tombstone, .. })) => {
                    self.pieces.insert(tombstone.digest, Piece::Removed);
                }
                Ok(None) | Err(ReadError::Torn { .. }) => break,
                Err(error) => return Err(error.into()),
            }
            self.end = reader.offset();
        }
        self.seen = len;
        Ok(())
    }

    /// Visits the events of these numbers, as far as they are there.
    pub(super) fn visit(
        &self,
        file: &GrowingFile,
        numbers: Range<u64>,
        mut visit: impl FnMut(&Record<'_>) -> Result<ControlFlow<()>, ViewError>,
    ) -> Result<(), ViewError> {
        let numbers = numbers.start..numbers.end.min(self.count);
        if numbers.is_empty() {
            return Ok(());
        }
        let mut number = numbers.start - numbers.start % BLOCK_EVENTS;
        let start = self.block(number).offset;
        let mut reader = Reader::at_frame(SourceReader::new(file, start, self.end), start);
        while number < numbers.end {
            let record = match reader.read() {
                Ok(Some(Stored::Record(record))) => record,
                Ok(Some(Stored::Blob { .. } | Stored::Tombstone { .. })) => continue,
                Err(error @ ReadError::Io { .. }) => return Err(error.into()),
                // It could be read when it was indexed.
                Ok(None) | Err(_) => return Err(ViewError::Changed),
            };
            if record.seq != number {
                return Err(ViewError::Changed);
            }
            if numbers.contains(&number) && visit(&record)?.is_break() {
                break;
            }
            number += 1;
        }
        Ok(())
    }

    /// The ranges of events into which these numbers fall, from the first to the last.
    pub(super) fn blocks_of(&self, numbers: &Range<u64>) -> Vec<Range<u64>> {
        let numbers = numbers.start..numbers.end.min(self.count);
        let mut blocks = Vec::new();
        let mut start = numbers.start;
        while start < numbers.end {
            let end = (start - start % BLOCK_EVENTS).saturating_add(BLOCK_EVENTS);
            blocks.push(start..end.min(numbers.end));
            start = end;
        }
        blocks
    }

    /// An event with every name that the chain has for it, and with its payloads.
    pub(super) fn shown(
        &self,
        file: &GrowingFile,
        record: &Record<'_>,
        event: Event,
    ) -> ShownEvent {
        let mut payloads = Payloads::new(file, &self.pieces, SHOWN_PAYLOAD_BYTES_MAX);
        let event = payloads.put_back_in(event, &self.lexicon);
        let previews = payloads.previews(&event);
        let bytes = record.frame.body().len() + payloads.put_back_bytes();
        ShownEvent {
            entry: self.lexicon.describe(record.seq, record.offset, event),
            link: record.hash(),
            parent: parent(record),
            time: self.time_of(record.seq),
            previews,
            bytes,
        }
    }

    /// The last event up to this one that has given the actor a state.
    pub(super) fn state_giver(
        &self,
        file: &GrowingFile,
        number: u64,
    ) -> Result<Option<u64>, ViewError> {
        let start = number - number % BLOCK_EVENTS;
        let mut giver = self.block(start).state_giver;
        self.visit(file, start..number.saturating_add(1), |record| {
            if record.kind == Kind::ExportReturn && self.gives_state(file, record)? {
                giver = Some(record.seq);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(giver)
    }

    /// What an event says of the actor's state.
    pub(super) fn state_given(&self, file: &GrowingFile, event: Event) -> Given {
        let Event::ExportReturn(end) = event else { return Given::Nothing };
        if !self.handlers.contains(&end.function) {
            return Given::Nothing;
        }
        let mut payloads = Payloads::new(file, &self.pieces, STATE_BYTES_MAX);
        let event = payloads.put_back_in(Event::ExportReturn(end), &self.lexicon);
        state::given(&event, &self.lexicon)
    }

    /// When an event had happened at the latest: the first time that the chain notes from it on.
    fn time_of(&self, number: u64) -> Option<u64> {
        let next = self.times.partition_point(|(noted, _)| *noted < number);
        self.times.get(next).map(|(_, time)| *time)
    }

    fn block(&self, number: u64) -> &Block {
        let at = usize::try_from(number / BLOCK_EVENTS).expect("a block takes memory");
        &self.blocks[at]
    }

    fn add(&mut self, file: &GrowingFile, record: &Record<'_>) -> Result<(), ViewError> {
        if record.seq != self.count
            || *self.tag.get_or_insert(record.frame.tag()) != record.frame.tag()
            || (record.kind == Kind::Header) != (record.seq == 0)
        {
            return Err(ViewError::Misplaced { offset: record.offset });
        }
        let giver = self.state_giver;
        match record.kind {
            Kind::Type | Kind::Function => self.learn(record.event()?),
            Kind::ExportReturn => {
                if self.gives_state(file, record)? {
                    self.state_giver = Some(record.seq);
                }
            }
            Kind::Header | Kind::Lifecycle | Kind::Checkpoint | Kind::Close | Kind::Recover => {
                if let Some(time) = time(&record.event()?) {
                    self.times.push((record.seq, time));
                }
                self.is_closed = record.kind == Kind::Close;
            }
            Kind::ExportCall
            | Kind::ImportCall
            | Kind::ImportReturn
            | Kind::ResourceDrop
            | Kind::Permission => {}
        }
        if self.count.is_multiple_of(BLOCK_EVENTS) {
            self.blocks.push(Block { offset: record.offset, state_giver: giver });
        }
        self.count += 1;
        Ok(())
    }

    fn learn(&mut self, event: Event) {
        if let Event::Function(function) = &event
            && state::is_handler(function, &self.lexicon.types)
        {
            self.handlers.insert(function.id);
        }
        self.lexicon.learn(event);
    }

    fn gives_state(&self, file: &GrowingFile, record: &Record<'_>) -> Result<bool, ViewError> {
        if self.handlers.is_empty() {
            return Ok(false);
        }
        Ok(match self.state_given(file, record.event()?) {
            Given::Nothing => false,
            Given::State(_) | Given::Removed => true,
        })
    }
}

/// The time that an event notes.
fn time(event: &Event) -> Option<u64> {
    match event {
        Event::Header(header) => Some(header.created),
        Event::Lifecycle(lifecycle) => Some(lifecycle.time),
        Event::Checkpoint(checkpoint) => Some(checkpoint.time),
        Event::Close(close) => Some(close.time),
        Event::Recover(recover) => Some(recover.time),
        Event::Type(_)
        | Event::Function(_)
        | Event::ExportCall(_)
        | Event::ImportCall(_)
        | Event::ImportReturn(_)
        | Event::ExportReturn(_)
        | Event::ResourceDrop(_)
        | Event::Permission(_) => None,
    }
}
