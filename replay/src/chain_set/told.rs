//! What came of holding chains against each other, for people and as JSON.

use serde::Serialize;
use theater_runtime::escape::plain;
use theater_verify::set::{Place, What};

use super::ChainSet;
use crate::amount::{count, counted};
use crate::ui::Paint;

/// What was held against what, as part of a larger document.
#[derive(Serialize)]
pub(crate) struct HeldJson<'a> {
    /// Found with whoever sent them and with whoever received them.
    messages: u64,
    /// Found on both sides.
    answers: u64,
    /// Messages from outside of all actors.
    outside: u64,
    /// Messages and answers whose bytes were removed.
    not_compared: u64,
    discrepancies: Vec<DiscrepancyJson<'a>>,
}

#[derive(Serialize)]
struct DiscrepancyJson<'a> {
    #[serde(flatten)]
    what: &'a What,
    /// Whether it makes the set contradicted.
    fault: bool,
    text: String,
    chain: &'a str,
    event: u64,
    offset: u64,
    other: Option<PlaceJson<'a>>,
}

#[derive(Serialize)]
struct PlaceJson<'a> {
    chain: &'a str,
    event: u64,
    offset: u64,
}

impl<'a> HeldJson<'a> {
    pub(crate) fn of<T: Send>(set: &'a ChainSet<T>) -> HeldJson<'a> {
        let held = &set.held;
        let place = |place: Place| {
            let Place { seq: event, offset, .. } = place;
            PlaceJson { chain: name(set, place), event, offset }
        };
        let discrepancies = held.discrepancies.iter().map(|found| {
            let Place { seq: event, offset, .. } = found.at;
            DiscrepancyJson {
                what: &found.what,
                fault: found.what.is_fault(),
                text: found.what.to_string(),
                chain: name(set, found.at),
                event,
                offset,
                other: found.other.map(place),
            }
        });
        HeldJson {
            messages: held.messages,
            answers: held.answers,
            outside: held.outside,
            not_compared: held.not_compared,
            discrepancies: discrepancies.collect(),
        }
    }
}

/// What was found on both sides.
pub(crate) fn agreed<T: Send>(set: &ChainSet<T>) -> String {
    let (messages, answers) = (set.held.messages, set.held.answers);
    format!("{} and {} on both sides", counted(messages, "message"), counted(answers, "answer"))
}

/// What nobody should take for granted of the messages.
pub(crate) fn not_shown<T: Send>(set: &ChainSet<T>) -> Vec<String> {
    let mut gaps = Vec::new();
    match set.held.outside {
        0 => {}
        1 => gaps.push("a message from outside, which nobody else has recorded".to_owned()),
        many => gaps
            .push(format!("{} messages from outside, which nobody else has recorded", count(many))),
    }
    if set.held.not_compared > 0 {
        let payloads = counted(set.held.not_compared, "message or answer");
        let payloads = payloads.replace("message or answers", "messages or answers");
        gaps.push(format!("the bytes of {payloads}, removed on purpose"));
    }
    gaps
}

/// What does not fit, each with its label and whether it is a fault: first those that are.
pub(crate) fn lines<T: Send>(set: &ChainSet<T>, paint: Paint) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    for is_fault in [true, false] {
        let found = set.held.discrepancies.iter();
        for found in found.filter(|found| found.what.is_fault() == is_fault) {
            let mut text = format!("{}: {}", place(set, found.at), plain(&found.what.to_string()));
            if let Some(other) = found.other {
                text = format!("{text}; see {}", place(set, other));
            }
            lines.push(match is_fault {
                true => ("fault", paint.bad(text).to_string()),
                false => ("note", paint.warn(text).to_string()),
            });
        }
    }
    lines
}

/// The file that something stands in.
pub(crate) fn name<T>(set: &ChainSet<T>, place: Place) -> &str {
    &set.chains[set.files[place.member]].name
}

/// A place for people.
fn place<T>(set: &ChainSet<T>, place: Place) -> String {
    format!("{} event {} at byte {}", plain(name(set, place)), place.seq, place.offset)
}
