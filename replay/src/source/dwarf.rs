//! One module's debug information: from an address to functions, files and lines.

use std::collections::BTreeMap;
use std::sync::Arc;

use addr2line::Context;
use gimli::{
    AttributeValue, EndianArcSlice, LittleEndian, Reader as _, SectionId, UnitOffset, UnitRef,
};

use super::names;

type Bytes = EndianArcSlice<LittleEndian>;

/// The debug information of a module. Addresses count from the start of its code section.
pub(super) struct Dwarf {
    context: Context<Bytes>,
}

/// A function that the code at an address belongs to, and where in it that is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Level {
    /// Its name, readable.
    pub(super) function: Option<String>,
    /// The file, as the compiler wrote it down, with the directory it worked in.
    pub(super) file: Option<String>,
    pub(super) directory: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) column: Option<u32>,
    entry: Option<UnitOffset>,
}

impl Dwarf {
    /// Opens debug information. `section` gives the contents of a section by its name.
    pub(super) fn open<'a>(
        section: impl Fn(&str) -> Option<&'a [u8]>,
    ) -> Result<Dwarf, gimli::Error> {
        let load = |id: SectionId| -> Result<Bytes, gimli::Error> {
            let contents = section(id.name()).unwrap_or_default();
            Ok(EndianArcSlice::new(Arc::from(contents), LittleEndian))
        };
        let context = Context::from_dwarf(gimli::Dwarf::load(load)?)?;
        Ok(Dwarf { context })
    }

    /// The functions that the code at an address belongs to: the innermost inlined one first, the
    /// one that was compiled last.
    pub(super) fn levels(&self, address: u64) -> Result<Vec<Level>, gimli::Error> {
        let unit = self.context.find_dwarf_and_unit(address).skip_all_loads();
        let directory = unit.and_then(|unit| directory(&unit));
        let mut frames = self.context.find_frames(address).skip_all_loads()?;
        let mut levels = Vec::new();
        while let Some(frame) = frames.next()? {
            let raw = frame.function.as_ref().and_then(|name| name.raw_name().ok());
            let location = frame.location;
            levels.push(Level {
                function: raw.map(|raw| names::readable(&raw)),
                file: location.as_ref().and_then(|at| at.file.map(str::to_owned)),
                directory: directory.clone(),
                line: location.as_ref().and_then(|at| at.line),
                column: location.as_ref().and_then(|at| at.column),
                entry: frame.dw_die_offset,
            });
        }
        Ok(levels)
    }

    /// The addresses at which a new line of source begins, in a stretch of code.
    pub(super) fn line_starts(&self, start: u64, end: u64) -> Result<Vec<u64>, gimli::Error> {
        let ranges = self.context.find_location_range(start, end)?;
        Ok(ranges.map(|(address, _, _)| address.max(start)).collect())
    }

    /// Whether the function that a level is about has code for other lines than the level's own. What
    /// a macro makes has not: all of it stands where the macro is called.
    pub(super) fn has_other_lines(
        &self,
        address: u64,
        level: &Level,
    ) -> Result<bool, gimli::Error> {
        let unit = self.context.find_dwarf_and_unit(address).skip_all_loads();
        let (Some(unit), Some(entry)) = (unit, level.entry) else { return Ok(false) };
        let mut ranges = unit.die_ranges(&unit.entry(entry)?)?;
        while let Some(range) = ranges.next()? {
            for start in self.line_starts(range.begin, range.end)? {
                let levels = self.levels(start)?;
                let same = levels.iter().find(|other| other.entry == level.entry);
                let line = same.and_then(|same| same.line).filter(|line| *line > 0);
                if line.is_some() && line != level.line {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Where the function that a level is about is declared. Line tables alone do not say.
    pub(super) fn declared_at(&self, address: u64, level: &Level) -> Option<(String, u32)> {
        let unit = self.context.find_dwarf_and_unit(address).skip_all_loads()?;
        declaration(&unit, level.entry?, REFERENCES_MAX)
    }
}

/// A declaration is at most as many references away.
const REFERENCES_MAX: usize = 4;

/// The file and line of a declaration, which may stand in what an entry refers to.
fn declaration(
    unit: &UnitRef<'_, Bytes>,
    entry: UnitOffset,
    references: usize,
) -> Option<(String, u32)> {
    let entry = unit.entry(entry).ok()?;
    let line = entry.attr_value(gimli::DW_AT_decl_line).and_then(|value| value.udata_value());
    let file = entry.attr_value(gimli::DW_AT_decl_file);
    if let (Some(line), Some(AttributeValue::FileIndex(file))) = (line, file) {
        return Some((file_name(unit, file)?, u32::try_from(line).ok()?));
    }
    let origins = [gimli::DW_AT_abstract_origin, gimli::DW_AT_specification];
    let mut origins = origins.into_iter().filter_map(|origin| entry.attr_value(origin));
    match origins.next()? {
        AttributeValue::UnitRef(origin) if references > 0 => {
            declaration(unit, origin, references - 1)
        }
        _ => None,
    }
}

fn file_name(unit: &UnitRef<'_, Bytes>, file: u64) -> Option<String> {
    let header = unit.line_program.as_ref()?.header();
    let file = header.file(file)?;
    let text = |value: AttributeValue<Bytes>| -> Option<String> {
        Some(unit.attr_string(value).ok()?.to_string_lossy().ok()?.into_owned())
    };
    let mut path = text(file.path_name())?;
    let parents = [file.directory(header).and_then(text), directory(unit)];
    for parent in parents.into_iter().flatten() {
        if !path.starts_with('/') {
            path = format!("{}/{path}", parent.trim_end_matches('/'));
        }
    }
    Some(path)
}

/// The directory in which the compiler worked.
fn directory(unit: &UnitRef<'_, Bytes>) -> Option<String> {
    Some(unit.comp_dir.as_ref()?.to_string_lossy().ok()?.into_owned())
}

/// Whether among these sections are any that a source line can be read from.
pub(super) fn has_lines<T>(sections: &BTreeMap<String, T>) -> bool {
    sections.contains_key(".debug_line") && sections.contains_key(".debug_info")
}
