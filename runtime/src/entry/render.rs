//! Values and types as text, in the notation of WAVE and WIT.

use std::collections::BTreeMap;
use std::fmt::Write;

use theater_record::{BlobRef, Hash};

use super::tree::Tree;
use crate::amount;
use crate::escape::{plain, quoted, quoted_char};

/// How much of a blob's content is kept to be shown.
pub const PREVIEW_BYTES: usize = 48;
/// How many blobs' contents are kept to be shown, which bounds the memory it takes.
const PREVIEWS_MAX: usize = 1 << 16;

/// The beginnings of the blobs seen so far, by digest.
#[derive(Debug, Clone, Default)]
pub struct Previews(BTreeMap<Hash, Option<Vec<u8>>>);

impl Previews {
    /// Remembers a blob.
    pub fn add(&mut self, digest: Hash, content: &[u8]) {
        if self.0.len() < PREVIEWS_MAX {
            self.0.insert(digest, Some(content[..content.len().min(PREVIEW_BYTES)].to_vec()));
        }
    }

    /// Remembers that a blob was removed on purpose.
    pub fn add_removed(&mut self, digest: Hash) {
        if self.0.len() < PREVIEWS_MAX {
            self.0.insert(digest, None);
        }
    }

    /// The beginning of a payload: `None` if unknown, `Some(None)` if it was removed.
    #[must_use]
    pub fn get(&self, blob: &BlobRef) -> Option<Option<&[u8]>> {
        self.0.get(blob.pieces.first()?).map(Option::as_deref)
    }
}

/// How long a rendering may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Characters of a string, and twice the bytes of a byte list.
    text: usize,
    /// Elements of a list.
    items: usize,
    /// After this many bytes of output, no further element is begun.
    line: usize,
}

impl Limits {
    /// One line that a terminal can take.
    pub const LINE: Limits = Limits { text: 64, items: 8, line: 240 };
    /// Everything.
    pub const NONE: Limits = Limits { text: usize::MAX, items: usize::MAX, line: usize::MAX };
}

/// A value as text.
#[must_use]
pub fn value(tree: &Tree, previews: &Previews, limits: Limits) -> String {
    let mut renderer = Renderer { out: String::new(), previews, limits };
    renderer.tree(tree);
    renderer.out
}

/// Arguments with their names, without the parentheses.
#[must_use]
pub fn arguments(args: &Tree, previews: &Previews, limits: Limits) -> String {
    let mut renderer = Renderer { out: String::new(), previews, limits };
    match args {
        Tree::Record(fields) => renderer.fields(fields),
        Tree::List(items) => renderer.items(items),
        other => renderer.tree(other),
    }
    renderer.out
}

struct Renderer<'a> {
    out: String,
    previews: &'a Previews,
    limits: Limits,
}

