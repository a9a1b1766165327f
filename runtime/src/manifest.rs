//! The manifest: what an actor is made of and what it may do, as plain data.
//!
//! It is a file in TOML. `runtime/MANIFEST.md` explains every key. A file is read as a whole: all its
//! problems are told at once, each with its place and with what was probably meant, and a file with
//! a problem is no manifest. What was written for earlier versions is read too, with notes about how it is
//! written now.

mod allowed;
pub(crate) mod amounts;
mod findings;
mod handlers;
mod patterns;
mod permissions;
mod restrictions;
mod section;
mod settings;
mod template;
#[cfg(test)]
mod tests;
mod wasi;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use theater_record::{Clock, Hash};
use toml::de::{DeTable, DeValue};

use crate::host::Grants;
use crate::recording::RecordingOptions;
use crate::supervision::Policy;

use findings::{Findings, Sorted};
use section::{Item, Section};
use template::Template;

pub use allowed::Allowed;
pub use findings::{Finding, Places};
pub use handlers::{
    FilesystemHandler, Handlers, HttpClientHandler, HttpServerHandler, RandomHandler, Root,
    TlsFiles,
};
pub(crate) use patterns::real_path;
pub use patterns::{Below, Method, Name, Pattern, PatternError, Route};
pub use permissions::{Permissions, Restriction, Rule, Widening};
pub use restrictions::{
    Environment, Filesystem, HttpClient, HttpServer, MessageUse, Network, Process, Random,
    RuntimeUse, StoreUse, SupervisorUse, Timing,
};
pub(crate) use settings::names_function;
pub use settings::{ActorLimits, ChainPolicy, ChildEntry, Sign};
pub(crate) use wasi::is_own_variable;
pub use wasi::{Stdio, Variable, Wasi};

/// A manifest is not larger than this.
pub const MANIFEST_BYTES_MAX: u64 = 1 << 20;
/// How long names are, in characters.
const NAME_CHARS_MAX: usize = 128;
/// How long a description is, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 4096;

/// What an actor is made of and what it may do.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The actor's name.
    pub name: String,
    /// Its version.
    pub version: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The component it runs.
    pub component: ComponentSource,
    /// The state it starts with, unless it is started with another.
    pub init_state: Option<InitState>,
    /// What it is given.
    pub handlers: Handlers,
    /// What it and everybody below it may have at most.
    pub permissions: Permissions,
    /// What it may use up.
    pub limits: ActorLimits,
    /// How it deals with children that end.
    pub supervision: Policy,
    /// The children it is started with, in order.
    pub children: Vec<ChildEntry>,
    /// What becomes of its chain.
    pub chain: ChainPolicy,
}

/// Where a component is. As text: a path, or `store:` and a digest or a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComponentSource {
    /// A file, relative to the manifest's folder.
    File(PathBuf),
    /// In the store, under its digest.
    Digest(Hash),
    /// In the store, under a label.
    Label(String),
}

/// The state that an actor starts with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitState {
    /// What is in a file, relative to the manifest's folder.
    File(PathBuf),
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A manifest that was read, with what is worth knowing about how it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The manifest.
    pub manifest: Manifest,
    /// For instance what has a newer spelling.
    pub notes: Vec<Finding>,
    /// Where its keys have their values.
    pub places: Places,
    /// What it says of its component, as manifests of old do.
    pub claims: Claims,
    /// The text it was read from.
    pub text: String,
}

/// Interfaces that a component is said to have: `[interface]` of old manifests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// What it is said to export.
    pub implements: Vec<String>,
    /// What it is said to import.
    pub requires: Vec<String>,
}

/// Why there is no manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("cannot read the manifest {}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no manifest.
    #[error(transparent)]
    Invalid(Problems),
}

/// Everything that is wrong with a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The file, as it was named.
    pub file: String,
    /// What is wrong, in the order of the file. At least one.
    pub problems: Vec<Finding>,
    /// What is worth knowing besides.
    pub notes: Vec<Finding>,
}

impl std::error::Error for Problems {}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.problems.iter().enumerate() {
            let line_end = if number == 0 { "" } else { "\n" };
            write!(f, "{line_end}{}:{problem}", self.file)?;
        }
        Ok(())
    }
}

