//! `run`: runs a component and leaves a chain.

mod resume;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, anyhow};
use theater_record::{
    About, CheckpointPolicy, Clock, IdentityKey, Log, Options, Outcome, Recorder, Seed, TypeDef,
    TypeTable, Value, Values,
};

use super::{Exit, advised};
use crate::component::{Component, ComponentError};
use crate::engine::{Backend, Engine, Limits, STACK_BYTES_MAX};
use crate::home::Home;
use crate::host::{
    Clocks, DirGrant, Grants, Host, HttpGrant, Input, NetGrant, Output, Random, parse_env,
};
use crate::recording::{Recording, RecordingOptions, RunError};
use crate::store::Store;
use crate::wave::{Invocation, write_value};
use crate::world::{Function, World};

const EXAMPLES: &str = "\
Examples:
  theater run hello.wasm                                   a program; its chain is hello-TIME.chain.cbor
  theater run filter.wasm --stdin notes.txt -- --upper     with input and arguments
  theater run walk.wasm --dir ./photos::/photos:ro         may read ./photos as /photos
  theater run agent.wasm --http api.example.com --sign identity.key
  theater run ledger.wasm --invoke 'add(\"ann\", 5)' --invoke 'balance(\"ann\")'
  theater run ledger.wasm --invoke 'demo:bank/ledger#history()' --chain none
  theater run ledger.wasm --invoke 'add(\"ann\", 5)' --chain ann.cbor --pause
  theater run --resume ann.cbor --invoke 'balance(\"ann\")'";

/// Runs a component and records everything that crosses its sandbox.
///
/// Nothing is granted that is not asked for here: no files, no network, no environment, no input.
/// What is denied is in the chain.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A component, or a core module for WASI preview 1.
    #[arg(required_unless_present = "resume")]
    component: Option<PathBuf>,
    /// Arguments of the program.
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
    /// Call this export, in WAVE syntax; may be repeated. Without it, `wasi:cli/run` is called.
    #[arg(long, value_name = "CALL")]
    invoke: Vec<String>,
    /// Where to write the chain, which must not exist; `none` or `-` for nowhere [default:
    /// NAME-TIME.chain.cbor].
    #[arg(long, value_name = "FILE")]
    chain: Option<PathBuf>,
    /// The actor's name [default: the name of the component's file].
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    grants: GrantArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Sign the chain with this identity key; see `theater-replay keygen`.
    #[arg(long, value_name = "KEY")]
    sign: Option<PathBuf>,
    /// Make each call with effects durable before the host acts.
    #[arg(long)]
    durable: bool,
    /// Carry the component inside the chain.
    #[arg(long)]
    embed: bool,
    /// Leave the chain open at the end, so that the actor can be resumed.
    #[arg(long)]
    pause: bool,
    /// Bring the actor of this chain back by replay, and go on: what follows is appended. Limits
    /// are those of the chain; what is granted is granted anew.
    #[arg(long, value_name = "CHAIN", conflicts_with_all = ["chain", "name", "embed", "fuel", "timeout_fuel", "max_memory", "max_stack"])]
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
    #[arg(long, value_name = "FUEL")]
    timeout_fuel: Option<u64>,
    /// The most memory it may have: bytes, or with a unit such as 64MiB.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "1GiB")]
    max_memory: u64,
    /// The most stack it may use.
    #[arg(long, value_name = "SIZE", value_parser = parse_stack, default_value = "1MiB")]
    max_stack: u64,
}

