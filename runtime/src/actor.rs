//! One actor: an instance of a component that does one thing after another, with its mailbox, its
//! state and its own chain.
//!
//! What an actor can be asked to do are the functions it exports from `theater:simple`. Each gets the
//! state and gives it back, as `option<list<u8>>`; a component that keeps its state to itself gives
//! nothing back, and one that exports nothing of `theater:simple` is left alone.
//!
//! An actor may have several lives, one after another, in the same chain. What belongs to one life is in
//! [`Life`], which only the thread touches that runs the actor, and in [`Shared`], for the services.

mod life;
mod notes;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use theater_record::{Backlog, ChainId, Outcome, Recorder};

use crate::actor_id::ActorId;
use crate::delivery::{Delivery, Reply};
use crate::end::{End, ErrorKind, Status};
use crate::family::Family;
use crate::interrupt::Interrupt;
use crate::killer::Killer;
use crate::mailbox::Mailbox;
use crate::numbers::Numbers;
use crate::recording::Rest;
use crate::services::Opening;
use crate::spec::Spec;
use crate::threads::aside;

pub(crate) use life::{Life, request_id};
pub(crate) use notes::Notes;

/// How many bytes of messages may wait for an actor.
const MAILBOX_BYTES_MAX: usize = 64 << 20;

/// What one life of an actor and the services it calls have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Requests that the actor has yet to answer, by their numbers.
    pub(crate) outstanding: Mutex<BTreeMap<u64, Asked>>,
    /// Set when the actor wants to come to its end, with what it leaves behind.
    pub(crate) leaves: Mutex<Option<Option<Vec<u8>>>>,
    /// What is started once `init` has returned.
    pub(crate) opening: Mutex<Option<Opening>>,
    /// What was decided without the actor, and is yet to be written down.
    pub(crate) notes: Mutex<Notes>,
    /// Wakes the actor where it waits.
    pub(crate) interrupt: Interrupt,
    /// Whether somebody waits for what may not be in the chain's file yet.
    is_awaited: AtomicBool,
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct Asked {
    reply: Reply,
    /// Whether somebody outside of all actors has asked.
    is_outside: bool,
}

impl Shared {
    /// Does something for somebody outside once what happened so far is in the chain's file, which is what
    /// they go by. It is written when nothing else waits for the actor, so that one write does for many; if
    /// what comes next takes long, a thread of the recorder's writes it meanwhile. Where it cannot be
    /// written, it is not done.
    fn once_written(&self, recorder: &Recorder, act: impl FnOnce() + Send + 'static) {
        self.is_awaited.store(true, Ordering::Relaxed);
        recorder.when_written(|written| {
            if written.is_ok() {
                act();
            }
        });
    }

    /// Answers a request.
    pub(crate) fn answer(
        &self,
        asked: Asked,
        answer: Result<Vec<u8>, String>,
        recorder: &Recorder,
    ) {
        let Asked { reply, is_outside } = asked;
        let tell = || {
            reply.answer(answer);
        };
        match is_outside {
            true => self.once_written(recorder, tell),
            false => tell(),
        }
    }
}

/// An actor.
pub(crate) struct Actor {
    pub(crate) id: ActorId,
    pub(crate) parent: Option<ActorId>,
    pub(crate) spec: Arc<Spec>,
    pub(crate) mailbox: Mailbox<Delivery>,
    pub(crate) numbers: Arc<Numbers>,
    /// Whether a thread runs it, or is about to.
    is_scheduled: AtomicBool,
    life: Mutex<Option<Life>>,
    state: Mutex<Option<Vec<u8>>>,
    standing: Mutex<Standing>,
    has_changed: Condvar,
}

/// What can be known of an actor without waiting for it.
struct Standing {
    status: Status,
    end: Option<End>,
    /// How to reach into the present life, once it has begun.
    hold: Option<Hold>,
    order: Option<Order>,
    /// Who has asked for the end, if somebody has.
    ended_by: Option<EndedBy>,
    /// The chains, the newest last, each with its file.
    chains: Vec<(ChainId, PathBuf)>,
    /// What is not in the file of the newest chain yet.
    backlog: Option<Backlog>,
    lives: u64,
    /// The children of the present life.
    family: Option<Arc<Family>>,
    /// The chain between two lives.
    rest: Option<Box<Rest>>,
    /// Whether somebody wants it to be started again once it has ended.
    is_wanted_again: bool,
    /// Whether a life has ended and is being seen off: no other begins before that is done.
    is_ending: bool,
    /// Whether another is to begin right then.
    begins_next: bool,
    /// The state that its next life takes up instead of beginning anew.
    taken_up: Option<Option<Vec<u8>>>,
    /// The chain that its next life is to be brought back from.
    past: Option<PathBuf>,
    /// What it is called among the children that its parent's manifest names.
    child: Option<String>,
    /// Whether its parent has started it with a call, in an earlier process.
    was_asked_for: bool,
    /// What is worth knowing of how it was brought back.
    notes: Vec<String>,
    /// The last record of its last chain, once that was closed: chain, number, link.
    last: Option<String>,
}

