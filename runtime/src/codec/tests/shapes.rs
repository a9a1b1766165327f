//! Sound values of types of every shape, through both paths.

use proptest::prelude::*;
use proptest::sample::select;
use theater_record::{Type, Value, Values};
use wit_component::StringEncoding;

use super::echo::{Echo, PATHS, Path, encoded};
use super::values::{Dice, Signature, any_signature, cases, wit_of};

const ENCODINGS: [StringEncoding; 3] =
    [StringEncoding::UTF8, StringEncoding::UTF16, StringEncoding::CompactUTF16];

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn any_value_crosses_unchanged_by_either_path(
        signatures in prop::collection::vec(any_signature(), 1..4),
        encoding in select(ENCODINGS.to_vec()),
        seed in any::<u64>(),
    ) {
        let echo = Echo::new(&wit_of(&signatures), encoding);
        let mut dice = Dice(seed);
        for (function, signature) in signatures.iter().enumerate() {
            for _ in 0..4 {
                let args = signature.params.iter().map(|ty| dice.value(ty)).collect::<Vec<_>>();
                let results = signature.result.iter().map(|ty| dice.value(ty)).collect::<Vec<_>>();
                crosses_unchanged(&echo, function, &args, &results);
            }
        }
    }
}

/// Calls a function by all paths, and holds what crossed against what was passed.
fn crosses_unchanged(echo: &Echo, function: usize, args: &[Value], results: &[Value]) {
    let read = |values: &[Value], types: Vec<&Type>| {
        Values::of(values).unwrap().decode(types.into_iter(), &echo.table).unwrap()
    };
    let declared = &echo.world.imports[function];
    assert_eq!(read(args, declared.params.iter().map(|(_, ty)| ty).collect()), args);
    assert_eq!(read(results, declared.results.iter().collect()), results);

    let (args, results) = (encoded(args), encoded(results));
    for (imports, exports) in PATHS {
        let (seen, returned) =
            echo.start(imports, exports).call(function, &args, &results).unwrap();
        assert_eq!(seen, args, "arguments, imports by {imports:?}, exports by {exports:?}");
        assert_eq!(returned, results, "results, imports by {imports:?}, exports by {exports:?}");
    }
}

/// A chain can hold 64 flags, the component model has at most 32.
#[test]
fn flags_of_every_number() {
    for count in 1..=32 {
        let ty = Type::Flags((0..count).map(|number| format!("n{number}")).collect());
        let signature = Signature {
            params: vec![ty.clone(), Type::Bool],
            result: Some(Type::List(Box::new(ty))),
        };
        let echo = Echo::new(&wit_of(&[signature]), StringEncoding::UTF8);
        let all = u64::MAX >> (64 - count);
        for bits in [0, 1, all, all & 0xaaaa_aaaa, 1 << (count - 1)] {
            let args = [Value::Flags(bits), Value::Bool(true)];
            let results = [Value::List(vec![Value::Flags(bits), Value::Flags(all)])];
            crosses_unchanged(&echo, 0, &args, &results);
        }
    }
}

/// Cases of one variant that put an integer, a float, a pointer and a wide integer in one slot.
#[test]
fn cases_that_share_slots_of_different_kinds() {
    let cases = [
        ("a", Some(Type::F32)),
        ("b", Some(Type::Tuple(vec![Type::U32, Type::F64]))),
        ("c", Some(Type::Tuple(vec![Type::U64, Type::S8]))),
        ("d", Some(Type::String)),
        ("e", Some(Type::Tuple(vec![Type::F64, Type::F32]))),
        ("f", None),
    ];
    let cases = cases.map(|(name, ty)| (name.to_owned(), ty)).to_vec();
    let ty = Type::Variant(cases.clone());
    let signature = Signature { params: vec![ty.clone(), Type::U8], result: Some(ty.clone()) };
    let echo = Echo::new(&wit_of(&[signature]), StringEncoding::UTF16);
    let mut dice = Dice(7);
    for (case, (_, payload)) in cases.iter().enumerate() {
        for _ in 0..32 {
            let payload = payload.as_ref().map(|ty| Box::new(dice.value(ty)));
            let value = Value::Variant(case as u32, payload);
            crosses_unchanged(&echo, 0, &[value.clone(), Value::U8(3)], &[value]);
        }
    }
}

