//! The comparison of values: it finds exactly what was changed, and nothing in what is equal.

use proptest::prelude::*;
use theater_diff::{Change, Differences, Side, Typed, diff_args, diff_results};
use theater_record::{BlobRef, FunctionId, FunctionType, Hash, Type, TypeId, TypeTable, Value};

use crate::samples::{changes, renumbered, table, types, values_of};

fn function(params: &[Type], results: &[Type]) -> FunctionType {
    let named = |(at, ty): (usize, &Type)| (format!("p{at}"), ty.clone());
    FunctionType {
        id: FunctionId(0),
        interface: "test:it/itself".to_owned(),
        name: "f".to_owned(),
        params: params.iter().enumerate().map(named).collect(),
        results: results.to_vec(),
    }
}

fn nowhere(_: &BlobRef) -> Option<Vec<u8>> {
    None
}

/// Compares two values as second arguments of a call, each with its type and table.
fn compare(
    expected: (&Value, &Type, &TypeTable),
    actual: (&Value, &Type, &TypeTable),
) -> Differences {
    compare_with(expected, actual, &nowhere)
}

fn compare_with(
    expected: (&Value, &Type, &TypeTable),
    actual: (&Value, &Type, &TypeTable),
    contents: &dyn Fn(&BlobRef) -> Option<Vec<u8>>,
) -> Differences {
    let functions = [expected, actual].map(|side| function(&[Type::Bool, side.1.clone()], &[]));
    let values = [expected, actual].map(|side| [Value::Bool(true), side.0.clone()]);
    let side =
        |at: usize, types| Side { values: &values[at], function: &functions[at], types, contents };
    diff_args(&side(0, expected.2), &side(1, actual.2), 10)
}

