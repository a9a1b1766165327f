//! From a manifest to what an actor is started with: files are read, permissions are held to those
//! above.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use theater_record::Hash;

use crate::component::{ComponentError, as_component, digest};
use crate::host::Grants;
use crate::manifest::{
    Allowed, ComponentSource, InitState, Loaded, Manifest, ManifestError, Permissions,
};
use crate::manifest::{Problems, Widening};
use crate::spec::Spec;
use crate::store::{Store, StoreError};

/// Where a manifest comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file. Its paths are relative to its folder.
    File(PathBuf),
    /// Text, whose paths are relative to this folder.
    Text {
        /// The manifest itself.
        text: String,
        /// The folder.
        base_dir: PathBuf,
    },
    /// In the store, by its digest or by a label. Its paths are relative to this folder.
    Stored {
        /// The digest or the label.
        name: String,
        /// The folder.
        base_dir: PathBuf,
    },
}

/// Why there is nothing to start.
#[derive(Debug, thiserror::Error)]
pub enum BlueprintError {
    /// There is no manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It asks for more than it may have.
    #[error("the manifest of {name} asks for more than it may have")]
    Widening {
        /// The actor's name.
        name: String,
        /// For what.
        source: Widening,
    },
    /// The component is none.
    #[error("the component {component} of {name} cannot be used")]
    Component {
        /// The actor's name.
        name: String,
        /// The component, as the manifest names it.
        component: String,
        /// Why.
        source: ComponentError,
    },
    /// The file with the initial state cannot be read.
    #[error("cannot read the initial state of {name} from {}", path.display())]
    State {
        /// The actor's name.
        name: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The store does not have it.
    #[error("the store does not have {name}")]
    NotStored {
        /// What was asked for.
        name: String,
    },
    /// Something is asked for from a store, and there is none.
    #[error("{name} is to come from the store, and there is none here")]
    NoStore {
        /// What was asked for.
        name: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads all that an actor is started with, below somebody with these permissions. A state that is
/// given takes the place of the manifest's.
pub(crate) fn read(
    source: &Source,
    state: Option<Vec<u8>>,
    above: &Permissions,
    store: Option<&Store>,
) -> Result<Spec, BlueprintError> {
    let (loaded, base_dir) = load(source, state.as_deref(), store)?;
    let Loaded { manifest, text, .. } = loaded;
    // No file is looked at that may not be read.
    let allowed = allowed(&manifest, above, &base_dir)?;
    let component = component(&manifest, &base_dir, store)?;
    let state = match state {
        Some(state) => Some(state),
        None => initial_state(&manifest, &base_dir)?,
    };
    Ok(spec((manifest, text), base_dir, component, state, allowed))
}

/// Reads what an actor was started with that is brought back: its component is the one that its chain names.
pub(crate) fn read_again(
    source: &Source,
    state: Option<Vec<u8>>,
    above: &Permissions,
    store: Option<&Store>,
    component: &Hash,
) -> Result<Spec, BlueprintError> {
    let (loaded, base_dir) = load(source, state.as_deref(), store)?;
    let Loaded { manifest, text, .. } = loaded;
    let allowed = allowed(&manifest, above, &base_dir)?;
    let component = match self::component(&manifest, &base_dir, store) {
        Ok(bytes) if digest(&bytes) == *component => bytes,
        // The file has changed since; the store remembers.
        Ok(_) | Err(_) => stored(&component.to_string(), store)?,
    };
    Ok(spec((manifest, text), base_dir, component, state, allowed))
}

fn allowed(
    manifest: &Manifest,
    above: &Permissions,
    base_dir: &Path,
) -> Result<Allowed, BlueprintError> {
    let name = manifest.name.clone();
    manifest.within(above, base_dir).map_err(|source| BlueprintError::Widening { name, source })
}

fn spec(
    (manifest, text): (Manifest, String),
    base_dir: PathBuf,
    component: Vec<u8>,
    state: Option<Vec<u8>>,
    allowed: Allowed,
) -> Spec {
    let most = &allowed.permissions;
    let grants = Grants {
        chance: most.random.ceiling(|random| random.max_bytes),
        waiting: most.timing.ceiling(|timing| timing.max_sleep_ns),
        ..manifest.grants(&base_dir)
    };
    let limits = manifest.limits;
    Spec {
        name: manifest.name,
        component: component.into(),
        manifest: Some(text),
        base_dir,
        handlers: allowed.handlers,
        permissions: allowed.permissions,
        grants,
        limits: limits.engine(),
        mailbox: usize::try_from(limits.mailbox).unwrap_or(usize::MAX),
        message_bytes_max: limits.message_bytes,
        patience: PATIENCE,
        state,
        supervision: manifest.supervision,
        children: manifest.children,
        chain: manifest.chain,
    }
}

/// How long an actor waits for others.
const PATIENCE: Duration = Duration::from_secs(30);

fn load(
    source: &Source,
    state: Option<&[u8]>,
    store: Option<&Store>,
) -> Result<(Loaded, PathBuf), BlueprintError> {
    let parsed = |file: &str, text: String| {
        let invalid = |problems: Problems| ManifestError::Invalid(problems);
        Manifest::parse(file, text, state).map_err(invalid)
    };
    match source {
        Source::File(path) => {
            let loaded = Manifest::load(path, state)?;
            let base_dir = path.parent().unwrap_or(Path::new("")).to_owned();
            Ok((loaded, base_dir))
        }
        Source::Text { text, base_dir } => {
            Ok((parsed("the manifest", text.clone())?, base_dir.clone()))
        }
        Source::Stored { name, base_dir } => {
            let text = String::from_utf8_lossy(&stored(name, store)?).into_owned();
            Ok((parsed(&format!("store:{name}"), text)?, base_dir.clone()))
        }
    }
}

/// The component that a manifest names, whose folder this is.
pub(crate) fn component(
    manifest: &Manifest,
    base_dir: &Path,
    store: Option<&Store>,
) -> Result<Vec<u8>, BlueprintError> {
    let unusable = |component: String| {
        let name = manifest.name.clone();
        move |source| BlueprintError::Component { name, component, source }
    };
    match &manifest.component {
        ComponentSource::File(file) => {
            let path = base_dir.join(file);
            let bytes = read_file(&path)
                .map_err(|source| ComponentError::Unreadable { path, source })
                .map_err(unusable(file.display().to_string()))?;
            as_component(bytes).map_err(unusable(file.display().to_string()))
        }
        ComponentSource::Digest(digest) => {
            let name = digest.to_string();
            as_component(stored(&name, store)?).map_err(unusable(name))
        }
        ComponentSource::Label(label) => {
            as_component(stored(label, store)?).map_err(unusable(label.clone()))
        }
    }
}

fn initial_state(manifest: &Manifest, base_dir: &Path) -> Result<Option<Vec<u8>>, BlueprintError> {
    match &manifest.init_state {
        None => Ok(None),
        Some(InitState::Bytes(bytes)) => Ok(Some(bytes.clone())),
        Some(InitState::File(file)) => {
            let (name, path) = (manifest.name.clone(), base_dir.join(file));
            let state = read_file(&path);
            state.map(Some).map_err(|source| BlueprintError::State { name, path, source })
        }
    }
}

/// What is in a file. What is none, such as a device, may be endless, or keep whoever reads it waiting.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    match fs::metadata(path)? {
        found if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        found if !found.is_file() => Err(io::Error::other("it is no regular file")),
        _ => fs::read(path),
    }
}

/// What the store has under a digest or a label.
fn stored(name: &str, store: Option<&Store>) -> Result<Vec<u8>, BlueprintError> {
    let store = store.ok_or_else(|| BlueprintError::NoStore { name: name.to_owned() })?;
    let digest = store.find(name).map_err(|error| match error {
        StoreError::NoLabel { .. } => BlueprintError::NotStored { name: name.to_owned() },
        error => BlueprintError::Store(error),
    })?;
    Ok(store.get(&digest)?)
}
