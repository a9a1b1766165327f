//! `validate`: is this a manifest, and what is wrong with it?

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Serialize;

use super::{Exit, MANIFEST};
use crate::complaint::advised;
use crate::escape::plain;
use crate::manifest::{
    ComponentSource, Finding, InitState, Loaded, Manifest, ManifestError, Problems, Root, Sign,
};

const EXAMPLES: &str = "\
Examples:
  theater validate                                 the manifest.toml of this folder
  theater validate worker/manifest.toml
  theater validate worker --check-paths            what it names has to exist
  theater validate worker --init-state state.json  with the gaps in its texts filled in
  theater validate worker --json | jq '.errors'

Every key of a manifest is explained in runtime/MANIFEST.md.
The JSON is described by runtime/schemas/validate-1.json.";

/// Checks a manifest and tells everything that is wrong with it.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// The manifest, or the folder of a manifest.toml.
    #[arg(default_value = ".")]
    manifest: PathBuf,
    /// Check also that the files and folders exist that it names.
    #[arg(long)]
    check_paths: bool,
    /// The state that the actor is to start with, if another one than the manifest says.
    #[arg(long, value_name = "FILE")]
    init_state: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    file: &'a str,
    valid: bool,
    name: Option<&'a str>,
    version: Option<&'a str>,
    errors: Vec<Place<'a>>,
    notes: Vec<Place<'a>>,
}

#[derive(Serialize)]
struct Place<'a> {
    line: usize,
    column: usize,
    message: &'a str,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let path =
        if args.manifest.is_dir() { args.manifest.join(MANIFEST) } else { args.manifest.clone() };
    let path = path.strip_prefix(".").unwrap_or(&path);
    let checked = check(args, path)?;
    let (manifest, problems) = match &checked {
        Ok(loaded) => (Some(&loaded.manifest), None),
        Err(problems) => (None, Some(problems)),
    };
    let errors = problems.map_or(&[][..], |problems| &problems.problems);
    let notes = match &checked {
        Ok(loaded) => &loaded.notes,
        Err(problems) => &problems.notes,
    };
    let file = path.display().to_string();
    if args.json {
        let document = Document {
            schema: "theater/validate/1",
            file: &file,
            valid: manifest.is_some(),
            name: manifest.map(|manifest| manifest.name.as_str()),
            version: manifest.and_then(|manifest| manifest.version.as_deref()),
            errors: errors.iter().map(place).collect(),
            notes: notes.iter().map(place).collect(),
        };
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)?;
    } else {
        let file = plain(&file);
        print("ERRORS", &file, errors, out)?;
        print("NOTES", &file, notes, out)?;
        match manifest {
            Some(manifest) => writeln!(out, "{file} is valid: {}", summary(manifest))?,
            None => writeln!(out, "{file} is not valid: {}", counted(errors.len(), "error"))?,
        }
    }
    Ok(if manifest.is_some() { Exit::Fine } else { Exit::Failed })
}

/// The manifest, or everything that is wrong with it.
fn check(args: &Args, path: &Path) -> anyhow::Result<Result<Loaded, Problems>> {
    let state = match &args.init_state {
        Some(path) => {
            let state = std::fs::read(path);
            Some(state.with_context(|| format!("cannot read the state {}", path.display()))?)
        }
        None => None,
    };
    let loaded = match Manifest::load(path, state.as_deref()) {
        Ok(loaded) => loaded,
        Err(ManifestError::Invalid(problems)) => return Ok(Err(problems)),
        Err(error @ ManifestError::Unreadable { .. }) => {
            let advice = "name a manifest, or the folder of a manifest.toml";
            return Err(advised(error.into(), advice));
        }
    };
    let missing = if args.check_paths { missing(&loaded, path) } else { Vec::new() };
    if missing.is_empty() {
        return Ok(Ok(loaded));
    }
    let file = path.display().to_string();
    Ok(Err(Problems { file, problems: missing, notes: loaded.notes }))
}

/// What a manifest names that is not there, in the order of the file.
fn missing(loaded: &Loaded, path: &Path) -> Vec<Finding> {
    let base_dir = path.parent().unwrap_or(Path::new(""));
    let manifest = &loaded.manifest;
    let mut named: Vec<(String, &Path)> = Vec::new();
    if let ComponentSource::File(path) = &manifest.component {
        named.push(("component".to_owned(), path));
    }
    if let Some(InitState::File(path)) = &manifest.init_state {
        named.push(("init_state".to_owned(), path));
    }
    for (number, child) in (1..).zip(&manifest.children) {
        named.push((format!("children[{number}].manifest"), &child.manifest));
    }
    if let Sign::Identity(path) = &manifest.chain.sign {
        named.push(("chain.sign".to_owned(), path));
    }
    let mut of_handler = |key: &str, path| {
        let key = loaded.places.handler_key(key).unwrap_or_default();
        named.push((key.to_owned(), path));
    };
    let handlers = &manifest.handlers;
    if let Some(Root::At(path)) = handlers.filesystem.as_ref().map(|files| &files.root) {
        of_handler("path", path);
    }
    if let Some(tls) = handlers.http_server.as_ref().and_then(|server| server.tls.as_ref()) {
        of_handler("tls.cert", &tls.cert);
        of_handler("tls.key", &tls.key);
    }
    for dir in handlers.wasi.iter().flat_map(|wasi| &wasi.dirs) {
        of_handler("dirs", &dir.host);
    }
    let lost = named.into_iter().filter(|(_, path)| !base_dir.join(path).exists());
    let mut findings: Vec<Finding> = lost
        .map(|(key, path)| {
            let message = format!("{key}: there is no {}", path.display());
            loaded.places.finding(&key, message)
        })
        .collect();
    findings.sort();
    findings
}

fn place(finding: &Finding) -> Place<'_> {
    Place { line: finding.line, column: finding.column, message: &finding.message }
}

fn print(
    heading: &str,
    file: &str,
    findings: &[Finding],
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(out, "{heading}")?;
    for finding in findings {
        writeln!(out, "  {file}:{finding}")?;
    }
    writeln!(out)?;
    Ok(())
}

/// A manifest in a few words.
fn summary(manifest: &Manifest) -> String {
    let version = manifest.version.iter().map(|version| format!(" {version}")).collect::<String>();
    let children = match manifest.children.len() {
        0 => String::new(),
        count => format!(" with {}", counted(count, "child")),
    };
    plain(&format!("{}{version}{children}", manifest.name))
}

fn counted(count: usize, what: &str) -> String {
    match (count, what) {
        (1, what) => format!("1 {what}"),
        (count, "child") => format!("{count} children"),
        (count, what) => format!("{count} {what}s"),
    }
}
