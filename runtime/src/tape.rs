//! The tape: a chain that answers in the host's place.
//!
//! Everything the component does is compared with what the chain says comes next. As long as all
//! is equal, the replay's own chain is computed alongside, from what the component really did, and
//! its links are the recorded ones.

mod backend;
mod blobs;
mod console;
mod cursor;
mod frames;
mod killed;
mod mismatch;
mod names;
mod probe;

use std::borrow::Cow;

use theater_record::{
    Call, Event, FunctionId, FunctionType, Hash, Kind, Lifecycle, LifecycleState, Outcome,
    ReadError, Recorder, Return, TrapCode, TypeTable,
};
use theater_verify::VerifiedChain;

use crate::interner::Interner;

pub use blobs::BlobError;
pub use console::{Console, Stream};
use cursor::Cursor;
pub use frames::{Frame, FramesAt};
pub(crate) use frames::{FrameIndex, frames_of};
pub use mismatch::{Crossing, Mismatch};
use names::function_id;
pub(crate) use names::{find_function, function_of, without_version};
pub use probe::Probe;

/// What keeps a replay from going on.
#[derive(Debug, thiserror::Error)]
pub enum TapeError {
    /// The chain cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A payload that the component was given is not there any more.
    #[error("event {seq} cannot be replayed")]
    Blob {
        /// The event that refers to it.
        seq: u64,
        /// What is missing.
        source: BlobError,
    },
    /// The chain holds events in an order that no recording has.
    #[error("event {seq} ({}) cannot come here", kind.name())]
    Order {
        /// The event.
        seq: u64,
        /// What it is.
        kind: Kind,
    },
    /// The chain gives a name that nothing uses, as no recorder does.
    #[error("before event {seq} stands a name that nothing uses: {name}")]
    Unused {
        /// The event that comes next.
        seq: u64,
        /// The name.
        name: String,
    },
    /// The replay's own chain cannot be written.
    #[error("the replay's chain cannot be written")]
    Out(#[source] theater_record::RecordError),
}

/// Why the run on a tape stopped.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The component did something else.
    Mismatch(Box<Mismatch>),
    /// The tape ends while the component waits for an answer.
    Unanswered {
        /// The call.
        call: Box<Crossing>,
    },
    /// The tape is at its end. What the component would do next, nobody has recorded.
    End,
    /// The event up to which was asked for is reached.
    Reached,
    /// It cannot go on.
    Failed(TapeError),
    /// The engine failed.
    Engine(wasmtime::Error),
}

/// How strictly to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// The same component: every byte has to match.
    Bytes,
    /// Another build: names, but for versions, and values have to match.
    Meaning,
}

/// Plays a chain to a component.
pub(crate) struct Tape {
    cursor: Cursor,
    strictness: Strictness,
    pub(crate) console: Console,
    /// Stop once this event is reached.
    pub(crate) until: Option<u64>,
    /// Answers to give in place of the recorded ones, by event number.
    pub(crate) overrides: Vec<(u64, Outcome)>,
    /// Where the replay's own events go.
    pub(crate) out: Option<Recorder>,
    /// Set as long as the component runs on after a mismatch.
    probing: Option<Box<Mismatch>>,
    pub(crate) stop: Option<Stop>,
    /// How many payloads could not be compared because they were removed.
    pub(crate) uncompared: u64,
    before: Option<(u64, Event)>,
    /// The function called last, by the chain's own number. Its return has to come next.
    asked: Option<FunctionId>,
    /// Whether depth of recursion may differ from the recording's.
    pub(crate) other_compiler: bool,
    /// Whether the recording has fuel in its calls.
    pub(crate) records_fuel: bool,
    /// Fuel at each event, where it was asked for.
    pub(crate) fuel_index: Option<Vec<(u64, u64)>>,
    /// Where the component was, at the events for which it was asked.
    pub(crate) frames: FrameIndex,
    /// Whether the component could be killed while it was recorded.
    pub(crate) was_killable: bool,
}

