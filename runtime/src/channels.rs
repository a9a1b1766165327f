//! Channels: open lines between two actors, or between an actor and somebody outside.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use theater_record::Value;

use crate::actor::lock;
use crate::actor_id::ActorId;
use crate::delivery::{Accepted, Delivery, Done, HandlerCall, Reply, Sender};
use crate::handlers::MESSAGES;
use crate::interrupt::Interrupt;
use crate::system::{SendError, System};

/// The channels that are open.
#[derive(Default)]
pub(crate) struct Channels(Mutex<BTreeMap<String, Channel>>);

struct Channel {
    opener: Side,
    /// The actor that has accepted it.
    other: ActorId,
}

/// One end of a channel.
#[derive(Clone)]
pub(crate) enum Side {
    Actor(ActorId),
    Outside(Listener),
}

/// Hears what comes to somebody outside on a channel. It must not wait.
pub type Listener = Arc<dyn Fn(ChannelNews) + Send + Sync>;

/// What comes on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelNews {
    /// A message.
    Message(Vec<u8>),
    /// The end.
    Closed,
}

/// Why nothing can be done on a channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChannelError {
    /// It is not open, or not to the one who uses it.
    #[error("the channel {0} is not open")]
    NotOpen(String),
    /// The message did not arrive.
    #[error(transparent)]
    Send(#[from] SendError),
}

impl Channels {
    fn insert(&self, id: &str, opener: Side, other: ActorId) {
        lock(&self.0).insert(id.to_owned(), Channel { opener, other });
    }

    /// The end that somebody talks to, who is an actor or outside.
    fn far_end(&self, id: &str, who: Option<ActorId>) -> Result<Side, ChannelError> {
        let channels = lock(&self.0);
        let not_open = || ChannelError::NotOpen(id.chars().take(128).collect());
        let channel = channels.get(id).ok_or_else(not_open)?;
        match (&channel.opener, who) {
            (Side::Outside(_), None) => Ok(Side::Actor(channel.other)),
            (Side::Actor(opener), Some(who)) if *opener == who => Ok(Side::Actor(channel.other)),
            (_, Some(who)) if channel.other == who => Ok(channel.opener.clone()),
            _ => Err(not_open()),
        }
    }

    fn remove(&self, id: &str) {
        lock(&self.0).remove(id);
    }

    /// An actor's life has ended: so have its channels, and the other ends hear of it.
    pub(crate) fn ended(&self, system: &System, actor: ActorId) {
        let is_its = |channel: &Channel| {
            channel.other == actor || matches!(channel.opener, Side::Actor(id) if id == actor)
        };
        let mut channels = lock(&self.0);
        let ids: Vec<String> =
            channels.iter().filter(|(_, it)| is_its(it)).map(|(id, _)| id.clone()).collect();
        let ended: Vec<_> =
            ids.into_iter().filter_map(|id| Some((channels.remove(&id)?, id))).collect();
        drop(channels);
        for (channel, id) in ended {
            let far_end =
                if channel.other == actor { channel.opener } else { Side::Actor(channel.other) };
            system.tell_closed(&far_end, &id, None);
        }
    }
}

impl System {
    /// Opens a channel from outside; waits for the actor's decision. What comes on it goes to the listener,
    /// the accepting actor's first message before all others. Returns the channel's id.
    pub fn open_channel(
        &self,
        to: ActorId,
        first: Vec<u8>,
        listener: Listener,
        patience: Duration,
    ) -> Result<String, SendError> {
        let mut tail = [0; 10];
        tail.copy_from_slice(&self.random()[..10]);
        let id = format!("channel-{}", ActorId::new(self.now() / 1_000_000, tail));
        let (reply, awaited) = crate::delivery::reply();
        self.ask_to_open(
            (&id, to),
            (Sender::Outside, Side::Outside(listener)),
            first,
            reply,
            patience,
            None,
        )?;
        awaited.wait(patience)?;
        Ok(id)
    }

