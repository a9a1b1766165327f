//! One life of an actor: what it does with each delivery, by calling its component.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use theater_record::{ChainId, Outcome, Permission, Value, Values};

use super::{Asked, Shared, lock};
use crate::actor_id::ActorId;
use crate::delivery::{Accepted, Delivery, Done, HandlerCall, NotHandled, Opens, Reply, Sender};
use crate::end::{End, ErrorKind, bytes_or_none};
use crate::handlers::{ACTOR, CHILDREN, Handler, Handlers, MESSAGES};
use crate::numbers::Numbers;
use crate::recording::{Recording, Rest, RunError};
use crate::trap::Failure;

/// A state is not larger than this.
const STATE_BYTES_MAX: usize = 8 << 20;

/// What only the thread touches that runs the actor.
pub(crate) struct Life {
    pub(crate) id: ActorId,
    pub(crate) recording: Recording,
    pub(crate) chain: ChainId,
    pub(crate) handlers: Arc<Handlers>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) numbers: Arc<Numbers>,
}

type State = Mutex<Option<Vec<u8>>>;

impl Life {
    /// Tells the component that it is started.
    pub(super) fn init(&mut self, state: &State) -> Result<(), End> {
        self.tell(ACTOR, "init", vec![Value::String(self.id.to_string())], state).map(drop)
    }

    /// Starts what the manifest wants started with the actor.
    pub(super) fn open(&mut self) -> Result<(), End> {
        let Some(opening) = lock(&self.shared.opening).take() else { return Ok(()) };
        let (decisions, outcome) = opening.open();
        self.note(decisions)?;
        outcome.map_err(|error| End::failed(ErrorKind::Unstartable, error))
    }

    /// Writes down what was decided outside of any call.
    fn note(&mut self, decisions: Vec<Permission>) -> Result<(), End> {
        let mut decisions = decisions.into_iter();
        let noted = decisions.try_for_each(|it| self.recording.decided(it));
        noted.map_err(|error| End::unrecorded(&error))
    }

    /// Writes down what was decided without the actor.
    fn note_all(&mut self) -> Result<(), End> {
        let notes = lock(&self.shared.notes).take();
        self.note(notes)
    }

    /// Does one thing.
    pub(super) fn handle(&mut self, delivery: Delivery, state: &State) -> Result<(), End> {
        self.note_all()?;
        match delivery {
            Delivery::Send { from, channel, message, done } => {
                self.send(&from, channel, message, done, state)?;
            }
            Delivery::Request { from, message, reply } => {
                self.request(&from, message, reply, state)?;
            }
            Delivery::Call(call) => self.call(call, state)?,
            Delivery::OpenChannel { from, channel, message, done } => {
                self.open_channel(&from, channel, message, done, state)?;
            }
            Delivery::ChildEnded { child, end } => self.child_ended(child, end, state)?,
        }
        self.leave()
    }

    /// Takes what came of a call that was under way when an earlier process ended. Nobody waits for its answer any
    /// more.
    pub(crate) fn take_interrupted(
        &mut self,
        export: usize,
        outcome: Outcome,
        state: &State,
    ) -> Result<(), End> {
        let handlers = Arc::clone(&self.handlers);
        let Some(handler) = handlers.at(export) else { return Ok(()) };
        take(&handlers, handler, outcome, state).map(drop)
    }

    /// Whether the component wants to come to its end.
    fn leave(&self) -> Result<(), End> {
        match lock(&self.shared.leaves).take() {
            Some(left) => Err(End::Completed(left)),
            None => Ok(()),
        }
    }

    /// Writes down who sent what comes next.
    fn receive(&mut self, from: &Sender) -> Result<(), End> {
        self.recording.decided(from.record()).map_err(|error| End::unrecorded(&error))
    }

    fn send(
        &mut self,
        from: &Sender,
        channel: Option<String>,
        message: Vec<u8>,
        done: Done,
        state: &State,
    ) -> Result<(), End> {
        self.receive(from)?;
        let handler = if channel.is_some() { "handle-channel-message" } else { "handle-send" };
        if self.handlers.find(MESSAGES, handler).is_none() {
            done.tell(Err(NotHandled::NoHandler(handler)));
            return Ok(());
        }
        let channel = channel.map(Value::String);
        let params = channel.into_iter().chain([Value::Bytes(message)]).collect();
        let is_outside = *from == Sender::Outside;
        let announced = |life: &mut Life| {
            if is_outside {
                let told = || drop(done.tell(Ok(Vec::new())));
                life.shared.once_written(life.recording.recorder(), told);
            } else {
                done.tell(Ok(Vec::new()));
            }
        };
        self.tell_then((MESSAGES, handler), params, state, announced).map(drop)
    }

