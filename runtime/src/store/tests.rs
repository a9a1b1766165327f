//! Stores held against a model, and what the garbage collector leaves alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::thread;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use theater_record::{About, CloseReason, Hash, Options, Recorder, Seed};

use super::files::Turn;
use super::{Flaw, Garbage, Label, Names, Store, StoreError, digest};

/// One operation on a store.
#[derive(Debug, Clone)]
enum Op {
    Put(u8),
    Add(usize, u8),
    Set(usize, u8),
    TakeOut(usize, u8),
    Forget(usize),
    Collect,
    Damage(u8),
}

const LABELS: [&str; 4] = ["latest", "LATEST", "a label with spaces and ä", ".hidden"];

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let content = 0..6_u8;
    let label = 0..LABELS.len();
    let op = prop_oneof![
        4 => content.clone().prop_map(Op::Put),
        3 => (label.clone(), content.clone()).prop_map(|(l, c)| Op::Add(l, c)),
        2 => (label.clone(), content.clone()).prop_map(|(l, c)| Op::Set(l, c)),
        2 => (label.clone(), content.clone()).prop_map(|(l, c)| Op::TakeOut(l, c)),
        1 => label.prop_map(Op::Forget),
        1 => Just(Op::Collect),
        1 => content.prop_map(Op::Damage),
    ];
    prop::collection::vec(op, 1..40)
}

/// What a store should be like.
#[derive(Debug, Default)]
struct Model {
    /// Whether each content is as it was kept.
    contents: BTreeMap<Hash, bool>,
    labels: BTreeMap<Label, Vec<Hash>>,
}

fn label(at: usize) -> Label {
    LABELS[at].parse().expect("it is a label")
}

/// Does the same to both, and compares what they answer.
fn step(store: &Store, model: &mut Model, op: &Op) {
    let is_there = |model: &Model, byte: u8| model.contents.contains_key(&digest(&[byte]));
    match *op {
        Op::Put(byte) => {
            let hash = store.put(&[byte]).expect("there is room");
            model.contents.insert(hash, true);
        }
        Op::Add(at, byte) => {
            let added = store.add_to_label(&label(at), &digest(&[byte]));
            assert_eq!(added.is_ok(), is_there(model, byte));
            if added.is_ok() {
                let named = model.labels.entry(label(at)).or_default();
                named.retain(|hash| *hash != digest(&[byte]));
                named.push(digest(&[byte]));
            }
        }
        Op::Set(at, byte) => {
            let set = store.set_label(&label(at), &digest(&[byte]));
            assert_eq!(set.is_ok(), is_there(model, byte));
            if set.is_ok() {
                model.labels.insert(label(at), vec![digest(&[byte])]);
            }
        }
        Op::TakeOut(at, byte) => {
            let hash = digest(&[byte]);
            let named = model.labels.entry(label(at)).or_default();
            let removed = store.remove_from_label(&label(at), &hash).expect("it can be written");
            assert_eq!(removed, named.contains(&hash));
            named.retain(|named| *named != hash);
        }
        Op::Forget(at) => {
            let removed = store.remove_label(&label(at)).expect("it can be written");
            let named = model.labels.remove(&label(at));
            assert_eq!(removed, named.is_some_and(|named| !named.is_empty()));
        }
        Op::Collect => {
            let before = SystemTime::now() + Duration::from_secs(1);
            let garbage = store.garbage(&Names::default(), before).expect("it can be read");
            store.remove(garbage, before).expect("it can be written");
            let named: BTreeSet<Hash> = model.labels.values().flatten().copied().collect();
            model.contents.retain(|hash, _| named.contains(hash));
        }
        Op::Damage(byte) => {
            let hash = digest(&[byte]);
            if let Some(is_sound) = model.contents.get_mut(&hash) {
                fs::write(store.path(&hash), b"damaged").expect("it can be written");
                *is_sound = false;
            }
        }
    }
    model.labels.retain(|_, named| !named.is_empty());
}

