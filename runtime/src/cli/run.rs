//! `run`: runs a component and leaves a chain.

mod calls;
mod manifest;
mod resume;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow, bail};
use theater_record::{About, IdentityKey, Options, Outcome, Value, Values};

use super::Exit;
use super::chain_file::ChainFile;
use crate::complaint::{advised, not_runnable};
use crate::component::Component;
use crate::engine::{Backend, Engine, Limits, STACK_BYTES_MAX};
use crate::escape::plain;
use crate::home::Home;
use crate::host::{
    Clocks, DirGrant, Grants, Host, HostError, HttpGrant, Input, NetGrant, Output, Random,
    parse_env,
};
use crate::machine;
use crate::manifest::amounts::parse_size;
use crate::recording::{Recording, RecordingOptions, RunError};
use crate::store::Store;
use crate::wave::write_value;
use crate::world::World;

const EXAMPLES: &str = "\
Examples:
  theater run hello.wasm                                   leaves hello-TIME.chain.cbor
  theater run filter.wasm --stdin notes.txt -- --upper     with input and arguments
  theater run walk.wasm --dir ./photos::/photos:ro         may read ./photos as /photos
  theater run agent.wasm --http api.example.com --sign identity.key
  theater run ledger.wasm --invoke 'add(\"ann\", 5)' --invoke 'balance(\"ann\")'
  theater run ledger.wasm --invoke 'demo:bank/ledger#history()' --chain none
  theater run ledger.wasm --calls opening.wave             the calls in a file, one to a line
  theater run ledger.wasm --invoke 'add(\"ann\", 5)' --chain ann.cbor --pause
  theater run                                              the manifest.toml of this folder
  theater run --manifest worker/manifest.toml --initial-state '{\"limit\": 10}'
  theater run --resume ann.cbor --invoke 'balance(\"ann\")'";

/// Runs a component, or the actor of a manifest, and records everything that crosses its sandbox.
///
/// An actor is run until it ends or is interrupted; its chain and those of its children go to the folder
/// chains. To a component, nothing is granted that is not asked for here: no files, no network, no environment, no input.
/// What is denied is in the chain.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A component, or a core module for WASI preview 1 [default: the actor of the manifest.toml
    /// of this folder].
    component: Option<PathBuf>,
    /// Run the actor of this manifest, or of the manifest.toml of this folder.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["component", "resume"])]
    manifest: Option<PathBuf>,
    /// The state that the actor of a manifest starts with: a file, or else the state itself.
    #[arg(short, long, value_name = "STATE", conflicts_with = "resume")]
    initial_state: Option<String>,
    /// Arguments of the program.
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
    /// Call this export, in WAVE syntax; may be repeated. Without it, `wasi:cli/run` is called.
    #[arg(long, value_name = "CALL")]
    invoke: Vec<String>,
    /// Make the calls in this file first, one to a line; lines that start with `#` are comments.
    #[arg(long, value_name = "FILE")]
    calls: Option<PathBuf>,
    /// Where to write the chain, which must not exist; `none` or `-` for nowhere [default:
    /// NAME-TIME.chain.cbor].
    #[arg(help_heading = "Chain", long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// The actor's name [default: the name of the component's file].
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Sign the chain with this identity key; see `theater-replay keygen`.
    #[arg(help_heading = "Chain", long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Make each call with effects durable before the host acts.
    #[arg(help_heading = "Chain", long)]
    durable: bool,
    /// Carry the component inside the chain.
    #[arg(help_heading = "Chain", long)]
    embed: bool,
    /// Leave the chain open at the end, so that the actor can be resumed.
    #[arg(help_heading = "Chain", long)]
    pause: bool,
    /// Bring the actor of this chain back by replay, and go on: what follows is appended. Limits
    /// are those of the chain; what is granted is granted anew.
    #[arg(help_heading = "Chain", long, value_name = "CHAIN", conflicts_with_all = ["chain", "name", "embed", "fuel", "timeout_fuel", "max_memory", "max_stack"])]
    resume: Option<PathBuf>,
}

