//! The children of actors: those that a manifest names, and those that are asked for.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::begin::Origin;
use super::{SendError, SpawnError, System};
use crate::actor::{Actor, EndedBy, lock};
use crate::actor_id::ActorId;
use crate::blueprint::Source;
use crate::end::{End, ErrorKind};
use crate::family::Family;
use crate::manifest::ChildEntry;
use crate::supervision::{ChildSpec, Restart, Shutdown};

impl System {
    /// Starts the children that the manifest names, under the ids that they had before, and those that wait
    /// to be brought back.
    pub(super) fn begin_children(
        &self,
        actor: &Arc<Actor>,
        family: &Family,
        mut known: Vec<(String, ActorId)>,
    ) -> Result<(), End> {
        let waiting = self.waiting_below(actor.id);
        known.extend(waiting.iter().filter_map(|(id, name)| Some((name.clone()?, *id))));
        let missed = lock(&self.0.missed).remove(&actor.id).unwrap_or_default();
        // One that is started again whatever happens was stopped by hand, and may be wanted again.
        let is_over =
            |spec: &ChildSpec| spec.restart != Restart::Permanent && missed.contains(&spec.name);
        for entry in actor.spec.children.iter().filter(|entry| !is_over(&entry.spec)) {
            let name = &entry.spec.name;
            let known = known.iter().find(|(known, _)| known == name).map(|(_, id)| *id);
            let id = match known.filter(|id| self.find(*id).is_ok()) {
                Some(id) => id,
                None => self.add_child(actor, entry).map_err(|error| {
                    let child = SpawnError::Child { name: name.clone(), source: Box::new(error) };
                    let text = format!("{:#}", anyhow::Error::new(child));
                    End::failed(ErrorKind::Unstartable, text)
                })?,
            };
            family.add(id, entry.spec.clone());
        }
        family.start().map_err(|reason| End::failed(ErrorKind::Escalated, reason))?;
        self.begin_unnamed(actor, family);
        Ok(())
    }

    /// Starts those that wait to be brought back and that no manifest names. Whether one of them comes back is its own
    /// affair.
    fn begin_unnamed(&self, actor: &Actor, family: &Family) {
        let waiting = self.waiting_below(actor.id).into_iter();
        for (id, _) in waiting.filter(|(_, name)| name.is_none()) {
            let Ok(child) = self.find(id) else { continue };
            family.add(id, spawned(&child.spec.name));
            family.start_child(id);
            let _ = self.await_start(&child, Duration::MAX);
        }
    }

    /// An actor that is brought back is about to go on in the middle of a call, for which its children have to be
    /// there. Unless it is told to start by that call, it runs from now on.
    pub(super) fn goes_on(&self, actor: &Arc<Actor>, family: &Family, is_starting: bool) {
        if is_starting {
            return self.begin_unnamed(actor, family);
        }
        if let Err(end) = self.begin_children(actor, family, Vec::new()) {
            actor.fall(end, EndedBy::Other);
        }
        self.is_up(actor);
    }

    /// Whoever waits for an actor may go on.
    pub(super) fn is_up(&self, actor: &Actor) {
        actor.is_running();
        if let Some(family) = self.family_of(actor) {
            family.has_started(actor.id);
        }
    }

    /// The child whose start a parent was not told of, as an earlier process ended first: it asks again for it now.
    /// `known` are those that it was told of.
    pub(crate) fn lost_child(&self, parent: ActorId, known: &BTreeSet<ActorId>) -> Option<ActorId> {
        let is_lost = |child: &Arc<Actor>| child.was_asked_for() && child.end().is_none();
        let mut children = self.children(parent).into_iter().filter(|id| !known.contains(id));
        children.find(|id| self.find(*id).is_ok_and(|child| is_lost(&child)))
    }

    fn add_child(&self, parent: &Actor, entry: &ChildEntry) -> Result<ActorId, SpawnError> {
        let source = Source::File(parent.spec.base_dir.join(&entry.manifest));
        let spec = self.read(&source, None, Some(parent.id))?;
        Ok(self.add(spec, Some(parent.id), Origin::Named(&entry.spec.name))?.id)
    }

    /// The children of an actor that wait to be brought back, each with what its manifest calls it.
    fn waiting_below(&self, parent: ActorId) -> Vec<(ActorId, Option<String>)> {
        let actors = self.0.actors.read().unwrap_or_else(PoisonError::into_inner);
        let children = actors.values().filter(|actor| actor.parent == Some(parent));
        children.filter_map(|actor| Some((actor.id, actor.waits_as()?))).collect()
    }

    pub(super) fn family_with_room(&self, parent: ActorId) -> Result<Arc<Family>, SpawnError> {
        let actor = self.find(parent)?;
        let family = actor.family().filter(|family| !family.has_ended());
        let family = family.ok_or(SendError::NoActor(parent))?;
        let supervisor = actor.spec.handlers.supervisor.as_ref();
        if let Some(max) = supervisor.and_then(|handler| handler.max_children) {
            let is_alive = |id: &ActorId| self.find(*id).is_ok_and(|child| child.end().is_none());
            if family.children().iter().filter(|id| is_alive(id)).count() as u64 >= max {
                return Err(SpawnError::TooMany { max });
            }
        }
        Ok(family)
    }

    /// The family that an actor is a child of, while it goes on.
    pub(super) fn family_of(&self, actor: &Actor) -> Option<Arc<Family>> {
        let parent = self.find(actor.parent?).ok()?;
        parent.family().filter(|family| !family.has_ended())
    }
}

/// How a child is cared for that no manifest names.
pub(super) fn spawned(name: &str) -> ChildSpec {
    let (restart, shutdown) = (Restart::Temporary, Shutdown::default());
    ChildSpec { name: name.to_owned(), restart, shutdown }
}
