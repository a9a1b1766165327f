//! Frames in CBOR's diagnostic notation (RFC 8949, section 8).

use ciborium::Value;

use crate::{amount, json, render};

/// Longer byte strings are cut unless everything is asked for.
const BYTES_MAX: usize = 64;

/// The body of a frame; tag 24 around it is written as an embedded item.
pub(crate) fn frame(body: &[u8], full: bool) -> String {
    match ciborium::from_reader::<Value, _>(body) {
        Ok(value) => {
            let mut out = String::from("24(<<");
            write(&value, full, &mut out);
            out.push_str(">>)");
            out
        }
        // The body was walked over before, so this is a limit of the decoder: show plain bytes.
        Err(_) => format!("24(h'{}')", render::hex(body)),
    }
}

fn write(value: &Value, full: bool, out: &mut String) {
    match value {
        Value::Integer(number) => out.push_str(&i128::from(*number).to_string()),
        Value::Bytes(bytes) => write_bytes(bytes, full, out),
        Value::Text(text) => out.push_str(&json::line(text)),
        Value::Bool(bit) => out.push_str(if *bit { "true" } else { "false" }),
        Value::Null => out.push_str("null"),
        Value::Tag(tag, inner) => {
            out.push_str(&format!("{tag}("));
            write(inner, full, out);
            out.push(')');
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                write(item, full, out);
            }
            out.push(']');
        }
        // Chains have neither floats nor maps; a body that has is never shown.
        other => out.push_str(&json::line(&format!("{other:?}"))),
    }
}

fn write_bytes(bytes: &[u8], full: bool, out: &mut String) {
    if full || bytes.len() <= BYTES_MAX {
        out.push_str(&format!("h'{}'", render::hex(bytes)));
    } else {
        let rest = amount::counted((bytes.len() - BYTES_MAX) as u64, "more byte");
        out.push_str(&format!("h'{}' / ... {rest} /", render::hex(&bytes[..BYTES_MAX])));
    }
}