/// Compares everything that can be seen of both.
fn compare(store: &Store, model: &Model) {
    let contents: Vec<Hash> = model.contents.keys().copied().collect();
    assert_eq!(store.list().expect("it can be read"), contents);
    for (hash, is_sound) in &model.contents {
        assert_eq!(store.get(hash).is_ok(), *is_sound);
    }
    let labels: Vec<_> = model.labels.clone().into_iter().collect();
    assert_eq!(store.labels().expect("it can be read"), labels);
    for at in 0..LABELS.len() {
        let newest = model.labels.get(&label(at)).and_then(|named| named.last()).copied();
        assert_eq!(store.label(&label(at)).expect("it can be read"), newest);
    }
    let damaged = model.contents.values().filter(|is_sound| !**is_sound).count();
    let checked = store.check().expect("it can be read");
    assert_eq!((checked.flaws.len(), checked.labels), (damaged, labels.len() as u64));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_store_is_what_its_model_is(ops in ops()) {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let store = Store::open(folder.path()).expect("it can be made");
        let mut model = Model::default();
        for op in &ops {
            step(&store, &mut model, op);
            compare(&store, &model);
        }
    }
}

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let store = Store::open(folder.path().join("store")).expect("it can be made");
    (folder, store)
}

/// What would be removed, whatever its age.
fn garbage(store: &Store, names: &Names) -> Garbage {
    store.garbage(names, SystemTime::now() + Duration::from_secs(1)).expect("it can be read")
}

#[test]
fn what_is_named_is_no_garbage_and_neither_is_what_that_names() {
    let (folder, store) = store();
    let component = store.put(b"component").unwrap();
    let child = store.put(b"child").unwrap();
    let manifest = store.put(format!("component = \"store:{child}\"").as_bytes()).unwrap();
    let (labelled, old) = (store.put(b"labelled").unwrap(), store.put(b"old").unwrap());
    store.add_to_label(&"it".parse().unwrap(), &labelled).unwrap();
    let home = folder.path().join("chains/deep");
    fs::create_dir_all(&home).unwrap();
    let about = About {
        component: Some(component),
        manifest: Some(format!("[[children]]\nmanifest = \"store:{manifest}\"")),
        ..About::default()
    };
    let file = fs::File::create_new(home.join("a")).unwrap();
    let clock: theater_record::Clock = std::sync::Arc::new(|| 0);
    let recorder = Recorder::create(file, about, Options::default(), Seed::new([1; 32]), clock);
    recorder.unwrap().close(CloseReason::Completed, "").unwrap();
    let mut names = Names::default();
    names.add_folder(folder.path(), &[store.folder().to_owned()]).unwrap();
    assert_eq!(garbage(&store, &names).contents, [(old, 3)]);
    let mut all = garbage(&store, &Names::default()).contents;
    all.sort();
    assert_eq!(all.len(), 4, "all but what the label names");
}

#[test]
fn what_a_damaged_chain_names_cannot_be_told() {
    let (folder, store) = store();
    let path = folder.path().join("broken.chain.cbor");
    fs::write(&path, [&theater_record::MAGIC[..], &[7; 64]].concat()).unwrap();
    let mut names = Names::default();
    let error = names.add_folder(folder.path(), &[store.folder().to_owned()]).unwrap_err();
    assert_eq!(error.to_string(), {
        format!("cannot tell which contents {} names", path.display())
    });
    assert!(names.add_folder(&folder.path().join("nowhere"), &[]).is_err());
}

