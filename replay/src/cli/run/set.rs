//! `run --set`: replays all actors of a system, each against its own chain, and says whether what they
//! told each other fits together.

use std::io::Write;
use std::path::Path;

use anyhow::anyhow;
use serde::Serialize;
use theater_runtime::complaint::{advised, sentence};
use theater_runtime::escape::{argument, plain};
use theater_runtime::{Backend, Ending};
use theater_verify::{Policy, Report, Verdict, VerifiedChain};

use super::Args;
use crate::amount::{count, counted};
use crate::chain_set::players::Players;
use crate::chain_set::told::{self, HeldJson};
use crate::chain_set::tree::{Branch, tree};
use crate::chain_set::{ChainSet, Looked, SetVerdict, files};
use crate::cli::verify::set::complain;
use crate::divergence::Divergence;
use crate::exit::Exit;
use crate::ui::{Paint, Ui};
use crate::{findings, json, story};

/// Of more chains than this, only those are shown that did not do the same.
const CHAINS_SHOWN: usize = 40;

/// What came of a chain's replay.
enum Replay {
    /// It is damaged or open, and was not replayed.
    NotReplayed,
    /// It could not be replayed.
    Failed(anyhow::Error),
    Played(Box<Outcome>),
}

struct Outcome {
    /// The last event that was the same.
    event: u64,
    not_compared: u64,
    component: String,
    found_in: &'static str,
    divergence: Option<Divergence>,
}

type Replayed = ChainSet<Replay>;

pub(super) fn run(folder: &Path, args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let files = files(folder)?;
    let players = Players::new(&files, &args.component, args.backend.into())?;
    let more = |path: &Path, chain: &VerifiedChain, report: &Report| {
        let is_good = report.verdict() == Verdict::Complete || args.prefix;
        if is_good { replay(&players, path, chain) } else { Replay::NotReplayed }
    };
    let set = ChainSet::look(&files, &Policy::default(), ui, more);
    let branches = tree(&set);
    if args.json {
        let document = SetJson::of(folder, args, &set, &branches);
        writeln!(ui.out, "{}", json::document(&document))?;
    } else {
        print(folder, &set, &branches, ui)?;
    }
    complain(&set, failed, ui)?;
    Ok(exit(&set, args.prefix))
}

fn replay(players: &Players, path: &Path, chain: &VerifiedChain) -> Replay {
    let (compiled, played) = match players.play(path, chain) {
        Ok(played) => played,
        Err(error) => return Replay::Failed(error),
    };
    let divergence = match played.ending {
        Ending::Same | Ending::Reached | Ending::Unanswered(_) => None,
        Ending::Diverged(mismatch) => Some(Divergence::of(*mismatch)),
    };
    Replay::Played(Box::new(Outcome {
        event: played.seq,
        not_compared: played.uncompared,
        component: compiled.component.digest().to_string(),
        found_in: compiled.place.name(),
        divergence,
    }))
}

/// A component's file that is named for one chain cannot be for several.
pub(super) fn one_component(args: &Args) -> anyhow::Result<Option<&Path>> {
    match &args.component[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(advised(
            anyhow!("one chain is replayed with one component"),
            "name one --component, or a whole --set",
        )),
    }
}

fn exit(set: &Replayed, prefix: bool) -> Exit {
    let replays = set.chains.iter().filter_map(|chain| chain.more.as_ref());
    // With --prefix it is about what is there of an open chain.
    let checked = match set.exit() {
        Exit::Open if prefix => Exit::Fine,
        exit => exit,
    };
    replays.fold(checked, |worst, replay| {
        worst.worse(match replay {
            Replay::Failed(_) => Exit::Trouble,
            Replay::Played(outcome) if outcome.divergence.is_some() => Exit::Finding,
            Replay::NotReplayed | Replay::Played(_) => Exit::Fine,
        })
    })
}

/// Why a chain could not be replayed.
fn failed(replay: &Replay) -> Option<&anyhow::Error> {
    match replay {
        Replay::Failed(error) => Some(error),
        Replay::NotReplayed | Replay::Played(_) => None,
    }
}

