//! The walk over two values side by side.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem::discriminant;

use theater_record::{Decoder, Type, TypeId, TypeTable, Value};

use super::{Change, Contents, Difference, Differences, Typed};
use crate::path::{PathStep, Root, ValuePath};

/// Contents out of line may refer to contents out of line. A recorder nests them once; whoever
/// made a chain that nests them deeper did so to exhaust the stack.
const UNPACKED_MAX: usize = 4;

/// What it takes to understand the values of one side.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) types: &'a TypeTable,
    pub(super) contents: Contents<'a>,
}

/// A value and its type within a walk.
#[derive(Clone, Copy)]
pub(super) struct At<'v> {
    pub(super) value: &'v Value,
    pub(super) ty: &'v Type,
}

impl At<'_> {
    pub(super) fn typed(self) -> Typed {
        Typed { value: self.value.clone(), ty: self.ty.clone() }
    }
}

/// A walk over two values, the expected one first.
pub(super) struct Walk<'a> {
    sides: [Context<'a>; 2],
    path: ValuePath,
    most: usize,
    differences: Differences,
    /// How many contents out of line the walk is inside of.
    unpacked: usize,
}

impl<'a> Walk<'a> {
    /// Goes on with the differences found so far.
    pub(super) fn new(
        sides: [Context<'a>; 2],
        root: Root,
        most: usize,
        differences: Differences,
    ) -> Walk<'a> {
        let path = ValuePath { root, steps: Vec::new() };
        Walk { sides, path, most, differences, unpacked: 0 }
    }

    pub(super) fn finish(self) -> Differences {
        self.differences
    }

    pub(super) fn push(&mut self, change: Change) {
        if self.differences.found.len() < self.most {
            self.differences.found.push(Difference { path: self.path.clone(), change });
        } else {
            self.differences.truncated = true;
        }
    }

    pub(super) fn compare(&mut self, expected: At<'_>, actual: At<'_>) {
        if self.differences.truncated {
            return;
        }
        let [types, actual_types] = self.sides.map(|side| side.types);
        let tys = (types.resolve(expected.ty), actual_types.resolve(actual.ty));
        let (Some(ty), Some(actual_ty)) = tys else { return self.other_type(expected, actual) };
        if discriminant(ty) != discriminant(actual_ty) {
            return self.other_type(expected, actual);
        }
        let (e, a) = (At { ty, ..expected }, At { ty: actual_ty, ..actual });
        match (e.value, a.value, ty, actual_ty) {
            (Value::Blob(_), ..) | (_, Value::Blob(_), ..) => self.out_of_line(e, a),
            (Value::String(x), Value::String(y), ..) => {
                self.bytes(e, a, x.as_bytes(), y.as_bytes());
            }
            (Value::Bytes(x), Value::Bytes(y), ..) => self.bytes(e, a, x, y),
            (_, _, Type::Own(x), Type::Own(y)) | (_, _, Type::Borrow(x), Type::Borrow(y)) => {
                if self.resource(0, *x) != self.resource(1, *y) {
                    self.other_type(e, a);
                } else if e.value != a.value {
                    self.other_value(e, a);
                }
            }
            (Value::Enum(x), Value::Enum(y), Type::Enum(names), Type::Enum(actual_names)) => {
                if names.get(*x as usize) != actual_names.get(*y as usize) {
                    self.other_value(e, a);
                }
            }
            (Value::Flags(x), Value::Flags(y), Type::Flags(names), Type::Flags(actual_names)) => {
                self.flags((*x, names), (*y, actual_names));
            }
            _ => self.compound(e, a),
        }
    }

