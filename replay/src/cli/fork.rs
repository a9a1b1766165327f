//! `fork`: what would the component have done, had the host answered otherwise?

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde::Serialize;
use theater_record::{Event, FunctionType, Outcome, Return, Stored, TypeTable};
use theater_runtime::complaint::advised;
use theater_runtime::escape::{argument, visible};
use theater_runtime::{Backend, Crossing, Ending, PlaybackOptions};
use theater_verify::VerifiedChain;

use crate::divergence::{Divergence, DivergenceKind};
use crate::exit::Exit;
use crate::locate::SourceArgs;
use crate::replay::{self, Ready, Request};
use crate::set::{self, Assignment};
use crate::source::SourceMap;
use crate::story::{self, DivergenceJson, Label};
use crate::ui::{Paint, Ui};
use crate::{json, synthetic};

const EXAMPLES: &str = "\
The component runs against the recording as in `run`, but gets another answer to one of its calls.
It goes on for as long as the recording has answers: up to the first call that was not recorded.

Examples:
  theater-replay fork agent.chain.cbor --at 57 --set 'result.ok.status=500'
  theater-replay fork agent.chain.cbor --at 57 --set 'result=err(timeout)' --out what-if.chain.cbor
  theater-replay show agent.chain.cbor --filter 'kind = import-return'     finds the event

PATH leads into the result of the call: result, result.ok, result.ok.headers[2].value. VALUE is in
WAVE syntax. The chain written with --out is marked synthetic; it never verifies as a recording.
The JSON is described by replay/schemas/fork-1.json.";

/// Replays a chain with another answer at one event, and says what the component does then.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain.
    chain: PathBuf,
    /// The import call, or its return, whose answer is to be another one.
    #[arg(long, value_name = "EVENT")]
    at: u64,
    /// What to put in place of a part of the answer; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<Assignment>,
    /// The component's file; may be another build.
    #[arg(long, value_name = "FILE")]
    component: Option<PathBuf>,
    #[command(flatten)]
    source: SourceArgs,
    /// Replay the good start of a chain that is damaged or open.
    #[arg(long)]
    prefix: bool,
    /// Write what the component did as a chain, marked synthetic.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do not print what the component prints.
    #[arg(long)]
    quiet: bool,
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
    let answer = find_answer(&chain, args.at, &args.chain)?;
    if args.set.is_empty() {
        return Err(nothing_set(&answer));
    }
    let changed = set::apply(&answer.outcome, &answer.function, &answer.types, &args.set)?;
    let instead = answer.with(changed.clone());
    let out = args.out.as_deref().map(|out| synthetic::recorder(&chain, out)).transpose()?;
    let (recorder, file) =
        out.map_or((None, None), |(recorder, file)| (Some(recorder), Some(file)));
    let request = Request {
        path: &args.chain,
        component: args.component.as_deref(),
        backend: Backend::Cranelift,
        shows_output: !args.quiet && !args.json,
    };
    let options = PlaybackOptions {
        overrides: vec![(answer.seq, changed)],
        out: recorder,
        ..PlaybackOptions::default()
    };
    let (found, played) = replay::run(&request, &chain, options, ui)?;
    if let Some(file) = file {
        file.keep();
    }
    let divergence = match played.ending {
        Ending::Diverged(mismatch) => {
            let mut divergence = Divergence::of(*mismatch);
            let map = SourceMap::of(found.component.bytes(), &args.source.debug_info)?;
            divergence.locate(&map);
            Some(divergence)
        }
        Ending::Same | Ending::Reached | Ending::Unanswered(_) => None,
    };
    report(args, &answer, &instead, played.seq, divergence.as_ref(), ui)
}

/// A recorded answer and what it takes to understand it.
struct Answer {
    seq: u64,
    outcome: Outcome,
    function: FunctionType,
    types: TypeTable,
}

impl Answer {
    /// The return with this outcome.
    fn with(&self, outcome: Outcome) -> Crossing {
        let function = self.function.id;
        Crossing {
            event: Event::ImportReturn(Return { function, outcome, fuel: None }),
            function: Some(self.function.clone()),
            types: self.types.clone(),
        }
    }

    fn recorded(&self) -> Crossing {
        self.with(self.outcome.clone())
    }
}

