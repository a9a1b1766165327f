//! Files of an actor: what it gets, what it is refused, and who else tries.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use theater_record::Value;

use super::folder::PATH_BYTES_MAX;
use super::{Filesystem, Folder};
use crate::manifest::{self, Below, FilesystemHandler, Root};
use crate::services::trial::{Trial, fails, gives};

/// A granted folder with a secret beside it.
struct Place {
    folder: TempDir,
    trial: Trial,
    files: Filesystem,
}

impl Place {
    fn new() -> Place {
        Place::restricted(|_, _| {})
    }

    /// What is restricted may depend on where the granted folder is.
    fn restricted(restrict: impl FnOnce(&mut manifest::Filesystem, &Path)) -> Place {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let root = folder.path().join("granted");
        fs::create_dir(&root).expect("it is new");
        fs::write(folder.path().join("secret"), "hush").expect("it is new");
        let mut restriction = manifest::Filesystem::default();
        restrict(&mut restriction, &root.canonicalize().expect("it is there"));
        let given = FilesystemHandler { root: Root::At("granted".into()), restriction };
        let files = Filesystem(Arc::new(Folder::open(&given, folder.path())));
        Place { folder, trial: Trial::new(), files }
    }

    fn at(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join("granted").join(path)
    }

    fn call(&mut self, function: &str, path: &str) -> Value {
        let args = vec![Value::String(path.to_owned())];
        self.trial.call(&mut self.files, function, args)
    }

    fn write(&mut self, path: &str, content: &[u8]) -> Value {
        let args = vec![Value::String(path.to_owned()), Value::Bytes(content.to_vec())];
        self.trial.call(&mut self.files, "write-file", args)
    }

    fn read(&mut self, path: &str) -> Vec<u8> {
        match gives(self.call("read-file", path)) {
            Value::Bytes(content) => content,
            other => panic!("{other:?}"),
        }
    }

    fn list(&mut self, path: &str) -> Vec<String> {
        let Value::List(names) = gives(self.call("list-files", path)) else { panic!() };
        let name = |name| match name {
            Value::String(name) => name,
            other => panic!("{other:?}"),
        };
        names.into_iter().map(name).collect()
    }

    /// Every function, each on this path, fails like this.
    #[track_caller]
    fn all_fail(&mut self, path: &str, reason: &str, trouble: &str) {
        let all =
            ["read-file", "list-files", "delete-file", "create-dir", "delete-dir", "path-exists"];
        for function in all {
            fails(self.call(function, path), &format!("{function} {path:?}: {trouble}"));
            self.decided(reason, path, trouble);
        }
        fails(self.write(path, b"new"), &format!("write-file {path:?}: {trouble}"));
        self.decided(reason, path, trouble);
    }

    #[track_caller]
    fn decided(&mut self, reason: &str, path: &str, trouble: &str) {
        let text = match reason {
            "granted" => format!("granted {path}"),
            reason => format!("{reason} {path}: {trouble}"),
        };
        assert_eq!(self.trial.decided(), [text]);
    }
}

fn well() -> Value {
    Value::Result(Ok(None))
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).expect("it is a folder");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("it can be read").file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn files_and_folders_come_and_go() {
    let mut place = Place::new();
    assert_eq!(place.call("create-dir", "a"), well());
    assert_eq!(place.call("create-dir", "a"), well(), "it is there already");
    assert_eq!(place.write("a/one", b"first"), well());
    assert_eq!(place.write("./a//./one", b"second\0\xff"), well());
    assert_eq!(place.read("a/../a/one"), b"second\0\xff");
    assert_eq!(fs::read(place.at("a/one")).unwrap(), b"second\0\xff");
    assert_eq!(place.list("a"), ["one"]);
    assert_eq!(place.list("."), ["a"]);
    for (path, exists) in [("a", true), ("a/one", true), (".", true), ("b", false), ("", false)] {
        assert_eq!(gives(place.call("path-exists", path)), Value::Bool(exists), "{path}");
    }
    assert_eq!(gives(place.call("path-exists", "a/one/x")), Value::Bool(false));
    assert_eq!(place.call("delete-file", "a/one"), well());
    assert_eq!(place.call("create-dir", "a/b"), well());
    assert_eq!(place.write("a/b/two", b""), well());
    assert_eq!(place.call("delete-dir", "a"), well());
    assert_eq!(names(&place.at("")), [""; 0]);
    assert!(place.trial.decided().iter().all(|decision| decision.starts_with("granted ")));
}

