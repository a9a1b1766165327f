//! Reads a packed chain as if it were not packed.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use theater_verify::Source;

use super::{
    END_MAGIC, ENTRY_BYTES, FRAME_MAGIC, PACKED_BYTES_MAX, TABLE_END_BYTES, TABLE_HEAD_BYTES,
    TABLE_MAGIC, UNPACKED_BYTES_MAX,
};

/// How many unpacked bytes are kept, in case they are asked for again.
const CACHE_BYTES_MAX: u64 = 32 << 20;
/// How much of the seek table is read at a time.
const TABLE_READ_BYTES: usize = ENTRY_BYTES << 13;

/// A packed chain, unpacked where it is looked at.
pub(crate) struct Packed {
    file: Box<dyn Source>,
    frames: Vec<PackedFrame>,
    len: u64,
    /// The frames looked at last, the latest first.
    cache: Mutex<Vec<Arc<CachedFrame>>>,
}

/// One packed frame, as the seek table has it.
#[derive(Debug, Clone, Copy)]
struct PackedFrame {
    /// Where it starts in the chain.
    start: u64,
    /// Where it starts in the file.
    at: u64,
    packed_bytes: u32,
    bytes: u32,
}

struct CachedFrame {
    index: usize,
    /// Empty until the frame was unpacked. Threads that want the same frame wait for the first.
    content: Mutex<Vec<u8>>,
}

/// Whether the file starts as zstd files do, which no chain does.
pub(crate) fn is_packed(file: &dyn Source) -> io::Result<bool> {
    let mut start = [0; 4];
    if file.len() < start.len() as u64 {
        return Ok(false);
    }
    file.read_at(&mut start, 0)?;
    Ok(start == FRAME_MAGIC)
}

impl Packed {
    /// Reads the seek table. Nothing it says is believed before it was checked against the file.
    pub(crate) fn new(file: Box<dyn Source>) -> io::Result<Packed> {
        let table = find_table(&*file)?;
        let mut frames = Vec::new();
        let (mut start, mut at) = (0, 0);
        let mut buffer = vec![0; TABLE_READ_BYTES];
        let mut entries = table.entries_at;
        while entries < table.entries_end {
            let left = usize::try_from(table.entries_end - entries).unwrap_or(usize::MAX);
            let part = &mut buffer[..left.min(TABLE_READ_BYTES)];
            file.read_at(part, entries)?;
            entries += part.len() as u64;
            for entry in part.chunks_exact(ENTRY_BYTES) {
                let (packed_bytes, bytes) = (le_u32(&entry[..4]), le_u32(&entry[4..]));
                let (packed, unpacked) = (u64::from(packed_bytes), u64::from(bytes));
                if packed > PACKED_BYTES_MAX || unpacked > UNPACKED_BYTES_MAX {
                    return Err(damaged(format!(
                        "the frame at byte {at} is larger than those of packed chains are"
                    )));
                }
                frames.push(PackedFrame { start, at, packed_bytes, bytes });
                (start, at) = (start + unpacked, at + packed);
            }
        }
        if at != table.frame_at {
            return Err(damaged("the seek table does not fit the file"));
        }
        Ok(Packed { file, frames, len: start, cache: Mutex::default() })
    }

    /// The frame that holds this byte of the chain.
    fn frame_at(&self, offset: u64) -> Option<usize> {
        let after = self.frames.partition_point(|frame| frame.start <= offset);
        after.checked_sub(1).filter(|_| offset < self.len)
    }

    fn cached(&self, index: usize) -> Arc<CachedFrame> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = cache.iter().position(|cached| cached.index == index) {
            cache[..=at].rotate_right(1);
            return cache[0].clone();
        }
        let fresh = Arc::new(CachedFrame { index, content: Mutex::default() });
        cache.insert(0, fresh.clone());
        let mut bytes = 0;
        let keep = cache.iter().take_while(|cached| {
            bytes += u64::from(self.frames[cached.index].bytes);
            bytes <= CACHE_BYTES_MAX
        });
        let keep = keep.count().max(1);
        cache.truncate(keep);
        fresh
    }

    fn unpack(&self, frame: PackedFrame) -> io::Result<Vec<u8>> {
        // Both lengths were found to be moderate when the table was read.
        let mut packed = vec![0; frame.packed_bytes as usize];
        self.file.read_at(&mut packed, frame.at)?;
        let mut content = vec![0; frame.bytes as usize];
        match zstd::bulk::decompress_to_buffer(&packed, &mut content) {
            Ok(found) if found == content.len() => Ok(content),
            _ => Err(damaged(format!("the frame at byte {} does not unpack", frame.at))),
        }
    }
}

impl Source for Packed {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let index = self.frame_at(offset).ok_or(io::ErrorKind::UnexpectedEof)?;
            let frame = self.frames[index];
            let cached = self.cached(index);
            let mut content = cached.content.lock().unwrap_or_else(PoisonError::into_inner);
            if content.is_empty() {
                *content = self.unpack(frame)?;
            }
            let inside = usize::try_from(offset - frame.start).unwrap_or(usize::MAX);
            let found = content.get(inside..).unwrap_or_default();
            let len = found.len().min(buffer.len());
            buffer[..len].copy_from_slice(&found[..len]);
            buffer = &mut buffer[len..];
            offset += len as u64;
        }
        Ok(())
    }
}

/// Where the seek table is.
struct TablePlace {
    frame_at: u64,
    entries_at: u64,
    entries_end: u64,
}

fn find_table(file: &dyn Source) -> io::Result<TablePlace> {
    let none = || {
        damaged("there is no seek table at its end: it was cut off, or not packed by this program")
    };
    let entries_end = file.len().checked_sub(TABLE_END_BYTES as u64).ok_or_else(none)?;
    let mut end = [0; TABLE_END_BYTES];
    file.read_at(&mut end, entries_end)?;
    if end[5..] != END_MAGIC {
        return Err(none());
    }
    if end[4] != 0 {
        return Err(damaged("the seek table is of a kind that this program does not write"));
    }
    let entries = u64::from(le_u32(&end[..4])) * ENTRY_BYTES as u64;
    let frame_at = entries_end.checked_sub(entries + TABLE_HEAD_BYTES as u64);
    let frame_at = frame_at.ok_or_else(|| damaged("the seek table is longer than the file"))?;
    let mut head = [0; TABLE_HEAD_BYTES];
    file.read_at(&mut head, frame_at)?;
    let content = entries + TABLE_END_BYTES as u64;
    if head[..4] != TABLE_MAGIC || u64::from(le_u32(&head[4..])) != content {
        return Err(damaged("the seek table does not start where it should"));
    }
    Ok(TablePlace { frame_at, entries_at: entries_end - entries, entries_end })
}

fn le_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().expect("the caller sliced four bytes"))
}

fn damaged(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("damaged packed chain: {}", what.into()))
}
