//! WIT types as a chain writes them down, so that values can be read without the component.

use crate::cbor::{CborError, CborFault, Decoder, Encoder};

/// The number under which a chain interned a named type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

/// Every WIT type that is not asynchronous.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Type {
    /// `bool`
    Bool,
    /// `s8`
    S8,
    /// `u8`
    U8,
    /// `s16`
    S16,
    /// `u16`
    U16,
    /// `s32`
    S32,
    /// `u32`
    U32,
    /// `s64`
    S64,
    /// `u64`
    U64,
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `char`
    Char,
    /// `string`
    String,
    /// `list<t>`
    List(Box<Type>),
    /// `list<t, n>`
    FixedList(u32, Box<Type>),
    /// `tuple<..>`
    Tuple(Vec<Type>),
    /// `record`, fields in order.
    Record(Vec<(String, Type)>),
    /// `variant`, cases in order.
    Variant(Vec<(String, Option<Type>)>),
    /// `enum`
    Enum(Vec<String>),
    /// `option<t>`
    Option(Box<Type>),
    /// `result<ok, err>`
    Result(Option<Box<Type>>, Option<Box<Type>>),
    /// `flags`, at most 64.
    Flags(Vec<String>),
    /// `map<k, v>`
    Map(Box<Type>, Box<Type>),
    /// `own<resource>`
    Own(TypeId),
    /// `borrow<resource>`
    Borrow(TypeId),
    /// The declaration of a resource.
    Resource,
    /// A type the chain has named before.
    Named(TypeId),
}

/// A type with the name under which the chain refers to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDef {
    /// Its number: the count of types named before it.
    pub id: TypeId,
    /// Its full name, such as `wasi:io/streams@0.2.6#stream-error`.
    pub name: String,
    /// What it is. Names inside refer to smaller numbers only, so types cannot be circular.
    pub ty: Type,
}

/// The named types of a chain, in the order in which it introduced them.
#[derive(Debug, Clone, Default)]
pub struct TypeTable(Vec<TypeDef>);

impl TypeTable {
    /// Adds the next type. Returns `false`, and adds nothing, if its number is not the next one or
    /// it refers to a type that is not in the table yet.
    pub fn add(&mut self, def: TypeDef) -> bool {
        let fits = def.id.0 as usize == self.0.len() && self.knows_all_in(&def.ty);
        if fits {
            self.0.push(def);
        }
        fits
    }

    /// The type with this number.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Option<&TypeDef> {
        self.0.get(id.0 as usize)
    }

    /// How many types there are; also the number the next one gets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no type was named yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Follows names until something structural is found.
    #[must_use]
    pub fn resolve<'a>(&'a self, mut ty: &'a Type) -> Option<&'a Type> {
        while let Type::Named(id) = ty {
            ty = &self.get(*id)?.ty;
        }
        Some(ty)
    }

    /// Whether every number inside the type stands for a type of this table.
    #[must_use]
    pub fn knows_all_in(&self, ty: &Type) -> bool {
        match ty {
            Type::Own(id) | Type::Borrow(id) | Type::Named(id) => self.get(*id).is_some(),
            Type::List(item) | Type::FixedList(_, item) | Type::Option(item) => {
                self.knows_all_in(item)
            }
            Type::Tuple(items) => items.iter().all(|item| self.knows_all_in(item)),
            Type::Record(fields) => fields.iter().all(|(_, field)| self.knows_all_in(field)),
            Type::Variant(cases) => cases
                .iter()
                .filter_map(|(_, case)| case.as_ref())
                .all(|case| self.knows_all_in(case)),
            Type::Result(ok, err) => {
                [ok, err].into_iter().flatten().all(|side| self.knows_all_in(side))
            }
            Type::Map(key, value) => self.knows_all_in(key) && self.knows_all_in(value),
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
            | Type::Resource => true,
        }
    }
}

/// Primitive types are bare numbers; their position here is that number.
const PRIMITIVES: [Type; 13] = [
    Type::Bool,
    Type::S8,
    Type::U8,
    Type::S16,
    Type::U16,
    Type::S32,
    Type::U32,
    Type::S64,
    Type::U64,
    Type::F32,
    Type::F64,
    Type::Char,
    Type::String,
];

const LIST: u64 = 13;
const FIXED_LIST: u64 = 14;
const TUPLE: u64 = 15;
const RECORD: u64 = 16;
const VARIANT: u64 = 17;
const ENUM: u64 = 18;
const OPTION: u64 = 19;
const RESULT: u64 = 20;
const FLAGS: u64 = 21;
const MAP: u64 = 22;
const OWN: u64 = 23;
const BORROW: u64 = 24;
const RESOURCE: u64 = 25;
const NAMED: u64 = 26;

