//! All recorders of a process share a few threads: none holds up or harms another, and one that has
//! nothing to do costs next to nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail right there")]

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use theater_record::{
    About, CheckpointPolicy, CloseReason, Event, Kind, Lifecycle, LifecycleState, Log, Options,
    Reader, RecordError, Recorder, Seed, Stored, record_hash,
};

type Memory = Arc<Mutex<Vec<u8>>>;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// As in `threads.rs`.
const THREADS_MAX: usize = 32;

fn recorder(log: impl Log + 'static, interval: Option<Duration>) -> Recorder {
    let interval_ns = interval.map(|interval| interval.as_nanos() as u64);
    let policy = CheckpointPolicy { records_max: 1000, bytes_max: u64::MAX, interval_ns };
    let options = Options { policy, ..Options::default() };
    let (about, seed) = (About::default(), Seed::new([1; 32]));
    Recorder::create(log, about, options, seed, Arc::new(|| 1)).unwrap()
}

fn event(number: u64) -> Event {
    let (state, detail) = (LifecycleState::Paused, format!("event {number}"));
    Event::Lifecycle(Lifecycle { state, time: 1, detail })
}

fn kinds(log: &Memory) -> Vec<Kind> {
    let bytes = log.lock().unwrap().clone();
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let mut kinds = Vec::new();
    while let Some(Stored::Record(record)) = reader.read().unwrap() {
        kinds.push(record.kind);
    }
    kinds
}

#[track_caller]
fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A log that stands still until it is let go.
struct Stuck {
    lets_go: Arc<AtomicBool>,
    stuck: Arc<AtomicUsize>,
}

