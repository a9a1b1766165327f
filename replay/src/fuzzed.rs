//! What a search for calls that break the replay of a component has come to, told.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use theater_runtime::escape::{argument, plain, visible};
use theater_runtime::{Backend, Function};

use crate::amount::{count, counted};
use crate::json;
use crate::locate::SourceArgs;
use crate::property::{Found, Property, Reason, Search, Searched, Violation};
use crate::story::DivergenceJson;
use crate::ui::Paint;

/// A search and its outcome.
pub(crate) struct Fuzzed<'a> {
    /// The component's file.
    pub(crate) component: &'a Path,
    pub(crate) property: &'a Property,
    pub(crate) search: &'a Search,
    pub(crate) searched: &'a Searched,
    /// Where the calls were saved, if some were found.
    pub(crate) saved: Option<&'a Saved>,
    /// The command that tries the same cases.
    pub(crate) again: String,
    /// How source lines are shown.
    pub(crate) source: &'a SourceArgs,
}

/// Calls that break the property, saved.
pub(crate) struct Saved {
    /// The recording of them.
    pub(crate) chain: PathBuf,
    /// The calls as a script.
    pub(crate) calls: PathBuf,
    /// The command that makes them again.
    pub(crate) run: String,
}

impl Fuzzed<'_> {
    /// The outcome for people.
    pub(crate) fn text(&self, paint: Paint) -> String {
        let Searched { cases, calls, traps, found, .. } = self.searched;
        let mut text = String::new();
        let mut line = |line: String| {
            writeln!(text, "{line}").expect("a string takes everything");
        };
        let shown = plain(&self.component.display().to_string());
        match found {
            None => {
                let cases = counted(*cases, "case");
                line(format!("{shown}: every recording {}, {cases}", paint.good("replays")));
            }
            Some(found) => {
                let violation = visible(&found.smallest.violation.to_string());
                line(format!("{shown}: {} in case {cases}: {violation}", paint.bad("broken")));
            }
        }
        if let Some(found) = found {
            self.tell(found, paint, &mut line);
        }
        let trapped = match traps {
            0 => String::new(),
            traps => format!(", {} ended in a trap", counted(*traps, "case")),
        };
        line(format!("  {} in {}{trapped}", counted(*calls, "call"), counted(*cases, "case")));
        self.tell_exports(paint, &mut line);
        if !self.property.records_twice() {
            line(
                "  recorded once: with time or randomness of the system, no two are the same"
                    .into(),
            );
        }
        line(format!("  the same cases again: {}", visible(&self.again)));
        if let Some(saved) = self.saved {
            let (chain, calls) = (argument(&saved.chain), argument(&saved.calls));
            line(format!("  the calls are in {calls}, what was recorded in {chain}"));
            line(format!("  the same calls again: {}", visible(&saved.run)));
            line(format!("  next: {}", self.next(saved)));
        }
        text
    }

    fn tell(&self, found: &Found, paint: Paint, line: &mut dyn FnMut(String)) {
        let made = found.smallest.made();
        let before = match found.calls_before {
            calls if calls > made.len() => format!(", shrunk from {calls}"),
            _ => String::new(),
        };
        line(format!("  after {}{before}:", counted(made.len() as u64, "call")));
        made.iter().for_each(|call| line(format!("    {}", call.shown())));
        found
            .smallest
            .violation
            .details(self.source, paint)
            .lines()
            .for_each(|detail| line(detail.to_owned()));
    }

    fn tell_exports(&self, paint: Paint, line: &mut dyn FnMut(String)) {
        let exports = self.property.exports();
        let called = || exports.called().zip(&self.searched.called);
        let number = |calls: &u64| count(*calls);
        let width = called().map(|(_, calls)| number(calls).len()).max().unwrap_or(0);
        for (function, calls) in called() {
            let name = plain(&function.path());
            let name = if *calls == 0 { paint.warn(name) } else { paint.name(name) };
            line(format!("    {:>width$}  {name}", number(calls)));
        }
        let mut not_asked_for = 0;
        for left_out in exports.left_out() {
            if left_out.reason == Reason::NotAskedFor {
                not_asked_for += 1;
                continue;
            }
            let (name, reason) = (plain(&left_out.export), plain(&left_out.reason.to_string()));
            line(format!("    {:>width$}  {name}: left out, {reason}", paint.dim("-")));
        }
        if not_asked_for > 0 {
            let exports = counted(not_asked_for, "export");
            line(format!("    {:>width$}  {exports} not asked for", paint.dim("-")));
        }
    }

    /// The command that shows more of what was found.
    fn next(&self, saved: &Saved) -> String {
        let chain = argument(&saved.chain);
        let violation = self.searched.found.as_ref().map(|found| &found.smallest.violation);
        match violation.and_then(Violation::backend) {
            Some(backend) => {
                let backend = match backend {
                    Backend::Cranelift => "",
                    Backend::Pulley => " --backend pulley",
                };
                let component = argument(self.component);
                format!("theater-replay run {chain} --component {component}{backend}")
            }
            None => match violation {
                Some(Violation::OtherRecording { .. }) => format!("theater-replay show {chain}"),
                _ => format!("theater-replay verify {chain}"),
            },
        }
    }

    /// The outcome for programs.
    pub(crate) fn json(&self) -> String {
        let exports = self.property.exports();
        let called = |(function, calls): (&Function, &u64)| CalledJson {
            export: function.path(),
            calls: *calls,
        };
        let searched = self.searched;
        json::document(&FuzzJson {
            schema: "theater-replay/fuzz/1",
            component: self.component.display().to_string(),
            digest: self.property.component().digest().to_string(),
            seed: self.search.seed,
            calls_max: self.search.calls_max,
            cases: searched.cases,
            calls: searched.calls,
            traps: searched.traps,
            called: exports.called().zip(&searched.called).map(called).collect(),
            left_out: exports
                .left_out()
                .iter()
                .map(|one| LeftOutJson {
                    export: one.export.clone(),
                    reason: one.reason.to_string(),
                })
                .collect(),
            recorded_twice: self.property.records_twice(),
            again: self.again.clone(),
            found: searched.found.as_ref().map(|found| self.found_json(found)),
        })
    }

    fn found_json(&self, found: &Found) -> FoundJson {
        let violation = &found.smallest.violation;
        FoundJson {
            kind: violation.name(),
            message: violation.to_string(),
            backend: violation.backend().map(Backend::name),
            event: violation.seq(),
            divergence: match violation {
                Violation::Diverged { divergence, .. } => Some(DivergenceJson::of(divergence)),
                _ => None,
            },
            calls: found.smallest.made().iter().map(ToString::to_string).collect(),
            calls_before: found.calls_before,
            shrunk_in: found.tried,
            chain: self.saved.map(|saved| saved.chain.display().to_string()),
            script: self.saved.map(|saved| saved.calls.display().to_string()),
            run: self.saved.map(|saved| saved.run.clone()),
        }
    }
}

#[derive(Serialize)]
struct FuzzJson {
    schema: &'static str,
    component: String,
    digest: String,
    seed: u64,
    calls_max: usize,
    cases: u64,
    calls: u64,
    traps: u64,
    called: Vec<CalledJson>,
    left_out: Vec<LeftOutJson>,
    recorded_twice: bool,
    again: String,
    found: Option<FoundJson>,
}

#[derive(Serialize)]
struct CalledJson {
    export: String,
    calls: u64,
}

#[derive(Serialize)]
struct LeftOutJson {
    export: String,
    reason: String,
}

#[derive(Serialize)]
struct FoundJson {
    kind: &'static str,
    message: String,
    backend: Option<&'static str>,
    event: Option<u64>,
    divergence: Option<DivergenceJson>,
    calls: Vec<String>,
    calls_before: usize,
    shrunk_in: u64,
    chain: Option<String>,
    script: Option<String>,
    run: Option<String>,
}
