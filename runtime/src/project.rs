//! Actor projects in Rust: new ones, written from a template, and their way to a component.

mod build;
mod cargo;
mod name;
mod template;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

pub use build::{BuildError, Built, ManifestOf, Names, Profile, build};
pub use cargo::CargoError;
pub use name::{NameError, ProjectName};
pub use template::Template;

/// Why a project cannot be created. Nothing is left behind then.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// The folder that it would be in is none.
    #[error("there is no folder {}", .path.display())]
    NoParent {
        /// The folder.
        path: PathBuf,
    },
    /// Something stands where it would be.
    #[error("{} exists already", .path.display())]
    Exists {
        /// The place.
        path: PathBuf,
    },
    /// It could not be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The project's folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Writes a project into a new folder below `parent` and returns the folder. It appears as a whole or
/// not at all.
pub fn create(
    name: &ProjectName,
    template: Template,
    parent: &Path,
) -> Result<PathBuf, CreateError> {
    let path = parent.strip_prefix(".").unwrap_or(parent).join(name.as_str());
    if !parent.is_dir() {
        return Err(CreateError::NoParent { path: parent.to_owned() });
    }
    // A link that leads nowhere is in the way too.
    if path.symlink_metadata().is_ok() {
        return Err(CreateError::Exists { path });
    }
    match write(name, template, parent, &path) {
        Ok(()) => Ok(path),
        Err(source) => Err(CreateError::Write { path, source }),
    }
}

/// Writes the files beside the place they are meant for, and moves them there.
fn write(name: &ProjectName, template: Template, parent: &Path, path: &Path) -> io::Result<()> {
    let scratch = tempfile::Builder::new().prefix(".theater-create-").tempdir_in(parent)?;
    // Not the scratch folder itself, which only its owner may enter.
    let project = scratch.path().join(name.as_str());
    for (file, text) in template.files(name) {
        let file = project.join(file);
        fs::create_dir_all(file.parent().expect("it is in the project's folder"))?;
        fs::write(file, text)?;
    }
    fs::rename(project, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ProjectName {
        text.parse().expect("it is a name")
    }

    #[test]
    fn a_project_that_cannot_be_written_leaves_nothing() {
        let parent = tempfile::tempdir().expect("there is room");
        // It appears between the check and the move, so to speak.
        let path = parent.path().join("late");
        fs::create_dir_all(path.join("full")).expect("the folder can be written");
        write(&name("late"), Template::Basic, parent.path(), &path).expect_err("it is in the way");
        let left = fs::read_dir(parent.path()).expect("it can be read");
        assert_eq!(left.count(), 1, "only what was there before");
    }

    #[cfg(unix)]
    #[test]
    fn others_may_enter_a_project() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().expect("there is room");
        fs::create_dir(parent.path().join("usual")).expect("the folder can be written");
        let made = create(&name("made"), Template::Basic, parent.path()).expect("it is free");
        let mode = |path: PathBuf| path.metadata().expect("it is there").permissions().mode();
        assert_eq!(mode(made), mode(parent.path().join("usual")));
    }
}
