//! Builds that are files: which, and in what order.

use std::cmp::Ordering;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use theater_record::Hash;
use theater_runtime::complaint::advised;
use theater_runtime::escape::argument;

/// A build that is there already.
#[derive(Debug)]
pub(crate) struct FileBuild {
    pub(crate) path: PathBuf,
    /// The digest of the file.
    pub(crate) digest: Hash,
}

/// The builds that were named, from the good end to the bad one.
pub(crate) fn builds(
    named: &[PathBuf],
    good: Option<&Path>,
    bad: Option<&Path>,
) -> anyhow::Result<Vec<FileBuild>> {
    let mut paths = Vec::new();
    for path in named {
        paths.extend(expanded(path)?);
    }
    let good = good.map_or(Ok(0), |good| position(&paths, good, "--good"))?;
    let bad =
        bad.map_or(Ok(paths.len().saturating_sub(1)), |bad| position(&paths, bad, "--bad"))?;
    if good >= bad {
        let error = match paths.len() {
            0 | 1 => anyhow!("a bisection needs at least two builds, one good and one bad"),
            _ if good == bad => anyhow!("the good build and the bad build are the same"),
            _ => anyhow!("the good build comes after the bad one"),
        };
        return Err(advised(error, "name the builds in order of age, the oldest first"));
    }
    paths.drain(bad + 1..);
    paths.drain(..good);
    paths.into_iter().map(FileBuild::new).collect()
}

impl FileBuild {
    fn new(path: PathBuf) -> anyhow::Result<FileBuild> {
        let digest = digest(&path)?;
        Ok(FileBuild { path, digest })
    }
}

/// The digest of a file.
pub(crate) fn digest(path: &Path) -> anyhow::Result<Hash> {
    let mut hasher = blake3::Hasher::new();
    let hashed = File::open(path).and_then(|file| hasher.update_reader(file).map(drop));
    hashed.map_err(|error| not_read(error, path))?;
    Ok(Hash(*hasher.finalize().as_bytes()))
}

/// Why a file cannot be read.
pub(crate) fn not_read(error: io::Error, path: &Path) -> anyhow::Error {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            advised(anyhow!("there is no file {shown}"), "check the spelling, or look with ls")
        }
        _ => anyhow!(error).context(format!("cannot read {shown}")),
    }
}

/// What an argument stands for: a file for itself, a folder for the components in it, and `@FILE`
/// for what the file lists.
fn expanded(named: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if let Some(list) = named.to_str().and_then(|text| text.strip_prefix('@')) {
        let text = fs::read_to_string(list).map_err(|error| not_read(error, Path::new(list)))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        return Ok(lines.map(PathBuf::from).collect());
    }
    if !named.is_dir() {
        return Ok(vec![named.to_owned()]);
    }
    let shown = named.display();
    let entries = fs::read_dir(named).with_context(|| format!("cannot list {shown}"))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {shown}"))?.path();
        if path.extension().is_some_and(|extension| extension == "wasm") && !path.is_dir() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        let advice = format!("look what it holds: ls {}", argument(named));
        return Err(advised(anyhow!("there is no *.wasm in the folder {shown}"), advice));
    }
    paths.sort_by(|one, other| by_number(&one.to_string_lossy(), &other.to_string_lossy()));
    Ok(paths)
}

/// Where a build stands: as it was listed, or by its file's name if only one has it.
fn position(paths: &[PathBuf], wanted: &Path, option: &str) -> anyhow::Result<usize> {
    let only = |mut found: std::vec::IntoIter<usize>| match (found.next(), found.next()) {
        (Some(at), None) => Some(at),
        _ => None,
    };
    let all = |is: &dyn Fn(&PathBuf) -> bool| {
        let found: Vec<usize> = (0..paths.len()).filter(|at| is(&paths[*at])).collect();
        found.into_iter()
    };
    let by_path = only(all(&|path| path == wanted));
    let by_name = || only(all(&|path| path.file_name() == Some(wanted.as_os_str())));
    by_path.or_else(by_name).ok_or_else(|| {
        let error = anyhow!("{option} {} is not one of the builds", wanted.display());
        advised(error, "name it as it is named among the builds, or by the name of its file")
    })
}

