//! Recorded WIT values: their deterministic encoding and their typed decoding.

use crate::blob::BlobRef;
use crate::cbor::{CborError, CborFault, Decoder, Encoder};
use crate::format::NESTING_DEPTH_MAX;
use crate::types::{Type, TypeTable};

/// One WIT value.
///
/// Floats are kept as bit patterns, because a chain must tell one NaN from another; resources are
/// the recorder's own stable numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `bool`
    Bool(bool),
    /// `s8`
    S8(i8),
    /// `u8`
    U8(u8),
    /// `s16`
    S16(i16),
    /// `u16`
    U16(u16),
    /// `s32`
    S32(i32),
    /// `u32`
    U32(u32),
    /// `s64`
    S64(i64),
    /// `u64`
    U64(u64),
    /// The bits of an `f32`.
    F32(u32),
    /// The bits of an `f64`.
    F64(u64),
    /// `char`
    Char(char),
    /// `string`
    String(String),
    /// `list<u8>`, of fixed length or not.
    Bytes(Vec<u8>),
    /// Any other list, of fixed length or not.
    List(Vec<Value>),
    /// `tuple`
    Tuple(Vec<Value>),
    /// The fields of a `record`, in order.
    Record(Vec<Value>),
    /// The case of a `variant` by its position, and its payload.
    Variant(u32, Option<Box<Value>>),
    /// The case of an `enum` by its position.
    Enum(u32),
    /// `option`
    Option(Option<Box<Value>>),
    /// `result`
    Result(Result<Option<Box<Value>>, Option<Box<Value>>>),
    /// `flags`, the first flag in the lowest bit.
    Flags(u64),
    /// `map`, in the order in which it was passed.
    Map(Vec<(Value, Value)>),
    /// An owned resource.
    Own(u64),
    /// A borrowed resource.
    Borrow(u64),
    /// A value of any type that was put out of line.
    ///
    /// The content of a string or a `list<u8>` is its plain bytes; the content of a value of any
    /// other type is its encoding.
    Blob(BlobRef),
}

/// Why bytes are not values of the types they should have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not the CBOR that belongs here.
    #[error(transparent)]
    Cbor(#[from] CborError),
    /// A type that refers to something the chain has not named.
    #[error("a type refers to one the chain has not named")]
    UnknownType,
    /// More or fewer values than the function has.
    #[error("expected {expected} values, found {found}")]
    Count {
        /// How many there should be.
        expected: usize,
        /// How many there are.
        found: usize,
    },
}

impl Value {
    /// Appends the value. The encoding of a value depends on nothing but the value.
    pub fn encode(&self, out: &mut Encoder<'_>) {
        match self {
            Value::Bool(bit) => out.bool(*bit),
            Value::S8(number) => out.int(i64::from(*number)),
            Value::S16(number) => out.int(i64::from(*number)),
            Value::S32(number) => out.int(i64::from(*number)),
            Value::S64(number) => out.int(*number),
            Value::U8(number) => out.uint(u64::from(*number)),
            Value::U16(number) => out.uint(u64::from(*number)),
            Value::U32(number) | Value::Enum(number) => out.uint(u64::from(*number)),
            Value::U64(number)
            | Value::Flags(number)
            | Value::Own(number)
            | Value::Borrow(number) => out.uint(*number),
            Value::F32(bits) => out.bytes(&bits.to_be_bytes()),
            Value::F64(bits) => out.bytes(&bits.to_be_bytes()),
            Value::Char(char) => out.uint(u64::from(u32::from(*char))),
            Value::String(text) => out.text(text),
            Value::Bytes(bytes) => out.bytes(bytes),
            Value::List(items) | Value::Tuple(items) | Value::Record(items) => {
                out.array(items.len());
                items.iter().for_each(|item| item.encode(out));
            }
            Value::Variant(case, payload) => encode_case(out, *case, payload.as_deref()),
            Value::Option(None) => out.null(),
            Value::Option(Some(item)) => {
                out.array(1);
                item.encode(out);
            }
            Value::Result(Ok(payload)) => encode_case(out, 0, payload.as_deref()),
            Value::Result(Err(payload)) => encode_case(out, 1, payload.as_deref()),
            Value::Map(pairs) => {
                out.array(pairs.len());
                for (key, value) in pairs {
                    out.array(2);
                    key.encode(out);
                    value.encode(out);
                }
            }
            Value::Blob(blob) => blob.encode(out),
        }
    }

    /// Reads a value of this type.
    pub fn decode(
        input: &mut Decoder<'_>,
        ty: &Type,
        types: &TypeTable,
    ) -> Result<Value, ValueError> {
        Value::decode_at(input, ty, types, NESTING_DEPTH_MAX)
    }

