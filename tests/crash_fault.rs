//! Guards against a failing disk: what could not be written or synced is never called durable,
//! nothing is written after a failure, and nobody waits forever for a writer that gave up.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use theater_record::{
    BODY_BYTES_MAX, CloseReason, Log, Options, RecordError, RecoverError, RecoverOptions, Recovery,
    Seed,
};
use theater_verify::Verdict;

use crate::crash::{self, Numbered};

/// Far longer than anything here takes, and far shorter than anybody wants to wait.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a log does at one of its operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// `EIO`, nothing written.
    Broken,
    /// `ENOSPC` after half of the bytes.
    Full,
}

/// A log in memory that fails once, at a given operation, and then works again: a recorder that
/// tried a second time would be found out.
#[derive(Clone)]
struct Failing {
    state: Arc<Mutex<State>>,
    fails_at: usize,
    failure: Failure,
}

#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    synced: usize,
    operations: usize,
}

impl Failing {
    fn new(fails_at: usize, failure: Failure) -> Failing {
        Failing { state: Arc::default(), fails_at, failure }
    }

    /// Counts the operation. `false` if it is the one to fail.
    fn works(&self, state: &mut State) -> bool {
        state.operations += 1;
        state.operations != self.fails_at
    }

    fn error(&self) -> io::Error {
        match self.failure {
            Failure::Broken => io::Error::other("the disk is broken"),
            Failure::Full => ErrorKind::StorageFull.into(),
        }
    }
}

impl Log for Failing {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let state = &mut *self.state.lock().unwrap();
        if self.works(state) {
            state.bytes.extend_from_slice(bytes);
            return Ok(());
        }
        if self.failure == Failure::Full {
            state.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
        }
        Err(self.error())
    }

    fn sync(&mut self) -> io::Result<()> {
        let state = &mut *self.state.lock().unwrap();
        if !self.works(state) {
            return Err(self.error());
        }
        state.synced = state.bytes.len();
        Ok(())
    }
}

/// Runs something that might wait forever.
fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, result) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    result.recv_timeout(PATIENCE).expect("somebody waits for a writer that gave up, or panicked")
}

/// A queue of this size is full all the time.
fn small_queue() -> Options {
    Options { queue_bytes_max: 1, ..crash::options(5, false) }
}

/// Records until something fails. Returns how many events had been acknowledged by then, and what
/// was said about the failure.
fn record(log: Failing) -> (u64, Option<RecordError>) {
    let mut acknowledged = 0;
    let run = || -> Result<(), RecordError> {
        let mut chain = Numbered::create(log, "fault", small_queue(), [3; 32])?;
        while chain.next < 24 {
            let result = chain.append().and_then(|count| {
                if count % 4 == 0 {
                    chain.recorder.flush()?;
                    acknowledged = count;
                }
                Ok(())
            });
            if let Err(error) = result {
                let again = chain.append().and_then(|_| chain.recorder.flush());
                assert!(again.is_err(), "a recorder went on after a failure");
                assert!(chain.recorder.tip().is_err());
                assert!(chain.recorder.close(CloseReason::Completed, "").is_err());
                return Err(error);
            }
        }
        chain.recorder.close(CloseReason::Completed, "").map(drop)
    };
    let error = run().err();
    (acknowledged, error)
}

#[test]
fn a_failure_at_any_operation_is_final_and_told() {
    for failure in [Failure::Broken, Failure::Full] {
        let mut fails_at = 1;
        loop {
            let log = Failing::new(fails_at, failure);
            let state = log.state.clone();
            let (acknowledged, error) = in_time(move || record(log));
            let state = state.lock().unwrap();
            if state.operations < fails_at {
                // It took fewer operations than that, so nothing failed.
                assert!(error.is_none());
                crash::assert_verdict(&state.bytes, Verdict::Complete);
                break;
            }
            let Some(RecordError::Log(cause)) = error else { panic!("failed with {error:?}") };
            let expected =
                if failure == Failure::Full { ErrorKind::StorageFull } else { ErrorKind::Other };
            assert_eq!(cause.kind(), expected);
            assert_eq!(state.operations, fails_at, "something was tried after the failure");
            if state.synced == 0 {
                assert_eq!(acknowledged, 0);
            } else {
                let safe = crash::count_numbered(&state.bytes[..state.synced]);
                assert!(acknowledged <= safe, "{acknowledged} acknowledged, {safe} on disk");
                recover_bytes(&state.bytes);
            }
            fails_at += 1;
        }
        assert!(fails_at > 40, "only {fails_at} operations");
    }
}

