//! What a replay that parts from its recording is expected to say.

use serde_json::Value;
use theater_record::Kind;

use super::history::History;

/// Where and how a build parts from the recording of another.
pub(crate) struct Expected {
    pub(crate) kind: &'static str,
    /// Where it parts: the how-manieth such event of the recording.
    pub(crate) at: (Kind, &'static str, usize),
    /// The function that the report names.
    pub(crate) function: &'static str,
    /// The path to the value that differs, with both values from where they part.
    pub(crate) difference: Option<(&'static str, &'static str, &'static str)>,
    pub(crate) swapped: bool,
}

impl Expected {
    pub(crate) fn new(kind: &'static str, at: (Kind, &'static str, usize)) -> Expected {
        Expected { kind, at, function: at.1, difference: None, swapped: false }
    }

    /// The number of the event where it parts.
    pub(crate) fn event(&self, recorded: &History) -> u64 {
        let (kind, function, nth) = self.at;
        recorded.all(kind, function).nth(nth - 1).expect("the recorded build does this").seq
    }

    /// Holds what `theater-replay run --json` said of a build against this.
    #[track_caller]
    pub(crate) fn check(&self, build: &str, outcome: &Value, recorded: &History) {
        let divergence = &outcome["divergence"];
        assert_eq!(outcome["replay"], "diverged", "{build}");
        assert_eq!(divergence["kind"], self.kind, "{build}");
        assert_eq!(divergence["event"], self.event(recorded), "{build}");
        let function = divergence["function"].as_str().expect("there is a function");
        assert_eq!(unversioned(function), self.function, "{build}");
        assert_eq!(divergence["swapped"], self.swapped, "{build}");
        let found =
            ["path", "expected_value", "actual_value"].map(|name| divergence[name].as_str());
        let wanted = self.difference.map_or([None; 3], |(path, expected, actual)| {
            [Some(path), Some(expected), Some(actual)]
        });
        assert_eq!(found, wanted, "{build}");
        assert_eq!(outcome["heads_equal"], false, "{build}");
    }
}

/// Holds what two backends said of one build against each other.
#[track_caller]
pub(crate) fn agree(build: &str, outcomes: [Value; 2]) {
    let [first, second] = outcomes.map(|mut outcome| {
        let mut divergence = outcome["divergence"].take();
        // Where in machine code a frame is, if it can be told at all, is the backend's own affair.
        divergence.as_object_mut().expect("it diverged").remove("frames");
        divergence
    });
    assert_eq!(first, second, "{build}");
}

/// The function that an event in JSON is about.
pub(crate) fn function(event: &Value) -> String {
    let name = |field: &str| event[field].as_str().unwrap_or_default();
    unversioned(&format!("{}#{}", name("interface"), name("function")))
}

/// A function's name without its interface's version.
fn unversioned(function: &str) -> String {
    let (interface, name) = function.split_once('#').unwrap_or(("", function));
    format!("{}#{name}", interface.split('@').next().unwrap_or_default())
}
