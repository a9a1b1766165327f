//! All actors of a process: they are started here, found here, and brought to their end here.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak, mpsc};
use std::time::Duration;

use theater_record::{About, ChainId, Clock, Options, Recorder, Seed};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::actor::{Actor, End, Shared, lock};
use crate::actor_id::ActorId;
use crate::component::{Component, ComponentError};
use crate::delivery::{Delivery, HandlerCall, NoAnswer, Sender, reply};
use crate::engine::{Backend, Engine, EngineError, Limits};
use crate::handlers::{Handlers, WrongHandler};
use crate::host::{Grants, Host, HostError};
use crate::mailbox::Refused;
use crate::manifest::{self, Permissions};
use crate::recording::{Recording, RecordingOptions, RunError};
use crate::services::{self, Served};
use crate::threads::Threads;

/// Hears what actors log: which actor, and what.
pub type Log = Box<dyn Fn(ActorId, &str) + Send + Sync>;

/// Gives random bytes.
pub type Randomness = Box<dyn Fn() -> [u8; 32] + Send + Sync>;

/// A component as it was compiled for some limits.
type Compiled = (Limits, Arc<Component>);

/// Where actors run and what they have in common.
#[derive(Clone)]
pub struct System(Arc<Inner>);

/// A system that may be gone.
#[derive(Clone)]
pub(crate) struct WeakSystem(Weak<Inner>);

/// What a system is made with. Time and randomness are handed in.
pub struct SystemOptions {
    /// The folder for chains; it is made if there is none.
    pub chains: PathBuf,
    /// The folder for the stores of actors, each in a folder of its own. It is made when one is needed.
    pub stores: PathBuf,
    /// Where compiled code is kept.
    pub cache: Option<PathBuf>,
    /// Tells the time.
    pub clock: Clock,
    /// Gives random bytes.
    pub random: Randomness,
    /// Hears what actors log: which actor, and what.
    pub log: Log,
}

struct Inner {
    options: SystemOptions,
    actors: RwLock<BTreeMap<ActorId, Arc<Actor>>>,
    engines: Mutex<Vec<(Limits, Engine)>>,
    components: Mutex<BTreeMap<[u8; 32], Vec<Compiled>>>,
    threads: Threads,
    /// Serves the network; made when it is first needed.
    edge: OnceLock<Runtime>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Whoever drops the system may be on a thread that must not wait for others.
        if let Some(edge) = self.edge.take() {
            edge.shutdown_background();
        }
    }
}

/// What to start.
#[derive(Clone)]
pub struct Spec {
    /// The actor's name, for people.
    pub name: String,
    /// The component's bytes.
    pub component: Vec<u8>,
    /// The manifest as it was given, for the chain.
    pub manifest: Option<String>,
    /// The folder that paths of the manifest start at.
    pub base_dir: PathBuf,
    /// What it is given, within its permissions.
    pub handlers: manifest::Handlers,
    /// What it and those below it may have at most.
    pub permissions: Permissions,
    /// What it may use of WASI.
    pub grants: Grants,
    /// What it may use of the machine.
    pub limits: Limits,
    /// The state to start with.
    pub state: Option<Vec<u8>>,
    /// Who starts it.
    pub parent: Option<ActorId>,
    /// How many messages may wait for it.
    pub mailbox: usize,
    /// How long it waits for the answer to a request, and for room in another's mailbox.
    pub patience: Duration,
    /// Whether calls with effects are durable before the host acts.
    pub durable: bool,
}

impl Spec {
    /// An actor that may log, exchange messages, and compute.
    #[must_use]
    pub fn new(name: &str, component: Vec<u8>) -> Spec {
        let handlers = manifest::Handlers {
            runtime: Some(manifest::RuntimeUse),
            message_server: Some(manifest::MessageUse),
            ..manifest::Handlers::default()
        };
        Spec {
            name: name.to_owned(),
            component,
            manifest: None,
            base_dir: PathBuf::new(),
            handlers,
            permissions: Permissions::default(),
            grants: Grants::default(),
            limits: Limits { killable: true, ..Limits::default() },
            state: None,
            parent: None,
            mailbox: 1000,
            patience: Duration::from_secs(30),
            durable: false,
        }
    }
}

