//! How actors are brought back after their process has ended, whichever way it did.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use theater_record::{CloseReason, Recorder, RecoverOptions, Recovery, ResumeOptions, Seed};
use theater_verify::{Checked, FileSource, Verdict, VerifiedChain};

use super::begin::{Origin, TAKEN_UP, identity, served};
use super::roster::Note;
use super::{SpawnError, System};
use crate::actor::{Actor, Life, Shared, lock};
use crate::actor_id::ActorId;
use crate::blueprint::{self, Source};
use crate::chain_view::{ChainView, ViewError};
use crate::end::End;
use crate::engine::{EngineError, Limits};
use crate::family::Family;
use crate::handlers::ACTOR;
use crate::playback::{self, Ending, PlaybackOptions};
use crate::recording::{Back, Recording, RecordingOptions, RunError};
use crate::services;
use crate::spec::Spec;

/// What became of an actor that was to be brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Its id.
    pub id: ActorId,
    /// Its name, if its chain could be read.
    pub name: String,
    /// What is worth knowing, such as a recovered tail; or why it is not back.
    pub outcome: Result<Vec<String>, String>,
}

/// Why an actor cannot be brought back.
#[derive(Debug, thiserror::Error)]
pub enum ReviveError {
    /// Something cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it cannot.
        source: io::Error,
    },
    /// The chain cannot be read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The chain was not recorded from an actor with a manifest, or its settings make no sense.
    #[error("the chain {} is not that of an actor that can be brought back", path.display())]
    NoActor {
        /// The file.
        path: PathBuf,
    },
    /// What it was started with cannot be had any more.
    #[error(transparent)]
    Blueprint(#[from] crate::blueprint::BlueprintError),
    /// Its limits make no sense.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Another program is writing to the chain.
    #[error("{} is being written to by another program", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The end of the chain is torn, and cannot be mended.
    #[error("cannot recover {}", path.display())]
    NotRecovered {
        /// The file.
        path: PathBuf,
        /// Why.
        source: theater_record::RecoverError,
    },
    /// The chain is not sound.
    #[error("{} does not verify: {reason}", path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The chain cannot be gone on with.
    #[error("cannot go on with {}", path.display())]
    NotGoneOn {
        /// The file.
        path: PathBuf,
        /// Why.
        source: theater_record::ResumeError,
    },
    /// The actor that has started it is not back.
    #[error("{0}, which has started it, is not back")]
    NoParent(ActorId),
}

impl System {
    /// Brings back every actor whose chains are in the folder of this system and that has not come to its
    /// end for good: from its chain, by replay. Nothing is lost that stands in a chain. Returns what became
    /// of each, parents before their children. One that takes longer than this, as it goes on with a call that
    /// was under way, is not waited for.
    pub fn resume_all(&self, patience: Duration) -> io::Result<Vec<Resumed>> {
        let until = Instant::now() + patience;
        let mut all = Vec::new();
        let kept = self.0.roster.compact()?;
        self.take_up(kept.bonds);
        let (ended, there): (BTreeMap<_, _>, BTreeMap<_, _>) =
            kept.actors.into_iter().partition(|(_, entry)| entry.has_ended);
        ended.into_values().for_each(|entry| self.will_be_missed(entry.note));
        let there = there.into_iter().map(|(id, entry)| (id, entry.note)).collect();
        for (id, note) in in_order(there) {
            if self.is_over_for_good(id) {
                self.0.roster.strike(id);
                if !self.chain_files(id).is_empty() {
                    self.will_be_missed(note);
                }
                continue;
            }
            let (name, outcome) = match self.prepare(id, &note) {
                Ok(actor) => (actor.spec.name.clone(), Ok(actor)),
                Err(error) => (String::new(), Err(format!("{:#}", anyhow::Error::new(error)))),
            };
            all.push((id, name, outcome));
        }
        for (_, _, actor) in &all {
            if let Ok(actor) = actor
                && actor.parent.is_none()
            {
                self.begin_later(actor.id);
            }
        }
        // A parent is there once its children are.
        let outcome = |actor: Arc<Actor>| {
            let waits = actor.waits_as().is_some() && actor.parent.is_some();
            match self.await_start(&actor, until.saturating_duration_since(Instant::now())) {
                Ok(false) => {
                    let note =
                        "it is still on its way: what it was doing takes long, or is being read";
                    Ok(actor.notes().into_iter().chain([note.to_owned()]).collect())
                }
                _ if waits => Err("it was not started, as its parent is not back".to_owned()),
                Ok(true) => Ok(actor.notes()),
                Err(error) => Err(format!("{:#}", anyhow::Error::new(error))),
            }
        };
        let resumed = |(id, name, actor): (_, _, Result<Arc<Actor>, String>)| Resumed {
            id,
            name,
            outcome: actor.and_then(outcome),
        };
        let resumed = all.into_iter().map(resumed).collect();
        self.tell_of_missing();
        Ok(resumed)
    }

