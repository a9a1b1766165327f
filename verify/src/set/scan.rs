//! Reads a chain once, from front to back, for what it says of messages.

mod crossing;
mod role;

use std::collections::HashMap;

use theater_record::{
    Event, FrameKind, FunctionType, Hash, Header, Kind, LifecycleState, Permission, ReadError,
    Record, TypeTable,
};

use super::member::{Answer, Claim, Follows, Member, Names, Received, Sender, StandIn, event_in};
use super::payloads::Payloads;
use crate::verified::VerifiedChain;
use role::{Role, function_of, role};

/// What a chain's header calls the actor's id, the event that ended the life before, and the parent.
const ACTOR: &str = "actor";
const FOLLOWS: &str = "follows";
const PARENT: &str = "parent";

/// The capability of the records that say who has sent a message.
const MESSAGE: &str = "message";
const OUTSIDE: &str = "outside";

/// What a call that has not returned yet is about.
enum Pending {
    /// A message among those sent.
    Sent(usize),
    /// An answer to the request with this id.
    Response(Option<String>, Answer),
    /// A child.
    Spawn,
}

struct Scan {
    member: Member,
    payloads: Payloads,
    types: TypeTable,
    /// Functions by their numbers, those that have to do with messages.
    functions: HashMap<u32, (Role, FunctionType)>,
    /// Whether the actor was started already.
    is_started: bool,
    /// Whether the actor was left to rest, and nothing was done since.
    is_resting: bool,
    /// Whether the component is at work.
    is_inside: bool,
    /// The record that says who sent what comes next.
    announced: Option<usize>,
    /// The message that is being handled, and by which function.
    handling: Option<(u32, usize)>,
    /// The call out that is under way, and of which function.
    calling: Option<(u32, Pending)>,
    /// Requests that can still be answered, by their ids.
    requests: HashMap<String, usize>,
    /// The last event before the newest checkpoint.
    before_checkpoint: Option<(u64, Hash)>,
}

/// Reads what a chain says of messages.
pub(super) fn member(chain: &VerifiedChain, is_whole: bool) -> Result<Member, ReadError> {
    let mut scan = Scan::new(chain, is_whole);
    let mut reader = chain.reader()?;
    while let Some((offset, frame)) = reader.read_frame()? {
        match frame.kind() {
            Some(FrameKind::Blob) => scan.payloads.add(offset, &frame),
            Some(FrameKind::Record { seq, kind }) => {
                if let Some(kind) = Kind::from_number(kind) {
                    scan.record(&Record { offset, seq, kind, frame })?;
                }
            }
            Some(FrameKind::Tombstone) => scan.payloads.add_removed(&frame),
            None => {}
        }
    }
    let head = chain.head();
    scan.member.ends.push((head.seq, head.hash));
    Ok(scan.member)
}

impl Scan {
    fn new(chain: &VerifiedChain, is_whole: bool) -> Scan {
        let header = chain.header();
        let actor = setting(header, ACTOR);
        let follows = setting(header, FOLLOWS).map(|text| match event_in(&text) {
            Some((chain, seq, link)) => Follows::Event { chain, seq, link },
            None => Follows::Garbled,
        });
        let member = Member {
            chain: header.chain_id,
            actor,
            follows,
            parent: setting(header, PARENT),
            children: Vec::new(),
            created: header.created,
            is_whole,
            last_seq: chain.head().seq,
            ends: Vec::new(),
            recovered_at: None,
            breaks: Vec::new(),
            names: Names::default(),
            handles: Vec::new(),
            sent: Vec::new(),
            stand_ins: Vec::new(),
            received: Vec::new(),
            closed: Vec::new(),
        };
        Scan {
            member,
            payloads: Payloads::of(chain.source().clone()),
            types: TypeTable::default(),
            functions: HashMap::new(),
            is_started: false,
            is_resting: false,
            is_inside: false,
            announced: None,
            handling: None,
            calling: None,
            requests: HashMap::new(),
            before_checkpoint: None,
        }
    }

