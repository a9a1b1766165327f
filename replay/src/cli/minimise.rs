//! `minimise`: the shortest sequence of calls that still fails the same way.

use std::io::Write;
use std::path::PathBuf;

use anyhow::anyhow;
use serde::Serialize;
use theater_record::{FunctionType, TypeTable, Values};
use theater_runtime::complaint::{advised, not_runnable};
use theater_runtime::escape::{argument, plain, visible};
use theater_runtime::{Backend, Component, Engine, Home, Inbound, play_excerpt, write_value};
use theater_verify::VerifiedChain;

use crate::amount::counted;
use crate::exit::Exit;
use crate::minimise::{Case, Fingerprint, MinimiseError, Shrunk, error_type, minimise, path};
use crate::render::call_in_part;
use crate::replay::{self, Ready};
use crate::source::{Located, SourceMap};
use crate::ui::Ui;
use crate::{find, json, synthetic, whence};

const EXAMPLES: &str = "\
How a chain is shrunk:
  What comes after the failure is cut off. Then calls into the component are left out, half of them,
  a quarter, down to single ones, for as long as it still fails the same way. Nothing is asked of
  any host: a call to the host gets the answer that was recorded to the same function with the same
  arguments, and where there is none, the candidate does not count.

What is the same failure:
  a trap       the same call traps in the same way, at the same place in the code
  an err       the same function returns the same error; of a variant, the same case
  divergence   another build, given with --component, parts from the recorded one in the same way:
               same kind, function and value path. The recorded build is needed too: from the chain,
               the store or --recorded.

Examples:
  theater-replay minimise crash.chain.cbor --out small.chain.cbor
  theater-replay minimise agent.chain.cbor --component agent-v2.wasm --out small.chain.cbor
  theater-replay minimise crash.chain.cbor --event 812 --out small.chain.cbor
  theater-replay minimise crash.chain.cbor --out small.chain.cbor --json | jq -r .kept[].call

The chain that is written is marked synthetic; it never verifies as a recording. The calls that are
kept are printed in WAVE syntax, one per line, as `theater run --invoke` takes them.
The JSON is described by replay/schemas/minimise-1.json.";

/// Shrinks a chain to the calls that are needed for its failure.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain.
    chain: PathBuf,
    /// The component's file. Another build than the recorded one is held against it.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// The recorded build's file, where another build is held against it.
    #[arg(long, value_name = "FILE", requires = "component")]
    recorded: Option<PathBuf>,
    /// A build of the component that was not stripped, or a folder with such builds, for source
    /// lines.
    #[arg(long, value_name = "PATH")]
    debug_info: Vec<PathBuf>,
    /// Where to write the shrunk chain, which must not exist.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Shrink to the failure of the call that this event belongs to [default: the last failure].
    #[arg(long, value_name = "EVENT")]
    event: Option<u64>,
    /// Try at most this many candidates.
    #[arg(long, value_name = "N", default_value_t = 5000)]
    tries: u64,
    /// Use the good start of a chain that is damaged or open.
    #[arg(long)]
    prefix: bool,
    /// Print the outcome as JSON, and nothing else.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let chain = match replay::check(&args.chain, args.prefix, ui)? {
        Ready::Good(chain, _) => chain,
        Ready::NotGood(report) => {
            return replay::refuse(&report, &args.chain, args.json.then_some(SCHEMA), ui);
        }
    };
    let cache = Home::find().ok().map(|home| home.cache());
    let engine =
        Engine::for_replay(Backend::Cranelift, &chain.header().settings, false, cache.as_deref())?;
    let (recorded, other) = builds(args, &chain, &engine)?;
    if args.event.is_some() && other.is_some() {
        return Err(advised(
            anyhow!("--event is about failures, and another build is looked at for what differs"),
            "leave out either --event or --component",
        ));
    }
    let (recorder, file) = synthetic::recorder(&chain, &args.out)?;
    let case = Case {
        chain: &chain,
        recorded: &recorded,
        other: other.as_ref(),
        event: args.event,
        tries: args.tries,
    };
    let shrunk = engine.on_stack(|| {
        let shrunk = minimise(&case)?;
        play_excerpt(&recorded, &chain, &shrunk.life, &shrunk.kept, Some(recorder))?;
        Ok(shrunk)
    });
    let shrunk = shrunk.map_err(|error| explained(error, args))?;
    file.keep();
    let source = trapped_at(args, &recorded, &shrunk)?;
    report(args, &recorded, other.as_ref(), &shrunk, source, ui)
}

/// The line of source at which the component trapped, if it did.
fn trapped_at(
    args: &Args,
    component: &Component,
    shrunk: &Shrunk,
) -> anyhow::Result<Option<Located>> {
    let (Some(event), Some(&last)) = (&shrunk.trap, shrunk.kept.last()) else { return Ok(None) };
    let map = SourceMap::of(component.bytes(), &args.debug_info)?;
    Ok(Some(map.locate(event, Some(&shrunk.life.calls[last].function), &shrunk.frames)))
}

