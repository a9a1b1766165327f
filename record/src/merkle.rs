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

/// The path from one record hash to the root of its segment's tree.
///
/// # Panics
/// If there is no leaf at `index`.
#[must_use]
pub fn segment_path(leaves: &[Hash], index: usize) -> AuditPath {
    assert!(index < leaves.len(), "leaf {index} of {}", leaves.len());
    let siblings = siblings(leaves.to_vec(), index, node_hash);
    AuditPath { index: index as u64, leaves: leaves.len() as u64, siblings }
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

    /// The path for one frame of a log whose frames' leaves are all at hand.
    ///
    /// # Panics
    /// If there is no frame at `index`.
    #[must_use]
    pub fn path<'a>(frames: impl Iterator<Item = &'a [u8]>, index: usize) -> LogPath {
        let leaves: Vec<Hash> = frames.map(log_leaf).collect();
        assert!(index < leaves.len(), "checkpoint {index} of {}", leaves.len());
        let len = leaves.len() as u64;
        let siblings = siblings(leaves, index, log_node);
        LogPath(AuditPath { index: index as u64, leaves: len, siblings })
    }
}

fn log_leaf(frame: &[u8]) -> Hash {
    Hash(Sha256::new_with_prefix([0]).chain_update(frame).finalize().into())
}

fn log_node(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new_with_prefix([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

fn siblings(
    mut level: Vec<Hash>,
    mut index: usize,
    node: impl Fn(&Hash, &Hash) -> Hash,
) -> Vec<Hash> {
    let mut siblings = Vec::new();
    while level.len() > 1 {
        siblings.extend(level.get(index ^ 1));
        level = level
            .chunks(2)
            .map(|pair| if let [left, right] = pair { node(left, right) } else { pair[0] })
            .collect();
        index /= 2;
    }
    siblings
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

    #[test]
    fn trees_are_those_of_rfc_6962_and_every_path_leads_to_the_root() {
        for count in 1..70 {
            let leaves = leaves(count);
            let root = segment_root(leaves.clone());
            assert_eq!(root, naive(&leaves, &node_hash), "{count} leaves");
            for index in 0..count {
                let path = segment_path(&leaves, index);
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
                let path = CheckpointLog::path(so_far.iter().map(|frame| &frame[..]), index);
                assert_eq!(path.root(frame), Some(log.root()));
            }
        }
    }
}