/// What was found, one line for each place.
fn lines(differences: &Differences) -> Vec<String> {
    let line = |change: &Change| match change {
        Change::Value { .. } => "value".to_owned(),
        Change::Bytes {
            equal_start: Some(start),
            equal_end: Some(end),
            expected_len,
            actual_len,
            ..
        } => {
            format!("bytes {start}..{end} of {expected_len} and {actual_len}")
        }
        Change::Bytes { expected_len, actual_len, .. } => {
            format!("bytes of {expected_len} and {actual_len}")
        }
        Change::Missing { .. } => "missing".to_owned(),
        Change::Extra { .. } => "extra".to_owned(),
        Change::Type { .. } => "type".to_owned(),
        Change::Unknown { .. } => "unknown".to_owned(),
    };
    differences
        .found
        .iter()
        .map(|found| format!("{} {}", found.path, line(&found.change)))
        .collect()
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn numbers(numbers: &[u32]) -> Value {
    Value::List(numbers.iter().copied().map(Value::U32).collect())
}

fn fields(fields: &[(&str, Type)]) -> Type {
    Type::Record(fields.iter().map(|(name, ty)| ((*name).to_owned(), ty.clone())).collect())
}

/// What differs between two values of one type each, both without named types.
#[track_caller]
fn check(expected: (&Value, &Type), actual: (&Value, &Type), found: &[&str]) {
    let table = TypeTable::default();
    let differences = compare((expected.0, expected.1, &table), (actual.0, actual.1, &table));
    assert_eq!(lines(&differences), found);
    assert!(!differences.truncated);
}

fn typed_values() -> impl Strategy<Value = (Type, Value)> {
    types().prop_flat_map(|ty| (Just(ty.clone()), values_of(&ty)))
}

proptest! {
    #[test]
    fn equal_values_do_not_differ_even_between_builds((ty, value) in typed_values(), unused in 0..3u32) {
        let (other_ty, other_table) = (renumbered(&ty, unused), table(unused));
        let differences = compare((&value, &ty, &table(0)), (&value, &other_ty, &other_table));
        prop_assert_eq!(differences, Differences::default());
    }

    #[test]
    fn one_changed_leaf_is_found_at_its_path(
        (ty, value) in typed_values(),
        which in any::<prop::sample::Index>(),
        unused in 0..3u32,
    ) {
        let changes = changes(&value, &ty, "args[1]");
        prop_assume!(!changes.is_empty());
        let (path, changed) = which.get(&changes);
        let (other_ty, other_table) = (renumbered(&ty, unused), table(unused));
        let differences = compare((&value, &ty, &table(0)), (changed, &other_ty, &other_table));
        let paths: Vec<_> = differences.found.iter().map(|found| found.path.to_string()).collect();
        prop_assert_eq!(paths, std::slice::from_ref(path));
        prop_assert!(!differences.truncated);
        prop_assert_eq!(differences.found[0].path.parameter(), Some("p1"));
    }

    #[test]
    fn both_directions_find_the_same_places((ty, a) in typed_values(), seed in any::<prop::sample::Index>()) {
        let changes = changes(&a, &ty, "args[1]");
        prop_assume!(!changes.is_empty());
        let (_, b) = seed.get(&changes);
        let table = table(0);
        let paths = |found: Differences| -> Vec<_> { found.found.into_iter().map(|d| d.path).collect() };
        let there = compare((&a, &ty, &table), (b, &ty, &table));
        let back = compare((b, &ty, &table), (&a, &ty, &table));
        prop_assert_eq!(paths(there), paths(back));
    }

    #[test]
    fn an_inserted_element_is_the_only_one_named(
        list in prop::collection::vec(any::<u32>(), 0..20),
        at in any::<prop::sample::Index>(),
    ) {
        let at = at.index(list.len() + 1);
        // A number that is nowhere else, so that only one place explains it.
        let new = (0..).find(|new| !list.contains(new)).unwrap();
        let mut longer = list.clone();
        longer.insert(at, new);
        let ty = Type::List(Box::new(Type::U32));
        let table = TypeTable::default();
        let found = compare((&numbers(&list), &ty, &table), (&numbers(&longer), &ty, &table));
        prop_assert_eq!(lines(&found), [format!("args[1][{at}] extra")]);
        let found = compare((&numbers(&longer), &ty, &table), (&numbers(&list), &ty, &table));
        prop_assert_eq!(lines(&found), [format!("args[1][{at}] missing")]);
    }

    #[test]
    fn texts_part_between_characters(start in ".{0,9}", a in ".{1,9}", b in ".{1,9}", end in ".{0,9}") {
        prop_assume!(a != b);
        let (x, y) = (format!("{start}{a}{end}"), format!("{start}{b}{end}"));
        let table = TypeTable::default();
        let found = compare((&text(&x), &Type::String, &table), (&text(&y), &Type::String, &table));
        let Change::Bytes { equal_start: Some(first), equal_end: Some(last), .. } = found.found[0].change
        else { panic!("{found:?}") };
        let (first, last) = (first as usize, last as usize);
        prop_assert!(first >= start.len());
        prop_assert_eq!(&x[..first], &y[..first]);
        prop_assert_eq!(&x[x.len() - last..], &y[y.len() - last..]);
        let (x, y) = (&x[first..x.len() - last], &y[first..y.len() - last]);
        prop_assert!(x != y);
        prop_assert!(x.is_empty() || y.is_empty() || x.chars().next() != y.chars().next());
    }
}

#[test]
fn strings_and_bytes_are_compared_inside() {
    check(
        (&text("grüße"), &Type::String),
        (&text("grüne"), &Type::String),
        &["args[1] bytes 4..1 of 7 and 6"],
    );
    // The first bytes of both letters are equal.
    check(
        (&text("ä"), &Type::String),
        (&text("ö"), &Type::String),
        &["args[1] bytes 0..0 of 2 and 2"],
    );
    let bytes = Type::List(Box::new(Type::U8));
    let (a, b) = (Value::Bytes(vec![1, 2, 3]), Value::Bytes(vec![1, 3, 3, 3]));
    check((&a, &bytes), (&b, &bytes), &["args[1] bytes 1..1 of 3 and 4"]);
}

#[test]
fn floats_are_compared_by_bits() {
    let float = |float: f64| Value::F64(float.to_bits());
    check((&float(f64::NAN), &Type::F64), (&float(f64::NAN), &Type::F64), &[]);
    check((&float(0.0), &Type::F64), (&float(-0.0), &Type::F64), &["args[1] value"]);
    let other_nan = Value::F64(f64::NAN.to_bits() ^ 1);
    check((&float(f64::NAN), &Type::F64), (&other_nan, &Type::F64), &["args[1] value"]);
}

#[test]
fn records_of_two_builds_are_compared_by_the_names_of_their_fields() {
    let old = fields(&[("id", Type::U32), ("name", Type::String), ("gone", Type::Bool)]);
    let new = fields(&[("name", Type::String), ("id", Type::U64), ("new", Type::Bool)]);
    let a = Value::Record(vec![Value::U32(7), text("x"), Value::Bool(true)]);
    let b = Value::Record(vec![text("x"), Value::U64(7), Value::Bool(true)]);
    let found = ["args[1].id type", "args[1].gone missing", "args[1].new extra"];
    check((&a, &old), (&b, &new), &found);
}

#[test]
fn cases_and_flags_of_two_builds_are_compared_by_name() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (old, new) = (Type::Enum(names(&["a", "b"])), Type::Enum(names(&["b", "c", "a"])));
    check((&Value::Enum(0), &old), (&Value::Enum(2), &new), &[]);
    check((&Value::Enum(0), &old), (&Value::Enum(0), &new), &["args[1] value"]);
    let (old, new) = (Type::Flags(names(&["r", "w"])), Type::Flags(names(&["w", "x", "r"])));
    check((&Value::Flags(0b11), &old), (&Value::Flags(0b101), &new), &[]);
    let found = ["args[1].w value", "args[1].x value"];
    check((&Value::Flags(0b11), &old), (&Value::Flags(0b110), &new), &found);
    check((&Value::Flags(0b11), &old), (&Value::Flags(0b10), &old), &["args[1].r value"]);
    let cases = |ty| Type::Variant(vec![("v".to_owned(), ty)]);
    let (a, b) = (Value::Variant(0, None), Value::Variant(0, Some(Box::new(Value::U8(1)))));
    check((&a, &cases(None)), (&b, &cases(Some(Type::U8))), &["args[1] type"]);
}

