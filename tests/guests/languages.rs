//! Guests in languages that bring a runtime of their own. They are too large to be kept, so this
//! runs only where `THEATER_GUESTS` names the folder in which `corpus/build.sh` has put them, as in
//! CI.

use std::path::PathBuf;

use super::comes_to_its_end;
use crate::stage::Setup;

#[test]
fn guests_in_javascript_are_replayed() {
    greets("greeter-js", "JavaScript");
}

#[test]
fn guests_in_python_are_replayed() {
    greets("greeter-python", "Python");
}

#[allow(clippy::print_stdout, reason = "a test that is left out says so")]
fn greets(guest: &str, language: &str) {
    let built = std::env::var_os("THEATER_GUESTS").map(PathBuf::from);
    let component = built.map(|guests| guests.join(format!("{guest}.wasm")));
    let Some(component) = component.filter(|component| component.exists()) else {
        println!("left out: THEATER_GUESTS names no folder with {guest}.wasm");
        return;
    };
    let setup = || {
        Setup::at(component.clone())
            .call("greet(\"Ann\", 2)")
            .call("greet(\"\", 1)")
            .call("greet(\"Bob\", 1)")
            .call("remembered()")
    };
    let recorded = comes_to_its_end(&setup());
    let line = format!("hello Ann, for the 2. time from {language}\n");
    assert!(recorded.stdout.contains(&line), "{}", recorded.stdout);
    assert!(recorded.chain == setup().record().chain, "the same input makes the same chain");
    comes_to_its_end(&setup().unsteady());
}
