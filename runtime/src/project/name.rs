//! What a project may be called.

use std::fmt;
use std::str::FromStr;

/// Names that cargo refuses, or that mean something else to the compiler: Rust's keywords, its own
/// crates, and the crate that every project uses.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "wit-bindgen",
    "wit_bindgen",
    "yield",
];

/// Names under which some systems know devices instead of files.
const DEVICES: &[&str] = &["aux", "con", "nul", "prn"];

/// The longest name.
const CHARS_MAX: usize = 64;

/// The name of a project: of its folder, its package and its actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectName(String);

impl ProjectName {
    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a project cannot be called so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It does not begin with a letter.
    #[error("a project's name begins with a letter")]
    Start,
    /// It has other characters than letters, digits, hyphens and underscores.
    #[error("a project's name has no {0:?}")]
    Character(char),
    /// It is too long.
    #[error("a project's name has at most {CHARS_MAX} characters")]
    Long,
    /// It means something else.
    #[error("that is a word or a crate of Rust's own, or a device")]
    Taken,
}

impl FromStr for ProjectName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<ProjectName, NameError> {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if let Some(odd) = text.chars().find(|c| !is_allowed(*c)) {
            return Err(NameError::Character(odd));
        }
        if !text.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return Err(NameError::Start);
        }
        if text.len() > CHARS_MAX {
            return Err(NameError::Long);
        }
        let lower = text.to_ascii_lowercase();
        if TAKEN.contains(&&*lower) || DEVICES.contains(&&*lower) {
            return Err(NameError::Taken);
        }
        Ok(ProjectName(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages_are_names() {
        for name in ["a", "my-actor", "my_actor2", "Actor", &"x".repeat(CHARS_MAX)] {
            assert_eq!(name.parse().map(|name: ProjectName| name.0).as_deref(), Ok(name));
        }
    }

    #[test]
    fn others_are_not() {
        for (name, error) in [
            ("", NameError::Start),
            ("2go", NameError::Start),
            ("-x", NameError::Start),
            ("_x", NameError::Start),
            ("..", NameError::Character('.')),
            ("a/b", NameError::Character('/')),
            ("a b", NameError::Character(' ')),
            ("ä", NameError::Character('ä')),
            ("a\n[dependencies]", NameError::Character('\n')),
            ("match", NameError::Taken),
            ("NUL", NameError::Taken),
            ("wit-bindgen", NameError::Taken),
            (&"x".repeat(CHARS_MAX + 1), NameError::Long),
        ] {
            assert_eq!(name.parse::<ProjectName>(), Err(error), "{name}");
        }
    }
}
