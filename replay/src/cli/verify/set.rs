//! `verify --set`: the chains of a whole system of actors, each by itself and against each other.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use theater_runtime::complaint::{complaint, sentence};
use theater_runtime::escape::{argument, plain};
use theater_verify::{Policy, Report, Verdict};

use super::{Args, Demand, FAULTS_SHOWN, HeadJson, Located, demands};
use crate::amount::{count, counted, size};
use crate::chain_set::told::{self, HeldJson};
use crate::chain_set::{ChainSet, Looked, SetVerdict, files};
use crate::exit::Exit;
use crate::ui::{Paint, Ui};
use crate::{findings, json};

/// What is looked at of each chain.
const DEPTH: &str = "every link, record, blob, tree and segment digest of every chain";

pub(super) fn run(folder: &Path, args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    let policy = demands(args)?;
    let files = files(folder)?;
    let look = || ChainSet::look(&files, &policy, ui, |_, _, _| ());
    let set = match args.threads {
        None => look(),
        Some(threads) => rayon::ThreadPoolBuilder::new()
            .num_threads(usize::from(threads))
            .build()
            .context("the threads could not be started")?
            .install(look),
    };
    if args.json {
        let document = SetJson::of(folder, &set);
        writeln!(ui.out, "{}", json::document(&document))?;
    } else {
        print(folder, &set, &policy, ui)?;
    }
    complain(&set, |()| None, ui)?;
    Ok(set.exit())
}

/// Says why chains could not be checked, or what else went wrong, each reason once.
pub(crate) fn complain<'a, T: 'a>(
    set: &'a ChainSet<T>,
    more: impl Fn(&'a T) -> Option<&'a anyhow::Error>,
    ui: &mut Ui,
) -> anyhow::Result<()> {
    ui.out.flush()?;
    let mut said = BTreeSet::new();
    for chain in &set.chains {
        let error = chain.report.as_ref().err().or(chain.more.as_ref().and_then(&more));
        if let Some(text) = error.map(complaint)
            && !said.contains(&text)
        {
            write!(ui.err, "{text}")?;
            said.insert(text);
        }
    }
    Ok(())
}

fn print(folder: &Path, set: &ChainSet<()>, policy: &Policy, ui: &mut Ui) -> anyhow::Result<()> {
    let paint = ui.paint();
    let out = &mut ui.out;
    let (events, bytes) = set.size();
    let chains = counted(set.chains.len() as u64, "chain");
    let (word, shown) = (coloured(set.verdict(), paint), plain(&folder.display().to_string()));
    writeln!(out, "{word}  {shown}  {chains}, {}, {}", counted(events, "event"), size(bytes))?;
    let mut line = |label: &str, text: &str| writeln!(out, "  {:<13}{text}", paint.dim(label));
    line("checked", &format!("{DEPTH}; {}", told::agreed(set)))?;
    for (at, gap) in not_shown(set, policy).iter().enumerate() {
        line(if at == 0 { "not shown" } else { "" }, gap)?;
    }
    let mut findings: Vec<_> = set.chains.iter().filter_map(|chain| about(chain, paint)).collect();
    findings.extend(told::lines(set, paint));
    for (label, text) in findings.iter().take(FAULTS_SHOWN) {
        line(label, text)?;
    }
    if findings.len() > FAULTS_SHOWN {
        let more = count((findings.len() - FAULTS_SHOWN) as u64);
        line("", &format!("and {more} more; --json lists them all"))?;
    }
    if let Some(advice) = advice(folder, set) {
        line("try", &advice)?;
    }
    Ok(())
}

fn coloured(verdict: SetVerdict, paint: Paint) -> String {
    let word = verdict.name();
    match verdict {
        SetVerdict::Complete => paint.good(word).to_string(),
        SetVerdict::Open | SetVerdict::Unmet => paint.warn(word).to_string(),
        SetVerdict::Contradicted | SetVerdict::Damaged => paint.bad(word).to_string(),
    }
}

/// What is to be said of a chain that is not complete.
fn about(chain: &Looked<()>, paint: Paint) -> Option<(&'static str, String)> {
    let report = chain.report.as_ref().ok()?;
    let verdict = report.verdict();
    let name = plain(&chain.name);
    let text = match (verdict, report.faults.first(), report.unmet.first()) {
        (Verdict::Complete, ..) => return None,
        (Verdict::Unmet, None, Some(unmet)) => format!("{name}: {}", findings::unmet(unmet)),
        (_, Some(fault), _) => {
            let more = match report.faults.len() {
                1 => String::new(),
                faults => format!(", and {} more", count(faults as u64 - 1)),
            };
            format!("{name}: {}{more}", plain(&fault.to_string()))
        }
        (_, None, _) => name,
    };
    let text = match verdict {
        Verdict::Damaged => paint.bad(text),
        Verdict::Complete | Verdict::Open | Verdict::Unmet => paint.warn(text),
    };
    Some((findings::verdict(verdict), text.to_string()))
}

fn not_shown(set: &ChainSet<()>, policy: &Policy) -> Vec<String> {
    let mut gaps = told::not_shown(set);
    let reports = || set.chains.iter().filter_map(|chain| chain.report.as_ref().ok());
    let is_unsigned = |report: &Report| report.signatures.first_key.is_none();
    if policy.signed_by.is_none() {
        gaps.push(match reports().any(is_unsigned) {
            true => "unsigned: nothing shows who wrote these chains".to_owned(),
            false => "whose keys these are: anybody can make one; say which with --key".to_owned(),
        });
        gaps.push("a rewrite of all chains together cannot be excluded without --key".to_owned());
    }
    gaps
}

/// Where to look next.
fn advice(folder: &Path, set: &ChainSet<()>) -> Option<String> {
    let is_bad = |chain: &&Looked<()>| {
        chain.report.as_ref().is_ok_and(|report| report.verdict() == Verdict::Damaged)
    };
    if let Some(bad) = set.chains.iter().find(is_bad) {
        return Some(format!("theater-replay verify {}", argument(&folder.join(&bad.name))));
    }
    let found = set.held.discrepancies.iter().find(|found| found.what.is_fault())?;
    let chain = argument(&folder.join(told::name(set, found.at)));
    let (from, to) = (found.at.seq.saturating_sub(3), found.at.seq.saturating_add(3));
    Some(format!("theater-replay show {chain} --from {from} --to {to}"))
}

#[derive(Serialize)]
struct SetJson<'a> {
    schema: &'static str,
    set: String,
    verdict: SetVerdict,
    chains: Vec<ChainJson<'a>>,
    #[serde(flatten)]
    held: HeldJson<'a>,
}

