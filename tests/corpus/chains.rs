//! The sound chains: small recordings that between them hold everything a chain can hold.

use std::io::{self, Read, Seek, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use theater_record::{
    About, BlobFrame, Call, Clock, CloseReason, Event, Frame, FrameKind, FunctionId, Hash,
    IdentityKey, Lifecycle, LifecycleState, MAGIC, Options, Outcome, Permission, Recorder, Recover,
    RecoverOptions, Recovery, ResourceDrop, Return, Seed, Sensitivity, Tombstone, TrapCode, Type,
    Value, Values,
};

use super::Sample;

/// When all of the corpus was recorded: one second after the other.
const START: u64 = 1_700_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;

/// All sound chains, by name.
pub(crate) fn all() -> Vec<Sample> {
    [
        ("minimal", minimal()),
        ("all-kinds", all_kinds()),
        ("segments", segments(1)),
        ("signed", signed()),
        ("blobs", blobs()),
        ("redacted", redacted()),
        ("recovered", recovered()),
        ("open", open()),
    ]
    .map(|(name, bytes)| Sample::new("chains", name, bytes))
    .into()
}

/// A recorder into memory.
pub(crate) struct Tape {
    pub(crate) recorder: Recorder,
    log: Arc<Mutex<Vec<u8>>>,
}

impl Tape {
    /// Starts a recording. The seed decides everything that looks random, so two tapes with one
    /// seed are of one chain.
    pub(crate) fn new(seed: u8, options: Options) -> Tape {
        Tape::about(About { name: "sample".to_owned(), ..About::default() }, seed, options)
    }

    pub(crate) fn about(about: About, seed: u8, mut options: Options) -> Tape {
        options.policy.interval_ns = None;
        let log = Arc::new(Mutex::new(Vec::new()));
        let ticks = AtomicU64::new(0);
        let clock = Arc::new(move || START + ticks.fetch_add(1, Ordering::Relaxed) * SECOND);
        let about = About { recorder: "corpus 1".to_owned(), ..about };
        let recorder = Recorder::create(log.clone(), about, options, Seed::new([seed; 32]), clock);
        Tape { recorder: recorder.expect("memory does not fail"), log }
    }

    pub(crate) fn append(&mut self, event: &Event) -> u64 {
        self.recorder.append(event).expect("memory does not fail")
    }

    fn checkpoint(&mut self) {
        self.recorder.flush().expect("memory does not fail");
    }

    pub(crate) fn close(self) -> Vec<u8> {
        let closed = self.recorder.close(CloseReason::Completed, "exit status 0");
        closed.expect("memory does not fail");
        taken(&self.log)
    }

    /// Leaves the chain open.
    pub(crate) fn abandon(self) -> Vec<u8> {
        drop(self.recorder);
        taken(&self.log)
    }
}

fn taken(log: &Mutex<Vec<u8>>) -> Vec<u8> {
    std::mem::take(&mut *log.lock().expect("nobody panicked"))
}

fn minimal() -> Vec<u8> {
    Tape::new(1, Options::default()).close()
}

/// Every kind of record, every state, every way a call can end.
fn all_kinds() -> Vec<u8> {
    let about = About {
        name: "all-kinds".to_owned(),
        component: Some(Hash([0xc0; 32])),
        embedded: Some(b"\0asm\x0d\0\x01\0".to_vec()),
        manifest: Some("name = \"all-kinds\"\n".to_owned()),
        state: Some(b"state".to_vec()),
        settings: vec![("fuel".to_owned(), "on".to_owned())],
        world: Some("package corpus:all-kinds; world actor {}".to_owned()),
        ..About::default()
    };
    let mut tape = Tape::about(about, 2, Options::default());
    let file = tape.recorder.type_id("corpus:disk/file@1.0.0#file", &Type::Resource);
    let file = file.expect("memory does not fail");
    let names = ["not-found", "denied", "full"].map(str::to_owned);
    let error = tape.recorder.type_id("corpus:disk/file@1.0.0#error", &Type::Enum(names.into()));
    let error = Type::Named(error.expect("memory does not fail"));
    let params = [("file", Type::Borrow(file)), ("at", Type::U64), ("speed", Type::F64)];
    let bytes = Box::new(Type::List(Box::new(Type::U8)));
    let results = [Type::Result(Some(bytes), Some(Box::new(error)))];
    let disk = "corpus:disk/file@1.0.0";
    let read = tape.recorder.function_id(disk, "[method]file.read", &params, &results);
    let read = read.expect("memory does not fail");
    let run = tape.recorder.function_id("", "run", &[("who", Type::String)], &[]);
    let run = run.expect("memory does not fail");
    for (at, state) in (0..).zip(LifecycleState::ALL) {
        let (time, detail) = (START + at, state.name().to_owned());
        tape.append(&Event::Lifecycle(Lifecycle { state, time, detail }));
    }
    tape.append(&Event::Permission(permission(true)));
    tape.append(&Event::Permission(permission(false)));
    let args = Values::of(&[Value::String("wörld".to_owned())]).unwrap();
    tape.append(&Event::ExportCall(Call { function: run, args, fuel: Some(0) }));
    let args =
        Values::of(&[Value::Borrow(7), Value::U64(1 << 40), Value::F64(0x7ff8_dead_beef_0001)])
            .unwrap();
    tape.append(&Event::ImportCall(Call { function: read, args, fuel: Some(1 << 20) }));
    let content = Value::Bytes(b"content".to_vec());
    for result in [Ok(Some(Box::new(content))), Err(Some(Box::new(Value::Enum(2))))] {
        let outcome = Outcome::Returned(Values::of(&[Value::Result(result)]).unwrap());
        tape.append(&Event::ImportReturn(Return { function: read, outcome, fuel: None }));
    }
    for code in TrapCode::ALL {
        let outcome = Outcome::Trapped { code, detail: code.name().to_owned() };
        tape.append(&Event::ExportReturn(Return { function: run, outcome, fuel: None }));
    }
    tape.append(&Event::ResourceDrop(ResourceDrop { ty: file, resource: 7 }));
    tape.checkpoint();
    tape.append(&recover());
    tape.close()
}

fn permission(allowed: bool) -> Permission {
    Permission {
        capability: "filesystem".to_owned(),
        subject: "/tmp/file".to_owned(),
        allowed,
        reason: u64::from(!allowed),
        detail: if allowed { String::new() } else { "read only".to_owned() },
    }
}

pub(crate) fn recover() -> Event {
    let discarded = b"half a record";
    Event::Recover(Box::new(Recover {
        discarded_bytes: discarded.len() as u64,
        discarded_digest: Hash(*blake3::hash(discarded).as_bytes()),
        time: START,
        next_key: None,
        signature: None,
    }))
}

/// Checkpoints after every eight records.
pub(crate) fn every_eight() -> Options {
    let mut options = Options::default();
    options.policy.records_max = 8;
    options
}

/// Calls and returns with numbers in them, in segments of eight records.
pub(crate) fn segments(seed: u8) -> Vec<u8> {
    let mut tape = Tape::new(seed, every_eight());
    add_calls(&mut tape, 24);
    tape.close()
}

/// Appends so many calls of a function `step`, each with its number.
pub(crate) fn add_calls(tape: &mut Tape, count: u64) {
    let step = function(tape, "step", Type::U64);
    for number in 0..count {
        let args =
            Values::of(&[Value::U64(number), Value::String(format!("step {number}"))]).unwrap();
        tape.append(&Event::ImportCall(Call { function: step, args, fuel: None }));
    }
}

fn function(tape: &mut Tape, name: &str, ty: Type) -> FunctionId {
    let params = [("first", ty), ("second", Type::String)];
    let id = tape.recorder.function_id("corpus:sample/steps@1.0.0", name, &params, &[]);
    id.expect("memory does not fail")
}

/// Signed by keys that change at every checkpoint, with a header that somebody vouches for.
pub(crate) fn signed() -> Vec<u8> {
    let identity = Some(IdentityKey::from_secret([0x1d; 32]));
    let mut tape = Tape::new(3, Options { sign: true, identity, ..every_eight() });
    add_calls(&mut tape, 16);
    tape.close()
}

/// Payloads out of line: long ones, sensitive ones, one content twice, an empty one.
pub(crate) fn blobs() -> Vec<u8> {
    let mut tape = Tape::new(4, Options { inline_bytes_max: 64, ..every_eight() });
    let send = function(&mut tape, "send", Type::List(Box::new(Type::U8)));
    let payloads =
        [(vec![0xaa; 100], ""), (vec![0xbb; 300], ""), (vec![0xaa; 100], ""), (vec![], "key")];
    for (payload, secret) in payloads {
        let args = Values::of(&[Value::Bytes(payload), Value::String(secret.to_owned())]).unwrap();
        let event = Event::ImportCall(Call { function: send, args, fuel: None });
        let how = if secret.is_empty() { Sensitivity::Plain } else { Sensitivity::Sensitive };
        tape.recorder.append_as(&event, how).expect("memory does not fail");
    }
    add_calls(&mut tape, 8);
    tape.close()
}

/// The chain with blobs after one of them was removed on purpose.
fn redacted() -> Vec<u8> {
    let mut removed = false;
    let frames = frames(&blobs()).into_iter().map(|bytes| {
        let frame = Frame::parse(&bytes).expect("a frame");
        if frame.kind() != Some(FrameKind::Blob) || std::mem::replace(&mut removed, true) {
            return bytes;
        }
        let blob = BlobFrame::decode_body(frame.body()).expect("a blob");
        let tombstone = Tombstone { digest: blob.digest, len: blob.content.len() as u64 };
        let (mut body, mut bytes) = (Vec::new(), Vec::new());
        tombstone.encode_body(frame.tag(), &mut body);
        Frame::wrap(&body, &mut bytes);
        bytes
    });
    chain(frames)
}

/// Written by somebody whose machine crashed in the middle of a record, recovered and closed.
fn recovered() -> Vec<u8> {
    let mut tape = Tape::new(5, every_eight());
    add_calls(&mut tape, 10);
    let mut torn = tape.abandon();
    torn.truncate(torn.len() - 20);
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(&torn).expect("the torn chain is written");
    let plan = Recovery::plan(&mut file).expect("a chain that can be recovered");
    let options = RecoverOptions { close: true, identity: None };
    let clock: Clock = Arc::new(|| START + 3600 * SECOND);
    plan.apply(&mut file, options, Seed::new([0x55; 32]), &clock, || Ok(Box::new(io::sink())))
        .expect("the chain is recovered");
    let mut chain = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut chain)).expect("the file is read");
    chain
}

/// Never closed, and without a checkpoint.
pub(crate) fn open() -> Vec<u8> {
    let mut tape = Tape::new(6, Options::default());
    add_calls(&mut tape, 6);
    tape.abandon()
}

/// The frames of a chain.
pub(crate) fn frames(chain: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &chain[MAGIC.len()..];
    let mut frames = Vec::new();
    while let Some(frame) = Frame::parse(rest) {
        frames.push(frame.bytes().to_vec());
        rest = &rest[frame.bytes().len()..];
    }
    assert!(rest.is_empty(), "the chain is sound");
    frames
}

/// A file of these frames.
pub(crate) fn chain(frames: impl IntoIterator<Item = Vec<u8>>) -> Vec<u8> {
    frames.into_iter().fold(MAGIC.to_vec(), |file, frame| [file, frame].concat())
}
