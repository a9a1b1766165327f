//! A strategy for every type of WIT.
//!
//! What lies at the edge of a type comes up often: the largest number, the empty list, a NaN with a
//! payload. Everything shrinks towards zero, `a`, nothing and the first case.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;
use theater_record::{Type, TypeTable, Value};

/// How many items the outermost list has at most. Each level inside has half as many.
const ITEMS_MAX: usize = 8;

/// How many characters or bytes there mostly are at most.
const LENGTH_MAX: usize = 16;

/// How many pieces make something so long that a chain puts it out of line.
const PIECES: std::ops::Range<usize> = 1200..1400;

/// How far a handle can count; see [`Call`](super::Call).
const HANDLES: std::ops::Range<u64> = 0..8;

/// Values of this type.
///
/// A handle is the number of one that is at hand when the call is made, counted round and round.
///
/// # Panics
///
/// If the type refers to one that the table does not have.
pub fn values(ty: &Type, types: &TypeTable) -> BoxedStrategy<Value> {
    sized(ty, types, ITEMS_MAX)
}

fn sized(ty: &Type, types: &TypeTable, items: usize) -> BoxedStrategy<Value> {
    macro_rules! integers {
        ($ty:ty, $variant:path, $small:expr) => {
            prop_oneof![
                3 => ($small).prop_map($variant),
                2 => select(vec![1, <$ty>::MAX, <$ty>::MIN, <$ty>::MAX / 2 + 1]).prop_map($variant),
                2 => any::<$ty>().prop_map($variant),
            ]
            .boxed()
        };
    }
    match types.resolve(ty).expect("the table has every type that is referred to") {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::S8 => integers!(i8, Value::S8, -16..=16i8),
        Type::U8 => integers!(u8, Value::U8, 0..=16u8),
        Type::S16 => integers!(i16, Value::S16, -16..=16i16),
        Type::U16 => integers!(u16, Value::U16, 0..=16u16),
        Type::S32 => integers!(i32, Value::S32, -16..=16i32),
        Type::U32 => integers!(u32, Value::U32, 0..=16u32),
        Type::S64 => integers!(i64, Value::S64, -16..=16i64),
        Type::U64 => integers!(u64, Value::U64, 0..=16u64),
        Type::F32 => narrow_floats().prop_map(Value::F32).boxed(),
        Type::F64 => wide_floats().prop_map(Value::F64).boxed(),
        Type::Char => chars().prop_map(Value::Char).boxed(),
        Type::String => strings().prop_map(Value::String).boxed(),
        Type::Enum(names) => (0..names.len() as u32).prop_map(Value::Enum).boxed(),
        Type::Flags(names) => {
            let unused = 64u32.saturating_sub(names.len() as u32);
            let known = u64::MAX.checked_shr(unused).unwrap_or(0);
            any::<u64>().prop_map(move |bits| Value::Flags(bits & known)).boxed()
        }
        Type::Own(_) => HANDLES.prop_map(Value::Own).boxed(),
        Type::Borrow(_) => HANDLES.prop_map(Value::Borrow).boxed(),
        compound => composed(compound, types, items),
    }
}

