//! Links and monitors: who falls with whom, and who is told.
//!
//! A link holds both ways: if one of the two ends abnormally, the other falls. A monitor holds one way:
//! the watcher is told how the watched one ended, whatever way that was, and lives on. Both end with
//! either of the two.

use std::collections::{BTreeMap, BTreeSet};

use super::Exit;

/// The links and monitors among actors, which are named by `K`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bonds<K> {
    /// By each of the two.
    links: BTreeMap<K, BTreeSet<K>>,
    /// By the watched.
    watchers: BTreeMap<K, BTreeSet<K>>,
    /// By the watcher.
    watched: BTreeMap<K, BTreeSet<K>>,
}

/// What the end of an actor means to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect<K> {
    /// It falls too: it has to be ended as failed. Its own end is then one to report.
    Falls {
        /// Who falls.
        actor: K,
    },
    /// It is to be told.
    IsTold {
        /// Who watched.
        watcher: K,
        /// How the watched one ended.
        exit: Exit,
    },
}

impl<K> Default for Bonds<K> {
    fn default() -> Bonds<K> {
        Bonds { links: BTreeMap::new(), watchers: BTreeMap::new(), watched: BTreeMap::new() }
    }
}

impl<K: Ord + Copy> Bonds<K> {
    /// Links two actors. Linking them again changes nothing, and neither does linking one to itself.
    pub fn link(&mut self, one: K, other: K) {
        if one != other {
            self.links.entry(one).or_default().insert(other);
            self.links.entry(other).or_default().insert(one);
        }
    }

    /// Takes a link away.
    pub fn unlink(&mut self, one: K, other: K) {
        remove(&mut self.links, &one, &other);
        remove(&mut self.links, &other, &one);
    }

    /// Lets an actor watch another one. Nobody can watch themselves.
    pub fn monitor(&mut self, watcher: K, watched: K) {
        if watcher != watched {
            self.watchers.entry(watched).or_default().insert(watcher);
            self.watched.entry(watcher).or_default().insert(watched);
        }
    }

    /// Ends the watching.
    pub fn demonitor(&mut self, watcher: K, watched: K) {
        remove(&mut self.watchers, &watched, &watcher);
        remove(&mut self.watched, &watcher, &watched);
    }

    /// Whether nobody is linked to anybody, nor watches anybody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.links.is_empty() && self.watchers.is_empty()
    }

    /// What the end of an actor means to others: first who is told, then who falls, in the order of
    /// their names. All its bonds are gone after this.
    pub fn ended(&mut self, actor: K, exit: Exit) -> Vec<Effect<K>> {
        let mut effects = Vec::new();
        for watcher in self.watchers.remove(&actor).unwrap_or_default() {
            remove(&mut self.watched, &watcher, &actor);
            effects.push(Effect::IsTold { watcher, exit });
        }
        for watched in self.watched.remove(&actor).unwrap_or_default() {
            remove(&mut self.watchers, &watched, &actor);
        }
        for linked in self.links.remove(&actor).unwrap_or_default() {
            remove(&mut self.links, &linked, &actor);
            if !exit.is_normal() {
                effects.push(Effect::Falls { actor: linked });
            }
        }
        effects
    }
}

/// Takes a name out of a set, and the set away once it is empty.
fn remove<K: Ord>(sets: &mut BTreeMap<K, BTreeSet<K>>, key: &K, name: &K) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(name);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}
