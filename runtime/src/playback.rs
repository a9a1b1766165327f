//! Runs a component against a chain instead of a host.

use std::sync::Arc;

use theater_record::{
    Call, CloseReason, Event, FunctionType, Hash, Kind, Lifecycle, LifecycleState, Outcome,
    ReadError, Recorder,
};
use theater_verify::VerifiedChain;
use wasmtime::Store;

use crate::component::Component;
use crate::engine::{EngineError, Limits, is_same_compiler};
use crate::membrane::{Actor, Backend, Sandbox};
use crate::recording::instantiation_failed;
use crate::tape::{
    Console, Crossing, Frame, FrameIndex, FramesAt, Mismatch, Stop, Strictness, Tape, TapeError,
};
use crate::trap::Failure;

/// How to replay.
#[derive(Default)]
pub struct PlaybackOptions {
    /// Stop once this event is reached.
    pub until: Option<u64>,
    /// Shows what the component prints.
    pub console: Console,
    /// Answers to give in place of the recorded ones, by the event number of the answer.
    pub overrides: Vec<(u64, Outcome)>,
    /// Where the replay's own events go.
    pub out: Option<Recorder>,
    /// Whether to note the fuel at each event. Needs an engine that counts it.
    pub fuel_index: bool,
    /// At which events to note where in its code the component is.
    pub frames_at: FramesAt,
}

/// How a replay ended.
#[derive(Debug)]
pub enum Ending {
    /// The component did exactly what the chain says, to the end of the chain.
    Same,
    /// The component did something else.
    Diverged(Box<Mismatch>),
    /// The event up to which was asked for is reached, and all was the same so far.
    Reached,
    /// All was the same, and the chain ends while the component waits for an answer.
    Unanswered(Box<Crossing>),
}

/// The outcome of a replay.
#[derive(Debug)]
pub struct Played {
    /// How it ended.
    pub ending: Ending,
    /// The last event it got past.
    pub seq: u64,
    /// The link hash of that event, computed from what the component did.
    pub head: Hash,
    /// How many payloads could not be compared because they were removed from the chain.
    pub uncompared: u64,
    /// Fuel used, by event, where it was asked for.
    pub fuel: Vec<(u64, u64)>,
    /// Where in its code the component was, by event, the innermost frame first, where it was asked
    /// for. Only what happens within its code has frames: calls out, answers, drops, traps.
    pub frames: Vec<(u64, Arc<[Frame]>)>,
}