impl Renderer<'_> {
    fn tree(&mut self, tree: &Tree) {
        match tree {
            Tree::Bool(bit) => self.push(bit),
            Tree::Uint(number) => self.push(number),
            Tree::Int(number) => self.push(number),
            Tree::F32(bits) => self.push(float32(*bits)),
            Tree::F64(bits) => self.push(float64(*bits)),
            Tree::Char(char) => self.push(quoted_char(*char)),
            Tree::Text(text) => self.text(text),
            Tree::Bytes(bytes) => self.bytes(bytes),
            Tree::List(items) => self.wrapped("[", "]", |this| this.items(items)),
            Tree::Tuple(items) => self.wrapped("(", ")", |this| this.items(items)),
            Tree::Record(fields) => self.wrapped("{", "}", |this| this.fields(fields)),
            Tree::Case(name, payload) => self.case(&plain(name), payload.as_deref()),
            Tree::Option(Some(inner)) => self.case("some", Some(inner)),
            Tree::Option(None) => self.push("none"),
            Tree::Flags(names) => {
                let names: Vec<_> = names.iter().map(|name| plain(name)).collect();
                self.push(format_args!("{{{}}}", names.join(", ")));
            }
            Tree::Map(pairs) => self.wrapped("{", "}", |this| {
                this.elements(pairs, |this, (key, value)| {
                    this.tree(key);
                    this.out.push_str(": ");
                    this.tree(value);
                });
            }),
            Tree::Resource { name, number, owned } => {
                let borrow = if *owned { "" } else { "&" };
                self.push(format_args!("{borrow}{}#{number}", plain(name)));
            }
            Tree::Blob(blob) => self.blob(blob),
        }
    }

    fn push(&mut self, shown: impl std::fmt::Display) {
        write!(self.out, "{shown}").expect("a string takes everything");
    }

    fn wrapped(&mut self, open: &str, close: &str, inner: impl FnOnce(&mut Self)) {
        self.out.push_str(open);
        inner(self);
        self.out.push_str(close);
    }

    fn case(&mut self, name: &str, payload: Option<&Tree>) {
        self.out.push_str(name);
        match payload {
            // A tuple brings its own parentheses.
            Some(tuple @ Tree::Tuple(_)) => self.tree(tuple),
            Some(payload) => self.wrapped("(", ")", |this| this.tree(payload)),
            None => {}
        }
    }

    fn fields(&mut self, fields: &[(String, Tree)]) {
        self.elements(fields, |this, (name, value)| {
            this.push(format_args!("{}: ", plain(name)));
            this.tree(value);
        });
    }

    fn items(&mut self, items: &[Tree]) {
        let most = self.limits.items.min(items.len());
        // One more element takes no more room than saying that there is one more.
        let most = if items.len() == most + 1 { items.len() } else { most };
        self.elements(&items[..most], Renderer::tree);
        if most < items.len() && !self.out.ends_with(" more") {
            self.push(format_args!(", ... {} more", amount::count((items.len() - most) as u64)));
        }
    }

    fn elements<T>(&mut self, elements: &[T], mut one: impl FnMut(&mut Self, &T)) {
        for (at, element) in elements.iter().enumerate() {
            if at > 0 {
                self.out.push_str(", ");
            }
            if self.out.len() > self.limits.line {
                self.push(format_args!("... {} more", amount::count((elements.len() - at) as u64)));
                return;
            }
            one(self, element);
        }
    }

    fn text(&mut self, text: &str) {
        match text.char_indices().nth(self.limits.text) {
            Some((end, _)) => {
                let rest = amount::count((text.len() - end) as u64);
                self.push(format_args!("{}... {rest} bytes more", quoted(&text[..end])));
            }
            None => self.push(quoted(text)),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let end = bytes.len().min(self.limits.text / 2);
        // Most byte lists of a program are text, or the beginning of some.
        match std::str::from_utf8(bytes) {
            Ok(text) if is_readable(text) => {
                self.out.push('b');
                self.text(text);
            }
            _ => {
                self.push(format_args!("0x{}", hex(&bytes[..end])));
                if end < bytes.len() {
                    let rest = amount::count((bytes.len() - end) as u64);
                    self.push(format_args!("... {rest} bytes more"));
                }
            }
        }
    }

    fn blob(&mut self, blob: &BlobRef) {
        let digest = blob.pieces.first().map(Hash::short).unwrap_or_default();
        self.push(format_args!("<blob {} {digest}", amount::size(blob.len)));
        match self.previews.get(blob) {
            Some(Some(content)) => {
                // A preview may end in the middle of a character.
                let whole = content.utf8_chunks().next().map_or("", |chunk| chunk.valid());
                self.out.push(' ');
                if is_readable(whole) && whole.len() + 4 > content.len() {
                    self.push(quoted(whole));
                } else {
                    self.push(format_args!("0x{}", hex(&content[..content.len().min(16)])));
                }
                if (content.len() as u64) < blob.len {
                    self.out.push_str("...");
                }
            }
            Some(None) => self.out.push_str(" removed"),
            None => {}
        }
        self.out.push('>');
    }
}