fn divergence(chain: &Looked<Replay>) -> Option<&Divergence> {
    match &chain.more {
        Some(Replay::Played(outcome)) => outcome.divergence.as_ref(),
        Some(Replay::NotReplayed | Replay::Failed(_)) | None => None,
    }
}

/// Whether a chain was replayed, and did the same.
fn is_same(chain: &Looked<Replay>) -> bool {
    matches!(&chain.more, Some(Replay::Played(outcome)) if outcome.divergence.is_none())
}

/// The first chain of the tree that did something else.
fn first<'a>(
    set: &'a Replayed,
    branches: &[Branch],
) -> Option<(&'a Looked<Replay>, &'a Divergence)> {
    branches.iter().find_map(|branch| {
        let chain = &set.chains[branch.chain];
        Some((chain, divergence(chain)?))
    })
}

fn print(folder: &Path, set: &Replayed, branches: &[Branch], ui: &mut Ui) -> anyhow::Result<()> {
    let paint = ui.paint();
    let out = &mut ui.out;
    let same = set.chains.iter().filter(|chain| is_same(chain)).count();
    let (all, first) = (set.chains.len(), first(set, branches));
    let word = match &first {
        Some(_) => paint.bad("diverged"),
        None if same == all => paint.good("same"),
        None => paint.warn("incomplete"),
    };
    let shown = plain(&folder.display().to_string());
    let of = format!("{} of {}", count(same as u64), counted(all as u64, "chain"));
    writeln!(out, "{word}  {shown}  {of} did what was recorded")?;
    let is_shown = |branch: &&Branch| all <= CHAINS_SHOWN || !is_same(&set.chains[branch.chain]);
    let rows: Vec<&Branch> = branches.iter().filter(is_shown).collect();
    for branch in rows.iter().take(CHAINS_SHOWN) {
        writeln!(out, "{}", row(set, branch, paint))?;
    }
    if rows.len() > CHAINS_SHOWN {
        writeln!(
            out,
            "  and {} more; --json lists them all",
            count((rows.len() - CHAINS_SHOWN) as u64)
        )?;
    }
    let mut line = |label: &str, text: &str| writeln!(out, "  {:<13}{text}", paint.dim(label));
    line("messages", &told::agreed(set))?;
    for gap in told::not_shown(set) {
        line("not shown", &gap)?;
    }
    let findings = told::lines(set, paint);
    for (label, text) in findings.iter().take(CHAINS_SHOWN) {
        line(label, text)?;
    }
    if findings.len() > CHAINS_SHOWN {
        let more = count((findings.len() - CHAINS_SHOWN) as u64);
        line("", &format!("and {more} more; --json lists them all"))?;
    }
    if let Some((chain, divergence)) = first {
        let path = folder.join(&chain.name);
        let (name, at) = (plain(&chain.name), divergence.seq);
        line("first", &format!("{name} at event {at}: {}", divergence.kind.sentence()))?;
        write!(ui.out, "{}", story::indented(&story::what(divergence, paint)))?;
        writeln!(ui.out, "  next: theater-replay run {}", argument(&path))?;
    }
    Ok(())
}

/// One line of the tree.
fn row(set: &Replayed, branch: &Branch, paint: Paint) -> String {
    let chain = &set.chains[branch.chain];
    let actor = chain.report.as_ref().ok().and_then(|report| report.header.as_ref());
    let actor = actor.map_or_else(|| "?".to_owned(), |header| plain(&header.name));
    let outcome = match (&chain.report, &chain.more) {
        (Err(_), _) => paint.bad("could not be checked").to_string(),
        (Ok(report), None | Some(Replay::NotReplayed)) => {
            let verdict = findings::verdict(report.verdict());
            paint.warn(format!("not replayed, because its chain is {verdict}")).to_string()
        }
        (_, Some(Replay::Failed(_))) => paint.bad("could not be replayed").to_string(),
        (_, Some(Replay::Played(outcome))) => match &outcome.divergence {
            None => format!("the {}, {}", paint.good("same"), counted(outcome.event + 1, "event")),
            Some(divergence) => {
                let (at, what) = (divergence.seq, divergence.kind.sentence());
                format!("{} at event {at}: {what}", paint.bad("diverged"))
            }
        },
    };
    let indent = 2 + 2 * branch.depth.min(CHAINS_SHOWN);
    format!("{:indent$}{}  {}: {outcome}", "", paint.name(actor), plain(&chain.name))
}