/// Why there is no outcome.
#[derive(Debug, thiserror::Error)]
pub enum PlaybackError {
    /// The chain cannot be played on.
    #[error(transparent)]
    Tape(#[from] TapeError),
    /// The chain's settings make no sense.
    #[error(transparent)]
    Settings(#[from] EngineError),
    /// The component cannot be linked or started at all.
    #[error("the component cannot be replayed")]
    Engine(#[source] wasmtime::Error),
    /// The chain was not recorded from a component.
    #[error("the chain names no component, so there is nothing to replay")]
    NoComponent,
}

impl From<ReadError> for PlaybackError {
    fn from(error: ReadError) -> PlaybackError {
        PlaybackError::Tape(TapeError::Read(error))
    }
}

/// Replays a chain.
///
/// With the component that the chain names, every byte has to match; with another one, what
/// crossed the sandbox has to mean the same.
pub fn play(
    component: &Component,
    chain: &VerifiedChain,
    options: PlaybackOptions,
) -> Result<Played, PlaybackError> {
    let (mut tape, limits) = tape_for(component, chain)?;
    tape.console = options.console;
    tape.until = options.until;
    tape.overrides = options.overrides;
    tape.out = options.out;
    tape.fuel_index = options.fuel_index.then(Vec::new);
    tape.frames = FrameIndex::new(options.frames_at);
    let sandbox = Sandbox::new(component, &limits, tape).map_err(PlaybackError::Engine)?;
    let mut player = Player::new(component, limits, sandbox);
    let ending = player.run()?;
    let tape = player.into_sandbox().store.into_data().backend;
    let (seq, head) = tape.head();
    if let Some(out) = tape.out {
        let (reason, detail) = close_as(&ending);
        out.close(reason, detail).map_err(TapeError::Out)?;
    }
    let fuel = tape.fuel_index.unwrap_or_default();
    let frames = tape.frames.into_noted();
    Ok(Played { ending, seq, head, uncompared: tape.uncompared, fuel, frames })
}

/// A tape for a component, and the limits under which it plays.
pub(crate) fn tape_for(
    component: &Component,
    chain: &VerifiedChain,
) -> Result<(Tape, Limits), PlaybackError> {
    let header = chain.header();
    let recorded = header.component.ok_or(PlaybackError::NoComponent)?;
    let is_same = recorded == component.digest();
    let strictness = if is_same { Strictness::Bytes } else { Strictness::Meaning };
    let recorded = Limits::from_settings(&header.settings)?;
    let mut tape = Tape::new(chain, strictness)?;
    tape.records_fuel = recorded.fuel;
    tape.was_killable = recorded.killable;
    tape.other_compiler = !is_same_compiler(&header.settings, component.engine.backend())
        || recorded.fuel != component.engine.fuel;
    Ok((tape, Limits { fuel: component.engine.fuel, ..recorded }))
}

const ALWAYS: &str = "there is a sandbox between any two steps";

/// A backend that plays a tape, at least in the beginning.
pub(crate) trait Plays: Backend {
    /// Whether the component stops where the tape does. If not, the world takes over there.
    const STOPS_WITH_TAPE: bool;

    /// The tape, for as long as it plays.
    fn tape(&mut self) -> Option<&mut Tape>;

    /// Takes note of a call that the world makes as it did before.
    fn called(_actor: &mut Actor<Self>, _call: &Event) -> wasmtime::Result<()> {
        Ok(())
    }

    /// Makes ready for another life in a fresh store.
    fn renew(store: &mut Store<Actor<Self>>, component: &Component) -> wasmtime::Result<()>;
}

impl Plays for Tape {
    const STOPS_WITH_TAPE: bool = true;

    fn tape(&mut self) -> Option<&mut Tape> {
        Some(self)
    }

    fn renew(_: &mut Store<Actor<Tape>>, _: &Component) -> wasmtime::Result<()> {
        Ok(())
    }
}

/// Does to a component what a chain says the world did.
pub(crate) struct Player<'a, B: Plays> {
    component: &'a Component,
    limits: Limits,
    /// There is always one, but while a fresh life takes the place of the last.
    sandbox: Option<Sandbox<B>>,
    /// Whether a life has begun and not ended.
    pub(crate) is_alive: bool,
    pub(crate) has_lived: bool,
    /// How the last call ended, if it did not return.
    pub(crate) failure: Option<Failure>,
    /// The call in the middle of which the world has taken over, by its export, and what came of it.
    pub(crate) interrupted: Option<(usize, Outcome)>,
}

impl<'a, B: Plays> Player<'a, B> {
    pub(crate) fn new(
        component: &'a Component,
        limits: Limits,
        sandbox: Sandbox<B>,
    ) -> Player<'a, B> {
        let sandbox = Some(sandbox);
        Player {
            component,
            limits,
            sandbox,
            is_alive: false,
            has_lived: false,
            failure: None,
            interrupted: None,
        }
    }

    /// Plays to the end, or as far as it goes.
    pub(crate) fn run(&mut self) -> Result<Ending, PlaybackError> {
        loop {
            return Ok(match self.step() {
                Ok(None) => continue,
                Ok(Some(ending)) => ending,
                Err(Stop::Mismatch(mismatch)) => Ending::Diverged(mismatch),
                Err(Stop::Unanswered { call }) => Ending::Unanswered(call),
                Err(Stop::End) => Ending::Same,
                Err(Stop::Reached) => Ending::Reached,
                Err(Stop::Failed(error)) => return Err(error.into()),
                Err(Stop::Engine(error)) => return Err(PlaybackError::Engine(error)),
            });
        }
    }

    /// The component in the state it has come to.
    pub(crate) fn into_sandbox(self) -> Sandbox<B> {
        self.sandbox.expect(ALWAYS)
    }

    /// Plays the next thing that the world does. One flat loop, so that a replay can be stopped
    /// and looked at between any two of them.
    fn step(&mut self) -> Result<Option<Ending>, Stop> {
        // Where the tape ended in the middle of a call, the world has taken over.
        let Some(tape) = self.tape() else { return Ok(Some(Ending::Same)) };
        let kind = tape.peek().map_err(Stop::Failed)?;
        if tape.is_at_limit() {
            return Ok(Some(Ending::Reached));
        }
        match kind {
            None | Some(Kind::Close) => {
                tape.take_rest().map_err(Stop::Failed)?;
                Ok(Some(Ending::Same))
            }
            Some(Kind::Lifecycle) => self.lifecycle().map(|()| None),
            Some(Kind::ExportCall) => self.export_call().map(|()| None),
            Some(kind) => {
                let seq = tape.next_seq();
                Err(Stop::Failed(TapeError::Order { seq, kind }))
            }
        }
    }

    fn lifecycle(&mut self) -> Result<(), Stop> {
        let tape = self.playing();
        tape.refuse_unused_names().map_err(Stop::Failed)?;
        let (_, event) = tape.feed().map_err(Stop::Failed)?;
        tape.pass_on(&[], &event).map_err(Stop::Failed)?;
        let Event::Lifecycle(Lifecycle { state, .. }) = event else {
            unreachable!("its kind was looked at")
        };
        self.is_alive = state == LifecycleState::Spawned;
        if !self.is_alive {
            return Ok(());
        }
        if self.has_lived {
            self.renew()?;
        }
        self.has_lived = true;
        self.stop_at_end()?;
        if let Some(killed) = self.playing().killed()? {
            self.is_alive = false;
            return self.playing().compare_end(&instantiation_failed(&killed));
        }
        match self.sandbox().instantiate() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => {
                let ended = self.playing().compare_end(&instantiation_failed(&failure));
                self.is_alive = false;
                ended
            }
            Err(error) => Err(self.stopped(error)),
        }
    }

