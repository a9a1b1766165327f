//! The deterministic subset of CBOR that chains are made of: an encoder and a strict decoder.
//!
//! Only unsigned and negative integers, byte strings, text strings, definite arrays, `false`,
//! `true`, `null` and the blob tag occur. Every head is the shortest one; there are no maps, no
//! floats and no indefinite lengths. What the encoder writes is the only form the decoder takes.

use crate::blob::BlobRef;
use crate::format::{BLOB_TAG, NESTING_DEPTH_MAX};

const MAJOR_UINT: u8 = 0;
const MAJOR_NEGATIVE: u8 = 1;
const MAJOR_BYTES: u8 = 2;
const MAJOR_TEXT: u8 = 3;
const MAJOR_ARRAY: u8 = 4;
const MAJOR_TAG: u8 = 6;
const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;

/// Why some bytes are not a chain's CBOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {at}")]
pub struct CborError {
    /// The offset of the offending byte within the decoded slice.
    pub at: usize,
    /// What is wrong there.
    pub fault: CborFault,
}

/// What can be wrong with a CBOR item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CborFault {
    /// The item claims more bytes than there are.
    #[error("the item ends too early")]
    Truncated,
    /// A length or number could have been written in fewer bytes.
    #[error("a number is not in its shortest form")]
    NotShortest,
    /// An indefinite length.
    #[error("an indefinite length")]
    Indefinite,
    /// A text string that is not UTF-8.
    #[error("a text string is not UTF-8")]
    NotUtf8,
    /// Arrays nested deeper than the limit.
    #[error("nested deeper than {NESTING_DEPTH_MAX} levels")]
    TooDeep,
    /// A map, a float, an unknown tag or a reserved value.
    #[error("a kind of item that chains do not use")]
    Forbidden,
    /// Another kind of item than the one that belongs here.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A number outside the range of its field.
    #[error("a number out of range")]
    OutOfRange,
    /// Bytes after the end of the item.
    #[error("bytes after the end of the item")]
    Trailing,
}

/// Appends deterministic CBOR to a byte buffer.
pub struct Encoder<'a>(pub &'a mut Vec<u8>);

