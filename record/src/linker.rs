//! Turns queued events into frames: seals, links and hashes them. No log is touched here.

use std::io;

use crate::blob::Sealer;
use crate::event::Kind;
use crate::frame::Frame;
use crate::ledger::{Keys, Ledger};
use crate::outline::{Payload, outline};
use crate::queue::{Batch, Queue, Task};
use crate::recorder::{Clock, Tip};

/// Links what is queued.
pub(crate) struct Linker {
    chain: Chain,
    batch: Batch,
    /// How many tasks of the batch are done, and how many bytes of its fields.
    tasks_done: usize,
    fields_done: usize,
    ready: Ready,
    /// The last record that is an event of the caller's, or the one this linker goes on behind.
    event: Tip,
}

/// What is needed to go on with a chain.
pub(crate) struct Chain {
    pub(crate) ledger: Ledger,
    pub(crate) keys: Keys,
    pub(crate) sealer: Sealer,
    pub(crate) clock: Clock,
}

/// Frames in the order in which they are to be written, and where the log has to be synced.
#[derive(Default)]
pub(crate) struct Ready {
    pub(crate) frames: Vec<u8>,
    pub(crate) syncs: Vec<SyncPoint>,
}

/// A place in frames: nothing behind it may be written before all that stands before it is on disk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SyncPoint {
    /// How many bytes of the frames stand before it.
    pub(crate) end: usize,
    /// The last record before it.
    pub(crate) seq: u64,
}

impl Ready {
    /// Asks for a sync right here.
    pub(crate) fn sync(&mut self, seq: u64) {
        self.syncs.push(SyncPoint { end: self.frames.len(), seq });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.syncs.is_empty()
    }

    fn clear(&mut self) {
        self.frames.clear();
        self.syncs.clear();
    }
}

impl Linker {
    /// A linker that goes on with a chain behind frames that wait to be written.
    pub(crate) fn new(chain: Chain, ready: Ready) -> Linker {
        let (batch, event) = (Batch::default(), chain.tip());
        Linker { chain, batch, tasks_done: 0, fields_done: 0, ready, event }
    }

    /// The last record that was linked.
    pub(crate) fn tip(&self) -> Tip {
        self.chain.tip()
    }

    /// The last one that the caller has appended. There may be a checkpoint behind it.
    pub(crate) fn event(&self) -> Tip {
        self.event
    }

    /// Takes what is queued. To be called once all that was taken before is linked.
    pub(crate) fn take(&mut self, queue: &mut Queue) {
        debug_assert!(self.is_done(), "what was taken before would be forgotten");
        self.batch.clear();
        queue.swap(&mut self.batch);
        (self.tasks_done, self.fields_done) = (0, 0);
    }

    /// Whether all that was taken is linked.
    pub(crate) fn is_done(&self) -> bool {
        self.tasks_done == self.batch.tasks.len()
    }

    /// Links what was taken, until at least so many bytes are ready to be written.
    pub(crate) fn link(&mut self, bytes: usize) -> io::Result<()> {
        while !self.is_done() && self.ready.frames.len() < bytes {
            let task = &self.batch.tasks[self.tasks_done];
            self.tasks_done += 1;
            let ready = &mut self.ready;
            match task {
                Task::Record { kind, field_count, payload, end } => {
                    let fields = &self.batch.fields[self.fields_done..*end];
                    self.fields_done = *end;
                    self.chain.link(*kind, *field_count, *payload, fields, &mut ready.frames)?;
                    self.event = self.chain.tip();
                }
                Task::Checkpoint => {
                    let Chain { ledger, keys, clock, .. } = &mut self.chain;
                    let frame = ledger.checkpoint_frame(clock(), keys);
                    self.chain.link_durably(Kind::Checkpoint, &frame, ready);
                }
                Task::Close(reason, detail) => {
                    let Chain { ledger, keys, clock, .. } = &mut self.chain;
                    let frame = ledger.close_frame(*reason, detail, clock(), keys);
                    self.chain.link_durably(Kind::Close, &frame, ready);
                }
            }
        }
        Ok(())
    }

    /// How much memory takes what waits to be written.
    pub(crate) fn ready_bytes(&self) -> usize {
        self.ready.frames.len() + self.ready.syncs.len() * size_of::<SyncPoint>()
    }

    /// Hands out what is ready to be written, in exchange for what was written before.
    pub(crate) fn hand_out(&mut self, written: &mut Ready) {
        written.clear();
        std::mem::swap(&mut self.ready, written);
    }

    /// Gives back the memory that only a busy chain needs.
    pub(crate) fn rest(&mut self) {
        if self.is_done() {
            self.batch = Batch::default();
            (self.tasks_done, self.fields_done) = (0, 0);
        }
        if self.ready.is_empty() {
            self.ready = Ready::default();
        }
    }
}

impl Chain {
    fn tip(&self) -> Tip {
        Tip { seq: self.ledger.records() - 1, hash: self.ledger.head() }
    }

    /// Makes the frame of a record, behind those of the blobs that are new in it.
    fn link(
        &mut self,
        kind: Kind,
        field_count: usize,
        payload: Payload,
        fields: &[u8],
        frames: &mut Vec<u8>,
    ) -> io::Result<()> {
        let place = self.ledger.place();
        let blobs = frames.len();
        let mut smaller = Vec::new();
        if payload != Payload::Inline {
            let sealer = &mut self.sealer;
            let seal = |content: &[u8]| sealer.seal(content, place.tag, frames);
            outline(kind, fields, payload, &mut smaller, seal)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        for blob in Frame::all_in(&frames[blobs..]) {
            self.ledger.add_blob(blob.bytes().len() as u64);
        }
        let fields = if payload == Payload::Inline { fields } else { &smaller };
        let record = frames.len();
        place.frame_fields(kind, field_count, fields, frames);
        self.ledger.add_record(&frames[record..], kind);
        Ok(())
    }

    /// Adds a record that has to be on disk before anything is written behind it. What is linked
    /// behind it may take that for granted: if the sync fails, none of it is ever written.
    fn link_durably(&mut self, kind: Kind, frame: &[u8], ready: &mut Ready) {
        let seq = self.ledger.records();
        ready.frames.extend_from_slice(frame);
        ready.sync(seq);
        self.ledger.add_record(frame, kind);
        self.ledger.set_durable(seq);
    }
}