/// Whether the bytes are text that was meant to be read.
#[must_use]
pub fn is_readable(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|char| char.is_control() && !char.is_whitespace())
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a string takes everything");
        out
    })
}

/// The shortest decimal that stands for these bits; a NaN with its bits unless it is the usual one.
#[must_use]
pub fn float32(bits: u32) -> String {
    match f32::from_bits(bits) {
        float if float.is_nan() && bits != 0x7fc0_0000 => format!("nan:{bits:#010x}"),
        float => float_text(float.is_nan(), format!("{float:?}")),
    }
}

/// The same for 64 bits.
#[must_use]
pub fn float64(bits: u64) -> String {
    match f64::from_bits(bits) {
        float if float.is_nan() && bits != 0x7ff8_0000_0000_0000 => format!("nan:{bits:#018x}"),
        float => float_text(float.is_nan(), format!("{float:?}")),
    }
}

fn float_text(is_nan: bool, text: String) -> String {
    if is_nan { "nan".to_owned() } else { text }
}

/// Longer calls are shown in part.
const CALL_CHARS_MAX: usize = 400;

/// A call as text, in part where it is very long.
#[must_use]
pub fn call_in_part(call: &str) -> String {
    match call.char_indices().nth(CALL_CHARS_MAX) {
        None => call.to_owned(),
        Some((end, _)) => {
            let left = amount::counted(call[end..].chars().count() as u64, "character");
            format!("{} ... and {left}", &call[..end])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::Tree;
    use super::{Limits, Previews, float32, float64, value};

    fn line(tree: &Tree) -> String {
        value(tree, &Previews::default(), Limits::LINE)
    }

    #[test]
    fn floats_keep_their_bits() {
        assert_eq!(float32(0x3dcc_cccd), "0.1");
        assert_eq!(float32(0x7fc0_0000), "nan");
        assert_eq!(float32(0xffc0_0001), "nan:0xffc00001");
        assert_eq!(float64((-0.0f64).to_bits()), "-0.0");
        assert_eq!(float64(f64::NEG_INFINITY.to_bits()), "-inf");
        assert_eq!(float64(0x7ff0_0000_0000_0001), "nan:0x7ff0000000000001");
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(line(&Tree::List((0..9).map(Tree::Uint).collect())), {
            "[0, 1, 2, 3, 4, 5, 6, 7, 8]"
        });
        assert_eq!(line(&Tree::List((0..2000).map(Tree::Uint).collect())), {
            "[0, 1, 2, 3, 4, 5, 6, 7, ... 1,992 more]"
        });
        assert_eq!(line(&Tree::text("ä".repeat(70))), {
            format!("\"{}\"... 12 bytes more", "ä".repeat(64))
        });
        assert_eq!(
            line(&Tree::Bytes(vec![0; 40])),
            format!("0x{}... 8 bytes more", "00".repeat(32))
        );
        // However deep the nesting, a line stays a line.
        let mut deep = Tree::text("x".repeat(64));
        for _ in 0..6 {
            deep = Tree::List(vec![deep; 9]);
        }
        assert!(line(&deep).len() < 2000, "{}", line(&deep).len());
    }

    #[test]
    fn names_and_texts_cannot_steer_a_terminal() {
        let evil = "\u{1b}]0;owned\u{7}".to_owned();
        let tree = Tree::Record(vec![
            (evil.clone(), Tree::text(&*evil)),
            ("c".to_owned(), Tree::Case(evil.clone(), None)),
            ("f".to_owned(), Tree::Flags(vec![evil.clone()])),
            ("b".to_owned(), Tree::Bytes(evil.into_bytes())),
        ]);
        let shown = value(&tree, &Previews::default(), Limits::NONE);
        assert!(!shown.contains(char::is_control), "{shown:?}");
    }
}
