//! Runs WebAssembly components and records everything that crosses their sandbox.

mod wave;

pub use wave::{
    FindError, FunctionPath, Invocation, Position, WaveError, parse_value, type_text, write_value,
};
