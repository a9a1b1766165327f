//! `verify`: is this chain what was recorded, and what happened to it if not?

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;
use theater_verify::{
    Anchor, BlobCount, Depth, Fault, Options, Policy, Report, Unmet, Verdict, verify,
};

use crate::amount::{counted, size};
use theater_runtime::complaint::{advised, complaint, sentence};

use crate::cli::verify_proof;
use crate::exit::Exit;
use crate::open::open;
use crate::ui::{Paint, Ui};
use crate::{findings, json, policy};
use theater_runtime::escape::plain;

pub(crate) mod set;

/// More faults than this are counted, not shown. The JSON has them all.
const FAULTS_SHOWN: usize = 40;

const EXAMPLES: &str = "\
Policy file (TOML); every line is optional:
  signed_by = \"ed25519:...\"   # the first key, or the identity key that vouches for the header
  min_events = 1000
  component = \"...\"           # BLAKE3 hash of the component, 64 digits
  closed = true
  [[anchor]]                  # an event whose hash was noted elsewhere; may be repeated
  event = 999
  hash = \"...\"

Examples:
  theater-replay verify out.chain.cbor
  theater-replay verify day-*.chain.cbor --quick
  theater-replay verify out.chain.cbor --key ed25519:1f... --min-events 1000
  theater-replay verify out.chain.cbor --expect-head 8c...@9999
  theater-replay verify out.chain.cbor --json | jq '.chains[].faults'
  theater-replay verify --proof out.chain.cbor.9.proof --expect-head 8c...@9999
  theater-replay verify --set chains/

A chain alone cannot show that its end was cut off before the close record, or that somebody wrote
it anew as a whole. A key or a noted hash can: give one with --key, --expect-head or --policy.

With --set, the chains of a system of actors are held against each other as well: what one has
received another has sent, by the very event that is named, with the same bytes, once and in order,
and both tell of the same answer. Whoever changes one chain and hashes it anew has to change all it
ever talked with.

What the exit status says of a set:
  0  every chain is complete, and they fit together
  1  a chain is damaged, or two contradict each other (a fault), or one is missing that messages
     came from or that another one goes on with
  2  a chain could not be checked; what the others say is told all the same
  3  nothing contradicts anything, but a chain is open
  4  a chain is not what --key or --policy asks for
Notes never change it: a message that nobody handled, a receiver that is not in the folder.

With several chains, in a set or not, the worst exit status wins: 2, then 1, 4, 3, 0.
The JSON is described by replay/schemas/verify-1.json, that of proofs by proof-1.json, that of sets
by verify-set-1.json.";

/// Checks chains: links, form, segments, signatures, and what you ask of them.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chains.
    #[arg(required_unless_present_any = ["proof", "set"], value_name = "CHAIN")]
    chains: Vec<PathBuf>,

    /// Check the proof of one event instead, without the chain.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["chains", "quick", "threads", "policy", "key", "min_events"]
    )]
    proof: Option<PathBuf>,

    /// Check all chains of a folder, and hold what they say of messages against each other.
    #[arg(
        long,
        value_name = "FOLDER",
        conflicts_with_all = ["chains", "proof", "quick", "expect_head", "min_events"]
    )]
    set: Option<PathBuf>,

    /// Check the digests of whole segments only, several times as fast.
    #[arg(long)]
    quick: bool,

    /// How many threads to use; by default one per processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,

    /// Demand what this file says.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Demand signatures that start from this key: its text, or a file that holds it.
    #[arg(long, value_name = "PUB")]
    key: Option<String>,

    /// Demand that an event has this hash.
    #[arg(long, value_name = "HASH@EVENT", value_parser = policy::anchor)]
    expect_head: Vec<Anchor>,

    /// Demand at least this many events.
    #[arg(long, value_name = "N")]
    min_events: Option<u64>,

    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    if let Some(proof) = &args.proof {
        return verify_proof::run(proof, &args.expect_head, args.json, ui);
    }
    if let Some(folder) = &args.set {
        return set::run(folder, args, ui);
    }
    let policy = demands(args)?;
    let mut worst = Exit::Fine;
    let mut findings = Vec::new();
    for (at, chain) in args.chains.iter().enumerate() {
        let checked = check(args, chain, &policy, ui);
        worst = worst.worse(match &checked {
            Ok(report) => exit(report.verdict()),
            Err(_) => Exit::Trouble,
        });
        if args.json {
            findings.push(Finding::new(chain.display().to_string(), &checked, &policy));
        } else if let Ok(report) = &checked {
            if at > 0 {
                writeln!(ui.out)?;
            }
            print(chain, report, &policy, ui)?;
        }
        if let Err(error) = &checked {
            ui.out.flush()?;
            write!(ui.err, "{}", complaint(error))?;
        }
    }
    if args.json {
        let document = Document { schema: "theater-replay/verify/1", chains: findings };
        writeln!(ui.out, "{}", json::document(&document))?;
    }
    Ok(worst)
}

