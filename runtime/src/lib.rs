//! Runs WebAssembly components and records everything that crosses their sandbox.
//!
//! A component stands behind a membrane of stubs. While recording, a call goes to the recorder first
//! and then to the host; in replay, the same stubs compare it with a tape and answer from there.

mod actor;
mod actor_id;
pub mod amount;
mod blueprint;
mod by_val;
mod catalogue;
pub mod chain_view;
mod channels;
mod cli;
mod client;
mod codec;
pub mod complaint;
mod component;
mod delivery;
mod end;
mod engine;
pub mod entry;
pub mod escape;
mod excerpt;
mod family;
mod fit;
mod handlers;
mod handles;
mod home;
pub mod host;
mod interfaces;
mod interner;
mod interrupt;
mod killer;
mod lifter;
mod limiter;
mod live;
pub mod machine;
mod mailbox;
pub mod manifest;
mod membrane;
mod moment;
mod numbers;
pub mod paint;
mod playback;
pub mod project;
mod recording;
mod sealing;
pub mod server;
mod services;
mod spec;
mod stall;
mod store;
pub mod supervision;
mod system;
mod tape;
mod threads;
mod trap;
mod wave;
mod world;

pub use actor_id::{ActorId, NotAnActorId};
pub use blueprint::{BlueprintError, Source};
pub use channels::{ChannelError, ChannelNews, Listener};
pub use cli::{Exit, main_from};
pub use component::{Component, ComponentError, as_component, digest, embedded};
pub use delivery::{Awaited, NoAnswer};
pub use end::{ActorError, End, ErrorKind, Status};
pub use engine::{Backend, ENGINE, Engine, EngineError, Limits};
pub use excerpt::{Excerpt, Inbound, Life, play_excerpt};
pub use home::{Home, HomeError};
pub use killer::Killer;
pub use playback::{Ending, PlaybackError, PlaybackOptions, Played, play};
pub use recording::{Recording, RecordingOptions, RunError};
pub use spec::Spec;
pub use store::{BadLabel, Checked, Flaw, Garbage, Label, Names, NamesError, Store, StoreError};
pub use system::{
    Listed, Log, Randomness, Resumed, ReviveError, SendError, SpawnError, System, SystemOptions,
};
pub use tape::{BlobError, Console, Crossing, Frame, FramesAt, Mismatch, Probe, Stream, TapeError};
pub use trap::Failure;
pub use wave::{
    FindError, FunctionPath, Invocation, InvocationError, Position, WaveError, params_text,
    parse_value, type_text, write_value,
};
pub use world::{Function, NamedType, Resource, World, WorldError};
