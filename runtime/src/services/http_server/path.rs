//! Paths of requests, and the patterns of routes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// A pattern is not longer.
const PATTERN_BYTES_MAX: usize = 1024;

/// The path of a request in its segments, decoded.
///
/// One that could be understood in two ways is none: whoever guards `/admin` must not be got round by a
/// path that only looks different.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path(Vec<String>);

/// Which paths a route is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    segments: Vec<Segment>,
    /// Whether more may follow.
    has_rest: bool,
    text: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Any,
}

/// Text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no pattern of paths, such as /users/{{id}} or /files/{{*rest}}")]
pub(super) struct NoPattern(String);

impl Path {
    /// The path that stands in a request; `None` if it is none, or could be another one as well.
    pub(super) fn parse(text: &str) -> Option<Path> {
        let mut segments = Vec::new();
        let mut parts = text.strip_prefix('/')?.split('/').peekable();
        while let Some(part) = parts.next() {
            let segment = decoded(part)?;
            let is_inner = parts.peek().is_some();
            let is_dots = segment == "." || segment == "..";
            let is_ambiguous = |char: char| matches!(char, '/' | '\\') || char.is_control();
            if is_dots || segment.contains(is_ambiguous) || segment.is_empty() && is_inner {
                return None;
            }
            segments.push(segment);
        }
        Some(Path(segments))
    }

    /// Whether it is this path, or below it.
    pub(super) fn is_below(&self, above: &Path) -> bool {
        let above = match above.0.split_last() {
            // With a slash at its end or without, all that is below is the same.
            Some((last, others)) if last.is_empty() => others,
            _ => &above.0,
        };
        self.0.starts_with(above)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|segment| write!(f, "/{segment}"))
    }
}

impl Pattern {
    /// Whether a path is one of these.
    pub(super) fn matches(&self, path: &Path) -> bool {
        let is_long_enough = match self.has_rest {
            true => path.0.len() > self.segments.len(),
            false => path.0.len() == self.segments.len(),
        };
        let matches = |(segment, part): (&Segment, &String)| match segment {
            Segment::Literal(literal) => literal == part,
            Segment::Any => !part.is_empty(),
        };
        is_long_enough && self.segments.iter().zip(&path.0).all(matches)
    }

    /// Whether it is for the same paths, whatever it calls their parts.
    pub(super) fn is_same(&self, other: &Pattern) -> bool {
        self.segments == other.segments && self.has_rest == other.has_rest
    }

    /// The segments that it begins with and that are not open, as a path.
    pub(super) fn literal_path(&self) -> String {
        let literals = self.literals();
        if literals.is_empty() { "/".to_owned() } else { format!("/{}", literals.join("/")) }
    }

    /// Which of two patterns for one path is the better one: the one with the longer literal beginning,
    /// then the one with more literal segments, then the one that leaves less open.
    pub(super) fn precedence(&self, other: &Pattern) -> Ordering {
        let rank = |pattern: &Pattern| {
            let is_literal = |segment: &&Segment| matches!(segment, Segment::Literal(_));
            let beginning: usize = pattern.literals().iter().map(|literal| literal.len() + 1).sum();
            let literals = pattern.segments.iter().filter(is_literal).count();
            (beginning, literals, !pattern.has_rest, pattern.segments.len())
        };
        rank(self).cmp(&rank(other))
    }

    fn literals<'a>(&'a self) -> Vec<&'a str> {
        let literal = |segment: &'a Segment| match segment {
            Segment::Literal(literal) => Some(literal.as_str()),
            Segment::Any => None,
        };
        self.segments.iter().map_while(literal).collect()
    }
}

