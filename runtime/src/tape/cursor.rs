//! Where the tape stands in its chain.

use std::io::Read;

use theater_record::{
    Event, FunctionType, Hash, Kind, LifecycleState, Outcome, Place, ReadError, Reader, Stored,
    TypeTable, record_hash,
};
use theater_verify::VerifiedChain;

use super::blobs::Blobs;
use super::{Crossing, TapeError, function_of};

/// A record that was read but not taken yet.
struct Next {
    seq: u64,
    offset: u64,
    kind: Kind,
    frame: Vec<u8>,
}

/// Reads a chain crossing by crossing, and remembers what later crossings refer to.
pub(super) struct Cursor {
    chain: VerifiedChain,
    reader: Reader<Box<dyn Read + Send>>,
    /// Where the replay's own chain stands: it got its hashes from what the component did.
    place: Place,
    next: Option<Next>,
    /// A buffer whose allocation is kept.
    spare: Vec<u8>,
    /// Another, for what the component's own record would be.
    own: Vec<u8>,
    blobs: Blobs,
    types: TypeTable,
    functions: Vec<FunctionType>,
    definitions: Vec<Event>,
    /// The last answer to each function, by its number. For guesses.
    answers: Vec<Option<Outcome>>,
}

impl Cursor {
    /// Starts behind the header.
    pub(super) fn new(chain: &VerifiedChain) -> Result<Cursor, ReadError> {
        let tag = chain.header().chain_id.tag();
        let mut cursor = Cursor {
            chain: chain.clone(),
            reader: reader_at(chain, 0)?,
            place: Place { tag, prev: Hash::ZERO, seq: 0 },
            next: None,
            spare: Vec::new(),
            own: Vec::new(),
            blobs: Blobs::new(chain.source().clone()),
            types: TypeTable::default(),
            functions: Vec::new(),
            definitions: Vec::new(),
            answers: Vec::new(),
        };
        cursor.read()?;
        if cursor.kind() == Some(Kind::Header) {
            cursor.take();
        }
        Ok(cursor)
    }

    /// The last event that was taken and its hash in the replay's own chain.
    pub(super) fn head(&self) -> (u64, Hash) {
        (self.place.seq.saturating_sub(1), self.place.prev)
    }

    pub(super) fn next_seq(&self) -> u64 {
        self.place.seq
    }

    /// Where the next record stands; behind the last one at the end.
    pub(super) fn offset(&self) -> u64 {
        self.next.as_ref().map_or(self.reader.offset(), |next| next.offset)
    }

    /// What comes next.
    pub(super) fn kind(&self) -> Option<Kind> {
        self.next.as_ref().map(|next| next.kind)
    }

    pub(super) fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub(super) fn types(&self) -> &TypeTable {
        &self.types
    }

