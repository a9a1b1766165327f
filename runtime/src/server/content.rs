//! Bytes of actors as JSON: as text where they are, else in hexadecimal digits.

use serde::{Deserialize, Serialize};

use crate::escape::visible;
use crate::manifest::bytes_of_hex;

/// What an actor has sent, left or kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content {
    /// It is UTF-8.
    Text(String),
    /// It is anything else.
    Hex(String),
}

impl Content {
    pub(crate) fn of(bytes: &[u8]) -> Content {
        match std::str::from_utf8(bytes) {
            Ok(text) => Content::Text(text.to_owned()),
            Err(_) => Content::Hex(bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }

    /// The bytes. Digits that are none stand for nothing; the server writes no such.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Content::Text(text) => text.clone().into_bytes(),
            Content::Hex(hex) => bytes_of_hex(hex).unwrap_or_default(),
        }
    }

    /// The content for people.
    pub(crate) fn shown(&self) -> String {
        match self {
            Content::Text(text) => visible(text),
            Content::Hex(hex) => format!("0x{hex}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Content;

    #[test]
    fn text_stays_text_and_nothing_is_lost() {
        let json = |bytes: &[u8]| serde_json::to_string(&Content::of(bytes)).unwrap();
        assert_eq!(json("é".as_bytes()), r#"{"text":"é"}"#);
        assert_eq!(json(&[0xff, 0]), r#"{"hex":"ff00"}"#);
        assert_eq!(json(&[]), r#"{"text":""}"#);
    }
}
