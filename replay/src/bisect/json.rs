//! What a bisection has found, for programs; `schemas/bisect-1.json` describes it.

use serde::Serialize;

use super::outcome::{Outcome, Standing, Summary};
use super::report::Report;
use super::{Answer, Builds, Tested, Via};
use crate::source::Located;

/// All there is to tell of a bisection, for programs.
#[derive(Serialize)]
pub(crate) struct BisectJson {
    schema: &'static str,
    chain: String,
    verdict: &'static str,
    backend: &'static str,
    until: Option<u64>,
    answer: &'static str,
    /// How many builds there are.
    builds: u64,
    first_bad: Option<String>,
    last_good: Option<String>,
    candidates: Vec<String>,
    divergence: Option<SummaryJson>,
    /// Where the last good build does what was recorded, and the first bad one does not.
    good_source: Option<Located>,
    bad_source: Option<Located>,
    tested: Vec<TestedJson>,
    relapses: Vec<PairJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<Vec<PairJson>>,
    replays: u64,
    cached: u64,
    next: Vec<String>,
}

/// Two builds.
#[derive(Serialize)]
struct PairJson {
    from: String,
    to: String,
}

#[derive(Serialize)]
struct TestedJson {
    build: String,
    /// What the commit says of itself.
    subject: Option<String>,
    /// Counted from the good end, which is 0.
    position: u64,
    outcome: &'static str,
    standing: Option<&'static str>,
    via: &'static str,
    divergence: Option<SummaryJson>,
    reason: Option<String>,
}

#[derive(Serialize)]
struct SummaryJson {
    event: u64,
    kind: &'static str,
    function: Option<String>,
    path: Option<String>,
}

impl SummaryJson {
    fn of(summary: &Summary) -> SummaryJson {
        SummaryJson {
            event: summary.event,
            kind: summary.kind.name(),
            function: summary.function.clone(),
            path: summary.path.clone(),
        }
    }
}

/// What the JSON says about the chain and how it was used.
pub(crate) struct Head {
    pub(crate) schema: &'static str,
    pub(crate) chain: String,
    pub(crate) verdict: &'static str,
    pub(crate) backend: &'static str,
}

impl Report<'_> {
    /// For programs.
    pub(crate) fn json(&self, head: Head) -> BisectJson {
        let Head { schema, chain, verdict, backend } = head;
        let pair = |(from, to): (usize, usize)| PairJson { from: self.id(from), to: self.id(to) };
        let found = match &self.findings.answer {
            Answer::Unfit => None,
            Answer::Border(found) => Some(found),
        };
        let border = found.map(|found| found.border);
        let answer = match border {
            None => "unfit",
            Some(border) if border.is_exact() => "found",
            Some(_) => "range",
        };
        let [good_source, bad_source] =
            found.map(|found| found.sources.clone()).unwrap_or_default();
        let relapses = found.map(|found| found.relapses.clone()).unwrap_or_default();
        let candidates = border.map_or(0..0, |border| border.good + 1..border.bad + 1);
        BisectJson {
            schema,
            chain,
            verdict,
            backend,
            until: self.until,
            answer,
            builds: self.builds.len() as u64,
            first_bad: border.filter(|one| one.is_exact()).map(|one| self.id(one.bad)),
            last_good: border.map(|border| self.id(border.good)),
            candidates: candidates.map(|at| self.id(at)).collect(),
            divergence: found.map(|found| SummaryJson::of(&found.bad_end)),
            good_source,
            bad_source,
            tested: self.tested().map(|(at, tested)| self.tested_json(at, tested)).collect(),
            relapses: relapses.into_iter().map(pair).collect(),
            changes: self.scans.then(|| self.changes().into_iter().map(pair).collect()),
            replays: self.replays(),
            cached: self.count(Via::Cache),
            next: self.next.clone(),
        }
    }

    fn tested_json(&self, at: usize, tested: &Tested) -> TestedJson {
        let (outcome, divergence, reason) = match tested.outcome() {
            Outcome::Same => ("same", None, None),
            Outcome::Diverged(summary) => ("diverged", Some(SummaryJson::of(summary)), None),
            Outcome::Skipped(reason) => ("skipped", None, Some(reason.clone())),
        };
        TestedJson {
            build: self.id(at),
            subject: match self.builds {
                Builds::Files(_) => None,
                Builds::Commits(commits) => Some(commits.list[at].subject.clone()),
            },
            position: at as u64,
            outcome,
            standing: self.standing(tested).map(Standing::name),
            via: match tested.via {
                Via::Replay => "replay",
                Via::Cache => "cache",
                Via::Twin => "twin",
                Via::Nothing => "nothing",
            },
            divergence,
            reason,
        }
    }

    /// How programs call a build.
    fn id(&self, at: usize) -> String {
        match self.builds {
            Builds::Files(files) => files[at].path.display().to_string(),
            Builds::Commits(commits) => commits.list[at].id.clone(),
        }
    }
}