impl Encoder<'_> {
    /// An unsigned integer.
    #[inline]
    pub fn uint(&mut self, number: u64) {
        self.head(MAJOR_UINT, number);
    }

    /// A signed integer.
    #[inline]
    pub fn int(&mut self, number: i64) {
        if number >= 0 {
            self.head(MAJOR_UINT, number.unsigned_abs());
        } else {
            self.head(MAJOR_NEGATIVE, !(number as u64));
        }
    }

    /// A byte string.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.head(MAJOR_BYTES, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// The head of a byte string whose bytes the caller appends itself.
    #[inline]
    pub fn bytes_head(&mut self, len: usize) {
        self.head(MAJOR_BYTES, len as u64);
    }

    /// A text string.
    #[inline]
    pub fn text(&mut self, text: &str) {
        self.head(MAJOR_TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// The head of an array; the caller appends the elements.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.head(MAJOR_ARRAY, len as u64);
    }

    /// A tag; the caller appends the tagged item.
    #[inline]
    pub fn tag(&mut self, tag: u64) {
        self.head(MAJOR_TAG, tag);
    }

    /// `true` or `false`.
    #[inline]
    pub fn bool(&mut self, bit: bool) {
        self.0.push(if bit { TRUE } else { FALSE });
    }

    /// `null`.
    #[inline]
    pub fn null(&mut self) {
        self.0.push(NULL);
    }

    /// An item that is already encoded.
    #[inline]
    pub fn raw(&mut self, item: &[u8]) {
        self.0.extend_from_slice(item);
    }

    #[inline]
    fn head(&mut self, major: u8, number: u64) {
        let major = major << 5;
        if number < 24 {
            self.0.push(major | number as u8);
        } else if let Ok(byte) = u8::try_from(number) {
            self.0.extend_from_slice(&[major | 24, byte]);
        } else if let Ok(short) = u16::try_from(number) {
            self.0.push(major | 25);
            self.0.extend_from_slice(&short.to_be_bytes());
        } else if let Ok(word) = u32::try_from(number) {
            self.0.push(major | 26);
            self.0.extend_from_slice(&word.to_be_bytes());
        } else {
            self.0.push(major | 27);
            self.0.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// How many bytes the head with this number takes.
pub(crate) fn head_bytes(number: u64) -> usize {
    match number {
        0..24 => 1,
        24..0x100 => 2,
        0x100..0x1_0000 => 3,
        0x1_0000..0x1_0000_0000 => 5,
        _ => 9,
    }
}

/// Takes deterministic CBOR apart, item by item, refusing every other form.
#[derive(Clone)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { bytes, at: 0 }
    }

    /// How many bytes have been taken.
    #[must_use]
    pub fn position(&self) -> usize {
        self.at
    }

    /// Succeeds if nothing is left.
    #[inline]
    pub fn finish(&self) -> Result<(), CborError> {
        if self.at == self.bytes.len() { Ok(()) } else { Err(self.fault(CborFault::Trailing)) }
    }

    /// An unsigned integer.
    #[inline]
    pub fn uint(&mut self) -> Result<u64, CborError> {
        self.typed_head(MAJOR_UINT, "an unsigned integer")
    }

    /// An unsigned integer that must fit a smaller type.
    #[inline]
    pub fn uint_as<T: TryFrom<u64>>(&mut self) -> Result<T, CborError> {
        let at = self.at;
        let number = self.uint()?;
        T::try_from(number).map_err(|_| CborError { at, fault: CborFault::OutOfRange })
    }

    /// A signed integer.
    pub fn int(&mut self) -> Result<i64, CborError> {
        let at = self.at;
        let (major, number) = self.head()?;
        let magnitude = i64::try_from(number);
        match (major, magnitude) {
            (MAJOR_UINT, Ok(number)) => Ok(number),
            (MAJOR_NEGATIVE, Ok(number)) => Ok(!number),
            (MAJOR_UINT | MAJOR_NEGATIVE, Err(_)) => {
                Err(CborError { at, fault: CborFault::OutOfRange })
            }
            _ => Err(CborError { at, fault: CborFault::Expected("an integer") }),
        }
    }

    /// A byte string.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], CborError> {
        let len = self.typed_head(MAJOR_BYTES, "a byte string")?;
        self.take(len)
    }

    /// A byte string of exactly `N` bytes.
    #[inline]
    pub fn byte_array<const N: usize>(&mut self) -> Result<[u8; N], CborError> {
        let at = self.at;
        self.bytes()?.try_into().map_err(|_| CborError { at, fault: CborFault::OutOfRange })
    }

    /// A text string.
    pub fn text(&mut self) -> Result<&'a str, CborError> {
        let at = self.at;
        let len = self.typed_head(MAJOR_TEXT, "a text string")?;
        let bytes = self.take(len)?;
        std::str::from_utf8(bytes).map_err(|_| CborError { at, fault: CborFault::NotUtf8 })
    }

    /// The content of the text or byte string that stands here, if one does.
    pub(crate) fn string(&mut self) -> Option<&'a [u8]> {
        match self.head() {
            Ok((MAJOR_BYTES | MAJOR_TEXT, len)) => self.take(len).ok(),
            _ => None,
        }
    }

    /// The head of an array. The length is at most what the remaining bytes could hold.
    #[inline]
    pub fn array(&mut self) -> Result<usize, CborError> {
        let at = self.at;
        let len = self.typed_head(MAJOR_ARRAY, "an array")?;
        if len > (self.bytes.len() - self.at) as u64 {
            return Err(CborError { at, fault: CborFault::Truncated });
        }
        Ok(len as usize)
    }

    /// The head of an array that must have exactly this many elements.
    pub fn array_of(&mut self, len: usize) -> Result<(), CborError> {
        let at = self.at;
        if self.array()? == len {
            Ok(())
        } else {
            Err(CborError { at, fault: CborFault::Expected("an array of another length") })
        }
    }

    /// A tag that must be this one.
    pub fn tag(&mut self, tag: u64) -> Result<(), CborError> {
        let at = self.at;
        match self.head()? {
            (MAJOR_TAG, found) if found == tag => Ok(()),
            _ => Err(CborError { at, fault: CborFault::Expected("a blob reference") }),
        }
    }

    /// `true` or `false`.
    pub fn bool(&mut self) -> Result<bool, CborError> {
        match self.peek()? {
            TRUE => self.skip_byte(true),
            FALSE => self.skip_byte(false),
            _ => Err(self.fault(CborFault::Expected("true or false"))),
        }
    }

    /// Takes a `null` if one stands here.
    pub fn null(&mut self) -> Result<bool, CborError> {
        if self.peek()? == NULL { self.skip_byte(true) } else { Ok(false) }
    }

    /// Tells whether a tag stands here, without taking it.
    pub fn at_tag(&self) -> bool {
        self.bytes.get(self.at).is_some_and(|byte| byte >> 5 == MAJOR_TAG)
    }

    /// Tells whether an unsigned integer stands here, without taking it.
    pub fn at_uint(&self) -> bool {
        self.bytes.get(self.at).is_some_and(|byte| byte >> 5 == MAJOR_UINT)
    }

    /// Tells whether `null` stands here, without taking it.
    pub fn at_null(&self) -> bool {
        self.bytes.get(self.at) == Some(&NULL)
    }

    /// Walks over one whole item, checking every rule, and returns its bytes.
    #[inline]
    pub fn item(&mut self) -> Result<&'a [u8], CborError> {
        let start = self.at;
        let mut left = self.walk_one()?;
        // Most items are flat. Only those that are not pay for keeping track of levels.
        while left > 0 {
            let opened = self.walk_one()?;
            if opened > 0 {
                self.walk_nested(left, opened)?;
                break;
            }
            left -= 1;
        }
        Ok(&self.bytes[start..self.at])
    }

    /// Walks to the end of an item in which `left` items are due, the first of which has just been
    /// found to hold `opened` items itself.
    fn walk_nested(&mut self, left: u64, opened: u64) -> Result<(), CborError> {
        // How many items are still due at each open level.
        let mut due = [0; NESTING_DEPTH_MAX];
        (due[0], due[1]) = (left, opened);
        let mut depth = 2;
        while depth > 0 {
            let opened = self.walk_one()?;
            if opened > 0 {
                if depth == NESTING_DEPTH_MAX {
                    return Err(self.fault(CborFault::TooDeep));
                }
                due[depth] = opened;
                depth += 1;
                continue;
            }
            while depth > 0 {
                due[depth - 1] -= 1;
                if due[depth - 1] > 0 {
                    break;
                }
                depth -= 1;
            }
        }
        Ok(())
    }

    /// Walks over one head and its string, and returns how many nested items it announces.
    #[inline]
    fn walk_one(&mut self) -> Result<u64, CborError> {
        let at = self.at;
        if matches!(self.peek()?, TRUE | FALSE | NULL) {
            return self.skip_byte(0);
        }
        let (major, number) = self.head()?;
        match major {
            MAJOR_UINT | MAJOR_NEGATIVE => Ok(0),
            MAJOR_BYTES => self.take(number).map(|_| 0),
            MAJOR_TEXT => {
                let text = self.take(number)?;
                match std::str::from_utf8(text) {
                    Ok(_) => Ok(0),
                    Err(_) => Err(CborError { at, fault: CborFault::NotUtf8 }),
                }
            }
            MAJOR_ARRAY if number > (self.bytes.len() - self.at) as u64 => {
                Err(CborError { at, fault: CborFault::Truncated })
            }
            MAJOR_ARRAY => Ok(number),
            MAJOR_TAG if number == BLOB_TAG => BlobRef::skip_fields(self).map(|()| 0),
            _ => Err(CborError { at, fault: CborFault::Forbidden }),
        }
    }

    #[inline]
    fn head(&mut self) -> Result<(u8, u64), CborError> {
        let first = self.peek()?;
        let (major, info) = (first >> 5, first & 31);
        let rest = &self.bytes[self.at + 1..];
        let (number, len, least) = match info {
            0..24 => (u64::from(info), 0, 0),
            24 => (rest.first_chunk::<1>().map_or(0, |b| u64::from(b[0])), 1, 24),
            25 => (rest.first_chunk().map_or(0, |b| u64::from(u16::from_be_bytes(*b))), 2, 1 << 8),
            26 => (rest.first_chunk().map_or(0, |b| u64::from(u32::from_be_bytes(*b))), 4, 1 << 16),
            27 => (rest.first_chunk().map_or(0, |b| u64::from_be_bytes(*b)), 8, 1 << 32),
            31 => return Err(self.fault(CborFault::Indefinite)),
            _ => return Err(self.fault(CborFault::Forbidden)),
        };
        if major > MAJOR_TAG {
            return Err(self.fault(CborFault::Forbidden));
        }
        if rest.len() < len {
            return Err(self.fault(CborFault::Truncated));
        }
        if number < least {
            return Err(self.fault(CborFault::NotShortest));
        }
        self.at += 1 + len;
        Ok((major, number))
    }

    #[inline]
    fn typed_head(&mut self, major: u8, what: &'static str) -> Result<u64, CborError> {
        let at = self.at;
        match self.head()? {
            (found, number) if found == major => Ok(number),
            _ => Err(CborError { at, fault: CborFault::Expected(what) }),
        }
    }

    #[inline]
    fn take(&mut self, len: u64) -> Result<&'a [u8], CborError> {
        let left = &self.bytes[self.at..];
        if len > left.len() as u64 {
            return Err(self.fault(CborFault::Truncated));
        }
        self.at += len as usize;
        Ok(&left[..len as usize])
    }

    #[inline]
    fn peek(&self) -> Result<u8, CborError> {
        self.bytes.get(self.at).copied().ok_or_else(|| self.fault(CborFault::Truncated))
    }

    fn skip_byte<T>(&mut self, result: T) -> Result<T, CborError> {
        self.at += 1;
        Ok(result)
    }

    fn fault(&self, fault: CborFault) -> CborError {
        CborError { at: self.at, fault }
    }
}
