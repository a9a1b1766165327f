//! Directories: what works, what is denied, and what the denial is said to be.

use std::fs;

use theater_record::{
    FunctionId, FunctionType, Permission, Type, TypeDef, TypeId, TypeTable, Value, Values,
};
use theater_runtime::host::{DirGrant, FileWatch, Grants};
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as _;
use wasmtime_wasi::p2::bindings::sync::filesystem::types::{
    DescriptorFlags, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
};

use super::{Data, data, line};

/// The error codes of the interface, in its order.
const CODES: [&str; 37] = [
    "access",
    "would-block",
    "already",
    "bad-descriptor",
    "busy",
    "deadlock",
    "quota",
    "exist",
    "file-too-large",
    "illegal-byte-sequence",
    "in-progress",
    "interrupted",
    "invalid",
    "io",
    "is-directory",
    "loop",
    "too-many-links",
    "message-size",
    "name-too-long",
    "no-device",
    "no-entry",
    "no-lock",
    "insufficient-memory",
    "insufficient-space",
    "not-directory",
    "not-empty",
    "not-recoverable",
    "unsupported",
    "no-tty",
    "no-such-device",
    "overflow",
    "not-permitted",
    "pipe",
    "read-only",
    "invalid-seek",
    "text-file-busy",
    "cross-device",
];

/// A directory with a file in it, beside a secret, with links that lead to the secret.
struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    fn new() -> Folder {
        let root = tempfile::tempdir().expect("there is room for a folder");
        let folder = Folder { root };
        fs::create_dir(folder.granted()).expect("the folder is empty");
        let write = |path, text| fs::write(folder.root.path().join(path), text);
        write("granted/file", "fine").expect("the folder is there");
        write("secret", "hidden").expect("the folder is there");
        #[cfg(unix)]
        for (target, link) in [("../secret", "link"), ("/", "rootlink"), ("file", "inside")] {
            std::os::unix::fs::symlink(target, folder.granted().join(link)).expect("it is new");
        }
        folder
    }

    fn granted(&self) -> std::path::PathBuf {
        self.root.path().join("granted")
    }

    fn host(&self, read_only: bool) -> Data {
        let dir = DirGrant { host: self.granted(), guest: "/d".to_owned(), read_only };
        data(Grants { dirs: vec![dir], ..Grants::default() })
    }
}

fn root(data: &mut Data) -> Resource<Descriptor> {
    let mut dirs = data.filesystem().get_directories().expect("there is room in the table");
    assert_eq!(dirs.len(), 1);
    assert_eq!(dirs[0].1, "/d");
    dirs.remove(0).0
}

fn code(error: FsError) -> ErrorCode {
    error.downcast().unwrap_or_else(|trap| panic!("{trap}")).into()
}

fn open(
    data: &mut Data,
    path: &str,
    oflags: OpenFlags,
    flags: DescriptorFlags,
) -> Result<Resource<Descriptor>, ErrorCode> {
    let root = root(data);
    let follow = PathFlags::SYMLINK_FOLLOW;
    HostDescriptor::open_at(&mut data.filesystem(), root, follow, path.to_owned(), oflags, flags)
        .map_err(code)
}

fn read(data: &mut Data, path: &str) -> Result<Vec<u8>, ErrorCode> {
    let file = open(data, path, OpenFlags::empty(), DescriptorFlags::READ)?;
    Ok(HostDescriptor::read(&mut data.filesystem(), file, 100, 0).map_err(code)?.0)
}

#[test]
fn a_granted_directory_can_be_read_and_written() {
    let folder = Folder::new();
    let mut data = folder.host(false);
    assert_eq!(read(&mut data, "file").unwrap(), b"fine");
    let file = open(&mut data, "new", OpenFlags::CREATE, DescriptorFlags::WRITE).unwrap();
    HostDescriptor::write(&mut data.filesystem(), file, b"made".to_vec(), 0).unwrap();
    assert_eq!(fs::read(folder.granted().join("new")).unwrap(), b"made");
    assert_eq!(data.0.take_decisions(), []);
}

#[test]
fn without_a_grant_there_is_no_directory() {
    assert!(data(Grants::default()).filesystem().get_directories().unwrap().is_empty());
}