    /// A fresh instance begins in the middle of a chain.
    fn renew(&mut self) -> Result<(), Stop> {
        let last = self.sandbox.take().expect(ALWAYS);
        let mut fresh = last.renewed(self.component, &self.limits).map_err(Stop::Engine)?;
        B::renew(&mut fresh.store, self.component).map_err(Stop::Engine)?;
        self.sandbox = Some(fresh);
        Ok(())
    }

    fn export_call(&mut self) -> Result<(), Stop> {
        let tape = self.playing();
        let recorded_definitions = tape.definitions();
        let strictness = tape.strictness();
        let (seq, event) = tape.event().map_err(Stop::Failed)?;
        let function = tape.function(&event);
        let export = function.and_then(|function| self.find_export(&function));
        let Some(export) = export else { return Err(self.playing().no_such_export()) };
        let (_, event) = self.playing().feed().map_err(Stop::Failed)?;
        let Event::ExportCall(Call { args, .. }) = event else {
            unreachable!("its kind was looked at")
        };
        let (definitions, event) = self.sandbox().export_call(export, args);
        if strictness == Strictness::Bytes && definitions != recorded_definitions {
            return Err(Stop::Failed(TapeError::Order { seq, kind: Kind::ExportCall }));
        }
        self.playing().pass_on(&definitions, &event).map_err(Stop::Failed)?;
        let called = B::called(self.sandbox().store.data_mut(), &event);
        called.map_err(|error| self.stopped(error))?;
        let Event::ExportCall(call) = event else { unreachable!("it was asked for") };
        self.stop_at_end()?;
        let killed = match self.tape() {
            Some(tape) => tape.killed()?,
            None => None,
        };
        let outcome = match killed {
            Some(Failure { code, detail }) => Outcome::Trapped { code, detail },
            None => match self.sandbox().call(export, call.args.as_bytes()) {
                Ok(outcome) => outcome,
                Err(error) => return Err(self.stopped(error)),
            },
        };
        self.failure = Failure::of(&outcome);
        let event = self.sandbox().export_return(call.function, outcome);
        let emitted = B::emit(self.sandbox().store.data_mut(), &[], &event);
        emitted.map_err(|error| self.stopped(error))?;
        if self.tape().is_none()
            && let Event::ExportReturn(end) = event
        {
            self.interrupted = Some((export, end.outcome));
        }
        Ok(())
    }

    fn stop_at_end(&mut self) -> Result<(), Stop> {
        if B::STOPS_WITH_TAPE { self.playing().stop_at_end() } else { Ok(()) }
    }

    fn find_export(&self, wanted: &FunctionType) -> Option<usize> {
        let world = self.component.world();
        crate::tape::find_function(&world.exports, wanted)
    }

    fn sandbox(&mut self) -> &mut Sandbox<B> {
        self.sandbox.as_mut().expect(ALWAYS)
    }

    fn tape(&mut self) -> Option<&mut Tape> {
        self.sandbox().store.data_mut().backend.tape()
    }

    /// The tape, where it was just seen to play.
    fn playing(&mut self) -> &mut Tape {
        self.tape().expect("the tape plays between calls until it ends")
    }

    fn stopped(&mut self, error: wasmtime::Error) -> Stop {
        let Some(tape) = self.tape() else { return Stop::Engine(error) };
        tape.stop_probing();
        tape.stop.take().unwrap_or(Stop::Engine(error))
    }
}

fn close_as(ending: &Ending) -> (CloseReason, &'static str) {
    match ending {
        Ending::Same => (CloseReason::Completed, "replayed to the end"),
        Ending::Diverged(_) => (CloseReason::Failed, "the replay diverged here"),
        Ending::Reached => (CloseReason::Stopped, "replayed as far as was asked for"),
        Ending::Unanswered(_) => (CloseReason::Stopped, "the recording has no further answer"),
    }
}
