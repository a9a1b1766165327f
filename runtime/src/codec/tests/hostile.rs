//! Hostile components: what breaks the canonical ABI's rules traps as it does in wasmtime itself.

use std::sync::Arc;

use theater_record::TrapCode;
use wasmtime::component::{Component, Linker};
use wasmtime::{AsContextMut as _, Store};

use super::echo::{ENGINE, Host, Path, answer_by_val};
use crate::world::World;
use crate::{by_val, codec, trap};

/// Calls the only export of a component, all of whose imports give `answer`, by one path, and
/// tells how it fails.
fn failure(wat: &str, path: Path, args: &[u8], answer: &[u8]) -> (String, TrapCode) {
    let bytes = wat::parse_str(wat).unwrap();
    let world = World::of(&bytes).unwrap();
    let component = Component::new(&ENGINE, bytes).unwrap();
    let mut store = Store::new(&ENGINE, Host { answer: answer.to_vec(), ..Host::default() });
    store.set_hostcall_fuel(codec::PASSED_BYTES_MAX);
    let mut linker = Linker::<Host>::new(&ENGINE);
    for import in &world.imports {
        let answer = answer.to_vec();
        match path {
            Path::Fused => codec::define(
                &mut linker.root(),
                &import.name,
                import.flat_params,
                import.flat_results,
                Arc::new(move |_, _| Ok(answer.clone())),
            ),
            Path::Val => linker.root().func_new(&import.name, |cx, ty, args, results| {
                answer_by_val(cx, &ty, args, results)
            }),
        }
        .unwrap();
    }
    let instance = linker.instantiate(&mut store, &component).unwrap();
    let export = &world.exports[0];
    let func = instance.get_func(&mut store, &export.name).unwrap();
    let callee = match path {
        Path::Fused => codec::typed(func, &store, export.flat_params, export.flat_results).unwrap(),
        Path::Val => by_val::callee(func, &store),
    };
    let returned = callee(&mut store.as_context_mut(), args).map(|bytes| bytes.len());
    let error = returned.expect_err("the component broke a rule");
    (error.root_cause().to_string(), trap::failure(&error, None).code)
}

/// Both paths fail alike, and with a message that has this in it.
#[track_caller]
fn fails(wat: &str, args: &[u8], answer: &[u8], message: &str) {
    let fused = failure(wat, Path::Fused, args, answer);
    let val = failure(wat, Path::Val, args, answer);
    assert!(fused.0.contains(message), "{message}: {}", fused.0);
    assert_eq!(fused, val, "{wat}");
}

/// A component whose export returns `value`, with `data` at offset 16 of its memory.
fn returning(ty: &str, value: u32, data: &[u8], options: &str) -> String {
    let data = data.iter().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let value = value.cast_signed();
    format!(
        r#"(component
            (type $e' (enum "a" "b")) (import "e" (type $e (eq $e')))
            (type $v' (variant (case "a" u8) (case "b" f64) (case "c"))) (import "v" (type $v (eq $v')))
            (core module $m
                (memory (export "m") 1)
                (data (i32.const 16) "{data}")
                (func (export "f") (result i32) (i32.const {value})))
            (core instance $i (instantiate $m))
            (func (export "f") (result {ty})
                (canon lift (core func $i "f") (memory $i "m") {options})))"#
    )
}

