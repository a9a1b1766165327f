//! Types of every shape, written as WIT, and values of them.

use std::fmt::Write as _;

use proptest::prelude::*;
use proptest::sample::select;
use theater_record::{Type, Value};

/// So many cases, unless `PROPTEST_CASES` says otherwise.
pub(super) fn cases(count: u32) -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = count;
    }
    config
}

/// Any type but handles.
pub(super) fn any_type() -> impl Strategy<Value = Type> {
    let scalar = select(vec![
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
    ]);
    let leaf = prop_oneof![
        8 => scalar,
        1 => (1..=32_usize).prop_map(|count| Type::Flags(names(count))),
        1 => prop_oneof![1..8_usize, Just(256), Just(257)].prop_map(|count| Type::Enum(names(count))),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let optional = prop::option::of(inner.clone());
        let boxed = |ty: Option<Type>| ty.map(Box::new);
        let key = select(vec![Type::U8, Type::S64, Type::Char, Type::String, Type::Bool]);
        prop_oneof![
            2 => inner.clone().prop_map(|item| Type::List(Box::new(item))),
            1 => (1..5_u32, inner.clone()).prop_map(|(len, item)| Type::FixedList(len, Box::new(item))),
            1 => (key, inner.clone()).prop_map(|(key, value)| Type::Map(Box::new(key), Box::new(value))),
            2 => prop::collection::vec(inner.clone(), 1..6).prop_map(Type::Tuple),
            2 => prop::collection::vec(inner.clone(), 1..6).prop_map(|fields| {
                Type::Record(names(fields.len()).into_iter().zip(fields).collect())
            }),
            3 => prop::collection::vec(optional.clone(), 1..5).prop_map(|cases| {
                Type::Variant(names(cases.len()).into_iter().zip(cases).collect())
            }),
            2 => inner.prop_map(|item| Type::Option(Box::new(item))),
            1 => (optional.clone(), optional)
                .prop_map(move |(ok, err)| Type::Result(boxed(ok), boxed(err))),
        ]
    })
}

/// The parameters and the result of a function.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) params: Vec<Type>,
    pub(super) result: Option<Type>,
}

/// Any signature; some take more core values than can be passed flat.
pub(super) fn any_signature() -> impl Strategy<Value = Signature> {
    let params = prop_oneof![
        4 => prop::collection::vec(any_type(), 0..5),
        1 => prop::collection::vec(any_type(), 12..20),
    ];
    (params, prop::option::weighted(0.9, any_type()))
        .prop_map(|(params, result)| Signature { params, result })
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("n{number}")).collect()
}

/// A world that imports functions of these signatures.
pub(super) fn wit_of(signatures: &[Signature]) -> String {
    let mut wit = Wit::default();
    let mut functions = String::new();
    for (number, signature) in signatures.iter().enumerate() {
        let params = signature.params.iter().enumerate();
        let params = params.map(|(at, ty)| format!("p{at}: {}", wit.ty(ty))).collect::<Vec<_>>();
        let result = signature.result.as_ref().map(|ty| format!(" -> {}", wit.ty(ty)));
        let (params, result) = (params.join(", "), result.unwrap_or_default());
        writeln!(functions, "g{number}: func({params}){result};").unwrap();
    }
    let definitions = wit.definitions;
    format!("package t:t; interface i {{ {definitions} {functions} }} world w {{ import i; }}")
}

/// Types that need a name get one in here.
#[derive(Default)]
struct Wit {
    definitions: String,
    count: usize,
}

impl Wit {
    fn ty(&mut self, ty: &Type) -> String {
        match ty {
            Type::Bool => "bool".to_owned(),
            Type::S8 => "s8".to_owned(),
            Type::U8 => "u8".to_owned(),
            Type::S16 => "s16".to_owned(),
            Type::U16 => "u16".to_owned(),
            Type::S32 => "s32".to_owned(),
            Type::U32 => "u32".to_owned(),
            Type::S64 => "s64".to_owned(),
            Type::U64 => "u64".to_owned(),
            Type::F32 => "f32".to_owned(),
            Type::F64 => "f64".to_owned(),
            Type::Char => "char".to_owned(),
            Type::String => "string".to_owned(),
            Type::List(item) => format!("list<{}>", self.ty(item)),
            Type::FixedList(len, item) => format!("list<{}, {len}>", self.ty(item)),
            Type::Map(key, value) => format!("map<{}, {}>", self.ty(key), self.ty(value)),
            Type::Option(item) => format!("option<{}>", self.ty(item)),
            Type::Result(None, None) => "result".to_owned(),
            Type::Result(Some(ok), None) => format!("result<{}>", self.ty(ok)),
            Type::Result(ok, err) => {
                let mut side = |ty: &Option<Box<Type>>| match ty {
                    Some(ty) => self.ty(ty),
                    None => "_".to_owned(),
                };
                format!("result<{}, {}>", side(ok), side(err))
            }
            Type::Tuple(items) => {
                let items = items.iter().map(|item| self.ty(item)).collect::<Vec<_>>();
                format!("tuple<{}>", items.join(", "))
            }
            Type::Record(fields) => {
                let fields = fields.iter().map(|(name, ty)| format!("{name}: {}", self.ty(ty)));
                let fields = fields.collect::<Vec<_>>();
                self.define("record", &fields)
            }
            Type::Variant(cases) => {
                let cases = cases.iter().map(|(name, ty)| match ty {
                    Some(ty) => format!("{name}({})", self.ty(ty)),
                    None => name.clone(),
                });
                let cases = cases.collect::<Vec<_>>();
                self.define("variant", &cases)
            }
            Type::Enum(names) => self.define("enum", names),
            Type::Flags(names) => self.define("flags", names),
            Type::Own(_) | Type::Borrow(_) | Type::Resource | Type::Named(_) => {
                unreachable!("these are not among any types")
            }
        }
    }

