//! All actors of a process: they are started here, found here, and brought to their end here.

mod begin;
mod bonds;
mod children;
mod finish;
mod messages;
mod revive;
mod roster;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use theater_record::{Clock, RecordError};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::blueprint::{self, Source};
use crate::catalogue::Catalogue;
use crate::channels::Channels;
use crate::delivery::NoAnswer;
use crate::end::{End, Status};
use crate::manifest::Permissions;
use crate::recording::RunError;
use crate::spec::Spec;
use crate::store::Store;
use crate::supervision::Bonds;
use crate::threads::Threads;

use roster::Roster;

pub use begin::SpawnError;
pub use revive::{Resumed, ReviveError};

/// Hears what actors log: which actor, and what.
pub type Log = Box<dyn Fn(ActorId, &str) + Send + Sync>;

/// Gives random bytes.
pub type Randomness = Box<dyn Fn() -> [u8; 32] + Send + Sync>;

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
    /// The store that components and manifests named `store:` come from, and where components are kept.
    pub store: Option<Store>,
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
    roster: Roster,
    catalogue: Catalogue,
    channels: Channels,
    bonds: Mutex<Bonds<ActorId>>,
    /// Children that have ended in an earlier process, by parents that are to be brought back.
    missed: Mutex<BTreeMap<ActorId, Vec<String>>>,
    /// Those that have come to their end and are still listed, the earliest first.
    ended: Mutex<VecDeque<ActorId>>,
    threads: Threads,
    /// Serves the network; made when it is first needed.
    edge: OnceLock<Runtime>,
    /// The address of a server by which everybody can manage this system, which no actor may reach.
    closed: OnceLock<SocketAddr>,
    since: Instant,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Whoever drops the system may be on a thread that must not wait for others.
        if let Some(edge) = self.edge.take() {
            edge.shutdown_background();
        }
    }
}

/// Why something did not reach an actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// There is no such actor, or there is none any more.
    #[error("there is no actor {0}")]
    NoActor(ActorId),
    /// There was no room for it.
    #[error("the mailbox of {0} is full")]
    Full(ActorId),
    /// It is larger than the actor takes.
    #[error("a message of {bytes} bytes is more than the {max} that {to} takes")]
    TooLarge {
        /// To whom it was sent.
        to: ActorId,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        max: u64,
    },
    /// There is no answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    /// The actor has failed over it.
    #[error("the actor has failed: {0}")]
    Failed(String),
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
    /// What it is doing.
    pub status: Status,
    /// How it came to its end, if it did.
    pub end: Option<End>,
    /// How many messages wait for it.
    pub waiting: usize,
    /// How many lives it has had, with the present one.
    pub lives: u64,
}

impl System {
    /// A system without actors.
    pub fn new(options: SystemOptions) -> io::Result<System> {
        std::fs::create_dir_all(&options.chains)?;
        Ok(System(Arc::new(Inner {
            roster: Roster::of(&options.chains),
            catalogue: Catalogue::new(options.cache.clone(), options.store.clone()),
            options,
            actors: RwLock::new(BTreeMap::new()),
            channels: Channels::default(),
            bonds: Mutex::new(Bonds::default()),
            missed: Mutex::default(),
            ended: Mutex::new(VecDeque::new()),
            threads: Threads::new(STACK_BYTES),
            edge: OnceLock::new(),
            closed: OnceLock::new(),
            since: Instant::now(),
        })))
    }

    /// Starts the actor of a manifest, and the children that it names. A state that is given takes the
    /// place of the manifest's. That it has begun stands in the file of its chain once this returns.
    pub fn start(
        &self,
        source: &Source,
        state: Option<Vec<u8>>,
        parent: Option<ActorId>,
    ) -> Result<ActorId, SpawnError> {
        let spec = self.read(source, state, parent)?;
        let id = self.spawn(spec, parent)?;
        self.write_chain(id).map_err(RunError::Record)?;
        Ok(id)
    }

    /// Reads what the actor of a manifest would be started with, below a parent.
    pub(crate) fn read(
        &self,
        source: &Source,
        state: Option<Vec<u8>>,
        parent: Option<ActorId>,
    ) -> Result<Spec, SpawnError> {
        let above = match parent {
            Some(parent) => self.find(parent)?.spec.permissions.clone(),
            None => Permissions::default(),
        };
        Ok(blueprint::read(source, state, &above, self.0.options.store.as_ref())?)
    }

