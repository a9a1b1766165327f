//! Shrinks a chain to the shortest sequence of calls into its component that still fails the same
//! way: truncated behind the failure, then searched for what can be left out.
//!
//! A candidate is executed as an excerpt of the chain (see `Life` and `play_excerpt` of the runtime):
//! on a fresh instance, without any host, with recorded answers that are looked up. One that asks for
//! what was never recorded does not count.

mod ddmin;
mod fingerprint;

use std::sync::{Arc, Mutex};

use theater_record::{
    About, CheckpointPolicy, Clock, Event, FunctionId, FunctionType, Header, Outcome, RecordError,
    Recorder, Return, Seed, Value,
};
use theater_runtime::{
    Component, Ending, Excerpt, Frame, Life, PlaybackError, PlaybackOptions, TapeError, play,
    play_excerpt,
};
use theater_verify::{Checked, VerifiedChain};

use crate::divergence::Divergence;

use ddmin::{Minimal, ddmin};
pub(crate) use fingerprint::{Fingerprint, error_type, path};

/// What is to be shrunk: a chain, the component that it is a recording of, perhaps another build.
pub(crate) struct Case<'a> {
    pub(crate) chain: &'a VerifiedChain,
    pub(crate) recorded: &'a Component,
    /// If there is another build, the failure is what it does differently.
    pub(crate) other: Option<&'a Component>,
    /// The event of the failure; without one it is the last.
    pub(crate) event: Option<u64>,
    /// How many candidates to try at most.
    pub(crate) tries: u64,
}

/// The outcome of a search.
pub(crate) struct Shrunk {
    pub(crate) life: Life,
    pub(crate) fingerprint: Fingerprint,
    /// The event of the failure.
    pub(crate) event: u64,
    /// The error that was recorded, if the failure is one, with its function.
    pub(crate) error: Option<(FunctionType, Value)>,
    /// The trap, if it is one, and where on the component's stack it happened.
    pub(crate) trap: Option<Event>,
    pub(crate) frames: Vec<Frame>,
    /// The calls that are needed, by their positions in the life, the failing one last.
    pub(crate) kept: Vec<usize>,
    /// How many calls the chain has up to the failure.
    pub(crate) truncated: usize,
    /// How many candidates were executed.
    pub(crate) tried: u64,
    pub(crate) is_certain: bool,
}

