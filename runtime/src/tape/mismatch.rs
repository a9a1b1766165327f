//! The first place where a component does something else than its recording.

use theater_record::{Event, FunctionType, TypeTable};

use super::frames::Frame;
use super::probe::Probe;

/// A crossing with the names that belong to it.
#[derive(Debug, Clone)]
pub struct Crossing {
    /// What happened.
    pub event: Event,
    /// The function called or returning, or a stand-in for the resource type dropped.
    pub function: Option<FunctionType>,
    /// The types that its values refer to.
    pub types: TypeTable,
}

/// The recording says one thing next, the component does another.
#[derive(Debug, Clone)]
pub struct Mismatch {
    /// The event where the recording says what should come; where it ends, the one after its last.
    pub seq: u64,
    /// Where that event stands in the file.
    pub offset: u64,
    /// What the recording says. `None` where it ends.
    pub expected: Option<Crossing>,
    /// What the component did. `None` if it could not even be called, because it lacks the export.
    pub actual: Option<Crossing>,
    /// The last call before, in either direction, if there was one.
    pub before: Option<(u64, Crossing)>,
    /// What the recording says after what it expected.
    pub after: Option<(u64, Crossing)>,
    /// What the component did after that, as far as answers could be guessed.
    pub probe: Probe,
    /// Where in the component it happened: function index and offset within its module, the
    /// innermost frame first.
    pub frames: Vec<Frame>,
}
