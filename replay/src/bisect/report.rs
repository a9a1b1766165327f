//! What a bisection has found, for people and as JSON.

use std::fmt::Write;

use serde::Serialize;
use theater_runtime::escape::visible;

use super::outcome::{Outcome, Standing, Summary};
use super::{Answer, Builds, Findings, Tested, Via};
use crate::amount::counted;
use crate::ui::Paint;

/// More candidates than this are only in the JSON.
const CANDIDATES_SHOWN: usize = 20;

/// All there is to tell of a bisection.
pub(crate) struct Report<'a> {
    pub(crate) builds: &'a Builds,
    pub(crate) findings: &'a Findings,
    /// Whether all builds were asked for.
    pub(crate) scans: bool,
    /// Only what comes before this event counts.
    pub(crate) until: Option<u64>,
    /// Commands to go on with.
    pub(crate) next: Vec<String>,
}

impl Report<'_> {
    /// For people, below a line that says what was bisected.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let mut lines = Vec::new();
        for (at, tested) in self.tested() {
            lines.push(format!("  {}", self.row(at, tested, paint)));
        }
        match &self.findings.answer {
            Answer::Unfit => lines.extend(self.unfit(paint)),
            Answer::Border { border, bad_end, relapses } => {
                lines.extend(self.candidates(border.good, border.bad, paint));
                let (event, kind) = (bad_end.event, bad_end.kind.sentence());
                lines.push(format!("  {} at event {event}: {kind}", paint.bad("diverged")));
                lines.extend(bad_end_told(bad_end));
                lines.push(format!("  the last good build is {}", self.shown(border.good)));
                lines.extend(relapses.iter().map(|(bad, good)| {
                    let (bad, good) = (self.shown(*bad), self.shown(*good));
                    let news = paint.warn("it went away and came back");
                    format!("  {news}: {bad} is bad, and {good} after it is good")
                }));
                if !relapses.is_empty() && !self.scans {
                    lines.push("  try: --scan, which shows every change".to_owned());
                }
            }
        }
        if self.scans {
            lines.extend(
                self.changes().into_iter().map(|(_, to)| {
                    format!("  from {} on: {}", self.shown(to), self.outcome_line(to))
                }),
            );
        }
        lines.push(format!("  {}", self.counts()));
        for (at, command) in self.next.iter().enumerate() {
            let label = if at == 0 { "next:" } else { "     " };
            lines.push(format!("  {label} {command}"));
        }
        lines.iter().fold(String::new(), |mut text, line| {
            writeln!(text, "{line}").expect("a string takes everything");
            text
        })
    }

    fn row(&self, at: usize, tested: &Tested, paint: Paint) -> String {
        let build = self.shown(at);
        let line = tested.outcome.line();
        match self.standing(tested) {
            None => format!("{build}: {line}"),
            Some(Standing::Good) => format!("{}   {build}", paint.good("good")),
            Some(Standing::Bad) => format!("{}    {build}", paint.bad("bad")),
            Some(Standing::Other) => {
                format!("{}  {build}: other divergence, {line}", paint.warn("other"))
            }
            Some(Standing::Later) => {
                format!("{}   {build}: other divergence, later, {line}", paint.good("good"))
            }
            Some(Standing::Skipped) => format!("{}   {build}: {line}", paint.dim("skip")),
        }
    }

    /// Why there is nothing to search.
    fn unfit(&self, paint: Paint) -> Vec<String> {
        let last = self.builds.len() - 1;
        let (good, bad) = (self.shown(0), self.shown(last));
        let ends = [0, last].map(|at| self.findings.tested[at].as_ref().map(|one| &one.outcome));
        let no = paint.bad("no answer");
        let mut lines = Vec::new();
        match ends {
            [Some(Outcome::Diverged(_)), Some(Outcome::Same)] => lines.push(format!(
                "{no}: the good end, {good}, diverges and the bad end, {bad}, does not; \
                 are the builds in the wrong order?"
            )),
            [Some(Outcome::Diverged(one)), other] => {
                let event = one.event;
                lines.push(format!("{no}: the good end, {good}, diverges too, at event {event}"));
                match other {
                    Some(Outcome::Diverged(bad_end)) if bad_end.event < event => lines.push(
                        format!("  try: --until {event}, to look at what comes before that only"),
                    ),
                    _ => lines.push("  try: an older build as the good end".to_owned()),
                }
            }
            [Some(Outcome::Skipped(_)), _] => {
                lines.push(format!("{no}: the good end, {good}, cannot be tested"));
                lines.push("  try: another build as the good end".to_owned());
            }
            [_, Some(Outcome::Skipped(_))] => {
                lines.push(format!("{no}: the bad end, {bad}, cannot be tested"));
                lines.push("  try: another build as the bad end".to_owned());
            }
            _ => {
                let until = self.until.map(|event| format!(" before event {event}"));
                let until = until.unwrap_or_default();
                lines.push(format!("{no}: the bad end, {bad}, does what was recorded{until}"));
                lines.push("  try: a recording of what goes wrong, or a later build".to_owned());
            }
        }
        lines
    }

    /// Which build it is, or which it may be.
    fn candidates(&self, good: usize, bad: usize, paint: Paint) -> Vec<String> {
        let label = paint.strong("first bad build");
        let all = bad - good;
        if all == 1 {
            return vec![format!("{label}: {}", paint.name(self.shown(bad)))];
        }
        let builds = counted(all as u64, "build");
        let why = "those before the last could not be told good or bad";
        let mut lines = vec![format!("{label}: one of {builds}; {why}")];
        let candidates = (good + 1..=bad).map(|at| format!("  {}", paint.name(self.shown(at))));
        lines.extend(candidates.take(CANDIDATES_SHOWN));
        if let Some(more) = all.checked_sub(CANDIDATES_SHOWN).filter(|more| *more > 0) {
            lines.push(format!("  and {more} more, which --json shows"));
        }
        lines
    }

    fn counts(&self) -> String {
        let replays = counted(self.count(Via::Replay), "replay");
        let cached = match self.count(Via::Cache) {
            0 => "none".to_owned(),
            cached => cached.to_string(),
        };
        let twins = match self.count(Via::Twin) {
            0 => String::new(),
            twins => format!(", {twins} the same as another build"),
        };
        let all = counted(self.builds.len() as u64, "build");
        format!("{replays} for {all}, {cached} from the cache{twins}")
    }

    fn count(&self, via: Via) -> u64 {
        self.tested().filter(|(_, tested)| tested.via == via).count() as u64
    }

    fn tested(&self) -> impl Iterator<Item = (usize, &Tested)> {
        let all = self.findings.tested.iter().enumerate();
        all.filter_map(|(at, tested)| tested.as_ref().map(|tested| (at, tested)))
    }

    fn standing(&self, tested: &Tested) -> Option<Standing> {
        match &self.findings.answer {
            Answer::Unfit => None,
            Answer::Border { bad_end, .. } => Some(tested.outcome.standing(bad_end)),
        }
    }

    /// Neighbours, but for builds that were skipped, which do not do the same.
    fn changes(&self) -> Vec<(usize, usize)> {
        let is_told =
            |(_, tested): &(usize, &Tested)| !matches!(tested.outcome, Outcome::Skipped(_));
        let told: Vec<_> = self.tested().filter(is_told).collect();
        let changes = told.windows(2).filter(|two| !two[0].1.outcome.is_like(&two[1].1.outcome));
        changes.map(|two| (two[0].0, two[1].0)).collect()
    }

    fn outcome_line(&self, at: usize) -> String {
        let tested = self.findings.tested[at].as_ref();
        visible(&tested.expect("a change is between tested builds").outcome.line())
    }

    fn shown(&self, at: usize) -> String {
        visible(&self.builds.shown(at))
    }
}

/// What the bad end does, as `run` would tell it.
fn bad_end_told(bad_end: &Summary) -> Vec<String> {
    visible(&bad_end.told).lines().map(str::to_owned).collect()
}

/// The same for programs.
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
        let (answer, border, bad_end, relapses) = match &self.findings.answer {
            Answer::Unfit => ("unfit", None, None, Vec::new()),
            Answer::Border { border, bad_end, relapses } => {
                let answer = if border.is_exact() { "found" } else { "range" };
                (answer, Some(*border), Some(bad_end), relapses.clone())
            }
        };
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
            divergence: bad_end.map(SummaryJson::of),
            tested: self.tested().map(|(at, tested)| self.tested_json(at, tested)).collect(),
            relapses: relapses.into_iter().map(pair).collect(),
            changes: self.scans.then(|| self.changes().into_iter().map(pair).collect()),
            replays: self.count(Via::Replay),
            cached: self.count(Via::Cache),
            next: self.next.clone(),
        }
    }

    fn tested_json(&self, at: usize, tested: &Tested) -> TestedJson {
        let (outcome, divergence, reason) = match &tested.outcome {
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
