//! That documents do not lie about the files they name.

use super::{File, Finding, Tree, check};

#[test]
fn links_in_documents_lead_somewhere() {
    check(
        dead_links,
        &[
            ("README.md", "[a](record/FORMAT.md) [b](record) [c](record/LOST.md)"),
            (
                "record/FORMAT.md",
                "[a](../README.md#top) [b](README.md)\n[c](https://a.b/c) [d](#e)",
            ),
        ],
        &[
            "README.md:1: the link to record/LOST.md leads nowhere",
            "record/FORMAT.md:1: the link to README.md leads nowhere",
        ],
    );
}

#[test]
fn the_architecture_names_every_source_file_and_no_other() {
    check(
        unnamed_files,
        &[
            (
                "ARCHITECTURE.md",
                "# A\n### record\n- `a.rs` a\n- `gone.rs`\n\n### replay\n`cli/` `b.rs`\n",
            ),
            ("record/src/lib.rs", ""),
            ("record/src/a.rs", ""),
            ("record/src/b.rs", ""),
            ("replay/src/cli/show.rs", ""),
            ("replay/src/b.rs", ""),
            ("replay/examples/c.rs", ""),
        ],
        &[
            "ARCHITECTURE.md:2: record/src/b.rs is not named in this section",
            "ARCHITECTURE.md:4: there is no record/src/gone.rs",
        ],
    );
}

fn dead_links(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| file.path.ends_with(".md")) {
        for (number, line) in file.lines() {
            for link in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let target = link.split('#').next().unwrap_or_default();
                let elsewhere = target.is_empty() || target.contains("://");
                if !elsewhere && !exists(tree, &resolved(&file.path, target)) {
                    let what = format!("the link to {target} leads nowhere");
                    findings.push(file.finding(number, what));
                }
            }
        }
    }
    findings
}

fn unnamed_files(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let Some(document) = tree.get("ARCHITECTURE.md") else { return findings };
    for (heading, folder) in headings(document) {
        let source = format!("{folder}/src/");
        let named = names_in_section(document, heading);
        let files = tree.rust_files().filter_map(|file| file.path.strip_prefix(&source));
        for file in files.filter(|file| *file != "lib.rs") {
            let is_it = |name: &str| name == file || name.ends_with('/') && file.starts_with(name);
            if !named.iter().any(|(_, name)| is_it(name)) {
                let what = format!("{source}{file} is not named in this section");
                findings.push(document.finding(heading, what));
            }
        }
        for (number, name) in named.iter().filter(|(_, name)| name.ends_with(".rs")) {
            let paths = [format!("{source}{name}"), format!("{folder}/{name}"), name.to_string()];
            if !paths.iter().any(|path| tree.get(path).is_some()) {
                findings.push(document.finding(*number, format!("there is no {source}{name}")));
            }
        }
    }
    findings
}

/// The lines that start the section of one folder, with the folder.
fn headings(document: &File) -> impl Iterator<Item = (usize, &str)> {
    document.lines().filter_map(|(number, line)| Some((number, line.strip_prefix("### ")?)))
}

/// What stands in backquotes between a heading and the next: files by their path within `src`, and
/// folders, which stand for all files in them.
fn names_in_section(document: &File, heading: usize) -> Vec<(usize, &str)> {
    document
        .lines()
        .skip(heading)
        .take_while(|(_, line)| !line.starts_with('#'))
        .flat_map(|(number, line)| line.split('`').skip(1).step_by(2).map(move |n| (number, n)))
        .collect()
}

/// Whether the project has this file, or files in this folder.
fn exists(tree: &Tree, path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    tree.files().any(|file| file.path == path || file.path.starts_with(&folder))
}

/// The path from the top level that a link in the document `from` means.
fn resolved(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    parts.join("/")
}