pub(super) fn run(args: Args, out: &mut dyn Write, err: &mut dyn Write) -> anyhow::Result<Exit> {
    let home = Home::find().ok();
    let cache = home.as_ref().map(Home::cache);
    let path = match (&args.resume, &args.component) {
        (Some(chain), _) => return resume::run(&args, chain, home.as_ref(), out, err),
        (None, Some(path)) => path.clone(),
        (None, None) => unreachable!("one of the two is required"),
    };
    let limits = args.limits.limits();
    let engine = Engine::new(Backend::Cranelift, &limits, cache.as_deref())?;
    let shown = path.display().to_string();
    let component = load(&engine, &path)?;
    let calls = calls(&args, component.world())?;
    keep(&component, &args, home.as_ref())?;
    let host = Host::new(args.grants(&path))?;
    let chain = Chain::create(&args)?;
    let recorder = recorder(&args, &component, &limits, &chain)?;
    let options = RecordingOptions { limits, durable: args.durable, clock: system_clock() };
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
            let exit = report(&args, component.world(), &outcomes, failure.as_ref(), out, err)?;
            chain.mention(err)?;
            Ok(exit)
        }
        Ok(Ended::NotStarted(error)) => {
            chain.discard();
            Err(anyhow::Error::new(error).context(format!("cannot run {shown}")))
        }
        Err(error) => Err(chain.explain(error)),
    }
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

fn load(engine: &Engine, path: &Path) -> anyhow::Result<Component> {
    let shown = path.display().to_string();
    Component::load(engine, path).map_err(|error| match error {
        ComponentError::Unreadable { .. } => {
            advised(error.into(), "check the spelling, or look with ls")
        }
        ComponentError::NotWasm => advised(
            anyhow!("{shown} is {error}").context(format!("cannot run {shown}")),
            "build the component first, and name the .wasm file",
        ),
        error => anyhow::Error::new(error).context(format!("cannot run {shown}")),
    })
}

/// The calls to make: exports by position, and encoded arguments.
fn calls(args: &Args, world: &World) -> anyhow::Result<Vec<(usize, Values)>> {
    if args.invoke.is_empty() {
        let is_run = |function: &Function| {
            function.name == "run" && function.interface.starts_with("wasi:cli/run@")
        };
        let Some(run) = world.exports.iter().position(is_run) else {
            let names = world.exports.iter().map(Function::path).collect::<Vec<_>>();
            let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            return Err(advised(
                anyhow!("the component is no program: it does not export wasi:cli/run"),
                format!("call what it exports with --invoke: {names}"),
            ));
        };
        return Ok(vec![(run, Values::of(&[])?)]);
    }
    let types = table(world);
    let names = || world.exports.iter().map(|f| (f.interface.as_str(), f.name.as_str()));
    let one = |text: &String| -> anyhow::Result<(usize, Values)> {
        let call = Invocation::parse(text)?;
        let export = call.path().find(names())?;
        let values = call.args(&world.exports[export].params, &types)?;
        Ok((export, Values::of(&values)?))
    };
    let calls = args.invoke.iter();
    calls.map(|text| one(text).with_context(|| format!("cannot invoke {text}"))).collect()
}

/// The world's types as a chain would name them.
fn table(world: &World) -> TypeTable {
    let mut table = TypeTable::default();
    for named in &world.types {
        let id = theater_record::TypeId(table.len() as u32);
        table.add(TypeDef { id, name: named.name.clone(), ty: named.ty.clone() });
    }
    table
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

/// The file that the chain goes to, if it goes to one.
struct Chain {
    path: Option<PathBuf>,
    file: Option<std::fs::File>,
}

impl Chain {
    fn create(args: &Args) -> anyhow::Result<Chain> {
        let path = match &args.chain {
            Some(path) if path.as_os_str() == "none" || path.as_os_str() == "-" => {
                return Ok(Chain { path: None, file: None });
            }
            Some(path) => path.clone(),
            None => PathBuf::from(format!("{}-{}.chain.cbor", args.name(), file_time())),
        };
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = file.and_then(|file| {
            // A resume must not write to a chain that is still being recorded.
            file.lock()?;
            Ok(file)
        });
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => advised(
                anyhow!("{} exists already, and a chain is never written over", path.display()),
                "name another file with --chain",
            ),
            _ => advised(
                anyhow::Error::new(error).context(format!("cannot create {}", path.display())),
                "name a file that can be written with --chain, or discard with --chain none",
            ),
        })?;
        Ok(Chain { path: Some(path), file: Some(file) })
    }

    /// The component did not start, so there is nothing to keep.
    fn discard(&self) {
        if let Some(path) = &self.path {
            // It is empty but for its header; if it cannot be removed, it is at least no lie.
            let _ = std::fs::remove_file(path);
        }
    }

    fn mention(&self, err: &mut dyn Write) -> io::Result<()> {
        match &self.path {
            Some(path) => writeln!(err, "chain: {}", path.display()),
            None => Ok(()),
        }
    }

    /// Says what is left of a chain that could not be written.
    fn explain(&self, error: RunError) -> anyhow::Error {
        let error = anyhow::Error::new(error);
        match &self.path {
            Some(path) => advised(
                error.context(format!(
                    "the component was stopped, because {} cannot be written any further",
                    path.display()
                )),
                format!("theater-replay verify {} shows what was kept", path.display()),
            ),
            None => error,
        }
    }
}

