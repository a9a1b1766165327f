//! Whether what was received was sent: by whom it says, to this actor, once, in order, and whether both
//! sides tell of the same answer.

use std::collections::HashMap;

use theater_record::ChainId;

use super::Held;
use super::discrepancy::{Discrepancy, Messages, Place, What};
use super::index::Index;
use super::member::{Answer, Claim, Handled, Handler, Outcome, Received, Sender, Sent};

/// Where messages arrived: for each member, for each message that it sent.
pub(super) struct Arrivals(Vec<Vec<Option<Arrival>>>);

/// A message as it arrived: the member, and the position among what it received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) member: usize,
    pub(super) received: usize,
}

impl Arrivals {
    /// Where a message arrived, if it did.
    pub(super) fn of(&self, member: usize, sent: usize) -> Option<Arrival> {
        self.0[member][sent]
    }
}

impl Arrival {
    pub(super) fn received<'m>(&self, index: &Index<'m>) -> &'m Received {
        &index.members[self.member].received[self.received]
    }

    fn place(self, index: &Index<'_>) -> Place {
        self.received(index).place(self.member)
    }
}

/// Holds what was received against what was sent.
pub(super) fn hold(index: &Index<'_>, held: &mut Held) -> Arrivals {
    let blank = index.members.iter().map(|member| vec![None; member.sent.len()]);
    let mut arrivals = Arrivals(blank.collect());
    for member in 0..index.members.len() {
        if index.is_first(member) {
            let (unknown, newest) = (HashMap::new(), HashMap::new());
            Receiver { index, member, unknown, newest, held, arrivals: &mut arrivals }.hold();
        }
    }
    arrivals
}

/// One chain that received messages.
struct Receiver<'a, 'm> {
    index: &'a Index<'m>,
    member: usize,
    /// Where in the discrepancies each sender stands that is not in the set.
    unknown: HashMap<ChainId, usize>,
    /// The latest message of each sender, by its position among what that one sent.
    newest: HashMap<usize, usize>,
    held: &'a mut Held,
    arrivals: &'a mut Arrivals,
}

