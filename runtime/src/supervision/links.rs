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
    /// By the watched: who watches, under which number.
    watchers: BTreeMap<K, BTreeSet<(K, u64)>>,
    /// By the watcher: the number, and who is watched.
    watched: BTreeMap<K, BTreeSet<(u64, K)>>,
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
        /// Under which number.
        monitor: u64,
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

    /// Lets an actor watch another one, under a number of its own. It is told as often as it watches.
    pub fn monitor(&mut self, watcher: K, monitor: u64, watched: K) {
        self.watchers.entry(watched).or_default().insert((watcher, monitor));
        self.watched.entry(watcher).or_default().insert((monitor, watched));
    }

    /// Ends the watching under a number. Returns whether there was such a thing.
    pub fn demonitor(&mut self, watcher: K, monitor: u64) -> bool {
        let is_it = |(number, _): &&(u64, K)| *number == monitor;
        let found = self.watched.get(&watcher).and_then(|all| all.iter().find(is_it)).copied();
        let Some((_, watched)) = found else { return false };
        remove(&mut self.watchers, &watched, &(watcher, monitor));
        remove(&mut self.watched, &watcher, &(monitor, watched));
        true
    }

    /// Whether two actors are linked.
    #[must_use]
    pub fn is_linked(&self, one: K, other: K) -> bool {
        self.links.get(&one).is_some_and(|linked| linked.contains(&other))
    }

    /// Whether an actor is linked to anybody, watches anybody, or is watched.
    #[must_use]
    pub fn is_bound(&self, actor: K) -> bool {
        self.links.contains_key(&actor)
            || self.watchers.contains_key(&actor)
            || self.watched.contains_key(&actor)
    }

    /// Everyone of whom that is so.
    #[must_use]
    pub fn actors(&self) -> BTreeSet<K> {
        let watchers = self.watched.keys().chain(self.watchers.keys());
        self.links.keys().chain(watchers).copied().collect()
    }

    /// The links, each once.
    pub fn links(&self) -> impl Iterator<Item = (K, K)> {
        let pairs = self.links.iter().flat_map(|(one, all)| all.iter().map(|it| (*one, *it)));
        pairs.filter(|(one, other)| one < other)
    }

    /// Who watches, under which number, whom.
    pub fn monitors(&self) -> impl Iterator<Item = (K, u64, K)> {
        let of = |(watcher, all): (&K, &BTreeSet<(u64, K)>)| {
            let watcher = *watcher;
            all.iter()
                .map(move |(number, watched)| (watcher, *number, *watched))
                .collect::<Vec<_>>()
        };
        self.watched.iter().flat_map(of)
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
        for (watcher, monitor) in self.watchers.remove(&actor).unwrap_or_default() {
            remove(&mut self.watched, &watcher, &(monitor, actor));
            effects.push(Effect::IsTold { watcher, monitor });
        }
        for (monitor, watched) in self.watched.remove(&actor).unwrap_or_default() {
            remove(&mut self.watchers, &watched, &(actor, monitor));
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
fn remove<K: Ord, N: Ord>(sets: &mut BTreeMap<K, BTreeSet<N>>, key: &K, name: &N) {
    if let Some(set) = sets.get_mut(key) {
        set.remove(name);
        if set.is_empty() {
            sets.remove(key);
        }
    }
}
