//! Guests that read and write files. They are replayed after the files are gone.

use theater_record::{Event, Kind};

use super::comes_to_its_end;
use crate::stage::{Setup, folder};

#[test]
fn walk_describes_a_tree_and_writes_a_report() {
    let tree = folder(&[("a.txt", "one"), ("sub/b.txt", "two"), ("sub/deep/c.txt", "three")]);
    let setup = Setup::of("walk").args(&["/", "/report"]).dir(tree.path(), "/");
    let recorded = setup.record();
    let report = std::fs::read_to_string(tree.path().join("report")).unwrap();
    drop(tree);
    assert!(recorded.stdout.starts_with(&report) && report.contains("/sub/deep/c.txt\n"));
    assert!(recorded.stdout.contains("11 bytes in all\n"), "{}", recorded.stdout);
    recorded.replays();
}

#[test]
fn calls_reads_and_writes_pieces_of_any_size() {
    for words in [["read", "3", "256"], ["read", "3", "65536"], ["write", "3", "5000"]] {
        let files = folder(&[]);
        let setup = Setup::of("calls").args(&words).dir(files.path(), "/");
        let recorded = setup.record();
        drop(files);
        assert!(recorded.stdout.starts_with(&words.join(" ")), "{}", recorded.stdout);
        recorded.replays();
    }
}

#[test]
fn payloads_of_every_size_are_replayed() {
    let files = folder(&[]);
    let recorded = Setup::of("payloads").dir(files.path(), "/").record();
    drop(files);
    assert_eq!(recorded.stdout.matches(" same\n").count(), 8, "{}", recorded.stdout);
    recorded.replays();
}

#[test]
fn payloads_of_4_kib_and_more_stand_out_of_line() {
    let files = folder(&[]);
    let recorded = Setup::of("calls").args(&["read", "1", "4096"]).dir(files.path(), "/").record();
    let short = Setup::of("calls").args(&["read", "1", "4095"]).dir(files.path(), "/").record();
    drop(files);
    let refs = |recorded: &crate::stage::Recorded| {
        let history = recorded.history();
        let reads =
            history.all(Kind::ImportReturn, "wasi:filesystem/types#[method]descriptor.read");
        let counts = reads.map(|entry| match &entry.event {
            Event::ImportReturn(end) => match &end.outcome {
                theater_record::Outcome::Returned(values) => values.blob_refs().unwrap().len(),
                theater_record::Outcome::Trapped { .. } => 0,
            },
            _ => unreachable!("only returns were asked for"),
        });
        counts.collect::<Vec<_>>()
    };
    assert_eq!(refs(&recorded), [1]);
    assert_eq!(refs(&short), [0]);
    recorded.replays();
    short.replays();
}

#[test]
fn resources_are_held_from_one_call_to_the_next() {
    let files = folder(&[("notes", "start, ")]);
    let setup = Setup::of("resources")
        .dir(files.path(), "/")
        .call("holding#open(\"notes\")")
        .call("holding#write([109, 111, 114, 101])")
        .call("holding#read(7)")
        .call("holding#start-waiting(1000)")
        .call("holding#start-waiting(2000)")
        .call("holding#wait()")
        .call("holding#read(100)")
        .call("holding#size()")
        .call("holding#close()")
        .call("holding#size()");
    let recorded = setup.record();
    let notes = std::fs::read_to_string(files.path().join("notes")).unwrap();
    drop(files);
    assert_eq!(notes, "start, more");
    assert!(recorded.failure.is_none(), "{:?}", recorded.failure);
    let drops = recorded.history();
    let drops = drops.entries.iter().filter(|entry| entry.event.kind() == Kind::ResourceDrop);
    assert!(drops.count() >= 5, "the folder, the file, both streams, and what was waited for");
    recorded.replays();
}

#[test]
fn a_folder_of_nothing_is_walked() {
    let tree = folder(&[]);
    let recorded = comes_to_its_end(&Setup::of("walk").read_only_dir(tree.path(), "/"));
    assert_eq!(recorded.stdout, "0 bytes in all\n");
}
