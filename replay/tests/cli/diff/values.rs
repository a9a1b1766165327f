//! `diff` inside two events about the same: which values differ, and in what.

use expect_test::expect;
use theater_record::{CloseReason, Event, Outcome, Return, TrapCode, Type, Value, Values};
use theater_replay::Exit;

use super::{check, scene};
use crate::scene::{Scene, call, recorder};
use crate::shop::Build;

#[test]
fn another_argument_is_named_with_its_path() {
    let other = Build { seed: 2, component: 0xbb, total: 4840, ..Build::default() };
    check(
        &Build::default(),
        &other,
        "",
        &expect![[r#"
        different at event 7 of a.chain and event 7 of b.chain, after 2 equal
          setup: component aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa... -> bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb...

               5  -> shop:pay/api charge(total: 0, id: "o-0", headers: [{name: "agent", value: "shop/0"}])
               6  <- charge: ok(0)
        -      7  -> shop:pay/api charge(total: 4400, id: "o-1", headers: [{name: "agent", value: "shop/4400"}])
        +      7  -> shop:pay/api charge(total: 4840, id: "o-1", headers: [{name: "agent", value: "shop/4840"}])
                    args[0] (total): 4400 -> 4840 (+440)
                    args[2][0].value (headers): "shop/4400" -> "shop/4840"
               8  <- charge: ok(1)
               9  -> shop:pay/api charge(total: 200, id: "o-2", headers: [{name: "agent", value: "shop/200"}])
              10  <- charge: ok(2)

        from there on: 12 equal, 1 changed, 0 only in a.chain, 0 only in b.chain
        next: theater-replay show a.chain --from 4 --to 10 --full
        --- exit 1
    "#]],
    );
}

#[test]
fn a_long_text_is_compared_inside() {
    let note =
        |word: &str| format!("{}{word} and so on{}", "all went well, ".repeat(9), "!".repeat(60));
    let build = |word: &str| Build { note: note(word), ..Build::default() };
    check(
        &build("first"),
        &build("at first"),
        "--context 0",
        &expect![[r#"
        different at event 17 of a.chain and event 17 of b.chain, after 12 equal

        -     17  -> shop:log/log note(text: "all went well, all went well, all went well, all went well, all "... 146 bytes more)
        +     17  -> shop:log/log note(text: "all went well, all went well, all went well, all went well, all "... 149 bytes more)
                    args[0] (text): differs from byte 135 on; 210 -> 213 bytes
                      - ..." all went well, first and so on!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"...
                      + ..." all went well, at first and so on!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"...

        from there on: 2 equal, 1 changed, 0 only in a.chain, 0 only in b.chain
        next: theater-replay show a.chain --from 14 --to 20 --full
        --- exit 1
    "#]],
    );
}

#[test]
fn payloads_out_of_line_are_compared_by_content() {
    let note = |word: &str| format!("{}{word}", "all went well, ".repeat(900));
    let build = |seed, word: &str| Build { seed, note: note(word), ..Build::default() };
    let scene = scene(&build(1, "x"), &build(2, "x"));
    assert_eq!(scene.run("diff a.chain b.chain").exit, Exit::Fine);
    check(
        &build(1, "x"),
        &build(2, "y"),
        "--context 0",
        &expect![[r#"
        different at event 17 of a.chain and event 17 of b.chain, after 12 equal

        -     17  -> shop:log/log note(text: <blob 13.5 kB d1757130 "all went well, all went well, all went well, all"...>)
        +     17  -> shop:log/log note(text: <blob 13.5 kB bca70529 "all went well, all went well, all went well, all"...>)
                    args[0] (text): differs from byte 13,500 on; 13,501 -> 13,501 bytes
                      - ..." all went well, x"
                      + ..." all went well, y"

        from there on: 2 equal, 1 changed, 0 only in a.chain, 0 only in b.chain
        next: theater-replay show a.chain --from 14 --to 20 --full
        --- exit 1
    "#]],
    );
}

#[test]
fn values_can_be_ignored_by_their_paths() {
    let other = Build { total: 1, ..Build::default() };
    check(
        &Build::default(),
        &other,
        "--ignore args.total --context 0",
        &expect![[r#"
        different at event 7 of a.chain and event 7 of b.chain, after 2 equal

        -      7  -> shop:pay/api charge(total: 4400, id: "o-1", headers: [{name: "agent", value: "shop/4400"}])
        +      7  -> shop:pay/api charge(total: 1, id: "o-1", headers: [{name: "agent", value: "shop/1"}])
                    args[2][0].value (headers): "shop/4400" -> "shop/1"

        from there on: 12 equal, 1 changed, 0 only in a.chain, 0 only in b.chain
        next: theater-replay show a.chain --from 4 --to 10 --full
        --- exit 1
    "#]],
    );
    let options = "--ignore args.total,args.headers[*].value --stat";
    check(
        &Build::default(),
        &other,
        options,
        &expect![[r#"
        same: 15 events
        --- exit 0
    "#]],
    );
    check(
        &Build::default(),
        &other,
        "--shape-only",
        &expect![[r#"
        same: 15 events
        --- exit 0
    "#]],
    );
}

/// A chain with one event: a call with one argument of this type.
fn one_call(ty: &Type, value: Value) -> Vec<u8> {
    let (mut recorder, log) = recorder(false);
    let f = recorder.function_id("test:it/itself", "f", &[("what", ty.clone())], &[]).unwrap();
    recorder.append(&Event::ImportCall(call(f, &[value]))).unwrap();
    recorder.close(CloseReason::Completed, "").unwrap();
    log.lock().unwrap().clone()
}

#[test]
fn every_way_to_differ_has_its_words() {
    let scene = Scene::new();
    let list = |numbers: &[i64]| Value::List(numbers.iter().copied().map(Value::S64).collect());
    let list_ty = Type::List(Box::new(Type::S64));
    let bytes_ty = Type::List(Box::new(Type::U8));
    let maybe = Type::Option(Box::new(Type::F64));
    let float = |float: f64| Value::Option(Some(Box::new(Value::F64(float.to_bits()))));
    let evil = Type::Record(vec![("\u{1b}[2J".to_owned(), Type::Bool)]);
    let long = |byte: u8| Value::Bytes([&[0; 99][..], &[byte], &[0; 99]].concat());
    let cases = [
        (list_ty.clone(), list(&[1, 2]), list_ty.clone(), list(&[1, -2, 3])),
        (list_ty.clone(), list(&[1, 2]), list_ty.clone(), list(&[2])),
        (list_ty, list(&[1]), Type::S64, Value::S64(1)),
        (maybe.clone(), float(0.1), maybe.clone(), float(-0.0)),
        (maybe.clone(), float(1.0), maybe, Value::Option(None)),
        (
            bytes_ty.clone(),
            Value::Bytes(b"\0\x01".to_vec()),
            bytes_ty.clone(),
            Value::Bytes(vec![]),
        ),
        (bytes_ty.clone(), long(1), bytes_ty, long(2)),
        (
            evil.clone(),
            Value::Record(vec![Value::Bool(true)]),
            evil,
            Value::Record(vec![Value::Bool(false)]),
        ),
    ];
    let mut shown = String::new();
    for (ty, value, actual_ty, actual) in cases {
        scene.write("a.chain", &one_call(&ty, value));
        scene.write("b.chain", &one_call(&actual_ty, actual));
        let out = scene.run("diff a.chain b.chain --first --context 0").out;
        let lines = out.lines().filter(|line| line.starts_with("            "));
        lines.for_each(|line| shown.push_str(&format!("{}\n", line.trim_start())));
    }
    expect![[r#"
        args[0][1] (what): 2 -> -2 (-4)
        args[0][2] (what): 3 only in b.chain
        args[0][0] (what): 1 only in a.chain
        args[0] (what): [1] (list<s64>) -> 1 (s64)
        args[0].some (what): 0.1 -> -0.0
        args[0] (what): some(1.0) -> none
        args[0] (what): 0x0001 -> 0x
        args[0] (what): differs from byte 99 on; 199 -> 199 bytes
        - ...0x0000000000000000000000000000000001000000000000000000000000000000...
        + ...0x0000000000000000000000000000000002000000000000000000000000000000...
        "args[0].\u{1b}[2J" (what): true -> false
    "#]]
    .assert_eq(&shown);
}

#[test]
fn a_content_that_is_gone_cannot_be_compared() {
    let note = |seed| Build { seed, note: "x".repeat(9000), ..Build::default() };
    let scene = scene(&note(1), &note(2));
    assert_eq!(scene.run("diff a.chain b.chain").exit, Exit::Fine);
    assert_eq!(scene.run("redact b.chain --all -o c.chain").err, "");
    scene.check("diff a.chain c.chain --context 0", &expect![[r#"
        different at event 17 of a.chain and event 17 of c.chain, after 12 equal

        -     17  -> shop:log/log note(text: <blob 9.00 kB ab948b03 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"...>)
        +     17  -> shop:log/log note(text: <blob 9.00 kB 990574d4 removed>)
                    args[0] (text): <blob 9.00 kB ab948b03 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"...> -> <blob 9.00 kB 990574d4 removed>: cannot be compared, the content is not at hand

        from there on: 2 equal, 1 changed, 0 only in a.chain, 0 only in c.chain
        next: theater-replay show a.chain --from 14 --to 20 --full
        --- exit 1
    "#]]);
}

#[test]
fn traps_and_returns_are_told_apart() {
    let chain = |outcome: Outcome| {
        let (mut recorder, log) = recorder(false);
        let f = recorder.function_id("test:it/itself", "f", &[], &[Type::U8]).unwrap();
        recorder.append(&Event::ImportCall(call(f, &[]))).unwrap();
        let end = Return { function: f, outcome, fuel: None };
        recorder.append(&Event::ImportReturn(end)).unwrap();
        recorder.close(CloseReason::Completed, "").unwrap();
        std::mem::take(&mut *log.lock().unwrap())
    };
    let scene = Scene::new();
    scene.write("a.chain", &chain(Outcome::Returned(Values::of(&[Value::U8(7)]).unwrap())));
    let trap = Outcome::Trapped { code: TrapCode::OutOfFuel, detail: "after 9".to_owned() };
    scene.write("b.chain", &chain(trap));
    scene.check(
        "diff a.chain b.chain --context 0",
        &expect![[r#"
        different at event 3 of a.chain and event 3 of b.chain, after 1 equal

        -      3  <- f: 7
        +      3  <- f: trap out-of-fuel: after 9
                    result: 7 only in a.chain
                    trap: "out-of-fuel" only in b.chain

        from there on: 1 equal, 1 changed, 0 only in a.chain, 0 only in b.chain
        next: theater-replay show a.chain --from 0 --to 6 --full
        --- exit 1
    "#]],
    );
}
