//! Reads filters by recursive descent; the grammar stands at the top of `filter.rs`.

use super::{Filter, FilterError, OPS, ROOTS, Test, is_bare, is_keyword};
use crate::tree::PathStep;

/// Nesting deeper than this is refused, so that no filter can exhaust the stack.
const DEPTH_MAX: usize = 64;

/// A place in the text of a filter.
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    /// Starts at the first character.
    pub(super) fn new(text: &'a str) -> Parser<'a> {
        Parser { text, at: 0 }
    }

    /// Reads a filter up to the end of the text.
    pub(super) fn filter(mut self) -> Result<Filter, FilterError> {
        let filter = self.expr(DEPTH_MAX)?;
        self.skip_space();
        if self.at < self.text.len() {
            return Err(self.error("expected `and`, `or` or the end"));
        }
        Ok(filter)
    }

    fn expr(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut parts = vec![self.term(depth)?];
        while self.keyword("or") {
            parts.push(self.term(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn term(&mut self, depth: usize) -> Result<Filter, FilterError> {
        let mut parts = vec![self.factor(depth)?];
        while self.keyword("and") {
            parts.push(self.factor(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    fn factor(&mut self, depth: usize) -> Result<Filter, FilterError> {
        if depth == 0 {
            return Err(self.error("too deeply nested"));
        }
        if self.keyword("not") {
            return Ok(Filter::Not(Box::new(self.factor(depth - 1)?)));
        }
        if self.symbol("(") {
            let inner = self.expr(depth - 1)?;
            if !self.symbol(")") {
                return Err(self.error("expected `)`"));
            }
            return Ok(inner);
        }
        self.test().map(Filter::Test)
    }

    fn test(&mut self) -> Result<Test, FilterError> {
        self.skip_space();
        let start = self.at;
        let root = self.name("expected a field, such as `kind` or `args.path`")?;
        if ROOTS.split(' ').all(|known| known != root) {
            self.at = start;
            return Err(self.error(
                "unknown field; the most used are kind, interface, function, seq, args, result, \
                 trap, capability and allowed",
            ));
        }
        let rest = self.path()?;
        self.skip_space();
        let op = OPS.iter().find(|(spelling, _)| self.symbol(spelling)).map(|(_, op)| *op);
        let op = op.ok_or_else(|| self.error("expected one of = != ~ < <= > >="))?;
        self.skip_space();
        let start = self.at;
        let value = self.value()?;
        let test = Test { root, rest, op, value };
        if let Err(message) = test.check() {
            self.at = start;
            return Err(self.error(&message));
        }
        Ok(test)
    }

    fn path(&mut self) -> Result<Vec<PathStep>, FilterError> {
        let mut path = Vec::new();
        loop {
            // No spaces inside a path: `args .x` is a mistake.
            if self.text[self.at..].starts_with('.') {
                self.at += 1;
                path.push(PathStep::Name(self.name("expected a field name after `.`")?));
            } else if self.text[self.at..].starts_with('[') {
                self.at += 1;
                let digits = self.take(|char| char.is_ascii_digit());
                let index = digits.parse();
                let index = index.map_err(|_| self.error("expected a number after `[`"))?;
                if !self.text[self.at..].starts_with(']') {
                    return Err(self.error("expected `]`"));
                }
                self.at += 1;
                path.push(PathStep::Index(index));
            } else {
                return Ok(path);
            }
        }
    }

    fn name(&mut self, expected: &str) -> Result<String, FilterError> {
        let name = self.take(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
        if name.is_empty() { Err(self.error(expected)) } else { Ok(name) }
    }

    fn value(&mut self) -> Result<String, FilterError> {
        if !self.text[self.at..].starts_with('"') {
            let word = self.take(is_bare);
            return if word.is_empty() || is_keyword(&word) {
                self.at -= word.len();
                Err(self.error("expected a value; put it in \"quotes\" if it is unusual"))
            } else {
                Ok(word)
            };
        }
        let mut value = String::new();
        let mut chars = self.text[self.at + 1..].char_indices();
        while let Some((at, char)) = chars.next() {
            match char {
                '"' => {
                    self.at += 1 + at + 1;
                    return Ok(value);
                }
                '\\' => match chars.next() {
                    Some((_, escaped @ ('"' | '\\'))) => value.push(escaped),
                    _ => {
                        self.at += 1 + at;
                        return Err(self.error("only \\\" and \\\\ can be escaped"));
                    }
                },
                char => value.push(char),
            }
        }
        Err(self.error("the quote that starts here has no end"))
    }

    fn take(&mut self, belongs: impl Fn(char) -> bool) -> String {
        let rest = &self.text[self.at..];
        let end = rest.find(|char| !belongs(char)).unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_owned()
    }

    fn symbol(&mut self, symbol: &str) -> bool {
        self.skip_space();
        let found = self.text[self.at..].starts_with(symbol);
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn keyword(&mut self, keyword: &str) -> bool {
        self.skip_space();
        let rest = &self.text[self.at..];
        let word = rest.find(|char: char| !is_bare(char)).map_or(rest, |end| &rest[..end]);
        let found = word == keyword;
        if found {
            self.at += keyword.len();
        }
        found
    }

    fn skip_space(&mut self) {
        self.take(char::is_whitespace);
    }

    fn error(&self, message: &str) -> FilterError {
        FilterError {
            text: self.text.to_owned(),
            column: self.text[..self.at].chars().count() + 1,
            message: format!("in the filter: {message}"),
        }
    }
}