    fn record(&mut self, record: &Record<'_>) -> Result<(), ReadError> {
        // The record before, by the hash that this one carries of it.
        let before = (record.seq.saturating_sub(1), record.prev());
        match record.kind {
            Kind::Checkpoint => {
                self.before_checkpoint = Some(before);
                self.stand_in(record);
            }
            Kind::Close => {
                self.skip();
                self.member.ends.extend(self.before_checkpoint);
                self.member.ends.push(before);
            }
            Kind::Recover => {
                self.member.ends.push(before);
                if let Some(position) = self.stand_in(record) {
                    self.member.sent[position].is_repeated = true;
                }
                // Whoever rests has everything on disk.
                if !self.is_resting {
                    self.member.recovered_at.get_or_insert(record.seq);
                }
                self.member.breaks.push(record.seq);
                // The crash came before what was announced could be handled.
                self.announced = None;
            }
            kind @ (Kind::ExportCall
            | Kind::ExportReturn
            | Kind::ImportCall
            | Kind::ImportReturn) => {
                self.is_inside = kind != Kind::ExportReturn;
                self.is_resting = false;
                let function = function_of(&record.frame);
                if self.concerns(record.kind, function) {
                    let event = record.event()?;
                    return self.crossing(record, event);
                }
            }
            Kind::Type | Kind::Function | Kind::Permission | Kind::Lifecycle => {
                let event = record.event()?;
                self.other(record, event);
            }
            Kind::Header | Kind::ResourceDrop => {}
        }
        Ok(())
    }

    /// The newest record of a chain may be another one already when a message is given its place: a
    /// checkpoint, or what says that the chain goes on after a crash. Right behind a record that sends, it
    /// stands for that one. Returns which message that is.
    fn stand_in(&mut self, record: &Record<'_>) -> Option<usize> {
        let before = record.seq.saturating_sub(1);
        let sent = match (self.member.sent.last(), self.member.stand_ins.last()) {
            (_, Some(stand_in)) if stand_in.seq == before => stand_in.sent,
            (Some(sent), _) if sent.seq == before => self.member.sent.len() - 1,
            _ => return None,
        };
        let (seq, link) = (record.seq, record.hash());
        self.member.stand_ins.push(StandIn { seq, link, sent });
        Some(sent)
    }

    /// Whether a call or a return has to be looked at.
    fn concerns(&mut self, kind: Kind, function: Option<u32>) -> bool {
        let known = function.is_some_and(|function| self.functions.contains_key(&function));
        if !known && kind == Kind::ExportCall {
            self.skip();
            self.handling = None;
        }
        known
    }

    /// Something else happens than the handling of what was announced.
    fn skip(&mut self) {
        if let Some(index) = self.announced.take() {
            self.member.received[index].is_skipped = true;
        }
    }

    fn other(&mut self, record: &Record<'_>, event: Event) {
        match event {
            Event::Type(def) => drop(self.types.add(def)),
            Event::Function(function) => {
                if let Some(role) = role(&function) {
                    if let Role::Handles(handler) = role {
                        self.member.handles.push(handler);
                    }
                    self.functions.insert(function.id.0, (role, function));
                }
            }
            Event::Permission(decision) => self.permission(record, decision),
            Event::Lifecycle(lifecycle) => {
                self.is_inside = false;
                self.skip();
                self.is_resting = lifecycle.state == LifecycleState::Paused;
                if lifecycle.state == LifecycleState::Spawned {
                    self.requests.clear();
                }
                // It begins to live once, before anything can be sent to it.
                if std::mem::replace(&mut self.is_started, true) {
                    self.member.breaks.push(record.seq);
                }
            }
            _ => {}
        }
    }

    fn permission(&mut self, record: &Record<'_>, decision: Permission) {
        let is_message = decision.capability == MESSAGE && decision.allowed;
        // What is decided while the component is at work is about its own calls.
        if !is_message || self.is_inside {
            return;
        }
        self.skip();
        let sender = self.sender(decision.subject);
        self.announced = Some(self.receive(record, sender));
    }

    /// A message comes in. Returns its position among those that did.
    fn receive(&mut self, record: &Record<'_>, sender: Sender) -> usize {
        let (seq, offset) = (record.seq, record.offset);
        let received = Received { seq, offset, sender, is_skipped: false, handled: None };
        self.member.received.push(received);
        self.member.received.len() - 1
    }

    fn sender(&mut self, subject: String) -> Sender {
        if subject == OUTSIDE {
            return Sender::Outside;
        }
        let words = subject.split_once(' ').map(|(actor, rest)| (actor, event_in(rest)));
        match words {
            Some((actor, Some((chain, seq, link)))) => {
                let actor = self.member.names.name(actor.to_owned());
                Sender::Actor(Claim { actor, chain, seq, link })
            }
            Some((_, None)) | None => Sender::Garbled(subject),
        }
    }
}

fn setting(header: &Header, name: &str) -> Option<String> {
    let found = header.settings.iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value.clone())
}
