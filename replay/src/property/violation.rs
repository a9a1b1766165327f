//! What can be wrong with a recording, as data and in words.

use std::fmt;
use std::sync::Arc;

use theater_record::{Event, Hash, Reader, Stored};
use theater_runtime::escape::visible;
use theater_runtime::{Backend, Crossing, PlaybackError};
use theater_verify::{Fault, Verdict, VerifyError};

use super::calls::Call;
use super::record::{NotRecorded, Recorded};
use super::script::script;
use crate::amount::counted;
use crate::divergence::{self, Divergence};
use crate::entry::Lexicon;
use crate::findings;
use crate::line::{Naming, Style};
use crate::locate::SourceArgs;
use crate::render::{Limits, Previews};
use crate::source::SourceMap;
use crate::story;
use crate::ui::Paint;

/// What is wrong with the recording of a component.
#[derive(Debug)]
pub enum Violation {
    /// There is none: the component could not be run or recorded to the end.
    NotRecorded(Arc<NotRecorded>),
    /// What was recorded is no chain at all.
    NoChain(VerifyError),
    /// The chain is not complete, or something in it is wrong.
    NotVerified {
        /// What a check finds.
        verdict: Verdict,
        /// The first fault, if there is one.
        fault: Option<Fault>,
    },
    /// The chain cannot be replayed.
    NotReplayable {
        /// On what.
        backend: Backend,
        /// Why not.
        error: PlaybackError,
    },
    /// The component did something else in a replay.
    Diverged {
        /// On what.
        backend: Backend,
        /// Where, and what.
        divergence: Box<Divergence>,
    },
    /// The component waits for an answer that the chain does not have.
    Unanswered {
        /// On what.
        backend: Backend,
        /// What it called.
        call: Box<Crossing>,
    },
    /// The replay came to another head.
    OtherHead {
        /// On what.
        backend: Backend,
        /// The chain's.
        recorded: Hash,
        /// The one computed from what the component did.
        replayed: Hash,
    },
    /// Payloads are missing from the chain, so that the replay could not compare them.
    NotCompared {
        /// How many.
        payloads: u64,
    },
    /// Recorded again with the same input, the chain was another one.
    OtherRecording {
        /// The first event that differs.
        seq: u64,
        /// How it reads in the first recording; `None` if that has ended.
        first: Option<String>,
        /// How it reads in the second.
        second: Option<String>,
    },
}

impl Violation {
    /// The name programs read.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Violation::NotRecorded(_) => "not-recorded",
            Violation::NoChain(_) | Violation::NotVerified { .. } => "not-verified",
            Violation::NotReplayable { .. } => "not-replayable",
            Violation::Diverged { .. } => "diverged",
            Violation::Unanswered { .. } => "unanswered",
            Violation::OtherHead { .. } => "other-head",
            Violation::NotCompared { .. } => "not-compared",
            Violation::OtherRecording { .. } => "other-recording",
        }
    }

    /// What executed the component when it showed, if it was a replay.
    #[must_use]
    pub fn backend(&self) -> Option<Backend> {
        match self {
            Violation::NotReplayable { backend, .. }
            | Violation::Diverged { backend, .. }
            | Violation::Unanswered { backend, .. }
            | Violation::OtherHead { backend, .. } => Some(*backend),
            Violation::NotRecorded(_)
            | Violation::NoChain(_)
            | Violation::NotVerified { .. }
            | Violation::NotCompared { .. }
            | Violation::OtherRecording { .. } => None,
        }
    }

    /// The event at which it shows, if there is one.
    #[must_use]
    pub fn seq(&self) -> Option<u64> {
        match self {
            Violation::NotVerified { fault, .. } => fault.as_ref().and_then(Fault::seq),
            Violation::Diverged { divergence, .. } => Some(divergence.seq),
            Violation::OtherRecording { seq, .. } => Some(*seq),
            Violation::NotRecorded(_)
            | Violation::NoChain(_)
            | Violation::NotReplayable { .. }
            | Violation::Unanswered { .. }
            | Violation::OtherHead { .. }
            | Violation::NotCompared { .. } => None,
        }
    }

    /// Looks up where in its source the component parted from its recording.
    pub(crate) fn locate(&mut self, map: &SourceMap) {
        if let Violation::Diverged { divergence, .. } = self {
            divergence.locate(map);
        }
    }

    /// More than the sentence says, as lines for people.
    pub(crate) fn details(&self, args: &SourceArgs, paint: Paint) -> String {
        match self {
            Violation::Diverged { divergence, .. } => story::tell(divergence, args, paint),
            Violation::OtherHead { recorded, replayed, .. } => story::indented(&[
                format!("recorded  {}", paint.good(recorded)),
                format!("replayed  {}", paint.bad(replayed)),
            ]),
            Violation::OtherRecording { first, second, .. } => {
                let end = || "nothing: it ends there".to_owned();
                story::indented(&[
                    format!("first   {}", paint.good(first.clone().unwrap_or_else(end))),
                    format!("second  {}", paint.bad(second.clone().unwrap_or_else(end))),
                ])
            }
            Violation::NotRecorded(_)
            | Violation::NoChain(_)
            | Violation::NotVerified { .. }
            | Violation::NotReplayable { .. }
            | Violation::Unanswered { .. }
            | Violation::NotCompared { .. } => String::new(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::NotRecorded(error) => {
                write!(f, "the component cannot be recorded: {}", causes(&**error))
            }
            Violation::NoChain(error) => {
                write!(f, "the recording is no chain: {}", causes(error))
            }
            Violation::NotVerified { verdict, fault } => {
                write!(f, "the recording is {}", findings::verdict(*verdict))?;
                fault.as_ref().map_or(Ok(()), |fault| write!(f, ": {fault}"))
            }
            Violation::NotReplayable { backend, error } => {
                write!(f, "it cannot be replayed on {}: {}", backend.name(), causes(error))
            }
            Violation::Diverged { backend, divergence } => {
                let (at, kind) = (divergence.seq, divergence.kind.sentence());
                write!(f, "the replay on {} diverges at event {at}: {kind}", backend.name())
            }
            Violation::Unanswered { backend, call } => {
                let call = divergence::path(call).unwrap_or_default();
                let name = backend.name();
                write!(f, "in the replay on {name}, {call} has no recorded answer")
            }
            Violation::OtherHead { backend, .. } => {
                write!(f, "the replay on {} comes to another head", backend.name())
            }
            Violation::NotCompared { payloads } => {
                write!(f, "the recording lacks {}", counted(*payloads, "payload"))
            }
            Violation::OtherRecording { seq, .. } => {
                write!(f, "recorded again with the same input, event {seq} is another one")
            }
        }
    }
}

