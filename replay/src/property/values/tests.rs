//! What is made up is of the type that was asked for, comes upon the edges, and shrinks.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use theater_record::{Type, TypeDef, TypeId, TypeTable, Value, Values};

use super::values;

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// A resource and a name for a byte.
fn table() -> TypeTable {
    let mut table = TypeTable::default();
    for (number, ty) in [Type::Resource, Type::U8].into_iter().enumerate() {
        let id = TypeId(number as u32);
        assert!(table.add(TypeDef { id, name: format!("type-{number}"), ty }));
    }
    table
}

/// Every type of WIT.
fn all_types() -> Vec<Type> {
    let list = |ty| Type::List(Box::new(ty));
    let byte = Type::Named(TypeId(1));
    let mut types = vec![
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
        Type::Enum(named(&["a", "b", "c"])),
        Type::Flags(named(&["a", "b", "c"])),
        Type::Flags((0..32).map(|bit| format!("f{bit}")).collect()),
        Type::Flags((0..64).map(|bit| format!("f{bit}")).collect()),
        Type::Own(TypeId(0)),
        Type::Borrow(TypeId(0)),
        byte.clone(),
        list(byte.clone()),
        Type::FixedList(3, Box::new(byte)),
        Type::FixedList(2, Box::new(Type::F32)),
        Type::Result(None, None),
        Type::Result(None, Some(Box::new(Type::String))),
    ];
    types.push(Type::Tuple(types.clone()));
    types.push(Type::Record(types.iter().map(|ty| ("field".to_owned(), ty.clone())).collect()));
    let cases = types.iter().map(|ty| ("case".to_owned(), Some(ty.clone())));
    types.push(Type::Variant(cases.chain([("none".to_owned(), None)]).collect()));
    let nested = types.last().expect("there are some").clone();
    types.push(Type::Map(Box::new(Type::String), Box::new(nested.clone())));
    types.push(list(list(nested.clone())));
    types.push(Type::Option(Box::new(Type::Option(Box::new(nested)))));
    types
}

fn decoded(value: &Value, ty: &Type, table: &TypeTable) -> Value {
    let values = Values::of(std::slice::from_ref(value)).expect("it does not nest too deep");
    values.decode([ty].into_iter(), table).expect("it is of this type").remove(0)
}

#[test]
fn every_type_has_values_and_they_are_of_that_type() {
    let (table, mut runner) = (table(), TestRunner::deterministic());
    for ty in all_types() {
        let strategy = values(&ty, &table);
        for _ in 0..64 {
            let value = strategy.new_tree(&mut runner).unwrap().current();
            assert_eq!(decoded(&value, &ty, &table), value, "{ty:?}");
        }
    }
}

#[test]
fn every_value_shrinks_to_one_of_its_type() {
    let (table, mut runner) = (table(), TestRunner::deterministic());
    for ty in all_types() {
        let mut tree = values(&ty, &table).new_tree(&mut runner).unwrap();
        let mut steps = 0;
        while tree.simplify() && steps < 20_000 {
            let value = tree.current();
            assert_eq!(decoded(&value, &ty, &table), value, "{ty:?}");
            steps += 1;
        }
        assert!(steps < 20_000, "{ty:?} does not come to an end");
    }
}

/// The smallest value that still breaks a condition.
fn smallest(ty: &Type, breaks: impl Fn(&Value) -> bool) -> Value {
    let (table, mut runner) = (table(), TestRunner::deterministic());
    let strategy = values(ty, &table);
    let mut tree = loop {
        let tree = strategy.new_tree(&mut runner).unwrap();
        if breaks(&tree.current()) {
            break tree;
        }
    };
    let mut smallest = tree.current();
    let mut goes_on = tree.simplify();
    while goes_on {
        goes_on = if breaks(&tree.current()) {
            smallest = tree.current();
            tree.simplify()
        } else {
            tree.complicate()
        };
    }
    smallest
}

#[test]
fn the_smallest_values_are_the_simplest() {
    let any = |_: &Value| true;
    assert_eq!(smallest(&Type::S32, any), Value::S32(0));
    assert_eq!(smallest(&Type::U64, any), Value::U64(0));
    assert_eq!(smallest(&Type::F64, any), Value::F64(0));
    assert_eq!(smallest(&Type::Char, any), Value::Char('a'));
    assert_eq!(smallest(&Type::String, any), Value::String(String::new()));
    assert_eq!(smallest(&Type::List(Box::new(Type::U8)), any), Value::Bytes(Vec::new()));
    assert_eq!(smallest(&Type::Option(Box::new(Type::U8)), any), Value::Option(None));
    let is_long = |value: &Value| matches!(value, Value::List(items) if items.len() > 2);
    let three = Value::List(vec![Value::Bool(false); 3]);
    assert_eq!(smallest(&Type::List(Box::new(Type::Bool)), is_long), three);
    let is_large = |value: &Value| matches!(value, Value::U16(number) if *number > 999);
    assert_eq!(smallest(&Type::U16, is_large), Value::U16(1000));
}

/// Whether such a value comes up among a few hundred.
fn comes_up(ty: &Type, wanted: impl Fn(&Value) -> bool) -> bool {
    let (table, mut runner) = (table(), TestRunner::deterministic());
    let strategy = values(ty, &table);
    (0..500).any(|_| wanted(&strategy.new_tree(&mut runner).unwrap().current()))
}

#[test]
fn edges_come_up() {
    for edge in [i64::MIN, i64::MAX, 0, -1] {
        assert!(comes_up(&Type::S64, |value| *value == Value::S64(edge)), "{edge}");
    }
    assert!(comes_up(&Type::U8, |value| *value == Value::U8(255)));
    let bits = |value: &Value| match value {
        Value::F64(bits) => *bits,
        other => panic!("{other:?} is no float"),
    };
    for edge in [-0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 5e-324] {
        assert!(comes_up(&Type::F64, |value| bits(value) == edge.to_bits()), "{edge}");
    }
    let has_payload = |bits: u64| f64::from_bits(bits).is_nan() && bits << 13 != 0;
    assert!(comes_up(&Type::F64, |value| has_payload(bits(value))));
    assert!(comes_up(&Type::F32, |value| *value == Value::F32(0x7f80_0001)));
    let text = |value: &Value, wanted: fn(&str) -> bool| match value {
        Value::String(text) => wanted(text),
        other => panic!("{other:?} is no string"),
    };
    assert!(comes_up(&Type::String, |value| text(value, str::is_empty)));
    assert!(comes_up(&Type::String, |value| text(value, |text| text.contains('\0'))));
    // So long that a chain puts it out of line.
    assert!(comes_up(&Type::String, |value| text(value, |text| text.len() > 4096)));
}
