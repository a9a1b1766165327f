//! `diff`: where two chains part, as people see it.

mod values;

use expect_test::{Expect, expect, expect_file};

use crate::scene::{Scene, frame_of};
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

#[test]
fn json_says_it_all() {
    let other = Build { retries: true, total: 7, component: 0xbb, ..Build::default() };
    let scene = scene(&Build::default(), &other);
    scene.check_file("diff a.chain b.chain --json", &expect_file!["diff.json.txt"]);
}
