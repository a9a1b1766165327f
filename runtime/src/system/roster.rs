//! The roster: which actors have not come to their end for good, with the little that is not in their
//! chains.
//!
//! It is a file of JSON lines beside the chains. One line is added when an actor is started, and another when
//! it has ended for good: a single write each, where a file for every actor would cost as much as its chain.
//! A new process that brings the actors back leaves out those that have ended, but for children that a manifest
//! names: else their parents, once they are back, would start them anew.
//!
//! Links and monitors are on it as well. Each is asked for in the chain of one actor, but in which order such
//! things happened is in no chain.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

use crate::actor::lock;
use crate::actor_id::ActorId;
use crate::supervision::{Bonds, Exit};

/// The roster of a folder of chains.
pub(super) struct Roster {
    path: PathBuf,
    /// Opened when something is first written.
    file: Mutex<Option<File>>,
}

/// What is not in an actor's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// The folder that paths of the manifest start at.
    pub(super) folder: PathBuf,
    /// Who has started it.
    pub(super) parent: Option<ActorId>,
    /// What it is called among the children that its parent's manifest names.
    pub(super) child: Option<String>,
    /// Whether its parent has started it with a call.
    pub(super) is_asked_for: bool,
}

/// What the lines say of an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) note: Note,
    /// Whether it has come to its end for good.
    pub(super) has_ended: bool,
}

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Line {
    Started(ActorId, Note),
    Ended(ActorId),
    Linked(ActorId, ActorId),
    Unlinked(ActorId, ActorId),
    /// Who watches, under which number, whom.
    Monitored(ActorId, u64, ActorId),
    Demonitored(ActorId, u64),
    /// A life has ended, and with it all the bonds of this actor.
    Parted(ActorId),
}

/// What all lines come to.
#[derive(Default)]
pub(super) struct Kept {
    pub(super) actors: BTreeMap<ActorId, Entry>,
    pub(super) bonds: Bonds<ActorId>,
}

impl Kept {
    fn take(&mut self, line: Line) {
        match line {
            Line::Started(id, note) => {
                self.actors.insert(id, Entry { note, has_ended: false });
            }
            Line::Ended(id) => {
                if let Some(entry) = self.actors.get_mut(&id) {
                    entry.has_ended = true;
                }
            }
            Line::Linked(one, other) => self.bonds.link(one, other),
            Line::Unlinked(one, other) => self.bonds.unlink(one, other),
            Line::Monitored(watcher, number, watched) => {
                self.bonds.monitor(watcher, number, watched);
            }
            Line::Demonitored(watcher, number) => {
                self.bonds.demonitor(watcher, number);
            }
            // Whoever had to do with it was told.
            Line::Parted(id) => drop(self.bonds.ended(id, Exit::Completed)),
        }
    }

    fn lines(&self) -> io::Result<Vec<u8>> {
        let mut lines = Vec::new();
        for (id, entry) in &self.actors {
            lines.extend(line(&Line::Started(*id, entry.note.clone()))?);
            if entry.has_ended {
                lines.extend(line(&Line::Ended(*id))?);
            }
        }
        for (one, other) in self.bonds.links() {
            lines.extend(line(&Line::Linked(one, other))?);
        }
        for (watcher, number, watched) in self.bonds.monitors() {
            lines.extend(line(&Line::Monitored(watcher, number, watched))?);
        }
        Ok(lines)
    }
}

impl Roster {
    /// The roster of this folder.
    pub(super) fn of(chains: &Path) -> Roster {
        Roster { path: chains.join("actors.jsonl"), file: Mutex::new(None) }
    }

    /// Its file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// An actor is started.
    pub(super) fn add(&self, id: ActorId, note: &Note) -> io::Result<()> {
        self.append(&Line::Started(id, note.clone()))
    }

    /// An actor has come to its end for good.
    pub(super) fn strike(&self, id: ActorId) {
        // A line that stays leads to a chain that is closed, which says so itself.
        let _ = self.append(&Line::Ended(id));
    }

    /// All that matter, those that have ended included.
    fn read(&self) -> io::Result<Kept> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(self.unread(&error.to_string())),
        };
        let mut kept = Kept::default();
        for (index, line) in whole(&text).lines().enumerate() {
            let line = serde_json::from_str(line).map_err(|error| {
                let number = index + 1;
                self.unread(&format!("line {number} says of no actor what it should: {error}"))
            })?;
            kept.take(line);
        }
        Ok(kept)
    }

    /// Leaves out those who have ended and matter to nobody, and returns the others.
    pub(super) fn compact(&self) -> io::Result<Kept> {
        let mut kept = self.read()?;
        let actors = kept.actors.iter().filter(|(_, entry)| !entry.has_ended);
        let there: BTreeSet<ActorId> = actors.map(|(id, _)| *id).collect();
        let is_missed = |Note { parent, child, .. }: &Note| {
            child.is_some() && parent.is_some_and(|parent| there.contains(&parent))
        };
        kept.actors.retain(|_, entry| !entry.has_ended || is_missed(&entry.note));
        let lines = kept.lines()?;
        let mut held = lock(&self.file);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(&lines)?;
        file.as_file().sync_all()?;
        file.persist(&self.path)?;
        // It is another file now.
        *held = None;
        Ok(kept)
    }

    pub(super) fn append(&self, added: &Line) -> io::Result<()> {
        let mut held = lock(&self.file);
        let file = match &mut *held {
            Some(file) => file,
            None => held.insert(self.open()?),
        };
        let written = file.write_all(&line(added)?);
        if written.is_err() {
            // A part of the line may be there. It is cut off when the file is opened again.
            *held = None;
        }
        written
    }

    /// Opens the file behind its last whole line.
    fn open(&self) -> io::Result<File> {
        let file = OpenOptions::new().append(true).create(true).open(&self.path)?;
        let text = fs::read(&self.path)?;
        let kept = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        if kept < text.len() {
            file.set_len(kept as u64)?;
        }
        Ok(file)
    }

    fn unread(&self, reason: &str) -> io::Error {
        io::Error::other(format!("cannot read {}: {reason}", self.path.display()))
    }
}

