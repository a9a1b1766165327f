//! Text from a chain, and the names of files, are written by strangers: nothing in them may move the
//! cursor of a terminal.

use std::fmt::Write;
use std::path::Path;

/// Whether a character is invisible or steers a terminal, and so must be spelled out.
///
/// Besides control characters these are the ones that reorder or join what stands around them.
#[must_use]
pub fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// The text in quotes, with escapes where they are needed to read it back.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    text.chars().for_each(|char| push_escaped(&mut out, char, '"'));
    out.push('"');
    out
}

/// One character in single quotes.
#[must_use]
pub fn quoted_char(char: char) -> String {
    let mut out = String::from("'");
    push_escaped(&mut out, char, '\'');
    out.push('\'');
    out
}

/// A name or a sentence as it is, unless something in it must be spelled out.
#[must_use]
pub fn plain(text: &str) -> String {
    if text.chars().any(is_hidden) { quoted(text) } else { text.to_owned() }
}

/// Sentences as they are, line breaks included, with everything else that is hidden spelled out.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' => out.push('\n'),
            char if is_hidden(char) => push_code(&mut out, char),
            char => out.push(char),
        }
    }
    out
}

/// A path as it can be pasted after a command.
#[must_use]
pub fn argument(path: &Path) -> String {
    let path = path.display().to_string();
    let is_usual = |char: char| char.is_alphanumeric() || "-_./:+@%,\\".contains(char);
    if !path.is_empty() && path.chars().all(is_usual) {
        path
    } else {
        plain(&format!("'{}'", path.replace('\'', r"'\''")))
    }
}

fn push_escaped(out: &mut String, char: char, quote: char) {
    match char {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\\' => out.push_str("\\\\"),
        char if char == quote => {
            out.push('\\');
            out.push(char);
        }
        char if is_hidden(char) => push_code(out, char),
        char => out.push(char),
    }
}

fn push_code(out: &mut String, char: char) {
    write!(out, "\\u{{{:x}}}", u32::from(char)).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{argument, is_hidden, plain, quoted, quoted_char, visible};

    #[test]
    fn escapes_are_the_ones_people_know() {
        assert_eq!(quoted("a\"b\\c\n\u{1b}[2J\u{9b}é"), r#""a\"b\\c\n\u{1b}[2J\u{9b}é""#);
        assert_eq!(quoted_char('\''), r"'\''");
        assert_eq!(plain("it's \"fine\""), "it's \"fine\"");
        assert_eq!(plain("\u{202e}txt"), "\"\\u{202e}txt\"");
    }

    #[test]
    fn arguments_can_be_pasted() {
        assert_eq!(argument("a/b-1.chain.cbor".as_ref()), "a/b-1.chain.cbor");
        assert_eq!(argument("it's here".as_ref()), r"'it'\''s here'");
    }

    proptest! {
        #[test]
        fn nothing_hidden_comes_out(text in any::<String>()) {
            prop_assert!(!quoted(&text).chars().any(is_hidden));
            prop_assert!(!plain(&text).chars().any(is_hidden));
            prop_assert!(!visible(&text).chars().any(|char| is_hidden(char) && char != '\n'));
        }
    }
}
