//! The folder that an actor has, and what can be done in it.
//!
//! A path is used in two steps. First it is found out where it leads, with all links followed but
//! none out of the folder, and whether that is allowed. Then the way is gone name by name through open
//! folders, and no link is followed: so what is used is what was allowed, whoever puts links there
//! meanwhile.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use tempfile::TempDir;

use super::trouble::Trouble;
use crate::manifest::{self, FilesystemHandler, Root};

/// Longer paths are none.
pub(super) const PATH_BYTES_MAX: usize = 4096;
/// Files that are read and written are no larger.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Folders that are listed hold no more names.
const NAMES_MAX: usize = 10_000;

const FOLDER_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// To open a pipe or a device must not wait for anybody.
const FILE_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);
const NEW_FILE_FLAGS: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// A folder with what an actor may do in it.
pub(in crate::services) struct Folder {
    root: Result<Opened, Trouble>,
    given: manifest::Filesystem,
    /// A folder that was made for the actor goes with it.
    _made: Option<TempDir>,
}

struct Opened {
    dir: Dir,
    /// Where it is on the host, with all links followed.
    path: PathBuf,
}

/// Where a path leads: a name in an open folder. Without a name, it is the folder itself.
struct Place {
    folder: OwnedFd,
    name: Option<OsString>,
    /// Where it is on the host.
    path: PathBuf,
}

impl Folder {
    /// Opens or makes the folder. If that fails, every use of it says so.
    pub(in crate::services) fn open(given: &FilesystemHandler, base_dir: &Path) -> Folder {
        let mut restriction = given.restriction.clone();
        let (made, path) = match &given.root {
            Root::At(path) => (None, Ok(base_dir.join(path))),
            Root::New => {
                // It is the actor's own, wherever that is.
                restriction.allowed_paths = None;
                match tempfile::Builder::new().prefix("theater-").tempdir() {
                    Ok(made) => {
                        let path = made.path().to_owned();
                        (Some(made), Ok(path))
                    }
                    Err(_) => (None, Err(Trouble::NoRoot)),
                }
            }
        };
        let opened = path.and_then(|path| Opened::at(&path).ok_or(Trouble::NoRoot));
        Folder { root: opened, given: restriction, _made: made }
    }

