//! What a recording is varied in: one source of nondeterminism at a time.

use std::time::Duration;

use theater_runtime::World;
use theater_runtime::host::{Clocks, EntryOrder, Liberties, Random, Readiness};

/// Where a component's behaviour may come from, besides its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// What clocks show.
    Time,
    /// What is ready first when it waits for several things.
    Schedule,
    /// Random numbers.
    Random,
    /// Variables, and the name under which it was started.
    Environment,
    /// The order in which a directory lists its entries.
    DirectoryOrder,
    /// Where things lie in its memory.
    Addresses,
    /// Something outside that nobody holds still: files, networks.
    World,
    /// Nothing that it was told: the runtime behaves in another way each time.
    Runtime,
    /// A replay does something else than its recording.
    Replay,
}

impl Class {
    /// Those that can be varied, in the order in which they are.
    pub(crate) const VARIED: [Class; 6] = [
        Class::Time,
        Class::Schedule,
        Class::Random,
        Class::Environment,
        Class::DirectoryOrder,
        Class::Addresses,
    ];

    /// The name that programs read.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Time => "time",
            Class::Schedule => "schedule",
            Class::Random => "random",
            Class::Environment => "environment",
            Class::DirectoryOrder => "directory-order",
            Class::Addresses => "addresses",
            Class::World => "world",
            Class::Runtime => "runtime",
            Class::Replay => "replay",
        }
    }

    /// What it is, for people.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Class::Time => "the time",
            Class::Schedule => "what is ready first",
            Class::Random => "randomness",
            Class::Environment => "the environment",
            Class::DirectoryOrder => "the order of directory entries",
            Class::Addresses => "addresses in memory",
            Class::World => "what nobody holds still",
            Class::Runtime => "the runtime",
            Class::Replay => "the replay",
        }
    }

    /// Whether a function answers with this.
    pub(crate) fn is_told_by(self, function: &str) -> bool {
        let starts: &[&str] = match self {
            Class::Time => &["wasi:clocks/"],
            Class::Schedule => &["wasi:io/poll@"],
            Class::Random => &["wasi:random/"],
            Class::Environment | Class::Addresses => &["wasi:cli/environment@"],
            Class::DirectoryOrder => return function.ends_with(".read-directory-entry"),
            Class::World | Class::Runtime | Class::Replay => return true,
        };
        starts.iter().any(|start| function.starts_with(start))
    }

    /// Why a component cannot depend on this; `None` if it can.
    pub(crate) fn impossible(self, world: &World, has_dirs: bool) -> Option<&'static str> {
        let imports = |start: &str, name: &str| {
            let calls = |import: &theater_runtime::Function| {
                import.interface.starts_with(start) && import.name.starts_with(name)
            };
            world.imports.iter().any(calls)
        };
        let lists = || imports("wasi:filesystem/", "[method]descriptor.read-directory");
        let (is_possible, otherwise) = match self {
            Class::Time => (imports("wasi:clocks/", ""), "it imports no clock"),
            Class::Schedule => {
                (imports("wasi:io/poll@", "poll"), "it never waits for several things")
            }
            Class::Random => (imports("wasi:random/", ""), "it imports no randomness"),
            // Whatever it asks of the environment is put into its memory, and moves the rest.
            Class::Environment | Class::Addresses => {
                (imports("wasi:cli/environment@", ""), "it imports no environment")
            }
            Class::DirectoryOrder if !has_dirs => (false, "no directory is granted"),
            Class::DirectoryOrder => (lists(), "it lists no directory"),
            Class::World | Class::Runtime | Class::Replay => (false, "it cannot be varied"),
        };
        (!is_possible).then_some(otherwise)
    }
}

/// Everything that is held still in a recording, and varied between two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) clocks: Clocks,
    pub(crate) random: Random,
    pub(crate) liberties: Liberties,
    /// Variables besides those that were asked for.
    pub(crate) env: Vec<(String, String)>,
    /// What is put behind the name of the program.
    pub(crate) program: String,
    /// In what it differs from the first setting, for people.
    pub(crate) what: String,
}

/// 14 November 2023.
const START: u64 = 1_700_000_000_000_000_000;
const STEP: u64 = 1_000_000;
const DAY: u64 = 86_400_000_000_000;

/// Variables that are around on most machines.
const AMBIENT: [(&str, &str); 5] = [
    ("HOME", "/home/ann"),
    ("LANG", "en_GB.UTF-8"),
    ("PATH", "/usr/local/bin:/usr/bin"),
    ("TZ", "Europe/Oslo"),
    ("USER", "ann"),
];

/// Variables that are around on some.
const MORE: [(&str, &str); 7] = [
    ("DEBUG", "1"),
    ("EDITOR", "vi"),
    ("HOSTNAME", "ward-7"),
    ("LOGNAME", "bob"),
    ("NO_COLOR", "1"),
    ("SHELL", "/bin/sh"),
    ("TMPDIR", "/var/tmp"),
];

impl Setting {
    /// That with which all others are compared.
    pub(crate) fn first() -> Setting {
        let entries = EntryOrder::Sorted;
        Setting {
            clocks: Clocks::Fixed { start_ns: START, step_ns: STEP },
            random: Random::Seeded(1),
            liberties: Liberties { entries, ..Liberties::default() },
            env: owned(&AMBIENT),
            program: ".wasm".to_owned(),
            what: "nothing varied".to_owned(),
        }
    }

