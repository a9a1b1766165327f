//! A small valid chain for targets that damage one, and the ways to damage it.

use std::sync::{Arc, LazyLock, Mutex};

use theater_record::{
    About, Call, CloseReason, Event, Frame, Lifecycle, LifecycleState, MAGIC, Options, Outcome,
    Recorder, Return, Seed, Sensitivity, Type, Value, Values,
};

/// A signed, closed chain of a few segments, with blobs.
pub static SAMPLE: LazyLock<Vec<u8>> = LazyLock::new(|| record_sample([1; 32]));
/// Another history by the same recorder, to take records from.
static SIBLING: LazyLock<Vec<u8>> = LazyLock::new(|| record_sample([2; 32]));

fn record_sample(seed: [u8; 32]) -> Vec<u8> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut options = Options { sign: true, inline_bytes_max: 100, ..Options::default() };
    options.policy.records_max = 8;
    options.policy.interval_ns = None;
    let about = About { name: "fuzz".to_owned(), ..About::default() };
    let clock = Arc::new(|| 1_700_000_000_000_000_000);
    let mut recorder = Recorder::create(log.clone(), about, options, Seed::new(seed), clock)
        .expect("memory takes everything");
    let read = recorder
        .function_id("fuzz:disk/file", "read", &[("at", Type::U64)], &[Type::String])
        .expect("memory takes everything");
    let state = LifecycleState::Spawned;
    let mut append = |event: Event, how| {
        recorder.append_as(&event, how).expect("memory takes everything");
    };
    append(
        Event::Lifecycle(Lifecycle { state, time: 1, detail: String::new() }),
        Sensitivity::Plain,
    );
    for at in 0..12 {
        let args = Values::of(&[Value::U64(at)]).unwrap();
        append(Event::ImportCall(Call { function: read, args, fuel: None }), Sensitivity::Plain);
        let text = "x".repeat(at as usize * 12);
        let outcome = Outcome::Returned(Values::of(&[Value::String(text)]).unwrap());
        let how = if at == 5 { Sensitivity::Sensitive } else { Sensitivity::Plain };
        append(Event::ImportReturn(Return { function: read, outcome, fuel: Some(at) }), how);
    }
    recorder.close(CloseReason::Completed, "").expect("memory takes everything");
    log.lock().expect("the writer is done").clone()
}

/// The frames of a chain that is known to be sound.
pub fn frames(chain: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    let mut rest = &chain[MAGIC.len()..];
    while let Some(frame) = Frame::parse(rest) {
        frames.push(frame.bytes());
        rest = &rest[frame.bytes().len()..];
    }
    frames
}

/// The sample, damaged as the bytes say: four bytes for each step.
pub fn damaged_sample(script: &[u8]) -> Vec<u8> {
    let mut chain = SAMPLE.clone();
    for step in script.chunks_exact(4).take(16) {
        let [what, which, low, high] = *step else { continue };
        let at = usize::from(u16::from_le_bytes([low, high])) % (chain.len() + 1);
        match what % 8 {
            0 => {
                if let Some(byte) = chain.get_mut(at) {
                    *byte ^= 1 << (which % 8);
                }
            }
            1 => chain.truncate(at),
            2 => drop(chain.drain(at..(at + usize::from(which)).min(chain.len()))),
            3 => drop(chain.splice(at..at, vec![which; usize::from(which)])),
            _ => chain = with_frames_changed(&chain, what, usize::from(which), at),
        }
    }
    chain
}

/// Removes, repeats, moves or replaces one frame.
fn with_frames_changed(chain: &[u8], what: u8, which: usize, to: usize) -> Vec<u8> {
    if chain.len() < MAGIC.len() {
        return chain.to_vec();
    }
    let mut frames = frames(chain);
    let end: usize = MAGIC.len() + frames.iter().map(|frame| frame.len()).sum::<usize>();
    if frames.is_empty() {
        return chain.to_vec();
    }
    let from = which % frames.len();
    let to = to % frames.len();
    let siblings = self::frames(&SIBLING);
    match what % 8 {
        4 => drop(frames.remove(from)),
        5 => frames.insert(to, frames[from]),
        6 => frames.swap(from, to),
        _ => frames[to] = siblings[from % siblings.len()],
    }
    [&chain[..MAGIC.len()], &frames.concat(), &chain[end..]].concat()
}