#[test]
fn what_cannot_be_done_is_said_in_fixed_words() {
    let mut place = Place::new();
    place.write("file", b"x");
    place.call("create-dir", "folder");
    place.trial.decided();
    for (function, path, trouble) in [
        ("read-file", "none", "it is not there"),
        ("read-file", "none/x", "it is not there"),
        ("read-file", "file/x", "it is no folder"),
        ("read-file", "folder", "it is a folder"),
        ("read-file", ".", "it is a folder"),
        ("read-file", "", "it is not there"),
        ("read-file", "a\0b", "it is no path that the system can have"),
        ("list-files", "file", "it is no folder"),
        ("list-files", "none", "it is not there"),
        ("delete-file", "folder", "it is a folder"),
        ("delete-file", "none", "it is not there"),
        ("delete-file", ".", "it names nothing in the granted folder"),
        ("create-dir", "none/x", "it is not there"),
        ("create-dir", "file", "something else is there already"),
        ("delete-dir", "file", "it is no folder"),
        ("delete-dir", "none", "it is not there"),
        ("delete-dir", ".", "it names nothing in the granted folder"),
        ("delete-dir", "folder/..", "it names nothing in the granted folder"),
    ] {
        fails(place.call(function, path), &format!("{function} {path:?}: {trouble}"));
        place.decided("granted", path, trouble);
    }
    fails(place.write("folder", b""), "write-file \"folder\": it is a folder");
    fails(place.write(".", b""), "write-file \".\": it is a folder");
    fails(place.write("none/x", b""), "write-file \"none/x\": it is not there");
    let long = "x".repeat(300);
    let error = format!("write-file {long:?}: it is no path that the system can have");
    fails(place.write(&long, b""), &error);
    let endless = "x/".repeat(PATH_BYTES_MAX);
    let error = "read-file (a path of 8192 bytes): it is no path that the system can have";
    fails(place.call("read-file", &endless), error);
    assert_eq!(names(&place.at("")), ["file", "folder"], "nothing else was left behind");
    assert!(place.trial.decided().iter().all(|decision| decision.len() < 5000));
}

#[test]
fn no_spelling_of_a_path_leads_out() {
    let mut place = Place::new();
    place.call("create-dir", "a");
    place.trial.decided();
    let absolute = place.folder.path().join("secret").to_str().unwrap().to_owned();
    let trouble = "it leads out of the granted folder";
    for path in [
        "../secret",
        "..",
        "../",
        "../granted",
        "../granted/a",
        "a/../../secret",
        "a/b/../../../secret",
        "none/../../secret",
        "./../secret",
        ".//..//secret",
        "a/./.././../secret",
        "/",
        "//",
        "/etc/passwd",
        "/..",
        "/proc/self/root/etc/passwd",
        &absolute,
        &format!("{}secret", "../".repeat(100)),
    ] {
        place.all_fail(path, "outside", trouble);
    }
    // None of these is a way out: they are names like any other.
    for path in ["..\\secret", "%2e%2e/secret", "..%2fsecret", "a/...", "~/secret", "．．/secret"]
    {
        fails(place.call("read-file", path), &format!("read-file {path:?}: it is not there"));
    }
    assert_eq!(fs::read(place.folder.path().join("secret")).unwrap(), b"hush");
    assert_eq!(names(place.folder.path()), ["granted", "secret"]);
}

