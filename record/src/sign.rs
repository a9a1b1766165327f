//! Signatures over records, and keys that are gone once they were used.
//!
//! A signature is Ed25519 over the `Sig_structure` of COSE (RFC 9052) with a detached payload: the
//! record's body up to the signature field. Any COSE library can check one.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signer, VerifyingKey};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::cbor::Encoder;
use crate::event::Kind;
use crate::hash::{ParseHashError, parse_hex, write_hex};

/// The protected header `{1: -8}`: the algorithm is EdDSA.
const COSE_PROTECTED: [u8; 3] = [0xa1, 0x01, 0x27];
/// A signature field as stored: a two-byte head and 64 bytes.
const SIGNATURE_FIELD_BYTES: usize = 66;
/// A digest field as stored: a two-byte head and 32 bytes.
pub(crate) const DIGEST_FIELD_BYTES: usize = 34;

/// The public half of an Ed25519 key. Its text form is `ed25519:` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    const PREFIX: &'static str = "ed25519:";

    /// Whether `signature` over the record body's signed part was made by this key.
    ///
    /// `kind` says where in the body the signature field stands. `false` for a kind that is never
    /// signed, for a body too short to hold a signature and for a key that is no curve point.
    #[must_use]
    pub fn verifies(&self, kind: Kind, body: &[u8]) -> bool {
        let Some((payload, signature)) = split_signature(kind, body) else { return false };
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(&cose_message(payload), &signature).is_ok()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PublicKey::PREFIX)?;
        write_hex(f, &self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicKey {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<PublicKey, ParseHashError> {
        parse_hex(text.strip_prefix(PublicKey::PREFIX).unwrap_or(text)).map(PublicKey)
    }
}

/// An Ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

/// The secret half of a key that signs one checkpoint. Dropping it erases it.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key with these secret bytes.
    #[must_use]
    pub fn from_secret(mut secret: [u8; 32]) -> SigningKey {
        let key = SigningKey(ed25519_dalek::SigningKey::from_bytes(&secret));
        secret.zeroize();
        key
    }

    /// What others check its signatures with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// Signs an encoded body in place; its signature field must already be there, with any content.
    ///
    /// # Panics
    /// If records of this kind are never signed or the body has no room for a signature.
    pub(crate) fn sign_body(&self, kind: Kind, body: &mut [u8]) {
        let (payload, _) = split_signature(kind, body).expect("the body was encoded to be signed");
        let end = payload.len() + SIGNATURE_FIELD_BYTES;
        let signature = self.0.sign(&cose_message(payload));
        body[end - 64..end].copy_from_slice(&signature.to_bytes());
    }
}

/// The long-term key of a person or a machine, which vouches for headers and recoveries.
///
/// Its text form is one line, `ed25519-secret:` and 64 hexadecimal digits.
pub struct IdentityKey(SigningKey);

impl IdentityKey {
    const PREFIX: &'static str = "ed25519-secret:";

    /// The key with these secret bytes.
    #[must_use]
    pub fn from_secret(secret: [u8; 32]) -> IdentityKey {
        IdentityKey(SigningKey::from_secret(secret))
    }

    /// What others check its signatures with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.0.public()
    }

    /// The secret as one line of text, to be stored where only its owner can read it.
    #[must_use]
    pub fn to_secret_text(&self) -> String {
        let mut text = IdentityKey::PREFIX.to_owned();
        for byte in self.0.0.as_bytes() {
            text.push_str(&format!("{byte:02x}"));
        }
        text.push('\n');
        text
    }

    /// Reads the line that [`IdentityKey::to_secret_text`] made.
    pub fn from_secret_text(text: &str) -> Result<IdentityKey, ParseHashError> {
        let text = text.trim();
        let digits = text.strip_prefix(IdentityKey::PREFIX).ok_or_else(ParseHashError::hidden)?;
        let secret = parse_hex(digits).map_err(|_| ParseHashError::hidden())?;
        Ok(IdentityKey::from_secret(secret))
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.0
    }
}

/// Thirty-two secret bytes from which a recorder draws everything that looks random.
///
/// Each draw replaces the seed by a one-way function of itself, so what was drawn before cannot
/// be found out from what is in memory now. Two recorders with equal seeds draw equal bytes.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

impl Seed {
    /// A seed made of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Seed {
        Seed(bytes)
    }

    /// Draws 32 bytes and forgets how.
    #[must_use]
    pub fn draw(&mut self) -> [u8; 32] {
        let drawn = blake3::derive_key("theater seed v1 draw", &self.0);
        let next = blake3::derive_key("theater seed v1 next", &self.0);
        self.0.zeroize();
        self.0 = next;
        drawn
    }
}

/// Splits a body into the part that is signed and the signature.
fn split_signature(kind: Kind, body: &[u8]) -> Option<(&[u8], Signature)> {
    let after = match kind {
        Kind::Header | Kind::Checkpoint | Kind::Recover => 0,
        Kind::Close => DIGEST_FIELD_BYTES,
        Kind::Type
        | Kind::Function
        | Kind::ExportCall
        | Kind::ImportCall
        | Kind::ImportReturn
        | Kind::ExportReturn
        | Kind::ResourceDrop
        | Kind::Lifecycle
        | Kind::Permission => return None,
    };
    let start = body.len().checked_sub(after + SIGNATURE_FIELD_BYTES)?;
    let signature = body[start..].strip_prefix(&[0x58, 64])?.first_chunk()?;
    Some((&body[..start], Signature(*signature)))
}

/// COSE's `["Signature1", protected, external_aad, payload]`.
fn cose_message(payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(payload.len() + 24);
    let mut out = Encoder(&mut message);
    out.array(4);
    out.text("Signature1");
    out.bytes(&COSE_PROTECTED);
    out.bytes(&[]);
    out.bytes(payload);
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_never_repeats_and_is_reproducible() {
        let (mut one, mut two) = (Seed::new([7; 32]), Seed::new([7; 32]));
        let drawn: Vec<_> = (0..4).map(|_| one.draw()).collect();
        assert_eq!(drawn, (0..4).map(|_| two.draw()).collect::<Vec<_>>());
        assert!(drawn.iter().enumerate().all(|(at, bytes)| !drawn[..at].contains(bytes)));
    }

    #[test]
    fn identity_keys_survive_their_text_form() {
        let key = IdentityKey::from_secret([9; 32]);
        let again = IdentityKey::from_secret_text(&key.to_secret_text()).unwrap();
        assert_eq!(key.public(), again.public());
        assert_eq!(key.public().to_string().parse::<PublicKey>().unwrap(), key.public());
        assert!(IdentityKey::from_secret_text("ed25519-secret:12").is_err());
    }
}
