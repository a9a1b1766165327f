//! The store: what goes in comes out the same, or not at all.

use std::fs;
use std::thread;
use std::time::SystemTime;

use tempfile::TempDir;
use theater_record::Hash;
use theater_runtime::{Label, Store, StoreError};

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().expect("there is room for a folder");
    let store = Store::open(folder.path().join("store")).expect("a store can be made anywhere");
    (folder, store)
}

fn label(text: &str) -> Label {
    text.parse().expect("it is a label")
}

#[test]
fn content_is_kept_under_its_plain_digest() {
    let (folder, store) = store();
    let hash = store.put(b"component").unwrap();
    assert_eq!(hash.0, *blake3::hash(b"component").as_bytes());
    assert_eq!(store.get(&hash).unwrap(), b"component");
    assert!(store.contains(&hash));
    let name = hash.to_string();
    let path = folder.path().join("store").join(&name[..2]).join(&name[2..]);
    assert_eq!(store.path(&hash), path);
    assert_eq!(fs::read(path).unwrap(), b"component");
    // A second look at the same folder finds it too.
    let again = Store::open(folder.path().join("store")).unwrap();
    assert_eq!(again.get(&hash).unwrap(), b"component");
}

#[test]
fn keeping_the_same_twice_leaves_one_file_and_makes_it_young() {
    let (_folder, store) = store();
    let hash = store.put(b"once").unwrap();
    let file = fs::File::options().write(true).open(store.path(&hash)).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(store.put(b"once").unwrap(), hash);
    // It is the same file still, which this handle leads to.
    assert!(file.metadata().unwrap().modified().unwrap() > SystemTime::UNIX_EPOCH);
    let beside = fs::read_dir(store.path(&hash).parent().unwrap()).unwrap().count();
    assert_eq!(beside, 1, "no unfinished file is left");
}

#[test]
fn damage_is_found_on_reading_and_mended_by_keeping_again() {
    let (_folder, store) = store();
    let hash = store.put(b"precious").unwrap();
    fs::write(store.path(&hash), b"precious?").unwrap();
    let error = store.get(&hash).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }));
    let expected = format!(
        "{} is damaged: its content is {}",
        store.path(&hash).display(),
        blake3::hash(b"precious?").to_hex()
    );
    assert_eq!(error.to_string(), expected);
    assert_eq!(store.put(b"precious").unwrap(), hash);
    assert_eq!(store.get(&hash).unwrap(), b"precious");
}

#[test]
fn what_is_not_there_is_missing() {
    let (folder, store) = store();
    let hash = Hash([7; 32]);
    assert!(!store.contains(&hash));
    let error = store.get(&hash).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the store {} has no content {hash}", folder.path().join("store").display())
    );
    assert!(matches!(store.set_label(&label("it"), &hash), Err(StoreError::Missing { .. })));
}

#[test]
fn the_list_holds_content_only_and_in_order() {
    let (folder, store) = store();
    assert_eq!(store.list().unwrap(), []);
    let mut hashes: Vec<_> = (0u8..40).map(|n| store.put(&[n]).unwrap()).collect();
    store.set_label(&label("first"), &hashes[0]).unwrap();
    fs::write(folder.path().join("store/notes.txt"), "mine").unwrap();
    let unfinished = store.path(&hashes[0]).with_file_name(".unfinished-x");
    fs::write(unfinished, "half").unwrap();
    hashes.sort();
    assert_eq!(store.list().unwrap(), hashes);
}

#[test]
fn labels_name_content_and_can_be_moved() {
    let (folder, store) = store();
    let (one, two) = (store.put(b"1").unwrap(), store.put(b"2").unwrap());
    let (current, stable) = (label("current"), label("stable, but old"));
    assert_eq!(store.labels().unwrap(), []);
    assert_eq!(store.label(&current).unwrap(), None);
    store.set_label(&current, &one).unwrap();
    store.set_label(&stable, &one).unwrap();
    store.add_to_label(&current, &two).unwrap();
    assert_eq!(store.label(&current).unwrap(), Some(two));
    let expected = vec![(current.clone(), vec![one, two]), (stable.clone(), vec![one])];
    assert_eq!(store.labels().unwrap(), expected);
    store.add_to_label(&current, &one).unwrap();
    assert_eq!(store.labelled(&current).unwrap(), [two, one], "what is added again is the newest");
    assert!(store.remove_from_label(&current, &two).unwrap());
    assert!(!store.remove_from_label(&current, &two).unwrap());
    let name = blake3::hash(b"current").to_string();
    let file = folder.path().join("store/labels").join(name);
    assert_eq!(fs::read_to_string(&file).unwrap(), format!("current\n{one}\n"));
    fs::write(&file, "latest\n").unwrap();
    assert!(matches!(store.label(&current), Err(StoreError::DamagedLabel { .. })));
    assert!(store.remove_label(&current).unwrap());
    assert_eq!(store.label(&current).unwrap(), None);
}

#[test]
fn a_name_is_a_digest_or_a_label() {
    let (folder, store) = store();
    let hash = store.put(b"x").unwrap();
    store.set_label(&label("it"), &hash).unwrap();
    assert_eq!(store.find("it").unwrap(), hash);
    assert_eq!(store.find(&hash.to_string()).unwrap(), hash);
    assert_eq!(
        store.find("other").unwrap_err().to_string(),
        format!("the store {} has no label other", folder.path().join("store").display())
    );
    assert!(matches!(store.find("../it"), Err(StoreError::BadLabel(_))));
}

#[test]
fn labels_are_texts_and_no_paths() {
    let long = "x".repeat(256);
    for text in ["", ".", "..", "a/b", "a\\b", "line\nbreak", "\u{1b}[2J", &long] {
        let error = text.parse::<Label>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{text:?} cannot be a label: ")), "{error}");
    }
    for text in ["a b", "\u{e4}", ".hidden", "-x", &long[1..]] {
        assert_eq!(label(text).as_str(), text);
    }
}

#[test]
fn several_writers_of_the_same_content_do_not_disturb_each_other() {
    let (_folder, store) = store();
    let bytes = vec![42; 1 << 18];
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let hash = store.put(&bytes).unwrap();
                assert_eq!(store.get(&hash).unwrap(), bytes);
            });
        }
    });
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let folder = file.path().join("store");
    let error = Store::open(&folder).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot create {}: ", folder.display())), "{error}");
}
