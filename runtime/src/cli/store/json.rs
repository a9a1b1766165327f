//! What `theater store --json` prints. `runtime/schemas/store-1.json` describes it.

use std::io::Write;

use serde_json::{Value, json};
use theater_record::Hash;

use crate::entry::json::document;
use crate::store::{Checked, Flaw, Garbage, Label};

pub(super) fn print(value: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    Ok(writeln!(out, "{}", document(value))?)
}

pub(super) fn list(contents: &[(Hash, u64, Vec<&Label>)]) -> Value {
    let one = |(hash, bytes, labels): &(Hash, u64, Vec<&Label>)| {
        let labels: Vec<&str> = labels.iter().map(|label| label.as_str()).collect();
        json!({ "digest": hash.to_string(), "bytes": bytes, "labels": labels })
    };
    let contents: Vec<Value> = contents.iter().map(one).collect();
    json!({ "schema": "theater/store-list/1", "contents": contents })
}

pub(super) fn put(hash: &Hash, bytes: u64, label: Option<&Label>) -> Value {
    let (digest, label) = (hash.to_string(), label.map(Label::as_str));
    json!({ "schema": "theater/store-put/1", "digest": digest, "bytes": bytes, "label": label })
}

pub(super) fn labels(labels: &[(Label, Vec<Hash>)]) -> Value {
    let labels: Vec<Value> = labels.iter().map(|(label, hashes)| named(label, hashes)).collect();
    json!({ "schema": "theater/store-labels/1", "labels": labels })
}

pub(super) fn label(label: &Label, hashes: &[Hash]) -> Value {
    let labels = if hashes.is_empty() { Vec::new() } else { vec![named(label, hashes)] };
    json!({ "schema": "theater/store-labels/1", "labels": labels })
}

pub(super) fn check(checked: &Checked) -> Value {
    let flaws: Vec<Value> = checked.flaws.iter().map(flaw).collect();
    json!({
        "schema": "theater/store-check/1",
        "contents": checked.contents,
        "bytes": checked.bytes,
        "labels": checked.labels,
        "flaws": flaws,
    })
}

pub(super) fn gc(garbage: &Garbage, dry_run: bool) -> Value {
    let one = |(hash, bytes): &(Hash, u64)| json!({ "digest": hash.to_string(), "bytes": bytes });
    let contents: Vec<Value> = garbage.contents.iter().map(one).collect();
    json!({
        "schema": "theater/store-gc/1",
        "dry_run": dry_run,
        "contents": contents,
        "bytes": garbage.bytes(),
        "unfinished": garbage.unfinished.len(),
    })
}

fn named(label: &Label, hashes: &[Hash]) -> Value {
    let contents: Vec<String> = hashes.iter().map(Hash::to_string).collect();
    json!({ "label": label.as_str(), "contents": contents })
}

fn flaw(flaw: &Flaw) -> Value {
    let (kind, digest) = match flaw {
        Flaw::Damaged { hash, .. } => ("damaged", Some(hash)),
        Flaw::Unreadable { hash, .. } => ("unreadable", Some(hash)),
        Flaw::DamagedLabel { .. } => ("damaged-label", None),
        Flaw::Dangling { hash, .. } => ("dangling", Some(hash)),
    };
    json!({ "kind": kind, "digest": digest.map(Hash::to_string), "message": flaw.to_string() })
}
