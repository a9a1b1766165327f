//! Finds out what a component depends on besides its input.
//!
//! It is recorded again and again, each time with one source of nondeterminism varied and all others
//! held still, and each recording is compared with the first. What shows outside is a finding. What
//! was told differently and never shows is a note: nothing has to be done about it today.
//!
//! Where things lie in memory cannot be varied by itself. It shifts with the size of variables and of
//! the program's name, which components take into their memory. So if other values of the same size
//! change nothing outside and longer ones do, what shows is not what the environment says but where it
//! has moved the rest. A component that tells nothing of its environment but sizes is taken for one
//! that tells addresses; one that tells both its variables and addresses has to be examined again
//! once the first is mended.

mod compare;
mod record;
pub(crate) mod report;
mod trace;
mod vary;

use std::collections::BTreeSet;
use std::sync::Arc;

use theater_record::{Event, ReadError, TypeTable};
use theater_runtime::{Crossing, Ending, Frame, FramesAt, PlaybackError};

use crate::divergence::{Divergence, DivergenceKind};
use crate::source::{Located, SourceMap};

use compare::{Compared, compare};
pub(crate) use record::{Patient, RecordingError, Run};
use trace::Trace;
pub(crate) use vary::Class;
use vary::Setting;

/// Why there is no diagnosis.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoctorError {
    #[error(transparent)]
    Recording(#[from] RecordingError),
    #[error("what was recorded cannot be read")]
    Read(#[from] ReadError),
    #[error("what was recorded cannot be replayed")]
    Playback(#[from] PlaybackError),
}

/// What was found.
pub(crate) struct Diagnosis {
    pub(crate) findings: Vec<Finding>,
    pub(crate) notes: Vec<Note>,
    pub(crate) varied: Vec<Varied>,
    /// How many recordings were made, and how many of them replay exactly.
    pub(crate) recorded: u64,
    pub(crate) replayed: u64,
    /// The first recording.
    pub(crate) first: Run,
    /// Why there are no lines of source, if there are none.
    pub(crate) without_lines: Option<String>,
}

/// How often a class was varied, and if it was not, why.
pub(crate) struct Varied {
    pub(crate) class: Class,
    pub(crate) runs: u32,
    pub(crate) why_not: Option<&'static str>,
}

/// Something that a component depends on and that is not its input.
pub(crate) struct Finding {
    pub(crate) class: Class,
    /// What was varied when it showed.
    pub(crate) what: String,
    /// The calls through whose answers it comes in.
    pub(crate) entries: Vec<Place>,
    pub(crate) shown: Option<Shown>,
    /// How the replay parts from the recording, if that is the finding.
    pub(crate) divergence: Option<Divergence>,
    /// The recording in which it shows.
    pub(crate) run: Run,
}

/// Something that a component was told, and that does not show.
pub(crate) struct Note {
    pub(crate) class: Class,
    pub(crate) place: Place,
}

/// A call of the first recording.
pub(crate) struct Place {
    pub(crate) function: String,
    pub(crate) event: u64,
    pub(crate) source: Option<Located>,
}

/// Where something shows outside first.
pub(crate) struct Shown {
    pub(crate) kind: DivergenceKind,
    /// In the first recording, and in the one with something varied; `None` where that has ended.
    pub(crate) sides: [Option<Side>; 2],
    pub(crate) difference: Option<theater_diff::Difference>,
    pub(crate) types: [TypeTable; 2],
}

/// One side of that.
pub(crate) struct Side {
    pub(crate) event: u64,
    pub(crate) function: String,
    pub(crate) crossing: Crossing,
    pub(crate) source: Option<Located>,
}

/// Examines a component.
pub(crate) fn diagnose(
    patient: &Patient,
    runs: u32,
    map: SourceMap,
) -> Result<Diagnosis, DoctorError> {
    let setting = Setting::first();
    let first = patient.record(&setting)?;
    let trace = Trace::of(&first.chain)?;
    let without_lines = map.without_lines();
    let mut examination = Examination {
        patient,
        map,
        first: &first,
        trace: &trace,
        noise: BTreeSet::new(),
        findings: Vec::new(),
        notes: Vec::new(),
        recorded: 1,
        replayed: 0,
    };
    examination.replay(&first, &setting)?;
    examination.vary_nothing()?;
    let is_still = examination.findings.is_empty();
    let mut varied = Vec::new();
    for class in Class::VARIED {
        let impossible = class.impossible(patient.component.world(), !patient.dirs.is_empty());
        let why_not = match is_still {
            false => Some("it differs with nothing varied"),
            true if class == Class::Addresses && examination.has_found(Class::Environment) => {
                Some("it depends on the environment, which moves them too")
            }
            true => impossible,
        };
        if why_not.is_none() {
            examination.vary(class, runs)?;
        }
        varied.push(Varied { class, runs: why_not.map_or(runs, |_| 0), why_not });
    }
    let Examination { findings, notes, recorded, replayed, .. } = examination;
    Ok(Diagnosis { findings, notes, varied, recorded, replayed, first, without_lines })
}

/// An examination that is under way.
struct Examination<'a> {
    patient: &'a Patient,
    map: SourceMap,
    first: &'a Run,
    trace: &'a Trace,
    /// Functions that answer differently each time.
    noise: BTreeSet<String>,
    findings: Vec<Finding>,
    notes: Vec<Note>,
    recorded: u64,
    replayed: u64,
}

impl Examination<'_> {
    /// Two recordings with nothing varied have to be the same, but for what nobody holds still.
    fn vary_nothing(&mut self) -> Result<(), DoctorError> {
        let setting = Setting::first();
        let again = self.record(&setting)?;
        if again.bytes == self.first.bytes {
            return Ok(());
        }
        let trace = Trace::of(&again.chain)?;
        let compared = compare(self.trace, &trace);
        self.noise = compared.entries.iter().map(|entry| entry.function.clone()).collect();
        let class = if self.noise.is_empty() { Class::Runtime } else { Class::World };
        if compared.shows.is_some() || class == Class::Runtime {
            self.find(class, setting.what, &compared, &trace, again)?;
        } else {
            self.note(class, &compared)?;
        }
        Ok(())
    }

    /// Varies one class and looks for the first time that it shows.
    fn vary(&mut self, class: Class, runs: u32) -> Result<(), DoctorError> {
        let mut found = None;
        let mut quiet = Compared::default();
        for number in 0..runs {
            let setting = Setting::varied(class, number);
            let run = self.record(&setting)?;
            let trace = Trace::of(&run.chain)?;
            let mut compared = compare(self.trace, &trace);
            compared.entries.retain(|entry| !self.noise.contains(&entry.function));
            if self.is_told_otherwise(class, &compared) {
                self.find_untold(&compared, &trace, run)?;
                continue;
            }
            compared.entries.retain(|entry| class.is_told_by(&entry.function));
            if compared.shows.is_none() {
                quiet.entries.extend(compared.entries);
            } else if found.is_none() {
                found = Some((setting, compared, trace, run));
            }
        }
        let Some((setting, compared, trace, run)) = found else {
            if class != Class::Addresses {
                self.note(class, &quiet)?;
            }
            return Ok(());
        };
        match (class, setting.keeps_layout()) {
            // Whether it is what the environment says or where it lies shows when only that is moved.
            (Class::Environment, false) if self.depends_on_layout(runs)? => Ok(()),
            (Class::Schedule, _) if self.has_found(Class::Schedule) => Ok(()),
            _ => self.find(class, setting.what, &compared, &trace, run),
        }
    }

    /// Whether something shows that has nothing to do with what was varied: the component was told
    /// something else that was to be the same.
    fn is_told_otherwise(&self, class: Class, compared: &Compared) -> bool {
        let is_told = |entry: &compare::Entry| class.is_told_by(&entry.function);
        compared.shows.is_some()
            && !compared.entries.is_empty()
            && !compared.entries.iter().any(is_told)
    }

    fn find_untold(
        &mut self,
        compared: &Compared,
        trace: &Trace,
        run: Run,
    ) -> Result<(), DoctorError> {
        let is_waiting = compared.entries.iter().all(|e| Class::Schedule.is_told_by(&e.function));
        let class = if is_waiting { Class::Schedule } else { Class::World };
        match self.has_found(class) {
            true => Ok(()),
            false => self.find(class, Setting::first().what, compared, trace, run),
        }
    }

    fn has_found(&self, class: Class) -> bool {
        self.findings.iter().any(|finding| finding.class == class)
    }

    /// Whether anything shows when things are moved in memory.
    fn depends_on_layout(&mut self, runs: u32) -> Result<bool, DoctorError> {
        for number in 0..runs {
            let run = self.record(&Setting::varied(Class::Addresses, number))?;
            if compare(self.trace, &Trace::of(&run.chain)?).shows.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn record(&mut self, setting: &Setting) -> Result<Run, DoctorError> {
        let run = self.patient.record(setting)?;
        self.recorded += 1;
        self.replay(&run, setting)?;
        Ok(run)
    }

    /// Sees to it that a recording replays exactly.
    fn replay(&mut self, run: &Run, setting: &Setting) -> Result<(), DoctorError> {
        let played = self.patient.replay(run, FramesAt::Nowhere)?;
        let head = run.chain.head();
        match played.ending {
            Ending::Same if (played.seq, played.head) == (head.seq, head.hash) => {
                self.replayed += 1;
                return Ok(());
            }
            // One finding of this kind is enough.
            _ if self.has_found(Class::Replay) => return Ok(()),
            Ending::Diverged(mismatch) => {
                let mut divergence = Divergence::of(*mismatch);
                divergence.locate(&self.map);
                self.find_inexact(Some(divergence), run, setting);
            }
            Ending::Same | Ending::Reached | Ending::Unanswered(_) => {
                self.find_inexact(None, run, setting);
            }
        }
        Ok(())
    }

    fn find_inexact(&mut self, divergence: Option<Divergence>, run: &Run, setting: &Setting) {
        let run = Run { bytes: Arc::clone(&run.bytes), chain: run.chain.clone() };
        let (class, what, entries) = (Class::Replay, setting.what.clone(), Vec::new());
        self.findings.push(Finding { class, what, entries, shown: None, divergence, run });
    }

    fn note(&mut self, class: Class, quiet: &Compared) -> Result<(), DoctorError> {
        let mut seen = BTreeSet::new();
        // Every program asks for its name.
        let entries = quiet.entries.iter().filter(|entry| {
            !entry.function.ends_with("#get-arguments") && seen.insert(&entry.function)
        });
        let places = self.places(entries)?;
        self.notes.extend(places.into_iter().map(|place| Note { class, place }));
        Ok(())
    }

    fn find(
        &mut self,
        class: Class,
        what: String,
        compared: &Compared,
        trace: &Trace,
        run: Run,
    ) -> Result<(), DoctorError> {
        let entries = self.places(compared.entries.iter())?;
        let shown = match &compared.shows {
            None => None,
            Some(shows) => {
                let side = |trace: &Trace, run: &Run, at: Option<usize>| match at {
                    Some(at) => self.side(trace, run, at).map(Some),
                    None => Ok(None),
                };
                Some(Shown {
                    kind: shows.kind,
                    sides: [
                        side(self.trace, self.first, shows.at[0])?,
                        side(trace, &run, shows.at[1])?,
                    ],
                    difference: shows.difference.clone(),
                    types: [self.trace.types.clone(), trace.types.clone()],
                })
            }
        };
        self.findings.push(Finding { class, what, entries, shown, divergence: None, run });
        Ok(())
    }

    /// Calls of the first recording, with their lines.
    fn places<'e>(
        &self,
        entries: impl Iterator<Item = &'e compare::Entry>,
    ) -> Result<Vec<Place>, DoctorError> {
        let place = |entry: &compare::Entry| {
            let crossed = &self.trace.crossings[entry.at];
            let source = self.locate(self.trace, self.first, entry.at)?;
            Ok(Place { function: entry.function.clone(), event: crossed.seq, source })
        };
        entries.map(place).collect()
    }

    fn side(&self, trace: &Trace, run: &Run, at: usize) -> Result<Side, DoctorError> {
        let crossed = &trace.crossings[at];
        let event = crossed.event.clone();
        let function = trace.function(&event).cloned();
        let crossing = Crossing { event, function, types: trace.types.clone() };
        let source = self.locate(trace, run, at)?;
        Ok(Side { event: crossed.seq, function: trace.name(&crossing.event), crossing, source })
    }

    /// The line of source behind a crossing, which another replay of its recording finds.
    fn locate(&self, trace: &Trace, run: &Run, at: usize) -> Result<Option<Located>, DoctorError> {
        let crossed = &trace.crossings[at];
        let event: &Event = &crossed.event;
        let frames = self.frames(run, crossed.seq)?;
        Ok(Some(self.map.locate(event, trace.function(event), &frames)))
    }

    fn frames(&self, run: &Run, seq: u64) -> Result<Vec<Frame>, DoctorError> {
        let played = self.patient.replay(run, FramesAt::Events(BTreeSet::from([seq])))?;
        Ok(played.frames.into_iter().next().map(|(_, frames)| frames.to_vec()).unwrap_or_default())
    }
}
