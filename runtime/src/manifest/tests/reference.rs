//! `MANIFEST.md` says what is so: every key is in it and no other, its defaults are the defaults, and its
//! example is a manifest that has all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{parse, with};
use crate::host::{DirGrant, Output};
use crate::manifest::{ActorLimits, Permissions, Rule, Sign};
use crate::supervision::{Restart, Shutdown, Strategy};

const DOCUMENT: &str = include_str!("../../../MANIFEST.md");

/// A row of a table in the document.
struct Row {
    /// The heading it is under, without marks.
    section: &'static str,
    key: &'static str,
    where_: Option<&'static str>,
    default: &'static str,
}

fn rows() -> Vec<Row> {
    let (mut section, mut columns, mut rows) = ("", Vec::new(), Vec::new());
    for line in DOCUMENT.lines() {
        if let Some(heading) = line.strip_prefix('#') {
            section = heading.trim_start_matches('#').trim().trim_matches('`');
        }
        let Some(inner) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            continue;
        };
        let cells: Vec<&str> = inner.split(" | ").collect();
        if cells[0] == "key" {
            columns = cells;
            continue;
        }
        let cell = |name: &str| {
            columns.iter().position(|column| *column == name).map(|column| cells[column])
        };
        rows.push(Row {
            section,
            key: cells[0].trim_matches('`'),
            where_: cell("where"),
            default: cell("default").unwrap(),
        });
    }
    rows
}

fn example() -> &'static str {
    let start = DOCUMENT.find("```toml\n").unwrap() + "```toml\n".len();
    &DOCUMENT[start..start + DOCUMENT[start..].find("```").unwrap()]
}

/// The keys that are known in each table of the example, by a name for the table. They are learned
/// from what is said about a key that nobody can know.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let mut text = "zzz = 1\n".to_owned();
    for line in example().lines() {
        match line.strip_suffix(" }") {
            Some(table) => text.push_str(&format!("{table}, zzz = 1 }}\n")),
            None => text.push_str(&format!("{line}\n")),
        }
        if line.starts_with('[') {
            text.push_str("zzz = 1\n");
        }
    }
    let types: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("type = ")).collect();
    let mut known = BTreeMap::new();
    for problem in parse(&text).unwrap_err().problems {
        let rest = problem.message.strip_prefix("unknown key ").unwrap();
        let (path, keys) = rest.split_once("zzz: known here: ").unwrap();
        let number = path.strip_prefix("handlers[").and_then(|rest| rest.split_once(']'));
        let table = match number {
            Some((number, rest)) => {
                let number: usize = number.parse().unwrap();
                format!("handler {}{rest}", types[number - 1].trim_matches('"'))
            }
            None => path.to_owned(),
        };
        known.insert(table, keys.split(", ").map(str::to_owned).collect());
    }
    known
}

/// The keys that the document has under a heading, as far as they are meant.
fn documented(rows: &[Row], section: &str, is_meant: impl Fn(&Row) -> bool) -> BTreeSet<String> {
    let rows = rows.iter().filter(|row| row.section == section && is_meant(row));
    rows.map(|row| row.key.to_owned()).collect()
}

#[test]
fn every_key_is_documented_and_no_other() {
    let (rows, known) = (rows(), known());
    assert_eq!(known.len(), 1 + 1 + 12 + 1 + 11 + 6, "{:?}", known.keys());
    for (table, keys) in &known {
        let mut keys = keys.clone();
        let documented = if let Some(kind) = table.strip_prefix("handler ") {
            keys.remove("type");
            match kind.strip_suffix('.').unwrap_or(kind) {
                "http-server.tls" => ["cert", "key"].map(str::to_owned).into(),
                kind => documented(&rows, kind, |row| row.where_ != Some("permission")),
            }
        } else if let Some(capability) =
            table.strip_prefix("permissions.").filter(|capability| !capability.is_empty())
        {
            let capability = capability.trim_end_matches('.');
            documented(&rows, capability, |row| row.where_ != Some("handler"))
        } else {
            let section = match table.split('[').next().unwrap().trim_end_matches('.') {
                "" => "Top level".to_owned(),
                "permissions" => {
                    let capabilities: BTreeSet<&str> = DOCUMENT
                        .lines()
                        .filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'))
                        .filter(|name| !name.starts_with('[') && *name != "wasi")
                        .collect();
                    assert_eq!(keys, capabilities.iter().map(|name| name.to_string()).collect());
                    continue;
                }
                "init_state" => {
                    assert_eq!(keys, ["file", "text", "hex"].map(str::to_owned).into());
                    continue;
                }
                "children" => "[[children]]".to_owned(),
                section => format!("[{section}]"),
            };
            documented(&rows, &section, |_| true)
        };
        assert_eq!(keys, documented, "{table}");
    }
}

