//! What an event is about, apart from its values: direction, interface and function.

use std::collections::HashMap;

use theater_record::{Decoder, FunctionId, FunctionType, Kind, Type, TypeId};

use crate::chain::Raw;
use crate::ignore::Ignore;
use crate::outline::Outline;

/// A number that both chains use for events about the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Shape(u32);

/// The shapes of both chains.
#[derive(Default)]
pub(crate) struct Shapes {
    numbers: HashMap<Key, Shape>,
    /// Named types without the numbers that the chains gave them.
    types: HashMap<(String, Type), TypeId>,
    signatures: HashMap<(Vec<Type>, Vec<Type>), u32>,
}

/// What makes two events be about the same.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Call(Kind, String, String),
    /// A call of a function of which the chain does not say what it is.
    Unknown(Kind, u32),
    Drop(String),
    Lifecycle(u64),
    Permission(String),
    Close(u64),
}

/// What one chain calls the shapes, with what was found out about its functions.
pub(crate) struct Names<'a> {
    outline: &'a Outline,
    calls: HashMap<(Kind, u32), Call>,
    /// By function: the number of its signature.
    signatures: HashMap<FunctionId, u32>,
}

#[derive(Clone, Copy)]
struct Call {
    shape: Shape,
    is_left_out: bool,
}

/// An event's shape, and what else the comparison needs to know before it looks at values.
#[derive(Clone, Copy)]
pub(crate) struct Outward {
    pub(crate) shape: Shape,
    /// Whether the event takes no part in the comparison.
    pub(crate) is_left_out: bool,
}

impl Shapes {
    /// Learns what a chain has named.
    pub(crate) fn names<'a>(&mut self, outline: &'a Outline) -> Names<'a> {
        // Types refer to smaller numbers only, so everything inside is known already.
        let mut known = Vec::with_capacity(outline.types.len());
        for number in 0..outline.types.len() as u32 {
            let Some(def) = outline.types.get(TypeId(number)) else { break };
            let name = if def.ty == Type::Resource { def.name.clone() } else { String::new() };
            let next = TypeId(self.types.len() as u32);
            let ty = renamed(&def.ty, &known);
            known.push(*self.types.entry((name, ty)).or_insert(next));
        }
        let signature = |function: &FunctionType| {
            let params = function.params.iter().map(|(_, ty)| renamed(ty, &known)).collect();
            let results = function.results.iter().map(|ty| renamed(ty, &known)).collect();
            let next = self.signatures.len() as u32;
            *self.signatures.entry((params, results)).or_insert(next)
        };
        let signatures = outline
            .functions
            .values()
            .map(|f| f.id)
            .zip(outline.functions.values().map(signature).collect::<Vec<_>>());
        Names { outline, calls: HashMap::new(), signatures: signatures.collect() }
    }

    /// The shape of an event.
    pub(crate) fn of(&mut self, raw: &Raw<'_>, names: &mut Names<'_>, ignore: &Ignore) -> Outward {
        let mut input = Decoder::new(raw.fields);
        // What cannot be read is not in an outline, so that the defaults mean nothing.
        let number = input.uint().unwrap_or_default();
        let outline = names.outline;
        let key = match raw.kind {
            Kind::ExportCall | Kind::ImportCall | Kind::ImportReturn | Kind::ExportReturn => {
                let id = number as u32;
                if let Some(call) = names.calls.get(&(raw.kind, id)) {
                    return Outward { shape: call.shape, is_left_out: call.is_left_out };
                }
                let call = self.call(raw.kind, id, outline, ignore);
                names.calls.insert((raw.kind, id), call);
                return Outward { shape: call.shape, is_left_out: call.is_left_out };
            }
            Kind::ResourceDrop => {
                let def = outline.types.get(TypeId(number as u32));
                Key::Drop(def.map(|def| def.name.clone()).unwrap_or_default())
            }
            Kind::Lifecycle => Key::Lifecycle(number),
            Kind::Close => Key::Close(number),
            Kind::Permission => {
                Key::Permission(Decoder::new(raw.fields).text().unwrap_or_default().to_owned())
            }
            Kind::Header | Kind::Type | Kind::Function | Kind::Checkpoint | Kind::Recover => {
                unreachable!("such records are not compared")
            }
        };
        Outward { shape: self.number(key), is_left_out: false }
    }

    fn call(&mut self, kind: Kind, id: u32, outline: &Outline, ignore: &Ignore) -> Call {
        match outline.functions.get(&FunctionId(id)) {
            Some(FunctionType { interface, name, .. }) => Call {
                shape: self.number(Key::Call(kind, interface.clone(), name.clone())),
                is_left_out: ignore.leaves_out_interface(interface),
            },
            None => Call { shape: self.number(Key::Unknown(kind, id)), is_left_out: false },
        }
    }

    fn number(&mut self, key: Key) -> Shape {
        let next = Shape(self.numbers.len() as u32);
        *self.numbers.entry(key).or_insert(next)
    }
}

impl Names<'_> {
    /// Whether a function has the same types in both chains, so that equal bytes are equal values.
    pub(crate) fn agree(&self, id: u32, other: &Names<'_>, other_id: u32) -> bool {
        let signature = self.signatures.get(&FunctionId(id));
        signature.is_some() && signature == other.signatures.get(&FunctionId(other_id))
    }
}

/// The type with other numbers for the named types inside.
fn renamed(ty: &Type, known: &[TypeId]) -> Type {
    let id = |id: &TypeId| known.get(id.0 as usize).copied().unwrap_or(TypeId(u32::MAX));
    let boxed = |ty: &Type| Box::new(renamed(ty, known));
    let maybe = |ty: &Option<Box<Type>>| ty.as_deref().map(boxed);
    match ty {
        Type::Own(number) => Type::Own(id(number)),
        Type::Borrow(number) => Type::Borrow(id(number)),
        Type::Named(number) => Type::Named(id(number)),
        Type::List(item) => Type::List(boxed(item)),
        Type::FixedList(len, item) => Type::FixedList(*len, boxed(item)),
        Type::Option(item) => Type::Option(boxed(item)),
        Type::Map(key, value) => Type::Map(boxed(key), boxed(value)),
        Type::Result(ok, err) => Type::Result(maybe(ok), maybe(err)),
        Type::Tuple(items) => Type::Tuple(items.iter().map(|ty| renamed(ty, known)).collect()),
        Type::Record(fields) => {
            let field = |(name, ty): &(String, Type)| (name.clone(), renamed(ty, known));
            Type::Record(fields.iter().map(field).collect())
        }
        Type::Variant(cases) => {
            let case = |(name, ty): &(String, Option<Type>)| {
                (name.clone(), ty.as_ref().map(|ty| renamed(ty, known)))
            };
            Type::Variant(cases.iter().map(case).collect())
        }
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
