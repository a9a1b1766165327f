//! One of two chains that are compared: its bytes, where its events stand, and every name it has
//! given.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use theater_diff::{Chain, Outline, ReadAt};
use theater_record::{Event, Hash, Kind, Reader, Record, Stored};
use theater_verify::{Depth, Options, Report, Source, SourceReader, Verdict, verify};

use theater_runtime::complaint::advised;

use crate::cli::not_read;
use crate::entry::{Entry, Lexicon};
use crate::open::open;
use crate::render::Previews;
use crate::ui::Ui;
use crate::walk::{Step, walk};
use theater_runtime::escape::plain;

/// A chain that was opened for comparison.
pub(crate) struct Side {
    pub(crate) path: PathBuf,
    source: Box<dyn Source>,
    pub(crate) outline: Outline,
    pub(crate) lexicon: Lexicon,
    pub(crate) previews: Previews,
    /// The component that it was recorded from, if it names one.
    pub(crate) component: Option<Hash>,
    /// What a check of its links has found.
    pub(crate) report: Report,
}

impl Side {
    /// Checks the links of a chain and walks over it once.
    pub(crate) fn open(path: &Path, ui: &Ui) -> anyhow::Result<Side> {
        let source = open(path)?;
        let options = Options { depth: Depth::Links, ..Options::default() };
        let report = verify(&*source, &options)
            .with_context(|| format!("cannot check {}", path.display()))
            .map_err(|error| advised(error, "name a file that theater has recorded"))?;
        let progress = ui.progress(source.len());
        let mut outline = Outline::default();
        let mut lexicon = Lexicon::default();
        let mut previews = Previews::default();
        let mut component = None;
        let walked = walk(&*source, false, |step| {
            if let Step::Frame(stored) = step {
                match &stored {
                    Stored::Record(record) => {
                        learn(&mut lexicon, record);
                        if record.kind == Kind::Header
                            && let Ok(Event::Header(header)) = record.event()
                        {
                            component = header.component;
                        }
                        progress.set(record.offset);
                    }
                    Stored::Blob { blob, .. } => previews.add(blob.digest, blob.content),
                    Stored::Tombstone { tombstone, .. } => previews.add_removed(tombstone.digest),
                }
                // What cannot be read is damage, which the report tells of.
                let _ = outline.add(&stored);
            }
            Ok(ControlFlow::Continue(()))
        });
        walked.map_err(|error| not_read(error, path))?;
        let path = path.to_owned();
        Ok(Side { path, source, outline, lexicon, previews, component, report })
    }

    /// How people call it.
    pub(crate) fn name(&self) -> String {
        plain(&self.path.display().to_string())
    }

    /// Whether every link of it holds.
    pub(crate) fn is_linked(&self) -> bool {
        let is_whole = matches!(self.report.verdict(), Verdict::Complete | Verdict::Open);
        is_whole && self.report.faults.is_empty()
    }

    /// How many bytes there are.
    pub(crate) fn bytes(&self) -> u64 {
        self.source.len()
    }

    /// Reads its bytes.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
        self.source.read_at(buffer, offset)
    }

    /// The chain as the comparison takes it.
    pub(crate) fn chain<'a>(&'a self, read_at: ReadAt<'a>) -> Chain<'a> {
        let is_linked = self.is_linked();
        Chain { outline: &self.outline, read_at, bytes: self.bytes(), is_linked }
    }

    /// The event in some position, explained.
    pub(crate) fn entry(&self, position: usize) -> anyhow::Result<Entry> {
        let changed = || format!("{} has changed meanwhile", self.path.display());
        let offset = self.outline.offset(position).with_context(changed)?;
        let bytes = SourceReader::new(&*self.source, offset, self.source.len());
        let mut reader = Reader::at_frame(bytes, offset);
        match reader.read().with_context(changed)? {
            Some(Stored::Record(record)) => {
                let event = record.event().with_context(changed)?;
                Ok(self.lexicon.describe(record.seq, offset, event))
            }
            Some(Stored::Blob { .. } | Stored::Tombstone { .. }) | None => {
                Err(anyhow::Error::msg(changed()))
            }
        }
    }
}

/// Learns a name as soon as the chain gives it: it is the same name for ever.
fn learn(lexicon: &mut Lexicon, record: &Record<'_>) {
    if matches!(record.kind, Kind::Type | Kind::Function)
        && let Ok(event) = record.event()
    {
        lexicon.explain(record.seq, record.offset, event);
    }
}