    /// The content of a file.
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, Trouble> {
        self.check_may_read()?;
        let file = self.find(path)?.open_file()?;
        let mut content = Vec::new();
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content)?;
        match content.len() as u64 {
            0..=FILE_BYTES_MAX => Ok(content),
            _ => Err(Trouble::TooLarge),
        }
    }

    /// Writes a file as a whole.
    pub(super) fn write(&self, path: &str, content: &[u8]) -> Result<(), Trouble> {
        self.check_may_write()?;
        if content.len() as u64 > FILE_BYTES_MAX {
            return Err(Trouble::TooLarge);
        }
        let place = match self.find(path) {
            // A link that leads nowhere is replaced.
            Err(Trouble::NotThere) => self.find_unfollowed(path)?,
            found => found?,
        };
        place.write(content)
    }

    /// The names in a folder, sorted by their bytes.
    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, Trouble> {
        self.check_may_read()?;
        let folder = self.find(path)?.open_folder()?;
        let mut names = Vec::new();
        for entry in Dir::from_std_file(folder.into()).entries()? {
            let Ok(name) = entry?.file_name().into_string() else { continue };
            if names.len() == NAMES_MAX {
                return Err(Trouble::TooMany);
            }
            names.push(name);
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Deletes a file, or a link.
    pub(super) fn delete_file(&self, path: &str) -> Result<(), Trouble> {
        self.check_may_write()?;
        let place = self.find_unfollowed(path)?;
        if place.kind()? == FileType::Directory {
            return Err(Trouble::IsAFolder);
        }
        Ok(rustix::fs::unlinkat(&place.folder, place.name()?, AtFlags::empty())?)
    }

    /// Makes a folder, unless there is one.
    pub(super) fn create_dir(&self, path: &str) -> Result<(), Trouble> {
        self.check_may_write()?;
        match self.find(path) {
            Ok(place) if place.kind()? == FileType::Directory => Ok(()),
            Ok(_) => Err(Trouble::Taken),
            Err(Trouble::NotThere) => {
                let place = self.find_unfollowed(path)?;
                Ok(rustix::fs::mkdirat(&place.folder, place.name()?, Mode::from(0o777))?)
            }
            Err(trouble) => Err(trouble),
        }
    }

    /// Deletes a folder with everything in it.
    pub(super) fn delete_dir(&self, path: &str) -> Result<(), Trouble> {
        self.check_may_write()?;
        let place = self.find_unfollowed(path)?;
        if !matches!(place.kind()?, FileType::Directory | FileType::Symlink) {
            return Err(Trouble::NotAFolder);
        }
        let name = place.name()?.to_owned();
        Ok(Dir::from_std_file(place.folder.into()).remove_dir_all(name)?)
    }

    /// Whether there is something.
    pub(super) fn exists(&self, path: &str) -> Result<bool, Trouble> {
        self.check_may_read()?;
        match self.find(path) {
            Ok(_) => Ok(true),
            // Something on the way is no folder, so there is nothing below it.
            Err(Trouble::NotThere | Trouble::NotAFolder) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Where a folder is on the host, for a program that is to run in it.
    pub(in crate::services) fn locate_folder(&self, path: &str) -> Result<PathBuf, Trouble> {
        let place = self.find(path)?;
        match place.kind()? {
            FileType::Directory => Ok(place.path),
            _ => Err(Trouble::NotAFolder),
        }
    }

    fn check_may_read(&self) -> Result<(), Trouble> {
        if self.given.read == Some(false) { Err(Trouble::NotReadable) } else { Ok(()) }
    }

    fn check_may_write(&self) -> Result<(), Trouble> {
        if self.given.write == Some(false) { Err(Trouble::ReadOnly) } else { Ok(()) }
    }

    /// Where a path leads that is there.
    fn find(&self, path: &str) -> Result<Place, Trouble> {
        let (root, path) = (self.root()?, checked(path)?);
        self.place(root, &root.dir.canonicalize(path)?)
    }

    /// Where a path leads whose last name is not followed and need not be there.
    fn find_unfollowed(&self, path: &str) -> Result<Place, Trouble> {
        let (root, path) = (self.root()?, checked(path)?);
        let name = path.file_name().ok_or(Trouble::Nameless)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = root.dir.canonicalize(parent.unwrap_or(Path::new(".")))?;
        self.place(root, &parent.join(name))
    }

    fn root(&self) -> Result<&Opened, Trouble> {
        self.root.as_ref().map_err(|trouble| *trouble)
    }

    /// Goes to a path without links, if it is allowed.
    fn place(&self, root: &Opened, path: &Path) -> Result<Place, Trouble> {
        let names = path.components().filter(|part| *part != Component::CurDir);
        let real = names.clone().fold(root.path.clone(), |real, name| real.join(name));
        if !self.given.allows(&real) {
            return Err(Trouble::NotAllowed);
        }
        let mut folder = rustix::fs::openat(&root.dir, ".", FOLDER_FLAGS, Mode::empty())?;
        let mut name = None;
        for part in names {
            let Component::Normal(part) = part else { return Err(Trouble::Outside) };
            if let Some(name) = name.replace(part.to_owned()) {
                folder = rustix::fs::openat(&folder, name, FOLDER_FLAGS, Mode::empty())?;
            }
        }
        Ok(Place { folder, name, path: real })
    }
}

impl Opened {
    fn at(path: &Path) -> Option<Opened> {
        let path = path.canonicalize().ok()?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).ok()?;
        Some(Opened { dir, path })
    }
}

impl Place {
    fn name(&self) -> Result<&OsStr, Trouble> {
        self.name.as_deref().ok_or(Trouble::Nameless)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        match &self.name {
            Some(name) => rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW),
            None => rustix::fs::fstat(&self.folder),
        }
    }

    fn kind(&self) -> Result<FileType, Errno> {
        Ok(FileType::from_raw_mode(self.stat()?.st_mode))
    }

    fn open_folder(self) -> Result<OwnedFd, Trouble> {
        match &self.name {
            Some(name) => Ok(rustix::fs::openat(&self.folder, name, FOLDER_FLAGS, Mode::empty())?),
            None => Ok(self.folder),
        }
    }

    fn open_file(&self) -> Result<File, Trouble> {
        // To open a device may do something already.
        check_file(&self.stat()?)?;
        let file = rustix::fs::openat(&self.folder, self.name()?, FILE_FLAGS, Mode::empty())?;
        let stat = rustix::fs::fstat(&file)?;
        check_file(&stat)?;
        match u64::try_from(stat.st_size) {
            Ok(0..=FILE_BYTES_MAX) => Ok(file.into()),
            _ => Err(Trouble::TooLarge),
        }
    }

    /// Writes a file beside it and puts that in its place.
    fn write(&self, content: &[u8]) -> Result<(), Trouble> {
        let mode = match self.stat() {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => None,
            Ok(stat) => {
                check_file(&stat)?;
                Some(Mode::from_raw_mode(stat.st_mode) & Mode::from(0o777))
            }
            Err(Errno::NOENT) => None,
            Err(error) => return Err(error.into()),
        };
        let name = self.name()?;
        let (mut file, new_name) = self.new_file()?;
        let written = file
            .write_all(content)
            .and_then(|()| match mode {
                Some(mode) => Ok(rustix::fs::fchmod(&file, mode)?),
                None => Ok(()),
            })
            // Else the name could be on the disk before the content is.
            .and_then(|()| file.sync_all())
            .and_then(|()| Ok(rustix::fs::renameat(&self.folder, &new_name, &self.folder, name)?));
        if written.is_err() {
            let _ = rustix::fs::unlinkat(&self.folder, &new_name, AtFlags::empty());
        }
        Ok(written?)
    }

    /// A new file under a name that nobody else has.
    fn new_file(&self) -> Result<(File, String), Trouble> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let name = format!(".theater-{}-{number}.new", std::process::id());
            match rustix::fs::openat(&self.folder, &name, NEW_FILE_FLAGS, Mode::from(0o666)) {
                Ok(file) => return Ok((file.into(), name)),
                // It was left behind by a process that had the same number.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A path that may lead somewhere in the folder: what leads out of it by its names alone does so even if
/// not all of them are there.
fn checked(path: &str) -> Result<&Path, Trouble> {
    if path.len() > PATH_BYTES_MAX {
        return Err(Trouble::NotAPath);
    }
    let path = Path::new(path);
    let mut depth = 0_u32;
    for part in path.components() {
        depth = match part {
            Component::Prefix(_) | Component::RootDir => return Err(Trouble::Outside),
            Component::CurDir => depth,
            Component::ParentDir => depth.checked_sub(1).ok_or(Trouble::Outside)?,
            Component::Normal(_) => depth + 1,
        };
    }
    Ok(path)
}

fn check_file(stat: &Stat) -> Result<(), Trouble> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        FileType::Directory => Err(Trouble::IsAFolder),
        // What was a file is a link now.
        FileType::Symlink => Err(Trouble::Changed),
        _ => Err(Trouble::Special),
    }
}
