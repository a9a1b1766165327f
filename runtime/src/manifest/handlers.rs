//! What an actor is given: `[[handlers]]`.

use std::path::PathBuf;

use super::restrictions::read::Read;
use super::restrictions::{
    Environment, Filesystem, HttpClient, HttpServer, MessageUse, Process, Random, RuntimeUse,
    StoreUse, SupervisorUse, Timing,
};
use super::section::{Section, nearest};
use super::wasi::Wasi;

/// The handlers of an actor, at most one of each type. The default is none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Handlers {
    /// `theater:simple/runtime`.
    pub runtime: Option<RuntimeUse>,
    /// `theater:simple/message-server-host`.
    pub message_server: Option<MessageUse>,
    /// `theater:simple/supervisor`.
    pub supervisor: Option<SupervisorUse>,
    /// `theater:simple/store`.
    pub store: Option<StoreUse>,
    /// `theater:simple/http-client`.
    pub http_client: Option<HttpClientHandler>,
    /// `theater:simple/http-server`.
    pub http_server: Option<HttpServerHandler>,
    /// `theater:simple/timing`.
    pub timing: Option<Timing>,
    /// `theater:simple/random`.
    pub random: Option<RandomHandler>,
    /// `theater:simple/environment`.
    pub environment: Option<Environment>,
    /// `theater:simple/filesystem`.
    pub filesystem: Option<FilesystemHandler>,
    /// `theater:simple/process`.
    pub process: Option<Process>,
    /// WASI.
    pub wasi: Option<Wasi>,
}

/// HTTP requests.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HttpClientHandler {
    /// A file in PEM with certificates that are trusted besides those that browsers trust; relative
    /// to the manifest's folder.
    pub ca: Option<PathBuf>,
    /// What it is restricted to.
    pub restriction: HttpClient,
}

/// An HTTP server, which may be started with the actor.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpServerHandler {
    /// The port of the server that is started with the actor. Without one, none is started, and
    /// the actor makes its own.
    pub port: Option<u16>,
    /// The address it listens on.
    pub host: String,
    /// The certificate and the key for servers that speak TLS. The one that is started with the actor
    /// does if they are given.
    pub tls: Option<TlsFiles>,
    /// What it is restricted to.
    pub restriction: HttpServer,
}

/// Files in PEM, relative to the manifest's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate with those that vouch for it.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Random numbers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RandomHandler {
    /// Where they start: every run gets the same, and nothing secret can come of it.
    pub seed: Option<u64>,
    /// What it is restricted to.
    pub restriction: Random,
}

/// Files.
#[derive(Debug, Clone, PartialEq)]
pub struct FilesystemHandler {
    /// The folder that paths start at.
    pub root: Root,
    /// What it is restricted to.
    pub restriction: Filesystem,
}

/// The folder that the paths of an actor start at. Nothing outside of it can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// This one, relative to the manifest's folder.
    At(PathBuf),
    /// A new and empty one, made for the actor.
    New,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Runtime,
    MessageServer,
    Supervisor,
    Store,
    HttpClient,
    HttpServer,
    Timing,
    Random,
    Environment,
    Filesystem,
    Process,
    Wasi,
}

const KINDS: &[(&str, Kind)] = &[
    ("runtime", Kind::Runtime),
    ("message-server", Kind::MessageServer),
    ("supervisor", Kind::Supervisor),
    ("store", Kind::Store),
    ("http-client", Kind::HttpClient),
    ("http-server", Kind::HttpServer),
    ("timing", Kind::Timing),
    ("random", Kind::Random),
    ("environment", Kind::Environment),
    ("filesystem", Kind::Filesystem),
    ("process", Kind::Process),
    ("wasi", Kind::Wasi),
];

/// Names that handlers had.
const RENAMED: &[(&str, &str)] = &[
    ("http-framework", "http-server"),
    ("wasi-http", "http-server"),
    ("websocket-server", "http-server"),
];

/// Handlers that are gone, and what to do instead.
const GONE: &[(&str, &str)] = &[
    ("replay", "replay a chain with theater-replay run"),
    ("tcp", "grant addresses to a handler of the type wasi, with net = [..]"),
    ("rpc", "send requests through message-server"),
    ("terminal", "grant stdin and stdout to a handler of the type wasi"),
    ("timer", "sleep through timing"),
    ("loop", "send messages to yourself through message-server"),
    ("podman", "run the program through process"),
];

