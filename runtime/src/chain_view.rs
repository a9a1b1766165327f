//! Reads a chain behind whoever is writing it, in another thread or another process.
//!
//! A view looks at the file only when it is asked, and counts whole records only: the end of a record that
//! is being written is not there yet. It remembers where events stand, so that each is found
//! without reading all before it again.
//!
//! Nothing is verified here. What a view says is what the file says; whether that is true is
//! the verifier's business.

mod filter;
mod index;
mod payloads;
mod shown;
mod state;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use theater_record::{CloseReason, Event, Hash, Header, Kind, ReadError, Record, Tip};
use theater_verify::{GrowingFile, Source};

use index::Index;

pub use filter::{Filter, Order, Selection};
pub use shown::ShownEvent;

/// A chain that may still be growing.
#[derive(Debug)]
pub struct ChainView {
    file: GrowingFile,
    index: Mutex<Index>,
}

/// One event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainEvent {
    /// Its number, which is its position in the chain.
    pub number: u64,
    /// Its link hash.
    pub hash: Hash,
    /// The link hash of the event before; the header has none.
    pub parent: Option<Hash>,
    /// Its kind.
    pub kind: Kind,
    /// Its body, as it stands in the chain.
    pub body: Vec<u8>,
}

/// Why a chain cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// There is no such file, or it cannot be opened.
    #[error("cannot open the chain {}", path.display())]
    NotOpened {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// From here on, the file is not readable or not a chain.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A record with another number than it should have, or of another chain.
    #[error("the record at byte {offset} does not belong there")]
    Misplaced {
        /// Where the record starts.
        offset: u64,
    },
    /// Something else stands in the file where an event was before.
    #[error("the chain was changed while it was read")]
    Changed,
    /// The chain does not go that far.
    #[error("there is no event {number}: the chain has {count} so far")]
    NoEvent {
        /// The number that was asked for.
        number: u64,
        /// How many events there are.
        count: u64,
    },
    /// The state is not in the chain any more.
    #[error("the state that event {number} gives was removed from the chain")]
    StateRemoved {
        /// The event that has given it.
        number: u64,
    },
}

impl ChainView {
    /// Opens a chain. Whether the file is one is found out when something is asked for.
    pub fn open(path: &Path) -> Result<ChainView, ViewError> {
        let not_opened = |source| ViewError::NotOpened { path: path.to_owned(), source };
        let file = File::open(path).map_err(not_opened)?;
        Ok(ChainView { file: GrowingFile::new(file), index: Mutex::default() })
    }

    /// How many events there are so far.
    pub fn count(&self) -> Result<u64, ViewError> {
        Ok(self.look()?.count())
    }

    /// Whether the chain has its close record, so that nothing will be added.
    pub fn is_closed(&self) -> Result<bool, ViewError> {
        Ok(self.look()?.is_closed())
    }

    /// What its close record gives as the reason, if it has one.
    pub fn close_reason(&self) -> Result<Option<CloseReason>, ViewError> {
        let index = self.look()?;
        let newest = index.count().saturating_sub(1);
        self.record(&index, newest, |record| match record.event()? {
            Event::Close(close) => Ok(Some(close.reason)),
            _ => Ok(None),
        })
    }

    /// The newest event: its number and its link hash.
    pub fn head(&self) -> Result<Tip, ViewError> {
        let index = self.look()?;
        let newest = index.count().saturating_sub(1);
        self.record(&index, newest, |record| Ok(Tip { seq: record.seq, hash: record.hash() }))
    }

    /// What the chain says about itself.
    pub fn header(&self) -> Result<Header, ViewError> {
        let index = self.reach(0)?;
        self.record(&index, 0, |record| match record.event()? {
            Event::Header(header) => Ok(*header),
            _ => Err(ViewError::Misplaced { offset: record.offset }),
        })
    }

    /// One event as it is stored.
    pub fn event(&self, number: u64) -> Result<ChainEvent, ViewError> {
        let index = self.reach(number)?;
        self.record(&index, number, |record| Ok(ChainEvent::of(record)))
    }

    /// Events as they are stored, in their order, beginning with number `first`: at most `count`, and
    /// none more once their bodies come to `bytes_max`. None beyond the end of the chain.
    pub fn events(
        &self,
        first: u64,
        count: u64,
        bytes_max: usize,
    ) -> Result<Vec<ChainEvent>, ViewError> {
        let index = self.look()?;
        let (mut events, mut bytes) = (Vec::new(), 0);
        index.visit(&self.file, first..first.saturating_add(count), |record| {
            let event = ChainEvent::of(record);
            bytes += event.body.len();
            events.push(event);
            Ok(if bytes < bytes_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(events)
    }

    /// The state that the actor had as of an event: what the last handler that had returned by then
    /// has returned, else the initial state.
    pub fn state_at(&self, number: u64) -> Result<Option<Vec<u8>>, ViewError> {
        let index = self.reach(number)?;
        let Some(giver) = index.state_giver(&self.file, number)? else {
            drop(index);
            return Ok(self.header()?.state);
        };
        self.record(&index, giver, |record| {
            let given = index.state_given(&self.file, record.event()?);
            match given {
                state::Given::State(state) => Ok(state),
                state::Given::Removed | state::Given::Nothing => {
                    Err(ViewError::StateRemoved { number: giver })
                }
            }
        })
    }

    /// One event with every name the chain has for it.
    pub fn shown(&self, number: u64) -> Result<ShownEvent, ViewError> {
        let index = self.reach(number)?;
        self.record(&index, number, |record| Ok(index.shown(&self.file, record, record.event()?)))
    }

    /// Takes in what was written since the last look.
    fn look(&self) -> Result<MutexGuard<'_, Index>, ViewError> {
        let mut index = self.known();
        index.catch_up(&self.file)?;
        Ok(index)
    }

    /// The same if need be for an event, which is there then.
    fn reach(&self, number: u64) -> Result<MutexGuard<'_, Index>, ViewError> {
        let index = self.known();
        if number < index.count() && self.file.len() >= index.end() {
            return Ok(index);
        }
        drop(index);
        let index = self.look()?;
        match index.count() {
            count if number < count => Ok(index),
            count => Err(ViewError::NoEvent { number, count }),
        }
    }

    fn known(&self) -> MutexGuard<'_, Index> {
        // Each record is taken in as a whole, so the index is sound even if a reader has panicked.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a function makes of one record.
    fn record<T>(
        &self,
        index: &Index,
        number: u64,
        read: impl Fn(&Record<'_>) -> Result<T, ViewError>,
    ) -> Result<T, ViewError> {
        let mut made = None;
        index.visit(&self.file, number..number.saturating_add(1), |record| {
            made = Some(read(record)?);
            Ok(ControlFlow::Break(()))
        })?;
        made.ok_or(ViewError::NoEvent { number, count: index.count() })
    }
}

impl ChainEvent {
    fn of(record: &Record<'_>) -> ChainEvent {
        ChainEvent {
            number: record.seq,
            hash: record.hash(),
            parent: parent(record),
            kind: record.kind,
            body: record.frame.body().to_vec(),
        }
    }
}

/// The link to the event before. The header has none.
fn parent(record: &Record<'_>) -> Option<Hash> {
    (record.seq > 0).then(|| record.prev())
}