fn recover_bytes(bytes: &[u8]) -> u64 {
    let folder = crash::folder();
    let path = folder.path().join("chain");
    fs::write(&path, bytes).unwrap();
    crash::count_numbered(&crash::recover(&path))
}

#[test]
fn a_tail_that_cannot_be_set_aside_stays() {
    let log = Failing::new(usize::MAX, Failure::Full);
    drop(Numbered::create(log.clone(), "aside", small_queue(), [3; 32]).unwrap());
    let mut torn = log.state.lock().unwrap().bytes.clone();
    torn.truncate(torn.len() - 1);
    let folder = crash::folder();
    let path = folder.path().join("chain");
    fs::write(&path, &torn).unwrap();
    for fails_at in [1, 2] {
        let mut file = File::options().read(true).write(true).open(&path).unwrap();
        let plan = Recovery::plan(&mut file).unwrap();
        let options = RecoverOptions { close: true, identity: None };
        let aside = || Ok(Box::new(Failing::new(fails_at, Failure::Full)) as Box<dyn Log>);
        let result = plan.apply(&mut file, options, Seed::new([1; 32]), &crash::clock(), aside);
        assert!(matches!(result, Err(RecoverError::Io(_))), "{result:?}");
        assert!(fs::read(&path).unwrap() == torn, "the tail is gone from the only place it was");
    }
}

/// A log that takes its time, and knows how much it has been given.
struct Slow {
    bytes: Arc<Mutex<Vec<u8>>>,
    written: Arc<AtomicUsize>,
    pause: fn(usize) -> Duration,
}

impl Log for Slow {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.written.fetch_add(bytes.len(), Ordering::Relaxed);
        std::thread::sleep((self.pause)(written));
        Log::append(&mut self.bytes, bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        std::thread::sleep((self.pause)(self.written.load(Ordering::Relaxed)));
        Ok(())
    }
}

#[test]
fn a_slow_disk_makes_the_caller_wait_and_not_the_memory_grow() {
    const QUEUE_BYTES_MAX: usize = 64 << 10;
    let (bytes, written) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
    let log = Slow { bytes, written: written.clone(), pause: |_| Duration::from_millis(2) };
    let options = Options { queue_bytes_max: QUEUE_BYTES_MAX, ..crash::options(1 << 20, false) };
    let mut chain = Numbered::create(log, "slow", options, [3; 32]).unwrap();
    let started = Instant::now();
    let mut given = 0;
    while given < 4 << 20 {
        given += crash::payload(chain.next).len();
        chain.append().unwrap();
        // One batch waits while the writer links another; the last event may go over the limit.
        let waiting = given.saturating_sub(written.load(Ordering::Relaxed));
        assert!(waiting <= 2 * (QUEUE_BYTES_MAX + 4096), "{waiting} bytes wait");
    }
    let batches = (given / (2 * QUEUE_BYTES_MAX)) as u32;
    assert!(started.elapsed() >= batches * Duration::from_millis(2), "nobody waited");
}

#[test]
fn a_dropped_recorder_leaves_an_open_chain_with_everything_in_it() {
    let log = Failing::new(usize::MAX, Failure::Broken);
    let mut chain =
        Numbered::create(log.clone(), "drop", crash::options(7, true), [3; 32]).unwrap();
    for _ in 0..100 {
        chain.append().unwrap();
    }
    drop(chain);
    let bytes = log.state.lock().unwrap().bytes.clone();
    crash::assert_verdict(&bytes, Verdict::Open);
    assert_eq!(crash::count_numbered(&bytes), 100);
}

#[test]
fn chains_do_not_depend_on_the_speed_of_threads() {
    let record = |pause, queue_bytes_max| {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let log = Slow { bytes: bytes.clone(), written: Arc::default(), pause };
        let options = Options { queue_bytes_max, ..crash::options(9, true) };
        let mut chain = Numbered::create(log, "twins", options, [3; 32]).unwrap();
        while chain.append().unwrap() < 60 {
            if chain.next.is_multiple_of(17) {
                chain.recorder.flush().unwrap();
            }
        }
        chain.recorder.close(CloseReason::Completed, "").unwrap();

        bytes.lock().unwrap().clone()
    };
    let first = record(|_| Duration::ZERO, usize::MAX);
    for round in 0..50 {
        let uneven =
            |at: usize| Duration::from_micros((at as u64).wrapping_mul(2_654_435_761) % 700);
        let other = record(uneven, 1 << (round % 16));
        assert!(other == first, "round {round}");
    }
}

