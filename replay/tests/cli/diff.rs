//! `diff`: where two chains part, as people see it.

use expect_test::{Expect, expect, expect_file};
use theater_record::{CloseReason, Event, Outcome, Return, TrapCode, Type, Value, Values};
use theater_replay::Exit;

use crate::scene::{Scene, call, frame_of, recorder};
use crate::shop::Build;

fn scene(a: &Build, b: &Build) -> Scene {
    let scene = Scene::new();
    scene.write("a.chain", &a.run());
    scene.write("b.chain", &b.run());
    scene
}

#[track_caller]
fn check(a: &Build, b: &Build, options: &str, expected: &Expect) {
    scene(a, b).check(&format!("diff a.chain b.chain {options}"), expected);
}

#[test]
fn runs_that_do_the_same_are_the_same() {
    let other = Build { seed: 2, component: 0xbb, ..Build::default() };
    check(
        &Build::default(),
        &other,
        "",
        &expect![[r#"
        same: 15 events
          setup: component aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa... -> bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb...
        --- exit 0
    "#]],
    );
}

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
fn an_extra_call_does_not_change_what_follows() {
    let other = Build { retries: true, ..Build::default() };
    check(
        &Build::default(),
        &other,
        "--context 1",
        &expect![[r#"
        different at event 11 of a.chain and event 11 of b.chain, after 6 equal

              10  <- charge: ok(2)
        +     11  -> shop:pay/api charge(total: 200, id: "o-2", headers: [{name: "agent", value: "shop/200"}])
        +     12  <- charge: ok(2)
              11  -> shop:pay/api charge(total: 300, id: "o-3", headers: [{name: "agent", value: "shop/300"}])

        from there on: 9 equal, 0 changed, 0 only in a.chain, 2 only in b.chain
        next: theater-replay show a.chain --from 8 --to 14 --full
        --- exit 1
    "#]],
    );
}

#[test]
fn several_differences_are_shown_with_what_is_equal_between() {
    let other = Build { total: 1, note: "all paid!".to_owned(), ..Build::default() };
    check(
        &Build::default(),
        &other,
        "--context 1",
        &expect![[r#"
        different at event 7 of a.chain and event 7 of b.chain, after 2 equal

               6  <- charge: ok(0)
        -      7  -> shop:pay/api charge(total: 4400, id: "o-1", headers: [{name: "agent", value: "shop/4400"}])
        +      7  -> shop:pay/api charge(total: 1, id: "o-1", headers: [{name: "agent", value: "shop/1"}])
                    args[0] (total): 4400 -> 1 (-4399)
                    args[2][0].value (headers): "shop/4400" -> "shop/1"
               8  <- charge: ok(1)
                  ...
              16  <- charge: ok(5)
        -     17  -> shop:log/log note(text: "all paid")
        +     17  -> shop:log/log note(text: "all paid!")
                    args[0] (text): "all paid" -> "all paid!"
              18  <- note: ()

        from there on: 11 equal, 2 changed, 0 only in a.chain, 0 only in b.chain
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
fn a_prefix_ends_where_the_whole_goes_on() {
    let whole = Build { payments: 9, closes: false, ..Build::default() };
    let scene = scene(&whole, &whole);
    let bytes = whole.run();
    scene.write("a.chain", &bytes[..frame_of(&bytes, 9).start]);
    scene.check("diff a.chain b.chain", &expect![[r#"
        different: a.chain ends after 4 events, b.chain goes on with event 9

               6  <- charge: ok(0)
               7  -> shop:pay/api charge(total: 4400, id: "o-1", headers: [{name: "agent", value: "shop/4400"}])
               8  <- charge: ok(1)
        +      9  -> shop:pay/api charge(total: 200, id: "o-2", headers: [{name: "agent", value: "shop/200"}])
        +     10  <- charge: ok(2)
        +     11  -> shop:pay/api charge(total: 300, id: "o-3", headers: [{name: "agent", value: "shop/300"}])
        +     12  <- charge: ok(3)
        +     13  -> shop:pay/api charge(total: 400, id: "o-4", headers: [{name: "agent", value: "shop/400"}])
        +         ... 11 more events only in b.chain

        from there on: 0 equal, 0 changed, 0 only in a.chain, 16 only in b.chain
        next: theater-replay show b.chain --from 6 --to 12 --full
        --- exit 1
    "#]]);
    scene.check(
        "diff b.chain a.chain --context 1 --stat",
        &expect![[r#"
        different: a.chain ends after 4 events, b.chain goes on with event 9
        from there on: 0 equal, 0 changed, 16 only in b.chain, 0 only in a.chain
        next: theater-replay show b.chain --from 6 --to 12 --full
        --- exit 1
    "#]],
    );
}

#[test]
fn time_can_be_ignored() {
    let (a, b) = (
        Build { looks_at_clock: true, ..Build::default() },
        Build { looks_at_clock: true, seed: 2, ..Build::default() },
    );
    check(
        &a,
        &b,
        "--first --context 1",
        &expect![[r#"
        different at event 6 of a.chain and event 6 of b.chain, after 1 equal

               5  -> wasi:clocks/monotonic-clock@0.2.6 now()
        -      6  <- now: 1
        +      6  <- now: 2
                    result: 1 -> 2 (+1)

        next: theater-replay show a.chain --from 3 --to 9 --full
        --- exit 1
    "#]],
    );
    check(
        &a,
        &b,
        "--ignore time",
        &expect![[r#"
        same: 15 events
        ignored: 12 events of a.chain and 12 of b.chain
        --- exit 0
    "#]],
    );
    check(
        &a,
        &b,
        "--ignore result --stat",
        &expect![[r#"
        same: 27 events
        --- exit 0
    "#]],
    );
    check(
        &a,
        &Build::default(),
        "--ignore time",
        &expect![[r#"
        same: 15 events
        ignored: 12 events of a.chain and 0 of b.chain
        --- exit 0
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

#[test]
fn chains_stand_beside_each_other() {
    let other = Build { retries: true, total: 7, ..Build::default() };
    check(
        &Build::default(),
        &other,
        "--side-by-side --context 2",
        &expect![[r#"
        different at event 7 of a.chain and event 7 of b.chain, after 2 equal

             5  -> shop:pay/api charge(total: 0, id: "o-0", headers: [{name: "age...        5  -> shop:pay/api charge(total: 0, id: "o-0", headers: [{name: "age...
             6  <- charge: ok(0)                                                            6  <- charge: ok(0)
             7  -> shop:pay/api charge(total: 4400, id: "o-1", headers: [{name: "... |      7  -> shop:pay/api charge(total: 7, id: "o-1", headers: [{name: "age...
                    args[0] (total): 4400 -> 7 (-4393)
                    args[2][0].value (headers): "shop/4400" -> "shop/7"
             8  <- charge: ok(1)                                                            8  <- charge: ok(1)
             9  -> shop:pay/api charge(total: 200, id: "o-2", headers: [{name: "a...        9  -> shop:pay/api charge(total: 200, id: "o-2", headers: [{name: "a...
            10  <- charge: ok(2)                                                           10  <- charge: ok(2)
                                                                                     >     11  -> shop:pay/api charge(total: 200, id: "o-2", headers: [{name: "a...
                                                                                     >     12  <- charge: ok(2)
            11  -> shop:pay/api charge(total: 300, id: "o-3", headers: [{name: "a...       13  -> shop:pay/api charge(total: 300, id: "o-3", headers: [{name: "a...
            12  <- charge: ok(3)                                                           14  <- charge: ok(3)

        from there on: 12 equal, 1 changed, 0 only in a.chain, 2 only in b.chain
        next: theater-replay show a.chain --from 4 --to 10 --full
        --- exit 1
    "#]],
    );
}

#[test]
fn counts_can_be_all_that_is_shown() {
    let other = Build { retries: true, total: 7, ..Build::default() };
    check(
        &Build::default(),
        &other,
        "--stat",
        &expect![[r#"
        different at event 7 of a.chain and event 7 of b.chain, after 2 equal
        from there on: 12 equal, 1 changed, 0 only in a.chain, 2 only in b.chain
        next: theater-replay show a.chain --from 4 --to 10 --full
        --- exit 1
    "#]],
    );
}

#[test]
fn the_first_difference_can_be_all_that_is_shown() {
    let other = Build { retries: true, total: 7, ..Build::default() };
    check(
        &Build::default(),
        &other,
        "--first --context 1",
        &expect![[r#"
        different at event 7 of a.chain and event 7 of b.chain, after 2 equal

               6  <- charge: ok(0)
        -      7  -> shop:pay/api charge(total: 4400, id: "o-1", headers: [{name: "agent", value: "shop/4400"}])
        +      7  -> shop:pay/api charge(total: 7, id: "o-1", headers: [{name: "agent", value: "shop/7"}])
                    args[0] (total): 4400 -> 7 (-4393)
                    args[2][0].value (headers): "shop/4400" -> "shop/7"

        next: theater-replay show a.chain --from 4 --to 10 --full
        --- exit 1
    "#]],
    );
}

#[test]
fn nothing_is_aligned_when_time_is_up() {
    let other = Build { retries: true, total: 7, ..Build::default() };
    check(
        &Build::default(),
        &other,
        "--deadline 0 --context 1",
        &expect![[r#"
        different at event 7 of a.chain and event 7 of b.chain, after 2 equal

               6  <- charge: ok(0)
        -      7  -> shop:pay/api charge(total: 4400, id: "o-1", headers: [{name: "agent", value: "shop/4400"}])
        +      7  -> shop:pay/api charge(total: 7, id: "o-1", headers: [{name: "agent", value: "shop/7"}])
                    args[0] (total): 4400 -> 7 (-4393)
                    args[2][0].value (headers): "shop/4400" -> "shop/7"

        from there on: 0 equal, 0 changed, 0 only in a.chain, 0 only in b.chain
        not aligned: 13 events of a.chain and 15 of b.chain: time was up after 0 s; a longer --deadline or a faster machine gets further
        next: theater-replay show a.chain --from 4 --to 10 --full
        --- exit 1
    "#]],
    );
}

#[test]
fn a_damaged_chain_is_compared_with_a_warning() {
    let scene = scene(&Build::default(), &Build::default());
    let mut bytes = Build::default().run();
    let removed = frame_of(&bytes, 9);
    bytes[removed].fill(0);
    scene.write("b.chain", &bytes);
    scene.check("diff a.chain b.chain --context 1", &expect![[r#"
        different at event 9 of a.chain and event 10 of b.chain, after 4 equal
          records of b.chain are missing right before: damage may be all there is to it

               8  <- charge: ok(1)
        -      9  -> shop:pay/api charge(total: 200, id: "o-2", headers: [{name: "agent", value: "shop/200"}])
              10  <- charge: ok(2)

        from there on: 10 equal, 0 changed, 1 only in a.chain, 0 only in b.chain
        next: theater-replay show a.chain --from 6 --to 12 --full
        --- messages
        warning: b.chain is damaged; what can be read of it was compared
          try: theater-replay verify b.chain
        --- exit 1
    "#]]);
}

#[test]
fn another_order_of_events_is_another_shape() {
    let scene = scene(&Build { looks_at_clock: true, ..Build::default() }, &Build::default());
    scene.check("diff a.chain b.chain --first --context 1", &expect![[r#"
        different at event 5 of a.chain and event 5 of b.chain, after 0 equal

        -      5  -> wasi:clocks/monotonic-clock@0.2.6 now()
        +      5  -> shop:pay/api charge(total: 0, id: "o-0", headers: [{name: "agent", value: "shop/0"}])

        next: theater-replay show a.chain --from 2 --to 8 --full
        --- exit 1
    "#]]);
}

#[test]
fn what_cannot_be_compared_is_trouble() {
    let scene = Scene::with_sample();
    scene.write("empty.chain", b"");
    scene.check(
        "diff sample.chain empty.chain",
        &expect![[r#"
        --- messages
        error: cannot check empty.chain: not a chain: the file is empty
          try: name a file that theater has recorded
        --- exit 2
    "#]],
    );
    scene.check(
        "diff sample.chain missing.chain",
        &expect![[r#"
        --- messages
        error: there is no file missing.chain
          try: check the spelling, or look with ls
        --- exit 2
    "#]],
    );
    scene.check("diff sample.chain sample.chain --ignore tim", &expect![[r#"
        --- messages
        error: --ignore: `tim` is neither a class (time, random, ids) nor a path such as args[1].headers[*].value
        --- exit 2
    "#]]);
    scene.check(
        "diff sample.chain sample.chain --deadline -1",
        &expect![[r#"
        --- messages
        error: unexpected argument '-1' found

          tip: to pass '-1' as a value, use '-- -1'

        Usage: theater-replay diff [OPTIONS] <A> <B>

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
}

#[test]
fn a_chain_is_the_same_as_itself_and_as_what_is_left_of_it() {
    let scene = Scene::with_sample();
    scene.write("redacted.chain", &crate::scene::redacted());
    scene.check(
        "diff sample.chain sample.chain",
        &expect![[r#"
        same: 24 events
        --- exit 0
    "#]],
    );
    scene.check(
        "diff sample.chain redacted.chain",
        &expect![[r#"
        same: 24 events
        --- exit 0
    "#]],
    );
    scene.check(
        "diff sample.chain redacted.chain --stat --json",
        &expect![[r#"
        --- messages
        error: the argument '--stat' cannot be used with '--json'

        Usage: theater-replay diff --stat <A> <B>

        For more information, try '--help'.
        --- exit 2
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

#[test]
fn json_says_it_all() {
    let other = Build { retries: true, total: 7, component: 0xbb, ..Build::default() };
    let scene = scene(&Build::default(), &other);
    scene.check_file("diff a.chain b.chain --json", &expect_file!["diff.json.txt"]);
}