    /// Notes that a child has ended which its parent's manifest names.
    fn will_be_missed(&self, note: Note) {
        if let (Some(parent), Some(child)) = (note.parent, note.child) {
            lock(&self.0.missed).entry(parent).or_default().push(child);
        }
    }

    /// Whether an actor's newest chain is closed, or there is none, so that nobody was told of the actor. A
    /// crash may have kept it on the roster.
    fn is_over_for_good(&self, id: ActorId) -> bool {
        let Some(newest) = self.chain_files(id).pop() else { return true };
        ChainView::open(&newest).and_then(|view| view.is_closed()).unwrap_or(false)
    }

    /// Puts an actor on the roster. Without that it is not brought back.
    pub(super) fn enrol(&self, actor: &Actor, origin: Origin<'_>) -> io::Result<()> {
        if !actor.spec.chain.keep {
            return Ok(());
        }
        let folder = std::path::absolute(Path::new(".").join(&actor.spec.base_dir))?;
        let (child, is_asked_for) = match origin {
            Origin::Outside => (None, false),
            Origin::Named(name) => (Some(name.to_owned()), false),
            Origin::Asked => (None, true),
        };
        let note = Note { folder, parent: actor.parent, child, is_asked_for };
        self.0.roster.add(actor.id, &note)
    }

    /// Takes an actor off the roster that has come to its end for good.
    pub(super) fn strike(&self, actor: &Actor) {
        if actor.spec.chain.keep {
            self.0.roster.strike(actor.id);
        }
    }

    /// Adds an actor that will be brought back when it begins.
    fn prepare(&self, id: ActorId, note: &Note) -> Result<Arc<Actor>, ReviveError> {
        let paths = self.chain_files(id);
        let newest = paths.last().cloned();
        let path = newest.ok_or(ReviveError::NoActor { path: self.chain_file(id, 1) })?;
        let parent = note.parent;
        let above = match parent.map(|parent| (parent, self.find(parent))) {
            None => Default::default(),
            Some((_, Ok(actor))) => actor.spec.permissions.clone(),
            Some((parent, Err(_))) => return Err(ReviveError::NoParent(parent)),
        };
        let header = ChainView::open(&path)?.header()?;
        // That of a later chain begins with what the actor had by then, which decides nothing about its manifest.
        let state = ChainView::open(&paths[0])?.header()?.state;
        let no_actor = || ReviveError::NoActor { path: path.clone() };
        let text = header.manifest.ok_or_else(no_actor)?;
        let source = Source::Text { text, base_dir: note.folder.clone() };
        let store = self.0.options.store.as_ref();
        let component = header.component.ok_or_else(no_actor)?;
        let spec = blueprint::read_again(&source, state, &above, store, &component)?;
        let spec = Spec { limits: Limits::from_settings(&header.settings)?, ..spec };
        let actor = Arc::new(Actor::new(id, parent, Arc::new(spec)));
        for path in paths {
            let chain = ChainView::open(&path)?.header()?.chain_id;
            actor.add_chain(chain, path);
        }
        actor.set_past(path, note.child.clone(), note.is_asked_for);
        let mut actors = self.0.actors.write().unwrap_or_else(PoisonError::into_inner);
        actors.insert(id, Arc::clone(&actor));
        Ok(actor)
    }

