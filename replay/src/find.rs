//! Finds the component that a chain names.

use std::path::Path;

use anyhow::{Context, anyhow};
use theater_record::Hash;
use theater_runtime::{Component, Engine, Home, Store, as_component, digest, embedded};
use theater_verify::VerifiedChain;

use theater_runtime::complaint::{advised, not_runnable};
use theater_runtime::escape::argument;

/// Where a component was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a file that was named.
    File,
    /// Inside the chain.
    Chain,
    /// In the store.
    Store,
}

impl Place {
    /// The name people and programs read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Place::File => "file",
            Place::Chain => "chain",
            Place::Store => "store",
        }
    }
}

/// A component that was found, compiled.
pub(crate) struct Found {
    pub(crate) component: Component,
    pub(crate) place: Place,
}

/// Finds the component of a chain: in the file, or under the digest, that was named, which may be
/// another build; else by its own digest inside the chain, else in the store.
pub(crate) fn component(
    chain: &VerifiedChain,
    path: &Path,
    file: Option<&Path>,
    engine: &Engine,
) -> anyhow::Result<Found> {
    if let Some(wanted) = file.and_then(named_by_digest) {
        let component = Component::new(engine, stored(&wanted, path)?)
            .with_context(|| format!("cannot use the component {wanted}"))?;
        return Ok(Found { component, place: Place::Store });
    }
    if let Some(file) = file {
        let component = Component::load(engine, file).map_err(|error| not_runnable(error, file))?;
        return Ok(Found { component, place: Place::File });
    }
    let (bytes, place) = recorded(chain, path)?;
    let component =
        Component::new(engine, bytes).context("cannot use the component of the chain")?;
    Ok(Found { component, place })
}

/// The bytes of the component that a chain was recorded from, inside the chain or in the store.
pub(crate) fn recorded(chain: &VerifiedChain, path: &Path) -> anyhow::Result<(Vec<u8>, Place)> {
    let Some(wanted) = chain.header().component else {
        return Err(advised(
            anyhow!("{} names no component, so there is nothing to replay", path.display()),
            "replay a chain that theater run has recorded",
        ));
    };
    Ok(match embedded(chain)?.filter(|bytes| digest(bytes) == wanted) {
        Some(bytes) => (bytes, Place::Chain),
        None => (stored(&wanted, path)?, Place::Store),
    })
}

/// The bytes of a component that was named by its file, or by its digest in the store.
pub(crate) fn named(file: &Path, path: &Path) -> anyhow::Result<Vec<u8>> {
    if let Some(wanted) = named_by_digest(file) {
        return stored(&wanted, path);
    }
    let read = std::fs::read(file);
    let read = read.with_context(|| format!("cannot read {}", file.display()))?;
    as_component(read).map_err(|error| not_runnable(error, file))
}

/// The digest of a component in the store, given where a file could be.
fn named_by_digest(name: &Path) -> Option<Hash> {
    let digest = name.to_str()?.parse().ok()?;
    (!name.exists()).then_some(digest)
}

fn stored(wanted: &Hash, path: &Path) -> anyhow::Result<Vec<u8>> {
    let advice = format!("name its file: theater-replay run {} --component FILE", argument(path));
    let missing = || {
        let error = anyhow!("the component {wanted} is neither in the chain nor in the store");
        advised(error, advice.clone())
    };
    let home = Home::find().map_err(|_| missing())?;
    let store = Store::open(home.store()).map_err(|_| missing())?;
    if !store.contains(wanted) {
        return Err(missing());
    }
    store.get(wanted).map_err(|error| advised(error.into(), advice.clone()))
}