fn words<const N: usize>(words: [u32; N]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

const NOTHING: &[u8] = &[0x80];

#[test]
fn results_that_point_outside_memory() {
    let list = "list pointer/length out of bounds of memory";
    let string = "string pointer/length out of bounds of memory";
    let map = "map pointer/length out of bounds of memory";
    for (ty, data, message) in [
        ("(list u32)", words([0xffff_fff0, 1]), list),
        ("(list u32)", words([0x1_0000, 1]), list),
        ("(list u32)", words([0x1_0004, 0]), list),
        ("(list u64)", words([0, 0xffff_ffff]), list),
        ("(list u64)", words([0xffff_fff8, 0xffff_ffff]), list),
        ("(list u8)", words([1, 0x1_0000]), list),
        ("(list (list u8))", words([24, 1, 0xffff, 2]), list),
        ("(list (list u8))", words([24, 0x4000_0000]), list),
        ("string", words([0xffff_ffff, 1]), string),
        ("string", words([0, 0x1_0001]), string),
        ("(tuple string (list char))", words([0, 1, 0x2_0000, 1]), list),
        ("(map u8 u32)", words([8, 0x2000_0000]), map),
    ] {
        fails(&returning(ty, 16, &data, ""), NOTHING, NOTHING, message);
    }
}

#[test]
fn results_that_point_between_words() {
    let list = "list pointer is not aligned";
    for (ty, data, message) in [
        ("(list u32)", words([2, 1]), list),
        ("(list u32)", words([3, 0]), list),
        ("(list u64)", words([4, 1]), list),
        ("(list (tuple u8 u16))", words([1, 1]), list),
        ("(list (list u16))", words([24, 1, 31, 1]), list),
        ("(map string u64)", words([4, 1]), "map pointer is not aligned"),
    ] {
        fails(&returning(ty, 16, &data, ""), NOTHING, NOTHING, message);
    }
}

#[test]
fn return_pointers_that_are_wrong() {
    let (aligned, bounds) = ("return pointer not aligned", "pointer out of bounds of memory");
    for (ty, at, message) in [
        ("(tuple u32 u32)", 2, aligned),
        ("(tuple u8 u64)", 20, aligned),
        ("string", 1, aligned),
        ("(tuple u32 u32)", 0x1_0000, bounds),
        ("(tuple u32 u32)", 0xfffc, bounds),
        ("(tuple u32 u32)", 0xffff_fffc, bounds),
        ("(list u8)", 0xfffc, bounds),
        ("(tuple u8 u8)", 0xffff, bounds),
        ("(option u64)", 0xfff8, bounds),
    ] {
        fails(&returning(ty, at, &[], ""), NOTHING, NOTHING, message);
    }
}

#[test]
fn results_that_are_no_values() {
    let pointed = |bytes: &[u8]| [&words([24, bytes.len() as u32])[..], bytes].concat();
    for (ty, data, message) in [
        ("string", pointed(&[b'a', 0xff]), "invalid utf-8 sequence of 1 bytes from index 1"),
        ("string", pointed(&[0xed, 0xa0, 0x80]), "invalid utf-8"),
        ("(list char)", words([24, 1, 0xd800]), "converted integer out of range for `char`"),
        ("(tuple char u8)", words([0x11_0000, 0]), "converted integer out of range for `char`"),
        ("(option u8)", words([2]), "discriminant 2 out of range [0..2)"),
        ("(result u64 (error u8))", words([0xff]), "discriminant 255 out of range [0..2)"),
        ("$v", words([3]), "discriminant 3 out of range [0..3)"),
        ("(tuple $e $e)", words([0x0200]), "discriminant 2 out of range [0..2)"),
        ("(list $e)", words([24, 2, 0x0500]), "discriminant 5 out of range [0..2)"),
    ] {
        fails(&returning(ty, 16, &data, ""), NOTHING, NOTHING, message);
    }
    for (ty, value, message) in [
        ("char", 0xdfff, "converted integer out of range for `char`"),
        ("char", 0xffff_ffff, "converted integer out of range for `char`"),
        ("$e", 2, "discriminant 2 out of range [0..2)"),
        ("$e", 0x100, "discriminant 256 out of range [0..2)"),
        ("(result)", 2, "discriminant 2 out of range [0..2)"),
    ] {
        fails(&returning(ty, value, &[], ""), NOTHING, NOTHING, message);
    }
}

#[test]
fn strings_in_other_encodings() {
    let bounds = "string pointer/length out of bounds of memory";
    for (encoding, data, message) in [
        ("string-encoding=utf16", words([17, 1]), "string pointer not aligned to 2"),
        ("string-encoding=utf16", words([0, 0x8001]), bounds),
        ("string-encoding=utf16", words([24, 1, 0xd800]), "unpaired surrogate found: d800"),
        ("string-encoding=latin1+utf16", words([17, 1]), "string pointer not aligned to 2"),
        ("string-encoding=latin1+utf16", words([0, 0x8000_8001]), bounds),
        ("string-encoding=latin1+utf16", words([0, 0x1_0001]), bounds),
        ("string-encoding=latin1+utf16", words([24, 0x8000_0001, 0xdc00]), "unpaired surrogate"),
    ] {
        fails(&returning("string", 16, &data, encoding), NOTHING, NOTHING, message);
    }
}

/// A component that calls its import with these core values.
fn calling(params: &str, results: &str, core: &str, values: &str) -> String {
    format!(
        r#"(component
            (import "f" (func $f {params} {results}))
            (core module $mem
                (memory (export "m") 1)
                (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
            (core instance $mem (instantiate $mem))
            (core func $f' (canon lower (func $f) (memory $mem "m")
                (realloc (func $mem "r")) string-encoding=utf8))
            (core module $m
                (import "h" "f" (func $f (param {core})))
                (func (export "run") {values} call $f))
            (core instance $i (instantiate $m (with "h" (instance (export "f" (func $f'))))))
            (func (export "run") (canon lift (core func $i "run"))))"#
    )
}

#[test]
fn arguments_that_break_the_rules() {
    let seventeen = format!("(param \"a\" (tuple{}))", " u32".repeat(17));
    for (params, core, values, message) in [
        (
            "(param \"a\" (list u32))",
            "i32 i32",
            "(i32.const 2) (i32.const 1)",
            "list pointer is not aligned",
        ),
        (
            "(param \"a\" (list u32))",
            "i32 i32",
            "(i32.const 0) (i32.const 0x4001)",
            "list pointer/length out of bounds",
        ),
        (
            "(param \"a\" (list u64))",
            "i32 i32",
            "(i32.const 0) (i32.const -1)",
            "list pointer/length out of bounds",
        ),
        (
            "(param \"a\" string)",
            "i32 i32",
            "(i32.const -1) (i32.const 1)",
            "string pointer/length out of bounds",
        ),
        (
            "(param \"a\" char)",
            "i32",
            "(i32.const 0xd900)",
            "converted integer out of range for `char`",
        ),
        (
            "(param \"a\" (option char))",
            "i32 i32",
            "(i32.const 2) (i32.const 0)",
            "discriminant 2 out of range",
        ),
        ("(param \"a\" (result))", "i32", "(i32.const -1)", "discriminant 4294967295 out of range"),
        (&seventeen, "i32", "(i32.const 2)", "pointer not aligned"),
        (&seventeen, "i32", "(i32.const 65536)", "pointer out of bounds"),
        (&seventeen, "i32", "(i32.const -4)", "pointer out of bounds"),
    ] {
        fails(&calling(params, "", core, values), NOTHING, NOTHING, message);
    }
}

#[test]
fn places_for_results_that_are_wrong() {
    let answer = [0x81, 0x82, 0x01, 0x02];
    for (at, message) in [
        (2, "pointer not aligned"),
        (0x1_0000, "pointer out of bounds"),
        (0xfffc, "pointer out of bounds"),
        (-4, "pointer out of bounds"),
    ] {
        let values = format!("(i32.const {at})");
        let wat = calling("", "(result (tuple u32 u32))", "i32", &values);
        fails(&wat, NOTHING, &answer, message);
    }
}

/// A component that is given a value of this type and allocates it at `at`.
fn allocating(ty: &str, body: &str) -> String {
    format!(
        r#"(component
            (core module $m
                (memory (export "m") 1)
                (func (export "f") (param i32 i32))
                (func (export "r") (param i32 i32 i32 i32) (result i32) {body}))
            (core instance $i (instantiate $m))
            (func (export "f") (param "a" {ty})
                (canon lift (core func $i "f") (memory $i "m") (realloc (func $i "r")))))"#
    )
}

#[test]
fn allocators_that_lie() {
    let numbers = &[0x81, 0x82, 1, 2][..];
    let (text, bytes) = (&[0x81, 0x62, b'a', b'b'][..], &[0x81, 0x42, 1, 2][..]);
    let pairs = &[0x81, 0x81, 0x82, 1, 2][..];
    let (aligned, bounds) =
        ("realloc return: result not aligned", "realloc return: beyond end of memory");
    for (ty, args, body, message) in [
        ("(list u32)", numbers, "(i32.const 2)", aligned),
        ("(list u32)", numbers, "(i32.const 65532)", bounds),
        ("(list u32)", numbers, "(i32.const -4)", bounds),
        ("(list u32)", numbers, "unreachable", "wasm `unreachable` instruction executed"),
        ("string", text, "(i32.const 65535)", bounds),
        ("string", text, "(i32.const -1)", bounds),
        ("(list u8)", bytes, "(i32.const 65535)", bounds),
        ("(list u8)", bytes, "(i32.const -1)", bounds),
        ("(list (tuple u8 u64))", pairs, "(i32.const 4)", aligned),
    ] {
        fails(&allocating(ty, body), args, NOTHING, message);
    }
}

/// Lists that share their elements' memory, so that a small memory holds a huge value.
#[test]
fn a_value_larger_than_any_memory_is_not_copied() {
    let lists = |count: usize, at: u32, len: u32| words([at, len]).repeat(count);
    // 72 times 72 times 60,000 bytes, from one page.
    let data = [words([24, 72]), lists(72, 24 + 72 * 8, 72), lists(72, 2000, 60_000)].concat();
    let wat = returning("(list (list (list u8)))", 16, &data, "");
    let (message, code) = failure(&wat, Path::Fused, NOTHING, NOTHING);
    assert_eq!(message, "more than 268435456 bytes are passed in one call");
    assert_eq!(code, TrapCode::InvalidValue);
    let (message, code) = failure(&wat, Path::Val, NOTHING, NOTHING);
    assert!(message.contains("too much data is being copied"), "{message}");
    assert_eq!(code, TrapCode::InvalidValue);
}
