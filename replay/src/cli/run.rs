//! `run`: executes the component again against the chain, with no host, and says whether it did
//! the same.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clap::ValueEnum;
use serde::Serialize;
use theater_runtime::complaint::advised;
use theater_runtime::escape::{argument, plain, visible};
use theater_runtime::{Backend, Ending, PlaybackOptions, Played};
use theater_verify::{Verdict, VerifiedChain};

use crate::amount::counted;
use crate::divergence::{self, Divergence};
use crate::exit::Exit;
use crate::find::Found;
use crate::good_if::GoodIf;
use crate::locate::{self, SourceArgs};
use crate::replay::{self, Ready, Request};
use crate::story::{self, DivergenceJson};
use crate::ui::Ui;
use crate::{findings, json, synthetic};

mod judge;
mod set;

pub(crate) use judge::trouble;
use judge::{goodness, judge};

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
  theater-replay run --set chains/            every actor of a system
  git bisect run sh -c \\
      'make a.wasm || exit 125; theater-replay run a.cbor --component a.wasm --good-if same'

With --good-if, the exit status is what git bisect run asks for:
    0  good: the condition is met
    1  bad: it is not
  125  this build cannot be tested: no such file, no component, an export is missing
  128  no build can: wrong usage, or the chain cannot be replayed
A condition is made of these, joined by and, or, not and parentheses:
  same               the component does what was recorded
  same-until EVENT   it does so before this event
  diverged           it does something else
  event >= 54        it does, and not before event 54; = != < <= > >= ~ compare
  kind = extra-call  it does, in this way; function and path are compared in the same manner

With --set, all chains of a folder are replayed, each alone, and shown below the one of the actor's
parent; then what they say of messages is held against each other, as verify --set does. Each takes
the --component whose digest it names. Where all were recorded from one component, another build can
be named for all.

What the exit status says of a set:
  0  every chain did what was recorded, and they fit together
  1  one did something else, is damaged, or contradicts another
  2  one could not be checked or replayed; the others were
  3  one is open, and so was not replayed; with --prefix, what is there of it is, and this is 0
The worst of these wins: 2, then 1, 3, 0.

The JSON is described by replay/schemas/run-1.json, that of sets by run-set-1.json.";

/// Replays a chain and says whether the component did exactly what was recorded.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain.
    #[arg(required_unless_present = "set")]
    chain: Option<PathBuf>,
    /// Replay all chains of this folder.
    #[arg(
        long,
        value_name = "FOLDER",
        conflicts_with_all = ["chain", "recorded", "to", "out", "good_if", "fuel_index"]
    )]
    set: Option<PathBuf>,
    /// The component's file, or its digest in the store. Another build than the recorded one is
    /// compared by what it does. Several may be named for a set.
    #[arg(long, value_name = "FILE")]
    component: Vec<PathBuf>,
    /// The recorded build's file, to show its source line beside that of another build.
    #[arg(help_heading = "Source lines", long, value_name = "FILE", requires = "component")]
    recorded: Option<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
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
    /// Say whether the build is good, by how its replay ends. Good is exit 0, bad is exit 1.
    #[arg(long, value_name = "CONDITION", requires = "component")]
    good_if: Option<String>,
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

impl Args {
    fn chain(&self) -> &Path {
        self.chain.as_deref().expect("there is a chain if there is no set")
    }
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
    if let Some(folder) = &args.set {
        return set::run(folder, args, ui);
    }
    if let Some(condition) = &args.good_if {
        return judge(args, condition, ui);
    }
    match ready(args, ui)? {
        Ok((chain, verdict)) => {
            let divergence = replayed(args, &chain, verdict, None, ui)?;
            Ok(if divergence.is_some() { Exit::Finding } else { Exit::Fine })
        }
        Err(exit) => Ok(exit),
    }
}

/// The chain, checked. If it is not good, that was said, and how to exit is returned.
#[allow(clippy::type_complexity, reason = "it is taken apart where it comes from")]
fn ready(args: &Args, ui: &mut Ui) -> anyhow::Result<Result<(Box<VerifiedChain>, Verdict), Exit>> {
    if args.to == Some(0) {
        return Err(advised(
            anyhow!("--to 0 leaves nothing to replay, because event 0 is the header"),
            "name the event before which to stop",
        ));
    }
    match replay::check(args.chain(), args.prefix, ui)? {
        Ready::Good(chain, verdict) => Ok(Ok((chain, verdict))),
        Ready::NotGood(report) => {
            replay::refuse(&report, args.chain(), args.json.then_some(SCHEMA), ui).map(Err)
        }
    }
}

