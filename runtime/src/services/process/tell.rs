//! Tells an actor what a process of its own prints, and how it ends.
//!
//! Of each output, one piece at a time is under way: the next is read only once the actor has dealt with
//! the one before. So a process that prints more than the actor takes has to wait.

use std::os::fd::AsFd;
use std::sync::{Arc, Weak};
use std::time::Duration;

use theater_record::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::{oneshot, watch};

use super::cut::Cutter;
use crate::actor::Shared;
use crate::actor_id::ActorId;
use crate::delivery::{Done, HandlerCall, NotHandled};
use crate::handlers;
use crate::services::Served;
use crate::system::{SendError, WeakSystem};

/// How much is read at a time.
const READ_BYTES_MAX: usize = 64 << 10;

/// How long it takes until a full mailbox is tried again: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(64));

/// Tells an actor of one process.
pub(super) struct Teller {
    system: WeakSystem,
    actor: ActorId,
    number: u64,
    /// The life of the actor in which the process was started.
    life: Weak<Shared>,
    /// Becomes true when the actor does not want to hear of it any more.
    is_left: watch::Receiver<bool>,
}

/// An output that is told.
pub(super) struct Output<P> {
    pub(super) pipe: P,
    pub(super) cutter: Cutter,
}

impl Teller {
    pub(super) fn new(served: &Served, number: u64, is_left: watch::Receiver<bool>) -> Teller {
        let life = Arc::downgrade(&served.shared);
        Teller { system: served.system.clone(), actor: served.id, number, life, is_left }
    }

    /// Tells something and waits until the actor has dealt with it. Whether it wants to hear more.
    pub(super) async fn tell(&self, handler: &'static str, what: Value) -> bool {
        let mut is_left = self.is_left.clone();
        tokio::select! {
            wants_more = self.deliver(handler, what) => wants_more,
            _ = is_left.wait_for(|is_left| *is_left) => false,
        }
    }

    async fn deliver(&self, handler: &'static str, what: Value) -> bool {
        let (mut pause, longest) = PAUSES;
        loop {
            let (tell, told) = oneshot::channel();
            let call = HandlerCall {
                interface: handlers::PROCESSES,
                name: handler,
                params: vec![Value::U64(self.number), what.clone()],
                decisions: Vec::new(),
                // An actor that has started again must not hear of what it started in an earlier life.
                done: Done::new(move |outcome| drop(tell.send(outcome))).of_life(self.life.clone()),
            };
            let Ok(system) = self.system.get() else { return false };
            let put = system.call_handler(self.actor, call, Duration::ZERO);
            drop(system);
            match put {
                Ok(()) => {
                    return match told.await {
                        Ok(Ok(_)) => true,
                        Ok(Err(
                            NotHandled::NoHandler(_) | NotHandled::Failed(_) | NotHandled::Ended,
                        ))
                        | Err(_) => false,
                    };
                }
                Err(SendError::Full(_)) => tokio::time::sleep(pause).await,
                Err(
                    SendError::NoActor(_)
                    | SendError::NoAnswer(_)
                    | SendError::TooLarge { .. }
                    | SendError::Failed(_),
                ) => return false,
            }
            pause = (pause * 2).min(longest);
        }
    }

    /// Tells all of an output until it ends, or the process has ended.
    pub(super) async fn tell_output(
        &self,
        handler: &'static str,
        output: Option<Output<impl AsyncRead + AsFd + Unpin>>,
        mut ended: watch::Receiver<bool>,
    ) {
        let Some(Output { mut pipe, mut cutter }) = output else { return };
        let mut buffer = vec![0; READ_BYTES_MAX.min(cutter.room())];
        let mut is_wanted = true;
        // What is left to be read once the process has ended. Nothing later is: others may hold the
        // output open, and print to it for ever.
        let mut left = None;
        loop {
            let most = buffer.len().min(cutter.room()).min(left.unwrap_or(usize::MAX));
            if most == 0 {
                break;
            }
            let read = tokio::select! {
                biased;
                _ = ended.wait_for(|ended| *ended), if left.is_none() => {
                    left = Some(waiting(&pipe));
                    continue;
                }
                read = pipe.read(&mut buffer[..most]) => read.unwrap_or(0),
            };
            if read == 0 {
                break;
            }
            left = left.map(|left| left - read);
            if is_wanted {
                cutter.add(&buffer[..read]);
                while let Some(piece) = cutter.take() {
                    is_wanted = is_wanted && self.tell(handler, Value::Bytes(piece)).await;
                }
            }
        }
        if let Some(rest) = cutter.take_rest()
            && is_wanted
        {
            self.tell(handler, Value::Bytes(rest)).await;
        }
    }
}

/// How much can be read from a pipe at once.
fn waiting(pipe: &impl AsFd) -> usize {
    let waiting = rustix::io::ioctl_fionread(pipe).unwrap_or(0);
    usize::try_from(waiting).unwrap_or(usize::MAX)
}
