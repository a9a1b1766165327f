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
            _ => self.locate_frames(frames),
        }
    }

    /// Where in the source a component called out, dropped a resource, or trapped.
    #[must_use]
    pub fn locate_frames(&self, frames: &[Frame]) -> Located {
        let stack = self.stack(frames);
        let place = stack.origin().cloned();
        let without = self.without(place.as_ref());
        Located { place, is: PlaceIs::Line, stack, without }
    }

    /// Where in the source a function is that was called into or has returned.
    #[must_use]
    pub fn locate_export(&self, interface: &str, name: &str) -> Located {
        let place = self.export(interface, name);
        let without = self.without(place.as_ref());
        Located { place, is: PlaceIs::Function, stack: Stack::default(), without }
    }

    fn without(&self, place: Option<&Place>) -> Option<String> {
        let why = || self.without_lines().unwrap_or_else(|| NOT_THERE.to_owned());
        place.is_none().then(why)
    }
}

/// There are lines, but none for this place.
const NOT_THERE: &str = "no source line: the debug information does not say which it is";