fn line(of: &Line) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(of)?;
    line.push(b'\n');
    Ok(line)
}

/// The text without a last line that a crash has torn. Nobody was told that its actor is there.
fn whole(text: &str) -> &str {
    text.rfind('\n').map_or("", |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::{Entry, Line, Note, Roster};
    use crate::actor_id::ActorId;

    fn id(number: u8) -> ActorId {
        ActorId::new(1, [number; 10])
    }

    fn note(folder: &str) -> Note {
        Note {
            folder: PathBuf::from(folder),
            parent: Some(id(0)),
            child: None,
            is_asked_for: false,
        }
    }

    #[test]
    fn those_who_have_not_ended_are_on_it_also_for_the_next_process() {
        let folder = tempfile::tempdir().unwrap();
        let roster = Roster::of(folder.path());
        assert!(roster.read().unwrap().actors.is_empty());
        for number in 1..=3 {
            roster.add(id(number), &note("a folder")).unwrap();
        }
        roster.strike(id(2));
        let next = Roster::of(folder.path());
        let there = Entry { note: note("a folder"), has_ended: false };
        let listed: Vec<_> = next.compact().unwrap().actors.into_iter().collect();
        assert_eq!(listed, [(id(1), there.clone()), (id(3), there)]);
        assert_eq!(fs::read_to_string(next.path()).unwrap().lines().count(), 2);
        next.strike(id(1));
        assert_eq!(next.compact().unwrap().actors.len(), 1);
    }

    #[test]
    fn a_child_that_has_ended_is_known_for_as_long_as_its_parent_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let roster = Roster::of(folder.path());
        roster.add(id(0), &Note { parent: None, ..note("a folder") }).unwrap();
        roster.add(id(1), &Note { child: Some("one".to_owned()), ..note("a folder") }).unwrap();
        roster.strike(id(1));
        for _ in 0..2 {
            let next = Roster::of(folder.path()).compact().unwrap().actors;
            assert_eq!(
                next.values().map(|entry| entry.has_ended).collect::<Vec<_>>(),
                [false, true]
            );
        }
        let next = Roster::of(folder.path());
        next.strike(id(0));
        assert!(next.compact().unwrap().actors.is_empty());
    }

    #[test]
    fn bonds_are_on_it_for_as_long_as_they_hold() {
        let folder = tempfile::tempdir().unwrap();
        let roster = Roster::of(folder.path());
        let [a, b, c] = [1, 2, 3].map(id);
        let lines = [
            Line::Linked(a, b),
            Line::Linked(b, c),
            Line::Unlinked(c, b),
            Line::Monitored(a, 1, c),
            Line::Monitored(a, 2, b),
            Line::Monitored(c, 1, b),
            Line::Demonitored(a, 2),
        ];
        lines.iter().for_each(|line| roster.append(line).unwrap());
        for _ in 0..2 {
            let bonds = Roster::of(folder.path()).compact().unwrap().bonds;
            assert_eq!(bonds.links().collect::<Vec<_>>(), [(a, b)]);
            assert_eq!(bonds.monitors().collect::<Vec<_>>(), [(a, 1, c), (c, 1, b)]);
        }
        let next = Roster::of(folder.path());
        next.append(&Line::Parted(b)).unwrap();
        let bonds = next.compact().unwrap().bonds;
        assert_eq!(bonds.actors().into_iter().collect::<Vec<_>>(), [a, c]);
    }

    #[test]
    fn a_torn_line_is_left_out_and_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let roster = Roster::of(folder.path());
        roster.add(id(1), &note("one")).unwrap();
        let text = fs::read_to_string(roster.path()).unwrap();
        fs::write(roster.path(), format!("{text}{}", &text[..text.len() / 2])).unwrap();
        let next = Roster::of(folder.path());
        assert_eq!(next.read().unwrap().actors.len(), 1);
        next.add(id(2), &note("two")).unwrap();
        assert_eq!(next.read().unwrap().actors.len(), 2);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let roster = Roster::of(folder.path());
        roster.add(id(1), &note("one")).unwrap();
        let text = fs::read_to_string(roster.path()).unwrap();
        fs::write(roster.path(), format!("{text}what is this\n")).unwrap();
        let Err(error) = roster.read() else { panic!("it made sense") };
        let said = error.to_string();
        assert!(said.contains("actors.jsonl: line 2 says"), "{said}");
    }
}
