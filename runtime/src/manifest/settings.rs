//! The smaller parts of a manifest: limits, chain, supervision, children.

use std::path::PathBuf;

use theater_record::{IdentityKey, Options};

use crate::engine::{Limits, STACK_BYTES_MAX};
use crate::supervision::{BackOff, ChildSpec, Policy, Restart, Shutdown, Strategy};

use super::amounts::parse_time;
use super::patterns::Name;
use super::restrictions::read::BYTES_MAX;
use super::section::Section;

/// What an actor may use up: `[limits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActorLimits {
    /// All its memories together, in bytes.
    pub memory_bytes: u64,
    /// All its tables together, in elements.
    pub tables: u64,
    /// Its call stack, in bytes.
    pub stack_bytes: u64,
    /// How much fuel it may burn in all. `None` is no limit.
    pub fuel: Option<u64>,
    /// Whether fuel is counted even without a limit.
    pub count_fuel: bool,
    /// How many messages may wait in its mailbox.
    pub mailbox: u64,
    /// How large one message may be, in bytes.
    pub message_bytes: u64,
}

/// What becomes of an actor's chain: `[chain]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainPolicy {
    /// Whether it is written to a file. An actor is always recorded; without a file, to nowhere.
    pub keep: bool,
    /// Whether it is signed.
    pub sign: Sign,
    /// Whether calls with effects are made durable before the host acts.
    pub durable: bool,
    /// Whether the component is carried inside the chain.
    pub embed: bool,
    /// Functions whose payloads are stored so that they can be removed: names such as
    /// `wasi:http/*` or `theater:simple/store#get`.
    pub redact: Vec<Name>,
}

/// Whether and how a chain is signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sign {
    /// Not at all.
    #[default]
    No,
    /// With a fresh key.
    Fresh,
    /// With a fresh key for which this identity key vouches; relative to the manifest's folder.
    Identity(PathBuf),
}

/// A child that is started with the actor: one of `[[children]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildEntry {
    /// What its supervisor has to know.
    pub spec: ChildSpec,
    /// Its manifest, relative to the folder of this one.
    pub manifest: PathBuf,
}

impl Default for ActorLimits {
    fn default() -> ActorLimits {
        let engine = Limits::default();
        ActorLimits {
            memory_bytes: engine.memory_bytes_max,
            tables: engine.table_elements_max,
            stack_bytes: engine.stack_bytes_max,
            fuel: None,
            count_fuel: false,
            mailbox: 1_000,
            message_bytes: 1 << 20,
        }
    }
}

impl Default for ChainPolicy {
    fn default() -> ChainPolicy {
        let (durable, embed, redact) = (false, false, Vec::new());
        ChainPolicy { keep: true, sign: Sign::No, durable, embed, redact }
    }
}

impl ActorLimits {
    /// The limits as the engine has them. Actors can be killed.
    #[must_use]
    pub fn engine(&self) -> Limits {
        Limits {
            memory_bytes_max: self.memory_bytes,
            table_elements_max: self.tables,
            stack_bytes_max: self.stack_bytes,
            fuel_max: self.fuel,
            fuel: self.count_fuel || self.fuel.is_some(),
            killable: true,
        }
    }
}

impl ChainPolicy {
    /// How to record, with the identity key that was read, if there is to be one.
    #[must_use]
    pub fn options(&self, identity: Option<IdentityKey>) -> Options {
        Options { sign: self.sign != Sign::No, identity, ..Options::default() }
    }

    /// Whether the payloads of a function are stored so that they can be removed. The interface is
    /// without its version.
    #[must_use]
    pub fn redacts(&self, interface: &str, function: &str) -> bool {
        names_function(&self.redact, interface, function)
    }
}

/// Whether a list names a function, or its interface. The interface is without its version.
pub(crate) fn names_function(list: &[Name], interface: &str, function: &str) -> bool {
    let path = format!("{interface}#{function}");
    list.iter().any(|name| name.matches(interface) || name.matches(&path))
}

