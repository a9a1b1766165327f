//! The recorder's other thread: seals, links, hashes, writes, checkpoints and syncs.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use crate::blob::Sealer;
use crate::event::Kind;
use crate::frame::Frame;
use crate::ledger::{Keys, Ledger};
use crate::log::Log;
use crate::outline::{Payload, outline};
use crate::queue::{Batch, Queue, Task};
use crate::recorder::{Clock, Tip};

/// Frames are written as soon as this many bytes of them are ready.
const WRITE_BYTES: usize = 1 << 20;

pub(crate) struct Writer {
    pub(crate) queue: Arc<Queue>,
    pub(crate) log: Box<dyn Log>,
    pub(crate) ledger: Ledger,
    pub(crate) keys: Keys,
    pub(crate) sealer: Sealer,
    pub(crate) clock: Clock,
    /// Frames that are linked but not written yet.
    pub(crate) frames: Vec<u8>,
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
            match self.write(&batch) {
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
            batch.fields.clear();
            batch.tasks.clear();
            spare = batch;
        }
    }

    /// Writes a batch. Returns the last event made durable, if any was.
    fn write(&mut self, batch: &Batch) -> io::Result<Option<u64>> {
        let mut durable = None;
        let mut start = 0;
        for task in &batch.tasks {
            match task {
                Task::Record { kind, field_count, payload, end } => {
                    let fields = &batch.fields[start..*end];
                    self.link(*kind, *field_count, *payload, fields)?;
                    start = *end;
                }
                Task::Checkpoint => {
                    let frame = self.ledger.checkpoint_frame((self.clock)(), &mut self.keys);
                    durable = Some(self.write_durably(Kind::Checkpoint, &frame)?);
                }
                Task::Close(reason, detail) => {
                    let (time, keys) = ((self.clock)(), &mut self.keys);
                    let frame = self.ledger.close_frame(*reason, detail, time, keys);
                    durable = Some(self.write_durably(Kind::Close, &frame)?);
                }
            }
            if self.frames.len() >= WRITE_BYTES {
                self.write_frames()?;
            }
        }
        self.write_frames()?;
        Ok(durable)
    }

    /// Makes the frame of a record, behind those of the blobs that are new in it.
    fn link(
        &mut self,
        kind: Kind,
        field_count: usize,
        payload: Payload,
        fields: &[u8],
    ) -> io::Result<()> {
        let place = self.ledger.place();
        let blobs = self.frames.len();
        let mut smaller = Vec::new();
        if payload != Payload::Inline {
            let (sealer, frames) = (&mut self.sealer, &mut self.frames);
            let seal = |content: &[u8]| sealer.seal(content, place.tag, frames);
            outline(kind, fields, payload, &mut smaller, seal)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
        for blob in Frame::all_in(&self.frames[blobs..]) {
            self.ledger.add_blob(blob.bytes().len() as u64);
        }
        let fields = if payload == Payload::Inline { fields } else { &smaller };
        let record = self.frames.len();
        place.frame_fields(kind, field_count, fields, &mut self.frames);
        self.ledger.add_record(&self.frames[record..], kind);
        Ok(())
    }

    /// Writes everything up to and including this record and syncs. Returns its event number.
    fn write_durably(&mut self, kind: Kind, frame: &[u8]) -> io::Result<u64> {
        let seq = self.ledger.records();
        self.frames.extend_from_slice(frame);
        self.write_frames()?;
        self.log.sync()?;
        self.ledger.add_record(frame, kind);
        self.ledger.set_durable(seq);
        Ok(seq)
    }

    fn write_frames(&mut self) -> io::Result<()> {
        if !self.frames.is_empty() {
            self.log.append(&self.frames)?;
            self.frames.clear();
        }
        Ok(())
    }
}
