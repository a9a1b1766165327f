//! Counts what is in a chain.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use theater_record::{BlobRef, Event, FunctionId, Hash, Header, Kind, Outcome, Record, Values};

/// Everything that was counted.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) header: Option<Header>,
    pub(crate) kinds: BTreeMap<Kind, Share>,
    functions: BTreeMap<FunctionId, Function>,
    pub(crate) blobs: Blobs,
    /// The pieces that records refer to.
    referred: BTreeSet<Hash>,
    /// Encoded arguments and results, without what is around them.
    pub(crate) payload_bytes: u64,
    /// The last time that any record states.
    pub(crate) last_time: Option<u64>,
    /// Checkpoints and close records with a signature.
    pub(crate) signed: u64,
    /// Denied permissions by capability.
    pub(crate) denied: BTreeMap<String, u64>,
    pub(crate) closed: bool,
}

/// How many, and how large.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Share {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}

/// What is known about a function.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Function {
    pub(crate) interface: String,
    pub(crate) function: String,
    pub(crate) calls: u64,
    pub(crate) traps: u64,
    /// Bytes that went into the component: arguments of exports, results of imports.
    pub(crate) bytes_in: u64,
    /// Bytes that came out of it.
    pub(crate) bytes_out: u64,
}

/// Payloads that are stored out of line.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Blobs {
    pub(crate) present: u64,
    pub(crate) present_bytes: u64,
    pub(crate) redacted: u64,
    pub(crate) redacted_bytes: u64,
    /// References to a piece that an earlier record refers to: what storing it once has saved.
    pub(crate) repeated: u64,
    pub(crate) repeated_bytes: u64,
}

impl Tally {
    /// Counts a record.
    pub(crate) fn add(&mut self, record: &Record<'_>, event: Event) {
        let share = self.kinds.entry(record.kind).or_default();
        share.events += 1;
        share.bytes += record.frame.bytes().len() as u64;
        match event {
            Event::Header(header) => {
                self.last_time = Some(header.created);
                header.embedded.iter().for_each(|blob| self.refer(blob));
                self.header = Some(*header);
            }
            Event::Function(named) => {
                let function = self.functions.entry(named.id).or_default();
                function.interface = named.interface;
                function.function = named.name;
            }
            Event::ExportCall(call) => {
                let bytes = self.values(&call.args);
                let function = self.function(call.function);
                function.calls += 1;
                function.bytes_in += bytes;
            }
            Event::ImportCall(call) => {
                let bytes = self.values(&call.args);
                let function = self.function(call.function);
                function.calls += 1;
                function.bytes_out += bytes;
            }
            Event::ImportReturn(end) => {
                let bytes = self.outcome(&end.outcome, end.function);
                self.function(end.function).bytes_in += bytes;
            }
            Event::ExportReturn(end) => {
                let bytes = self.outcome(&end.outcome, end.function);
                self.function(end.function).bytes_out += bytes;
            }
            Event::Lifecycle(lifecycle) => self.last_time = Some(lifecycle.time),
            Event::Permission(permission) if !permission.allowed => {
                *self.denied.entry(permission.capability).or_default() += 1;
            }
            Event::Checkpoint(checkpoint) => {
                self.last_time = Some(checkpoint.time);
                self.signed += u64::from(checkpoint.signature.is_some());
            }
            Event::Close(close) => {
                self.last_time = Some(close.time);
                self.signed += u64::from(close.signature.is_some());
                self.closed = true;
            }
            Event::Recover(recover) => self.last_time = Some(recover.time),
            Event::Type(_) | Event::ResourceDrop(_) | Event::Permission(_) => {}
        }
    }

    /// Counts a blob frame by its content.
    pub(crate) fn add_blob(&mut self, bytes: u64) {
        self.blobs.present += 1;
        self.blobs.present_bytes += bytes;
    }

    /// Counts a blob that was removed on purpose.
    pub(crate) fn add_tombstone(&mut self, bytes: u64) {
        self.blobs.redacted += 1;
        self.blobs.redacted_bytes = self.blobs.redacted_bytes.saturating_add(bytes);
    }

    /// How many records there are, and how large they are together.
    pub(crate) fn total(&self) -> Share {
        self.kinds.values().fold(Share::default(), |sum, share| Share {
            events: sum.events + share.events,
            bytes: sum.bytes + share.bytes,
        })
    }

    /// All functions, in the order of their names.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let mut functions: Vec<_> = self.functions.values().cloned().collect();
        functions.sort();
        functions
    }

    fn function(&mut self, id: FunctionId) -> &mut Function {
        // The record that names the function may be damaged.
        self.functions.entry(id).or_insert_with(|| Function {
            function: format!("function-{}", id.0),
            ..Function::default()
        })
    }

    fn outcome(&mut self, outcome: &Outcome, function: FunctionId) -> u64 {
        match outcome {
            Outcome::Returned(values) => self.values(values),
            Outcome::Trapped { .. } => {
                self.function(function).traps += 1;
                0
            }
        }
    }

    /// The size of some values, with what of them is stored out of line.
    fn values(&mut self, values: &Values) -> u64 {
        let bytes = values.as_bytes().len() as u64;
        self.payload_bytes += bytes;
        let blobs = values.blob_refs().unwrap_or_default();
        blobs.iter().for_each(|blob| self.refer(blob));
        blobs.iter().fold(bytes, |sum, blob| sum.saturating_add(blob.len))
    }

    fn refer(&mut self, blob: &BlobRef) {
        let is_new =
            blob.pieces.iter().fold(false, |new, piece| self.referred.insert(*piece) | new);
        if !is_new {
            self.blobs.repeated += 1;
            self.blobs.repeated_bytes = self.blobs.repeated_bytes.saturating_add(blob.len);
        }
    }
}
