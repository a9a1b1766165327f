//! What one walk over a chain keeps of it: where its events stand and what it has named.

use std::collections::{BTreeMap, HashMap};

use theater_record::{
    Event, FunctionId, FunctionType, Hash, Header, Kind, ReadError, Record, Stored, TypeTable,
};

/// Where the events of a chain stand, and what it takes to understand them.
///
/// Eight bytes for each event, besides the types, the functions and the places of blobs.
#[derive(Default)]
pub struct Outline {
    header: Option<Header>,
    /// Where the frames of events start that can be compared.
    offsets: Vec<u64>,
    /// Positions before which records are missing.
    gaps: Vec<usize>,
    pub(crate) types: TypeTable,
    pub(crate) functions: BTreeMap<FunctionId, FunctionType>,
    /// Where the frames of blobs start.
    pub(crate) blobs: HashMap<Hash, u64>,
    last_seq: Option<u64>,
}

/// One of a chain's events that take part in comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventAt {
    /// How many such events stand before it.
    pub position: usize,
    /// Its event number.
    pub seq: u64,
    /// Where its frame starts.
    pub offset: u64,
}

impl Outline {
    /// Takes the next frame into account.
    ///
    /// Fails if a record that names something cannot be read; it is left out then.
    pub fn add(&mut self, stored: &Stored<'_>) -> Result<(), ReadError> {
        match stored {
            Stored::Record(record) => self.add_record(record),
            Stored::Blob { offset, blob, .. } => {
                self.blobs.entry(blob.digest).or_insert(*offset);
                Ok(())
            }
            Stored::Tombstone { .. } => Ok(()),
        }
    }

    fn add_record(&mut self, record: &Record<'_>) -> Result<(), ReadError> {
        let follows =
            self.last_seq.map_or(record.seq == 0, |last| last.checked_add(1) == Some(record.seq));
        self.last_seq = Some(record.seq);
        if !follows && self.gaps.last() != Some(&self.offsets.len()) {
            self.gaps.push(self.offsets.len());
        }
        if is_compared(record.kind) {
            self.offsets.push(record.offset);
        } else if matches!(record.kind, Kind::Header | Kind::Type | Kind::Function) {
            self.learn(record.event()?);
        }
        Ok(())
    }

    fn learn(&mut self, event: Event) {
        match event {
            Event::Header(header) => self.header = Some(*header),
            Event::Type(def) => {
                // A type that does not fit follows a damaged one; what uses it cannot be read.
                self.types.add(def);
            }
            Event::Function(function) => {
                self.functions.entry(function.id).or_insert(function);
            }
            Event::ExportCall(_)
            | Event::ImportCall(_)
            | Event::ImportReturn(_)
            | Event::ExportReturn(_)
            | Event::ResourceDrop(_)
            | Event::Lifecycle(_)
            | Event::Permission(_)
            | Event::Checkpoint(_)
            | Event::Close(_)
            | Event::Recover(_) => {}
        }
    }

    /// The header, if it could be read.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// How many events can be compared.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Whether there is nothing to compare.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Where the frame of the event in this position starts.
    #[must_use]
    pub fn offset(&self, position: usize) -> Option<u64> {
        self.offsets.get(position).copied()
    }

    /// Whether records are missing right before this position.
    #[must_use]
    pub fn has_gap_before(&self, position: usize) -> bool {
        self.gaps.binary_search(&position).is_ok()
    }
}

/// Whether such events say what happened. The others say how the recording was made.
pub(crate) fn is_compared(kind: Kind) -> bool {
    match kind {
        Kind::Header | Kind::Type | Kind::Function | Kind::Checkpoint | Kind::Recover => false,
        Kind::ExportCall
        | Kind::ImportCall
        | Kind::ImportReturn
        | Kind::ExportReturn
        | Kind::ResourceDrop
        | Kind::Lifecycle
        | Kind::Permission
        | Kind::Close => true,
    }
}
