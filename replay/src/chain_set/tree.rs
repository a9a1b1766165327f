//! Who has started whom.

use std::collections::HashMap;

use super::ChainSet;

/// A chain in the tree of actors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Branch {
    /// Its position in the set.
    pub(crate) chain: usize,
    /// The chain of whoever has started the actor, if that is in the set.
    pub(crate) parent: Option<usize>,
    /// How many stand above it.
    pub(crate) depth: usize,
}

/// The chains of a set, each behind the one of its parent, those of one parent by their age.
pub(crate) fn tree<T: Send>(set: &ChainSet<T>) -> Vec<Branch> {
    let parents = parents(set);
    let age = |chain: usize| {
        let member = set.member(&set.chains[chain]);
        (member.map_or(u64::MAX, |member| member.created()), chain)
    };
    let mut children: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
    let mut by_age: Vec<usize> = (0..set.chains.len()).collect();
    by_age.sort_by_key(|chain| age(*chain));
    // Who comes last is visited first, because what is visited is taken from the end.
    for chain in by_age.iter().rev() {
        children.entry(parents[*chain]).or_default().push(*chain);
    }
    let mut branches = Vec::new();
    let mut is_placed = vec![false; set.chains.len()];
    let roots = children.get(&None).cloned().unwrap_or_default();
    let mut waiting: Vec<_> = roots.into_iter().map(|chain| (chain, 0)).collect();
    // Chains that claim to be each other's parents hang from nothing.
    let mut adrift = by_age.into_iter();
    loop {
        let Some((chain, depth)) = waiting.pop() else {
            match adrift.find(|chain| !is_placed[*chain]) {
                Some(chain) => waiting.push((chain, 0)),
                None => return branches,
            }
            continue;
        };
        if std::mem::replace(&mut is_placed[chain], true) {
            continue;
        }
        let parent = parents[chain].filter(|_| depth > 0);
        branches.push(Branch { chain, parent, depth });
        let below = children.get(&Some(chain)).into_iter().flatten();
        waiting.extend(below.map(|child| (*child, depth + 1)));
    }
}

/// The chain of each one's parent: the one that says it started it, or the first of the actor that the
/// child's own chain names.
fn parents<T: Send>(set: &ChainSet<T>) -> Vec<Option<usize>> {
    let (mut actors, mut starters) = (HashMap::new(), HashMap::new());
    for (member, &file) in set.members.iter().zip(&set.files) {
        if let Some(actor) = member.actor() {
            actors.entry(actor).or_insert(file);
        }
        for child in member.children() {
            starters.entry(child).or_insert(file);
        }
    }
    let parent = |at: usize| {
        let member = set.member(&set.chains[at])?;
        let starter = member.actor().and_then(|actor| starters.get(actor));
        let named = || member.parent().and_then(|parent| actors.get(parent));
        starter.or_else(named).copied().filter(|parent| *parent != at)
    };
    (0..set.chains.len()).map(parent).collect()
}
