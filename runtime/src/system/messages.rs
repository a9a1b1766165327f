//! Messages, calls and the channels they travel on: all that is put into mailboxes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use super::{SendError, System};
use crate::actor::Actor;
use crate::actor_id::ActorId;
use crate::delivery::{Awaited, Delivery, Done, HandlerCall, NoAnswer, NotHandled, Sender, reply};
use crate::interrupt::Interrupt;
use crate::mailbox::Refused;

impl System {
    /// Sends a message from outside of all actors. It stands in the actor's chain file once this returns,
    /// and is being handled.
    pub fn send(&self, to: ActorId, message: Vec<u8>, patience: Duration) -> Result<(), SendError> {
        self.send_from_outside(to, None, message, patience)
    }

    /// Sends a message from outside of all actors, perhaps on a channel.
    pub(crate) fn send_from_outside(
        &self,
        to: ActorId,
        channel: Option<String>,
        message: Vec<u8>,
        patience: Duration,
    ) -> Result<(), SendError> {
        let (tell, told) = mpsc::sync_channel(1);
        let done = Done::new(move |outcome| {
            let _ = tell.send(outcome);
        });
        let (from, until) = (Sender::Outside, Instant::now() + patience);
        self.put(to, Delivery::Send { from, channel, message, done }, patience, None)?;
        match told.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(NotHandled::Failed(error))) => Err(SendError::Failed(error)),
            Ok(Err(NotHandled::NoHandler(_))) => {
                let reason = "the actor does not take messages".to_owned();
                Err(SendError::NoAnswer(NoAnswer::Refused(reason)))
            }
            Ok(Err(NotHandled::Ended)) => Err(SendError::NoAnswer(NoAnswer::Ended)),
            Err(_) => Err(SendError::NoAnswer(NoAnswer::TimedOut(patience))),
        }
    }

    /// Sends a request from outside of all actors, and waits for the answer.
    pub fn request(
        &self,
        to: ActorId,
        message: Vec<u8>,
        patience: Duration,
    ) -> Result<Vec<u8>, SendError> {
        Ok(self.request_later(to, message, patience)?.wait(patience)?)
    }

    /// Sends a request from outside of all actors, for whoever has more to send before the answer comes. The
    /// patience is for room in the mailbox.
    pub fn request_later(
        &self,
        to: ActorId,
        message: Vec<u8>,
        patience: Duration,
    ) -> Result<Awaited, SendError> {
        let (reply, awaited) = reply();
        let from = Sender::Outside;
        self.put(to, Delivery::Request { from, message, reply }, patience, None)?;
        Ok(awaited)
    }

    /// Sends a message from an actor, which waits while there is no room.
    pub(crate) fn deliver(
        &self,
        to: ActorId,
        from: Sender,
        message: Vec<u8>,
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Result<(), SendError> {
        let (channel, done) = (None, Done::unheard());
        self.put(to, Delivery::Send { from, channel, message, done }, patience, Some(interrupt))
    }

    /// Sends a request from an actor, which waits for the answer.
    pub(crate) fn ask(
        &self,
        to: ActorId,
        from: Sender,
        message: Vec<u8>,
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Result<Vec<u8>, SendError> {
        let (reply, awaited) = reply();
        self.put(to, Delivery::Request { from, message, reply }, patience, Some(interrupt))?;
        Ok(interrupt.wait_for(awaited, patience)?)
    }

    /// Has an actor call one of its own handlers.
    pub(crate) fn call_handler(
        &self,
        id: ActorId,
        call: HandlerCall,
        patience: Duration,
    ) -> Result<(), SendError> {
        self.put(id, Delivery::Call(call), patience, None)
    }

    /// Has an actor call one of its own handlers, whether there is room or not.
    pub(crate) fn tell(&self, id: ActorId, delivery: Delivery) {
        let bytes = delivery.bytes();
        if let Ok(actor) = self.find(id)
            && actor.mailbox.put_anyway(delivery, bytes).is_ok()
        {
            self.wake(&actor);
        }
    }

    /// Has an actor look whether there is something to do.
    pub(crate) fn wake_up(&self, id: ActorId) {
        if let Ok(actor) = self.find(id) {
            self.wake(&actor);
        }
    }

    pub(super) fn wake(&self, actor: &Arc<Actor>) {
        if !actor.schedule() {
            return;
        }
        let (system, actor) = (self.clone(), Arc::clone(actor));
        self.0.threads.run(move || {
            let run = catch_unwind(AssertUnwindSafe(|| actor.run()));
            if let Some(ended) = run.unwrap_or_else(|_| Some(actor.breaks())) {
                system.ended(&actor, ended);
            }
        });
    }

    /// Puts something into a mailbox, waiting for room for a while. What is too large for the actor is refused.
    pub(crate) fn put(
        &self,
        to: ActorId,
        mut delivery: Delivery,
        patience: Duration,
        interrupt: Option<&Interrupt>,
    ) -> Result<(), SendError> {
        let actor = self.find(to)?;
        check_size(&actor, &delivery)?;
        let (bytes, until) = (delivery.bytes(), Instant::now() + patience);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match actor.mailbox.put(delivery, bytes, left.min(LOOK_UP_EVERY)) {
                Ok(()) => {
                    self.wake(&actor);
                    return Ok(());
                }
                Err(Refused::Closed(_)) => return Err(SendError::NoActor(to)),
                Err(Refused::Full(_)) if left.is_zero() => return Err(SendError::Full(to)),
                Err(Refused::Full(_)) if interrupt.is_some_and(Interrupt::is_raised) => {
                    return Err(SendError::NoAnswer(NoAnswer::Interrupted));
                }
                Err(Refused::Full(refused)) => delivery = refused,
            }
        }
    }
}

fn check_size(to: &Actor, delivery: &Delivery) -> Result<(), SendError> {
    let (to, max) = (to.id, to.spec.message_bytes_max);
    match delivery.message_bytes().map(|bytes| bytes as u64) {
        Some(bytes) if bytes > max => Err(SendError::TooLarge { to, bytes, max }),
        _ => Ok(()),
    }
}

/// Whoever waits for room looks up this often, as it may have been killed.
const LOOK_UP_EVERY: Duration = Duration::from_millis(50);
