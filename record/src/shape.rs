//! The strict walk: is this body well-formed down to the last byte?
//!
//! Links are checked on bytes alone. This check is separate, so that a record which is linked but
//! malformed is reported as such, and so that no lenient reader can see another history in a chain
//! than a strict one.

use crate::cbor::{CborError, CborFault, Decoder};
use crate::event::Kind;

/// Why a body is malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} of the body")]
pub struct ShapeError(#[from] pub CborError);

/// What may stand in a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    Uint,
    MaybeUint,
    Text,
    MaybeText,
    Bool,
    /// A byte string of exactly this length.
    Bytes(u8),
    MaybeBytes(u8),
    /// A byte string of any length, or `null`.
    MaybeAnyBytes,
    /// An array of any length.
    Array,
    /// A blob reference or `null`.
    MaybeBlob,
    /// A type: a number or an array.
    Type,
    /// The outcome of a call.
    Outcome,
}

use Field::{
    Array, Bool, Bytes, MaybeAnyBytes, MaybeBlob, MaybeBytes, MaybeText, MaybeUint, Outcome, Text,
    Type, Uint,
};

/// The fields of each kind after the common four, at the kind's number.
const FIELDS: [&[Field]; 13] = [
    &[
        Uint,
        Bytes(16),
        Uint,
        Array,
        Uint,
        Text,
        Uint,
        Text,
        MaybeBytes(32),
        MaybeBlob,
        MaybeText,
        MaybeAnyBytes,
        Array,
        MaybeText,
        Array,
        MaybeBytes(32),
        MaybeBytes(32),
        MaybeBytes(64),
    ],
    &[Uint, Text, Type],
    &[Uint, Text, Text, Array, Array],
    &[Uint, Array],
    &[Uint, Array],
    &[Uint, Outcome],
    &[Uint, Outcome],
    &[Uint, Uint],
    &[Uint, Uint, Text],
    &[Text, Text, Bool, Uint, Text],
    &[
        Uint,
        Uint,
        Uint,
        Uint,
        Uint,
        Uint,
        MaybeUint,
        Bytes(32),
        Bytes(32),
        Bytes(32),
        Uint,
        MaybeBytes(32),
        MaybeBytes(64),
    ],
    &[Uint, Text, Uint, Uint, Uint, Uint, Uint, MaybeUint, Uint, MaybeBytes(64), Bytes(32)],
    &[Uint, Bytes(32), Uint, MaybeBytes(32), MaybeBytes(64)],
];

/// Walks over a record's body: every head, every string, the number and kind of its fields.
///
/// Allocates nothing and reads no further than the body.
pub fn check_body(body: &[u8]) -> Result<Kind, ShapeError> {
    let mut input = Decoder::new(body);
    let count = input.array()?;
    input.byte_array::<4>()?;
    input.byte_array::<32>()?;
    input.uint()?;
    let at = input.position();
    let kind = Kind::from_number(input.uint()?)
        .ok_or(CborError { at, fault: CborFault::Expected("a known kind of record") })?;
    let fields = FIELDS[kind as usize];
    let may_have_fuel = matches!(
        kind,
        Kind::ExportCall | Kind::ImportCall | Kind::ImportReturn | Kind::ExportReturn
    );
    let has_fuel = may_have_fuel && count == fields.len() + 5;
    if !has_fuel && count != fields.len() + 4 {
        let fault = CborFault::Expected("another number of fields");
        return Err(ShapeError(CborError { at: 0, fault }));
    }
    for field in fields {
        check_field(*field, &mut input)?;
    }
    if has_fuel {
        input.uint()?;
    }
    input.finish()?;
    Ok(kind)
}

fn check_field(field: Field, input: &mut Decoder<'_>) -> Result<(), CborError> {
    let optional =
        matches!(field, MaybeUint | MaybeText | MaybeBytes(_) | MaybeAnyBytes | MaybeBlob);
    if optional && input.null()? {
        return Ok(());
    }
    let at = input.position();
    match field {
        Uint | MaybeUint => input.uint().map(drop),
        Text | MaybeText => input.text().map(drop),
        Bool => input.bool().map(drop),
        MaybeAnyBytes => input.bytes().map(drop),
        Bytes(len) | MaybeBytes(len) => {
            if input.bytes()?.len() == usize::from(len) {
                Ok(())
            } else {
                Err(CborError { at, fault: CborFault::OutOfRange })
            }
        }
        Array => {
            input.clone().array()?;
            input.item().map(drop)
        }
        MaybeBlob => crate::blob::BlobRef::decode(input).map(drop),
        Type if input.at_uint() => input.uint().map(drop),
        Type => {
            input.clone().array()?;
            input.item().map(drop)
        }
        Outcome => check_outcome(input),
    }
}

fn check_outcome(input: &mut Decoder<'_>) -> Result<(), CborError> {
    let at = input.position();
    match (input.array()?, input.uint()?) {
        (2, 0) => {
            input.clone().array()?;
            input.item().map(drop)
        }
        (3, 1) => {
            input.uint()?;
            input.text().map(drop)
        }
        _ => Err(CborError { at, fault: CborFault::Expected("results or a trap") }),
    }
}
