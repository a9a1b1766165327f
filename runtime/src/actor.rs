//! One actor: an instance of a component that does one thing after another, with its mailbox, its
//! state and its own chain.
//!
//! What an actor can be asked to do are the functions it exports from `theater:simple`. Each gets the
//! state and gives it back, as `option<list<u8>>`; a component that keeps its state to itself gives
//! nothing back, and one that exports nothing of `theater:simple` is left alone.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use theater_record::{LifecycleState, Outcome, Permission, TrapCode, Value, Values};

use crate::actor_id::ActorId;
use crate::delivery::{Delivery, HandlerCall, NotHandled, Reply, Sender};
use crate::handlers::{ACTOR, CHILDREN, Handlers, MESSAGES};
use crate::interrupt::Interrupt;
use crate::killer::Killer;
use crate::mailbox::Mailbox;
use crate::recording::{Recording, RunError};
use crate::services::Opening;
use crate::trap::Failure;

/// How an actor came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// By itself, with what it left behind.
    Completed(Option<Vec<u8>>),
    /// It trapped.
    Trapped(Failure),
    /// One of its functions returned an error.
    Error(String),
    /// It was asked to.
    Stopped,
    /// It was killed.
    Killed,
    /// Its chain could not be written any further.
    NotRecorded(String),
}

impl End {
    /// Whether somebody should hear of it: it did not end as it was meant to.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            End::Completed(_) | End::Stopped => false,
            End::Trapped(_) | End::Error(_) | End::Killed | End::NotRecorded(_) => true,
        }
    }

    /// The case of `actor-error-kind` that it is.
    fn kind(&self) -> Value {
        let limits = [TrapCode::OutOfFuel, TrapCode::MemoryLimit, TrapCode::TableLimit];
        Value::Enum(match self {
            End::Trapped(failure) if limits.contains(&failure.code) => 2,
            End::Trapped(_) | End::Killed => 1,
            End::NotRecorded(_) => 6,
            End::Error(_) | End::Completed(_) | End::Stopped => 0,
        })
    }

    /// What its chain says.
    fn lifecycle(&self) -> (LifecycleState, String) {
        match self {
            End::Completed(_) => (LifecycleState::Completed, String::new()),
            End::Trapped(failure) => (LifecycleState::Failed, failure.to_string()),
            End::Error(error) => (LifecycleState::Failed, error.clone()),
            End::Stopped => (LifecycleState::Stopped, String::new()),
            End::Killed => (LifecycleState::Killed, String::new()),
            End::NotRecorded(reason) => (LifecycleState::Failed, reason.clone()),
        }
    }
}

/// What an actor and the services it calls have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Requests that the actor has yet to answer, by their ids.
    pub(crate) outstanding: Mutex<BTreeMap<String, Reply>>,
    /// Set when the actor wants to come to its end, with what it leaves behind.
    pub(crate) leaves: Mutex<Option<Option<Vec<u8>>>>,
    /// What is started once `init` has returned.
    pub(crate) opening: Mutex<Option<Opening>>,
    /// Wakes the actor where it waits.
    pub(crate) interrupt: Interrupt,
}

/// An actor.
pub(crate) struct Actor {
    pub(crate) id: ActorId,
    pub(crate) name: String,
    pub(crate) parent: Option<ActorId>,
    pub(crate) mailbox: Mailbox<Delivery>,
    killer: Killer,
    shared: Arc<Shared>,
    /// Whether a thread runs it, or is about to.
    is_scheduled: AtomicBool,
    life: Mutex<Life>,
    end: Mutex<Option<End>>,
    has_ended: Condvar,
}

/// What only the thread touches that runs the actor.
struct Life {
    recording: Option<Recording>,
    state: Option<Vec<u8>>,
    handlers: Handlers,
    requests: u64,
}

impl Actor {
    /// An actor whose component was started, but not told so yet.
    pub(crate) fn new(
        (id, name, parent): (ActorId, String, Option<ActorId>),
        capacity: usize,
        recording: Recording,
        handlers: Handlers,
        state: Option<Vec<u8>>,
        shared: Arc<Shared>,
    ) -> Actor {
        let killer = recording.killer();
        let life = Life { recording: Some(recording), state, handlers, requests: 0 };
        Actor {
            id,
            name,
            parent,
            mailbox: Mailbox::new(capacity),
            killer,
            shared,
            is_scheduled: AtomicBool::new(false),
            life: Mutex::new(life),
            end: Mutex::new(None),
            has_ended: Condvar::new(),
        }
    }

