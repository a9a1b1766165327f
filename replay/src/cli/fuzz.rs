//! `fuzz`: makes up calls of a component, and checks that every recording of them can be replayed.

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use theater_runtime::complaint::{advised, not_runnable};
use theater_runtime::escape::{argument, plain, visible};
use theater_runtime::host::{Clocks, Grants, Random, parse_env};
use theater_runtime::machine;
use theater_runtime::{FunctionPath, Limits, RunError};

use crate::exit::Exit;
use crate::fuzzed::{Fuzzed, Saved};
use crate::locate::SourceArgs;
use crate::output::Output;
use crate::property::{
    Conditions, Counterexample, FUEL_DEFAULT, LeftOut, NotRecorded, Property, PropertyError,
    Reason, Search,
};
use crate::source::SourceMap;
use crate::ui::Ui;

const EXAMPLES: &str = "\
What is checked:
  Calls of the component's exports are made up from its interface types. Each case, up to --calls of
  them one after another, is recorded; the chain has to be complete and without a fault; a replay
  with no host has to do the same on Cranelift and on Pulley, to the same head; and a second
  recording has to be the same to the last byte. A component may trap, which is an end like any
  other. Calls that break this are shrunk to the fewest, and saved as a chain and as a script.

Examples:
  theater-replay fuzz ledger.wasm
  theater-replay fuzz ledger.wasm --cases 10000 --calls 20
  theater-replay fuzz ledger.wasm --seed 42                   the same cases again
  theater-replay fuzz ledger.wasm --only transfer --only open
  theater-replay fuzz ledger.wasm --random system --clocks system
  theater-replay fuzz ledger.wasm --json | jq .found

Nothing is granted but what is asked for here. With time or randomness of the system, two recordings
are two different things, and the second one is left out. The JSON is described by
replay/schemas/fuzz-1.json. For tests in Rust there is the module theater_replay::property.";

/// Makes up calls of a component, and checks that their recordings can be replayed.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The component.
    component: PathBuf,
    /// How many cases to try.
    #[arg(long, value_name = "N", default_value_t = Search::default().cases,
        value_parser = clap::value_parser!(u64).range(1..))]
    cases: u64,
    /// What all cases follow from [default: another one each time].
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,
    /// How many calls a case has at most.
    #[arg(long, value_name = "MAX", default_value_t = Search::default().calls_max as u64,
        value_parser = clap::value_parser!(u64).range(1..=CALLS_MAX))]
    calls: u64,
    /// Call only this export, or the exports of this interface; may be repeated.
    #[arg(long, value_name = "EXPORT")]
    only: Vec<FunctionPath>,
    /// The folder for what breaks the property.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    out: PathBuf,
    /// An environment variable: NAME=VALUE, or NAME for its value here; may be repeated.
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = parse_env)]
    env: Vec<(String, String)>,
    /// Randomness: `seed:N` for the same in every case, or `system`.
    #[arg(long, value_name = "SOURCE", default_value = "seed:1")]
    random: Random,
    /// Clocks: `fixed:START[+STEP]` in nanoseconds, or `system`.
    #[arg(long, value_name = "SOURCE", default_value = "fixed:1700000000000000000+1000000")]
    clocks: Clocks,
    /// End a case once the component has burned this much fuel.
    #[arg(long, value_name = "FUEL", default_value_t = FUEL_DEFAULT)]
    timeout_fuel: u64,
    #[command(flatten)]
    source: SourceArgs,
    /// Print the outcome as JSON, and nothing else.
    #[arg(long)]
    json: bool,
}

/// Longer sequences take more memory than they can find.
const CALLS_MAX: u64 = 10_000;

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    if !args.out.is_dir() {
        return Err(advised(
            anyhow!("there is no folder {}", args.out.display()),
            "make it first, or name another one with --out",
        ));
    }
    let property = property(args)?;
    starts(&property, &args.component)?;
    search(args, &property, ui)
}

/// Tries cases, and tells what came of it.
fn search(args: &Args, property: &Property, ui: &mut Ui) -> anyhow::Result<Exit> {
    let map = SourceMap::of(property.component().bytes(), &args.source.debug_info)?;
    let seed = args.seed.map_or_else(random_seed, Ok)?;
    let calls_max = usize::try_from(args.calls).unwrap_or(usize::MAX);
    let search = Search { cases: args.cases, calls_max, seed };
    let progress = ui.progress_of_cases(args.cases);
    let mut searched = property.search(&search, &mut |searched| progress.set(searched.cases));
    drop(progress);
    if let Some(found) = &mut searched.found {
        found.smallest.violation.locate(&map);
    }
    let found = searched.found.as_ref();
    let saved = found.map(|found| save(args, &found.smallest, seed)).transpose()?;
    let fuzzed = Fuzzed {
        component: &args.component,
        property,
        search: &search,
        searched: &searched,
        saved: saved.as_ref(),
        again: again(args, &search),
        source: &args.source,
    };
    match args.json {
        true => writeln!(ui.out, "{}", fuzzed.json())?,
        false => write!(ui.out, "{}", fuzzed.text(ui.paint()))?,
    }
    Ok(if searched.found.is_some() { Exit::Finding } else { Exit::Fine })
}

fn random_seed() -> anyhow::Result<u64> {
    // Somebody may have to type it.
    Ok(u64::from(u32::from_le_bytes(machine::random()?)))
}

