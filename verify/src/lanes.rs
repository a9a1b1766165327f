//! Hashes many small inputs at once, one per SIMD lane.
//!
//! One BLAKE3 call on a 200-byte record leaves most of the processor's vector width unused.
//! Records padded to the same number of 64-byte blocks can share one call: sixteen at a time cost
//! a sixth. This is the only file that uses blake3's undocumented `platform` module, which is why
//! the crate's version is pinned; the tests hold every result against the documented functions.

use blake3::IncrementCounter;
use blake3::platform::Platform;
use theater_record::{Hash, node_hash_key, record_hash, record_hash_key};

/// Records of up to this many blocks, sixteen BLAKE3 chunks, are batched. Longer ones fill the
/// lanes by themselves.
const BLOCKS_MAX: usize = 16 * CHUNK_BLOCKS;
/// A record longer than one chunk is hashed chunk by chunk, and the chunks form a tree.
const CHUNK_BLOCKS: usize = 16;
const CHUNK_BYTES: usize = CHUNK_BLOCKS * BLOCK_BYTES;
/// How many records go into one call; the widest machines take 16 at a time.
const LANES: usize = 32;
const BLOCK_BYTES: usize = 64;

const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const PARENT: u8 = 1 << 2;
const ROOT: u8 = 1 << 3;
const DERIVE_KEY_MATERIAL: u8 = 1 << 6;

/// A batch hasher with its scratch space.
pub(crate) struct Lanes {
    platform: Platform,
    record_key: [u32; 8],
    /// For each number of blocks, the positions of the frames that wait for a full batch.
    waiting: Vec<Vec<u32>>,
    padded: Vec<u8>,
}

impl Lanes {
    pub(crate) fn new() -> Lanes {
        Lanes::on(Platform::detect())
    }

    fn on(platform: Platform) -> Lanes {
        Lanes {
            platform,
            record_key: words(record_hash_key()),
            waiting: vec![Vec::new(); BLOCKS_MAX + 1],
            padded: vec![0; LANES * CHUNK_BYTES],
        }
    }

    /// Computes the link hash of each frame; `spans` are start and length within `data`.
    pub(crate) fn record_hashes(
        &mut self,
        data: &[u8],
        spans: &[(u32, u32)],
        hashes: &mut Vec<Hash>,
    ) {
        hashes.resize(spans.len(), Hash::ZERO);
        for (at, (start, len)) in spans.iter().enumerate() {
            let (start, len) = (*start as usize, *len as usize);
            let blocks = len.div_ceil(BLOCK_BYTES);
            if blocks > BLOCKS_MAX {
                hashes[at] = record_hash(&data[start..start + len]);
                continue;
            }
            self.waiting[blocks].push(at as u32);
            if self.waiting[blocks].len() == LANES {
                self.flush(blocks, data, spans, hashes);
            }
        }
        for blocks in 1..=BLOCKS_MAX {
            if !self.waiting[blocks].is_empty() {
                self.flush(blocks, data, spans, hashes);
            }
        }
    }

    /// Hashes the frames of this many blocks that are waiting.
    fn flush(&mut self, blocks: usize, data: &[u8], spans: &[(u32, u32)], hashes: &mut [Hash]) {
        let waiting = std::mem::take(&mut self.waiting[blocks]);
        let frames = waiting.iter().map(|at| {
            let (start, len) = spans[*at as usize];
            &data[start as usize..(start + len) as usize]
        });
        let mut nodes = Vec::with_capacity(blocks.div_ceil(CHUNK_BLOCKS));
        let before_last = (blocks - 1) / CHUNK_BLOCKS;
        for chunk in 0..before_last {
            let start = chunk * CHUNK_BYTES;
            let mut inputs = [&[0; CHUNK_BYTES]; LANES];
            for (input, frame) in inputs.iter_mut().zip(frames.clone()) {
                *input = frame[start..].first_chunk().expect("only the last chunk may be short");
            }
            let inputs = &inputs[..waiting.len()];
            nodes.push(self.hash_chunks(inputs, chunk as u64, CHUNK_END));
        }
        let last_blocks = blocks - before_last * CHUNK_BLOCKS;
        for (frame, input) in frames.zip(self.padded.chunks_exact_mut(last_blocks * BLOCK_BYTES)) {
            let rest = &frame[before_last * CHUNK_BYTES..];
            input[(last_blocks - 1) * BLOCK_BYTES..].fill(0);
            input[..rest.len()].copy_from_slice(rest);
        }
        nodes.push(self.hash_last_chunks(last_blocks, waiting.len(), before_last as u64));
        let roots = self.join(nodes, waiting.len());
        for (at, hash) in waiting.iter().zip(roots.chunks_exact(32)) {
            hashes[*at as usize] = Hash::from_slice(hash);
        }
        self.waiting[blocks] = waiting;
        self.waiting[blocks].clear();
    }

