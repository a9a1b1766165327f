//! Who is who in a set: chains, actors and channels by their ids.

use std::collections::{BTreeMap, HashMap};

use theater_record::ChainId;

use super::member::{Handler, Member, Outcome, Sender, Sent};

/// The members of a set, and how to find them.
pub(super) struct Index<'m> {
    pub(super) members: &'m [Member],
    chains: HashMap<ChainId, usize>,
    actors: BTreeMap<&'m str, Vec<usize>>,
    /// The two actors at the ends of each channel.
    channels: HashMap<&'m str, [&'m str; 2]>,
}

impl<'m> Index<'m> {
    pub(super) fn of(members: &'m [Member]) -> Index<'m> {
        let (chains, actors, channels) = (HashMap::new(), BTreeMap::new(), HashMap::new());
        let mut index = Index { members, chains, actors, channels };
        for (at, member) in members.iter().enumerate() {
            index.chains.entry(member.chain).or_insert(at);
            if let Some(actor) = member.actor()
                && index.is_first(at)
            {
                index.actors.entry(actor).or_default().push(at);
            }
        }
        index.find_channels();
        index
    }

    /// Channels have their ids from whoever opened them; where that chain is not there, the other side
    /// knows it too.
    fn find_channels(&mut self) {
        for member in self.members {
            let Some(actor) = member.actor() else { continue };
            for sent in &member.sent {
                if let Outcome::Opened(channel) = sent.outcome {
                    let ends = [actor, member.names.text(sent.to)];
                    self.channels.entry(member.names.text(channel)).or_insert(ends);
                }
            }
        }
        for member in self.members {
            let Some(actor) = member.actor() else { continue };
            for received in &member.received {
                if let (Sender::Actor(claim), Some(handled)) = (&received.sender, &received.handled)
                    && let (Handler::ChannelOpen, Some(channel)) =
                        (handled.handler, handled.channel)
                {
                    let ends = [member.names.text(claim.actor), actor];
                    self.channels.entry(member.names.text(channel)).or_insert(ends);
                }
            }
        }
    }

    /// The member that holds a chain.
    pub(super) fn chain(&self, chain: ChainId) -> Option<usize> {
        self.chains.get(&chain).copied()
    }

    /// Whether no member before holds the same chain.
    pub(super) fn is_first(&self, member: usize) -> bool {
        self.chain(self.members[member].chain) == Some(member)
    }

    /// The actors of the set, each with its members.
    pub(super) fn actors(&self) -> impl Iterator<Item = (&'m str, &[usize])> {
        self.actors.iter().map(|(actor, members)| (*actor, &members[..]))
    }

    /// The members that hold the lives of an actor.
    pub(super) fn lives(&self, actor: &str) -> Option<&[usize]> {
        self.actors.get(actor).map(|members| &members[..])
    }

    /// The actor that a message was sent to, as far as it can be told.
    pub(super) fn addressee(&self, sender: &'m Member, sent: &Sent) -> Option<&'m str> {
        let to = sender.names.text(sent.to);
        match sent.handler {
            Handler::Send | Handler::Request | Handler::ChannelOpen => Some(to),
            Handler::ChannelMessage | Handler::ChannelClose => {
                let [one, other] = *self.channels.get(to)?;
                match sender.actor()? {
                    actor if actor == one => Some(other),
                    actor if actor == other => Some(one),
                    _ => None,
                }
            }
        }
    }
}