/// Orders names as people count: `v9` comes before `v10`.
fn by_number(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one, other);
    while !a.is_empty() && !b.is_empty() {
        let (part_a, rest_a) = part(a);
        let (part_b, rest_b) = part(b);
        let ordering = match (digits(part_a), digits(part_b)) {
            // Without leading zeros, the longer number is the greater one.
            (Some(x), Some(y)) => x.len().cmp(&y.len()).then_with(|| x.cmp(y)),
            _ => part_a.cmp(part_b),
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
        (a, b) = (rest_a, rest_b);
    }
    a.len().cmp(&b.len()).then_with(|| one.cmp(other))
}

/// The longest start of digits only, or without any.
fn part(text: &str) -> (&str, &str) {
    let is_digits = text.starts_with(|char: char| char.is_ascii_digit());
    let end = text.find(|char: char| char.is_ascii_digit() != is_digits).unwrap_or(text.len());
    text.split_at(end)
}

fn digits(part: &str) -> Option<&str> {
    part.starts_with(|char: char| char.is_ascii_digit()).then(|| part.trim_start_matches('0'))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::{builds, by_number};

    #[test]
    fn names_are_ordered_as_people_count() {
        let ordered = ["a", "v1", "v1a", "v2", "v9.wasm", "v09.wasm", "v10.wasm", "v10-rc1", "w"];
        let mut names = ordered;
        names.reverse();
        names.sort_by(|one, other| by_number(one, other));
        let expected = ["a", "v1", "v1a", "v2", "v09.wasm", "v9.wasm", "v10-rc1", "v10.wasm", "w"];
        assert_eq!(names, expected);
    }

    proptest! {
        #[test]
        fn it_is_an_order(mut names in prop::collection::vec("[a0-2]{0,4}", 0..8)) {
            // Sorting panics at what is none.
            names.sort_by(|one, other| by_number(one, other));
            for pair in names.windows(2) {
                prop_assert!(by_number(&pair[0], &pair[1]).is_le());
                prop_assert_eq!(by_number(&pair[0], &pair[1]).is_eq(), pair[0] == pair[1]);
            }
        }
    }

    #[test]
    fn folders_lists_and_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["v10.wasm", "v9.wasm", "v2.wasm", "notes.txt"] {
            std::fs::write(path(name), name).unwrap();
        }
        let list = format!("{}\n\n  {}\n", path("v2.wasm").display(), path("v9.wasm").display());
        std::fs::write(path("list"), list).unwrap();
        let names = |named: &[PathBuf], good: Option<&str>, bad: Option<&str>| {
            let (good, bad) = (good.map(PathBuf::from), bad.map(PathBuf::from));
            let found = builds(named, good.as_deref(), bad.as_deref());
            found.map_err(|error| error.to_string()).map(|found| {
                let name = |path: &PathBuf| path.file_name().unwrap().display().to_string();
                found.iter().map(|build| name(&build.path)).collect::<Vec<_>>().join(" ")
            })
        };
        let folder = [folder.path().to_owned()];
        assert_eq!(names(&folder, None, None).unwrap(), "v2.wasm v9.wasm v10.wasm");
        assert_eq!(names(&folder, Some("v9.wasm"), None).unwrap(), "v9.wasm v10.wasm");
        assert_eq!(names(&folder, None, Some("v9.wasm")).unwrap(), "v2.wasm v9.wasm");
        let list = [PathBuf::from(format!("@{}", path("list").display()))];
        assert_eq!(names(&list, None, None).unwrap(), "v2.wasm v9.wasm");
        let wrong = |good, bad| names(&folder, good, bad).unwrap_err();
        assert_eq!(wrong(Some("v3.wasm"), None), "--good v3.wasm is not one of the builds");
        let after = "the good build comes after the bad one";
        assert_eq!(wrong(Some("v10.wasm"), Some("v2.wasm")), after);
        let same = "the good build and the bad build are the same";
        assert_eq!(wrong(Some("v9.wasm"), Some("v9.wasm")), same);
        let one = names(&[path("v2.wasm")], None, None).unwrap_err();
        assert_eq!(one, "a bisection needs at least two builds, one good and one bad");
    }
}