/// The component that was recorded, and another one to hold against it if there is one.
fn builds(
    args: &Args,
    chain: &VerifiedChain,
    engine: &Engine,
) -> anyhow::Result<(Component, Option<Component>)> {
    let load =
        |file: &PathBuf| Component::load(engine, file).map_err(|error| not_runnable(error, file));
    let is_recorded = |component: &Component| chain.header().component == Some(component.digest());
    let given = args.component.as_ref().map(load).transpose()?;
    let (recorded, other) = match given {
        Some(component) if is_recorded(&component) => (Some(component), None),
        other => (args.recorded.as_ref().map(load).transpose()?, other),
    };
    match recorded {
        Some(recorded) if is_recorded(&recorded) => Ok((recorded, other)),
        Some(_) => Err(advised(
            anyhow!("the component given with --recorded is not the one that was recorded"),
            "the file that was run, or leave it out if it is in the chain or the store",
        )),
        None => {
            let found = find::component(chain, &args.chain, None, engine);
            if chain.header().component.is_none() {
                return found.map(|found| (found.component, other));
            }
            let advice = match other {
                Some(_) => "name the file of the recorded build with --recorded",
                None => "name its file with --component",
            };
            let found = found.map_err(|error| advised(error, advice))?;
            Ok((found.component, other))
        }
    }
}

/// Why nothing was shrunk, and what to try.
fn explained(error: MinimiseError, args: &Args) -> anyhow::Error {
    let (shown, chain) = (args.chain.display(), argument(&args.chain));
    let advice = match &error {
        MinimiseError::NoFailure => {
            "another build that does something else: --component FILE".to_owned()
        }
        MinimiseError::NoFailureAt(_) => {
            format!("theater-replay show {chain} --filter 'kind = export-return' finds the event")
        }
        MinimiseError::NoCall => format!("theater-replay show {chain}"),
        MinimiseError::NoDivergence => "a build that does something else".to_owned(),
        MinimiseError::NotReplayed(_) | MinimiseError::Playback(_) => {
            format!("theater-replay run {chain} says more")
        }
        MinimiseError::NotReproduced(_) => {
            "there is nothing to try: the failure depends on the order of equal calls".to_owned()
        }
        MinimiseError::Record(_) | MinimiseError::Candidate(_) => {
            "a file where there is room with --out".to_owned()
        }
    };
    advised(anyhow!(error).context(format!("there is nothing to shrink in {shown}")), advice)
}

const SCHEMA: &str = "theater-replay/minimise/1";

#[derive(Serialize)]
struct MinimiseJson {
    schema: &'static str,
    chain: String,
    component: ComponentJson,
    /// The event of the failure, in the chain.
    event: u64,
    fingerprint: FingerprintJson,
    /// Where the component trapped.
    source: Option<Located>,
    /// How many calls into the component there are up to the failure, and how many are needed.
    calls_before: usize,
    calls_after: usize,
    /// How many candidates were executed.
    replays: u64,
    /// Whether none of the calls that are kept can be left out.
    is_minimal: bool,
    kept: Vec<CallJson>,
    /// The events of the calls that were left out.
    left_out: Vec<u64>,
    out: String,
}

#[derive(Serialize)]
struct ComponentJson {
    recorded: String,
    /// The other build.
    other: Option<String>,
}

#[derive(Serialize)]
struct CallJson {
    event: u64,
    call: String,
}

#[derive(Serialize)]
struct FingerprintJson {
    kind: &'static str,
    function: Option<String>,
    trap: Option<&'static str>,
    detail: Option<String>,
    /// The error that was returned, in WAVE.
    error: Option<String>,
    divergence: Option<&'static str>,
    path: Option<String>,
}

impl FingerprintJson {
    fn of(shrunk: &Shrunk) -> FingerprintJson {
        let none = FingerprintJson {
            kind: shrunk.fingerprint.kind(),
            function: None,
            trap: None,
            detail: None,
            error: None,
            divergence: None,
            path: None,
        };
        match &shrunk.fingerprint {
            Fingerprint::Trap { function, code, detail, .. } => FingerprintJson {
                function: Some(function.clone()),
                trap: Some(code.name()),
                detail: Some(detail.clone()),
                ..none
            },
            Fingerprint::Error { function, .. } => {
                let error = error_text(shrunk);
                FingerprintJson { function: Some(function.clone()), error, ..none }
            }
            Fingerprint::Divergence { kind, function, path } => FingerprintJson {
                function: function.clone(),
                divergence: Some(kind.name()),
                path: path.clone(),
                ..none
            },
        }
    }
}

fn error_text(shrunk: &Shrunk) -> Option<String> {
    let (function, error) = shrunk.error.as_ref()?;
    let ty = error_type(function, &shrunk.life.types)?;
    Some(write_value(error, ty, &shrunk.life.types))
}

