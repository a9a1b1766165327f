//! How lives end: actors are stopped, killed, and whoever has to do with them hears of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{KILL_PATIENCE, SendError, System};
use crate::actor::{Actor, Ended, EndedBy, lock};
use crate::actor_id::ActorId;
use crate::delivery::{Delivery, NoAnswer};
use crate::end::{End, Status};
use crate::recording::Rest;
use crate::supervision::Shutdown;
use theater_record::LifecycleState;

impl System {
    /// Asks an actor to stop before it does anything else, its children first. What takes longer than
    /// this is killed.
    pub fn stop(&self, id: ActorId, grace: Duration) -> Result<End, SendError> {
        self.stop_as(id, grace, EndedBy::Other)
    }

    pub(crate) fn stop_as(
        &self,
        id: ActorId,
        grace: Duration,
        by: EndedBy,
    ) -> Result<End, SendError> {
        let actor = self.find(id)?;
        actor.note_ended_by(by);
        match self.family_of(&actor) {
            Some(family) => family.stop_child(id),
            None => self.stop_later(id, by),
        }
        if let Some(end) = wait_for_end(&actor, grace) {
            return Ok(end);
        }
        self.kill_as(id, by)?;
        wait_for_end(&actor, KILL_PATIENCE)
            .ok_or(SendError::NoAnswer(NoAnswer::TimedOut(KILL_PATIENCE)))
    }

    /// Ends an actor and its children, whatever they do. If it is supervised, it may be started again.
    pub fn kill(&self, id: ActorId) -> Result<(), SendError> {
        self.kill_as(id, EndedBy::Other)
    }

    pub(crate) fn kill_as(&self, id: ActorId, by: EndedBy) -> Result<(), SendError> {
        let actor = self.find(id)?;
        for child in self.children(id) {
            let _ = self.kill_as(child, EndedBy::Parent);
        }
        self.fall(actor.id, End::Killed, by);
        Ok(())
    }

    /// How long an actor may take to stop, as who cares for it knows.
    pub(crate) fn grace(&self, id: ActorId) -> Duration {
        let family = self.find(id).ok().and_then(|actor| self.family_of(&actor));
        family.map_or_else(|| Shutdown::default().grace(), |family| family.grace(id))
    }

    /// Ends a child and its children at once, and does not start it again.
    pub(crate) fn kill_child(&self, id: ActorId) -> Result<(), String> {
        let actor = self.find(id).map_err(|error| error.to_string())?;
        actor.note_ended_by(EndedBy::Parent);
        for child in self.children(id) {
            let _ = self.kill_as(child, EndedBy::Parent);
        }
        match self.family_of(&actor) {
            Some(family) => family.kill_child(id),
            None => self.fall(id, End::Killed, EndedBy::Parent),
        }
        match wait_for_end(&actor, KILL_PATIENCE) {
            Some(_) => Ok(()),
            None => Err(format!("{id} does something that cannot be ended")),
        }
    }

    /// Takes a child that has ended off the list.
    pub(crate) fn forget_child(&self, id: ActorId) -> Result<(), String> {
        let actor = self.find(id).map_err(|error| error.to_string())?;
        if actor.end().is_none() {
            return Err(format!("{id} has not ended"));
        }
        if let Some(family) = self.family_of(&actor) {
            family.forget(id);
        }
        self.forget(id);
        Ok(())
    }

    /// Ends everything in order, the youngest first, and closes all chains. What takes longer than this is
    /// killed.
    pub fn shutdown(&self, grace: Duration) {
        let until = Instant::now() + grace;
        let mut actors = self.actors();
        actors.retain(|actor| actor.end().is_none());
        let is_root = |actor: &&Arc<Actor>| actor.parent.is_none();
        for actor in actors.iter().rev().filter(is_root) {
            self.stop_later(actor.id, EndedBy::Other);
        }
        // Those above first: they stop those below in their order. What is left then has nobody above it.
        for actor in actors.iter().rev().filter(is_root).chain(actors.iter().rev()) {
            let left = until.saturating_duration_since(Instant::now());
            let _ = self.stop_as(actor.id, left, EndedBy::Other);
        }
    }

    /// Lets them do what waits for them, pauses all actors, and leaves their chains open, so that they can be brought back.
    /// Returns how many did not finish in time; these are left as a crash would leave them.
    pub fn suspend(&self, grace: Duration) -> usize {
        let until = Instant::now() + grace;
        let mut actors = self.actors();
        actors.retain(|actor| actor.end().is_none());
        for actor in &actors {
            // Those who keep one another busy are to rest in time, too.
            actor.pause(Instant::now() + grace / 2);
            self.wake(actor);
        }
        let is_busy = |status| matches!(status, Status::Starting | Status::Running);
        let goes_on = |actor: &&Arc<Actor>| {
            let left = until.saturating_duration_since(Instant::now());
            actor.wait_while(left, is_busy).is_none()
        };
        actors.iter().filter(goes_on).count()
    }

