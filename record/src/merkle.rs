//! The two trees of a chain, both of the shape RFC 6962 gives.
//!
//! A segment's tree is over its record hashes and uses BLAKE3, because it is built at full speed.
//! The log over checkpoint frames uses SHA-256 exactly as RFC 6962 says, so that existing
//! transparency-log tools can witness and prove it.

use sha2::{Digest, Sha256};

use crate::hash::{Hash, node_hash};

/// The root of a segment's tree. The root of one leaf is the leaf; of none, zero.
///
/// Works in place, level by level; an odd node at the end of a level moves up unchanged, which
/// gives the same tree as RFC 6962's split at the largest power of two.
#[must_use]
pub fn segment_root(mut leaves: Vec<Hash>) -> Hash {
    while leaves.len() > 1 {
        let (pairs, odd) = (leaves.len() / 2, leaves.len() % 2);
        for pair in 0..pairs {
            leaves[pair] = node_hash(&leaves[2 * pair], &leaves[2 * pair + 1]);
        }
        if odd == 1 {
            leaves[pairs] = leaves[2 * pairs];
        }
        leaves.truncate(pairs + odd);
    }
    leaves.first().copied().unwrap_or(Hash::ZERO)
}

/// The siblings that lead from one leaf to the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditPath {
    /// Position of the leaf.
    pub index: u64,
    /// How many leaves the tree has.
    pub leaves: u64,
    /// The sibling at each level that has one, from the leaf up.
    pub siblings: Vec<Hash>,
}

impl AuditPath {
    /// The root of the segment's tree that this leaf leads to; `None` if the path has another
    /// number of siblings than such a tree asks for.
    #[must_use]
    pub fn root(&self, leaf: Hash) -> Option<Hash> {
        climb(leaf, self.index, self.leaves, &self.siblings, node_hash)
    }
}

/// The path from one checkpoint frame to the root of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPath(pub AuditPath);

impl LogPath {
    /// The root of the log that this checkpoint frame leads to.
    #[must_use]
    pub fn root(&self, frame: &[u8]) -> Option<Hash> {
        let path = &self.0;
        climb(log_leaf(frame), path.index, path.leaves, &path.siblings, log_node)
    }
}

/// The log over checkpoint frames, kept as the roots of its complete subtrees.
#[derive(Debug, Clone, Default)]
pub struct CheckpointLog {
    len: u64,
    /// One root per bit set in `len`, the largest tree first.
    peaks: Vec<Hash>,
}

impl CheckpointLog {
    /// Adds a checkpoint frame.
    pub fn push(&mut self, frame: &[u8]) {
        let mut node = log_leaf(frame);
        for _ in 0..self.len.trailing_ones() {
            let left = self.peaks.pop().expect("there is one peak per bit set in the length");
            node = log_node(&left, &node);
        }
        self.peaks.push(node);
        self.len += 1;
    }

    /// How many frames were added.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing was added yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The root over everything added so far. The root of nothing is the SHA-256 of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        match peaks.next() {
            Some(last) => peaks.fold(*last, |right, left| log_node(left, &right)),
            None => Hash(Sha256::digest([]).into()),
        }
    }
}

/// Finds the path of one leaf while the leaves go by, in memory for one hash per level.
pub struct PathFinder {
    node: fn(&Hash, &Hash) -> Hash,
    leaves: u64,
    /// One root per bit set in `leaves`, the largest tree first.
    peaks: Vec<Hash>,
    index: Option<u64>,
    siblings: Vec<Hash>,
}

impl PathFinder {
    /// For the tree over a segment's record hashes.
    #[must_use]
    pub fn in_segment() -> PathFinder {
        PathFinder::new(node_hash)
    }

    /// For the log over checkpoint frames, whose leaves are [`log_leaf`].
    #[must_use]
    pub fn in_log() -> PathFinder {
        PathFinder::new(log_node)
    }

    fn new(node: fn(&Hash, &Hash) -> Hash) -> PathFinder {
        PathFinder { node, leaves: 0, peaks: Vec::new(), index: None, siblings: Vec::new() }
    }

    /// Says that the next leaf is the one whose path is sought.
    pub fn mark(&mut self) {
        self.index = Some(self.leaves);
        self.siblings.clear();
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut right = leaf;
        for level in 0..self.leaves.trailing_ones() {
            let left = self.peaks.pop().expect("there is one peak per bit set in the length");
            let first_right = self.leaves >> level << level;
            right = self.join(left, right, first_right);
        }
        self.peaks.push(right);
        self.leaves += 1;
    }

