//! How lives begin: actors are made, started and started again.

use std::fs::{File, OpenOptions};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, mpsc};
use std::time::Duration;

use theater_record::{About, ChainId, IdentityKey, Log, Recorder, Seed};

use super::children::spawned;
use super::{ReviveError, SendError, System};
use crate::actor::{Actor, Ended, EndedBy, Life, Shared};
use crate::actor_id::ActorId;
use crate::blueprint::BlueprintError;
use crate::component::{Component, ComponentError};
use crate::end::{End, ErrorKind, Status};
use crate::engine::{Backend, EngineError};
use crate::family::Family;
use crate::handlers::WrongHandler;
use crate::host::{Grants, Host, HostError};
use crate::manifest::Sign;
use crate::recording::{Recording, RecordingOptions, Rest, RunError};
use crate::services::{self, Served};
use crate::spec::Spec;
use crate::store::StoreError;
use crate::threads::aside;

/// Why an actor was not started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is nothing to start.
    #[error(transparent)]
    Blueprint(#[from] BlueprintError),
    /// The engine cannot be set up like this.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The component is none, or cannot be recorded.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The component cannot be kept.
    #[error("cannot keep the component")]
    NotKept(#[from] StoreError),
    /// It exports something under the name of a handler that is none.
    #[error(transparent)]
    Handler(#[from] WrongHandler),
    /// What it is granted cannot be given.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The roster cannot be written.
    #[error("cannot write {}", path.display())]
    Roster {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The key that its chain is to be signed with cannot be used.
    #[error("cannot sign with the key {}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be linked or recorded.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Its parent is not there, or is coming to its end.
    #[error(transparent)]
    Parent(#[from] SendError),
    /// Its parent has as many children as it may have.
    #[error("the parent may not have more than {max} children")]
    TooMany {
        /// How many it may have.
        max: u64,
    },
    /// It would have too many actors above it. A manifest that names itself as a child has no end.
    #[error("there are {DEPTH_MAX} actors above it already")]
    TooDeep,
    /// One of the children it is to be started with cannot be.
    #[error("cannot start the child {name}")]
    Child {
        /// The child's name.
        name: String,
        /// Why.
        source: Box<SpawnError>,
    },
    /// It is to be brought back, and has not ended.
    #[error("{0} has not ended")]
    GoesOn(ActorId),
    /// It cannot be brought back from its chain.
    #[error(transparent)]
    Revive(#[from] ReviveError),
    /// It came to its end while it was started.
    #[error("{name} could not be started: {end}")]
    Ended {
        /// The actor's name.
        name: String,
        /// How it ended.
        end: End,
    },
}

/// How an actor came to be started.
#[derive(Clone, Copy)]
pub(super) enum Origin<'a> {
    /// Somebody outside wanted it.
    Outside,
    /// Its parent's manifest names it like this.
    Named(&'a str),
    /// Its parent has called for it.
    Asked,
}

impl SpawnError {
    /// Whether an actor cannot be brought back as its chain is not sound, or not its own.
    fn is_about_the_past(&self) -> bool {
        let SpawnError::Revive(error) = self else {
            return matches!(
                self,
                SpawnError::Run(RunError::NotTheSame(_) | RunError::NotResumed(_))
            );
        };
        matches!(
            error,
            ReviveError::Unsound { .. } | ReviveError::View(_) | ReviveError::NotRecovered { .. }
        )
    }
}

impl System {
    /// Starts an actor: instantiates its component, calls its `init`, starts its children. The actor is
    /// there once this returns.
    pub fn spawn(&self, spec: Spec, parent: Option<ActorId>) -> Result<ActorId, SpawnError> {
        self.spawn_as(spec, parent, Origin::Outside)
    }

    /// Starts a child that an actor asks for.
    pub(crate) fn spawn_child(&self, spec: Spec, parent: ActorId) -> Result<ActorId, SpawnError> {
        self.spawn_as(spec, Some(parent), Origin::Asked)
    }

    fn spawn_as(
        &self,
        spec: Spec,
        parent: Option<ActorId>,
        origin: Origin<'_>,
    ) -> Result<ActorId, SpawnError> {
        let family = match parent {
            Some(parent) => Some(self.family_with_room(parent)?),
            None => None,
        };
        let actor = self.add(spec, parent, origin)?;
        let id = actor.id;
        match &family {
            Some(family) => {
                family.add(id, spawned(&actor.spec.name));
                family.start_child(id);
            }
            None => self.begin_later(id),
        }
        let started = self.await_start(&actor, Duration::MAX);
        if started.is_err() {
            if let Some(family) = &family {
                family.forget(id);
            }
            // What has a chain is kept, for whoever wants to know why.
            if actor.chains().is_empty() {
                self.forget(id);
                self.strike(&actor);
            }
        }
        started.map(|_| id)
    }

    /// Stops an actor if it is still there, and starts it again under the same id.
    pub fn restart(&self, id: ActorId) -> Result<(), SpawnError> {
        let actor = self.find(id)?;
        let life = actor.lives();
        match self.family_of(&actor) {
            Some(family) => family.start_child(id),
            None if actor.parent.is_some() => return Err(gone(&actor)),
            None if actor.wants_again() => self.begin_later(id),
            None => self.stop_later(id, EndedBy::Other),
        }
        // The life that was there has to end first.
        actor.wait_for_end_of(life, RESTART_PATIENCE);
        self.await_start(&actor, Duration::MAX).map(drop)
    }

    /// Brings an actor back that has ended, in the state that its chain leads to: what its last handler
    /// has returned, of which its component convinces us once more. It goes on in a chain of its own, and is
    /// not told that it starts.
    pub(crate) fn resume(&self, id: ActorId) -> Result<(), SpawnError> {
        let actor = self.find(id)?;
        if actor.end().is_none() {
            return Err(SpawnError::GoesOn(id));
        }
        let family = self.family_of(&actor);
        if family.is_none() && actor.parent.is_some() {
            return Err(gone(&actor));
        }
        let (tell, told) = mpsc::sync_channel(1);
        let (system, it) = (self.clone(), Arc::clone(&actor));
        // The component's code needs a stack of its own.
        self.0.threads.run(move || drop(tell.send(system.state_in_chain(&it))));
        let path = self.chain_path(id)?;
        let reason = "the replay has failed".to_owned();
        let state = aside(|| told.recv()).map_err(|_| ReviveError::Unsound { path, reason })??;
        actor.takes_up(state);
        match family {
            Some(family) => family.start_child(id),
            None => self.begin_later(id),
        }
        self.await_start(&actor, Duration::MAX).map(drop)
    }

    /// Waits until an actor has begun, for a while. Whether it has.
    pub(super) fn await_start(
        &self,
        actor: &Actor,
        patience: Duration,
    ) -> Result<bool, SpawnError> {
        let is_awaited = |status| matches!(status, Status::Starting | Status::Restarting);
        match actor.wait_while(patience, is_awaited) {
            None => Ok(false),
            Some(Status::Running | Status::Paused) => Ok(true),
            Some(_) => Err(SpawnError::Ended {
                name: actor.spec.name.clone(),
                end: actor.end().unwrap_or(End::Killed),
            }),
        }
    }

    /// Adds an actor that has not begun to live.
    pub(super) fn add(
        &self,
        spec: Spec,
        parent: Option<ActorId>,
        origin: Origin<'_>,
    ) -> Result<Arc<Actor>, SpawnError> {
        let above = |id: &ActorId| self.find(*id).ok().and_then(|actor| actor.parent);
        if std::iter::successors(parent, above).nth(DEPTH_MAX - 1).is_some() {
            return Err(SpawnError::TooDeep);
        }
        let mut tail = [0; 10];
        tail.copy_from_slice(&self.random()[..10]);
        let id = ActorId::new(self.now() / 1_000_000, tail);
        let actor = Arc::new(Actor::new(id, parent, Arc::new(spec)));
        let roster = self.0.roster.path().to_owned();
        self.enrol(&actor, origin).map_err(|source| SpawnError::Roster { path: roster, source })?;
        let mut actors = self.0.actors.write().unwrap_or_else(PoisonError::into_inner);
        actors.insert(id, Arc::clone(&actor));
        Ok(actor)
    }

    /// Takes an actor off the list. Its chains stay.
    pub(crate) fn forget(&self, id: ActorId) {
        let mut actors = self.0.actors.write().unwrap_or_else(PoisonError::into_inner);
        actors.remove(&id);
    }

    /// Begins a life on a thread of its own. What came of it is the actor's status.
    pub(crate) fn begin_later(&self, id: ActorId) {
        let Ok(actor) = self.find(id) else { return };
        if !actor.starts_again() {
            return;
        }
        let system = self.clone();
        // Instantiating runs the component's code, which needs a stack of its own.
        self.0.threads.run(move || system.begin(&actor));
    }

    pub(super) fn begin(&self, actor: &Arc<Actor>) {
        let before = actor.family();
        if let Some(family) = &before {
            // Those of an earlier life go first.
            family.wait_until_ended();
        }
        // It may start children as soon as it runs.
        let family = Arc::new(Family::new(self.weak(), actor.id, actor.spec.supervision));
        actor.set_family(Arc::clone(&family));
        let before = before.map(|family| family.named()).unwrap_or_default();
        let begin = AssertUnwindSafe(|| self.begin_life(actor, &family));
        let begun = match catch_unwind(begin).unwrap_or_else(|_| Ok(Err(actor.breaks()))) {
            Ok(begun) => begun,
            Err(error) => return self.has_not_begun(actor, error),
        };
        let begun = begun.and_then(|()| {
            // It may run by now, as it has gone on in the middle of a call.
            let begun = match actor.status() {
                Status::Running => Ok(()),
                _ => self.begin_children(actor, &family, before),
            };
            begun.and_then(|()| is_kept(actor)).map_err(|end| actor.fails_with(end))
        });
        match begun {
            Ok(()) => {
                if actor.status() != Status::Running {
                    self.is_up(actor);
                }
                actor.unlock_mailbox();
                if actor.has_work() {
                    self.wake(actor);
                }
            }
            Err(ended) => self.ended(actor, ended),
        }
    }

    /// Begins a life: the one that its chain leads to, if it is to be brought back.
    fn begin_life(
        &self,
        actor: &Arc<Actor>,
        family: &Arc<Family>,
    ) -> Result<Result<(), Ended>, SpawnError> {
        let Some(chain) = actor.take_past() else { return self.begin_anew(actor) };
        match self.life_again(actor, &chain, family) {
            Ok((life, Ok(is_fresh))) => Ok(actor.begin(life, is_fresh)),
            Ok((life, Err(end))) => Ok(Err(actor.over(life, end))),
            // It had ended and was about to be started again, or about to be started first.
            Err(SpawnError::Run(RunError::Ended)) if actor.parent.is_some() => {
                self.begin_behind(actor, &chain)
            }
            Err(SpawnError::Run(RunError::NotBegun)) => self.begin_behind(actor, &chain),
            // Its parent needs such a child, whatever became of this one's past.
            Err(error) if actor.is_named() && error.is_about_the_past() => {
                let error = format!("{:#}", anyhow::Error::new(error));
                let note = format!("its chain stays as it is, and it begins anew: {error}");
                actor.add_note(Some(note));
                self.begin_anew(actor)
            }
            Err(error) => Err(error),
        }
    }

    /// Begins a life with nothing left of those before, but perhaps their state.
    fn begin_anew(&self, actor: &Arc<Actor>) -> Result<Result<(), Ended>, SpawnError> {
        let is_fresh = actor.is_to_begin_anew();
        self.life(actor, is_fresh).map(|(life, end)| match end {
            None => actor.begin(life, is_fresh),
            Some(end) => Err(actor.over(life, end)),
        })
    }

    /// The same, for one whose chain leads nowhere. That is closed, and another follows it.
    fn begin_behind(
        &self,
        actor: &Arc<Actor>,
        chain: &Path,
    ) -> Result<Result<(), Ended>, SpawnError> {
        self.close_past(actor, chain).and_then(|()| self.begin_anew(actor))
    }

    /// There is no life. The chain, if there is one, says why.
    fn has_not_begun(&self, actor: &Arc<Actor>, error: SpawnError) {
        let end = End::failed(ErrorKind::Unstartable, format!("{:#}", anyhow::Error::new(error)));
        let mut rest = actor.take_rest();
        if let Some(rest) = &mut rest {
            // A chain that cannot be written shows that it has no end.
            let _ = rest.not_begun(self.now(), end.lifecycle().1);
        }
        self.ended(actor, Ended::Over(end, rest));
    }

    /// A life that has just begun, but was not told so. If it has failed already, how it did.
    fn life(&self, actor: &Arc<Actor>, is_fresh: bool) -> Result<(Life, Option<End>), SpawnError> {
        let spec = &actor.spec;
        let component = self.0.catalogue.component(&spec.component, &spec.limits)?;
        let handlers = component.handlers()?;
        let mut host = self.host(spec)?;
        let shared = Arc::new(Shared::default());
        let rest = match actor.take_rest() {
            Some(rest) => *rest,
            None => Rest::fresh(self.recorder(actor, &component, !is_fresh)?),
        };
        let chain = rest.chain();
        services::serve(&mut host, &served(self, actor, chain, &shared), &spec.handlers);
        if let Err(error) = Recording::check(&component, &mut host) {
            actor.keep_rest(Box::new(rest));
            return Err(error.into());
        }
        let (limits, durable) = (spec.limits, spec.chain.durable);
        let (clock, redact) = (self.0.options.clock.clone(), spec.chain.redact.clone());
        let options = RecordingOptions { limits, durable, clock, redact };
        let mut recording = Recording::prepare(&component, host, rest, &options)?;
        actor.is_made(recording.killer(), shared.clone());
        if let Err(error) = recording.spawn() {
            actor.keep_rest(Box::new(recording.into_rest()));
            return Err(error.into());
        }
        let end = recording.failure().map(End::trapped);
        let numbers = actor.numbers.clone();
        Ok((Life { id: actor.id, recording, chain, handlers, shared, numbers }, end))
    }

    /// What an actor is granted, for one more life.
    pub(super) fn host(&self, spec: &Spec) -> Result<Host, HostError> {
        // An earlier life may have put links where it could write.
        spec.grants.check_paths()?;
        Host::new(Grants { closed: self.closed_address(), ..spec.grants.clone() })
    }

    /// Begins a chain, in a file of its own.
    fn recorder(
        &self,
        actor: &Actor,
        component: &Component,
        takes_up: bool,
    ) -> Result<Recorder, SpawnError> {
        let spec = &actor.spec;
        let mut settings = spec.limits.settings(Backend::Cranelift);
        settings.push(("actor".to_owned(), actor.id.to_string()));
        if let Some(parent) = actor.parent {
            settings.push(("parent".to_owned(), parent.to_string()));
        }
        if let Some(last) = actor.last() {
            settings.push(("follows".to_owned(), last));
        }
        if takes_up {
            settings.push((TAKEN_UP.to_owned(), "true".to_owned()));
        }
        let about = About {
            recorder: concat!("theater ", env!("CARGO_PKG_VERSION")).to_owned(),
            name: spec.name.clone(),
            component: Some(component.digest()),
            embedded: spec.chain.embed.then(|| component.bytes().to_vec()),
            manifest: spec.manifest.clone(),
            state: actor.state(),
            settings,
            world: Some(component.world().wit.clone()),
            ..About::default()
        };
        let path = self.chain_file(actor.id, actor.chains().len() + 1);
        let log: Box<dyn Log> = match spec.chain.keep {
            true => Box::new(NewFile { path: path.clone(), file: None }),
            false => Box::new(io::sink()),
        };
        let (seed, clock) = (Seed::new(self.random()), self.0.options.clock.clone());
        let options = spec.chain.options(identity(spec)?);
        let recorder = Recorder::create(log, about, options, seed, clock);
        let recorder = recorder.map_err(RunError::Record)?;
        actor.add_chain(recorder.chain_id(), path);
        actor.set_backlog(recorder.backlog());
        let (system, id) = (self.weak(), actor.id);
        recorder.when_written(move |written| {
            // It would find out with its next event only, and there may be none for long.
            if let (Err(error), Ok(system)) = (written, system.get()) {
                system.fall(id, End::unrecorded(&error), EndedBy::Other);
            }
        });
        Ok(recorder)
    }

    /// The file of an actor's first chain, of its second, and so on.
    pub(super) fn chain_file(&self, id: ActorId, number: usize) -> PathBuf {
        let name = match number {
            1 => format!("{id}.chain.cbor"),
            number => format!("{id}.{number}.chain.cbor"),
        };
        self.0.options.chains.join(name)
    }
}

/// What the services of an actor know of it.
pub(super) fn served(
    system: &System,
    actor: &Actor,
    chain: ChainId,
    shared: &Arc<Shared>,
) -> Served {
    Served {
        system: system.weak(),
        id: actor.id,
        chain,
        shared: shared.clone(),
        numbers: actor.numbers.clone(),
        patience: actor.spec.patience,
        base_dir: actor.spec.base_dir.clone(),
    }
}

/// The key that vouches for an actor's chain, if one does.
pub(super) fn identity(spec: &Spec) -> Result<Option<IdentityKey>, SpawnError> {
    match &spec.chain.sign {
        Sign::No | Sign::Fresh => Ok(None),
        Sign::Identity(path) => read_key(&spec.base_dir.join(path)).map(Some),
    }
}

/// The setting of a chain whose actor took up the state of an earlier one, and was not told that it starts.
pub(super) const TAKEN_UP: &str = "taken-up";

/// How many actors there are at most above one.
const DEPTH_MAX: usize = 100;

/// How long somebody waits for an actor to come to its end and be started again.
const RESTART_PATIENCE: Duration = Duration::from_secs(60);

/// Whoever starts an actor tells others of it. If a crash then leaves a word of it, it has to leave its chain
/// too. Who has no parent is told of outside only, after its chain was written.
fn is_kept(actor: &Actor) -> Result<(), End> {
    let backlog = actor.backlog().filter(|_| actor.parent.is_some());
    let written = backlog.map_or(Ok(()), |backlog| backlog.write_header());
    written.map_err(|error| End::unrecorded(&error))
}

/// Nobody cares for the actor any more, so it is not started again.
fn gone(actor: &Actor) -> SpawnError {
    SpawnError::Parent(SendError::NoActor(actor.parent.unwrap_or(actor.id)))
}

/// The file of a new chain. It is made by whoever first writes to it, so that an actor can begin meanwhile.
struct NewFile {
    path: PathBuf,
    file: Option<File>,
}

impl NewFile {
    fn open(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => self.make()?,
        };
        Ok(self.file.insert(file))
    }

    fn make(&self) -> io::Result<File> {
        let made = OpenOptions::new().write(true).create_new(true).open(&self.path);
        let file = made.map_err(|error| {
            let path = self.path.display();
            io::Error::new(error.kind(), format!("cannot make {path}: {error}"))
        })?;
        // Nobody else goes on with it meanwhile. Where there are no locks, nobody can be told so.
        let _ = file.try_lock();
        Ok(file)
    }
}

impl Log for NewFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.open()?.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.open()?.sync()
    }
}

fn read_key(path: &Path) -> Result<IdentityKey, SpawnError> {
    let unusable = |source| SpawnError::Key { path: path.to_owned(), source };
    let text = std::fs::read_to_string(path).map_err(unusable)?;
    let no_key = |_| unusable(io::Error::other("it holds no identity key"));
    IdentityKey::from_secret_text(&text).map_err(no_key)
}