    /// Compares two values that have values inside them, or are plain numbers.
    fn compound(&mut self, e: At<'_>, a: At<'_>) {
        match (e.value, a.value, e.ty, a.ty) {
            (
                Value::List(x),
                Value::List(y),
                Type::List(item) | Type::FixedList(_, item),
                Type::List(actual_item) | Type::FixedList(_, actual_item),
            ) => self.list((x, item), (y, actual_item)),
            (
                Value::Map(x),
                Value::Map(y),
                Type::Map(key, value),
                Type::Map(actual_key, actual_value),
            ) => {
                let (x, entry) = entries(x, key, value);
                let (y, actual_entry) = entries(y, actual_key, actual_value);
                self.list((&x, &entry), (&y, &actual_entry));
            }
            (Value::Tuple(x), Value::Tuple(y), Type::Tuple(tys), Type::Tuple(actual_tys)) => {
                for at in 0..x.len().max(y.len()) {
                    let expected = payload(x.get(at), tys.get(at));
                    let actual = payload(y.get(at), actual_tys.get(at));
                    self.inside(PathStep::Index(at), |walk| walk.either(expected, actual));
                }
            }
            (Value::Record(x), Value::Record(y), Type::Record(tys), Type::Record(actual_tys)) => {
                self.record((x, tys), (y, actual_tys));
            }
            (Value::Variant(x, inner), Value::Variant(y, actual_inner), ..) => {
                let case = case_of(e.ty, *x).zip(case_of(a.ty, *y));
                match case.filter(|(case, actual_case)| case.0 == actual_case.0) {
                    Some(((name, ty), (_, actual_ty))) => {
                        let inner = payload(inner.as_deref(), ty.as_ref());
                        let actual_inner = payload(actual_inner.as_deref(), actual_ty.as_ref());
                        self.payload(name, (inner, actual_inner), (e, a));
                    }
                    None => self.other_value(e, a),
                }
            }
            (Value::Option(x), Value::Option(y), Type::Option(ty), Type::Option(actual_ty)) => {
                if x.is_some() == y.is_some() {
                    let x = payload(x.as_deref(), Some(ty));
                    let y = payload(y.as_deref(), Some(actual_ty));
                    self.payload("some", (x, y), (e, a));
                } else {
                    self.other_value(e, a);
                }
            }
            (
                Value::Result(x),
                Value::Result(y),
                Type::Result(ok, err),
                Type::Result(actual_ok, actual_err),
            ) => {
                let (name, x, y) = match (x, y) {
                    (Ok(x), Ok(y)) => ("ok", (x, ok), (y, actual_ok)),
                    (Err(x), Err(y)) => ("err", (x, err), (y, actual_err)),
                    (Ok(_), Err(_)) | (Err(_), Ok(_)) => return self.other_value(e, a),
                };
                let x = payload(x.0.as_deref(), x.1.as_deref());
                let y = payload(y.0.as_deref(), y.1.as_deref());
                self.payload(name, (x, y), (e, a));
            }
            // Numbers, truths and characters; floats are kept as their bits.
            (value, actual_value, ..) => {
                if value != actual_value {
                    self.other_value(e, a);
                }
            }
        }
    }

    /// Compares what the same case holds on both sides.
    fn payload(
        &mut self,
        case: &str,
        inner: (Option<At<'_>>, Option<At<'_>>),
        outer: (At<'_>, At<'_>),
    ) {
        match inner {
            (Some(expected), Some(actual)) => {
                self.inside(PathStep::Name(case.to_owned()), |walk| walk.compare(expected, actual));
            }
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => self.other_type(outer.0, outer.1),
        }
    }

    /// Compares two lists. Of lists of different lengths, what is equal at both ends is set aside;
    /// what remains is compared pairwise from its start on.
    fn list(&mut self, (x, ty): (&[Value], &Type), (y, actual_ty): (&[Value], &Type)) {
        let e = |at: usize| x.get(at).map(|value| At { value, ty });
        let a = |at: usize| y.get(at).map(|value| At { value, ty: actual_ty });
        let shorter = x.len().min(y.len());
        let mut same_end = 0;
        if x.len() != y.len() {
            let same = |at, actual_at| match (e(at), a(actual_at)) {
                (Some(expected), Some(actual)) => self.is_same(expected, actual),
                _ => false,
            };
            let same_start = (0..shorter).take_while(|at| same(*at, *at)).count();
            same_end = (1..=shorter - same_start)
                .take_while(|back| same(x.len() - back, y.len() - back))
                .count();
        }
        for at in 0..x.len().max(y.len()) - same_end {
            let expected = e(at).filter(|_| at < x.len() - same_end);
            let actual = a(at).filter(|_| at < y.len() - same_end);
            self.inside(PathStep::Index(at), |walk| walk.either(expected, actual));
        }
    }