#[derive(Serialize)]
struct SetJson<'a> {
    schema: &'static str,
    set: String,
    /// What verification said of all chains.
    verdict: SetVerdict,
    backend: &'static str,
    /// What replay said of all chains.
    replay: &'static str,
    /// The chain with the first divergence, in the order of the tree.
    first: Option<&'a str>,
    chains: Vec<ChainJson<'a>>,
    #[serde(flatten)]
    held: HeldJson<'a>,
}

/// A chain, behind that of its parent.
#[derive(Serialize)]
struct ChainJson<'a> {
    chain: &'a str,
    name: Option<&'a str>,
    actor: Option<&'a str>,
    /// The chain of whoever has started the actor.
    parent: Option<&'a str>,
    verdict: Option<&'static str>,
    replay: &'static str,
    error: Option<String>,
    /// The last event that was the same.
    event: Option<u64>,
    not_compared: Option<u64>,
    component: Option<ComponentJson<'a>>,
    divergence: Option<DivergenceJson>,
}

#[derive(Serialize)]
struct ComponentJson<'a> {
    recorded: Option<String>,
    used: &'a str,
    found_in: &'static str,
}

#[derive(Serialize)]
struct DivergenceJson {
    kind: &'static str,
    event: u64,
    offset: u64,
    function: Option<String>,
    /// The first value that differs.
    path: Option<String>,
    text: &'static str,
}

impl<'a> SetJson<'a> {
    fn of(folder: &Path, args: &Args, set: &'a Replayed, branches: &[Branch]) -> SetJson<'a> {
        let first = first(set, branches).map(|(chain, _)| chain.name.as_str());
        SetJson {
            schema: "theater-replay/run-set/1",
            set: folder.display().to_string(),
            verdict: set.verdict(),
            backend: Backend::from(args.backend).name(),
            replay: match first {
                Some(_) => "diverged",
                None if set.chains.iter().all(is_same) => "same",
                None => "incomplete",
            },
            first,
            chains: branches.iter().map(|branch| ChainJson::of(set, branch)).collect(),
            held: HeldJson::of(set),
        }
    }
}

impl<'a> ChainJson<'a> {
    fn of(set: &'a Replayed, branch: &Branch) -> ChainJson<'a> {
        let chain = &set.chains[branch.chain];
        let report = chain.report.as_ref();
        let header = report.ok().and_then(|report| report.header.as_ref());
        let (replay, error, outcome) = match &chain.more {
            None | Some(Replay::NotReplayed) => ("not-replayed", None, None),
            Some(Replay::Failed(error)) => ("failed", Some(sentence(error)), None),
            Some(Replay::Played(outcome)) => {
                let is_same = outcome.divergence.is_none();
                (if is_same { "same" } else { "diverged" }, None, Some(outcome))
            }
        };
        ChainJson {
            chain: &chain.name,
            name: header.map(|header| header.name.as_str()),
            actor: set.member(chain).and_then(|member| member.actor()),
            parent: branch.parent.map(|parent| set.chains[parent].name.as_str()),
            verdict: report.ok().map(|report| findings::verdict(report.verdict())),
            replay,
            error: error.or_else(|| report.err().map(sentence)),
            event: outcome.map(|outcome| outcome.event),
            not_compared: outcome.map(|outcome| outcome.not_compared),
            component: outcome.map(|outcome| ComponentJson {
                recorded: header.and_then(|header| header.component).map(|hash| hash.to_string()),
                used: &outcome.component,
                found_in: outcome.found_in,
            }),
            divergence: divergence(chain).map(DivergenceJson::of),
        }
    }
}

impl DivergenceJson {
    fn of(divergence: &Divergence) -> DivergenceJson {
        let path = divergence.difference.as_ref().map(|difference| difference.path.to_string());
        DivergenceJson {
            kind: divergence.kind.name(),
            event: divergence.seq,
            offset: divergence.offset,
            function: divergence.function(),
            path,
            text: divergence.kind.sentence(),
        }
    }
}