/// Replays the chain and tells what came out.
fn replayed(
    args: &Args,
    chain: &VerifiedChain,
    verdict: Verdict,
    good_if: Option<&GoodIf>,
    ui: &mut Ui,
) -> anyhow::Result<Option<Divergence>> {
    let out = args.out.as_deref().map(|out| synthetic::recorder(chain, out)).transpose()?;
    let request = Request {
        path: args.chain(),
        component: set::one_component(args)?,
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
    let (found, played) = replay::run(&request, chain, options, ui)?;
    if let Some(file) = file {
        file.keep();
    }
    report(args, chain, verdict, good_if, &found, played, ui)
}

const SCHEMA: &str = "theater-replay/run/1";

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
    /// The function whose answer the recording does not have any more.
    waits_for: Option<String>,
    divergence: Option<DivergenceJson>,
    /// With `--good-if`: what it says, or nothing if there is no telling.
    #[serde(skip_serializing_if = "Option::is_none")]
    good: Option<Option<bool>>,
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
    good_if: Option<&GoodIf>,
    found: &Found,
    played: Played,
    ui: &mut Ui,
) -> anyhow::Result<Option<Divergence>> {
    let Played { ending, seq: event, head, uncompared, fuel, .. } = played;
    let (word, divergence, waits_for) = match ending {
        Ending::Same => ("same", None, None),
        Ending::Reached => ("reached", None, None),
        Ending::Unanswered(call) => ("same", None, divergence::path(&call)),
        Ending::Diverged(mismatch) => {
            let mut divergence = Divergence::of(*mismatch);
            let recorded = args.recorded.as_deref();
            let component = &found.component;
            locate::divergence(
                &mut divergence,
                chain,
                args.chain(),
                component,
                recorded,
                &args.source,
            )?;
            ("diverged", Some(divergence), None)
        }
    };
    let recorded_head = chain.head().hash;
    let outcome = RunJson {
        schema: SCHEMA,
        chain: args.chain().display().to_string(),
        verdict: findings::verdict(verdict),
        component: ComponentJson {
            recorded: chain.header().component.map(|digest| digest.to_string()),
            used: found.component.digest().to_string(),
            found_in: found.place.name(),
        },
        backend: Backend::from(args.backend).name(),
        replay: word,
        event,
        head: head.to_string(),
        recorded_head: recorded_head.to_string(),
        heads_equal: head == recorded_head,
        not_compared: uncompared,
        waits_for,
        divergence: divergence.as_ref().map(DivergenceJson::of),
        good: good_if.map(|good_if| goodness(good_if, divergence.as_ref())),
        fuel,
    };
    if args.json {
        writeln!(ui.out, "{}", json::document(&outcome))?;
    } else {
        ui.out.flush()?;
        tell(args, &outcome, divergence.as_ref(), verdict, ui)?;
    }
    Ok(divergence)
}

/// The outcome for people.
fn tell(
    args: &Args,
    outcome: &RunJson,
    divergence: Option<&Divergence>,
    verdict: Verdict,
    ui: &mut Ui,
) -> anyhow::Result<()> {
    let paint = ui.paint();
    for (event, fuel) in &outcome.fuel {
        writeln!(ui.out, "event {event}: fuel {fuel}")?;
    }
    let shown = visible(&outcome.chain);
    let event = outcome.event;
    match divergence {
        Some(divergence) => {
            let (at, kind) = (divergence.seq, divergence.kind.sentence());
            writeln!(ui.out, "{shown}: {} at event {at}: {kind}", paint.bad("diverged"))?;
        }
        None if outcome.replay == "reached" => {
            writeln!(ui.out, "{shown}: the {} up to event {event}", paint.good("same"))?;
        }
        None => {
            let events = counted(event + 1, "event");
            writeln!(ui.out, "{shown}: the {}, {events}", paint.good("same"))?;
        }
    }
    let mut notes = Vec::new();
    let ComponentJson { recorded, used, .. } = &outcome.component;
    if let Some(recorded) = recorded.as_ref().filter(|recorded| *recorded != used) {
        notes.push(format!("this is component {used},"));
        notes.push(format!("another build than {recorded}, which was recorded"));
    }
    if divergence.is_none() && outcome.heads_equal {
        let head = &outcome.head;
        notes.push(format!("head {head}@{event}, computed from what the component did"));
    }
    if let Some(function) = &outcome.waits_for {
        notes.push(format!("there the component waits for {}", plain(function)));
    }
    if let Some(to) = args.to.filter(|to| outcome.replay == "same" && *to > event) {
        notes.push(format!("the chain ends before event {to}"));
    }
    if divergence.is_none() && verdict != Verdict::Complete {
        let verdict = outcome.verdict;
        notes.push(format!("the chain is {verdict}; this is about its good start only"));
    }
    if outcome.not_compared > 0 {
        let payloads = counted(outcome.not_compared, "payload");
        notes.push(format!("{payloads} removed from the chain could not be compared"));
    }
    notes.extend(outcome.good.map(|good| judge::sentence(good, paint)));
    write!(ui.out, "{}", story::indented(&notes))?;
    if let Some(divergence) = divergence {
        write!(ui.out, "{}", story::tell(divergence, &args.source, paint))?;
        let (path, at) = (argument(args.chain()), divergence.seq);
        let (from, to) = (at.saturating_sub(4), at.saturating_add(4));
        writeln!(ui.out, "  next: theater-replay show {path} --from {from} --to {to}")?;
    }
    Ok(())
}