pub(super) fn limits(section: Option<Section<'_>>) -> ActorLimits {
    let default = ActorLimits::default();
    let Some(mut section) = section else { return default };
    let limits = ActorLimits {
        memory_bytes: section.size("memory", 1 << 16..=1 << 36).unwrap_or(default.memory_bytes),
        tables: section.number("tables", 0..=default.tables).unwrap_or(default.tables),
        stack_bytes: section
            .size("stack", 1 << 16..=STACK_BYTES_MAX)
            .unwrap_or(default.stack_bytes),
        fuel: section.number("fuel", 1..=u64::MAX),
        count_fuel: section.flag("count_fuel").unwrap_or(default.count_fuel),
        mailbox: section.number("mailbox", 1..=1_000_000).unwrap_or(default.mailbox),
        message_bytes: section.size("message", 1..=BYTES_MAX).unwrap_or(default.message_bytes),
    };
    section.finish();
    limits
}

pub(super) fn chain(section: Option<Section<'_>>) -> ChainPolicy {
    let default = ChainPolicy::default();
    let Some(mut section) = section else { return default };
    let sign = section.take("sign").map_or(Sign::No, |item| match item.as_flag() {
        Some(true) => Sign::Fresh,
        Some(false) => Sign::No,
        None => item.text().map_or(Sign::No, |path| Sign::Identity(path.into())),
    });
    let chain = ChainPolicy {
        keep: section.flag("keep").unwrap_or(default.keep),
        sign,
        durable: section.flag("durable").unwrap_or(default.durable),
        embed: section.flag("embed").unwrap_or(default.embed),
        redact: section.list("redact").unwrap_or_default(),
    };
    section.finish();
    chain
}

pub(super) fn supervision(section: Option<Section<'_>>) -> Policy {
    let default = Policy::default();
    let Some(mut section) = section else { return default };
    let strategies = [
        ("one-for-one", Strategy::OneForOne),
        ("one-for-all", Strategy::OneForAll),
        ("rest-for-one", Strategy::RestForOne),
    ];
    let policy = Policy {
        strategy: section.choice("strategy", &strategies).unwrap_or(default.strategy),
        intensity: section
            .number("intensity", 0..=1_000_000)
            .and_then(|intensity| u32::try_from(intensity).ok())
            .unwrap_or(default.intensity),
        period_ns: section.time("period").unwrap_or(default.period_ns),
        back_off: back_off(section.section("back_off")),
    };
    section.finish();
    policy
}

fn back_off(section: Option<Section<'_>>) -> BackOff {
    let default = BackOff::default();
    let Some(mut section) = section else { return default };
    let at = section.place("max");
    let first_ns = section.time("first").unwrap_or(default.first_ns);
    let max_ns = section.time("max").unwrap_or(default.max_ns.max(first_ns));
    if max_ns < first_ns {
        let (max, first) = (section.path("max"), section.path("first"));
        section
            .findings
            .problem(at, format!("{max} is less than {first}: make it at least as long"));
    }
    section.finish();
    BackOff { first_ns, max_ns }
}

pub(super) fn children(sections: Vec<Section<'_>>) -> Vec<ChildEntry> {
    let mut children: Vec<ChildEntry> = Vec::new();
    for mut section in sections {
        let at = section.place("name");
        let child = child(&mut section);
        let findings = section.findings;
        section.finish();
        let Some(child) = child else { continue };
        let name = &child.spec.name;
        if children.iter().any(|other| other.spec.name == *name) {
            findings.problem(at, format!("there are two children {name:?}: name one differently"));
        }
        children.push(child);
    }
    children
}

fn child(section: &mut Section<'_>) -> Option<ChildEntry> {
    let restarts = [
        ("permanent", Restart::Permanent),
        ("transient", Restart::Transient),
        ("temporary", Restart::Temporary),
    ];
    let name = section.required_text("name", "name = \"worker\"");
    let manifest = section.required_text("manifest", "manifest = \"worker/manifest.toml\"");
    let restart = section.choice("restart", &restarts).unwrap_or_default();
    let shutdown = section.take("shutdown").and_then(|item| match item.is_text() {
        true => item.parsed(shutdown),
        false => item.time().map(Shutdown::Within),
    });
    let spec = ChildSpec { name: name?, restart, shutdown: shutdown.unwrap_or_default() };
    Some(ChildEntry { spec, manifest: manifest?.into() })
}

fn shutdown(text: &str) -> Result<Shutdown, String> {
    match text {
        "kill" => Ok(Shutdown::Kill),
        "whenever" => Ok(Shutdown::Whenever),
        _ => parse_time(text)
            .map(Shutdown::Within)
            .map_err(|error| format!("{error}; or write \"whenever\" or \"kill\"")),
    }
}
