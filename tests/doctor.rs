//! `theater-replay doctor` on guests that each depend on one thing that is not their input, and on
//! guests that do not.

use std::path::Path;

use serde_json::Value;

use crate::stage::programs::run_at_home;
use crate::stage::{component, folder};

const WRITE: &str = "wasi:io/streams#[method]output-stream.write";

/// What `doctor` says of a guest, and whether it has found anything.
fn examined(guest: &str, options: &[&str]) -> (Value, String) {
    let component = component(guest);
    let command = ["theater-replay", "doctor", component.to_str().unwrap(), "--json"];
    let said = run_at_home(&[&command[..], options].concat());
    assert!(["Fine", "Finding"].contains(&&*said.exit), "{guest}: {said:?}");
    (said.json(), said.exit)
}

/// Expects one finding: this class, coming in by this import alone, and showing in this function.
#[track_caller]
fn depends_on(class: &str, import: &str, shows: &str, guest: &str, options: &[&str]) -> Value {
    let (diagnosis, exit) = examined(guest, options);
    assert_eq!(exit, "Finding", "{guest}");
    let findings = diagnosis["findings"].as_array().unwrap();
    let classes: Vec<&str> = findings.iter().map(|f| f["class"].as_str().unwrap()).collect();
    assert_eq!(classes, [class], "{guest}: {findings:#?}");
    let enters = findings[0]["enters"].as_array().unwrap();
    let enters: Vec<String> = enters.iter().map(|call| unversioned(&call["function"])).collect();
    assert_eq!(enters, [import], "{guest}");
    assert_eq!(unversioned(&findings[0]["shows"]["first"]["function"]), shows, "{guest}");
    assert_eq!(unversioned(&findings[0]["shows"]["varied"]["function"]), shows, "{guest}");
    assert_eq!(diagnosis["recorded"], diagnosis["replayed_exactly"], "{guest}");
    findings[0].clone()
}

/// Expects no finding; returns the notes as class and import.
#[track_caller]
fn depends_on_nothing(guest: &str, options: &[&str]) -> Vec<(String, String)> {
    let (diagnosis, exit) = examined(guest, options);
    assert_eq!(diagnosis["findings"], Value::Array(Vec::new()), "{guest}");
    assert_eq!(exit, "Fine", "{guest}");
    assert_eq!(diagnosis["recorded"], diagnosis["replayed_exactly"], "{guest}");
    let notes = diagnosis["notes"].as_array().unwrap().iter();
    notes
        .map(|note| (note["class"].as_str().unwrap().to_owned(), unversioned(&note["function"])))
        .collect()
}

#[test]
fn the_time_is_found() {
    let finding = depends_on("time", "wasi:clocks/wall-clock#now", WRITE, "dated", &[]);
    assert_eq!(finding["shows"]["kind"], "other-arguments");
    assert_eq!(finding["shows"]["path"], "args[1]");
    assert_eq!(finding["shows"]["first"]["value"], "b\"2 of the week\\n\"");
    // It prints how long its calls took.
    let calls = ["--", "scalar", "50"];
    depends_on("time", "wasi:clocks/monotonic-clock#now", WRITE, "calls", &calls);
    let calls = ["--invoke", "open(\"ann\")", "--invoke", "history(oldest-first)"];
    let history = "theater:ledger/accounts#history";
    let finding = depends_on("time", "wasi:clocks/wall-clock#now", history, "ledger", &calls);
    assert_eq!(finding["shows"]["kind"], "other-return");
    assert_eq!(finding["shows"]["path"], "result[0].at.seconds");
    assert_eq!(finding["shows"]["first"]["value"], "1700000000");
}

#[test]
fn randomness_is_found() {
    depends_on("random", "wasi:random/random#get-random-u64", WRITE, "dice", &[]);
}

#[test]
fn the_environment_is_found() {
    let import = "wasi:cli/environment#get-environment";
    let finding = depends_on("environment", import, WRITE, "whoami", &[]);
    assert_eq!(finding["shows"]["first"]["value"], "b\"ann\\n\"");
}

