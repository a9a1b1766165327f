//! The names of actors: unique for ever, and in the order in which they were given.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The name of an actor, a UUID of version 7.
///
/// The time and the randomness in it are handed in, so that who replays can hand in the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ActorId([u8; 16]);

/// Text that is not an actor's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an actor's id, which looks like 019aa8f2-6c50-7d3e-9a41-0242ac120002")]
pub struct NotAnActorId(String);

impl ActorId {
    /// The id that belongs to a time, in milliseconds since the Unix epoch, and random bytes.
    #[must_use]
    pub fn new(unix_ms: u64, random: [u8; 10]) -> ActorId {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&unix_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        // Version 7, and the variant that every such id has.
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        ActorId(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for ActorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl From<ActorId> for String {
    fn from(id: ActorId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for ActorId {
    type Error = NotAnActorId;

    fn try_from(text: String) -> Result<ActorId, NotAnActorId> {
        text.parse()
    }
}

impl FromStr for ActorId {
    type Err = NotAnActorId;

    fn from_str(text: &str) -> Result<ActorId, NotAnActorId> {
        let wrong = || NotAnActorId(text.chars().take(64).collect());
        let is_dash = |(at, byte): (usize, u8)| matches!(at, 8 | 13 | 18 | 23) == (byte == b'-');
        if text.len() != 36 || !text.bytes().enumerate().all(is_dash) {
            return Err(wrong());
        }
        let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |digit: u8| char::from(digit).to_digit(16).ok_or_else(wrong);
            *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
        }
        Ok(ActorId(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::ActorId;

    proptest! {
        #[test]
        fn ids_are_read_as_they_are_written(unix_ms in 0..1_u64 << 48, random: [u8; 10]) {
            let id = ActorId::new(unix_ms, random);
            let text = id.to_string();
            prop_assert_eq!(text.parse(), Ok(id));
            prop_assert_eq!(&text[14..15], "7");
            prop_assert!("89ab".contains(&text[19..20]));
        }

        #[test]
        fn later_ids_sort_behind(early in 0..1_u64 << 47, more in 1..1_u64 << 47, random: [[u8; 10]; 2]) {
            prop_assert!(ActorId::new(early, random[0]) < ActorId::new(early + more, random[1]));
        }

        #[test]
        fn nothing_else_is_an_id(text in "[0-9a-g-]{0,40}") {
            if let Ok(id) = text.parse::<ActorId>() {
                prop_assert_eq!(id.to_string(), text.to_lowercase());
            }
        }
    }
}