/// Values made of values.
fn composed(ty: &Type, types: &TypeTable, items: usize) -> BoxedStrategy<Value> {
    let inner = |ty: &Type| sized(ty, types, (items / 2).max(1));
    let payload = |ty: &Type| inner(ty).prop_map(|value| Some(Box::new(value))).boxed();
    let optional = |ty: Option<&Type>| ty.map_or_else(|| Just(None).boxed(), payload);
    let is_byte = |ty: &Type| types.resolve(ty) == Some(&Type::U8);
    match ty {
        Type::List(item) if is_byte(item) => bytes().prop_map(Value::Bytes).boxed(),
        Type::List(item) => vec(inner(item), 0..=items).prop_map(Value::List).boxed(),
        Type::FixedList(len, item) if is_byte(item) => {
            vec(any::<u8>(), *len as usize).prop_map(Value::Bytes).boxed()
        }
        Type::FixedList(len, item) => vec(inner(item), *len as usize).prop_map(Value::List).boxed(),
        Type::Tuple(types) => {
            types.iter().map(inner).collect::<Vec<_>>().prop_map(Value::Tuple).boxed()
        }
        Type::Record(fields) => {
            let fields: Vec<_> = fields.iter().map(|(_, ty)| inner(ty)).collect();
            fields.prop_map(Value::Record).boxed()
        }
        Type::Variant(cases) => {
            let case = |(number, (_, ty)): (u32, &(String, Option<Type>))| {
                optional(ty.as_ref()).prop_map(move |value| Value::Variant(number, value)).boxed()
            };
            Union::new((0..).zip(cases).map(case)).boxed()
        }
        Type::Option(item) => {
            prop_oneof![1 => Just(None).boxed(), 2 => payload(item)].prop_map(Value::Option).boxed()
        }
        Type::Result(ok, err) => prop_oneof![
            2 => optional(ok.as_deref()).prop_map(|ok| Value::Result(Ok(ok))),
            1 => optional(err.as_deref()).prop_map(|err| Value::Result(Err(err))),
        ]
        .boxed(),
        Type::Map(key, value) => {
            vec((inner(key), inner(value)), 0..=items).prop_map(Value::Map).boxed()
        }
        simple => unreachable!("{simple:?} is made of nothing else"),
    }
}

/// The bits of an `f32`.
fn narrow_floats() -> impl Strategy<Value = u32> {
    let edges = vec![
        0,
        1.0f32.to_bits(),
        (-0.0f32).to_bits(),
        0.1f32.to_bits(),
        f32::MAX.to_bits(),
        f32::MIN_POSITIVE.to_bits(),
        1, // the smallest there is
        f32::INFINITY.to_bits(),
        f32::NEG_INFINITY.to_bits(),
        0x7fc0_0000, // the NaN that an operation gives
        0xffc0_0000,
        0x7fc0_beef, // one with a payload
        0x7f80_0001, // one that signals
    ];
    let any = proptest::num::f32::ANY.prop_map(f32::to_bits);
    prop_oneof![2 => select(edges), 3 => any]
}

/// The bits of an `f64`.
fn wide_floats() -> impl Strategy<Value = u64> {
    let edges = vec![
        0,
        1.0f64.to_bits(),
        (-0.0f64).to_bits(),
        0.1f64.to_bits(),
        f64::MAX.to_bits(),
        f64::MIN_POSITIVE.to_bits(),
        1, // the smallest there is
        f64::INFINITY.to_bits(),
        f64::NEG_INFINITY.to_bits(),
        0x7ff8_0000_0000_0000, // the NaN that an operation gives
        0xfff8_0000_0000_0000,
        0x7ff8_0000_dead_beef, // one with a payload
        0x7ff0_0000_0000_0001, // one that signals
    ];
    let any = proptest::num::f64::ANY.prop_map(f64::to_bits);
    prop_oneof![2 => select(edges), 3 => any]
}

fn chars() -> impl Strategy<Value = char> {
    let edges = vec!['\0', '\n', '"', '\\', '\u{7f}', 'é', '\u{d7ff}', '\u{e000}', '\u{10ffff}'];
    prop_oneof![4 => proptest::char::range('a', 'z'), 1 => select(edges), 1 => any::<char>()]
}

fn strings() -> impl Strategy<Value = String> {
    let short = vec(chars(), 0..=LENGTH_MAX).prop_map(String::from_iter);
    let long =
        (vec(chars(), 4), PIECES).prop_map(|(piece, times)| String::from_iter(piece).repeat(times));
    prop_oneof![24 => short, 1 => long]
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let short = vec(any::<u8>(), 0..=LENGTH_MAX);
    let long = (any::<[u8; 4]>(), PIECES).prop_map(|(piece, times)| piece.repeat(times));
    prop_oneof![24 => short, 1 => long]
}

#[cfg(test)]
mod tests;
