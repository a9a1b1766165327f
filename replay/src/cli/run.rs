//! `run`: executes the component again against the chain, with no host, and says whether it did
//! the same.

use std::io::Write;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;
use theater_runtime::{Backend, Ending, PlaybackOptions, Played};
use theater_verify::{Verdict, VerifiedChain};

use crate::amount::counted;
use crate::divergence::Divergence;
use crate::exit::Exit;
use crate::find::Found;
use crate::replay::{self, Ready, Request};
use crate::story::{self, DivergenceJson};
use crate::ui::Ui;
use crate::{findings, json, synthetic};
use theater_runtime::escape::argument;

const EXAMPLES: &str = "\
What is replayed:
  The chain is verified first. Then the component, found by its digest in --component, inside the
  chain or in the store, runs against the recorded answers; no host function can be reached. Each of
  its calls and returns has to be the recorded one, byte for byte, and the chain of what it did has
  to have the same hashes.

Examples:
  theater-replay run hello.chain.cbor
  theater-replay run hello.chain.cbor --backend pulley        a second opinion
  theater-replay run agent.chain.cbor --component agent-v2.wasm
  theater-replay run crashed.chain.cbor --prefix
  theater-replay run agent.chain.cbor --to 120 --quiet
  theater-replay run agent.chain.cbor --json | jq .divergence

The JSON is described by replay/schemas/run-1.json.";

/// Replays a chain and says whether the component did exactly what was recorded.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain.
    chain: PathBuf,
    /// The component's file. Another build than the recorded one is compared by what it does.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    /// Stop before this event.
    #[arg(long, value_name = "EVENT")]
    to: Option<u64>,
    /// Replay the good start of a chain that is damaged or open.
    #[arg(long)]
    prefix: bool,
    /// What executes the component.
    #[arg(long, value_enum, default_value_t = BackendChoice::Cranelift)]
    backend: BackendChoice,
    /// Write what the replay did as a chain of its own, marked synthetic.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Count fuel and print it for each call and return.
    #[arg(long)]
    fuel_index: bool,
    /// Do not print what the component prints.
    #[arg(long)]
    quiet: bool,
    /// Print the outcome as JSON, and nothing else.
    #[arg(long)]
    json: bool,
}

/// What executes a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BackendChoice {
    /// Machine code.
    Cranelift,
    /// An interpreter: independent, and slower.
    Pulley,
}

impl From<BackendChoice> for Backend {
    fn from(choice: BackendChoice) -> Backend {
        match choice {
            BackendChoice::Cranelift => Backend::Cranelift,
            BackendChoice::Pulley => Backend::Pulley,
        }
    }
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let (chain, verdict) = match replay::check(&args.chain, args.prefix, ui)? {
        Ready::Good(chain, verdict) => (chain, verdict),
        Ready::NotGood(report) => return refuse(args, &report, ui),
    };
    let out = args.out.as_deref().map(|out| synthetic::recorder(&chain, out)).transpose()?;
    let request = Request {
        path: &args.chain,
        component: args.component.as_deref(),
        backend: args.backend.into(),
        shows_output: !args.quiet && !args.json,
    };
    let (recorder, file) =
        out.map_or((None, None), |(recorder, file)| (Some(recorder), Some(file)));
    let options = PlaybackOptions {
        until: args.to,
        out: recorder,
        fuel_index: args.fuel_index,
        ..PlaybackOptions::default()
    };
    let (found, played) = replay::run(&request, &chain, options, ui)?;
    if let Some(file) = file {
        file.keep();
    }
    report(args, &chain, verdict, &found, played, ui)
}

/// A chain that is not good is not replayed unasked: nothing could be said about it.
fn refuse(args: &Args, report: &theater_verify::Report, ui: &mut Ui) -> anyhow::Result<Exit> {
    let shown = args.chain.display();
    let verdict = findings::verdict(report.verdict());
    if args.json {
        let outcome = NotReplayedJson { schema: SCHEMA, chain: shown.to_string(), verdict };
        writeln!(ui.out, "{}", json::document(&outcome))?;
    } else {
        let path = argument(&args.chain);
        let reason = report.faults.first().map_or_else(String::new, |fault| format!(": {fault}"));
        writeln!(ui.err, "{shown} is {verdict} and was not replayed{reason}")?;
        writeln!(ui.err, "  try: theater-replay run {path} --prefix")?;
    }
    Ok(if report.verdict() == Verdict::Open { Exit::Open } else { Exit::Finding })
}