struct Hold {
    killer: Killer,
    shared: Arc<Shared>,
}

/// What an actor does before it does anything else.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Order {
    /// Come to its end.
    Stop,
    /// Come to its end in this way, in the middle of whatever it does.
    Fall(End),
    /// Rest once nothing waits, by this time at the latest, and leave its chain open.
    Pause(Instant),
}

/// Who has asked for an actor's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndedBy {
    /// The actor that has started it, by hand or through its supervision.
    Parent,
    /// Somebody else.
    Other,
}

/// What became of a life.
pub(crate) enum Ended {
    /// It came to its end. The chain is open, unless it cannot be written.
    Over(End, Option<Box<Rest>>),
    /// It rests, and its chain is left open.
    Paused,
}

impl Actor {
    /// An actor that has not begun to live.
    pub(crate) fn new(id: ActorId, parent: Option<ActorId>, spec: Arc<Spec>) -> Actor {
        let standing = Standing {
            status: Status::Stopped,
            end: None,
            hold: None,
            order: None,
            ended_by: None,
            chains: Vec::new(),
            backlog: None,
            lives: 0,
            family: None,
            rest: None,
            is_wanted_again: false,
            is_ending: false,
            begins_next: false,
            taken_up: None,
            past: None,
            child: None,
            was_asked_for: false,
            notes: Vec::new(),
            last: None,
        };
        Actor {
            id,
            parent,
            mailbox: Mailbox::new(spec.mailbox, MAILBOX_BYTES_MAX),
            numbers: Arc::default(),
            // Nothing of what waits is done before it has begun.
            is_scheduled: AtomicBool::new(true),
            life: Mutex::new(None),
            state: Mutex::new(spec.state.clone()),
            standing: Mutex::new(standing),
            has_changed: Condvar::new(),
            spec,
        }
    }

    /// Notes that a life is being made, and how to end it.
    pub(crate) fn is_made(&self, killer: Killer, shared: Arc<Shared>) {
        let mut standing = lock(&self.standing);
        let hold = Hold { killer, shared };
        if let Some(Order::Fall(_)) = standing.order {
            hold.kill();
        }
        standing.hold = Some(hold);
        standing.lives += 1;
    }

    /// Takes on a life that has just begun, and tells it so. To be called on a thread with room for its
    /// stack.
    pub(crate) fn begin(&self, mut life: Life, is_fresh: bool) -> Result<(), Ended> {
        let told = if is_fresh { life.init(&self.state) } else { Ok(()) };
        if let Err(end) = told.and_then(|()| life.open()) {
            return Err(self.over(life, end));
        }
        *lock(&self.life) = Some(life);
        Ok(())
    }

    /// Takes what came of a call that a life has gone on with which was brought back.
    pub(crate) fn goes_on(
        &self,
        life: &mut Life,
        interrupted: Option<(usize, Outcome)>,
    ) -> Result<(), End> {
        let Some((export, outcome)) = interrupted else { return Ok(()) };
        life.take_interrupted(export, outcome, &self.state)
    }

    /// Ends a life that has just begun.
    pub(crate) fn fails_with(&self, end: End) -> Ended {
        match lock(&self.life).take() {
            Some(life) => self.over(life, end),
            None => Ended::Over(end, None),
        }
    }

    /// Notes that it takes messages.
    pub(crate) fn is_running(&self) {
        self.set_status(Status::Running);
    }

    /// Lets what waits be done, from now on.
    pub(crate) fn unlock_mailbox(&self) {
        self.is_scheduled.store(false, Ordering::Release);
    }

    /// Whether the caller has to see to it that the actor is run.
    pub(crate) fn schedule(&self) -> bool {
        !self.is_scheduled.swap(true, Ordering::AcqRel)
    }

