//! `store`: looks after content that is kept under its digest, and its labels.

mod gc;
mod json;

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use theater_record::Hash;

use super::Exit;
use crate::amount::{counted, size};
use crate::complaint::advised;
use crate::escape::{plain, quoted};
use crate::home::Home;
use crate::store::{Label, Store, StoreError};

const EXAMPLES: &str = "\
Examples:
  theater store put agent.wasm --label agent-latest   prints the digest of what it keeps
  theater store list                                  everything that is kept, with its labels
  theater store get agent-latest --output agent.wasm  by a label or a digest
  theater store label agent-stable DIGEST             another name for it
  theater store check                                 reads everything; exits with 1 if damaged
  theater store gc --dry-run                          what could be removed
  theater store labels --store 0d5c...                the labels of a store that an actor has made

A manifest names a component of the store as component = \"store:agent-latest\".
The JSON is described by runtime/schemas/store-1.json.";

/// Keeps components and other files under their digests, and names them with labels.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(subcommand)]
    task: Task,
    /// The store with this id, which an actor has made, instead of the one for components.
    #[arg(long, value_name = "ID", global = true)]
    store: Option<String>,
    /// Print one JSON document.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum Task {
    /// Lists everything that is kept: digest, size, labels.
    List,
    /// Prints a content, or writes it to a file.
    Get {
        /// Its digest, or a label.
        content: String,
        /// The file to write it to.
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Keeps a file and prints its digest.
    Put {
        /// The file; `-` for standard input.
        file: PathBuf,
        /// Make it the content of this label.
        #[arg(long)]
        label: Option<Label>,
    },
    /// Makes a content the one that a label names.
    Label {
        /// The label.
        label: Label,
        /// Its digest, or another label.
        content: String,
        /// Keep what the label names already; the new one comes last and is the one it stands for.
        #[arg(long)]
        add: bool,
    },
    /// Lists all labels with what they name, the newest last.
    Labels,
    /// Forgets a label, or one content of it. What is kept stays until garbage is collected.
    RemoveLabel {
        /// The label.
        label: Label,
        /// Take only this digest out.
        content: Option<Hash>,
    },
    /// Reads everything and holds it against its digest.
    Check,
    Gc(gc::Args),
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let home = Home::find()?;
    let store = open(&home, args.store.as_deref())?;
    let json = args.json;
    match &args.task {
        Task::List => list(&store, json, out)?,
        Task::Get { content, output } => get(&store, content, output.as_deref(), out)?,
        Task::Put { file, label } => put(&store, file, label.as_ref(), json, out)?,
        Task::Label { label, content, add } => {
            let hash = find(&store, content)?;
            match add {
                true => store.add_to_label(label, &hash)?,
                false => store.set_label(label, &hash)?,
            }
            show_label(&store, label, json, out)?;
        }
        Task::Labels => labels(&store, json, out)?,
        Task::RemoveLabel { label, content } => {
            match content {
                Some(hash) => store.remove_from_label(label, hash)?,
                None => store.remove_label(label)?,
            };
            show_label(&store, label, json, out)?;
        }
        Task::Check => return check(&store, json, out),
        Task::Gc(args) => gc::run(args, &home, &store, json, out)?,
    }
    Ok(Exit::Fine)
}

/// The store that is meant. Only the one for components is made if it is not there.
fn open(home: &Home, id: Option<&str>) -> anyhow::Result<Store> {
    let Some(id) = id else { return Ok(Store::open(home.store())?) };
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let store = is_id.then(|| Store::existing(home.stores().join(id))).flatten();
    store.ok_or_else(|| {
        let stores = home.stores();
        advised(
            anyhow!("there is no store {}", quoted(id)),
            format!("look which there are with ls {}", crate::escape::argument(&stores)),
        )
    })
}

