//! `verify --proof`: checks the proof of one event, without the chain.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use theater_verify::{Anchor, Proof, ProofError, Proved};

use crate::cli::advised;
use crate::entry::{Entry, Lexicon};
use crate::exit::Exit;
use crate::json::{self, EntryJson};
use crate::line::Style;
use crate::render::{Limits, Previews};
use crate::ui::Ui;

/// No proof is larger: it holds one record and a few small ones.
const PROOF_BYTES_MAX: u64 = 32 << 20;

/// Checks a proof and says what it shows. Every expected hash must be one the proof leads to.
pub(crate) fn run(
    path: &Path,
    expected: &[Anchor],
    as_json: bool,
    ui: &mut Ui,
) -> anyhow::Result<Exit> {
    let shown = path.display();
    let bytes = read(path)?;
    let proved = match Proof::from_bytes(&bytes).and_then(|proof| proof.check()) {
        Ok(proved) => proved,
        Err(error @ (ProofError::NotAProof(_) | ProofError::Version { .. })) => {
            let error = anyhow::Error::new(error).context(shown.to_string());
            return Err(advised(error, format!("for a chain: theater-replay verify {shown}")));
        }
        Err(error) if as_json => {
            let refuted = Refuted { schema: SCHEMA, proved: false, error: error.to_string() };
            writeln!(ui.out, "{}", json::document(&refuted))?;
            return Ok(Exit::Finding);
        }
        Err(error) => {
            let verdict = ui.paint().bad("proves nothing");
            writeln!(ui.out, "{shown}: {verdict}: {error}")?;
            return Ok(Exit::Finding);
        }
    };
    let missed = expected.iter().find(|noted| !proved.is_under(noted)).copied();
    let anchored = (!expected.is_empty()).then_some(missed.is_none());
    let entry = Lexicon::default().explain(proved.record.seq, 0, proved.event.clone());
    if as_json {
        print_json(&proved, &entry, anchored, ui)?;
    } else {
        writeln!(ui.out, "{shown}: event {} of a chain, proved", proved.record.seq)?;
        print_text(&proved, &entry, ui)?;
        print_trust(&proved, missed, anchored, ui)?;
    }
    Ok(if missed.is_some() { Exit::Unmet } else { Exit::Fine })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let cannot = || format!("cannot read {}", path.display());
    let mut bytes = Vec::new();
    // One byte more than allowed, so that a file that is too large is not taken for a shorter one.
    let file = File::open(path).with_context(cannot)?;
    file.take(PROOF_BYTES_MAX + 1).read_to_end(&mut bytes).with_context(cannot)?;
    if bytes.len() as u64 > PROOF_BYTES_MAX {
        anyhow::bail!("{}: not a proof: it is too large", path.display());
    }
    Ok(bytes)
}

fn print_text(proved: &Proved, entry: &Entry, ui: &mut Ui) -> anyhow::Result<()> {
    let previews = Previews::default();
    let style = Style { paint: ui.paint(), limits: Limits::LINE, previews: &previews };
    writeln!(ui.out, "{}", style.line(entry, 0, true))?;
    if entry.function.is_some() {
        writeln!(ui.out, "        functions have numbers here: their names are in the chain")?;
    }
    for rung in proved.above.iter().rev().skip(1).rev() {
        writeln!(ui.out, "under   {}@{}", rung.hash, rung.seq)?;
    }
    writeln!(ui.out, "head    {}@{}", proved.head().hash, proved.head().seq)?;
    Ok(())
}

/// Says why anybody should believe in the head.
fn print_trust(
    proved: &Proved,
    missed: Option<Anchor>,
    anchored: Option<bool>,
    ui: &mut Ui,
) -> anyhow::Result<()> {
    let paint = ui.paint();
    let Some(missed) = missed else {
        let trust = match anchored {
            Some(_) => {
                paint.good("the noted hash is among them: the event is part of that history")
            }
            None => paint.warn(
                "nothing ties this head to anyone: compare it with one from a source you trust, \
                 or give it with --expect-head HASH@EVENT",
            ),
        };
        writeln!(ui.out, "{trust}")?;
        return Ok(());
    };
    let known = proved.above.iter().any(|rung| rung.seq == missed.seq);
    let verdict = if known {
        format!("event {} has another hash in this history than the noted one", missed.seq)
    } else {
        format!("the proof does not lead to event {}, whose hash was noted", missed.seq)
    };
    writeln!(ui.out, "{}", paint.bad(verdict))?;
    Ok(())
}

const SCHEMA: &str = "theater-replay/proof/1";

#[derive(Serialize)]
struct Refuted {
    schema: &'static str,
    proved: bool,
    error: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    schema: &'static str,
    proved: bool,
    chain_tag: String,
    hash: String,
    event: EntryJson<'a>,
    above: Vec<AnchorJson>,
    anchored: Option<bool>,
}

#[derive(Serialize)]
struct AnchorJson {
    seq: u64,
    hash: String,
}

fn print_json(
    proved: &Proved,
    entry: &Entry,
    anchored: Option<bool>,
    ui: &mut Ui,
) -> anyhow::Result<()> {
    let above = proved.above.iter();
    let shown = Shown {
        schema: SCHEMA,
        proved: true,
        chain_tag: crate::render::hex(&proved.tag),
        hash: proved.record.hash.to_string(),
        event: EntryJson(entry, &Previews::default()),
        above: above
            .map(|rung| AnchorJson { seq: rung.seq, hash: rung.hash.to_string() })
            .collect(),
        anchored,
    };
    writeln!(ui.out, "{}", json::document(&shown))?;
    Ok(())
}