/// Without another answer there is no other course of events; says what could be changed.
fn nothing_set(answer: &Answer) -> anyhow::Error {
    let recorded = story::brief(&answer.recorded(), Paint::PLAIN);
    advised(
        anyhow!("nothing is to be otherwise; event {} is {recorded}", answer.seq),
        "--set 'result=VALUE' with another value, or --set 'result.PATH=VALUE' for a part of it",
    )
}

/// The answer at an event: its own, or that to the call it is.
fn find_answer(chain: &VerifiedChain, at: u64, path: &Path) -> anyhow::Result<Answer> {
    let show = format!("theater-replay show {} --filter 'kind = import-return'", argument(path));
    let mut reader = chain.reader()?;
    let (mut types, mut functions) = (TypeTable::default(), Vec::new());
    let mut is_called = false;
    while let Some(stored) = reader.read()? {
        let Stored::Record(record) = stored else { continue };
        let seq = record.seq;
        match record.event()? {
            Event::ImportReturn(end) if seq == at || is_called => {
                let function: Option<&FunctionType> = functions.get(end.function.0 as usize);
                let function = function.ok_or_else(|| anyhow!("event {seq} names no function"))?;
                let function = function.clone();
                return Ok(Answer { seq, outcome: end.outcome, function, types });
            }
            Event::ImportCall(_) if seq == at => is_called = true,
            event if seq == at => {
                let kind = event.kind().name();
                let message = format!("event {at} ({kind}) is no import call and no return of one");
                return Err(advised(anyhow!(message), show));
            }
            Event::Type(def) => drop(types.add(def)),
            Event::Function(function) => functions.push(function),
            // An answer that never came: the actor was brought back and called anew.
            Event::ImportCall(_) | Event::ExportCall(_) if is_called => break,
            _ => {}
        }
    }
    let shown = path.display();
    let message = match is_called {
        true => format!("event {at} of {shown} was never answered, so there is nothing to change"),
        false => format!("{shown} has no event {at}"),
    };
    Err(advised(anyhow!(message), show))
}

const SCHEMA: &str = "theater-replay/fork/1";

#[derive(Serialize)]
struct ForkJson {
    schema: &'static str,
    chain: String,
    /// The event whose answer was another one.
    changed: u64,
    /// That event as it was recorded, and what was answered instead.
    recorded: serde_json::Value,
    instead: serde_json::Value,
    /// The last event that was as recorded, but for that answer.
    event: u64,
    /// Whether the component went on to the end of the recording.
    to_the_end: bool,
    /// What the component did that has no answer, or in which it ended otherwise.
    divergence: Option<DivergenceJson>,
}

fn report(
    args: &Args,
    answer: &Answer,
    instead: &Crossing,
    reached: u64,
    divergence: Option<&Divergence>,
    ui: &mut Ui,
) -> anyhow::Result<Exit> {
    let changed = answer.seq;
    if args.json {
        let outcome = ForkJson {
            schema: SCHEMA,
            chain: args.chain.display().to_string(),
            changed,
            recorded: story::crossing(changed, &answer.recorded()),
            instead: story::crossing(changed, instead),
            event: reached,
            to_the_end: divergence.is_none(),
            divergence: divergence.map(DivergenceJson::of),
        };
        writeln!(ui.out, "{}", json::document(&outcome))?;
        return Ok(Exit::Fine);
    }
    ui.out.flush()?;
    let paint = ui.paint();
    let shown = visible(&args.chain.display().to_string());
    writeln!(ui.out, "{shown}: what if event {changed} had another answer")?;
    let recorded = (Label::Recorded, Some(changed), story::brief(&answer.recorded(), paint));
    let instead = (Label::Instead, None, story::brief(instead, paint));
    write!(ui.out, "{}", story::indented(&story::rows(&[recorded, instead], paint)))?;
    match divergence {
        None => writeln!(ui.out, "  then all is the same, to the end of the recording")?,
        Some(divergence) => {
            let (at, kind) = (divergence.seq, divergence.kind.sentence());
            let ends = matches!(
                divergence.kind,
                DivergenceKind::OtherReturn | DivergenceKind::OtherTrap | DivergenceKind::EarlyEnd
            );
            let end = if ends { "" } else { ", to which the recording has no answer" };
            writeln!(ui.out, "  then, at event {at}, {kind}{end}")?;
            write!(ui.out, "{}", story::tell(divergence, &args.source, paint))?;
        }
    }
    if let Some(out) = &args.out {
        writeln!(ui.out, "  wrote {}, marked synthetic", argument(out))?;
    }
    Ok(Exit::Fine)
}
