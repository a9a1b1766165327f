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
    let expected = expect![[r#""#]];
    let bisected = bisect_commits(&stage, &build, "--good c0 --bad main");
    expected.assert_eq(&brief(&bisected));
    // The builds at the border can still be replayed.
    let said = String::from_utf8(bisected.stdout).unwrap();
    let next = said.split_once("next: theater-replay ").unwrap().1.lines().next().unwrap();
    assert_eq!(stage.run(next).status.code(), Some(1), "{next}");
    let expected = expect![[r#""#]];
    expected.assert_eq(&brief(&bisect_commits(&stage, &build, "--good c0 --scan")));
    assert_eq!(git(&repo, "status --porcelain --branch"), before);
    assert_eq!(git(&repo, "worktree list --porcelain").matches("worktree ").count(), 1);
    assert!(!repo.join(".git/worktrees").exists());
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
    expect![[r#""#]]
    .assert_eq(&bisect("--good c0 --json"));
    expect![[r#""#]]
    .assert_eq(&bisect("--good s1"));
}

#[test]
fn commits_that_cannot_be_bisected() {
    let stage = stage(&monotone(2, 1));
    repository(&stage, &["v0", "exit 1", "v1"]);
    let build = build_command(&stage);
    let bisect = |build: &str, rest: &str| brief(&bisect_commits(&stage, build, rest));
    expect![[r#""#]]
    .assert_eq(&bisect(&build, "--good c7"));
    expect![[r#""#]]
    .assert_eq(&bisect(&build, "--good c0 --bad=-x"));
    expect![[r#""#]]
    .assert_eq(&bisect(&build, "--good c2 --bad c0"));
    expect![[r#""#]]
    .assert_eq(&bisect(&build, "--good c0 --bad c0"));
    expect![[r#""#]]
    .assert_eq(&bisect(&build, "--good c0 --bad c1"));
    let missing = bisect("no-such-program-here", "--good c0");
    assert!(missing.contains("the build command cannot be run, exit 127"), "{missing}");
    assert!(missing.ends_with("--- exit 2\n"), "{missing}");
    expect![[r#""#]]
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