#[test]
fn links_are_followed_within_the_folder_and_nowhere_else() {
    let mut place = Place::new();
    place.call("create-dir", "a");
    place.write("a/file", b"here");
    let secret = place.folder.path().join("secret");
    for (to, link) in [
        (Path::new("../secret"), "up"),
        (&secret, "absolute"),
        (Path::new("a/../../secret"), "winding"),
        (Path::new("up"), "twice"),
        (Path::new("/proc/self/root"), "magic"),
    ] {
        symlink(to, place.at(link)).unwrap();
    }
    symlink("..", place.at("parent")).unwrap();
    place.trial.decided();
    let trouble = "it leads out of the granted folder";
    for path in ["up", "absolute", "winding", "twice", "magic", "parent", "parent/secret"] {
        for function in ["read-file", "list-files", "path-exists", "create-dir"] {
            fails(place.call(function, path), &format!("{function} {path:?}: {trouble}"));
            place.decided("outside", path, trouble);
        }
        fails(place.write(path, b"new"), &format!("write-file {path:?}: {trouble}"));
        place.decided("outside", path, trouble);
    }
    let error = "delete-file \"parent/secret\": it leads out of the granted folder";
    fails(place.call("delete-file", "parent/secret"), error);
    // What is deleted is the link.
    assert_eq!(place.call("delete-file", "up"), well());
    assert_eq!(place.call("delete-dir", "parent"), well());
    assert_eq!(fs::read(&secret).unwrap(), b"hush");
    assert_eq!(names(place.folder.path()), ["granted", "secret"]);

    symlink("a/file", place.at("inside")).unwrap();
    symlink("a", place.at("folder")).unwrap();
    assert_eq!(place.read("inside"), b"here");
    assert_eq!(place.write("folder/other", b"there"), well());
    assert_eq!(place.write("inside", b"changed"), well());
    assert_eq!(fs::read(place.at("a/file")).unwrap(), b"changed", "what it leads to is written");
    assert!(place.at("inside").is_symlink());
    symlink("loop", place.at("loop")).unwrap();
    fails(place.call("read-file", "loop"), "read-file \"loop\": it has too many links");
    symlink("none", place.at("nowhere")).unwrap();
    assert_eq!(gives(place.call("path-exists", "nowhere")), Value::Bool(false));
    assert_eq!(place.write("nowhere", b"now"), well());
    assert_eq!(place.read("nowhere"), b"now");
}

#[test]
fn deleting_a_folder_deletes_links_and_not_what_they_lead_to() {
    let mut place = Place::new();
    place.call("create-dir", "a");
    place.call("create-dir", "kept");
    place.write("kept/file", b"x");
    symlink("../kept", place.at("a/inside")).unwrap();
    symlink(place.folder.path(), place.at("a/outside")).unwrap();
    assert_eq!(place.call("delete-dir", "a"), well());
    assert_eq!(place.read("kept/file"), b"x");
    assert_eq!(fs::read(place.folder.path().join("secret")).unwrap(), b"hush");
}

/// Does something until the time is up, on a thread beside.
fn meanwhile(run: impl Fn() + Sync, act: impl FnOnce()) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                run();
            }
        });
        // Who fails must not leave the other one at it.
        let acted = catch_unwind(AssertUnwindSafe(act));
        is_over.store(true, Ordering::Relaxed);
        acted.unwrap_or_else(|panic| resume_unwind(panic));
    });
}

#[test]
fn a_link_that_is_swapped_in_meanwhile_leads_nowhere() {
    let mut place = Place::restricted(|given, root| {
        given.allowed_paths = Some(vec![Below(root.join("open")), Below(root.join("door"))]);
    });
    for (folder, content) in [("open", "open"), ("closed", "closed")] {
        fs::create_dir(place.at(folder)).unwrap();
        fs::write(place.at(folder).join("secret"), content).unwrap();
    }
    let (door, next) = (place.at("door"), place.at("next"));
    let outside = place.folder.path().to_owned();
    let swap = || {
        for to in [Path::new("open"), Path::new("closed"), &outside] {
            let _ = symlink(to, &next).and_then(|()| fs::rename(&next, &door));
        }
        let _ = fs::remove_file(&door);
        let _ = fs::create_dir(&door).and_then(|()| fs::write(door.join("secret"), "open"));
        let _ = fs::remove_dir_all(&door);
    };
    let start = Instant::now();
    let mut read = 0;
    meanwhile(swap, || {
        while start.elapsed() < Duration::from_millis(500) || read == 0 {
            assert!(start.elapsed() < Duration::from_secs(20), "it is never there");
            if let Value::Result(Ok(Some(content))) = place.call("read-file", "door/secret") {
                // Empty is what is being written.
                let Value::Bytes(content) = *content else { panic!("{content:?}") };
                assert!(content.is_empty() || content == b"open", "{content:?}");
                read += 1;
            }
            place.write("door/written", b"new");
            place.call("create-dir", "door/made");
            place.call("delete-file", "door/secret");
            let _ = fs::write(place.at("open/secret"), "open");
        }
    });
    assert!(read > 0, "the door is open at times");
    assert_eq!(fs::read(outside.join("secret")).unwrap(), b"hush");
    assert_eq!(names(&outside), ["granted", "secret"]);
    assert_eq!(names(&place.at("closed")), ["secret"]);
}

