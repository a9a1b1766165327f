//! Where files stand: the fixed top level, names, sizes, and that no file was forgotten.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::crates::packages;
use super::{File, Finding, Tree, check};

/// What may stand at the top level, besides files and folders that start with a dot.
const TOP_LEVEL: &[&str] = &[
    "Cargo.toml",
    "Cargo.lock",
    "record",
    "replay",
    "verify",
    "diff",
    "runtime",
    "wit",
    "corpus",
    "tests",
    "README.md",
    "ARCHITECTURE.md",
    "LICENSE",
    "rust-toolchain.toml",
];

/// Names that say nothing about what is inside. `mod` is here because `name.rs` beside `name/`
/// keeps a module's name in its file's name.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "mod"];

/// What new projects are made of. It is part of the targets of those.
const TEMPLATES: &str = "runtime/templates/";

/// A file longer than this is two files.
const LINES_MAX: usize = 700;

#[test]
fn the_top_level_holds_what_it_should_and_nothing_else() {
    check(
        strangers_at_the_top,
        &[("README.md", ""), (".ci/run", ""), ("notes.md", ""), ("src/lib.rs", "")],
        &[
            "notes.md:1: does not belong at the top level",
            "src:1: does not belong at the top level",
        ],
    );
}

#[test]
fn every_source_file_opens_with_what_it_is_for() {
    check(
        missing_headers,
        &[("a.rs", "//! Does a.\n"), ("b.rs", "\n//! Does b.\n"), ("c.rs", "")],
        &[
            "b.rs:1: does not open with //! and what it is for",
            "c.rs:1: does not open with //! and what it is for",
        ],
    );
}

#[test]
fn files_are_of_a_readable_size_and_have_telling_names() {
    check(
        unreadable_files,
        &[
            ("a/src/common/deep.rs", ""),
            ("a/src/utils.rs", ""),
            ("a/src/deep/mod.rs", ""),
            ("a/src/long.rs", &"\n".repeat(LINES_MAX + 1)),
            ("a/src/full.rs", &"\n".repeat(LINES_MAX)),
            ("a/src/communal.rs", ""),
        ],
        &[
            "a/src/common/deep.rs:1: the name `common` says nothing",
            "a/src/utils.rs:1: the name `utils` says nothing",
            "a/src/deep/mod.rs:1: the name `mod` says nothing",
            "a/src/long.rs:701: more than 700 lines",
        ],
    );
}

#[test]
fn every_source_file_is_part_of_a_target() {
    check(
        forgotten_files,
        &[
            ("a/Cargo.toml", "[package]\nname = \"a\"\n[[bin]]\nname = \"b\"\npath = \"b.rs\""),
            ("a/src/lib.rs", "mod used;\n// mod unused;\npub mod other;"),
            ("a/src/used.rs", "#[cfg(test)]\nmod deep;"),
            ("a/src/used/deep.rs", ""),
            ("a/src/deep.rs", ""),
            ("a/src/unused.rs", "mod lost;"),
            ("a/src/unused/lost.rs", ""),
            ("a/b.rs", ""),
            ("a/examples/c.rs", ""),
            ("a/tests/it/main.rs", "mod case;"),
            ("a/tests/it/case.rs", ""),
            ("a/tests/it/forgotten.rs", ""),
            ("t/Cargo.toml", "[package]\nname = \"t\"\nautotests = false"),
            ("t/tests/never_run.rs", ""),
            ("runtime/templates/basic/lib.rs", "mod bindings;"),
        ],
        &[
            "a/src/deep.rs:1: no target and no `mod` leads here",
            "a/src/unused.rs:1: no target and no `mod` leads here",
            "a/src/unused/lost.rs:1: no target and no `mod` leads here",
            "a/tests/it/forgotten.rs:1: no target and no `mod` leads here",
            "t/tests/never_run.rs:1: no target and no `mod` leads here",
        ],
    );
}