    /// Sends a message on a channel that was opened from outside. It stands in the actor's chain file once
    /// this returns, and is being handled.
    pub fn send_on_channel(
        &self,
        channel: &str,
        message: Vec<u8>,
        patience: Duration,
    ) -> Result<(), ChannelError> {
        match self.channels().far_end(channel, None)? {
            Side::Actor(to) => {
                let channel = Some(channel.to_owned());
                Ok(self.send_from_outside(to, channel, message, patience)?)
            }
            // What is opened from outside leads to an actor.
            Side::Outside(_) => Err(ChannelError::NotOpen(channel.to_owned())),
        }
    }

    /// Closes a channel that was opened from outside.
    pub fn close_channel(&self, channel: &str) -> Result<(), ChannelError> {
        self.close(channel, None, &Sender::Outside)
    }

    /// Asks an actor whether it accepts a channel. The answer is empty if it does.
    pub(crate) fn ask_to_open(
        &self,
        (channel, to): (&str, ActorId),
        (from, opener): (Sender, Side),
        first: Vec<u8>,
        reply: Reply,
        patience: Duration,
        interrupt: Option<&Interrupt>,
    ) -> Result<(), SendError> {
        let (system, id) = (self.weak(), channel.to_owned());
        let done = Box::new(move |accepted: Result<Accepted, String>| {
            let Ok(system) = system.get() else { return };
            match accepted {
                Ok(Accepted { message, by }) => {
                    system.channels().insert(&id, opener.clone(), to);
                    if reply.answer(Ok(Vec::new())) {
                        system.give(&opener, &id, message, by);
                    } else {
                        // Whoever wanted to open it has not waited for so long, and will not use it.
                        system.channels().remove(&id);
                        system.tell_closed(&Side::Actor(to), &id, None);
                    }
                }
                Err(reason) => {
                    reply.answer(Err(reason));
                }
            }
        });
        let channel = channel.to_owned();
        let delivery = Delivery::OpenChannel { from, channel, message: first, done };
        self.put(to, delivery, patience, interrupt)
    }

    /// Passes a message of an actor on to the far end of a channel.
    pub(crate) fn pass(
        &self,
        (channel, who): (&str, ActorId),
        from: Sender,
        message: Vec<u8>,
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Result<(), ChannelError> {
        match self.channels().far_end(channel, Some(who))? {
            Side::Actor(to) => {
                let delivery = channel_message(channel, message, from);
                Ok(self.put(to, delivery, patience, Some(interrupt))?)
            }
            Side::Outside(listener) => {
                listener(ChannelNews::Message(message));
                Ok(())
            }
        }
    }

    /// Closes a channel. What was sent on it before is still delivered; then the far end hears of it.
    pub(crate) fn close(
        &self,
        channel: &str,
        who: Option<ActorId>,
        from: &Sender,
    ) -> Result<(), ChannelError> {
        let far_end = self.channels().far_end(channel, who)?;
        self.channels().remove(channel);
        self.tell_closed(&far_end, channel, Some(from));
        Ok(())
    }

    /// Gives somebody a message that was announced, so that there is room for it.
    fn give(&self, to: &Side, channel: &str, message: Vec<u8>, from: Sender) {
        match to {
            Side::Actor(to) => self.tell(*to, channel_message(channel, message, from)),
            Side::Outside(listener) => listener(ChannelNews::Message(message)),
        }
    }

    fn tell_closed(&self, to: &Side, channel: &str, from: Option<&Sender>) {
        match to {
            Side::Actor(to) => {
                let call = HandlerCall {
                    interface: MESSAGES,
                    name: "handle-channel-close",
                    params: vec![Value::String(channel.to_owned())],
                    decisions: from.iter().map(|from| from.record()).collect(),
                    done: Done::unheard(),
                };
                self.tell(*to, Delivery::Call(call));
            }
            Side::Outside(listener) => listener(ChannelNews::Closed),
        }
    }
}

fn channel_message(channel: &str, message: Vec<u8>, from: Sender) -> Delivery {
    let channel = Some(channel.to_owned());
    Delivery::Send { from, channel, message, done: Done::unheard() }
}
