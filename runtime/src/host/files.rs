//! What was denied by the file system, read off the calls that failed.

use theater_record::{
    CborError, Decoder, FunctionType, Permission, Type, TypeTable, Value, Values,
};

use super::decisions::Reason;

/// Flags that ask for something to be changed, of all sets of flags in the interface.
const CHANGING_FLAGS: [&str; 3] = ["create", "truncate", "write"];

/// Functions that change something whatever their arguments are, without their resource.
const CHANGING_FUNCTIONS: [&str; 12] = [
    "append-via-stream",
    "create-directory-at",
    "link-at",
    "remove-directory-at",
    "rename-at",
    "set-size",
    "set-times",
    "set-times-at",
    "symlink-at",
    "unlink-file-at",
    "write",
    "write-via-stream",
];

/// A function of `wasi:filesystem/types` whose failures may be denials.
///
/// It is made once per function. Then a call that succeeded costs a look at the first bytes of what
/// it returned; only the arguments of a call that was denied are decoded.
#[derive(Debug, Clone)]
pub struct FileWatch {
    params: Vec<Type>,
    changes: bool,
    codes: Codes,
}

/// The error codes that mean a denial, by their position in the interface's own enum.
#[derive(Debug, Clone, Copy)]
struct Codes {
    access: Option<u64>,
    not_permitted: Option<u64>,
    read_only: Option<u64>,
}

impl FileWatch {
    /// The watch over a function, if it is one of the file system and can fail.
    #[must_use]
    pub fn new(function: &FunctionType, types: &TypeTable) -> Option<FileWatch> {
        let interface = function.interface.split('@').next()?;
        if interface != "wasi:filesystem/types" {
            return None;
        }
        let [result] = &function.results[..] else { return None };
        let Type::Result(_, Some(error)) = types.resolve(result)? else { return None };
        let Type::Enum(names) = types.resolve(error)? else { return None };
        let code = |name| Some(names.iter().position(|known| known == name)? as u64);
        let short = function.name.rsplit('.').next()?;
        Some(FileWatch {
            params: function.params.iter().map(|(_, ty)| ty.clone()).collect(),
            changes: CHANGING_FUNCTIONS.contains(&short),
            codes: Codes {
                access: code("access"),
                not_permitted: code("not-permitted"),
                read_only: code("read-only"),
            },
        })
    }

    pub(super) fn denial(
        &self,
        args: &Values,
        returned: &Values,
        types: &TypeTable,
        has_read_only_dirs: bool,
    ) -> Option<Permission> {
        let code = error_code(returned).ok().flatten();
        let is = |known: Option<u64>| known.is_some() && known == code;
        let by_system = is(self.codes.access);
        let by_us = is(self.codes.not_permitted);
        let read_only = is(self.codes.read_only);
        if !(by_system || by_us || read_only) {
            return None;
        }
        // Arguments that are not what the function takes name nothing; the denial stands.
        let args = args.decode(self.params.iter(), types).unwrap_or_default();
        let paths: Vec<&str> = args.iter().filter_map(path).collect();
        let subject = if paths.is_empty() {
            args.first().and_then(descriptor).unwrap_or_default()
        } else {
            paths.join(" -> ")
        };
        let changes = self.changes || self.asks_for_change(&args, types);
        let leaves = paths.iter().any(|path| leaves(path));
        let (reason, detail) = if by_system {
            (Reason::System, "the operating system denied access")
        } else if read_only {
            (Reason::System, "the file system is read-only")
        } else if changes && has_read_only_dirs && !leaves {
            (Reason::ReadOnly, "the directory was granted for reading only")
        } else if leaves {
            (Reason::Outside, "the path leads out of its directory")
        } else if !paths.is_empty() {
            (Reason::Outside, "a symbolic link leads out of its directory")
        } else {
            (Reason::System, "the operating system does not permit it")
        };
        Some(reason.permission("filesystem", subject, detail))
    }

    fn asks_for_change(&self, args: &[Value], types: &TypeTable) -> bool {
        args.iter().zip(&self.params).any(|(arg, ty)| match (arg, types.resolve(ty)) {
            (Value::Flags(bits), Some(Type::Flags(names))) => names
                .iter()
                .enumerate()
                .any(|(bit, name)| bits >> bit & 1 == 1 && CHANGING_FLAGS.contains(&name.as_str())),
            _ => false,
        })
    }
}

/// The error that a call returned, if it returned one.
fn error_code(returned: &Values) -> Result<Option<u64>, CborError> {
    let mut input = Decoder::new(returned.as_bytes());
    let is_result = input.array()? == 1 && input.array()? == 2;
    if is_result && input.uint()? == 1 { input.uint().map(Some) } else { Ok(None) }
}

fn path(arg: &Value) -> Option<&str> {
    match arg {
        Value::String(path) => Some(path),
        _ => None,
    }
}

fn descriptor(arg: &Value) -> Option<String> {
    match arg {
        Value::Borrow(number) => Some(format!("@{number}")),
        _ => None,
    }
}

/// Whether a path leads out of where it starts, going by its text alone.
fn leaves(path: &str) -> bool {
    let mut depth = 0;
    path.starts_with('/')
        || path.split('/').any(|part| {
            match part {
                "" | "." => {}
                ".." => depth -= 1,
                _ => depth += 1,
            }
            depth < 0
        })
}
