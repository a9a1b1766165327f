//! The chains of a folder as a set: each is checked, and then they are held against each other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, anyhow};
use rayon::prelude::*;
use serde::Serialize;
use theater_runtime::complaint::advised;
use theater_verify::set::{Held, Member, hold};
use theater_verify::{Checked, Fault, Options, Policy, Report, Verdict, VerifiedChain};

use crate::exit::Exit;
use crate::open::open;
use crate::ui::Ui;

pub(crate) mod players;
pub(crate) mod told;
pub(crate) mod tree;

/// What the files of chains are called; each may be packed as well.
const ENDINGS: [&str; 2] = [".cbor", ".chain"];
const PACKED: &str = ".zst";

/// The chains of a folder.
pub(crate) struct ChainSet<T> {
    /// By the names of their files.
    pub(crate) chains: Vec<Looked<T>>,
    /// What they say of messages.
    pub(crate) members: Vec<Member>,
    /// The chain that each member is.
    pub(crate) files: Vec<usize>,
    /// What came of holding them against each other.
    pub(crate) held: Held,
}

/// A chain of the set.
pub(crate) struct Looked<T> {
    /// Its file's name in the folder.
    pub(crate) name: String,
    pub(crate) report: anyhow::Result<Report>,
    /// Its position among the members. A chain of which nothing is good is none.
    pub(crate) member: Option<usize>,
    /// What else was found out.
    pub(crate) more: Option<T>,
}

/// The one-word answer, the better before the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SetVerdict {
    /// Every chain is complete, and they fit together.
    Complete,
    /// Nothing contradicts anything else, but a chain has no end.
    Open,
    /// A chain is not what the policy asks for.
    Unmet,
    /// Each chain may be good by itself, but they contradict each other, or one is missing.
    Contradicted,
    /// A chain is damaged.
    Damaged,
}

impl SetVerdict {
    pub(crate) fn name(self) -> &'static str {
        match self {
            SetVerdict::Complete => "complete",
            SetVerdict::Open => "open",
            SetVerdict::Unmet => "unmet",
            SetVerdict::Contradicted => "contradicted",
            SetVerdict::Damaged => "damaged",
        }
    }

    pub(crate) fn exit(self) -> Exit {
        match self {
            SetVerdict::Complete => Exit::Fine,
            SetVerdict::Open => Exit::Open,
            SetVerdict::Unmet => Exit::Unmet,
            SetVerdict::Contradicted | SetVerdict::Damaged => Exit::Finding,
        }
    }
}

impl From<Verdict> for SetVerdict {
    fn from(verdict: Verdict) -> SetVerdict {
        match verdict {
            Verdict::Complete => SetVerdict::Complete,
            Verdict::Open => SetVerdict::Open,
            Verdict::Unmet => SetVerdict::Unmet,
            Verdict::Damaged => SetVerdict::Damaged,
        }
    }
}

/// The files of the chains in a folder, sorted by name.
pub(crate) fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = folder.display();
    let cannot_read = || format!("cannot read the folder {shown}");
    let mut files = Vec::new();
    let entries = std::fs::read_dir(folder).with_context(cannot_read);
    for entry in entries.map_err(|error| advised(error, "check the spelling, or look with ls"))? {
        let entry = entry.with_context(cannot_read)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let name = name.strip_suffix(PACKED).unwrap_or(&name);
        if ENDINGS.iter().any(|ending| name.ends_with(ending)) && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    if files.is_empty() {
        return Err(advised(
            anyhow!(
                "the folder {shown} holds no chains: no files *.cbor or *.chain, packed or not"
            ),
            "name the folder to which a system of actors has recorded",
        ));
    }
    files.sort();
    Ok(files)
}

