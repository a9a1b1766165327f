//! A folder with chains, and a way to run the program in it.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use expect_test::{Expect, ExpectFile};
use tempfile::TempDir;
use theater_record::{
    About, Call, CloseReason, Event, Frame, FunctionId, Hash, Lifecycle, LifecycleState, Options,
    Outcome, Permission, Place, Reader, Recorder, Recover, ResourceDrop, Return, Seed, Sensitivity,
    Stored, Tombstone, TrapCode, Type, Value, Values, record_hash,
};
use theater_replay::{Exit, Ui, main_from};

/// Nanoseconds since the epoch at which every sample was recorded.
pub(crate) const NOW: u64 = 1_767_323_045_006_000_000;

/// A folder of its own for one test.
pub(crate) struct Scene {
    dir: TempDir,
}

/// How a run ended and what it printed.
pub(crate) struct Outcomes {
    pub(crate) exit: Exit,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Scene {
    pub(crate) fn new() -> Scene {
        Scene { dir: tempfile::tempdir().unwrap() }
    }

    /// A scene with the sample chain in `sample.chain`.
    pub(crate) fn with_sample() -> Scene {
        let scene = Scene::new();
        scene.write("sample.chain", &sample());
        scene
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Runs a command line; words with a dot in front of `chain` or `toml` are files of the scene.
    pub(crate) fn run(&self, line: &str) -> Outcomes {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.run_words(&words)
    }

    pub(crate) fn run_words(&self, words: &[&str]) -> Outcomes {
        let is_file = |word: &str| word.ends_with(".chain") || word.ends_with(".toml");
        let args = words.iter().map(|word| match is_file(word) {
            true => self.path(word).display().to_string(),
            false => (*word).to_owned(),
        });
        let mut ui = Ui::captured();
        let exit = main_from(std::iter::once("theater-replay".to_owned()).chain(args), &mut ui);
        let (out, err) = ui.into_captured();
        let folder = format!("{}{}", self.dir.path().display(), std::path::MAIN_SEPARATOR);
        let tidy = |text: String| text.replace(&folder, "");
        Outcomes { exit, out: tidy(out), err: tidy(err) }
    }

    /// Runs a command line and compares everything: output, messages, exit.
    pub(crate) fn check(&self, line: &str, expected: &Expect) {
        let words: Vec<&str> = line.split_whitespace().collect();
        self.check_words(&words, expected);
    }

    pub(crate) fn check_words(&self, words: &[&str], expected: &Expect) {
        expected.assert_eq(&self.transcript(words));
    }

    /// The same against a file, for texts that are too long to stand in a test.
    pub(crate) fn check_file(&self, line: &str, expected: &ExpectFile) {
        let words: Vec<&str> = line.split_whitespace().collect();
        expected.assert_eq(&self.transcript(&words));
    }

    /// What comes of a command, as one text.
    pub(crate) fn transcript(&self, words: &[&str]) -> String {
        let Outcomes { exit, out, err } = self.run_words(words);
        let err = if err.is_empty() { err } else { format!("--- messages\n{err}") };
        // Editors and reviewers stumble over blanks at the end of a line.
        format!("{out}{err}--- exit {}\n", exit as u8)
            .lines()
            .map(|line| format!("{}\n", line.trim_end()))
            .collect()
    }
}

/// A recorder into memory whose output depends on nothing but what is recorded.
pub(crate) fn recorder(sign: bool) -> (Recorder, Arc<Mutex<Vec<u8>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let about = About {
        recorder: "theater 0.1.0".to_owned(),
        name: "sample".to_owned(),
        settings: vec![("fuel".to_owned(), "on".to_owned())],
        ..About::default()
    };
    let mut options = Options { sign, ..Options::default() };
    options.policy.interval_ns = None;
    let recorder =
        Recorder::create(log.clone(), about, options, Seed::new([7; 32]), Arc::new(|| NOW));
    (recorder.unwrap(), log)
}

/// A chain with every kind of record that a recorder writes by itself or when asked.
pub(crate) fn sample() -> Vec<u8> {
    let (mut recorder, log) = recorder(false);
    fill(&mut recorder);
    recorder.close(CloseReason::Completed, "exit status 0").unwrap();
    log.lock().unwrap().clone()
}

/// The same chain, signed.
pub(crate) fn signed() -> (Vec<u8>, String) {
    let (mut recorder, log) = recorder(true);
    fill(&mut recorder);
    recorder.close(CloseReason::Completed, "").unwrap();
    let bytes = log.lock().unwrap().clone();
    let first = Reader::new(&bytes[..]).unwrap().read().map(|stored| match stored {
        Some(Stored::Record(record)) => record.event(),
        other => panic!("{other:?} is no header"),
    });
    let Event::Header(header) = first.unwrap().unwrap() else { panic!("no header comes first") };
    (bytes, header.first_key.unwrap().to_string())
}

/// The same chain as after a crash: no close record.
pub(crate) fn open() -> Vec<u8> {
    let (mut recorder, log) = recorder(false);
    fill(&mut recorder);
    recorder.flush().unwrap();
    drop(recorder);
    log.lock().unwrap().clone()
}

/// The open chain after a recovery.
pub(crate) fn recovered() -> Vec<u8> {
    let mut bytes = open();
    let last = Frame::parse(&bytes[frame_of(&bytes, 34)]).unwrap();
    let place = Place { tag: last.tag(), prev: record_hash(last.bytes()), seq: 35 };
    let recover = Recover {
        discarded_bytes: 1234,
        discarded_digest: Hash([5; 32]),
        time: NOW,
        next_key: None,
        signature: None,
    };
    let frame = place.frame(&Event::Recover(Box::new(recover)));
    bytes.extend(frame);
    bytes
}

/// The sample after the first large payload was removed on purpose.
pub(crate) fn redacted() -> Vec<u8> {
    let bytes = sample();
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let (start, tombstone) = loop {
        if let Stored::Blob { offset, blob, .. } = reader.read().unwrap().unwrap() {
            let len = blob.content.len() as u64;
            break (offset as usize, Tombstone { digest: blob.digest, len });
        }
    };
    let (mut body, mut frame) = (Vec::new(), Vec::new());
    tombstone.encode_body(Frame::parse(&bytes[start..]).unwrap().tag(), &mut body);
    Frame::wrap(&body, &mut frame);
    let end = reader.offset() as usize;
    [&bytes[..start], &frame, &bytes[end..]].concat()
}

/// A chain whose text is more than a pipe holds.
pub(crate) fn long() -> Vec<u8> {
    let (mut recorder, log) = recorder(false);
    for _ in 0..5000 {
        recorder.append(&lifecycle(LifecycleState::Paused)).unwrap();
    }
    recorder.close(CloseReason::Stopped, "").unwrap();
    log.lock().unwrap().clone()
}

/// Where the frame of an event starts and ends.
pub(crate) fn frame_of(bytes: &[u8], wanted: u64) -> std::ops::Range<usize> {
    let mut reader = Reader::new(bytes).unwrap();
    loop {
        let start = reader.offset() as usize;
        let is_it = match reader.read().unwrap().unwrap() {
            Stored::Record(record) => record.seq == wanted,
            _ => false,
        };
        if is_it {
            return start..reader.offset() as usize;
        }
    }
}

pub(crate) fn call(function: FunctionId, args: &[Value]) -> Call {
    Call { function, args: Values::of(args).unwrap(), fuel: None }
}

pub(crate) fn returned(function: FunctionId, results: &[Value]) -> Return {
    Return { function, outcome: Outcome::Returned(Values::of(results).unwrap()), fuel: None }
}

fn lifecycle(state: LifecycleState) -> Event {
    Event::Lifecycle(Lifecycle { state, time: NOW, detail: String::new() })
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn fill(recorder: &mut Recorder) {
    let datetime = Type::Record(vec![
        ("seconds".to_owned(), Type::U64),
        ("nanoseconds".to_owned(), Type::U32),
    ]);
    let clock = "wasi:clocks/wall-clock@0.2.6";
    let datetime = recorder.type_id(&format!("{clock}#datetime"), &datetime).unwrap();
    let run = recorder
        .function_id("", "run", &[("input", Type::String)], &[Type::Result(None, None)])
        .unwrap();
    let now = recorder.function_id(clock, "now", &[], &[Type::Named(datetime)]).unwrap();
    recorder.append(&lifecycle(LifecycleState::Spawned)).unwrap();
    recorder.append(&Event::ExportCall(call(run, &[text("hé\u{1b}[31m\n")]))).unwrap();
    recorder.append(&Event::ImportCall(call(now, &[]))).unwrap();
    let time = Value::Record(vec![Value::U64(12), Value::U32(5)]);
    recorder.append(&Event::ImportReturn(returned(now, &[time]))).unwrap();
    fill_files(recorder);
    fill_everything(recorder);
    let done = Value::Result(Ok(None));
    recorder.append(&Event::ExportReturn(returned(run, &[done]))).unwrap();
    recorder.append(&lifecycle(LifecycleState::Completed)).unwrap();
}

/// Resources, flags, enums, permissions and payloads out of line.
fn fill_files(recorder: &mut Recorder) {
    let types = "wasi:filesystem/types@0.2.6";
    let descriptor = recorder.type_id(&format!("{types}#descriptor"), &Type::Resource).unwrap();
    let flags = Type::Flags(["read", "write", "sync"].map(str::to_owned).to_vec());
    let flags = recorder.type_id(&format!("{types}#descriptor-flags"), &flags).unwrap();
    let error = Type::Enum(["access", "no-entry"].map(str::to_owned).to_vec());
    let error = recorder.type_id(&format!("{types}#error-code"), &error).unwrap();
    let or_error = |ok| Type::Result(Some(Box::new(ok)), Some(Box::new(Type::Named(error))));
    let open_at = recorder
        .function_id(
            types,
            "[method]descriptor.open-at",
            &[
                ("self", Type::Borrow(descriptor)),
                ("path", Type::String),
                ("flags", Type::Named(flags)),
            ],
            &[or_error(Type::Own(descriptor))],
        )
        .unwrap();
    let bytes = Type::List(Box::new(Type::U8));
    let params = [("self", Type::Borrow(descriptor)), ("data", bytes)];
    let write = recorder
        .function_id(types, "[method]descriptor.write", &params, &[or_error(Type::U64)])
        .unwrap();
    for (path, allowed) in [("/data/out.txt", true), ("/etc/passwd", false)] {
        let args = [Value::Borrow(1), text(path), Value::Flags(0b11)];
        recorder.append(&Event::ImportCall(call(open_at, &args))).unwrap();
        let permission = Permission {
            capability: "filesystem".to_owned(),
            subject: path.to_owned(),
            allowed,
            reason: if allowed { 0 } else { 3 },
            detail: if allowed { "" } else { "outside of /data" }.to_owned(),
        };
        recorder.append(&Event::Permission(permission)).unwrap();
        let result = match allowed {
            true => Ok(Some(Box::new(Value::Own(2)))),
            false => Err(Some(Box::new(Value::Enum(0)))),
        };
        recorder.append(&Event::ImportReturn(returned(open_at, &[Value::Result(result)]))).unwrap();
    }
    let payload = b"The quick brown fox jumps over the lazy dog. ".repeat(200);
    for _ in 0..2 {
        let args = [Value::Borrow(2), Value::Bytes(payload.clone())];
        recorder.append(&Event::ImportCall(call(write, &args))).unwrap();
        let written = Value::Result(Ok(Some(Box::new(Value::U64(payload.len() as u64)))));
        recorder.append(&Event::ImportReturn(returned(write, &[written]))).unwrap();
    }
    let secret = [Value::Borrow(2), Value::Bytes(b"a secret".to_vec())];
    let secret = Event::ImportCall(call(write, &secret));
    recorder.append_as(&secret, Sensitivity::Sensitive).unwrap();
    let trap = Outcome::Trapped { code: TrapCode::HostError, detail: "disk full".to_owned() };
    let trap = Return { function: write, outcome: trap, fuel: Some(1234) };
    recorder.append(&Event::ImportReturn(trap)).unwrap();
    recorder.append(&Event::ResourceDrop(ResourceDrop { ty: descriptor, resource: 2 })).unwrap();
}

/// One call with a value of every other type, and a call within a call.
fn fill_everything(recorder: &mut Recorder) {
    let boxed = |ty| Box::new(ty);
    let variant = Type::Variant(vec![
        ("none-of-these".to_owned(), None),
        ("pair".to_owned(), Some(Type::Tuple(vec![Type::S8, Type::Char]))),
    ]);
    let params = [
        ("flag", Type::Bool),
        ("small", Type::F32),
        ("odd", Type::F64),
        ("which", variant),
        ("maybe", Type::Option(boxed(Type::Option(boxed(Type::S64))))),
        ("many", Type::List(boxed(Type::U16))),
        ("raw", Type::List(boxed(Type::U8))),
        ("names", Type::Map(boxed(Type::String), boxed(Type::U32))),
    ];
    let values = [
        Value::Bool(true),
        Value::F32(0.1f32.to_bits()),
        Value::F64(0x7ff8_0000_0000_0001),
        Value::Variant(1, Some(boxed_value(Value::Tuple(vec![Value::S8(-7), Value::Char('\'')])))),
        Value::Option(Some(boxed_value(Value::Option(None)))),
        Value::List((0..100).map(Value::U16).collect()),
        Value::Bytes(vec![0xff; 50]),
        Value::Map(vec![(text("a"), Value::U32(1))]),
    ];
    let all = recorder.function_id("demo:all/types", "all", &params, &[]).unwrap();
    let back = recorder.function_id("", "call-back", &[], &[]).unwrap();
    recorder.append(&Event::ImportCall(call(all, &values))).unwrap();
    recorder.append(&Event::ExportCall(call(back, &[]))).unwrap();
    recorder.append(&Event::ExportReturn(returned(back, &[]))).unwrap();
    recorder.append(&Event::ImportReturn(returned(all, &[]))).unwrap();
}

fn boxed_value(value: Value) -> Box<Value> {
    Box::new(value)
}
