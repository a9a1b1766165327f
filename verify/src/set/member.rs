//! What one chain of a set says of messages.

use std::collections::BTreeMap;

use theater_record::{ChainId, Hash, ReadError};

use super::discrepancy::Place;
use super::payloads::Content;
use super::scan;
use crate::verified::VerifiedChain;

/// A chain of a set, reduced to what has to do with messages and with who is whose child.
#[derive(Debug)]
pub struct Member {
    pub(super) chain: ChainId,
    /// The actor's id, if an actor has recorded it.
    pub(super) actor: Option<String>,
    /// The event that the life before ended with, as the header names it.
    pub(super) follows: Option<Follows>,
    pub(super) parent: Option<String>,
    pub(super) children: Vec<String>,
    pub(super) created: u64,
    /// Whether nothing is missing at its end.
    pub(super) is_whole: bool,
    pub(super) last_seq: u64,
    /// Events that were the last one for a while, or still are, with their hashes.
    pub(super) ends: Vec<(u64, Hash)>,
    /// The first event that a recovery may have put in the place of one that was lost.
    pub(super) recovered_at: Option<u64>,
    /// Where the actor ended, rested or began again, and may have lost what waited for it.
    pub(super) breaks: Vec<u64>,
    pub(super) names: Names,
    /// What the component is known to handle.
    pub(super) handles: Vec<Handler>,
    /// What it has sent, by event.
    pub(super) sent: Vec<Sent>,
    /// Records that stand for what was sent right before them, by event.
    pub(super) stand_ins: Vec<StandIn>,
    /// What it has received, by event.
    pub(super) received: Vec<Received>,
    /// Channels that it has closed itself.
    pub(super) closed: Vec<Name>,
}

impl Member {
    /// Reads what a chain says. `is_whole` tells whether it was found whole: with a close record, and
    /// nothing wrong.
    pub fn of(chain: &VerifiedChain, is_whole: bool) -> Result<Member, ReadError> {
        scan::member(chain, is_whole)
    }

    /// The id of the actor whose life this is, if it is an actor's.
    #[must_use]
    pub fn actor(&self) -> Option<&str> {
        self.actor.as_deref()
    }

    /// The actor that has started this one, if its own chain says so.
    #[must_use]
    pub fn parent(&self) -> Option<&str> {
        self.parent.as_deref()
    }

    /// The actors that this one has started, in that order.
    pub fn children(&self) -> impl Iterator<Item = &str> {
        self.children.iter().map(String::as_str)
    }

    /// When its recording started, in nanoseconds since the Unix epoch.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.created
    }

    /// The message that an event has sent, by its position, and the event's hash.
    pub(super) fn sent_by(&self, event: u64) -> Option<(usize, Hash)> {
        if let Ok(position) = self.sent.binary_search_by_key(&event, |sent| sent.seq) {
            return Some((position, self.sent[position].link));
        }
        let found = self.stand_ins.binary_search_by_key(&event, |stand_in| stand_in.seq);
        let stand_in = &self.stand_ins[found.ok()?];
        Some((stand_in.sent, stand_in.link))
    }

    /// Whether what stands in its file from this event on may have taken the place of something lost.
    pub(super) fn may_have_lost(&self, seq: u64) -> bool {
        self.recovered_at.is_some_and(|at| at <= seq)
    }
}

/// What a way of sending a message leads to in the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handler {
    Send,
    Request,
    ChannelOpen,
    ChannelMessage,
    ChannelClose,
}

/// A record that sends a message: a call, or the return by which a channel is accepted.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) seq: u64,
    pub(super) offset: u64,
    pub(super) link: Hash,
    pub(super) handler: Handler,
    /// An actor, or a channel.
    pub(super) to: Name,
    pub(super) content: Content,
    pub(super) outcome: Outcome,
    /// Whether a crash came before the call had returned, so that it was made again.
    pub(super) is_repeated: bool,
}

/// A record that stands for what was sent right before it.
#[derive(Debug)]
pub(super) struct StandIn {
    pub(super) seq: u64,
    pub(super) link: Hash,
    /// The position among what was sent.
    pub(super) sent: usize,
}

/// What came of sending a message, as its sender was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was not told: its chain ends there, or it was killed.
    Untold,
    /// An error. The message may have arrived nevertheless.
    Failed,
    /// It is in the receiver's mailbox.
    Delivered,
    /// It was answered.
    Answered(Content),
    /// The channel is open.
    Opened(Name),
}

/// A message that came in.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) seq: u64,
    pub(super) offset: u64,
    pub(super) sender: Sender,
    /// Whether the chain goes on with something else than handling it.
    pub(super) is_skipped: bool,
    /// What it was given to, and what it was; nothing if the component has no such handler.
    pub(super) handled: Option<Handled>,
}

/// Who has sent a message, as the receiver's chain says.
#[derive(Debug)]
pub(super) enum Sender {
    /// Nobody that has a chain.
    Outside,
    /// It does not say.
    Nobody,
    /// It says something else.
    Garbled(String),
    /// An actor, with the event of its chain that is the call.
    Actor(Claim),
}

/// The event that is to have sent a message.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) actor: Name,
    pub(super) chain: ChainId,
    pub(super) seq: u64,
    pub(super) link: Hash,
}

/// The event that ended the life before.
#[derive(Debug)]
pub(super) enum Follows {
    Event {
        chain: ChainId,
        seq: u64,
        link: Hash,
    },
    /// The header does not say it in a way that can be understood.
    Garbled,
}

/// What became of a message that came in.
#[derive(Debug)]
pub(super) struct Handled {
    pub(super) handler: Handler,
    /// The call of the handler.
    pub(super) place: (u64, u64),
    pub(super) channel: Option<Name>,
    pub(super) content: Content,
    pub(super) answer: Answer,
}

/// What a message was answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing, or an error.
    Nothing,
    /// That there will be none.
    Refused,
    /// Bytes.
    Given(Content),
    /// Whether the channel is accepted.
    Accepted(bool),
}

/// A text among [`Names`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Name(usize);

/// The ids of actors and channels that a chain mentions, each once.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: Vec<String>,
    numbers: BTreeMap<String, Name>,
}

impl Names {
    pub(super) fn name(&mut self, text: String) -> Name {
        if let Some(known) = self.numbers.get(&text) {
            return *known;
        }
        let name = Name(self.texts.len());
        self.texts.push(text.clone());
        self.numbers.insert(text, name);
        name
    }

    pub(super) fn text(&self, name: Name) -> &str {
        &self.texts[name.0]
    }
}

impl Sent {
    pub(super) fn place(&self, member: usize) -> Place {
        Place { member, seq: self.seq, offset: self.offset }
    }
}

impl Received {
    /// Where the message stands: the call that handles it, or what says who sent it.
    pub(super) fn place(&self, member: usize) -> Place {
        let (seq, offset) = match &self.handled {
            Some(handled) => handled.place,
            None => (self.seq, self.offset),
        };
        Place { member, seq, offset }
    }
}

/// The event that the words `CHAIN EVENT LINK` name.
pub(super) fn event_in(words: &str) -> Option<(ChainId, u64, Hash)> {
    let mut parts = words.split(' ');
    let (chain, seq, link) = (parts.next()?, parts.next()?, parts.next()?);
    let id = ChainId(u128::from_str_radix(chain, 16).ok()?.to_be_bytes());
    let (seq, link) = (seq.parse().ok()?, link.parse().ok()?);
    // There is one way to write it.
    (format!("{id} {seq} {link}") == words).then_some((id, seq, link))
}
