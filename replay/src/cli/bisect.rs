//! `bisect`: which of many builds was the first to do something else than a recording says.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use theater_runtime::complaint::advised;
use theater_runtime::escape::{argument, visible};
use theater_runtime::{Backend, Home, Store, as_component};

use super::run::BackendChoice;
use crate::bisect::commits::Commits;
use crate::bisect::json::Head;
use crate::bisect::report::{self, Report};
use crate::bisect::{Answer, Builds, Findings, Oracle, Request, bisect, files};
use crate::exit::Exit;
use crate::locate::SourceArgs;
use crate::replay::{self, Ready};
use crate::story::Told;
use crate::ui::{Paint, Ui};
use crate::{findings, json};

const EXAMPLES: &str = "\
The recording decides: a build is good if its replay does what was recorded. Both ends are tested
first. Bad is only what the bad end does: at the same event, of the same kind, in the same function
and value.
  good   also a build that does something else after that: there it does what was recorded
  other  a build that does something else before that: like one that is skipped, it shows nothing
  skip   a build that cannot be tested: it is no component, lacks an export, or was not built
Where builds that show nothing stand next to the border, the answer is a range. If the difference
went away and came back, the answer is where it came last. That is noticed where tested builds show
it; --scan tests them all.

Builds:
  FILE     a component
  FOLDER   all *.wasm in it, in the order of the numbers in their names: v9.wasm before v10.wasm
  @FILE    a list of files, one on each line
What replays come to is kept in the theater home, by the bytes of chain and build.

Commits:
With --git, the commits from --good to --bad along first parents are built with sh -c when it is
their turn. The command puts the component at $THEATER_BUILD; exit 125 skips the commit, and so does
any other failure. It runs in a temporary worktree, the same for all commits, so that one build can
use what the last has left behind. Source text is shown from there. The builds on both sides of the
border go into the store.

Exit status of bisect: 0 if the first bad build is known, 1 if it is one of several or an end is not
what it should be, 2 if there can be no answer, 3 if the chain is open.

Examples:
  theater-replay bisect orders.chain.cbor builds/
  theater-replay bisect orders.chain.cbor v1.wasm v2.wasm v3.wasm --scan
  theater-replay bisect orders.chain.cbor builds/ --good v7.wasm --until 5000
  theater-replay bisect orders.chain.cbor --git . --good v1.2 --bad main \\
      --build 'make orders.wasm && cp orders.wasm $THEATER_BUILD'

The JSON is described by replay/schemas/bisect-1.json.";

/// Finds the first of many builds that does something else than the recording says.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The chain, recorded with a good build.
    chain: PathBuf,
    /// The builds in order of age, the oldest first.
    #[arg(value_name = "BUILD", required_unless_present = "git", conflicts_with = "git")]
    builds: Vec<PathBuf>,
    /// The good end: one of the builds, else the first; with --git a commit.
    #[arg(long, value_name = "BUILD")]
    good: Option<PathBuf>,
    /// The bad end: one of the builds, else the last; with --git a commit, else HEAD.
    #[arg(long, value_name = "BUILD")]
    bad: Option<PathBuf>,
    /// Build the commits of this git repository.
    #[arg(long, value_name = "REPO", requires_all = ["build", "good"])]
    git: Option<PathBuf>,
    /// The command that builds a commit.
    #[arg(long, value_name = "COMMAND", requires = "git")]
    build: Option<String>,
    /// Let only what comes before this event count.
    #[arg(long, value_name = "EVENT")]
    until: Option<u64>,
    /// Test all builds, and show every change.
    #[arg(long)]
    scan: bool,
    #[command(flatten)]
    source: SourceArgs,
    /// Use the good start of a chain that is damaged or open.
    #[arg(long)]
    prefix: bool,
    /// What executes the builds.
    #[arg(long, value_enum, default_value_t = BackendChoice::Cranelift)]
    backend: BackendChoice,
    /// Print the outcome as JSON, and nothing else.
    #[arg(long)]
    json: bool,
}

const SCHEMA: &str = "theater-replay/bisect/1";

