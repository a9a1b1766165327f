//! `stat` on a chain without faults.

use expect_test::expect;

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
    Scene::with_sample().check(
        "stat sample.chain --json",
        &expect![[r#"
        {
          "schema": "theater-replay/stat/1",
          "chain": "sample.chain",
          "name": "sample",
          "recorder": "theater 0.1.0",
          "component": null,
          "created": 1767323045006000000,
          "last_time": 1767323045006000000,
          "bytes": 12409,
          "events": 36,
          "record_bytes": 3199,
          "payload_bytes": 498,
          "closed": true,
          "kinds": [
            {
              "kind": "header",
              "events": 1,
              "bytes": 125
            },
            {
              "kind": "type",
              "events": 4,
              "bytes": 421
            },
            {
              "kind": "function",
              "events": 6,
              "bytes": 654
            },
            {
              "kind": "export-call",
              "events": 2,
              "bytes": 107
            },
            {
              "kind": "import-call",
              "events": 7,
              "bytes": 788
            },
            {
              "kind": "import-return",
              "events": 7,
              "bytes": 384
            },
            {
              "kind": "export-return",
              "events": 2,
              "bytes": 104
            },
            {
              "kind": "resource-drop",
              "events": 1,
              "bytes": 49
            },
            {
              "kind": "lifecycle",
              "events": 2,
              "bytes": 115
            },
            {
              "kind": "permission",
              "events": 2,
              "bytes": 162
            },
            {
              "kind": "checkpoint",
              "events": 1,
              "bytes": 171
            },
            {
              "kind": "close",
              "events": 1,
              "bytes": 119
            }
          ],
          "functions": [
            {
              "interface": "",
              "function": "call-back",
              "calls": 1,
              "traps": 0,
              "bytes_in": 1,
              "bytes_out": 1
            },
            {
              "interface": "",
              "function": "run",
              "calls": 1,
              "traps": 0,
              "bytes_in": 11,
              "bytes_out": 3
            },
            {
              "interface": "demo:all/types",
              "function": "all",
              "calls": 1,
              "traps": 0,
              "bytes_in": 1,
              "bytes_out": 259
            },
            {
              "interface": "wasi:clocks/wall-clock@0.2.6",
              "function": "now",
              "calls": 1,
              "traps": 0,
              "bytes_in": 4,
              "bytes_out": 1
            },
            {
              "interface": "wasi:filesystem/types@0.2.6",
              "function": "[method]descriptor.open-at",
              "calls": 2,
              "traps": 0,
              "bytes_in": 8,
              "bytes_out": 32
            },
            {
              "interface": "wasi:filesystem/types@0.2.6",
              "function": "[method]descriptor.write",
              "calls": 3,
              "traps": 1,
              "bytes_in": 12,
              "bytes_out": 18174
            }
          ],
          "blobs": {
            "present": 3,
            "present_bytes": 9009,
            "redacted": 0,
            "redacted_bytes": 0,
            "repeated": 1,
            "repeated_bytes": 9000
          },
          "checkpoints": 1,
          "signatures": {
            "signed": 0,
            "first_key": null,
            "identity": null
          },
          "denied": [
            {
              "capability": "filesystem",
              "count": 1
            }
          ],
          "skipped": []
        }
        --- exit 0
    "#]],
    );
}

#[test]
fn signatures_are_counted() {
    let scene = Scene::new();
    let (bytes, key) = signed();
    scene.write("signed.chain", &bytes);
    let out = scene.run("stat signed.chain").out;
    assert!(out.contains(&format!("signatures   2, first key {key}\n")), "{out}");
}
