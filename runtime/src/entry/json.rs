//! Entries and values as JSON.
//!
//! Options are `null` or the value; an option that holds something which is `null` itself is
//! `{"some": null}`. Cases without a payload are strings, cases with one are objects with one field.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use theater_record::{BlobRef, Hash};

use super::Entry;
use super::render::{self, Previews};
use super::tree::Tree;
use crate::escape::is_hidden;

/// Serialises to one line.
///
/// # Panics
/// If a map has keys that are not text.
#[must_use]
pub fn line(value: &impl Serialize) -> String {
    visible(&serde_json::to_string(value).expect("what is shown has text keys only"))
}

/// Serialises to an indented document.
///
/// # Panics
/// If a map has keys that are not text.
#[must_use]
pub fn document(value: &impl Serialize) -> String {
    visible(&serde_json::to_string_pretty(value).expect("what is shown has text keys only"))
}

/// Serialises to a value that becomes part of a larger document.
///
/// # Panics
/// If a map has keys that are not text.
#[must_use]
pub fn to_value(value: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(value).expect("what is shown has text keys only")
}

/// Spells out what JSON allows in a string and a terminal should not get.
#[must_use]
pub fn visible(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for char in json.chars() {
        // A line break that is not escaped stands between items.
        if !is_hidden(char) || char == '\n' {
            out.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            out.push_str(&format!("\\u{unit:04x}"));
        }
    }
    out
}

/// An event with its fields.
pub struct EntryJson<'a>(pub &'a Entry, pub &'a Previews);

impl Serialize for EntryJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let EntryJson(entry, previews) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("seq", &entry.seq)?;
        map.serialize_entry("offset", &entry.offset)?;
        map.serialize_entry("kind", entry.kind.name())?;
        what_it_says(&mut map, entry, previews)?;
        map.end()
    }
}

/// Serialises what stands in an event: the function it is about, and its fields.
pub(crate) fn what_it_says<M: SerializeMap>(
    map: &mut M,
    entry: &Entry,
    previews: &Previews,
) -> Result<(), M::Error> {
    if let Some((interface, name)) = &entry.function {
        map.serialize_entry("interface", interface)?;
        map.serialize_entry("function", name)?;
    }
    for (name, tree) in &entry.fields {
        map.serialize_entry(name, &TreeJson(tree, previews))?;
    }
    Ok(())
}

/// A value.
pub struct TreeJson<'a>(pub &'a Tree, pub &'a Previews);

impl Serialize for TreeJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let TreeJson(tree, previews) = self;
        let inner = |tree| TreeJson(tree, previews);
        match tree {
            Tree::Bool(bit) => serializer.serialize_bool(*bit),
            Tree::Uint(number) => serializer.serialize_u64(*number),
            Tree::Int(number) => serializer.serialize_i64(*number),
            Tree::F32(bits) => match f32::from_bits(*bits) {
                float if float.is_finite() => serializer.serialize_f32(float),
                _ => serializer.serialize_str(&render::float32(*bits)),
            },
            Tree::F64(bits) => match f64::from_bits(*bits) {
                float if float.is_finite() => serializer.serialize_f64(float),
                _ => serializer.serialize_str(&render::float64(*bits)),
            },
            Tree::Char(char) => serializer.serialize_char(*char),
            Tree::Text(text) => serializer.serialize_str(text),
            Tree::Bytes(bytes) => one_field(serializer, "bytes", &render::hex(bytes)),
            Tree::List(items) | Tree::Tuple(items) => {
                serializer.collect_seq(items.iter().map(inner))
            }
            Tree::Record(fields) => {
                serializer.collect_map(fields.iter().map(|(name, tree)| (name, inner(tree))))
            }
            Tree::Case(name, None) => serializer.serialize_str(name),
            Tree::Case(name, Some(payload)) => one_field(serializer, name, &inner(payload)),
            Tree::Option(None) => serializer.serialize_none(),
            Tree::Option(Some(held)) if matches!(**held, Tree::Option(_)) => {
                one_field(serializer, "some", &inner(held))
            }
            Tree::Option(Some(held)) => inner(held).serialize(serializer),
            Tree::Flags(names) => serializer.collect_seq(names),
            Tree::Map(pairs) => {
                let mut list = serializer.serialize_seq(Some(pairs.len()))?;
                for (key, value) in pairs {
                    list.serialize_element(&(inner(key), inner(value)))?;
                }
                list.end()
            }
            Tree::Resource { name, number, owned } => {
                let mut map = serializer.serialize_map(Some(3))?;
                map.serialize_entry("resource", name)?;
                map.serialize_entry("number", number)?;
                map.serialize_entry("owned", owned)?;
                map.end()
            }
            Tree::Blob(blob) => serialize_blob(serializer, blob, previews),
        }
    }
}

fn one_field<S: Serializer>(
    serializer: S,
    name: &str,
    value: &impl Serialize,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}

fn serialize_blob<S: Serializer>(
    serializer: S,
    blob: &BlobRef,
    previews: &Previews,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    let pieces: Vec<_> = blob.pieces.iter().map(Hash::to_string).collect();
    map.serialize_entry("blob", &pieces)?;
    map.serialize_entry("length", &blob.len)?;
    match previews.get(blob) {
        Some(Some(content)) => map.serialize_entry("preview", &render::hex(content))?,
        Some(None) => map.serialize_entry("removed", &true)?,
        None => {}
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::super::render::Previews;
    use super::super::tree::Tree;
    use super::{TreeJson, line};

    #[test]
    fn values_keep_what_json_cannot_say() {
        let json = |tree: Tree| line(&TreeJson(&tree, &Previews::default()));
        assert_eq!(json(Tree::F32(0x3dcc_cccd)), "0.1");
        assert_eq!(json(Tree::F64(u64::MAX)), "\"nan:0xffffffffffffffff\"");
        assert_eq!(json(Tree::Uint(u64::MAX)), "18446744073709551615");
        assert_eq!(json(Tree::option(Some(Tree::Option(None)))), r#"{"some":null}"#);
        assert_eq!(json(Tree::option(Some(Tree::Uint(1)))), "1");
        assert_eq!(json(Tree::Case("ok".to_owned(), None)), "\"ok\"");
        assert_eq!(json(Tree::text("\u{1b}\u{9b}\u{e0041}")), r#""\u001b\u009b\udb40\udc41""#);
    }
}