pub(crate) fn run(args: &Args, ui: &mut Ui) -> anyhow::Result<Exit> {
    if args.until == Some(0) {
        return Err(advised(
            anyhow!("--until 0 leaves nothing to compare, because event 0 is the header"),
            "name the event before which to stop",
        ));
    }
    // A mistake in here should not come out after everything was built and replayed.
    for path in &args.source.debug_info {
        fs::metadata(path).map_err(|error| files::not_read(error, path))?;
    }
    let (chain, verdict) = match replay::check(&args.chain, args.prefix, ui)? {
        Ready::Good(chain, verdict) => (chain, verdict),
        Ready::NotGood(report) => {
            return replay::refuse(&report, &args.chain, args.json.then_some(SCHEMA), ui);
        }
    };
    let shown = args.chain.display();
    if chain.header().component.is_none() {
        return Err(advised(
            anyhow!("{shown} names no component, so there is nothing to replay"),
            "name a chain that theater run has recorded",
        ));
    }
    let builds = builds(args)?;
    let oracle = Oracle::new(&chain, args.backend.into(), args.until)
        .with_context(|| format!("{shown} cannot be replayed"))?;
    let all = builds.len();
    let request = Request { scans: args.scan, debug_info: &args.source.debug_info };
    let found = bisect(&builds, &oracle, &request, |build| {
        Ok(ui.status(&format!("testing {}, one of {all} builds", visible(build)))?)
    })?;
    let report = Report {
        builds: &builds,
        findings: &found,
        scans: args.scan,
        until: args.until,
        sources: sources(args, &builds, &found, ui.paint()),
        next: next(args, &builds, &found),
    };
    if args.json {
        let head = Head {
            schema: SCHEMA,
            chain: shown.to_string(),
            verdict: findings::verdict(verdict),
            backend: Backend::from(args.backend).name(),
        };
        writeln!(ui.out, "{}", json::document(&report.json(head)))?;
    } else {
        let (good, bad) = (visible(&builds.shown(0)), visible(&builds.shown(all - 1)));
        let shown = visible(&shown.to_string());
        writeln!(ui.out, "{shown}: {all} builds, from {good} to {bad}")?;
        write!(ui.out, "{}", report.text(ui.paint()))?;
    }
    Ok(match found.answer {
        Answer::Border(found) if found.border.is_exact() => Exit::Fine,
        Answer::Border(_) | Answer::Unfit => Exit::Finding,
    })
}

fn builds(args: &Args) -> anyhow::Result<Builds> {
    let (Some(repository), Some(command)) = (&args.git, &args.build) else {
        let files = files::builds(&args.builds, args.good.as_deref(), args.bad.as_deref())?;
        return Ok(Builds::Files(files));
    };
    let name = |commit: &Option<PathBuf>| match commit {
        Some(commit) => commit.to_string_lossy().into_owned(),
        None => "HEAD".to_owned(),
    };
    let (good, bad) = (name(&args.good), name(&args.bad));
    Commits::new(repository, command, &good, &bad).map(Builds::Commits)
}

/// Where the builds at the border are in their source. Of a commit it is the source that belongs to it.
fn sources(args: &Args, builds: &Builds, found: &Findings, paint: Paint) -> Vec<String> {
    if args.json {
        return Vec::new();
    }
    report::sources(builds, found, |at, located| {
        let source_root = match builds {
            Builds::Files(_) => args.source.source_root.clone(),
            Builds::Commits(commits) => commits.sources(at).unwrap_or_default(),
        };
        let args = SourceArgs { debug_info: Vec::new(), source_root, verbose: args.source.verbose };
        Told::of(located, &args, paint)
    })
}

/// The commands to type next.
fn next(args: &Args, builds: &Builds, found: &Findings) -> Vec<String> {
    let chain = argument(&args.chain);
    let mut options = String::new();
    if args.prefix {
        options.push_str(" --prefix");
    }
    if Backend::from(args.backend) == Backend::Pulley {
        options.push_str(" --backend pulley");
    }
    for path in &args.source.debug_info {
        options.push_str(&format!(" --debug-info {}", argument(path)));
    }
    let run = |build: &str| format!("theater-replay run {chain} --component {build}{options}");
    match &found.answer {
        Answer::Unfit => {
            let to = args.until.map_or_else(String::new, |event| format!(" --to {event}"));
            let ends = found.unfit_ends().into_iter().filter_map(|at| component(builds, at));
            ends.map(|build| format!("{}{to}", run(&build))).collect()
        }
        Answer::Border(found) => {
            let border = found.border;
            let Some(build) = component(builds, border.bad) else { return Vec::new() };
            let good = component(builds, border.good).filter(|_| found.has_good_line());
            let recorded = good.map_or_else(String::new, |good| format!(" --recorded {good}"));
            let out = out(builds, border.bad);
            let replay = format!("{}{recorded} --quiet --out {out}", run(&build));
            vec![replay, format!("theater-replay diff {chain} {out}")]
        }
    }
}

/// What a build is called after `--component`. That of a commit is put into the store, because its
/// file goes away; if that fails, it has no name.
fn component(builds: &Builds, at: usize) -> Option<String> {
    match builds {
        Builds::Files(files) => Some(argument(&files[at].path)),
        Builds::Commits(commits) => {
            let component = as_component(fs::read(commits.built(at)?).ok()?).ok()?;
            let store = Store::open(Home::find().ok()?.store()).ok()?;
            store.put(&component).ok().map(|digest| digest.to_string())
        }
    }
}

/// A file for the chain of a build's replay.
fn out(builds: &Builds, at: usize) -> String {
    let stem = match builds {
        Builds::Files(files) => {
            files[at].path.file_stem().unwrap_or_default().display().to_string()
        }
        Builds::Commits(commits) => commits.list[at].short.clone(),
    };
    argument(Path::new(&format!("{stem}.chain.cbor")))
}
