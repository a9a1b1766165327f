//! Where in its code a build crossed its sandbox, as far as that is needed to find the line of source.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use theater_record::Event;
use theater_runtime::{Crossing, Frame, as_component};

use super::Builds;
use crate::source::{Located, SourceMap};

/// Where a build was. Calls out have frames; an export that answers has none, but a name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) frames: Vec<Spot>,
    /// Interface and name.
    pub(crate) export: Option<(String, String)>,
}

/// A frame as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Spot {
    pub(crate) function: u32,
    pub(crate) name: Option<String>,
    pub(crate) offset: Option<usize>,
    pub(crate) function_offset: Option<usize>,
}

impl Spot {
    pub(crate) fn of(frame: &Frame) -> Spot {
        let Frame { function, name, offset, function_offset } = frame.clone();
        Spot { function, name, offset, function_offset }
    }

    pub(crate) fn frame(&self) -> Frame {
        let Spot { function, name, offset, function_offset } = self.clone();
        Frame { function, name, offset, function_offset }
    }
}

impl Origin {
    /// The frames, the innermost first.
    pub(crate) fn frames(&self) -> Vec<Frame> {
        self.frames.iter().map(Spot::frame).collect()
    }

    /// The place in the source.
    pub(crate) fn locate(&self, map: &SourceMap) -> Located {
        match &self.export {
            Some((interface, name)) if self.frames.is_empty() => map.locate_export(interface, name),
            _ => map.locate_frames(&self.frames()),
        }
    }
}

/// The export that is called or answers in a crossing, as interface and name.
pub(crate) fn export(crossing: &Crossing) -> Option<(String, String)> {
    let function = crossing.function.as_ref()?;
    let is_export = matches!(crossing.event, Event::ExportCall(_) | Event::ExportReturn(_));
    is_export.then(|| (function.interface.clone(), function.name.clone()))
}

/// What describes the source of a build. What was found out does not fail for want of that.
pub(crate) fn source_map(builds: &Builds, at: usize, debug_info: &[PathBuf]) -> Option<SourceMap> {
    let component = as_component(std::fs::read(builds.file(at)?).ok()?).ok()?;
    SourceMap::of(&component, debug_info).ok()
}
