//! The recorder: appends events to a chain while hashing and writing happen on another thread.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use crate::blob::{BlobRef, Sealer};
use crate::codec::encode_fields;
use crate::event::{
    CheckpointPolicy, CloseReason, Event, FunctionId, FunctionType, Header, Kind, Origin, Outcome,
};
use crate::format::{
    BODY_BYTES_MAX, FORMAT_VERSION, HASH_SUITE_BLAKE3, INLINE_BYTES_DEFAULT, MAGIC,
    VALUES_BYTES_MAX,
};
use crate::hash::{ChainId, Hash};
use crate::ledger::{Keys, Ledger};
use crate::log::Log;
use crate::queue::{Command, Frames, Queue};
use crate::sign::{IdentityKey, Seed, Signature};
use crate::types::{Type, TypeDef, TypeId};
use crate::value::Values;
use crate::writer::Writer;

/// More than a close record takes besides its detail.
const CLOSE_BYTES_MAX: usize = 1 << 10;

/// Tells nanoseconds since the Unix epoch. Handed in, so that a test can hold time still.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What a new chain is about; the header's fields that the recorder does not fill in itself.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Name and version of the recording program.
    pub recorder: String,
    /// The actor's name.
    pub name: String,
    /// Plain BLAKE3 digest of the component.
    pub component: Option<Hash>,
    /// The component itself, to be carried inside the chain.
    pub embedded: Option<Vec<u8>>,
    /// The manifest as given.
    pub manifest: Option<String>,
    /// The initial state as given.
    pub state: Option<Vec<u8>>,
    /// Engine settings and limits; the recorder sorts them by name.
    pub settings: Vec<(String, String)>,
    /// The WIT text of the component's world.
    pub world: Option<String>,
    /// Marks the chain as a what-if, not a recording.
    pub synthetic: bool,
}

/// How to record.
pub struct Options {
    /// When to write checkpoints unasked.
    pub policy: CheckpointPolicy,
    /// Strings and byte lists of at least this many bytes go out of line.
    pub inline_bytes_max: usize,
    /// How many bytes may wait for the writer before `append` waits too.
    pub queue_bytes_max: usize,
    /// Whether checkpoints are signed.
    pub sign: bool,
    /// A long-term key that vouches for the header. Only used while the chain is created.
    pub identity: Option<IdentityKey>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            policy: CheckpointPolicy::default(),
            inline_bytes_max: INLINE_BYTES_DEFAULT,
            queue_bytes_max: 8 << 20,
            sign: false,
            identity: None,
        }
    }
}

/// How a payload is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sensitivity {
    /// Small payloads stand in the record, large ones out of line.
    #[default]
    Plain,
    /// Every argument or result goes out of line whole, so that it can be removed later.
    Sensitive,
}

/// The last record of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tip {
    /// Its event number.
    pub seq: u64,
    /// Its link hash.
    pub hash: Hash,
}

/// Why a recording cannot go on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RecordError {
    /// The log could not be written or synced. Final: nothing is written after this.
    #[error("the chain could not be written")]
    Log(#[source] Arc<io::Error>),
    /// One event is larger than a record may be.
    #[error("an event of {bytes} bytes is too large for a record")]
    TooLarge {
        /// How large its record would be.
        bytes: usize,
    },
    /// The writer thread is gone, which only a panic in it can cause.
    #[error("the writer thread ended unexpectedly")]
    WriterGone,
}

/// Appends events to a chain.
///
/// `append` encodes the event and puts it in a bounded queue; linking, hashing and writing are
/// done by one writer thread. Dropping a recorder without [`Recorder::close`] writes what is
/// queued and leaves the chain open, as a crash would.
pub struct Recorder {
    queue: Arc<Queue>,
    writer: Option<JoinHandle<()>>,
    header: Header,
    sealer: Sealer,
    inline_bytes_max: usize,
    /// The encoded fields of the event at hand, kept for its allocation.
    fields: Vec<u8>,
    blobs: Frames,
    types: HashMap<String, TypeId>,
    functions: HashMap<(String, String), FunctionId>,
}