fn strangers_at_the_top(tree: &Tree) -> Vec<Finding> {
    let tops: BTreeSet<&str> =
        tree.files().map(|file| file.path.split('/').next().unwrap_or_default()).collect();
    tops.into_iter()
        .filter(|top| !top.starts_with('.') && !TOP_LEVEL.contains(top))
        .map(|top| Finding {
            path: top.to_owned(),
            line: 1,
            what: "does not belong at the top level".to_owned(),
        })
        .collect()
}

fn missing_headers(tree: &Tree) -> Vec<Finding> {
    tree.rust_files()
        .filter(|file| !file.text().unwrap_or_default().starts_with("//! "))
        .map(|file| file.finding(1, "does not open with //! and what it is for"))
        .collect()
}

fn unreadable_files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_files() {
        let names = file.path.trim_end_matches(".rs").split('/');
        for name in names.filter(|name| EMPTY_NAMES.contains(name)) {
            findings.push(file.finding(1, format!("the name `{name}` says nothing")));
        }
        if file.lines().count() > LINES_MAX {
            findings.push(file.finding(LINES_MAX + 1, format!("more than {LINES_MAX} lines")));
        }
    }
    findings
}

fn forgotten_files(tree: &Tree) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    // A file, and the folder in which the modules it declares stand.
    let mut due: Vec<(String, String)> = packages(tree)
        .flat_map(|(manifest, table)| target_roots(tree, manifest, &table))
        .map(|root| (root.clone(), folder_of(&root).to_owned()))
        .collect();
    while let Some((path, folder)) = due.pop() {
        let Some(file) = tree.get(&path) else { continue };
        if reached.insert(path) {
            due.extend(
                file.lines()
                    .filter_map(|(_, line)| declared_module(line))
                    .map(|name| (format!("{folder}{name}.rs"), format!("{folder}{name}/"))),
            );
        }
    }
    tree.rust_files()
        .filter(|file| !reached.contains(&file.path) && !file.path.starts_with(TEMPLATES))
        .map(|file| file.finding(1, "no target and no `mod` leads here"))
        .collect()
}

/// Where cargo starts to compile: the targets a manifest names and those found by their place.
fn target_roots(tree: &Tree, manifest: &File, table: &Table) -> Vec<String> {
    let folder = folder_of(&manifest.path);
    let mut roots: Vec<String> =
        ["src/lib.rs", "src/main.rs", "build.rs"].map(|path| format!("{folder}{path}")).into();
    for key in ["lib", "bin", "example", "test", "bench"] {
        let named = match table.get(key) {
            Some(Value::Array(targets)) => targets.iter().collect(),
            Some(target) => vec![target],
            None => Vec::new(),
        };
        let paths = named.iter().filter_map(|target| target.get("path")?.as_str());
        roots.extend(paths.map(|path| format!("{folder}{path}")));
    }
    let places = [
        ("autobins", "src/bin/"),
        ("autoexamples", "examples/"),
        ("autotests", "tests/"),
        ("autobenches", "benches/"),
    ];
    for (switch, place) in places {
        if table["package"].get(switch) == Some(&Value::Boolean(false)) {
            continue;
        }
        let place = format!("{folder}{place}");
        let found = tree.rust_files().filter(|file| {
            let rest = file.path.strip_prefix(&place);
            rest.is_some_and(|rest| !rest.contains('/') || is_main_of_folder(rest))
        });
        roots.extend(found.map(|file| file.path.clone()));
    }
    roots
}

fn is_main_of_folder(path: &str) -> bool {
    matches!(path.split_once('/'), Some((_, "main.rs")))
}

/// The folder a file stands in, with its slash; empty for the top level.
fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |slash| &path[..=slash])
}

/// The module that a line declares to stand in a file of its own.
fn declared_module(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let item = match line.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|c: char| c != ' '),
        None => line,
    };
    item.trim_start().strip_prefix("mod ")?.strip_suffix(';')
}