impl<'m> Receiver<'_, 'm> {
    fn hold(&mut self) {
        for (number, received) in self.index.members[self.member].received.iter().enumerate() {
            match &received.sender {
                Sender::Outside => self.held.outside += 1,
                Sender::Nobody => self.report(What::NoSender, received, None),
                Sender::Garbled(subject) => {
                    let subject = subject.chars().take(120).collect();
                    self.report(What::GarbledSender { subject }, received, None);
                }
                Sender::Actor(claim) => self.claimed(number, received, claim),
            }
        }
    }

    fn report(&mut self, what: What, received: &Received, other: Option<Place>) {
        let at = received.place(self.member);
        self.held.discrepancies.push(Discrepancy { what, at, other });
    }

    /// Finds the message where it is to have been sent.
    fn claimed(&mut self, number: usize, received: &'m Received, claim: &Claim) {
        let me = &self.index.members[self.member];
        let Some(sender) = self.index.chain(claim.chain) else {
            return self.of_unknown(received, claim.chain);
        };
        let them = &self.index.members[sender];
        let actor = me.names.text(claim.actor);
        if them.actor() != Some(actor) {
            return self.report(What::OtherSender { actor: actor.to_owned() }, received, None);
        }
        let event = claim.seq;
        let is_cut = event > them.last_seq && !them.is_whole || them.may_have_lost(event);
        let Some((position, link)) = them.sent_by(event) else {
            let what = if is_cut { What::SentBehindEnd { event } } else { What::NotSent { event } };
            return self.report(what, received, None);
        };
        let sent = &them.sent[position];
        let place = Some(sent.place(sender));
        if link != claim.link {
            let what = if is_cut { What::SentBehindEnd { event } } else { What::OtherLink };
            self.report(what, received, place);
        } else if !self.is_for_me(received, sent, sender) {
            return;
        }
        self.arrived((sender, position), number, received);
    }

    fn of_unknown(&mut self, received: &Received, chain: ChainId) {
        let next = self.held.discrepancies.len();
        let at = *self.unknown.entry(chain).or_insert(next);
        match self.held.discrepancies.get_mut(at) {
            Some(Discrepancy { what: What::UnknownSender { messages, .. }, .. }) => {
                messages.messages += 1;
                messages.last = received.seq;
            }
            _ => {
                let messages = Messages { messages: 1, last: received.seq };
                let what = What::UnknownSender { chain: chain.to_string(), messages };
                self.report(what, received, None);
            }
        }
    }

    /// Whether the message was sent to this actor. Says so if not, and if it is not the one sent.
    fn is_for_me(&mut self, received: &Received, sent: &Sent, sender: usize) -> bool {
        let (me, them) = (&self.index.members[self.member], &self.index.members[sender]);
        let place = Some(sent.place(sender));
        if let Some(to) = self.index.addressee(them, sent)
            && me.actor() != Some(to)
        {
            self.report(What::OtherAddressee { to: to.to_owned() }, received, place);
            return false;
        }
        let Some(handled) = &received.handled else {
            if received.is_skipped && me.handles.contains(&sent.handler) {
                self.report(What::Skipped, received, place);
            }
            return true;
        };
        if handled.handler != sent.handler {
            self.report(What::OtherFunction, received, place);
            return true;
        }
        let on_channel = matches!(sent.handler, Handler::ChannelMessage | Handler::ChannelClose);
        let to = them.names.text(sent.to);
        if on_channel && handled.channel.map(|channel| me.names.text(channel)) != Some(to) {
            self.report(What::OtherAddressee { to: to.to_owned() }, received, place);
            return false;
        }
        // The end of a channel has no bytes.
        if sent.handler != Handler::ChannelClose {
            match sent.content.same(handled.content) {
                Some(true) => {}
                Some(false) => self.report(What::OtherBytes, received, place),
                None => self.held.not_compared += 1,
            }
        }
        true
    }

    /// The message is the one that was sent; is it here for the first time, and in its turn?
    fn arrived(&mut self, (sender, position): (usize, usize), number: usize, received: &Received) {
        let sent = &self.index.members[sender].sent[position];
        let slot = &mut self.arrivals.0[sender][position];
        if let Some(first) = slot {
            let other = Some(first.place(self.index));
            let what = if sent.is_repeated { What::SentAgain } else { What::Duplicated };
            return self.report(what, received, other);
        }
        *slot = Some(Arrival { member: self.member, received: number });
        self.held.messages += 1;
        match self.newest.get(&sender) {
            Some(newest) if *newest > position => {
                let later = self.index.members[sender].sent[*newest].place(sender);
                self.report(What::Reordered, received, Some(later));
            }
            _ => drop(self.newest.insert(sender, position)),
        }
        if let Some(handled) = &received.handled {
            self.answered(sent.place(sender), sent, received, handled);
        } else if matches!(sent.outcome, Outcome::Answered(_) | Outcome::Opened(_)) {
            self.unanswered(sent.place(sender), received);
        }
    }

    /// Holds what the sender was told against what it was told here.
    fn answered(&mut self, at: Place, sent: &Sent, received: &Received, handled: &Handled) {
        let other = Some(received.place(self.member));
        let what = match (sent.outcome, handled.answer) {
            (Outcome::Answered(heard), Answer::Given(given)) => match heard.same(given) {
                Some(is_same) => {
                    self.held.answers += 1;
                    (!is_same).then_some(What::OtherAnswer)
                }
                None => {
                    self.held.not_compared += 1;
                    None
                }
            },
            (Outcome::Opened(channel), Answer::Accepted(accepted)) => {
                self.held.answers += 1;
                let names = &self.index.members[at.member].names;
                let mine = &self.index.members[self.member].names;
                let is_same = handled.channel.map(|id| mine.text(id)) == Some(names.text(channel));
                (!accepted || !is_same).then_some(What::OtherAnswer)
            }
            (Outcome::Answered(_) | Outcome::Opened(_), _) => {
                return self.unanswered(at, received);
            }
            (Outcome::Failed, Answer::Given(_) | Answer::Accepted(true)) => {
                Some(What::AnswerUnheard)
            }
            (Outcome::Failed | Outcome::Untold | Outcome::Delivered, _) => None,
        };
        if let Some(what) = what {
            self.held.discrepancies.push(Discrepancy { what, at, other });
        }
    }

    /// An answer came to a message that was not answered here.
    fn unanswered(&mut self, at: Place, received: &Received) {
        let me = &self.index.members[self.member];
        let may_be_lost = !me.is_whole || me.may_have_lost(u64::MAX);
        let what = if may_be_lost { What::AnsweredBehindEnd } else { What::NoAnswer };
        let other = Some(received.place(self.member));
        self.held.discrepancies.push(Discrepancy { what, at, other });
    }
}