    /// The variation of one class with this number, from 0.
    pub(crate) fn varied(class: Class, number: u32) -> Setting {
        let first = Setting::first();
        let nth = u64::from(number) + 1;
        match class {
            Class::Time => {
                // Not whole days, so that the day of the week and the time of day change too.
                let start_ns = START + nth * (401 * DAY + DAY / 7);
                let step_ns = STEP * if number.is_multiple_of(2) { 1 } else { 37 * nth };
                let what = format!("clocks start {} days later", 401 * nth);
                let monotonic_start_ns = nth * (401 * DAY + DAY / 7);
                let liberties = Liberties { monotonic_start_ns, ..first.liberties };
                Setting { clocks: Clocks::Fixed { start_ns, step_ns }, liberties, what, ..first }
            }
            Class::Schedule => {
                let wait = Duration::from_millis(10 << number.min(5));
                let readiness = Readiness::LateAndLast(wait);
                let what =
                    format!("it hears {} ms late, of the last that is ready", wait.as_millis());
                Setting { liberties: Liberties { readiness, ..first.liberties }, what, ..first }
            }
            Class::Random => {
                let what = format!("another seed: {}", nth + 1);
                Setting { random: Random::Seeded(nth + 1), what, ..first }
            }
            Class::Environment => environment(number, &first),
            Class::DirectoryOrder => {
                let (entries, what) = match number {
                    0 => (EntryOrder::Reversed, "the entries come in reverse".to_owned()),
                    number => {
                        (EntryOrder::Shuffled(nth), format!("the entries are shuffled: {number}"))
                    }
                };
                Setting { liberties: Liberties { entries, ..first.liberties }, what, ..first }
            }
            Class::Addresses => moved(number, &first),
            Class::World | Class::Runtime | Class::Replay => first,
        }
    }

    /// Whether a variation of the environment has left everything in its place: what shows then is
    /// what the environment says, not where it has moved things.
    pub(crate) fn keeps_layout(&self) -> bool {
        let sizes = |setting: &Setting| -> Vec<(usize, usize)> {
            setting.env.iter().map(|(name, value)| (name.len(), value.len())).collect()
        };
        let first = Setting::first();
        sizes(self) == sizes(&first) && self.program.len() == first.program.len()
    }
}

/// Other values of the same length; more variables; none.
fn environment(number: u32, first: &Setting) -> Setting {
    let by = (number / 3 + 1) as u8;
    let (env, what) = match number % 3 {
        0 => {
            let turned = |(name, value): &(String, String)| (name.clone(), turned(value, by));
            (first.env.iter().map(turned).collect(), "other values, as long as the first")
        }
        1 => {
            let more = owned(&MORE).into_iter().cycle();
            let named = more.take(MORE.len() * usize::from(by)).enumerate();
            let named = named.map(|(at, (name, value))| match at / MORE.len() {
                0 => (name, value),
                again => (format!("{name}_{again}"), value),
            });
            (first.env.iter().cloned().chain(named).collect(), "more variables")
        }
        _ => (Vec::new(), "no variables"),
    };
    let program = turned(&first.program, by);
    let program = if number.is_multiple_of(3) { program } else { first.program.clone() };
    Setting { env, program, what: what.to_owned(), ..first.clone() }
}

/// Moves what comes to lie behind arguments and variables in the component's memory.
fn moved(number: u32, first: &Setting) -> Setting {
    // Guests for WASI preview 1 take no more than 64 KiB of either.
    let bytes = [48, 1_000, 12_000][number as usize % 3] + 16 * (number as usize / 3);
    let padding = "x".repeat(bytes);
    let mut env = first.env.clone();
    if let Some((_, path)) = env.iter_mut().find(|(name, _)| name == "PATH") {
        path.push_str(&padding);
    }
    let program = padding + &first.program;
    let what = format!("PATH and the program's name are {bytes} bytes longer");
    Setting { env, program, what, ..first.clone() }
}

/// The same text with every letter and digit another one.
fn turned(text: &str, by: u8) -> String {
    let turn = |char: char| match char {
        'a'..='z' => (b'a' + (char as u8 - b'a' + by) % 26) as char,
        'A'..='Z' => (b'A' + (char as u8 - b'A' + by) % 26) as char,
        '0'..='9' => (b'0' + (char as u8 - b'0' + by) % 10) as char,
        char => char,
    };
    text.chars().map(turn).collect()
}

fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variation_differs_from_the_first_in_its_class_only() {
        let first = Setting::first();
        for class in Class::VARIED {
            for number in 0..9 {
                let varied = Setting::varied(class, number);
                let what = format!("{class:?} {number}");
                let changes = [
                    (Class::Time, varied.clocks != first.clocks),
                    (Class::Random, varied.random != first.random),
                    (Class::Schedule, varied.liberties.readiness != first.liberties.readiness),
                    (Class::DirectoryOrder, varied.liberties.entries != first.liberties.entries),
                ];
                for (changed, is_changed) in changes {
                    assert_eq!(is_changed, changed == class, "{what}: {changed:?}");
                }
                let is_layout = class == Class::Environment || class == Class::Addresses;
                assert_eq!(varied.env != first.env, is_layout, "{what}");
                let names = |setting: &Setting| -> Vec<String> {
                    setting.env.iter().map(|(name, _)| name.clone()).collect()
                };
                if class == Class::Addresses {
                    assert_eq!(names(&varied), names(&first));
                    assert!(!varied.keeps_layout());
                }
                if class == Class::Environment {
                    assert_eq!(varied.keeps_layout(), number % 3 == 0, "{what}");
                }
            }
        }
    }

    #[test]
    fn no_variable_is_given_twice() {
        for number in 0..12 {
            let mut names: Vec<_> = Setting::varied(Class::Environment, number)
                .env
                .into_iter()
                .map(|(name, _)| name)
                .collect();
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }
}
