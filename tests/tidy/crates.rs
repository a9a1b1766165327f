//! Who may know whom: the edges between crates, and the manifests that draw them.

use toml::{Table, Value};

use super::{File, Finding, Tree, check};

/// Every package of the project with the packages of the project it may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("theater-record", &[]),
    ("theater-verify", &["theater-record"]),
    ("theater-diff", &["theater-record"]),
    ("theater-runtime", &["theater-record", "theater-verify"]),
    ("theater-replay", &["theater-runtime", "theater-verify", "theater-diff", "theater-record"]),
    ("theater-record-fuzz", &["theater-record", "theater-verify"]),
    ("theater-yardstick", &[]),
    (
        "theater-tests",
        &["theater-record", "theater-verify", "theater-diff", "theater-runtime", "theater-replay"],
    ),
];

/// Where the guests are. They run in the sandbox, so they know nothing of the project.
pub(super) const GUESTS: &str = "corpus/guests/";

/// Families of crates from outside, by the start of their names, with the packages that may name
/// them.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("wasmtime", &["theater-runtime"]),
    ("tokio", &["theater-runtime", "theater-yardstick", "theater-replay", "theater-tests"]),
    ("clap", &["theater-runtime", "theater-replay", "theater-tests"]),
    ("anyhow", &["theater-runtime", "theater-replay", "theater-tests"]),
];

#[test]
fn crates_depend_in_the_permitted_direction_only() {
    let manifest = |name: &str, rest: &str| {
        format!("[package]\nname = \"theater-{name}\"\ndescription = \"\"\n{rest}")
    };
    let record =
        manifest("record", "[dependencies]\ntokio = \"1\"\ntheater-verify.workspace = true");
    let verify = manifest("verify", "[dependencies]\nengine = { package = \"wasmtime-wasi\" }");
    let diff = manifest("diff", "[dev-dependencies]\ntheater-tests.workspace = true");
    let runtime = manifest("runtime", "[target.'cfg(unix)'.dependencies]\ntheater-replay = \"0\"");
    let guest = |rest: &str| format!("[package]\nname = \"guest\"\n[dependencies]\n{rest}");
    let fine = manifest("replay", "[dependencies]\ntheater-diff = \"0\"\nclap = \"4\"");
    check(
        forbidden_edges,
        &[
            ("Cargo.toml", "[workspace]\n[workspace.dependencies]\nwasmtime = \"1\""),
            ("record/Cargo.toml", &record),
            ("verify/Cargo.toml", &verify),
            ("diff/Cargo.toml", &diff),
            ("runtime/Cargo.toml", &runtime),
            ("replay/Cargo.toml", &fine),
            ("extra/Cargo.toml", &manifest("extra", "")),
            ("corpus/guests/rust/a/Cargo.toml", &guest("theater-record = \"0\"")),
            ("corpus/guests/rust/b/Cargo.toml", &guest("wasip2 = \"1\"")),
        ],
        &[
            "record/Cargo.toml:6: theater-record may not depend on theater-verify",
            "record/Cargo.toml:5: theater-record may not depend on tokio",
            "verify/Cargo.toml:5: theater-verify may not depend on wasmtime-wasi",
            "diff/Cargo.toml:5: theater-diff may not depend on theater-tests",
            "runtime/Cargo.toml:5: theater-runtime may not depend on theater-replay",
            "extra/Cargo.toml:2: theater-extra is not in the list of packages",
            "corpus/guests/rust/a/Cargo.toml:4: guest may not depend on theater-record",
        ],
    );
}

#[test]
fn every_package_says_what_it_is_for() {
    check(
        missing_descriptions,
        &[
            ("Cargo.toml", "[workspace]"),
            ("record/Cargo.toml", "[package]\nname = \"theater-record\"\n"),
            ("verify/Cargo.toml", "[package]\nname = \"theater-verify\"\ndescription = \"x\""),
        ],
        &["record/Cargo.toml:1: the package has no description"],
    );
}

fn forbidden_edges(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, manifest) in packages(tree) {
        let name = package_name(&manifest);
        let listed = EDGES.iter().find(|(package, _)| *package == name).map(|(_, edges)| *edges);
        let guest = file.path.starts_with(GUESTS).then_some(&[] as &[&str]);
        let Some(permitted) = guest.or(listed) else {
            let what = format!("{name} is not in the list of packages");
            findings.push(file.finding(line_of(file, &name), what));
            continue;
        };
        for dependency in dependencies(&manifest) {
            let family = OUTSIDE.iter().find(|(start, _)| dependency.starts_with(start));
            let fine = match family {
                Some((_, packages)) => packages.contains(&&*name),
                None => !dependency.starts_with("theater-") || permitted.contains(&&*dependency),
            };
            if !fine {
                let what = format!("{name} may not depend on {dependency}");
                findings.push(file.finding(line_of(file, &dependency), what));
            }
        }
    }
    findings
}

fn missing_descriptions(tree: &Tree) -> Vec<Finding> {
    packages(tree)
        .filter(|(_, manifest)| manifest["package"].get("description").is_none())
        .map(|(file, _)| file.finding(1, "the package has no description"))
        .collect()
}

/// The manifests that describe a package, parsed.
pub(super) fn packages(tree: &Tree) -> impl Iterator<Item = (&File, Table)> {
    tree.files()
        .filter(|file| file.path == "Cargo.toml" || file.path.ends_with("/Cargo.toml"))
        .map(|file| {
            let table = file.text().unwrap_or_default().parse::<Table>();
            (file, table.unwrap_or_else(|error| panic!("{}: {error}", file.path)))
        })
        .filter(|(_, manifest)| manifest.contains_key("package"))
}

fn package_name(manifest: &Table) -> String {
    manifest["package"].get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// The names of all crates a manifest depends on, in whichever table, renamed ones by real name.
fn dependencies(manifest: &Table) -> Vec<String> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter().flatten();
    let tables = platforms.filter_map(|(_, platform)| platform.as_table()).chain([manifest]);
    tables
        .flat_map(|table| {
            ["dependencies", "dev-dependencies", "build-dependencies"]
                .into_iter()
                .filter_map(|key| table.get(key)?.as_table())
        })
        .flatten()
        .map(|(key, value)| value.get("package").and_then(Value::as_str).unwrap_or(key).to_owned())
        .collect()
}

fn line_of(file: &File, needle: &str) -> usize {
    file.lines().find(|(_, line)| line.contains(needle)).map_or(1, |(number, _)| number)
}
