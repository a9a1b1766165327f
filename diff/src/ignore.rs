//! What a comparison leaves out.

use std::str::FromStr;

use theater_record::Value;

use crate::path::{PathStep, Root, ValuePath};
use crate::value::Change;

/// What takes no part in a comparison.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignore {
    classes: Vec<Class>,
    places: Vec<Place>,
}

/// What differs between two runs by its nature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// All events of interfaces that tell the time or wait.
    Time,
    /// All events of interfaces that give random values.
    Random,
    /// The numbers of resources.
    Ids,
}

/// Where values are left out: what begins with these steps.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    /// `[*]`: whatever the position.
    Any,
}

/// Why a text does not say what to ignore.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a class (time, random, ids) nor a path such as args[1].headers[*].value")]
pub struct IgnoreError(String);

impl Ignore {
    /// Leaves out one more class or path.
    pub fn add(&mut self, text: &str) -> Result<(), IgnoreError> {
        match text {
            "time" => self.classes.push(Class::Time),
            "random" => self.classes.push(Class::Random),
            "ids" => self.classes.push(Class::Ids),
            path => self.places.push(path.parse()?),
        }
        Ok(())
    }

    /// Whether any event can be left out altogether.
    pub(crate) fn leaves_out_events(&self) -> bool {
        self.classes.iter().any(|class| matches!(class, Class::Time | Class::Random))
    }

    /// Whether events about functions of this interface are left out altogether.
    pub(crate) fn leaves_out_interface(&self, interface: &str) -> bool {
        let is_in = |package: &str, own: &str| {
            let name = interface.split_once('@').map_or(interface, |(name, _)| name);
            name.strip_prefix(package).is_some_and(|rest| rest.starts_with('/')) || name == own
        };
        self.classes.iter().any(|class| match class {
            Class::Time => is_in("wasi:clocks", "theater:simple/timing"),
            Class::Random => is_in("wasi:random", "theater:simple/random"),
            Class::Ids => false,
        })
    }

    /// Whether a difference does not count.
    pub(crate) fn covers(&self, path: &ValuePath, change: &Change) -> bool {
        let is_id = match change {
            Change::Value { expected, .. } => {
                matches!(expected.value, Value::Own(_) | Value::Borrow(_))
            }
            Change::Bytes { .. }
            | Change::Missing { .. }
            | Change::Extra { .. }
            | Change::Type { .. }
            | Change::Unknown { .. } => false,
        };
        is_id && self.classes.contains(&Class::Ids)
            || self.places.iter().any(|place| place.holds(path))
    }
}

impl Place {
    fn holds(&self, path: &ValuePath) -> bool {
        let (root, rest) = self.0.split_first().expect("a parsed path has a root");
        match &path.root {
            Root::Arg { at, name } => {
                is_name(root, "args")
                    && rest.split_first().is_none_or(|(step, rest)| {
                        (step.fits_index(*at) || is_name(step, name)) && begins(rest, &path.steps)
                    })
            }
            Root::Result => is_name(root, "result") && begins(rest, &path.steps),
            Root::ResultAt(at) => {
                is_name(root, "result")
                    && rest.split_first().is_none_or(|(step, rest)| {
                        step.fits_index(*at) && begins(rest, &path.steps)
                    })
            }
            Root::Field(name) => is_name(root, name) && begins(rest, &path.steps),
        }
    }
}

impl Step {
    fn fits_index(&self, at: usize) -> bool {
        match self {
            Step::Index(wanted) => *wanted == at,
            Step::Any => true,
            Step::Name(_) => false,
        }
    }
}

fn is_name(step: &Step, name: &str) -> bool {
    matches!(step, Step::Name(wanted) if wanted == name)
}

/// Whether `steps` begin as the pattern says. The pattern need not say `some`.
fn begins(pattern: &[Step], steps: &[PathStep]) -> bool {
    let Some((wanted, pattern_rest)) = pattern.split_first() else { return true };
    let Some((step, rest)) = steps.split_first() else { return false };
    let fits = match step {
        PathStep::Name(name) => is_name(wanted, name),
        PathStep::Index(at) => wanted.fits_index(*at),
    };
    let is_some = matches!(step, PathStep::Name(name) if name == "some");
    fits && begins(pattern_rest, rest) || is_some && begins(pattern, rest)
}

impl FromStr for Place {
    type Err = IgnoreError;

    fn from_str(text: &str) -> Result<Place, IgnoreError> {
        let wrong = || IgnoreError(text.to_owned());
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(index) = rest.strip_prefix('[') {
                let (index, after) = index.split_once(']').ok_or_else(wrong)?;
                steps.push(match index {
                    "*" => Step::Any,
                    index => Step::Index(index.parse().map_err(|_| wrong())?),
                });
                rest = after;
                continue;
            }
            let name = if steps.is_empty() { Some(rest) } else { rest.strip_prefix('.') };
            let name = name.ok_or_else(wrong)?;
            let (name, after) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
            if name.is_empty() {
                return Err(wrong());
            }
            steps.push(Step::Name(name.to_owned()));
            rest = after;
        }
        let known =
            ["args", "result", "trap", "detail", "resource", "subject", "allowed", "reason"];
        match steps.first() {
            Some(Step::Name(root)) if known.contains(&&**root) => Ok(Place(steps)),
            _ => Err(wrong()),
        }
    }
}
