//! Runs WebAssembly components and records everything that crosses their sandbox.

mod by_val;
mod codec;
mod component;
mod engine;
mod handles;
mod interner;
mod lifter;
mod limiter;
mod membrane;
mod playback;
mod recording;
mod tape;
mod live;
pub mod host;
mod trap;
mod world;

pub use component::{Component, ComponentError, as_component, digest};
pub use engine::{Backend, ENGINE, Engine, EngineError, Limits, is_same_compiler};
pub use trap::Failure;
pub use world::{Function, NamedType, Resource, World, WorldError};
pub use playback::{Ending, PlaybackError, PlaybackOptions, Played, play};
pub use recording::{Recording, RecordingOptions, RunError};
pub use tape::{BlobError, Console, Crossing, Frame, Mismatch, Probe, Stream, TapeError};
