//! Replays some of the calls that the world made into a component, and leaves the others out.
//!
//! Without those calls a component may ask for other things, or in another order. So answers are not
//! taken off the chain one after another, as a tape does, but looked up. To a call to the host belongs
//! the recorded answer to the same function and the same arguments: the next unused one from the call
//! into the component that is under way, else the first unused one from a call that was left out.
//! Where there is none, the run ends there. There is no host in here, as there is none behind a tape.

use std::sync::Arc;

use theater_record::{
    Call, CloseReason, Event, FunctionType, Kind, Lifecycle, LifecycleState, Outcome, Recorder,
    Return, Type, TypeTable, Value, Values,
};
use theater_verify::VerifiedChain;
use wasmtime::{Result, StoreContextMut};

use crate::component::Component;
use crate::membrane::{Actor, Backend, Sandbox, Stopped};
use crate::playback::{PlaybackError, tape_for};
use crate::recording::instantiation_failed;
use crate::tape::{Crossing, Frame, Tape, TapeError, find_function, without_version};
use crate::trap::Failure;

/// One life of a component as a chain has it: from the record that it was spawned to its end.
pub struct Life {
    /// The event with which it begins.
    pub seq: u64,
    /// The calls into the component.
    pub calls: Vec<Inbound>,
    /// The types that their values refer to.
    pub types: TypeTable,
    /// The functions that were called out, by interface without its version, and name.
    functions: Vec<(String, String)>,
    /// All answers, in the order of the chain.
    answers: Arc<[Answer]>,
}

/// A call into the component.
#[derive(Debug, Clone)]
pub struct Inbound {
    /// The event of the call.
    pub seq: u64,
    /// What is called.
    pub function: FunctionType,
    /// With what. Payloads are in place.
    pub args: Values,
    /// The event of the return, and how the call ended; `None` if the chain ends before.
    pub end: Option<(u64, Outcome)>,
    /// The number that the next resource got then.
    next_resource: u32,
}

/// What the host answered to a call.
struct Answer {
    /// The call into the component in which it was given; `None` while the component came to life.
    within: Option<usize>,
    function: usize,
    args: Values,
    outcome: Outcome,
}

/// What became of an excerpt.
#[derive(Debug)]
pub struct Excerpt {
    /// How each call ended, by its position in [`Life::calls`].
    pub outcomes: Vec<(usize, Outcome)>,
    /// How the component failed, if it did. No call came after that.
    pub failure: Option<Failure>,
    /// Where it failed, the innermost frame first.
    pub trapped_at: Vec<Frame>,
    /// The call to the host that the recording has no answer to, if the run ended there.
    pub unanswered: Option<Box<Crossing>>,
}

impl Life {
    /// The life of a chain's component in which an event lies; without an event, its last one.
    ///
    /// What the chain has behind that event is left out from the next call on. `None` if the
    /// component was never spawned by then.
    pub fn read(chain: &VerifiedChain, until: Option<u64>) -> Result<Option<Life>, TapeError> {
        let mut tape = Tape::new(chain, crate::tape::Strictness::Meaning)?;
        let mut reading = Reading::default();
        while let Some(kind) = tape.peek()? {
            let begins = matches!(kind, Kind::ExportCall | Kind::Lifecycle);
            if kind == Kind::Close || begins && until.is_some_and(|until| tape.next_seq() > until) {
                break;
            }
            let (seq, event) = tape.feed()?;
            let function = tape.function(&event);
            reading.note(seq, event, function, tape.types());
        }
        Ok(reading.finish(tape.types().clone()))
    }
}

/// A life as far as it was read.
#[derive(Default)]
struct Reading {
    /// The event with which the life began.
    seq: Option<u64>,
    calls: Vec<Inbound>,
    is_within: bool,
    functions: Vec<(String, String)>,
    answers: Vec<Answer>,
    asked: Option<(usize, Values)>,
    next_resource: u32,
}

impl Reading {
    fn note(&mut self, seq: u64, event: Event, function: Option<FunctionType>, types: &TypeTable) {
        let highest = function.as_ref().map_or(0, |f| last_resource(&event, f, types));
        self.next_resource = self.next_resource.max(highest + 1);
        match (event, function) {
            (Event::Lifecycle(Lifecycle { state: LifecycleState::Spawned, .. }), _) => {
                let next_resource = self.next_resource;
                *self = Reading { seq: Some(seq), next_resource, ..Reading::default() };
            }
            (Event::ExportCall(call), Some(function)) => {
                let next_resource = self.next_resource;
                self.is_within = true;
                let args = call.args;
                self.calls.push(Inbound { seq, function, args, end: None, next_resource });
            }
            (Event::ExportReturn(end), _) => {
                self.is_within = false;
                if let Some(call) = self.calls.last_mut() {
                    call.end = Some((seq, end.outcome));
                }
            }
            (Event::ImportCall(call), Some(function)) => {
                self.asked = Some((self.function(function), call.args));
            }
            (Event::ImportReturn(end), _) => {
                if let Some((function, args)) = self.asked.take() {
                    let within = self.is_within.then(|| self.calls.len() - 1);
                    self.answers.push(Answer { within, function, args, outcome: end.outcome });
                }
            }
            // Drops need no answer, and what names nothing the chain has named cannot be replayed.
            _ => {}
        }
    }

