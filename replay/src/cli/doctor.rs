//! `doctor`: what a component depends on besides its input.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use theater_record::Values;
use theater_runtime::complaint::{advised, not_runnable};
use theater_runtime::escape::{argument, visible};
use theater_runtime::host::{DirGrant, HostError, parse_env};
use theater_runtime::{Backend, Component, Engine, Home, Invocation, Limits, RunError, World};

use crate::doctor::report::{self, DiagnosisJson};
use crate::doctor::{Diagnosis, DoctorError, Patient, RecordingError, diagnose};
use crate::exit::Exit;
use crate::json;
use crate::output::Output;
use crate::source::SourceMap;
use crate::ui::Ui;

const EXAMPLES: &str = "\
What is examined:
  The component is recorded several times. Each time one thing is varied and all others are held
  still: the time, what is ready first, randomness, the environment, the order of directory entries,
  and, by way of longer variables and a longer name of the program, where things lie in its memory.
  What then shows outside, in what it calls and returns, is a finding. What it is told and does not
  show is a note. Every recording is replayed, and has to replay exactly.

What is given:
  Arguments, input, variables and directories that are named here are input: they stay as they are.
  Directories that may be changed are copied for each run, so nothing is left of what it writes.
  There is no network.

Exit status of doctor: 0 if nothing was found, 1 if it depends on something, 2 if it cannot be said.

Examples:
  theater-replay doctor report.wasm --dir ./data::/data:ro -- /data
  theater-replay doctor ledger.wasm --invoke 'open(\"ann\")' --invoke 'history(oldest-first)'
  theater-replay doctor agent.wasm --debug-info target/wasm32-wasip2/debug --runs 10
  theater-replay doctor report.wasm --keep runs     keeps what it recorded, for diff
  theater-replay doctor report.wasm --json | jq -r '.findings[].enters[].function'

The JSON is described by replay/schemas/doctor-1.json.";

/// Finds out what a component depends on besides its input, such as the time.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A component, or a core module for WASI preview 1.
    component: PathBuf,
    /// Arguments of the program.
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
    /// Call this export, in WAVE syntax; may be repeated. Without it, `wasi:cli/run` is called.
    #[arg(long, value_name = "CALL")]
    invoke: Vec<String>,
    /// How often to vary each thing.
    #[arg(long, value_name = "N", default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=1000))]
    runs: u32,
    /// A directory: HOST::GUEST, or HOST::GUEST:ro for reading only; may be repeated.
    #[arg(long, value_name = "HOST::GUEST[:ro]")]
    dir: Vec<DirGrant>,
    /// An environment variable: NAME=VALUE, or NAME for its value here; may be repeated.
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = parse_env)]
    env: Vec<(String, String)>,
    /// Standard input, from a file.
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,
    /// End a run once it has burned this much fuel.
    #[arg(long, value_name = "FUEL")]
    timeout_fuel: Option<u64>,
    /// A build of the component that was not stripped, or a folder with such builds, for source
    /// lines.
    #[arg(long, value_name = "PATH")]
    debug_info: Vec<PathBuf>,
    /// Keep the recordings in which something shows in this folder, which must not exist.
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Print the outcome as JSON, and nothing else.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let limits = Limits {
        fuel_max: args.timeout_fuel,
        fuel: args.timeout_fuel.is_some(),
        ..Limits::default()
    };
    let cache = Home::find().ok().map(|home| home.cache());
    let engine = Engine::new(Backend::Cranelift, &limits, cache.as_deref())?;
    let path = &args.component;
    let component = Component::load(&engine, path).map_err(|error| not_runnable(error, path))?;
    let map = source_map(args, &component)?;
    let patient = patient(args, component, limits)?;
    if let Some(folder) = &args.keep {
        fs::create_dir(folder)
            .with_context(|| format!("cannot create {}", folder.display()))
            .map_err(|error| advised(error, "name a folder that does not exist with --keep"))?;
    }
    let diagnosis = engine.on_stack(|| diagnose(&patient, args.runs, map));
    let diagnosis = diagnosis.map_err(|error| explained(error, path))?;
    let chains = keep(args, &diagnosis)?;
    report(args, &patient, &diagnosis, &chains, ui)
}

fn source_map(args: &Args, component: &Component) -> anyhow::Result<SourceMap> {
    SourceMap::of(component.bytes(), &args.debug_info)
        .map_err(|error| advised(error.into(), "name a build that can be read with --debug-info"))
}

/// The component with all it is given and asked.
fn patient(args: &Args, component: Component, limits: Limits) -> anyhow::Result<Patient> {
    let calls = calls(args, component.world())?;
    let stdin = match &args.stdin {
        None => Vec::new(),
        Some(file) => fs::read(file)
            .with_context(|| format!("cannot read {}", file.display()))
            .map_err(|error| advised(error, "name a file that can be read with --stdin"))?,
    };
    let stem = args.component.file_stem().unwrap_or_default();
    Ok(Patient {
        component,
        name: stem.to_string_lossy().into_owned(),
        calls,
        limits,
        args: args.args.clone(),
        env: args.env.clone(),
        dirs: args.dir.clone(),
        stdin,
    })
}

