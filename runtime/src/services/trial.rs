//! Calls services as the membrane would, for their tests.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use theater_record::{About, ChainId, Options, Permission, Recorder, Seed, Value};

use super::Served;
use crate::actor_id::ActorId;
use crate::host::{Reason, Service, ServiceCall};
use crate::system::{System, SystemOptions};
use crate::trap::Failure;

/// The time in a trial, which stands still.
pub(super) const NOW_MS: u64 = 1_700_000_000_000;

/// A system without actors, and what services have decided in it.
pub(super) struct Trial {
    pub(super) served: Served,
    /// For tests to keep decisions in.
    pub(super) said: Vec<String>,
    decisions: Vec<Permission>,
    recorder: Recorder,
    _system: System,
    _folder: tempfile::TempDir,
}

impl Trial {
    pub(super) fn new() -> Trial {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let drawn = AtomicU8::new(0);
        let system = System::new(SystemOptions {
            chains: folder.path().join("chains"),
            stores: folder.path().join("stores"),
            store: None,
            cache: None,
            clock: Arc::new(|| NOW_MS * 1_000_000 + 999),
            random: Box::new(move || [drawn.fetch_add(1, Ordering::Relaxed); 32]),
            log: Box::new(|_, _| {}),
        });
        let system = system.expect("the folder can be written");
        let served = Served {
            system: system.weak(),
            id: ActorId::new(NOW_MS, [7; 10]),
            chain: ChainId([7; 16]),
            shared: Arc::default(),
            numbers: Arc::default(),
            patience: Duration::from_secs(1),
            base_dir: folder.path().to_owned(),
        };
        let (said, decisions) = (Vec::new(), Vec::new());
        let (about, options, seed) = (About::default(), Options::default(), Seed::new([7; 32]));
        let recorder = Recorder::create(io::sink(), about, options, seed, Arc::new(|| NOW_MS));
        let recorder = recorder.expect("nothing can go wrong");
        Trial { served, said, decisions, recorder, _system: system, _folder: folder }
    }

    /// The one result of a call.
    #[track_caller]
    pub(super) fn call(
        &mut self,
        service: &mut dyn Service,
        function: &str,
        args: Vec<Value>,
    ) -> Value {
        self.try_call(service, function, args).expect("the actor goes on")
    }

    /// The same for a call that may end the actor.
    #[track_caller]
    pub(super) fn try_call(
        &mut self,
        service: &mut dyn Service,
        function: &str,
        args: Vec<Value>,
    ) -> Result<Value, Failure> {
        let (results, decisions, recorder) = (&[][..], &mut self.decisions, &self.recorder);
        let made_before = None;
        let call = ServiceCall { function, args, results, decisions, recorder, made_before };
        let mut answer = service.call(call)?;
        assert_eq!(answer.len(), 1, "{function} has one result");
        Ok(answer.remove(0))
    }

    /// The decisions since the last time: the reason, the subject, and the detail if there is one.
    pub(super) fn decided(&mut self) -> Vec<String> {
        let text = |decision: Permission| {
            let reason = Reason::ALL[decision.reason as usize];
            assert_eq!(decision.allowed, reason == Reason::Granted);
            let detail = match &*decision.detail {
                "" => String::new(),
                detail => format!(": {detail}"),
            };
            format!("{} {}{detail}", reason.name(), decision.subject)
        };
        self.decisions.drain(..).map(text).collect()
    }
}

/// What is in a result that has to be good.
#[track_caller]
pub(super) fn gives(result: Value) -> Value {
    match result {
        Value::Result(Ok(Some(value))) => *value,
        other => panic!("{other:?}"),
    }
}

/// A result has to be this error.
#[track_caller]
pub(super) fn fails(result: Value, error: &str) {
    match result {
        Value::Result(Err(Some(told))) => assert_eq!(*told, Value::String(error.to_owned())),
        other => panic!("{other:?}, and not {error}"),
    }
}