impl Tape {
    pub(crate) fn new(chain: &VerifiedChain, strictness: Strictness) -> Result<Tape, ReadError> {
        Ok(Tape {
            cursor: Cursor::new(chain)?,
            strictness,
            console: Console::default(),
            until: None,
            overrides: Vec::new(),
            out: None,
            probing: None,
            stop: None,
            uncompared: 0,
            before: None,
            asked: None,
            other_compiler: false,
            records_fuel: false,
            fuel_index: None,
            frames: FrameIndex::default(),
            was_killable: false,
        })
    }

    /// The last event the replay got past, and the link hash of its own chain there.
    pub(crate) fn head(&self) -> (u64, Hash) {
        self.cursor.head()
    }

    /// What comes next on the tape, or why there is nothing to look at.
    pub(crate) fn peek(&mut self) -> Result<Option<Kind>, TapeError> {
        self.cursor.advance()?;
        Ok(self.cursor.kind())
    }

    /// The event that comes next, with payloads in place, taken off the tape.
    pub(crate) fn feed(&mut self) -> Result<(u64, Event), TapeError> {
        let (seq, mut event) = self.cursor.event()?;
        self.fill_in(seq, &mut event)?;
        self.cursor.take();
        if matches!(event, Event::ExportCall(_)) {
            self.before = Some((seq, event.clone()));
        }
        Ok((seq, event))
    }

    /// The function with this number, as the chain names it.
    pub(crate) fn function(&self, event: &Event) -> Option<FunctionType> {
        self.cursor.function_of(event)
    }

    /// The definitions that the chain has before what comes next.
    pub(crate) fn definitions(&mut self) -> Vec<Event> {
        self.cursor.definitions()
    }

    /// The event that comes next.
    pub(crate) fn event(&self) -> Result<(u64, Event), TapeError> {
        self.cursor.event()
    }

    /// The types that the chain has named so far.
    pub(crate) fn types(&self) -> &TypeTable {
        self.cursor.types()
    }

    pub(crate) fn next_seq(&self) -> u64 {
        self.cursor.next_seq()
    }

    /// Whether the event up to which was asked for comes next.
    pub(crate) fn is_at_limit(&self) -> bool {
        self.until.is_some_and(|until| self.cursor.next_seq() >= until)
    }

    /// Stops where there is nothing left to compare with. The component must not run on then: it
    /// might never call out again.
    pub(crate) fn stop_at_end(&mut self) -> Result<(), Stop> {
        match self.peek().map_err(Stop::Failed)? {
            None => Err(Stop::End),
            Some(_) if self.is_at_limit() => Err(Stop::Reached),
            Some(_) => Ok(()),
        }
    }

    /// Takes what is left, which is at most a close record.
    pub(crate) fn take_rest(&mut self) -> Result<(), TapeError> {
        if self.cursor.kind() == Some(Kind::Close) {
            self.refuse_unused_names()?;
            self.cursor.take();
        }
        Ok(())
    }

    /// A recorder names what is used next. Names that nothing uses were put in by somebody else.
    pub(crate) fn refuse_unused_names(&mut self) -> Result<(), TapeError> {
        let first = self.cursor.definitions().into_iter().next();
        let name = match (self.strictness, first) {
            (Strictness::Bytes, Some(Event::Type(def))) => def.name,
            (Strictness::Bytes, Some(Event::Function(function))) => {
                format!("{}#{}", function.interface, function.name)
            }
            (Strictness::Bytes | Strictness::Meaning, _) => return Ok(()),
        };
        Err(TapeError::Unused { seq: self.cursor.next_seq(), name })
    }