#[test]
fn paths_cannot_lead_out_of_a_directory() {
    let folder = Folder::new();
    let mut data = folder.host(false);
    let secret = folder.root.path().join("secret");
    for path in ["../secret", "/etc/passwd", "x/../../secret", secret.to_str().unwrap()] {
        let denied = read(&mut data, path).expect_err(path);
        // A part that does not exist may be noticed first.
        assert!(
            matches!(denied, ErrorCode::NotPermitted | ErrorCode::NoEntry),
            "{path}: {denied:?}"
        );
    }
    assert_eq!(data.0.take_decisions(), []);
}

#[cfg(unix)]
#[test]
fn symbolic_links_cannot_lead_out_of_a_directory() {
    let folder = Folder::new();
    let mut data = folder.host(false);
    assert_eq!(read(&mut data, "inside").unwrap(), b"fine");
    let denied = read(&mut data, "link").unwrap_err();
    assert_eq!(denied, ErrorCode::NotPermitted);
    assert_eq!(read(&mut data, "rootlink/etc/passwd").unwrap_err(), ErrorCode::NotPermitted);
    // Neither can links be made that do.
    let dir = root(&mut data);
    let made =
        HostDescriptor::symlink_at(&mut data.filesystem(), dir, "/etc".to_owned(), "e".to_owned());
    assert_eq!(code(made.unwrap_err()), ErrorCode::NotPermitted);
    assert_eq!(shown(&data, "open-at", &open_args("link", 0, 1), denied), {
        "-3 filesystem link: a symbolic link leads out of its directory"
    });
}

#[test]
fn a_directory_for_reading_only_stays_as_it_is() {
    let folder = Folder::new();
    let mut data = folder.host(true);
    assert_eq!(read(&mut data, "file").unwrap(), b"fine");
    let opened = open(&mut data, "file", OpenFlags::empty(), DescriptorFlags::WRITE).unwrap_err();
    let created = open(&mut data, "new", OpenFlags::CREATE, DescriptorFlags::READ).unwrap_err();
    let dir = root(&mut data);
    let removed = HostDescriptor::unlink_file_at(&mut data.filesystem(), dir, "file".to_owned());
    let removed = code(removed.unwrap_err());
    assert_eq!([opened, created, removed], [ErrorCode::NotPermitted; 3]);
    assert_eq!(fs::read(folder.granted().join("file")).unwrap(), b"fine");
    assert!(!folder.granted().join("new").exists());
    let read_only = "the directory was granted for reading only";
    assert_eq!(shown(&data, "open-at", &open_args("file", 0, 2), opened), {
        format!("-2 filesystem file: {read_only}")
    });
    assert_eq!(shown(&data, "open-at", &open_args("new", 1, 1), created), {
        format!("-2 filesystem new: {read_only}")
    });
    assert_eq!(shown(&data, "unlink-file-at", &path_args(&["file"]), removed), {
        format!("-2 filesystem file: {read_only}")
    });
    let handle = [Value::Borrow(7)];
    assert_eq!(shown(&data, "write-via-stream", &handle, ErrorCode::NotPermitted), {
        format!("-2 filesystem @7: {read_only}")
    });
}

#[test]
fn denials_are_told_apart() {
    let folder = Folder::new();
    let (writable, read_only) = (folder.host(false), folder.host(true));
    let denied = ErrorCode::NotPermitted;
    let rename = path_args(&["a", "../b"]);
    assert_eq!(shown(&writable, "rename-at", &rename, denied), {
        "-3 filesystem a -> ../b: the path leads out of its directory"
    });
    // Reading is not what a directory for reading only denies.
    assert_eq!(shown(&read_only, "open-at", &open_args("/etc", 0, 1), denied), {
        "-3 filesystem /etc: the path leads out of its directory"
    });
    assert_eq!(shown(&writable, "stat-at", &path_args(&["x"]), ErrorCode::Access), {
        "-4 filesystem x: the operating system denied access"
    });
    assert_eq!(shown(&writable, "stat-at", &path_args(&["x"]), ErrorCode::ReadOnly), {
        "-4 filesystem x: the file system is read-only"
    });
    assert_eq!(shown(&writable, "set-size", &[Value::Borrow(3)], denied), {
        "-4 filesystem @3: the operating system does not permit it"
    });
}