    /// The path of the marked leaf in the tree over all leaves added; `None` if none is marked.
    #[must_use]
    pub fn finish(mut self) -> Option<AuditPath> {
        let mut right = self.peaks.pop()?;
        let mut first_right = self.leaves & (self.leaves - 1);
        while let Some(left) = self.peaks.pop() {
            right = self.join(left, right, first_right);
            first_right &= first_right - 1;
        }
        let index = self.index.filter(|index| *index < self.leaves)?;
        Some(AuditPath { index, leaves: self.leaves, siblings: self.siblings })
    }

    /// The parent of two neighbours, the right one starting with leaf `first_right`. Notes which of
    /// them is the sibling of the one that the marked leaf is under.
    fn join(&mut self, left: Hash, right: Hash, first_right: u64) -> Hash {
        // The left one is a complete tree, so clearing the lowest bit gives its first leaf.
        let first_left = first_right & (first_right - 1);
        if let Some(index) = self.index.filter(|index| *index >= first_left) {
            self.siblings.push(if index < first_right { right } else { left });
        }
        (self.node)(&left, &right)
    }
}

/// The leaf that stands for a checkpoint frame in the log.
#[must_use]
pub fn log_leaf(frame: &[u8]) -> Hash {
    Hash(Sha256::new_with_prefix([0]).chain_update(frame).finalize().into())
}

fn log_node(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new_with_prefix([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

fn climb(
    leaf: Hash,
    mut index: u64,
    mut len: u64,
    siblings: &[Hash],
    node: impl Fn(&Hash, &Hash) -> Hash,
) -> Option<Hash> {
    if index >= len {
        return None;
    }
    let mut siblings = siblings.iter();
    let mut root = leaf;
    while len > 1 {
        if index % 2 == 1 {
            root = node(siblings.next()?, &root);
        } else if index + 1 < len {
            root = node(&root, siblings.next()?);
        }
        index /= 2;
        len = len.div_ceil(2);
    }
    siblings.next().is_none().then_some(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962's own recursive definition, to hold the level-by-level code against.
    fn naive(leaves: &[Hash], node: &impl Fn(&Hash, &Hash) -> Hash) -> Hash {
        match leaves {
            [one] => *one,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                node(&naive(&leaves[..split], node), &naive(&leaves[split..], node))
            }
        }
    }

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|at| Hash(*blake3::hash(&at.to_be_bytes()).as_bytes())).collect()
    }

    fn path(mut finder: PathFinder, leaves: &[Hash], index: usize) -> AuditPath {
        for (at, leaf) in leaves.iter().enumerate() {
            if at == index {
                finder.mark();
            }
            finder.push(*leaf);
        }
        finder.finish().unwrap()
    }

    #[test]
    fn trees_are_those_of_rfc_6962_and_every_path_leads_to_the_root() {
        for count in 1..70 {
            let leaves = leaves(count);
            let root = segment_root(leaves.clone());
            assert_eq!(root, naive(&leaves, &node_hash), "{count} leaves");
            for index in 0..count {
                let path = path(PathFinder::in_segment(), &leaves, index);
                assert_eq!(path.root(leaves[index]), Some(root));
                assert_ne!(path.root(Hash::ZERO), Some(root));
                let longer = AuditPath { leaves: path.leaves * 2 + 1, ..path.clone() };
                assert_ne!(longer.root(leaves[index]), Some(root));
            }
        }
    }

    #[test]
    fn the_log_grows_to_the_same_root_and_proves_every_frame() {
        let frames: Vec<[u8; 8]> = (0u64..40).map(u64::to_be_bytes).collect();
        let mut log = CheckpointLog::default();
        for (at, frame) in frames.iter().enumerate() {
            log.push(frame);
            let so_far = &frames[..=at];
            let hashes: Vec<Hash> = so_far.iter().map(|frame| log_leaf(frame)).collect();
            assert_eq!(log.root(), naive(&hashes, &log_node));
            for (index, frame) in so_far.iter().enumerate() {
                let path = path(PathFinder::in_log(), &hashes, index);
                assert_eq!(LogPath(path).root(frame), Some(log.root()));
            }
        }
    }
}