    /// Whether there is something to do.
    pub(crate) fn has_work(&self) -> bool {
        !self.mailbox.is_empty() || self.ordered().is_some() || self.wants_to_settle()
    }

    /// Whether it wants to come to its end, or something is yet to be written down.
    fn wants_to_settle(&self) -> bool {
        let standing = lock(&self.standing);
        standing.hold.as_ref().is_some_and(|hold| {
            lock(&hold.shared.leaves).is_some() || !lock(&hold.shared.notes).is_empty()
        })
    }

    /// The host has failed while it did something for the actor, which cannot be gone on with. Its chain is left as a
    /// crash would leave it.
    pub(crate) fn breaks(&self) -> Ended {
        drop(lock(&self.life).take());
        Ended::Over(End::failed(ErrorKind::Unrecorded, "its host has failed"), None)
    }

    /// Does what waits. What became of its life is returned once, if it has ended; then, nothing of what
    /// waits is done before the next life.
    pub(crate) fn run(&self) -> Option<Ended> {
        loop {
            let mut held = lock(&self.life);
            let life = held.as_mut()?;
            let end = loop {
                if let Some(order) = self.ordered().filter(|order| self.is_due(order)) {
                    break Some(order);
                }
                let delivery = self.mailbox.take();
                let is_idle = delivery.is_none();
                let done = match delivery {
                    Some(delivery) => life.handle(delivery, &self.state),
                    None => life.settle(),
                };
                match done {
                    Ok(()) if is_idle => break None,
                    Ok(()) => {}
                    Err(end) => break Some(Order::Fall(end)),
                }
            };
            if let Some(order) = end {
                let life = held.take()?;
                drop(held);
                return Some(match order {
                    Order::Stop => self.over(life, End::Stopped),
                    Order::Fall(end) => self.over(life, end),
                    Order::Pause(_) => self.paused(life),
                });
            }
            drop(held);
            self.is_scheduled.store(false, Ordering::Release);
            // Something may have come in just before; whoever put it there saw a thread at work.
            if !self.has_work() || !self.schedule() {
                return None;
            }
        }
    }

    /// Whether what waits is not done before this.
    fn is_due(&self, order: &Order) -> bool {
        match order {
            Order::Pause(by) => self.mailbox.is_empty() || Instant::now() >= *by,
            Order::Stop | Order::Fall(_) => true,
        }
    }

    fn ordered(&self) -> Option<Order> {
        lock(&self.standing).order.clone()
    }

    /// Writes the end of a life down.
    pub(crate) fn over(&self, life: Life, end: End) -> Ended {
        // Who fell with another, or was killed for a reason, says so.
        let end = match (self.ordered(), end) {
            (Some(Order::Fall(end)), End::Killed) => end,
            (_, end) => end,
        };
        match life.rest(&end) {
            Ok(rest) => Ended::Over(end, Some(Box::new(rest))),
            Err(error) => Ended::Over(End::unrecorded(&error), None),
        }
    }

    fn paused(&self, life: Life) -> Ended {
        match life.pause() {
            Ok(()) => Ended::Paused,
            Err(error) => Ended::Over(End::unrecorded(&error), None),
        }
    }

    /// Notes that a life has ended and is being seen off. Whether somebody wants another one.
    pub(crate) fn begins_to_end(&self) -> bool {
        let mut standing = lock(&self.standing);
        standing.is_ending = true;
        std::mem::take(&mut standing.is_wanted_again)
    }

    /// Notes how a life ended. Unless another follows, nothing gets into the mailbox any more, and
    /// whoever waits for an answer hears that there will be none.
    pub(crate) fn has_ended(&self, end: &End, is_restarting: bool) {
        let mut standing = lock(&self.standing);
        let is_restarting = is_restarting || standing.begins_next;
        standing.end = Some(end.clone());
        standing.order = None;
        standing.hold = None;
        standing.status = if is_restarting { Status::Restarting } else { end.status() };
        drop(standing);
        if !is_restarting {
            drop(self.mailbox.close());
        }
        self.has_changed.notify_all();
    }

    /// Notes that a life was seen off. Whether another was to begin meanwhile.
    pub(crate) fn was_seen_off(&self) -> bool {
        let mut standing = lock(&self.standing);
        standing.is_ending = false;
        std::mem::take(&mut standing.begins_next)
    }