    /// Compares two records: field by field where both have the same ones, else by name.
    fn record(&mut self, x: (&[Value], &[(String, Type)]), y: (&[Value], &[(String, Type)])) {
        let same_names = x.1.iter().map(|field| &field.0).eq(y.1.iter().map(|field| &field.0));
        let by_name: HashMap<&str, usize> = match same_names {
            true => HashMap::new(),
            false => y.1.iter().enumerate().map(|(at, (name, _))| (&**name, at)).collect(),
        };
        let expected = |at: usize| payload(x.0.get(at), x.1.get(at).map(|field| &field.1));
        let actual = |at: usize| payload(y.0.get(at), y.1.get(at).map(|field| &field.1));
        let mut paired = vec![same_names; y.1.len()];
        for (at, (name, _)) in x.1.iter().enumerate() {
            let actual_at = if same_names { Some(at) } else { by_name.get(&**name).copied() };
            if let Some(actual_at) = actual_at {
                paired[actual_at] = true;
            }
            let actual = actual_at.and_then(actual);
            self.inside(PathStep::Name(name.clone()), |walk| walk.either(expected(at), actual));
        }
        for (at, (name, _)) in y.1.iter().enumerate().filter(|(at, _)| !paired[*at]) {
            self.inside(PathStep::Name(name.clone()), |walk| walk.either(None, actual(at)));
        }
    }

    fn flags(&mut self, (x, names): (u64, &[String]), (y, actual_names): (u64, &[String])) {
        let is_set = |bits: u64, names: &[String], name: &str| {
            let at = names.iter().position(|known| known == name);
            at.is_some_and(|at| at < 64 && bits >> at & 1 == 1)
        };
        let added = actual_names.iter().filter(|name| !names.contains(name));
        for name in names.iter().chain(added) {
            let (expected, actual) = (is_set(x, names, name), is_set(y, actual_names, name));
            if expected != actual {
                let typed = |bit| Typed { value: Value::Bool(bit), ty: Type::Bool };
                let change = Change::Value { expected: typed(expected), actual: typed(actual) };
                self.inside(PathStep::Name(name.clone()), |walk| walk.push(change));
            }
        }
    }

    fn bytes(&mut self, e: At<'_>, a: At<'_>, x: &[u8], y: &[u8]) {
        if x == y {
            return;
        }
        let is_text = matches!(e.ty, Type::String);
        let mut start = x.iter().zip(y).take_while(|(x, y)| x == y).count();
        while is_text && (splits_char(x, start) || splits_char(y, start)) {
            start -= 1;
        }
        let ends = x[start..].iter().rev().zip(y[start..].iter().rev());
        let mut end = ends.take_while(|(x, y)| x == y).count();
        while is_text && splits_char(x, x.len() - end) {
            end -= 1;
        }
        self.push(Change::Bytes {
            expected: e.typed(),
            actual: a.typed(),
            equal_start: Some(start as u64),
            equal_end: Some(end as u64),
            expected_len: x.len() as u64,
            actual_len: y.len() as u64,
        });
    }

    /// Compares two values of which at least one is out of line.
    fn out_of_line(&mut self, e: At<'_>, a: At<'_>) {
        if e.value == a.value {
            return;
        }
        let contents = if self.unpacked < UNPACKED_MAX {
            content(e, &self.sides[0]).zip(content(a, &self.sides[1]))
        } else {
            None
        };
        if let Some((expected, actual)) = contents {
            self.unpacked += 1;
            self.compare(At { value: &expected, ..e }, At { value: &actual, ..a });
            self.unpacked -= 1;
            return;
        }
        let (expected, actual) = (e.typed(), a.typed());
        // Digests are salted: other digests do not say that the contents differ. Lengths do.
        match bytes_len(e, self.sides[0].types).zip(bytes_len(a, self.sides[1].types)) {
            Some((expected_len, actual_len)) if expected_len != actual_len => {
                self.push(Change::Bytes {
                    expected,
                    actual,
                    equal_start: None,
                    equal_end: None,
                    expected_len,
                    actual_len,
                });
            }
            _ => self.push(Change::Unknown { expected, actual }),
        }
    }

