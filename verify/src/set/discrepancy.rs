//! What does not fit together in a set of chains, as data with positions.

use std::fmt;

use serde::Serialize;

/// Where something stands in a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The member, by its position in the set.
    pub member: usize,
    /// The event.
    pub seq: u64,
    /// Where its frame starts in the member's file.
    pub offset: u64,
}

/// One finding about a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discrepancy {
    /// What does not fit.
    pub what: What,
    /// The event it is about.
    pub at: Place,
    /// The event in another place that it does not fit, where there is one.
    pub other: Option<Place>,
}

/// What does not fit. Some contradict what another chain says; others are worth knowing and can happen
/// without anybody's doing.
///
/// As JSON, it stands beside the `chain` and the `event` that it is about, so none of its fields is called that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "discrepancy", rename_all = "kebab-case")]
pub enum What {
    /// Two files hold the same chain, or two histories of it. Only the first is held against others.
    ChainTwice,
    /// Two chains say that they follow the same life of an actor.
    Forked {
        /// The actor.
        actor: String,
    },
    /// The chain of the life before is not in the set.
    UnknownLife {
        /// That chain.
        #[serde(rename = "other_chain")]
        chain: String,
    },
    /// The chain of the life before is another actor's, or does not end with the event named.
    OtherLife,
    /// A message was handled, and nothing says who sent it.
    NoSender,
    /// What should say who sent a message does not.
    GarbledSender {
        /// What it says.
        subject: String,
    },
    /// Messages come from a chain that is not in the set.
    UnknownSender {
        /// That chain.
        #[serde(rename = "other_chain")]
        chain: String,
        /// Which.
        #[serde(flatten)]
        messages: Messages,
    },
    /// The actor that is to have sent a message is not the one whose chain is named.
    OtherSender {
        /// The actor named.
        actor: String,
    },
    /// The event that is to have sent a message did not send any.
    NotSent {
        /// That event of the sender's chain.
        #[serde(rename = "other_event")]
        event: u64,
    },
    /// The event that is to have sent a message has another hash.
    OtherLink,
    /// A message was sent in one way and received in another, as a request perhaps.
    OtherFunction,
    /// The message was sent to another actor, or on another channel.
    OtherAddressee {
        /// To whom, or on which channel.
        to: String,
    },
    /// The bytes received are not the ones sent.
    OtherBytes,
    /// The message came in, and was not given to the component, which takes such messages.
    Skipped,
    /// The message was received before.
    Duplicated,
    /// The message was received after one that the same actor sent later.
    Reordered,
    /// A message that was sent later was received, this one was not.
    Dropped,
    /// The message was answered, or its channel accepted, by an actor that never received it.
    AnsweredUnreceived,
    /// The answer is not the one given.
    OtherAnswer,
    /// An answer came, and none was given.
    NoAnswer,
    /// Two chains hold lives of an actor, and neither says which it follows.
    Unordered {
        /// The actor.
        actor: String,
    },
    /// Messages were not handled before their receiver came to its end.
    Unhandled {
        /// The receiver.
        actor: String,
        /// Which.
        #[serde(flatten)]
        messages: Messages,
    },
    /// Messages were not received as far as the receiver's chain goes, which has no end yet.
    NotYetReceived {
        /// The receiver.
        actor: String,
        /// Which.
        #[serde(flatten)]
        messages: Messages,
    },
    /// Messages were sent to an actor that is not in the set.
    UnknownReceiver {
        /// The actor.
        actor: String,
        /// Which.
        #[serde(flatten)]
        messages: Messages,
    },
    /// A message comes from behind the end of its sender's chain, which a crash may have cut.
    SentBehindEnd {
        /// That event of the sender's chain.
        #[serde(rename = "other_event")]
        event: u64,
    },
    /// The message was received before, and its sender had to send it again after a crash.
    SentAgain,
    /// An answer came that would stand behind the end of the chain of whoever gave it.
    AnsweredBehindEnd,
    /// An answer was given, and whoever asked has an error in its place: it came too late, perhaps.
    AnswerUnheard,
}

/// Messages that one finding is about, all in one chain. Its place is that of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Messages {
    /// How many.
    pub messages: u64,
    /// The event of the last.
    pub last: u64,
}

