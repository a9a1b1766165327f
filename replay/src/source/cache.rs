//! Places that were found once, kept beside the chain so that nobody has to replay for them again.
//!
//! Nothing depends on this file. One that is damaged, out of date or not writable is as good as none.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use theater_record::Hash;

use super::Located;
use crate::output::Output;

/// What another version has found, it may have found by other rules.
const SCHEMA: &str = concat!("theater-replay/sources/1, version ", env!("CARGO_PKG_VERSION"));

/// A larger file is not worth reading.
const BYTES_MAX: u64 = 256 << 20;

/// What a place was found for: it depends on nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Key {
    /// The head of the chain.
    pub(crate) head: String,
    /// The component.
    pub(crate) component: String,
    /// The debug information that is not the component's own.
    pub(crate) debug_info: Option<String>,
}

impl Key {
    pub(crate) fn new(head: Hash, component: Hash, debug_info: Option<Hash>) -> Key {
        Key {
            head: head.to_string(),
            component: component.to_string(),
            debug_info: debug_info.map(|digest| digest.to_string()),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct File {
    schema: String,
    #[serde(flatten)]
    key: Key,
    /// The events that were looked at, from the first of each pair to before the second.
    ranges: Vec<(u64, u64)>,
    located: Vec<Located>,
    /// Events, with the positions of their places in the list above.
    events: Vec<(u64, usize)>,
}

/// The places of some events.
pub(crate) type Places = BTreeMap<u64, Arc<Located>>;

/// Where the places of a chain are kept.
pub(crate) fn path(chain: &Path) -> PathBuf {
    let mut name = chain.file_name().unwrap_or_default().to_owned();
    name.push(".sources.json");
    chain.with_file_name(name)
}

/// The places of a range of events, if all of them have been looked for before.
pub(crate) fn load(chain: &Path, key: &Key, range: &Range<u64>) -> Option<Places> {
    let file = read(chain, key)?;
    let is_known = |&(from, to): &(u64, u64)| from <= range.start && range.end <= to;
    file.ranges.iter().any(is_known).then(|| {
        let mut places = places(file);
        places.retain(|seq, _| range.contains(seq));
        places
    })
}

/// Keeps what was found, with what was found before.
pub(crate) fn store(chain: &Path, key: &Key, range: &Range<u64>, found: &Places) {
    let known = read(chain, key);
    let mut ranges = known.as_ref().map(|file| file.ranges.clone()).unwrap_or_default();
    ranges.retain(|&(from, to)| from < range.start || to > range.end);
    ranges.push((range.start, range.end));
    let mut all = known.map(places).unwrap_or_default();
    all.extend(found.iter().map(|(seq, located)| (*seq, Arc::clone(located))));
    let mut file = File {
        schema: SCHEMA.to_owned(),
        key: key.clone(),
        ranges,
        located: Vec::new(),
        events: Vec::new(),
    };
    let mut positions = HashMap::new();
    for (seq, located) in all {
        let at = *positions.entry(Arc::as_ptr(&located)).or_insert_with(|| {
            file.located.push(located.as_ref().clone());
            file.located.len() - 1
        });
        file.events.push((seq, at));
    }
    // Who cannot write beside the chain goes without.
    let _ = write(chain, &file);
}

fn write(chain: &Path, file: &File) -> anyhow::Result<()> {
    let mut output = Output::create(&path(chain), true)?;
    output.write_all(&serde_json::to_vec(file)?)?;
    output.finish()
}

fn read(chain: &Path, key: &Key) -> Option<File> {
    let path = path(chain);
    let is_small = std::fs::metadata(&path).is_ok_and(|metadata| metadata.len() <= BYTES_MAX);
    let bytes = is_small.then(|| std::fs::read(path).ok()).flatten()?;
    let file: File = serde_json::from_slice(&bytes).ok()?;
    (file.schema == SCHEMA && file.key == *key).then_some(file)
}

fn places(file: File) -> Places {
    let located: Vec<_> = file.located.into_iter().map(Arc::new).collect();
    let place = |(seq, at): (u64, usize)| Some((seq, Arc::clone(located.get(at)?)));
    file.events.into_iter().filter_map(place).collect()
}
