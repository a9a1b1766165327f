//! WAVE: what is printed reads back to the same, everything the notation allows is taken, and
//! mistakes are named where they stand.

use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use theater_record::{Type, TypeDef, TypeId, TypeTable, Value};
use theater_runtime::{Invocation, WaveError, parse_value, write_value};

/// The named types that [`types`] refers to.
fn table() -> TypeTable {
    let mut table = TypeTable::default();
    let definitions = [
        ("shop#cart", Type::Resource),
        ("shop#amount", Type::U8),
        ("shop#point", Type::Record(named([("x", Type::F64), ("y", Type::Char)]))),
        ("shop#color", Type::Enum(vec!["red".to_owned(), "none".to_owned()])),
    ];
    for (id, (name, ty)) in (0..).map(TypeId).zip(definitions) {
        assert!(table.add(TypeDef { id, name: name.to_owned(), ty }));
    }
    table
}

fn named<const N: usize>(fields: [(&str, Type); N]) -> Vec<(String, Type)> {
    fields.map(|(name, ty)| (name.to_owned(), ty)).to_vec()
}

fn parsed(text: &str, ty: &Type) -> Value {
    parse_value(text, ty, &table()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str, ty: &Type) -> String {
    match parse_value(text, ty, &table()) {
        Err(error) => error.to_string(),
        Ok(value) => panic!("{text} was read as {value:?}"),
    }
}

fn some(value: Value) -> Value {
    Value::Option(Some(Box::new(value)))
}

fn boxed(ty: Type) -> Box<Type> {
    Box::new(ty)
}

/// Names as WIT allows them, keywords of WAVE among them.
fn names(most: usize) -> impl Strategy<Value = Vec<String>> {
    let keyword =
        prop::sample::select(vec!["true", "false", "inf", "nan", "some", "none", "ok", "err"]);
    let name = prop_oneof![
        4 => "[a-z][a-z0-9]{0,4}(-[a-z0-9]{1,3}){0,2}|[A-Z]{1,3}(-[a-z]{2})?",
        1 => keyword.prop_map(str::to_owned),
    ];
    btree_set(name, 1..=most).prop_map(Vec::from_iter).prop_shuffle()
}

fn types() -> impl Strategy<Value = Type> {
    let primitives = vec![
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
        Type::Own(TypeId(0)),
        Type::Borrow(TypeId(0)),
        Type::Named(TypeId(1)),
        Type::Named(TypeId(2)),
        Type::Named(TypeId(3)),
    ];
    let leaf = prop_oneof![
        8 => prop::sample::select(primitives),
        1 => names(9).prop_map(Type::Enum),
        1 => names(64).prop_map(Type::Flags),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        let side = prop::option::of(inner.clone().prop_map(Box::new));
        let case = prop::option::of(inner.clone());
        prop_oneof![
            inner.clone().prop_map(|ty| Type::List(boxed(ty))),
            (0..4u32, inner.clone()).prop_map(|(len, ty)| Type::FixedList(len, boxed(ty))),
            vec(inner.clone(), 1..4).prop_map(Type::Tuple),
            (names(4), vec(inner.clone(), 4)).prop_map(|(n, t)| Type::Record(zip(n, t))),
            (names(4), vec(case, 4)).prop_map(|(n, t)| Type::Variant(zip(n, t))),
            inner.clone().prop_map(|ty| Type::Option(boxed(ty))),
            (side.clone(), side).prop_map(|(ok, err)| Type::Result(ok, err)),
            (inner.clone(), inner).prop_map(|(k, v)| Type::Map(boxed(k), boxed(v))),
        ]
    })
}

fn zip<T>(names: Vec<String>, types: Vec<T>) -> Vec<(String, T)> {
    names.into_iter().zip(types).collect()
}