    fn function(&mut self, function: FunctionType) -> usize {
        let name = (without_version(&function.interface), function.name);
        self.functions.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.functions.push(name);
            self.functions.len() - 1
        })
    }

    fn finish(self, types: TypeTable) -> Option<Life> {
        let Reading { seq, calls, functions, answers, .. } = self;
        Some(Life { seq: seq?, calls, types, functions, answers: answers.into() })
    }
}

/// The highest number of a resource in what was given to the component or returned by it; else 0.
fn last_resource(event: &Event, function: &FunctionType, types: &TypeTable) -> u32 {
    let decoded = |values: &Values, of: Vec<&Type>| {
        values.decode(of.into_iter(), types).unwrap_or_default().iter().map(highest).max()
    };
    let params = || function.params.iter().map(|(_, ty)| ty).collect();
    let highest = match event {
        Event::ExportCall(call) | Event::ImportCall(call) => decoded(&call.args, params()),
        Event::ImportReturn(Return { outcome: Outcome::Returned(values), .. })
        | Event::ExportReturn(Return { outcome: Outcome::Returned(values), .. }) => {
            decoded(values, function.results.iter().collect())
        }
        _ => None,
    };
    u32::try_from(highest.unwrap_or(0)).unwrap_or(u32::MAX - 1)
}

/// The highest number of a resource within a value.
fn highest(value: &Value) -> u64 {
    match value {
        Value::Own(number) | Value::Borrow(number) => *number,
        Value::List(items) | Value::Tuple(items) | Value::Record(items) => {
            items.iter().map(highest).max().unwrap_or(0)
        }
        Value::Map(entries) => {
            entries.iter().map(|(key, value)| highest(key).max(highest(value))).max().unwrap_or(0)
        }
        Value::Variant(_, value) | Value::Option(value) => value.as_deref().map_or(0, highest),
        Value::Result(Ok(value) | Err(value)) => value.as_deref().map_or(0, highest),
        Value::Bool(_)
        | Value::S8(_)
        | Value::U8(_)
        | Value::S16(_)
        | Value::U16(_)
        | Value::S32(_)
        | Value::U32(_)
        | Value::S64(_)
        | Value::U64(_)
        | Value::F32(_)
        | Value::F64(_)
        | Value::Char(_)
        | Value::String(_)
        | Value::Bytes(_)
        | Value::Enum(_)
        | Value::Flags(_)
        | Value::Blob(_) => 0,
    }
}

/// Makes those of a life's calls whose positions are in `kept`, in that order, on a fresh instance.
///
/// What the component does goes to `out`, if there is one, which has written its header and nothing
/// else. No call is made after one that did not return.
pub fn play_excerpt(
    component: &Component,
    chain: &VerifiedChain,
    life: &Life,
    kept: &[usize],
    out: Option<Recorder>,
) -> std::result::Result<Excerpt, PlaybackError> {
    let (_, limits) = tape_for(component, chain)?;
    let backend = Answers::new(component, life, kept, out);
    let sandbox = Sandbox::new(component, &limits, backend).map_err(PlaybackError::Engine)?;
    let mut run = Run { component, life, sandbox, outcomes: Vec::new(), failure: None };
    match run.play(kept) {
        Ok(()) => {}
        Err(error) => {
            let answers = &mut run.sandbox.store.data_mut().backend;
            match answers.failed.take() {
                Some(error) => return Err(TapeError::Out(error).into()),
                None if answers.unanswered.is_some() => {}
                None => return Err(PlaybackError::Engine(error)),
            }
        }
    }
    let Run { sandbox, outcomes, failure, .. } = run;
    let Actor { backend, trapped_at, .. } = sandbox.store.into_data();
    let Answers { out, unanswered, .. } = backend;
    if let Some(out) = out {
        let reason = if failure.is_some() { CloseReason::Failed } else { CloseReason::Completed };
        let detail = failure.as_ref().map(Failure::to_string).unwrap_or_default();
        out.close(reason, &detail).map_err(TapeError::Out)?;
    }
    Ok(Excerpt { outcomes, failure, trapped_at, unanswered })
}

/// An excerpt that is being played.
struct Run<'a> {
    component: &'a Component,
    life: &'a Life,
    sandbox: Sandbox<Answers>,
    outcomes: Vec<(usize, Outcome)>,
    failure: Option<Failure>,
}