/// Puts the policy file and the arguments together.
fn demands(args: &Args) -> anyhow::Result<Policy> {
    let mut policy = args.policy.as_deref().map(policy::read).transpose()?.unwrap_or_default();
    if let Some(key) = &args.key {
        policy::demand_key(&mut policy, policy::key(key)?)?;
    }
    policy.anchors.extend(&args.expect_head);
    policy.events_min = policy.events_min.max(args.min_events);
    Ok(policy)
}

fn check(args: &Args, chain: &Path, policy: &Policy, ui: &Ui) -> anyhow::Result<Report> {
    let source = open(chain)?;
    let progress = ui.progress(source.len());
    let options = Options {
        depth: if args.quick { Depth::Quick } else { Depth::Full },
        threads: args.threads.map(usize::from),
        policy: policy.clone(),
        progress: Some(&|bytes| progress.set(bytes)),
        ..Options::default()
    };
    verify(&*source, &options)
        .with_context(|| format!("cannot check {}", chain.display()))
        .map_err(|error| advised(error, "name a file that theater has recorded"))
}

fn exit(verdict: Verdict) -> Exit {
    match verdict {
        Verdict::Complete => Exit::Fine,
        Verdict::Open => Exit::Open,
        Verdict::Damaged => Exit::Finding,
        Verdict::Unmet => Exit::Unmet,
    }
}

fn print(chain: &Path, report: &Report, policy: &Policy, ui: &mut Ui) -> anyhow::Result<()> {
    let paint = ui.paint();
    let verdict = report.verdict();
    let events = counted(report.records, "event");
    let bytes = size(report.bytes);
    let head = match &report.head {
        Some(head) => format!("head {}@{}", head.hash.short(), head.seq),
        None => "no good head".to_owned(),
    };
    let (word, name) = (coloured(verdict, paint), plain(&chain.display().to_string()));
    let out = &mut ui.out;
    writeln!(out, "{word}  {name}  {events}, {bytes}, {head}")?;
    let mut line = |label: &str, text: &str| writeln!(out, "  {:<13}{text}", paint.dim(label));
    line("checked", &findings::checked(report, policy).join("; "))?;
    for (at, gap) in findings::not_checked(report, policy).iter().enumerate() {
        line(if at == 0 { "not shown" } else { "" }, gap)?;
    }
    for unmet in &report.unmet {
        line("not met", &paint.warn(findings::unmet(unmet)).to_string())?;
    }
    for fault in report.faults.iter().take(FAULTS_SHOWN) {
        line("fault", &paint.bad(plain(&fault.to_string())).to_string())?;
    }
    if report.faults.len() > FAULTS_SHOWN {
        let more = counted((report.faults.len() - FAULTS_SHOWN) as u64, "more fault");
        line("", &format!("{more}; --json lists them all"))?;
    }
    if report.more_faults {
        line("", "and more that cannot be told apart")?;
    }
    if let Some(head) = &report.head {
        let what = if verdict == Verdict::Damaged { "good up to" } else { "head" };
        line(what, &format!("{}@{}", head.hash, head.seq))?;
    }
    if let Some(advice) = findings::advice(report, chain) {
        line("try", &advice)?;
    }
    Ok(())
}

