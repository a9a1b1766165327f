//! Who is linked to whom and who watches whom. The roster keeps it for the next process.

use std::io;

use theater_record::{CloseReason, Value};

use super::System;
use super::roster::Line;
use crate::actor::{EndedBy, lock};
use crate::actor_id::ActorId;
use crate::chain_view::ChainView;
use crate::delivery::{Delivery, Done, HandlerCall};
use crate::end::{End, ErrorKind};
use crate::handlers::ENDS;
use crate::supervision::{Bonds, Effect};

impl System {
    /// Links two actors, until one of them ends.
    pub(crate) fn link(&self, one: ActorId, other: ActorId) -> io::Result<()> {
        let mut bonds = lock(&self.0.bonds);
        if !bonds.is_linked(one, other) {
            self.note_bond(&[one, other], &Line::Linked(one, other))?;
            bonds.link(one, other);
        }
        Ok(())
    }

    /// Takes a link away, if there is one.
    pub(crate) fn unlink(&self, one: ActorId, other: ActorId) -> io::Result<()> {
        let mut bonds = lock(&self.0.bonds);
        if bonds.is_linked(one, other) {
            self.note_bond(&[one, other], &Line::Unlinked(one, other))?;
            bonds.unlink(one, other);
        }
        Ok(())
    }

    /// Has an actor told of the end of another one, under a number of its own.
    pub(crate) fn monitor(
        &self,
        watcher: ActorId,
        number: u64,
        watched: ActorId,
    ) -> io::Result<()> {
        let mut bonds = lock(&self.0.bonds);
        self.note_bond(&[watcher], &Line::Monitored(watcher, number, watched))?;
        bonds.monitor(watcher, number, watched);
        Ok(())
    }

    /// Ends the watching under a number. Whether there was such a thing.
    pub(crate) fn demonitor(&self, watcher: ActorId, number: u64) -> io::Result<bool> {
        let mut bonds = lock(&self.0.bonds);
        self.note_bond(&[watcher], &Line::Demonitored(watcher, number))?;
        Ok(bonds.demonitor(watcher, number))
    }

    /// Takes up the bonds of an earlier process.
    pub(super) fn take_up(&self, bonds: Bonds<ActorId>) {
        *lock(&self.0.bonds) = bonds;
    }

    /// Tells of those who did not come back to those who did.
    pub(super) fn tell_of_missing(&self) {
        let bound = lock(&self.0.bonds).actors();
        for id in bound.into_iter().filter(|id| self.find(*id).is_err()) {
            self.tell_bonds(id, &self.missing_end(id));
        }
    }

    /// Tells whoever monitors an actor that it has ended, and takes along whoever is linked to it.
    pub(super) fn tell_bonds(&self, id: ActorId, end: &End) {
        let effects = {
            let mut bonds = lock(&self.0.bonds);
            if bonds.is_bound(id) {
                // Without this line, the next process finds out that the actor is not there.
                let _ = self.0.roster.append(&Line::Parted(id));
            }
            bonds.ended(id, end.exit())
        };
        for effect in effects {
            match effect {
                Effect::Falls { actor } => {
                    let error = format!("{id}, which it is linked to, has ended: {end}");
                    let end = End::failed(ErrorKind::Linked, error);
                    self.fall(actor, end, EndedBy::Other);
                }
                Effect::IsTold { watcher, monitor } => self.tell_end(watcher, monitor, id, end),
            }
        }
    }

    /// Tells an actor how another one ended that it monitors.
    pub(crate) fn tell_end(&self, watcher: ActorId, monitor: u64, ended: ActorId, end: &End) {
        let call = HandlerCall {
            interface: ENDS,
            name: "handle-actor-end",
            params: vec![Value::U64(monitor), Value::String(ended.to_string()), end.value()],
            decisions: Vec::new(),
            done: Done::unheard(),
        };
        self.tell(watcher, Delivery::Call(call));
    }

    /// Writes a line if one of these is an actor that may be brought back.
    fn note_bond(&self, of: &[ActorId], line: &Line) -> io::Result<()> {
        let is_kept = |id: &ActorId| self.find(*id).is_ok_and(|actor| actor.spec.chain.keep);
        if of.iter().any(is_kept) { self.0.roster.append(line) } else { Ok(()) }
    }

    /// How an actor ended that is not there any more.
    fn missing_end(&self, id: ActorId) -> End {
        let newest = self.chain_files(id).pop();
        let reason = newest.and_then(|path| ChainView::open(&path).ok()?.close_reason().ok()?);
        match reason {
            Some(CloseReason::Completed) => End::Completed(None),
            Some(CloseReason::Stopped) => End::Stopped,
            Some(CloseReason::Killed) => End::Killed,
            Some(CloseReason::Failed | CloseReason::Recovered) | None => {
                End::failed(ErrorKind::Unstartable, "it did not come back with its server")
            }
        }
    }
}
