//! `validate`: is this a manifest, and what is wrong with it?

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error};
use serde::Serialize;

use super::{Exit, MANIFEST};
use crate::blueprint;
use crate::complaint::{advised, sentence};
use crate::escape::plain;
use crate::fit::{Misfit, misfits};
use crate::home::Home;
use crate::manifest::{
    ComponentSource, Finding, InitState, Loaded, Manifest, ManifestError, Permissions, Problems,
    Root, Sign,
};
use crate::store::Store;
use crate::world::World;

const EXAMPLES: &str = "\
Examples:
  theater validate                                 the manifest.toml of this folder
  theater validate worker/manifest.toml
  theater validate worker --check-paths            what it names has to exist
  theater validate worker --check-interfaces       its component has to fit it
  theater validate worker --init-state state.json  with the gaps in its texts filled in
  theater validate worker --json | jq '.errors'

With --check-interfaces, an error is what keeps the actor from starting, or from doing what its
handlers are for: an interface of theater:simple that no handler gives it, a handler that nobody
answers, what an old [interface] says and is not so. A note is what may be meant: a handler that is
not used, a part of WASI that is denied. Notes do not change the exit status.

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
    /// Check also that its component imports and exports what the handlers are for.
    #[arg(long)]
    check_interfaces: bool,
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
    let mut loaded = match Manifest::load(path, state.as_deref()) {
        Ok(loaded) => loaded,
        Err(ManifestError::Invalid(problems)) => return Ok(Err(problems)),
        Err(error @ ManifestError::Unreadable { .. }) => {
            let advice = "name a manifest, or the folder of a manifest.toml";
            return Err(advised(error.into(), advice));
        }
    };
    let mut problems = beyond(&loaded, path);
    if args.check_paths {
        problems.extend(missing(&loaded, path));
    }
    if args.check_interfaces {
        let (errors, notes) = unfitting(&loaded, path)?;
        problems.extend(errors);
        loaded.notes.extend(notes);
    }
    problems.sort();
    loaded.notes.sort();
    if problems.is_empty() {
        return Ok(Ok(loaded));
    }
    let file = path.display().to_string();
    Ok(Err(Problems { file, problems, notes: loaded.notes }))
}

/// The folder that a manifest's paths start at.
fn base_dir(manifest: &Path) -> &Path {
    manifest.parent().unwrap_or(Path::new(""))
}

/// What a manifest asks for that its own permissions do not leave, for which no actor is started.
fn beyond(loaded: &Loaded, path: &Path) -> Vec<Finding> {
    let refused = loaded.manifest.within(&Permissions::default(), base_dir(path)).err();
    let refused = refused.map(|widening| {
        let key = format!("permissions.{}", widening.capability);
        loaded.places.finding(&key, widening.to_string())
    });
    refused.into_iter().collect()
}

/// In what a manifest and its component do not fit: errors and notes.
fn unfitting(loaded: &Loaded, path: &Path) -> anyhow::Result<(Vec<Finding>, Vec<Finding>)> {
    let manifest = &loaded.manifest;
    let store = match &manifest.component {
        ComponentSource::File(_) => None,
        ComponentSource::Digest(_) | ComponentSource::Label(_) => {
            Some(Store::open(Home::find()?.store())?)
        }
    };
    let world = blueprint::component(manifest, base_dir(path), store.as_ref())
        .map_err(Error::new)
        .and_then(|component| Ok(World::of(&component)?));
    let world = match world {
        Ok(world) => world,
        Err(error) => {
            let message = format!("component: {}", sentence(&error));
            return Ok((vec![loaded.places.finding("component", message)], Vec::new()));
        }
    };
    let (errors, notes): (Vec<Misfit>, Vec<Misfit>) =
        misfits(loaded, &world).into_iter().partition(Misfit::is_error);
    let findings = |misfits: Vec<Misfit>| {
        let finding = |it: &Misfit| loaded.places.finding(&it.key(), it.to_string());
        misfits.iter().map(finding).collect()
    };
    Ok((findings(errors), findings(notes)))
}

/// What a manifest names that is not there, in the order of the file.
fn missing(loaded: &Loaded, path: &Path) -> Vec<Finding> {
    let base_dir = base_dir(path);
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
    lost.map(|(key, path)| {
        let message = format!("{key}: there is no {}", path.display());
        loaded.places.finding(&key, message)
    })
    .collect()
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
