//! Walks over the frames of a chain, damaged or not, and says what had to be skipped.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::bail;
use theater_record::{Frame, MAGIC, ReadError, Reader, Stored};
use theater_verify::Source;

use crate::damage::Skip;

/// How often a chain that is being written is looked at again.
const POLL: Duration = Duration::from_millis(50);
/// How many bytes are read at a time at first. Each time it is twice as many, up to the limit, so
/// that a file full of short damaged stretches costs little for each.
const CHUNK_BYTES_FIRST: usize = 4 << 10;
const CHUNK_BYTES_MAX: usize = 256 << 10;
/// How many bytes it takes to tell whether a frame starts somewhere.
const FRAME_START_BYTES: usize = 15;

/// One step of the walk.
pub(crate) enum Step<'a> {
    /// A frame that can be read.
    Frame(Stored<'a>),
    /// Bytes that cannot.
    Skipped(Skip),
    /// Nothing more is there yet, but something may come.
    Waiting,
}

/// Visits every frame in file order until the end or until the visitor has seen enough.
///
/// With `follow` the end is not the end: the walk waits for more. Fails if the source cannot be
/// read, or if nothing in it looks like a chain.
pub(crate) fn walk(
    source: &dyn Source,
    follow: bool,
    mut visit: impl FnMut(Step<'_>) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<()> {
    while follow && source.len() < MAGIC.len() as u64 {
        if wait(&mut visit)?.is_break() {
            return Ok(());
        }
    }
    let start = start(source)?;
    if start > 0 && start != MAGIC.len() as u64 {
        let reason = "no chain starts here".to_owned();
        if visit(Step::Skipped(Skip { offset: 0, bytes: start, reason, is_torn: false }))?
            .is_break()
        {
            return Ok(());
        }
    }
    let mut reader = reader_at(source, start);
    let mut tag = None;
    let mut seen_enough = ControlFlow::Continue(());
    while seen_enough.is_continue() {
        let offset = reader.offset();
        let mut is_torn = false;
        let reason = match reader.read() {
            Ok(Some(Stored::Record(record)))
                if *tag.get_or_insert(record.frame.tag()) != record.frame.tag() =>
            {
                "a record of another chain".to_owned()
            }
            Ok(Some(stored)) => {
                seen_enough = visit(Step::Frame(stored))?;
                continue;
            }
            Ok(None) | Err(ReadError::Torn { .. }) if follow => {
                if source.len() < offset {
                    bail!("the chain was cut back to {} bytes while it was followed", source.len());
                }
                seen_enough = wait(&mut visit)?;
                continue;
            }
            Ok(None) => return Ok(()),
            Err(error @ ReadError::Io { .. }) => return Err(error.into()),
            Err(ReadError::Torn { .. }) => {
                is_torn = true;
                "no complete record".to_owned()
            }
            Err(ReadError::Malformed { source, .. }) => format!("a malformed record: {source}"),
            Err(ReadError::NotAFrame { .. } | ReadError::NotAChain) => "no record".to_owned(),
        };
        // The length of what cannot be read cannot be trusted either, so the search starts at its
        // second byte.
        let next = find_frame(source, offset + 1, tag)?.unwrap_or(source.len());
        if reader.offset() != next {
            reader = reader_at(source, next);
        }
        let skip = Skip { offset, bytes: next - offset, reason, is_torn };
        seen_enough = visit(Step::Skipped(skip))?;
    }
    Ok(())
}

fn wait(
    visit: &mut impl FnMut(Step<'_>) -> anyhow::Result<ControlFlow<()>>,
) -> anyhow::Result<ControlFlow<()>> {
    let seen_enough = visit(Step::Waiting)?;
    if seen_enough.is_continue() {
        std::thread::sleep(POLL);
    }
    Ok(seen_enough)
}

fn reader_at(source: &dyn Source, offset: u64) -> Reader<Cursor<'_>> {
    Reader::at_frame(Cursor { source, offset, chunk: CHUNK_BYTES_FIRST }, offset)
}

/// Where the first frame starts: after the magic, or wherever one is found.
fn start(source: &dyn Source) -> anyhow::Result<u64> {
    let mut magic = [0; MAGIC.len()];
    if source.len() >= MAGIC.len() as u64 {
        source.read_at(&mut magic, 0)?;
    }
    if magic == MAGIC {
        return Ok(MAGIC.len() as u64);
    }
    match find_frame(source, 0, None)? {
        Some(offset) => Ok(offset),
        None if source.is_empty() => bail!("not a chain: the file is empty"),
        None => bail!("not a chain: neither the magic nor any record was found"),
    }
}

/// The first place from `from` on where a frame seems to start, of this chain if its tag is known.
fn find_frame(source: &dyn Source, from: u64, tag: Option<[u8; 4]>) -> io::Result<Option<u64>> {
    let mut buffer = Vec::new();
    let mut offset = from;
    let mut chunk = CHUNK_BYTES_FIRST;
    while offset < source.len() {
        let left = usize::try_from(source.len() - offset).unwrap_or(usize::MAX);
        buffer.resize(left.min(chunk), 0);
        source.read_at(&mut buffer, offset)?;
        let found = (0..buffer.len()).find(|at| starts_frame(&buffer[*at..], tag));
        if let Some(at) = found {
            return Ok(Some(offset + at as u64));
        }
        if buffer.len() == left {
            return Ok(None);
        }
        // The next chunk overlaps this one by all that may be the beginning of a frame's start.
        offset += (buffer.len() - FRAME_START_BYTES) as u64;
        chunk = CHUNK_BYTES_MAX.min(2 * chunk);
    }
    Ok(None)
}

fn starts_frame(bytes: &[u8], tag: Option<[u8; 4]>) -> bool {
    let Some((head, _)) = Frame::measure(bytes) else { return false };
    tag.is_none_or(|tag| bytes.get(head + 2..head + 6) == Some(&tag[..]))
}

/// Reads a source from some offset on, and sees what is appended meanwhile.
struct Cursor<'a> {
    source: &'a dyn Source,
    offset: u64,
    /// How many bytes are read next.
    chunk: usize,
}

impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().saturating_sub(self.offset);
        let len = buffer.len().min(self.chunk).min(usize::try_from(left).unwrap_or(usize::MAX));
        self.source.read_at(&mut buffer[..len], self.offset)?;
        self.offset += len as u64;
        self.chunk = CHUNK_BYTES_MAX.min(2 * self.chunk);
        Ok(len)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use theater_record::{Event, Hash, Lifecycle, LifecycleState, Place};
    use theater_verify::Source;

    use super::find_frame;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_frame_is_found_behind_any_amount_of_rubbish(len in 0usize..600_000, fill: u8) {
            let event = Lifecycle { state: LifecycleState::Spawned, time: 0, detail: String::new() };
            let event = Event::Lifecycle(event);
            let frame = |tag| Place { tag, prev: Hash::ZERO, seq: 0 }.frame(&event);
            let mut bytes = vec![fill; len];
            // A frame of another chain in between must not be taken for one of this.
            let foreign = frame([9; 4]);
            let at = len / 2;
            if at + foreign.len() <= len {
                bytes[at..at + foreign.len()].copy_from_slice(&foreign);
            }
            bytes.extend(frame([1; 4]));
            let source: &[u8] = &bytes;
            let found = find_frame(&Bytes(source), 0, Some([1; 4])).expect("memory can be read");
            prop_assert_eq!(found, Some(len as u64));
        }
    }

    /// A slice as a source that can be passed as a trait object.
    struct Bytes<'a>(&'a [u8]);

    impl Source for Bytes<'_> {
        fn len(&self) -> u64 {
            self.0.len() as u64
        }

        fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
            self.0.read_at(buffer, offset)
        }
    }
}
