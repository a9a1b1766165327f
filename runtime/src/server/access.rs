//! Who may use the server.
//!
//! Whoever can reach a server without a token may do everything, so such a server listens on this machine
//! only, and answers no web page: browsers send requests to any address for any page, but say for which
//! host and, where it matters, for which page.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use http::{HeaderMap, header};

use crate::machine;

use super::problem::{Code, Problem};

/// A token has at least this many characters.
const TOKEN_CHARS_MIN: usize = 16;
/// And at most this many.
const TOKEN_CHARS_MAX: usize = 1024;

/// What a client has to show.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or made.
    #[error("cannot read or make the token file {}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There are no random bytes to make one of.
    #[error("cannot make a token")]
    NoRandomness(#[from] machine::NoRandomness),
    /// What was given cannot be sent, or can be guessed.
    #[error(
        "a token has {TOKEN_CHARS_MIN} to {TOKEN_CHARS_MAX} letters, digits and signs of ASCII, without spaces"
    )]
    Unusable,
}

impl Token {
    /// A token from text, such as the content of a file.
    pub fn new(text: &str) -> Result<Token, TokenError> {
        let text = text.trim();
        let has_length = (TOKEN_CHARS_MIN..=TOKEN_CHARS_MAX).contains(&text.len());
        match has_length && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Token(text.to_owned())),
            false => Err(TokenError::Unusable),
        }
    }

    /// The token in a file.
    pub fn read(path: &Path) -> Result<Token, TokenError> {
        let failed = |source| TokenError::File { path: path.to_owned(), source };
        Token::new(&fs::read_to_string(path).map_err(failed)?)
    }

    /// The token in a file, which is made with a new one if there is none; nobody else can read it.
    pub fn read_or_make(path: &Path) -> Result<Token, TokenError> {
        let failed = |source| TokenError::File { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = match options.open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Token::read(path),
            Err(error) => return Err(failed(error)),
        };
        let bytes: [u8; 32] = machine::random()?;
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(file, "{text}").map_err(failed)?;
        Ok(Token(text))
    }

    /// What is sent with each request.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Whether this is what was sent. The time it takes says nothing about the token.
    fn is_shown_by(&self, authorization: &[u8]) -> bool {
        // Hashes are compared in constant time, and say nothing of what they have in common.
        blake3::hash(authorization) == blake3::hash(self.bearer().as_bytes())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// Whether a request may be answered at all.
pub(super) fn check(token: Option<&Token>, headers: &HeaderMap) -> Result<(), Problem> {
    match token {
        Some(token) => {
            let shown = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
            match shown.is_some_and(|shown| token.is_shown_by(shown)) {
                true => Ok(()),
                false => Err(Problem::new(
                    Code::Unauthorized,
                    "this server wants its token, as in Authorization: Bearer TOKEN",
                )),
            }
        }
        None if !is_for_this_machine(headers) => Err(Problem::new(
            Code::Forbidden,
            "the header Host names another host than this one: use 127.0.0.1 or localhost",
        )),
        None if headers.contains_key(header::ORIGIN) => {
            Err(Problem::new(Code::Forbidden, "a server without a token answers no web page"))
        }
        None => Ok(()),
    }
}

/// Whether a request names this machine in a way that nobody else can make a name for.
fn is_for_this_machine(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let Ok(host) = host.to_str() else { return false };
    // An IPv6 address stands in brackets, because it has colons itself.
    let (name, rest) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or(("", "")),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let is_local = name.eq_ignore_ascii_case("localhost")
        || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    is_local && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::{Token, check, is_for_this_machine};

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn only_this_machine_is_this_machine() {
        for host in ["127.0.0.1:9000", "127.0.0.1", "localhost", "LOCALHOST:80", "[::1]:9000"] {
            assert!(is_for_this_machine(&with(header::HOST, host)), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example:9000",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "localhost:",
            "localhost:9000x",
            "[::1",
            "[::1]x",
            "[]",
            "::1",
            "0.0.0.0:9000",
        ] {
            assert!(!is_for_this_machine(&with(header::HOST, host)), "{host}");
        }
        assert!(!is_for_this_machine(&HeaderMap::new()));
    }

    #[test]
    fn no_page_is_answered_without_a_token() {
        let mut headers = with(header::HOST, "localhost");
        assert_eq!(check(None, &headers), Ok(()));
        headers.insert(header::ORIGIN, HeaderValue::from_static("http://localhost:9000"));
        assert!(check(None, &headers).is_err());
    }

    #[test]
    fn nothing_but_the_token_opens() {
        let token = Token::new("0123456789abcdef").unwrap();
        let shown = |value| check(Some(&token), &with(header::AUTHORIZATION, value)).is_ok();
        assert!(shown("Bearer 0123456789abcdef"));
        for wrong in
            ["Bearer 0123456789abcde", "Bearer ", "", "0123456789abcdef", "Basic 0123456789abcdef"]
        {
            assert!(!shown(wrong), "{wrong:?}");
        }
        assert!(check(Some(&token), &HeaderMap::new()).is_err());
        for unusable in ["", "short", "with a space in it ....", "0123456789abcdef\u{e9}"] {
            assert!(Token::new(unusable).is_err(), "{unusable:?}");
        }
    }

    #[test]
    fn a_token_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let made = Token::read_or_make(&path).unwrap();
        assert_eq!(made, Token::read_or_make(&path).unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
