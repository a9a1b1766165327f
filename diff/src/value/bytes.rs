//! Strings and lists of bytes, in line and out of line.

use std::borrow::Cow;

use theater_record::{Decoder, Type, TypeTable, Value};

use super::Change;
use super::walk::{At, Context, Walk};

/// Contents out of line may refer to contents out of line. A recorder nests them once; whoever
/// made a chain that nests them deeper did so to exhaust the stack.
const UNPACKED_MAX: usize = 4;

impl Walk<'_> {
    /// Compares two strings or two lists of bytes.
    pub(super) fn bytes(&mut self, e: At<'_>, a: At<'_>) {
        let (Some(x), Some(y)) = (plain_bytes(e.value), plain_bytes(a.value)) else {
            return self.plain(e, a);
        };
        if x == y {
            return;
        }
        let is_text = matches!(e.ty, Type::String);
        let mut start = x.iter().zip(y).take_while(|(x, y)| x == y).count();
        while is_text && (splits_char(x, start) || splits_char(y, start)) {
            start -= 1;
        }
        let ends = x[start..].iter().rev().zip(y[start..].iter().rev());
        let mut end = ends.take_while(|(x, y)| x == y).count();
        while is_text && splits_char(x, x.len() - end) {
            end -= 1;
        }
        self.push(Change::Bytes {
            expected: e.typed(),
            actual: a.typed(),
            equal_start: Some(start as u64),
            equal_end: Some(end as u64),
            expected_len: x.len() as u64,
            actual_len: y.len() as u64,
        });
    }

    /// Compares two values of which at least one is out of line.
    pub(super) fn out_of_line(&mut self, e: At<'_>, a: At<'_>) {
        if e.value == a.value {
            return;
        }
        let contents = if self.unpacked < UNPACKED_MAX {
            content(e, &self.sides[0]).zip(content(a, &self.sides[1]))
        } else {
            None
        };
        if let Some((expected, actual)) = contents {
            self.unpacked += 1;
            self.compare(At { value: &expected, ..e }, At { value: &actual, ..a });
            self.unpacked -= 1;
            return;
        }
        let (expected, actual) = (e.typed(), a.typed());
        // Digests are salted: other digests do not say that the contents differ. Lengths do.
        match bytes_len(e, self.sides[0].types).zip(bytes_len(a, self.sides[1].types)) {
            Some((expected_len, actual_len)) if expected_len != actual_len => {
                self.push(Change::Bytes {
                    expected,
                    actual,
                    equal_start: None,
                    equal_end: None,
                    expected_len,
                    actual_len,
                });
            }
            _ => self.push(Change::Unknown { expected, actual }),
        }
    }
}

/// A value with what was out of line put in its place; `None` if that cannot be had.
fn content<'v>(at: At<'v>, side: &Context<'_>) -> Option<Cow<'v, Value>> {
    let Value::Blob(blob) = at.value else { return Some(Cow::Borrowed(at.value)) };
    let bytes = (side.contents)(blob).filter(|bytes| bytes.len() as u64 == blob.len)?;
    if matches!(at.ty, Type::String) {
        return String::from_utf8(bytes).ok().map(Value::String).map(Cow::Owned);
    }
    if is_bytes(at.ty, side.types) {
        return Some(Cow::Owned(Value::Bytes(bytes)));
    }
    let mut input = Decoder::new(&bytes);
    // The decoder relies on a walk over the item, which bounds how deep it is nested.
    input.clone().item().ok()?;
    let value = Value::decode(&mut input, at.ty, side.types).ok()?;
    input.finish().ok()?;
    Some(Cow::Owned(value))
}

/// How many bytes a string or a list of bytes has, in line or out of line.
fn bytes_len(at: At<'_>, types: &TypeTable) -> Option<u64> {
    match at.value {
        Value::Blob(blob) if is_bytes(at.ty, types) => Some(blob.len),
        value => plain_bytes(value).map(|bytes| bytes.len() as u64),
    }
}

fn plain_bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::String(text) => Some(text.as_bytes()),
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

/// Whether the content of such a value is its plain bytes.
fn is_bytes(ty: &Type, types: &TypeTable) -> bool {
    match ty {
        Type::String => true,
        Type::List(item) | Type::FixedList(_, item) => types.resolve(item) == Some(&Type::U8),
        _ => false,
    }
}

/// Whether a place in UTF-8 text is in the middle of a character.
fn splits_char(text: &[u8], at: usize) -> bool {
    text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80)
}