    /// Holds the failure of an instantiation against what the chain says of it.
    pub(crate) fn compare_end(&mut self, detail: &str) -> Result<(), Stop> {
        self.cursor.advance().map_err(Stop::Failed)?;
        if self.cursor.kind() == Some(Kind::Lifecycle) {
            let (_, event) = self.cursor.event().map_err(Stop::Failed)?;
            if let Event::Lifecycle(Lifecycle {
                state: LifecycleState::Failed,
                detail: recorded,
                ..
            }) = &event
                && recorded == detail
            {
                let (_, event) = self.feed().map_err(Stop::Failed)?;
                return self.pass_on(&[], &event).map_err(Stop::Failed);
            }
        }
        let mut mismatch = self.difference().map_err(Stop::Failed)?;
        let (state, time) = (LifecycleState::Failed, 0);
        let event = Event::Lifecycle(Lifecycle { state, time, detail: detail.to_owned() });
        mismatch.actual = Some(Crossing { event, function: None, types: TypeTable::default() });
        Err(Stop::Mismatch(Box::new(mismatch)))
    }

    /// The component lacks the export that is called next.
    pub(crate) fn no_such_export(&mut self) -> Stop {
        match self.difference() {
            Ok(mismatch) => Stop::Mismatch(Box::new(mismatch)),
            Err(error) => Stop::Failed(error),
        }
    }

    pub(crate) fn strictness(&self) -> Strictness {
        self.strictness
    }

    /// A crossing with its names, for people.
    pub(crate) fn crossing(&self, event: Event) -> Crossing {
        let function = self.cursor.function_of(&event);
        Crossing { event, function, types: self.cursor.types().clone() }
    }

    /// Compares what the component did with what comes next, and takes it off the tape if they
    /// are the same. The error is the difference.
    pub(crate) fn compare(
        &mut self,
        definitions: &[Event],
        event: &Event,
        interner: &Interner,
    ) -> Result<(), Stop> {
        let failed = Stop::Failed;
        self.cursor.advance().map_err(failed)?;
        if self.is_at_limit() {
            return Err(Stop::Reached);
        }
        if self.cursor.kind().is_none() {
            return Err(Stop::Unanswered { call: Box::new(interner.crossing(event.clone())) });
        }
        let is_same = match self.strictness {
            Strictness::Bytes => {
                let same_names = self.cursor.definitions() == definitions;
                same_names && self.is_same_record(event).map_err(failed)?
            }
            Strictness::Meaning => self.is_same_meaning(event, interner).map_err(failed)?,
        };
        if !is_same {
            return Err(Stop::Mismatch(Box::new(self.mismatch(event, interner).map_err(failed)?)));
        }
        let (seq, recorded) = self.next_function(event).map_err(failed)?;
        self.asked = recorded;
        if let (Some(index), Some(fuel)) = (&mut self.fuel_index, fuel_of(event)) {
            index.push((seq, fuel));
        }
        self.cursor.take();
        self.console.see(event, || self.cursor.function_of(event));
        // A call out is kept when its answer is asked for, which spares a copy.
        if !matches!(event, Event::ResourceDrop(_) | Event::ImportCall(_)) {
            self.before = Some((seq, event.clone()));
        }
        self.pass_on(definitions, event).map_err(failed)
    }

    /// The number of the next event, and of the function it is about in the chain. Where bytes are
    /// compared, the component's own numbers are the chain's.
    fn next_function(&self, event: &Event) -> Result<(u64, Option<FunctionId>), TapeError> {
        match self.strictness {
            Strictness::Bytes => Ok((self.cursor.next_seq(), function_id(event))),
            Strictness::Meaning => {
                self.cursor.event().map(|(seq, recorded)| (seq, function_id(&recorded)))
            }
        }
    }

    /// Whether the recorded record is, byte for byte, the one that a recorder would write now.
    fn is_same_record(&mut self, event: &Event) -> Result<bool, TapeError> {
        let event = &*self.as_recorded(event);
        if self.cursor.is_next(event) {
            return Ok(true);
        }
        // Large payloads stand out of line, under salts that only the recording knows.
        let (_, recorded) = self.cursor.event()?;
        let Some(sealed) = self.cursor.blobs().with_refs_of(&recorded, event) else {
            return Ok(false);
        };
        self.uncompared += sealed.uncompared;
        Ok(self.cursor.is_next(&sealed.event))
    }

