//! Reads `[permissions]`.

use super::{Permissions, Rule};
use crate::manifest::restrictions::read::Read;
use crate::manifest::section::{Item, Section};

/// Old names of capabilities.
const RENAMED: &[(&str, &str)] = &[
    ("message_server", "message-server"),
    ("http_client", "http-client"),
    ("http_framework", "http-server"),
    ("http-framework", "http-server"),
    ("http_server", "http-server"),
];

/// What is said about every capability.
pub(in crate::manifest) fn read(mut section: Section<'_>) -> Permissions {
    for (old, new) in RENAMED {
        section.rename(old, new);
    }
    let permissions = Permissions {
        runtime: rule(section.take("runtime")),
        message_server: rule(section.take("message-server")),
        supervisor: rule(section.take("supervisor")),
        store: rule(section.take("store")),
        http_client: rule(section.take("http-client")),
        http_server: rule(section.take("http-server")),
        timing: rule(section.take("timing")),
        random: rule(section.take("random")),
        environment: rule(section.take("environment")),
        filesystem: rule(section.take("filesystem")),
        process: rule(section.take("process")),
        network: rule(section.take("network")),
    };
    section.finish();
    permissions
}

/// What a rule is called.
#[derive(Clone, Copy)]
enum Word {
    Inherit,
    Restrict,
    Deny,
}

const WORDS: &[(&str, Word)] =
    &[("inherit", Word::Inherit), ("deny", Word::Deny), ("restrict", Word::Restrict)];

/// A word, or a table with what is left.
fn rule<R: Read>(item: Option<Item<'_>>) -> Rule<R> {
    let Some(item) = item else { return Rule::Inherit };
    let read = if item.is_table() { table(&item) } else { word(&item) };
    // A rule that cannot be read has been noted; until it can be, it gives nothing.
    read.unwrap_or(Rule::Deny)
}

fn word<R: Read>(item: &Item<'_>) -> Option<Rule<R>> {
    match item.choice(WORDS)? {
        Word::Inherit => Some(Rule::Inherit),
        Word::Deny => Some(Rule::Deny),
        Word::Restrict => item.problem("say what is left, in a table: { key = value }"),
    }
}

fn table<R: Read>(item: &Item<'_>) -> Option<Rule<R>> {
    let mut section = item.section()?;
    let kind = old_kind(&mut section);
    let restriction = R::read(&mut section);
    section.finish();
    Some(match kind? {
        Word::Inherit => Rule::Inherit,
        Word::Restrict => Rule::Restrict(restriction),
        Word::Deny => Rule::Deny,
    })
}

/// Rules once were `{ type = "restrict", config = { .. } }`.
fn old_kind(section: &mut Section<'_>) -> Option<Word> {
    let Some(item) = section.take_old("type") else { return Some(Word::Restrict) };
    section.findings.note(
        item.at,
        format!("{} is no longer needed: write \"inherit\", \"deny\" or a table", item.path),
    );
    section.flatten("config", "in the table itself");
    let old = [("disallow", Word::Deny)];
    let words: Vec<(&str, Word)> = WORDS.iter().chain(&old).copied().collect();
    item.choice(&words)
}
