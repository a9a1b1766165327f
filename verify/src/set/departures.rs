//! Whether what was sent was received, as far as that can be told.
//!
//! A message that was delivered waits in a mailbox. If its receiver comes to its end before, nobody is to
//! blame. But messages of one actor to another are received in the order in which they were sent: once a
//! later one was received, in the same life, this one should have been.

use std::collections::BTreeMap;

use super::Held;
use super::arrivals::{Arrival, Arrivals};
use super::discrepancy::{Discrepancy, Messages, Place, What};
use super::index::Index;
use super::member::{Handler, Outcome, Sent};

/// Looks for messages that were sent and not received.
pub(super) fn hold(index: &Index<'_>, arrivals: &Arrivals, held: &mut Held) {
    for (sender, member) in index.members.iter().enumerate() {
        if !index.is_first(sender) {
            continue;
        }
        let mut by_receiver: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (position, sent) in member.sent.iter().enumerate() {
            if let Some(to) = index.addressee(member, sent) {
                by_receiver.entry(to).or_default().push(position);
            }
        }
        for (to, messages) in by_receiver {
            match index.lives(to) {
                Some(lives) => {
                    Pair { index, arrivals, sender, to, lives }.hold(&messages, held);
                }
                None => to_unknown(index, sender, to, &messages, held),
            }
        }
    }
}

/// Whether the sender knows that a message is in its receiver's mailbox, and has to be received.
fn is_delivered(sent: &Sent) -> bool {
    match sent.outcome {
        Outcome::Untold | Outcome::Failed => false,
        // The other side is not told if it has closed the channel itself.
        Outcome::Delivered => sent.handler != Handler::ChannelClose,
        Outcome::Answered(_) | Outcome::Opened(_) => true,
    }
}

/// Whether the sender has an answer to a message.
fn is_answered(sent: &Sent) -> bool {
    match sent.outcome {
        Outcome::Untold | Outcome::Failed | Outcome::Delivered => false,
        Outcome::Answered(_) | Outcome::Opened(_) => true,
    }
}

fn to_unknown(index: &Index<'_>, sender: usize, to: &str, messages: &[usize], held: &mut Held) {
    let sent = messages.iter().map(|at| &index.members[sender].sent[*at]);
    let delivered: Vec<&Sent> = sent.filter(|sent| is_delivered(sent)).collect();
    report(sender, &delivered, held, |messages| What::UnknownReceiver {
        actor: to.to_owned(),
        messages,
    });
}

/// Says the same of all these messages of a chain, if there are any.
fn report(sender: usize, sent: &[&Sent], held: &mut Held, what: impl FnOnce(Messages) -> What) {
    let (Some(first), Some(last)) = (sent.first(), sent.last()) else { return };
    let what = what(Messages { messages: sent.len() as u64, last: last.seq });
    held.discrepancies.push(Discrepancy { what, at: first.place(sender), other: None });
}

/// A chain and the actor that it has sent messages to.
struct Pair<'a, 'm> {
    index: &'a Index<'m>,
    arrivals: &'a Arrivals,
    sender: usize,
    /// The actor, and its chains.
    to: &'m str,
    lives: &'a [usize],
}

impl Pair<'_, '_> {
    fn hold(&self, messages: &[usize], held: &mut Held) {
        let arrival = |at: &usize| self.arrivals.of(self.sender, *at);
        // The next message that was received, for each, found from behind.
        let mut next = vec![None; messages.len()];
        let mut later = None;
        for (slot, message) in next.iter_mut().zip(messages).rev() {
            *slot = later;
            later = arrival(message).or(later);
        }
        let (mut before, mut waiting) = (None, Vec::new());
        let is_all_there = self.is_all_there();
        for (message, next) in messages.iter().zip(next) {
            let sent = &self.index.members[self.sender].sent[*message];
            let arrived = arrival(message);
            if arrived.is_none() && is_delivered(sent) {
                let at = sent.place(self.sender);
                match self.should_be_there(sent, before, next) {
                    Some(later) => {
                        let (what, other) = (What::Dropped, Some(later));
                        held.discrepancies.push(Discrepancy { what, at, other });
                    }
                    None if is_all_there && is_answered(sent) => {
                        let (what, other) = (What::AnsweredUnreceived, None);
                        held.discrepancies.push(Discrepancy { what, at, other });
                    }
                    None => waiting.push(sent),
                }
            }
            before = arrived.or(before);
        }
        let actor = self.to.to_owned();
        report(self.sender, &waiting, held, |messages| match is_all_there {
            true => What::Unhandled { actor, messages },
            false => What::NotYetReceived { actor, messages },
        });
    }

    /// Whether there is the end of every chain of the receiver, and all before it.
    fn is_all_there(&self) -> bool {
        let mut lives = self.lives.iter().map(|life| &self.index.members[*life]);
        lives.all(|life| life.is_whole && !life.may_have_lost(u64::MAX))
    }

    /// The later message, among those before and after one, that was received and shows that this one
    /// should have been.
    fn should_be_there(
        &self,
        sent: &Sent,
        before: Option<Arrival>,
        next: Option<Arrival>,
    ) -> Option<Place> {
        let next = next?;
        let is_missed = self.is_one_life(before, next) && !self.is_closed(sent);
        is_missed.then(|| next.received(self.index).place(next.member))
    }

    /// Whether the receiver kept its mailbox from one message to the next.
    fn is_one_life(&self, before: Option<Arrival>, next: Arrival) -> bool {
        let life = &self.index.members[next.member];
        let until = next.received(self.index).seq;
        let since = match before.filter(|before| before.member == next.member) {
            Some(before) => before.received(self.index).seq,
            // It may have been delivered to another life, and have gone with that.
            None if self.lives.len() > 1 => return false,
            None => 0,
        };
        let is_between = |seq: &u64| since < *seq && *seq < until;
        !life.breaks.iter().any(is_between)
    }

    /// Whether the receiver has closed the channel of a message, and so may not be told of it.
    fn is_closed(&self, sent: &Sent) -> bool {
        let channel = match sent.handler {
            Handler::Send | Handler::Request | Handler::ChannelOpen => return false,
            Handler::ChannelMessage | Handler::ChannelClose => {
                self.index.members[self.sender].names.text(sent.to)
            }
        };
        let lives = self.lives.iter().map(|life| &self.index.members[*life]);
        lives
            .flat_map(|life| life.closed.iter().map(|name| life.names.text(*name)))
            .any(|closed| closed == channel)
    }
}
