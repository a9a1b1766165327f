//! Stops a component from outside, whatever it is doing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use theater_record::TrapCode;

use crate::trap::Failure;

/// Stops one component, from any thread.
///
/// What it computes ends at the next loop or call; what the host does for it, when the host returns.
/// The call that was under way traps with [`TrapCode::Killed`].
#[derive(Clone)]
pub struct Killer {
    killed: Killed,
    engine: wasmtime::Engine,
}

impl Killer {
    pub(crate) fn new(killed: Killed, engine: wasmtime::Engine) -> Killer {
        Killer { killed, engine }
    }

    /// Stops the component. Without a call under way, the next one ends at once.
    pub fn kill(&self) {
        self.killed.0.store(true, Ordering::Release);
        // Whoever shares the engine looks up once, finds nothing of concern, and goes on.
        self.engine.increment_epoch();
    }
}

/// Whether a component was killed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Killed(Arc<AtomicBool>);

impl Killed {
    /// What ends the call that is under way, if it was.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let is_killed = self.0.load(Ordering::Acquire);
        is_killed.then(|| Failure { code: TrapCode::Killed, detail: String::new() })
    }
}
