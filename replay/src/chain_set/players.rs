//! Replays many chains: each component is looked up and compiled once for all that were recorded from it.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, anyhow};
use theater_record::{Hash, Header, Reader, Stored};
use theater_runtime::complaint::advised;
use theater_runtime::escape::argument;
use theater_runtime::{Backend, Component, Engine, Home, PlaybackOptions, Played, digest, play};
use theater_verify::{Source, SourceReader, VerifiedChain};

use crate::find::{self, Place};
use crate::open::open;
use crate::replay::unplayed;

/// Settings that say who an actor is, not how it was run.
const WHO: [&str; 4] = ["actor", "follows", "life", "parent"];

/// What replays the chains of a set.
pub(crate) struct Players {
    backend: Backend,
    /// Components that were named, by their digests.
    named: Vec<(Hash, Vec<u8>)>,
    /// Whether there is one, and it takes the place of another build.
    is_other_build: bool,
    cache: Option<PathBuf>,
    compiled: Mutex<HashMap<Key, Slot>>,
}

/// What it depends on how a component is compiled.
type Key = (Hash, Vec<(String, String)>);

/// A place for a component that somebody may be compiling.
type Slot = Arc<Mutex<Option<Arc<Compiled>>>>;

/// A component that can be run.
pub(crate) struct Compiled {
    engine: Engine,
    pub(crate) component: Component,
    pub(crate) place: Place,
}

impl Players {
    /// Players for chains in these files, with components that were named.
    pub(crate) fn new(
        files: &[PathBuf],
        named: &[PathBuf],
        backend: Backend,
    ) -> anyhow::Result<Players> {
        let recorded: BTreeSet<Hash> = match named.is_empty() {
            true => BTreeSet::new(),
            false => files.iter().filter_map(|file| recorded_from(file)).collect(),
        };
        let mut components = Vec::new();
        let mut is_other_build = false;
        for file in named {
            let bytes = find::named(file, &files[0])?;
            let digest = digest(&bytes);
            if !recorded.contains(&digest) {
                if recorded.len() > 1 || named.len() > 1 {
                    return Err(advised(
                        anyhow!(
                            "no chain of the set was recorded from {}, and they have {} components",
                            file.display(),
                            recorded.len()
                        ),
                        "hold another build against one chain: theater-replay run CHAIN --component FILE",
                    ));
                }
                is_other_build = true;
            }
            components.push((digest, bytes));
        }
        let cache = Home::find().ok().map(|home| home.cache());
        let compiled = Mutex::new(HashMap::new());
        Ok(Players { backend, named: components, is_other_build, cache, compiled })
    }

    /// Replays one chain, without showing what the component prints.
    pub(crate) fn play(
        &self,
        path: &Path,
        chain: &VerifiedChain,
    ) -> anyhow::Result<(Arc<Compiled>, Played)> {
        let compiled = self.compiled(path, chain)?;
        let (component, options) = (&compiled.component, PlaybackOptions::default());
        let played = compiled.engine.on_stack(|| play(component, chain, options));
        Ok((compiled.clone(), played.map_err(|error| unplayed(error, path))?))
    }

    fn compiled(&self, path: &Path, chain: &VerifiedChain) -> anyhow::Result<Arc<Compiled>> {
        let header = chain.header();
        let Some(recorded) = header.component else {
            return find::recorded(chain, path).and(Err(anyhow!("there is no component")));
        };
        let is_how = |(name, _): &&(String, String)| !WHO.contains(&name.as_str());
        let key = (recorded, header.settings.iter().filter(is_how).cloned().collect());
        let mut all = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = all.entry(key).or_default().clone();
        drop(all);
        // Others that need the same one wait for it; others that need another one do not.
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = &*slot {
            return Ok(compiled.clone());
        }
        let compiled = Arc::new(self.compile(path, chain, header, recorded)?);
        *slot = Some(compiled.clone());
        Ok(compiled)
    }

    fn compile(
        &self,
        path: &Path,
        chain: &VerifiedChain,
        header: &Header,
        recorded: Hash,
    ) -> anyhow::Result<Compiled> {
        let cache = self.cache.as_deref();
        let engine = Engine::for_replay(self.backend, &header.settings, false, cache)
            .with_context(|| format!("{} cannot be replayed", path.display()))?;
        let is_it = |(digest, _): &&(Hash, Vec<u8>)| *digest == recorded || self.is_other_build;
        let (bytes, place) = match self.named.iter().find(is_it) {
            Some((_, bytes)) => (bytes.clone(), Place::File),
            None => find::recorded(chain, path).map_err(|error| {
                let folder = path.parent().unwrap_or(Path::new("."));
                let advice =
                    format!("theater-replay run --set {} --component FILE", argument(folder));
                advised(anyhow!("{error}"), format!("name its file: {advice}"))
            })?,
        };
        let component = Component::new(&engine, bytes)
            .with_context(|| format!("cannot use the component {recorded}"))?;
        Ok(Compiled { engine, component, place })
    }
}

/// The component that a chain names, if its header can be read.
fn recorded_from(file: &Path) -> Option<Hash> {
    let source: Arc<dyn Source> = Arc::from(open(file).ok()?);
    let end = source.len();
    let mut reader = Reader::new(SourceReader::new(source, 0, end)).ok()?;
    match reader.read() {
        Ok(Some(Stored::Record(record))) => match record.event().ok()? {
            theater_record::Event::Header(header) => header.component,
            _ => None,
        },
        _ => None,
    }
}
