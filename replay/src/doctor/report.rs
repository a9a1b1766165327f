//! A diagnosis told: for people, and as data for programs.

use serde::Serialize;
use theater_runtime::escape::plain;

use super::{Class, Diagnosis, Finding, Note, Place, Shown, Side, Varied};
use crate::amount::counted;
use crate::source::Located;
use crate::story::{self, DivergenceJson};
use crate::ui::Paint;
use crate::whence;

/// All findings and notes, a block for each finding.
pub(crate) fn tell(diagnosis: &Diagnosis, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for (finding, number) in diagnosis.findings.iter().zip(1..) {
        lines.push(format!("{}", paint.bad(format!("{number}. {}", headline(finding)))));
        lines.extend(block(finding, paint).into_iter().map(|line| format!("   {line}")));
        lines.push(String::new());
    }
    lines.extend(notes(&diagnosis.notes));
    lines.extend(varied(&diagnosis.varied));
    let (recorded, replayed) = (diagnosis.recorded, diagnosis.replayed);
    let recordings = counted(recorded, "recording");
    let is_empty = diagnosis.findings.is_empty() && diagnosis.notes.is_empty();
    lines.extend(diagnosis.without_lines.as_deref().filter(|_| !is_empty).map(plain));
    lines.push(match recorded == replayed {
        true => format!("{recordings}, and each replays exactly"),
        false => format!("{recordings}, of which only {replayed} replay exactly"),
    });
    lines
}

fn headline(finding: &Finding) -> String {
    match finding.class {
        Class::Replay => "a replay does something else than its recording".to_owned(),
        Class::Runtime => "it differs with nothing varied, though it was told the same".to_owned(),
        Class::World => {
            "it differs with nothing varied, because it was told something else".to_owned()
        }
        class => format!("it depends on {}", class.noun()),
    }
}

fn block(finding: &Finding, paint: Paint) -> Vec<String> {
    let mut lines = vec![format!("varied   {}", finding.what)];
    for (place, label) in finding.entries.iter().zip(labels("enters")) {
        lines.push(format!("{label}{}", entry(place, paint)));
        lines.extend(source(place.source.as_ref()).map(|line| format!("           {line}")));
    }
    if let Some(shown) = &finding.shown {
        lines.extend(shows(shown, paint));
    }
    if let Some(divergence) = &finding.divergence {
        let (event, kind) = (divergence.seq, divergence.kind.sentence());
        lines.push(format!("at event {event}, {kind}"));
        lines.extend(source(divergence.source.as_ref()));
    }
    lines.push(format!("to do    {}", advice(finding.class)));
    lines
}

fn labels(first: &'static str) -> impl Iterator<Item = String> {
    std::iter::once(format!("{first:<9}")).chain(std::iter::repeat(" ".repeat(9)))
}

fn entry(place: &Place, paint: Paint) -> String {
    let Place { function, event, .. } = place;
    format!("{}, first at event {event}", paint.name(plain(function)))
}

fn shows(shown: &Shown, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    let [one, other] = &shown.sides;
    match &shown.difference {
        Some(difference) => {
            if let Some(side) = one {
                let function = paint.name(plain(&side.function));
                lines.push(format!("shows    at event {} in {function}", side.event));
            }
            let path = plain(&difference.path.to_string());
            let byte = story::byte_of(difference);
            let from = byte.map_or_else(String::new, |byte| format!(", from byte {byte}"));
            let (first, varied) = story::side_texts(difference, [&shown.types[0], &shown.types[1]]);
            lines.push(format!("           {path}{from}"));
            lines.push(format!("             first   {}", paint.good(first)));
            lines.push(format!("             varied  {}", paint.bad(varied)));
        }
        None => {
            let event = one.as_ref().or(other.as_ref()).map_or(0, |side| side.event);
            lines.push(format!("shows    at event {event}: the two do different things"));
            let brief = |side: &Option<Side>| match side {
                Some(side) => story::brief(&side.crossing, paint),
                None => "nothing more".to_owned(),
            };
            lines.push(format!("             first   {}", brief(one)));
            lines.push(format!("             varied  {}", brief(other)));
        }
    }
    let sources = [one, other].map(|side| side.as_ref().and_then(|side| side.source.as_ref()));
    lines.extend(source(sources[0]).map(|line| format!("           {line}")));
    if sources[0].and_then(whence::brief) != sources[1].and_then(whence::brief) {
        lines.extend(source(sources[1]).map(|line| format!("           varied: {line}")));
    }
    lines
}

/// The line of source, if it is known.
fn source(located: Option<&Located>) -> Option<String> {
    whence::brief(located?)
}

fn advice(class: Class) -> &'static str {
    match class {
        Class::Time => {
            "take the time as an argument, or stop the clock: theater run --clocks fixed:0+1000000"
        }
        Class::Schedule => "take what is ready in an order of its own, or wait for all of it",
        Class::Random => "take a seed as an argument, or give one: theater run --random seed:1",
        Class::Environment => {
            "take it as an argument, or say what it is each time: theater run --env NAME=VALUE"
        }
        Class::DirectoryOrder => "sort the entries before using them",
        Class::Addresses => {
            "do not print, hash or sort by addresses: number things, or use their content"
        }
        Class::World => {
            "look at what it is told there: times and numbers of files differ in every copy"
        }
        Class::Runtime => "this is a fault of the runtime: please report it with the component",
        Class::Replay => "this is a fault of the runtime: please report it with --keep",
    }
}