#[test]
fn what_was_kept_or_labelled_since_is_left_alone() {
    let (_folder, store) = store();
    let hashes: Vec<Hash> = (0..4_u8).map(|byte| store.put(&[byte]).unwrap()).collect();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    for hash in &hashes {
        fs::File::options()
            .write(true)
            .open(store.path(hash))
            .unwrap()
            .set_modified(long_ago)
            .unwrap();
    }
    let before = SystemTime::now() - Duration::from_secs(60);
    let found = store.garbage(&Names::default(), before).unwrap();
    assert_eq!(found.contents.len(), 4);
    store.put(&[0]).unwrap();
    store.set_label(&"it".parse().unwrap(), &hashes[1]).unwrap();
    let removed = store.remove(found, before).unwrap();
    let mut expected = [(hashes[2], 1), (hashes[3], 1)];
    expected.sort();
    assert_eq!(removed.contents, expected);
    assert!(store.contains(&hashes[0]) && store.contains(&hashes[1]));
}

#[test]
fn half_written_files_are_garbage_and_nothing_else_is() {
    let (_folder, store) = store();
    let hash = store.put(b"x").unwrap();
    let unfinished = store.path(&hash).with_file_name(".unfinished-abc");
    fs::write(&unfinished, "half").unwrap();
    fs::write(store.folder().join("notes.txt"), "mine").unwrap();
    let found = garbage(&store, &Names::default());
    assert_eq!(found.unfinished, [unfinished]);
    let removed = store.remove(found.clone(), SystemTime::now() + Duration::from_secs(1)).unwrap();
    assert_eq!(removed, found);
    assert!(store.folder().join("notes.txt").exists());
    assert_eq!(garbage(&store, &Names::default()), Garbage::default());
}

#[test]
fn a_check_names_everything_that_is_wrong() {
    let (_folder, store) = store();
    let (damaged, lost) = (store.put(b"damaged").unwrap(), store.put(b"lost").unwrap());
    let (one, other): (Label, Label) = ("one".parse().unwrap(), "other".parse().unwrap());
    store.set_label(&one, &lost).unwrap();
    store.set_label(&other, &damaged).unwrap();
    fs::write(store.path(&damaged), "altered").unwrap();
    fs::remove_file(store.path(&lost)).unwrap();
    fs::write(store.label_path(&other), "other\nnot a digest\n").unwrap();
    let checked = store.check().unwrap();
    assert_eq!((checked.contents, checked.bytes, checked.labels), (1, 0, 1));
    let mut flaws = checked.flaws;
    flaws.sort_by_key(|flaw| flaw.to_string());
    let mut expected = [
        Flaw::Damaged { hash: damaged, found: digest(b"altered") },
        Flaw::Dangling { label: one, hash: lost },
        Flaw::DamagedLabel { path: store.label_path(&other) },
    ];
    expected.sort_by_key(|flaw| flaw.to_string());
    assert_eq!(flaws, expected);
    // A label that is set again is whole again; a file under the wrong name is no label.
    let again = store.put(b"damaged").unwrap();
    store.set_label(&other, &again).unwrap();
    assert_eq!(store.label(&other).unwrap(), Some(again));
    fs::copy(store.label_path(&other), store.folder().join("labels").join("0".repeat(64))).unwrap();
    assert!(matches!(store.labels(), Err(StoreError::DamagedLabel { .. })));
}

#[test]
fn changes_take_turns_and_none_is_lost() {
    let (_folder, store) = store();
    let label: Label = "all".parse().unwrap();
    thread::scope(|scope| {
        for worker in 0..4_u8 {
            let (store, label) = (&store, &label);
            scope.spawn(move || {
                for number in 0..10_u8 {
                    let hash = store.put(&[worker, number]).unwrap();
                    store.add_to_label(label, &hash).unwrap();
                }
            });
        }
    });
    assert_eq!(store.labelled(&label).unwrap().len(), 40);
    let turn = Turn::wait(store.folder()).unwrap();
    thread::scope(|scope| {
        let waits = scope.spawn(|| store.remove_label(&label));
        thread::sleep(Duration::from_millis(30));
        assert!(!waits.is_finished(), "it is not its turn");
        assert_eq!(store.labels().unwrap().len(), 1, "reading does not wait");
        drop(turn);
        assert!(waits.join().unwrap().unwrap());
    });
}
