//! What a build does with the recording, as far as bisection wants to know and keep it.

use serde::{Deserialize, Serialize};
use theater_runtime::escape::plain;

use super::origin::{Crossed, Origin, Spot};
use super::search::Judgement;
use crate::divergence::{Divergence, DivergenceKind};
use crate::story;
use crate::ui::Paint;

/// What came out when a build was held against the recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// It does what was recorded, as far as that counts.
    Same,
    /// It does something else.
    Diverged(Summary),
    /// There is no telling, for this reason.
    Skipped(String),
}

/// What is known of one build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) outcome: Outcome,
    /// An event, and where in its code the build was there, if that was noted.
    pub(crate) seen: Option<(u64, Vec<Spot>)>,
}

/// A divergence, as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// The event of the recording.
    pub(crate) event: u64,
    #[serde(with = "kind_by_name")]
    pub(crate) kind: DivergenceKind,
    pub(crate) function: Option<String>,
    /// The first value that differs, if it is about one.
    pub(crate) path: Option<String>,
    /// All of it for people in lines, without colours.
    pub(crate) told: Vec<String>,
    /// Where in its code the build did it.
    pub(crate) origin: Origin,
    /// What the recording has there.
    pub(crate) recorded: Crossed,
}

/// An outcome, in the light of what the bad end does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It does what was recorded.
    Good,
    /// It does something else than the bad end, but after the event at which the bad end has long
    /// parted from the recording: there it does what was recorded.
    Later,
    /// It does the same as the bad end.
    Bad,
    /// It does something else, and whether it would do what the bad end does cannot be seen.
    Other,
    /// It was skipped.
    Skipped,
}

impl Outcome {
    /// The outcome of a replay that ended with this divergence.
    pub(crate) fn diverged(divergence: &Divergence) -> Outcome {
        Outcome::Diverged(Summary {
            event: divergence.seq,
            kind: divergence.kind,
            function: divergence.function(),
            path: divergence.difference.as_ref().map(|difference| difference.path.to_string()),
            told: story::what(divergence, Paint::PLAIN),
            origin: Origin {
                frames: divergence.frames.iter().map(Spot::of).collect(),
                crossed: Crossed::of(divergence.actual.as_ref()),
            },
            recorded: Crossed::of(divergence.expected.as_ref()),
        })
    }

    /// What it means, if this is what the bad end does.
    pub(crate) fn standing(&self, bad_end: &Summary) -> Standing {
        match self {
            Outcome::Same => Standing::Good,
            Outcome::Diverged(summary) if summary.is_like(bad_end) => Standing::Bad,
            Outcome::Diverged(summary) if summary.event > bad_end.event => Standing::Later,
            Outcome::Diverged(_) => Standing::Other,
            Outcome::Skipped(_) => Standing::Skipped,
        }
    }

    /// Whether both mean the same, in whatever build they were seen.
    pub(crate) fn is_like(&self, other: &Outcome) -> bool {
        match (self, other) {
            (Outcome::Diverged(one), Outcome::Diverged(other)) => one.is_like(other),
            (Outcome::Same, Outcome::Same) | (Outcome::Skipped(_), Outcome::Skipped(_)) => true,
            (Outcome::Same | Outcome::Diverged(_) | Outcome::Skipped(_), _) => false,
        }
    }

    /// In one line, for people.
    pub(crate) fn line(&self) -> String {
        match self {
            Outcome::Same => "the same".to_owned(),
            Outcome::Diverged(summary) => summary.line(),
            Outcome::Skipped(reason) => plain(reason),
        }
    }
}

impl Summary {
    /// Whether two builds part from the recording in the same way.
    fn is_like(&self, other: &Summary) -> bool {
        self.event == other.event
            && self.kind == other.kind
            && self.function == other.function
            && self.path == other.path
    }

    fn line(&self) -> String {
        let function = self.function.as_ref().map(|function| format!(" in {}", plain(function)));
        let path = self.path.as_ref().map(|path| format!(", {}", plain(path)));
        format!(
            "diverged at event {}: {}{}{}",
            self.event,
            self.kind.name(),
            function.unwrap_or_default(),
            path.unwrap_or_default()
        )
    }
}

impl Standing {
    /// What it says about where the border is.
    pub(crate) fn judgement(self) -> Judgement {
        match self {
            Standing::Good | Standing::Later => Judgement::Good,
            Standing::Bad => Judgement::Bad,
            Standing::Other | Standing::Skipped => Judgement::Unknown,
        }
    }

    /// The name people and programs read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Standing::Good => "good",
            Standing::Later => "later",
            Standing::Bad => "bad",
            Standing::Other => "other",
            Standing::Skipped => "skip",
        }
    }
}

/// Kinds of divergence under the names that people and programs read.
mod kind_by_name {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::divergence::DivergenceKind;

    pub(super) fn serialize<S: Serializer>(
        kind: &DivergenceKind,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(kind.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<DivergenceKind, D::Error> {
        let name = String::deserialize(deserializer)?;
        DivergenceKind::named(&name).ok_or_else(|| D::Error::custom("unknown kind of divergence"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Crossed, Origin, Outcome, Standing, Summary};
    use crate::divergence::DivergenceKind;

    fn summary(event: u64, path: &str) -> Summary {
        Summary {
            event,
            kind: DivergenceKind::OtherArguments,
            function: Some("a#b".to_owned()),
            path: Some(path.to_owned()),
            told: Vec::new(),
            origin: Origin::default(),
            recorded: Crossed::End,
        }
    }

    #[test]
    fn only_what_the_bad_end_does_is_bad() {
        let bad_end = summary(54, "args[1]");
        let standing = |outcome: Outcome| outcome.standing(&bad_end);
        let diverged = |summary| Outcome::Diverged(summary);
        assert_eq!(standing(Outcome::Same), Standing::Good);
        assert_eq!(standing(Outcome::Skipped(String::new())), Standing::Skipped);
        let told = Summary { told: vec!["other values".to_owned()], ..bad_end.clone() };
        assert_eq!(standing(diverged(told)), Standing::Bad);
        let others = [
            summary(53, "args[1]"),
            summary(54, "args[0]"),
            Summary { path: None, ..bad_end.clone() },
            Summary { kind: DivergenceKind::ExtraCall, ..bad_end.clone() },
            Summary { function: Some("a#c".to_owned()), ..bad_end.clone() },
        ];
        for other in others {
            assert_eq!(standing(diverged(other)), Standing::Other);
        }
        assert_eq!(standing(diverged(summary(55, "args[1]"))), Standing::Later);
    }
}
