//! Bisection: which build was the first to do something else than a recording says.
//!
//! The recording is the oracle: a build is good if its replay does what was recorded. Bad is only what
//! the bad end does, to the event, the kind, the function and the value. A build that does something
//! else before that counts for nothing, like one that cannot be tested, because nobody can see what it
//! would have done later. One that does something else after that is good, because it did what was
//! recorded where the bad end does not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use theater_record::Hash;
use theater_runtime::complaint::advised;

use crate::source::Located;

mod cache;
pub(crate) mod commits;
pub(crate) mod files;
pub(crate) mod json;
mod oracle;
mod origin;
mod outcome;
pub(crate) mod report;
mod search;

use commits::{Built, Commits, Failed};
use files::FileBuild;
pub(crate) use oracle::Oracle;
use origin::{Crossed, Origin, Spot};
use outcome::{Kept, Outcome, Summary};
use search::{Border, Search};

/// The builds, from the good end to the bad one.
pub(crate) enum Builds {
    Files(Vec<FileBuild>),
    Commits(Commits),
}

/// Where an outcome comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Via {
    /// The build was replayed.
    Replay,
    /// It was replayed another time.
    Cache,
    /// Another build has the same bytes.
    Twin,
    /// There was nothing that could be replayed.
    Nothing,
}

/// What came out for one build.
#[derive(Debug, Clone)]
pub(crate) struct Tested {
    kept: Kept,
    pub(crate) via: Via,
}

/// All that a bisection has found.
pub(crate) struct Findings {
    pub(crate) answer: Answer,
    /// By build; nothing for those that were not needed.
    pub(crate) tested: Vec<Option<Tested>>,
    /// Replays of builds that had been tested, to find their source lines.
    pub(crate) more_replays: u64,
}

/// What a bisection comes to.
pub(crate) enum Answer {
    /// The ends are not what they were said to be, so there is nothing to search.
    Unfit,
    /// There is a border.
    Border(Box<Found>),
}

/// What is known of the border.
pub(crate) struct Found {
    pub(crate) border: Border,
    /// What the bad end does.
    bad_end: Summary,
    /// Where the last good build and the first bad one are in their source, there.
    sources: [Option<Located>; 2],
    /// Bad builds, each with a good one that comes later.
    relapses: Vec<(usize, usize)>,
}

impl Findings {
    /// The ends that are not what they were said to be.
    pub(crate) fn unfit_ends(&self) -> Vec<usize> {
        let last = self.tested.len() - 1;
        let outcome = |at: usize| self.tested[at].as_ref().map(Tested::outcome);
        let good = !matches!(outcome(0), Some(Outcome::Same));
        let bad = !matches!(outcome(last), Some(Outcome::Diverged(_)));
        [(good, 0), (bad, last)].into_iter().filter(|(unfit, _)| *unfit).map(|(_, at)| at).collect()
    }
}

impl Found {
    /// Whether it is known from which line the last good build does what was recorded.
    pub(crate) fn has_good_line(&self) -> bool {
        self.sources[0].as_ref().is_some_and(|located| located.place.is_some())
    }
}

impl Tested {
    /// What the build does.
    fn outcome(&self) -> &Outcome {
        &self.kept.outcome
    }

    /// A build that could not be tested.
    fn skipped(reason: String) -> Tested {
        Tested { kept: Kept { outcome: Outcome::Skipped(reason), seen: None }, via: Via::Nothing }
    }
}

impl Builds {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Builds::Files(files) => files.len(),
            Builds::Commits(commits) => commits.list.len(),
        }
    }

    /// How people call one of them.
    pub(crate) fn shown(&self, at: usize) -> String {
        match self {
            Builds::Files(files) => files[at].path.display().to_string(),
            Builds::Commits(commits) => {
                let commit = &commits.list[at];
                format!("{} {}", commit.short, commit.subject)
            }
        }
    }

    /// The file of one of them, if there is one.
    pub(crate) fn file(&self, at: usize) -> Option<PathBuf> {
        match self {
            Builds::Files(files) => Some(files[at].path.clone()),
            Builds::Commits(commits) => commits.built(at),
        }
    }
}

/// A bisection while it runs.
struct Bisection<'a> {
    builds: &'a Builds,
    oracle: &'a Oracle<'a>,
    tested: Vec<Option<Tested>>,
    /// What is known of builds by their bytes.
    by_digest: BTreeMap<Hash, Kept>,
    /// The event at which to note where builds are in their code.
    event: Option<u64>,
    more_replays: u64,
}

/// How a bisection is done.
pub(crate) struct Request<'a> {
    /// Whether to test all builds.
    pub(crate) scans: bool,
    /// Where to look for debug information, besides in the builds themselves.
    pub(crate) debug_info: &'a [PathBuf],
}

