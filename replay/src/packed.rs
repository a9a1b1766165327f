//! Packed chains: one zstd frame per segment, with an index behind them.
//!
//! The index is the seek table of zstd's seekable format, in a frame that other programs skip, so
//! `zstd -d` unpacks a packed chain too. All hashes are over the unpacked bytes; packing changes
//! nothing that can be verified.

mod pack;
mod read;
#[cfg(test)]
mod tests;

pub(crate) use pack::pack;
pub(crate) use read::{Packed, is_packed};

/// What every zstd frame starts with.
const FRAME_MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// What the skippable frame starts with that holds the seek table.
const TABLE_MAGIC: [u8; 4] = 0x184d_2a5e_u32.to_le_bytes();
/// What a file with a seek table ends with.
const END_MAGIC: [u8; 4] = 0x8f92_eab1_u32.to_le_bytes();
/// The table frame's magic and length.
const TABLE_HEAD_BYTES: usize = 8;
/// One table entry: the packed and the unpacked length of a frame.
const ENTRY_BYTES: usize = 8;
/// The table's end: the number of entries, a byte of flags, the magic.
const TABLE_END_BYTES: usize = 9;
/// Longer segments are packed in several frames, so that a reader's memory is bounded.
const UNPACKED_BYTES_MAX: u64 = 8 << 20;
/// A frame that does not compress at all is a little longer than its content.
const PACKED_BYTES_MAX: u64 = UNPACKED_BYTES_MAX + (64 << 10);
