//! The strict walk: is this body well-formed down to the last byte?
//!
//! Links are checked on bytes alone. This check is separate, so that a record which is linked but
//! malformed is reported as such, and so that no lenient reader can see another history in a chain
//! than a strict one. What passes can be decoded, and encodes to the same bytes again.

use crate::cbor::{CborError, CborFault, Decoder};
use crate::codec::decode_body;
use crate::event::{Kind, TrapCode};
use crate::format::COMMON_FIELDS;

/// Why a body is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} of the body")]
pub struct ShapeError(#[from] pub CborError);

/// Walks over a record's body: every head, every string, the number and kind of its fields.
///
/// Reads no further than the body. The four crossings, which are the bulk of a chain, are walked
/// over in place; the other kinds are rare enough to be decoded.
pub fn check_body(body: &[u8]) -> Result<Kind, ShapeError> {
    let mut input = Decoder::new(body);
    let count = input.array()?;
    input.byte_array::<4>()?;
    input.byte_array::<32>()?;
    input.uint()?;
    let at = input.position();
    let kind = Kind::from_number(input.uint()?)
        .ok_or(CborError { at, fault: CborFault::Expected("a known kind of record") })?;
    match kind {
        Kind::ExportCall | Kind::ImportCall => check_crossing(count, &mut input, check_values)?,
        Kind::ImportReturn | Kind::ExportReturn => {
            check_crossing(count, &mut input, check_outcome)?;
        }
        Kind::Header
        | Kind::Type
        | Kind::Function
        | Kind::ResourceDrop
        | Kind::Lifecycle
        | Kind::Permission
        | Kind::Checkpoint
        | Kind::Close
        | Kind::Recover => drop(decode_body(body)?),
    }
    Ok(kind)
}

/// A function's number, what goes through the boundary, and the fuel if it is counted.
fn check_crossing(
    count: usize,
    input: &mut Decoder<'_>,
    check_payload: fn(&mut Decoder<'_>) -> Result<(), CborError>,
) -> Result<(), CborError> {
    let has_fuel = count == COMMON_FIELDS + 3;
    if !has_fuel && count != COMMON_FIELDS + 2 {
        return Err(CborError { at: 0, fault: CborFault::Expected("another number of fields") });
    }
    input.uint_as::<u32>()?;
    check_payload(input)?;
    if has_fuel {
        input.uint()?;
    }
    input.finish()
}

fn check_values(input: &mut Decoder<'_>) -> Result<(), CborError> {
    input.clone().array()?;
    input.item().map(drop)
}

fn check_outcome(input: &mut Decoder<'_>) -> Result<(), CborError> {
    let at = input.position();
    match (input.array()?, input.uint()?) {
        (2, 0) => check_values(input),
        (3, 1) => {
            let at = input.position();
            if input.uint()? >= TrapCode::ALL.len() as u64 {
                return Err(CborError { at, fault: CborFault::OutOfRange });
            }
            input.text().map(drop)
        }
        _ => Err(CborError { at, fault: CborFault::Expected("results or a trap") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cbor::Encoder;
    use crate::format::{BLOB_TAG, DEFINITION_BYTES_MAX};

    /// A body of this kind whose fields are appended by `fields`.
    fn body(kind: Kind, count: usize, fields: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
        let mut body = Vec::new();
        let mut out = Encoder(&mut body);
        out.array(COMMON_FIELDS + count);
        out.bytes(b"test");
        out.bytes(&[7; 32]);
        out.uint(1);
        out.uint(kind as u64);
        fields(&mut out);
        body
    }

    fn import_call(arg: impl FnOnce(&mut Encoder<'_>)) -> Vec<u8> {
        body(Kind::ImportCall, 2, |out| {
            out.uint(0);
            out.array(1);
            arg(out);
        })
    }

    #[test]
    fn a_blob_tag_stands_in_front_of_a_reference_only() {
        let reference = |pieces: usize, len: u64| {
            import_call(|out| {
                out.tag(BLOB_TAG);
                out.array(1 + pieces);
                out.uint(len);
                (0..pieces).for_each(|_| out.bytes(&[9; 32]));
            })
        };
        assert_eq!(check_body(&reference(1, 5000)), Ok(Kind::ImportCall));
        assert_eq!(check_body(&reference(2, 5 << 20)), Ok(Kind::ImportCall));
        assert!(check_body(&reference(0, 0)).is_err(), "no piece");
        assert!(check_body(&reference(2, 5000)).is_err(), "more pieces than the length asks for");
        assert!(check_body(&reference(1, 5 << 20)).is_err(), "fewer pieces");
        let number = import_call(|out| {
            out.tag(BLOB_TAG);
            out.uint(5);
        });
        assert!(check_body(&number).is_err(), "a tagged number");
    }

    #[test]
    fn a_definition_that_would_fill_the_memory_is_malformed() {
        let tuple = |len: usize| {
            body(Kind::Type, 3, |out| {
                out.uint(0);
                out.text("a");
                out.array(2);
                out.uint(15);
                out.array(len);
                (0..len).for_each(|_| out.uint(0));
            })
        };
        assert_eq!(check_body(&tuple(1000)), Ok(Kind::Type));
        assert!(check_body(&tuple(DEFINITION_BYTES_MAX)).is_err());
    }

    #[test]
    fn numbers_and_constructs_that_nobody_can_decode_are_malformed() {
        let wide_id = body(Kind::ImportCall, 2, |out| {
            out.uint(1 << 32);
            out.array(0);
        });
        let unknown_trap = body(Kind::ImportReturn, 2, |out| {
            out.uint(0);
            out.array(3);
            out.uint(1);
            out.uint(99);
            out.text("");
        });
        let unknown_state = body(Kind::Lifecycle, 3, |out| {
            out.uint(99);
            out.uint(0);
            out.text("");
        });
        let unknown_type = body(Kind::Type, 3, |out| {
            out.uint(0);
            out.text("a");
            out.uint(99);
        });
        for body in [wide_id, unknown_trap, unknown_state, unknown_type] {
            assert!(check_body(&body).is_err(), "{body:02x?}");
        }
    }
}