fn property(args: &Args) -> anyhow::Result<Property> {
    let grants = Grants {
        env: args.env.clone(),
        random: args.random,
        clocks: args.clocks,
        ..Grants::default()
    };
    let limits = Limits { fuel: true, fuel_max: Some(args.timeout_fuel), ..Limits::default() };
    let conditions = Conditions { grants, limits, ..Conditions::default() };
    let property = Property::load(&args.component, conditions);
    let property = match args.only[..] {
        [] => property,
        _ => property.and_then(|property| property.only(&args.only)),
    };
    property.map_err(|error| match error {
        PropertyError::Component(error) => not_runnable(error, &args.component),
        PropertyError::NothingToCall { left_out } => nothing_to_call(&args.component, &left_out),
        PropertyError::Export(error) => anyhow::Error::new(error).context("--only"),
        PropertyError::Engine(error) => error.into(),
    })
}

fn nothing_to_call(component: &Path, left_out: &[LeftOut]) -> anyhow::Error {
    let shown = component.display();
    let advice = "export functions that take values, or that return the resources others take";
    let asked_for = |one: &&LeftOut| one.reason != Reason::NotAskedFor;
    let Some(LeftOut { export, reason }) = left_out.iter().find(asked_for) else {
        return advised(
            anyhow!("{shown} exports no function, so there is nothing to call"),
            advice,
        );
    };
    advised(anyhow!("{shown} exports nothing that can be called here: {export} {reason}"), advice)
}

/// A component that cannot be run at all says nothing about recordings.
fn starts(property: &Property, path: &Path) -> anyhow::Result<()> {
    let Err(broken) = property.check(&[]) else { return Ok(()) };
    let Err(error) = &broken.recorded.ended else { return Ok(()) };
    let shown = path.display();
    Err(match &**error {
        NotRecorded::Run(RunError::MissingImport { .. }) => advised(
            anyhow!("{shown} cannot be run: {error}"),
            "build it for WASI 0.2; it is given cli, clocks, random, io, filesystem, sockets and http",
        ),
        _ => anyhow!("{shown} cannot be run: {error}"),
    })
}

/// Saves the calls that break the property, as a chain and as a script, under names that are free.
fn save(args: &Args, broken: &Counterexample, seed: u64) -> anyhow::Result<Saved> {
    let stem = args.component.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let files = |again: u32| {
        let name = match again {
            1 => format!("{stem}-{seed}"),
            _ => format!("{stem}-{seed}-{again}"),
        };
        let file = |ending: &str| match args.out == Path::new(".") {
            true => PathBuf::from(format!("{name}{ending}")),
            false => args.out.join(format!("{name}{ending}")),
        };
        (file(".chain.cbor"), file(".wave"))
    };
    let is_free = |path: &Path| std::fs::symlink_metadata(path).is_err();
    let (chain, calls) = (1..)
        .map(files)
        .find(|(chain, calls)| is_free(chain) && is_free(calls))
        .context("there is no name left for what was found")?;
    let run = run_again(args, &calls);
    let comment = [
        format!(
            "Calls that break the replay of {}: {}",
            plain(&stem),
            visible(&broken.violation.to_string())
        ),
        format!("Run them again with: {run}"),
    ];
    write(&chain, &broken.recorded.chain)?;
    write(&calls, broken.script(&comment.each_ref().map(String::as_str)).as_bytes())?;
    Ok(Saved { chain, calls, run })
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let mut file = Output::create(path, false)?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))?;
    file.finish()
}

/// The command that makes the same calls under the same conditions.
fn run_again(args: &Args, calls: &Path) -> String {
    let (component, calls) = (argument(&args.component), argument(calls));
    let Args { timeout_fuel, .. } = args;
    let sources = format!("--random {} --clocks {}", random(args.random), clocks(args.clocks));
    format!(
        "theater run {component} --calls {calls} {sources} --timeout-fuel {timeout_fuel}{}",
        env(args)
    )
}

/// The command that tries the same cases. What is as by default is left out.
fn again(args: &Args, search: &Search) -> String {
    let Search { cases, calls_max, seed } = search;
    let default = Search::default();
    let mut command = format!("theater-replay fuzz {} --seed {seed}", argument(&args.component));
    let mut add = |is_default: bool, option: String| {
        if !is_default {
            command = format!("{command} {option}");
        }
    };
    add(*cases == default.cases, format!("--cases {cases}"));
    add(*calls_max == default.calls_max, format!("--calls {calls_max}"));
    for only in &args.only {
        add(false, format!("--only {}", argument(Path::new(&only.to_string()))));
    }
    let Grants { random: usual_random, clocks: usual_clocks, .. } = Conditions::default().grants;
    add(args.random == usual_random, format!("--random {}", random(args.random)));
    add(args.clocks == usual_clocks, format!("--clocks {}", clocks(args.clocks)));
    add(args.timeout_fuel == FUEL_DEFAULT, format!("--timeout-fuel {}", args.timeout_fuel));
    command + &env(args)
}

fn random(random: Random) -> String {
    match random {
        Random::System => "system".to_owned(),
        Random::Seeded(seed) => format!("seed:{seed}"),
    }
}

fn clocks(clocks: Clocks) -> String {
    match clocks {
        Clocks::System => "system".to_owned(),
        Clocks::Fixed { start_ns, step_ns } => format!("fixed:{start_ns}+{step_ns}"),
    }
}

fn env(args: &Args) -> String {
    let env = args
        .env
        .iter()
        .map(|(name, value)| format!(" --env {}", argument(Path::new(&format!("{name}={value}")))));
    env.collect()
}
