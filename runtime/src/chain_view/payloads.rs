//! Payloads out of line, put back where they belong.

use std::collections::HashMap;

use theater_record::{
    BlobFrame, BlobRef, Call, Decoder, Event, Frame, Hash, Outcome, Return, Type, TypeTable, Value,
    Values,
};
use theater_verify::{GrowingFile, Source};

use crate::entry::Lexicon;
use crate::entry::render::Previews;

/// How often a payload may itself have payloads out of line. A recorder does it once.
const DEPTH_MAX: usize = 4;

/// Of how many payloads that stay out of line the beginning is looked at.
const PREVIEWS_MAX: usize = 16;

/// Where a piece of a payload is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Piece {
    /// A frame of this many bytes.
    At { offset: u64, bytes: u64 },
    /// It was removed on purpose.
    Removed,
}

/// The payloads of one event.
pub(super) struct Payloads<'a> {
    file: &'a GrowingFile,
    pieces: &'a HashMap<Hash, Piece>,
    bytes_max: u64,
    /// How many bytes may still be put back. Many references may lead to the same large payload.
    left: u64,
}

impl<'a> Payloads<'a> {
    pub(super) fn new(
        file: &'a GrowingFile,
        pieces: &'a HashMap<Hash, Piece>,
        bytes_max: u64,
    ) -> Payloads<'a> {
        Payloads { file, pieces, bytes_max, left: bytes_max }
    }

    /// The event with its payloads in place, as far as they are there and small enough.
    pub(super) fn put_back_in(&mut self, event: Event, lexicon: &Lexicon) -> Event {
        match event {
            Event::ExportCall(call) => Event::ExportCall(self.in_call(call, lexicon)),
            Event::ImportCall(call) => Event::ImportCall(self.in_call(call, lexicon)),
            Event::ImportReturn(end) => Event::ImportReturn(self.in_return(end, lexicon)),
            Event::ExportReturn(end) => Event::ExportReturn(self.in_return(end, lexicon)),
            Event::Header(_)
            | Event::Type(_)
            | Event::Function(_)
            | Event::ResourceDrop(_)
            | Event::Lifecycle(_)
            | Event::Permission(_)
            | Event::Checkpoint(_)
            | Event::Close(_)
            | Event::Recover(_) => event,
        }
    }

    /// How many bytes were put back.
    pub(super) fn put_back_bytes(&self) -> usize {
        usize::try_from(self.bytes_max - self.left).unwrap_or(usize::MAX)
    }

    /// The beginnings of those payloads that are still out of line.
    pub(super) fn previews(&self, event: &Event) -> Previews {
        let mut previews = Previews::default();
        let refs = event.values().and_then(|values| values.blob_refs().ok()).unwrap_or_default();
        for digest in refs.iter().filter_map(|blob| blob.pieces.first()).take(PREVIEWS_MAX) {
            match self.pieces.get(digest) {
                Some(Piece::At { offset, bytes }) => {
                    if let Some(content) = self.read(digest, *offset, *bytes) {
                        previews.add(*digest, &content);
                    }
                }
                Some(Piece::Removed) => previews.add_removed(*digest),
                None => {}
            }
        }
        previews
    }

    fn in_call(&mut self, mut call: Call, lexicon: &Lexicon) -> Call {
        if let Some(function) = lexicon.function(call.function) {
            let types = function.params.iter().map(|(_, ty)| ty);
            call.args = self.filled(call.args, types, &lexicon.types);
        }
        call
    }

    fn in_return(&mut self, mut end: Return, lexicon: &Lexicon) -> Return {
        if let (Some(function), Outcome::Returned(results)) =
            (lexicon.function(end.function), &mut end.outcome)
        {
            let types = function.results.iter();
            *results = self.filled(results.clone(), types, &lexicon.types);
        }
        end
    }

    /// The values, which should be of these types, with payloads in place. Values that are of others
    /// stay as they are.
    fn filled<'t>(
        &mut self,
        values: Values,
        types: impl ExactSizeIterator<Item = &'t Type> + Clone,
        table: &TypeTable,
    ) -> Values {
        if values.blob_refs().map_or(true, |refs| refs.is_empty()) {
            return values;
        }
        let Ok(decoded) = values.decode(types.clone(), table) else { return values };
        let filled = decoded.into_iter().zip(types);
        let filled: Vec<_> =
            filled.map(|(value, ty)| self.put_back(value, ty, table, DEPTH_MAX)).collect();
        // What nests too deep with all payloads in place keeps them out of line.
        Values::of(&filled).unwrap_or(values)
    }

    fn put_back(&mut self, value: Value, ty: &Type, types: &TypeTable, depth: usize) -> Value {
        let ty = types.resolve(ty).unwrap_or(ty);
        let mut boxed =
            |value: Box<Value>, ty: &Type| Some(Box::new(self.put_back(*value, ty, types, depth)));
        match (value, ty) {
            (Value::Blob(blob), ty) => self.payload(blob, ty, types, depth),
            (Value::List(items), Type::List(item) | Type::FixedList(_, item)) => {
                Value::List(self.put_back_all(items, |_| Some(&**item), types, depth))
            }
            (Value::Tuple(items), Type::Tuple(tys)) => {
                Value::Tuple(self.put_back_all(items, |at| tys.get(at), types, depth))
            }
            (Value::Record(items), Type::Record(fields)) => {
                let ty = |at: usize| fields.get(at).map(|(_, ty)| ty);
                Value::Record(self.put_back_all(items, ty, types, depth))
            }
            (Value::Variant(case, Some(held)), Type::Variant(cases)) => {
                match cases.get(case as usize) {
                    Some((_, Some(ty))) => Value::Variant(case, boxed(held, ty)),
                    Some((_, None)) | None => Value::Variant(case, Some(held)),
                }
            }
            (Value::Option(Some(held)), Type::Option(ty)) => Value::Option(boxed(held, ty)),
            (Value::Result(Ok(Some(held))), Type::Result(Some(ty), _)) => {
                Value::Result(Ok(boxed(held, ty)))
            }
            (Value::Result(Err(Some(held))), Type::Result(_, Some(ty))) => {
                Value::Result(Err(boxed(held, ty)))
            }
            (Value::Map(pairs), Type::Map(key_ty, value_ty)) => {
                let pair = |(key, value)| {
                    let key = self.put_back(key, key_ty, types, depth);
                    (key, self.put_back(value, value_ty, types, depth))
                };
                Value::Map(pairs.into_iter().map(pair).collect())
            }
            (value, _) => value,
        }
    }

    fn put_back_all<'t>(
        &mut self,
        values: Vec<Value>,
        ty: impl Fn(usize) -> Option<&'t Type>,
        types: &TypeTable,
        depth: usize,
    ) -> Vec<Value> {
        let one = |(at, value)| match ty(at) {
            Some(ty) => self.put_back(value, ty, types, depth),
            None => value,
        };
        values.into_iter().enumerate().map(one).collect()
    }

    /// The value that stands out of line, or the reference where it cannot be had.
    fn payload(&mut self, blob: BlobRef, ty: &Type, types: &TypeTable, depth: usize) -> Value {
        if depth == 0 {
            return Value::Blob(blob);
        }
        let Some(content) = self.content(&blob) else { return Value::Blob(blob) };
        match ty {
            Type::String => String::from_utf8(content).map_or(Value::Blob(blob), Value::String),
            Type::List(item) | Type::FixedList(_, item)
                if types.resolve(item) == Some(&Type::U8) =>
            {
                Value::Bytes(content)
            }
            _ => match Value::decode(&mut Decoder::new(&content), ty, types) {
                Ok(value) => self.put_back(value, ty, types, depth - 1),
                Err(_) => Value::Blob(blob),
            },
        }
    }

    /// The whole content, if every piece is there and there is room for it.
    fn content(&mut self, blob: &BlobRef) -> Option<Vec<u8>> {
        if blob.len > self.left {
            return None;
        }
        let mut content = Vec::new();
        for digest in &blob.pieces {
            let Piece::At { offset, bytes } = *self.pieces.get(digest)? else { return None };
            content.extend(self.read(digest, offset, bytes)?);
            // The length is a claim; what counts is what turns up.
            if content.len() as u64 > blob.len {
                return None;
            }
        }
        self.left -= content.len() as u64;
        (content.len() as u64 == blob.len).then_some(content)
    }

    /// One piece. What is not what its digest says is as good as not there.
    fn read(&self, digest: &Hash, offset: u64, bytes: u64) -> Option<Vec<u8>> {
        // Its frame was there as a whole when it was indexed, so its length is no claim.
        let mut frame = vec![0; usize::try_from(bytes).ok()?];
        self.file.read_at(&mut frame, offset).ok()?;
        let piece = BlobFrame::decode_body(Frame::parse(&frame)?.body()).ok()?;
        (piece.digest == *digest && piece.is_intact()).then(|| piece.content.to_vec())
    }
}
