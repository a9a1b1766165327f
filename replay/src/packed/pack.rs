//! Packs a chain, segment by segment.

use std::io::{self, Write};

use theater_record::{Frame, Kind, MAGIC, ReadError, Reader, Stored};
use theater_verify::{Source, SourceReader};

use super::{END_MAGIC, ENTRY_BYTES, TABLE_END_BYTES, TABLE_MAGIC, UNPACKED_BYTES_MAX};

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
) -> io::Result<Packing> {
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
fn cuts(chain: &dyn Source) -> io::Result<(Vec<u64>, Option<u64>)> {
    require_chain(chain)?;
    let len = chain.len();
    let (mut cuts, mut damaged_at) = (vec![0], None);
    // Looking into the frames of records is enough to find checkpoints. The first frame starts
    // behind the magic whether or not the magic is intact.
    let start = MAGIC.len() as u64;
    let mut reader = Reader::at_frame(SourceReader::new(chain, start, len), start);
    loop {
        match reader.read() {
            Ok(Some(Stored::Record(record))) if record.kind == Kind::Checkpoint => {
                cut_up_to(record.offset, &mut cuts);
            }
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(ReadError::Io { source, .. }) => return Err(source),
            Err(ReadError::Malformed { offset, .. }) => _ = damaged_at.get_or_insert(offset),
            Err(ReadError::Torn { .. }) => break,
            Err(_) => {
                damaged_at.get_or_insert(reader.offset());
                break;
            }
        }
    }
    cut_up_to(len, &mut cuts);
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

/// Refuses what is not even a damaged chain: neither the magic nor a first frame is there.
fn require_chain(chain: &dyn Source) -> io::Result<()> {
    let peek = chain.len().min(64);
    let mut start = vec![0; usize::try_from(peek).expect("at most 64")];
    chain.read_at(&mut start, 0)?;
    let has_frame = start.get(MAGIC.len()..).is_some_and(|rest| Frame::measure(rest).is_some());
    if start.starts_with(&MAGIC) || has_frame {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "not a chain"))
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
