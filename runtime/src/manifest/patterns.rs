//! What lists of permissions consist of, and which entry covers which.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::host::{HttpGrant, NetGrant, NetHost};

/// An entry of a list of what is allowed.
pub trait Pattern: fmt::Display + Clone {
    /// Whether everything that the other one allows is allowed by this one too.
    fn covers(&self, other: &Self) -> bool;
}

/// A name, or all names that start like it. As text: `NAME`, `START*` or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// This name.
    Exactly(String),
    /// All names that start like this.
    StartingWith(String),
}

/// A path with everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below(pub PathBuf);

/// A route of an HTTP server with everything below it: `/api` covers `/api/users`, not `/apis`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route(pub String);

/// The method of an HTTP request, in capital letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method(pub String);

/// Text that is none of these.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct PatternError {
    /// What can stand there.
    pub expected: &'static str,
    /// What was written.
    pub found: String,
}

impl Pattern for Name {
    fn covers(&self, other: &Name) -> bool {
        match (self, other) {
            (Name::Exactly(name), Name::Exactly(other)) => name == other,
            (Name::Exactly(_), Name::StartingWith(_)) => false,
            (Name::StartingWith(start), Name::Exactly(other) | Name::StartingWith(other)) => {
                other.starts_with(start.as_str())
            }
        }
    }
}

impl Name {
    /// Whether this is the name, or one of the names.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        self.covers(&Name::Exactly(name.to_owned()))
    }
}

impl FromStr for Name {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Name, PatternError> {
        let (name, is_start) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        if name.contains('*') || text.is_empty() {
            let expected = "a name, or the start of one with a * at its end";
            return Err(PatternError { expected, found: text.to_owned() });
        }
        let name = name.to_owned();
        Ok(if is_start { Name::StartingWith(name) } else { Name::Exactly(name) })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Exactly(name) => f.write_str(name),
            Name::StartingWith(start) => write!(f, "{start}*"),
        }
    }
}

impl Pattern for Below {
    fn covers(&self, other: &Below) -> bool {
        // What leads upwards could end anywhere.
        let is_plain = !other.0.components().any(|part| part == std::path::Component::ParentDir);
        is_plain && other.0.starts_with(&self.0)
    }
}

impl FromStr for Below {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Below, Infallible> {
        Ok(Below(text.into()))
    }
}

impl fmt::Display for Below {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Below {
    /// Whether a path is this one or below it.
    pub(super) fn covers_path(&self, path: &Path) -> bool {
        self.covers(&Below(path.to_owned()))
    }

    /// The path as the file system knows it, with links followed as far as it exists, so that paths
    /// that lead to the same place are the same.
    pub(super) fn real(&self, base_dir: &Path) -> Below {
        Below(real_path(&base_dir.join(&self.0)))
    }
}

/// The path with all links followed, as far as it exists.
pub(crate) fn real_path(path: &Path) -> PathBuf {
    // What begins nowhere begins in the current folder.
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => real_path(parent).join(name),
        // It ends in `..` below something that is not there, or is the root.
        _ => path.to_owned(),
    }
}

impl Pattern for Route {
    fn covers(&self, other: &Route) -> bool {
        let rest = other.0.strip_prefix(self.0.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for Route {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Route, PatternError> {
        let is_plain = text.split('/').all(|part| part != "." && part != "..");
        if !text.starts_with('/') || !is_plain || text.contains(['?', '#', '%', ' ']) {
            let expected = "a route such as /api, without a query or encoded characters";
            return Err(PatternError { expected, found: text.to_owned() });
        }
        Ok(Route(text.to_owned()))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern for Method {
    fn covers(&self, other: &Method) -> bool {
        self == other
    }
}

impl FromStr for Method {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Method, PatternError> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if text.is_empty() || text.len() > 32 || !text.bytes().all(is_token) {
            let expected = "an HTTP method such as GET";
            return Err(PatternError { expected, found: text.to_owned() });
        }
        Ok(Method(text.to_ascii_uppercase()))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern for HttpGrant {
    fn covers(&self, other: &HttpGrant) -> bool {
        is_wider(&self.scheme, &other.scheme)
            && is_wider(&self.host, &other.host)
            && is_wider(&self.port, &other.port)
    }
}

impl Pattern for NetGrant {
    fn covers(&self, other: &NetGrant) -> bool {
        let is_host_covered = match (&self.host, &other.host) {
            (NetHost::Any, _) => true,
            (NetHost::Name(name), NetHost::Name(other)) => name == other,
            (NetHost::Range { start, bits }, NetHost::Range { start: other, bits: other_bits }) => {
                bits <= other_bits && is_in_range(*start, *bits, *other)
            }
            // Which addresses a name has is up to others.
            (NetHost::Name(_) | NetHost::Range { .. }, _) => false,
        };
        is_host_covered && is_wider(&self.port, &other.port)
    }
}

/// `None` stands for all.
fn is_wider<T: PartialEq>(outer: &Option<T>, inner: &Option<T>) -> bool {
    outer.is_none() || outer == inner
}

/// Whether the first bits of both addresses are the same.
fn is_in_range(start: IpAddr, bits: u8, other: IpAddr) -> bool {
    let differ = match (start, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => u128::from(one.to_bits() ^ other.to_bits()) << 96,
        (IpAddr::V6(one), IpAddr::V6(other)) => one.to_bits() ^ other.to_bits(),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    u32::from(bits) <= differ.leading_zeros()
}
