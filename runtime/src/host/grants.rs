//! What a component may have, as data and as people write it on a command line.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::HostError;
use super::ceilings::Ceiling;
use super::liberties::Liberties;
use super::stdio::{Input, Output};
use crate::manifest::real_path;

/// Everything that one component is granted. The default is nothing.
#[derive(Debug, Clone, Default)]
pub struct Grants {
    /// Its arguments, the name of the program first.
    pub args: Vec<String>,
    /// Its environment variables.
    pub env: Vec<(String, String)>,
    /// Directories it may use.
    pub dirs: Vec<DirGrant>,
    /// Its input.
    pub stdin: Input,
    /// Its output.
    pub stdout: Output,
    /// Its messages.
    pub stderr: Output,
    /// Addresses it may talk to.
    pub net: Vec<NetGrant>,
    /// HTTP servers it may send requests to.
    pub http: Vec<HttpGrant>,
    /// An address that it must not reach whatever else is granted: that of a server that would give it more.
    pub closed: Option<SocketAddr>,
    /// Where its randomness comes from.
    pub random: Random,
    /// How many random bytes it may draw at a time.
    pub chance: Ceiling,
    /// What its clocks show.
    pub clocks: Clocks,
    /// How many nanoseconds it may wait for a clock at a time.
    pub waiting: Ceiling,
    /// What the host does where WASI leaves it free. No command line grants that: it is for
    /// experiments.
    pub liberties: Liberties,
}

impl Grants {
    /// Succeeds if no path leads elsewhere by now, over a link, than where it led when it was granted.
    pub(crate) fn check_paths(&self) -> Result<(), HostError> {
        let dirs = self.dirs.iter().map(|dir| &dir.host);
        let streams = [self.stdin.file(), self.stdout.file(), self.stderr.file()];
        let moved = |path: &&PathBuf| path.is_symlink() || real_path(path) != **path;
        match dirs.chain(streams.into_iter().flatten()).find(moved) {
            Some(path) => Err(HostError::Moved { path: path.clone() }),
            None => Ok(()),
        }
    }
}

/// A directory that a component may use. As text: `HOST::GUEST`, `HOST::GUEST:ro`, or `DIR` alone
/// for the same name on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirGrant {
    /// The directory.
    pub host: PathBuf,
    /// The name by which the component knows it.
    pub guest: String,
    /// Whether nothing in it may be changed.
    pub read_only: bool,
}

/// Addresses that a component may talk to, or listen on. As text: `HOST` or `HOST:PORT`, where the
/// host is a name, an IP address, a range such as `10.0.0.0/8`, or `*`. IPv6 with a port takes
/// brackets: `[::1]:80`. Without a port, every port is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetGrant {
    /// Which hosts.
    pub host: NetHost,
    /// Which port; `None` for all.
    pub port: Option<u16>,
}

/// The hosts of a [`NetGrant`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetHost {
    /// All.
    Any,
    /// The addresses that this name has. It may be looked up. In lower case.
    Name(String),
    /// The addresses whose first `bits` bits are those of `start`.
    Range {
        /// An address of the range.
        start: IpAddr,
        /// How many bits count.
        bits: u8,
    },
}

/// HTTP servers that a component may send requests to. As text: `HOST`, `HOST:PORT` or `*`, each
/// also after `http://` or `https://`.
///
/// Without a scheme and without a port, both schemes and every port are granted. With a scheme it is
/// an origin as browsers know it: no port means the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpGrant {
    /// The scheme; `None` for both.
    pub scheme: Option<HttpScheme>,
    /// The host, in lower case; `None` for all. IPv6 addresses are in brackets.
    pub host: Option<String>,
    /// The port; `None` for all.
    pub port: Option<u16>,
}

/// The schemes that HTTP requests can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HttpScheme {
    /// Plain text.
    Http,
    /// Over TLS.
    Https,
}

/// Where randomness comes from. As text: `system` or `seed:N`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Random {
    /// From the operating system.
    #[default]
    System,
    /// From a seed: every run gets the same. Nothing secret can come of it.
    Seeded(u64),
}

/// What clocks show. As text: `system`, `fixed:START` or `fixed:START+STEP`, in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clocks {
    /// The time.
    #[default]
    System,
    /// The wall clock starts at `start_ns` after the Unix epoch, the monotonic clock at zero. Each
    /// goes on by `step_ns` whenever it is read.
    ///
    /// Waiting for a clock takes no time then, unless the network or the input of this process is
    /// granted too: that could be waited for together with the clock.
    Fixed {
        /// The first reading of the wall clock.
        start_ns: u64,
        /// How far a reading moves a clock.
        step_ns: u64,
    },
}

/// Text that grants nothing that can be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct GrantError {
    /// What can stand there.
    pub expected: &'static str,
    /// What was written.
    pub found: String,
}

/// An environment variable as `NAME=VALUE`, or as `NAME` to pass on the one of this process.
pub fn parse_env(text: &str) -> Result<(String, String), GrantError> {
    let wrong = |expected| GrantError { expected, found: text.to_owned() };
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => match std::env::var(text) {
            Ok(value) => (text, value),
            Err(_) => {
                return Err(wrong("NAME=VALUE, or the NAME of a variable that is set to text"));
            }
        },
    };
    if name.is_empty() || text.contains('\0') {
        return Err(wrong("a variable as NAME=VALUE"));
    }
    Ok((name.to_owned(), value))
}

