//! From a project to components, and to manifests that name them.

use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use toml_edit::{DocumentMut, Item, value};

use super::cargo::{self, Artifact, CargoError};

/// The name of an actor's manifest.
const MANIFEST: &str = "manifest.toml";

/// The keys by which a manifest names its component, the present one first.
const COMPONENT_KEYS: &[&str] = &["component", "component_path"];

/// How a project is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Small and quick, as it is meant to run.
    Release,
    /// Quickly compiled, with everything a debugger wants.
    Debug,
}

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// Its file.
    pub component: PathBuf,
    /// How large it is.
    pub bytes: u64,
    /// The manifest beside the `Cargo.toml` of its package, if there is one.
    pub manifest: Option<ManifestOf>,
}

/// A manifest, and what it says of the component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestOf {
    /// Its file.
    pub path: PathBuf,
    /// Which component it names.
    pub names: Names,
}

/// Which component a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Names {
    /// This one.
    It,
    /// This one, as of now: it named none before.
    ItNow,
    /// Another one, of this path.
    Other(String),
    /// None, and its package has several components to choose from.
    None,
}

/// Why a project cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder is no project.
    #[error("{} is no project: it has no Cargo.toml", .folder.display())]
    NoProject {
        /// The folder.
        folder: PathBuf,
    },
    /// Cargo has made nothing.
    #[error("cannot build {}", .folder.display())]
    Cargo {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: CargoError,
    },
    /// Cargo was content, but there is no component.
    #[error("{} has no package that becomes a component", .folder.display())]
    NoComponent {
        /// The folder.
        folder: PathBuf,
    },
    /// A manifest is not what it should be.
    #[error("{}:{line}: {what}", .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Compiles what is in a folder, and sees to it that manifests name their components.
pub fn build(folder: &Path, profile: Profile) -> Result<Vec<Built>, BuildError> {
    if !folder.join("Cargo.toml").is_file() {
        return Err(BuildError::NoProject { folder: folder.to_owned() });
    }
    // Cargo names everything by whole paths without links.
    let whole = folder.canonicalize().map_err(at(folder))?;
    let artifacts = cargo::run(&whole, profile)
        .map_err(|source| BuildError::Cargo { folder: folder.to_owned(), source })?;
    if artifacts.is_empty() {
        return Err(BuildError::NoComponent { folder: folder.to_owned() });
    }
    let shown = |path: &Path| shown(path, &whole, folder);
    let one = |artifact: &Artifact| -> Result<Built, BuildError> {
        let is_only =
            artifacts.iter().filter(|other| other.package == artifact.package).count() == 1;
        let path = artifact.package.join(MANIFEST);
        let manifest = match path.is_file() {
            true => {
                let names = name_in(&path, &artifact.file, &whole, is_only)
                    .map_err(|error| error.shown(&shown))?;
                Some(ManifestOf { path: shown(&path), names })
            }
            false => None,
        };
        let component = shown(&artifact.file);
        let bytes = artifact.file.metadata().map_err(at(&component))?.len();
        Ok(Built { component, bytes, manifest })
    };
    artifacts.iter().map(one).collect()
}

/// Looks up which component a manifest names, and names this one if it names none.
fn name_in(
    path: &Path,
    component: &Path,
    project: &Path,
    is_only: bool,
) -> Result<Names, BuildError> {
    let folder = path.parent().expect("a file is in a folder");
    let text = fs::read_to_string(path).map_err(at(path))?;
    let mut manifest = parse(path, &text)?;
    let named = COMPONENT_KEYS.iter().find_map(|key| manifest.get(key));
    match named.map(Item::as_str) {
        // A path, or a digest; that is for whoever reads the manifest.
        Some(Some(named)) => {
            let is_it = folder.join(named).canonicalize().is_ok_and(|named| named == component);
            Ok(if is_it { Names::It } else { Names::Other(named.to_owned()) })
        }
        Some(None) => Ok(Names::Other("what is no path".to_owned())),
        None if !is_only => Ok(Names::None),
        None => {
            manifest["component"] = value(named_from(folder, component, project));
            replace(path, &manifest.to_string()).map_err(at(path))?;
            Ok(Names::ItNow)
        }
    }
}

fn parse(path: &Path, text: &str) -> Result<DocumentMut, BuildError> {
    text.parse().map_err(|error: toml_edit::TomlError| {
        let offset = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1;
        BuildError::Manifest { path: path.to_owned(), line, what: error.message().to_owned() }
    })
}

/// How a manifest in this folder names a component: from there if both are in the project, else by its
/// whole path.
fn named_from(folder: &Path, component: &Path, project: &Path) -> String {
    let (Ok(folder), Ok(inside)) = (folder.strip_prefix(project), component.strip_prefix(project))
    else {
        return component.to_string_lossy().into_owned();
    };
    let up = folder.components().map(|_| "..".into());
    let down = inside.components().map(|part| part.as_os_str().to_string_lossy());
    up.chain(down).collect::<Vec<_>>().join("/")
}