#[test]
fn allowed_paths_are_held_against_where_a_path_leads() {
    let mut place = Place::restricted(|given, root| {
        given.allowed_paths = Some(vec![Below(root.join("open")), Below(root.join("one"))]);
    });
    for (path, content) in [("one", "1"), ("two", "2"), ("onemore", "3")] {
        fs::write(place.at(path), content).unwrap();
    }
    symlink("two", place.at("open")).unwrap();
    symlink("../two", place.at("way")).unwrap();
    let trouble = "it is below none of the allowed paths";
    for path in ["two", "onemore", "open"] {
        fails(place.call("read-file", path), &format!("read-file {path:?}: {trouble}"));
        place.decided("not-granted", path, trouble);
    }
    fs::remove_file(place.at("open")).unwrap();
    assert_eq!(place.call("create-dir", "open"), well());
    assert_eq!(place.write("open/new", b"n"), well());
    symlink("open/new", place.at("link")).unwrap();
    assert_eq!(place.read("link"), b"n", "where the link itself is does not matter");
    assert_eq!(place.read("open/../one"), b"1");
    let error = "create-dir \"other\": it is below none of the allowed paths";
    fails(place.call("create-dir", "other"), error);
    fails(place.call("list-files", "."), &format!("list-files \".\": {trouble}"));
    assert_eq!(names(&place.at("")), ["link", "one", "onemore", "open", "two", "way"]);
}

#[test]
fn reading_and_writing_are_allowed_each_by_itself() {
    let mut reader = Place::restricted(|given, _| given.write = Some(false));
    fs::write(reader.at("file"), "x").unwrap();
    assert_eq!(reader.read("file"), b"x");
    assert_eq!(reader.list("."), ["file"]);
    reader.trial.decided();
    for function in ["delete-file", "create-dir", "delete-dir"] {
        fails(
            reader.call(function, "file"),
            &format!("{function} \"file\": writing is not allowed"),
        );
        reader.decided("read-only", "file", "writing is not allowed");
    }
    fails(reader.write("file", b"y"), "write-file \"file\": writing is not allowed");
    assert_eq!(fs::read(reader.at("file")).unwrap(), b"x");

    let mut writer = Place::restricted(|given, _| given.read = Some(false));
    assert_eq!(writer.write("file", b"x"), well());
    writer.trial.decided();
    for function in ["read-file", "list-files", "path-exists"] {
        fails(
            writer.call(function, "file"),
            &format!("{function} \"file\": reading is not allowed"),
        );
        writer.decided("not-granted", "file", "reading is not allowed");
    }
}

#[test]
fn pipes_and_devices_are_no_files_and_nobody_waits_for_them() {
    let mut place = Place::new();
    mknodat(CWD, place.at("pipe"), FileType::Fifo, Mode::from(0o600), 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.at("socket")).unwrap();
    let mut all = vec!["pipe", "socket"];
    let null = rustix::fs::makedev(1, 3);
    // Only some users can make devices.
    if mknodat(CWD, place.at("null"), FileType::CharacterDevice, Mode::from(0o666), null).is_ok() {
        all.push("null");
    }
    for name in all {
        let trouble = "it is neither a file nor a folder";
        fails(place.call("read-file", name), &format!("read-file {name:?}: {trouble}"));
        fails(place.write(name, b"x"), &format!("write-file {name:?}: {trouble}"));
        assert_eq!(place.call("delete-file", name), well());
        assert!(!place.at(name).exists());
    }
}