impl FromStr for Pattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Pattern, NoPattern> {
        let wrong = || NoPattern(text.to_owned());
        if text.len() > PATTERN_BYTES_MAX || text.contains(['?', '#', '%', ' ']) {
            return Err(wrong());
        }
        let (mut segments, mut has_rest) = (Vec::new(), false);
        // What is open is left out, so that what remains can be held to what paths are.
        let mut literal = String::new();
        for part in text.strip_prefix('/').ok_or_else(wrong)?.split('/') {
            let name = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            if has_rest || name.is_none() && part.contains(['{', '}', '*']) {
                return Err(wrong());
            }
            match name.map(|name| (name.strip_prefix('*'), name)) {
                None => {
                    segments.push(Segment::Literal(part.to_owned()));
                    literal = format!("{literal}/{part}");
                }
                Some((Some(name), _)) if is_name(name) => has_rest = true,
                Some((None, name)) if is_name(name) => {
                    segments.push(Segment::Any);
                    literal.push_str("/x");
                }
                Some(_) => return Err(wrong()),
            }
        }
        if !literal.is_empty() && Path::parse(&literal).is_none() {
            return Err(wrong());
        }
        Ok(Pattern { segments, has_rest, text: text.to_owned() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether a part of a path can be called like this.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// A segment with what was encoded in it; `None` if that is not text.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        let digits = str::from_utf8(digits).ok()?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Path {
        Path::parse(text).unwrap_or_else(|| panic!("{text} is a path"))
    }

    fn pattern(text: &str) -> Pattern {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn paths_that_could_be_others_are_none() {
        for text in [
            "",
            "a",
            "*",
            "/..",
            "/.",
            "/a/../b",
            "/a/./b",
            "/a/..",
            "/a/%2e%2e/b",
            "/%2E/",
            "/.%2e",
            "//",
            "//a",
            "/a//b",
            "/a\\b",
            "/a%5cb",
            "/a%2fb",
            "/users/a%2Fb",
            "/a%00b",
            "/%0d%0a",
            "/%",
            "/%4",
            "/%zz",
            "/%+1",
            "/%ff",
        ] {
            assert_eq!(Path::parse(text), None, "{text}");
        }
        for (text, expected) in
            [("/", "/"), ("/a/", "/a/"), ("/%61", "/a"), ("/gr%C3%BCn", "/grün"), ("/...", "/...")]
        {
            assert_eq!(path(text).to_string(), expected);
        }
    }

    #[test]
    fn patterns_match_segment_by_segment() {
        for (text, matching, others) in [
            ("/", &["/"][..], &["/a"][..]),
            ("/users", &["/users", "/%75sers"], &["/users/", "/users/a", "/user", "/Users"]),
            ("/users/{id}", &["/users/7", "/users/a%3Fb"], &["/users", "/users/", "/users/7/x"]),
            ("/users/{id}/x", &["/users/7/x"], &["/users/7", "/users/7/y"]),
            ("/files/{*rest}", &["/files/", "/files/a", "/files/a/b"], &["/files", "/filesx"]),
            ("/{*all}", &["/", "/a", "/a/b/"], &[]),
        ] {
            for path in matching.iter().copied().map(self::path) {
                assert!(pattern(text).matches(&path), "{text}: {path}");
            }
            for path in others.iter().copied().map(self::path) {
                assert!(!pattern(text).matches(&path), "{text}: {path}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in [
            "",
            "users",
            "/a/../b",
            "/a//b",
            "/{",
            "/{}",
            "/{*}",
            "/a{b}",
            "/{*rest}/a",
            "/a?b",
            "/%41",
            "/a b",
            "/{a b}",
            "/*",
            "/a\n",
            "/{*a}{b}",
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(NoPattern(text.to_owned())));
        }
        assert!(format!("/{}", "x".repeat(PATTERN_BYTES_MAX)).parse::<Pattern>().is_err());
        assert!(pattern("/{a}/b").is_same(&pattern("/{c}/b")));
        assert!(!pattern("/{a}").is_same(&pattern("/{*a}")));
    }

    #[test]
    fn the_longest_literal_beginning_wins() {
        // Each before those that follow.
        let ordered =
            ["/a/b/c", "/a/b/{x}", "/a/b/{*x}", "/a/{x}/c", "/a/{x}/{y}", "/a/{x}", "/a/{*x}"];
        for (at, better) in ordered.iter().enumerate() {
            for worse in &ordered[at + 1..] {
                let precedence = pattern(better).precedence(&pattern(worse));
                assert_eq!(precedence, Ordering::Greater, "{better} {worse}");
            }
        }
        assert_eq!(pattern("/a/b/{x}/c").literal_path(), "/a/b");
        assert_eq!(pattern("/{*x}").literal_path(), "/");
    }

    #[test]
    fn below_is_by_segments() {
        for (above, below, others) in [
            ("/", &["/", "/a", "/a/b"][..], &[][..]),
            ("/admin", &["/admin", "/admin/", "/admin/x", "/%61dmin"], &["/administrator", "/"]),
            ("/admin/", &["/admin", "/admin/x"], &["/adm"]),
        ] {
            for inner in below {
                assert!(path(inner).is_below(&path(above)), "{above}: {inner}");
            }
            for other in others {
                assert!(!path(other).is_below(&path(above)), "{above}: {other}");
            }
        }
    }
}
