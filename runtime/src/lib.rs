//! Runs WebAssembly components and records everything that crosses their sandbox.
