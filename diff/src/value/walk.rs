//! The walk over two values side by side.

use std::collections::HashMap;
use std::mem::discriminant;

use theater_record::{Type, TypeId, TypeTable, Value};

use super::{Change, Contents, Difference, Differences, Typed};
use crate::ignore::Ignore;
use crate::path::{PathStep, ValuePath};

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

/// What the value of an enum, a variant, an option or a result is.
struct Case<'v> {
    name: &'v str,
    position: u32,
    payload: Option<At<'v>>,
}

impl<'v> Case<'v> {
    fn of(at: At<'v>) -> Option<Case<'v>> {
        let (position, name, payload) = match (at.value, at.ty) {
            (Value::Enum(case), Type::Enum(names)) => (*case, &**names.get(*case as usize)?, None),
            (Value::Variant(case, payload), Type::Variant(cases)) => {
                let (name, ty) = cases.get(*case as usize)?;
                (*case, &**name, inner(payload.as_deref(), ty.as_ref()))
            }
            (Value::Option(None), Type::Option(_)) => (0, "none", None),
            (Value::Option(Some(value)), Type::Option(ty)) => {
                (1, "some", inner(Some(value), Some(ty)))
            }
            (Value::Result(Ok(payload)), Type::Result(ty, _)) => {
                (0, "ok", inner(payload.as_deref(), ty.as_deref()))
            }
            (Value::Result(Err(payload)), Type::Result(_, ty)) => {
                (1, "err", inner(payload.as_deref(), ty.as_deref()))
            }
            _ => return None,
        };
        Some(Case { name, position, payload })
    }
}

/// A walk over two values, the expected one first.
pub(super) struct Walk<'a> {
    pub(super) sides: [Context<'a>; 2],
    path: ValuePath,
    ignore: &'a Ignore,
    most: usize,
    differences: Differences,
    /// How many contents out of line the walk is inside of.
    pub(super) unpacked: usize,
}

impl<'a> Walk<'a> {
    /// Goes on with the differences found so far.
    pub(super) fn new(
        sides: [Context<'a>; 2],
        path: ValuePath,
        ignore: &'a Ignore,
        most: usize,
        differences: Differences,
    ) -> Walk<'a> {
        Walk { sides, path, ignore, most, differences, unpacked: 0 }
    }

    pub(super) fn finish(self) -> Differences {
        self.differences
    }

    pub(super) fn push(&mut self, change: Change) {
        if self.ignore.covers(&self.path, &change) {
            return;
        }
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
        match ty {
            _ if matches!(e.value, Value::Blob(_)) || matches!(a.value, Value::Blob(_)) => {
                self.out_of_line(e, a);
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
            | Type::Char => self.plain(e, a),
            Type::String => self.bytes(e, a),
            Type::List(_) | Type::FixedList(..) if matches!(e.value, Value::Bytes(_)) => {
                self.bytes(e, a);
            }
            Type::List(_) | Type::FixedList(..) | Type::Map(..) => self.list_or_map(e, a),
            Type::Tuple(_) | Type::Record(_) => self.tuple_or_record(e, a),
            Type::Enum(_) | Type::Variant(_) | Type::Option(_) | Type::Result(..) => {
                self.case(e, a);
            }
            Type::Flags(_) => self.flags(e, a),
            Type::Own(id) | Type::Borrow(id) => self.handle(e, a, *id),
            Type::Resource | Type::Named(_) => self.other_type(e, a),
        }
    }

    /// Compares two numbers, truths or characters; floats are kept as their bits. Values that do
    /// not belong to their types end here too.
    pub(super) fn plain(&mut self, e: At<'_>, a: At<'_>) {
        if e.value != a.value {
            self.push(Change::Value { expected: e.typed(), actual: a.typed() });
        }
    }

    /// Compares two resources: by number, if they are of one type.
    fn handle(&mut self, e: At<'_>, a: At<'_>, id: TypeId) {
        let [types, actual_types] = self.sides.map(|side| side.types);
        let name = types.get(id).map(|def| &def.name);
        let actual_name = match a.ty {
            Type::Own(id) | Type::Borrow(id) => actual_types.get(*id).map(|def| &def.name),
            _ => None,
        };
        if name == actual_name { self.plain(e, a) } else { self.other_type(e, a) }
    }

    fn list_or_map(&mut self, e: At<'_>, a: At<'_>) {
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
            _ => self.plain(e, a),
        }
    }

