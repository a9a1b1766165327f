//! What `show` and `stat` make of damaged chains.

use expect_test::{Expect, expect};
use theater_record::Frame;
use theater_replay::Exit;

use crate::scene::{Scene, frame_of, open, sample};

fn check(change: impl FnOnce(&mut Vec<u8>), line: &str, expected: &Expect) {
    let scene = Scene::new();
    let mut bytes = sample();
    change(&mut bytes);
    scene.write("bad.chain", &bytes);
    scene.check(line, expected);
}

#[test]
fn a_record_whose_start_is_overwritten() {
    let change = |bytes: &mut Vec<u8>| {
        let frame = frame_of(bytes, 6);
        bytes[frame.start..frame.start + 10].fill(0);
    };
    check(
        change,
        "show bad.chain --from 5 --to 8",
        &expect![[r#"
                 5  => run(input: "hé\u{1b}[31m\n")
                 7  <-   {seconds: 12, nanoseconds: 5}
                 8  type        wasi:filesystem/types@0.2.6#descriptor = resource
            --- messages
            note: skipped 48 bytes from byte 518: no record
            note: event 5 is followed by event 7 at byte 566
              try: theater-replay verify bad.chain
            --- exit 1
        "#]],
    );
}

#[test]
fn a_record_that_claims_to_be_longer() {
    let change = |bytes: &mut Vec<u8>| {
        let frame = frame_of(bytes, 6);
        bytes[frame.start + 3] = 0xff;
    };
    check(
        change,
        "show bad.chain --from 5 --to 8",
        &expect![[r#"
                 5  => run(input: "hé\u{1b}[31m\n")
                 7  <-   {seconds: 12, nanoseconds: 5}
                 8  type        wasi:filesystem/types@0.2.6#descriptor = resource
            --- messages
            note: skipped 48 bytes from byte 518: a malformed record: bytes after the end of the item at byte 44
            note: event 5 is followed by event 7 at byte 566
              try: theater-replay verify bad.chain
            --- exit 1
        "#]],
    );
}

#[test]
fn a_function_whose_name_is_lost() {
    let change = |bytes: &mut Vec<u8>| {
        let frame = frame_of(bytes, 3);
        bytes.drain(frame);
    };
    check(
        change,
        "show bad.chain --to 7",
        &expect![[r#"
                 0  header      "sample" recorded by theater 0.1.0, chain d32a8aae8bb3fd1ebd5fe6d2c9811c72  2026-01-02 03:04:05.006 UTC
                 1  type        wasi:clocks/wall-clock@0.2.6#datetime = record {seconds: u64, nanoseconds: u32}
                 2  function    run(input: string) -> result
                 4  spawned     2026-01-02 03:04:05.006 UTC
                 5  => run(input: "hé\u{1b}[31m\n")
                 6    -> function-1()
                 7    <-   [[12, 5]]
            --- messages
            note: event 2 is followed by event 4 at byte 316
              try: theater-replay verify bad.chain
            --- exit 1
        "#]],
    );
}

#[test]
fn magic_and_header_are_lost() {
    let change = |bytes: &mut Vec<u8>| bytes[..100].fill(0);
    check(
        change,
        "show bad.chain --to 2 --json",
        &expect![[r#"
        {"schema":"theater-replay/show/1","events":[
        {"seq":1,"offset":137,"kind":"type","id":0,"name":"wasi:clocks/wall-clock@0.2.6#datetime","type":"record {seconds: u64, nanoseconds: u32}"},
        {"seq":2,"offset":250,"kind":"function","id":0,"interface":"","name":"run","params":"input: string","results":"result"}
        ],"skipped":[{"offset":0,"bytes":137,"reason":"no chain starts here"}],"closed":false}
        --- messages
        note: skipped 137 bytes from byte 0: no chain starts here
        note: the first event is number 1, at byte 137
          try: theater-replay verify bad.chain
        --- exit 1
    "#]],
    );
}

#[test]
fn a_record_of_another_chain() {
    let change = |bytes: &mut Vec<u8>| {
        let frame = frame_of(bytes, 6);
        let mut foreign = bytes[frame.clone()].to_vec();
        let head = foreign.len() - Frame::parse(&foreign).unwrap().body().len();
        foreign[head + 2] ^= 1;
        bytes.splice(frame.start..frame.start, foreign);
    };
    check(
        change,
        "show bad.chain --from 5 --to 7",
        &expect![[r#"
             5  => run(input: "hé\u{1b}[31m\n")
             6    -> wasi:clocks/wall-clock@0.2.6 now()
             7    <-   {seconds: 12, nanoseconds: 5}
        --- messages
        note: skipped 48 bytes from byte 518: a record of another chain
          try: theater-replay verify bad.chain
        --- exit 1
    "#]],
    );
}

#[test]
fn a_torn_tail_leaves_the_chain_open() {
    let scene = Scene::new();
    let bytes = open();
    scene.write("torn.chain", &bytes[..bytes.len() - 5]);
    let last = frame_of(&bytes, 34).start;
    scene.write("cut.chain", &bytes[..last]);
    scene.check(
        "show torn.chain --from 32",
        &expect![[r#"
            32  <= run: ok
            33  completed   2026-01-02 03:04:05.006 UTC
        --- messages
        note: skipped 166 bytes from byte 12119: no complete record
        note: no close record: still being written, crashed, or cut off
        --- exit 3
    "#]],
    );
    scene.check(
        "show cut.chain --from 32",
        &expect![[r#"
            32  <= run: ok
            33  completed   2026-01-02 03:04:05.006 UTC
        --- messages
        note: no close record: still being written, crashed, or cut off
        --- exit 0
    "#]],
    );
}

#[test]
fn no_cut_and_no_flip_stops_show_and_stat() {
    let scene = Scene::new();
    let bytes = sample();
    for at in (0..bytes.len()).step_by(13) {
        scene.write("cut.chain", &bytes[..at]);
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        scene.write("flipped.chain", &flipped);
        for command in ["show", "stat"] {
            let cut = scene.run(&format!("{command} cut.chain --json")).exit;
            assert_eq!(cut == Exit::Trouble, at < 12, "{command}, cut at {at}");
            let flipped = scene.run(&format!("{command} flipped.chain --json")).exit;
            assert!(matches!(flipped, Exit::Fine | Exit::Finding), "{command}, flipped at {at}");
        }
    }
}

#[test]
fn stat_counts_what_is_left() {
    let change = |bytes: &mut Vec<u8>| {
        let frame = frame_of(bytes, 6);
        bytes[frame.start..frame.start + 10].fill(0);
    };
    let scene = Scene::new();
    let mut bytes = sample();
    change(&mut bytes);
    scene.write("bad.chain", &bytes);
    let outcome = scene.run("stat bad.chain");
    expect![[r#"
        note: skipped 48 bytes from byte 518: no record
        note: event 5 is followed by event 7 at byte 566
          try: theater-replay verify bad.chain
    "#]]
    .assert_eq(&outcome.err);
    assert_eq!(outcome.exit, Exit::Finding);
}
