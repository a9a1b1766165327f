//! Input that is no chain, and command lines that make no sense: exit 2 and one clear sentence.

use expect_test::{Expect, expect};
use theater_replay::Exit;

use crate::scene::Scene;

fn check(line: &str, expected: &Expect) {
    let scene = Scene::with_sample();
    scene.write("empty.chain", b"");
    scene.write("text.chain", "Dear diary, nothing was recorded today. ".repeat(99).as_bytes());
    std::fs::create_dir(scene.path("folder.chain")).unwrap();
    scene.check(line, expected);
}

#[test]
fn a_missing_file() {
    check(
        "show missing.chain",
        &expect![[r#"
            --- messages
            error: there is no file missing.chain
              try: check the spelling, or look with ls
            --- exit 2
        "#]],
    );
}

#[test]
fn a_directory() {
    check(
        "stat folder.chain",
        &expect![[r#"
        --- messages
        error: folder.chain is a directory, not a chain
          try: name a file in it: ls folder.chain
        --- exit 2
    "#]],
    );
}

#[test]
fn standard_input() {
    check(
        "verify -",
        &expect![[r#"
        --- messages
        error: a chain cannot be read from standard input
          try: write it to a file first: a chain is read at many places at once
        --- exit 2
    "#]],
    );
}

#[test]
fn an_empty_file() {
    check(
        "show empty.chain",
        &expect![[r#"
        --- messages
        error: empty.chain: not a chain: the file is empty
          try: name a file that theater has recorded
        --- exit 2
    "#]],
    );
    check(
        "stat empty.chain",
        &expect![[r#"
        --- messages
        error: empty.chain: not a chain: the file is empty
          try: name a file that theater has recorded
        --- exit 2
    "#]],
    );
    check(
        "verify empty.chain",
        &expect![[r#"
        --- messages
        error: cannot check empty.chain: not a chain: the file is empty
          try: name a file that theater has recorded
        --- exit 2
    "#]],
    );
}

#[test]
fn a_text_file() {
    check(
        "show text.chain",
        &expect![[r#"
        --- messages
        error: text.chain: not a chain: neither the magic nor any record was found
          try: name a file that theater has recorded
        --- exit 2
    "#]],
    );
    check(
        "stat text.chain",
        &expect![[r#"
        --- messages
        error: text.chain: not a chain: neither the magic nor any record was found
          try: name a file that theater has recorded
        --- exit 2
    "#]],
    );
    check(
        "verify text.chain",
        &expect![[r#"
        --- messages
        error: cannot check text.chain: not a chain: neither the magic nor any record was found
          try: name a file that theater has recorded
        --- exit 2
    "#]],
    );
}

#[test]
fn a_range_that_ends_before_it_starts() {
    check(
        "show sample.chain --from 9 --to 3",
        &expect![[r#"
        --- messages
        error: --from 9 is after --to 3
        --- exit 2
    "#]],
    );
}

#[test]
fn formats_that_exclude_each_other() {
    let outcome = Scene::with_sample().run("show sample.chain --json --diag");
    assert_eq!(outcome.exit, Exit::Trouble);
    assert!(outcome.err.contains("cannot be used with"), "{}", outcome.err);
}

#[test]
fn an_unknown_subcommand() {
    let outcome = Scene::new().run("shwo sample.chain");
    assert_eq!(outcome.exit, Exit::Trouble);
    assert!(outcome.err.contains("'show'"), "{}", outcome.err);
}

#[test]
fn help_is_no_trouble() {
    let outcome = Scene::new().run("--help");
    assert_eq!((outcome.exit, outcome.err.as_str()), (Exit::Fine, ""));
    assert!(outcome.out.contains("Exit status:"), "{}", outcome.out);
}
