//! Guards against recovery that forgets or invents: numbered events to record, and what every
//! recovered chain is held to. Shared by the crash tests.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use theater_record::{
    About, BlobRef, Call, CheckpointPolicy, Clock, Event, FunctionId, Hash, IdentityKey, Kind, Log,
    Options, Reader, RecordError, Recorder, RecoverOptions, Recovery, ResumeError, ResumeOptions,
    Seed, Stored, Type, TypeTable, Value, Values,
};
use theater_verify::{Verdict, verify};

/// Payloads of at least this many bytes become blobs, so that short tests have some.
const INLINE_BYTES_MAX: usize = 1024;

pub(crate) fn identity() -> IdentityKey {
    IdentityKey::from_secret([5; 32])
}

pub(crate) fn clock() -> Clock {
    Arc::new(|| 1_000)
}

/// A folder that is gone after the test. In memory where possible: these tests sync all the time,
/// and what a disk would make of it is not what they ask.
pub(crate) fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

/// Options under which nothing depends on time.
pub(crate) fn options(records_max: u64, sign: bool) -> Options {
    Options {
        policy: CheckpointPolicy { records_max, bytes_max: 1 << 20, interval_ns: None },
        inline_bytes_max: INLINE_BYTES_MAX,
        sign,
        identity: sign.then(identity),
        ..Options::default()
    }
}

/// A recorder of events that carry a number and a payload that follows from it, so that whoever
/// finds one later can tell which it is and whether it is whole.
pub(crate) struct Numbered {
    pub(crate) recorder: Recorder,
    function: FunctionId,
    /// The number of the next event.
    pub(crate) next: u64,
}

impl Numbered {
    pub(crate) fn create(
        log: impl Log + 'static,
        name: &str,
        options: Options,
        seed: [u8; 32],
    ) -> Result<Numbered, RecordError> {
        let about = About {
            recorder: "test".to_owned(),
            name: name.to_owned(),
            embedded: Some(vec![0x61; 100 + 2 * name.len()]),
            ..About::default()
        };
        let recorder = Recorder::create(log, about, options, Seed::new(seed), clock())?;
        Numbered::start(recorder)
    }

    /// Goes on with a chain. The caller says by `next` how many events it has.
    pub(crate) fn resume(
        file: File,
        options: ResumeOptions,
        seed: [u8; 32],
    ) -> Result<Numbered, ResumeError> {
        let recorder = Recorder::resume(file, options, Seed::new(seed), clock())?;
        Ok(Numbered::start(recorder)?)
    }

    fn start(mut recorder: Recorder) -> Result<Numbered, RecordError> {
        let params = [("number", Type::U64), ("payload", Type::List(Box::new(Type::U8)))];
        let function = recorder.function_id("test:crash/log", "put", &params, &[])?;
        Ok(Numbered { recorder, function, next: 0 })
    }

    /// Appends the next event and returns how many there are now.
    pub(crate) fn append(&mut self) -> Result<u64, RecordError> {
        let args = Values::of(&[Value::U64(self.next), Value::Bytes(payload(self.next))]).unwrap();
        let call = Call { function: self.function, args, fuel: None };
        self.recorder.append(&Event::ImportCall(call))?;
        self.next += 1;
        Ok(self.next)
    }
}

/// Short noise mostly; now and then enough zeros to fill a sector, or enough bytes for a blob.
pub(crate) fn payload(number: u64) -> Vec<u8> {
    let mut noise = blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof();
    let mut len = [0];
    noise.fill(&mut len);
    let len = usize::from(len[0]);
    let mut bytes = match number % 8 {
        3 => vec![0; INLINE_BYTES_MAX + len],
        5 => return vec![0; 600 + len],
        _ => vec![0; len],
    };
    noise.fill(&mut bytes);
    bytes
}

