//! The rules of the house that no compiler checks: which crate may know which, where files stand,
//! what may be written in them.
//!
//! Each check is a function from a [`Tree`] to findings. Its test runs it twice: on a small tree
//! made up to break the rule, because a check that cannot fail guards nothing, and on the project.

mod crates;
mod documents;
mod files;
mod text;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Folders that a walk skips where there is no git to say what belongs to the project.
const NOT_OURS: &[&str] = &[".git", "target", "__pycache__", "artifacts"];

/// The files of the project, or of an example, by their path from the top level.
pub(crate) struct Tree(Vec<File>);

/// One file with its content.
pub(crate) struct File {
    path: String,
    bytes: Vec<u8>,
}

/// A place where a rule is broken.
#[derive(Debug)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Tree {
    /// A made-up tree of paths and contents.
    fn of(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            bytes: text.as_bytes().to_vec(),
        };
        Tree(files.iter().map(file).collect())
    }

    /// The project this test was built from.
    fn of_the_project() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this is not the root");
        let mut paths = listed_by_git(root).unwrap_or_else(|| walked(root));
        paths.sort();
        // A file that git still lists may be deleted on disk already.
        let read = |path: String| fs::read(root.join(&path)).ok().map(|bytes| File { path, bytes });
        Tree(paths.into_iter().filter_map(read).collect())
    }

    fn files(&self) -> impl Iterator<Item = &File> {
        self.0.iter()
    }

    fn get(&self, path: &str) -> Option<&File> {
        self.0.iter().find(|file| file.path == path)
    }

    fn rust_files(&self) -> impl Iterator<Item = &File> {
        self.files().filter(|file| file.path.ends_with(".rs"))
    }
}

impl File {
    /// The content, unless it is binary.
    fn text(&self) -> Option<&str> {
        str::from_utf8(&self.bytes).ok().filter(|text| !text.contains('\0'))
    }

    /// The lines with their numbers; none if the content is binary.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text().unwrap_or_default().lines())
    }

    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// Runs a check on an example, where it must find exactly this, and on the project, where it must
/// find nothing.
#[track_caller]
fn check(check: fn(&Tree) -> Vec<Finding>, example: &[(&str, &str)], expected: &[&str]) {
    let show = |findings: Vec<Finding>| -> Vec<String> {
        findings.iter().map(Finding::to_string).collect()
    };
    assert_eq!(show(check(&Tree::of(example))), expected, "in the example");
    let findings = show(check(&Tree::of_the_project()));
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

/// Tracked files and new ones that are not ignored; `None` outside a git checkout.
fn listed_by_git(root: &Path) -> Option<Vec<String>> {
    let listing = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .ok()
        .filter(|output| output.status.success() && !output.stdout.is_empty())?;
    let text = String::from_utf8(listing.stdout).expect("the project's file names are UTF-8");
    Some(text.split_terminator('\0').map(str::to_owned).collect())
}

fn walked(root: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).expect("a folder of the project").flatten() {
            let name = entry.file_name().into_string().expect("file names are UTF-8");
            let path = format!("{folder}{name}");
            if !entry.path().is_dir() {
                files.push(path);
            } else if !NOT_OURS.contains(&&*name) && path != "record/fuzz/corpus" {
                folders.push(path + "/");
            }
        }
    }
    files
}

#[test]
fn walking_and_git_find_the_same_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this is not the root");
    let Some(mut listed) = listed_by_git(root) else { return };
    let mut walked = walked(root);
    for paths in [&mut listed, &mut walked] {
        paths.retain(|path| path.ends_with(".rs") && root.join(path).exists());
        paths.sort();
        paths.dedup();
    }
    assert_eq!(listed, walked);
    assert!(listed.contains(&"tests/tidy.rs".to_owned()));
}
