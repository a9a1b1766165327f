//! `fork`: what would the component have done, had the host answered otherwise?

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde::Serialize;
use theater_record::{Event, FunctionType, Outcome, Stored, TypeTable};
use theater_runtime::{Backend, Ending, PlaybackOptions};
use theater_verify::VerifiedChain;

use crate::divergence::{Divergence, DivergenceKind};
use crate::exit::Exit;
use crate::replay::{self, Ready, Request};
use crate::set::{self, Assignment};
use crate::story::{self, DivergenceJson};
use crate::ui::Ui;
use crate::{findings, json, synthetic};
use theater_runtime::complaint::advised;
use theater_runtime::escape::argument;

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
            let verdict = findings::verdict(report.verdict());
            return Err(advised(
                anyhow!(
                    "{} is {verdict}, so what it would have led to is open",
                    args.chain.display()
                ),
                format!(
                    "add --prefix to use its good start, or see theater-replay verify {}",
                    argument(&args.chain)
                ),
            ));
        }
    };
    let answer = find_answer(&chain, args.at, &args.chain)?;
    let changed = match args.set.is_empty() {
        true => answer.outcome.clone(),
        false => set::apply(&answer.outcome, &answer.function, &answer.types, &args.set)?,
    };
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
    let (_, played) = replay::run(&request, &chain, options, ui)?;
    if let Some(file) = file {
        file.keep();
    }
    let (reached, ending) = (played.seq, played.ending);
    let divergence = match ending {
        Ending::Diverged(mismatch) => Some(Divergence::of(*mismatch)),
        Ending::Same | Ending::Reached | Ending::Unanswered(_) => None,
    };
    report(args, answer.seq, reached, divergence.as_ref(), ui)
}

/// A recorded answer and what it takes to understand it.
struct Answer {
    seq: u64,
    outcome: Outcome,
    function: FunctionType,
    types: TypeTable,
}

/// The answer at an event: its own, or that to the call it is.
fn find_answer(chain: &VerifiedChain, at: u64, path: &Path) -> anyhow::Result<Answer> {
    let show = format!("theater-replay show {} --filter 'kind = import-return'", argument(path));
    let mut reader = chain.reader()?;
    let (mut types, mut functions) = (TypeTable::default(), Vec::new());
    while let Some(stored) = reader.read()? {
        let Stored::Record(record) = stored else { continue };
        let seq = record.seq;
        match record.event()? {
            Event::Type(def) => drop(types.add(def)),
            Event::Function(function) => functions.push(function),
            Event::ImportReturn(end) if seq >= at => {
                let function: Option<&FunctionType> = functions.get(end.function.0 as usize);
                let function = function.ok_or_else(|| anyhow!("event {seq} names no function"))?;
                let function = function.clone();
                return Ok(Answer { seq, outcome: end.outcome, function, types });
            }
            Event::ImportCall(_) if seq == at => {}
            _ if seq == at => {
                return Err(advised(
                    anyhow!("event {at} is no import call and no return of one"),
                    show,
                ));
            }
            _ => {}
        }
    }
    Err(advised(
        anyhow!("{} has no event {at} that could be answered otherwise", path.display()),
        show,
    ))
}

#[derive(Serialize)]
struct ForkJson {
    schema: &'static str,
    chain: String,
    /// The event whose answer was another one.
    changed: u64,
    /// The last event that was as recorded, but for that answer.
    event: u64,
    /// Whether the component went on to the end of the recording.
    to_the_end: bool,
    /// What the component did that has no answer, or in which it ended otherwise.
    divergence: Option<DivergenceJson>,
}

fn report(
    args: &Args,
    changed: u64,
    reached: u64,
    divergence: Option<&Divergence>,
    ui: &mut Ui,
) -> anyhow::Result<Exit> {
    if args.json {
        let outcome = ForkJson {
            schema: "theater-replay/fork/1",
            chain: args.chain.display().to_string(),
            changed,
            event: reached,
            to_the_end: divergence.is_none(),
            divergence: divergence.map(DivergenceJson::of),
        };
        writeln!(ui.out, "{}", json::document(&outcome))?;
        return Ok(Exit::Fine);
    }
    ui.out.flush()?;
    let (shown, paint) = (args.chain.display(), ui.paint());
    writeln!(ui.out, "{shown}: what if event {changed} had another answer")?;
    match divergence {
        None => writeln!(ui.out, "  the component does the same, to the end of the recording")?,
        Some(divergence) => {
            let ends = matches!(
                divergence.kind,
                DivergenceKind::OtherReturn | DivergenceKind::OtherTrap | DivergenceKind::EarlyEnd
            );
            let then =
                if ends { "it ends otherwise" } else { "it calls what has no recorded answer" };
            writeln!(ui.out, "  the same up to event {reached}, then {then}:")?;
            write!(ui.out, "{}", story::tell(divergence, paint))?;
        }
    }
    if let Some(out) = &args.out {
        writeln!(ui.out, "wrote {}, marked synthetic", out.display())?;
    }
    Ok(Exit::Fine)
}
