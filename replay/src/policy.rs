//! What the person who checks asks of a chain: from a policy file and from arguments.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, anyhow, bail};
use serde::{Deserialize, Deserializer, de};
use theater_record::{Hash, PublicKey};
use theater_verify::{Anchor, Policy};

/// A policy file. Unknown names are refused: a demand with a typing mistake must not be dropped.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(default, deserialize_with = "parsed")]
    signed_by: Option<PublicKey>,
    min_events: Option<u64>,
    #[serde(default, deserialize_with = "parsed")]
    component: Option<Hash>,
    #[serde(default)]
    closed: bool,
    #[serde(default)]
    anchor: Vec<AnchorTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AnchorTable {
    event: u64,
    #[serde(deserialize_with = "parsed")]
    hash: Option<Hash>,
}

/// Reads a policy file.
pub(crate) fn read(path: &Path) -> anyhow::Result<Policy> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read policy {shown}"))?;
    let file: PolicyFile = toml::from_str(&text)
        .map_err(|error| anyhow!("policy {shown}: {}", error.to_string().trim_end()))?;
    let anchor = |table: AnchorTable| {
        let hash = table.hash.context("an anchor needs a hash")?;
        Ok(Anchor { seq: table.event, hash })
    };
    Ok(Policy {
        signed_by: file.signed_by,
        events_min: file.min_events,
        anchors: file.anchor.into_iter().map(anchor).collect::<anyhow::Result<_>>()?,
        component: file.component,
        closed: file.closed,
    })
}

/// Adds the demand of a key. One chain cannot start from two keys, so a policy file that names
/// another one is a contradiction.
pub(crate) fn demand_key(policy: &mut Policy, key: PublicKey) -> anyhow::Result<()> {
    if let Some(other) = policy.signed_by.replace(key)
        && other != key
    {
        bail!("--key asks for {key}, the policy file for {other}");
    }
    Ok(())
}

/// Reads a public key: its text, or a file that holds its text.
pub(crate) fn key(text: &str) -> anyhow::Result<PublicKey> {
    if let Ok(key) = text.parse() {
        return Ok(key);
    }
    let content = fs::read_to_string(text).with_context(|| {
        format!("{text:?} is neither a key (ed25519: and 64 digits) nor a file with one")
    })?;
    content.trim().parse().with_context(|| format!("{text} holds no public key"))
}

/// Reads `HASH@EVENT`.
pub(crate) fn anchor(text: &str) -> Result<Anchor, String> {
    let (hash, seq) = text.split_once('@').ok_or("expected HASH@EVENT")?;
    let hash = hash.parse::<Hash>().map_err(|error| error.to_string())?;
    let seq = seq.parse().map_err(|_| format!("expected an event number, found {seq:?}"))?;
    Ok(Anchor { seq, hash })
}

fn parsed<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(de::Error::custom)
}
