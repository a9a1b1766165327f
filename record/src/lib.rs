//! The chain: what it is, how it is written and how it is read.
//!
//! A chain is a CBOR sequence of records. Each record carries the hash of the one before it, so a
//! record cannot be changed, dropped or moved without breaking the link that follows. The byte
//! layout is described in `FORMAT.md` and, normatively, in `chain.cddl`, both beside this crate.
//!
//! This crate knows nothing of WebAssembly engines, async runtimes, paths or the system clock: the
//! caller hands in an open log, a clock and a seed.

mod blob;
mod cbor;
mod codec;
mod event;
mod format;
mod frame;
mod hash;
mod interned;
mod ledger;
mod linker;
mod log;
mod merkle;
mod outline;
mod queue;
mod reader;
mod recorder;
mod recover;
mod resume;
mod shape;
mod sign;
mod threads;
mod types;
mod value;
mod writer;

pub use blob::{BlobFrame, BlobRef, Salt, Tombstone};
pub use cbor::{CborError, CborFault, Decoder, Encoder};
pub use codec::Place;
pub use event::{
    Call, Checkpoint, CheckpointPolicy, Close, CloseReason, Event, FunctionId, FunctionType,
    Header, Kind, Lifecycle, LifecycleState, Origin, Outcome, Permission, Recover, ResourceDrop,
    Return, TrapCode,
};
pub use format::{
    BLOB_PIECE_BYTES_MAX, BLOB_TAG, BODY_BYTES_MAX, BODY_BYTES_MIN, DEFINITION_BYTES_MAX,
    FEATURES_KNOWN, FORMAT_VERSION, FRAME_BYTES_MAX, HASH_SUITE_BLAKE3, INLINE_BYTES_DEFAULT,
    MAGIC, NESTING_DEPTH_MAX, VALUES_BYTES_MAX,
};
pub use frame::{Frame, FrameKind, sync_pattern};
pub use hash::{
    ChainId, Hash, ParseHashError, SegmentHasher, close_digest, node_hash, node_hash_key,
    record_hash, record_hash_key,
};
pub use log::Log;
pub use merkle::{AuditPath, CheckpointLog, LogPath, PathFinder, log_leaf, segment_root};
pub use reader::{ReadError, Reader, Record, Stored};
pub use recorder::{About, Backlog, Clock, Options, RecordError, Recorder, Sensitivity, Tip};
pub use recover::{RecoverError, RecoverOptions, Recovery};
pub use resume::{ResumeError, ResumeOptions};
pub use shape::{ShapeError, check_body};
pub use sign::{IdentityKey, PublicKey, Seed, Signature, SigningKey};
pub use types::{Type, TypeDef, TypeId, TypeTable};
pub use value::{Value, ValueError, Values};