impl Recorder {
    /// Starts a chain: writes the magic and the header and makes them durable.
    pub fn create(
        mut log: impl Log + 'static,
        about: About,
        options: Options,
        mut seed: Seed,
        clock: Clock,
    ) -> Result<Recorder, RecordError> {
        let chain_id = ChainId(seed.draw()[..16].try_into().expect("16 of 32 bytes"));
        let mut sealer = Sealer::new(seed.draw());
        let keys = if options.sign { Keys::signing(seed) } else { Keys::unsigned(seed) };
        let mut blobs = Frames::default();
        let embedded = about
            .embedded
            .as_ref()
            .map(|bytes| sealer.seal(bytes, chain_id.tag(), &mut blobs.bytes));
        let header = header(about, &options, chain_id, embedded, &keys, clock());
        let mut ledger = Ledger::new(chain_id.tag());
        let frame = header_frame(&ledger, &header, options.identity.as_ref());
        if frame.len() > BODY_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes: frame.len() });
        }
        let start = [&MAGIC[..], &frame].concat();
        write_durably(&mut log, &start)?;
        // Only what stands behind the header can tell recovery that all of it is on disk.
        if !blobs.bytes.is_empty() {
            write_durably(&mut log, &blobs.bytes)?;
        }
        ledger.add_record(&frame, Kind::Header);
        ledger.set_durable(0);
        blobs.each(|frame| ledger.add_blob(frame.len() as u64));
        let recorder = Recorder::start(log, header, &options, sealer, ledger, keys, clock);
        // The identity key is needed no longer; dropping it erases it.
        drop(options);
        Ok(recorder)
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of a recorder, moved in once")]
    fn start(
        log: impl Log + 'static,
        header: Header,
        options: &Options,
        sealer: Sealer,
        ledger: Ledger,
        keys: Keys,
        clock: Clock,
    ) -> Recorder {
        let queue = Arc::new(Queue::new(&ledger, options.policy, options.queue_bytes_max));
        let writer = Writer { queue: queue.clone(), log: Box::new(log), ledger, keys, clock };
        let writer = std::thread::Builder::new()
            .name("chain-writer".to_owned())
            .spawn(move || writer.run())
            .expect("the system can start one more thread");
        Recorder {
            queue,
            writer: Some(writer),
            header,
            sealer,
            inline_bytes_max: options.inline_bytes_max,
            fields: Vec::new(),
            blobs: Frames::default(),
            types: HashMap::new(),
            functions: HashMap::new(),
        }
    }

    /// The header of the chain.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Appends an event; it will be durable by the next checkpoint. Returns its event number.
    pub fn append(&mut self, event: &Event) -> Result<u64, RecordError> {
        self.append_as(event, Sensitivity::Plain)
    }

    /// Appends an event whose arguments or results may have to be removed later.
    pub fn append_as(&mut self, event: &Event, how: Sensitivity) -> Result<u64, RecordError> {
        self.fields.clear();
        self.blobs.clear();
        match self.out_of_line(event, how) {
            Some(smaller) => encode_fields(&smaller, &mut self.fields),
            None => encode_fields(event, &mut self.fields),
        }
        let pushed = self.queue.push(event.kind(), event.field_count(), &self.fields, &self.blobs);
        if pushed.is_err() {
            // The blobs were not stored, so no later event may refer to them.
            self.sealer.forget();
        }
        pushed
    }

    /// Appends an event and returns once it is on disk.
    pub fn append_durable(&mut self, event: &Event) -> Result<u64, RecordError> {
        let seq = self.append(event)?;
        self.flush()?;
        Ok(seq)
    }

    /// Writes a checkpoint and returns once everything so far is on disk.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        let seq = self.queue.command(Command::Checkpoint)?;
        self.queue.wait_durable(seq)
    }

    /// The last record and its hash. Waits for the writer, so it is not for the hot path.
    pub fn tip(&mut self) -> Result<Tip, RecordError> {
        self.queue.wait_linked()
    }

    /// Writes a last checkpoint and the close record, and returns once they are on disk.
    pub fn close(mut self, reason: CloseReason, detail: &str) -> Result<Tip, RecordError> {
        let bytes = CLOSE_BYTES_MAX + detail.len();
        if bytes > BODY_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes });
        }
        self.flush()?;
        let seq = self.queue.command(Command::Close(reason, detail.to_owned()))?;
        self.queue.wait_durable(seq)?;
        self.queue.wait_linked()
    }

    /// The number of a named type; introduces it if it is new.
    pub fn type_id(&mut self, name: &str, ty: &Type) -> Result<TypeId, RecordError> {
        if let Some(id) = self.types.get(name) {
            return Ok(*id);
        }
        let id = TypeId(self.types.len() as u32);
        self.append(&Event::Type(TypeDef { id, name: name.to_owned(), ty: ty.clone() }))?;
        self.types.insert(name.to_owned(), id);
        Ok(id)
    }

    /// The number of a function; introduces it if it is new.
    pub fn function_id(
        &mut self,
        interface: &str,
        name: &str,
        params: &[(&str, Type)],
        results: &[Type],
    ) -> Result<FunctionId, RecordError> {
        let key = (interface.to_owned(), name.to_owned());
        if let Some(id) = self.functions.get(&key) {
            return Ok(*id);
        }
        let id = FunctionId(self.functions.len() as u32);
        self.append(&Event::Function(FunctionType {
            id,
            interface: key.0.clone(),
            name: key.1.clone(),
            params: params.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect(),
            results: results.to_vec(),
        }))?;
        self.functions.insert(key, id);
        Ok(id)
    }

    /// The event with its large or sensitive payloads replaced by references, if it has any. Their
    /// blob frames are left in `self.blobs`.
    fn out_of_line(&mut self, event: &Event, how: Sensitivity) -> Option<Event> {
        let values = match event {
            Event::ExportCall(call) | Event::ImportCall(call) => &call.args,
            Event::ImportReturn(end) | Event::ExportReturn(end) => match &end.outcome {
                Outcome::Returned(values) => values,
                Outcome::Trapped { .. } => return None,
            },
            _ => return None,
        };
        let tag = self.header.chain_id.tag();
        let mut seal = |content: &[u8]| self.sealer.seal(content, tag, &mut self.blobs.bytes);
        let mut smaller = match how {
            Sensitivity::Plain if values.as_bytes().len() < self.inline_bytes_max => return None,
            Sensitivity::Plain => values.without_long_strings(self.inline_bytes_max, &mut seal),
            Sensitivity::Sensitive => values.sealed(&mut seal),
        };
        if smaller.as_bytes().len() > VALUES_BYTES_MAX {
            smaller = smaller.sealed(&mut seal);
        }
        Some(with_values(event, smaller))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.queue.stop();
        if let Some(writer) = self.writer.take() {
            // A panic in the writer has been reported by every call since.
            let _ = writer.join();
        }
    }
}

