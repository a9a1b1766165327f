//! The closed set of records a chain is made of, without their frame.

use crate::blob::BlobRef;
use crate::format::{BODY_BYTES_MAX, DEFINITION_BYTES_MAX};
use crate::hash::{ChainId, Hash};
use crate::sign::{PublicKey, Signature};
use crate::types::{Type, TypeDef, TypeId};
use crate::value::Values;

/// What one record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The first record: what this chain is about.
    Header(Box<Header>),
    /// Names a type.
    Type(TypeDef),
    /// Names a function of an interface.
    Function(FunctionType),
    /// The world calls into the component.
    ExportCall(Call),
    /// The component calls out. Written before the host acts.
    ImportCall(Call),
    /// The host answers the component.
    ImportReturn(Return),
    /// The component answers the world.
    ExportReturn(Return),
    /// The component drops a resource.
    ResourceDrop(ResourceDrop),
    /// The actor changes state.
    Lifecycle(Lifecycle),
    /// A capability was asked for and granted or denied.
    Permission(Permission),
    /// Commits to everything since the checkpoint before.
    Checkpoint(Box<Checkpoint>),
    /// The last record: nothing follows, and nothing may.
    Close(Box<Close>),
    /// A torn tail was set aside here.
    Recover(Box<Recover>),
}

/// The number of a kind of record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "each kind is described at the event of the same name")]
pub enum Kind {
    Header = 0,
    Type = 1,
    Function = 2,
    ExportCall = 3,
    ImportCall = 4,
    ImportReturn = 5,
    ExportReturn = 6,
    ResourceDrop = 7,
    Lifecycle = 8,
    Permission = 9,
    Checkpoint = 10,
    Close = 11,
    Recover = 12,
}

impl Kind {
    /// Every kind, each at its own number.
    pub const ALL: [Kind; 13] = [
        Kind::Header,
        Kind::Type,
        Kind::Function,
        Kind::ExportCall,
        Kind::ImportCall,
        Kind::ImportReturn,
        Kind::ExportReturn,
        Kind::ResourceDrop,
        Kind::Lifecycle,
        Kind::Permission,
        Kind::Checkpoint,
        Kind::Close,
        Kind::Recover,
    ];

    /// The kind with this number.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Kind> {
        Kind::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The largest body that a record of this kind may have.
    #[must_use]
    pub fn body_bytes_max(self) -> usize {
        match self {
            Kind::Type | Kind::Function => DEFINITION_BYTES_MAX,
            Kind::Header
            | Kind::ExportCall
            | Kind::ImportCall
            | Kind::ImportReturn
            | Kind::ExportReturn
            | Kind::ResourceDrop
            | Kind::Lifecycle
            | Kind::Permission
            | Kind::Checkpoint
            | Kind::Close
            | Kind::Recover => BODY_BYTES_MAX,
        }
    }

    /// The name people read and filter by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Kind::Header => "header",
            Kind::Type => "type",
            Kind::Function => "function",
            Kind::ExportCall => "export-call",
            Kind::ImportCall => "import-call",
            Kind::ImportReturn => "import-return",
            Kind::ExportReturn => "export-return",
            Kind::ResourceDrop => "resource-drop",
            Kind::Lifecycle => "lifecycle",
            Kind::Permission => "permission",
            Kind::Checkpoint => "checkpoint",
            Kind::Close => "close",
            Kind::Recover => "recover",
        }
    }
}

impl Event {
    /// The arguments or results of an event, if it has any.
    #[must_use]
    pub fn values(&self) -> Option<&Values> {
        match self {
            Event::ExportCall(call) | Event::ImportCall(call) => Some(&call.args),
            Event::ImportReturn(end) | Event::ExportReturn(end) => match &end.outcome {
                Outcome::Returned(values) => Some(values),
                Outcome::Trapped { .. } => None,
            },
            Event::Header(_)
            | Event::Type(_)
            | Event::Function(_)
            | Event::ResourceDrop(_)
            | Event::Lifecycle(_)
            | Event::Permission(_)
            | Event::Checkpoint(_)
            | Event::Close(_)
            | Event::Recover(_) => None,
        }
    }