    /// Begins to stop an actor: its children, then itself.
    pub(crate) fn stop_later(&self, id: ActorId, by: EndedBy) {
        let Ok(actor) = self.find(id) else { return };
        actor.note_ended_by(by);
        match actor.family().filter(|family| family.is_in_charge()) {
            Some(family) => family.stop(),
            None => self.stop_alone(id),
        }
    }

    /// Stops an actor that has no children any more.
    pub(crate) fn stop_alone(&self, id: ActorId) {
        let Ok(actor) = self.find(id) else { return };
        actor.stop();
        self.wake(&actor);
    }

    /// Ends an actor in this way, whatever it does.
    pub(crate) fn fall(&self, id: ActorId, end: End, by: EndedBy) {
        let Ok(actor) = self.find(id) else { return };
        actor.fall(end, by);
        self.wake(&actor);
    }

    /// A supervisor wanted to be told that it is this late.
    pub(crate) fn tick(&self, parent: ActorId) {
        let system = self.clone();
        self.0.threads.run(move || {
            if let Some(family) = system.find(parent).ok().and_then(|actor| actor.family()) {
                family.tick();
            }
        });
    }

    /// A life has ended: the chain is closed unless another life follows, and whoever has to do with the
    /// actor hears of it.
    pub(super) fn ended(&self, actor: &Arc<Actor>, ended: Ended) {
        let (end, rest) = match ended {
            Ended::Paused => return actor.has_paused(),
            Ended::Over(end, rest) => (end, rest),
        };
        let was_up = actor.status() != Status::Starting;
        let by_hand = actor.begins_to_end();
        if let Some(family) = actor.family() {
            family.orphan();
        }
        let family = self.family_of(actor);
        if let Some(family) = &family {
            family.has_ended_child(actor.id, end.exit());
        }
        let will_start = || family.as_ref().is_some_and(|family| family.will_start(actor.id));
        let again = by_hand || will_start();
        self.leave_chain(actor, &end, rest, again);
        let by = actor.ended_by();
        self.channels().ended(self, actor.id);
        actor.has_ended(&end, again);
        // Nobody may want it any more by now.
        if again && !by_hand && !will_start() {
            self.is_over(actor.id);
        }
        self.tell_bonds(actor.id, &end);
        if was_up
            && by != Some(EndedBy::Parent)
            && let Some(parent) = actor.parent
        {
            self.tell(parent, Delivery::ChildEnded { child: actor.id, end });
        }
        if actor.was_seen_off() || by_hand {
            self.begin_later(actor.id);
        }
    }

    /// What becomes of the chain of an actor that has ended.
    fn leave_chain(&self, actor: &Actor, end: &End, rest: Option<Box<Rest>>, again: bool) {
        let (state, detail) = end.lifecycle();
        let is_left_open = rest.is_none() && !actor.chains().is_empty();
        match rest {
            Some(rest) if again => actor.keep_rest(rest),
            Some(rest) => close(actor, *rest, state, detail),
            None => {}
        }
        if !again {
            // A chain that is left open may be gone on with by another process, when what is amiss is mended.
            if !is_left_open {
                self.strike(actor);
            }
            self.forget_earliest(actor.id);
        }
    }

    /// One more has ended, so that one that has ended long ago may be forgotten. Children that may be started
    /// again are the business of their parents while these are there.
    fn forget_earliest(&self, id: ActorId) {
        let mut ended = lock(&self.0.ended);
        ended.push_back(id);
        if ended.len() <= ENDED_MAX {
            return;
        }
        let Some(earliest) = ended.pop_front() else { return };
        let Ok(actor) = self.find(earliest) else { return };
        match self.family_of(&actor) {
            Some(family) if !family.lets_go(earliest) => ended.push_back(earliest),
            _ if actor.end().is_some() => self.forget(earliest),
            _ => {}
        }
    }

    /// An actor that was about to be started again is not: its chain is closed.
    pub(crate) fn is_over(&self, id: ActorId) {
        let Ok(actor) = self.find(id) else { return };
        if let Some((end, Some(rest))) = actor.gives_up() {
            let (state, detail) = end.lifecycle();
            close(&actor, *rest, state, detail);
            self.strike(&actor);
        }
    }
}

/// How many actors are listed that have come to their end.
const ENDED_MAX: usize = 1000;

/// Closes a chain. Where that cannot be done, the chain shows that it has no end.
fn close(actor: &Actor, rest: Rest, state: LifecycleState, detail: &str) {
    let chain = rest.chain();
    if let Ok(tip) = rest.close(state, detail) {
        actor.set_last(format!("{chain} {} {}", tip.seq, tip.hash));
    }
}

fn wait_for_end(actor: &Actor, patience: Duration) -> Option<End> {
    let is_up = |status| matches!(status, Status::Starting | Status::Running | Status::Restarting);
    actor.wait_while(patience, is_up)?;
    actor.end()
}
