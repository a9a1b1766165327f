//! The command line as people see it, in process: what is printed and how it exits.

use theater_replay::{Exit, Ui, main_from};

/// Runs the program in process; gives the exit, the output and the messages.
fn run(args: &[&str]) -> (Exit, String, String) {
    let mut ui = Ui::captured();
    let exit = main_from(["theater-replay"].iter().chain(args), &mut ui);
    let (out, err) = ui.into_captured();
    (exit, out, err)
}

#[test]
fn a_missing_file_is_trouble() {
    let (exit, out, err) = run(&["stat", "no-such.chain.cbor"]);
    assert_eq!((exit, out.as_str()), (Exit::Trouble, ""));
    assert!(err.starts_with("error: cannot open no-such.chain.cbor: "), "{err}");
}
