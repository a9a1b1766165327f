//! `doctor`: what people see of a diagnosis.

use expect_test::expect;

use crate::recorded::Stage;

/// A folder with a component in it.
fn stage(component: &str) -> Stage {
    let stage = Stage::new();
    stage.add_component(component);
    stage
}

#[test]
fn findings_with_source_lines() {
    let twins = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus/twins");
    let stage = stage("mutant-base");
    stage.check(
        &format!("doctor mutant-base.wasm --invoke step(3) --keep kept --debug-info '{twins}'"),
        &expect![[r#"
            mutant-base.wasm: 2 findings
              1. it depends on the time
                 varied   clocks start 401 days later
                 enters   wasi:clocks/wall-clock@0.2.12#now, first at event 7
                            at mutants/src/lib.rs:77:10 in step
                          wasi:clocks/monotonic-clock@0.2.12#now, first at event 22
                            at mutants/src/lib.rs:114:9 in write_and_measure
                 shows    at event 27 in theater:mutants/steps#step
                            result.ok[0].value
                              first   1700000000
                              varied  1734658742
                            in step, mutants/src/lib.rs:57:9
                 to do    take the time as an argument, or stop the clock: theater run --clocks fixed:0+1000000

              2. it depends on randomness
                 varied   another seed: 2
                 enters   wasi:random/random@0.2.12#get-random-u64, first at event 10
                            at mutants/src/lib.rs:77:37 in step
                 shows    at event 27 in theater:mutants/steps#step
                            result.ok[1].value
                              first   2573934286509310097
                              varied  15264759199633499514
                            in step, mutants/src/lib.rs:57:9
                 to do    take a seed as an argument, or give one: theater run --random seed:1

              varied: the time 3 times, randomness 3 times, the environment 3 times, addresses in memory 3 times
              not varied: what is ready first, because it never waits for several things
              not varied: the order of directory entries, because no directory is granted
              14 recordings, and each replays exactly
              next: theater-replay diff kept/first.chain.cbor kept/time.chain.cbor
            --- exit 1
        "#]],
    );
    stage.check(
        "run kept/first.chain.cbor --component mutant-base.wasm --quiet",
        &expect![[r#"
        kept/first.chain.cbor: the same, 31 events
          head HASH@30, computed from what the component did
        --- exit 0
    "#]],
    );
    stage.check("diff kept/first.chain.cbor kept/random.chain.cbor --stat", &expect![[r#"
        different at event 11 of kept/first.chain.cbor and event 11 of kept/random.chain.cbor, after 5 equal
        from there on: 11 equal, 2 changed, 0 only in kept/first.chain.cbor, 0 only in kept/random.chain.cbor
        next: theater-replay show kept/first.chain.cbor --from 8 --to 14 --full
        --- exit 1
    "#]]);
}

#[test]
fn one_finding() {
    stage("buckets").check("doctor buckets.wasm", &expect![[r#"
        buckets.wasm: 1 finding
          1. it depends on addresses in memory
             varied   PATH and the program's name are 48 bytes longer
             enters   wasi:cli/environment@0.2.6#get-environment, first at event 5
                        in getenv, line unknown
             shows    at event 21 in wasi:io/streams@0.2.6#[method]output-stream.write
                        args[1], from byte 19
                          first   b"253\n"
                          varied  b"82\n"
                        in write, line unknown
             to do    do not print, hash or sort by addresses: number things, or use their content

          varied: the environment 3 times, addresses in memory 3 times
          not varied: the time, because it imports no clock
          not varied: what is ready first, because it never waits for several things
          not varied: randomness, because it imports no randomness
          not varied: the order of directory entries, because no directory is granted
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          9 recordings, and each replays exactly
          next: the same with --keep FOLDER keeps the recordings; theater-replay diff shows more
        --- exit 1
    "#]]);
    stage("whoami").check("doctor whoami.wasm --runs 1", &expect![[r#"
        whoami.wasm: 1 finding
          1. it depends on the environment
             varied   other values, as long as the first
             enters   wasi:cli/environment@0.2.6#get-environment, first at event 5
                        in getenv, line unknown
             shows    at event 21 in wasi:io/streams@0.2.6#[method]output-stream.write
                        args[1], from byte 7
                          first   b"ann\n"
                          varied  b"boo\n"
                        in write, line unknown
             to do    take it as an argument, or say what it is each time: theater run --env NAME=VALUE

          varied: the environment 1 time
          not varied: the time, because it imports no clock
          not varied: what is ready first, because it never waits for several things
          not varied: randomness, because it imports no randomness
          not varied: the order of directory entries, because no directory is granted
          not varied: addresses in memory, because it depends on the environment, which moves them too
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          3 recordings, and each replays exactly
          next: the same with --keep FOLDER keeps the recordings; theater-replay diff shows more
        --- exit 1
    "#]]);
}

#[test]
fn what_is_given_is_input() {
    stage("whoami").check("doctor whoami.wasm --env USER=eve", &expect![[r#"
        whoami.wasm: nothing found
          note: it is told the environment by wasi:cli/environment@0.2.6#get-environment, in getenv, line unknown; nothing shows of it
          varied: the environment 3 times, addresses in memory 3 times
          not varied: the time, because it imports no clock
          not varied: what is ready first, because it never waits for several things
          not varied: randomness, because it imports no randomness
          not varied: the order of directory entries, because no directory is granted
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          8 recordings, and each replays exactly
        --- exit 0
    "#]]);
}

#[test]
fn nothing_found() {
    stage("hello").check(
        "doctor hello.wasm -- world",
        &expect![[r#"
        hello.wasm: nothing found
          varied: the environment 3 times, addresses in memory 3 times
          not varied: the time, because it imports no clock
          not varied: what is ready first, because it never waits for several things
          not varied: randomness, because it imports no randomness
          not varied: the order of directory entries, because no directory is granted
          8 recordings, and each replays exactly
        --- exit 0
    "#]],
    );
    stage("nap").check("doctor nap.wasm", &expect![[r#"
        nap.wasm: nothing found
          note: it is told the time by wasi:clocks/monotonic-clock@0.2.12#now, in nap::main, line unknown; nothing shows of it
          varied: the time 3 times, the environment 3 times, addresses in memory 3 times
          not varied: what is ready first, because it never waits for several things
          not varied: randomness, because it imports no randomness
          not varied: the order of directory entries, because no directory is granted
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          11 recordings, and each replays exactly
        --- exit 0
    "#]]);
}

#[test]
fn trouble() {
    let stage = stage("ledger");
    stage.add_component("unknown-import");
    stage.write("no.wasm", b"nothing");
    stage.check(
        "doctor missing.wasm",
        &expect![[r#"
        --- messages
        error: there is no file missing.wasm
          try: check the spelling, or look with ls
        --- exit 2
    "#]],
    );
    stage.check(
        "doctor no.wasm",
        &expect![[r#"
        --- messages
        error: no.wasm is not WebAssembly: its first bytes are not a module's or a component's
          try: build the component first, and name the .wasm file
        --- exit 2
    "#]],
    );
    stage.check(
        "doctor ledger.wasm",
        &expect![[r#"
        --- messages
        error: ledger.wasm is no program: it does not export wasi:cli/run
          try: call what it exports with --invoke 'FUNCTION(ARGUMENTS)'
        --- exit 2
    "#]],
    );
    stage.check(
        "doctor ledger.wasm --invoke close",
        &expect![[r#"
        --- messages
        error: --invoke 'close': expected `(` and the arguments at column 6, found the end
        --- exit 2
    "#]],
    );
    stage.check(
        "doctor ledger.wasm --invoke 'balance(7)'",
        &expect![[r#"
        --- messages
        error: --invoke 'balance(7)': expected string at column 9, found 7
        --- exit 2
    "#]],
    );
    stage.check(
        "doctor unknown-import.wasm --invoke ask()",
        &expect![[r#"
        --- messages
        error: --invoke 'ask()': expected the argument question: u32 at column 5, found `)`
        --- exit 2
    "#]],
    );
}

#[test]
fn trouble_with_what_is_given() {
    let stage = stage("hello");
    stage.check(
        "doctor hello.wasm --runs 0",
        &expect![[r#"
        --- messages
        error: invalid value '0' for '--runs <N>': 0 is not in 1..=1000

        For more information, try '--help'.
        --- exit 2
    "#]],
    );
    stage.check("doctor hello.wasm --dir missing::/", &expect![[r#"
        --- messages
        error: hello.wasm cannot be examined: cannot copy missing: No such file or directory (os error 2)
          try: name a directory that can be read, or grant it for reading only: --dir HOST::GUEST:ro
        --- exit 2
    "#]]);
    stage.check(
        "doctor hello.wasm --stdin missing",
        &expect![[r#"
        --- messages
        error: cannot read missing: No such file or directory (os error 2)
          try: name a file that can be read with --stdin
        --- exit 2
    "#]],
    );
    stage.check(
        "doctor hello.wasm --keep hello.wasm",
        &expect![[r#"
        --- messages
        error: cannot create hello.wasm: File exists (os error 17)
          try: name a folder that does not exist with --keep
        --- exit 2
    "#]],
    );
    stage.check(
        "doctor hello.wasm --debug-info missing",
        &expect![[r#"
        --- messages
        error: cannot read missing: No such file or directory (os error 2)
          try: name a build that can be read with --debug-info
        --- exit 2
    "#]],
    );
}
