//! The names that a chain has given to types and functions so far.

use std::collections::HashMap;

use crate::event::{Event, FunctionId, FunctionType};
use crate::format::NESTING_DEPTH_MAX;
use crate::types::{Type, TypeDef, TypeId};

/// Types and functions by name, with the numbers the chain has given them.
#[derive(Default)]
pub(crate) struct Interned {
    types: HashMap<String, TypeId>,
    /// How many levels of arrays a value of each type may have, by the type's number.
    levels: Vec<usize>,
    functions: HashMap<(String, String), FunctionId>,
    function_count: u32,
}

impl Interned {
    pub(crate) fn type_id(&self, name: &str) -> Option<TypeId> {
        self.types.get(name).copied()
    }

    pub(crate) fn function_id(&self, interface: &str, name: &str) -> Option<FunctionId> {
        self.functions.get(&(interface.to_owned(), name.to_owned())).copied()
    }

    /// The number that the next type gets.
    pub(crate) fn next_type(&self) -> TypeId {
        TypeId(self.levels.len() as u32)
    }

    /// The number that the next function gets.
    pub(crate) fn next_function(&self) -> FunctionId {
        FunctionId(self.function_count)
    }

    /// Succeeds if no value of the types that an event names can nest too deep, else returns what
    /// has such a type. With that settled once per type, no value has to be looked at.
    pub(crate) fn check(&self, event: &Event) -> Result<(), String> {
        // The array of arguments or results is a level too.
        let fits = |ty: &Type| self.levels_of(ty) < NESTING_DEPTH_MAX;
        if let Event::Type(def) = event
            && !fits(&def.ty)
        {
            return Err(def.name.clone());
        }
        if let Event::Function(function) = event
            && !function.params.iter().map(|(_, ty)| ty).chain(&function.results).all(fits)
        {
            return Err(format!("{}#{}", function.interface, function.name));
        }
        Ok(())
    }

    fn add_type(&mut self, def: TypeDef) {
        self.levels.push(self.levels_of(&def.ty));
        self.types.insert(def.name, def.id);
    }

    fn add_function(&mut self, function: FunctionType) {
        self.function_count += 1;
        self.functions.insert((function.interface, function.name), function.id);
    }

    /// Takes the name that an event of a chain introduces, if it does. `false` if its number is not
    /// the next one.
    pub(crate) fn follow(&mut self, event: &Event) -> bool {
        match event {
            Event::Type(def) if def.id == self.next_type() => {
                self.add_type(def.clone());
                true
            }
            Event::Function(function) if function.id == self.next_function() => {
                self.add_function(function.clone());
                true
            }
            Event::Type(_) | Event::Function(_) => false,
            Event::Header(_)
            | Event::ExportCall(_)
            | Event::ImportCall(_)
            | Event::ImportReturn(_)
            | Event::ExportReturn(_)
            | Event::ResourceDrop(_)
            | Event::Lifecycle(_)
            | Event::Permission(_)
            | Event::Checkpoint(_)
            | Event::Close(_)
            | Event::Recover(_) => true,
        }
    }

    /// At least as many levels as a value of this type, and the type itself, has when encoded.
    fn levels_of(&self, ty: &Type) -> usize {
        let deepest = |types: &mut dyn Iterator<Item = &Type>| {
            types.map(|ty| self.levels_of(ty)).max().unwrap_or(0)
        };
        match ty {
            Type::List(item) | Type::FixedList(_, item) | Type::Option(item) => {
                1 + self.levels_of(item)
            }
            Type::Tuple(items) => 1 + deepest(&mut items.iter()),
            Type::Record(fields) => 1 + deepest(&mut fields.iter().map(|(_, ty)| ty)),
            Type::Variant(cases) => {
                1 + deepest(&mut cases.iter().filter_map(|(_, case)| case.as_ref()))
            }
            Type::Result(ok, err) => {
                1 + deepest(&mut [ok, err].into_iter().flatten().map(|side| &**side))
            }
            Type::Map(key, value) => 2 + self.levels_of(key).max(self.levels_of(value)),
            // A number that the chain has not given out is found by whoever reads the chain.
            Type::Named(id) => self.levels.get(id.0 as usize).copied().unwrap_or(0),
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
