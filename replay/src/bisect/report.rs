//! What a bisection has found, for people.

use std::fmt::Write;

use theater_runtime::escape::visible;

use super::outcome::{Outcome, Standing, Summary};
use super::{Answer, Builds, Findings, Found, Tested, Via};
use crate::amount::counted;
use crate::source::Located;
use crate::story::{self, Told};
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
    /// Where it is in the source, in lines for people.
    pub(crate) sources: Vec<String>,
    /// Commands to go on with.
    pub(crate) next: Vec<String>,
}

/// Where the builds at the border are in their source, in lines for people.
pub(crate) fn sources(
    builds: &Builds,
    findings: &Findings,
    tell: impl Fn(usize, &Located) -> Told,
) -> Vec<String> {
    let Answer::Border(found) = &findings.answer else { return Vec::new() };
    let Found { border, sources, .. } = &**found;
    let names = [border.good, border.bad].map(|at| visible(&builds.shown(at)));
    let [good, bad] = sources;
    let good = good.as_ref().map(|located| tell(border.good, located));
    let bad = bad.as_ref().map(|located| tell(border.bad, located));
    let tested = findings.tested[border.bad].as_ref();
    let frames = match tested.map(Tested::outcome) {
        Some(Outcome::Diverged(summary)) => summary.origin.frames(),
        Some(Outcome::Same | Outcome::Skipped(_)) | None => Vec::new(),
    };
    story::sources([&names[0], &names[1]], [good, bad], &frames)
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
            Answer::Border(found) => {
                let Found { border, bad_end, relapses, .. } = &**found;
                lines.extend(self.candidates(border.good, border.bad, paint));
                let (event, kind) = (bad_end.event, bad_end.kind.sentence());
                lines.push(format!("  {} at event {event}: {kind}", paint.bad("diverged")));
                let told = self.summary(border.bad).map(|summary| &summary.told);
                lines.extend(told.into_iter().flatten().map(|line| format!("  {}", visible(line))));
                lines.extend(self.sources.iter().map(|line| format!("  {line}")));
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
        let line = tested.outcome().line();
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
        let ends = [0, last].map(|at| self.findings.tested[at].as_ref().map(Tested::outcome));
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
        let replays = counted(self.replays(), "replay");
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

    /// How many replays were run.
    pub(super) fn replays(&self) -> u64 {
        self.count(Via::Replay) + self.findings.more_replays
    }

    /// How many outcomes come from there.
    pub(super) fn count(&self, via: Via) -> u64 {
        self.tested().filter(|(_, tested)| tested.via == via).count() as u64
    }

    /// The builds of which something is known.
    pub(super) fn tested(&self) -> impl Iterator<Item = (usize, &Tested)> {
        let all = self.findings.tested.iter().enumerate();
        all.filter_map(|(at, tested)| tested.as_ref().map(|tested| (at, tested)))
    }

    /// What the outcome of a build means, if there is an answer.
    pub(super) fn standing(&self, tested: &Tested) -> Option<Standing> {
        match &self.findings.answer {
            Answer::Unfit => None,
            Answer::Border(found) => Some(tested.outcome().standing(&found.bad_end)),
        }
    }

    /// Neighbours, but for builds that were skipped, which do not do the same.
    pub(super) fn changes(&self) -> Vec<(usize, usize)> {
        let is_told =
            |(_, tested): &(usize, &Tested)| !matches!(tested.outcome(), Outcome::Skipped(_));
        let told: Vec<_> = self.tested().filter(is_told).collect();
        let changes = told.windows(2).filter(|two| !two[0].1.outcome().is_like(two[1].1.outcome()));
        changes.map(|two| (two[0].0, two[1].0)).collect()
    }

    /// How a build parts from the recording, if it does.
    fn summary(&self, at: usize) -> Option<&Summary> {
        match self.findings.tested[at].as_ref()?.outcome() {
            Outcome::Diverged(summary) => Some(summary),
            Outcome::Same | Outcome::Skipped(_) => None,
        }
    }

    fn outcome_line(&self, at: usize) -> String {
        let tested = self.findings.tested[at].as_ref();
        visible(&tested.expect("a change is between tested builds").outcome().line())
    }

    fn shown(&self, at: usize) -> String {
        visible(&self.builds.shown(at))
    }
}