fn report(
    args: &Args,
    recorded: &Component,
    other: Option<&Component>,
    shrunk: &Shrunk,
    source: Option<Located>,
    ui: &mut Ui,
) -> anyhow::Result<Exit> {
    let calls = &shrunk.life.calls;
    let kept = shrunk.kept.iter().map(|&position| {
        let call = &calls[position];
        CallJson { event: call.seq, call: call_text(call, recorded, &shrunk.life.types) }
    });
    let left_out = (0..shrunk.truncated).filter(|position| !shrunk.kept.contains(position));
    let outcome = MinimiseJson {
        schema: SCHEMA,
        chain: args.chain.display().to_string(),
        component: ComponentJson {
            recorded: recorded.digest().to_string(),
            other: other.map(|other| other.digest().to_string()),
        },
        event: shrunk.event,
        fingerprint: FingerprintJson::of(shrunk),
        source,
        calls_before: shrunk.truncated,
        calls_after: shrunk.kept.len(),
        replays: shrunk.tried,
        is_minimal: shrunk.is_certain,
        kept: kept.collect(),
        left_out: left_out.map(|position| calls[position].seq).collect(),
        out: args.out.display().to_string(),
    };
    if args.json {
        writeln!(ui.out, "{}", json::document(&outcome))?;
    } else {
        tell(args, &outcome, ui)?;
    }
    Ok(Exit::Fine)
}

/// The outcome for people.
fn tell(args: &Args, outcome: &MinimiseJson, ui: &mut Ui) -> anyhow::Result<()> {
    let paint = ui.paint();
    let (before, after) = (outcome.calls_before as u64, outcome.calls_after as u64);
    let shown = visible(&outcome.chain);
    let headline = match (before, after) {
        (before, after) if !outcome.is_minimal => {
            format!("{after} of {} are left", counted(before, "call"))
        }
        (1, 1) => "its only call is needed".to_owned(),
        (before, after) if before == after => {
            format!("all {} up to the failure are needed", counted(before, "call"))
        }
        (before, 0) => format!("none of {} is needed", counted(before, "call")),
        (before, 1) => format!("1 of {} is needed", counted(before, "call")),
        (before, after) => format!("{after} of {} are needed", counted(before, "call")),
    };
    writeln!(ui.out, "{shown}: {}", paint.strong(headline))?;
    writeln!(ui.out, "  fails at event {}: {}", outcome.event, plain(&outcome.fingerprint.text()))?;
    if let Some(brief) = outcome.source.as_ref().and_then(whence::brief) {
        writeln!(ui.out, "  {brief}")?;
    }
    let certainty = match outcome.is_minimal {
        true => "without any one of these calls it does not fail this way",
        false => "perhaps there is a shorter one, which more --tries would find",
    };
    writeln!(ui.out, "  {} tried; {certainty}", counted(outcome.replays, "replay"))?;
    writeln!(ui.out, "  needed, by event:")?;
    let width = outcome.kept.last().map_or(0, |call| call.event.to_string().len());
    for CallJson { event, call } in &outcome.kept {
        writeln!(ui.out, "    {event:>width$}  {}", call_in_part(&plain(call)))?;
    }
    let out = argument(&args.out);
    writeln!(ui.out, "  wrote {out}, marked synthetic: it never verifies as a recording")?;
    writeln!(ui.out, "  next: theater-replay show {out}")?;
    Ok(())
}

impl FingerprintJson {
    /// How it fails, in words.
    fn text(&self) -> String {
        let function = self.function.as_deref().unwrap_or("the component");
        match (self.trap, self.divergence) {
            (Some(trap), _) => match self.detail.as_deref() {
                None | Some("") => format!("{function} traps: {trap}"),
                Some(detail) => format!("{function} traps: {trap}: {detail}"),
            },
            (None, Some(divergence)) => match &self.path {
                None => format!("the other build parts in {function}: {divergence}"),
                Some(path) => format!("the other build parts in {function}: {divergence}, {path}"),
            },
            (None, None) => match &self.error {
                Some(error) => format!("{function} returns err({error})"),
                None => format!("{function} returns an err"),
            },
        }
    }
}

/// A call as `theater run --invoke` takes it, under the shortest name that is clear.
fn call_text(call: &Inbound, component: &Component, types: &TypeTable) -> String {
    let exports = &component.world().exports;
    let is_clear = exports.iter().filter(|export| export.name == call.function.name).count() == 1;
    let name = if is_clear { call.function.name.clone() } else { path(&call.function) };
    format!("{name}({})", args_text(&call.function, &call.args, types))
}

fn args_text(function: &FunctionType, args: &Values, types: &TypeTable) -> String {
    let types_of = || function.params.iter().map(|(_, ty)| ty);
    let values = args.decode(types_of(), types).unwrap_or_default();
    let texts = values.iter().zip(types_of()).map(|(value, ty)| write_value(value, ty, types));
    texts.collect::<Vec<_>>().join(", ")
}
