//! Bisection: which build was the first to do something else than a recording says.
//!
//! The recording is the oracle: a build is good if its replay does what was recorded. Bad is only what
//! the bad end does, to the event, the kind, the function and the value. A build that does something
//! else before that counts for nothing, like one that cannot be tested, because nobody can see what it
//! would have done later. One that does something else after that is good, because it did what was
//! recorded where the bad end does not.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use theater_record::Hash;
use theater_runtime::complaint::{advised, sentence};
use theater_runtime::{Backend, Component, Ending, Engine, Home, PlaybackOptions, play};
use theater_verify::VerifiedChain;

use crate::divergence::Divergence;

mod cache;
pub(crate) mod commits;
pub(crate) mod files;
pub(crate) mod outcome;
pub(crate) mod report;
mod search;

use cache::Cache;
use commits::{Built, Commits, Failed};
use files::FileBuild;
use outcome::{Outcome, Summary};
use search::{Border, Search};

/// The builds, from the good end to the bad one.
pub(crate) enum Builds {
    Files(Vec<FileBuild>),
    Commits(Commits),
}

/// The recording, and how builds are held against it.
pub(crate) struct Oracle<'a> {
    chain: &'a VerifiedChain,
    engine: Engine,
    /// Only what comes before this event counts.
    until: Option<u64>,
    cache: Option<Cache>,
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
    pub(crate) outcome: Outcome,
    pub(crate) via: Via,
}

/// All that a bisection has found.
pub(crate) struct Findings {
    pub(crate) answer: Answer,
    /// By build; nothing for those that were not needed.
    pub(crate) tested: Vec<Option<Tested>>,
}

/// What a bisection comes to.
pub(crate) enum Answer {
    /// The ends are not what they were said to be, so there is nothing to search.
    Unfit,
    /// There is a border.
    Border {
        border: Border,
        /// What the bad end does.
        bad_end: Summary,
        /// Bad builds, each with a good one that comes later.
        relapses: Vec<(usize, usize)>,
    },
}

impl Findings {
    /// The ends that are not what they were said to be.
    pub(crate) fn unfit_ends(&self) -> Vec<usize> {
        let last = self.tested.len() - 1;
        let outcome = |at: usize| self.tested[at].as_ref().map(|tested| &tested.outcome);
        let good = !matches!(outcome(0), Some(Outcome::Same));
        let bad = !matches!(outcome(last), Some(Outcome::Diverged(_)));
        [(good, 0), (bad, last)].into_iter().filter(|(unfit, _)| *unfit).map(|(_, at)| at).collect()
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
}

impl<'a> Oracle<'a> {
    /// Makes ready to hold builds against a chain.
    pub(crate) fn new(
        chain: &'a VerifiedChain,
        backend: Backend,
        until: Option<u64>,
    ) -> anyhow::Result<Oracle<'a>> {
        let compiled = Home::find().ok().map(|home| home.cache());
        let settings = &chain.header().settings;
        let engine = Engine::for_replay(backend, settings, false, compiled.as_deref())?;
        let cache = Cache::open(chain, backend, until);
        Ok(Oracle { chain, engine, until, cache })
    }

    /// Replays a build, and says whether it could be.
    fn replay(&self, build: &PathBuf) -> Tested {
        let nothing =
            |error| Tested { outcome: Outcome::Skipped(sentence(&error)), via: Via::Nothing };
        let component = match Component::load(&self.engine, build) {
            Ok(component) => component,
            Err(error) => return nothing(anyhow!(error)),
        };
        let options = PlaybackOptions { until: self.until, ..PlaybackOptions::default() };
        let played = self.engine.on_stack(|| play(&component, self.chain, options));
        let outcome = match played.map(|played| played.ending) {
            Err(error) => return nothing(anyhow!(error)),
            Ok(Ending::Same | Ending::Reached | Ending::Unanswered(_)) => Outcome::Same,
            Ok(Ending::Diverged(mismatch)) => match Divergence::of(*mismatch) {
                divergence if divergence.lacks_export() => Outcome::Skipped(format!(
                    "it does not export {}, which event {} calls",
                    divergence.function().unwrap_or_default(),
                    divergence.seq
                )),
                divergence => Outcome::diverged(&divergence),
            },
        };
        Tested { outcome, via: Via::Replay }
    }
}

