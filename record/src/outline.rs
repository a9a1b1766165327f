//! Puts payloads out of line: encoded fields go in, fields with references come out.
//!
//! This happens on the writer's thread. The recorder's caller only decides what is to happen, and
//! by sizes alone whether the outcome fits into a record.

use crate::blob::BlobRef;
use crate::cbor::{CborError, Decoder, Encoder};
use crate::event::{Event, Kind};
use crate::format::{BODY_BYTES_MAX, VALUES_BYTES_MAX};
use crate::value::Values;

/// More than a reference to a piece takes in a record, and more than all fields but the values do.
const REFERENCE_BYTES_MAX: usize = 64;

/// What becomes of the arguments or results of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Payload {
    /// They stay as they are, or there are none.
    Inline,
    /// Strings and byte lists of at least this many bytes go out of line.
    LongOut(usize),
    /// Every value goes out of line whole.
    AllOut,
}

/// How many bytes these fields take at most once the payload is out of line. Exact where it could
/// be too much for a record; then it takes a walk over the values, but never a look at a payload.
pub(crate) fn outlined_bytes(event: &Event, fields: &[u8], payload: Payload) -> usize {
    if payload == Payload::Inline {
        return fields.len();
    }
    let count = event.values().map_or(0, Values::count);
    let bound = fields.len() + count.saturating_mul(REFERENCE_BYTES_MAX);
    if bound.saturating_add(VALUES_BYTES_MAX) < BODY_BYTES_MAX {
        return fields.len();
    }
    let mut out = Vec::new();
    let seal = |content: &[u8]| BlobRef::of_length(content.len());
    let outlined = outline(event.kind(), fields, payload, &mut out, seal);
    // The writer meets the same error and reports it.
    outlined.map_or(0, |()| out.len())
}

/// Appends the fields of a call or a return with its payload replaced by the references that
/// `seal` gives.
pub(crate) fn outline(
    kind: Kind,
    fields: &[u8],
    payload: Payload,
    out: &mut Vec<u8>,
    mut seal: impl FnMut(&[u8]) -> BlobRef,
) -> Result<(), CborError> {
    let mut input = Decoder::new(fields);
    input.uint()?;
    if matches!(kind, Kind::ImportReturn | Kind::ExportReturn) {
        input.array_of(2)?;
        input.uint()?;
    }
    let (before, rest) = fields.split_at(input.position());
    out.extend_from_slice(before);
    let start = out.len();
    let mut input = Decoder::new(rest);
    match payload {
        Payload::Inline => out.extend_from_slice(input.item()?),
        Payload::LongOut(bytes_min) => seal_long(&mut input, bytes_min, out, &mut seal)?,
        Payload::AllOut => seal_all(&mut input, out, &mut seal)?,
    }
    if out.len() - start > VALUES_BYTES_MAX && payload != Payload::Inline {
        let values = out.split_off(start);
        seal_all(&mut Decoder::new(&values), out, &mut seal)?;
    }
    out.extend_from_slice(&rest[input.position()..]);
    Ok(())
}

/// Copies one array with every string and byte list of at least `bytes_min` bytes sealed.
fn seal_long(
    input: &mut Decoder<'_>,
    bytes_min: usize,
    out: &mut Vec<u8>,
    seal: &mut impl FnMut(&[u8]) -> BlobRef,
) -> Result<(), CborError> {
    let mut out = Encoder(out);
    let mut due = 1;
    while due > 0 {
        due -= 1;
        if let Some(content) = input.clone().string().filter(|text| text.len() >= bytes_min) {
            seal(content).encode(&mut out);
            input.item()?;
        } else if let Ok(len) = input.clone().array() {
            input.array()?;
            out.array(len);
            due += len;
        } else {
            out.raw(input.item()?);
        }
    }
    Ok(())
}

/// Copies one array with every element sealed. Elements that are references already stay.
fn seal_all(
    input: &mut Decoder<'_>,
    out: &mut Vec<u8>,
    seal: &mut impl FnMut(&[u8]) -> BlobRef,
) -> Result<(), CborError> {
    let len = input.array()?;
    let mut out = Encoder(out);
    out.array(len);
    for _ in 0..len {
        let (is_ref, string) = (input.at_tag(), input.clone().string());
        let item = input.item()?;
        if is_ref {
            out.raw(item);
        } else {
            seal(string.unwrap_or(item)).encode(&mut out);
        }
    }
    Ok(())
}