    /// If it was to be started again, it is not. Returns how it had ended, with its chain.
    pub(crate) fn gives_up(&self) -> Option<(End, Option<Box<Rest>>)> {
        let mut standing = lock(&self.standing);
        if standing.status != Status::Restarting || standing.begins_next {
            return None;
        }
        let end = standing.end.clone()?;
        standing.status = end.status();
        let rest = standing.rest.take();
        drop(standing);
        drop(self.mailbox.close());
        self.has_changed.notify_all();
        Some((end, rest))
    }

    /// Notes that it rests.
    pub(crate) fn has_paused(&self) {
        drop(self.mailbox.close());
        self.set_status(Status::Paused);
    }

    /// Gets ready for another life. Whether the caller is to begin it: not if there is one, and not before the
    /// last one was seen off.
    pub(crate) fn starts_again(&self) -> bool {
        let mut standing = lock(&self.standing);
        if standing.is_ending {
            standing.begins_next();
            return false;
        }
        if matches!(standing.status, Status::Starting | Status::Running) {
            return false;
        }
        // Nothing is done before it has begun.
        self.is_scheduled.store(true, Ordering::Release);
        standing.status = Status::Starting;
        standing.end = None;
        if standing.past.is_none() {
            // Who is brought back obeys what it was told before that.
            standing.order = None;
            standing.ended_by = None;
        }
        standing.is_wanted_again = false;
        drop(standing);
        self.mailbox.open();
        true
    }

    fn set_status(&self, status: Status) {
        lock(&self.standing).status = status;
        self.has_changed.notify_all();
    }

    /// Asks it to come to its end before it does anything else. The caller has to wake it.
    pub(crate) fn stop(&self) {
        lock(&self.standing).order.get_or_insert(Order::Stop);
    }

    /// Notes who wants it to end. Whoever came first, counts.
    pub(crate) fn note_ended_by(&self, by: EndedBy) {
        lock(&self.standing).ended_by.get_or_insert(by);
    }

    /// Has it started again once it has ended. Whether it has, so that the caller is to start it.
    pub(crate) fn wants_again(&self) -> bool {
        let mut standing = lock(&self.standing);
        match standing.is_ending {
            true => standing.begins_next(),
            false => standing.is_wanted_again = standing.end.is_none(),
        }
        !standing.is_ending && standing.end.is_some()
    }

    /// Has its next life take up this state.
    pub(crate) fn takes_up(&self, state: Option<Vec<u8>>) {
        lock(&self.standing).taken_up = Some(state);
    }

    /// Whether the life that begins starts with the initial state, which it then has, and is told so.
    pub(crate) fn is_to_begin_anew(&self) -> bool {
        let taken_up = lock(&self.standing).taken_up.take();
        let is_anew = taken_up.is_none();
        self.set_state(taken_up.unwrap_or_else(|| self.spec.state.clone()));
        is_anew
    }

    /// Has its next life brought back from this chain. `child` is what its parent's manifest calls it.
    pub(crate) fn set_past(&self, chain: PathBuf, child: Option<String>, was_asked_for: bool) {
        let mut standing = lock(&self.standing);
        (standing.past, standing.child) = (Some(chain), child);
        standing.was_asked_for = was_asked_for;
        standing.status = Status::Paused;
    }

    /// The chain to be brought back from.
    pub(crate) fn take_past(&self) -> Option<PathBuf> {
        lock(&self.standing).past.take()
    }

    /// Whether it waits to be brought back, and what its parent's manifest calls it.
    pub(crate) fn waits_as(&self) -> Option<Option<String>> {
        let standing = lock(&self.standing);
        standing.past.as_ref().map(|_| standing.child.clone())
    }

    /// Whether its parent's manifest names it.
    pub(crate) fn is_named(&self) -> bool {
        lock(&self.standing).child.is_some()
    }

    /// Whether its parent has started it with a call, in an earlier process.
    pub(crate) fn was_asked_for(&self) -> bool {
        lock(&self.standing).was_asked_for
    }

    pub(crate) fn add_note(&self, note: Option<String>) {
        lock(&self.standing).notes.extend(note);
    }

    /// What is worth knowing of how it was brought back.
    pub(crate) fn notes(&self) -> Vec<String> {
        lock(&self.standing).notes.clone()
    }