/// A chain of the set: `error` if it could not be checked, else everything else.
#[derive(Serialize)]
struct ChainJson<'a> {
    chain: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    found: Option<FoundJson<'a>>,
}

#[derive(Serialize)]
struct FoundJson<'a> {
    verdict: Verdict,
    /// The id in its header.
    id: Option<String>,
    actor: Option<&'a str>,
    faults: Vec<Located>,
    more_faults: bool,
    unmet: Vec<Demand>,
    events: u64,
    bytes: u64,
    closed: bool,
    head: Option<HeadJson>,
}

impl<'a> SetJson<'a> {
    fn of(folder: &Path, set: &'a ChainSet<()>) -> SetJson<'a> {
        let chain = |chain: &'a Looked<()>| ChainJson {
            chain: &chain.name,
            error: chain.report.as_ref().err().map(sentence),
            found: chain.report.as_ref().ok().map(|report| FoundJson {
                verdict: report.verdict(),
                id: report.header.as_ref().map(|header| header.chain_id.to_string()),
                actor: set.member(chain).and_then(|member| member.actor()),
                faults: Located::all(report),
                more_faults: report.more_faults,
                unmet: Demand::all(report),
                events: report.records,
                bytes: report.bytes,
                closed: report.closed,
                head: HeadJson::of(report),
            }),
        };
        SetJson {
            schema: "theater-replay/verify-set/1",
            set: folder.display().to_string(),
            verdict: set.verdict(),
            chains: set.chains.iter().map(chain).collect(),
            held: HeldJson::of(set),
        }
    }
}
