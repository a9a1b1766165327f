//! `show --filter` on values of a real chain.

use expect_test::{Expect, expect};
use theater_replay::Exit;

use crate::scene::{Scene, recovered};

fn check(filter: &str, expected: &Expect) {
    Scene::with_sample().check_words(&["show", "sample.chain", "--filter", filter], expected);
}

#[test]
fn by_permission() {
    check(
        "kind = permission and allowed = false",
        &expect![[r#"
            17      denied filesystem "/etc/passwd" (reason 3): outside of /data
        --- exit 0
    "#]],
    );
}

#[test]
fn by_argument() {
    check(
        "args.path ~ /etc or args[0] = true",
        &expect![[r#"
            16    -> wasi:filesystem/types@0.2.6 [method]descriptor.open-at(self: &descriptor#1, path: "/etc/passwd", flags: {read, write})
            28    -> demo:all/types all(flag: true, small: 0.1, odd: nan:0x7ff8000000000001, which: pair(-7, '\''), maybe: some(none), many: [0, 1, 2, 3, 4, 5, 6, 7, ... 92 more], raw: 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff... 18 bytes more, names: {"a": 1})
        --- exit 0
    "#]],
    );
}

#[test]
fn by_result() {
    check(
        "result.err = access or result.seconds >= 12 or trap = host-error",
        &expect![[r#"
             7    <- wasi:clocks/wall-clock@0.2.6 now: {seconds: 12, nanoseconds: 5}
            18    <- wasi:filesystem/types@0.2.6 [method]descriptor.open-at: err(access)
            24    <- wasi:filesystem/types@0.2.6 [method]descriptor.write: trap host-error: disk full
        --- exit 0
    "#]],
    );
}

#[test]
fn by_out_of_line_content() {
    check(
        "args.data ~ \"a secret\"",
        &expect![[r#"
            23    -> wasi:filesystem/types@0.2.6 [method]descriptor.write(self: <blob 1 B 43763bec 0x02>, data: <blob 8 B e62d1021 "a secret">)
        --- exit 0
    "#]],
    );
}

#[test]
fn nothing_fits() {
    check(
        "kind = recover",
        &expect![[r#"
        --- messages
        note: no event fits; the last one looked at is event 35
        --- exit 0
    "#]],
    );
}

#[test]
fn a_mistake_is_pointed_at() {
    check(
        "kind = import-call and functoin = now",
        &expect![[r#"
            --- messages
            error: in the filter: unknown field; the most used are kind, interface, function, seq, args, result, trap, capability and allowed
              kind = import-call and functoin = now
                                     ^
            --- exit 2
        "#]],
    );
}

#[test]
fn every_field_that_is_shown_can_be_filtered() {
    let scene = Scene::with_sample();
    scene.write("recovered.chain", &recovered());
    for chain in ["sample.chain", "recovered.chain"] {
        let events = scene.run(&format!("show {chain} --jsonl")).out;
        for line in events.lines() {
            let event: serde_json::Map<String, serde_json::Value> =
                serde_json::from_str(line).unwrap();
            for field in event.keys() {
                let filter = format!("{field} ~ \"\"");
                let found = scene.run_words(&["show", chain, "--filter", &filter]);
                assert_ne!(found.exit, Exit::Trouble, "{filter}: {}", found.err);
            }
        }
    }
}