    /// Every actor there is, and those that came to their end not long ago.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let actors = self.0.actors.read().unwrap_or_else(PoisonError::into_inner);
        actors.values().map(listed).collect()
    }

    /// One of them.
    pub fn listed(&self, id: ActorId) -> Result<Listed, SendError> {
        self.find(id).map(|actor| listed(&actor))
    }

    /// The state that an actor gave back last.
    pub fn state(&self, id: ActorId) -> Result<Option<Vec<u8>>, SendError> {
        self.find(id).map(|actor| actor.state())
    }

    /// The files of an actor's chains, the newest last.
    pub fn chain_paths(&self, id: ActorId) -> Result<Vec<PathBuf>, SendError> {
        let chains = self.find(id)?.chains();
        Ok(chains.into_iter().map(|(_, path)| path).collect())
    }

    /// The file of an actor's newest chain.
    pub fn chain_path(&self, id: ActorId) -> Result<PathBuf, SendError> {
        self.chain_paths(id)?.pop().ok_or(SendError::NoActor(id))
    }

    /// Has all that an actor has done by now written to the file of its newest chain, for whoever reads it
    /// there and knows of something that has happened.
    pub fn write_chain(&self, id: ActorId) -> Result<(), RecordError> {
        let backlog = self.find(id).ok().and_then(|actor| actor.backlog());
        backlog.map_or(Ok(()), |backlog| backlog.write())
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

    /// Closes the address of a server to actors that are started from now on. To whoever reaches it, it would give
    /// more than any permission does.
    pub(crate) fn close_address(&self, server: SocketAddr) {
        // A second server would have a system of its own.
        let _ = self.0.closed.set(server);
    }

    /// The address that no actor may reach.
    pub(crate) fn closed_address(&self) -> Option<SocketAddr> {
        self.0.closed.get().copied()
    }

    /// The folder for the stores of actors.
    pub(crate) fn stores(&self) -> &Path {
        &self.0.options.stores
    }

    /// The time, in nanoseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        (self.0.options.clock)()
    }

    /// How long there has been a system, by a clock that does not go back.
    pub(crate) fn uptime_ns(&self) -> u64 {
        u64::try_from(self.0.since.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Random bytes.
    pub(crate) fn random(&self) -> [u8; 32] {
        (self.0.options.random)()
    }

    pub(crate) fn channels(&self) -> &Channels {
        &self.0.channels
    }

    /// The same, held weakly.
    pub(crate) fn weak(&self) -> WeakSystem {
        WeakSystem(Arc::downgrade(&self.0))
    }

    pub(crate) fn find(&self, id: ActorId) -> Result<Arc<Actor>, SendError> {
        let actors = self.0.actors.read().unwrap_or_else(PoisonError::into_inner);
        actors.get(&id).cloned().ok_or(SendError::NoActor(id))
    }

    /// The children of an actor, in the order in which they were started.
    pub(crate) fn children(&self, id: ActorId) -> Vec<ActorId> {
        let family = self.find(id).ok().and_then(|actor| actor.family());
        family.map(|family| family.children()).unwrap_or_default()
    }

    fn actors(&self) -> Vec<Arc<Actor>> {
        let actors = self.0.actors.read().unwrap_or_else(PoisonError::into_inner);
        actors.values().cloned().collect()
    }
}

impl WeakSystem {
    /// A system that was shut down.
    #[cfg(test)]
    pub(crate) fn gone() -> WeakSystem {
        WeakSystem(Weak::new())
    }

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

/// How long it may take until an actor that was killed is gone. The host may be doing something for
/// it, which has to return first.
const KILL_PATIENCE: Duration = Duration::from_secs(10);

fn listed(actor: &Arc<Actor>) -> Listed {
    Listed {
        id: actor.id,
        name: actor.spec.name.clone(),
        parent: actor.parent,
        status: actor.status(),
        end: actor.end(),
        waiting: actor.mailbox.len(),
        lives: actor.lives(),
    }
}
