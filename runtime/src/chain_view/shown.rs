//! An event as people and programs get to see it.

use serde::ser::{Serialize, SerializeMap, Serializer};
use theater_record::{Hash, Kind};

use crate::entry::Entry;
use crate::entry::json::what_it_says;
use crate::entry::line::{Naming, Style};
use crate::entry::render::{Limits, Previews};
use crate::entry::tree::Tree;
use crate::paint::Paint;

/// An event that explains itself, with its links and its time.
///
/// As JSON it has the fields that `theater-replay show --json` has for it, but for `offset`; besides
/// these `link`, `parent` and `time`. Payloads that stand out of line are there as if they stood in the event,
/// unless they are too large or were removed.
#[derive(Debug, Clone)]
pub struct ShownEvent {
    /// What it says.
    pub entry: Entry,
    /// Its link hash.
    pub link: Hash,
    /// The link hash of the event before; the header has none.
    pub parent: Option<Hash>,
    /// When it had happened at the latest, in nanoseconds since the Unix epoch: the first time that
    /// the chain notes from it on. Unknown while it notes none.
    pub time: Option<u64>,
    pub(super) previews: Previews,
    /// About how many bytes it takes, with the payloads that were put back.
    pub(super) bytes: usize,
}

impl ShownEvent {
    /// The event as one line.
    #[must_use]
    pub fn line(&self, paint: Paint, limits: Limits) -> String {
        let style = Style { paint, limits, previews: &self.previews };
        style.line(&self.entry, 0, Naming::Full)
    }

    /// What the actor logs with it, if it is a call of `log`.
    #[must_use]
    pub fn log(&self) -> Option<&str> {
        let (interface, name) = self.entry.function.as_ref()?;
        if self.entry.kind != Kind::ImportCall
            || name != "log"
            || interface.split('@').next() != Some("theater:simple/runtime")
        {
            return None;
        }
        match self.entry.field("args")? {
            Tree::Record(args) => match args.first()? {
                (_, Tree::Text(text)) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Serialize for ShownEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let ShownEvent { entry, link, parent, time, previews, bytes: _ } = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("seq", &entry.seq)?;
        map.serialize_entry("kind", entry.kind.name())?;
        map.serialize_entry("link", &link.to_string())?;
        map.serialize_entry("parent", &parent.map(|parent| parent.to_string()))?;
        // An event that notes the time has a field for it.
        if entry.field("time").is_none() {
            map.serialize_entry("time", time)?;
        }
        what_it_says(&mut map, entry, previews)?;
        map.end()
    }
}