/// What the component is granted.
#[derive(clap::Args)]
#[command(next_help_heading = "Grants")]
struct GrantArgs {
    /// A directory: HOST::GUEST, or HOST::GUEST:ro for reading only; may be repeated.
    #[arg(long, value_name = "HOST::GUEST[:ro]")]
    dir: Vec<DirGrant>,
    /// An environment variable: NAME=VALUE, or NAME for its value here; may be repeated.
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = parse_env)]
    env: Vec<(String, String)>,
    /// Standard input: a file, or `-` for this program's.
    #[arg(long, value_name = "FILE")]
    stdin: Option<Input>,
    /// Addresses to connect to or listen on: HOST[:PORT], a range such as 10.0.0.0/8, or `*`; may
    /// be repeated.
    #[arg(long, value_name = "HOST[:PORT]")]
    net: Vec<NetGrant>,
    /// HTTP servers to send requests to: [http[s]://]HOST[:PORT] or `*`; may be repeated.
    #[arg(long, value_name = "HOST")]
    http: Vec<HttpGrant>,
    /// Randomness: `system`, or `seed:N` for the same in every run.
    #[arg(long, value_name = "SOURCE", default_value = "system")]
    random: Random,
    /// Clocks: `system`, or `fixed:START[+STEP]` in nanoseconds.
    #[arg(long, value_name = "SOURCE", default_value = "system")]
    clocks: Clocks,
}

/// What the component may use up.
#[derive(clap::Args)]
#[command(next_help_heading = "Limits")]
struct LimitArgs {
    /// Count fuel, and note it with every call: an exact clock that replay compares.
    #[arg(long)]
    fuel: bool,
    /// End the component once it has burned this much fuel.
    #[arg(long, value_name = "FUEL", value_parser = parse_fuel)]
    timeout_fuel: Option<u64>,
    /// The most memory it may have: bytes, or with a unit such as 64MiB.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "1GiB")]
    max_memory: u64,
    /// The most stack it may use.
    #[arg(long, value_name = "SIZE", value_parser = parse_stack, default_value = "1MiB")]
    max_stack: u64,
}

pub(super) fn run(args: &Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let home = Home::find().ok();
    let cache = home.as_ref().map(Home::cache);
    if let Some(chain) = &args.resume {
        return resume::run(args, chain, home.as_ref(), out, err);
    }
    if let Some(path) = manifest::meant(args)? {
        return manifest::run(args, &path, out, err);
    }
    let path = args.subject().to_owned();
    if args.initial_state.is_some() {
        bail!("--initial-state is for manifests, and {} is a component", path.display());
    }
    let limits = args.limits.limits();
    let engine = Engine::new(Backend::Cranelift, &limits, cache.as_deref())?;
    let component = Component::load(&engine, &path).map_err(|error| not_runnable(error, &path))?;
    let calls = calls::of(args, component.world())?;
    let identity = args.sign.as_deref().map(read_key).transpose()?;
    let host = Host::new(args.grants(&path)).map_err(not_granted)?;
    keep(&component, args, home.as_ref())?;
    let chain = ChainFile::create(args.chain.as_deref(), &args.name())?;
    let recorder = chain
        .recorder(
            about(args, &component, &limits),
            Options { sign: identity.is_some(), identity, ..Options::default() },
        )
        .inspect_err(|_| chain.discard())?;
    let options = RecordingOptions {
        limits,
        durable: args.durable,
        clock: machine::clock(),
        redact: Vec::new(),
    };
    let pause = args.pause;
    // The component's stack is part of the thread's, which the main thread has too little of.
    let ended = engine.on_stack(|| -> Result<Ended, RunError> {
        let recording = match Recording::start(&component, host, recorder, &options) {
            Ok(recording) => recording,
            Err(error) => return Ok(Ended::NotStarted(error)),
        };
        make_calls(recording, calls, pause)
    });
    match ended {
        Ok(Ended::Ran { outcomes, failure }) => {
            chain.mention(err)?;
            report(args, component.world(), &outcomes, failure.as_ref(), out, err)
        }
        Ok(Ended::NotStarted(error)) => {
            chain.discard();
            Err(not_started(error, &path))
        }
        Err(error) => Err(chain.explain(error)),
    }
}