    fn request(
        &mut self,
        from: &Sender,
        message: Vec<u8>,
        reply: Reply,
        state: &State,
    ) -> Result<(), End> {
        self.receive(from)?;
        let number = self.numbers.requests.next();
        // The component may answer while it handles the request.
        let asked = Asked { reply, is_outside: *from == Sender::Outside };
        lock(&self.shared.outstanding).insert(number, asked);
        let params = vec![Value::String(request_id(number)), Value::Bytes(message)];
        let told = self.tell(MESSAGES, "handle-request", params, state);
        let outcome = match &told {
            Ok(None) => Some(Err("the actor does not take requests".to_owned())),
            // Without an answer, it is going to answer later.
            Ok(Some(given)) => given.first().and_then(answer_in).map(Ok),
            Err(End::Failed(error)) if error.kind == ErrorKind::Returned => {
                Some(Err(error.message.clone()))
            }
            Err(_) => None,
        };
        if let Some(outcome) = outcome
            && let Some(asked) = lock(&self.shared.outstanding).remove(&number)
        {
            self.shared.answer(asked, outcome, self.recording.recorder());
        }
        told.map(drop)
    }

    /// Writes what somebody waits for. To be called when there is nothing else to do.
    pub(super) fn settle(&mut self) -> Result<(), End> {
        self.note_all()?;
        self.leave()?;
        match self.shared.is_awaited.swap(false, Ordering::Relaxed) {
            true => self.write(),
            false => Ok(()),
        }
    }

    /// Returns once everything so far is in the chain's file.
    pub(super) fn write(&mut self) -> Result<(), End> {
        self.recording.written().map_err(|error| End::unrecorded(&error))
    }

    /// Makes a call that something outside has caused, and tells it what came of it.
    fn call(&mut self, call: HandlerCall, state: &State) -> Result<(), End> {
        let HandlerCall { interface, name, params, decisions, done } = call;
        if !done.is_for(&self.shared) {
            return Ok(());
        }
        self.note(decisions)?;
        match self.tell(interface, name, params, state) {
            Ok(Some(mut given)) => {
                // What a handler gives back besides the state is a tuple.
                let given = match given.pop() {
                    Some(Value::Tuple(given)) => given,
                    Some(other) => vec![other],
                    None => Vec::new(),
                };
                // Somebody outside goes by what is in the file.
                self.write()?;
                self.note(done.tell(Ok(given)))
            }
            Ok(None) => self.note(done.tell(Err(NotHandled::NoHandler(name)))),
            Err(end) => {
                done.tell(Err(not_handled(&end)));
                Err(end)
            }
        }
    }

    /// Asks the component whether it accepts a channel.
    fn open_channel(
        &mut self,
        from: &Sender,
        channel: String,
        message: Vec<u8>,
        done: Opens,
        state: &State,
    ) -> Result<(), End> {
        self.receive(from)?;
        let params = vec![Value::String(channel), Value::Bytes(message)];
        match self.tell(MESSAGES, "handle-channel-open", params, state) {
            Ok(None) => done(Err("the actor takes no channels".to_owned())),
            Ok(Some(given)) => match given.first().and_then(accepted_in) {
                Some(message) => {
                    if *from == Sender::Outside {
                        self.write()?;
                    }
                    let tip =
                        self.recording.last_event().map_err(|error| End::unrecorded(&error))?;
                    let (id, chain) = (self.id, self.chain);
                    let by = Sender::Actor { id, chain, seq: tip.seq, link: tip.hash };
                    done(Ok(Accepted { message, by }));
                }
                None => done(Err("the actor has declined the channel".to_owned())),
            },
            Err(end) => {
                done(Err(format!("the actor has failed: {end}")));
                return Err(end);
            }
        }
        Ok(())
    }

    fn child_ended(&mut self, child: ActorId, end: End, state: &State) -> Result<(), End> {
        let child = Value::String(child.to_string());
        let (handler, params) = match end {
            End::Completed(left) => ("handle-child-exit", vec![child, bytes_or_none(left)]),
            End::Stopped | End::Killed => ("handle-child-external-stop", vec![child]),
            End::Failed(error) => ("handle-child-error", vec![child, error.value()]),
        };
        self.tell(CHILDREN, handler, params, state).map(drop)
    }

    /// Calls a handler, if the component has it, and keeps the state it gives back. What else it
    /// gives back is returned.
    fn tell(
        &mut self,
        interface: &'static str,
        name: &'static str,
        params: Vec<Value>,
        state: &State,
    ) -> Result<Option<Vec<Value>>, End> {
        self.tell_then((interface, name), params, state, |_| ())
    }