/// Reads the tables of all handlers.
pub(super) fn read(sections: Vec<Section<'_>>) -> Handlers {
    let mut handlers = Handlers::default();
    let mut seen: Vec<Kind> = Vec::new();
    for mut section in sections {
        section.flatten("config", "beside type");
        let Some((name, kind)) = kind(&mut section) else { continue };
        if seen.contains(&kind) {
            let message = format!("there are two handlers of the type {name}: make them one");
            section.findings.problem(section.start, message);
            continue;
        }
        seen.push(kind);
        section.findings.place(format!("handlers.{name}"), section.place("type"));
        read_one(&mut handlers, kind, &mut section);
        section.finish();
    }
    handlers
}

fn read_one(handlers: &mut Handlers, kind: Kind, section: &mut Section<'_>) {
    match kind {
        Kind::Runtime => handlers.runtime = Some(Read::read(section)),
        Kind::MessageServer => handlers.message_server = Some(Read::read(section)),
        Kind::Supervisor => handlers.supervisor = Some(Read::read(section)),
        Kind::Store => handlers.store = Some(Read::read(section)),
        Kind::HttpClient => {
            let ca = section.text("ca").map(PathBuf::from);
            handlers.http_client = Some(HttpClientHandler { ca, restriction: Read::read(section) });
        }
        Kind::HttpServer => handlers.http_server = Some(http_server(section)),
        Kind::Timing => handlers.timing = Some(Read::read(section)),
        Kind::Random => {
            let seed = section.number("seed", 0..=u64::MAX);
            handlers.random = Some(RandomHandler { seed, restriction: Read::read(section) });
        }
        Kind::Environment => handlers.environment = Some(Read::read(section)),
        Kind::Filesystem => handlers.filesystem = filesystem(section),
        Kind::Process => handlers.process = Some(Read::read(section)),
        Kind::Wasi => handlers.wasi = Some(Wasi::read(section)),
    }
}

/// The type of a handler, in any spelling it ever had, and how it is spelled now.
fn kind(section: &mut Section<'_>) -> Option<(&'static str, Kind)> {
    let Some(item) = section.take("type") else {
        section.missing("type", "type = \"runtime\", or another type");
        return None;
    };
    let written = item.text()?;
    let folded = written.to_ascii_lowercase().replace('_', "-");
    let renamed = RENAMED.iter().find(|(old, _)| *old == folded).map(|(_, new)| *new);
    let name = renamed.unwrap_or(&folded);
    if let Some(known) = KINDS.iter().find(|(known, _)| *known == name) {
        if name != written {
            let message = format!("{} {written:?} is now written {name:?}", item.path);
            section.findings.note(item.at, message);
        }
        return Some(*known);
    }
    if let Some((_, instead)) = GONE.iter().find(|(gone, _)| *gone == name) {
        return item.problem(format!("there is no handler {written:?} any more; {instead}"));
    }
    let names = || KINDS.iter().map(|(name, _)| *name);
    item.problem(match nearest(name, names()) {
        Some(near) => format!("there is no handler {written:?}; did you mean {near:?}?"),
        None => {
            let names: Vec<&str> = names().collect();
            format!("there is no handler {written:?}; there are {}", names.join(", "))
        }
    })
}

fn http_server(section: &mut Section<'_>) -> HttpServerHandler {
    let port = section.number("port", 1..=u64::from(u16::MAX));
    let host = section.take("host").and_then(|item| {
        let host = item.text()?;
        match host.parse::<std::net::IpAddr>() {
            Ok(_) => Some(host),
            Err(_) if host == "localhost" => Some(host),
            Err(_) => item.problem(format!("{host:?} is no IP address, such as 127.0.0.1")),
        }
    });
    let tls = section.section("tls").and_then(|mut tls| {
        let cert = tls.required_text("cert", "cert = \"cert.pem\"");
        let key = tls.required_text("key", "key = \"key.pem\"");
        tls.finish();
        Some(TlsFiles { cert: cert?.into(), key: key?.into() })
    });
    HttpServerHandler {
        port: port.and_then(|port| u16::try_from(port).ok()),
        host: host.unwrap_or_else(|| "127.0.0.1".to_owned()),
        tls,
        restriction: Read::read(section),
    }
}

fn filesystem(section: &mut Section<'_>) -> Option<FilesystemHandler> {
    let (at, is_said) = (section.place("new_dir"), section.has("path"));
    let (path, is_new) = (section.text("path"), section.flag("new_dir").unwrap_or(false));
    let restriction = Read::read(section);
    let root = match (path, is_new) {
        (Some(path), false) => Root::At(path.into()),
        (None, true) => Root::New,
        (Some(_), true) => {
            let message = "path and new_dir = true exclude each other: leave one of them out";
            section.findings.problem(at, message);
            return None;
        }
        (None, false) => {
            if !is_said {
                section.missing("path", "path = \"data\", or new_dir = true");
            }
            return None;
        }
    };
    Some(FilesystemHandler { root, restriction })
}