/// Why nothing of the component could be run.
fn not_started(error: RunError, path: &Path) -> anyhow::Error {
    let is_import = matches!(error, RunError::MissingImport { .. });
    let error = anyhow::Error::new(error).context(format!("{} cannot be run", path.display()));
    match is_import {
        true => advised(
            error,
            "build it for WASI 0.2; theater provides cli, clocks, random, io, filesystem, sockets \
             and http",
        ),
        false => error,
    }
}

/// Why something cannot be granted.
fn not_granted(error: HostError) -> anyhow::Error {
    let advice = match &error {
        HostError::Dir { .. } => "name a directory that exists, as in --dir HOST::GUEST",
        HostError::Moved { .. } => "name the place that the link leads to, if that is meant",
        HostError::SameName { .. } => "give one of them another name, as in --dir HOST::GUEST",
        HostError::Stream { .. } => "name a file that can be read, or leave it out",
    };
    advised(error.into(), advice)
}

/// Calls exports one after another until one fails, and ends the recording.
fn make_calls(
    mut recording: Recording,
    calls: Vec<(usize, Values)>,
    pause: bool,
) -> Result<Ended, RunError> {
    let mut outcomes = Vec::new();
    for (export, values) in calls {
        if recording.failure().is_some() {
            break;
        }
        outcomes.push((export, recording.call(export, values)?));
    }
    let failure = recording.failure().cloned();
    if pause {
        recording.pause()?
    } else {
        recording.finish()?
    };
    Ok(Ended::Ran { outcomes, failure })
}

/// How a run ended, short of a chain that could not be written.
enum Ended {
    /// Nothing of the component was run.
    NotStarted(RunError),
    /// It ran; this came out of the calls.
    Ran { outcomes: Vec<(usize, Outcome)>, failure: Option<crate::trap::Failure> },
}

impl Args {
    fn name(&self) -> String {
        let stem = self.component.as_deref().and_then(Path::file_stem).unwrap_or_default();
        self.name.clone().unwrap_or_else(|| stem.to_string_lossy().into_owned())
    }

    /// An option that was given and means nothing to manifests.
    fn of_components(&self) -> Option<&'static str> {
        let (given, limits) = (&self.grants, &self.limits);
        let options = [
            (!self.args.is_empty(), "--"),
            (!self.invoke.is_empty(), "--invoke"),
            (self.calls.is_some(), "--calls"),
            (self.chain.is_some(), "--chain"),
            (self.name.is_some(), "--name"),
            (!given.dir.is_empty(), "--dir"),
            (!given.env.is_empty(), "--env"),
            (given.stdin.is_some(), "--stdin"),
            (!given.net.is_empty(), "--net"),
            (!given.http.is_empty(), "--http"),
            (given.random != Random::System, "--random"),
            (given.clocks != Clocks::System, "--clocks"),
            (limits.fuel || limits.timeout_fuel.is_some(), "--fuel"),
            (limits.max_memory != 1 << 30, "--max-memory"),
            (limits.max_stack != 1 << 20, "--max-stack"),
            (self.sign.is_some(), "--sign"),
            (self.durable, "--durable"),
            (self.embed, "--embed"),
            (self.pause, "--pause"),
        ];
        options.into_iter().find_map(|(is_given, option)| is_given.then_some(option))
    }

    /// The file that this is about.
    fn subject(&self) -> &Path {
        self.component.as_deref().or(self.resume.as_deref()).unwrap_or_else(|| Path::new(""))
    }

    fn grants(&self, component: &Path) -> Grants {
        // Not the path: where a component lies must not change what is recorded.
        let program = component.file_name().unwrap_or_default();
        let mut args = vec![program.to_string_lossy().into_owned()];
        args.extend(self.args.iter().cloned());
        let given = &self.grants;
        Grants {
            args,
            env: given.env.clone(),
            dirs: given.dir.clone(),
            stdin: given.stdin.clone().unwrap_or_default(),
            stdout: Output::Inherit,
            stderr: Output::Inherit,
            net: given.net.clone(),
            http: given.http.clone(),
            random: given.random,
            clocks: given.clocks,
            ..Grants::default()
        }
    }
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        Limits {
            memory_bytes_max: self.max_memory,
            stack_bytes_max: self.max_stack,
            fuel_max: self.timeout_fuel,
            fuel: self.fuel || self.timeout_fuel.is_some(),
            ..Limits::default()
        }
    }
}

