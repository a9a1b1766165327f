//! Wakes an actor that waits in one of its services, so that it can be killed there too.

use std::sync::Mutex;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::actor::lock;
use crate::delivery::{Awaited, NoAnswer};
use crate::killer::Killed;
use crate::threads::aside;
use crate::trap::Failure;

/// Ends whatever one actor waits for.
#[derive(Debug, Default)]
pub(crate) struct Interrupt {
    killed: Killed,
    /// The answer that the actor waits for, if it does.
    awaited: Mutex<Option<Awaited>>,
}

impl Interrupt {
    /// Ends the waiting, also all that is still to come.
    pub(crate) fn raise(&self) {
        self.killed.set();
        if let Some(awaited) = &*lock(&self.awaited) {
            awaited.interrupt();
        }
    }

    /// Whether the waiting is over.
    pub(crate) fn is_raised(&self) -> bool {
        self.killed.is_set()
    }

    /// Waits for an answer, unless the actor is killed first.
    pub(crate) fn wait_for(
        &self,
        awaited: Awaited,
        patience: Duration,
    ) -> Result<Vec<u8>, NoAnswer> {
        *lock(&self.awaited) = Some(awaited.clone());
        // It may have been raised just before it could have known what to end.
        if self.is_raised() {
            awaited.interrupt();
        }
        let answer = aside(|| awaited.wait(patience));
        *lock(&self.awaited) = None;
        answer
    }

    /// Fails once the waiting has to end. For waits that look around by themselves.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        self.killed.failure().map_or(Ok(()), Err)
    }

    /// Waits for something that is done at the edge, unless the actor is killed first.
    pub(crate) fn wait<T>(
        &self,
        edge: &Handle,
        awaited: impl Future<Output = T>,
    ) -> Result<T, Failure> {
        aside(|| edge.block_on(self.killed.or(awaited)))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::time::Duration;

    use theater_record::TrapCode;
    use tokio::runtime::Builder;

    use super::Interrupt;
    use crate::trap::Failure;

    fn killed() -> Failure {
        Failure { code: TrapCode::Killed, detail: String::new() }
    }

    #[test]
    fn who_waits_for_ever_is_woken_and_does_not_wait_again() {
        let edge = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let interrupt = Arc::new(Interrupt::default());
        assert_eq!(interrupt.wait(edge.handle(), async { 7 }), Ok(7));
        assert_eq!(interrupt.check(), Ok(()));
        let waits = std::thread::spawn({
            let (interrupt, edge) = (interrupt.clone(), edge.handle().clone());
            move || interrupt.wait(&edge, pending::<()>())
        });
        std::thread::sleep(Duration::from_millis(10));
        interrupt.raise();
        assert_eq!(waits.join().unwrap(), Err(killed()));
        assert_eq!(interrupt.wait(edge.handle(), pending::<()>()), Err(killed()));
        assert_eq!(interrupt.check(), Err(killed()));
    }
}
