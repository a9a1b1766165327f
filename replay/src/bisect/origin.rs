//! Where in its code a build crossed its sandbox, as far as that is needed to find the line of source.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use theater_record::Event;
use theater_runtime::{Crossing, Frame, as_component};

use super::Builds;
use crate::source::{Located, SourceMap};

/// Where a build was. Calls out have frames; an export that answers has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(crate) frames: Vec<Spot>,
    pub(crate) crossed: Crossed,
}

/// What it was about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Crossed {
    /// Nothing: the recording or the component ended there.
    #[default]
    End,
    /// A call to the function of this name, or a drop.
    Out(Option<String>),
    /// The answer of an export, by interface and name.
    Export(String, String),
}

impl Crossed {
    pub(crate) fn of(crossing: Option<&Crossing>) -> Crossed {
        let Some(crossing) = crossing else { return Crossed::End };
        let is_export = matches!(crossing.event, Event::ExportCall(_) | Event::ExportReturn(_));
        match &crossing.function {
            Some(function) if is_export => {
                Crossed::Export(function.interface.clone(), function.name.clone())
            }
            function => Crossed::Out(function.as_ref().map(|function| function.name.clone())),
        }
    }
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
        match &self.crossed {
            Crossed::Export(interface, name) if self.frames.is_empty() => {
                map.locate_export(interface, name)
            }
            Crossed::Export(_, name) => map.locate_frames(Some(name), &self.frames()),
            Crossed::Out(name) => map.locate_frames(name.as_deref(), &self.frames()),
            Crossed::End => map.locate_frames(None, &self.frames()),
        }
    }
}

/// What describes the source of a build. What was found out does not fail for want of that.
pub(crate) fn source_map(builds: &Builds, at: usize, debug_info: &[PathBuf]) -> Option<SourceMap> {
    let component = as_component(std::fs::read(builds.file(at)?).ok()?).ok()?;
    SourceMap::of(&component, debug_info).ok()
}