impl<T: Send> ChainSet<T> {
    /// Checks chains and holds them against each other. `more` is asked about each chain, of as much
    /// of it as is good.
    pub(crate) fn look(
        files: &[PathBuf],
        policy: &Policy,
        ui: &Ui,
        more: impl Fn(&Path, &VerifiedChain, &Report) -> T + Sync,
    ) -> ChainSet<T> {
        let sizes = files.iter().map(|file| file.metadata().map_or(0, |file| file.len()));
        let (progress, done) = (ui.progress(sizes.sum()), AtomicU64::new(0));
        let looked = files.par_iter().map(|file| {
            let looked = look(file, policy, &more);
            let bytes = looked.0.report.as_ref().map_or(0, |report| report.bytes);
            progress.set(done.fetch_add(bytes, Ordering::Relaxed) + bytes);
            looked
        });
        let looked: Vec<_> = looked.collect();
        let (mut chains, mut members, mut files) = (Vec::new(), Vec::new(), Vec::new());
        for (mut chain, member) in looked {
            if let Some(member) = member {
                chain.member = Some(members.len());
                members.push(member);
                files.push(chains.len());
            }
            chains.push(chain);
        }
        let held = hold(&members);
        ChainSet { chains, members, files, held }
    }

    /// The one-word answer about those that could be checked.
    pub(crate) fn verdict(&self) -> SetVerdict {
        let reports = self.chains.iter().filter_map(|chain| chain.report.as_ref().ok());
        let worst = reports.map(|report| SetVerdict::from(report.verdict())).max();
        let held = match self.held.is_sound() {
            true => SetVerdict::Complete,
            false => SetVerdict::Contradicted,
        };
        worst.unwrap_or(SetVerdict::Complete).max(held)
    }

    /// How the program ends on account of it.
    pub(crate) fn exit(&self) -> Exit {
        let is_unread = self.chains.iter().any(|chain| chain.report.is_err());
        let exit = self.verdict().exit();
        if is_unread { exit.worse(Exit::Trouble) } else { exit }
    }

    /// How many events its chains have, and how many bytes.
    pub(crate) fn size(&self) -> (u64, u64) {
        let reports = self.chains.iter().filter_map(|chain| chain.report.as_ref().ok());
        reports
            .fold((0, 0), |(events, bytes), report| (events + report.records, bytes + report.bytes))
    }

    /// The member that a chain is.
    pub(crate) fn member(&self, chain: &Looked<T>) -> Option<&Member> {
        chain.member.map(|member| &self.members[member])
    }
}

/// Checks one chain and reads what it says of messages.
fn look<T>(
    file: &Path,
    policy: &Policy,
    more: impl Fn(&Path, &VerifiedChain, &Report) -> T,
) -> (Looked<T>, Option<Member>) {
    let name =
        file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    match check(file, policy, more) {
        Ok((report, found)) => {
            let (member, more) = found.unzip();
            (Looked { name, report: Ok(report), member: None, more }, member)
        }
        Err(error) => (Looked { name, report: Err(error), member: None, more: None }, None),
    }
}

fn check<T>(
    file: &Path,
    policy: &Policy,
    more: impl Fn(&Path, &VerifiedChain, &Report) -> T,
) -> anyhow::Result<(Report, Option<(Member, T)>)> {
    let source: Arc<dyn theater_verify::Source> = Arc::from(open(file)?);
    let options = Options { policy: policy.clone(), ..Options::default() };
    let checked = Checked::new(source, &options)
        .with_context(|| format!("cannot check {}", file.display()))
        .map_err(|error| advised(error, "take it out of the folder, or copy it there again"))?;
    let report = checked.report.clone();
    // What a replay did was never recorded, so nobody else has recorded the other side of it.
    let is_synthetic = report.faults.iter().any(|fault| matches!(fault, Fault::Synthetic));
    let chain = match checked.good_prefix() {
        Ok(chain) if !is_synthetic => chain,
        Ok(_) | Err(_) => return Ok((report, None)),
    };
    let is_whole = report.closed && report.faults.is_empty();
    let member =
        Member::of(&chain, is_whole).with_context(|| format!("cannot read {}", file.display()))?;
    let more = more(file, &chain, &report);
    Ok((report, Some((member, more))))
}