fn write_durably(log: &mut impl Log, bytes: &[u8]) -> Result<(), RecordError> {
    log.append(bytes).and_then(|()| log.sync()).map_err(|error| RecordError::Log(Arc::new(error)))
}

fn header(
    about: About,
    options: &Options,
    chain_id: ChainId,
    embedded: Option<BlobRef>,
    keys: &Keys,
    created: u64,
) -> Header {
    let mut settings = about.settings;
    settings.sort();
    Header {
        version: FORMAT_VERSION,
        chain_id,
        suite: HASH_SUITE_BLAKE3,
        features: Vec::new(),
        origin: if about.synthetic { Origin::Synthetic } else { Origin::Recorded },
        recorder: about.recorder,
        created,
        name: about.name,
        component: about.component,
        embedded,
        manifest: about.manifest,
        state: about.state,
        settings,
        world: about.world,
        policy: options.policy,
        first_key: keys.public(),
        identity: options.identity.as_ref().map(IdentityKey::public),
        signature: options.identity.as_ref().map(|_| Signature([0; 64])),
    }
}

fn header_frame(ledger: &Ledger, header: &Header, identity: Option<&IdentityKey>) -> Vec<u8> {
    let event = Event::Header(Box::new(header.clone()));
    ledger.signed_frame(&event, identity.map(IdentityKey::key))
}

fn with_values(event: &Event, values: Values) -> Event {
    let mut event = event.clone();
    match &mut event {
        Event::ExportCall(call) | Event::ImportCall(call) => call.args = values,
        Event::ImportReturn(end) | Event::ExportReturn(end) => {
            end.outcome = Outcome::Returned(values);
        }
        _ => unreachable!("only calls and returns carry values"),
    }
    event
}
