//! Programs that get along with arguments, input, clocks and randomness.

use theater_record::TrapCode;

use super::{comes_to_its_end, exits, fails};
use crate::stage::{Setup, folder};

#[test]
fn hello_greets() {
    let recorded = comes_to_its_end(&Setup::of("hello").args(&["Ann", "Bob"]));
    assert_eq!(recorded.stdout, "hello, Ann\nhello, Bob\n");
}

#[test]
fn hello_for_preview_1_greets_as_the_component_it_is_made() {
    let recorded = comes_to_its_end(&Setup::of("hello-preview1").args(&["Ann"]));
    assert_eq!(recorded.stdout, "hello, Ann\n");
}

#[test]
fn clocks_shows_what_it_was_given() {
    let mut setup = Setup::of("clocks").args(&["first"]);
    setup.grants.env.push(("COLOUR".to_owned(), "green".to_owned()));
    let recorded = comes_to_its_end(&setup);
    assert!(recorded.stdout.contains("wall clock: 1700000000.000000000\n"), "{}", recorded.stdout);
    assert!(recorded.stdout.contains("argument 1: first\n"), "{}", recorded.stdout);
    assert!(recorded.stdout.contains("variable COLOUR: green\n"), "{}", recorded.stdout);
}

#[test]
fn clocks_of_the_machine_are_replayed_as_they_were() {
    comes_to_its_end(&Setup::of("clocks").unsteady());
}

#[test]
fn filter_turns_its_input_into_upper_case() {
    let recorded = comes_to_its_end(&Setup::of("filter").stdin("one\nzwölf\n"));
    assert_eq!(recorded.stdout, "ONE\nZWÖLF\n");
    assert_eq!(recorded.stderr, "2 lines, 9 bytes\n");
}

#[test]
fn filter_comes_to_the_end_of_no_input() {
    let recorded = comes_to_its_end(&Setup::of("filter"));
    assert_eq!(recorded.stderr, "0 lines, 0 bytes\n");
}

#[test]
fn sorted_uses_what_a_c_program_gets_from_its_library() {
    let files = folder(&[("input", "pear\napple\nfig\n")]);
    let mut setup = Setup::of("sorted").args(&["/input", "/output"]).dir(files.path(), "/");
    setup.grants.env.push(("NAME".to_owned(), "Ann".to_owned()));
    let recorded = setup.record();
    let output = std::fs::read_to_string(files.path().join("output")).unwrap();
    drop(files);
    assert_eq!(output, "apple\nfig\npear\n");
    assert!(recorded.stdout.starts_with("sorted for Ann at 2023-11-14 22:13:20\n"));
    recorded.replays();
}

#[test]
fn panic_leaves_its_message_and_its_trap() {
    let recorded = fails(&Setup::of("panic").args(&["out", "of", "luck"]), TrapCode::Unreachable);
    assert_eq!(recorded.stdout, "about to panic\n");
    assert!(recorded.stderr.contains("out of luck"), "{}", recorded.stderr);
}

#[test]
fn exit_ends_the_program_well_or_not() {
    // WASI 0.2 has no more than these two, so every status but 0 arrives as 1.
    for (status, arrives) in [("0", "0"), ("1", "1"), ("7", "1")] {
        let recorded = exits(&Setup::of("exit").args(&[status]), arrives);
        assert_eq!(recorded.stdout, format!("about to exit with {status}\n"));
    }
}

#[test]
fn calls_makes_each_kind_of_call() {
    for words in [
        &["scalar", "50"][..],
        &["clock", "50"],
        &["random64", "50"],
        &["random32", "50"],
        &["compute", "1"],
    ] {
        let recorded = comes_to_its_end(&Setup::of("calls").args(words));
        assert!(recorded.stdout.starts_with(&format!("{} = ", words.join(" "))));
    }
}
