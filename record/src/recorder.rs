//! The recorder: appends events to a chain while hashing and writing happen on other threads.

use std::io;
use std::sync::{Arc, Weak};

use crate::blob::{BlobRef, Sealer};
use crate::event::{
    CheckpointPolicy, CloseReason, Event, FunctionId, FunctionType, Header, Kind, Origin,
};
use crate::format::{
    BODY_BYTES_MAX, FORMAT_VERSION, HASH_SUITE_BLAKE3, INLINE_BYTES_DEFAULT, MAGIC,
    NESTING_DEPTH_MAX,
};
use crate::frame::Frame;
use crate::hash::{ChainId, Hash};
use crate::interned::Interned;
use crate::ledger::{Keys, Ledger};
use crate::linker::{Chain, Linker, Ready};
use crate::log::Log;
use crate::outline::Payload;
use crate::queue::{Queue, Task};
use crate::sign::{IdentityKey, Seed, Signature};
use crate::types::{Type, TypeDef, TypeId};
use crate::writer::Writer;

/// More than a close record takes besides its detail.
const CLOSE_BYTES_MAX: usize = 1 << 10;

/// How many bytes may wait to be written unless told otherwise.
pub(crate) const QUEUE_BYTES_DEFAULT: usize = 8 << 20;

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
    /// How many bytes may wait to be written before `append` waits too.
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
            queue_bytes_max: QUEUE_BYTES_DEFAULT,
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
    /// A type has values that nest deeper than a chain can hold.
    #[error("values of {name} can nest deeper than the {NESTING_DEPTH_MAX} levels a chain holds")]
    TooDeep {
        /// The name of the type, or of the function that takes or returns it.
        name: String,
    },
    /// The log or the clock has panicked. As final as a failure.
    #[error("writing the chain panicked")]
    Panicked,
}

/// Appends events to a chain.
///
/// `append` encodes the event into a bounded queue; putting payloads out of line, linking, hashing
/// and writing are done by a few threads that all recorders of the process share. Dropping a recorder
/// without [`Recorder::close`] writes what is queued and leaves the chain open, as a crash would.
pub struct Recorder {
    writer: Arc<Writer>,
    chain_id: ChainId,
    inline_bytes_max: usize,
    interned: Interned,
}