fn values(ty: &Type) -> BoxedStrategy<Value> {
    let optional = |ty: &Option<Box<Type>>| match ty {
        Some(ty) => values(ty).prop_map(|value| Some(Box::new(value))).boxed(),
        None => Just(None).boxed(),
    };
    let list = |item: &Type, len: std::ops::RangeInclusive<usize>| {
        if table().resolve(item) == Some(&Type::U8) {
            vec(any::<u8>(), len).prop_map(Value::Bytes).boxed()
        } else {
            vec(values(item), len).prop_map(Value::List).boxed()
        }
    };
    match ty {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::S8 => any::<i8>().prop_map(Value::S8).boxed(),
        Type::U8 => any::<u8>().prop_map(Value::U8).boxed(),
        Type::S16 => any::<i16>().prop_map(Value::S16).boxed(),
        Type::U16 => any::<u16>().prop_map(Value::U16).boxed(),
        Type::S32 => any::<i32>().prop_map(Value::S32).boxed(),
        Type::U32 => any::<u32>().prop_map(Value::U32).boxed(),
        Type::S64 => any::<i64>().prop_map(Value::S64).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::U64).boxed(),
        Type::F32 => any::<u32>().prop_map(|bits| Value::F32(one_nan32(bits))).boxed(),
        Type::F64 => any::<u64>().prop_map(|bits| Value::F64(one_nan64(bits))).boxed(),
        Type::Char => any::<char>().prop_map(Value::Char).boxed(),
        Type::String => {
            "(\\PC|[\\n\\r\\t\"'\\\\\u{0}\u{7f}\u{202e}]){0,12}".prop_map(Value::String).boxed()
        }
        Type::List(item) => list(item, 0..=4),
        Type::FixedList(len, item) => list(item, *len as usize..=*len as usize),
        Type::Tuple(items) => {
            items.iter().map(values).collect::<Vec<_>>().prop_map(Value::Tuple).boxed()
        }
        Type::Record(fields) => {
            let fields: Vec<_> = fields.iter().map(|(_, ty)| values(ty)).collect();
            fields.prop_map(Value::Record).boxed()
        }
        Type::Variant(cases) => {
            let cases = (0..).zip(cases).map(|(at, (_, ty))| {
                let payload = optional(&ty.clone().map(Box::new));
                payload.prop_map(move |payload| Value::Variant(at, payload)).boxed()
            });
            prop::strategy::Union::new(cases).boxed()
        }
        Type::Enum(names) => (0..names.len() as u32).prop_map(Value::Enum).boxed(),
        Type::Option(item) => {
            prop::option::of(values(item).prop_map(Box::new)).prop_map(Value::Option).boxed()
        }
        Type::Result(ok, err) => prop_oneof![
            optional(ok).prop_map(|payload| Value::Result(Ok(payload))),
            optional(err).prop_map(|payload| Value::Result(Err(payload))),
        ]
        .boxed(),
        Type::Flags(names) => {
            let mask = u64::MAX >> (64 - names.len());
            any::<u64>().prop_map(move |bits| Value::Flags(bits & mask)).boxed()
        }
        Type::Map(key, value) => {
            vec((values(key), values(value)), 0..=3).prop_map(Value::Map).boxed()
        }
        Type::Own(_) => any::<u64>().prop_map(Value::Own).boxed(),
        Type::Borrow(_) => any::<u64>().prop_map(Value::Borrow).boxed(),
        Type::Named(_) => values(table().resolve(ty).expect("the table has all names")),
        Type::Resource => unreachable!("no value is a declaration"),
    }
}

fn one_nan32(bits: u32) -> u32 {
    if f32::from_bits(bits).is_nan() { 0x7fc0_0000 } else { bits }
}

fn one_nan64(bits: u64) -> u64 {
    if f64::from_bits(bits).is_nan() { 0x7ff8_0000_0000_0000 } else { bits }
}