/// Why an actor was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The engine cannot be set up like this.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The component is none, or cannot be recorded.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// It exports something under the name of a handler that is none.
    #[error(transparent)]
    Handler(#[from] WrongHandler),
    /// What it is granted cannot be given.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The file for its chain cannot be made.
    #[error("cannot create {}", path.display())]
    Chain {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be linked or recorded.
    #[error(transparent)]
    Run(#[from] RunError),
    /// It came to its end while it was started.
    #[error("the actor came to its end while it was started: {0:?}")]
    Ended(End),
}

/// Why a message did not arrive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no such actor, or there is none any more.
    #[error("there is no actor {0}")]
    NoActor(ActorId),
    /// There was no room for it.
    #[error("the mailbox of {0} is full")]
    Full(ActorId),
    /// There is no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
}

/// An actor in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: ActorId,
    /// Its name.
    pub name: String,
    /// Who started it.
    pub parent: Option<ActorId>,
    /// How it came to its end, if it did.
    pub end: Option<End>,
    /// How many messages wait for it.
    pub waiting: usize,
}

impl System {
    /// A system without actors.
    pub fn new(options: SystemOptions) -> io::Result<System> {
        std::fs::create_dir_all(&options.chains)?;
        Ok(System(Arc::new(Inner {
            options,
            actors: RwLock::new(BTreeMap::new()),
            engines: Mutex::new(Vec::new()),
            components: Mutex::new(BTreeMap::new()),
            threads: Threads::new(STACK_BYTES),
            edge: OnceLock::new(),
        })))
    }

    /// Starts an actor: instantiates its component and calls its `init`. The actor is there once
    /// this returns.
    pub fn spawn(&self, spec: Spec) -> Result<ActorId, SpawnError> {
        let (tell, told) = mpsc::sync_channel(1);
        let system = self.clone();
        // Instantiating runs the component's code, which needs a stack of its own.
        self.0.threads.run(move || {
            let _ = tell.send(system.start(spec));
        });
        told.recv().unwrap_or(Err(SpawnError::Ended(End::Killed)))
    }

