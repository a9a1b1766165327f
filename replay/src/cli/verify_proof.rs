//! `verify --proof`: checks the proof of one event, without the chain.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;
use theater_verify::{Anchor, Proof, ProofError, Proved};

use crate::entry::{Entry, Lexicon};
use crate::exit::Exit;
use crate::json::{self, EntryJson};
use crate::line::{Naming, Style};
use crate::render::{Limits, Previews};
use crate::ui::Ui;
use theater_runtime::complaint::advised;
use theater_runtime::escape::argument;

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
            return Err(advised(
                error,
                format!("for a chain: theater-replay verify {}", argument(path)),
            ));
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
    writeln!(ui.out, "{}", style.line(entry, 0, Naming::Full))?;
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

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use expect_test::expect;
    use theater_record::{About, CloseReason, Event, Options, Permission, Recorder, Seed};
    use theater_verify::prove;

    use super::*;

    fn proof() -> Vec<u8> {
        let log = Arc::new(Mutex::new(Vec::new()));
        let (about, options) = (About::default(), Options::default());
        let clock = Arc::new(|| 1_700_000_000_000_000_000);
        let seed = Seed::new([3; 32]);
        let mut recorder = Recorder::create(log.clone(), about, options, seed, clock).unwrap();
        let permission = Permission {
            capability: "filesystem".to_owned(),
            subject: "/etc/passwd".to_owned(),
            allowed: false,
            reason: 3,
            detail: "outside of /data".to_owned(),
        };
        recorder.append(&Event::Permission(permission)).unwrap();
        recorder.close(CloseReason::Completed, "").unwrap();
        let chain = log.lock().unwrap().clone();
        prove(&chain[..], 1, |_| {}).unwrap().to_bytes()
    }

    fn check(bytes: &[u8], expected: &[Anchor], json: bool) -> (anyhow::Result<Exit>, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.proof");
        std::fs::write(&path, bytes).unwrap();
        let mut ui = Ui::captured();
        let exit = run(&path, expected, json, &mut ui);
        let (out, _) = ui.into_captured();
        (exit, out.replace(path.to_str().unwrap(), "a.proof"))
    }

    #[test]
    fn a_proof_says_what_it_shows_and_what_it_does_not() {
        let (exit, out) = check(&proof(), &[], false);
        assert_eq!(exit.unwrap(), Exit::Fine);
        expect![[r#"
            a.proof: event 1 of a chain, proved
                 1  denied filesystem "/etc/passwd" (reason 3): outside of /data
            under   63bb30cb25cd3ee372eaf70c372d58d5bc0b01015aefbbcc59704fcbbeff10d3@2
            head    bc0ac6bf1224976df21000e854bac990baf156b46052161f1f891941bb82ab7c@3
            nothing ties this head to anyone: compare it with one from a source you trust, or give it with --expect-head HASH@EVENT
        "#]].assert_eq(&out);
    }

    #[test]
    fn a_noted_hash_is_met_or_not() {
        let proof = proof();
        let head = Proof::from_bytes(&proof).unwrap().check().unwrap().head();
        let (exit, out) = check(&proof, &[head], false);
        assert_eq!(exit.unwrap(), Exit::Fine);
        assert!(out.ends_with("the noted hash is among them: the event is part of that history\n"));
        for (seq, hash, words) in [
            (head.seq, theater_record::Hash::ZERO, "has another hash in this history"),
            (head.seq + 1, head.hash, "does not lead to event 4"),
        ] {
            let (exit, out) = check(&proof, &[Anchor { seq, hash }], false);
            assert_eq!(exit.unwrap(), Exit::Unmet);
            assert!(out.contains(words), "{out}");
        }
    }

    #[test]
    fn json_says_the_same() {
        let proof = proof();
        let head = Proof::from_bytes(&proof).unwrap().check().unwrap().head();
        let (exit, out) = check(&proof, &[head], true);
        assert_eq!(exit.unwrap(), Exit::Fine);
        expect![[r#"
            {
              "schema": "theater-replay/proof/1",
              "proved": true,
              "chain_tag": "afc7dd1a",
              "hash": "ca6211ee203b9a621df2602b9d606e55fcc21ecae3eb4e697445194127803809",
              "event": {
                "seq": 1,
                "offset": 0,
                "kind": "permission",
                "capability": "filesystem",
                "subject": "/etc/passwd",
                "allowed": false,
                "reason": 3,
                "detail": "outside of /data"
              },
              "above": [
                {
                  "seq": 2,
                  "hash": "63bb30cb25cd3ee372eaf70c372d58d5bc0b01015aefbbcc59704fcbbeff10d3"
                },
                {
                  "seq": 3,
                  "hash": "bc0ac6bf1224976df21000e854bac990baf156b46052161f1f891941bb82ab7c"
                }
              ],
              "anchored": true
            }
        "#]]
        .assert_eq(&out);
    }

    #[test]
    fn a_wrong_proof_is_a_finding_and_another_file_is_trouble() {
        let mut wrong = proof();
        let at = wrong.windows(7).position(|bytes| bytes == b"outside").unwrap();
        wrong[at] = b'O';
        let (exit, out) = check(&wrong, &[], false);
        assert_eq!(exit.unwrap(), Exit::Finding);
        expect![[r#"
            a.proof: proves nothing: the proof's checkpoint commits to another record than the one below it
        "#]].assert_eq(&out);
        let (exit, out) = check(&wrong, &[], true);
        assert_eq!(exit.unwrap(), Exit::Finding);
        assert!(out.contains("\"proved\": false"), "{out}");
        for other in [&b""[..], b"hello", &wrong[..wrong.len() - 1]] {
            let (exit, out) = check(other, &[], false);
            assert!(format!("{:#}", exit.unwrap_err()).contains("not a proof"));
            assert_eq!(out, "");
        }
    }
}