impl Run<'_> {
    fn play(&mut self, kept: &[usize]) -> Result<()> {
        self.note(LifecycleState::Spawned, String::new())?;
        if let Err(failure) = self.sandbox.instantiate()? {
            self.note(LifecycleState::Failed, instantiation_failed(&failure))?;
            self.failure = Some(failure);
            return Ok(());
        }
        for &position in kept {
            if self.failure.is_none() {
                self.call(position)?;
            }
        }
        let (state, detail) = match &self.failure {
            None => (LifecycleState::Completed, String::new()),
            Some(failure) => (LifecycleState::Failed, failure.to_string()),
        };
        self.note(state, detail)
    }

    fn call(&mut self, position: usize) -> Result<()> {
        let call = &self.life.calls[position];
        let exports = &self.component.world().exports;
        let Some(export) = find_function(exports, &call.function) else {
            wasmtime::bail!("the component does not export {}", call.function.name);
        };
        let actor = self.sandbox.store.data_mut();
        actor.backend.within = Some(position);
        // What was left out may have been given numbers, which later calls name.
        actor.number_resources_from(call.next_resource);
        let (definitions, event) = self.sandbox.export_call(export, call.args.clone());
        self.write(&definitions, &event)?;
        let Event::ExportCall(call) = event else { unreachable!("it was asked for") };
        let outcome = self.sandbox.call(export, call.args.as_bytes())?;
        self.failure = Failure::of(&outcome);
        let event = self.sandbox.export_return(call.function, outcome.clone());
        self.outcomes.push((position, outcome));
        self.write(&[], &event)
    }

    fn note(&mut self, state: LifecycleState, detail: String) -> Result<()> {
        // It happens at no time in particular.
        self.write(&[], &Event::Lifecycle(Lifecycle { state, time: 0, detail }))
    }

    fn write(&mut self, definitions: &[Event], event: &Event) -> Result<()> {
        self.sandbox.store.data_mut().backend.write(definitions, event)
    }
}

/// The backend that looks answers up.
struct Answers {
    answers: Arc<[Answer]>,
    /// Which of them were given already.
    is_used: Vec<bool>,
    /// Which calls into the component are made, by their positions.
    is_kept: Vec<bool>,
    /// The call into the component that is under way.
    within: Option<usize>,
    /// For each import of the component the number that the life has for its function.
    functions: Vec<Option<usize>>,
    out: Option<Recorder>,
    unanswered: Option<Box<Crossing>>,
    failed: Option<theater_record::RecordError>,
}

impl Answers {
    fn new(component: &Component, life: &Life, kept: &[usize], out: Option<Recorder>) -> Answers {
        let functions = component.world().imports.iter().map(|import| {
            let interface = without_version(&import.interface);
            let is_it = |known: &(String, String)| known.0 == interface && known.1 == import.name;
            life.functions.iter().position(is_it)
        });
        let mut is_kept = vec![false; life.calls.len()];
        kept.iter().for_each(|&position| is_kept[position] = true);
        Answers {
            answers: life.answers.clone(),
            is_used: vec![false; life.answers.len()],
            is_kept,
            within: None,
            functions: functions.collect(),
            out,
            unanswered: None,
            failed: None,
        }
    }

    /// The recorded answer to a call.
    fn find(&mut self, import: usize, args: &Values) -> Option<Outcome> {
        let function = self.functions.get(import).copied().flatten()?;
        let fits = |at: &usize| {
            let answer = &self.answers[*at];
            !self.is_used[*at] && answer.function == function && answer.args == *args
        };
        let start = self.answers.partition_point(|answer| answer.within < self.within);
        let end = self.answers.partition_point(|answer| answer.within <= self.within);
        let is_left_out =
            |at: &usize| self.answers[*at].within.is_some_and(|within| !self.is_kept[within]);
        let found = (start..end)
            .find(fits)
            .or_else(|| (0..self.answers.len()).filter(is_left_out).find(fits))?;
        self.is_used[found] = true;
        Some(self.answers[found].outcome.clone())
    }

    fn write(&mut self, definitions: &[Event], event: &Event) -> Result<()> {
        let Some(out) = &mut self.out else { return Ok(()) };
        for event in definitions.iter().chain([event]) {
            if let Err(error) = out.append(event) {
                self.failed = Some(error);
                return Err(Stopped.into());
            }
        }
        Ok(())
    }
}

impl Backend for Answers {
    fn emit(actor: &mut Actor<Answers>, definitions: &[Event], event: &Event) -> Result<()> {
        actor.backend.write(definitions, event)
    }

    fn answer(
        cx: &mut StoreContextMut<'_, Actor<Answers>>,
        import: usize,
        call: Call,
    ) -> Result<Outcome> {
        let Actor { backend, interner, .. } = cx.data_mut();
        let Some(outcome) = backend.find(import, &call.args) else {
            backend.unanswered = Some(Box::new(interner.crossing(Event::ImportCall(call))));
            return Err(Stopped.into());
        };
        let function = call.function;
        let event = Event::ImportReturn(Return { function, outcome, fuel: None });
        backend.write(&[], &event)?;
        match event {
            Event::ImportReturn(end) => Ok(end.outcome),
            _ => unreachable!("it was made above"),
        }
    }

    fn dropped(_: &mut StoreContextMut<'_, Actor<Answers>>, _: usize, _: u32) -> Result<()> {
        Ok(())
    }
}
