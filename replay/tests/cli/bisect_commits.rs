//! `bisect` over the commits of a repository, as people see it.

use std::process::Output;

use expect_test::expect;

use crate::bisect::{brief, monotone, stage};
use crate::recorded::Stage;
use crate::repository::{commit, git, repository};

/// The command that builds a commit: a copy of the build that it names, or its exit status.
fn build_command(stage: &Stage) -> String {
    let builds = stage.path("builds");
    format!(
        r#"which=$(cat which); echo "building $which"; case $which in exit*) echo "no luck" >&2; $which;; none) ;; *) cp {}/$which.wasm $THEATER_BUILD;; esac"#,
        builds.display()
    )
}

/// Runs `bisect` over the commits of the repository of a stage.
fn bisect_commits(stage: &Stage, build: &str, rest: &str) -> Output {
    stage.run(&format!("bisect a.cbor --git repo --build '{build}' {rest}"))
}

#[test]
fn commits() {
    let stage = stage(&monotone(9, 5));
    let commits = ["v0", "v1", "v2", "exit 3", "v4", "v5", "exit 125", "none", "v7", "v8", "v8"];
    repository(&stage, &commits);
    let repo = stage.path("repo");
    // What is on the way in the checkout stays as it is.
    std::fs::write(repo.join("which"), "changed").unwrap();
    let before = git(&repo, "status --porcelain --branch");
    let build = build_command(&stage);
    let expected = expect![[r#"
        a.cbor: 11 builds, from 9dfc45d c0 to 4868378 c10
          good   9dfc45d c0
          good   9043b7b c2
          skip   6171ca3 c3: the build failed with exit 3: no luck
          good   2f612f1 c4
          bad    01236a8 c5
          bad    4868378 c10
        first bad build: 01236a8 c5
          diverged at event 54: the component passes other arguments
          the last good build is 2f612f1 c4
          5 replays for 11 builds, none from the cache
          next: theater-replay run a.cbor --component HASH --quiet --out 01236a8.chain.cbor
                theater-replay diff a.cbor 01236a8.chain.cbor
        --- exit 0
    "#]];
    let bisected = bisect_commits(&stage, &build, "--good c0 --bad main");
    expected.assert_eq(&brief(&bisected));
    // The builds at the border can still be replayed.
    let said = String::from_utf8(bisected.stdout).unwrap();
    let next = said.split_once("next: theater-replay ").unwrap().1.lines().next().unwrap();
    assert_eq!(stage.run(next).status.code(), Some(1), "{next}");
    let expected = expect![[r#"
        a.cbor: 11 builds, from 9dfc45d c0 to 4868378 c10
          good   9dfc45d c0
          good   06ab012 c1
          good   9043b7b c2
          skip   6171ca3 c3: the build failed with exit 3: no luck
          good   2f612f1 c4
          bad    01236a8 c5
          skip   66ae0e8 c6: the build command ended with exit 125
          skip   30dbd3b c7: the build command made no file $THEATER_BUILD
          bad    6380a9a c8
          bad    9c59311 c9
          bad    4868378 c10
        first bad build: 01236a8 c5
          diverged at event 54: the component passes other arguments
          the last good build is 2f612f1 c4
          from 01236a8 c5 on: diverged at event 54: other-arguments in wasi:io/streams@0.2.12#[method]output-stream.blocking-write-and-flush, args[1]
          2 replays for 11 builds, 5 from the cache, 1 the same as another build
          next: theater-replay run a.cbor --component HASH --quiet --out 01236a8.chain.cbor
                theater-replay diff a.cbor 01236a8.chain.cbor
        --- exit 0
    "#]];
    expected.assert_eq(&brief(&bisect_commits(&stage, &build, "--good c0 --scan")));
    assert_eq!(git(&repo, "status --porcelain --branch"), before);
    assert_eq!(git(&repo, "worktree list --porcelain").matches("worktree ").count(), 1);
    assert!(!repo.join(".git/worktrees").exists());
}

#[test]
fn the_source_text_is_that_of_each_commit() {
    let stage = stage(&[]);
    repository(&stage, &[]);
    let repo = stage.path("repo");
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/../corpus");
    let source = std::fs::read_to_string(format!("{corpus}/guests/rust/mutants/src/lib.rs"));
    let source = source.unwrap();
    std::fs::create_dir_all(repo.join("mutants/src")).unwrap();
    for (guest, text) in [("mutant-base", "as before"), ("mutant-changed-argument", "otherwise")] {
        let source = source.replace("A host that refuses", text);
        std::fs::write(repo.join("mutants/src/lib.rs"), source).unwrap();
        git(&repo, "add mutants");
        commit(&repo, guest, guest);
    }
    let build = format!("cp {corpus}/twins/$(cat which).wasm $THEATER_BUILD");
    let said = bisect_commits(&stage, &build, "--good HEAD~1");
    let said = String::from_utf8(said.stdout).unwrap();
    let (_, lines) = said.split_once("  after ").unwrap();
    let (lines, rest) = lines.split_once("  the last good").unwrap();
    assert!(rest.contains("2 replays for 2 builds"), "{said}");
    expect![[r#"
        after    57  <= theater:mutants/steps step: ok([{name: "seconds", value: 1767323045}, {name: "random", value: 6483294338957213699}, {name: "monotonic", value: 2000}, {name: "total", value: 6}])
          703e027 mutant-base:
            at mutants/src/lib.rs:99:24 in {closure#0}
                 98 |         // as before the line has recorded that it did; the step goes on.
              >  99 |         let _ = output.blocking_write_and_flush(line.as_bytes());
                100 |     };
            called from mutants/src/lib.rs:117:5 in write_and_measure
            called from mutants/src/lib.rs:79:21 in step
            called from mutants/src/lib.rs:60:21 in step
          4cacfb0 mutant-changed-argument:
            at mutants/src/lib.rs:99:24 in {closure#0}
                 98 |         // otherwise the line has recorded that it did; the step goes on.
              >  99 |         let _ = output.blocking_write_and_flush(line.as_bytes());
                100 |     };
            called from mutants/src/lib.rs:117:5 in write_and_measure
            called from mutants/src/lib.rs:79:21 in step
            called from mutants/src/lib.rs:60:21 in step
    "#]].assert_eq(&format!("after{lines}"));
}

#[test]
fn commits_beside_the_first_parents_are_left_out() {
    let stage = stage(&monotone(4, 2));
    repository(&stage, &["v0", "v1"]);
    let repo = stage.path("repo");
    git(&repo, "checkout --quiet -b side");
    commit(&repo, "exit 9", "s1");
    commit(&repo, "v2", "s2");
    git(&repo, "checkout --quiet main");
    git(&repo, "merge --quiet --no-ff -m merged side");
    commit(&repo, "v3", "last");
    let build = build_command(&stage);
    let bisect = |rest| brief(&bisect_commits(&stage, &build, rest));
    expect![[r#"
        a.cbor: 4 builds, from 9dfc45d c0 to a3d5c03 last
          good   9dfc45d c0
          good   06ab012 c1
          bad    bc384f2 merged
          bad    a3d5c03 last
        first bad build: bc384f2 merged
          diverged at event 54: the component passes other arguments
          the last good build is 06ab012 c1
          4 replays for 4 builds, none from the cache
          next: theater-replay run a.cbor --component HASH --quiet --out bc384f2.chain.cbor
                theater-replay diff a.cbor bc384f2.chain.cbor
        --- exit 0
    "#]]
    .assert_eq(&bisect("--good c0"));
    expect![[r#"
        --- messages
        error: --good s1 is not among the first parents of --bad HEAD
          try: name one that this lists: git log --first-parent HEAD
        --- exit 2
    "#]]
    .assert_eq(&bisect("--good s1"));
}

#[test]
fn commits_that_cannot_be_bisected() {
    let stage = stage(&monotone(2, 1));
    repository(&stage, &["v0", "exit 1", "v1"]);
    let build = build_command(&stage);
    let bisect = |build: &str, rest: &str| brief(&bisect_commits(&stage, build, rest));
    expect![[r#"
        --- messages
        error: --good c7 is not a commit of repo
          try: name a commit, a branch or a tag
        --- exit 2
    "#]]
    .assert_eq(&bisect(&build, "--good c7"));
    expect![[r#"
        --- messages
        error: --bad -x is not a commit of repo
          try: name a commit, a branch or a tag
        --- exit 2
    "#]]
    .assert_eq(&bisect(&build, "--good c0 --bad=-x"));
    expect![[r#"
        --- messages
        error: --good c2 is not among the first parents of --bad c0
          try: name one that this lists: git log --first-parent c0
        --- exit 2
    "#]]
    .assert_eq(&bisect(&build, "--good c2 --bad c0"));
    expect![[r#"
        --- messages
        error: the good commit and the bad commit are the same
          try: name one that this lists: git log --first-parent c0
        --- exit 2
    "#]]
    .assert_eq(&bisect(&build, "--good c0 --bad c0"));
    expect![[r#"
        a.cbor: 2 builds, from 9dfc45d c0 to a7e7b16 c1
          9dfc45d c0: the same
          a7e7b16 c1: the build failed with exit 1: no luck
        no answer: the bad end, a7e7b16 c1, cannot be tested
          try: another build as the bad end
          1 replay for 2 builds, none from the cache
        --- exit 1
    "#]]
    .assert_eq(&bisect(&build, "--good c0 --bad c1"));
    let missing = bisect("no-such-program-here", "--good c0");
    assert!(missing.contains("the build command cannot be run, exit 127"), "{missing}");
    assert!(missing.ends_with("--- exit 2\n"), "{missing}");
    expect![[r#"
        a.cbor: 3 builds, from 9dfc45d c0 to e500c4e c2
          9dfc45d c0: the build command made no file $THEATER_BUILD
          e500c4e c2: the build command made no file $THEATER_BUILD
        no answer: the good end, 9dfc45d c0, cannot be tested
          try: another build as the good end
          0 replays for 3 builds, none from the cache
        --- exit 1
    "#]]
    .assert_eq(&bisect("true", "--good c0"));
    assert!(!stage.path("repo/.git/worktrees").exists());
}

#[cfg(unix)]
#[test]
fn the_worktree_goes_away_even_if_the_program_is_killed() {
    let stage = stage(&monotone(2, 1));
    repository(&stage, &["v0", "v1"]);
    // The build kills the program that has started it.
    let killed = bisect_commits(&stage, "kill -9 $PPID", "--good c0");
    assert_eq!(killed.status.code(), None, "{killed:?}");
    let worktrees = stage.path("repo/.git/worktrees");
    for _ in 0..500 {
        if !worktrees.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    panic!("the worktree is still there");
}