    /// The last record of its last chain, once that was closed. The next chain follows it.
    pub(crate) fn last(&self) -> Option<String> {
        lock(&self.standing).last.clone()
    }

    pub(crate) fn set_last(&self, last: String) {
        lock(&self.standing).last = Some(last);
    }

    /// Gives it a state, when it is brought back.
    pub(crate) fn set_state(&self, state: Option<Vec<u8>>) {
        *lock(&self.state) = state;
    }

    /// The children of the present life, or of the last.
    pub(crate) fn family(&self) -> Option<Arc<Family>> {
        lock(&self.standing).family.clone()
    }

    pub(crate) fn set_family(&self, family: Arc<Family>) {
        lock(&self.standing).family = Some(family);
    }

    /// Keeps its chain until the next life.
    pub(crate) fn keep_rest(&self, rest: Box<Rest>) {
        lock(&self.standing).rest = Some(rest);
    }

    /// The chain that its last life has left open.
    pub(crate) fn take_rest(&self) -> Option<Box<Rest>> {
        lock(&self.standing).rest.take()
    }

    /// Asks it to rest once nothing waits, by this time at the latest. The caller has to wake it.
    pub(crate) fn pause(&self, by: Instant) {
        lock(&self.standing).order.get_or_insert(Order::Pause(by));
    }

    /// Ends it in this way, whatever it does. The caller has to wake it.
    pub(crate) fn fall(&self, end: End, by: EndedBy) {
        let mut standing = lock(&self.standing);
        if matches!(standing.order, Some(Order::Fall(_))) {
            return;
        }
        standing.ended_by.get_or_insert(by);
        standing.order = Some(Order::Fall(end));
        if let Some(hold) = &standing.hold {
            hold.kill();
        }
    }

    /// Who has asked for the end of the last life.
    pub(crate) fn ended_by(&self) -> Option<EndedBy> {
        lock(&self.standing).ended_by
    }

    pub(crate) fn status(&self) -> Status {
        lock(&self.standing).status
    }

    /// How its last life ended, unless it has begun another.
    pub(crate) fn end(&self) -> Option<End> {
        lock(&self.standing).end.clone()
    }

    /// How many lives it has had, with the present one.
    pub(crate) fn lives(&self) -> u64 {
        lock(&self.standing).lives
    }

    /// Its chains, the newest last.
    pub(crate) fn chains(&self) -> Vec<(ChainId, PathBuf)> {
        lock(&self.standing).chains.clone()
    }

    pub(crate) fn add_chain(&self, id: ChainId, path: PathBuf) {
        lock(&self.standing).chains.push((id, path));
    }

    /// What is not in the file of its newest chain yet.
    pub(crate) fn backlog(&self) -> Option<Backlog> {
        lock(&self.standing).backlog.clone()
    }

    pub(crate) fn set_backlog(&self, backlog: Backlog) {
        lock(&self.standing).backlog = Some(backlog);
    }

    /// Waits for as long as `is_awaited` says so of its status, for a while. The status is returned once
    /// it does not.
    pub(crate) fn wait_while(
        &self,
        patience: Duration,
        is_awaited: impl Fn(Status) -> bool,
    ) -> Option<Status> {
        self.wait(patience, |standing| is_awaited(standing.status))
    }

    /// Waits until the life with this number has ended, and no other is about to begin.
    pub(crate) fn wait_for_end_of(&self, life: u64, patience: Duration) {
        self.wait(patience, |standing| match standing.status {
            Status::Running => standing.lives == life,
            status => status == Status::Restarting,
        });
    }

    fn wait(&self, patience: Duration, is_awaited: impl Fn(&Standing) -> bool) -> Option<Status> {
        let start = Instant::now();
        let mut standing = lock(&self.standing);
        while is_awaited(&standing) {
            let left = patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                return None;
            }
            let waited = aside(|| self.has_changed.wait_timeout(standing, left));
            standing = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        Some(standing.status)
    }

    /// The state that the component gave back last.
    pub(crate) fn state(&self) -> Option<Vec<u8>> {
        lock(&self.state).clone()
    }
}

impl Standing {
    /// Another life is to begin once the last one was seen off.
    fn begins_next(&mut self) {
        self.begins_next = true;
        if self.end.is_some() {
            self.status = Status::Restarting;
        }
    }
}

impl Hold {
    fn kill(&self) {
        self.killer.kill();
        self.shared.interrupt.raise();
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while an actor runs is a defect of this program; the others go on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