    /// Every actor there is, and those that came to their end and were not forgotten.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let actors = self.0.actors.read().unwrap_or_else(PoisonError::into_inner);
        let listed = |actor: &Arc<Actor>| Listed {
            id: actor.id,
            name: actor.name.clone(),
            parent: actor.parent,
            end: actor.end(),
            waiting: actor.mailbox.len(),
        };
        actors.values().map(listed).collect()
    }

    /// Sends a message from outside of all actors.
    pub fn send(&self, to: ActorId, message: Vec<u8>, patience: Duration) -> Result<(), SendError> {
        self.deliver(to, Sender::Outside, message, patience)
    }

    /// Sends a request from outside of all actors, and waits for the answer.
    pub fn request(
        &self,
        to: ActorId,
        message: Vec<u8>,
        patience: Duration,
    ) -> Result<Vec<u8>, SendError> {
        self.ask(to, Sender::Outside, message, patience)
    }

    /// Asks an actor to stop before it does anything else, and kills it if it does not in time.
    pub fn stop(&self, id: ActorId, grace: Duration) -> Result<End, SendError> {
        let actor = self.find(id)?;
        for child in self.children(id) {
            // Those that were started by an actor do not outlive it.
            let _ = self.stop(child, grace);
        }
        if actor.mailbox.put_anyway(Delivery::Stop, true).is_ok() {
            self.wake(&actor);
        }
        if let Some(end) = actor.wait(grace) {
            return Ok(end);
        }
        self.kill(id)?;
        actor.wait(KILL_PATIENCE).ok_or(SendError::NoAnswer(NoAnswer::TimedOut(KILL_PATIENCE)))
    }

    /// Ends an actor, whatever it does.
    pub fn kill(&self, id: ActorId) -> Result<(), SendError> {
        let actor = self.find(id)?;
        actor.kill();
        self.wake(&actor);
        Ok(())
    }

    /// The state that an actor gave back last.
    pub fn state(&self, id: ActorId) -> Result<Option<Vec<u8>>, SendError> {
        self.find(id).map(|actor| actor.state())
    }

    /// The file of an actor's chain.
    #[must_use]
    pub fn chain_path(&self, id: ActorId) -> PathBuf {
        self.0.options.chains.join(format!("{id}.chain.cbor"))
    }

    /// Runs what serves the network. Actors' threads may wait for what it does; it never waits for an
    /// actor.
    pub(crate) fn edge(&self) -> io::Result<Handle> {
        if let Some(edge) = self.0.edge.get() {
            return Ok(edge.handle().clone());
        }
        let edge = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        // If another thread was quicker, this one is not needed.
        if let Err(edge) = self.0.edge.set(edge) {
            edge.shutdown_background();
        }
        Ok(self.0.edge.get().expect("it was set above").handle().clone())
    }

    /// The same, held weakly.
    pub(crate) fn weak(&self) -> WeakSystem {
        WeakSystem(Arc::downgrade(&self.0))
    }

    /// The folder for the stores of actors.
    pub(crate) fn stores(&self) -> &Path {
        &self.0.options.stores
    }

    /// The time, in nanoseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        (self.0.options.clock)()
    }

    /// Random bytes.
    pub(crate) fn random(&self) -> [u8; 32] {
        (self.0.options.random)()
    }

    /// Has an actor call one of its own handlers.
    pub(crate) fn call_handler(
        &self,
        id: ActorId,
        call: HandlerCall,
        patience: Duration,
    ) -> Result<(), SendError> {
        self.put(id, Delivery::Call(call), patience)
    }

    pub(crate) fn deliver(
        &self,
        to: ActorId,
        from: Sender,
        message: Vec<u8>,
        patience: Duration,
    ) -> Result<(), SendError> {
        self.put(to, Delivery::Send { from, message }, patience)
    }

    pub(crate) fn ask(
        &self,
        to: ActorId,
        from: Sender,
        message: Vec<u8>,
        patience: Duration,
    ) -> Result<Vec<u8>, SendError> {
        let (reply, awaited) = reply();
        self.put(to, Delivery::Request { from, message, reply }, patience)?;
        Ok(awaited.wait(patience)?)
    }

    fn put(&self, to: ActorId, delivery: Delivery, patience: Duration) -> Result<(), SendError> {
        let actor = self.find(to)?;
        match actor.mailbox.put(delivery, patience) {
            Ok(()) => {
                self.wake(&actor);
                Ok(())
            }
            Err(Refused::Full(_)) => Err(SendError::Full(to)),
            Err(Refused::Closed(_)) => Err(SendError::NoActor(to)),
        }
    }

    fn wake(&self, actor: &Arc<Actor>) {
        if !actor.schedule() {
            return;
        }
        let (system, actor) = (self.clone(), Arc::clone(actor));
        self.0.threads.run(move || {
            if let Some(end) = actor.run() {
                system.ended(&actor, &end);
            }
        });
    }

    /// An actor has come to its end: so do those it has started, and who started it hears of it.
    fn ended(&self, actor: &Actor, end: &End) {
        for child in self.children(actor.id) {
            let _ = self.stop(child, STOP_PATIENCE);
        }
        let Some(parent) = actor.parent.and_then(|parent| self.find(parent).ok()) else { return };
        let news = Delivery::ChildEnded { child: actor.id, end: end.clone() };
        if parent.mailbox.put_anyway(news, false).is_ok() {
            self.wake(&parent);
        }
    }

    fn children(&self, id: ActorId) -> Vec<ActorId> {
        let actors = self.0.actors.read().unwrap_or_else(PoisonError::into_inner);
        let is_child = |actor: &&Arc<Actor>| actor.parent == Some(id) && actor.end().is_none();
        actors.values().filter(is_child).map(|actor| actor.id).collect()
    }

    fn find(&self, id: ActorId) -> Result<Arc<Actor>, SendError> {
        let actors = self.0.actors.read().unwrap_or_else(PoisonError::into_inner);
        actors.get(&id).cloned().ok_or(SendError::NoActor(id))
    }

    fn start(&self, spec: Spec) -> Result<ActorId, SpawnError> {
        let random = (self.0.options.random)();
        let clock = self.0.options.clock.clone();
        let mut tail = [0; 10];
        tail.copy_from_slice(&random[22..]);
        let id = ActorId::new(clock() / 1_000_000, tail);
        let component = self.component(&spec.component, &spec.limits)?;
        let handlers = Handlers::of(component.world())?;
        let (recorder, chain) = self.recorder(id, &spec, &component)?;
        let shared = Arc::new(Shared::default());
        let mut host = Host::new(spec.grants)?;
        let served = Served {
            system: self.weak(),
            id,
            chain,
            shared: shared.clone(),
            patience: spec.patience,
            base_dir: spec.base_dir.clone(),
        };
        services::serve(&mut host, &served, &spec.handlers);
        let options = RecordingOptions { limits: spec.limits, durable: spec.durable, clock };
        let recording = Recording::start(&component, host, recorder, &options)?;
        if let Some(failure) = recording.failure().cloned() {
            recording.finish()?;
            return Err(SpawnError::Ended(End::Trapped(failure)));
        }
        let who = (id, spec.name, spec.parent);
        let actor = Actor::new(who, spec.mailbox, recording, handlers, spec.state, shared);
        let actor = Arc::new(actor);
        let mut actors = self.0.actors.write().unwrap_or_else(PoisonError::into_inner);
        actors.insert(id, Arc::clone(&actor));
        drop(actors);
        if let Err(end) = actor.init() {
            return Err(SpawnError::Ended(end));
        }
        Ok(id)
    }

    fn recorder(
        &self,
        id: ActorId,
        spec: &Spec,
        component: &Component,
    ) -> Result<(Recorder, ChainId), SpawnError> {
        let path = self.chain_path(id);
        let unmade = |source| SpawnError::Chain { path: path.clone(), source };
        let file = new_file(&path).map_err(unmade)?;
        let mut settings = spec.limits.settings(Backend::Cranelift);
        settings.push(("actor".to_owned(), id.to_string()));
        let about = About {
            recorder: concat!("theater ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: spec.name.clone(),
            component: Some(component.digest()),
            manifest: spec.manifest.clone(),
            state: spec.state.clone(),
            settings,
            world: Some(component.world().wit.clone()),
            ..About::default()
        };
        let seed = Seed::new((self.0.options.random)());
        let clock = self.0.options.clock.clone();
        let recorder = Recorder::create(file, about, Options::default(), seed, clock);
        let recorder = recorder.map_err(RunError::Record)?;
        let chain = recorder.header().chain_id;
        Ok((recorder, chain))
    }

    /// A component, compiled once for all actors that are made of it.
    fn component(&self, bytes: &[u8], limits: &Limits) -> Result<Arc<Component>, SpawnError> {
        let digest = crate::component::digest(bytes).0;
        let is_it = |(known, _): &&Compiled| known == limits;
        let known = lock(&self.0.components);
        if let Some((_, component)) = known.get(&digest).and_then(|all| all.iter().find(is_it)) {
            return Ok(Arc::clone(component));
        }
        drop(known);
        let engine = self.engine(limits)?;
        let component = Arc::new(Component::new(&engine, bytes.to_vec())?);
        let mut known = lock(&self.0.components);
        known.entry(digest).or_default().push((*limits, Arc::clone(&component)));
        Ok(component)
    }

    fn engine(&self, limits: &Limits) -> Result<Engine, EngineError> {
        let mut engines = lock(&self.0.engines);
        if let Some((_, engine)) = engines.iter().find(|(known, _)| known == limits) {
            return Ok(engine.clone());
        }
        let cache = self.0.options.cache.as_deref();
        let engine = Engine::new(Backend::Cranelift, limits, cache)?;
        engines.push((*limits, engine.clone()));
        Ok(engine)
    }
}

impl WeakSystem {
    /// The system, unless it is being shut down.
    pub(crate) fn get(&self) -> Result<System, String> {
        self.0.upgrade().map(System).ok_or_else(|| "the system is shutting down".to_owned())
    }

    pub(crate) fn log(&self, actor: ActorId, text: &str) {
        if let Some(system) = self.0.upgrade() {
            (system.options.log)(actor, text);
        }
    }
}

/// Room for a component's stack and for what the host does on top of it.
const STACK_BYTES: usize = 8 << 20;

/// How long an actor gets to come to its end when who started it has.
const STOP_PATIENCE: Duration = Duration::from_secs(5);

/// How long it may take until an actor that was killed is gone. The host may be doing something for
/// it, which has to return first.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}
