//! Characters and strings: quotes, escapes, and strings over several lines.

use super::cursor::Cursor;
use super::error::WaveError;

/// What opens and closes a string over several lines.
const TRIPLE: &str = "\"\"\"";

impl Cursor<'_> {
    /// Takes a `'c'`.
    pub(super) fn eat_char(&mut self) -> Result<Option<char>, WaveError> {
        let mut start = self.clone();
        if !self.eat('\'') {
            return Ok(None);
        }
        let char = match self.eat_part('\'')? {
            Part::Char(char) => Some(char),
            Part::End | Part::Broken => None,
        };
        match (char, self.eat_part('\'')?) {
            (Some(char), Part::End) => Ok(Some(char)),
            _ => Err(start.wrong("one character in single quotes")),
        }
    }

    /// Takes a string in either form.
    pub(super) fn eat_string(&mut self) -> Result<Option<String>, WaveError> {
        if self.rest().starts_with(TRIPLE) {
            return self.eat_lines().map(Some);
        }
        let mut start = self.clone();
        if !self.eat('"') {
            return Ok(None);
        }
        let mut text = String::new();
        loop {
            match self.eat_part('"')? {
                Part::Char(char) => text.push(char),
                Part::End => return Ok(Some(text)),
                Part::Broken => return Err(start.wrong("a string that ends on its line")),
            }
        }
    }

    /// Takes one character of a quoted piece, or the quote that ends it.
    fn eat_part(&mut self, quote: char) -> Result<Part, WaveError> {
        let rest = self.unskipped();
        let Some(char) = rest.chars().next() else { return Ok(Part::Broken) };
        match char {
            '\n' => Ok(Part::Broken),
            '\\' => {
                let (char, length) = unescape(rest).ok_or_else(|| self.bad_escape())?;
                self.advance(length);
                Ok(Part::Char(char))
            }
            _ => {
                self.advance(char.len_utf8());
                Ok(if char == quote { Part::End } else { Part::Char(char) })
            }
        }
    }

    /// Takes a string over several lines. The blanks before the closing quotes are taken away from
    /// the start of every line; the first and the last line end are not part of the string.
    fn eat_lines(&mut self) -> Result<String, WaveError> {
        let mut start = self.clone();
        self.advance(TRIPLE.len());
        let rest = self.unskipped();
        let Some(end) = rest.find(TRIPLE) else {
            return Err(start.wrong("a string that ends with three quotes"));
        };
        let lines: Vec<&str> = rest[..end].split('\n').collect();
        let [first @ ("" | "\r"), content @ .., indent] = &lines[..] else {
            return Err(start.wrong("a line end after the three quotes that open a string"));
        };
        if indent.contains(|char| char != ' ') {
            return Err(start.wrong("the three quotes that close a string on a line of their own"));
        }
        let mut text = String::new();
        self.advance(first.len());
        for (number, line) in content.iter().enumerate() {
            self.advance("\n".len());
            if number > 0 {
                text.push('\n');
            }
            self.eat_line(line, indent, &mut text)?;
        }
        self.advance("\n".len() + indent.len() + TRIPLE.len());
        Ok(text)
    }

    /// Takes one of several lines, without its end.
    fn eat_line(&mut self, line: &str, indent: &str, text: &mut String) -> Result<(), WaveError> {
        let content = line.strip_suffix('\r').unwrap_or(line);
        // Editors like to take the blanks off an empty line.
        let Some(mut content) = content.strip_prefix(indent).or(content.is_empty().then_some(""))
        else {
            return Err(self.wrong(format!("a line that starts with {} spaces", indent.len())));
        };
        let mut here = self.clone();
        here.advance(indent.len().min(line.len()));
        while let Some(char) = content.chars().next() {
            let (char, length) = match char {
                '\\' => unescape(content).ok_or_else(|| here.bad_escape())?,
                _ => (char, char.len_utf8()),
            };
            text.push(char);
            here.advance(length);
            content = &content[length..];
        }
        self.advance(line.len());
        Ok(())
    }

    fn bad_escape(&mut self) -> WaveError {
        self.wrong(r#"an escape, one of \\ \" \' \n \r \t \u{...}"#)
    }
}

/// What comes next within quotes.
enum Part {
    Char(char),
    End,
    /// The end of the line or of the text.
    Broken,
}

/// The character that the escape at the start of the text stands for, and how long the escape is.
fn unescape(text: &str) -> Option<(char, usize)> {
    let short = match text.as_bytes().get(1)? {
        b'\\' => '\\',
        b'"' => '"',
        b'\'' => '\'',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let digits = text.strip_prefix("\\u{")?;
            let digits = &digits[..digits.find('}')?];
            let fits = (1..=6).contains(&digits.len())
                && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
            let code = u32::from_str_radix(digits, 16).ok().filter(|_| fits)?;
            return Some((char::from_u32(code)?, "\\u{}".len() + digits.len()));
        }
        _ => return None,
    };
    Some((short, 2))
}
