//! Guards against power loss: whatever subset of the unsynced sectors reaches the disk, recovery
//! keeps everything that was synced, takes nothing for an event that was not appended, and never
//! gives up.

use std::fs::{self, File};
use std::io::{self, Cursor};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed};
use theater_record::{
    About, Clock, CloseReason, Log, ReadError, Recorder, RecoverError, RecoverOptions, Recovery,
    Seed, Type,
};

use crate::crash::{self, Numbered};

const SECTOR_BYTES: usize = 512;

/// A log in memory that remembers what of it was synced when.
#[derive(Clone, Default)]
struct Traced(Arc<Mutex<Trace>>);

#[derive(Clone, Default)]
struct Trace {
    /// Everything that was appended.
    bytes: Vec<u8>,
    /// How many bytes had been appended and how many of them synced, after each operation.
    states: Vec<(usize, usize)>,
}

impl Log for Traced {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut trace = self.0.lock().unwrap();
        trace.bytes.extend_from_slice(bytes);
        let synced = trace.states.last().map_or(0, |state| state.1);
        let written = trace.bytes.len();
        trace.states.push((written, synced));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut trace = self.0.lock().unwrap();
        let written = trace.bytes.len();
        trace.states.push((written, written));
        Ok(())
    }
}

impl Trace {
    /// The trace of a chain with several segments and blobs, flushed here and there. Every flush
    /// that returned must have synced what was appended before it.
    fn record(name: &str, events: u64, sign: bool) -> Trace {
        let log = Traced::default();
        let mut chain =
            Numbered::create(log.clone(), name, crash::options(7, sign), [3; 32]).unwrap();
        for _ in 0..events {
            let count = chain.append().unwrap();
            match count % 11 {
                4 => chain.recorder.flush().unwrap(),
                // Appended without a sync, after a moment.
                2 | 7 | 9 => {
                    let bytes = || log.0.lock().unwrap().bytes.clone();
                    while crash::count_numbered(&bytes()) < count {
                        std::thread::sleep(Duration::from_micros(200));
                    }
                }
                _ => continue,
            }
            let trace = log.0.lock().unwrap();
            let (written, synced) = *trace.states.last().unwrap();
            if count % 11 == 4 {
                assert_eq!(synced, written, "acknowledged as durable, but not synced");
                assert_eq!(crash::count_numbered(&trace.bytes), count);
            }
        }
        // Long enough to lose a sector in the middle and still be well formed.
        chain.recorder.close(CloseReason::Completed, &"done ".repeat(300)).unwrap();

        log.0.lock().unwrap().clone()
    }

    /// The trace of a recovery. The clock is read before each record is made, so it is the moment
    /// to look at the file.
    fn recover(path: &Path) -> Trace {
        let mut file = File::options().read(true).write(true).open(path).unwrap();
        let before = fs::read(path).unwrap();
        let plan = Recovery::plan(&mut file).unwrap();
        let keep = plan.keep as usize;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let clock: Clock = {
            let (seen, path) = (seen.clone(), path.to_owned());
            Arc::new(move || {
                seen.lock().unwrap().push(fs::read(&path).unwrap());
                1_000
            })
        };
        let aside = Arc::new(Mutex::new(Vec::new()));
        let identity = plan.header.identity.map(|_| crash::identity());
        let options = RecoverOptions { close: true, identity };
        let log = || Ok(Box::new(aside.clone()) as Box<dyn Log>);
        let was_closed = plan.closed;
        plan.apply(&mut file, options, Seed::new([9; 32]), &clock, log).unwrap();
        assert!(*aside.lock().unwrap() == before[keep..]);

        let bytes = fs::read(path).unwrap();
        let seen = seen.lock().unwrap();
        if was_closed {
            return Trace { bytes, states: vec![(keep, keep)] };
        }
        let [cut, recovered, checkpointed] = &seen[..] else {
            // Three records are written, and each has its time.
            panic!("the clock was read {} times", seen.len());
        };
        assert!(*cut == before[..keep], "the tail must be gone before it is replaced");
        assert!(bytes.starts_with(checkpointed) && checkpointed.starts_with(recovered));
        let synced = checkpointed.len();
        Trace { states: vec![(keep, keep), (synced, keep), (bytes.len(), synced)], bytes }
    }

