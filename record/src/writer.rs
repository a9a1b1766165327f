//! The recorder's other thread: links, hashes, writes, checkpoints and syncs.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::event::Kind;
use crate::format::BODY_PREV_AT;
use crate::frame::{Frame, FrameKind};
use crate::ledger::{Keys, Ledger};
use crate::log::Log;
use crate::queue::{Batch, Command, Queue};
use crate::recorder::{Clock, Tip};

pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) log: Box<dyn Log>,
    pub(crate) ledger: Ledger,
    pub(crate) keys: Keys,
    pub(crate) clock: Clock,
}

/// Tells the callers when the writer ends, however it ends.
struct Farewell(Arc<Queue>);

impl Drop for Farewell {
    fn drop(&mut self) {
        self.0.writer_ends();
    }
}

impl Writer {
    /// Works until the queue is stopped and empty, or until writing fails.
    pub(crate) fn run(mut self) {
        let _farewell = Farewell(self.queue.clone());
        let mut spare = Batch::default();
        let mut checkpointed = Instant::now();
        let mut durable = None;
        while let Some(mut batch) = self.queue.take(spare, checkpointed) {
            match self.write(&mut batch) {
                Ok(None) => {}
                Ok(Some(seq)) => {
                    durable = Some(seq);
                    checkpointed = Instant::now();
                }
                // A failed sync may have dropped pages that later syncs would call clean, so
                // there is no second try.
                Err(error) => return self.queue.fail(error),
            }
            let linked = Tip { seq: self.ledger.records() - 1, hash: self.ledger.head() };
            self.queue.report(linked, durable);
            batch.frames.clear();
            batch.commands.clear();
            spare = batch;
        }
    }

    /// Writes a batch. Returns the last event made durable, if any was.
    fn write(&mut self, batch: &mut Batch) -> io::Result<Option<u64>> {
        let mut durable = None;
        let mut start = 0;
        for (at, command) in &batch.commands {
            self.write_frames(&mut batch.frames.bytes[start..*at])?;
            start = *at;
            let (kind, frame) = match command {
                Command::Checkpoint => {
                    let frame = self.ledger.checkpoint_frame((self.clock)(), &mut self.keys);
                    (Kind::Checkpoint, frame)
                }
                Command::Close(reason, detail) => {
                    let (time, keys) = ((self.clock)(), &mut self.keys);
                    (Kind::Close, self.ledger.close_frame(*reason, detail, time, keys))
                }
            };
            self.log.append(&frame)?;
            self.log.sync()?;
            let seq = self.ledger.records();
            self.ledger.add_record(&frame, kind);
            self.ledger.set_durable(seq);
            durable = Some(seq);
        }
        self.write_frames(&mut batch.frames.bytes[start..])?;
        Ok(durable)
    }

    /// Gives each record its previous hash, then writes them all.
    fn write_frames(&mut self, frames: &mut [u8]) -> io::Result<()> {
        let mut at = 0;
        while at < frames.len() {
            let (head, len) =
                Frame::measure(&frames[at..]).expect("the queue holds whole frames only");
            let bytes = &mut frames[at..at + len];
            let prev = head + BODY_PREV_AT;
            match Frame::parse(bytes).and_then(|frame| frame.kind()) {
                Some(FrameKind::Record { kind, .. }) => {
                    bytes[prev..prev + 32].copy_from_slice(&self.ledger.head().0);
                    let kind = Kind::from_number(kind).expect("the queue wrote the kind");
                    self.ledger.add_record(bytes, kind);
                }
                _ => self.ledger.add_blob(len as u64),
            }
            at += len;
        }
        if frames.is_empty() { Ok(()) } else { self.log.append(frames) }
    }
}