    /// The chains of an actor, in the order in which they were begun.
    pub(super) fn chain_files(&self, id: ActorId) -> Vec<PathBuf> {
        let paths = (1..).map(|number| self.chain_file(id, number));
        paths.take_while(|path| path.exists()).collect()
    }

    /// The life that an actor's chain leads to. The host has done nothing so far, and goes on from there. Whether
    /// the actor has yet to be told that it starts; or how it has ended, by what it was in the middle of.
    pub(super) fn life_again(
        &self,
        actor: &Arc<Actor>,
        path: &Path,
        family: &Arc<Family>,
    ) -> Result<(Life, Result<bool, End>), SpawnError> {
        let spec = &actor.spec;
        let component = self.0.catalogue.component(&spec.component, &spec.limits)?;
        let handlers = component.handlers()?;
        let (file, note) = self.open_again(path, spec)?;
        actor.add_note(note);
        let chain = verified(&file, path, &[Verdict::Open])?;
        let not_gone_on = |source| ReviveError::NotGoneOn { path: path.to_owned(), source };
        let unread = |source| ReviveError::File { action: "open", path: path.to_owned(), source };
        let options = ResumeOptions { identity: identity(spec)?, ..ResumeOptions::default() };
        let (seed, clock) = (Seed::new(self.random()), self.0.options.clock.clone());
        let file = file.try_clone().map_err(unread)?;
        let recorder = Recorder::resume(file, options, seed, clock.clone()).map_err(not_gone_on)?;
        actor.set_backlog(recorder.backlog());
        let shared = Arc::new(Shared::default());
        let mut host = self.host(spec)?;
        let id = recorder.chain_id();
        services::serve(&mut host, &served(self, actor, id, &shared), &spec.handlers);
        let (limits, durable) = (spec.limits, spec.chain.durable);
        let redact = spec.chain.redact.clone();
        let options = RecordingOptions { limits, durable, clock, redact };
        let is_made = |killer| actor.is_made(killer, shared.clone());
        let goes_on = {
            let (system, actor, family) = (self.clone(), Arc::clone(actor), Arc::clone(family));
            let is_told = handlers.find(ACTOR, "init").is_some();
            Box::new(move |calls| system.goes_on(&actor, &family, is_told && calls <= 1))
        };
        let back =
            Recording::bring_back(&component, host, recorder, &chain, &options, is_made, goes_on)?;
        let Back { mut recording, is_fresh, interrupted } = back;
        recording.written()?;
        let last = recording.last_event()?;
        let view = ChainView::open(path).map_err(ReviveError::from)?;
        actor.set_state(view.state_at(last.seq).map_err(ReviveError::from)?);
        let numbers = actor.numbers.clone();
        // Numbers of requests go on from one that none had before.
        numbers.requests.was_given(last.seq);
        let mut life = Life { id: actor.id, recording, chain: id, handlers, shared, numbers };
        let went_on = actor.goes_on(&mut life, interrupted);
        let was_taken_up = chain.header().settings.iter().any(|(name, _)| name == TAKEN_UP);
        Ok((life, went_on.map(|()| is_fresh && !was_taken_up)))
    }

    /// The state that the newest chain of an actor leads to that has ended: checked, and replayed.
    pub(super) fn state_in_chain(&self, actor: &Actor) -> Result<Option<Vec<u8>>, SpawnError> {
        self.write_chain(actor.id).map_err(RunError::Record)?;
        let path = self.chain_path(actor.id)?;
        let view = ChainView::open(&path).map_err(ReviveError::from)?;
        let unread = |source| ReviveError::File { action: "open", path: path.clone(), source };
        let file = File::open(&path).map_err(unread)?;
        let chain = verified(&file, &path, &[Verdict::Complete, Verdict::Open])?;
        let component = self.0.catalogue.component(&actor.spec.component, &actor.spec.limits)?;
        let played = playback::play(&component, &chain, PlaybackOptions::default());
        let played = played.map_err(|error| RunError::NotResumed(Box::new(error)))?;
        if let Ending::Diverged(mismatch) = played.ending {
            return Err(RunError::NotTheSame(mismatch).into());
        }
        Ok(view.state_at(played.seq).map_err(ReviveError::from)?)
    }

