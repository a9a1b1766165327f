//! What a component's file says of its code: the core modules in it, where their functions stand,
//! what they are called, and which sections describe them.

use std::collections::BTreeMap;
use std::ops::Range;

use theater_record::Hash;
use wasmparser::{
    BinaryReader, BinaryReaderError, Encoding, ExternalKind, FunctionBody, KnownCustom, Name,
    Operator, Parser, Payload, TypeRef,
};

/// What is of interest in a component.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Its core modules, in the order of the file.
    pub(super) modules: Vec<Code>,
    /// The names of what it imports.
    pub(super) imports: Vec<String>,
    /// What made it, by its own account.
    pub(super) made_by: Vec<String>,
}

/// One core module's code. All ranges are in bytes of the whole file.
#[derive(Debug)]
pub(super) struct Code {
    /// The contents of the code section, from which debug information counts.
    pub(super) section: Range<usize>,
    /// The digest of those contents: the same for a build with and without debug information.
    pub(super) digest: Hash,
    /// Custom sections by name.
    pub(super) custom: BTreeMap<String, Range<usize>>,
    /// Functions by what they are exported as.
    pub(super) exports: BTreeMap<String, u32>,
    imported_functions: u32,
    bodies: Vec<Range<usize>>,
}

impl Code {
    fn empty() -> Code {
        Code {
            section: 0..0,
            digest: Hash([0; 32]),
            custom: BTreeMap::new(),
            exports: BTreeMap::new(),
            imported_functions: 0,
            bodies: Vec::new(),
        }
    }

    /// Where the body of a function stands.
    pub(super) fn body(&self, function: u32) -> Option<Range<usize>> {
        let defined = function.checked_sub(self.imported_functions)?;
        self.bodies.get(defined as usize).cloned()
    }

    /// The functions that a function calls directly, in the order of its code.
    pub(super) fn callees(&self, file: &[u8], function: u32) -> Vec<u32> {
        let Some(range) = self.body(function) else { return Vec::new() };
        let body = FunctionBody::new(BinaryReader::new(&file[range.clone()], range.start));
        let Ok(operators) = body.get_operators_reader() else { return Vec::new() };
        let called = |operator| match operator {
            Ok(Operator::Call { function_index } | Operator::ReturnCall { function_index }) => {
                Some(function_index)
            }
            _ => None,
        };
        operators.into_iter().filter_map(called).collect()
    }

    /// The names of its functions, by number, as its name section has them.
    pub(super) fn function_names(&self, file: &[u8]) -> BTreeMap<u32, String> {
        let mut names = BTreeMap::new();
        let Some(range) = self.custom.get("name") else { return names };
        let reader = BinaryReader::new(&file[range.clone()], range.start);
        for section in wasmparser::NameSectionReader::new(reader).flatten() {
            if let Name::Function(map) = section {
                let named = map.into_iter().flatten();
                names.extend(named.map(|naming| (naming.index, naming.name.to_owned())));
            }
        }
        names
    }
}

impl Outline {
    /// Reads the outline of a component, or of a core module that stands alone.
    pub(super) fn of(file: &[u8]) -> Result<Outline, BinaryReaderError> {
        let mut outline = Outline::default();
        // What is being read: modules stand inside of components, which may stand in components.
        let mut open: Vec<Option<Code>> = Vec::new();
        for payload in Parser::new(0).parse_all(file) {
            match payload? {
                Payload::Version { encoding, .. } => {
                    open.push((encoding == Encoding::Module).then(Code::empty));
                }
                Payload::End(_) => outline.modules.extend(open.pop().flatten()),
                Payload::ComponentImportSection(imports) if open.len() == 1 => {
                    for import in imports {
                        outline.imports.push(import?.name.name.to_owned());
                    }
                }
                Payload::CustomSection(section) => match open.last_mut() {
                    Some(Some(code)) => {
                        let range = section.data_offset()
                            ..section.data_offset().saturating_add(section.data().len());
                        code.custom.insert(section.name().to_owned(), range);
                    }
                    _ => {
                        if let KnownCustom::Producers(fields) = section.as_known() {
                            outline.made_by.extend(producers(fields));
                        }
                    }
                },
                payload => {
                    if let Some(Some(code)) = open.last_mut() {
                        note(code, payload, file)?;
                    }
                }
            }
        }
        Ok(outline)
    }
}

/// Takes note of one section of a module.
fn note(code: &mut Code, payload: Payload<'_>, file: &[u8]) -> Result<(), BinaryReaderError> {
    match payload {
        Payload::ImportSection(imports) => {
            for import in imports.into_imports() {
                if let TypeRef::Func(_) | TypeRef::FuncExact(_) = import?.ty {
                    code.imported_functions = code.imported_functions.saturating_add(1);
                }
            }
        }
        Payload::ExportSection(exports) => {
            for export in exports {
                let export = export?;
                if export.kind == ExternalKind::Func {
                    code.exports.insert(export.name.to_owned(), export.index);
                }
            }
        }
        Payload::CodeSectionStart { range, .. } => {
            let contents = file.get(range.clone()).unwrap_or_default();
            code.digest = Hash(*blake3::hash(contents).as_bytes());
            code.section = range;
        }
        Payload::CodeSectionEntry(body) => code.bodies.push(body.range()),
        _ => {}
    }
    Ok(())
}

fn producers(fields: wasmparser::ProducersSectionReader<'_>) -> Vec<String> {
    let values = fields.into_iter().flatten().flat_map(|field| field.values.into_iter().flatten());
    values.map(|value| value.name.to_owned()).collect()
}