    /// The types and functions that were named since the last crossing.
    pub(super) fn definitions(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.definitions)
    }

    pub(super) fn function_of(&self, event: &Event) -> Option<FunctionType> {
        function_of(event, &self.functions, &self.types)
    }

    /// Moves on to the next record that is a crossing or a change in the actor's life. What lies
    /// between is the recorder's own business, and taken as it is.
    pub(super) fn advance(&mut self) -> Result<(), TapeError> {
        loop {
            if self.next.is_none() {
                self.read()?;
            }
            match self.kind() {
                Some(Kind::Type | Kind::Function) => self.define()?,
                Some(Kind::Permission | Kind::Checkpoint | Kind::Recover) => self.take(),
                Some(Kind::Lifecycle) if self.is_passing_state()? => self.take(),
                _ => return Ok(()),
            }
        }
    }

    /// The next record's event.
    pub(super) fn event(&self) -> Result<(u64, Event), TapeError> {
        let next = self.next.as_ref().expect("the caller knows that something comes next");
        Ok((next.seq, decode(&next.frame, next.offset)?))
    }

    /// Whether a recorder would write `event` in exactly the bytes that come next.
    pub(super) fn is_next(&mut self, event: &Event) -> bool {
        let Some(next) = self.next.as_ref().filter(|next| next.kind == event.kind()) else {
            return false;
        };
        self.own.clear();
        self.place.frame_into(event, &mut self.own);
        self.own == next.frame
    }

    /// Takes the next record off the tape.
    pub(super) fn take(&mut self) {
        if let Some(next) = self.next.take() {
            self.place.prev = record_hash(&next.frame);
            self.place.seq += 1;
            self.spare = next.frame;
        }
    }

    /// Keeps an answer for guesses.
    pub(super) fn remember_answer(&mut self, event: &Event) {
        if let Event::ImportReturn(end) = event
            // Large answers are not worth their memory.
            && event.values().is_none_or(|values| values.as_bytes().len() < 256)
        {
            self.answers.resize(self.functions.len(), None);
            if let Some(answer) = self.answers.get_mut(end.function.0 as usize) {
                *answer = Some(end.outcome.clone());
            }
        }
    }

    /// The last answer to the function of this name.
    pub(super) fn remembered(&self, name: &(String, String)) -> Option<Outcome> {
        let function = self
            .functions
            .iter()
            .find(|function| function.interface == name.0 && function.name == name.1)?;
        self.answers.get(function.id.0 as usize)?.clone()
    }

    /// The next few crossings behind the next record, with their names.
    pub(super) fn ahead(&self, count: usize) -> Result<Vec<(u64, Crossing)>, TapeError> {
        let mut reader = reader_at(&self.chain, self.reader.offset())?;
        let (mut types, mut functions) = (self.types.clone(), self.functions.clone());
        let mut ahead = Vec::new();
        while ahead.len() < count
            && let Some(stored) = reader.read()?
        {
            let Stored::Record(record) = stored else { continue };
            let seq = record.seq;
            match record.event()? {
                Event::Type(def) => drop(types.add(def)),
                Event::Function(function) => functions.push(function),
                event @ (Event::ExportCall(_)
                | Event::ImportCall(_)
                | Event::ImportReturn(_)
                | Event::ExportReturn(_)
                | Event::ResourceDrop(_)) => {
                    let function = function_of(&event, &functions, &types);
                    ahead.push((seq, Crossing { event, function, types: types.clone() }));
                }
                Event::Header(_)
                | Event::Lifecycle(_)
                | Event::Permission(_)
                | Event::Checkpoint(_)
                | Event::Close(_)
                | Event::Recover(_) => {}
            }
        }
        Ok(ahead)
    }

    fn read(&mut self) -> Result<(), ReadError> {
        while let Some((offset, frame)) = self.reader.read_frame()? {
            let mut bytes = std::mem::take(&mut self.spare);
            bytes.clear();
            bytes.extend_from_slice(frame.bytes());
            match frame.kind() {
                Some(theater_record::FrameKind::Record { seq, kind }) => {
                    let kind = Kind::from_number(kind).ok_or(ReadError::NotAFrame { offset })?;
                    self.next = Some(Next { seq, offset, kind, frame: bytes });
                    return Ok(());
                }
                _ => {
                    self.blobs.note(offset, frame)?;
                    self.spare = bytes;
                }
            }
        }
        Ok(())
    }

    fn define(&mut self) -> Result<(), TapeError> {
        let (_, event) = self.event()?;
        match &event {
            Event::Type(def) => drop(self.types.add(def.clone())),
            Event::Function(function) => self.functions.push(function.clone()),
            _ => unreachable!("its kind was looked at"),
        }
        self.definitions.push(event);
        self.take();
        Ok(())
    }

    /// Whether the next record is a change of state that does not begin or end an instance.
    fn is_passing_state(&self) -> Result<bool, TapeError> {
        let (_, event) = self.event()?;
        Ok(matches!(
            event,
            Event::Lifecycle(lifecycle)
                if matches!(lifecycle.state, LifecycleState::Paused | LifecycleState::Resumed)
        ))
    }
}

fn reader_at(
    chain: &VerifiedChain,
    offset: u64,
) -> Result<Reader<Box<dyn Read + Send>>, ReadError> {
    let source = chain.source().clone();
    let input = |start| -> Box<dyn Read + Send> {
        Box::new(theater_verify::SourceReader::new(source.clone(), start, chain.bytes()))
    };
    if offset == 0 { Reader::new(input(0)) } else { Ok(Reader::at_frame(input(offset), offset)) }
}

fn decode(frame: &[u8], offset: u64) -> Result<Event, ReadError> {
    let frame = theater_record::Frame::parse(frame).ok_or(ReadError::NotAFrame { offset })?;
    match frame.kind() {
        Some(theater_record::FrameKind::Record { seq, kind }) => {
            let kind = Kind::from_number(kind).ok_or(ReadError::NotAFrame { offset })?;
            theater_record::Record { offset, seq, kind, frame }.event()
        }
        _ => Err(ReadError::NotAFrame { offset }),
    }
}