/// Looks for the first bad build. `announce` hears which build is about to be tested.
pub(crate) fn bisect(
    builds: &Builds,
    oracle: &Oracle<'_>,
    request: &Request<'_>,
    mut announce: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<Findings> {
    let mut bisection = Bisection {
        builds,
        oracle,
        tested: vec![None; builds.len()],
        by_digest: BTreeMap::new(),
        event: None,
        more_replays: 0,
    };
    bisection.remember();
    let last = builds.len() - 1;
    // What the bad end does says where to look at all others.
    for end in [last, 0] {
        announce(&builds.shown(end))?;
        if let Some(Failed { reason, .. }) = bisection.test(end)?.filter(|one| one.lacks_command) {
            let error = anyhow!("{}: {reason}", builds.shown(end));
            return Err(advised(error, "try the command in a shell of your own"));
        }
        if let Outcome::Diverged(bad_end) = bisection.outcome(last) {
            bisection.event = Some(bad_end.event);
        }
    }
    let ends = [0, last].map(|end| bisection.outcome(end).clone());
    let [Outcome::Same, Outcome::Diverged(bad_end)] = ends else {
        let Bisection { tested, .. } = bisection;
        return Ok(Findings { answer: Answer::Unfit, tested, more_replays: 0 });
    };
    let mut search = Search::new(builds.len(), request.scans);
    loop {
        for (at, tested) in bisection.tested.iter().enumerate() {
            if let Some(tested) = tested {
                search.note(at, tested.outcome().standing(&bad_end).judgement());
            }
        }
        let Some(next) = search.next() else { break };
        announce(&builds.shown(next))?;
        bisection.test(next)?;
    }
    let (border, relapses) = (search.border(), search.relapses());
    let sources = bisection.sources(border, &bad_end, request.debug_info);
    let answer = Answer::Border(Box::new(Found { border, bad_end, sources, relapses }));
    let Bisection { tested, more_replays, .. } = bisection;
    Ok(Findings { answer, tested, more_replays })
}

impl Bisection<'_> {
    /// What is known without any test: files that were tested another time.
    fn remember(&mut self) {
        let (Builds::Files(files), Some(cache)) = (self.builds, &self.oracle.cache) else { return };
        for (at, file) in files.iter().enumerate() {
            if let Some(kept) = cache.get(&file.digest) {
                self.by_digest.insert(file.digest, kept.clone());
                self.tested[at] = Some(Tested { kept, via: Via::Cache });
            }
        }
    }

    /// Tests a build, unless its outcome is known. What is returned is why there is no such build.
    fn test(&mut self, at: usize) -> anyhow::Result<Option<Failed>> {
        if self.tested[at].is_some() {
            return Ok(None);
        }
        let (file, digest) = match self.builds {
            Builds::Files(files) => (files[at].path.clone(), files[at].digest),
            Builds::Commits(commits) => match commits.build(at)? {
                Built::File(file) => {
                    let digest = files::digest(&file).context("the build went away")?;
                    (file, digest)
                }
                Built::Failed(failed) => {
                    self.tested[at] = Some(Tested::skipped(failed.reason.clone()));
                    return Ok(Some(failed));
                }
            },
        };
        self.tested[at] = Some(self.ask(&file, digest));
        self.share(at, digest);
        Ok(None)
    }

    /// What a build does, from whoever knows.
    fn ask(&mut self, file: &Path, digest: Hash) -> Tested {
        if let Some(kept) = self.by_digest.get(&digest) {
            return Tested { kept: kept.clone(), via: Via::Twin };
        }
        let cache = self.oracle.cache.as_ref();
        let tested = match cache.and_then(|cache| cache.get(&digest)) {
            Some(kept) => Tested { kept, via: Via::Cache },
            None => self.oracle.replay(file, self.oracle.until, self.event),
        };
        if let (Some(cache), Via::Replay) = (cache, tested.via) {
            cache.put(&digest, &tested.kept);
        }
        self.by_digest.insert(digest, tested.kept.clone());
        tested
    }

    /// What is known of one file is known of all that are the same.
    fn share(&mut self, from: usize, digest: Hash) {
        let Builds::Files(files) = self.builds else { return };
        let Some(Tested { kept, .. }) = self.tested[from].clone() else { return };
        for (file, tested) in files.iter().zip(&mut self.tested) {
            if file.digest == digest && tested.is_none() {
                *tested = Some(Tested { kept: kept.clone(), via: Via::Twin });
            }
        }
    }

    /// Where the builds on both sides of the border are in their source: the good one where it does
    /// what was recorded, the bad one where it does not.
    fn sources(
        &mut self,
        border: Border,
        bad_end: &Summary,
        debug_info: &[PathBuf],
    ) -> [Option<Located>; 2] {
        let mut sources = [None, None];
        if let Some(map) = origin::source_map(self.builds, border.bad, debug_info)
            && let Outcome::Diverged(summary) = self.outcome(border.bad)
        {
            sources[1] = Some(summary.origin.locate(&map));
        }
        if let Some(map) = origin::source_map(self.builds, border.good, debug_info)
            && map.has_lines()
        {
            let origin = match bad_end.recorded.clone() {
                crossed @ Crossed::Out(_) => {
                    let frames = self.seen(border.good, bad_end.event);
                    Some(Origin { frames, crossed })
                }
                crossed @ Crossed::Export(..) => Some(Origin { frames: Vec::new(), crossed }),
                Crossed::End => None,
            };
            sources[0] = origin.map(|origin| origin.locate(&map));
        }
        if let Builds::Commits(commits) = self.builds {
            sources.iter_mut().flatten().for_each(|located| commits.shorten(located));
        }
        sources
    }

    /// Where in its code a build is at an event. If that was not noted when it was tested, another time
    /// and for another bad end, it is replayed once more.
    fn seen(&mut self, at: usize, event: u64) -> Vec<Spot> {
        let Some(tested) = &mut self.tested[at] else { return Vec::new() };
        match &tested.kept.seen {
            Some((seen, spots)) if *seen == event => return spots.clone(),
            _ => {}
        }
        let Some(file) = self.builds.file(at) else { return Vec::new() };
        let replayed = self.oracle.replay(&file, Some(event.saturating_add(1)), Some(event));
        self.more_replays += 1;
        tested.kept.seen = replayed.kept.seen;
        if let (Some(cache), Ok(digest)) = (&self.oracle.cache, files::digest(&file)) {
            cache.put(&digest, &tested.kept);
        }
        tested.kept.seen.clone().map(|(_, spots)| spots).unwrap_or_default()
    }

    /// The outcome of a build that was tested.
    fn outcome(&self, at: usize) -> &Outcome {
        self.tested[at].as_ref().expect("it was tested").outcome()
    }
}