impl std::error::Error for Violation {}

/// An error with its causes in one sentence.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors already quote their cause.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

/// Calls that break the property. It shows with everything there is to say, so that a test can
/// panic with it.
#[derive(Debug)]
pub struct Counterexample {
    /// What is wrong.
    pub violation: Violation,
    /// The calls, as they were made up.
    pub calls: Vec<Call>,
    /// What was recorded of them.
    pub recorded: Recorded,
}

impl Counterexample {
    /// The calls that are to be made again: those that were made, in which handles have the
    /// recorder's numbers.
    #[must_use]
    pub fn made(&self) -> &[Call] {
        &self.recorded.calls
    }

    /// The same calls as a script for `theater run --calls`, below some lines of comment.
    #[must_use]
    pub fn script(&self, comment: &[&str]) -> String {
        script(self.made(), comment)
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", visible(&self.violation.to_string()))?;
        writeln!(f, "  after {}:", counted(self.made().len() as u64, "call"))?;
        self.made().iter().try_for_each(|call| writeln!(f, "    {}", call.shown()))?;
        let details = self.violation.details(&SourceArgs::default(), Paint::PLAIN);
        f.write_str(details.trim_end())
    }
}

impl std::error::Error for Counterexample {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.violation)
    }
}

/// The first event in which two recordings differ, if they do.
pub(super) fn other_recording(first: &[u8], second: &[u8]) -> Option<Violation> {
    if first == second {
        return None;
    }
    let equal = first.iter().zip(second).take_while(|(one, other)| one == other).count();
    let (first_at, second_at) = (event_at(first, equal as u64), event_at(second, equal as u64));
    let seq = match (&first_at, &second_at) {
        (Some((first, _)), Some((second, _))) => *first.min(second),
        (Some((seq, _)), None) | (None, Some((seq, _))) => *seq,
        (None, None) => 0,
    };
    let text = |at: Option<(u64, String)>| at.filter(|(at, _)| *at == seq).map(|(_, text)| text);
    Some(Violation::OtherRecording { seq, first: text(first_at), second: text(second_at) })
}

/// The event to which a byte of a chain belongs, if it can be read.
fn event_at(chain: &[u8], byte: u64) -> Option<(u64, String)> {
    let mut reader = Reader::new(chain).ok()?;
    let mut lexicon = Lexicon::default();
    let mut last: Option<(u64, Event)> = None;
    while let Ok(Some(stored)) = reader.read() {
        let Stored::Record(record) = stored else { continue };
        if record.offset > byte {
            break;
        }
        let event = record.event().ok()?;
        if let Some((seq, event)) = last.replace((record.seq, event)) {
            lexicon.explain(seq, 0, event);
        }
    }
    let (seq, event) = last.filter(|_| byte < chain.len() as u64)?;
    let entry = lexicon.describe(seq, 0, event);
    let previews = Previews::default();
    let style = Style { paint: Paint::PLAIN, limits: Limits::LINE, previews: &previews };
    Some((seq, style.text(&entry, 0, Naming::Full)))
}
