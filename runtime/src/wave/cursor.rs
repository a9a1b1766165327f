//! A place in typed text, and the small pieces that can stand there.

use super::error::{Position, WaveError};

/// How much of what was found is shown, in characters.
const SHOWN_MAX: usize = 24;

/// Moves over text from token to token.
#[derive(Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    pub(super) fn new(text: &'t str, at: usize) -> Cursor<'t> {
        Cursor { text, at }
    }

    /// The byte of the text at which the next token starts.
    pub(super) fn token_start(&mut self) -> usize {
        self.skip_blanks();
        self.at
    }

    /// What is left, with the blanks before the next token skipped.
    pub(super) fn rest(&mut self) -> &'t str {
        self.skip_blanks();
        &self.text[self.at..]
    }

    /// Moves on by so many bytes.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Takes this character if it comes next.
    pub(super) fn eat(&mut self, char: char) -> bool {
        let comes = self.rest().starts_with(char);
        if comes {
            self.advance(char.len_utf8());
        }
        comes
    }

    /// The word that comes next, without taking it: a number, a keyword or a name. May be empty.
    pub(super) fn word(&mut self) -> &'t str {
        let rest = self.rest();
        let is_part = |char: char| char.is_ascii_alphanumeric() || "%+-._".contains(char);
        &rest[..rest.find(|char| !is_part(char)).unwrap_or(rest.len())]
    }

    /// Takes this keyword if it comes next.
    pub(super) fn eat_word(&mut self, keyword: &str) -> bool {
        let comes = self.word() == keyword;
        if comes {
            self.advance(keyword.len());
        }
        comes
    }

    /// Takes the name that comes next, if one does; its `%` is no part of it.
    pub(super) fn eat_name(&mut self) -> Option<&'t str> {
        let word = self.word();
        let name = word.strip_prefix('%').unwrap_or(word);
        let is_name = name.starts_with(|char: char| char.is_ascii_alphabetic())
            && name.chars().all(|char| char.is_ascii_alphanumeric() || char == '-');
        if !is_name {
            return None;
        }
        self.advance(word.len());
        Some(name)
    }

    /// The error that something else should stand here.
    pub(super) fn wrong(&mut self, expected: impl Into<String>) -> WaveError {
        let at = self.token_start();
        WaveError::expected(expected, self.text, at)
    }

    /// Where a byte of the text stands, for people.
    pub(super) fn position(&self, at: usize) -> Position {
        Position::of(self.text, at)
    }

    /// Where the closing character stands that was just taken.
    pub(super) fn closing_position(&self) -> Position {
        Position::of(self.text, self.at - 1)
    }

    /// What is left, blanks included.
    pub(super) fn unskipped(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The token that comes next, as it can be shown within a sentence.
    pub(super) fn shown(&mut self) -> String {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return "the end".to_owned() };
        let length = match first {
            quote @ ('"' | '\'') => quoted_length(rest, quote),
            _ => self.word().len().max(first.len_utf8()),
        };
        let token = &rest[..length];
        match token.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}...", &token[..end]),
            None => token.to_owned(),
        }
        .replace(char::is_control, " ")
    }

    /// Skips white space, and comments to the end of their lines.
    fn skip_blanks(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            let token = rest.trim_start_matches([' ', '\t', '\r', '\n']);
            self.at += rest.len() - token.len();
            if !token.starts_with("//") {
                return;
            }
            self.at += token.find('\n').unwrap_or(token.len());
        }
    }
}

/// How many bytes a quoted piece at the start of the text takes, as far as it can be told.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, char) in text.char_indices().skip(1) {
        match char {
            '\n' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if char == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    text.len()
}