#[test]
fn cases_of_one_name_differ_nevertheless() {
    let twice = vec!["a".to_owned(); 2];
    let (cases, flags) = (Type::Enum(twice.clone()), Type::Flags(twice));
    check((&Value::Enum(0), &cases), (&Value::Enum(1), &cases), &["args[1] value"]);
    let found = ["args[1].a value", "args[1].a value"];
    check((&Value::Flags(1), &flags), (&Value::Flags(2), &flags), &found);
}

#[test]
fn resources_of_other_types_are_not_compared_by_number() {
    // The same number stands for another type in the other table.
    let own = Type::Own(TypeId(0));
    let found = compare((&Value::Own(1), &own, &table(0)), (&Value::Own(1), &own, &table(1)));
    assert_eq!(lines(&found), ["args[1] type"]);
}

#[test]
fn parameters_and_results_have_their_own_roots() {
    let types = TypeTable::default();
    let result = Type::Result(Some(Box::new(Type::List(Box::new(Type::U32)))), None);
    let old = function(&[Type::Bool], std::slice::from_ref(&result));
    let new = function(&[Type::Bool, Type::U8], &[result]);
    let side = |values, function| Side { values, function, types: &types, contents: &nowhere };
    let one = [Value::Bool(true)];
    let two = [Value::Bool(false), Value::U8(1)];
    let found = diff_args(&side(&one, &old), &side(&two, &new), 10);
    assert_eq!(lines(&found), ["args[0] value", "args[1] extra"]);
    let ok = |list: &[u32]| [Value::Result(Ok(Some(Box::new(numbers(list)))))];
    let (a, b) = (ok(&[1, 2, 3]), ok(&[1, 2, 4]));
    let found = diff_results(&side(&a, &old), &side(&b, &new), 10);
    assert_eq!(lines(&found), ["result.ok[2] value"]);
    let typed = |number| Typed { value: Value::U32(number), ty: Type::U32 };
    let change = Change::Value { expected: typed(3), actual: typed(4) };
    assert_eq!(found.found[0].change, change);
}