#[test]
fn other_errors_and_successes_are_no_denials() {
    let folder = Folder::new();
    let host = folder.host(true);
    let args = path_args(&["x"]);
    for code in
        [ErrorCode::NoEntry, ErrorCode::Exist, ErrorCode::WouldBlock, ErrorCode::CrossDevice]
    {
        assert_eq!(denial(&host, "stat-at", &args, Err(code)), None, "{code:?}");
    }
    assert_eq!(denial(&host, "stat-at", &args, Ok(())), None);
}

#[test]
fn only_functions_of_the_file_system_that_can_fail_are_watched() {
    let types = types();
    assert!(FileWatch::new(&function("stat-at", &path_args(&["x"])), &types).is_some());
    let mut elsewhere = function("stat-at", &path_args(&["x"]));
    elsewhere.interface = "demo:filesystem/types@0.2.0".to_owned();
    assert!(FileWatch::new(&elsewhere, &types).is_none());
    let mut infallible = function("is-same-object", &[]);
    infallible.results = vec![Type::Bool];
    assert!(FileWatch::new(&infallible, &types).is_none());
}

/// The types of the interface, as far as arguments and errors need them.
fn types() -> TypeTable {
    let mut table = TypeTable::default();
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let definitions = [
        ("descriptor", Type::Resource),
        ("error-code", Type::Enum(names(&CODES))),
        ("path-flags", Type::Flags(names(&["symlink-follow"]))),
        ("open-flags", Type::Flags(names(&["create", "directory", "exclusive", "truncate"]))),
        ("descriptor-flags", Type::Flags(names(&["read", "write"]))),
    ];
    for (id, (name, ty)) in (0..).map(TypeId).zip(definitions) {
        assert!(table.add(TypeDef { id, name: name.to_owned(), ty }));
    }
    table
}

fn open_args(path: &str, open_flags: u64, descriptor_flags: u64) -> Vec<Value> {
    let path = Value::String(path.to_owned());
    vec![
        Value::Borrow(1),
        Value::Flags(1),
        path,
        Value::Flags(open_flags),
        Value::Flags(descriptor_flags),
    ]
}

fn path_args(paths: &[&str]) -> Vec<Value> {
    let paths = paths.iter().flat_map(|path| [Value::Borrow(1), Value::String((*path).to_owned())]);
    paths.collect()
}

/// The function, with parameters to which these arguments fit.
fn function(name: &str, args: &[Value]) -> FunctionType {
    let mut flags = 2;
    let mut ty = |arg: &Value| match arg {
        Value::Borrow(_) => Type::Borrow(TypeId(0)),
        Value::String(_) => Type::String,
        _ => {
            flags += 1;
            Type::Named(TypeId(flags - 1))
        }
    };
    FunctionType {
        id: FunctionId(0),
        interface: "wasi:filesystem/types@0.2.6".to_owned(),
        name: format!("[method]descriptor.{name}"),
        params: args.iter().map(|arg| ("p".to_owned(), ty(arg))).collect(),
        results: vec![Type::Result(None, Some(Box::new(Type::Named(TypeId(1)))))],
    }
}

fn denial(
    data: &Data,
    name: &str,
    args: &[Value],
    outcome: Result<(), ErrorCode>,
) -> Option<Permission> {
    let types = types();
    let watch = FileWatch::new(&function(name, args), &types).expect("the function is watched");
    let returned = match outcome {
        Ok(()) => Ok(None),
        Err(code) => Err(Some(Box::new(Value::Enum(code as u32)))),
    };
    let encoded = |values: &[Value]| Values::of(values).expect("the values are flat");
    data.0.file_denial(&watch, &encoded(args), &encoded(&[Value::Result(returned)]), &types)
}

fn shown(data: &Data, name: &str, args: &[Value], code: ErrorCode) -> String {
    line(&denial(data, name, args, Err(code)).expect("it was denied"))
}

#[test]
fn the_codes_are_where_the_interface_has_them() {
    for (code, name) in [
        (ErrorCode::Access, "access"),
        (ErrorCode::NotPermitted, "not-permitted"),
        (ErrorCode::ReadOnly, "read-only"),
        (ErrorCode::CrossDevice, "cross-device"),
    ] {
        assert_eq!(CODES[code as usize], name);
        assert_eq!(code.name(), name);
    }
}