    /// What kind of record this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Event::Header(_) => Kind::Header,
            Event::Type(_) => Kind::Type,
            Event::Function(_) => Kind::Function,
            Event::ExportCall(_) => Kind::ExportCall,
            Event::ImportCall(_) => Kind::ImportCall,
            Event::ImportReturn(_) => Kind::ImportReturn,
            Event::ExportReturn(_) => Kind::ExportReturn,
            Event::ResourceDrop(_) => Kind::ResourceDrop,
            Event::Lifecycle(_) => Kind::Lifecycle,
            Event::Permission(_) => Kind::Permission,
            Event::Checkpoint(_) => Kind::Checkpoint,
            Event::Close(_) => Kind::Close,
            Event::Recover(_) => Kind::Recover,
        }
    }
}

/// What a chain says about itself before anything happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The format version, [`crate::FORMAT_VERSION`].
    pub version: u64,
    /// The random name of the chain.
    pub chain_id: ChainId,
    /// Which hashes are in use, [`crate::HASH_SUITE_BLAKE3`].
    pub suite: u64,
    /// Features a reader must understand to read this chain at all.
    pub features: Vec<u64>,
    /// Whether this is a recording.
    pub origin: Origin,
    /// Name and version of the program that recorded.
    pub recorder: String,
    /// Nanoseconds since the Unix epoch when recording started.
    pub created: u64,
    /// The actor's name.
    pub name: String,
    /// Plain BLAKE3 digest of the component's bytes, if a component runs here.
    pub component: Option<Hash>,
    /// The component's bytes, if the chain carries them.
    pub embedded: Option<BlobRef>,
    /// The manifest as it was given.
    pub manifest: Option<String>,
    /// The initial state as it was given.
    pub state: Option<Vec<u8>>,
    /// Engine settings and limits that replay needs, as names and values, sorted by name.
    pub settings: Vec<(String, String)>,
    /// The WIT text of the component's world.
    pub world: Option<String>,
    /// When the recorder writes checkpoints.
    pub policy: CheckpointPolicy,
    /// The key that signs checkpoint 0. `None` says that the chain is unsigned.
    pub first_key: Option<PublicKey>,
    /// The long-term key that vouches for this header.
    pub identity: Option<PublicKey>,
    /// The signature by `identity` over all fields before it.
    pub signature: Option<Signature>,
}

/// Where a chain comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A component really ran against a real host.
    Recorded,
    /// A what-if: made from a recording by changing it. Never passes for a recording.
    Synthetic,
}

/// When the recorder writes a checkpoint on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointPolicy {
    /// After this many records.
    pub records_max: u64,
    /// After records of this many bytes, counted with all payloads in line.
    pub bytes_max: u64,
    /// After this many nanoseconds with records pending; `None` for never.
    ///
    /// A checkpoint by time stands where the machine's speed put it. Recordings that are to be
    /// byte-equal must do without.
    pub interval_ns: Option<u64>,
}

impl Default for CheckpointPolicy {
    fn default() -> CheckpointPolicy {
        CheckpointPolicy { records_max: 4096, bytes_max: 4 << 20, interval_ns: Some(1_000_000_000) }
    }
}

/// The number under which a chain interned a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub u32);

/// A function's name and signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionType {
    /// Its number: the count of functions named before it.
    pub id: FunctionId,
    /// The interface it belongs to, such as `wasi:clocks/wall-clock@0.2.6`; empty at world level.
    pub interface: String,
    /// Its name, such as `now` or `[method]output-stream.write`.
    pub name: String,
    /// Parameter names and types.
    pub params: Vec<(String, Type)>,
    /// Result types: none or one.
    pub results: Vec<Type>,
}

/// A call, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What is called.
    pub function: FunctionId,
    /// With which arguments.
    pub args: Values,
    /// Fuel consumed so far, where the recorder counts it.
    pub fuel: Option<u64>,
}

/// The end of a call, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Return {
    /// What returns.
    pub function: FunctionId,
    /// How it ended.
    pub outcome: Outcome,
    /// Fuel consumed so far, where the recorder counts it.
    pub fuel: Option<u64>,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It returned these results.
    Returned(Values),
    /// It trapped, or the host failed.
    Trapped {
        /// The stable code of the trap.
        code: TrapCode,
        /// What to tell people.
        detail: String,
    },
}

