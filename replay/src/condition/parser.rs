//! Reads conditions by recursive descent; the grammar stands at the top of `condition.rs`.

use super::{Condition, ConditionError, OPS, Op, is_bare, is_keyword};
use crate::tree::PathStep;

/// Nesting deeper than this is refused, so that no condition can exhaust the stack.
const DEPTH_MAX: usize = 64;

/// A place in the text of a condition.
pub(crate) struct Parser<'a> {
    /// What the condition is called in messages.
    name: &'static str,
    text: &'a str,
    at: usize,
}

/// Reads one test; where it stands, a space may come first.
type ReadTest<T> = fn(&mut Parser<'_>) -> Result<T, ConditionError>;

impl<'a> Parser<'a> {
    /// Starts at the first character.
    pub(crate) fn new(name: &'static str, text: &'a str) -> Parser<'a> {
        Parser { name, text, at: 0 }
    }

    /// Reads a condition up to the end of the text.
    pub(crate) fn condition<T>(
        mut self,
        test: ReadTest<T>,
    ) -> Result<Condition<T>, ConditionError> {
        let condition = self.expr(DEPTH_MAX, test)?;
        self.skip_space();
        if self.at < self.text.len() {
            return Err(self.error("expected `and`, `or` or the end"));
        }
        Ok(condition)
    }

    fn expr<T>(&mut self, depth: usize, test: ReadTest<T>) -> Result<Condition<T>, ConditionError> {
        let mut parts = vec![self.term(depth, test)?];
        while self.keyword("or") {
            parts.push(self.term(depth, test)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::Or(parts) })
    }

    fn term<T>(&mut self, depth: usize, test: ReadTest<T>) -> Result<Condition<T>, ConditionError> {
        let mut parts = vec![self.factor(depth, test)?];
        while self.keyword("and") {
            parts.push(self.factor(depth, test)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Condition::And(parts) })
    }

    fn factor<T>(
        &mut self,
        depth: usize,
        test: ReadTest<T>,
    ) -> Result<Condition<T>, ConditionError> {
        if depth == 0 {
            return Err(self.error("too deeply nested"));
        }
        if self.keyword("not") {
            return Ok(Condition::Not(Box::new(self.factor(depth - 1, test)?)));
        }
        if self.symbol("(") {
            let inner = self.expr(depth - 1, test)?;
            if !self.symbol(")") {
                return Err(self.error("expected `)`"));
            }
            return Ok(inner);
        }
        test(self).map(Condition::Test)
    }

    /// Reads one of the operators.
    pub(crate) fn op(&mut self) -> Result<Op, ConditionError> {
        self.skip_space();
        let op = OPS.iter().find(|(spelling, _)| self.symbol(spelling)).map(|(_, op)| *op);
        op.ok_or_else(|| self.error("expected one of = != ~ < <= > >="))
    }

    /// Reads the rest of a path to a value, behind its first name.
    pub(crate) fn path(&mut self) -> Result<Vec<PathStep>, ConditionError> {
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

    /// Reads a name; the message says what was expected if there is none.
    pub(crate) fn name(&mut self, expected: &str) -> Result<String, ConditionError> {
        let name = self.take(|char| char.is_ascii_alphanumeric() || matches!(char, '_' | '-'));
        if name.is_empty() { Err(self.error(expected)) } else { Ok(name) }
    }

    /// Reads the value behind an operator.
    pub(crate) fn value(&mut self) -> Result<String, ConditionError> {
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

    /// Goes on to what is no space, and says where that is.
    pub(crate) fn skip_space(&mut self) -> usize {
        self.take(char::is_whitespace);
        self.at
    }

    /// A mistake at the place that was come to.
    fn error(&self, message: &str) -> ConditionError {
        self.error_at(self.at, message)
    }

    /// A mistake somewhere before.
    pub(crate) fn error_at(&self, at: usize, message: &str) -> ConditionError {
        ConditionError {
            text: self.text.to_owned(),
            column: self.text[..at].chars().count() + 1,
            message: format!("in {}: {message}", self.name),
        }
    }
}