    /// The file after a crash: cut to `len`, the unsynced part of the chosen sectors lost.
    fn image(&self, synced: usize, len: usize, lost: impl Fn(usize) -> bool) -> Vec<u8> {
        let mut image = self.bytes[..len].to_vec();
        for sector in sectors(synced..len) {
            if lost(sector.start / SECTOR_BYTES) {
                image[sector].fill(0);
            }
        }
        image
    }

    /// Plans recovery of a file that a crash left when `synced` bytes were safely on disk.
    fn check(&self, image: &[u8], synced: usize) {
        let plan = match Recovery::plan(&mut Cursor::new(image)) {
            Ok(plan) => plan,
            // The recorder was still being created.
            Err(RecoverError::NoHeader | RecoverError::Read(ReadError::NotAChain))
                if synced == 0 =>
            {
                return;
            }
            Err(error) => panic!("{} of {synced} synced bytes: {error}", image.len()),
        };
        let keep = plan.keep as usize;
        assert!(keep >= synced, "keeps {keep} of {synced} synced bytes");
        assert!(image[..keep] == self.bytes[..keep], "took an event that was not appended");
    }
}

/// The sectors of a part of a file, the first and the last cut to it.
fn sectors(part: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    (part.start / SECTOR_BYTES..part.end.div_ceil(SECTOR_BYTES)).map(move |sector| {
        let start = sector * SECTOR_BYTES;
        start.max(part.start)..(start + SECTOR_BYTES).min(part.end)
    })
}

#[test]
fn every_length_at_which_a_log_can_be_cut() {
    for sign in [false, true] {
        let trace = Trace::record("cut", 40, sign);
        for (written, synced) in &trace.states {
            for len in *synced..=*written {
                trace.check(&trace.bytes[..len], *synced);
            }
        }
    }
}

#[test]
fn every_place_of_a_record_in_its_sector() {
    for shift in 0..SECTOR_BYTES {
        // One header in four is long enough to lose a sector in the middle.
        let len = if shift % 4 == 3 { shift + 2 * SECTOR_BYTES } else { shift };
        let trace = Trace::record(&"x".repeat(len), 5, shift % 8 < 4);
        for (written, synced) in &trace.states {
            let first = synced / SECTOR_BYTES;
            let count = sectors(*synced..*written).count();
            // All subsets of the first few sectors; beyond them, all or nothing.
            for subset in 0..1usize << count.min(5) {
                let lost = |sector: usize| subset >> (sector - first).min(4) & 1 == 1;
                trace.check(&trace.image(*synced, *written, lost), *synced);
            }
        }
    }
}

#[test]
fn zeros_in_a_header_are_no_lost_sector_once_something_follows() {
    let log = Traced::default();
    let about = About { state: Some(vec![0; 3 * SECTOR_BYTES]), ..About::default() };
    let options = crash::options(7, false);
    let seed = Seed::new([3; 32]);
    let mut recorder = Recorder::create(log.clone(), about, options, seed, crash::clock()).unwrap();
    recorder.write().unwrap();
    let header = log.0.lock().unwrap().bytes.len();
    recorder.type_id("test:crash/log", &Type::Bool).unwrap();
    drop(recorder);
    let trace = log.0.lock().unwrap();
    for len in header + 1..=trace.bytes.len() {
        trace.check(&trace.bytes[..len], header);
    }
    // Alone it may as well be what a crash left of another one.
    let alone = Recovery::plan(&mut Cursor::new(&trace.bytes[..header]));
    assert!(matches!(alone, Err(RecoverError::NoHeader)));
}