/// Stable numbers for the ways a call can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TrapCode {
    /// The host function failed.
    HostError = 0,
    /// `unreachable` was executed.
    Unreachable = 1,
    /// An access outside linear memory.
    MemoryOutOfBounds = 2,
    /// An access outside a table.
    TableOutOfBounds = 3,
    /// A call through an empty table slot.
    NullReference = 4,
    /// A call through a table slot of another type.
    BadSignature = 5,
    /// An integer result that does not fit.
    IntegerOverflow = 6,
    /// An integer division by zero.
    DivisionByZero = 7,
    /// A float that is no integer of the asked size.
    BadConversion = 8,
    /// The stack limit.
    StackOverflow = 9,
    /// The fuel limit.
    OutOfFuel = 10,
    /// The memory limit.
    MemoryLimit = 11,
    /// The table limit.
    TableLimit = 12,
    /// The component ended the program itself; the detail is the exit code.
    Exit = 13,
    /// The component may not be entered again.
    CannotEnter = 14,
    /// The component passed a value that its own type does not allow.
    InvalidValue = 15,
    /// The component used a resource it does not have.
    BadResource = 16,
    /// The actor was killed from outside.
    Killed = 17,
    /// Any other trap.
    Other = 18,
}

impl TrapCode {
    /// Every code, each at its own number.
    pub const ALL: [TrapCode; 19] = [
        TrapCode::HostError,
        TrapCode::Unreachable,
        TrapCode::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds,
        TrapCode::NullReference,
        TrapCode::BadSignature,
        TrapCode::IntegerOverflow,
        TrapCode::DivisionByZero,
        TrapCode::BadConversion,
        TrapCode::StackOverflow,
        TrapCode::OutOfFuel,
        TrapCode::MemoryLimit,
        TrapCode::TableLimit,
        TrapCode::Exit,
        TrapCode::CannotEnter,
        TrapCode::InvalidValue,
        TrapCode::BadResource,
        TrapCode::Killed,
        TrapCode::Other,
    ];

    /// The name people read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            TrapCode::HostError => "host-error",
            TrapCode::Unreachable => "unreachable",
            TrapCode::MemoryOutOfBounds => "memory-out-of-bounds",
            TrapCode::TableOutOfBounds => "table-out-of-bounds",
            TrapCode::NullReference => "null-reference",
            TrapCode::BadSignature => "bad-signature",
            TrapCode::IntegerOverflow => "integer-overflow",
            TrapCode::DivisionByZero => "division-by-zero",
            TrapCode::BadConversion => "bad-conversion",
            TrapCode::StackOverflow => "stack-overflow",
            TrapCode::OutOfFuel => "out-of-fuel",
            TrapCode::MemoryLimit => "memory-limit",
            TrapCode::TableLimit => "table-limit",
            TrapCode::Exit => "exit",
            TrapCode::CannotEnter => "cannot-enter",
            TrapCode::InvalidValue => "invalid-value",
            TrapCode::BadResource => "bad-resource",
            TrapCode::Killed => "killed",
            TrapCode::Other => "trap",
        }
    }
}

/// The component dropped a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceDrop {
    /// The resource's type.
    pub ty: TypeId,
    /// The recorder's stable number for it.
    pub resource: u64,
}

/// A change in an actor's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lifecycle {
    /// What it changed to.
    pub state: LifecycleState,
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    /// What to tell people.
    pub detail: String,
}

/// The states of an actor's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum LifecycleState {
    /// A fresh instance begins here. A chain may hold several.
    Spawned = 0,
    /// It takes no messages for now.
    Paused = 1,
    /// It takes messages again.
    Resumed = 2,
    /// It ended by itself, all well.
    Completed = 3,
    /// It ended by a trap or an error.
    Failed = 4,
    /// It was asked to stop and did.
    Stopped = 5,
    /// It was stopped without being asked.
    Killed = 6,
}

