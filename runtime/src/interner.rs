//! Which types and functions a chain has named, and under which numbers.

use theater_record::{Event, FunctionId, FunctionType, Type, TypeDef, TypeId, TypeTable};

use crate::tape::{self, Crossing};
use crate::world::{Function, World};

/// Gives numbers to functions and types when they are first used.
///
/// Recording writes the definitions that come with a new number; replay makes the same ones from
/// the component it has at hand and compares them.
pub(crate) struct Interner {
    /// The chain's number of each of the world's types.
    types: Vec<Option<TypeId>>,
    imports: Vec<Option<FunctionId>>,
    exports: Vec<Option<FunctionId>>,
    /// What was defined so far, as the chain has it.
    defined_types: TypeTable,
    defined_functions: Vec<FunctionType>,
}

impl Interner {
    pub(crate) fn new(world: &World) -> Interner {
        Interner {
            types: vec![None; world.types.len()],
            imports: vec![None; world.imports.len()],
            exports: vec![None; world.exports.len()],
            defined_types: TypeTable::default(),
            defined_functions: Vec::new(),
        }
    }

    /// The number of an imported function, and the definitions that have to come before its use.
    #[inline]
    pub(crate) fn import(&mut self, world: &World, import: usize) -> (FunctionId, Vec<Event>) {
        match self.imports[import] {
            Some(id) => (id, Vec::new()),
            None => {
                let (id, definitions) = self.define(world, &world.imports[import]);
                self.imports[import] = Some(id);
                (id, definitions)
            }
        }
    }

    /// The same for an exported function.
    pub(crate) fn export(&mut self, world: &World, export: usize) -> (FunctionId, Vec<Event>) {
        match self.exports[export] {
            Some(id) => (id, Vec::new()),
            None => {
                let (id, definitions) = self.define(world, &world.exports[export]);
                self.exports[export] = Some(id);
                (id, definitions)
            }
        }
    }

    /// The number of one of the world's types, and the definitions that have to come first.
    pub(crate) fn ty(&mut self, world: &World, ty: TypeId) -> (TypeId, Vec<Event>) {
        let mut definitions = Vec::new();
        (self.define_type(world, ty, &mut definitions), definitions)
    }

    /// Takes note of definitions that the chain has already, though nothing used them.
    pub(crate) fn learn(&mut self, world: &World, definitions: &[Event]) {
        for definition in definitions {
            match definition {
                Event::Type(def) => {
                    let mut types = world.types.iter().zip(&mut self.types);
                    let place = types.find(|(named, id)| id.is_none() && named.name == def.name);
                    if let Some((_, id)) = place {
                        *id = Some(def.id);
                    }
                    self.defined_types.add(def.clone());
                }
                Event::Function(function) => {
                    let imports = world.imports.iter().zip(&mut self.imports);
                    let exports = world.exports.iter().zip(&mut self.exports);
                    let place = imports.chain(exports).find(|(known, id)| {
                        id.is_none()
                            && known.interface == function.interface
                            && known.name == function.name
                    });
                    if let Some((_, id)) = place {
                        *id = Some(function.id);
                    }
                    self.defined_functions.push(function.clone());
                }
                _ => {}
            }
        }
    }

    /// The types named so far.
    pub(crate) fn types(&self) -> &TypeTable {
        &self.defined_types
    }

    /// An imported function as the chain names it, if it was used.
    pub(crate) fn imported(&self, import: usize) -> Option<&FunctionType> {
        self.defined_functions.get(self.imports[import]?.0 as usize)
    }

    /// The function that an event is about.
    pub(crate) fn function_of(&self, event: &Event) -> Option<FunctionType> {
        tape::function_of(event, &self.defined_functions, &self.defined_types)
    }

    /// An event with the names that belong to it.
    pub(crate) fn crossing(&self, event: Event) -> Crossing {
        let function = self.function_of(&event);
        Crossing { event, function, types: self.defined_types.clone() }
    }

    fn define(&mut self, world: &World, function: &Function) -> (FunctionId, Vec<Event>) {
        let mut definitions = Vec::new();
        let mut chain_type = |ty: &Type| self.chain_type(world, ty, &mut definitions);
        let params = function.params.iter();
        let params = params.map(|(name, ty)| (name.clone(), chain_type(ty))).collect();
        let results = function.results.iter().map(chain_type).collect();
        let id = FunctionId(self.defined_functions.len() as u32);
        let function = FunctionType {
            id,
            interface: function.interface.clone(),
            name: function.name.clone(),
            params,
            results,
        };
        self.defined_functions.push(function.clone());
        definitions.push(Event::Function(function));
        (id, definitions)
    }

    fn define_type(&mut self, world: &World, ty: TypeId, definitions: &mut Vec<Event>) -> TypeId {
        let at = ty.0 as usize;
        if let Some(id) = self.types[at] {
            return id;
        }
        let named = &world.types[at];
        let ty = self.chain_type(world, &named.ty, definitions);
        let id = TypeId(self.defined_types.len() as u32);
        self.types[at] = Some(id);
        let def = TypeDef { id, name: named.name.clone(), ty };
        let is_next = self.defined_types.add(def.clone());
        debug_assert!(is_next, "types are defined after those they refer to");
        definitions.push(Event::Type(def));
        id
    }

    /// A type with the chain's numbers in it instead of the world's.
    fn chain_type(&mut self, world: &World, ty: &Type, definitions: &mut Vec<Event>) -> Type {
        let mut one = |ty: &Type| self.chain_type(world, ty, definitions);
        let boxed = |ty: Type| Box::new(ty);
        match ty {
            Type::List(item) => Type::List(boxed(one(item))),
            Type::FixedList(len, item) => Type::FixedList(*len, boxed(one(item))),
            Type::Option(item) => Type::Option(boxed(one(item))),
            Type::Tuple(items) => Type::Tuple(items.iter().map(one).collect()),
            Type::Record(fields) => {
                Type::Record(fields.iter().map(|(name, ty)| (name.clone(), one(ty))).collect())
            }
            Type::Variant(cases) => Type::Variant(
                cases.iter().map(|(name, ty)| (name.clone(), ty.as_ref().map(&mut one))).collect(),
            ),
            Type::Result(ok, err) => Type::Result(
                ok.as_deref().map(|ty| boxed(one(ty))),
                err.as_deref().map(|ty| boxed(one(ty))),
            ),
            Type::Map(key, value) => Type::Map(boxed(one(key)), boxed(one(value))),
            Type::Own(ty) => Type::Own(self.define_type(world, *ty, definitions)),
            Type::Borrow(ty) => Type::Borrow(self.define_type(world, *ty, definitions)),
            Type::Named(ty) => Type::Named(self.define_type(world, *ty, definitions)),
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
            | Type::Resource => ty.clone(),
        }
    }
}