    /// The hashes of the last, or only, chunks, which stand padded in the scratch space.
    fn hash_last_chunks(&self, blocks: usize, lanes: usize, chunk: u64) -> LaneHashes {
        let padded = &self.padded[..lanes * blocks * BLOCK_BYTES];
        let end = if chunk == 0 { CHUNK_END | ROOT } else { CHUNK_END };
        macro_rules! by_size {
            ($($size:literal)*) => {
                match blocks {
                    $($size => {
                        let (inputs, _) = padded.as_chunks::<{ $size * BLOCK_BYTES }>();
                        let mut refs = [&[0; $size * BLOCK_BYTES]; LANES];
                        refs.iter_mut().zip(inputs).for_each(|(slot, input)| *slot = input);
                        self.hash_chunks(&refs[..lanes], chunk, end)
                    })*
                    _ => unreachable!("a chunk has one to sixteen blocks"),
                }
            };
        }
        by_size!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    }

    /// The hashes of chunks that stand at the same place in their records.
    fn hash_chunks<const N: usize>(&self, inputs: &[&[u8; N]], chunk: u64, end: u8) -> LaneHashes {
        let mut output = [0; LANES * 32];
        let flags = DERIVE_KEY_MATERIAL;
        hash_many(
            self.platform,
            inputs,
            &self.record_key,
            chunk,
            (flags, CHUNK_START, end),
            &mut output,
        );
        output
    }

    /// Joins the chunks of each record to its hash, pair by pair. An odd one moves up unchanged.
    fn join(&self, mut nodes: Vec<LaneHashes>, lanes: usize) -> LaneHashes {
        while nodes.len() > 1 {
            let is_root = if nodes.len() == 2 { ROOT } else { 0 };
            nodes = nodes
                .chunks(2)
                .map(|pair| match pair {
                    [left, right] => {
                        let mut blocks = [[0; BLOCK_BYTES]; LANES];
                        for (lane, block) in blocks.iter_mut().enumerate().take(lanes) {
                            block[..32].copy_from_slice(&left[lane * 32..][..32]);
                            block[32..].copy_from_slice(&right[lane * 32..][..32]);
                        }
                        let mut output = [0; LANES * 32];
                        let flags = (DERIVE_KEY_MATERIAL | PARENT, 0, is_root);
                        let (blocks, key) = (&blocks[..lanes], &self.record_key);
                        hash_blocks(self.platform, blocks, key, flags, &mut output);
                        output
                    }
                    _ => pair[0],
                })
                .collect();
        }
        nodes[0]
    }
}

/// The hashes of one batch, one after another.
type LaneHashes = [u8; LANES * 32];

/// The root of a tree, level by level. The root of one leaf is the leaf; of none, zero.
pub(crate) fn tree_root(mut nodes: Vec<Hash>) -> Hash {
    let (platform, key) = (Platform::detect(), words(node_hash_key()));
    while nodes.len() > 1 {
        tree_level(platform, &key, &mut nodes);
    }
    nodes.first().copied().unwrap_or(Hash::ZERO)
}

