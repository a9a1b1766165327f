//! Arbitrary types and values, and every small change to a value with the path that leads to it.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use theater_record::{Type, TypeDef, TypeId, TypeTable, Value};

/// The named types that [`types`] refers to, behind some that nobody uses: two builds number equal
/// types differently.
pub(crate) fn table(unused: u32) -> TypeTable {
    let mut table = TypeTable::default();
    let point = Type::Record(vec![("x".to_owned(), Type::F64), ("y".to_owned(), Type::Char)]);
    let used = [("res", Type::Resource), ("byte", Type::U8), ("point", point)];
    let filler = (0..unused).map(|_| ("unused", Type::Bool));
    for (id, (name, ty)) in (0..).map(TypeId).zip(filler.chain(used)) {
        assert!(table.add(TypeDef { id, name: name.to_owned(), ty }));
    }
    table
}

/// The same type over the table with so many unused types.
pub(crate) fn renumbered(ty: &Type, unused: u32) -> Type {
    let boxed = |ty: &Type| Box::new(renumbered(ty, unused));
    let id = |id: &TypeId| TypeId(id.0 + unused);
    match ty {
        Type::Own(number) => Type::Own(id(number)),
        Type::Borrow(number) => Type::Borrow(id(number)),
        Type::Named(number) => Type::Named(id(number)),
        Type::List(item) => Type::List(boxed(item)),
        Type::FixedList(len, item) => Type::FixedList(*len, boxed(item)),
        Type::Option(item) => Type::Option(boxed(item)),
        Type::Map(key, value) => Type::Map(boxed(key), boxed(value)),
        Type::Result(ok, err) => Type::Result(ok.as_deref().map(boxed), err.as_deref().map(boxed)),
        Type::Tuple(items) => Type::Tuple(items.iter().map(|ty| renumbered(ty, unused)).collect()),
        Type::Record(fields) => {
            let field = |(name, ty): &(String, Type)| (name.clone(), renumbered(ty, unused));
            Type::Record(fields.iter().map(field).collect())
        }
        Type::Variant(cases) => {
            let case = |(name, ty): &(String, Option<Type>)| {
                (name.clone(), ty.as_ref().map(|ty| renumbered(ty, unused)))
            };
            Type::Variant(cases.iter().map(case).collect())
        }
        other => other.clone(),
    }
}

/// Any type that a value can have, over `table(0)`.
pub(crate) fn types() -> impl Strategy<Value = Type> {
    let leaf = prop_oneof![
        Just(Type::Bool),
        Just(Type::S8),
        Just(Type::U8),
        Just(Type::S16),
        Just(Type::U16),
        Just(Type::S32),
        Just(Type::U32),
        Just(Type::S64),
        Just(Type::U64),
        Just(Type::F32),
        Just(Type::F64),
        Just(Type::Char),
        Just(Type::String),
        Just(Type::Own(TypeId(0))),
        Just(Type::Borrow(TypeId(0))),
        Just(Type::Named(TypeId(1))),
        Just(Type::Named(TypeId(2))),
        names(1, 6).prop_map(Type::Enum),
        names(0, 65).prop_map(Type::Flags),
    ];
    leaf.prop_recursive(5, 24, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        let members = || vec(inner.clone(), 1..4);
        prop_oneof![
            boxed.clone().prop_map(Type::List),
            (0..4u32, boxed.clone()).prop_map(|(len, item)| Type::FixedList(len, item)),
            members().prop_map(Type::Tuple),
            members().prop_map(|tys| Type::Record(named(tys, "f"))),
            vec(option::of(inner.clone()), 1..4).prop_map(|tys| Type::Variant(named(tys, "c"))),
            boxed.clone().prop_map(Type::Option),
            (option::of(boxed.clone()), option::of(boxed.clone()))
                .prop_map(|(ok, err)| Type::Result(ok, err)),
            (boxed.clone(), boxed).prop_map(|(key, value)| Type::Map(key, value)),
        ]
    })
}

fn names(least: usize, most: usize) -> impl Strategy<Value = Vec<String>> {
    (least..most).prop_map(|count| (0..count).map(|at| format!("n{at}")).collect())
}

fn named<T>(members: Vec<T>, prefix: &str) -> Vec<(String, T)> {
    (0..).zip(members).map(|(at, member): (u32, T)| (format!("{prefix}{at}"), member)).collect()
}

