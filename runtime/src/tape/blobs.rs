//! Payloads that stand out of line: found, put back, and put out again under their old salts.

use std::collections::HashMap;
use std::sync::Arc;

use theater_record::{
    BLOB_PIECE_BYTES_MAX, BlobFrame, BlobRef, CborError, CborFault, Decoder, Encoder, Event, Frame,
    FrameKind, Hash, Outcome, ReadError, Salt, Type, TypeTable, Values,
};
use theater_verify::Source;

/// Why a payload cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// It was removed, with or without a tombstone.
    #[error("the payload {digest} was removed from the chain")]
    Removed {
        /// Which piece.
        digest: Hash,
    },
    /// It cannot be read.
    #[error("the payload {digest} cannot be read")]
    Unreadable {
        /// Which piece.
        digest: Hash,
        /// Why.
        source: std::io::Error,
    },
    /// What refers to it is malformed.
    #[error("the values are malformed")]
    Malformed(#[source] CborError),
}

/// Where the payloads of a chain are, as far as the tape has got.
pub(super) struct Blobs {
    source: Arc<dyn Source>,
    places: HashMap<Hash, Place>,
}

struct Place {
    offset: u64,
    bytes: usize,
    salt: Salt,
}

/// An event with payloads out of line.
pub(super) struct Sealed {
    pub(super) event: Event,
    /// How many payloads were taken to be equal because they were removed from the recording.
    pub(super) uncompared: u64,
}

impl Blobs {
    pub(super) fn new(source: Arc<dyn Source>) -> Blobs {
        Blobs { source, places: HashMap::new() }
    }

    /// Remembers where a payload is.
    pub(super) fn note(&mut self, offset: u64, frame: Frame<'_>) -> Result<(), ReadError> {
        if frame.kind() == Some(FrameKind::Blob) {
            let blob = BlobFrame::decode_body(frame.body())
                .map_err(|source| ReadError::Malformed { offset, source })?;
            let place = Place { offset, bytes: frame.bytes().len(), salt: blob.salt };
            self.places.insert(blob.digest, place);
        }
        Ok(())
    }

    /// The values, which are of these types, with all payloads in place.
    pub(super) fn filled_in<'t>(
        &self,
        values: &Values,
        types: impl ExactSizeIterator<Item = &'t Type>,
        table: &TypeTable,
    ) -> Result<Values, BlobError> {
        let mut bytes = Vec::with_capacity(values.as_bytes().len());
        let mut input = Decoder::new(values.as_bytes());
        input.array_of(types.len()).map_err(BlobError::Malformed)?;
        Encoder(&mut bytes).array(types.len());
        for ty in types {
            self.fill(&mut input, ty, table, &mut bytes)?;
        }
        Ok(Values::written(bytes))
    }

    /// Copies one value. It goes as deep as its type, which a verified chain bounds.
    fn fill(
        &self,
        input: &mut Decoder<'_>,
        ty: &Type,
        table: &TypeTable,
        out: &mut Vec<u8>,
    ) -> Result<(), BlobError> {
        let malformed = BlobError::Malformed;
        let ty = table.resolve(ty).unwrap_or(ty);
        if input.at_tag() {
            let content = self.content(&BlobRef::decode(input).map_err(malformed)?)?;
            return restore(&content, ty, table, out);
        }
        let Ok(len) = input.clone().array() else {
            Encoder(out).raw(input.item().map_err(malformed)?);
            return Ok(());
        };
        let start = input.position();
        input.array().map_err(malformed)?;
        Encoder(out).array(len);
        match ty {
            Type::List(item) | Type::FixedList(_, item) | Type::Option(item) => {
                (0..len).try_for_each(|_| self.fill(input, item, table, out))
            }
            Type::Tuple(items) if items.len() == len => {
                items.iter().try_for_each(|item| self.fill(input, item, table, out))
            }
            Type::Record(fields) if fields.len() == len => {
                fields.iter().try_for_each(|(_, field)| self.fill(input, field, table, out))
            }
            Type::Map(key, value) => (0..len).try_for_each(|_| {
                input.array_of(2).map_err(malformed)?;
                Encoder(out).array(2);
                self.fill(input, key, table, out)?;
                self.fill(input, value, table, out)
            }),
            Type::Variant(_) | Type::Result(..) if len > 0 => {
                let case: usize = input.uint_as().map_err(malformed)?;
                Encoder(out).uint(case as u64);
                let payload = match ty {
                    Type::Variant(cases) => cases.get(case).and_then(|(_, ty)| ty.as_ref()),
                    Type::Result(ok, err) => {
                        if case == 0 {
                            ok.as_deref()
                        } else {
                            err.as_deref()
                        }
                    }
                    _ => None,
                };
                match payload {
                    Some(payload) if len == 2 => self.fill(input, payload, table, out),
                    _ => Ok(()),
                }
            }
            _ => Err(malformed(CborError {
                at: start,
                fault: CborFault::Expected("a value of its function's type"),
            })),
        }
    }

    fn content(&self, blob: &BlobRef) -> Result<Vec<u8>, BlobError> {
        let mut content = Vec::new();
        for digest in &blob.pieces {
            let removed = BlobError::Removed { digest: *digest };
            let place = self.places.get(digest).ok_or(removed)?;
            let mut frame = vec![0; place.bytes];
            self.source
                .read_at(&mut frame, place.offset)
                .map_err(|source| BlobError::Unreadable { digest: *digest, source })?;
            let piece = Frame::parse(&frame)
                .and_then(|frame| BlobFrame::decode_body(frame.body()).ok())
                .ok_or(BlobError::Removed { digest: *digest })?;
            content.extend_from_slice(piece.content);
        }
        Ok(content)
    }

    /// The event `actual` with those payloads out of line that `recorded` has there, if they are
    /// the same. `None` if the two have no values to compare, or nothing out of line.
    pub(super) fn with_refs_of(&self, recorded: &Event, actual: &Event) -> Option<Sealed> {
        let (recorded, values) = (recorded.values()?, actual.values()?);
        let mut merge = Merge { blobs: self, bytes: Vec::new(), uncompared: 0, sealed: 0 };
        let mut inputs = (Decoder::new(recorded.as_bytes()), Decoder::new(values.as_bytes()));
        merge.items(&mut inputs.0, &mut inputs.1).ok()?;
        if merge.sealed == 0 {
            return None;
        }
        let mut event = actual.clone();
        let values = Values::written(merge.bytes);
        match &mut event {
            Event::ExportCall(call) | Event::ImportCall(call) => call.args = values,
            Event::ImportReturn(end) | Event::ExportReturn(end) => {
                end.outcome = Outcome::Returned(values);
            }
            _ => return None,
        }
        Some(Sealed { event, uncompared: merge.uncompared })
    }
}