impl Manifest {
    /// Reads the manifest in this file. The gaps in its texts are filled in from `state`, the state
    /// that the actor is to start with, if it is JSON; else from the state in the manifest.
    pub fn load(path: &Path, state: Option<&[u8]>) -> Result<Loaded, ManifestError> {
        let text = read_text(path)
            .map_err(|source| ManifestError::Unreadable { path: path.to_owned(), source })?;
        let file = path.display().to_string();
        Manifest::parse(&file, text, state).map_err(ManifestError::Invalid)
    }

    /// Reads a manifest. `file` is what messages call it.
    pub fn parse(file: &str, text: String, state: Option<&[u8]>) -> Result<Loaded, Problems> {
        let (read, Sorted { problems, notes, places }) = read(&text, state);
        match read {
            Some((manifest, claims)) if problems.is_empty() => {
                Ok(Loaded { manifest, notes, places, claims, text })
            }
            _ => Err(Problems { file: file.to_owned(), problems, notes }),
        }
    }

    /// What the host grants of WASI, if the manifest is in this folder.
    ///
    /// To be asked only of a manifest that is within its permissions; see [`Manifest::within`].
    #[must_use]
    pub fn grants(&self, base_dir: &Path) -> Grants {
        self.handlers.wasi.clone().unwrap_or_default().grants(&self.name, base_dir)
    }

    /// How the actor is recorded, by this clock.
    #[must_use]
    pub fn recording(&self, clock: Clock) -> RecordingOptions {
        RecordingOptions {
            limits: self.limits.engine(),
            durable: self.chain.durable,
            clock,
            redact: self.chain.redact.clone(),
        }
    }
}

/// The text of a file that is not too large. Whatever else is wrong with it is told with its place.
fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MANIFEST_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(io::Error::other("it is larger than 1 MiB, so it is no manifest"));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8, so it is no manifest"))
}

fn read(text: &str, state: Option<&[u8]>) -> (Option<(Manifest, Claims)>, Sorted) {
    let (document, errors) = DeTable::parse_recoverable(text);
    let own_state = own_state(document.get_ref());
    let state = state.or(own_state.as_deref());
    let state: Option<Value> = state.and_then(|state| serde_json::from_slice(state).ok());
    let findings = Findings::new(text, Template::new(state.as_ref()));
    if !errors.is_empty() {
        // What follows from a mistake in the notation would only distract from it.
        for error in errors {
            let at = error.span().map_or(text.len(), |span| span.start);
            findings.problem(at, format!("this is no TOML: {}", error.message()));
        }
        return (None, findings.into_sorted());
    }
    let mut root = Section::root(document.get_ref(), &findings);
    let claims = rename_old(&mut root);
    let manifest = read_root(root);
    (manifest.map(|manifest| (manifest, claims)), findings.into_sorted())
}

/// The initial state that stands in the manifest as text.
fn own_state(document: &DeTable<'_>) -> Option<Vec<u8>> {
    let mut states = ["init_state", "initial_state"].iter().filter_map(|key| document.get(*key));
    match states.next()?.get_ref() {
        DeValue::Table(table) => match table.get("text")?.get_ref() {
            DeValue::String(text) => Some(text.as_bytes().to_vec()),
            _ => None,
        },
        _ => None,
    }
}

fn read_root(mut root: Section<'_>) -> Option<Manifest> {
    let name = root.required_text("name", "name = \"my-actor\"");
    check_name(&root, name.as_deref());
    let version = root.text("version");
    check_length(&root, "version", version.as_deref(), NAME_CHARS_MAX);
    let description = root.text("description");
    check_length(&root, "description", description.as_deref(), DESCRIPTION_BYTES_MAX);
    if !root.has("component") {
        root.missing("component", "component = \"my-actor.wasm\"");
    }
    let component = root.take("component").and_then(|item| component(&item));
    let init_state = root.take("init_state").and_then(|item| init_state(&item));
    let handlers = handlers::read(root.sections("handlers"));
    let permissions = root.section("permissions").map(permissions::read::read).unwrap_or_default();
    let limits = settings::limits(root.section("limits"));
    let supervision = settings::supervision(root.section("supervision"));
    let children = settings::children(root.sections("children"));
    let keep = root.take_old("save_chain");
    let mut chain = settings::chain(root.section("chain"));
    if let Some(item) = keep {
        root.findings.note(item.at, "save_chain is now written keep, in [chain]");
        chain.keep = item.flag().unwrap_or(chain.keep);
    }
    root.finish();
    Some(Manifest {
        name: name?,
        version,
        description,
        component: component?,
        init_state,
        handlers,
        permissions,
        limits,
        supervision,
        children,
        chain,
    })
}

