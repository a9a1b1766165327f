//! `run --good-if`: verdicts in numbers, and under `git bisect run`.

use expect_test::expect;

use crate::bisect::{BASE, CULPRIT, monotone, stage};
use crate::repository::{git, git_command, repository};

#[test]
fn good_and_bad() {
    let stage = stage(&[BASE, CULPRIT, "garbage", "hello"]);
    let exit = |build: usize, condition: &str| {
        let run = format!("run a.cbor --quiet --component builds/v{build}.wasm");
        stage.run(&format!("{run} --good-if '{condition}'")).status.code().unwrap()
    };
    for (build, condition, expected) in [
        (0, "same", 0),
        (1, "same", 1),
        (2, "same", 125),
        (3, "same", 125),
        (9, "same", 125),
        (0, "diverged", 1),
        (1, "diverged and kind = other-arguments and event = 54", 0),
        (1, "same-until 54", 0),
        (1, "same-until 55", 1),
        (1, "path = args[1] and function ~ blocking-write", 0),
        (0, "sane", 128),
    ] {
        assert_eq!(exit(build, condition), expected, "{condition} of {build}");
    }
}

#[test]
fn trouble_is_no_bad_build() {
    let stage = stage(&[BASE]);
    // Nothing that is wrong with all builds may look like a bad build.
    for line in [
        "run missing.cbor --component builds/v0.wasm --good-if same",
        "run builds/v0.wasm --component builds/v0.wasm --good-if same",
        "run a.cbor --good-if same",
        "run a.cbor --component builds/v0.wasm --good-if=same --no-such-option",
        "run a.cbor --component builds/v0.wasm --good-if",
    ] {
        assert_eq!(stage.run(line).status.code(), Some(128), "{line}");
    }
}

#[test]
fn what_is_said() {
    let stage = stage(&[BASE, CULPRIT, "garbage", "hello"]);
    let run = "run a.cbor --quiet --component builds";
    stage.check(
        &format!("{run}/v0.wasm --good-if same"),
        &expect![[r#"
        a.cbor: the same, 76 events
          this is component HASH,
          another build than HASH, which was recorded
          head HASH@75, computed from what the component did
          good: it does what --good-if asks for
        --- exit 0
    "#]],
    );
    stage.check(&format!("{run}/v1.wasm --good-if 'same-until 60'"), &expect![[r#"
        a.cbor: diverged at event 54: the component passes other arguments
          this is component HASH,
          another build than HASH, which was recorded
          bad: it does not do what --good-if asks for
          in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush
          args[1], from byte 7:
            expected  b"ends\n"
            actual    b"ENDS\n"
          before    52  -> wasi:clocks/monotonic-clock@0.2.12 now()
          expected  54  -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ends\n")
          actual        -> wasi:io/streams@0.2.12 [method]output-stream.blocking-write-and-flush(self: &output-stream#3, contents: b"step 3 ENDS\n")
          after     57  <= theater:mutants/steps step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 6483294338957213699}, {name: "monotonic", value: 2000}, {name: "total", value: 6}])
          no source lines: the component has no debug information; name a build that has, or its folder, with --debug-info
          called from:
            function 1 at OFFSET
            wasip2::imports::wasi::io::streams::OutputStream::blocking_write_and_flush at OFFSET
            theater:mutants/steps#step at OFFSET
          next: theater-replay show a.cbor --from 50 --to 58
        --- exit 1
    "#]]);
    stage.check(&format!("{run}/v2.wasm --good-if same"), &expect![[r#"
        --- messages
        error: builds/v2.wasm is not WebAssembly: its first bytes are not a module's or a component's
          try: build the component first, and name the .wasm file
        --- exit 125
    "#]]);
    stage.check(
        &format!("{run}/v3.wasm --good-if same"),
        &expect![[r#"
        a.cbor: diverged at event 4: the component calls another function
          this is component HASH,
          another build than HASH, which was recorded
          neither good nor bad: it lacks an export that the recording calls
          expected  4  => theater:mutants/steps step(n: 1)
          actual       the component does not export that function
          after     7  -> wasi:clocks/wall-clock@0.2.12 now()
          next: theater-replay show a.cbor --from 0 --to 8
        --- exit 125
    "#]],
    );
    stage.check(&format!("{run}/v3.wasm --good-if sane"), &expect![[r#"
        --- messages
        error: in --good-if: expected same, same-until EVENT, diverged, event, kind, function or path
          sane
          ^
        --- exit 128
    "#]]);
}

#[test]
fn under_git_bisect_run() {
    let stage = stage(&monotone(8, 5));
    let commits = ["v0", "v1", "v2", "v3", "garbage", "v5", "v6", "v7"];
    stage.write("builds/garbage.wasm", b"garbage");
    repository(&stage, &commits);
    let repo = stage.path("repo");
    git(&repo, "bisect start c7 c0");
    let test = format!(
        "{program} run {stage}/a.cbor --quiet --component {stage}/builds/$(cat which).wasm \
         --good-if same",
        program = env!("CARGO_BIN_EXE_theater-replay"),
        stage = stage.path("").display(),
    );
    let mut run = git_command(&repo);
    run.args(["bisect", "run", "sh", "-c", &test]).env("THEATER_HOME", stage.path("home"));
    let said = run.output().unwrap();
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    // The fourth build cannot be tested, so it is the fourth or the fifth.
    let id = |name: &str| git(&repo, &format!("rev-parse {name}"));
    assert!(said.contains(id("c4").trim()) && said.contains(id("c5").trim()), "{said}");
    assert!(said.contains("could be any of"), "{said}");
}