/// Records until the disk is full, in a process of its own.
fn fill(path: &Path) {
    let file = File::create_new(path).unwrap();
    let error = || -> Result<(), RecordError> {
        let mut chain = Numbered::create(file, "full", crash::options(7, true), [3; 32])?;
        loop {
            let count = chain.append()?;
            if count % 3 == 0 {
                chain.recorder.flush()?;
                crash::acknowledge(count);
            }
        }
    }();
    let Err(RecordError::Log(cause)) = error else { panic!("stopped with {error:?}") };
    assert!(matches!(cause.kind(), ErrorKind::StorageFull | ErrorKind::FileTooLarge), "{cause}");
}

/// Starts this test again below a program and a shell script. The script finds what to run in its
/// arguments, the place to fill in `$FULL` and the chain's file in `$CHAIN`.
fn fill_by(program: &[&str], script: &str, test: &str, full: &Path, chain: &Path) -> String {
    let output = Command::new(program[0])
        .args(&program[1..])
        .args(["sh", "-c", script, "sh"])
        .arg(crash::binary())
        .args(crash::only(test))
        .env("FULL", full)
        .env("CHAIN", chain)
        .env(crash::ROLE, full.join("chain"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

fn check_full(path: &Path, said: &str) {
    let acknowledged = crash::last_acknowledged(said).expect("something fits before it is full");
    let kept = crash::count_numbered(&crash::recover(path));
    assert!(acknowledged <= kept, "{acknowledged} acknowledged, {kept} kept");
}

#[cfg(unix)]
#[test]
fn a_file_that_must_not_grow_any_more() {
    if let Some(role) = std::env::var_os(crash::ROLE) {
        return fill(Path::new(&role));
    }
    let folder = crash::folder();
    // Ignored, the signal becomes an error of the write that went over the limit.
    let script = "trap '' XFSZ; ulimit -f 100; exec \"$@\"";
    let test = "crash_fault::a_file_that_must_not_grow_any_more";
    let path = folder.path().join("chain");
    check_full(&path, &fill_by(&["env"], script, test, folder.path(), &path));
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_is_full() {
    if let Some(role) = std::env::var_os(crash::ROLE) {
        return fill(Path::new(&role));
    }
    // A small disk of its own that nobody else sees and that is gone with the process.
    let own_mounts = ["unshare", "--user", "--map-root-user", "--mount"];
    let (folder, outside) = (crash::folder(), crash::folder());
    let mount = "mount -t tmpfs -o size=64k none \"$FULL\"";
    let permitted = Command::new(own_mounts[0])
        .args(&own_mounts[1..])
        .args(["sh", "-c", mount])
        .env("FULL", folder.path())
        .output();
    match permitted {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            let reason = String::from_utf8_lossy(&output.stderr);
            return println!("skipped, no small disk to be had: {reason}");
        }
        Err(error) => return println!("skipped, no small disk to be had: {error}"),
    }
    let path = outside.path().join("chain");
    let script = format!("{mount} && \"$@\" && cp \"$FULL/chain\" \"$CHAIN\"");
    let test = "crash_fault::a_disk_that_is_full";
    check_full(&path, &fill_by(&own_mounts, &script, test, folder.path(), &path));
}

#[test]
fn a_reason_too_long_to_write_closes_nothing() {
    let log = Failing::new(usize::MAX, Failure::Broken);
    let mut chain =
        Numbered::create(log.clone(), "long", crash::options(7, true), [3; 32]).unwrap();
    let count = chain.append().unwrap();
    let result = chain.recorder.close(CloseReason::Failed, &"x".repeat(BODY_BYTES_MAX));
    assert!(matches!(result, Err(RecordError::TooLarge { .. })), "{result:?}");
    let bytes = log.state.lock().unwrap().bytes.clone();
    crash::assert_verdict(&bytes, Verdict::Open);
    assert_eq!(crash::count_numbered(&bytes), count);
}