#[test]
fn defaults_are_as_documented() {
    let mut text = String::new();
    for section in ["[limits]", "[supervision]", "[supervision.back_off]", "[chain]"] {
        text.push_str(&format!("{section}\n"));
        for row in rows().iter().filter(|row| row.section == section) {
            if let Some(default) = row.default.strip_prefix('`') {
                text.push_str(&format!("{} = {}\n", row.key, default.trim_end_matches('`')));
            }
        }
    }
    assert_eq!(text.lines().count(), 4 + 6 + 3 + 2 + 5, "{text}");
    assert_eq!(with(&text), with(""));
    let child = "[[children]]\nname = \"b\"\nmanifest = \"b.toml\"\n";
    let spelled = format!("{child}restart = \"permanent\"\nshutdown = \"5s\"\n");
    assert_eq!(with(child), with(&spelled));
    let wasi = "[[handlers]]\ntype = \"wasi\"\n";
    let streams = "stdin = \"none\"\nstdout = \"none\"\nstderr = \"none\"\n";
    let spelled = format!("{wasi}{streams}random = \"system\"\nclocks = \"system\"\n");
    assert_eq!(with(wasi), with(&spelled));
}

#[test]
fn the_example_is_a_manifest_that_keeps_within_itself() {
    let loaded = parse(example()).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(loaded.notes, []);
    let manifest = loaded.manifest;
    assert_eq!(manifest.name, "front-us");
    assert_eq!(manifest.handlers.http_server.as_ref().unwrap().port, Some(8443));
    let folder = tempfile::tempdir().unwrap();
    let allowed = manifest.within(&Permissions::default(), folder.path()).unwrap();
    assert!(matches!(allowed.permissions.process, Rule::Restrict(_)));
    assert_eq!(manifest.chain.sign, Sign::Identity("identity.key".into()));
    assert!(manifest.chain.redacts("wasi:http/types", "anything"));
    assert!(manifest.chain.redacts("theater:simple/store", "get"));
    assert!(!manifest.chain.redacts("theater:simple/store", "put"));
    assert_eq!(manifest.supervision.strategy, Strategy::RestForOne);
    let kinds: Vec<_> =
        manifest.children.iter().map(|child| (child.spec.restart, child.spec.shutdown)).collect();
    let ledger = (Restart::Permanent, Shutdown::Within(10_000_000_000));
    assert_eq!(kinds, [ledger, (Restart::Transient, Shutdown::Kill)]);
}

#[test]
fn a_manifest_is_handed_to_host_engine_and_recorder() {
    let manifest = parse(example()).unwrap().manifest;
    let grants = manifest.grants(Path::new("/here"));
    assert_eq!(grants.args, ["front-us", "--verbose"]);
    assert_eq!(grants.env[0], ("LANG".to_owned(), "C".to_owned()));
    let host = "/here/assets".into();
    assert_eq!(grants.dirs[1], DirGrant { host, guest: "/assets".to_owned(), read_only: true });
    assert!(
        matches!(grants.stderr, Output::File(path) if path == Path::new("/here/log/messages.txt"))
    );
    assert_eq!((grants.net.len(), grants.http.len()), (1, 1));
    let engine = manifest.limits.engine();
    assert_eq!((engine.memory_bytes_max, engine.stack_bytes_max), (256 << 20, 2 << 20));
    assert!(engine.fuel && engine.killable);
    assert_eq!(ActorLimits::default().engine().fuel_max, None);
    let recording = manifest.recording(std::sync::Arc::new(|| 7));
    assert!(recording.durable && (recording.clock)() == 7);
    assert!(manifest.chain.options(None).sign);
    assert!(!with("").chain.options(None).sign);
}
