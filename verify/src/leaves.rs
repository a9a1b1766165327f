//! The leaves of a segment's tree, as they turn up stretch by stretch.

use std::ops::Range;
use std::sync::Arc;

use theater_record::Hash;

use crate::lanes::tree_root;

/// Leaves are kept up to this many before their subtree's root takes their place, which bounds
/// memory in a chain without checkpoints. A power of two, so that the subtree is a whole one.
const SUBTREE_LEAVES: usize = 1 << 16;

/// The leaves of one segment. Adding some copies nothing; the hashes stay where the scan put them
/// until the root is computed, which any thread may do.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    /// Roots of whole subtrees.
    subtrees: Vec<Hash>,
    /// The leaves after those, and how many.
    pieces: Vec<(Arc<Vec<Hash>>, Range<usize>)>,
    count: usize,
}

impl Leaves {
    /// Adds a part of some hashes.
    pub(crate) fn push(&mut self, hashes: &Arc<Vec<Hash>>, mut range: Range<usize>) {
        while self.count + range.len() > SUBTREE_LEAVES {
            let fill = range.start + SUBTREE_LEAVES - self.count;
            self.push_piece(hashes, range.start..fill);
            range.start = fill;
            let subtree = tree_root(self.take_leaves());
            self.subtrees.push(subtree);
        }
        self.push_piece(hashes, range);
    }

    /// The root of the tree over all leaves, of the shape that RFC 6962 gives.
    pub(crate) fn root(mut self) -> Hash {
        let rest = self.take_leaves();
        let mut nodes = std::mem::take(&mut self.subtrees);
        if nodes.is_empty() {
            return tree_root(rest);
        }
        nodes.extend((!rest.is_empty()).then(|| tree_root(rest)));
        tree_root(nodes)
    }

    fn push_piece(&mut self, hashes: &Arc<Vec<Hash>>, range: Range<usize>) {
        if !range.is_empty() {
            self.count += range.len();
            self.pieces.push((hashes.clone(), range));
        }
    }

    fn take_leaves(&mut self) -> Vec<Hash> {
        let mut leaves = Vec::with_capacity(self.count);
        for (hashes, range) in self.pieces.drain(..) {
            leaves.extend_from_slice(&hashes[range]);
        }
        self.count = 0;
        leaves
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_does_not_depend_on_how_the_leaves_came() {
        for count in [1, 2, 100, SUBTREE_LEAVES, SUBTREE_LEAVES + 1, 3 * SUBTREE_LEAVES + 4097] {
            let hashes: Vec<Hash> =
                (0..count).map(|at| Hash(*blake3::hash(&at.to_le_bytes()).as_bytes())).collect();
            let expected = theater_record::segment_root(hashes.clone());
            let hashes = Arc::new(hashes);
            for step in [count, 1000, 70_001] {
                let mut leaves = Leaves::default();
                for start in (0..count).step_by(step) {
                    leaves.push(&hashes, start..count.min(start + step));
                }
                assert_eq!(leaves.root(), expected, "{count} leaves by {step}");
            }
        }
    }
}
