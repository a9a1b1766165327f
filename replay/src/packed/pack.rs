//! Packs a chain, segment by segment.

use std::io::{self, Write};
use std::ops::ControlFlow;

use theater_record::{Kind, Stored};
use theater_verify::{Source, SourceReader};

use super::{END_MAGIC, ENTRY_BYTES, TABLE_END_BYTES, TABLE_MAGIC, UNPACKED_BYTES_MAX};
use crate::walk::{Step, walk};

/// What came out of packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Packing {
    /// How many frames the chain was packed in.
    pub(crate) frames: usize,
    /// How many bytes the packed chain has.
    pub(crate) bytes: u64,
    /// Where the first damage is, if there is any; what follows was packed as it is.
    pub(crate) damaged_at: Option<u64>,
}

/// Writes the packed form of a chain. `done` hears how many bytes of the chain are behind.
pub(crate) fn pack(
    chain: &dyn Source,
    out: &mut impl Write,
    level: i32,
    mut done: impl FnMut(u64),
) -> anyhow::Result<Packing> {
    let (cuts, damaged_at) = cuts(chain)?;
    let mut table = Vec::new();
    let mut bytes = 0;
    for ends in cuts.windows(2) {
        let (start, end) = (ends[0], ends[1]);
        let packed = pack_frame(chain, start, end, out, level)?;
        for len in [packed, end - start] {
            let len = u32::try_from(len).expect("a frame has at most a few million bytes");
            table.extend_from_slice(&len.to_le_bytes());
        }
        bytes += packed;
        done(end);
    }
    let frames = table.len() / ENTRY_BYTES;
    bytes += write_table(&table, out)?;
    Ok(Packing { frames, bytes, damaged_at })
}

/// Writes one zstd frame and returns its length.
fn pack_frame(
    chain: &dyn Source,
    start: u64,
    end: u64,
    out: &mut impl Write,
    level: i32,
) -> io::Result<u64> {
    let mut counted = Counted { out, bytes: 0 };
    let mut encoder = zstd::stream::write::Encoder::new(&mut counted, level)?;
    encoder.include_checksum(true)?;
    encoder.set_pledged_src_size(Some(end - start))?;
    io::copy(&mut SourceReader::new(chain, start, end), &mut encoder)?;
    encoder.finish()?;
    Ok(counted.bytes)
}

/// Writes the seek table in a frame that plain zstd skips, and returns that frame's length.
fn write_table(table: &[u8], out: &mut impl Write) -> io::Result<u64> {
    let too_many = |_| io::Error::other("the chain has too many segments for one seek table");
    let content = u32::try_from(table.len() + TABLE_END_BYTES).map_err(too_many)?;
    let frames = u32::try_from(table.len() / ENTRY_BYTES).map_err(too_many)?;
    let mut frame = Vec::with_capacity(table.len() + 2 * TABLE_END_BYTES);
    frame.extend_from_slice(&TABLE_MAGIC);
    frame.extend_from_slice(&content.to_le_bytes());
    frame.extend_from_slice(table);
    frame.extend_from_slice(&frames.to_le_bytes());
    frame.push(0);
    frame.extend_from_slice(&END_MAGIC);
    out.write_all(&frame)?;
    Ok(frame.len() as u64)
}

/// Where packed frames start and end: at every checkpoint, and where a frame would be too long.
/// Also tells where the first damage is.
fn cuts(chain: &dyn Source) -> anyhow::Result<(Vec<u64>, Option<u64>)> {
    let (mut cuts, mut damaged_at) = (vec![0], None);
    walk(chain, false, |step| {
        match step {
            Step::Frame(Stored::Record(record)) if record.kind == Kind::Checkpoint => {
                cut_up_to(record.offset, &mut cuts);
            }
            Step::Skipped(skip) if !skip.is_torn => _ = damaged_at.get_or_insert(skip.offset),
            Step::Frame(_) | Step::Skipped(_) | Step::Waiting => {}
        }
        Ok(ControlFlow::Continue(()))
    })?;
    cut_up_to(chain.len(), &mut cuts);
    Ok((cuts, damaged_at))
}

fn cut_up_to(end: u64, cuts: &mut Vec<u64>) {
    let mut start = cuts.last().copied().unwrap_or(0);
    while end - start > UNPACKED_BYTES_MAX {
        start += UNPACKED_BYTES_MAX;
        cuts.push(start);
    }
    if end > start {
        cuts.push(end);
    }
}

/// Counts what passes through.
struct Counted<W> {
    out: W,
    bytes: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