fn coloured(verdict: Verdict, paint: Paint) -> String {
    let word = findings::verdict(verdict);
    match verdict {
        Verdict::Complete => paint.good(word).to_string(),
        Verdict::Open | Verdict::Unmet => paint.warn(word).to_string(),
        Verdict::Damaged => paint.bad(word).to_string(),
    }
}

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    chains: Vec<Finding>,
}

/// What was found out about one chain: `error` if it could not be checked, else everything else.
#[derive(Serialize)]
struct Finding {
    chain: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(flatten)]
    found: Option<Found>,
}

#[derive(Serialize)]
struct Found {
    verdict: Verdict,
    depth: &'static str,
    checked: Vec<String>,
    not_checked: Vec<String>,
    faults: Vec<Located>,
    more_faults: bool,
    unmet: Vec<Demand>,
    events: u64,
    bytes: u64,
    closed: bool,
    head: Option<HeadJson>,
    checkpoints: u64,
    recoveries: u64,
    blobs: BlobCount,
    signatures: SignaturesJson,
}

#[derive(Serialize)]
struct Located {
    #[serde(flatten)]
    fault: Fault,
    text: String,
}

#[derive(Serialize)]
struct Demand {
    #[serde(flatten)]
    unmet: Unmet,
    text: String,
}

#[derive(Serialize)]
struct HeadJson {
    seq: u64,
    hash: String,
    /// Where the good part of the file ends.
    end: u64,
}

#[derive(Serialize)]
struct SignaturesJson {
    first_key: Option<String>,
    identity: Option<String>,
    signed: u64,
    covered: Option<u64>,
}

impl Finding {
    fn new(chain: String, checked: &anyhow::Result<Report>, policy: &Policy) -> Finding {
        match checked {
            Ok(report) => Finding { chain, error: None, found: Some(Found::new(report, policy)) },
            Err(error) => Finding { chain, error: Some(sentence(error)), found: None },
        }
    }
}

impl Found {
    fn new(report: &Report, policy: &Policy) -> Found {
        let signatures = &report.signatures;
        Found {
            verdict: report.verdict(),
            depth: findings::depth(report.depth),
            checked: findings::checked(report, policy),
            not_checked: findings::not_checked(report, policy),
            faults: Located::all(report),
            more_faults: report.more_faults,
            unmet: Demand::all(report),
            events: report.records,
            bytes: report.bytes,
            closed: report.closed,
            head: HeadJson::of(report),
            checkpoints: report.checkpoints,
            recoveries: report.recoveries,
            blobs: report.blobs,
            signatures: SignaturesJson {
                first_key: signatures.first_key.map(|key| key.to_string()),
                identity: signatures.identity.map(|key| key.to_string()),
                signed: signatures.signed,
                covered: signatures.covered,
            },
        }
    }
}

impl Located {
    fn all(report: &Report) -> Vec<Located> {
        let located = |fault: &Fault| Located { fault: fault.clone(), text: fault.to_string() };
        report.faults.iter().map(located).collect()
    }
}

impl Demand {
    fn all(report: &Report) -> Vec<Demand> {
        let demand = |unmet: &Unmet| Demand { unmet: unmet.clone(), text: findings::unmet(unmet) };
        report.unmet.iter().map(demand).collect()
    }
}

impl HeadJson {
    fn of(report: &Report) -> Option<HeadJson> {
        let head = report.head?;
        Some(HeadJson { seq: head.seq, hash: head.hash.to_string(), end: head.end })
    }
}
