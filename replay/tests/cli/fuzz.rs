//! `fuzz`: calls that are made up, and whether their recordings can be replayed.
//!
//! No component is known for which they cannot. What is said then is tested beside the sources, with
//! a host that has a bug.

use expect_test::expect;

use crate::recorded::Stage;

/// A stage with these components of the corpus.
pub(crate) fn stage(components: &[&str]) -> Stage {
    let stage = Stage::new();
    components.iter().for_each(|name| stage.add_component(name));
    stage
}

#[test]
fn a_sound_component() {
    let stage = stage(&["ledger", "resources"]);
    stage.check(
        "fuzz ledger.wasm --seed 42 --cases 50",
        &expect![[r#"
            ledger.wasm: every recording replays, 50 cases
              233 calls in 50 cases
                30  theater:ledger/accounts#open
                36  theater:ledger/accounts#add
                29  theater:ledger/accounts#transfer
                34  theater:ledger/accounts#balance
                39  theater:ledger/accounts#history
                24  theater:ledger/accounts#statement
                41  theater:ledger/accounts#close
              the same cases again: theater-replay fuzz ledger.wasm --seed 42 --cases 50
            --- exit 0
        "#]],
    );
    stage.check(
        "fuzz resources.wasm --seed 1 --cases 40 --calls 12 --only counters",
        &expect![[r#"
            resources.wasm: every recording replays, 40 cases
              244 calls in 40 cases
                133  theater:resources/counters#[constructor]counter
                 22  theater:resources/counters#[method]counter.add
                 14  theater:resources/counters#[method]counter.value
                 14  theater:resources/counters#[method]counter.copy
                 10  theater:resources/counters#[static]counter.sum
                 13  theater:resources/counters#spend
                 26  theater:resources/counters#alive
                 12  theater:resources/counters#[resource-drop]counter
                  -  7 exports not asked for
              the same cases again: theater-replay fuzz resources.wasm --seed 1 --cases 40 --calls 12 --only counters
            --- exit 0
        "#]],
    );
}

#[test]
fn time_and_randomness_of_the_system() {
    let stage = stage(&["mutant-base"]);
    let fuzz = "fuzz mutant-base.wasm --seed 42 --cases 10 --calls 4 --env LANG=en";
    stage.check(
        &format!("{fuzz} --random system --clocks system"),
        &expect![[r#"
            mutant-base.wasm: every recording replays, 10 cases
              24 calls in 10 cases
                11  theater:mutants/steps#step
                13  theater:mutants/steps#total
              recorded once: with time or randomness of the system, no two are the same
              the same cases again: theater-replay fuzz mutant-base.wasm --seed 42 --cases 10 --calls 4 --random system --clocks system --env 'LANG=en'
            --- exit 0
        "#]],
    );
}

#[test]
fn the_same_seed_finds_the_same() {
    let stage = stage(&["floats"]);
    let run = |seed| stage.run(&format!("fuzz floats.wasm --cases 20 --json --seed {seed}")).stdout;
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
    // Without one, it is another one each time, and it is said which.
    let seeds: Vec<String> = (0..2)
        .map(|_| String::from_utf8(stage.run("fuzz floats.wasm --cases 1").stdout).unwrap())
        .collect();
    assert!(seeds.iter().all(|said| said.contains(" --seed ")));
    assert_ne!(seeds[0], seeds[1]);
}

#[test]
fn what_cannot_be_tried() {
    let stage = stage(&["unknown-import", "async-export"]);
    stage.write("empty.wasm", b"\0asm\x0d\0\x01\0");
    let check = |line, expected| stage.check(line, expected);
    check(
        "fuzz none.wasm",
        &expect![[r#"
            --- messages
            error: there is no file none.wasm
              try: check the spelling, or look with ls
            --- exit 2
        "#]],
    );
    check(
        "fuzz .",
        &expect![[r#"
            --- messages
            error: . is a directory, not a component
              try: name a file in it: ls .
            --- exit 2
        "#]],
    );
    check(
        "fuzz empty.wasm",
        &expect![[r#"
            --- messages
            error: empty.wasm exports no function, so there is nothing to call
              try: export functions that take values, or that return the resources others take
            --- exit 2
        "#]],
    );
    check(
        "fuzz async-export.wasm",
        &expect![[r#"
            --- messages
            error: async-export.wasm cannot be run: the component is asynchronous, and only synchronous ones can be recorded: async func theater:refused/waiting#wait
            --- exit 2
        "#]],
    );
    check(
        "fuzz unknown-import.wasm",
        &expect![[r#"
            --- messages
            error: unknown-import.wasm cannot be run: the component imports what nobody here provides: theater:refused/nowhere
              try: build it for WASI 0.2; it is given cli, clocks, random, io, filesystem, sockets and http
            --- exit 2
        "#]],
    );
}

#[test]
fn what_cannot_be_asked_for() {
    let stage = stage(&["ledger", "resources"]);
    let check = |line, expected| stage.check(line, expected);
    check(
        "fuzz ledger.wasm --out nowhere",
        &expect![[r#"
            --- messages
            error: there is no folder nowhere
              try: make it first, or name another one with --out
            --- exit 2
        "#]],
    );
    check(
        "fuzz ledger.wasm --only opne",
        &expect![[r#"
            --- messages
            error: --only: no function is called opne; did you mean theater:ledger/accounts#open?
            --- exit 2
        "#]],
    );
    check(
        "fuzz resources.wasm --only spend",
        &expect![[r#"
            --- messages
            error: resources.wasm exports nothing that can be called here: theater:resources/counters#spend takes a resource that nothing here returns, theater:resources/counters#counter
              try: export functions that take values, or that return the resources others take
            --- exit 2
        "#]],
    );
    check(
        "fuzz ledger.wasm --cases 0",
        &expect![[r#"
            --- messages
            error: invalid value '0' for '--cases <N>': 0 is not in 1..18446744073709551615

            For more information, try '--help'.
            --- exit 2
        "#]],
    );
    check(
        "fuzz ledger.wasm --calls 99999999999",
        &expect![[r#"
            --- messages
            error: invalid value '99999999999' for '--calls <MAX>': 99999999999 is not in 1..=10000

            For more information, try '--help'.
            --- exit 2
        "#]],
    );
    check(
        "fuzz ledger.wasm --random dice",
        &expect![[r#"
            --- messages
            error: invalid value 'dice' for '--random <SOURCE>': expected system or seed:NUMBER, found "dice"

            For more information, try '--help'.
            --- exit 2
        "#]],
    );
}