fn notes(notes: &[Note]) -> Vec<String> {
    let mut lines = Vec::new();
    for Note { class, place } in notes {
        let noun = class.noun();
        let function = plain(&place.function);
        let at = place.source.as_ref().and_then(whence::brief);
        let at = at.map_or_else(String::new, |at| format!(", {at}"));
        lines.push(format!("note: it is told {noun} by {function}{at}; nothing shows of it"));
    }
    lines
}

fn varied(varied: &[Varied]) -> Vec<String> {
    let times = varied
        .iter()
        .filter(|one| one.why_not.is_none())
        .map(|one| format!("{} {}", one.class.noun(), counted(one.runs.into(), "time")));
    let times: Vec<String> = times.collect();
    let mut lines = Vec::new();
    if !times.is_empty() {
        lines.push(format!("varied: {}", times.join(", ")));
    }
    for one in varied {
        if let Some(why_not) = one.why_not {
            lines.push(format!("not varied: {}, because {why_not}", one.class.noun()));
        }
    }
    lines
}

/// A diagnosis for programs.
#[derive(Serialize)]
pub(crate) struct DiagnosisJson {
    schema: &'static str,
    component: String,
    digest: String,
    recorded: u64,
    replayed_exactly: u64,
    varied: Vec<VariedJson>,
    findings: Vec<FindingJson>,
    notes: Vec<NoteJson>,
}

#[derive(Serialize)]
struct VariedJson {
    class: &'static str,
    runs: u32,
    not_varied: Option<&'static str>,
}

#[derive(Serialize)]
struct FindingJson {
    class: &'static str,
    varied: String,
    enters: Vec<PlaceJson>,
    shows: Option<ShownJson>,
    divergence: Option<DivergenceJson>,
    advice: &'static str,
    /// The files of the two recordings, if they were kept.
    chains: Option<[String; 2]>,
}

#[derive(Serialize)]
struct NoteJson {
    class: &'static str,
    #[serde(flatten)]
    place: PlaceJson,
}

#[derive(Serialize)]
struct PlaceJson {
    function: String,
    event: u64,
    source: Option<Located>,
}

#[derive(Serialize)]
struct ShownJson {
    kind: &'static str,
    path: Option<String>,
    byte: Option<u64>,
    first: Option<SideJson>,
    varied: Option<SideJson>,
}

#[derive(Serialize)]
struct SideJson {
    function: String,
    event: u64,
    value: Option<String>,
    source: Option<Located>,
}

pub(crate) const SCHEMA: &str = "theater-replay/doctor/1";

impl DiagnosisJson {
    /// `chains` are the files in which the recordings of each finding were kept.
    pub(crate) fn of(
        diagnosis: &Diagnosis,
        component: String,
        digest: String,
        chains: &[[String; 2]],
    ) -> DiagnosisJson {
        let varied = diagnosis.varied.iter().map(|one| VariedJson {
            class: one.class.name(),
            runs: one.runs,
            not_varied: one.why_not,
        });
        let findings = diagnosis.findings.iter().enumerate().map(|(at, finding)| FindingJson {
            class: finding.class.name(),
            varied: finding.what.clone(),
            enters: finding.entries.iter().map(PlaceJson::of).collect(),
            shows: finding.shown.as_ref().map(ShownJson::of),
            divergence: finding.divergence.as_ref().map(DivergenceJson::of),
            advice: advice(finding.class),
            chains: chains.get(at).cloned(),
        });
        let notes = diagnosis
            .notes
            .iter()
            .map(|note| NoteJson { class: note.class.name(), place: PlaceJson::of(&note.place) });
        DiagnosisJson {
            schema: SCHEMA,
            component,
            digest,
            recorded: diagnosis.recorded,
            replayed_exactly: diagnosis.replayed,
            varied: varied.collect(),
            findings: findings.collect(),
            notes: notes.collect(),
        }
    }
}

impl PlaceJson {
    fn of(place: &Place) -> PlaceJson {
        let Place { function, event, source } = place;
        PlaceJson { function: function.clone(), event: *event, source: source.clone() }
    }
}

impl ShownJson {
    fn of(shown: &Shown) -> ShownJson {
        let types = [&shown.types[0], &shown.types[1]];
        let difference = shown.difference.as_ref();
        let values = difference.map(|difference| story::side_texts(difference, types)).unzip();
        let side = |side: &Option<Side>, value: Option<String>| {
            let side = side.as_ref()?;
            let Side { event, function, source, .. } = side;
            let (function, source) = (function.clone(), source.clone());
            Some(SideJson { function, event: *event, value, source })
        };
        let [first, varied] = &shown.sides;
        ShownJson {
            kind: shown.kind.name(),
            path: difference.map(|difference| difference.path.to_string()),
            byte: difference.and_then(story::byte_of),
            first: side(first, values.0),
            varied: side(varied, values.1),
        }
    }
}
