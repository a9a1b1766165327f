//! Runs a component and records it.

use theater_record::{
    Call, ChainId, Clock, CloseReason, Event, Lifecycle, LifecycleState, Outcome, Permission,
    RecordError, Recorder, Tip, TrapCode, Values,
};
use theater_verify::VerifiedChain;

use crate::component::{Component, ComponentError};
use crate::engine::Limits;
use crate::host::Host;
use crate::killer::Killer;
use crate::live::{self, GoesOn, Live};
use crate::manifest::Name;
use crate::membrane::{Past, Sandbox};
use crate::playback::{self, Ending, PlaybackError, Player};
use crate::tape::Mismatch;
use crate::trap::Failure;

/// Why a component cannot be run, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// It imports something that the host does not have.
    #[error("the component imports what nobody here provides: {name}")]
    MissingImport {
        /// The first such import.
        name: String,
    },
    /// The way to the host cannot be made.
    #[error("the component's imports cannot be connected to the host")]
    Lifter(#[source] ComponentError),
    /// The engine refuses.
    #[error("the component cannot be linked")]
    Link(#[source] wasmtime::Error),
    /// The chain cannot be replayed, so the actor cannot be brought back.
    #[error("the actor cannot be brought back")]
    NotResumed(#[source] Box<PlaybackError>),
    /// The component does something else than its chain says.
    #[error("the component does not do what its chain says from event {} on", _0.seq)]
    NotTheSame(Box<Mismatch>),
    /// The actor has come to its end, so there is nothing to go on with.
    #[error("the actor has come to its end, as its chain says")]
    Ended,
    /// The chain has the header, and nothing that happened.
    #[error("the actor had not begun to live, as its chain says")]
    NotBegun,
    /// The chain cannot be written, so the component must not go on.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// How to record.
#[derive(Clone)]
pub struct RecordingOptions {
    /// What the component may use.
    pub limits: Limits,
    /// Whether calls with effects are made durable before the host acts.
    pub durable: bool,
    /// Tells the time for lifecycle records.
    pub clock: Clock,
    /// Functions whose payloads are stored so that they can be removed, besides calls over HTTP that
    /// have headers in them by which somebody proves who they are.
    pub redact: Vec<Name>,
}

/// A component that runs and is being recorded.
pub struct Recording {
    sandbox: Sandbox<Live>,
    clock: Clock,
    /// Whether a life has begun whose end is still to be noted.
    is_alive: bool,
    /// How the last call ended, if it did not return.
    failure: Option<Failure>,
}

/// A component that was brought back to where its chain ends, and has gone on from there.
pub(crate) struct Back {
    pub(crate) recording: Recording,
    /// Whether its present life has not got any call yet.
    pub(crate) is_fresh: bool,
    /// The call that it has gone on with, by its export, and what came of it.
    pub(crate) interrupted: Option<(usize, Outcome)>,
}

impl Recording {
    /// Starts a component: connects it to the host and instantiates it.
    ///
    /// The recorder has written the header and nothing else. A component that fails while it is
    /// instantiated is an outcome, found in [`Recording::failure`].
    pub fn start(
        component: &Component,
        host: Host,
        recorder: Recorder,
        options: &RecordingOptions,
    ) -> Result<Recording, RunError> {
        let mut recording = Recording::prepare(component, host, Rest::fresh(recorder), options)?;
        recording.spawn()?;
        Ok(recording)
    }

    /// Whether a component can be connected to a host. What is linked for that is there for all of its lives.
    pub(crate) fn check(component: &Component, host: &mut Host) -> Result<(), RunError> {
        component.links.component(component).map_err(RunError::Link)?;
        let lifter = component.lifter().map_err(RunError::Lifter)?;
        Live::link(component, lifter, host).map(drop).map_err(not_connected)
    }

    /// Connects a component to the host, for a life that begins where the chain stands. It does not run
    /// before [`Recording::spawn`].
    pub(crate) fn prepare(
        component: &Component,
        host: Host,
        rest: Rest,
        options: &RecordingOptions,
    ) -> Result<Recording, RunError> {
        let flushed = flushed(component, options);
        let Rest { recorder, past } = rest;
        let live = Live::new(recorder, host, flushed, options);
        let mut sandbox = Sandbox::new(component, &options.limits, live).map_err(RunError::Link)?;
        if let Some(past) = past {
            sandbox.go_on_from(past);
        }
        connect(&mut sandbox, component)?;
        Ok(Recording { sandbox, clock: options.clock.clone(), is_alive: false, failure: None })
    }

    /// Begins a life: notes so, and instantiates the component.
    pub(crate) fn spawn(&mut self) -> Result<(), RunError> {
        self.is_alive = true;
        self.note(LifecycleState::Spawned, String::new())?;
        match self.sandbox.instantiate() {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => {
                self.note(LifecycleState::Failed, instantiation_failed(&failure))?;
                self.is_alive = false;
                self.failure = Some(failure);
            }
            Err(error) => return Err(self.stopped(error)),
        }
        Ok(())
    }

    /// Brings an actor back to where its chain ends, by replay, and goes on from there.
    ///
    /// Nothing is recorded and the host does nothing until the chain has come to its end. If it
    /// ends in the middle of a call to the host, that call is made again. What the actor had open
    /// is gone, but for its standard streams and granted directories.
    pub fn resume(
        component: &Component,
        host: Host,
        recorder: Recorder,
        chain: &VerifiedChain,
        options: &RecordingOptions,
    ) -> Result<Recording, RunError> {
        let goes_on = Box::new(|_| ());
        let back =
            Recording::bring_back(component, host, recorder, chain, options, |_| (), goes_on)?;
        match back.recording.failure {
            None => Ok(back.recording),
            Some(_) => Err(RunError::Ended),
        }
    }

    /// The same. What can stop it meanwhile is handed out before it runs: a call that is made again may take
    /// as long as any. Somebody hears when such a call goes on.
    pub(crate) fn bring_back(
        component: &Component,
        host: Host,
        recorder: Recorder,
        chain: &VerifiedChain,
        options: &RecordingOptions,
        is_made: impl FnOnce(Killer),
        goes_on: GoesOn,
    ) -> Result<Back, RunError> {
        let not_resumed = |error| RunError::NotResumed(Box::new(error));
        let flushed = flushed(component, options);
        let mut live = Live::new(recorder, host, flushed, options);
        let (tape, limits) = playback::tape_for(component, chain).map_err(not_resumed)?;
        (live.resuming, live.goes_on) = (Some(tape), Some(goes_on));
        let mut sandbox = Sandbox::new(component, &limits, live).map_err(RunError::Link)?;
        connect(&mut sandbox, component)?;
        is_made(killer(&sandbox));
        let mut player = Player::new(component, limits, sandbox);
        let ending = player.run();
        let (is_alive, failure) = (player.is_alive, player.failure.take());
        let (has_lived, interrupted) = (player.has_lived, player.interrupted.take());
        let sandbox = player.into_sandbox();
        let clock = options.clock.clone();
        let mut recording = Recording { sandbox, clock, is_alive, failure };
        match ending.map_err(|error| match recording.recorder_failure() {
            Some(failure) => RunError::Record(failure),
            None => not_resumed(error),
        })? {
            Ending::Same => {}
            Ending::Diverged(mismatch) => return Err(RunError::NotTheSame(mismatch)),
            Ending::Reached | Ending::Unanswered(_) => return Err(RunError::Ended),
        }
        if !has_lived {
            return Err(RunError::NotBegun);
        }
        // What failed where the world had taken over has yet to come to its end.
        let has_failed = recording.failure.is_some() && interrupted.is_none();
        if !recording.is_alive || has_failed {
            return Err(RunError::Ended);
        }
        let ended = Live::take_over(recording.sandbox.store.data_mut());
        ended.map_err(|error| recording.stopped(error))?;
        let is_fresh = recording.sandbox.store.data().backend.calls == 0;
        Ok(Back { recording, is_fresh, interrupted })
    }

    /// What stops the component while it runs. It needs [`Limits::killable`].
    #[must_use]
    pub fn killer(&self) -> Killer {
        killer(&self.sandbox)
    }

    /// How the component failed, if it did. It cannot be called again then.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.failure.as_ref()
    }

    /// Calls an export, given by its position in [`crate::World::exports`].
    pub fn call(&mut self, export: usize, args: Values) -> Result<Outcome, RunError> {
        let args = self.announce(export, args)?;
        self.make(export, args)
    }

    /// Writes down a call that [`Recording::make`] makes next.
    pub(crate) fn announce(&mut self, export: usize, args: Values) -> Result<Announced, RunError> {
        let (definitions, event) = self.sandbox.export_call(export, args);
        self.write(&definitions, &event)?;
        match event {
            Event::ExportCall(call) => Ok(Announced(call)),
            _ => unreachable!("it was asked for"),
        }
    }

    /// Makes a call that was written down.
    pub(crate) fn make(&mut self, export: usize, call: Announced) -> Result<Outcome, RunError> {
        let Announced(call) = call;
        let outcome = match self.sandbox.call(export, call.args.as_bytes()) {
            Ok(outcome) => outcome,
            Err(error) => return Err(self.stopped(error)),
        };
        self.failure = Failure::of(&outcome);
        let event = self.sandbox.export_return(call.function, outcome);
        self.write(&[], &event)?;
        match event {
            Event::ExportReturn(end) => Ok(end.outcome),
            _ => unreachable!("it was asked for"),
        }
    }

    /// Writes down a decision about a capability that was made outside of any call.
    pub fn decided(&mut self, decision: Permission) -> Result<(), RunError> {
        self.write(&[], &Event::Permission(decision))
    }

    /// Waits until everything so far stands in the chain's file.
    pub(crate) fn written(&mut self) -> Result<(), RunError> {
        Ok(self.sandbox.store.data_mut().backend.recorder.write()?)
    }

    /// What the chain is written with.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.sandbox.store.data().backend.recorder
    }

    /// The last event of the chain, as opposed to checkpoints.
    pub(crate) fn last_event(&mut self) -> Result<Tip, RunError> {
        Ok(self.sandbox.store.data_mut().backend.recorder.last_event()?)
    }

    /// Notes that the component has come to its end, in a way that is known from outside, and closes
    /// the chain.
    pub fn end(self, state: LifecycleState, detail: &str) -> Result<Tip, RunError> {
        self.rest(state, detail)?.close(state, detail)
    }

    /// Notes that the component has come to its end, and leaves the chain open for another life.
    pub(crate) fn rest(mut self, state: LifecycleState, detail: &str) -> Result<Rest, RunError> {
        if self.is_alive {
            self.note(state, detail.to_owned())?;
        }
        Ok(self.into_rest())
    }

    /// The chain as it is. What became of the life is for others to note.
    pub(crate) fn into_rest(self) -> Rest {
        let (live, past) = self.sandbox.store.into_data().into_past();
        Rest { recorder: live.recorder, past: Some(past) }
    }

    /// Notes that the component has come to its end, and closes the chain.
    pub fn finish(mut self) -> Result<Tip, RunError> {
        let (state, detail) = match self.failure.take() {
            None => (LifecycleState::Completed, String::new()),
            Some(failure) => match failure.code {
                TrapCode::Exit => (LifecycleState::Completed, failure.to_string()),
                TrapCode::Killed => (LifecycleState::Killed, failure.detail),
                _ => (LifecycleState::Failed, failure.to_string()),
            },
        };
        self.end(state, &detail)
    }

    /// Leaves the chain open, so that the actor can be resumed.
    pub fn pause(mut self) -> Result<Tip, RunError> {
        self.note(LifecycleState::Paused, String::new())?;
        let mut recorder = self.sandbox.store.into_data().backend.recorder;
        recorder.flush()?;
        Ok(recorder.tip()?)
    }

    fn note(&mut self, state: LifecycleState, detail: String) -> Result<(), RunError> {
        let time = (self.clock)();
        self.write(&[], &Event::Lifecycle(Lifecycle { state, time, detail }))
    }

    fn write(&mut self, definitions: &[Event], event: &Event) -> Result<(), RunError> {
        let written = self.sandbox.store.data_mut().backend.write(definitions, event);
        written.map_err(|error| self.stopped(error))
    }

    /// The reason why the run was stopped.
    fn stopped(&mut self, error: wasmtime::Error) -> RunError {
        match self.recorder_failure() {
            Some(error) => RunError::Record(error),
            None => RunError::Link(error),
        }
    }

    fn recorder_failure(&mut self) -> Option<RecordError> {
        self.sandbox.store.data_mut().backend.failed.take()
    }
}

/// A call that was written down and not yet made.
pub(crate) struct Announced(Call);

/// A chain between two lives of an actor.
pub(crate) struct Rest {
    recorder: Recorder,
    /// What the last life leaves to the next. There is none before the first.
    past: Option<Past>,
}

impl Rest {
    /// A chain that has a header only.
    pub(crate) fn fresh(recorder: Recorder) -> Rest {
        Rest { recorder, past: None }
    }

    /// Which chain it is.
    pub(crate) fn chain(&self) -> ChainId {
        self.recorder.chain_id()
    }

    /// Notes that a life could not begin, and why.
    pub(crate) fn not_begun(&mut self, time: u64, why: &str) -> Result<(), RunError> {
        let (state, detail) = (LifecycleState::Failed, why.to_owned());
        let event = Event::Lifecycle(Lifecycle { state, time, detail });
        self.recorder.append(&event)?;
        Ok(())
    }

    /// Closes the chain: there will be no other life.
    pub(crate) fn close(self, state: LifecycleState, detail: &str) -> Result<Tip, RunError> {
        let reason = match state {
            LifecycleState::Completed => CloseReason::Completed,
            LifecycleState::Stopped => CloseReason::Stopped,
            LifecycleState::Killed => CloseReason::Killed,
            _ => CloseReason::Failed,
        };
        Ok(self.recorder.close(reason, detail)?)
    }
}

/// Which imports have to be on disk before the host acts; empty for none.
fn flushed(component: &Component, options: &RecordingOptions) -> Vec<bool> {
    match options.durable {
        true => component.world().imports.iter().map(live::has_effects).collect(),
        false => Vec::new(),
    }
}

fn killer(sandbox: &Sandbox<Live>) -> Killer {
    Killer::new(sandbox.store.data().killed.clone(), sandbox.store.engine().clone())
}

fn connect(sandbox: &mut Sandbox<Live>, component: &Component) -> Result<(), RunError> {
    let lifter = component.lifter().map_err(RunError::Lifter)?;
    Live::connect(sandbox.store.data_mut(), component, lifter).map_err(not_connected)
}

/// What a chain says of a component that failed while it was instantiated. Replay compares it.
pub(crate) fn instantiation_failed(failure: &Failure) -> String {
    format!("instantiation: {failure}")
}

/// The engine names a missing import in its message only.
fn not_connected(error: wasmtime::Error) -> RunError {
    let message = format!("{error:#}");
    let name = message.split('`').nth(1).unwrap_or(&message).to_owned();
    if message.contains("not found in the linker") {
        RunError::MissingImport { name }
    } else {
        RunError::Link(error)
    }
}
