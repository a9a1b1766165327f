//! A crossing with its place in the source.

use serde::{Deserialize, Serialize};
use theater_record::{Event, FunctionType};
use theater_runtime::Frame;

use super::{Place, SourceMap, Stack};

/// Where in its source a component crossed its sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Located {
    /// The line of the guest's own source, if it is known.
    pub place: Option<Place>,
    /// What that place is.
    pub is: PlaceIs,
    /// The whole stack, what is not the guest's own included.
    #[serde(default, skip_serializing_if = "Stack::is_empty")]
    pub stack: Stack,
    /// Why no line is known.
    pub without: Option<String>,
}

/// What a place in the source is to a crossing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlaceIs {
    /// The line that called out, dropped a resource, or trapped.
    #[default]
    Line,
    /// The function that was called into or has returned; which of its lines, nobody can tell
    /// from outside.
    Function,
    /// The innermost function with a name, because no line is known.
    Name,
}

impl SourceMap {
    /// Where in the source a component crossed its sandbox. `frames` are those noted at the event;
    /// a call into the component and its return have none.
    #[must_use]
    pub fn locate(
        &self,
        event: &Event,
        function: Option<&FunctionType>,
        frames: &[Frame],
    ) -> Located {
        let is_export = matches!(event, Event::ExportCall(_) | Event::ExportReturn(_));
        match function {
            Some(function) if is_export && frames.is_empty() => {
                self.locate_export(&function.interface, &function.name)
            }
            function => self.locate_frames(function.map(|function| &*function.name), frames),
        }
    }

    /// Where in the source a component called out, dropped a resource, or trapped. `called` is the
    /// function that it called, if it did.
    #[must_use]
    pub fn locate_frames(&self, called: Option<&str>, frames: &[Frame]) -> Located {
        let stack = self.stack(frames);
        match stack.origin().cloned() {
            Some(place) => Located { place: Some(place), stack, ..Located::default() },
            None => {
                let place = stack.named(called).cloned();
                let without = Some(self.why_without(&stack));
                Located { place, is: PlaceIs::Name, stack, without }
            }
        }
    }

    /// Where in the source a function is that was called into or has returned.
    #[must_use]
    pub fn locate_export(&self, interface: &str, name: &str) -> Located {
        let place = self.export(interface, name);
        let without = place.is_none().then(|| self.why_without(&Stack::default()));
        Located { place, is: PlaceIs::Function, stack: Stack::default(), without }
    }

    fn why_without(&self, stack: &Stack) -> String {
        let foreign = if stack.has_lines() { ONLY_FOREIGN } else { NOT_THERE };
        self.without_lines().unwrap_or_else(|| foreign.to_owned())
    }
}

/// There are lines, but none that the guest's author has written.
const ONLY_FOREIGN: &str = "no source line of the guest's own: only libraries and what was \
                            generated are on the stack, which --verbose shows";

/// There are lines, but none for this place.
const NOT_THERE: &str = "no source line: the debug information does not say which it is";