    fn tuple_or_record(&mut self, e: At<'_>, a: At<'_>) {
        match (e.value, a.value, e.ty, a.ty) {
            (Value::Tuple(x), Value::Tuple(y), Type::Tuple(tys), Type::Tuple(actual_tys)) => {
                for at in 0..x.len().max(y.len()) {
                    let expected = inner(x.get(at), tys.get(at));
                    let actual = inner(y.get(at), actual_tys.get(at));
                    self.inside(PathStep::Index(at), |walk| walk.either(expected, actual));
                }
            }
            (Value::Record(x), Value::Record(y), Type::Record(tys), Type::Record(actual_tys)) => {
                self.record((x, tys), (y, actual_tys));
            }
            _ => self.plain(e, a),
        }
    }

    fn case(&mut self, e: At<'_>, a: At<'_>) {
        let (Some(case), Some(actual_case)) = (Case::of(e), Case::of(a)) else {
            return self.plain(e, a);
        };
        // Only a malicious chain has two cases of one name; they differ nevertheless.
        let is_same = case.name == actual_case.name
            && (case.position == actual_case.position || e.ty != a.ty);
        match (case.payload, actual_case.payload) {
            _ if !is_same => self.push(Change::Value { expected: e.typed(), actual: a.typed() }),
            (Some(expected), Some(actual)) => {
                let step = PathStep::Name(case.name.to_owned());
                self.inside(step, |walk| walk.compare(expected, actual));
            }
            (None, None) => {}
            (Some(_), None) | (None, Some(_)) => self.other_type(e, a),
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
                (Some(expected), Some(actual)) => self.is_same(at, expected, actual),
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
        let expected = |at: usize| inner(x.0.get(at), x.1.get(at).map(|field| &field.1));
        let actual = |at: usize| inner(y.0.get(at), y.1.get(at).map(|field| &field.1));
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

    fn flags(&mut self, e: At<'_>, a: At<'_>) {
        let (Value::Flags(x), Value::Flags(y), Type::Flags(names), Type::Flags(actual_names)) =
            (e.value, a.value, e.ty, a.ty)
        else {
            return self.plain(e, a);
        };
        let is_set = |bits: u64, at: Option<usize>| {
            at.and_then(|at| bits.checked_shr(at.try_into().ok()?))
                .is_some_and(|bits| bits & 1 == 1)
        };
        let mut flag = |name: &str, at: Option<usize>, actual_at: Option<usize>| {
            let (expected, actual) = (is_set(*x, at), is_set(*y, actual_at));
            if expected != actual {
                let typed = |bit| Typed { value: Value::Bool(bit), ty: Type::Bool };
                let change = Change::Value { expected: typed(expected), actual: typed(actual) };
                self.inside(PathStep::Name(name.to_owned()), |walk| walk.push(change));
            }
        };
        for (at, name) in names.iter().enumerate() {
            let same = || actual_names.iter().position(|known| known == name);
            flag(name, Some(at), if names == actual_names { Some(at) } else { same() });
        }
        for (at, name) in actual_names.iter().enumerate().filter(|(_, name)| !names.contains(name))
        {
            flag(name, None, Some(at));
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

    fn is_same(&self, at: usize, expected: At<'_>, actual: At<'_>) -> bool {
        let mut path = self.path.clone();
        path.steps.push(PathStep::Index(at));
        let mut probe = Walk::new(self.sides, path, self.ignore, 0, Differences::default());
        probe.unpacked = self.unpacked;
        probe.compare(expected, actual);
        probe.differences.is_empty()
    }

    fn other_type(&mut self, e: At<'_>, a: At<'_>) {
        self.push(Change::Type { expected: e.typed(), actual: a.typed() });
    }
}

fn inner<'v>(value: Option<&'v Value>, ty: Option<&'v Type>) -> Option<At<'v>> {
    value.zip(ty).map(|(value, ty)| At { value, ty })
}

/// The entries of a map as a list of records.
fn entries(pairs: &[(Value, Value)], key: &Type, value: &Type) -> (Vec<Value>, Type) {
    let entry = |(key, value): &(Value, Value)| Value::Record(vec![key.clone(), value.clone()]);
    let fields = [("key", key), ("value", value)];
    let fields = fields.map(|(name, ty)| (name.to_owned(), ty.clone()));
    (pairs.iter().map(entry).collect(), Type::Record(fields.to_vec()))
}