impl LifecycleState {
    /// Every state, each at its own number.
    pub const ALL: [LifecycleState; 7] = [
        LifecycleState::Spawned,
        LifecycleState::Paused,
        LifecycleState::Resumed,
        LifecycleState::Completed,
        LifecycleState::Failed,
        LifecycleState::Stopped,
        LifecycleState::Killed,
    ];

    /// The name people read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            LifecycleState::Spawned => "spawned",
            LifecycleState::Paused => "paused",
            LifecycleState::Resumed => "resumed",
            LifecycleState::Completed => "completed",
            LifecycleState::Failed => "failed",
            LifecycleState::Stopped => "stopped",
            LifecycleState::Killed => "killed",
        }
    }
}

/// The decision about one use of a capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The capability, such as `http-client` or `filesystem`.
    pub capability: String,
    /// What it was to be used on, such as a host name or a path.
    pub subject: String,
    /// Whether it was granted.
    pub allowed: bool,
    /// A stable number for the reason; 0 where it was granted.
    pub reason: u64,
    /// What to tell people.
    pub detail: String,
}

/// Commits to a segment: everything from the previous checkpoint, included, up to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// How many checkpoints came before.
    pub number: u64,
    /// The first event of the segment: the previous checkpoint, or the header.
    pub first_seq: u64,
    /// Where that event's frame started in the file when this was written. A hint: redaction
    /// moves frames.
    pub segment_offset: u64,
    /// How many bytes the segment's records have, blob frames left out.
    pub segment_bytes: u64,
    /// How many blob frames were written in the segment.
    pub blob_count: u64,
    /// How many bytes those frames have.
    pub blob_bytes: u64,
    /// The last event that was known to be on disk before this record was written.
    pub durable_seq: Option<u64>,
    /// Digest of the segment's records as stored.
    pub segment_digest: Hash,
    /// Root of the tree over the segment's record hashes.
    pub segment_root: Hash,
    /// SHA-256 root, as of RFC 6962, over all earlier checkpoint frames.
    pub log_root: Hash,
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    /// The key that signs what comes next.
    pub next_key: Option<PublicKey>,
    /// The signature by the key announced before this record.
    pub signature: Option<Signature>,
}

/// Why a chain was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CloseReason {
    /// All well.
    Completed = 0,
    /// A trap or an error.
    Failed = 1,
    /// Asked to stop.
    Stopped = 2,
    /// Stopped without being asked.
    Killed = 3,
    /// Closed after a crash, by recovery.
    Recovered = 4,
}

impl CloseReason {
    /// Every reason, each at its own number.
    pub const ALL: [CloseReason; 5] = [
        CloseReason::Completed,
        CloseReason::Failed,
        CloseReason::Stopped,
        CloseReason::Killed,
        CloseReason::Recovered,
    ];

    /// The name people read.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CloseReason::Completed => "completed",
            CloseReason::Failed => "failed",
            CloseReason::Stopped => "stopped",
            CloseReason::Killed => "killed",
            CloseReason::Recovered => "recovered",
        }
    }
}

/// The end of a chain, with its totals. It always follows a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    /// Why.
    pub reason: CloseReason,
    /// What to tell people, such as an exit status.
    pub detail: String,
    /// How many checkpoints the chain has.
    pub checkpoints: u64,
    /// How many bytes all records before this one have, blob frames left out.
    pub record_bytes: u64,
    /// How many blob frames were written.
    pub blob_count: u64,
    /// How many bytes those frames have.
    pub blob_bytes: u64,
    /// Where the last checkpoint's frame started. A hint: redaction moves frames.
    pub checkpoint_offset: u64,
    /// The last event that was known to be on disk before this record was written.
    pub durable_seq: Option<u64>,
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    /// The signature by the key the last checkpoint announced.
    pub signature: Option<Signature>,
    /// Digest of the body up to here, because no later record commits to this one.
    pub digest: Hash,
}

/// Says that a torn tail was cut off here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recover {
    /// How many bytes were set aside.
    pub discarded_bytes: u64,
    /// Plain BLAKE3 digest of those bytes.
    pub discarded_digest: Hash,
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    /// The key that signs what comes next; the one in use before was lost with the process.
    pub next_key: Option<PublicKey>,
    /// The signature by the header's identity key over all fields before it.
    pub signature: Option<Signature>,
}
