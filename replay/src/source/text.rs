//! The source text around a place, where its file is found.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Component, Path, PathBuf};

use super::Place;

/// A few lines of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The number of the first line.
    pub first: u32,
    /// The lines, without what ends them.
    pub lines: Vec<String>,
}

/// How many lines are shown before and after the one that matters.
const AROUND: u32 = 1;
/// A line that is longer was not written by people.
const LINE_BYTES_MAX: usize = 400;

impl Snippet {
    /// Reads the lines around a place from a file below `root`.
    ///
    /// Which file that is, the component says, and a component is not to be trusted: nothing outside
    /// of the folder that was named is ever read.
    #[must_use]
    pub fn around(place: &Place, root: &Path) -> Option<Snippet> {
        let (file, line) = (place.file.as_deref()?, place.line?);
        let path = find(file, root)?;
        let reader = BufReader::new(File::open(path).ok()?);
        let first = line.saturating_sub(AROUND).max(1);
        let wanted = (line - first + 1 + AROUND) as usize;
        let lines = reader.lines().skip(first as usize - 1).take(wanted);
        let lines: Vec<String> = lines.map_while(Result::ok).collect();
        let has_it = lines.len() > (line - first) as usize;
        let is_text = lines.iter().all(|line| line.len() <= LINE_BYTES_MAX);
        (has_it && is_text).then_some(Snippet { first, lines })
    }
}

/// The file that a compiler has named, below a folder: the more of its path is found, the better. A
/// bare file name is too little to know it by.
fn find(file: &str, root: &Path) -> Option<PathBuf> {
    let parts: Vec<&std::ffi::OsStr> = Path::new(file)
        .components()
        .map(|part| match part {
            Component::Normal(name) => Some(name),
            Component::RootDir | Component::CurDir => Some(std::ffi::OsStr::new("")),
            Component::ParentDir | Component::Prefix(_) => None,
        })
        .collect::<Option<_>>()?;
    let root = root.canonicalize().ok()?;
    let whole = Some(PathBuf::from(file)).filter(|path| path.is_absolute());
    let ends = (0..parts.len().saturating_sub(1)).map(|from| {
        let rest = parts[from..].iter().filter(|part| !part.is_empty());
        rest.fold(root.clone(), |path, part| path.join(part))
    });
    let is_below = |path: &PathBuf| {
        path.canonicalize().is_ok_and(|path| path.starts_with(&root) && path.is_file())
    };
    whole.into_iter().chain(ends).find(is_below)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Place, Snippet};

    fn place(file: &str, line: u32) -> Place {
        Place { file: Some(file.to_owned()), line: Some(line), ..Place::default() }
    }

    #[test]
    fn lines_are_read_below_the_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("src/lib.rs"), "one\ntwo\nthree\nfour\n").unwrap();
        fs::write(folder.path().join("secret.rs"), "secret\n").unwrap();
        let read = |file, line| Snippet::around(&place(file, line), &root);
        let lines = |from: u32, lines: &[&str]| {
            let lines = lines.iter().map(|&line| line.to_owned()).collect();
            Some(Snippet { first: from, lines })
        };
        assert_eq!(read("/built/elsewhere/src/lib.rs", 2), lines(1, &["one", "two", "three"]));
        assert_eq!(read("src/lib.rs", 1), lines(1, &["one", "two"]));
        assert_eq!(read("src/lib.rs", 4), lines(3, &["three", "four"]));
        for (file, line) in [
            ("lib.rs", 1),
            ("src/lib.rs", 5),
            ("src/lib.rs", u32::MAX),
            ("src/../../secret.rs", 1),
            ("root/../secret.rs", 1),
            ("src/none.rs", 1),
            ("", 1),
        ] {
            assert_eq!(read(file, line), None, "{file}:{line}");
        }
        let outside = folder.path().join("secret.rs");
        assert_eq!(read(outside.to_str().unwrap(), 1), None);
    }
}
