//! Actors that talk to one another, as their chains tell of it, without any component: what is recorded
//! is what the runtime records.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use theater_record::{
    About, Call, ChainId, CheckpointPolicy, CloseReason, Event, FunctionId, Lifecycle,
    LifecycleState, Options, Outcome, Permission, Reader, Recorder, Return, Seed, Stored, Tip,
    Type, Value, Values,
};
use theater_verify::{Checked, Source};

const SENDS: &str = "theater:simple/message-server-host@0.1.0";
const HANDLES: &str = "theater:simple/message-server-client@0.1.0";

/// What an actor does while it handles a message from outside.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// Sends bytes to another.
    Send(usize, Vec<u8>),
    /// Asks another, which answers with what it was asked, backwards.
    Ask(usize, Vec<u8>),
}

/// A chain, with what it takes to record it anew.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) bytes: Vec<u8>,
    /// The number of the actor, of which the recorder's randomness is made.
    number: usize,
}

impl Chain {
    /// What the recorder was told, without what it writes by itself.
    pub(crate) fn events(&self) -> Vec<Event> {
        let mut reader = Reader::new(&self.bytes[..]).unwrap();
        let mut events = Vec::new();
        while let Some(stored) = reader.read().unwrap() {
            let Stored::Record(record) = stored else { continue };
            match record.event().unwrap() {
                Event::Header(_) | Event::Checkpoint(_) | Event::Close(_) => {}
                event => events.push(event),
            }
        }
        events
    }

    /// The same chain by the same recorder with other events: what a liar would record.
    pub(crate) fn retold(&self, change: impl FnOnce(&mut Vec<Event>)) -> Chain {
        self.retold_as(self.about().settings, true, change)
    }

    /// The same, with other settings, and perhaps without an end.
    pub(crate) fn retold_as(
        &self,
        settings: Vec<(String, String)>,
        closed: bool,
        change: impl FnOnce(&mut Vec<Event>),
    ) -> Chain {
        let mut events = self.events();
        change(&mut events);
        let about = About { settings, ..self.about() };
        let (mut recorder, log) = recorder(self.number, about);
        for event in &events {
            recorder.append(event).unwrap();
        }
        if closed {
            recorder.close(CloseReason::Stopped, "").unwrap();
        } else {
            drop(recorder);
        }
        let bytes = log.lock().unwrap().clone();
        Chain { bytes, number: self.number }
    }

    fn about(&self) -> About {
        let checked = checked(&self.bytes);
        let header = checked.report.header.as_ref().unwrap();
        About {
            recorder: header.recorder.clone(),
            name: header.name.clone(),
            settings: header.settings.clone(),
            ..About::default()
        }
    }
}

/// The id of the actor with this number.
pub(crate) fn id(actor: usize) -> String {
    format!("019aa8f2-6c50-7d3e-9a41-{actor:012x}")
}

/// A chain that was checked.
pub(crate) fn checked(bytes: &[u8]) -> Checked {
    let source: Arc<dyn Source> = Arc::new(bytes.to_vec());
    Checked::new(source, &theater_verify::Options::default()).unwrap()
}

/// Has actors talk. At the end each handles what waits for it.
pub(crate) fn converse(actors: usize, moves: &[(usize, Vec<Act>)]) -> Vec<Chain> {
    converse_as(0, actors, moves, false)
}

/// The same by actors with these numbers. At the end they may leave what waits for them.
pub(crate) fn converse_as(
    first: usize,
    actors: usize,
    moves: &[(usize, Vec<Act>)],
    leaves: bool,
) -> Vec<Chain> {
    let players = (first..first + actors).map(Player::new).collect();
    let mut cast = Cast { players };
    for (who, acts) in moves {
        cast.empty_mailbox(*who);
        let letter = Letter { subject: "outside".to_owned(), bytes: b"act".to_vec(), asks: false };
        cast.handle(*who, &letter, acts);
    }
    if !leaves {
        (0..actors).for_each(|who| cast.empty_mailbox(who));
    }
    cast.players.into_iter().map(Player::end).collect()
}

