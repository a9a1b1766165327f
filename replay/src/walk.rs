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
/// How many bytes are searched at a time for the next frame.
const SEARCH_BYTES: usize = 64 << 10;
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
        reader = reader_at(source, next);
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
    Reader::at_frame(Cursor { source, offset }, offset)
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
    let mut buffer = vec![0; SEARCH_BYTES];
    let mut offset = from;
    while offset < source.len() {
        let left = usize::try_from(source.len() - offset).unwrap_or(usize::MAX);
        let window = &mut buffer[..left.min(SEARCH_BYTES)];
        source.read_at(window, offset)?;
        let found = (0..window.len()).find(|at| starts_frame(&window[*at..], tag));
        if let Some(at) = found {
            return Ok(Some(offset + at as u64));
        }
        // The next window overlaps this one by all that may be the beginning of a frame's start.
        if window.len() <= FRAME_START_BYTES {
            return Ok(None);
        }
        offset += (window.len() - FRAME_START_BYTES) as u64;
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
}

impl Read for Cursor<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.source.len().saturating_sub(self.offset);
        let len = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.source.read_at(&mut buffer[..len], self.offset)?;
        self.offset += len as u64;
        Ok(len)
    }
}