/// The calls to make: exports by position, and encoded arguments.
fn calls(args: &Args, world: &World) -> anyhow::Result<Vec<(usize, Values)>> {
    if args.invoke.is_empty() {
        let run = world.program().ok_or_else(|| {
            let shown = args.component.display();
            advised(
                anyhow!("{shown} is no program: it does not export wasi:cli/run"),
                "call what it exports with --invoke 'FUNCTION(ARGUMENTS)'",
            )
        })?;
        return Ok(vec![(run, Values::of(&[])?)]);
    }
    let one = |text: &String| -> anyhow::Result<(usize, Values)> {
        Ok(Invocation::parse(text)?.encoded(world)?)
    };
    let calls = args.invoke.iter();
    calls.map(|text| one(text).with_context(|| format!("--invoke '{text}'"))).collect()
}

/// Why nothing can be said, and what to try.
fn explained(error: DoctorError, path: &Path) -> anyhow::Error {
    let advice = match &error {
        DoctorError::Recording(RecordingError::Host(HostError::Dir { .. })) => {
            "name a directory that exists, as in --dir HOST::GUEST"
        }
        DoctorError::Recording(RecordingError::Host(_)) => "theater run says more",
        DoctorError::Recording(RecordingError::Copy { .. }) => {
            "name a directory that can be read, or grant it for reading only: --dir HOST::GUEST:ro"
        }
        DoctorError::Recording(RecordingError::TooMuch(_)) => {
            "grant it for reading only, then it is not copied: --dir HOST::GUEST:ro"
        }
        DoctorError::Recording(RecordingError::Run(RunError::MissingImport { .. })) => {
            "build it for WASI 0.2; theater provides cli, clocks, random, io, filesystem, sockets \
             and http"
        }
        DoctorError::Recording(_) | DoctorError::Read(_) | DoctorError::Playback(_) => {
            "theater run shows whether it can be recorded at all"
        }
    };
    advised(anyhow!(error).context(format!("{} cannot be examined", path.display())), advice)
}

/// Writes the recordings of each finding; returns their files, the first recording's before each.
fn keep(args: &Args, diagnosis: &Diagnosis) -> anyhow::Result<Vec<[String; 2]>> {
    let Some(folder) = &args.keep else { return Ok(Vec::new()) };
    let write = |name: String, bytes: &[u8]| -> anyhow::Result<String> {
        let path = folder.join(name);
        let mut file = Output::create(&path, false)?;
        file.write_all(bytes)?;
        file.finish()?;
        Ok(path.display().to_string())
    };
    let first = write("first.chain.cbor".to_owned(), &diagnosis.first.bytes)?;
    let kept = diagnosis.findings.iter().map(|finding| {
        let name = format!("{}.chain.cbor", finding.class.name());
        Ok([first.clone(), write(name, &finding.run.bytes)?])
    });
    kept.collect()
}

fn report(
    args: &Args,
    patient: &Patient,
    diagnosis: &Diagnosis,
    chains: &[[String; 2]],
    ui: &mut Ui,
) -> anyhow::Result<Exit> {
    let exit = if diagnosis.findings.is_empty() { Exit::Fine } else { Exit::Finding };
    let component = args.component.display().to_string();
    if args.json {
        let digest = patient.component.digest().to_string();
        let outcome = DiagnosisJson::of(diagnosis, component, digest, chains);
        writeln!(ui.out, "{}", json::document(&outcome))?;
        return Ok(exit);
    }
    let paint = ui.paint();
    let shown = visible(&component);
    match diagnosis.findings.len() {
        0 => writeln!(ui.out, "{shown}: {}", paint.good("nothing found"))?,
        1 => writeln!(ui.out, "{shown}: {}", paint.bad("1 finding"))?,
        count => writeln!(ui.out, "{shown}: {}", paint.bad(format!("{count} findings")))?,
    }
    for line in report::tell(diagnosis, paint) {
        writeln!(ui.out, "{}", format!("  {line}").trim_end())?;
    }
    match chains.first() {
        Some([first, varied]) => {
            let [first, varied] = [first, varied].map(|file| argument(Path::new(file)));
            writeln!(ui.out, "  next: theater-replay diff {first} {varied}")?;
        }
        None if exit == Exit::Finding => {
            let diff = "theater-replay diff shows more";
            writeln!(ui.out, "  next: the same with --keep FOLDER keeps the recordings; {diff}")?;
        }
        None => {}
    }
    Ok(exit)
}
