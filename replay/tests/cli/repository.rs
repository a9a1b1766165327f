//! Git repositories to bisect.

use std::path::Path;
use std::process::Command;

use crate::recorded::Stage;

/// Git in a folder, the same on every machine.
pub(crate) fn git(folder: &Path, line: &str) -> String {
    let output = git_command(folder).args(line.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "git {line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Git in a folder, before it is told what to do.
pub(crate) fn git_command(folder: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(folder);
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "a").env(format!("GIT_{who}_EMAIL"), "a@example.org");
        git.env(format!("GIT_{who}_DATE"), "2026-01-01T00:00:00Z");
    }
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    git
}

/// A repository whose commits each name the build that comes of them.
pub(crate) fn repository(stage: &Stage, commits: &[&str]) {
    let folder = stage.path("repo");
    std::fs::create_dir(&folder).unwrap();
    git(&folder, "init --quiet --initial-branch=main");
    for (at, content) in commits.iter().enumerate() {
        commit(&folder, content, &format!("c{at}"));
    }
}

/// Adds a commit that names this build, with a tag that is its subject.
pub(crate) fn commit(folder: &Path, content: &str, subject: &str) {
    std::fs::write(folder.join("which"), content).unwrap();
    git(folder, "add which");
    git(folder, &format!("commit --quiet --allow-empty -m {subject}"));
    git(folder, &format!("tag {subject}"));
}