    /// Tells the component that it is started. To be called on a thread with room for its stack.
    pub(crate) fn init(&self) -> Result<(), End> {
        let mut life = lock(&self.life);
        let done = life.init(self.id).and_then(|()| life.open(&self.shared));
        done.map_err(|end| self.finish(&mut life, end))
    }

    /// Whether the caller has to see to it that the actor is run.
    pub(crate) fn schedule(&self) -> bool {
        !self.is_scheduled.swap(true, Ordering::AcqRel)
    }

    /// Does what waits. How it ended is returned once, if it did.
    pub(crate) fn run(&self) -> Option<End> {
        loop {
            let mut life = lock(&self.life);
            life.recording.as_ref()?;
            while let Some(delivery) = self.mailbox.take() {
                if let Err(end) = life.handle(delivery, &self.shared) {
                    return Some(self.finish(&mut life, end));
                }
            }
            drop(life);
            self.is_scheduled.store(false, Ordering::Release);
            // Something may have come in just before; whoever put it there saw a thread at work.
            if self.mailbox.is_empty() || !self.schedule() {
                return None;
            }
        }
    }

    /// Writes the end down, and lets everybody know who waits for it.
    fn finish(&self, life: &mut Life, end: End) -> End {
        let end = match life.recording.take() {
            None => end,
            Some(recording) => {
                let (state, detail) = end.lifecycle();
                match recording.end(state, &detail) {
                    Ok(_) => end,
                    Err(error) => End::NotRecorded(error.to_string()),
                }
            }
        };
        *lock(&self.end) = Some(end.clone());
        self.has_ended.notify_all();
        // Whoever waits for an answer hears that there will be none.
        drop(self.mailbox.close());
        lock(&self.shared.outstanding).clear();
        end
    }

    /// How it ended, if it did.
    pub(crate) fn end(&self) -> Option<End> {
        lock(&self.end).clone()
    }

    /// Waits until it has ended, for a while.
    pub(crate) fn wait(&self, patience: Duration) -> Option<End> {
        let until = Instant::now() + patience;
        let mut end = lock(&self.end);
        while end.is_none() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.has_ended.wait_timeout(end, left);
            end = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        end.clone()
    }

    /// Stops whatever it does.
    pub(crate) fn kill(&self) {
        self.killer.kill();
        self.shared.interrupt.raise();
        // It may be doing nothing, and has to look up.
        let _ = self.mailbox.put_anyway(Delivery::Stop, true);
    }

    /// The state that the component gave back last. Waits while the actor is at work.
    pub(crate) fn state(&self) -> Option<Vec<u8>> {
        lock(&self.life).state.clone()
    }
}

impl Life {
    fn init(&mut self, id: ActorId) -> Result<(), End> {
        self.tell(ACTOR, "init", vec![Value::String(id.to_string())]).map(drop)
    }

    /// Starts what the manifest wants started with the actor.
    fn open(&mut self, shared: &Shared) -> Result<(), End> {
        let Some(opening) = lock(&shared.opening).take() else { return Ok(()) };
        let (decisions, outcome) = opening.open();
        self.note(decisions)?;
        outcome.map_err(End::Error)
    }

    /// Writes down what was decided outside of any call.
    fn note(&mut self, decisions: Vec<Permission>) -> Result<(), End> {
        let Some(recording) = &mut self.recording else { return Ok(()) };
        let mut decisions = decisions.into_iter();
        decisions.try_for_each(|it| recording.decided(it)).map_err(|error| not_recorded(&error))
    }

    fn handle(&mut self, delivery: Delivery, shared: &Shared) -> Result<(), End> {
        match delivery {
            Delivery::Stop => return Err(End::Stopped),
            Delivery::Send { from, message } => {
                self.receive(&from)?;
                self.tell(MESSAGES, "handle-send", vec![Value::Bytes(message)])?;
            }
            Delivery::Request { from, message, reply } => {
                self.request(&from, message, reply, shared)?;
            }
            Delivery::Call(call) => self.call(call)?,
            Delivery::ChildEnded { child, end } => self.child_ended(child, end)?,
        }
        match lock(&shared.leaves).take() {
            Some(left) => Err(End::Completed(left)),
            None => Ok(()),
        }
    }

    /// Writes down who sent what comes next.
    fn receive(&mut self, from: &Sender) -> Result<(), End> {
        self.note(vec![from.record()])
    }