    fn decode_at(
        input: &mut Decoder<'_>,
        ty: &Type,
        types: &TypeTable,
        depth: usize,
    ) -> Result<Value, ValueError> {
        let ty = types.resolve(ty).ok_or(ValueError::UnknownType)?;
        let at = input.position();
        let wrong = |fault| ValueError::Cbor(CborError { at, fault });
        if depth == 0 {
            return Err(wrong(CborFault::TooDeep));
        }
        if input.at_tag() {
            return Ok(Value::Blob(BlobRef::decode(input)?));
        }
        Ok(match ty {
            Type::Bool => Value::Bool(input.bool()?),
            Type::U8 => Value::U8(input.uint_as()?),
            Type::U16 => Value::U16(input.uint_as()?),
            Type::U32 => Value::U32(input.uint_as()?),
            Type::U64 => Value::U64(input.uint()?),
            Type::S8 => Value::S8(narrow(input)?),
            Type::S16 => Value::S16(narrow(input)?),
            Type::S32 => Value::S32(narrow(input)?),
            Type::S64 => Value::S64(input.int()?),
            Type::F32 => Value::F32(u32::from_be_bytes(input.byte_array()?)),
            Type::F64 => Value::F64(u64::from_be_bytes(input.byte_array()?)),
            Type::Char => {
                let code: u32 = input.uint_as()?;
                Value::Char(char::from_u32(code).ok_or(wrong(CborFault::OutOfRange))?)
            }
            Type::String => Value::String(input.text()?.to_owned()),
            Type::Own(_) => Value::Own(input.uint()?),
            Type::Borrow(_) => Value::Borrow(input.uint()?),
            Type::Enum(names) => {
                let case: u32 = input.uint_as()?;
                if case as usize >= names.len() {
                    return Err(wrong(CborFault::OutOfRange));
                }
                Value::Enum(case)
            }
            Type::Flags(names) => {
                let bits = input.uint()?;
                if names.len() < 64 && bits >> names.len() != 0 {
                    return Err(wrong(CborFault::OutOfRange));
                }
                Value::Flags(bits)
            }
            Type::List(_)
            | Type::FixedList(..)
            | Type::Tuple(_)
            | Type::Record(_)
            | Type::Variant(_)
            | Type::Option(_)
            | Type::Result(..)
            | Type::Map(..) => Value::decode_compound(input, ty, types, depth - 1)?,
            Type::Resource | Type::Named(_) => return Err(ValueError::UnknownType),
        })
    }

    fn decode_compound(
        input: &mut Decoder<'_>,
        ty: &Type,
        types: &TypeTable,
        depth: usize,
    ) -> Result<Value, ValueError> {
        let at = input.position();
        let wrong = |fault| ValueError::Cbor(CborError { at, fault });
        let one = |input: &mut Decoder<'_>, ty: &Type| Value::decode_at(input, ty, types, depth);
        Ok(match ty {
            Type::List(item) if types.resolve(item) == Some(&Type::U8) => {
                Value::Bytes(input.bytes()?.to_vec())
            }
            Type::FixedList(len, item) if types.resolve(item) == Some(&Type::U8) => {
                let bytes = input.bytes()?;
                if bytes.len() != *len as usize {
                    return Err(wrong(CborFault::OutOfRange));
                }
                Value::Bytes(bytes.to_vec())
            }
            Type::List(item) => {
                let len = input.array()?;
                Value::List(repeat(len, |_| one(input, item))?)
            }
            Type::FixedList(len, item) => {
                input.array_of(*len as usize)?;
                Value::List(repeat(*len as usize, |_| one(input, item))?)
            }
            Type::Tuple(items) => {
                input.array_of(items.len())?;
                Value::Tuple(repeat(items.len(), |at| one(input, &items[at]))?)
            }
            Type::Record(fields) => {
                input.array_of(fields.len())?;
                Value::Record(repeat(fields.len(), |at| one(input, &fields[at].1))?)
            }
            Type::Variant(cases) => {
                let fields = input.array()?;
                let case: u32 = input.uint_as()?;
                let (_, payload) = cases.get(case as usize).ok_or(wrong(CborFault::OutOfRange))?;
                let payload = payload.as_ref();
                if fields != 1 + usize::from(payload.is_some()) {
                    return Err(wrong(CborFault::Expected("a variant case with its payload")));
                }
                Value::Variant(case, payload.map(|ty| one(input, ty).map(Box::new)).transpose()?)
            }
            Type::Option(_) if input.null()? => Value::Option(None),
            Type::Option(item) => {
                input.array_of(1)?;
                Value::Option(Some(Box::new(one(input, item)?)))
            }
            Type::Result(ok, err) => {
                let fields = input.array()?;
                let side = input.uint()?;
                let ty = match side {
                    0 => ok,
                    1 => err,
                    _ => return Err(wrong(CborFault::OutOfRange)),
                };
                if fields != 1 + usize::from(ty.is_some()) {
                    return Err(wrong(CborFault::Expected("a result with its payload")));
                }
                let payload = ty.as_ref().map(|ty| one(input, ty).map(Box::new)).transpose()?;
                Value::Result(if side == 0 { Ok(payload) } else { Err(payload) })
            }
            Type::Map(key, value) => {
                let len = input.array()?;
                Value::Map(repeat(len, |_| {
                    input.array_of(2)?;
                    Ok((one(input, key)?, one(input, value)?))
                })?)
            }
            _ => return Err(ValueError::UnknownType),
        })
    }
}