impl What {
    /// Whether two chains contradict each other, or one that is needed is not there. The rest is worth
    /// knowing.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        match self {
            What::ChainTwice
            | What::Forked { .. }
            | What::UnknownLife { .. }
            | What::OtherLife
            | What::NoSender
            | What::GarbledSender { .. }
            | What::UnknownSender { .. }
            | What::OtherSender { .. }
            | What::NotSent { .. }
            | What::OtherLink
            | What::OtherFunction
            | What::OtherAddressee { .. }
            | What::OtherBytes
            | What::Skipped
            | What::Duplicated
            | What::Reordered
            | What::Dropped
            | What::AnsweredUnreceived
            | What::OtherAnswer
            | What::NoAnswer => true,
            What::Unordered { .. }
            | What::Unhandled { .. }
            | What::NotYetReceived { .. }
            | What::UnknownReceiver { .. }
            | What::SentBehindEnd { .. }
            | What::SentAgain
            | What::AnsweredBehindEnd
            | What::AnswerUnheard => false,
        }
    }
}

/// What a chain without its end is.
const LEFT: &str = "what there is of the other chain, which was cut off, or goes on after a crash";

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::ChainTwice => "this chain is in the set already",
            What::Forked { actor } => {
                return write!(f, "another chain follows the same life of actor {actor}");
            }
            What::Unordered { actor } => {
                return write!(
                    f,
                    "another chain is of actor {actor} too, and neither says which was first"
                );
            }
            What::UnknownLife { chain } => {
                return write!(f, "the life before is in chain {chain}, which is not in the set");
            }
            What::OtherLife => "the life before does not end with the event that is named here",
            What::NoSender => "a message was handled and nothing says who sent it",
            What::GarbledSender { subject } => {
                return write!(f, "{subject:?} does not say who sent the message");
            }
            What::UnknownSender { chain, messages } => {
                let come = messages.verb("comes", "come");
                return write!(f, "{messages} {come} from chain {chain}, which is not in the set");
            }
            What::OtherSender { actor } => {
                return write!(f, "the sender named is actor {actor}, but the chain is another's");
            }
            What::NotSent { event } => {
                return write!(f, "event {event} of the sender's chain sent no message");
            }
            What::OtherLink => "the event that sent the message has another hash",
            What::OtherFunction => "the message was sent in another way than it was received",
            What::OtherAddressee { to } => return write!(f, "the message was sent to {to}"),
            What::OtherBytes => "the message is not the one that was sent",
            What::Skipped => "the message came in, but the call that handles it is not there",
            What::Duplicated => "the message was received before",
            What::Reordered => "the message was received after one that was sent later",
            What::Dropped => "the message was not received, but one that was sent later was",
            What::AnsweredUnreceived => "there is an answer to a message that was not received",
            What::OtherAnswer => "the answer is not the one that was given",
            What::NoAnswer => "an answer came that was not given",
            What::Unhandled { actor, messages } => {
                let were = messages.verb("was", "were");
                return write!(
                    f,
                    "{messages} to actor {actor} {were} not handled before it came to its end"
                );
            }
            What::NotYetReceived { actor, messages } => {
                let were = messages.verb("was", "were");
                return write!(
                    f,
                    "{messages} to actor {actor} {were} not received so far; \
                     the end of its chain is missing"
                );
            }
            What::UnknownReceiver { actor, messages } => {
                return write!(f, "{messages} went to actor {actor}, which is not in the set");
            }
            What::SentBehindEnd { event } => {
                return write!(f, "event {event}, which sent the message, is not in {LEFT}");
            }
            What::SentAgain => "the message was received before, and was sent again after a crash",
            What::AnsweredBehindEnd => {
                return write!(f, "an answer came that is not in {LEFT}");
            }
            What::AnswerUnheard => "an answer was given, and whoever asked has an error instead",
        })
    }
}

impl Messages {
    fn verb(self, one: &'static str, many: &'static str) -> &'static str {
        if self.messages == 1 { one } else { many }
    }
}

/// `a message` or `7 messages, from this event to event 31,`.
impl fmt::Display for Messages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.messages {
            1 => f.write_str("a message"),
            many => write!(f, "{many} messages, from this event to event {},", self.last),
        }
    }
}