    fn define(&mut self, kind: &str, members: &[String]) -> String {
        let name = format!("t{}", self.count);
        self.count += 1;
        writeln!(self.definitions, "{kind} {name} {{ {} }}", members.join(", ")).unwrap();
        name
    }
}

/// Throws values: edges more often than chance would have them.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn value(&mut self, ty: &Type) -> Value {
        match ty {
            Type::Bool => Value::Bool(self.below(2) == 1),
            Type::S8 => Value::S8(self.number() as i8),
            Type::U8 => Value::U8(self.number() as u8),
            Type::S16 => Value::S16(self.number() as i16),
            Type::U16 => Value::U16(self.number() as u16),
            Type::S32 => Value::S32(self.number() as i32),
            Type::U32 => Value::U32(self.number() as u32),
            Type::S64 => Value::S64(self.number() as i64),
            Type::U64 => Value::U64(self.number()),
            Type::F32 => Value::F32(self.one_of(&FLOATS_32).unwrap_or(self.next() as u32)),
            Type::F64 => Value::F64(self.one_of(&FLOATS_64).unwrap_or(self.next())),
            Type::Char => Value::Char(self.char()),
            Type::String => Value::String(self.string()),
            Type::Enum(names) => Value::Enum(self.below(names.len() as u64) as u32),
            Type::Flags(names) => Value::Flags(self.number() & (u64::MAX >> (64 - names.len()))),
            Type::List(item) => {
                let len = self.len();
                self.list(item, len)
            }
            Type::FixedList(len, item) => self.list(item, *len as usize),
            Type::Map(key, value) => {
                let len = self.len();
                Value::Map((0..len).map(|_| (self.value(key), self.value(value))).collect())
            }
            Type::Tuple(items) => Value::Tuple(items.iter().map(|ty| self.value(ty)).collect()),
            Type::Record(fields) => {
                Value::Record(fields.iter().map(|(_, ty)| self.value(ty)).collect())
            }
            Type::Variant(cases) => {
                let case = self.below(cases.len() as u64);
                let payload = cases[case as usize].1.as_ref();
                Value::Variant(case as u32, payload.map(|ty| Box::new(self.value(ty))))
            }
            Type::Option(item) => {
                Value::Option((self.below(3) > 0).then(|| Box::new(self.value(item))))
            }
            Type::Result(ok, err) => {
                let mut side =
                    |ty: &Option<Box<Type>>| ty.as_ref().map(|ty| Box::new(self.value(ty)));
                let (ok, err) = (side(ok), side(err));
                Value::Result(if self.below(2) == 0 { Ok(ok) } else { Err(err) })
            }
            Type::Own(_) | Type::Borrow(_) | Type::Resource | Type::Named(_) => {
                unreachable!("these are not among any types")
            }
        }
    }

    fn list(&mut self, item: &Type, len: usize) -> Value {
        if *item == Type::U8 {
            return Value::Bytes((0..len).map(|_| self.next() as u8).collect());
        }
        Value::List((0..len).map(|_| self.value(item)).collect())
    }

    fn len(&mut self) -> usize {
        [0, 1, 2, 3, 7][self.below(5) as usize]
    }

    /// Any number of 64 bits, often one at the edge of a smaller type.
    fn number(&mut self) -> u64 {
        let edge =
            [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, u64::MAX];
        let more = [0xffff_ffff, 1 << 32, i64::MAX as u64, i64::MIN as u64];
        self.one_of(&edge).or_else(|| self.one_of(&more)).unwrap_or(self.next())
    }

    fn char(&mut self) -> char {
        let edge = ['\0', 'a', '\u{7f}', '\u{80}', 'ÿ', 'Ā', '\u{d7ff}', '\u{e000}', '\u{ffff}'];
        let more = ['\u{10000}', '\u{10ffff}'];
        self.one_of(&edge).or_else(|| self.one_of(&more)).unwrap_or('€')
    }

    /// A string of ASCII, of Latin-1, or of anything, because compact strings tell them apart.
    fn string(&mut self) -> String {
        let len = self.len();
        match self.below(3) {
            0 => "plain text".chars().cycle().take(len).collect(),
            1 => "Café Ångström ÿ".chars().cycle().take(2 * len).collect(),
            _ => (0..len).map(|_| self.char()).collect(),
        }
    }

    /// One of these, half of the time.
    fn one_of<T: Copy>(&mut self, choices: &[T]) -> Option<T> {
        let at = self.below(2 * choices.len() as u64) as usize;
        choices.get(at).copied()
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    /// The next of a sequence that never gets stuck, whatever it starts from.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let mixed = (self.0 ^ (self.0 >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 32)
    }
}

/// Zeros, infinities, the smallest and largest numbers, and NaNs quiet and loud with something in
/// them.
const FLOATS_32: [u32; 8] =
    [0, 0x8000_0000, 1, 0x7f7f_ffff, 0x7f80_0000, 0x7fc0_0000, 0xffc0_1234, 0x7f80_0001];
const FLOATS_64: [u64; 8] = [
    0,
    0x8000_0000_0000_0000,
    1,
    0x7fef_ffff_ffff_ffff,
    0xfff0_0000_0000_0000,
    0x7ff8_0000_0000_0000,
    0xfff8_0000_dead_beef,
    0x7ff0_0000_0000_0001,
];