    /// What is left of two places where one may hold nothing.
    fn either(&mut self, expected: Option<At<'_>>, actual: Option<At<'_>>) {
        match (expected, actual) {
            (Some(expected), Some(actual)) => self.compare(expected, actual),
            (Some(expected), None) => self.push(Change::Missing { expected: expected.typed() }),
            (None, Some(actual)) => self.push(Change::Extra { actual: actual.typed() }),
            (None, None) => {}
        }
    }

    fn inside(&mut self, step: PathStep, compare: impl FnOnce(&mut Self)) {
        if self.differences.truncated {
            return;
        }
        self.path.steps.push(step);
        compare(self);
        self.path.steps.pop();
    }

    fn is_same(&self, expected: At<'_>, actual: At<'_>) -> bool {
        let mut probe = Walk::new(self.sides, Root::Result, 0, Differences::default());
        probe.unpacked = self.unpacked;
        probe.compare(expected, actual);
        probe.differences.is_empty()
    }

    fn other_value(&mut self, e: At<'_>, a: At<'_>) {
        self.push(Change::Value { expected: e.typed(), actual: a.typed() });
    }

    fn other_type(&mut self, e: At<'_>, a: At<'_>) {
        self.push(Change::Type { expected: e.typed(), actual: a.typed() });
    }

    fn resource(&self, side: usize, id: TypeId) -> Option<&str> {
        self.sides[side].types.get(id).map(|def| &*def.name)
    }
}

/// A value with what was out of line put in its place; `None` if that cannot be had.
fn content<'v>(at: At<'v>, side: &Context<'_>) -> Option<Cow<'v, Value>> {
    let Value::Blob(blob) = at.value else { return Some(Cow::Borrowed(at.value)) };
    let bytes = (side.contents)(blob).filter(|bytes| bytes.len() as u64 == blob.len)?;
    if matches!(at.ty, Type::String) {
        return String::from_utf8(bytes).ok().map(Value::String).map(Cow::Owned);
    }
    if is_bytes(at.ty, side.types) {
        return Some(Cow::Owned(Value::Bytes(bytes)));
    }
    let mut input = Decoder::new(&bytes);
    // The decoder relies on a walk over the item, which bounds how deep it is nested.
    input.clone().item().ok()?;
    let value = Value::decode(&mut input, at.ty, side.types).ok()?;
    input.finish().ok()?;
    Some(Cow::Owned(value))
}

/// How many bytes a string or a list of bytes has, in line or out of line.
fn bytes_len(at: At<'_>, types: &TypeTable) -> Option<u64> {
    match at.value {
        Value::Blob(blob) if is_bytes(at.ty, types) => Some(blob.len),
        Value::String(text) => Some(text.len() as u64),
        Value::Bytes(bytes) => Some(bytes.len() as u64),
        _ => None,
    }
}

/// Whether the content of such a value is its plain bytes.
fn is_bytes(ty: &Type, types: &TypeTable) -> bool {
    match ty {
        Type::String => true,
        Type::List(item) | Type::FixedList(_, item) => types.resolve(item) == Some(&Type::U8),
        _ => false,
    }
}

fn payload<'v>(value: Option<&'v Value>, ty: Option<&'v Type>) -> Option<At<'v>> {
    value.zip(ty).map(|(value, ty)| At { value, ty })
}

fn case_of(ty: &Type, case: u32) -> Option<&(String, Option<Type>)> {
    match ty {
        Type::Variant(cases) => cases.get(case as usize),
        _ => None,
    }
}

/// The entries of a map as a list of records.
fn entries(pairs: &[(Value, Value)], key: &Type, value: &Type) -> (Vec<Value>, Type) {
    let entry = |(key, value): &(Value, Value)| Value::Record(vec![key.clone(), value.clone()]);
    let fields = [("key", key), ("value", value)];
    let fields = fields.map(|(name, ty)| (name.to_owned(), ty.clone()));
    (pairs.iter().map(entry).collect(), Type::Record(fields.to_vec()))
}

/// Whether a place in UTF-8 text is in the middle of a character.
fn splits_char(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80)
}
