//! The interfaces of the runtime under short names.

/// Logging, and whatever else an actor may ask of the runtime.
pub mod runtime {
    pub use crate::bindings::theater::simple::runtime::log;
}

/// Children: the module itself and all that is in it.
pub mod supervisor {
    pub use crate::bindings::theater::simple::supervisor::{self, *};
}