    fn request(
        &mut self,
        from: &Sender,
        message: Vec<u8>,
        reply: Reply,
        shared: &Shared,
    ) -> Result<(), End> {
        self.receive(from)?;
        self.requests += 1;
        let id = format!("request-{}", self.requests);
        // The component may answer while it handles the request.
        lock(&shared.outstanding).insert(id.clone(), reply);
        let params = vec![Value::String(id.clone()), Value::Bytes(message)];
        let told = self.tell(MESSAGES, "handle-request", params);
        let outcome = match &told {
            Ok(None) => Some(Err("the actor does not take requests".to_owned())),
            // Without an answer, it is going to answer later.
            Ok(Some(given)) => given.first().and_then(answer_in).map(Ok),
            Err(End::Error(error)) => Some(Err(error.clone())),
            Err(_) => None,
        };
        if let Some(outcome) = outcome
            && let Some(reply) = lock(&shared.outstanding).remove(&id)
        {
            reply.answer(outcome);
        }
        told.map(drop)
    }

    /// Makes a call that a service has asked for, and tells it what came of it.
    fn call(&mut self, call: HandlerCall) -> Result<(), End> {
        let HandlerCall { interface, name, params, decisions, done } = call;
        self.note(decisions)?;
        match self.tell(interface, name, params) {
            Ok(Some(mut given)) => {
                // What a handler gives back besides the state is a tuple.
                let given = match given.pop() {
                    Some(Value::Tuple(given)) => given,
                    Some(other) => vec![other],
                    None => Vec::new(),
                };
                self.note(done.tell(Ok(given)))
            }
            Ok(None) => self.note(done.tell(Err(NotHandled::NoHandler(name)))),
            Err(end) => {
                let (_, detail) = end.lifecycle();
                done.tell(Err(NotHandled::Failed(detail)));
                Err(end)
            }
        }
    }

    fn child_ended(&mut self, child: ActorId, end: End) -> Result<(), End> {
        let child = Value::String(child.to_string());
        let option = |bytes: Option<Vec<u8>>| {
            Value::Option(bytes.map(|bytes| Box::new(Value::Bytes(bytes))))
        };
        let (handler, params) = match end {
            End::Completed(left) => ("handle-child-exit", vec![child, option(left)]),
            End::Stopped | End::Killed => ("handle-child-external-stop", vec![child]),
            End::Trapped(_) | End::Error(_) | End::NotRecorded(_) => {
                let (_, detail) = end.lifecycle();
                let error = Value::Record(vec![end.kind(), Value::String(detail)]);
                ("handle-child-error", vec![child, error])
            }
        };
        self.tell(CHILDREN, handler, params).map(drop)
    }

    /// Calls a handler, if the component has it, and keeps the state it gives back. What else it
    /// gives back is returned.
    fn tell(
        &mut self,
        interface: &'static str,
        name: &'static str,
        params: Vec<Value>,
    ) -> Result<Option<Vec<Value>>, End> {
        let Some(handler) = self.handlers.find(interface, name) else { return Ok(None) };
        let Some(recording) = &mut self.recording else { return Ok(None) };
        let state = self.state.take().map(|state| Box::new(Value::Bytes(state)));
        let args = [Value::Option(state), Value::Tuple(params)];
        let args = Values::of(&args).map_err(|error| End::NotRecorded(error.to_string()))?;
        let outcome = recording.call(handler.export, args).map_err(|error| not_recorded(&error))?;
        let results = match outcome {
            Outcome::Trapped { code: TrapCode::Killed, .. } => return Err(End::Killed),
            Outcome::Trapped { code, detail } => {
                return Err(End::Trapped(Failure { code, detail }));
            }
            Outcome::Returned(results) => {
                let types = [&handler.result];
                results.decode(types.into_iter(), self.handlers.types())
            }
        };
        match results.ok().and_then(|mut results| results.pop()) {
            Some(Value::Result(Ok(Some(given)))) => match *given {
                Value::Tuple(mut given) if !given.is_empty() => {
                    if let Value::Option(Some(state)) = given.remove(0)
                        && let Value::Bytes(state) = *state
                    {
                        self.state = Some(state);
                    }
                    Ok(Some(given))
                }
                _ => Ok(Some(Vec::new())),
            },
            Some(Value::Result(Err(Some(error)))) => match *error {
                Value::String(error) => Err(End::Error(error)),
                _ => Err(End::Error(String::new())),
            },
            _ => Ok(Some(Vec::new())),
        }
    }
}

/// The answer in what a handler of requests gives back besides the state.
fn answer_in(given: &Value) -> Option<Vec<u8>> {
    let Value::Tuple(given) = given else { return None };
    let Some(Value::Option(Some(answer))) = given.first() else { return None };
    match &**answer {
        Value::Bytes(answer) => Some(answer.clone()),
        _ => None,
    }
}

fn not_recorded(error: &RunError) -> End {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    End::NotRecorded(text)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while an actor runs is a defect of this program; the others go on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