impl Type {
    /// Appends the type: a number for a primitive, else an array that starts with its constructor.
    pub(crate) fn encode(&self, out: &mut Encoder<'_>) {
        if let Some(number) = PRIMITIVES.iter().position(|primitive| primitive == self) {
            return out.uint(number as u64);
        }
        let mut constructor = |number: u64, fields: usize| {
            out.array(1 + fields);
            out.uint(number);
        };
        match self {
            Type::List(item) => {
                constructor(LIST, 1);
                item.encode(out);
            }
            Type::FixedList(len, item) => {
                constructor(FIXED_LIST, 2);
                out.uint(u64::from(*len));
                item.encode(out);
            }
            Type::Tuple(items) => {
                constructor(TUPLE, 1);
                out.array(items.len());
                items.iter().for_each(|item| item.encode(out));
            }
            Type::Record(fields) => {
                constructor(RECORD, 1);
                encode_members(out, fields.iter().map(|(name, ty)| (name, Some(ty))));
            }
            Type::Variant(cases) => {
                constructor(VARIANT, 1);
                encode_members(out, cases.iter().map(|(name, ty)| (name, ty.as_ref())));
            }
            Type::Enum(names) | Type::Flags(names) => {
                constructor(if matches!(self, Type::Enum(_)) { ENUM } else { FLAGS }, 1);
                out.array(names.len());
                names.iter().for_each(|name| out.text(name));
            }
            Type::Option(item) => {
                constructor(OPTION, 1);
                item.encode(out);
            }
            Type::Result(ok, err) => {
                constructor(RESULT, 2);
                encode_optional(out, ok.as_deref());
                encode_optional(out, err.as_deref());
            }
            Type::Map(key, value) => {
                constructor(MAP, 2);
                key.encode(out);
                value.encode(out);
            }
            Type::Own(id) | Type::Borrow(id) | Type::Named(id) => {
                constructor(reference_number(self), 1);
                out.uint(u64::from(id.0));
            }
            Type::Resource => constructor(RESOURCE, 0),
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
            | Type::String => unreachable!("primitives were written above"),
        }
    }

    pub(crate) fn decode(input: &mut Decoder<'_>, depth: usize) -> Result<Type, CborError> {
        let at = input.position();
        let wrong = |fault| CborError { at, fault };
        if depth == 0 {
            return Err(wrong(CborFault::TooDeep));
        }
        if input.at_uint() {
            let number: usize = input.uint_as()?;
            return PRIMITIVES.get(number).cloned().ok_or(wrong(CborFault::OutOfRange));
        }
        let fields = input.array()?;
        let number = input.uint()?;
        let expected = match number {
            RESOURCE => 1,
            FIXED_LIST | RESULT | MAP => 3,
            _ => 2,
        };
        if fields != expected {
            return Err(wrong(CborFault::Expected("a type constructor with its fields")));
        }
        let inner = |input: &mut Decoder<'_>| Type::decode(input, depth - 1).map(Box::new);
        Ok(match number {
            LIST => Type::List(inner(input)?),
            FIXED_LIST => Type::FixedList(input.uint_as()?, inner(input)?),
            TUPLE => Type::Tuple(decode_many(input, |input| Type::decode(input, depth - 1))?),
            RECORD => Type::Record(decode_many(input, |input| {
                input.array_of(2)?;
                Ok((input.text()?.to_owned(), Type::decode(input, depth - 1)?))
            })?),
            VARIANT => Type::Variant(decode_many(input, |input| {
                input.array_of(2)?;
                Ok((input.text()?.to_owned(), decode_optional(input, depth - 1)?))
            })?),
            ENUM => Type::Enum(decode_many(input, |input| Ok(input.text()?.to_owned()))?),
            OPTION => Type::Option(inner(input)?),
            RESULT => Type::Result(
                decode_optional(input, depth - 1)?.map(Box::new),
                decode_optional(input, depth - 1)?.map(Box::new),
            ),
            FLAGS => {
                let names = decode_many(input, |input| Ok(input.text()?.to_owned()))?;
                if names.len() > 64 {
                    return Err(wrong(CborFault::OutOfRange));
                }
                Type::Flags(names)
            }
            MAP => Type::Map(inner(input)?, inner(input)?),
            OWN => Type::Own(TypeId(input.uint_as()?)),
            BORROW => Type::Borrow(TypeId(input.uint_as()?)),
            RESOURCE => Type::Resource,
            NAMED => Type::Named(TypeId(input.uint_as()?)),
            _ => return Err(wrong(CborFault::OutOfRange)),
        })
    }
}

fn reference_number(ty: &Type) -> u64 {
    match ty {
        Type::Own(_) => OWN,
        Type::Borrow(_) => BORROW,
        _ => NAMED,
    }
}

fn encode_members<'a>(
    out: &mut Encoder<'_>,
    members: impl ExactSizeIterator<Item = (&'a String, Option<&'a Type>)>,
) {
    out.array(members.len());
    for (name, ty) in members {
        out.array(2);
        out.text(name);
        encode_optional(out, ty);
    }
}

fn encode_optional(out: &mut Encoder<'_>, ty: Option<&Type>) {
    match ty {
        Some(ty) => ty.encode(out),
        None => out.null(),
    }
}

fn decode_optional(input: &mut Decoder<'_>, depth: usize) -> Result<Option<Type>, CborError> {
    if input.null()? { Ok(None) } else { Type::decode(input, depth).map(Some) }
}

pub(crate) fn decode_many<T>(
    input: &mut Decoder<'_>,
    mut one: impl FnMut(&mut Decoder<'_>) -> Result<T, CborError>,
) -> Result<Vec<T>, CborError> {
    let len = input.array()?;
    // The length is a claim: grow as elements really turn up.
    let mut items = Vec::with_capacity(len.min(64));
    for _ in 0..len {
        items.push(one(input)?);
    }
    Ok(items)
}