/// A bisection while it runs.
struct Bisection<'a> {
    builds: &'a Builds,
    oracle: &'a Oracle<'a>,
    tested: Vec<Option<Tested>>,
    /// What is known of builds by their bytes.
    by_digest: BTreeMap<Hash, Outcome>,
}

/// Looks for the first bad build. `announce` hears which build is about to be tested.
pub(crate) fn bisect(
    builds: &Builds,
    oracle: &Oracle<'_>,
    scans: bool,
    mut announce: impl FnMut(&str) -> anyhow::Result<()>,
) -> anyhow::Result<Findings> {
    let tested = vec![None; builds.len()];
    let mut bisection = Bisection { builds, oracle, tested, by_digest: BTreeMap::new() };
    bisection.remember();
    let last = builds.len() - 1;
    for end in [last, 0] {
        announce(&builds.shown(end))?;
        if let Some(Failed { reason, .. }) = bisection.test(end)?.filter(|one| one.lacks_command) {
            let error = anyhow!("{}: {reason}", builds.shown(end));
            return Err(advised(error, "try the command in a shell of your own"));
        }
    }
    let ends = [0, last].map(|end| bisection.outcome(end).clone());
    let [Outcome::Same, Outcome::Diverged(bad_end)] = ends else {
        return Ok(Findings { answer: Answer::Unfit, tested: bisection.tested });
    };
    let mut search = Search::new(builds.len(), scans);
    loop {
        for (at, tested) in bisection.tested.iter().enumerate() {
            if let Some(tested) = tested {
                search.note(at, tested.outcome.standing(&bad_end).judgement());
            }
        }
        let Some(next) = search.next() else { break };
        announce(&builds.shown(next))?;
        bisection.test(next)?;
    }
    let (border, relapses) = (search.border(), search.relapses());
    let answer = Answer::Border { border, bad_end, relapses };
    Ok(Findings { answer, tested: bisection.tested })
}

impl Bisection<'_> {
    /// What is known without any test: files that were tested another time.
    fn remember(&mut self) {
        let (Builds::Files(files), Some(cache)) = (self.builds, &self.oracle.cache) else { return };
        for (at, file) in files.iter().enumerate() {
            if let Some(outcome) = cache.get(&file.digest) {
                self.by_digest.insert(file.digest, outcome.clone());
                self.tested[at] = Some(Tested { outcome, via: Via::Cache });
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
                    let outcome = Outcome::Skipped(failed.reason.clone());
                    self.tested[at] = Some(Tested { outcome, via: Via::Nothing });
                    return Ok(Some(failed));
                }
            },
        };
        self.tested[at] = Some(self.ask(&file, digest));
        self.share(at, digest);
        Ok(None)
    }

    /// What a build does, from whoever knows.
    fn ask(&mut self, file: &PathBuf, digest: Hash) -> Tested {
        if let Some(outcome) = self.by_digest.get(&digest) {
            return Tested { outcome: outcome.clone(), via: Via::Twin };
        }
        let cache = self.oracle.cache.as_ref();
        let tested = match cache.and_then(|cache| cache.get(&digest)) {
            Some(outcome) => Tested { outcome, via: Via::Cache },
            None => self.oracle.replay(file),
        };
        if let (Some(cache), Via::Replay) = (cache, tested.via) {
            cache.put(&digest, &tested.outcome);
        }
        self.by_digest.insert(digest, tested.outcome.clone());
        tested
    }

    /// What is known of one file is known of all that are the same.
    fn share(&mut self, from: usize, digest: Hash) {
        let Builds::Files(files) = self.builds else { return };
        let outcome = self.outcome(from).clone();
        for (file, tested) in files.iter().zip(&mut self.tested) {
            if file.digest == digest && tested.is_none() {
                *tested = Some(Tested { outcome: outcome.clone(), via: Via::Twin });
            }
        }
    }

    /// The outcome of a build that was tested.
    fn outcome(&self, at: usize) -> &Outcome {
        &self.tested[at].as_ref().expect("it was tested").outcome
    }
}