const SCHEMA: &str = "theater-replay/run/1";

#[derive(Serialize)]
struct NotReplayedJson {
    schema: &'static str,
    chain: String,
    verdict: &'static str,
}

#[derive(Serialize)]
struct RunJson {
    schema: &'static str,
    chain: String,
    /// What verification said.
    verdict: &'static str,
    component: ComponentJson,
    backend: &'static str,
    /// What replay said.
    replay: &'static str,
    /// The last event that was the same.
    event: u64,
    head: String,
    recorded_head: String,
    heads_equal: bool,
    not_compared: u64,
    divergence: Option<DivergenceJson>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fuel: Vec<(u64, u64)>,
}

#[derive(Serialize)]
struct ComponentJson {
    recorded: Option<String>,
    used: String,
    found_in: &'static str,
}

fn report(
    args: &Args,
    chain: &VerifiedChain,
    verdict: Verdict,
    found: &Found,
    played: Played,
    ui: &mut Ui,
) -> anyhow::Result<Exit> {
    let is_recorded = chain.header().component == Some(found.component.digest());
    let head = chain.head();
    let heads_equal = played.head == head.hash;
    let word = match &played.ending {
        Ending::Same | Ending::Unanswered(_) => "same",
        Ending::Reached => "reached",
        Ending::Diverged(_) => "diverged",
    };
    let (event, own_head, uncompared) = (played.seq, played.head, played.uncompared);
    let divergence = match played.ending {
        Ending::Diverged(mismatch) => Some(Divergence::of(*mismatch)),
        Ending::Same | Ending::Reached | Ending::Unanswered(_) => None,
    };
    let exit = if divergence.is_some() { Exit::Finding } else { Exit::Fine };
    if args.json {
        let outcome = RunJson {
            schema: SCHEMA,
            chain: args.chain.display().to_string(),
            verdict: findings::verdict(verdict),
            component: ComponentJson {
                recorded: chain.header().component.map(|digest| digest.to_string()),
                used: found.component.digest().to_string(),
                found_in: found.place.name(),
            },
            backend: Backend::from(args.backend).name(),
            replay: word,
            event,
            head: own_head.to_string(),
            recorded_head: head.hash.to_string(),
            heads_equal,
            not_compared: uncompared,
            divergence: divergence.as_ref().map(DivergenceJson::of),
            fuel: played.fuel,
        };
        writeln!(ui.out, "{}", json::document(&outcome))?;
        return Ok(exit);
    }
    ui.out.flush()?;
    for (event, fuel) in &played.fuel {
        writeln!(ui.out, "event {event}: fuel {fuel}")?;
    }
    let shown = args.chain.display();
    let paint = ui.paint();
    if !is_recorded {
        writeln!(
            ui.out,
            "component {} is another build than the recorded one",
            found.component.digest()
        )?;
    }
    match &divergence {
        Some(divergence) => {
            let at = divergence.seq;
            writeln!(ui.out, "{shown}: {} at event {at}", paint.bad("diverged"))?;
            write!(ui.out, "{}", story::tell(divergence, paint))?;
            writeln!(
                ui.out,
                "next: theater-replay show {} --from {} --to {}",
                argument(&args.chain),
                at.saturating_sub(4),
                at + 4
            )?;
        }
        None if word == "reached" => {
            writeln!(ui.out, "{shown}: the {} up to event {event}", paint.good("same"))?;
        }
        None => {
            let events = counted(event + 1, "event");
            writeln!(ui.out, "{shown}: the {}, {events}", paint.good("same"))?;
            if heads_equal {
                writeln!(
                    ui.out,
                    "  head {own_head}@{event}, computed from what the component did"
                )?;
            }
            if verdict != Verdict::Complete {
                let verdict = findings::verdict(verdict);
                writeln!(ui.out, "  the chain is {verdict}; this is about its good start only")?;
            }
        }
    }
    if uncompared > 0 {
        let payloads = counted(uncompared, "payload");
        writeln!(ui.out, "  {payloads} removed from the chain could not be compared")?;
    }
    Ok(exit)
}
