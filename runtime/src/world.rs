//! What a component imports and exports, read from its own bytes.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use theater_record::{NESTING_DEPTH_MAX, Type, TypeDef, TypeId, TypeTable};
use wit_component::{DecodedWasm, WitPrinter};
use wit_parser::abi::AbiVariant;
use wit_parser::{
    Function as WitFunction, Handle, InterfaceId, Resolve, Type as WitType, TypeDefKind,
    TypeId as WitTypeId, TypeOwner, WorldId, WorldItem, WorldKey,
};

use crate::codec::SPILLED;

/// Why a component's world cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WorldError {
    /// The bytes do not describe a world.
    #[error("the component's interfaces cannot be read")]
    Unreadable(#[source] anyhow::Error),
    /// Asynchronous functions or types.
    #[error(
        "the component is asynchronous, and only synchronous ones can be recorded: {}",
        names.join(", ")
    )]
    Asynchronous {
        /// What is asynchronous.
        names: Vec<String>,
    },
    /// Types that a chain cannot hold.
    #[error("{function} {problem}")]
    Unrecordable {
        /// Which function has the type.
        function: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// A type with a name, as a chain will introduce it.
#[derive(Debug, Clone)]
pub struct NamedType {
    /// Such as `wasi:io/streams@0.2.6#stream-error`.
    pub name: String,
    /// What it is. Numbers inside are positions in [`World::types`], always smaller ones.
    pub ty: Type,
}

/// A function that a component imports or exports.
#[derive(Debug, Clone)]
pub struct Function {
    /// The interface it belongs to; empty at world level.
    pub interface: String,
    /// Its name, such as `[method]output-stream.write`.
    pub name: String,
    /// Parameter names and types.
    pub params: Vec<(String, Type)>,
    /// Result types: none or one.
    pub results: Vec<Type>,
    /// How many core values its arguments take.
    pub(crate) flat_params: usize,
    /// How many core values its results take; two stands for more than one.
    pub(crate) flat_results: usize,
}

impl Function {
    /// Interface and name as people write them.
    #[must_use]
    pub fn path(&self) -> String {
        match self.interface.as_str() {
            "" => self.name.clone(),
            interface => format!("{interface}#{}", self.name),
        }
    }
}

/// How the function that drops a resource is named, before the resource's name.
pub(crate) const DROP: &str = "[resource-drop]";

/// A resource type that a component imports.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The interface that defines it; empty at world level.
    pub interface: String,
    /// Its name.
    pub name: String,
    /// Its position in [`World::types`].
    pub ty: TypeId,
}

/// What a component imports and exports.
#[derive(Debug, Clone)]
pub struct World {
    /// The same as WIT text.
    pub wit: String,
    /// The named types that functions refer to.
    pub types: Vec<NamedType>,
    /// What it can call.
    pub imports: Vec<Function>,
    /// What can be called.
    pub exports: Vec<Function>,
    /// The resource types it imports.
    pub resources: Vec<Resource>,
}

/// A component's interfaces with the ids of the library that read them.
pub(crate) struct Decoded {
    pub(crate) resolve: Resolve,
    pub(crate) world: WorldId,
}

impl Decoded {
    pub(crate) fn new(component: &[u8]) -> Result<Decoded, WorldError> {
        match wit_component::decode(component).map_err(WorldError::Unreadable)? {
            DecodedWasm::Component(resolve, world) => Ok(Decoded { resolve, world }),
            DecodedWasm::WitPackage(..) => {
                Err(WorldError::Unreadable(anyhow::anyhow!("the file holds WIT but no component")))
            }
        }
    }

    /// The imported functions, each with the key of its interface.
    pub(crate) fn imports(&self) -> Vec<(Option<WorldKey>, WitFunction)> {
        self.functions(&self.resolve.worlds[self.world].imports)
    }

    fn exports(&self) -> Vec<(Option<WorldKey>, WitFunction)> {
        self.functions(&self.resolve.worlds[self.world].exports)
    }