    /// Whether the component did the same, never mind how it is written down.
    fn is_same_meaning(&mut self, event: &Event, interner: &Interner) -> Result<bool, TapeError> {
        if self.cursor.kind() != Some(event.kind()) {
            return Ok(false);
        }
        let (_, recorded) = self.cursor.event()?;
        let names = |function: FunctionType| (without_version(&function.interface), function.name);
        let expected = self.cursor.function_of(&recorded);
        if expected.map(names) != interner.function_of(event).map(names) {
            return Ok(false);
        }
        // What was removed from the chain cannot be compared with another build either.
        let sealed = self.cursor.blobs().with_refs_of(&recorded, event);
        let event = match &sealed {
            Some(sealed) => {
                self.uncompared += sealed.uncompared;
                &sealed.event
            }
            None => event,
        };
        Ok(match (&recorded, event) {
            (Event::ImportCall(a), Event::ImportCall(b)) => a.args == b.args,
            (Event::ExportReturn(a), Event::ExportReturn(b)) => a.outcome == b.outcome,
            (Event::ResourceDrop(a), Event::ResourceDrop(b)) => a.resource == b.resource,
            _ => false,
        })
    }

    /// Fuel is compared where it was recorded, and only there.
    fn as_recorded<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        if let Some(recorded) = self.recorded_overflow(event) {
            return Cow::Owned(recorded);
        }
        if self.records_fuel || fuel_of(event).is_none() {
            return Cow::Borrowed(event);
        }
        let mut event = event.clone();
        match &mut event {
            Event::ExportCall(call) | Event::ImportCall(call) => call.fuel = None,
            Event::ImportReturn(end) | Event::ExportReturn(end) => end.fuel = None,
            _ => {}
        }
        Cow::Owned(event)
    }

    /// The recorded end of a recursion without end, if the component comes to that end too. Under
    /// another compiler it does so at another depth: with another amount of fuel, or without any.
    fn recorded_overflow(&self, event: &Event) -> Option<Event> {
        let Event::ExportReturn(Return { outcome: Outcome::Trapped { code, .. }, .. }) = event
        else {
            return None;
        };
        let is_end = matches!(code, TrapCode::StackOverflow | TrapCode::OutOfFuel);
        let recorded = (is_end && self.is_overdue()).then(|| self.cursor.event().ok()).flatten();
        recorded.map(|(_, event)| event).filter(|one| function_id(one) == function_id(event))
    }

    /// Puts payloads that stand out of line back into an event.
    fn fill_in(&self, seq: u64, event: &mut Event) -> Result<(), TapeError> {
        let Some(values) = event.values() else { return Ok(()) };
        let refs = values.blob_refs().map_err(|source| {
            TapeError::Read(ReadError::Malformed { offset: self.cursor.offset(), source })
        })?;
        if refs.is_empty() {
            return Ok(());
        }
        let Some(function) = self.cursor.function_of(event) else {
            return Err(TapeError::Order { seq, kind: event.kind() });
        };
        let is_call = matches!(event, Event::ExportCall(_) | Event::ImportCall(_));
        let filled = if is_call {
            let params = function.params.iter().map(|(_, ty)| ty);
            self.cursor.blobs().filled_in(values, params, self.cursor.types())
        } else {
            self.cursor.blobs().filled_in(values, function.results.iter(), self.cursor.types())
        };
        let filled = filled.map_err(|source| TapeError::Blob { seq, source })?;
        match event {
            Event::ExportCall(call) | Event::ImportCall(call) => call.args = filled,
            Event::ImportReturn(end) | Event::ExportReturn(end) => {
                end.outcome = Outcome::Returned(filled);
            }
            _ => unreachable!("only calls and returns have values"),
        }
        Ok(())
    }

    fn mismatch(&mut self, event: &Event, interner: &Interner) -> Result<Mismatch, TapeError> {
        let actual = interner.crossing(event.clone());
        Ok(Mismatch { actual: Some(actual), ..self.difference()? })
    }

    /// What the recording says here, against which the component is yet to be put.
    fn difference(&mut self) -> Result<Mismatch, TapeError> {
        let (seq, offset) = (self.cursor.next_seq(), self.cursor.offset());
        let mut expected = None;
        if self.cursor.kind().is_some() {
            let (seq, mut event) = self.cursor.event()?;
            // What cannot be filled in is shown as the reference it is.
            let _ = self.fill_in(seq, &mut event);
            expected = Some((seq, self.crossing(event)));
        }
        let before = self.before.clone().map(|(seq, event)| (seq, self.crossing(event)));
        let ahead = self.cursor.ahead(probe::WINDOW)?;
        let after = ahead.iter().find(|(_, crossing)| is_call(&crossing.event)).cloned();
        let probe = Probe::new(expected.clone(), ahead);
        let expected = expected.map(|(_, crossing)| crossing);
        Ok(Mismatch {
            seq,
            offset,
            expected,
            actual: None,
            before,
            after,
            probe,
            frames: Vec::new(),
        })
    }

    /// Writes an event to the replay's own chain, if it has one.
    pub(crate) fn pass_on(
        &mut self,
        definitions: &[Event],
        event: &Event,
    ) -> Result<(), TapeError> {
        if let Some(out) = &mut self.out {
            for definition in definitions {
                out.append(definition).map_err(TapeError::Out)?;
            }
            out.append(event).map_err(TapeError::Out)?;
        }
        Ok(())
    }

    /// The recorded answer to the call that was compared last.
    pub(crate) fn recorded_answer(&mut self, call: Call) -> Result<Outcome, Stop> {
        let (called, _) = self.cursor.head();
        match self.peek().map_err(Stop::Failed)? {
            Some(Kind::ImportReturn) => {}
            None => {
                let call = self.crossing(Event::ImportCall(call));
                return Err(Stop::Unanswered { call: Box::new(call) });
            }
            Some(kind) => {
                let seq = self.cursor.next_seq();
                return Err(Stop::Failed(TapeError::Order { seq, kind }));
            }
        }
        if self.is_at_limit() {
            return Err(Stop::Reached);
        }
        let (seq, mut event) = self.feed().map_err(Stop::Failed)?;
        if function_id(&event) != self.asked {
            let kind = Kind::ImportReturn;
            return Err(Stop::Failed(TapeError::Order { seq, kind }));
        }
        self.console.see(&event, || self.cursor.function_of(&event));
        self.cursor.remember_answer(&event);
        let Event::ImportReturn(end) = &mut event else { unreachable!("its kind was looked at") };
        if let Some((_, outcome)) = self.overrides.iter().find(|(at, _)| *at == seq) {
            end.outcome = outcome.clone();
        }
        // The numbers of functions are another build's own.
        end.function = call.function;
        self.before = Some((called, Event::ImportCall(call)));
        self.pass_on(&[], &event).map_err(Stop::Failed)?;
        match event {
            Event::ImportReturn(end) => Ok(end.outcome),
            _ => unreachable!("its kind was looked at"),
        }
    }
}

fn fuel_of(event: &Event) -> Option<u64> {
    match event {
        Event::ExportCall(call) | Event::ImportCall(call) => call.fuel,
        Event::ImportReturn(end) | Event::ExportReturn(end) => end.fuel,
        _ => None,
    }
}

fn is_call(event: &Event) -> bool {
    matches!(event, Event::ImportCall(_) | Event::ExportCall(_) | Event::ExportReturn(_))
}