#[test]
fn no_more_is_listed_than_was_asked_for() {
    let types = TypeTable::default();
    let function = function(&[], &[Type::List(Box::new(Type::U32))]);
    let side = |values| Side { values, function: &function, types: &types, contents: &nowhere };
    let (a, b) = ([numbers(&[1, 2, 3])], [numbers(&[4, 5, 6])]);
    let found = diff_results(&side(&a), &side(&b), 2);
    assert_eq!(lines(&found), ["result[0] value", "result[1] value"]);
    assert!(found.truncated);
    assert!(!diff_results(&side(&a), &side(&b), 3).truncated);
    assert!(!diff_results(&side(&a), &side(&b), 0).is_empty());
}

#[test]
fn what_is_out_of_line_is_compared_by_content_by_digest_or_not_at_all() {
    let types = TypeTable::default();
    let blob = |name: u8, len| Value::Blob(BlobRef { len, pieces: vec![Hash([name; 32])] });
    let contents = |blob: &BlobRef| match blob.pieces[0].0[0] {
        b'x' | b'y' => Some(b"hello".to_vec()),
        b'z' => Some(b"help!".to_vec()),
        b'l' => Some(vec![0x82, 1, 2]),
        b'w' => Some(vec![0xff; 5]),
        _ => None,
    };
    let list = Type::List(Box::new(Type::U32));
    let check = |a: &Value, b: &Value, ty: &Type, expected: &[&str]| {
        let found = compare_with((a, ty, &types), (b, ty, &types), &contents);
        assert_eq!(lines(&found), expected, "{a:?} {b:?}");
    };
    check(&blob(b'x', 5), &blob(b'y', 5), &Type::String, &[]);
    check(&blob(b'x', 5), &text("hello"), &Type::String, &[]);
    check(&blob(b'x', 5), &blob(b'z', 5), &Type::String, &["args[1] bytes 3..0 of 5 and 5"]);
    check(&numbers(&[1, 3]), &blob(b'l', 3), &list, &["args[1][1] value"]);
    // Gone, but the same.
    check(&blob(b'?', 9), &blob(b'?', 9), &Type::String, &[]);
    check(&blob(b'?', 9), &blob(b'!', 9), &Type::String, &["args[1] unknown"]);
    check(&blob(b'?', 9), &text("hello"), &Type::String, &["args[1] bytes of 9 and 5"]);
    check(&blob(b'?', 9), &numbers(&[1]), &list, &["args[1] unknown"]);
    // A content that is not what the reference and the type say.
    check(&blob(b'x', 6), &text("hello!"), &Type::String, &["args[1] unknown"]);
    check(&blob(b'w', 5), &text("hello"), &Type::String, &["args[1] unknown"]);
}

#[test]
fn contents_that_refer_to_each_other_end_somewhere() {
    let types = TypeTable::default();
    let ty = Type::List(Box::new(Type::Bool));
    let blob = |name: u8| BlobRef { len: 40, pieces: vec![Hash([name; 32])] };
    let other = |name: u8| if name == 1 { 2 } else { 1 };
    // A list whose content is a reference to the other one, whose content is one to the first.
    let contents = |reference: &BlobRef| {
        let mut bytes = Vec::new();
        blob(other(reference.pieces[0].0[0])).encode(&mut theater_record::Encoder(&mut bytes));
        Some(bytes)
    };
    let content_len = contents(&blob(1)).map_or(0, |bytes| bytes.len() as u64);
    assert_eq!(content_len, 40, "or the contents would not be looked at");
    let (a, b) = (Value::Blob(blob(1)), Value::Blob(blob(2)));
    let found = compare_with((&a, &ty, &types), (&b, &ty, &types), &contents);
    assert_eq!(lines(&found), ["args[1] unknown"]);
}