/// Why nothing can be shrunk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MinimiseError {
    #[error("no call into the component traps or returns an err")]
    NoFailure,
    #[error("event {0} does not belong to a call that traps or returns an err")]
    NoFailureAt(u64),
    #[error("the component was never called")]
    NoCall,
    #[error("the other build does what was recorded, to the end of the chain")]
    NoDivergence,
    #[error("the recorded component does something else than its chain says, from event {0} on")]
    NotReplayed(u64),
    #[error("the calls up to event {0} do not fail the same way once their answers are looked up")]
    NotReproduced(u64),
    #[error(transparent)]
    Playback(#[from] PlaybackError),
    #[error("a candidate cannot be written")]
    Record(#[from] RecordError),
    #[error("a candidate cannot be read")]
    Candidate(#[source] theater_verify::VerifyError),
}

impl From<TapeError> for MinimiseError {
    fn from(error: TapeError) -> MinimiseError {
        MinimiseError::Playback(error.into())
    }
}

/// Searches for the calls that are needed.
pub(crate) fn minimise(case: &Case<'_>) -> Result<Shrunk, MinimiseError> {
    let (life, event, failing) = match case.other {
        None => failing_call(case)?,
        Some(other) => diverging_call(case, other)?,
    };
    // Everything up to the failure, which has to be the same failure when answers are looked up.
    let truncated = failing.map_or(0, |failing| failing + 1);
    let before = failing.unwrap_or(0);
    let all: Vec<usize> = (0..truncated).collect();
    let Some((fingerprint, excerpt)) = execute(case, &life, &all)? else {
        return Err(MinimiseError::NotReproduced(event));
    };
    let mut tried = 1;
    let holds = |set: &[usize]| {
        tried += 1;
        let candidate: Vec<usize> = set.iter().copied().chain(failing).collect();
        let outcome = execute(case, &life, &candidate)?;
        Ok::<_, MinimiseError>(outcome.is_some_and(|(other, _)| other == fingerprint))
    };
    let Minimal { kept, is_certain, .. } = ddmin(before, case.tries, holds)?;
    let kept: Vec<usize> = kept.into_iter().chain(failing).collect();
    let error = failing.and_then(|failing| recorded_error(&life, failing));
    let trap = excerpt.outcomes.last().filter(|_| excerpt.failure.is_some());
    let trap = trap.map(|(_, outcome)| trapped(outcome.clone()));
    let frames = excerpt.trapped_at;
    Ok(Shrunk { life, fingerprint, event, error, trap, frames, kept, truncated, tried, is_certain })
}

/// The call that fails, in its life.
fn failing_call(case: &Case<'_>) -> Result<(Life, u64, Option<usize>), MinimiseError> {
    let mut until = case.event;
    let mut has_calls = false;
    while let Some(life) = Life::read(case.chain, until)? {
        has_calls |= !life.calls.is_empty();
        let found = match case.event {
            None => life.calls.iter().rposition(|call| fingerprint::is_failure(call, &life.types)),
            Some(_) => life
                .calls
                .len()
                .checked_sub(1)
                .filter(|last| fingerprint::is_failure(&life.calls[*last], &life.types)),
        };
        if let Some(failing) = found {
            let event = life.calls[failing].end.as_ref().map_or(0, |(seq, _)| *seq);
            return confirmed(case, life, event, failing);
        }
        match (case.event, life.seq.checked_sub(1)) {
            (None, Some(before)) => until = Some(before),
            _ => break,
        }
    }
    Err(match case.event {
        Some(event) => MinimiseError::NoFailureAt(event),
        None if has_calls => MinimiseError::NoFailure,
        None => MinimiseError::NoCall,
    })
}

/// Sees to it that the component does what the chain says, up to the failure.
fn confirmed(
    case: &Case<'_>,
    life: Life,
    event: u64,
    failing: usize,
) -> Result<(Life, u64, Option<usize>), MinimiseError> {
    if let Some(asked) = case.event
        && asked > event
    {
        return Err(MinimiseError::NoFailureAt(asked));
    }
    let options = PlaybackOptions { until: Some(event + 1), ..PlaybackOptions::default() };
    match play(case.recorded, case.chain, options)?.ending {
        Ending::Diverged(mismatch) => Err(MinimiseError::NotReplayed(mismatch.seq)),
        Ending::Same | Ending::Reached | Ending::Unanswered(_) => Ok((life, event, Some(failing))),
    }
}

/// The call in which another build does something else; `None` if it does so before any call.
fn diverging_call(
    case: &Case<'_>,
    other: &Component,
) -> Result<(Life, u64, Option<usize>), MinimiseError> {
    let Ending::Diverged(mismatch) = play(other, case.chain, PlaybackOptions::default())?.ending
    else {
        return Err(MinimiseError::NoDivergence);
    };
    let Some(life) = Life::read(case.chain, Some(mismatch.seq))? else {
        return Err(MinimiseError::NoCall);
    };
    let failing = life.calls.len().checked_sub(1);
    Ok((life, mismatch.seq, failing))
}

/// Makes the calls of a candidate and says how that fails, if it does, the last of them included.
fn execute(
    case: &Case<'_>,
    life: &Life,
    candidate: &[usize],
) -> Result<Option<(Fingerprint, Excerpt)>, MinimiseError> {
    let Some(other) = case.other else {
        let excerpt = play_excerpt(case.recorded, case.chain, life, candidate, None)?;
        let failing = candidate.last().filter(|_| excerpt.unanswered.is_none());
        let fingerprint =
            failing.and_then(|&failing| Fingerprint::of_call(life, failing, &excerpt));
        return Ok(fingerprint.map(|fingerprint| (fingerprint, excerpt)));
    };
    // What the recorded build does without the calls that are left out is what the other build has
    // to be held against.
    let (recorder, log) = scratch(case.chain.header())?;
    let excerpt = play_excerpt(case.recorded, case.chain, life, candidate, Some(recorder))?;
    if excerpt.unanswered.is_some() {
        return Ok(None);
    }
    let bytes = std::mem::take(&mut *log.lock().expect("the writer has ended without a panic"));
    let checked = Checked::new(Arc::new(bytes), &theater_verify::Options::default())
        .map_err(MinimiseError::Candidate)?;
    let Ok(expected) = checked.whole() else { return Ok(None) };
    Ok(match play(other, &expected, PlaybackOptions::default())?.ending {
        Ending::Diverged(mismatch) => {
            Some((Fingerprint::of_divergence(&Divergence::of(*mismatch)), excerpt))
        }
        Ending::Same | Ending::Reached | Ending::Unanswered(_) => None,
    })
}

/// The bytes of a chain that is being written.
type Scratch = Arc<Mutex<Vec<u8>>>;

/// A chain in memory for what a candidate does. It never leaves this process, so it is not marked
/// synthetic: it has to be replayed.
fn scratch(header: &Header) -> Result<(Recorder, Scratch), RecordError> {
    let about = About {
        component: header.component,
        settings: header.settings.clone(),
        ..About::default()
    };
    let log = Arc::new(Mutex::new(Vec::new()));
    let policy = CheckpointPolicy { interval_ns: None, ..CheckpointPolicy::default() };
    let options = theater_record::Options { policy, ..theater_record::Options::default() };
    let clock: Clock = Arc::new(|| 0);
    let recorder = Recorder::create(log.clone(), about, options, Seed::new([0; 32]), clock)?;
    Ok((recorder, log))
}

fn trapped(outcome: Outcome) -> Event {
    Event::ExportReturn(Return { function: FunctionId(0), outcome, fuel: None })
}

fn recorded_error(life: &Life, failing: usize) -> Option<(FunctionType, Value)> {
    let call = &life.calls[failing];
    let outcome: &Outcome = call.end.as_ref().map(|(_, outcome)| outcome)?;
    let error = fingerprint::error_of(&call.function, outcome, &life.types)??;
    Some((call.function.clone(), error))
}