    fn functions<'a>(
        &self,
        items: impl IntoIterator<Item = (&'a WorldKey, &'a WorldItem)>,
    ) -> Vec<(Option<WorldKey>, WitFunction)> {
        let mut functions = Vec::new();
        for (key, item) in items {
            match item {
                WorldItem::Interface { id, .. } => {
                    let members = self.resolve.interfaces[*id].functions.values();
                    functions.extend(members.map(|function| (Some(key.clone()), function.clone())));
                }
                WorldItem::Function(function) => functions.push((None, function.clone())),
                WorldItem::Type { .. } => {}
            }
        }
        functions
    }

    /// The imported resource types, each with the key of its interface.
    pub(crate) fn resources(&self) -> Vec<(Option<WorldKey>, WitTypeId)> {
        let is_resource = |id: &WitTypeId| self.resolve.types[*id].kind == TypeDefKind::Resource;
        let mut resources = Vec::new();
        for (key, item) in &self.resolve.worlds[self.world].imports {
            match item {
                WorldItem::Interface { id, .. } => {
                    let types = self.resolve.interfaces[*id].types.values().copied();
                    resources.extend(
                        types.filter(is_resource).map(|resource| (Some(key.clone()), resource)),
                    );
                }
                WorldItem::Type { id, .. } if is_resource(id) => resources.push((None, *id)),
                WorldItem::Type { .. } | WorldItem::Function(_) => {}
            }
        }
        resources
    }

    fn wit(&self) -> Result<String, WorldError> {
        let main = self.resolve.worlds[self.world].package.expect("a decoded world is packaged");
        let others = self.resolve.packages.iter().map(|(id, _)| id).filter(|id| *id != main);
        let mut printer = WitPrinter::default();
        let printed = printer.print(&self.resolve, main, &others.collect::<Vec<_>>());
        printed.map_err(WorldError::Unreadable)?;
        Ok(printer.output.to_string())
    }
}

impl World {
    /// The export that runs a program, by its position, if the component is one.
    #[must_use]
    pub fn program(&self) -> Option<usize> {
        self.exports.iter().position(|function| {
            function.name == "run" && function.interface.starts_with("wasi:cli/run@")
        })
    }

    /// Reads the world of a component.
    pub fn of(component: &[u8]) -> Result<World, WorldError> {
        World::new(&Decoded::new(component)?)
    }

    /// The named types, under the numbers by which functions refer to them.
    #[must_use]
    pub fn type_table(&self) -> TypeTable {
        let mut table = TypeTable::default();
        for (named, number) in self.types.iter().zip(0..) {
            let def =
                TypeDef { id: TypeId(number), name: named.name.clone(), ty: named.ty.clone() };
            assert!(table.add(def), "a type refers to earlier ones only");
        }
        table
    }

    pub(crate) fn new(decoded: &Decoded) -> Result<World, WorldError> {
        let mut reading =
            Reading { resolve: &decoded.resolve, types: Vec::new(), known: HashMap::new() };
        reading.refuse_asynchronous(decoded)?;
        let imports = reading.functions(&decoded.imports(), AbiVariant::GuestImport)?;
        let mut exports = reading.functions(&decoded.exports(), AbiVariant::GuestExport)?;
        reading.add_drops(decoded, &mut exports)?;
        let mut resources = Vec::new();
        for (key, id) in decoded.resources() {
            resources.push(Resource {
                interface: reading.key(key.as_ref()),
                name: decoded.resolve.types[id].name.clone().unwrap_or_default(),
                ty: reading.named(id).map_err(|problem| WorldError::Unrecordable {
                    function: "an imported resource".to_owned(),
                    problem,
                })?,
            });
        }
        let types = reading.types;
        Ok(World { wit: decoded.wit()?, types, imports, exports, resources })
    }
}

