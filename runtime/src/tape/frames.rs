//! Where in its code the component is when it crosses the sandbox.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

/// A place in the component's code.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Frame {
    /// The function's index in its core module.
    pub function: u32,
    /// Its name, if the module has names.
    pub name: Option<String>,
    /// The offset of the instruction in the component's file.
    pub offset: Option<usize>,
    /// The offset within the function's body.
    pub function_offset: Option<usize>,
}

/// The events at which to note where the component is. Each costs about a microsecond.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum FramesAt {
    /// Not at any.
    #[default]
    Nowhere,
    /// At these.
    Events(BTreeSet<u64>),
    /// At all from the first of these to before the last.
    Range(Range<u64>),
}

/// The places that were noted.
#[derive(Debug, Default)]
pub(crate) struct FrameIndex {
    wanted: FramesAt,
    noted: Vec<(u64, Arc<[Frame]>)>,
    /// A component calls from the same few places again and again; each is kept once, under the
    /// offsets that make it up.
    known: HashMap<Vec<Option<usize>>, Arc<[Frame]>>,
}

impl FrameIndex {
    pub(crate) fn new(wanted: FramesAt) -> FrameIndex {
        FrameIndex { wanted, ..FrameIndex::default() }
    }

    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted != FramesAt::Nowhere
    }

    pub(crate) fn wants(&self, seq: u64) -> bool {
        match &self.wanted {
            FramesAt::Nowhere => false,
            FramesAt::Events(events) => events.contains(&seq),
            FramesAt::Range(range) => range.contains(&seq),
        }
    }

    /// Notes where the component is at an event, if that is wanted and known.
    pub(crate) fn note(&mut self, seq: u64, frames: impl FnOnce() -> Vec<Frame>) {
        if !self.wants(seq) {
            return;
        }
        let frames = frames();
        if frames.is_empty() {
            return;
        }
        let offsets = frames.iter().map(|frame| frame.offset).collect();
        let frames = self.known.entry(offsets).or_insert_with(|| frames.into());
        self.noted.push((seq, Arc::clone(frames)));
    }

    pub(crate) fn into_noted(self) -> Vec<(u64, Arc<[Frame]>)> {
        self.noted
    }
}

pub(crate) fn frames_of(backtrace: &wasmtime::WasmBacktrace) -> Vec<Frame> {
    let frame = |info: &wasmtime::FrameInfo| Frame {
        function: info.func_index(),
        name: info.func_name().map(str::to_owned),
        offset: info.module_offset(),
        function_offset: info.func_offset(),
    };
    backtrace.frames().iter().map(frame).collect()
}