fn typed_values() -> impl Strategy<Value = (Type, Value)> {
    types().prop_flat_map(|ty| (Just(ty.clone()), values(&ty)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_printed_reads_back_to_the_same((ty, value) in typed_values()) {
        let text = write_value(&value, &ty, &table());
        prop_assert_eq!(parse_value(&text, &ty, &table()), Ok(value), "{}", text);
    }

    #[test]
    fn arguments_read_back_to_the_same(typed in vec(typed_values(), 0..4)) {
        let text: Vec<_> =
            typed.iter().map(|(ty, value)| write_value(value, ty, &table())).collect();
        let call = Invocation::parse(&format!("f({})", text.join(", "))).unwrap();
        let params: Vec<_> = typed.iter().map(|(ty, _)| ("p".to_owned(), ty.clone())).collect();
        let values: Vec<_> = typed.into_iter().map(|(_, value)| value).collect();
        prop_assert_eq!(call.args(&params, &table()), Ok(values));
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        (ty, value) in typed_values(),
        at in any::<prop::sample::Index>(),
        other in "[\\PC\n]{0,3}",
    ) {
        let mut text: Vec<char> = write_value(&value, &ty, &table()).chars().collect();
        let at = at.index(text.len());
        text.splice(at..at + 1, other.chars());
        let text: String = text.into_iter().collect();
        if let Ok(value) = parse_value(&text, &ty, &table()) {
            // Whatever was read is a value of the type: its text reads back.
            let again = write_value(&value, &ty, &table());
            prop_assert_eq!(parse_value(&again, &ty, &table()), Ok(value));
        }
    }
}

#[test]
fn numbers() {
    assert_eq!(parsed(" -128 ", &Type::S8), Value::S8(-128));
    assert_eq!(parsed("18446744073709551615", &Type::U64), Value::U64(u64::MAX));
    let f32 = |text| parsed(text, &Type::F32);
    assert_eq!(f32("1"), Value::F32(1f32.to_bits()));
    assert_eq!(f32("-0.1e-3"), Value::F32((-0.0001f32).to_bits()));
    assert_eq!(f32("nan"), Value::F32(0x7fc0_0000));
    assert_eq!(f32("-inf"), Value::F32(f32::NEG_INFINITY.to_bits()));
    assert_eq!(parsed("nan", &Type::F64), Value::F64(0x7ff8_0000_0000_0000));
    assert_eq!(parsed("-0.0", &Type::F64), Value::F64(1 << 63));
    for (text, ty) in [
        ("256", Type::U8),
        ("-1", Type::U32),
        ("007", Type::U32),
        ("+1", Type::U32),
        ("1.0", Type::U32),
        ("1e3", Type::S64),
        ("0x10", Type::U8),
        ("", Type::U8),
        (".5", Type::F32),
        ("1.", Type::F64),
        ("1e", Type::F64),
        ("1e39", Type::F32),
        ("infinity", Type::F64),
        ("NaN", Type::F64),
        ("-nan", Type::F64),
        ("1_000", Type::U32),
    ] {
        let found = if text.is_empty() { "the end" } else { text };
        let ty_text = format!("{ty:?}").to_lowercase();
        assert_eq!(refused(text, &ty), format!("expected {ty_text} at column 1, found {found}"));
    }
}

#[test]
fn nan_payloads_are_not_kept() {
    assert_eq!(write_value(&Value::F32(0xffc0_0001), &Type::F32, &table()), "nan");
    assert_eq!(write_value(&Value::F64(0x7ff0_0000_0000_0001), &Type::F64, &table()), "nan");
}

#[test]
fn characters_and_strings() {
    assert_eq!(parsed(r"'x'", &Type::Char), Value::Char('x'));
    assert_eq!(parsed(r"'\''", &Type::Char), Value::Char('\''));
    assert_eq!(parsed(r#"'"'"#, &Type::Char), Value::Char('"'));
    assert_eq!(parsed(r"'\u{1F600}'", &Type::Char), Value::Char('😀'));
    for text in ["''", "'ab'", "'", "'\n'", r"'\u{d800}'", r"'\u{}'", r"'\u{1234567}'", r"'\q'"] {
        assert!(refused(text, &Type::Char).starts_with("expected "), "{text}");
    }
    let text = |text: &str| Value::String(text.to_owned());
    assert_eq!(parsed(r#""a\t\"\\\n\r\u{41}// no comment""#, &Type::String), {
        text("a\t\"\\\n\rA// no comment")
    });
    assert_eq!(parsed("\"\"", &Type::String), text(""));
    assert_eq!(refused("\"ab\ncd\"", &Type::String), {
        "expected a string that ends on its line at column 1, found \"ab"
    });
    assert_eq!(refused(r#""ab\qcd""#, &Type::String), {
        r#"expected an escape, one of \\ \" \' \n \r \t \u{...} at column 4, found \"#
    });
}

#[test]
fn strings_over_several_lines() {
    let text = |text: &str| Value::String(text.to_owned());
    let line = |body: &str| format!("\"\"\"{body}\"\"\"");
    assert_eq!(parsed(&line("\nA single line\n"), &Type::String), text("A single line"));
    assert_eq!(parsed(&line("\n"), &Type::String), text(""));
    assert_eq!(parsed(&line("\n\n"), &Type::String), text(""));
    assert_eq!(parsed(&line("\n\n\n"), &Type::String), text("\n"));
    assert_eq!(parsed(&line("\r\n    a\r\n\r\n  b\r\n  "), &Type::String), text("  a\n\nb"));
    assert_eq!(parsed(&line("\n  \\u{41}\\r\n  \"\"\\\" \"x\"\n  "), &Type::String), {
        text("A\r\n\"\"\" \"x\"")
    });
    let refused = |body: &str| refused(&line(body), &Type::String);
    assert_eq!(refused("a\n"), {
        "expected a line end after the three quotes that open a string at column 1, found \"\""
    });
    assert!(refused("\na").contains("on a line of their own"));
    assert_eq!(refused("\n  a\n b\n  "), {
        "expected a line that starts with 2 spaces at line 3, column 2, found b"
    });
    assert_eq!(refused("\n  ab\\q\n  "), {
        r#"expected an escape, one of \\ \" \' \n \r \t \u{...} at line 2, column 5, found \"#
    });
}

#[test]
fn options_and_results() {
    let option = Type::Option(boxed(Type::U8));
    assert_eq!(parsed("7", &option), some(Value::U8(7)));
    assert_eq!(parsed("some( 7 )", &option), some(Value::U8(7)));
    assert_eq!(parsed("none", &option), Value::Option(None));
    let nested = Type::Option(boxed(option));
    assert_eq!(parsed("some(none)", &nested), some(Value::Option(None)));
    assert_eq!(parsed("some(7)", &nested), some(some(Value::U8(7))));
    assert_eq!(refused("7", &nested), "expected option<option<u8>> at column 1, found 7");

    let result = Type::Result(Some(boxed(Type::U8)), Some(boxed(Type::String)));
    let ok = Value::Result(Ok(Some(Box::new(Value::U8(7)))));
    assert_eq!(parsed("7", &result), ok);
    assert_eq!(parsed("ok(7)", &result), ok);
    assert_eq!(parsed("err(\"no\")", &result), {
        Value::Result(Err(Some(Box::new(Value::String("no".to_owned())))))
    });
    assert_eq!(refused("ok", &result), "expected `(` and the u8 of ok at column 3, found the end");
    let bare = Type::Result(None, None);
    assert_eq!(parsed("err", &bare), Value::Result(Err(None)));
    assert_eq!(refused("ok(1)", &bare), "expected the end at column 3, found (");

    // A keyword belongs to the option unless a `%` says that it is a name.
    let color = Type::Option(boxed(Type::Named(TypeId(3))));
    assert_eq!(parsed("none", &color), Value::Option(None));
    assert_eq!(parsed("%none", &color), some(Value::Enum(1)));
    assert_eq!(write_value(&some(Value::Enum(1)), &color, &table()), "some(%none)");
}

#[test]
fn records_and_flags() {
    let record = Type::Record(named([("must", Type::U8), ("may", Type::Option(boxed(Type::U8)))]));
    let value = |may| Value::Record(vec![Value::U8(1), may]);
    assert_eq!(parsed("{may: 2, %must: 1,}", &record), value(some(Value::U8(2))));
    assert_eq!(parsed("{ must : 1 } // done", &record), value(Value::Option(None)));
    let refused_record = |text| refused(text, &record);
    assert_eq!(refused_record("{may: 2}"), {
        "the field \"must\" of record {must: u8, may: option<u8>} is missing at column 8"
    });
    assert_eq!(refused_record("{must: 1, must: 2}"), {
        "the field \"must\" is given for the second time at column 11"
    });
    assert_eq!(refused_record("{must: 1, other: 2}"), {
        "record {must: u8, may: option<u8>} has no field \"other\", at column 11; it has must, may"
    });
    assert_eq!(refused_record("{must 1}"), {
        "expected `:` after the field must at column 7, found 1"
    });
    assert_eq!(refused_record("{must: 1 may: 2}"), "expected `,` or `}` at column 10, found may");
    let all_optional = Type::Record(named([("may", Type::Option(boxed(Type::U8)))]));
    assert_eq!(parsed("{:}", &all_optional), Value::Record(vec![Value::Option(None)]));

    let flags = Type::Flags(["read", "write", "exec"].map(str::to_owned).to_vec());
    assert_eq!(parsed("{exec, read,}", &flags), Value::Flags(0b101));
    assert_eq!(parsed("{}", &flags), Value::Flags(0));
    assert_eq!(refused("{read, read}", &flags), {
        "the flag \"read\" is given for the second time at column 8"
    });
    assert_eq!(refused("{run}", &flags), {
        "flags {read, write, exec} has no flag \"run\", at column 2; it has read, write, exec"
    });
}

#[test]
fn lists_tuples_variants_and_resources() {
    let bytes = Type::List(boxed(Type::Named(TypeId(1))));
    assert_eq!(parsed("[1, 2, 255,]", &bytes), Value::Bytes(vec![1, 2, 255]));
    assert_eq!(parsed("[]", &bytes), Value::Bytes(vec![]));
    assert_eq!(refused("[1, 256]", &bytes), "expected amount at column 5, found 256");
    assert_eq!(refused("[,]", &bytes), "expected amount at column 2, found ,");
    let fixed = Type::FixedList(2, boxed(Type::Bool));
    assert_eq!(parsed("[true, false]", &fixed), {
        Value::List(vec![Value::Bool(true), Value::Bool(false)])
    });
    assert_eq!(refused("[true]", &fixed), {
        "expected list<bool, 2> at column 1, found a list of length 1"
    });
    let tuple = Type::Tuple(vec![Type::U8, Type::Char]);
    assert_eq!(parsed("(1, 'a',)", &tuple), Value::Tuple(vec![Value::U8(1), Value::Char('a')]));
    assert_eq!(refused("(1)", &tuple), {
        "expected char, the next element of tuple<u8, char> at column 3, found `)`"
    });
    assert_eq!(refused("(1, 'a', 2)", &tuple), {
        "expected `)` after the elements of tuple<u8, char> at column 10, found 2"
    });
    let variant =
        Type::Variant(vec![("empty".to_owned(), None), ("err".to_owned(), Some(Type::U8))]);
    assert_eq!(parsed("empty", &variant), Value::Variant(0, None));
    assert_eq!(parsed("%err(5)", &variant), Value::Variant(1, Some(Box::new(Value::U8(5)))));
    assert_eq!(
        refused("%err", &variant),
        "expected `(` and the u8 of err at column 5, found the end"
    );
    assert_eq!(refused("full", &variant), {
        "variant {empty, err(u8)} has no case \"full\", at column 1; it has empty, err"
    });
    assert_eq!(parsed("@7", &Type::Own(TypeId(0))), Value::Own(7));
    assert_eq!(refused("7", &Type::Borrow(TypeId(0))), {
        "expected @ and the number of a borrow<cart> at column 1, found 7"
    });
}

#[test]
fn types_nested_too_deep_are_refused() {
    let mut ty = Type::U8;
    let mut text = "1".to_owned();
    for _ in 0..64 {
        ty = Type::Tuple(vec![ty]);
        text = format!("({text})");
    }
    assert_eq!(refused(&text, &ty), "the value at column 65 is nested deeper than 64 levels");
}

#[test]
fn calls_name_their_functions_in_every_spelling() {
    let functions = [
        ("demo:shop/cart@1.2.3", "[method]cart.add"),
        ("demo:shop/cart@1.2.3", "[constructor]cart"),
        ("demo:shop/cart@1.2.3", "total"),
        ("demo:shop/till@1.2.3", "total"),
        ("demo:shop/till@1.2.3", "close"),
        ("demo:shop/till@1.3.0", "close"),
        ("", "total"),
    ];
    let find = |text: &str| {
        let call = Invocation::parse(&format!(" {text} ()")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(call.path().to_string(), text);
        call.path().find(functions).map_err(|error| error.to_string())
    };
    assert_eq!(find("demo:shop/cart@1.2.3#[method]cart.add"), Ok(0));
    assert_eq!(find("demo:shop/cart#[constructor]cart"), Ok(1));
    assert_eq!(find("cart#total"), Ok(2));
    assert_eq!(find("[method]cart.add"), Ok(0));
    assert_eq!(find("total"), Ok(6));
    assert_eq!(find("demo:shop/till@1.3.0#close"), Ok(5));
    assert_eq!(find("close"), Err(
        "close could be several functions: demo:shop/till@1.2.3#close, demo:shop/till@1.3.0#close"
            .to_owned()
    ));
    assert_eq!(find("cart#close").unwrap_err(), {
        "no function is called cart#close; did you mean demo:shop/till@1.2.3#close or \
         demo:shop/till@1.3.0#close?"
    });
    assert_eq!(find("cart#xyz").unwrap_err(), {
        "no function is called cart#xyz; there are demo:shop/cart@1.2.3#[method]cart.add, \
         demo:shop/cart@1.2.3#[constructor]cart, demo:shop/cart@1.2.3#total, \
         demo:shop/till@1.2.3#total, demo:shop/till@1.2.3#close, demo:shop/till@1.3.0#close, total"
    });
    for good in ["[static]cart.make", "[resource-drop]cart", "a-b:c/D-e@0.2.0-rc.1+x#f-1"] {
        assert!(Invocation::parse(&format!("{good}()")).is_ok(), "{good}");
    }
    for bad in ["", "#f", "a#", "a b", "[method]cart", "[own]cart", "a/#f", "a@#f", "1a", "a#b#c"] {
        assert!(
            matches!(Invocation::parse(&format!("{bad}()")), Err(WaveError::Expected { .. })),
            "{bad}"
        );
    }
}

#[test]
fn arguments_are_counted_and_found_in_the_whole_text() {
    let params = named([("a", Type::U32), ("b", Type::Option(boxed(Type::Char)))]);
    let args = |text: &str| {
        let call = Invocation::parse(text).map_err(|error| error.to_string())?;
        call.args(&params, &table()).map_err(|error| error.to_string())
    };
    let one = Value::U32(1);
    assert_eq!(args("f(1, 'x')"), Ok(vec![one.clone(), some(Value::Char('x'))]));
    assert_eq!(args("f(1)"), Ok(vec![one, Value::Option(None)]));
    let error = |text| args(text).unwrap_err();
    assert_eq!(error("shop#f( \"x\")"), "expected u32 at column 9, found \"x\"");
    assert_eq!(error("f()"), "expected the argument a: u32 at column 3, found `)`");
    assert_eq!(error("f(1, none, 3)"), {
        "expected `)` after the arguments (a: u32, b: option<char>) at column 12, found 3"
    });
    assert_eq!(error("f(1) g"), "expected the end at column 6, found g");
    assert_eq!(error("f(1"), "expected `,` or `)` at column 4, found the end");
    assert_eq!(error("f"), "expected `(` and the arguments at column 2, found the end");
    assert_eq!(error("1f(1)"), "expected the name of a function at column 1, found 1f");
    assert_eq!(error("f(// one\n  x)"), "expected u32 at line 2, column 3, found x");
    let nothing = Invocation::parse("f(1)").unwrap().args(&[], &table()).unwrap_err();
    assert_eq!(nothing.to_string(), { "expected `)` after no arguments at column 3, found 1" });
}
