//! Records calls of a component, always in the same way.

use std::sync::{Arc, Mutex};

use theater_record::{
    About, CheckpointPolicy, Clock, Options, Outcome, RecordError, Recorder, Seed, Values,
};
use theater_runtime::host::{Clocks, Grants, Host, HostError, Random};
use theater_runtime::{Backend, Component, Failure, Limits, Recording, RecordingOptions, RunError};

use super::calls::{Call, have_handles};
use super::handles::Handles;

/// Under which conditions a component is recorded.
///
/// By default it is granted nothing but randomness from a seed and clocks that go on by a
/// millisecond whenever they are read. What a component prints goes nowhere, and a component that
/// goes on and on runs out of fuel.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// The actor's name [default: that of the component's file].
    pub name: String,
    /// What the component is granted. Without arguments it gets the name of its file.
    pub grants: Grants,
    /// What it may use up, over all calls of a case.
    pub limits: Limits,
}

/// How much fuel a case may burn unless told otherwise.
pub const FUEL_DEFAULT: u64 = 100_000_000;

impl Default for Conditions {
    fn default() -> Conditions {
        let clocks = Clocks::Fixed { start_ns: 1_700_000_000_000_000_000, step_ns: 1_000_000 };
        let grants = Grants { random: Random::Seeded(1), clocks, ..Grants::default() };
        let limits = Limits { fuel: true, fuel_max: Some(FUEL_DEFAULT), ..Limits::default() };
        Conditions { name: String::new(), grants, limits }
    }
}

/// What was recorded.
#[derive(Debug)]
pub struct Recorded {
    /// The chain, as far as it was written.
    pub chain: Vec<u8>,
    /// The calls that were made, with the handles that were given. Calls for which there was no
    /// handle are not among them, nor are those after the component has failed.
    pub calls: Vec<Call>,
    /// How the component failed, if it did; or why it could not be run or recorded to the end.
    pub ended: Result<Option<Failure>, Arc<NotRecorded>>,
}

/// Why a component could not be run or recorded.
#[derive(Debug, thiserror::Error)]
pub enum NotRecorded {
    /// It cannot be given what is granted.
    #[error(transparent)]
    Host(#[from] HostError),
    /// It cannot be run, or not any further.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The chain cannot be begun.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl Conditions {
    /// Makes calls until the component fails, and records everything. Recordings of the same calls
    /// are the same to the last byte, if time and randomness are.
    ///
    /// The calling thread must have room for the component's stack; see
    /// [`Engine::on_stack`](theater_runtime::Engine::on_stack).
    #[must_use]
    pub fn record(&self, component: &Component, calls: &[Call]) -> Recorded {
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut made = Vec::new();
        let ended = self.record_to(log.clone(), component, calls, &mut made);
        let chain = std::mem::take(&mut *log.lock().expect("nobody panics while writing a chain"));
        Recorded { chain, calls: made, ended: ended.map_err(Arc::new) }
    }

    fn record_to(
        &self,
        log: Arc<Mutex<Vec<u8>>>,
        component: &Component,
        calls: &[Call],
        made: &mut Vec<Call>,
    ) -> Result<Option<Failure>, NotRecorded> {
        let host = Host::new(self.grants.clone())?;
        let recorder = self.recorder(log, component)?;
        let options = RecordingOptions {
            limits: self.limits,
            durable: false,
            clock: self.clock(),
            redact: Vec::new(),
        };
        let types = component.world().type_table();
        let mut handles = Handles::new(&types);
        let mut recording = Recording::start(component, host, recorder, &options)?;
        for call in calls {
            if recording.failure().is_some() {
                break;
            }
            let function = &component.world().exports[call.export];
            let Some(args) = handles.give(&call.args, &function.params) else { continue };
            let values = Values::of(&args).expect("types that nest too deep are refused");
            made.push(Call { args, ..call.clone() });
            if let Outcome::Returned(values) = recording.call(call.export, values)?
                && have_handles(&function.results, &types)
                && let Ok(results) = values.decode(function.results.iter(), &types)
            {
                handles.take(results, &function.results);
            }
        }
        let failure = recording.failure().cloned();
        recording.finish()?;
        Ok(failure)
    }

    fn recorder(
        &self,
        log: Arc<Mutex<Vec<u8>>>,
        component: &Component,
    ) -> Result<Recorder, RecordError> {
        let about = About {
            recorder: concat!("theater-replay ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: self.name.clone(),
            component: Some(component.digest()),
            settings: self.limits.settings(Backend::Cranelift),
            world: Some(component.world().wit.clone()),
            ..About::default()
        };
        // A checkpoint by time would stand where the machine's speed has put it.
        let policy = CheckpointPolicy { interval_ns: None, ..CheckpointPolicy::default() };
        let options = Options { policy, ..Options::default() };
        // Nothing here is secret, and two recordings have to be the same.
        Recorder::create(log, about, options, Seed::new([7; 32]), self.clock())
    }

    /// The time of records. It stands still.
    fn clock(&self) -> Clock {
        let now = match self.grants.clocks {
            Clocks::Fixed { start_ns, .. } => start_ns,
            Clocks::System => 0,
        };
        Arc::new(move || now)
    }
}
