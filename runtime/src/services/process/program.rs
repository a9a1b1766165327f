//! From the name of a program to its file.

use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

/// A program's name leads to no program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotFound {
    #[error("a program is named by its absolute path without `..`, or by its name alone")]
    Name,
    #[error("none of the host's folders for programs has it")]
    Nowhere,
}

/// Finds a program. `folders` are those for programs, as in `PATH`.
pub(super) fn find(name: &str, folders: Option<&OsStr>) -> Result<PathBuf, NotFound> {
    let path = Path::new(name);
    if path.is_absolute() {
        // Such a path is all that lists of what is allowed are held against, so it must be what it says.
        let is_plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
        return match path.components().all(is_plain) && !name.contains('\0') {
            true => Ok(path.to_owned()),
            false => Err(NotFound::Name),
        };
    }
    if name.is_empty() || name.contains(['/', '\0']) {
        return Err(NotFound::Name);
    }
    let mut files = std::env::split_paths(folders.unwrap_or_default())
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name));
    files.find(|file| is_program(file)).ok_or(NotFound::Nowhere)
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::{NotFound, find};

    #[test]
    fn a_path_has_to_be_plain() {
        assert_eq!(find("/bin/sh", None).unwrap().to_str(), Some("/bin/sh"));
        for name in [
            "/usr/bin/../../tmp/x",
            "/..",
            "bin/sh",
            "./sh",
            "../sh",
            "sh/",
            "",
            "a\0b",
            "/bin/s\0h",
        ] {
            assert_eq!(find(name, Some("/bin".as_ref())), Err(NotFound::Name), "{name:?}");
        }
    }

    #[test]
    fn a_name_is_looked_for_in_the_folders_for_programs_only() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        for (place, mode) in [(&one, 0o644), (&other, 0o755)] {
            fs::create_dir(place).unwrap();
            fs::write(place.join("tool"), "").unwrap();
            fs::set_permissions(place.join("tool"), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::create_dir(one.join("folder")).unwrap();
        let folders = std::env::join_paths([&one, &other]).unwrap();
        let found = find("tool", Some(&folders));
        assert_eq!(found, Ok(other.join("tool")), "the first that can be run");
        for name in ["folder", ".", "..", "none"] {
            assert_eq!(find(name, Some(&folders)), Err(NotFound::Nowhere), "{name}");
        }
        assert_eq!(find("tool", None), Err(NotFound::Nowhere));
        assert_eq!(find("Cargo.toml", Some(&OsString::from(".:"))), Err(NotFound::Nowhere));
    }
}
