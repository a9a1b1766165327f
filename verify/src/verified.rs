//! Chains that were checked and found good, as a type.

use std::io::Read;
use std::sync::Arc;

use theater_record::{Header, ReadError, Reader};

use crate::report::{Depth, Head, Report, Verdict, VerifyError};
use crate::source::{Source, SourceReader};
use crate::verify::{Options, verify};

/// A chain, or the start of one, in which nothing is wrong.
///
/// This is the only door to whatever relies on a chain, replay above all. There is no way to make
/// one but to check a chain: see [`Checked`].
#[derive(Clone)]
pub struct VerifiedChain {
    source: Arc<dyn Source>,
    header: Header,
    head: Head,
    /// Where the good part of the file ends.
    end: u64,
}

/// A chain right after it was checked, with the outcome.
pub struct Checked {
    source: Arc<dyn Source>,
    /// What the check found.
    pub report: Report,
}

impl Checked {
    /// Checks a chain.
    pub fn new(source: Arc<dyn Source>, options: &Options<'_>) -> Result<Checked, VerifyError> {
        verify(&source, options).map(|report| Checked { source, report })
    }

    /// The whole chain, closed or open, if nothing is wrong with it and the policy is met.
    ///
    /// A check that did not look at every record is not enough.
    pub fn whole(self) -> Result<VerifiedChain, Box<Report>> {
        let sound = matches!(self.report.verdict(), Verdict::Complete | Verdict::Open)
            && self.report.faults.is_empty();
        let end = self.source.len();
        if sound { self.up_to(end) } else { Err(Box::new(self.report)) }
    }

    /// The longest good start of the chain, whatever comes after it.
    pub fn good_prefix(self) -> Result<VerifiedChain, Box<Report>> {
        let end = self.report.head.map_or(0, |head| head.end);
        self.up_to(end)
    }

    fn up_to(self, end: u64) -> Result<VerifiedChain, Box<Report>> {
        match (&self.report.header, self.report.head) {
            (Some(header), Some(head)) if self.report.depth >= Depth::Structure => {
                let header = header.clone();
                Ok(VerifiedChain { source: self.source, header, head, end })
            }
            _ => Err(Box::new(self.report)),
        }
    }
}

impl VerifiedChain {
    /// What the chain is about.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Its last record.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// How many bytes of the file were found good.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.end
    }

    /// The file that holds it.
    #[must_use]
    pub fn source(&self) -> &Arc<dyn Source> {
        &self.source
    }

    /// Reads its records from the first to the last.
    pub fn reader(&self) -> Result<Reader<impl Read + Send + use<>>, ReadError> {
        Reader::new(SourceReader::new(self.source.clone(), 0, self.end))
    }
}
