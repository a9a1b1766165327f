//! The names by which people call functions, and which function is meant.

use std::fmt;
use std::str::FromStr;

use super::error::{Position, WaveError};

/// How many functions a message lists.
const LISTED_MAX: usize = 12;

/// How many functions a message offers instead of one that does not exist.
const NEAR_MAX: usize = 3;

/// From this likeness on, one name may be a slip of the finger for another.
const NEAR: f64 = 0.8;

/// A function as somebody named it: `func`, `iface#func` or `ns:pkg/iface@1.2.3#func`.
///
/// Functions of resources go by the names that the component model gives them:
/// `[constructor]cart`, `[method]cart.add`, `[static]cart.merge`, `[resource-drop]cart`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionPath {
    /// The interface, perhaps without its version or its package; `None` if only the function was
    /// named.
    pub interface: Option<String>,
    /// The function.
    pub function: String,
}

/// Why a path does not lead to exactly one function.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// It leads to none.
    #[error("no function is called {path}; {}", instead(.near, .known))]
    Unknown {
        /// What was asked for.
        path: String,
        /// Those with a similar name, the most similar first.
        near: Vec<String>,
        /// All functions there are.
        known: Vec<String>,
    },
    /// It leads to several.
    #[error("{path} could be several functions: {}", listed("", "", .candidates))]
    Ambiguous {
        /// What was asked for.
        path: String,
        /// What it could be.
        candidates: Vec<String>,
    },
}

impl FunctionPath {
    /// Finds the function that is meant, by its position among `functions`: pairs of an interface,
    /// empty at world level, and a name.
    ///
    /// A full name goes before one without its version, that before one without its package. A
    /// function alone is first looked for at world level, then in all interfaces.
    pub fn find<'f>(
        &self,
        functions: impl IntoIterator<Item = (&'f str, &'f str)>,
    ) -> Result<usize, FindError> {
        let functions: Vec<_> = functions.into_iter().collect();
        let ranked = |&(interface, name): &(&str, &str)| {
            (name == self.function).then(|| self.rank(interface)).flatten()
        };
        let full = |at: &usize| full_name(functions[*at].0, functions[*at].1);
        let Some(best) = functions.iter().filter_map(ranked).min() else {
            let known = (0..functions.len()).map(|at| full(&at)).collect();
            let near = self.near(&functions).into_iter().map(|at| full(&at)).collect();
            return Err(FindError::Unknown { path: self.to_string(), near, known });
        };
        let fitting: Vec<usize> =
            (0..functions.len()).filter(|at| ranked(&functions[*at]) == Some(best)).collect();
        match fitting[..] {
            [one] => Ok(one),
            _ => Err(FindError::Ambiguous {
                path: self.to_string(),
                candidates: fitting.iter().map(full).collect(),
            }),
        }
    }

    /// Reads the path in the first `end` bytes of the text.
    pub(super) fn parse_in(text: &str, end: usize) -> Result<FunctionPath, WaveError> {
        let path = text[..end].trim_end();
        let start = path.len() - path.trim_start().len();
        let (interface, function_at) = match path.find('#') {
            Some(hash) => (Some(&path[start..hash]), hash + 1),
            None => (None, start),
        };
        let function = &path[function_at..];
        let wrong = |expected: &str, at: usize, found: &str| WaveError::Expected {
            expected: expected.to_owned(),
            at: Position::of(text, at),
            found: if found.is_empty() { "nothing".to_owned() } else { found.to_owned() },
        };
        if let Some(interface) = interface.filter(|interface| !is_interface(interface)) {
            let expected = "an interface such as ns:pkg/iface@1.0.0 or iface";
            return Err(wrong(expected, start, interface));
        }
        if !is_function(function) {
            return Err(wrong("the name of a function", function_at, function));
        }
        Ok(FunctionPath { interface: interface.map(str::to_owned), function: function.to_owned() })
    }

    /// The functions with the most similar names, by position.
    fn near(&self, functions: &[(&str, &str)]) -> Vec<usize> {
        let likeness = |at: usize| strsim::jaro_winkler(functions[at].1, &self.function);
        let mut near: Vec<(f64, usize)> = (0..functions.len())
            .map(|at| (likeness(at), at))
            .filter(|(likeness, _)| *likeness >= NEAR)
            .collect();
        near.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        near.into_iter().take(NEAR_MAX).map(|(_, at)| at).collect()
    }

    /// How well the interface fits, 0 best; `None` if it does not.
    fn rank(&self, interface: &str) -> Option<usize> {
        let Some(asked) = self.interface.as_deref() else {
            return Some(usize::from(!interface.is_empty()));
        };
        let unversioned = interface.split('@').next().unwrap_or(interface);
        let short = unversioned.rsplit('/').next().unwrap_or(unversioned);
        [interface, unversioned, short].iter().position(|name| *name == asked)
    }
}

impl FromStr for FunctionPath {
    type Err = WaveError;

    fn from_str(text: &str) -> Result<FunctionPath, WaveError> {
        FunctionPath::parse_in(text, text.len())
    }
}

impl fmt::Display for FunctionPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&full_name(self.interface.as_deref().unwrap_or(""), &self.function))
    }
}

fn full_name(interface: &str, function: &str) -> String {
    if interface.is_empty() { function.to_owned() } else { format!("{interface}#{function}") }
}

fn instead(near: &[String], known: &[String]) -> String {
    match near {
        [] => listed("there is", "there are", known),
        near => format!("did you mean {}?", near.join(" or ")),
    }
}

fn listed(one: &str, several: &str, names: &[String]) -> String {
    let verb = match names {
        [] => return "there are none".to_owned(),
        [_] => one,
        _ => several,
    };
    let shown = names[..names.len().min(LISTED_MAX)].join(", ");
    let more = names.len().saturating_sub(LISTED_MAX);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{verb} {shown}{rest}").trim_start().to_owned()
}

fn is_label(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_alphabetic())
        && text.chars().all(|char| char.is_ascii_alphanumeric() || char == '-')
}

fn is_interface(text: &str) -> bool {
    let (name, version) = text.split_once('@').unwrap_or((text, "0"));
    let is_version_part = |char: char| char.is_ascii_alphanumeric() || ".-+".contains(char);
    !version.is_empty()
        && version.chars().all(is_version_part)
        && name.split(['/', ':']).all(is_label)
}

fn is_function(text: &str) -> bool {
    let kinds = ["[constructor]", "[method]", "[static]", "[resource-drop]"];
    let kind = kinds.iter().find_map(|kind| Some((*kind, text.strip_prefix(kind)?)));
    match kind {
        Some(("[method]" | "[static]", rest)) => rest
            .split_once('.')
            .is_some_and(|(resource, name)| is_label(resource) && is_label(name)),
        Some((_, resource)) => is_label(resource),
        None => is_label(text),
    }
}
