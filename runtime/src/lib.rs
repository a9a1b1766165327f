//! Runs WebAssembly components and records everything that crosses their sandbox.

mod home;
mod store;
mod wave;

pub use home::{Home, HomeError};
pub use store::{Store, StoreError};
pub use wave::{
    FindError, FunctionPath, Invocation, Position, WaveError, parse_value, type_text, write_value,
};