impl FromStr for DirGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<DirGrant, GrantError> {
        let (dir, read_only) = match text.strip_suffix(":ro") {
            Some(dir) => (dir, true),
            None => (text, false),
        };
        let (host, guest) = dir.split_once("::").unwrap_or((dir, dir));
        if host.is_empty() || host.ends_with(':') || guest.is_empty() {
            let expected = "a directory as HOST::GUEST or HOST::GUEST:ro";
            return Err(GrantError { expected, found: text.to_owned() });
        }
        Ok(DirGrant { host: host.into(), guest: guest.to_owned(), read_only })
    }
}

impl FromStr for NetGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<NetGrant, GrantError> {
        let expected = "an address as HOST, HOST:PORT, 10.0.0.0/8, [::1]:80 or *";
        let wrong = || GrantError { expected, found: text.to_owned() };
        // Bare IPv6 would look like a name with a port.
        let bare = text.split_once('/').map_or(text, |(address, _)| address);
        let (host, port) = match bare.parse::<IpAddr>() {
            Ok(IpAddr::V6(_)) => (text, None),
            _ => split_port(text).ok_or_else(wrong)?,
        };
        let host = NetHost::parse(host).ok_or_else(wrong)?;
        Ok(NetGrant { host, port })
    }
}

impl NetHost {
    fn parse(text: &str) -> Option<NetHost> {
        if text == "*" {
            return Some(NetHost::Any);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let unbracketed =
            address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        match unbracketed.parse::<IpAddr>() {
            Ok(start) => {
                let most = if start.is_ipv4() { 32 } else { 128 };
                let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
                (bits <= most).then_some(NetHost::Range { start, bits })
            }
            Err(_) if bits.is_none() && is_name(text) => {
                Some(NetHost::Name(text.to_ascii_lowercase()))
            }
            Err(_) => None,
        }
    }
}

impl FromStr for HttpGrant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<HttpGrant, GrantError> {
        let expected = "a server as HOST, HOST:PORT, https://HOST or *, without a path";
        let wrong = || GrantError { expected, found: text.to_owned() };
        let schemes = [HttpScheme::Http, HttpScheme::Https];
        let with_scheme = schemes.iter().find_map(|scheme| {
            let rest = text.strip_prefix(scheme.name())?.strip_prefix("://")?;
            Some((*scheme, rest))
        });
        let (scheme, rest) = match with_scheme {
            Some((scheme, rest)) => (Some(scheme), rest.strip_suffix('/').unwrap_or(rest)),
            None => (None, text),
        };
        let (host, port) = split_port(rest).ok_or_else(wrong)?;
        let is_bracketed_ip = host
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|address| address.parse::<std::net::Ipv6Addr>().is_ok());
        let host = match host {
            "*" => None,
            _ if is_name(host) || is_bracketed_ip => Some(host.to_ascii_lowercase()),
            _ => return Err(wrong()),
        };
        // A scheme with any host is no origin; it stands for the scheme on every port.
        let own_port = scheme.filter(|_| host.is_some()).map(HttpScheme::port);
        Ok(HttpGrant { scheme, host, port: port.or(own_port) })
    }
}

impl HttpScheme {
    /// What stands before `://`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            HttpScheme::Http => "http",
            HttpScheme::Https => "https",
        }
    }

    /// The port that is meant when none is given.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            HttpScheme::Http => 80,
            HttpScheme::Https => 443,
        }
    }
}

impl FromStr for Random {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Random, GrantError> {
        let seed = text.strip_prefix("seed:").and_then(|seed| seed.parse().ok());
        match (text, seed) {
            ("system", _) => Ok(Random::System),
            (_, Some(seed)) => Ok(Random::Seeded(seed)),
            (_, None) => {
                Err(GrantError { expected: "system or seed:NUMBER", found: text.to_owned() })
            }
        }
    }
}

impl FromStr for Clocks {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Clocks, GrantError> {
        let fixed = text.strip_prefix("fixed:").and_then(|fixed| {
            let (start, step) = fixed.split_once('+').unwrap_or((fixed, "0"));
            Some(Clocks::Fixed { start_ns: start.parse().ok()?, step_ns: step.parse().ok()? })
        });
        match (text, fixed) {
            ("system", _) => Ok(Clocks::System),
            (_, Some(fixed)) => Ok(fixed),
            (_, None) => Err(GrantError {
                expected: "system, fixed:START or fixed:START+STEP in nanoseconds",
                found: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for NetGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_port = self.port.is_some();
        match &self.host {
            NetHost::Any => f.write_str("*")?,
            NetHost::Name(name) => f.write_str(name)?,
            NetHost::Range { start, bits } => {
                let is_one = *bits == if start.is_ipv4() { 32 } else { 128 };
                match start {
                    IpAddr::V6(start) if has_port => write!(f, "[{start}]")?,
                    start => write!(f, "{start}")?,
                }
                if !is_one {
                    write!(f, "/{bits}")?;
                }
            }
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for HttpGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = self.scheme {
            write!(f, "{}://", scheme.name())?;
        }
        f.write_str(self.host.as_deref().unwrap_or("*"))?;
        let is_shown = |port: &u16| self.scheme.is_none_or(|scheme| scheme.port() != *port);
        self.port.filter(is_shown).map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Takes the port off the end, if there is one. `None` if it is no port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    // The colons within brackets belong to the address.
    let after_bracket = text.rfind(']').map_or(0, |bracket| bracket + 1);
    match text[after_bracket..].find(':') {
        Some(colon) => {
            let (host, port) = text.split_at(after_bracket + colon);
            let port = &port[1..];
            let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
            Some((host, Some(port.parse().ok().filter(|port| is_number && *port > 0)?)))
        }
        None => Some((text, None)),
    }
}

/// Whether this can be the name of a host. IPv4 addresses pass too.
fn is_name(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !text.is_empty() && text.len() <= 253 && text.bytes().all(is_part)
}
