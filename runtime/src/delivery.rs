//! What is put into an actor's mailbox: messages, news of its children, orders.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use theater_record::{ChainId, Hash, Permission};

use crate::actor::End;
use crate::actor_id::ActorId;

/// Something for an actor to do.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// A message that wants no answer.
    Send { from: Sender, message: Vec<u8> },
    /// A message that wants one.
    Request { from: Sender, message: Vec<u8>, reply: Reply },
    /// A child came to its end.
    ChildEnded { child: ActorId, end: End },
    /// The order to stop.
    Stop,
}

/// Who sent a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Somebody outside of all actors.
    Outside,
    /// An actor, by the record of its chain in which it sent this.
    Actor { id: ActorId, chain: ChainId, seq: u64, link: Hash },
}

impl Sender {
    /// What the receiver's chain says of it, right before the message: that it was let in, and by
    /// which record of whose chain it was sent.
    pub(crate) fn record(&self) -> Permission {
        let subject = match self {
            Sender::Outside => "outside".to_owned(),
            Sender::Actor { id, chain, seq, link } => format!("{id} {chain} {seq} {link}"),
        };
        Permission {
            capability: "message".to_owned(),
            subject,
            allowed: true,
            reason: 0,
            detail: String::new(),
        }
    }
}

/// Where the answer to a request goes. Once it is lost, the one who asked hears that there is none.
#[derive(Debug)]
pub(crate) struct Reply(Arc<Slot>);

/// The other end of a [`Reply`].
#[derive(Debug)]
pub(crate) struct Awaited(Arc<Slot>);

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    Answered(Result<Vec<u8>, String>),
    Lost,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The actor said so.
    #[error("{0}")]
    Refused(String),
    /// The actor came to its end first.
    #[error("the actor came to its end before it answered")]
    Ended,
    /// It took too long.
    #[error("no answer within {} ms", _0.as_millis())]
    TimedOut(Duration),
}

/// A place for one answer.
pub(crate) fn reply() -> (Reply, Awaited) {
    let slot = Arc::new(Slot::default());
    (Reply(slot.clone()), Awaited(slot))
}

impl Reply {
    /// Answers.
    pub(crate) fn answer(self, answer: Result<Vec<u8>, String>) {
        self.0.set(State::Answered(answer));
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.0.set(State::Lost);
    }
}

impl Slot {
    /// The first change is the last.
    fn set(&self, to: State) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Open) {
            *state = to;
            self.changed.notify_all();
        }
    }
}

impl Awaited {
    /// Waits for the answer.
    pub(crate) fn wait(self, patience: Duration) -> Result<Vec<u8>, NoAnswer> {
        let until = Instant::now() + patience;
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match std::mem::take(&mut *state) {
                State::Answered(answer) => return answer.map_err(NoAnswer::Refused),
                State::Lost => return Err(NoAnswer::Ended),
                State::Open => {}
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(NoAnswer::TimedOut(patience));
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