impl Recorder {
    /// Starts a chain. Its magic and its header are written soon, as whatever is appended, and are on disk
    /// before anything else is written.
    pub fn create(
        log: impl Log + 'static,
        about: About,
        options: Options,
        mut seed: Seed,
        clock: Clock,
    ) -> Result<Recorder, RecordError> {
        let chain_id = ChainId(seed.draw()[..16].try_into().expect("16 of 32 bytes"));
        let mut sealer = Sealer::new(seed.draw());
        let keys = if options.sign { Keys::signing(seed) } else { Keys::unsigned(seed) };
        let mut blobs = Vec::new();
        let embedded =
            about.embedded.as_ref().map(|bytes| sealer.seal(bytes, chain_id.tag(), &mut blobs));
        let header = header(about, &options, chain_id, embedded, &keys, clock());
        let mut ledger = Ledger::new(chain_id.tag());
        let frame = header_frame(&ledger, &header, options.identity.as_ref());
        if frame.len() > BODY_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes: frame.len() });
        }
        ledger.add_record(&frame, Kind::Header);
        ledger.set_durable(0);
        Frame::all_in(&blobs).for_each(|frame| ledger.add_blob(frame.bytes().len() as u64));
        let chain = Chain { ledger, keys, sealer, clock };
        let limits = (options.inline_bytes_max, options.queue_bytes_max);
        let (log, ready) = (Box::new(log), first(&frame, &blobs));
        let recorder = Recorder::start(log, chain, ready, &header, Interned::default(), limits);
        // The identity key is needed no longer; dropping it erases it.
        drop(options);
        Ok(recorder)
    }

    /// Goes on with a chain that has a header.
    pub(crate) fn start(
        log: Box<dyn Log>,
        chain: Chain,
        ready: Ready,
        header: &Header,
        interned: Interned,
        (inline_bytes_max, queue_bytes_max): (usize, usize),
    ) -> Recorder {
        let queue = Queue::new(&chain.ledger, header.policy);
        let writer = Writer::new(log, queue, Linker::new(chain, ready), queue_bytes_max);
        Recorder { writer, chain_id: header.chain_id, inline_bytes_max, interned }
    }

    /// The chain's random name.
    #[must_use]
    pub fn chain_id(&self) -> ChainId {
        self.chain_id
    }

    /// Appends an event; it will be durable by the next checkpoint. Returns its event number.
    pub fn append(&mut self, event: &Event) -> Result<u64, RecordError> {
        self.append_as(event, Sensitivity::Plain)
    }

    /// Appends an event whose arguments or results may have to be removed later.
    pub fn append_as(&mut self, event: &Event, how: Sensitivity) -> Result<u64, RecordError> {
        let payload = match (event.values(), how) {
            (None, _) => Payload::Inline,
            (Some(_), Sensitivity::Sensitive) => Payload::AllOut,
            (Some(values), Sensitivity::Plain) => {
                let is_small = values.as_bytes().len() < self.inline_bytes_max;
                if is_small { Payload::Inline } else { Payload::LongOut(self.inline_bytes_max) }
            }
        };
        self.interned.check(event).map_err(|name| RecordError::TooDeep { name })?;
        let seq = self.writer.push(event, payload)?;
        // Whoever gives numbers to names itself may do so in another order.
        let _ = self.interned.follow(event);
        Ok(seq)
    }

    /// Appends an event and returns once it is on disk.
    pub fn append_durable(&mut self, event: &Event) -> Result<u64, RecordError> {
        let seq = self.append(event)?;
        self.flush()?;
        Ok(seq)
    }

    /// Writes a checkpoint and returns once everything so far is on disk.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        self.writer.write_durably(Task::Checkpoint)
    }

    /// Returns once everything so far is in the log, whether it is on disk or not.
    pub fn write(&self) -> Result<(), RecordError> {
        self.writer.write()
    }

    /// Has somebody hear of it once everything so far is in the log, or that it cannot be written. It is
    /// told by whoever writes, and must not wait.
    pub fn when_written(&self, hears: impl FnOnce(Result<(), RecordError>) + Send + 'static) {
        self.writer.when_written(Box::new(hears));
    }

    /// What is not in the log yet, for whoever reads the log behind this recorder.
    #[must_use]
    pub fn backlog(&self) -> Backlog {
        Backlog(Arc::downgrade(&self.writer))
    }

    /// The last record and its hash, which may be a checkpoint. What is not linked yet is linked
    /// here; that waits for no disk.
    pub fn tip(&self) -> Result<Tip, RecordError> {
        self.writer.link().map(|(last, _)| last)
    }

    /// The event that was appended last and its hash, as for [`Recorder::tip`]. The last record, if
    /// nothing was appended since the chain was created or resumed.
    pub fn last_event(&self) -> Result<Tip, RecordError> {
        self.writer.link().map(|(_, event)| event)
    }

    /// Writes a last checkpoint and the close record, and returns once they are on disk.
    pub fn close(mut self, reason: CloseReason, detail: &str) -> Result<Tip, RecordError> {
        let bytes = CLOSE_BYTES_MAX + detail.len();
        if bytes > BODY_BYTES_MAX {
            return Err(RecordError::TooLarge { bytes });
        }
        self.flush()?;
        self.writer.write_durably(Task::Close(reason, detail.into()))?;
        self.tip()
    }

    /// The number of a named type; introduces it if it is new.
    pub fn type_id(&mut self, name: &str, ty: &Type) -> Result<TypeId, RecordError> {
        if let Some(id) = self.interned.type_id(name) {
            return Ok(id);
        }
        let id = self.interned.next_type();
        self.append(&Event::Type(TypeDef { id, name: name.to_owned(), ty: ty.clone() }))?;
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
        if let Some(id) = self.interned.function_id(interface, name) {
            return Ok(id);
        }
        let id = self.interned.next_function();
        self.append(&Event::Function(FunctionType {
            id,
            interface: interface.to_owned(),
            name: name.to_owned(),
            params: params.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect(),
            results: results.to_vec(),
        }))?;
        Ok(id)
    }
}

/// What a recorder has yet to write. A recorder that is gone has nothing.
#[derive(Clone)]
pub struct Backlog(Weak<Writer>);

impl Backlog {
    /// Returns once the chain's header is in the log, so that a crash of this process leaves a chain.
    pub fn write_header(&self) -> Result<(), RecordError> {
        self.0.upgrade().map_or(Ok(()), |writer| writer.write_header())
    }

    /// Returns once everything that was appended by now is in the log, as [`Recorder::write`] does.
    pub fn write(&self) -> Result<(), RecordError> {
        self.0.upgrade().map_or(Ok(()), |writer| writer.write())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.writer.stop();
    }
}

/// What is written first. Only what stands behind a header can tell recovery that all of it is on disk, so
/// it is synced before anything does.
fn first(header: &[u8], blobs: &[u8]) -> Ready {
    let mut ready = Ready::default();
    ready.frames.reserve_exact(MAGIC.len() + header.len() + blobs.len());
    ready.frames.extend_from_slice(&MAGIC);
    ready.frames.extend_from_slice(header);
    ready.sync(0);
    if !blobs.is_empty() {
        ready.frames.extend_from_slice(blobs);
        ready.sync(0);
    }
    ready
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
