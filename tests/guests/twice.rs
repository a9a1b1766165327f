//! One setup recorded twice: the chains are equal, byte for byte, where the input is the same, and
//! differ in nothing but the input where it is not.

use theater_record::{Kind, Value};
use theater_runtime::Limits;

use super::http::{agent_of, model_and_tools};
use crate::stage::history::{differ_only, tells_of_files, tells_time_or_chance};
use crate::stage::server::Server;
use crate::stage::{Setup, folder};

#[test]
fn chains_of_the_same_input_are_equal_byte_for_byte() {
    for setup in [
        Setup::of("hello").args(&["Ann"]),
        Setup::of("hello-preview1"),
        Setup::of("clocks"),
        Setup::of("filter").stdin("one\ntwo\n"),
        Setup::of("panic"),
        Setup::of("exit").args(&["3"]),
        Setup::of("overflow"),
        Setup::of("oom"),
        Setup::of("calls").args(&["random32", "20"]),
        Setup::of("floats").call("survey()"),
        Setup::of("ledger").call("open(\"ann\")").call("history(oldest-first)"),
        Setup::of("mutant-base").call("step(1)").call("step(99)"),
        Setup::of("resources").call("counters#[constructor]counter(40)"),
        Setup::of("spin").with_limits(Limits {
            fuel: true,
            fuel_max: Some(100_000),
            ..Limits::default()
        }),
    ] {
        assert!(setup.record().chain == setup.record().chain, "{}", setup.component.display());
    }
}

#[test]
fn another_input_makes_another_chain() {
    let hello = |name| Setup::of("hello").args(&[name]).record().chain;
    assert_ne!(hello("Ann"), hello("Bob"));
}

#[test]
fn chains_of_the_same_files_differ_in_what_the_file_system_says_of_itself() {
    let files = folder(&[("a", "one"), ("sub/b", "two")]);
    let walk = Setup::of("walk").args(&["/in"]).read_only_dir(files.path(), "/in");
    let sorted = Setup::of("sorted").args(&["/a", "/sorted"]).dir(files.path(), "/");
    let payloads = Setup::of("payloads").dir(files.path(), "/");
    let calls = Setup::of("calls").args(&["write", "3", "5000"]).dir(files.path(), "/");
    let resources = Setup::of("resources")
        .dir(files.path(), "/")
        .call("holding#open(\"a\")")
        .call("holding#read(2)")
        .call("holding#size()");
    for setup in [walk, sorted, payloads, calls, resources] {
        let (first, second) = (setup.record(), setup.record());
        assert_eq!(first.stdout, second.stdout);
        differ_only(&first.history(), &second.history(), &tells_of_files);
    }
}

#[test]
fn chains_of_the_same_answers_from_a_server_differ_in_how_often_the_guest_had_to_wait() {
    let server = Server::start(|_| (200, "sunny".to_owned()));
    let fetch = Setup::of("fetch").args(&[&server.url("/")]).http(&server.authority());
    let (model, files) = (Server::start(model_and_tools), folder(&[("notes.txt", "buy milk")]));
    let agent = agent_of(&model, files.path());
    for setup in [fetch, agent] {
        let first = without_waiting(&setup);
        // What the agent has written would be there the second time.
        let _ = std::fs::remove_file(files.path().join("answer.txt"));
        let second = without_waiting(&setup);
        assert!(first.len() > 20);
        assert_eq!(first, second);
    }
}

#[test]
fn chains_of_real_clocks_and_randomness_differ_in_those_only() {
    for setup in [
        Setup::of("hello").args(&["Ann"]),
        Setup::of("filter").stdin("one\ntwo\n"),
        Setup::of("panic"),
        Setup::of("exit").args(&["3"]),
        Setup::of("floats").call("survey()"),
        Setup::of("ledger").call("open(\"ann\")").call("add(\"ann\", 5)"),
    ] {
        let setup = setup.unsteady();
        differ_only(&setup.record().history(), &setup.record().history(), &tells_time_or_chance);
    }
}

#[test]
fn what_follows_from_time_and_randomness_differs_in_its_values_only() {
    let guests = [
        Setup::of("clocks"),
        Setup::of("mutant-base").call("step(1)"),
        Setup::of("calls").args(&["random64", "3"]),
    ];
    for setup in guests.map(Setup::unsteady) {
        let (first, second) = (setup.record(), setup.record());
        assert_ne!(first.chain, second.chain);
        differ_only(&first.history(), &second.history(), &|entry| {
            let prints = entry.function().contains("output-stream.");
            let returns = entry.event.kind() == Kind::ExportReturn;
            tells_time_or_chance(entry) || prints || returns
        });
    }
}

/// What a guest asked and was answered, without the questions whether an answer is there yet.
fn without_waiting(setup: &Setup) -> Vec<String> {
    let history = setup.record().history();
    let mut told = Vec::new();
    for entry in &history.entries {
        let is_crossing = matches!(
            entry.event.kind(),
            Kind::ImportCall | Kind::ImportReturn | Kind::ExportCall | Kind::ExportReturn
        );
        if !is_crossing || tells_of_files(entry) || entry.function().starts_with("wasi:io/poll#") {
            continue;
        }
        let values = history.values(entry);
        let asks = entry.function().ends_with("future-incoming-response.get");
        if asks && matches!(values[..], [Value::Option(None) | Value::Borrow(_)]) {
            continue;
        }
        told.push(format!("{:?} {values:?}", entry.shape()));
    }
    told
}