struct Letter {
    subject: String,
    bytes: Vec<u8>,
    asks: bool,
}

struct Player {
    number: usize,
    recorder: Recorder,
    log: Arc<Mutex<Vec<u8>>>,
    send: FunctionId,
    ask: FunctionId,
    handle_send: FunctionId,
    handle_request: FunctionId,
    mailbox: VecDeque<Letter>,
    requests: u64,
    is_busy: bool,
}

struct Cast {
    players: Vec<Player>,
}

impl Cast {
    fn empty_mailbox(&mut self, who: usize) {
        while let Some(letter) = self.players[who].mailbox.pop_front() {
            self.handle(who, &letter, &[]);
        }
    }

    /// Handles one message. Returns the answer, if it is a request.
    fn handle(&mut self, who: usize, letter: &Letter, acts: &[Act]) -> Vec<u8> {
        self.players[who].is_busy = true;
        self.players[who].begin(letter);
        for act in acts {
            match act {
                Act::Send(to, bytes) if *to != who => self.send(who, *to, bytes),
                Act::Ask(to, bytes) if !self.players[*to].is_busy => self.ask(who, *to, bytes),
                Act::Send(..) | Act::Ask(..) => {}
            }
        }
        self.players[who].is_busy = false;
        let answer = letter.bytes.iter().rev().copied().collect();
        self.players[who].finish(letter.asks, answer)
    }

    fn send(&mut self, who: usize, to: usize, bytes: &[u8]) {
        let their_id = id(self.players[to].number);
        let player = &mut self.players[who];
        let subject = player.call(player.send, their_id, bytes);
        player.told(player.send, Value::Result(Ok(None)));
        self.players[to].mailbox.push_back(Letter { subject, bytes: bytes.to_vec(), asks: false });
    }

    fn ask(&mut self, who: usize, to: usize, bytes: &[u8]) {
        // Capitals in an id make no difference.
        let their_id = id(self.players[to].number).to_uppercase();
        let player = &mut self.players[who];
        let subject = player.call(player.ask, their_id, bytes);
        self.empty_mailbox(to);
        let answer = self.handle(to, &Letter { subject, bytes: bytes.to_vec(), asks: true }, &[]);
        let player = &mut self.players[who];
        player.told(player.ask, Value::Result(Ok(Some(Box::new(Value::Bytes(answer))))));
    }
}

impl Player {
    fn new(number: usize) -> Player {
        let about = About {
            recorder: "test".to_owned(),
            name: format!("player {number}"),
            settings: vec![("actor".to_owned(), id(number))],
            ..About::default()
        };
        let (mut recorder, log) = recorder(number, about);
        let spawned = LifecycleState::Spawned;
        let spawned = Lifecycle { state: spawned, time: 1_000, detail: String::new() };
        recorder.append(&Event::Lifecycle(spawned)).unwrap();
        let mut function = |interface: &str, name: &str, params: Vec<Type>, result: Type| {
            let params: Vec<_> = params.into_iter().map(|ty| ("p", ty)).collect();
            recorder.function_id(interface, name, &params, &[result]).unwrap()
        };
        let to_and_bytes = vec![Type::String, bytes()];
        let send = function(SENDS, "send", to_and_bytes.clone(), or_text(None));
        let ask = function(SENDS, "request", to_and_bytes.clone(), or_text(Some(bytes())));
        let params = |params| vec![option(bytes()), Type::Tuple(params)];
        let state = or_text(Some(Type::Tuple(vec![option(bytes())])));
        let handle_send = function(HANDLES, "handle-send", params(vec![bytes()]), state);
        let answer = Type::Tuple(vec![option(bytes()), Type::Tuple(vec![option(bytes())])]);
        let answer = or_text(Some(answer));
        let handle_request = function(HANDLES, "handle-request", params(to_and_bytes), answer);
        Player {
            number,
            recorder,
            log,
            send,
            ask,
            handle_send,
            handle_request,
            mailbox: VecDeque::new(),
            requests: 0,
            is_busy: false,
        }
    }