#[test]
fn sixteen_core_values_are_passed_flat_and_seventeen_in_memory() {
    for count in [15, 16, 17, 40] {
        let params = vec![Type::U16; count];
        let signature = Signature { params, result: Some(Type::Tuple(vec![Type::S64; count])) };
        let echo = Echo::new(&wit_of(&[signature]), StringEncoding::UTF8);
        let args = (0..count).map(|number| Value::U16(number as u16)).collect::<Vec<_>>();
        let results = (0..count).map(|number| Value::S64(-(number as i64))).collect();
        crosses_unchanged(&echo, 0, &args, &[Value::Tuple(results)]);
    }
}

#[test]
fn lists_of_a_mebibyte_and_of_many_records() {
    let record = Type::Record(vec![
        ("n0".to_owned(), Type::U8),
        ("n1".to_owned(), Type::String),
        ("n2".to_owned(), Type::List(Box::new(Type::U16))),
    ]);
    let bytes = Type::List(Box::new(Type::U8));
    let params = vec![bytes, Type::List(Box::new(record.clone()))];
    let signature = Signature { params, result: Some(Type::List(Box::new(record))) };
    let echo = Echo::new(&wit_of(&[signature]), StringEncoding::UTF8);
    let record = |number: u32| {
        let list = Value::List(vec![Value::U16(number as u16); (number % 3) as usize]);
        Value::Record(vec![Value::U8(number as u8), Value::String(number.to_string()), list])
    };
    let records = Value::List((0..100_000).map(record).collect());
    let bytes = Value::Bytes((0..1 << 20).map(|number: u32| number as u8).collect());
    crosses_unchanged(&echo, 0, &[bytes, records.clone()], &[records]);
}

/// A list of records of lists, in the world where it hurts most: nothing but empty ones.
#[test]
fn empty_lists_and_strings() {
    let inner = Type::Record(vec![("n0".to_owned(), Type::List(Box::new(Type::F64)))]);
    let ty = Type::List(Box::new(inner));
    let params = vec![ty.clone(), Type::String, Type::List(Box::new(Type::U8))];
    let signature = Signature { params, result: Some(ty) };
    for encoding in ENCODINGS {
        let echo = Echo::new(&wit_of(std::slice::from_ref(&signature)), encoding);
        let one = Value::List(vec![Value::Record(vec![Value::List(Vec::new())])]);
        for list in [one, Value::List(Vec::new())] {
            let args = [list.clone(), Value::String(String::new()), Value::Bytes(Vec::new())];
            crosses_unchanged(&echo, 0, &args, &[list]);
        }
    }
}

/// A string in UTF-16 is allocated for the worst case, and shrunk.
#[test]
fn long_strings_in_every_encoding() {
    let signature = Signature { params: vec![Type::String], result: Some(Type::String) };
    for encoding in ENCODINGS {
        let echo = Echo::new(&wit_of(std::slice::from_ref(&signature)), encoding);
        for pattern in ["a", "é", "€", "aé", "é€", "\u{1f3ad}"] {
            let text = Value::String(pattern.repeat(100_000));
            crosses_unchanged(&echo, 0, std::slice::from_ref(&text), std::slice::from_ref(&text));
        }
    }
}

/// A function of one number, called as if it took so many core values and returned so many.
fn called_as(params: usize, results: usize) {
    let signature = Signature { params: vec![Type::U32], result: Some(Type::U32) };
    let mut echo = Echo::new(&wit_of(&[signature]), StringEncoding::UTF8);
    let import = &mut echo.world.imports[0];
    (import.flat_params, import.flat_results) = (params, results);
    let number = encoded(&[Value::U32(5)]);
    let _ = echo.start(Path::Val, Path::Fused).call(0, &number, &number);
}

#[test]
#[should_panic(expected = "as many core values as the type takes")]
fn too_few_core_values_for_parameters_are_a_panic() {
    called_as(0, 1);
}

#[test]
#[should_panic(expected = "as many core values were passed as the type takes")]
fn too_few_core_values_for_results_are_a_panic() {
    called_as(1, 0);
}