fn find(store: &Store, content: &str) -> anyhow::Result<Hash> {
    let name = content.strip_prefix("store:").unwrap_or(content);
    store.find(name).map_err(|error| match &error {
        StoreError::NoLabel { .. } => advised(error.into(), "theater store labels"),
        _ => error.into(),
    })
}

fn list(store: &Store, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let labels = store.labels()?;
    let mut contents = Vec::new();
    for hash in store.list()? {
        let named = labels.iter().filter(|(_, hashes)| hashes.contains(&hash));
        let named: Vec<&Label> = named.map(|(label, _)| label).collect();
        contents.push((hash, store.len_of(&hash)?, named));
    }
    if json {
        return json::print(&json::list(&contents), out);
    }
    for (hash, bytes, labels) in &contents {
        let labels: String = labels.iter().map(|label| format!("  {}", shown(label))).collect();
        writeln!(out, "{hash}  {:>7}{labels}", size(*bytes))?;
    }
    let bytes = contents.iter().map(|(_, bytes, _)| bytes).sum();
    writeln!(out, "{}, {}", counted(contents.len() as u64, "content"), size(bytes))?;
    Ok(())
}

fn get(
    store: &Store,
    content: &str,
    output: Option<&Path>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let hash = find(store, content)?;
    let bytes = store.get(&hash).map_err(|error| match &error {
        StoreError::Missing { .. } => advised(error.into(), "theater store list"),
        _ => error.into(),
    })?;
    match output {
        Some(path) => {
            fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
        }
        None => Ok(out.write_all(&bytes)?),
    }
}

fn put(
    store: &Store,
    file: &Path,
    label: Option<&Label>,
    json: bool,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = fs::read(file).map_err(|error| {
            let error = anyhow::Error::new(error);
            advised(
                error.context(format!("cannot read {}", file.display())),
                "name a file, or - for standard input",
            )
        })?;
    }
    let hash = store.put(&bytes)?;
    if let Some(label) = label {
        store.set_label(label, &hash)?;
    }
    if json {
        return json::print(&json::put(&hash, bytes.len() as u64, label), out);
    }
    writeln!(out, "{hash}")?;
    Ok(())
}

fn labels(store: &Store, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let labels = store.labels()?;
    if json {
        return json::print(&json::labels(&labels), out);
    }
    for (label, hashes) in &labels {
        let hashes: String = hashes.iter().map(|hash| format!("  {hash}")).collect();
        writeln!(out, "{}{hashes}", shown(label))?;
    }
    writeln!(out, "{}", counted(labels.len() as u64, "label"))?;
    Ok(())
}

/// What became of a label.
fn show_label(store: &Store, label: &Label, json: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let hashes = store.labelled(label)?;
    if json {
        return json::print(&json::label(label, &hashes), out);
    }
    match hashes.is_empty() {
        true => writeln!(out, "{} is no label now", shown(label))?,
        false => {
            let hashes: String = hashes.iter().map(|hash| format!("  {hash}")).collect();
            writeln!(out, "{}{hashes}", shown(label))?;
        }
    }
    Ok(())
}

fn check(store: &Store, json: bool, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let checked = store.check()?;
    if json {
        json::print(&json::check(&checked), out)?;
    } else {
        for flaw in &checked.flaws {
            writeln!(out, "{}", plain(&flaw.to_string()))?;
        }
        let contents = counted(checked.contents, "content");
        let labels = counted(checked.labels, "label");
        let flaws = match checked.flaws.len() {
            0 => "all as they should be".to_owned(),
            flaws => counted(flaws as u64, "flaw"),
        };
        writeln!(out, "{contents} of {} and {labels}: {flaws}", size(checked.bytes))?;
    }
    Ok(if checked.flaws.is_empty() { Exit::Fine } else { Exit::Failed })
}

/// A label may hold spaces, and whatever hides from the eye.
fn shown(label: &Label) -> String {
    let text = label.as_str();
    if text.contains(char::is_whitespace) { quoted(text) } else { plain(text) }
}
