//! `show` on a chain without faults, in each format.

use expect_test::expect;
use theater_replay::Exit;

use crate::scene::{Scene, recovered, redacted};

#[test]
fn the_whole_chain_for_people() {
    Scene::with_sample().check("show sample.chain", &expect![[r#"
             0  header      "sample" recorded by theater 0.1.0, chain d32a8aae8bb3fd1ebd5fe6d2c9811c72  2026-01-02 03:04:05.006 UTC
             1  type        wasi:clocks/wall-clock@0.2.6#datetime = record {seconds: u64, nanoseconds: u32}
             2  function    run(input: string) -> result
             3  function    wasi:clocks/wall-clock@0.2.6 now() -> datetime
             4  spawned     2026-01-02 03:04:05.006 UTC
             5  => run(input: "hé\u{1b}[31m\n")
             6    -> wasi:clocks/wall-clock@0.2.6 now()
             7    <-   {seconds: 12, nanoseconds: 5}
             8  type        wasi:filesystem/types@0.2.6#descriptor = resource
             9  type        wasi:filesystem/types@0.2.6#descriptor-flags = flags {read, write, sync}
            10  type        wasi:filesystem/types@0.2.6#error-code = enum {access, no-entry}
            11  function    wasi:filesystem/types@0.2.6 [method]descriptor.open-at(self: borrow<descriptor>, path: string, flags: descriptor-flags) -> result<descriptor, error-code>
            12  function    wasi:filesystem/types@0.2.6 [method]descriptor.write(self: borrow<descriptor>, data: list<u8>) -> result<u64, error-code>
            13    -> wasi:filesystem/types@0.2.6 [method]descriptor.open-at(self: &descriptor#1, path: "/data/out.txt", flags: {read, write})
            14      allowed filesystem "/data/out.txt"
            15    <-   ok(descriptor#2)
            16    -> wasi:filesystem/types@0.2.6 [method]descriptor.open-at(self: &descriptor#1, path: "/etc/passwd", flags: {read, write})
            17      denied filesystem "/etc/passwd" (reason 3): outside of /data
            18    <-   err(access)
            19    -> wasi:filesystem/types@0.2.6 [method]descriptor.write(self: &descriptor#2, data: <blob 9.00 kB 04346b72 "The quick brown fox jumps over the lazy dog. The"...>)
            20    <-   ok(9000)
            21    -> wasi:filesystem/types@0.2.6 [method]descriptor.write(self: &descriptor#2, data: <blob 9.00 kB 04346b72 "The quick brown fox jumps over the lazy dog. The"...>)
            22    <-   ok(9000)
            23    -> wasi:filesystem/types@0.2.6 [method]descriptor.write(self: <blob 1 B 43763bec 0x02>, data: <blob 8 B e62d1021 "a secret">)
            24    <-   trap host-error: disk full
            25    drop descriptor#2
            26  function    demo:all/types all(flag: bool, small: f32, odd: f64, which: variant {none-of-these, pair(tuple<s8, char>)}, maybe: option<option<s64>>, many: list<u16>, raw: list<u8>, names: map<string, u32>)
            27  function    call-back()
            28    -> demo:all/types all(flag: true, small: 0.1, odd: nan:0x7ff8000000000001, which: pair(-7, '\''), maybe: some(none), many: [0, 1, 2, 3, 4, 5, 6, 7, ... 92 more], raw: 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff... 18 bytes more, names: {"a": 1})
            29      => call-back()
            30      <=   ()
            31    <- all: ()
            32  <= run: ok
            33  completed   2026-01-02 03:04:05.006 UTC
            34  checkpoint  0 over 2.91 kB since event 0  2026-01-02 03:04:05.006 UTC
            35  close       completed: exit status 0  2026-01-02 03:04:05.006 UTC
        --- exit 0
    "#]]);
}

#[test]
fn a_range_in_full() {
    Scene::with_sample().check("show sample.chain --from 28 --to 32 --full", &expect![[r#"
            28    -> demo:all/types all(flag: true, small: 0.1, odd: nan:0x7ff8000000000001, which: pair(-7, '\''), maybe: some(none), many: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99], raw: 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff, names: {"a": 1})
            29      => call-back()
            30      <=   ()
            31    <- all: ()
            32  <= run: ok
        --- exit 0
    "#]]);
}

#[test]
fn a_range_as_one_document() {
    Scene::with_sample().check("show sample.chain --from 6 --to 9 --json", &expect![[r#"
        {"schema":"theater-replay/show/1","events":[
        {"seq":6,"offset":518,"kind":"import-call","interface":"wasi:clocks/wall-clock@0.2.6","function":"now","args":{}},
        {"seq":7,"offset":566,"kind":"import-return","interface":"wasi:clocks/wall-clock@0.2.6","function":"now","result":{"seconds":12,"nanoseconds":5}},
        {"seq":8,"offset":619,"kind":"type","id":1,"name":"wasi:filesystem/types@0.2.6#descriptor","type":"resource"},
        {"seq":9,"offset":709,"kind":"type","id":2,"name":"wasi:filesystem/types@0.2.6#descriptor-flags","type":"flags {read, write, sync}"}
        ],"skipped":[],"closed":false}
        --- exit 0
    "#]]);
}

#[test]
fn values_as_lines_of_json() {
    Scene::with_sample().check("show sample.chain --from 16 --to 33 --jsonl", &expect![[r#"
        {"seq":16,"offset":1391,"kind":"import-call","interface":"wasi:filesystem/types@0.2.6","function":"[method]descriptor.open-at","args":{"self":{"resource":"descriptor","number":1,"owned":false},"path":"/etc/passwd","flags":["read","write"]}}
        {"seq":17,"offset":1453,"kind":"permission","capability":"filesystem","subject":"/etc/passwd","allowed":false,"reason":3,"detail":"outside of /data"}
        {"seq":18,"offset":1541,"kind":"import-return","interface":"wasi:filesystem/types@0.2.6","function":"[method]descriptor.open-at","result":{"err":"access"}}
        {"seq":19,"offset":10659,"kind":"import-call","interface":"wasi:filesystem/types@0.2.6","function":"[method]descriptor.write","args":{"self":{"resource":"descriptor","number":2,"owned":false},"data":{"blob":["04346b7282f4222d1910190f53e86776bce81733286c0cd05b8c151b1618e10f"],"length":9000,"preview":"54686520717569636b2062726f776e20666f78206a756d7073206f76657220746865206c617a7920646f672e20546865"}}}
        {"seq":20,"offset":10749,"kind":"import-return","interface":"wasi:filesystem/types@0.2.6","function":"[method]descriptor.write","result":{"ok":9000}}
        {"seq":21,"offset":10804,"kind":"import-call","interface":"wasi:filesystem/types@0.2.6","function":"[method]descriptor.write","args":{"self":{"resource":"descriptor","number":2,"owned":false},"data":{"blob":["04346b7282f4222d1910190f53e86776bce81733286c0cd05b8c151b1618e10f"],"length":9000,"preview":"54686520717569636b2062726f776e20666f78206a756d7073206f76657220746865206c617a7920646f672e20546865"}}}
        {"seq":22,"offset":10894,"kind":"import-return","interface":"wasi:filesystem/types@0.2.6","function":"[method]descriptor.write","result":{"ok":9000}}
        {"seq":23,"offset":11082,"kind":"import-call","interface":"wasi:filesystem/types@0.2.6","function":"[method]descriptor.write","args":{"self":{"blob":["43763bec31532425bfe86ef57b7d00ae50e823e28d22f01cf81021ccfd81f991"],"length":1,"preview":"02"},"data":{"blob":["e62d1021ad39c6972b0a4627fa5959fe4ec29b6e4712fb7243564e7a8d7dce4b"],"length":8,"preview":"6120736563726574"}}}
        {"seq":24,"offset":11208,"kind":"import-return","interface":"wasi:filesystem/types@0.2.6","function":"[method]descriptor.write","trap":"host-error","detail":"disk full","fuel":1234}
        {"seq":25,"offset":11272,"kind":"resource-drop","resource":{"resource":"descriptor","number":2,"owned":true}}
        {"seq":26,"offset":11321,"kind":"function","id":4,"interface":"demo:all/types","name":"all","params":"flag: bool, small: f32, odd: f64, which: variant {none-of-these, pair(tuple<s8, char>)}, maybe: option<option<s64>>, many: list<u16>, raw: list<u8>, names: map<string, u32>","results":""}
        {"seq":27,"offset":11488,"kind":"function","id":5,"interface":"","name":"call-back","params":"","results":""}
        {"seq":28,"offset":11549,"kind":"import-call","interface":"demo:all/types","function":"all","args":{"flag":true,"small":0.1,"odd":"nan:0x7ff8000000000001","which":{"pair":[-7,"'"]},"maybe":{"some":null},"many":[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58,59,60,61,62,63,64,65,66,67,68,69,70,71,72,73,74,75,76,77,78,79,80,81,82,83,84,85,86,87,88,89,90,91,92,93,94,95,96,97,98,99],"raw":{"bytes":"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},"names":[["a",1]]}}
        {"seq":29,"offset":11857,"kind":"export-call","interface":"","function":"call-back","args":{}}
        {"seq":30,"offset":11906,"kind":"export-return","interface":"","function":"call-back","result":[]}
        {"seq":31,"offset":11957,"kind":"import-return","interface":"demo:all/types","function":"all","result":[]}
        {"seq":32,"offset":12008,"kind":"export-return","interface":"","function":"run","result":"ok"}
        {"seq":33,"offset":12061,"kind":"lifecycle","state":"completed","time":1767323045006000000,"detail":""}
        --- exit 0
    "#]]);
}

#[test]
fn records_in_diagnostic_notation() {
    Scene::with_sample().check("show sample.chain --from 5 --to 8 --diag", &expect![[r#"
        / export-call 5, byte 460 / 24(<<[h'd32a8aae', h'0bb103a2317c34b8823925641a6279472000cd7f48d8bdce35ba5a369c6a3418', 5, 3, 0, ["hé\u001b[31m\n"]]>>)
        / import-call 6, byte 518 / 24(<<[h'd32a8aae', h'97bd80683faf6361cfefdd6cba091ac3d2bef3058a2e0798ba8a1a371684ab56', 6, 4, 1, []]>>)
        / import-return 7, byte 566 / 24(<<[h'd32a8aae', h'879f5621ae5685f2581f0eb1b7b0eaa0e7d69c1b9c56b1d53a9d4e68795321fe', 7, 5, 1, [0, [[12, 5]]]]>>)
        / type 8, byte 619 / 24(<<[h'd32a8aae', h'28d6c0c13a9615e59686899b47643ba7f975e89162490e0b3f3105d23fde1c09', 8, 1, 1, "wasi:filesystem/types@0.2.6#descriptor", [25]]>>)
        --- exit 0
    "#]]);
}

#[test]
fn colours_change_nothing_but_colours() {
    let scene = Scene::with_sample();
    let plain = scene.run("show sample.chain").out;
    let coloured = scene.run("--color always show sample.chain").out;
    assert!(coloured.contains("\u{1b}["));
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    assert_eq!(stripped + rest, plain);
}

#[test]
fn a_guest_cannot_steer_the_terminal() {
    let scene = Scene::with_sample();
    for format in ["", "--json", "--jsonl", "--diag", "--full"] {
        let out = scene.run(&format!("show sample.chain {format}")).out;
        assert!(out.contains("[31m"), "the text is there");
        assert!(!out.chars().any(|char| char.is_control() && char != '\n'), "{format}");
    }
}

#[test]
fn the_last_event_is_the_last_one_shown() {
    let scene = Scene::with_sample();
    let all = scene.run("show sample.chain --jsonl").out.lines().count();
    let last = scene.run(&format!("show sample.chain --from {}", all - 1));
    assert_eq!((last.exit, last.out.lines().count()), (Exit::Fine, 1));
}

#[test]
fn a_range_behind_the_end_says_so() {
    Scene::with_sample().check(
        "show sample.chain --from 1000",
        &expect![[r#"
        --- messages
        note: no event fits; the last one looked at is event 35
        --- exit 0
    "#]],
    );
}

#[test]
fn a_recovery() {
    let scene = Scene::new();
    scene.write("recovered.chain", &recovered());
    scene.check(
        "show recovered.chain --from 34",
        &expect![[r#"
            34  checkpoint  0 over 2.91 kB since event 0  2026-01-02 03:04:05.006 UTC
            35  recover     1.23 kB of a torn tail were set aside  2026-01-02 03:04:05.006 UTC
        --- messages
        note: no close record: still being written, crashed, or cut off
        --- exit 0
    "#]],
    );
}

#[test]
fn a_removed_payload() {
    let scene = Scene::new();
    scene.write("redacted.chain", &redacted());
    scene.check("show redacted.chain --from 19 --to 20", &expect![[r#"
            19    -> wasi:filesystem/types@0.2.6 [method]descriptor.write(self: &descriptor#2, data: <blob 9.00 kB 04346b72 removed>)
            20    <-   ok(9000)
        --- exit 0
    "#]]);
    let line = scene.run("show redacted.chain --from 19 --to 19 --jsonl").out;
    assert!(line.contains(r#""length":9000,"removed":true"#), "{line}");
    let stat = scene.run("stat redacted.chain").out;
    assert!(stat.contains("blobs        2, 9 B; 1 removed, 9.00 kB; 1 repeated"), "{stat}");
    let verify = scene.run("verify redacted.chain");
    assert_eq!(verify.exit, Exit::Fine, "{}", verify.out);
    assert!(
        verify.out.contains("the content of 1 blob, 9.00 kB, removed on purpose"),
        "{}",
        verify.out
    );
}
