//! What is written in files: white space, words that mark unfinished work, printing.

use super::crates::GUESTS;
use super::{Finding, Tree, check};

/// Put together here, so that this file does not hold them itself.
const UNFINISHED: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// How wide help is shown at most. A longer line is broken in two, one of them short.
const HELP_WIDTH: usize = 100;

/// What only a command line may do. A library hands results to whoever called it.
const PRINTING: &[&str] = &["print!", "println!", "eprint!", "eprintln!", "process::exit"];

/// Replay reaches no host. Some of what is built on it makes recordings of its own, here and nowhere
/// else.
const RECORDING: &[&str] = &["replay/src/doctor/record.rs", "replay/src/property/record.rs"];

/// What it takes to have a host act.
const MAKES_A_HOST: &[&str] = &["Host::new", "Recording::start", "Recording::resume"];

#[test]
fn text_has_no_stray_white_space() {
    check(
        stray_white_space,
        &[
            ("a.md", "one \n\ttwo\r\nthree"),
            ("b.md", "fine\n"),
            ("c.cbor", "\0\t binary \n"),
            ("d.md", ""),
        ],
        &[
            "a.md:1: white space at the end of the line",
            "a.md:2: a tab",
            "a.md:2: white space at the end of the line",
            "a.md:3: the last line does not end",
        ],
    );
}

#[test]
fn nothing_is_marked_as_unfinished() {
    check(
        unfinished_work,
        &[("a.rs", &format!("fine\n// {}: later\n", UNFINISHED[0])), ("b.rs", "// TODOS\n")],
        &[&format!("a.rs:2: the word {}", UNFINISHED[0])],
    );
}

#[test]
fn help_is_no_wider_than_it_is_shown() {
    let wide = "x".repeat(HELP_WIDTH + 1);
    let fits = format!("{}\\\"", "x".repeat(HELP_WIDTH - 1));
    let text = format!("const EXAMPLES: &str = \"\\\n{fits}\n{wide}\";\n// {wide}\n");
    check(wide_help, &[("a/src/cli/b.rs", &text)], &["a/src/cli/b.rs:3: help of 101 characters"]);
}

#[test]
fn libraries_do_not_print_or_exit() {
    check(
        printing_libraries,
        &[
            ("record/src/a.rs", "fn f() {\n    println!();\n    std::process::exit(1);\n}"),
            ("record/src/b.rs", "// println!() would be wrong here"),
            ("record/src/c.rs", "#[cfg(test)]\nmod tests {\n    println!();\n}"),
            ("replay/src/cli/show.rs", "println!();"),
            ("replay/src/main.rs", "eprintln!();"),
            ("record/examples/synth.rs", "eprintln!();"),
            ("corpus/guests/rust/a/src/lib.rs", "println!();"),
        ],
        &[
            "record/src/a.rs:2: a library that prints or exits",
            "record/src/a.rs:3: a library that prints or exits",
        ],
    );
}

#[test]
fn replay_makes_hosts_where_it_records_only() {
    check(
        hosts_in_replay,
        &[
            ("replay/src/a.rs", "let host = Host::new(grants);\nRecording::start(host);"),
            ("replay/src/doctor/record.rs", "let host = Host::new(grants);"),
            ("replay/tests/a.rs", "let host = Host::new(grants);"),
        ],
        &[
            "replay/src/a.rs:1: a host, where nothing records",
            "replay/src/a.rs:2: a host, where nothing records",
        ],
    );
}

fn hosts_in_replay(tree: &Tree) -> Vec<Finding> {
    let is_meant = |file: &&super::File| {
        file.path.starts_with("replay/src/") && !RECORDING.contains(&&*file.path)
    };
    let files = tree.rust_files().filter(is_meant);
    let lines = files.flat_map(|file| file.lines().map(move |(number, line)| (file, number, line)));
    let makes_one = |line: &str| MAKES_A_HOST.iter().any(|call| line.contains(call));
    let found = lines.filter(|(_, _, line)| makes_one(line));
    found.map(|(file, number, _)| file.finding(number, "a host, where nothing records")).collect()
}

fn stray_white_space(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        let Some(text) = file.text() else { continue };
        for (number, line) in (1..).zip(text.split('\n')) {
            if line.contains('\t') {
                findings.push(file.finding(number, "a tab"));
            }
            if line.ends_with(char::is_whitespace) {
                findings.push(file.finding(number, "white space at the end of the line"));
            }
        }
        if !text.is_empty() && !text.ends_with('\n') {
            findings.push(file.finding(text.lines().count(), "the last line does not end"));
        }
    }
    findings
}

/// Lines of the texts that stand below the options in `--help`.
fn wide_help(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_files().filter(|file| file.path.contains("/src/")) {
        let mut is_help = false;
        for (number, line) in file.lines() {
            let end = line.ends_with("\";");
            let shown = line.strip_suffix("\";").unwrap_or(line).replace("\\\"", "\"");
            let width = shown.replace("\\\\", "\\").chars().count();
            if is_help && width > HELP_WIDTH {
                findings.push(file.finding(number, format!("help of {width} characters")));
            }
            let is_start = ["const EXAMPLES: &str", "const EXIT_HELP: &str", "const HELP: &str"];
            is_help = !end && (is_help || is_start.iter().any(|start| line.contains(start)));
        }
    }
    findings
}

fn unfinished_work(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files() {
        for (number, line) in file.lines() {
            let words = line.split(|c: char| !c.is_alphanumeric());
            for word in words.filter(|word| UNFINISHED.contains(word)) {
                findings.push(file.finding(number, format!("the word {word}")));
            }
        }
    }
    findings
}

fn printing_libraries(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust_files() {
        let is_library = file.path.contains("/src/")
            && !file.path.starts_with(GUESTS)
            && !file.path.contains("/src/cli")
            && !file.path.contains("/src/bin/")
            && !file.path.ends_with("/main.rs");
        let code = file.lines().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        for (number, line) in code.filter(|_| is_library) {
            let is_code = !line.trim_start().starts_with("//");
            if is_code && PRINTING.iter().any(|macro_name| line.contains(macro_name)) {
                findings.push(file.finding(number, "a library that prints or exits"));
            }
        }
    }
    findings
}