/// Keeps the component where replay finds it by its digest.
fn keep(component: &Component, args: &Args, home: Option<&Home>) -> anyhow::Result<()> {
    let Some(home) = home else {
        if args.embed {
            return Ok(());
        }
        return Err(advised(
            anyhow!("there is no folder to keep components in"),
            "set THEATER_HOME to a folder, or carry the component inside the chain with --embed",
        ));
    };
    let kept = Store::open(home.store()).and_then(|store| store.put(component.bytes()));
    match kept {
        Ok(_) => Ok(()),
        Err(_) if args.embed => Ok(()),
        Err(error) => Err(advised(
            anyhow::Error::new(error).context("cannot keep the component"),
            "set THEATER_HOME to a folder that can be written, or use --embed",
        )),
    }
}

/// What the chain's header says.
fn about(args: &Args, component: &Component, limits: &Limits) -> About {
    About {
        recorder: concat!("theater ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: args.name(),
        component: Some(component.digest()),
        embedded: args.embed.then(|| component.bytes().to_vec()),
        settings: limits.settings(component.engine.backend()),
        world: Some(component.world().wit.clone()),
        ..About::default()
    }
}

fn read_key(path: &Path) -> anyhow::Result<IdentityKey> {
    let advice = "make one with theater-replay keygen";
    // A key is text, but another file need not be.
    let text = std::fs::read(path)
        .with_context(|| format!("cannot read the key {}", path.display()))
        .map_err(|error| advised(error, advice))?;
    IdentityKey::from_secret_text(&String::from_utf8_lossy(&text))
        .map_err(|_| advised(anyhow!("{} holds no identity key", path.display()), advice))
}

/// Prints what the calls returned, and says how it all ended.
fn report(
    args: &Args,
    world: &World,
    outcomes: &[(usize, Outcome)],
    failure: Option<&crate::trap::Failure>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let mut exit = Exit::Fine;
    let types = world.type_table();
    for (export, outcome) in outcomes {
        let Outcome::Returned(values) = outcome else { continue };
        let results = &world.exports[*export].results;
        let decoded = values.decode(results.iter(), &types)?;
        for (value, ty) in decoded.iter().zip(results) {
            if let Value::Result(Err(_)) = value {
                exit = Exit::Failed;
            }
            if args.calls.is_some() || !args.invoke.is_empty() {
                writeln!(out, "{}", write_value(value, ty, &types))?;
            }
        }
    }
    match failure {
        None => Ok(exit),
        Some(exit) if exit.code == theater_record::TrapCode::Exit => {
            let status = exit.detail.parse::<i32>().unwrap_or(1);
            Ok(if status == 0 { Exit::Fine } else { Exit::Status(status.clamp(1, 255) as u8) })
        }
        Some(failure) => {
            writeln!(err, "the component failed: {}", plain(&failure.to_string()))?;
            Ok(Exit::Failed)
        }
    }
}

fn parse_fuel(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected a whole number such as 1000000".to_owned())
}

fn parse_stack(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0..0x1_0000 => Err("a stack has at least 64KiB".to_owned()),
        size if size > STACK_BYTES_MAX => Err("a stack has at most 256MiB".to_owned()),
        size => Ok(size),
    }
}