#[test]
fn eight_mebibytes_are_the_most() {
    let mut place = Place::new();
    let most = vec![7; 8 << 20];
    assert_eq!(place.write("most", &most), well());
    assert_eq!(place.read("most"), most);
    let error = "write-file \"more\": it is larger than 8 MiB";
    fails(place.write("more", &[0; (8 << 20) + 1]), error);
    assert!(!place.at("more").exists());
    // One that has no end to speak of, without taking any space.
    fs::File::create(place.at("huge")).unwrap().set_len(1 << 40).unwrap();
    fails(place.call("read-file", "huge"), "read-file \"huge\": it is larger than 8 MiB");
}

#[test]
fn lists_leave_out_names_that_are_no_text_and_have_an_end() {
    let mut place = Place::new();
    for name in [&b"b"[..], b"a", b"B", b"\xff\xfe", "ä".as_bytes(), b"a\n", b".hidden"] {
        fs::write(place.at("").join(OsStr::from_bytes(name)), "").unwrap();
    }
    assert_eq!(place.list("."), [".hidden", "B", "a", "a\n", "b", "ä"]);
    place.call("create-dir", "many");
    for number in 0..10_000 {
        fs::write(place.at(&format!("many/{number}")), "").unwrap();
    }
    assert_eq!(place.list("many").len(), 10_000);
    fs::write(place.at("many/more"), "").unwrap();
    let error = "list-files \"many\": it holds more than 10000 names";
    fails(place.call("list-files", "many"), error);
}

#[test]
fn a_reader_sees_one_content_or_the_other() {
    let mut place = Place::new();
    let (zeros, ones) = (vec![0; 300_000], vec![1; 300_000]);
    place.write("file", &zeros);
    fs::set_permissions(place.at("file"), Permissions::from_mode(0o640)).unwrap();
    let file = place.at("file");
    let read = || {
        let content = fs::read(&file).expect("it is always there");
        assert_eq!(content.len(), 300_000);
        assert!(content.iter().all(|byte| *byte == content[0]));
    };
    meanwhile(read, || {
        for _ in 0..50 {
            place.write("file", &ones);
            place.write("file", &zeros);
        }
    });
    let mode = fs::metadata(place.at("file")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o640, "who may read it stays");
    assert_eq!(names(&place.at("")), ["file"]);
}

#[test]
fn a_new_folder_is_empty_and_goes_with_the_actor() {
    let nowhere = Some(vec![Below("/none".into())]);
    let restriction =
        manifest::Filesystem { allowed_paths: nowhere, ..manifest::Filesystem::default() };
    let given = FilesystemHandler { root: Root::New, restriction };
    let folder = Arc::new(Folder::open(&given, Path::new("/none")));
    let place = folder.locate_folder(".").unwrap();
    let mut files = Filesystem(folder);
    let mut trial = Trial::new();
    let args = vec![Value::String("a".to_owned()), Value::Bytes(b"b".to_vec())];
    assert_eq!(trial.call(&mut files, "write-file", args), well());
    assert_eq!(names(&place), ["a"]);
    drop(files);
    assert!(!place.exists());
}

#[test]
fn without_its_folder_everything_fails() {
    let given = |path: &str| FilesystemHandler {
        root: Root::At(path.into()),
        restriction: manifest::Filesystem::default(),
    };
    for path in ["/none/at/all", "/dev/null"] {
        let mut files = Filesystem(Arc::new(Folder::open(&given(path), Path::new("/"))));
        let mut trial = Trial::new();
        let read = trial.call(&mut files, "read-file", vec![Value::String("a".to_owned())]);
        fails(read, "read-file \"a\": the granted folder cannot be opened");
    }
}

#[test]
fn what_the_system_refuses_is_recorded_as_that() {
    let mut place = Place::new();
    fs::write(place.at("file"), "x").unwrap();
    fs::set_permissions(place.at("file"), Permissions::from_mode(0o000)).unwrap();
    if fs::read(place.at("file")).is_ok() {
        // Nothing is refused to this user.
        return;
    }
    fails(place.call("read-file", "file"), "read-file \"file\": the system does not permit it");
    place.decided("system", "file", "the system does not permit it");
}