/// Replaces a file as a whole.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let path = path.canonicalize()?;
    let folder = path.parent().expect("a file is in a folder");
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.write_all(text.as_bytes())?;
    fs::set_permissions(new.path(), path.metadata()?.permissions())?;
    new.persist(path)?;
    Ok(())
}

/// A path as whoever has named the project's folder would write it.
fn shown(path: &Path, project: &Path, folder: &Path) -> PathBuf {
    match path.strip_prefix(project) {
        Ok(inside) if folder.components().eq([Component::CurDir]) => inside.to_owned(),
        Ok(inside) => folder.join(inside),
        Err(_) => path.to_owned(),
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> BuildError {
    let path = path.to_owned();
    move |source| BuildError::File { path: path.clone(), source }
}

impl BuildError {
    /// The same about the path that is shown.
    fn shown(mut self, shown: &impl Fn(&Path) -> PathBuf) -> BuildError {
        if let BuildError::Manifest { path, .. } | BuildError::File { path, .. } = &mut self {
            *path = shown(path);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names the component `out/it.wasm` in a manifest of this text, which stands in a package below the
    /// project. Returns what was said, and the text afterwards.
    fn name(text: &str, is_only: bool) -> (Result<Names, BuildError>, String) {
        let project = tempfile::tempdir().expect("there is room");
        let root = project.path().canonicalize().expect("it is there");
        let (package, out) = (root.join("child"), root.join("out"));
        for folder in [&package, &out] {
            fs::create_dir(folder).expect("it can be written");
        }
        let (manifest, component) = (package.join(MANIFEST), out.join("it.wasm"));
        fs::write(&manifest, text).expect("it can be written");
        fs::write(&component, "").expect("it can be written");
        let names = name_in(&manifest, &component, &root, is_only);
        (names, fs::read_to_string(manifest).expect("it is still there"))
    }

    #[test]
    fn a_manifest_without_a_component_gets_one_and_stays_as_it_is_otherwise() {
        let text = "# mine\nname = 'a' # single quotes\n\n# and this\n[[handlers]]\ntype = \"supervisor\"\n";
        let (names, after) = name(text, true);
        assert_eq!(names.expect("it is well formed"), Names::ItNow);
        let line = "component = \"../out/it.wasm\"\n";
        assert_eq!(after, text.replace("quotes\n", &format!("quotes\n{line}")));
        // And then it has one.
        let (names, again) = name(&after, true);
        assert_eq!((names.expect("it is well formed"), again), (Names::It, after));
    }

    #[test]
    fn a_manifest_with_a_component_is_left_alone() {
        for (line, expected) in [
            ("component_path = \"../out/../out/it.wasm\"\n", Names::It),
            ("component = \"elsewhere.wasm\"\n", Names::Other("elsewhere.wasm".to_owned())),
            ("component = \"store:abc\"\n", Names::Other("store:abc".to_owned())),
            ("component = 3\n", Names::Other("what is no path".to_owned())),
        ] {
            let (names, after) = name(line, true);
            assert_eq!((names.expect("it is well formed"), &*after), (expected, line));
        }
    }

    #[test]
    fn which_of_several_components_is_meant_is_not_guessed() {
        let (names, after) = name("name = \"a\"\n", false);
        assert_eq!((names.expect("it is well formed"), &*after), (Names::None, "name = \"a\"\n"));
    }

    #[test]
    fn a_manifest_that_is_not_toml_is_named_with_the_line() {
        let (names, after) = name("name = \"a\"\ncomponent = = 1\n", true);
        let said = names.expect_err("it is not well formed").to_string();
        assert!(said.contains("manifest.toml:2: "), "{said}");
        assert_eq!(after, "name = \"a\"\ncomponent = = 1\n");
    }

    #[test]
    fn a_component_outside_of_the_project_is_named_by_its_whole_path() {
        let named = |folder, component| {
            named_from(Path::new(folder), Path::new(component), Path::new("/home/actor"))
        };
        assert_eq!(named("/home/actor", "/home/actor/t/a.wasm"), "t/a.wasm");
        assert_eq!(named("/home/actor/b/c", "/home/actor/t/a.wasm"), "../../t/a.wasm");
        assert_eq!(named("/home/actor", "/shared/a.wasm"), "/shared/a.wasm");
    }

    #[test]
    fn paths_are_shown_as_the_folder_was_given() {
        let shown =
            |path, folder| shown(Path::new(path), Path::new("/home/actor"), Path::new(folder));
        assert_eq!(shown("/home/actor/t/a.wasm", "."), Path::new("t/a.wasm"));
        assert_eq!(shown("/home/actor/t/a.wasm", "../actor"), Path::new("../actor/t/a.wasm"));
        assert_eq!(shown("/shared/a.wasm", "."), Path::new("/shared/a.wasm"));
    }
}