#[test]
fn a_zero_at_the_end_of_a_signature_is_no_lost_sector() {
    let record = |name: &str, seed: u8| {
        let log = Traced::default();
        let options = crash::options(7, true);
        let mut chain = Numbered::create(log.clone(), name, options, [seed; 32]).unwrap();
        chain.append().unwrap();
        chain.recorder.flush().unwrap();
        drop(chain);
        let trace = log.0.lock().unwrap();
        trace.clone()
    };
    // A name that leaves one byte of the checkpoint alone in the last sector.
    let names = (0..2 * SECTOR_BYTES).map(|len| "x".repeat(len));
    let mut aligned = names.filter(|name| record(name, 0).bytes.len() % SECTOR_BYTES == 1);
    let name = aligned.next().unwrap();
    let traces = (0..=255).map(|seed| record(&name, seed));
    let zeros: Vec<_> = traces.filter(|trace| trace.bytes.last() == Some(&0)).collect();
    assert!(!zeros.is_empty());
    zeros.iter().for_each(|trace| trace.check(&trace.bytes, trace.bytes.len()));
}

#[test]
fn damage_to_what_was_on_disk_is_refused() {
    let trace = Trace::record("damaged", 30, false);
    // The last checkpoint and the close record know of everything before the close record.
    let durable = trace.states.iter().rev().find(|state| state.1 < trace.bytes.len()).unwrap().1;
    for at in 0..durable {
        let mut image = trace.bytes.clone();
        image[at] ^= 1 << (at % 8);
        let plan = Recovery::plan(&mut Cursor::new(image));
        assert!(plan.is_err(), "recovered in spite of damage at byte {at} of {durable}");
    }
}

proptest! {
    #![proptest_config(Config {
        cases: 250,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        ..Config::default()
    })]

    #[test]
    fn any_sectors_lost_and_recovered(
        shift in 0..SECTOR_BYTES,
        sign: bool,
        crash_at: prop::sample::Index,
        cut_at: prop::sample::Index,
        is_cut: bool,
        lost: u64,
    ) {
        let trace = Trace::record(&"x".repeat(shift), 25, sign);
        let (written, synced) = trace.states[2 + crash_at.index(trace.states.len() - 2)];
        let len = if is_cut { synced + cut_at.index(written - synced + 1) } else { written };
        let image = trace.image(synced, len, |sector| lost >> (sector % 64) & 1 == 1);
        trace.check(&image, synced);

        let folder = crash::folder();
        let path = folder.path().join("chain");
        fs::write(&path, &image).unwrap();
        let recovered = crash::recover(&path);
        let kept = crash::count_numbered(&recovered);
        prop_assert!(kept >= crash::count_numbered(&trace.bytes[..synced]));
    }
    #[test]
    fn recovery_itself_crashes(
        shift in 0..SECTOR_BYTES,
        sign: bool,
        crash_at: prop::sample::Index,
        torn in 0..2000_usize,
        lost: u64,
    ) {
        let trace = Trace::record(&"x".repeat(shift), 8, sign);
        let (written, synced) = trace.states[2 + crash_at.index(trace.states.len() - 3)];
        // A first crash that leaves some bytes behind the last whole record.
        let image = &trace.bytes[..(synced + torn).min(written)];
        let folder = crash::folder();
        let path = folder.path().join("chain");
        fs::write(&path, image).unwrap();
        let recovery = Trace::recover(&path);

        let kept = recovery.states[0].0;
        for (written, on_disk) in &recovery.states {
            // Until its checkpoint is on disk, recovery has promised nothing new.
            let promised = if *on_disk > kept { *on_disk } else { synced };
            let image = recovery.image(*on_disk, *written, |sector| lost >> (sector % 64) & 1 == 1);
            recovery.check(&image, promised);
            fs::write(&path, &image).unwrap();
            let again = crash::recover(&path);
            prop_assert!(again.starts_with(&recovery.bytes[..promised]));
        }
    }
}
