//! What a walk over a damaged chain could not read.

use std::cmp::Ordering;

use serde::Serialize;
use theater_record::Record;

use crate::amount;
use crate::exit::Exit;

/// Bytes that are no record of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Skip {
    /// Where they start.
    pub(crate) offset: u64,
    /// How many.
    pub(crate) bytes: u64,
    /// Why they were skipped.
    pub(crate) reason: String,
    /// Whether they may be the beginning of a record whose end is not there.
    #[serde(skip)]
    pub(crate) is_torn: bool,
}

/// More notes than this would help nobody: `verify` says better what happened.
const NOTES_MAX: u64 = 50;

/// Everything that was skipped or missed so far.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    pub(crate) skipped: Vec<Skip>,
    /// How often event numbers did not follow each other.
    gaps: u64,
    previous: Option<u64>,
    notes: u64,
}

impl Damage {
    /// Takes the next record into account; says so if it does not follow the one before.
    pub(crate) fn step(&mut self, record: &Record<'_>) -> Option<String> {
        let previous = self.previous.replace(record.seq);
        let follows = match previous {
            Some(previous) => previous.checked_add(1) == Some(record.seq),
            None => record.seq == 0,
        };
        if follows {
            return None;
        }
        self.gaps += 1;
        let (seq, offset) = (record.seq, record.offset);
        self.note(match previous {
            Some(previous) => {
                format!("event {previous} is followed by event {seq} at byte {offset}")
            }
            None => format!("the first event is number {seq}, at byte {offset}"),
        })
    }

    /// Takes skipped bytes into account, and says so.
    pub(crate) fn skip(&mut self, skip: Skip) -> Option<String> {
        let size = amount::counted(skip.bytes, "byte");
        let text = format!("skipped {size} from byte {}: {}", skip.offset, skip.reason);
        self.skipped.push(skip);
        self.note(text)
    }

    fn note(&mut self, text: String) -> Option<String> {
        self.notes += 1;
        match self.notes.cmp(&NOTES_MAX) {
            Ordering::Less => Some(text),
            Ordering::Equal => Some(format!("{text}; whatever else is wrong is not listed here")),
            Ordering::Greater => None,
        }
    }

    /// The number of the last record.
    pub(crate) fn last(&self) -> Option<u64> {
        self.previous
    }

    /// How a walk over so many bytes ends. A torn tail alone leaves a chain open: a crash looks
    /// like that.
    pub(crate) fn exit(&self, bytes: u64) -> Exit {
        let is_tail = |skip: &Skip| skip.is_torn && skip.offset + skip.bytes == bytes;
        if self.gaps > 0 || !self.skipped.iter().all(is_tail) {
            Exit::Finding
        } else if self.skipped.is_empty() {
            Exit::Fine
        } else {
            Exit::Open
        }
    }
}
