//! Hashes many small inputs at once, one per SIMD lane.
//!
//! One BLAKE3 call on a 200-byte record leaves most of the processor's vector width unused.
//! Records padded to the same number of 64-byte blocks can share one call: sixteen at a time cost
//! a sixth. This is the only file that uses blake3's undocumented `platform` module, which is why
//! the crate's version is pinned; the tests hold every result against the documented functions.

use blake3::IncrementCounter;
use blake3::platform::Platform;
use theater_record::{Hash, node_hash_key, record_hash, record_hash_key};

/// Records of up to this many blocks, one BLAKE3 chunk, are batched.
const BLOCKS_MAX: usize = 16;
/// How many records go into one call; the widest machines take 16 at a time.
const LANES: usize = 32;
const BLOCK_BYTES: usize = 64;

const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
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
            padded: vec![0; LANES * BLOCKS_MAX * BLOCK_BYTES],
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

    fn flush(&mut self, blocks: usize, data: &[u8], spans: &[(u32, u32)], hashes: &mut [Hash]) {
        let padded_bytes = blocks * BLOCK_BYTES;
        let waiting = std::mem::take(&mut self.waiting[blocks]);
        for (lane, at) in waiting.iter().enumerate() {
            let (start, len) = spans[*at as usize];
            let (start, len) = (start as usize, len as usize);
            let input = &mut self.padded[lane * padded_bytes..][..padded_bytes];
            input[padded_bytes - BLOCK_BYTES..].fill(0);
            input[..len].copy_from_slice(&data[start..start + len]);
        }
        let input = &self.padded[..waiting.len() * padded_bytes];
        let mut output = [0; LANES * 32];
        let (platform, key) = (self.platform, &self.record_key);
        match blocks {
            1 => hash_many::<64>(platform, input, key, &mut output),
            2 => hash_many::<128>(platform, input, key, &mut output),
            3 => hash_many::<192>(platform, input, key, &mut output),
            4 => hash_many::<256>(platform, input, key, &mut output),
            5 => hash_many::<320>(platform, input, key, &mut output),
            6 => hash_many::<384>(platform, input, key, &mut output),
            7 => hash_many::<448>(platform, input, key, &mut output),
            8 => hash_many::<512>(platform, input, key, &mut output),
            9 => hash_many::<576>(platform, input, key, &mut output),
            10 => hash_many::<640>(platform, input, key, &mut output),
            11 => hash_many::<704>(platform, input, key, &mut output),
            12 => hash_many::<768>(platform, input, key, &mut output),
            13 => hash_many::<832>(platform, input, key, &mut output),
            14 => hash_many::<896>(platform, input, key, &mut output),
            15 => hash_many::<960>(platform, input, key, &mut output),
            16 => hash_many::<1024>(platform, input, key, &mut output),
            _ => unreachable!("longer frames are hashed one by one"),
        }
        for (at, hash) in waiting.iter().zip(output.chunks_exact(32)) {
            hashes[*at as usize] = Hash::from_slice(hash);
        }
        self.waiting[blocks] = waiting;
        self.waiting[blocks].clear();
    }
}

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
    let mut input = [0; LANES * BLOCK_BYTES];
    let mut output = [0; LANES * 32];
    for first in (0..pairs).step_by(LANES) {
        let lanes = LANES.min(pairs - first);
        for (lane, pair) in nodes[2 * first..2 * (first + lanes)].chunks_exact(2).enumerate() {
            input[lane * BLOCK_BYTES..][..32].copy_from_slice(&pair[0].0);
            input[lane * BLOCK_BYTES + 32..][..32].copy_from_slice(&pair[1].0);
        }
        let input = &input[..lanes * BLOCK_BYTES];
        hash_many::<BLOCK_BYTES>(platform, input, key, &mut output);
        for (lane, hash) in output.chunks_exact(32).take(lanes).enumerate() {
            nodes[first + lane] = Hash::from_slice(hash);
        }
    }
    if odd == 1 {
        nodes[pairs] = nodes[2 * pairs];
    }
    nodes.truncate(pairs + odd);
}

/// Hashes inputs of `N` bytes that stand one after another.
fn hash_many<const N: usize>(platform: Platform, input: &[u8], key: &[u32; 8], output: &mut [u8]) {
    let (inputs, rest) = input.as_chunks::<N>();
    debug_assert!(rest.is_empty() && inputs.len() <= LANES);
    let mut refs = [&[0; N]; LANES];
    for (slot, input) in refs.iter_mut().zip(inputs) {
        *slot = input;
    }
    platform.hash_many::<N>(
        &refs[..inputs.len()],
        key,
        0,
        IncrementCounter::No,
        DERIVE_KEY_MATERIAL,
        CHUNK_START,
        CHUNK_END | ROOT,
        output,
    );
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
        let data: Vec<u8> = (0..8192u32).map(|at| (at * 31 % 251) as u8).collect();
        for platform in platforms() {
            let mut lanes = Lanes::on(platform);
            for count in [1, 2, 15, 16, 17, 33, 64] {
                let spans: Vec<(u32, u32)> =
                    (0..count).map(|at| (at * 7, 45 + at * 53 % 4096)).collect();
                let mut hashes = Vec::new();
                lanes.record_hashes(&data, &spans, &mut hashes);
                for ((start, len), hash) in spans.iter().zip(&hashes) {
                    let frame = &data[*start as usize..(start + len) as usize];
                    assert_eq!(*hash, record_hash(frame), "{len} bytes");
                }
            }
            for len in 1..=1100u32 {
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