#[test]
fn the_order_of_directory_entries_is_found() {
    let tree = folder(&[("a", "1"), ("b", "22"), ("c", "333"), ("d/e", "4")]);
    let import = "wasi:filesystem/types#[method]directory-entry-stream.read-directory-entry";
    for suffix in ["", ":ro"] {
        let dir = format!("{}::/{suffix}", text(tree.path()));
        let finding = depends_on("directory-order", import, WRITE, "listing", &["--dir", &dir]);
        assert_eq!(finding["shows"]["first"]["value"], "b\"a\\n\"");
        assert_eq!(finding["shows"]["varied"]["value"], "b\"d\\n\"");
    }
}

#[test]
fn addresses_are_found() {
    let import = "wasi:cli/environment#get-environment";
    for runs in ["1", "3", "7"] {
        depends_on("addresses", import, WRITE, "buckets", &["--runs", runs]);
    }
}

#[test]
fn what_is_ready_first_is_found() {
    let finding = depends_on("schedule", "wasi:io/poll#poll", WRITE, "race", &[]);
    assert_eq!(finding["shows"]["path"], "args[1]");
}

#[test]
fn several_things_are_found_each_for_itself() {
    let (diagnosis, _) = examined("clocks", &[]);
    let findings = diagnosis["findings"].as_array().unwrap();
    let classes: Vec<&str> = findings.iter().map(|f| f["class"].as_str().unwrap()).collect();
    assert_eq!(classes, ["time", "random", "environment"]);
    let not_varied = |class: &str| {
        let varied = diagnosis["varied"].as_array().unwrap().iter();
        varied.clone().find(|one| one["class"] == class).unwrap()["not_varied"].clone()
    };
    assert_eq!(not_varied("addresses"), "it depends on the environment, which moves them too");
    assert_eq!(not_varied("directory-order"), "no directory is granted");
}

#[test]
fn nothing_is_found_where_there_is_nothing() {
    assert_eq!(depends_on_nothing("hello", &["--", "you"]), []);
    assert_eq!(depends_on_nothing("hello-preview1", &["--runs", "5"]), []);
    assert_eq!(depends_on_nothing("floats", &["--invoke", "survey()"]), []);
    assert_eq!(depends_on_nothing("exit", &["--", "3"]), []);
    depends_on_nothing("filter", &["--", "x"]);
    let calls = ["open(\"ann\")", "add(\"ann\", 5)", "balance(\"ann\")"];
    let calls = calls.iter().flat_map(|call| ["--invoke", call]).collect::<Vec<_>>();
    let told = depends_on_nothing("ledger", &calls);
    assert_eq!(told, [("time".to_owned(), "wasi:clocks/wall-clock#now".to_owned())]);
}

#[test]
fn what_never_shows_is_a_note() {
    let told = depends_on_nothing("nap", &[]);
    assert_eq!(told, [("time".to_owned(), "wasi:clocks/monotonic-clock#now".to_owned())]);
}

#[test]
fn a_guest_that_sorts_what_it_lists_is_clean_and_leaves_nothing_behind() {
    let tree = folder(&[("a", "1"), ("b", "22"), ("c", "333"), ("d/e", "4")]);
    let dir = format!("{}::/", text(tree.path()));
    let told = depends_on_nothing("walk", &["--dir", &dir, "--", "/", "/report"]);
    let is_order = |(class, _): &(String, String)| class == "directory-order";
    assert!(told.iter().any(is_order), "{told:?}");
    assert!(!tree.path().join("report").exists());
}

#[test]
fn what_is_asked_for_is_input() {
    depends_on_nothing("whoami", &["--env", "USER=eve"]);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A function's name without its interface's version.
fn unversioned(function: &Value) -> String {
    let function = function.as_str().expect("there is a function");
    let (interface, name) = function.split_once('#').unwrap_or(("", function));
    format!("{}#{name}", interface.split('@').next().unwrap_or_default())
}
