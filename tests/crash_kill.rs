//! Guards against a process that is killed: whatever it was told is durable is there afterwards,
//! whole and in order, also if recovery is killed as well.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use theater_record::{
    CheckpointPolicy, Clock, Log, Options, RecoverError, RecoverOptions, Recovery, Seed,
};

use crate::crash::{self, Numbered};

const TEST: &str = "crash_kill::killed_at_any_moment";
/// How often to kill a recorder, unless the environment says otherwise.
const KILLS: u64 = 200;
/// A process that nobody kills ends by itself after this.
const ABANDONED: Duration = Duration::from_secs(20);

#[test]
fn killed_at_any_moment() {
    if let Ok(role) = std::env::var(crash::ROLE) {
        return match role.split_once(' ').unwrap() {
            ("record", rest) => {
                let (round, path) = rest.split_once(' ').unwrap();
                record(round.parse().unwrap(), Path::new(path));
            }
            (_, path) => recover(Path::new(path)),
        };
    }
    let kills = std::env::var("THEATER_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    let (mut kept, mut torn, mut unfinished) = (0, 0, 0);
    for round in 0..kills {
        let folder = crash::folder();
        let path = folder.path().join("chain");
        let mut chance = Chance::new(round);
        // Some are killed while they are still being created.
        let is_early = chance.draw(16) == 0;
        let pause = Duration::from_micros(chance.draw(if is_early { 4_000 } else { 15_000 }));
        let role = format!("record {round} {}", path.display());
        let said = run_and_kill(&role, is_early, pause);
        let acknowledged = crash::last_acknowledged(&said);

        let before = fs::read(&path).unwrap_or_default();
        let keep = match File::open(&path).map(|mut file| Recovery::plan(&mut file)) {
            Ok(Ok(plan)) => plan.keep as usize,
            Err(_) | Ok(Err(RecoverError::NoHeader | RecoverError::Read(_)))
                if acknowledged.is_none() =>
            {
                unfinished += 1;
                continue;
            }
            other => panic!("round {round}: {:?}", other.map(|plan| plan.err())),
        };
        torn += u64::from(keep < before.len());
        for _ in 0..chance.draw(3) {
            let pause = Duration::from_micros(chance.draw(3_000));
            run_and_kill(&format!("recover {}", path.display()), false, pause);
        }
        check_nothing_lost(&path, &before, keep);
        let count = crash::count_numbered(&crash::recover(&path));
        let promised = acknowledged.unwrap_or(0);
        assert!(count >= promised, "round {round}: {promised} acknowledged, {count} left");
        kept += count;
    }
    assert!(kept > kills, "only {kept} events in {kills} chains");
    println!("{kills} kills: {kept} events kept, {torn} torn, {unfinished} killed at birth");
}

/// Starts this test in a role, kills it a moment after it first said something (or, if early,
/// after it was started) and returns all it said.
fn run_and_kill(role: &str, is_early: bool, pause: Duration) -> String {
    let mut child = Command::new(crash::binary())
        .args(crash::only(TEST))
        .env(crash::ROLE, role)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    if !is_early {
        said.read_line(&mut text).unwrap();
    }
    std::thread::sleep(pause);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    said.read_to_string(&mut text).unwrap();
    assert!(!text.contains("panicked"), "{status}: {text}");
    text
}

/// Records until killed. The round decides how.
fn record(round: u64, path: &Path) {
    let started = Instant::now();
    let sign = round.is_multiple_of(2);
    let policy = CheckpointPolicy {
        interval_ns: round.is_multiple_of(3).then_some(300_000),
        ..crash::options(5 + round % 40, sign).policy
    };
    let options = Options {
        policy,
        queue_bytes_max: 1 << (round % 20),
        ..crash::options(policy.records_max, sign)
    };
    let file = File::create_new(path).unwrap();
    let mut chain = Numbered::create(file, "killed", options, [round as u8; 32]).unwrap();
    crash::acknowledge(0);
    while started.elapsed() < ABANDONED {
        let count = chain.append().unwrap();
        if count.is_multiple_of(1 + round % 9) {
            chain.recorder.flush().unwrap();
            crash::acknowledge(count);
        }
    }
}

/// Recovers until killed, slowly, so that it may be killed between any two steps.
fn recover(path: &Path) {
    let mut file = File::options().read(true).write(true).open(path).unwrap();
    let plan = Recovery::plan(&mut file).unwrap();
    let clock: Clock = Arc::new(|| {
        std::thread::sleep(Duration::from_micros(500));
        1_000
    });
    let identity = plan.header.identity.map(|_| crash::identity());
    let options = RecoverOptions { close: false, identity };
    let aside = || {
        let aside = File::create_new(asides(path).find(|aside| !aside.exists()).unwrap())?;
        Ok(Box::new(aside) as Box<dyn Log>)
    };
    crash::acknowledge(0);
    std::thread::sleep(Duration::from_micros(200));
    plan.apply(&mut file, options, Seed::new([8; 32]), &clock, aside).unwrap();
}

/// Where to set a tail aside, and where if that is taken, and so on.
fn asides(path: &Path) -> impl Iterator<Item = PathBuf> {
    (0..9).map(|number| path.with_extension(format!("torn-{number}")))
}

/// What was in the file before the first recovery is still somewhere, however often one was killed.
fn check_nothing_lost(path: &Path, before: &[u8], keep: usize) {
    let now = fs::read(path).unwrap();
    let same = now.iter().zip(before).take_while(|(now, before)| now == before).count();
    let asides: Vec<_> = asides(path).filter_map(|aside| fs::read(aside).ok()).collect();
    // A later recovery may trust less than the first one did; then it sets that aside as well.
    for piece in [&before[same.min(keep)..keep], &before[same.max(keep)..]] {
        let is_in = |aside: &Vec<u8>| aside.windows(piece.len()).any(|window| window == piece);
        assert!(piece.is_empty() || asides.iter().any(is_in), "{} bytes are gone", piece.len());
    }
}

/// Numbers that look random and are the same every time.
struct Chance(blake3::OutputReader);

impl Chance {
    fn new(seed: u64) -> Chance {
        Chance(blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof())
    }

    /// A number below the limit.
    fn draw(&mut self, limit: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        u64::from_le_bytes(bytes) % limit
    }
}
