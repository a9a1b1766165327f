//! From places in a component's code to places in its source.
//!
//! While a component runs, only offsets are noted; here they become functions, files and lines,
//! when somebody wants to read them. What describes the code is looked for in the component itself
//! and, where that was stripped, in other builds of it that have the very same code.

pub(crate) mod cache;
mod code;
mod dwarf;
mod located;
mod names;
mod place;
mod text;
mod twins;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use theater_record::Hash;
use theater_runtime::Frame;
use wasmparser::BinaryReaderError;

use code::{Code, Outline};
use dwarf::{Dwarf, Level};
pub use located::{Located, PlaceIs};
pub use place::{Foreign, Place, Stack};
pub use text::Snippet;
use twins::Twin;

/// Why there are no places in the source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The component cannot be taken apart.
    #[error("the component is not well formed at byte {}", _0.offset())]
    Component(#[source] BinaryReaderError),
    /// A file with debug information cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// What is known of a component's source. Modules are described when they are asked about.
pub struct SourceMap {
    bytes: Vec<u8>,
    outline: Outline,
    /// For each module of the outline, what describes it besides itself.
    twins: Vec<Option<Twin>>,
    /// Where twins were looked for.
    searched: Vec<PathBuf>,
    described: Vec<OnceCell<Described>>,
}

/// What describes one module.
#[derive(Default)]
struct Described {
    dwarf: Option<Dwarf>,
    names: BTreeMap<u32, String>,
}

impl SourceMap {
    /// Takes a component apart. `debug_info` are other builds of it, or folders with them, for
    /// modules that have no debug information of their own.
    pub fn of(component: &[u8], debug_info: &[PathBuf]) -> Result<SourceMap, SourceError> {
        let outline = Outline::of(component).map_err(SourceError::Component)?;
        let mut twins: Vec<Option<Twin>> = outline.modules.iter().map(|_| None).collect();
        for path in debug_info {
            for (module, twin) in outline.modules.iter().zip(&mut twins) {
                if twin.is_none() && !dwarf::has_lines(&module.custom) {
                    *twin = twins::find(path, &module.digest)?;
                }
            }
        }
        let described = outline.modules.iter().map(|_| OnceCell::new()).collect();
        let searched = debug_info.to_vec();
        Ok(SourceMap { bytes: component.to_owned(), outline, twins, searched, described })
    }

    /// Whether any line can be known.
    #[must_use]
    pub fn has_lines(&self) -> bool {
        let own = self.outline.modules.iter().any(|code| dwarf::has_lines(&code.custom));
        own || self.twins.iter().any(Option::is_some)
    }

    /// Names the debug information that is used besides the component's own.
    #[must_use]
    pub fn debug_info(&self) -> Option<Hash> {
        let digests: BTreeSet<_> = self.twins.iter().flatten().map(|twin| twin.digest.0).collect();
        let all: Vec<u8> = digests.into_iter().flatten().collect();
        (!all.is_empty()).then(|| Hash(*blake3::hash(&all).as_bytes()))
    }

    /// Why there are no lines, if there are none, and what could be done about it.
    #[must_use]
    pub fn without_lines(&self) -> Option<String> {
        if self.has_lines() {
            return None;
        }
        let is_made_by = |maker: &str| self.outline.made_by.iter().any(|name| name == maker);
        let why = if is_made_by("ComponentizeJS") {
            "guests in JavaScript carry none, only the functions of their engine".to_owned()
        } else if self.has_python() {
            "guests in Python carry none, only the functions of their interpreter".to_owned()
        } else if let Some(path) = self.searched.first() {
            let shown = path.display();
            format!("nothing in {shown} was built to the same code and with debug information")
        } else {
            "the component has no debug information; name a build that has, or its folder, with \
             --debug-info"
                .to_owned()
        };
        Some(format!("no source lines: {why}"))
    }

    fn has_python(&self) -> bool {
        let exports_python = |code: &Code| code.exports.keys().any(|name| name.starts_with("Py_"));
        self.outline.modules.iter().any(exports_python)
    }

    /// The stack at a crossing.
    #[must_use]
    pub fn stack(&self, frames: &[Frame]) -> Stack {
        Stack { places: frames.iter().flat_map(|frame| self.places(frame)).collect() }
    }

    /// Where the guest implements a function that it exports. That is where a value comes from that
    /// an export returns: no place in the code crosses the sandbox then.
    #[must_use]
    pub fn export(&self, interface: &str, name: &str) -> Option<Place> {
        let exported = match interface {
            "" => name.to_owned(),
            interface => format!("{interface}#{name}"),
        };
        let find = |code: &Code| code.exports.get(&exported).copied();
        let modules = self.outline.modules.iter().enumerate();
        let (module, function) = modules.filter_map(|(at, code)| Some((at, find(code)?))).next()?;
        self.first_own(module, function)
    }

    /// The first function of the guest's own that a generated one leads to, breadth first.
    fn first_own(&self, module: usize, function: u32) -> Option<Place> {
        let code = &self.outline.modules[module];
        let (mut queue, mut seen) = (VecDeque::from([function]), BTreeSet::from([function]));
        while let Some(function) = queue.pop_front() {
            if let Some(place) = self.begins_at(module, function) {
                return Some(place);
            }
            if seen.len() < FUNCTIONS_SEARCHED {
                let callees = code.callees(&self.bytes, function);
                queue.extend(callees.into_iter().filter(|callee| seen.insert(*callee)));
            }
        }
        None
    }

    /// Where the first function of the guest's own in a compiled function begins.
    fn begins_at(&self, module: usize, function: u32) -> Option<Place> {
        let code = &self.outline.modules[module];
        let body = code.body(function)?;
        let base = code.section.start;
        let dwarf = self.described(module).dwarf.as_ref()?;
        let [start, end] = [body.start, body.end].map(|at| at.saturating_sub(base) as u64);
        for address in dwarf.line_starts(start, end).ok()? {
            let levels = dwarf.levels(address).ok()?;
            // The outermost own function is the one that was entered first.
            let is_own = |level| self.foreign(Some(dwarf), address, level).is_none();
            let own = levels.iter().rposition(is_own);
            if let Some(at) = own {
                let level = &levels[at];
                let mut place = place(level, at + 1 < levels.len());
                if let Some((file, line)) = dwarf.declared_at(address, level) {
                    place = Place { file: Some(file), line: Some(line), column: None, ..place };
                }
                return Some(place);
            }
        }
        None
    }

    fn places(&self, frame: &Frame) -> Vec<Place> {
        let nameless = || Place {
            function: frame.name.as_deref().map(names::readable),
            foreign: Some(Foreign::NoLine),
            ..Place::default()
        };
        let Some(offset) = frame.offset else { return vec![nameless()] };
        let module = self.outline.modules.iter().position(|code| code.section.contains(&offset));
        let Some(module) = module else { return vec![nameless()] };
        let described = self.described(module);
        let address = (offset - self.outline.modules[module].section.start) as u64;
        let levels = described.dwarf.as_ref().and_then(|dwarf| dwarf.levels(address).ok());
        let mut levels = levels.unwrap_or_default();
        if levels.is_empty() {
            levels.push(Level::default());
        }
        // Names of compiled functions are longer than those in line tables.
        let compiled = levels.last_mut().expect("there is one at least");
        let name = frame.name.as_ref().or_else(|| described.names.get(&frame.function));
        if let Some(name) = name {
            compiled.function = Some(names::readable(name));
        }
        let last = levels.len() - 1;
        let place = |(at, level): (usize, &Level)| {
            let foreign = self.foreign(described.dwarf.as_ref(), address, level);
            Place { foreign, ..place(level, at < last) }
        };
        levels.iter().enumerate().map(place).collect()
    }

    /// Why a place is not the guest's own.
    fn foreign(&self, dwarf: Option<&Dwarf>, address: u64, level: &Level) -> Option<Foreign> {
        let function = level.function.as_deref().unwrap_or_default();
        if names::is_generated(function, &self.outline.imports) {
            return Some(Foreign::Generated);
        }
        let (Some(file), Some(1..)) = (&level.file, level.line) else {
            return Some(Foreign::NoLine);
        };
        if names::is_library(file) {
            return Some(Foreign::Library);
        }
        // Two things that run stand in the first column: what a macro has put there, and the brace
        // at the end of a function, where what it holds is dropped.
        let is_first_column = file.ends_with(".rs") && matches!(level.column, Some(0 | 1));
        let is_macro = is_first_column
            && dwarf.is_some_and(|dwarf| !dwarf.has_other_lines(address, level).unwrap_or(false));
        is_macro.then_some(Foreign::Generated)
    }

    fn described(&self, module: usize) -> &Described {
        self.described[module].get_or_init(|| self.describe(module))
    }

    fn describe(&self, module: usize) -> Described {
        let own = &self.outline.modules[module];
        let (code, bytes) = match &self.twins[module] {
            Some(twin) => (&twin.code, &twin.bytes),
            None => (own, &self.bytes),
        };
        let section = |name: &str| code.custom.get(name).map(|range| &bytes[range.clone()]);
        let has_lines = dwarf::has_lines(&code.custom);
        // Debug information that cannot be read is as good as none.
        let dwarf = has_lines.then(|| Dwarf::open(section).ok()).flatten();
        Described { dwarf, names: code.function_names(bytes) }
    }
}

/// How many functions are looked at for the one behind an export.
const FUNCTIONS_SEARCHED: usize = 256;

fn place(level: &Level, inlined: bool) -> Place {
    let Level { function, file, directory, line, column, .. } = level.clone();
    Place { function, file, directory, line, column, inlined, foreign: None }
}
