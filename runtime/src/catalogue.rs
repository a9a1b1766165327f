//! Components, compiled once for all actors that are made of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Weak};

use crate::actor::lock;
use crate::component::{Component, digest};
use crate::engine::{Backend, Engine, EngineError, Limits};
use crate::store::Store;
use crate::system::SpawnError;

/// A component as it was compiled for some limits.
struct Compiled {
    limits: Limits,
    component: Arc<Component>,
    /// The bytes by which it was asked for first. Actors that share them need no digest.
    bytes: Weak<[u8]>,
}

impl Compiled {
    fn share(&self) -> Arc<Component> {
        Arc::clone(&self.component)
    }
}

/// Engines and components that are in use.
pub(crate) struct Catalogue {
    cache: Option<PathBuf>,
    /// Where each component is kept, so that its chains can be replayed.
    store: Option<Store>,
    engines: Mutex<Vec<(Limits, Engine)>>,
    components: Mutex<BTreeMap<[u8; 32], Vec<Compiled>>>,
}

impl Catalogue {
    /// Nothing yet. Compiled code is kept in the cache, components in the store.
    pub(crate) fn new(cache: Option<PathBuf>, store: Option<Store>) -> Catalogue {
        let (engines, components) = (Mutex::new(Vec::new()), Mutex::new(BTreeMap::new()));
        Catalogue { cache, store, engines, components }
    }

    /// A component, compiled for these limits.
    pub(crate) fn component(
        &self,
        bytes: &Arc<[u8]>,
        limits: &Limits,
    ) -> Result<Arc<Component>, SpawnError> {
        let is_same = |compiled: &&Compiled| {
            compiled.limits == *limits && std::ptr::eq(compiled.bytes.as_ptr(), Arc::as_ptr(bytes))
        };
        let known = lock(&self.components).values().flatten().find(is_same).map(Compiled::share);
        if let Some(component) = known {
            return Ok(component);
        }
        let digest = digest(bytes).0;
        let has_limits = |compiled: &&Compiled| compiled.limits == *limits;
        let known = lock(&self.components);
        if let Some(known) = known.get(&digest).and_then(|all| all.iter().find(has_limits)) {
            return Ok(known.share());
        }
        // Compiling takes long; others go on meanwhile.
        drop(known);
        let engine = self.engine(limits)?;
        let component = Arc::new(Component::new(&engine, bytes.to_vec())?);
        if let Some(store) = &self.store {
            store.put(component.bytes())?;
        }
        let mut known = lock(&self.components);
        let (limits, bytes) = (*limits, Arc::downgrade(bytes));
        let compiled = Compiled { limits, component, bytes };
        let component = compiled.share();
        known.entry(digest).or_default().push(compiled);
        Ok(component)
    }

    fn engine(&self, limits: &Limits) -> Result<Engine, EngineError> {
        let mut engines = lock(&self.engines);
        if let Some((_, engine)) = engines.iter().find(|(known, _)| known == limits) {
            return Ok(engine.clone());
        }
        let engine = Engine::new(Backend::Cranelift, limits, self.cache.as_deref())?;
        engines.push((*limits, engine.clone()));
        Ok(engine)
    }
}
