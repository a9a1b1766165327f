//! What is put into an actor's mailbox: messages, calls, news of its children.

use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use theater_record::{ChainId, Hash, Permission, Value};

use crate::actor::Shared;
use crate::actor_id::ActorId;
use crate::end::End;

/// Something for an actor to do.
pub(crate) enum Delivery {
    /// A message that wants no answer, perhaps on a channel.
    Send { from: Sender, channel: Option<String>, message: Vec<u8>, done: Done },
    /// A message that wants one.
    Request { from: Sender, message: Vec<u8>, reply: Reply },
    /// A call of one of its handlers that a service of its own asks for.
    Call(HandlerCall),
    /// The question whether a channel is accepted.
    OpenChannel { from: Sender, channel: String, message: Vec<u8>, done: Opens },
    /// A child came to its end.
    ChildEnded { child: ActorId, end: End },
}

impl Delivery {
    /// How large the message is that somebody sends, if this is one.
    pub(crate) fn message_bytes(&self) -> Option<usize> {
        match self {
            Delivery::Send { message, .. }
            | Delivery::Request { message, .. }
            | Delivery::OpenChannel { message, .. } => Some(message.len()),
            Delivery::Call(_) | Delivery::ChildEnded { .. } => None,
        }
    }

    /// How much room it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Delivery::Call(call) => call.params.iter().map(weight).sum(),
            other => other.message_bytes().unwrap_or(0),
        }
    }
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

/// Hears whether a channel was accepted, and else why not. It must not wait.
pub(crate) type Opens = Box<dyn FnOnce(Result<Accepted, String>) + Send>;

/// A channel was accepted.
#[derive(Debug)]
pub(crate) struct Accepted {
    /// A first message for whoever has opened it.
    pub(crate) message: Vec<u8>,
    /// Who has accepted it, by the record of having done so.
    pub(crate) by: Sender,
}

/// A call of a handler that something outside has caused: a request over HTTP, the output of a process.
#[derive(Debug)]
pub(crate) struct HandlerCall {
    /// The handler's interface, as in [`crate::handlers`].
    pub(crate) interface: &'static str,
    /// Its name.
    pub(crate) name: &'static str,
    /// What it gets besides the state.
    pub(crate) params: Vec<Value>,
    /// What was decided before, to be written down right before the call.
    pub(crate) decisions: Vec<Permission>,
    /// Who waits for it.
    pub(crate) done: Done,
}

/// Hears once what became of a call of a handler, on the thread that runs the actor: it must not wait.
pub(crate) struct Done {
    hears: Option<Hears>,
    /// The only life of the actor in which it is wanted; `None` for any.
    life: Option<Weak<Shared>>,
}

type Hears = Box<dyn FnOnce(Result<Vec<Value>, NotHandled>) -> Vec<Permission> + Send>;

/// What became of a call of a handler that did not return what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotHandled {
    /// The component does not export it.
    #[error("the actor does not export {0}")]
    NoHandler(&'static str),
    /// It returned an error, or trapped. The actor has failed.
    #[error("the actor has failed: {0}")]
    Failed(String),
    /// The actor came to its end before.
    #[error("the actor came to its end first")]
    Ended,
}

impl Done {
    /// Has this function hear of it.
    pub(crate) fn new(hears: impl FnOnce(Result<Vec<Value>, NotHandled>) + Send + 'static) -> Done {
        Done::judging(|outcome| {
            hears(outcome);
            Vec::new()
        })
    }

    /// Has this function hear of it, and decide something about it that is written down right after.
    pub(crate) fn judging(
        hears: impl FnOnce(Result<Vec<Value>, NotHandled>) -> Vec<Permission> + Send + 'static,
    ) -> Done {
        Done { hears: Some(Box::new(hears)), life: None }
    }

    /// Nobody waits for it.
    pub(crate) fn unheard() -> Done {
        Done { hears: None, life: None }
    }

    /// The same, wanted in one life of the actor only: another one knows nothing of what it is about.
    pub(crate) fn of_life(mut self, life: Weak<Shared>) -> Done {
        self.life = Some(life);
        self
    }

    /// Whether it is wanted in a life of the actor.
    pub(crate) fn is_for(&self, life: &Arc<Shared>) -> bool {
        self.life.as_ref().is_none_or(|it| it.ptr_eq(&Arc::downgrade(life)))
    }

    /// Tells what the handler returned besides the state, or why it did not. What was decided about it
    /// is returned.
    pub(crate) fn tell(mut self, outcome: Result<Vec<Value>, NotHandled>) -> Vec<Permission> {
        self.hears.take().map_or_else(Vec::new, |hears| hears(outcome))
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(hears) = self.hears.take() {
            hears(Err(NotHandled::Ended));
        }
    }
}

impl std::fmt::Debug for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Done").field(&self.hears.is_some()).finish()
    }
}

/// Where the answer to a request goes. Once it is lost, the one who asked hears that there is none.
#[derive(Debug)]
pub(crate) struct Reply(Arc<Slot>);

/// The answer to a request that is under way.
#[derive(Debug, Clone)]
pub struct Awaited(Arc<Slot>);

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
    /// Nobody waits for it any more.
    GivenUp,
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
    /// Whoever asked came to its end first.
    #[error("whoever asked came to its end before the answer came")]
    Interrupted,
}

/// A place for one answer.
pub(crate) fn reply() -> (Reply, Awaited) {
    let slot = Arc::new(Slot::default());
    (Reply(slot.clone()), Awaited(slot))
}

impl Reply {
    /// Answers. Whether somebody still waited for it.
    pub(crate) fn answer(self, answer: Result<Vec<u8>, String>) -> bool {
        self.0.set(State::Answered(answer))
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.0.set(State::Lost);
    }
}

impl Slot {
    /// The first change is the last. Whether this is it.
    fn set(&self, to: State) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_first = matches!(*state, State::Open);
        if is_first {
            *state = to;
            self.changed.notify_all();
        }
        is_first
    }
}

impl Awaited {
    /// Ends the waiting.
    pub(crate) fn interrupt(&self) {
        self.0.set(State::GivenUp);
    }

    /// Waits for the answer.
    pub fn wait(self, patience: Duration) -> Result<Vec<u8>, NoAnswer> {
        let until = Instant::now() + patience;
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match std::mem::replace(&mut *state, State::GivenUp) {
                State::Answered(answer) => return answer.map_err(NoAnswer::Refused),
                State::Lost => return Err(NoAnswer::Ended),
                State::GivenUp => return Err(NoAnswer::Interrupted),
                State::Open if left.is_zero() => return Err(NoAnswer::TimedOut(patience)),
                State::Open => *state = State::Open,
            }
            let waited = self.0.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// About how many bytes a value takes.
fn weight(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Bytes(bytes) => bytes.len(),
            Value::String(text) => text.len(),
            Value::List(values) | Value::Tuple(values) | Value::Record(values) => {
                values.iter().map(weight).sum()
            }
            Value::Variant(_, Some(value))
            | Value::Option(Some(value))
            | Value::Result(Ok(Some(value)) | Err(Some(value))) => weight(value),
            _ => 0,
        }
}