fn recorder(
    args: &Args,
    component: &Component,
    limits: &Limits,
    chain: &Chain,
) -> anyhow::Result<Recorder> {
    let identity = args.sign.as_deref().map(read_key).transpose();
    let identity = identity.inspect_err(|_| chain.discard())?;
    let about = About {
        recorder: concat!("theater ", env!("CARGO_PKG_VERSION")).to_owned(),
        name: args.name(),
        component: Some(component.digest()),
        embedded: args.embed.then(|| component.bytes().to_vec()),
        settings: limits.settings(component.engine.backend()),
        world: Some(component.world().wit.clone()),
        ..About::default()
    };
    let options = Options {
        policy: CheckpointPolicy::default(),
        sign: identity.is_some(),
        identity,
        ..Options::default()
    };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)
        .map_err(|error| anyhow!("the system gives no random bytes: {error}"))?;
    let log: Box<dyn Log> = match &chain.file {
        Some(file) => Box::new(file.try_clone()?),
        None => Box::new(io::sink()),
    };
    let made = Recorder::create(log, about, options, Seed::new(seed), system_clock());
    made.inspect_err(|_| chain.discard()).context("cannot start the chain")
}

fn read_key(path: &Path) -> anyhow::Result<IdentityKey> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the key {}", path.display()))?;
    IdentityKey::from_secret_text(&text).map_err(|_| {
        advised(
            anyhow!("{} does not hold an identity key", path.display()),
            "make one with theater-replay keygen",
        )
    })
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
    let types = table(world);
    for (export, outcome) in outcomes {
        let Outcome::Returned(values) = outcome else { continue };
        let results = &world.exports[*export].results;
        let decoded = values.decode(results.iter(), &types)?;
        for (value, ty) in decoded.iter().zip(results) {
            if let Value::Result(Err(_)) = value {
                exit = Exit::Failed;
            }
            if !args.invoke.is_empty() {
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
            writeln!(err, "the component failed: {failure}")?;
            Ok(Exit::Failed)
        }
    }
}

fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    })
}

/// The time in UTC for the name of a file, such as 20261121T093000Z.
fn file_time() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (since / 86_400, since % 86_400);
    // Days to a date of the Gregorian calendar, counted in eras of 400 years from 1 March 0000.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{:02}Z", second % 60)
}

fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(format!("{unit:?} is not a unit; use KiB, MiB or GiB")),
    };
    let number: u64 = number.parse().map_err(|_| "expected a number such as 64MiB".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "the size is out of range".to_owned())
}

fn parse_stack(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0..0x1_0000 => Err("a stack has at least 64KiB".to_owned()),
        size if size > STACK_BYTES_MAX => Err("a stack has at most 256MiB".to_owned()),
        size => Ok(size),
    }
}