    /// The message comes in.
    fn begin(&mut self, letter: &Letter) {
        self.recorder.append(&permission(&letter.subject)).unwrap();
        let message = Value::Bytes(letter.bytes.clone());
        let (function, params) = match letter.asks {
            true => {
                self.requests += 1;
                let id = Value::String(format!("request-{}", self.requests));
                (self.handle_request, vec![id, message])
            }
            false => (self.handle_send, vec![message]),
        };
        let args = Values::of(&[Value::Option(None), Value::Tuple(params)]).unwrap();
        let call = Call { function, args, fuel: None };
        self.recorder.append(&Event::ExportCall(call)).unwrap();
    }

    /// Its handling is over.
    fn finish(&mut self, asks: bool, answer: Vec<u8>) -> Vec<u8> {
        let mut given = vec![Value::Option(None)];
        if asks {
            let answer = Value::Option(Some(Box::new(Value::Bytes(answer.clone()))));
            given.push(Value::Tuple(vec![answer]));
        }
        let function = if asks { self.handle_request } else { self.handle_send };
        let given = Value::Result(Ok(Some(Box::new(Value::Tuple(given)))));
        self.recorder.append(&Event::ExportReturn(returned(function, given))).unwrap();
        answer
    }

    /// Calls out. Returns what its receiver's chain is going to say of it.
    fn call(&mut self, function: FunctionId, to: String, bytes: &[u8]) -> String {
        let args = [Value::String(to), Value::Bytes(bytes.to_vec())];
        let args = Values::of(&args).unwrap();
        self.recorder.append(&Event::ImportCall(Call { function, args, fuel: None })).unwrap();
        let chain: ChainId = self.recorder.chain_id();
        let Tip { seq, hash } = self.recorder.tip().unwrap();
        format!("{} {chain} {seq} {hash}", id(self.number))
    }

    fn told(&mut self, function: FunctionId, result: Value) {
        self.recorder.append(&Event::ImportReturn(returned(function, result))).unwrap();
    }

    fn end(self) -> Chain {
        let Player { recorder, log, number, .. } = self;
        recorder.close(CloseReason::Stopped, "").unwrap();
        let bytes = log.lock().unwrap().clone();
        Chain { bytes, number }
    }
}

/// What says who has sent the message that comes next.
pub(crate) fn permission(subject: &str) -> Event {
    Event::Permission(Permission {
        capability: "message".to_owned(),
        subject: subject.to_owned(),
        allowed: true,
        reason: 0,
        detail: String::new(),
    })
}

fn recorder(number: usize, about: About) -> (Recorder, Arc<Mutex<Vec<u8>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    // Some calls have a checkpoint right behind them, which is what the receiver is told of then.
    let policy = CheckpointPolicy { records_max: 7, bytes_max: 1 << 20, interval_ns: None };
    let options = Options { policy, ..Options::default() };
    let seed = Seed::new(*blake3::hash(&number.to_le_bytes()).as_bytes());
    let recorder = Recorder::create(log.clone(), about, options, seed, Arc::new(|| 1_000));
    (recorder.unwrap(), log)
}

fn returned(function: FunctionId, result: Value) -> Return {
    Return { function, outcome: Outcome::Returned(Values::of(&[result]).unwrap()), fuel: None }
}

fn bytes() -> Type {
    Type::List(Box::new(Type::U8))
}

fn option(ty: Type) -> Type {
    Type::Option(Box::new(ty))
}

fn or_text(ok: Option<Type>) -> Type {
    Type::Result(ok.map(Box::new), Some(Box::new(Type::String)))
}