/// Replaces each pair of nodes by its parent. An odd node at the end moves up unchanged.
fn tree_level(platform: Platform, key: &[u32; 8], nodes: &mut Vec<Hash>) {
    let (pairs, odd) = (nodes.len() / 2, nodes.len() % 2);
    let mut blocks = [[0; BLOCK_BYTES]; LANES];
    let mut output = [0; LANES * 32];
    for first in (0..pairs).step_by(LANES) {
        let lanes = LANES.min(pairs - first);
        for (lane, pair) in nodes[2 * first..2 * (first + lanes)].chunks_exact(2).enumerate() {
            blocks[lane][..32].copy_from_slice(&pair[0].0);
            blocks[lane][32..].copy_from_slice(&pair[1].0);
        }
        let flags = (DERIVE_KEY_MATERIAL, CHUNK_START, CHUNK_END | ROOT);
        hash_blocks(platform, &blocks[..lanes], key, flags, &mut output);
        for (lane, hash) in output.chunks_exact(32).take(lanes).enumerate() {
            nodes[first + lane] = Hash::from_slice(hash);
        }
    }
    if odd == 1 {
        nodes[pairs] = nodes[2 * pairs];
    }
    nodes.truncate(pairs + odd);
}

/// Hashes inputs of one block each.
fn hash_blocks(
    platform: Platform,
    blocks: &[[u8; BLOCK_BYTES]],
    key: &[u32; 8],
    flags: (u8, u8, u8),
    output: &mut [u8],
) {
    let mut inputs = [&[0; BLOCK_BYTES]; LANES];
    inputs.iter_mut().zip(blocks).for_each(|(slot, block)| *slot = block);
    hash_many(platform, &inputs[..blocks.len()], key, 0, flags, output);
}

/// Hashes inputs of equal length at once. The flags are those of every block, of the first and of
/// the last.
fn hash_many<const N: usize>(
    platform: Platform,
    inputs: &[&[u8; N]],
    key: &[u32; 8],
    counter: u64,
    flags: (u8, u8, u8),
    output: &mut [u8],
) {
    let (every, first, last) = flags;
    platform.hash_many::<N>(inputs, key, counter, IncrementCounter::No, every, first, last, output);
}

fn words(key: &[u8; 32]) -> [u32; 8] {
    let (words, _) = key.as_chunks::<4>();
    std::array::from_fn(|at| u32::from_le_bytes(words[at]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use theater_record::segment_root;

    fn platforms() -> Vec<Platform> {
        let mut platforms = vec![Platform::detect(), Platform::Portable];
        platforms.extend(Platform::sse2());
        platforms.extend(Platform::sse41());
        platforms.extend(Platform::avx2());
        platforms
    }

    #[test]
    fn batched_hashes_equal_those_of_the_documented_functions() {
        let data: Vec<u8> = (0..65_536u32).map(|at| (at * 31 % 251) as u8).collect();
        for platform in platforms() {
            let mut lanes = Lanes::on(platform);
            for count in [1, 2, 15, 16, 17, 33, 64] {
                let spans: Vec<(u32, u32)> =
                    (0..count).map(|at| (at * 7, 45 + at * at * 53 % 20_000)).collect();
                let mut hashes = Vec::new();
                lanes.record_hashes(&data, &spans, &mut hashes);
                for ((start, len), hash) in spans.iter().zip(&hashes) {
                    let frame = &data[*start as usize..(start + len) as usize];
                    assert_eq!(*hash, record_hash(frame), "{len} bytes");
                }
            }
            for len in (1..=1100u32).chain((1101..40_000).step_by(397)) {
                let mut hashes = Vec::new();
                lanes.record_hashes(&data, &[(3, len)], &mut hashes);
                assert_eq!(hashes, [record_hash(&data[3..3 + len as usize])], "{len} bytes");
            }
        }
    }

    #[test]
    fn batched_tree_levels_lead_to_the_same_root() {
        for count in 1..200usize {
            let leaves: Vec<Hash> =
                (0..count).map(|at| Hash(*blake3::hash(&at.to_le_bytes()).as_bytes())).collect();
            assert_eq!(tree_root(leaves.clone()), segment_root(leaves), "{count} leaves");
        }
    }
}