/// Reads keys of old by what they are called now. What has no new name is returned.
fn rename_old(root: &mut Section<'_>) -> Claims {
    root.rename("component_path", "component");
    root.rename("package", "component");
    root.rename("initial_state", "init_state");
    root.rename("handler", "handlers");
    root.rename("permission_policy", "permissions");
    root.ignore(
        "static_package",
        "components in files and in the store do not change by themselves",
    );
    root.ignore("long_description", "description says what the actor is for");
    root.ignore("logging", "the chain has all that is logged; see theater logs");
    root.ignore("event_server", "the server serves the events of all actors");
    let interface = root.take_old("interface").and_then(|item| Some((item.section()?, item)));
    let Some((mut interface, item)) = interface else { return Claims::default() };
    let message = "[interface] is no longer needed: the component itself says what it implements";
    root.findings.note(item.at, message);
    let mut names = |key| {
        let at = interface.place(key);
        let names = interface.take_old(key).and_then(|names| names.list(str::parse::<String>));
        let (old, names): (Vec<_>, Vec<_>) =
            names.unwrap_or_default().into_iter().partition(|name| name.starts_with("ntwk:"));
        for name in old {
            let message = format!("{name} is an old name; actors implement theater:simple/actor");
            root.findings.note(at, message);
        }
        names
    };
    let claims = Claims { implements: names("implements"), requires: names("requires") };
    interface.finish();
    claims
}

fn check_name(root: &Section<'_>, name: Option<&str>) {
    let Some(name) = name else { return };
    let is_visible = !name.chars().any(crate::escape::is_hidden);
    if name.trim() != name || name.is_empty() || !is_visible {
        let message = "name: a name has visible characters, and no spaces at its ends";
        root.findings.problem(root.place("name"), message);
    }
    check_length(root, "name", Some(name), NAME_CHARS_MAX);
}

fn check_length(root: &Section<'_>, key: &str, text: Option<&str>, max: usize) {
    if text.is_some_and(|text| text.chars().count() > max) {
        root.findings.problem(root.place(key), format!("{key} is longer than {max} characters"));
    }
}

fn component(item: &Item<'_>) -> Option<ComponentSource> {
    let text = item.text()?;
    if text.is_empty() {
        return item.problem("expected the path of a component, or store: and a digest or label");
    }
    if text.starts_with("http://") || text.starts_with("https://") {
        return item.problem("a component is not fetched; download it and name the file");
    }
    let Some(name) = text.strip_prefix("store:") else {
        return Some(ComponentSource::File(text.into()));
    };
    // Once there were many stores: `store://STORE/LABEL`.
    let name = match name.strip_prefix("//") {
        Some(path) => {
            let name = path.rsplit('/').next().unwrap_or(path);
            item.note(format!("{text:?} is now written {:?}", format!("store:{name}")));
            name
        }
        None => name,
    };
    if let Ok(digest) = name.parse() {
        return Some(ComponentSource::Digest(digest));
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if name.is_empty() || name.len() > NAME_CHARS_MAX || !name.bytes().all(is_plain) {
        return item.problem(format!("{name:?} is neither a digest of 64 digits nor a label"));
    }
    Some(ComponentSource::Label(name.to_owned()))
}

/// A path, or a table with one of `file`, `text` and `hex`.
fn init_state(item: &Item<'_>) -> Option<InitState> {
    if item.is_text() {
        return Some(InitState::File(item.text()?.into()));
    }
    let mut section = item.section()?;
    let file = section.text("file").map(|path| InitState::File(path.into()));
    let text = section.take("text").and_then(|item| item.raw_text());
    let text = text.map(|text| InitState::Bytes(text.into_bytes()));
    let hex = section.take("hex").and_then(|item| item.parsed(bytes_of_hex));
    let mut states = [file, text, hex.map(InitState::Bytes)].into_iter().flatten();
    let (state, other) = (states.next(), states.next());
    section.finish();
    if other.is_some() {
        return item.problem("one of file, text and hex is enough");
    }
    match state {
        Some(state) => Some(state),
        None => item.problem("expected one of file, text and hex"),
    }
}

/// The bytes that pairs of hexadecimal digits stand for.
pub(crate) fn bytes_of_hex(hex: &str) -> Result<Vec<u8>, String> {
    let wrong = || "expected bytes as pairs of hexadecimal digits".to_owned();
    if !hex.len().is_multiple_of(2) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let pairs = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16));
    pairs.collect::<Result<_, _>>().map_err(|_| wrong())
}