/// Puts payloads of one list of values out of line where another has them there.
struct Merge<'a> {
    blobs: &'a Blobs,
    bytes: Vec<u8>,
    uncompared: u64,
    sealed: u64,
}

impl Merge<'_> {
    fn items(
        &mut self,
        recorded: &mut Decoder<'_>,
        actual: &mut Decoder<'_>,
    ) -> Result<(), CborError> {
        let mut due = 1;
        while due > 0 {
            due -= 1;
            if recorded.at_tag() {
                let blob = BlobRef::decode(recorded)?;
                self.payload(&blob, actual)?;
                continue;
            }
            match (recorded.clone().array(), actual.clone().array()) {
                (Ok(expected), Ok(len)) if expected == len => {
                    recorded.array()?;
                    actual.array()?;
                    Encoder(&mut self.bytes).array(len);
                    due += len;
                }
                _ => {
                    recorded.item()?;
                    Encoder(&mut self.bytes).raw(actual.item()?);
                }
            }
        }
        Ok(())
    }

    /// One value that the recording has out of line.
    fn payload(&mut self, blob: &BlobRef, actual: &mut Decoder<'_>) -> Result<(), CborError> {
        let start = actual.clone();
        let item = actual.item()?;
        let text = start.clone().text().map(str::as_bytes);
        let content = text.or_else(|_| start.clone().bytes()).unwrap_or(item);
        match self.is_same(blob, content) {
            Some(true) => self.sealed += 1,
            None => {
                self.sealed += 1;
                self.uncompared += 1;
            }
            Some(false) => {
                Encoder(&mut self.bytes).raw(item);
                return Ok(());
            }
        }
        blob.encode(&mut Encoder(&mut self.bytes));
        Ok(())
    }

    /// Whether a content is the one that a reference stands for; `None` if nobody can tell.
    fn is_same(&self, blob: &BlobRef, content: &[u8]) -> Option<bool> {
        if blob.len != content.len() as u64 {
            return Some(false);
        }
        // An empty payload still has one, empty, piece.
        let mut rest = content;
        let mut known = true;
        for digest in &blob.pieces {
            let (piece, after) = rest.split_at(rest.len().min(BLOB_PIECE_BYTES_MAX));
            rest = after;
            match self.blobs.places.get(digest) {
                Some(place) if BlobFrame::seal(place.salt, piece).digest != *digest => {
                    return Some(false);
                }
                Some(_) => {}
                None => known = false,
            }
        }
        known.then_some(true)
    }
}

/// Writes a payload back the way it was encoded: text and bytes are stored plain, what is of any
/// other type is stored as its encoding.
fn restore(
    content: &[u8],
    ty: &Type,
    table: &TypeTable,
    out: &mut Vec<u8>,
) -> Result<(), BlobError> {
    let mut encoder = Encoder(out);
    match ty {
        Type::String => {
            let text = std::str::from_utf8(content).map_err(|error| {
                BlobError::Malformed(CborError {
                    at: error.valid_up_to(),
                    fault: CborFault::NotUtf8,
                })
            })?;
            encoder.text(text);
        }
        Type::List(item) | Type::FixedList(_, item) if table.resolve(item) == Some(&Type::U8) => {
            encoder.bytes(content);
        }
        _ => encoder.raw(content),
    }
    Ok(())
}