    /// The same, doing something once the call was written down and before it is made.
    fn tell_then(
        &mut self,
        (interface, name): (&'static str, &'static str),
        params: Vec<Value>,
        state: &State,
        announced: impl FnOnce(&mut Life),
    ) -> Result<Option<Vec<Value>>, End> {
        let handlers = Arc::clone(&self.handlers);
        let Some(handler) = handlers.find(interface, name) else { return Ok(None) };
        let args = with_state(state, params)?;
        let outcome = self.recording.announce(handler.export, args).and_then(|call| {
            announced(self);
            self.recording.make(handler.export, call)
        });
        let outcome = outcome.map_err(|error| End::unrecorded(&error))?;
        take(&handlers, handler, outcome, state).map(Some)
    }

    /// Writes down how this life ended. The chain is left open.
    pub(super) fn rest(mut self, end: &End) -> Result<Rest, RunError> {
        // A chain that cannot be written shows that below.
        let _ = self.note_all();
        // Whoever waits for an answer hears that there will be none.
        lock(&self.shared.outstanding).clear();
        let (state, detail) = end.lifecycle();
        self.recording.rest(state, detail)
    }

    /// Writes down that the actor rests.
    pub(super) fn pause(mut self) -> Result<(), RunError> {
        let _ = self.note_all();
        lock(&self.shared.outstanding).clear();
        self.recording.pause().map(drop)
    }
}

/// Keeps the state that a handler gives back. What else it gives back is returned.
fn take(
    handlers: &Handlers,
    handler: &Handler,
    outcome: Outcome,
    state: &State,
) -> Result<Vec<Value>, End> {
    let results = match outcome {
        Outcome::Trapped { code, detail } => {
            return Err(End::trapped(&Failure { code, detail }));
        }
        Outcome::Returned(results) => {
            results.decode([&handler.result].into_iter(), handlers.types())
        }
    };
    match results.ok().and_then(|mut results| results.pop()) {
        Some(Value::Result(Ok(Some(given)))) => match *given {
            Value::Tuple(mut given) if !given.is_empty() => {
                keep_state(state, given.remove(0))?;
                Ok(given)
            }
            _ => Ok(Vec::new()),
        },
        Some(Value::Result(Err(Some(error)))) => match *error {
            Value::String(error) => Err(End::failed(ErrorKind::Returned, error)),
            _ => Err(End::failed(ErrorKind::Returned, "")),
        },
        _ => Ok(Vec::new()),
    }
}

/// A request as the component knows it.
pub(crate) fn request_id(number: u64) -> String {
    format!("request-{number}")
}

/// The arguments of a handler. The state is lent to them, not copied.
fn with_state(state: &State, params: Vec<Value>) -> Result<Values, End> {
    let mut held = lock(state);
    let lent = held.take().map(|state| Box::new(Value::Bytes(state)));
    let mut args = [Value::Option(lent), Value::Tuple(params)];
    let values = Values::of(&args);
    if let Value::Option(Some(lent)) = std::mem::replace(&mut args[0], Value::Option(None))
        && let Value::Bytes(state) = *lent
    {
        *held = Some(state);
    }
    values.map_err(|error| End::unrecorded(&error))
}

fn keep_state(state: &State, given: Value) -> Result<(), End> {
    let given = match given {
        Value::Option(Some(given)) => match *given {
            Value::Bytes(given) => Some(given),
            _ => None,
        },
        _ => None,
    };
    if let Some(bytes) = given.as_ref().map(Vec::len).filter(|bytes| *bytes > STATE_BYTES_MAX) {
        let message = format!("returned a state of {bytes} bytes, more than {STATE_BYTES_MAX}");
        return Err(End::failed(ErrorKind::Exhausted, message));
    }
    *lock(state) = given;
    Ok(())
}

fn not_handled(end: &End) -> NotHandled {
    NotHandled::Failed(end.to_string())
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

/// The first message in the decision about a channel, if it was accepted.
fn accepted_in(given: &Value) -> Option<Vec<u8>> {
    let Value::Tuple(given) = given else { return None };
    let Some(Value::Record(fields)) = given.first() else { return None };
    match fields.as_slice() {
        [Value::Bool(true), Value::Option(Some(message))] => match &**message {
            Value::Bytes(message) => Some(message.clone()),
            _ => Some(Vec::new()),
        },
        [Value::Bool(true), _] => Some(Vec::new()),
        _ => None,
    }
}
