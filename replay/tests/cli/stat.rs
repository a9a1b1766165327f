//! `stat` on a chain without faults.

use expect_test::{expect, expect_file};

use crate::scene::{Scene, signed};

#[test]
fn the_whole_chain_for_people() {
    Scene::with_sample().check(
        "stat sample.chain",
        &expect![[r#"
            sample.chain
              recorded     "sample" by theater 0.1.0
              time         2026-01-02 03:04:05.006 UTC, for 0 ns
              file         12.4 kB
              records      36 events, 3.20 kB, overhead 75 B each
              end          closed
              blobs        3, 9.01 kB; 1 repeated, 9.00 kB saved
              checkpoints  1
              signatures   unsigned
              denied       1 filesystem

            kind                  events       bytes
            header                     1       125 B
            type                       4       421 B
            function                   6       654 B
            export-call                2       107 B
            import-call                7       788 B
            import-return              7       384 B
            export-return              2       104 B
            resource-drop              1        49 B
            lifecycle                  2       115 B
            permission                 2       162 B
            checkpoint                 1       171 B
            close                      1       119 B

            interface, function              calls   traps    bytes in   bytes out
            (no interface)                       2       0        12 B         4 B
              call-back                          1       0         1 B         1 B
              run                                1       0        11 B         3 B
            demo:all/types                       1       0         1 B       259 B
              all                                1       0         1 B       259 B
            wasi:clocks/wall-clock@0.2.6         1       0         4 B         1 B
              now                                1       0         4 B         1 B
            wasi:filesystem/types@0.2.6          5       1        20 B     18.2 kB
              [method]descriptor.open-at         2       0         8 B        32 B
              [method]descriptor.write           3       1        12 B     18.2 kB
            --- exit 0
        "#]],
    );
}

#[test]
fn the_whole_chain_for_programs() {
    Scene::with_sample().check_file("stat sample.chain --json", &expect_file!["stat.json.txt"]);
}

#[test]
fn signatures_are_counted() {
    let scene = Scene::new();
    let (bytes, key) = signed();
    scene.write("signed.chain", &bytes);
    let out = scene.run("stat signed.chain").out;
    assert!(out.contains(&format!("signatures   2, first key {key}\n")), "{out}");
}