/// The arguments or results of a call, encoded as a CBOR array.
///
/// A recorder that lifts values straight out of guest memory writes these bytes itself; nothing
/// needs a [`Value`] until somebody wants to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Values(Vec<u8>);

impl Values {
    /// Encodes some values; fails if one is nested deeper than a chain can hold.
    pub fn of(values: &[Value]) -> Result<Values, CborError> {
        let mut bytes = Vec::new();
        let mut out = Encoder(&mut bytes);
        out.array(values.len());
        values.iter().for_each(|value| value.encode(&mut out));
        Values::from_encoded(bytes)
    }

    /// Takes bytes that are already encoded, after walking over them.
    pub fn from_encoded(bytes: Vec<u8>) -> Result<Values, CborError> {
        check(&bytes)?;
        Ok(Values(bytes))
    }

    /// Takes an array that was written with [`Encoder`], every announced element included, without
    /// walking over it again.
    ///
    /// Values of the types that a recorder has named never nest too deep, because it refuses to
    /// name types that do. Builds with debug assertions walk all the same.
    ///
    /// # Panics
    /// If the bytes do not start with the head of an array.
    #[must_use]
    pub fn written(bytes: Vec<u8>) -> Values {
        debug_assert_eq!(check(&bytes), Ok(()), "these are not values as the encoder writes them");
        assert!(Decoder::new(&bytes).array().is_ok(), "values are an array");
        Values(bytes)
    }

    /// The encoded array, whose allocation can be used for the next one.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The encoded array.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> usize {
        Decoder::new(&self.0).array().expect("an array was encoded or checked on the way in")
    }

    /// Reads the values back, given their types.
    pub fn decode<'t>(
        &self,
        types: impl ExactSizeIterator<Item = &'t Type>,
        table: &TypeTable,
    ) -> Result<Vec<Value>, ValueError> {
        let mut input = Decoder::new(&self.0);
        let found = input.array()?;
        if found != types.len() {
            return Err(ValueError::Count { expected: types.len(), found });
        }
        let values =
            types.map(|ty| Value::decode(&mut input, ty, table)).collect::<Result<_, _>>()?;
        input.finish()?;
        Ok(values)
    }

    /// Every blob reference among the values, however deep.
    pub fn blob_refs(&self) -> Result<Vec<BlobRef>, CborError> {
        let mut refs = Vec::new();
        collect_blob_refs(&mut Decoder::new(&self.0), &mut refs)?;
        Ok(refs)
    }

    pub(crate) fn decode_raw(input: &mut Decoder<'_>) -> Result<Values, CborError> {
        input.clone().array()?;
        Ok(Values(input.item()?.to_vec()))
    }
}

/// Walks over what must be one array and nothing else.
fn check(bytes: &[u8]) -> Result<(), CborError> {
    let mut input = Decoder::new(bytes);
    input.clone().array()?;
    input.item()?;
    input.finish()
}

fn collect_blob_refs(input: &mut Decoder<'_>, refs: &mut Vec<BlobRef>) -> Result<(), CborError> {
    // An explicit count of items still due keeps hostile nesting off the call stack.
    let mut due = 1u64;
    while due > 0 {
        due -= 1;
        if input.at_tag() {
            refs.push(BlobRef::decode(input)?);
        } else if let Ok(len) = input.clone().array() {
            input.array()?;
            due += len as u64;
        } else {
            input.item()?;
        }
    }
    Ok(())
}

fn encode_case(out: &mut Encoder<'_>, case: u32, payload: Option<&Value>) {
    out.array(1 + usize::from(payload.is_some()));
    out.uint(u64::from(case));
    if let Some(payload) = payload {
        payload.encode(out);
    }
}

fn narrow<T: TryFrom<i64>>(input: &mut Decoder<'_>) -> Result<T, CborError> {
    let at = input.position();
    T::try_from(input.int()?).map_err(|_| CborError { at, fault: CborFault::OutOfRange })
}

fn repeat<T>(
    len: usize,
    mut one: impl FnMut(usize) -> Result<T, ValueError>,
) -> Result<Vec<T>, ValueError> {
    // A length read from a chain is a claim: grow as elements really turn up.
    let mut items = Vec::with_capacity(len.min(64));
    for at in 0..len {
        items.push(one(at)?);
    }
    Ok(items)
}