/// How many numbered events a chain has. Each must be the one that was appended at its number.
pub(crate) fn count_numbered(chain: &[u8]) -> u64 {
    let params = [Type::U64, Type::List(Box::new(Type::U8))];
    let mut blobs: HashMap<Hash, Vec<u8>> = HashMap::new();
    let mut count = 0;
    if chain.is_empty() {
        return count;
    }
    let mut reader = Reader::new(chain).unwrap();
    while let Some(stored) = reader.read().unwrap() {
        match stored {
            Stored::Blob { blob, .. } => {
                blobs.insert(blob.digest, blob.content.to_vec());
            }
            Stored::Record(record) if record.kind == Kind::ImportCall => {
                let Event::ImportCall(call) = record.event().unwrap() else { unreachable!() };
                let values = call.args.decode(params.iter(), &TypeTable::default()).unwrap();
                assert_eq!(values[0], Value::U64(count), "an event is missing or twice");
                let found = match &values[1] {
                    Value::Bytes(bytes) => bytes.clone(),
                    Value::Blob(blob) => content(blob, &blobs),
                    other => panic!("event {count} carries {other:?}"),
                };
                assert!(found == payload(count), "event {count} is not what was appended");
                count += 1;
            }
            _ => {}
        }
    }
    count
}

fn content(blob: &BlobRef, blobs: &HashMap<Hash, Vec<u8>>) -> Vec<u8> {
    blob.pieces.iter().flat_map(|piece| blobs[piece].clone()).collect()
}

/// Recovers a file, holds the outcome to all that recovery promises, and returns the chain as it
/// was before it was closed as well.
pub(crate) fn recover(path: &Path) -> Vec<u8> {
    let before = fs::read(path).unwrap();
    let (keep, closed, aside) = apply(path, false);
    let after = fs::read(path).unwrap();
    assert!(after[..keep] == before[..keep], "recovery changed what it keeps");
    assert!(aside == before[keep..], "kept and set aside bytes do not make up the file");
    let verdict = if closed { Verdict::Complete } else { Verdict::Open };
    assert_verdict(&after, verdict);

    let (keep, _, _) = apply(path, false);
    assert_eq!(keep, after.len());
    assert!(fs::read(path).unwrap() == after, "a second recovery changed something");

    apply(path, true);
    let complete = fs::read(path).unwrap();
    assert_verdict(&complete, Verdict::Complete);
    assert!(complete.starts_with(&after));
    apply(path, true);
    assert!(fs::read(path).unwrap() == complete, "recovery changed a closed chain");
    after
}

/// Recovers a file once. Returns how many bytes it kept, whether the chain was closed, and what
/// was set aside.
pub(crate) fn apply(path: &Path, close: bool) -> (usize, bool, Vec<u8>) {
    let mut file = File::options().read(true).write(true).open(path).unwrap();
    let plan = Recovery::plan(&mut file).unwrap();
    let (keep, torn, closed) = (plan.keep, plan.torn, plan.closed);
    let signed = plan.header.first_key.is_some();
    let options = RecoverOptions { close, identity: signed.then(identity) };
    let log = Arc::new(Mutex::new(Vec::new()));
    let aside = || Ok(Box::new(log.clone()) as Box<dyn Log>);
    plan.apply(&mut file, options, Seed::new([77; 32]), &clock(), aside).unwrap();
    let aside = log.lock().unwrap().clone();
    assert_eq!(aside.len() as u64, torn);
    (keep as usize, closed, aside)
}

pub(crate) fn assert_verdict(chain: &[u8], expected: Verdict) {
    let report = verify(chain, &theater_verify::Options::default()).unwrap();
    assert_eq!(report.faults, [], "a recovered chain has faults");
    assert_eq!(report.verdict(), expected);
}

/// Set in processes that a test starts from its own binary: what they are to work on.
pub(crate) const ROLE: &str = "THEATER_CRASH_ROLE";

/// This test binary, to be started again for one test.
pub(crate) fn binary() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// The arguments with which the binary runs this test and shows what it says.
pub(crate) fn only(test: &str) -> [&str; 3] {
    ["--exact", test, "--nocapture"]
}

/// Tells the process that started this one, at once and past what the test harness catches.
#[allow(clippy::explicit_write, reason = "the harness would catch what is printed")]
pub(crate) fn acknowledge(count: u64) {
    writeln!(io::stderr(), "acknowledged {count}").unwrap();
}

/// The last number that a process acknowledged.
pub(crate) fn last_acknowledged(said: &str) -> Option<u64> {
    // Without the end of the line the number may not be whole.
    let lines = said.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse().ok()).next_back()
}