/// Any value of this type over `table(0)`, all in line.
pub(crate) fn values_of(ty: &Type) -> BoxedStrategy<Value> {
    let table = table(0);
    let boxed = |ty: &Type| values_of(ty).prop_map(Box::new);
    let maybe = |ty: Option<&Type>| match ty {
        Some(ty) => boxed(ty).prop_map(Some).boxed(),
        None => Just(None).boxed(),
    };
    let is_byte = |ty: &Type| table.resolve(ty) == Some(&Type::U8);
    match table.resolve(ty).expect("the type is over the table") {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::S8 => any::<i8>().prop_map(Value::S8).boxed(),
        Type::U8 => any::<u8>().prop_map(Value::U8).boxed(),
        Type::S16 => any::<i16>().prop_map(Value::S16).boxed(),
        Type::U16 => any::<u16>().prop_map(Value::U16).boxed(),
        Type::S32 => any::<i32>().prop_map(Value::S32).boxed(),
        Type::U32 => any::<u32>().prop_map(Value::U32).boxed(),
        Type::S64 => any::<i64>().prop_map(Value::S64).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::U64).boxed(),
        Type::F32 => any::<u32>().prop_map(Value::F32).boxed(),
        Type::F64 => any::<u64>().prop_map(Value::F64).boxed(),
        Type::Char => any::<char>().prop_map(Value::Char).boxed(),
        Type::String => any::<String>().prop_map(Value::String).boxed(),
        Type::Own(_) => any::<u64>().prop_map(Value::Own).boxed(),
        Type::Borrow(_) => any::<u64>().prop_map(Value::Borrow).boxed(),
        Type::Enum(names) => (0..names.len() as u32).prop_map(Value::Enum).boxed(),
        Type::Flags(names) => {
            let unused = 64 - names.len() as u32;
            any::<u64>().prop_map(move |bits| bits.checked_shr(unused).unwrap_or(0))
        }
        .prop_map(Value::Flags)
        .boxed(),
        Type::List(item) if is_byte(item) => vec(any::<u8>(), 0..40).prop_map(Value::Bytes).boxed(),
        Type::FixedList(len, item) if is_byte(item) => {
            vec(any::<u8>(), *len as usize).prop_map(Value::Bytes).boxed()
        }
        Type::List(item) => vec(values_of(item), 0..4).prop_map(Value::List).boxed(),
        Type::FixedList(len, item) => {
            vec(values_of(item), *len as usize).prop_map(Value::List).boxed()
        }
        Type::Tuple(items) => {
            items.iter().map(values_of).collect::<Vec<_>>().prop_map(Value::Tuple).boxed()
        }
        Type::Record(fields) => {
            let fields: Vec<_> = fields.iter().map(|(_, ty)| values_of(ty)).collect();
            fields.prop_map(Value::Record).boxed()
        }
        Type::Variant(cases) => {
            let payloads: Vec<_> = cases.iter().map(|(_, ty)| maybe(ty.as_ref())).collect();
            (0..cases.len(), payloads)
                .prop_map(|(case, payloads)| Value::Variant(case as u32, payloads[case].clone()))
                .boxed()
        }
        Type::Option(item) => option::of(boxed(item)).prop_map(Value::Option).boxed(),
        Type::Result(ok, err) => prop_oneof![
            maybe(ok.as_deref()).prop_map(|ok| Value::Result(Ok(ok))),
            maybe(err.as_deref()).prop_map(|err| Value::Result(Err(err))),
        ]
        .boxed(),
        Type::Map(key, value) => {
            vec((values_of(key), values_of(value)), 0..4).prop_map(Value::Map).boxed()
        }
        Type::Resource | Type::Named(_) => unreachable!("no value has such a type"),
    }
}

