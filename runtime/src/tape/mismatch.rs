//! The first place where a component does something else than its recording.

use theater_record::{Event, FunctionType, TypeTable};

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

/// A place in the component's code.
#[derive(Debug, Clone, PartialEq, Eq)]
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

pub(crate) fn frames_of(backtrace: &wasmtime::WasmBacktrace) -> Vec<Frame> {
    let frame = |info: &wasmtime::FrameInfo| Frame {
        function: info.func_index(),
        name: info.func_name().map(str::to_owned),
        offset: info.module_offset(),
        function_offset: info.func_offset(),
    };
    backtrace.frames().iter().map(frame).collect()
}
