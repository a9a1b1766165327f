//! As much of JSON as an agent needs to understand a plan and to write down a request.

use std::fmt;

/// A JSON value. Numbers stay as they were written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// How deep a value may be nested.
const DEPTH_MAX: usize = 32;

impl Json {
    /// The value that a text describes, and nothing but one.
    pub(crate) fn parse(text: &str) -> Result<Json, String> {
        let mut parser = Parser { rest: text, length: text.len() };
        let value = parser.value(0)?;
        parser.skip_white_space();
        if parser.rest.is_empty() { Ok(value) } else { Err(parser.error("something follows")) }
    }

    /// The member of an object.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        match self {
            Json::Object(members) => {
                members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => None,
        }
    }

    /// The member of an object, if it is a text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Json::Text(text) => Some(text),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => None,
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Json::Null => f.write_str("null"),
            Json::Bool(value) => write!(f, "{value}"),
            Json::Number(number) => f.write_str(number),
            Json::Text(text) => write_text(f, text),
            Json::List(values) => {
                f.write_str("[")?;
                for (place, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if place == 0 { "" } else { "," })?;
                }
                f.write_str("]")
            }
            Json::Object(members) => {
                f.write_str("{")?;
                for (place, (name, value)) in members.iter().enumerate() {
                    f.write_str(if place == 0 { "" } else { "," })?;
                    write_text(f, name)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for character in text.chars() {
        match character {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

struct Parser<'a> {
    rest: &'a str,
    length: usize,
}

impl Parser<'_> {
    fn value(&mut self, depth: usize) -> Result<Json, String> {
        if depth > DEPTH_MAX {
            return Err(self.error("nested too deep"));
        }
        self.skip_white_space();
        for (word, value) in
            [("null", Json::Null), ("true", Json::Bool(true)), ("false", Json::Bool(false))]
        {
            if self.take(word) {
                return Ok(value);
            }
        }
        match self.rest.chars().next() {
            Some('"') => Ok(Json::Text(self.string()?)),
            Some('[') => self.list(depth),
            Some('{') => self.object(depth),
            Some('-' | '0'..='9') => Ok(self.number()),
            Some(_) => Err(self.error("not a value")),
            None => Err(self.error("a value is missing")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, String> {
        let mut values = Vec::new();
        self.expect("[")?;
        if !self.take("]") {
            loop {
                values.push(self.value(depth + 1)?);
                if self.take("]") {
                    break;
                }
                self.expect(",")?;
            }
        }
        Ok(Json::List(values))
    }

    fn object(&mut self, depth: usize) -> Result<Json, String> {
        let mut members = Vec::new();
        self.expect("{")?;
        if !self.take("}") {
            loop {
                self.skip_white_space();
                let name = self.string()?;
                self.expect(":")?;
                members.push((name, self.value(depth + 1)?));
                if self.take("}") {
                    break;
                }
                self.expect(",")?;
            }
        }
        Ok(Json::Object(members))
    }

    fn number(&mut self) -> Json {
        let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
        let end = self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        Json::Number(number.to_owned())
    }

    fn string(&mut self) -> Result<String, String> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            match self.next()? {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                c => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, String> {
        Ok(match self.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'u' => self.code_point()?,
            c @ ('"' | '\\' | '/') => c,
            _ => return Err(self.error("not an escape")),
        })
    }

    /// The character that is written as one `\u`, or as two of them.
    fn code_point(&mut self) -> Result<char, String> {
        let first = self.four_digits()?;
        let code = if (0xd800..0xdc00).contains(&first) && self.rest.starts_with("\\u") {
            self.rest = &self.rest[2..];
            let second = self.four_digits()?;
            0x10000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff)
        } else {
            first
        };
        Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_digits(&mut self) -> Result<u32, String> {
        let digits = self.rest.get(..4).ok_or_else(|| self.error("four digits are missing"))?;
        let code = u32::from_str_radix(digits, 16).map_err(|_| self.error("not four digits"))?;
        self.rest = &self.rest[4..];
        Ok(code)
    }

    fn next(&mut self) -> Result<char, String> {
        let mut characters = self.rest.chars();
        let next = characters.next().ok_or_else(|| self.error("a text does not end"))?;
        self.rest = characters.as_str();
        Ok(next)
    }

    fn skip_white_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Goes past a token if it is the next.
    fn take(&mut self, token: &str) -> bool {
        self.skip_white_space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(self.error(&format!("{token} is missing"))) }
    }

    fn error(&self, what: &str) -> String {
        format!("{what} at byte {}", self.length - self.rest.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn what_is_parsed_is_written_the_same() {
        for text in
            [r#"{"a":[1,-2.5e3,true,null],"b":{"c":"x\"\\\n"}}"#, "[]", "{}", r#""\u0001é""#]
        {
            assert_eq!(Json::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Json::parse(r#" "\ud83d\ude00" "#), Ok(Json::Text("😀".to_owned())));
    }

    #[test]
    fn what_is_not_json_is_refused_with_the_place() {
        let deep = "[".repeat(40);
        for (text, error) in [
            ("", "a value is missing at byte 0"),
            ("[1 2]", ", is missing at byte 3"),
            ("{\"a\"}", ": is missing at byte 4"),
            ("\"a", "a text does not end at byte 2"),
            ("1 x", "something follows at byte 2"),
            ("\"\\u00\"", "four digits are missing at byte 3"),
            (&deep, "nested too deep at byte 33"),
        ] {
            assert_eq!(Json::parse(text).unwrap_err(), error, "{text}");
        }
    }
}
