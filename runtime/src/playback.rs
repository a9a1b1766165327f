//! Runs a component against a chain instead of a host.

use theater_record::{
    Call, CloseReason, Event, FunctionType, Hash, Kind, Lifecycle, LifecycleState, Outcome,
    ReadError, Recorder,
};
use theater_verify::VerifiedChain;

use crate::component::Component;
use crate::engine::{EngineError, Limits, is_same_compiler};
use crate::membrane::Sandbox;
use crate::recording::instantiation_failed;
use crate::tape::{Console, Crossing, Mismatch, Stop, Strictness, Tape, TapeError};

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
    Player::new(component, chain, options)?.run()
}

const ALWAYS: &str = "there is a sandbox between any two steps";

struct Player<'a> {
    component: &'a Component,
    limits: Limits,
    /// There is always one, but while a fresh life takes the place of the last.
    sandbox: Option<Sandbox<Tape>>,
    /// Whether a life has begun.
    is_alive: bool,
}

impl<'a> Player<'a> {
    fn new(
        component: &'a Component,
        chain: &VerifiedChain,
        options: PlaybackOptions,
    ) -> Result<Player<'a>, PlaybackError> {
        let header = chain.header();
        let recorded = header.component.ok_or(PlaybackError::NoComponent)?;
        let is_same = recorded == component.digest();
        let strictness = if is_same { Strictness::Bytes } else { Strictness::Meaning };
        let recorded = Limits::from_settings(&header.settings)?;
        let mut tape = Tape::new(chain, strictness)?;
        tape.records_fuel = recorded.fuel;
        tape.other_compiler = !is_same_compiler(&header.settings, component.engine.backend())
            || recorded.fuel != component.engine.fuel;
        tape.console = options.console;
        tape.until = options.until;
        tape.overrides = options.overrides;
        tape.out = options.out;
        tape.fuel_index = options.fuel_index.then(Vec::new);
        let limits = Limits { fuel: component.engine.fuel, ..recorded };
        let sandbox = Sandbox::new(component, &limits, tape).map_err(PlaybackError::Engine)?;
        Ok(Player { component, limits, sandbox: Some(sandbox), is_alive: false })
    }

    fn run(mut self) -> Result<Played, PlaybackError> {
        let ending = loop {
            match self.step() {
                Ok(None) => {}
                Ok(Some(ending)) => break ending,
                Err(Stop::Mismatch(mismatch)) => break Ending::Diverged(mismatch),
                Err(Stop::Unanswered { call }) => break Ending::Unanswered(Box::new(call)),
                Err(Stop::Reached) => break Ending::Reached,
                Err(Stop::Failed(error)) => return Err(error.into()),
                Err(Stop::Engine(error)) => return Err(PlaybackError::Engine(error)),
            }
        };
        let tape = self.sandbox.take().expect(ALWAYS).store.into_data().backend;
        let (seq, head) = tape.head();
        if let Some(out) = tape.out {
            let (reason, detail) = close_as(&ending);
            out.close(reason, detail).map_err(TapeError::Out)?;
        }
        let fuel = tape.fuel_index.unwrap_or_default();
        Ok(Played { ending, seq, head, uncompared: tape.uncompared, fuel })
    }

    /// Plays the next thing that the world does. One flat loop, so that a replay can be stopped
    /// and looked at between any two of them.
    fn step(&mut self) -> Result<Option<Ending>, Stop> {
        let tape = self.tape();
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
        let tape = self.tape();
        let (_, event) = tape.feed().map_err(Stop::Failed)?;
        tape.pass_on(&[], &event).map_err(Stop::Failed)?;
        let Event::Lifecycle(Lifecycle { state: LifecycleState::Spawned, .. }) = event else {
            return Ok(());
        };
        if self.is_alive {
            self.renew()?;
        }
        self.is_alive = true;
        match self.sandbox().instantiate() {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => {
                let tape = self.tape();
                tape.compare_end(&instantiation_failed(&failure))
            }
            Err(error) => Err(self.stopped(error)),
        }
    }

    /// A fresh instance begins in the middle of a chain.
    fn renew(&mut self) -> Result<(), Stop> {
        let last = self.sandbox.take().expect(ALWAYS);
        let fresh = last.renewed(self.component, &self.limits).map_err(Stop::Engine)?;
        self.sandbox = Some(fresh);
        Ok(())
    }

    fn export_call(&mut self) -> Result<(), Stop> {
        let tape = self.tape();
        let recorded_definitions = tape.definitions();
        let strictness = tape.strictness();
        let (seq, event) = tape.event().map_err(Stop::Failed)?;
        let function = tape.function(&event);
        let export = function.and_then(|function| self.find_export(&function));
        let Some(export) = export else { return Err(self.tape().no_such_export()) };
        let (_, event) = self.tape().feed().map_err(Stop::Failed)?;
        let Event::ExportCall(Call { args, .. }) = event else {
            unreachable!("its kind was looked at")
        };
        let (definitions, event) = self.sandbox().export_call(export, args);
        if strictness == Strictness::Bytes && definitions != recorded_definitions {
            return Err(Stop::Failed(TapeError::Order { seq, kind: Kind::ExportCall }));
        }
        self.tape().pass_on(&definitions, &event).map_err(Stop::Failed)?;
        let Event::ExportCall(call) = event else { unreachable!("it was asked for") };
        let outcome = match self.sandbox().call(export, call.args.as_bytes()) {
            Ok(outcome) => outcome,
            Err(error) => return Err(self.stopped(error)),
        };
        let event = self.sandbox().export_return(call.function, outcome);
        let checked = self.sandbox().store.data_mut().check(&[], &event);
        checked.map_err(|error| self.stopped(error))
    }

    fn find_export(&self, wanted: &FunctionType) -> Option<usize> {
        let world = self.component.world();
        crate::tape::find_function(&world.exports, wanted)
    }

    fn sandbox(&mut self) -> &mut Sandbox<Tape> {
        self.sandbox.as_mut().expect(ALWAYS)
    }

    fn tape(&mut self) -> &mut Tape {
        &mut self.sandbox().store.data_mut().backend
    }

    fn stopped(&mut self, error: wasmtime::Error) -> Stop {
        let tape = self.tape();
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
