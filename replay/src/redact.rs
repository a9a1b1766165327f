//! Redaction: blobs give way to tombstones, and every link still holds.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context;
use theater_record::{BlobRef, Event, Frame, Hash, Stored, Tombstone, Values};
use theater_verify::VerifiedChain;

use crate::entry::{Entry, Lexicon};
use crate::filter::Filter;
use crate::output::Output;
use crate::render::Previews;

/// How many event numbers are kept to be shown.
const EVENTS_SHOWN: usize = 8;

/// Which blobs are to go. All conditions must hold.
#[derive(Debug, Default)]
pub(crate) struct Choice {
    /// Those of events that meet this filter.
    pub(crate) filter: Option<Filter>,
    /// Those of calls to this function and returns from it.
    pub(crate) function: Option<String>,
    /// Those whose digest starts with these hexadecimal digits.
    pub(crate) digest: Option<String>,
    /// Those of payloads with more bytes than this.
    pub(crate) larger_than: Option<u64>,
    /// Also those that events which were not chosen refer to as well.
    pub(crate) shared: bool,
    /// Also those that no event refers to.
    pub(crate) unused: bool,
}

/// What a choice amounts to in one chain.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// The blobs to remove, and how many bytes each has.
    blobs: BTreeMap<Hash, u64>,
    /// How many blobs stay only because other events refer to them too.
    pub(crate) shared: u64,
    /// How many events refer to removed blobs, counted once per blob.
    pub(crate) references: u64,
    /// The first of those events, in order.
    pub(crate) events: Vec<u64>,
}

/// Who refers to a blob.
#[derive(Default)]
struct Uses {
    chosen: u64,
    others: u64,
    /// The first events that do.
    events: Vec<u64>,
}

impl Choice {
    /// Whether an event's blobs are meant.
    fn takes_event(&self, entry: &Entry, previews: &Previews) -> bool {
        let function = entry.function.as_ref();
        self.filter.as_ref().is_none_or(|filter| filter.matches(entry, previews))
            && self.function.as_ref().is_none_or(|wanted| {
                function.is_some_and(|(interface, name)| {
                    wanted == name || *wanted == format!("{interface}#{name}")
                })
            })
    }

    /// Whether a payload is meant, if its event is.
    fn takes_blob(&self, blob: &BlobRef) -> bool {
        self.larger_than.is_none_or(|bytes| blob.len > bytes)
            && self.digest.as_ref().is_none_or(|digits| {
                blob.pieces.iter().any(|piece| piece.to_string().starts_with(digits))
            })
    }
}

impl Plan {
    /// Looks through a chain.
    pub(crate) fn make(
        chain: &VerifiedChain,
        choice: &Choice,
        done: impl Fn(u64),
    ) -> anyhow::Result<Plan> {
        let mut stored: BTreeMap<Hash, u64> = BTreeMap::new();
        let mut uses: BTreeMap<Hash, Uses> = BTreeMap::new();
        let (mut lexicon, mut previews) = (Lexicon::default(), Previews::default());
        let mut reader = chain.reader()?;
        while let Some(frame) = reader.read()? {
            match frame {
                Stored::Blob { blob, .. } => {
                    stored.insert(blob.digest, blob.content.len() as u64);
                    previews.add(blob.digest, blob.content);
                }
                Stored::Tombstone { tombstone, .. } => previews.add_removed(tombstone.digest),
                Stored::Record(record) => {
                    let (seq, offset, event) = (record.seq, record.offset, record.event()?);
                    let blobs = blob_refs(&event)
                        .with_context(|| format!("event {seq} has malformed values"))?;
                    let entry = lexicon.explain(seq, offset, event);
                    if !blobs.is_empty() {
                        let chosen = choice.takes_event(&entry, &previews);
                        for blob in blobs {
                            note(seq, &blob, chosen && choice.takes_blob(&blob), &mut uses);
                        }
                    }
                }
            }
            done(reader.offset());
        }
        Ok(Plan::of(&stored, &uses, choice))
    }

    fn of(stored: &BTreeMap<Hash, u64>, uses: &BTreeMap<Hash, Uses>, choice: &Choice) -> Plan {
        let mut plan = Plan::default();
        for (digest, bytes) in stored {
            let Some(uses) = uses.get(digest) else {
                if choice.unused {
                    plan.blobs.insert(*digest, *bytes);
                }
                continue;
            };
            if uses.chosen == 0 {
                continue;
            }
            if uses.others > 0 && !choice.shared {
                plan.shared += 1;
                continue;
            }
            plan.blobs.insert(*digest, *bytes);
            plan.references += uses.chosen + uses.others;
            plan.events.extend(&uses.events);
        }
        plan.events.sort_unstable();
        plan.events.dedup();
        plan.events.truncate(EVENTS_SHOWN);
        plan
    }

    /// How many blobs are to go.
    pub(crate) fn count(&self) -> u64 {
        self.blobs.len() as u64
    }

    /// How many bytes of content are to go.
    pub(crate) fn bytes(&self) -> u64 {
        self.blobs.values().sum()
    }

    /// Writes the chain with tombstones in place of the blobs.
    pub(crate) fn write(
        &self,
        chain: &VerifiedChain,
        out: &mut Output,
        done: impl Fn(u64),
    ) -> anyhow::Result<()> {
        let mut reader = chain.reader()?;
        let (mut tag, mut kept_from) = ([0; 4], 0);
        while let Some(frame) = reader.read()? {
            let (offset, blob) = match frame {
                // The header is the first frame, so the tag is known before any blob.
                Stored::Record(record) => {
                    tag = record.frame.tag();
                    continue;
                }
                Stored::Tombstone { .. } => continue,
                Stored::Blob { offset, blob, .. } => (offset, blob),
            };
            if !self.blobs.contains_key(&blob.digest) {
                continue;
            }
            let tombstone = Tombstone { digest: blob.digest, len: blob.content.len() as u64 };
            out.copy(&**chain.source(), kept_from, offset, &done)?;
            kept_from = reader.offset();
            out.write_all(&tombstone_frame(tombstone, tag))?;
        }
        out.copy(&**chain.source(), kept_from, chain.bytes(), &done)
    }
}

/// Every payload out of line that an event refers to.
fn blob_refs(event: &Event) -> Result<Vec<BlobRef>, theater_record::CborError> {
    match event {
        Event::Header(header) => Ok(header.embedded.iter().cloned().collect()),
        event => event.values().map_or_else(|| Ok(Vec::new()), Values::blob_refs),
    }
}

fn note(seq: u64, blob: &BlobRef, chosen: bool, uses: &mut BTreeMap<Hash, Uses>) {
    for piece in &blob.pieces {
        let uses = uses.entry(*piece).or_default();
        if chosen {
            uses.chosen += 1;
        } else {
            uses.others += 1;
        }
        if uses.events.len() < EVENTS_SHOWN {
            uses.events.push(seq);
        }
    }
}

fn tombstone_frame(tombstone: Tombstone, tag: [u8; 4]) -> Vec<u8> {
    let (mut body, mut frame) = (Vec::new(), Vec::new());
    tombstone.encode_body(tag, &mut body);
    Frame::wrap(&body, &mut frame);
    frame
}
