//! Chains for the tests of the command line, made by the real recorder.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use theater_record::{
    About, Call, CheckpointPolicy, CloseReason, Event, Options, Outcome, Recorder, Return, Seed,
    Type, Value, Values,
};
use theater_replay::Exit;

use crate::scene::{Outcomes, Scene};

/// How a chain ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Open,
}

/// A payload that goes out of line, different for each letter.
pub(crate) fn payload(letter: char) -> Vec<u8> {
    format!("<payload {letter}>").repeat(500).into_bytes()
}

/// Calls to `disk` and `net` with small and large payloads; a checkpoint after every five records.
///
/// Payload `a` is used by both functions, `d` by `disk` and `n` by `net` only.
pub(crate) fn calls(end: End) -> Vec<u8> {
    calls_with(end, Options::default())
}

/// The same, with other options than where checkpoints stand.
pub(crate) fn calls_with(end: End, options: Options) -> Vec<u8> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let policy = CheckpointPolicy { records_max: 5, bytes_max: u64::MAX, interval_ns: None };
    let options = Options { policy, ..options };
    let about = About {
        name: "calls".to_owned(),
        embedded: Some(b"\0asm not really".repeat(400)),
        ..About::default()
    };
    let clock = Arc::new(|| 1_700_000_000_000_000_000);
    let mut recorder =
        Recorder::create(log.clone(), about, options, Seed::new([7; 32]), clock).unwrap();
    let bytes = Type::List(Box::new(Type::U8));
    let params = [("content", bytes.clone())];
    let disk = recorder.function_id("test:disk/file@1.0.0", "write", &params, &[]).unwrap();
    let net = recorder.function_id("test:net/socket@1.0.0", "send", &params, &[]).unwrap();
    let contents = [
        (disk, payload('a')),
        (net, payload('a')),
        (disk, payload('d')),
        (net, payload('n')),
        (disk, b"small".to_vec()),
        (net, payload('n')),
    ];
    for (function, content) in contents {
        let args = Values::of(&[Value::Bytes(content)]).unwrap();
        recorder.append(&Event::ImportCall(Call { function, args, fuel: None })).unwrap();
        let outcome = Outcome::Returned(Values::of(&[]).unwrap());
        recorder.append(&Event::ImportReturn(Return { function, outcome, fuel: None })).unwrap();
    }
    match end {
        End::Closed => _ = recorder.close(CloseReason::Completed, "").unwrap(),
        End::Open => drop(recorder),
    }
    log.lock().unwrap().clone()
}

/// A scene in which any word of a command line can be a file.
pub(crate) struct Folder(Scene);

impl Folder {
    pub(crate) fn with(name: &str, content: &[u8]) -> Folder {
        let folder = Folder(Scene::new());
        folder.write(name, content);
        folder
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        self.0.write(name, content);
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).unwrap()
    }

    /// The names of the files in it, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.file("")).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs a command line in which `@name` stands for the path of a file in the folder.
    pub(crate) fn run(&self, line: &str) -> (Exit, String, String) {
        let words: Vec<_> = line
            .split_whitespace()
            .map(|word| match word.strip_prefix('@') {
                Some(name) => self.file(name).display().to_string(),
                None => word.to_owned(),
            })
            .collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let Outcomes { exit, out, err } = self.0.run_words(&words);
        (exit, out, err)
    }
}