struct Reading<'a> {
    resolve: &'a Resolve,
    types: Vec<NamedType>,
    known: HashMap<WitTypeId, TypeId>,
}

impl Reading<'_> {
    fn refuse_asynchronous(&self, decoded: &Decoded) -> Result<(), WorldError> {
        let functions = decoded.imports().into_iter().chain(decoded.exports());
        let mut names = Vec::new();
        for (key, function) in functions {
            let path = match self.key(key.as_ref()).as_str() {
                "" => function.name.clone(),
                interface => format!("{interface}#{}", function.name),
            };
            let types = function.params.iter().map(|param| &param.ty).chain(&function.result);
            if function.kind.is_async() {
                names.push(format!("async func {path}"));
            } else if let Some(kind) = types.filter_map(|ty| self.asynchronous(ty)).next() {
                names.push(format!("{kind} in {path}"));
            }
        }
        if names.is_empty() { Ok(()) } else { Err(WorldError::Asynchronous { names }) }
    }

    /// The asynchronous type inside a type, if there is one.
    fn asynchronous(&self, ty: &WitType) -> Option<&'static str> {
        let id = match ty {
            WitType::Id(id) => *id,
            WitType::ErrorContext => return Some("error-context"),
            _ => return None,
        };
        let all = |types: &mut dyn Iterator<Item = &WitType>| {
            types.filter_map(|ty| self.asynchronous(ty)).next()
        };
        match &self.resolve.types[id].kind {
            TypeDefKind::Future(_) => Some("future"),
            TypeDefKind::Stream(_) => Some("stream"),
            TypeDefKind::Record(record) => all(&mut record.fields.iter().map(|field| &field.ty)),
            TypeDefKind::Variant(variant) => {
                all(&mut variant.cases.iter().filter_map(|case| case.ty.as_ref()))
            }
            TypeDefKind::Tuple(tuple) => all(&mut tuple.types.iter()),
            TypeDefKind::Result(result) => all(&mut result.ok.iter().chain(&result.err)),
            TypeDefKind::Map(key, value) => all(&mut [key, value].into_iter()),
            TypeDefKind::Option(ty)
            | TypeDefKind::List(ty)
            | TypeDefKind::FixedLengthList(ty, _)
            | TypeDefKind::Type(ty) => self.asynchronous(ty),
            TypeDefKind::Resource
            | TypeDefKind::Handle(_)
            | TypeDefKind::Flags(_)
            | TypeDefKind::Enum(_)
            | TypeDefKind::Unknown => None,
        }
    }

    fn key(&self, key: Option<&WorldKey>) -> String {
        key.map(|key| self.resolve.name_world_key(key)).unwrap_or_default()
    }

    fn functions(
        &mut self,
        functions: &[(Option<WorldKey>, WitFunction)],
        variant: AbiVariant,
    ) -> Result<Vec<Function>, WorldError> {
        functions
            .iter()
            .map(|(key, function)| self.function(key.as_ref(), function, variant))
            .collect()
    }

    /// Whoever was given a resource of the component's can drop it, which is a call into the
    /// component like any other.
    fn add_drops(
        &mut self,
        decoded: &Decoded,
        exports: &mut Vec<Function>,
    ) -> Result<(), WorldError> {
        let resolve = self.resolve;
        for (key, item) in &resolve.worlds[decoded.world].exports {
            let WorldItem::Interface { id, .. } = item else { continue };
            for (name, ty) in &resolve.interfaces[*id].types {
                if resolve.types[*ty].kind != TypeDefKind::Resource {
                    continue;
                }
                let function = format!("{DROP}{name}");
                let resource = self.named(*ty).map_err(|problem| WorldError::Unrecordable {
                    function: function.clone(),
                    problem,
                })?;
                exports.push(Function {
                    interface: self.key(Some(key)),
                    name: function,
                    params: vec![("self".to_owned(), Type::Own(resource))],
                    results: Vec::new(),
                    flat_params: 1,
                    flat_results: 0,
                });
            }
        }
        Ok(())
    }

    fn function(
        &mut self,
        key: Option<&WorldKey>,
        function: &WitFunction,
        variant: AbiVariant,
    ) -> Result<Function, WorldError> {
        let signature = self.resolve.wasm_signature(variant, function);
        let return_pointer = signature.retptr && matches!(variant, AbiVariant::GuestImport);
        let mut read = Function {
            interface: self.key(key),
            name: function.name.clone(),
            params: Vec::new(),
            results: Vec::new(),
            flat_params: match signature.indirect_params {
                true => SPILLED,
                false => signature.params.len() - usize::from(return_pointer),
            },
            flat_results: if signature.retptr { 2 } else { signature.results.len() },
        };
        let path = read.path();
        let refuse = |problem| WorldError::Unrecordable { function: path.clone(), problem };
        for param in &function.params {
            read.params.push((param.name.clone(), self.ty(&param.ty).map_err(refuse)?));
        }
        if let Some(result) = &function.result {
            read.results.push(self.ty(result).map_err(refuse)?);
        }
        let types = read.params.iter().map(|(_, ty)| ty).chain(&read.results);
        if types.map(|ty| self.depth(ty)).max().unwrap_or(0) + 2 > NESTING_DEPTH_MAX {
            return Err(refuse("has types nested deeper than a chain can hold"));
        }
        Ok(read)
    }

    fn ty(&mut self, ty: &WitType) -> Result<Type, &'static str> {
        Ok(match ty {
            WitType::Bool => Type::Bool,
            WitType::U8 => Type::U8,
            WitType::U16 => Type::U16,
            WitType::U32 => Type::U32,
            WitType::U64 => Type::U64,
            WitType::S8 => Type::S8,
            WitType::S16 => Type::S16,
            WitType::S32 => Type::S32,
            WitType::S64 => Type::S64,
            WitType::F32 => Type::F32,
            WitType::F64 => Type::F64,
            WitType::Char => Type::Char,
            WitType::String => Type::String,
            WitType::ErrorContext => return Err("uses error-context, which is asynchronous"),
            WitType::Id(id) => self.defined(*id)?,
        })
    }

    fn defined(&mut self, id: WitTypeId) -> Result<Type, &'static str> {
        let def = &self.resolve.types[id];
        match &def.kind {
            TypeDefKind::Type(ty) => self.ty(ty),
            TypeDefKind::Handle(Handle::Own(resource)) => Ok(Type::Own(self.named(*resource)?)),
            TypeDefKind::Handle(Handle::Borrow(resource)) => {
                Ok(Type::Borrow(self.named(*resource)?))
            }
            _ if def.name.is_some() => Ok(Type::Named(self.named(id)?)),
            kind => self.structure(kind),
        }
    }

    /// The number of a named type; reads it if it is new.
    fn named(&mut self, id: WitTypeId) -> Result<TypeId, &'static str> {
        let def = &self.resolve.types[id];
        if let TypeDefKind::Type(WitType::Id(original)) = def.kind {
            return self.named(original);
        }
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        let ty = self.structure(&def.kind)?;
        let name = def.name.as_deref().unwrap_or_default();
        let name = match def.owner {
            TypeOwner::Interface(interface) => format!("{}#{name}", self.interface(interface)),
            TypeOwner::World(_) | TypeOwner::None => name.to_owned(),
        };
        let number = TypeId(self.types.len() as u32);
        self.types.push(NamedType { name, ty });
        self.known.insert(id, number);
        Ok(number)
    }

    fn interface(&self, id: InterfaceId) -> String {
        self.resolve.id_of(id).unwrap_or_else(|| {
            // An interface without a package is named by the world that holds it.
            self.resolve.interfaces[id].name.clone().unwrap_or_default()
        })
    }

    fn structure(&mut self, kind: &TypeDefKind) -> Result<Type, &'static str> {
        Ok(match kind {
            TypeDefKind::Record(record) => Type::Record(
                record
                    .fields
                    .iter()
                    .map(|field| Ok((field.name.clone(), self.ty(&field.ty)?)))
                    .collect::<Result<_, &'static str>>()?,
            ),
            TypeDefKind::Variant(variant) => Type::Variant(
                variant
                    .cases
                    .iter()
                    .map(|case| {
                        let payload = case.ty.as_ref().map(|ty| self.ty(ty)).transpose()?;
                        Ok((case.name.clone(), payload))
                    })
                    .collect::<Result<_, &'static str>>()?,
            ),
            TypeDefKind::Enum(list) => {
                Type::Enum(list.cases.iter().map(|case| case.name.clone()).collect())
            }
            TypeDefKind::Flags(list) if list.flags.len() > 64 => {
                return Err("uses more than 64 flags in one type");
            }
            TypeDefKind::Flags(list) => {
                Type::Flags(list.flags.iter().map(|flag| flag.name.clone()).collect())
            }
            TypeDefKind::Tuple(tuple) => {
                Type::Tuple(tuple.types.iter().map(|ty| self.ty(ty)).collect::<Result<_, _>>()?)
            }
            TypeDefKind::Option(ty) => Type::Option(Box::new(self.ty(ty)?)),
            TypeDefKind::List(ty) => Type::List(Box::new(self.ty(ty)?)),
            TypeDefKind::FixedLengthList(ty, len) => Type::FixedList(*len, Box::new(self.ty(ty)?)),
            TypeDefKind::Map(key, value) => {
                Type::Map(Box::new(self.ty(key)?), Box::new(self.ty(value)?))
            }
            TypeDefKind::Result(result) => {
                let mut side = |ty: &Option<WitType>| {
                    ty.as_ref().map(|ty| self.ty(ty).map(Box::new)).transpose()
                };
                Type::Result(side(&result.ok)?, side(&result.err)?)
            }
            TypeDefKind::Resource => Type::Resource,
            TypeDefKind::Handle(Handle::Own(resource)) => Type::Own(self.named(*resource)?),
            TypeDefKind::Handle(Handle::Borrow(resource)) => Type::Borrow(self.named(*resource)?),
            TypeDefKind::Type(ty) => self.ty(ty)?,
            TypeDefKind::Future(_) | TypeDefKind::Stream(_) => {
                return Err("uses a future or stream, which is asynchronous");
            }
            TypeDefKind::Unknown => return Err("uses a type that is not defined"),
        })
    }

    /// How deep values of a type can be nested.
    fn depth(&self, ty: &Type) -> usize {
        let deepest = |types: &mut dyn Iterator<Item = &Type>| {
            1 + types.map(|ty| self.depth(ty)).max().unwrap_or(0)
        };
        match ty {
            Type::Named(id) => self.depth(&self.types[id.0 as usize].ty),
            Type::List(item) | Type::FixedList(_, item) | Type::Option(item) => {
                deepest(&mut std::iter::once(&**item))
            }
            Type::Tuple(items) => deepest(&mut items.iter()),
            Type::Record(fields) => deepest(&mut fields.iter().map(|(_, ty)| ty)),
            Type::Variant(cases) => deepest(&mut cases.iter().filter_map(|(_, ty)| ty.as_ref())),
            Type::Result(ok, err) => deepest(&mut [ok, err].into_iter().flatten().map(|ty| &**ty)),
            Type::Map(key, value) => 1 + deepest(&mut [&**key, &**value].into_iter()),
            Type::Bool
            | Type::S8
            | Type::U8
            | Type::S16
            | Type::U16
            | Type::S32
            | Type::U32
            | Type::S64
            | Type::U64
            | Type::F32
            | Type::F64
            | Type::Char
            | Type::String
            | Type::Enum(_)
            | Type::Flags(_)
            | Type::Own(_)
            | Type::Borrow(_)
            | Type::Resource => 0,
        }
    }
}