/// Every way to change one leaf of a value, with the path to that leaf behind `path`.
pub(crate) fn changes(value: &Value, ty: &Type, path: &str) -> Vec<(String, Value)> {
    let table = table(0);
    let ty = table.resolve(ty).expect("the type is over the table");
    let here = |value: Value| vec![(path.to_owned(), value)];
    let inside = |step: String, value: &Value, ty: &Type, wrap: &dyn Fn(Value) -> Value| {
        let changed = changes(value, ty, &format!("{path}{step}"));
        changed.into_iter().map(|(path, value)| (path, wrap(value))).collect::<Vec<_>>()
    };
    let in_case = |payload: Payload<'_>| {
        inside(format!(".{}", payload.case), payload.value, payload.ty, &payload.wrap)
    };
    let elements = |items: &[Value], steps: Vec<(String, &Type)>, wrap: fn(Vec<Value>) -> Value| {
        let steps = steps.into_iter().enumerate();
        let element = |(at, (step, ty))| {
            let with = |value| {
                let mut items = items.to_vec();
                items[at] = value;
                wrap(items)
            };
            inside(step, &items[at], ty, &with)
        };
        steps.flat_map(element).collect::<Vec<_>>()
    };
    match (value, ty) {
        (Value::List(items), Type::List(item) | Type::FixedList(_, item)) => {
            let steps = (0..items.len()).map(|at| (format!("[{at}]"), &**item));
            elements(items, steps.collect(), Value::List)
        }
        (Value::Tuple(items), Type::Tuple(tys)) => {
            let steps = tys.iter().enumerate().map(|(at, ty)| (format!("[{at}]"), ty));
            elements(items, steps.collect(), Value::Tuple)
        }
        (Value::Record(items), Type::Record(fields)) => {
            let steps = fields.iter().map(|(name, ty)| (format!(".{name}"), ty));
            elements(items, steps.collect(), Value::Record)
        }
        (Value::Map(pairs), Type::Map(key, item)) => (0..pairs.len())
            .flat_map(|at| {
                let with = |pair| {
                    let mut pairs = pairs.clone();
                    pairs[at] = pair;
                    Value::Map(pairs)
                };
                let (k, v) = pairs[at].clone();
                let in_key = |key| with((key, v.clone()));
                let in_value = |value| with((k.clone(), value));
                let mut all = inside(format!("[{at}].key"), &k, key, &in_key);
                all.extend(inside(format!("[{at}].value"), &v, item, &in_value));
                all
            })
            .collect(),
        (Value::Flags(bits), Type::Flags(names)) => (0..names.len())
            .map(|at| (format!("{path}.{}", names[at]), Value::Flags(bits ^ (1 << at))))
            .collect(),
        (Value::Enum(case), Type::Enum(names)) if names.len() > 1 => {
            here(Value::Enum((case + 1) % names.len() as u32))
        }
        (Value::Option(Some(_)), _) => {
            let mut all = payload(value, ty).map_or_else(Vec::new, in_case);
            all.extend(here(Value::Option(None)));
            all
        }
        (Value::Variant(..) | Value::Result(_), _) => {
            payload(value, ty).map_or_else(Vec::new, in_case)
        }
        _ => changed_leaf(value).map(here).unwrap_or_default(),
    }
}

/// What a case holds.
struct Payload<'v> {
    case: &'v str,
    value: &'v Value,
    ty: &'v Type,
    /// Puts something else in its place.
    wrap: Box<dyn Fn(Value) -> Value>,
}

fn payload<'v>(value: &'v Value, ty: &'v Type) -> Option<Payload<'v>> {
    Some(match (value, ty) {
        (Value::Variant(case, Some(value)), Type::Variant(cases)) => {
            let (number, (case, ty)) = (*case, &cases[*case as usize]);
            let wrap = Box::new(move |value| Value::Variant(number, Some(Box::new(value))));
            Payload { case, value, ty: ty.as_ref()?, wrap }
        }
        (Value::Option(Some(value)), Type::Option(ty)) => {
            let wrap = Box::new(|value| Value::Option(Some(Box::new(value))));
            Payload { case: "some", value, ty, wrap }
        }
        (Value::Result(Ok(Some(value))), Type::Result(Some(ty), _)) => {
            let wrap = Box::new(|value| Value::Result(Ok(Some(Box::new(value)))));
            Payload { case: "ok", value, ty, wrap }
        }
        (Value::Result(Err(Some(value))), Type::Result(_, Some(ty))) => {
            let wrap = Box::new(|value| Value::Result(Err(Some(Box::new(value)))));
            Payload { case: "err", value, ty, wrap }
        }
        _ => return None,
    })
}

fn changed_leaf(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Bool(bit) => Value::Bool(!bit),
        Value::S8(number) => Value::S8(!number),
        Value::U8(number) => Value::U8(!number),
        Value::S16(number) => Value::S16(!number),
        Value::U16(number) => Value::U16(!number),
        Value::S32(number) => Value::S32(!number),
        Value::U32(number) => Value::U32(!number),
        Value::S64(number) => Value::S64(!number),
        Value::U64(number) => Value::U64(!number),
        // The other zero, the other NaN: only the bits tell.
        Value::F32(bits) => Value::F32(bits ^ 1 << 31),
        Value::F64(bits) => Value::F64(bits ^ 1),
        Value::Char(char) => Value::Char(if *char == 'a' { 'b' } else { 'a' }),
        Value::String(text) => Value::String(format!("{text}!")),
        Value::Bytes(bytes) if bytes.is_empty() => return None,
        Value::Bytes(bytes) => Value::Bytes(bytes.iter().map(|byte| !byte).collect()),
        Value::Own(number) => Value::Own(!number),
        Value::Borrow(number) => Value::Borrow(!number),
        Value::List(_)
        | Value::Tuple(_)
        | Value::Record(_)
        | Value::Variant(..)
        | Value::Enum(_)
        | Value::Option(_)
        | Value::Result(_)
        | Value::Flags(_)
        | Value::Map(_)
        | Value::Blob(_) => return None,
    })
}