    /// Closes a chain whose actor had ended when the process did.
    pub(super) fn close_past(&self, actor: &Actor, path: &Path) -> Result<(), SpawnError> {
        let unread = |source| ReviveError::File { action: "open", path: path.to_owned(), source };
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(unread)?;
        let not_gone_on = |source| ReviveError::NotGoneOn { path: path.to_owned(), source };
        let options =
            ResumeOptions { identity: identity(&actor.spec)?, ..ResumeOptions::default() };
        let (seed, clock) = (Seed::new(self.random()), self.0.options.clock.clone());
        let recorder = Recorder::resume(file, options, seed, clock);
        let recorder = recorder.map_err(not_gone_on)?;
        let chain = recorder.chain_id();
        let tip = recorder.close(CloseReason::Failed, "").map_err(RunError::Record)?;
        actor.set_last(format!("{chain} {} {}", tip.seq, tip.hash));
        Ok(())
    }

    /// Opens a chain that nobody else is writing to, and mends its end if a crash has torn it.
    fn open_again(&self, path: &Path, spec: &Spec) -> Result<(File, Option<String>), SpawnError> {
        let failed =
            |action| move |source| ReviveError::File { action, path: path.to_owned(), source };
        let opened = OpenOptions::new().read(true).write(true).open(path);
        let mut file = opened.map_err(failed("open"))?;
        if file.try_lock().is_err() {
            return Err(ReviveError::InUse { path: path.to_owned() }.into());
        }
        let not_recovered = |source| ReviveError::NotRecovered { path: path.to_owned(), source };
        let plan = Recovery::plan(&mut file).map_err(not_recovered)?;
        let torn = plan.torn;
        if torn == 0 {
            return Ok((file, None));
        }
        let aside = path.with_extension(format!("cbor.torn-{}", plan.keep));
        let note = format!("{torn} bytes of a torn tail were set aside in {}", aside.display());
        let options = RecoverOptions { close: false, identity: identity(spec)? };
        let (seed, clock) = (Seed::new(self.random()), &self.0.options.clock);
        let applied = plan.apply(&mut file, options, seed, clock, || {
            Ok(Box::new(OpenOptions::new().write(true).create_new(true).open(&aside)?))
        });
        applied.map_err(not_recovered)?;
        Ok((file, Some(note)))
    }
}

/// Parents before their children.
fn in_order(mut notes: BTreeMap<ActorId, Note>) -> Vec<(ActorId, Note)> {
    let mut ordered = Vec::new();
    while !notes.is_empty() {
        let waits = |note: &Note| note.parent.is_some_and(|parent| notes.contains_key(&parent));
        let ready: Vec<ActorId> =
            notes.iter().filter(|(_, note)| !waits(note)).map(|(id, _)| *id).collect();
        // Two that have started one another are nobody's children.
        let ready = if ready.is_empty() { notes.keys().copied().collect() } else { ready };
        ordered.extend(ready.into_iter().filter_map(|id| notes.remove_entry(&id)));
    }
    ordered
}

/// A chain without a fault, whose verdict is one of these.
fn verified(file: &File, path: &Path, may_be: &[Verdict]) -> Result<VerifiedChain, ReviveError> {
    let failed = |source| ReviveError::File { action: "check", path: path.to_owned(), source };
    let source = Arc::new(FileSource::new(file.try_clone().map_err(failed)?).map_err(failed)?);
    let unsound = |reason: String| ReviveError::Unsound { path: path.to_owned(), reason };
    let checked = Checked::new(source, &theater_verify::Options::default());
    let checked = checked.map_err(|error| unsound(error.to_string()))?;
    let first = |report: &theater_verify::Report| {
        report.faults.first().map_or_else(|| "it is closed".to_owned(), ToString::to_string)
    };
    match may_be.contains(&checked.report.verdict()) {
        true => checked.whole().map_err(|report| unsound(first(&report))),
        false => Err(unsound(first(&checked.report))),
    }
}
