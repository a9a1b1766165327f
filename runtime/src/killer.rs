//! Stops a component from outside, whatever it is doing.

use std::sync::Arc;

use theater_record::TrapCode;
use tokio::sync::watch;

use crate::trap::Failure;

/// Stops one component, from any thread.
///
/// What it computes ends at the next loop or call; what it waits for in the host, at once; what the host
/// does for it, such as reading a file, when that is done. The call that was under way traps with
/// [`TrapCode::Killed`].
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
        self.killed.set();
        // Whoever shares the engine looks up once, finds nothing of concern, and goes on.
        self.engine.increment_epoch();
    }
}

/// Whether a component was killed.
#[derive(Debug, Clone)]
pub(crate) struct Killed(Arc<watch::Sender<bool>>);

impl Default for Killed {
    fn default() -> Killed {
        Killed(Arc::new(watch::Sender::new(false)))
    }
}

impl Killed {
    /// It is, from now on.
    pub(crate) fn set(&self) {
        self.0.send_replace(true);
    }

    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// What ends the call that is under way, if it was.
    pub(crate) fn failure(&self) -> Option<Failure> {
        self.is_set().then(killed)
    }

    /// Waits for something, unless the component is killed first. What is there at once costs nothing more.
    pub(crate) async fn or<T>(&self, awaited: impl Future<Output = T>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            done = awaited => Ok(done),
            () = self.until_set() => Err(killed()),
        }
    }

    async fn until_set(&self) {
        // The sender is here, so there is no other way for this to end.
        let _ = self.0.subscribe().wait_for(|killed| *killed).await;
    }
}

fn killed() -> Failure {
    Failure { code: TrapCode::Killed, detail: String::new() }
}