impl Log for Stuck {
    fn append(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.stuck.fetch_add(1, Ordering::Relaxed);
        while !self.lets_go.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

#[test]
fn many_recorders_that_fall_idle_are_all_checkpointed_by_a_few_threads() {
    let logs: Vec<Memory> = (0..2000).map(|_| Memory::default()).collect();
    let interval = Some(Duration::from_millis(50));
    let mut recorders: Vec<_> = logs.iter().map(|log| recorder(log.clone(), interval)).collect();
    for recorder in &mut recorders {
        recorder.append(&event(1)).unwrap();
    }
    let expected = [Kind::Header, Kind::Lifecycle, Kind::Checkpoint];
    for log in &logs {
        until("a recorder that fell idle has no checkpoint", || kinds(log) == expected);
    }
    #[cfg(target_os = "linux")]
    {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.filter_map(|task| std::fs::read(task.unwrap().path().join("comm")).ok());
        let writers = names.filter(|name| name == b"chain-writer\n").count();
        assert!((1..=THREADS_MAX).contains(&writers), "{writers} threads for 2000 recorders");
    }
}

#[test]
fn whoever_reads_behind_a_recorder_finds_all_that_was_appended() {
    let log = Memory::default();
    let mut recorder = recorder(log.clone(), None);
    let backlog = recorder.backlog();
    for number in 1..=200 {
        recorder.append(&event(number)).unwrap();
        backlog.write().unwrap();
        assert_eq!(kinds(&log).len() as u64, number + 1);
    }
    // Nothing is left of one that is gone.
    recorder.append(&event(201)).unwrap();
    drop(recorder);
    backlog.write().unwrap();
    assert_eq!(kinds(&log).len(), 202);
}

#[test]
fn disks_that_stand_still_hold_up_nobody_else() {
    let (lets_go, stuck) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let stand_still = || Stuck { lets_go: lets_go.clone(), stuck: stuck.clone() };
    let mut held: Vec<_> = (0..6).map(|_| recorder(stand_still(), None)).collect();
    until("nobody writes the headers", || stuck.load(Ordering::Relaxed) == held.len());
    for recorder in &mut held {
        for number in 0..5 {
            recorder.append(&event(number)).unwrap();
            // What was linked is known, though the disk does not move.
            assert_eq!(recorder.tip().unwrap().seq, number + 1);
        }
    }
    let log = Memory::default();
    let mut other = recorder(log.clone(), Some(Duration::from_millis(5)));
    other.append(&event(1)).unwrap();
    let expected = [Kind::Header, Kind::Lifecycle, Kind::Checkpoint];
    until("the other one is held up", || kinds(&log) == expected);
    other.append_durable(&event(2)).unwrap();
    lets_go.store(true, Ordering::Relaxed);
    for recorder in held {
        assert_eq!(recorder.close(CloseReason::Completed, "").unwrap().seq, 7);
    }
}

/// A log that fails or panics when it is used the second time.
struct Failing {
    panics: bool,
    uses: usize,
}

impl Log for Failing {
    fn append(&mut self, _: &[u8]) -> io::Result<()> {
        self.uses += 1;
        match self.uses {
            1 => Ok(()),
            _ if self.panics => panic!("this test has the log panic"),
            _ => Err(io::Error::other("the disk is broken")),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_that_fails_or_panics_harms_no_other_chain() {
    let log = Memory::default();
    let mut well = recorder(log.clone(), None);
    for round in 0..20 {
        let panics = round % 2 == 0;
        let mut failing = recorder(Failing { panics, uses: 0 }, None);
        // The threads find out, not the caller.
        let start = Instant::now();
        while failing.append(&event(1)).is_ok() {
            assert!(start.elapsed() < PATIENCE, "a failure is never told");
        }
        let told = failing.append(&event(1)).unwrap_err();
        match panics {
            true => assert!(matches!(told, RecordError::Panicked), "{told:?}"),
            false => assert!(matches!(told, RecordError::Log(_)), "{told:?}"),
        }
        assert!(failing.tip().is_err() && failing.flush().is_err());
        assert!(failing.close(CloseReason::Completed, "").is_err());
        well.append(&event(round)).unwrap();
    }
    well.close(CloseReason::Completed, "").unwrap();
    assert_eq!(kinds(&log).len(), 1 + 20 + 2);
}

#[test]
fn whoever_asks_hears_once_it_is_in_the_log_or_that_it_never_will_be() {
    let log = Memory::default();
    let (tell, told) = mpsc::channel();
    let mut recorder = recorder(log.clone(), None);
    for number in 0..1000 {
        let seq = recorder.append(&event(number)).unwrap();
        let (log, tells) = (log.clone(), tell.clone());
        recorder.when_written(move |outcome| {
            outcome.unwrap();
            tells.send((seq, kinds(&log).len() as u64)).unwrap();
        });
        if number % 100 == 0 {
            recorder.write().unwrap();
            // What is in the log already is told at once.
            let tell = tell.clone();
            recorder.when_written(move |outcome| {
                tell.send((seq, outcome.map_or(0, |()| seq + 1))).unwrap();
            });
        }
    }
    recorder.close(CloseReason::Completed, "").unwrap();
    drop(tell);
    let heard: Vec<_> = told.iter().collect();
    assert_eq!(heard.len(), 1010);
    assert!(heard.is_sorted_by_key(|(seq, _)| *seq));
    assert!(heard.iter().all(|(seq, records)| records > seq), "{heard:?}");
}

#[test]
fn whoever_waits_for_a_log_that_fails_hears_so() {
    let (tell, told) = mpsc::channel();
    let mut recorder = recorder(Failing { panics: false, uses: 0 }, None);
    for number in 0..2 {
        let _ = recorder.append(&event(number));
        let tell = tell.clone();
        recorder.when_written(move |outcome| tell.send(outcome.is_err()).unwrap());
        assert!(recorder.write().is_err());
    }
    drop((tell, recorder));
    assert_eq!(told.iter().collect::<Vec<_>>(), [true, true]);
}

#[test]
fn the_hash_of_an_event_is_known_at_once_also_where_a_checkpoint_follows() {
    let log = Memory::default();
    let mut recorder = recorder(log.clone(), Some(Duration::from_millis(1)));
    assert_eq!(recorder.last_event().unwrap().seq, 0);
    let mut told = Vec::new();
    for number in 0..5000 {
        let seq = recorder.append(&event(number)).unwrap();
        let tip = recorder.last_event().unwrap();
        assert_eq!(tip.seq, seq);
        told.push(tip);
    }
    let last = recorder.tip().unwrap();
    assert!(last.seq >= told[4999].seq);
    drop(recorder);
    let bytes = log.lock().unwrap().clone();
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let mut hashes = Vec::new();
    let mut checkpoints = 0;
    while let Some(Stored::Record(record)) = reader.read().unwrap() {
        checkpoints += usize::from(record.kind == Kind::Checkpoint);
        hashes.push(record_hash(record.frame.bytes()));
    }
    assert!(checkpoints >= 5, "only {checkpoints} checkpoints came in between");
    assert!(told.iter().all(|tip| hashes[tip.seq as usize] == tip.hash));
    assert_eq!(hashes[last.seq as usize], last.hash);
    assert_eq!(hashes.len(), 1 + 5000 + checkpoints);
}

#[test]
fn the_header_is_synced_without_being_asked_and_before_anything_is_behind_it() {
    /// Says how many bytes there were at each sync.
    struct Syncs(Arc<Mutex<Vec<usize>>>, usize);
    impl Log for Syncs {
        fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.1 += bytes.len();
            Ok(())
        }

        fn sync(&mut self) -> io::Result<()> {
            self.0.lock().unwrap().push(self.1);
            Ok(())
        }
    }
    let written = Memory::default();
    drop(recorder(written.clone(), None));
    assert_eq!(kinds(&written), [Kind::Header]);
    let header = written.lock().unwrap().len();

    let syncs = Arc::<Mutex<Vec<usize>>>::default();
    let idle = recorder(Syncs(syncs.clone(), 0), None);
    until("the header is never synced", || *syncs.lock().unwrap() == [header]);
    drop(idle);

    syncs.lock().unwrap().clear();
    let mut busy = recorder(Syncs(syncs.clone(), 0), None);
    busy.append(&event(1)).unwrap();
    busy.flush().unwrap();
    let seen = syncs.lock().unwrap().clone();
    assert_eq!(seen[0], header);
    assert_eq!(seen.len(), 2, "once for the header, once for the checkpoint");
}
