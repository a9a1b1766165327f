//! `--good-if`: what the replay of a build has to come to, for the build to be called good.
//!
//! ```text
//! test  = "same" | "diverged" | "same-until" event | field op value
//! field = "event" | "kind" | "function" | "path"
//! ```
//!
//! How tests are joined, and what operators and values look like, stands in `condition.rs`.

use crate::condition::{Condition, ConditionError, Op, Parser};
use crate::divergence::{Divergence, DivergenceKind};
use crate::render::Previews;
use crate::tree::Tree;

/// A condition on how a replay ends.
pub(crate) type GoodIf = Condition<Claim>;

/// One thing that may be true of how a replay ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The component does what was recorded.
    Same,
    /// It does something else.
    Diverged,
    /// It does what was recorded in all events before this one.
    SameUntil(u64),
    /// It does something else, and that is such.
    Field { field: Field, op: Op, value: String },
}

/// What can be asked about a divergence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Event,
    Kind,
    Function,
    Path,
}

const FIELDS: [(&str, Field); 4] = [
    ("event", Field::Event),
    ("kind", Field::Kind),
    ("function", Field::Function),
    ("path", Field::Path),
];

impl GoodIf {
    /// Reads a condition.
    pub(crate) fn parse(text: &str) -> Result<GoodIf, ConditionError> {
        Parser::new("--good-if", text).condition(claim)
    }

    /// Whether a replay that ended with this divergence, or without one, meets it.
    pub(crate) fn is_met(&self, divergence: Option<&Divergence>) -> bool {
        self.holds(&|claim: &Claim| match claim {
            Claim::Same => divergence.is_none(),
            Claim::Diverged => divergence.is_some(),
            Claim::SameUntil(event) => divergence.is_none_or(|one| one.seq >= *event),
            // Where there is no divergence, there is nothing to be equal or unequal.
            Claim::Field { field, op, value } => divergence
                .and_then(|one| field.of(one))
                .is_some_and(|found| op.holds(&found, value, &Previews::default())),
        })
    }
}

impl Field {
    fn of(self, divergence: &Divergence) -> Option<Tree> {
        match self {
            Field::Event => Some(Tree::Uint(divergence.seq)),
            Field::Kind => Some(Tree::text(divergence.kind.name())),
            Field::Function => divergence.function().map(|function| Tree::text(&function)),
            Field::Path => {
                let difference = divergence.difference.as_ref();
                difference.map(|difference| Tree::text(difference.path.to_string()))
            }
        }
    }

    /// Refuses what could never be equal.
    fn check(self, op: Op, value: &str) -> Result<(), String> {
        let is_exact = matches!(op, Op::Equal | Op::NotEqual);
        match self {
            Field::Event => number(value).map(drop),
            Field::Kind if is_exact && DivergenceKind::named(value).is_none() => {
                let kinds = DivergenceKind::ALL.map(DivergenceKind::name).join(", ");
                Err(format!("unknown kind; the kinds are {kinds}"))
            }
            Field::Kind | Field::Function | Field::Path => Ok(()),
        }
    }
}

/// Reads one claim.
fn claim(parser: &mut Parser<'_>) -> Result<Claim, ConditionError> {
    const EXPECTED: &str =
        "expected same, same-until EVENT, diverged, event, kind, function or path";
    let start = parser.skip_space();
    let word = parser.name(EXPECTED)?;
    match word.as_str() {
        "same" => return Ok(Claim::Same),
        "diverged" => return Ok(Claim::Diverged),
        "same-until" => {
            let start = parser.skip_space();
            let event = number(&parser.value()?);
            return event.map(Claim::SameUntil).map_err(|error| parser.error_at(start, &error));
        }
        _ => {}
    }
    let field = FIELDS.iter().find(|(name, _)| *name == word).map(|(_, field)| *field);
    let field = field.ok_or_else(|| parser.error_at(start, EXPECTED))?;
    let op = parser.op()?;
    let start = parser.skip_space();
    let value = parser.value()?;
    field.check(op, &value).map_err(|message| parser.error_at(start, &message))?;
    Ok(Claim::Field { field, op, value })
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "expected an event number".to_owned())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::GoodIf;
    use crate::divergence::{Divergence, DivergenceKind};

    fn divergence() -> Divergence {
        Divergence {
            kind: DivergenceKind::OtherArguments,
            is_swapped: false,
            seq: 54,
            offset: 1000,
            expected: None,
            actual: None,
            difference: None,
            before: None,
            after: None,
            frames: Vec::new(),
            source: None,
            recorded_source: None,
        }
    }

    #[test]
    fn conditions_mean_what_they_say() {
        // Each with whether it is met by a replay that is the same, and by one that is not.
        let cases = [
            ("same", true, false),
            ("diverged", false, true),
            ("not same", false, true),
            ("same-until 54", true, true),
            ("same-until 55", true, false),
            ("event >= 54", false, true),
            ("event < 54", false, false),
            ("not event < 54", true, true),
            ("kind = other-arguments", false, true),
            ("kind != other-arguments", false, false),
            ("kind ~ other", false, true),
            ("kind = early-end or same", true, false),
            ("diverged and (kind = extra-call or event = 54)", false, true),
            // This divergence is about no function and no value.
            ("function ~ a", false, false),
            ("path != args[0]", false, false),
        ];
        for (text, same, diverged) in cases {
            let good_if = GoodIf::parse(text).expect(text);
            assert_eq!(good_if.is_met(None), same, "{text}");
            assert_eq!(good_if.is_met(Some(&divergence())), diverged, "{text}");
        }
    }

    fn check_error(text: &str, expected: &Expect) {
        expected.assert_eq(&GoodIf::parse(text).expect_err(text).to_string());
    }

    #[test]
    fn mistakes_are_pointed_at() {
        check_error(
            "same or sane",
            &expect![[r#"
                in --good-if: expected same, same-until EVENT, diverged, event, kind, function or path
                  same or sane
                          ^"#]],
        );
        check_error(
            "kind = other-argument",
            &expect![[r#"
                in --good-if: unknown kind; the kinds are other-function, other-arguments, extra-call, missing-call, other-return, other-trap, early-end, other-fuel, other-signature
                  kind = other-argument
                         ^"#]],
        );
        check_error(
            "same-until x",
            &expect![[r#"
                in --good-if: expected an event number
                  same-until x
                             ^"#]],
        );
        check_error(
            "event ~ some",
            &expect![[r#"
                in --good-if: expected an event number
                  event ~ some
                          ^"#]],
        );
        check_error(
            "same same",
            &expect![[r#"
                in --good-if: expected `and`, `or` or the end
                  same same
                       ^"#]],
        );
    }
}
