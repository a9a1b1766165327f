//! Which events of a chain somebody wants to see.

use std::ops::{ControlFlow, Range};

use theater_record::Kind;

use super::shown::ShownEvent;
use super::{ChainView, ViewError};
use crate::entry::render::Limits;
use crate::manifest::Name;
use crate::paint::Paint;

/// Once selected events come to this with their payloads, no more are selected at a time.
const SELECTED_BYTES_MAX: usize = 8 << 20;

/// A condition on events. Without any of its parts, every event meets it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// It is of one of these kinds, if there are any.
    pub kinds: Vec<Kind>,
    /// It is about such a function: one whose name, interface or `INTERFACE#NAME` is like this. The
    /// interface's version may be there or not.
    pub function: Option<Name>,
    /// It happened then or later. What has no time yet is later than all that has.
    pub since: Option<u64>,
    /// It happened then or before.
    pub until: Option<u64>,
    /// Its line holds this text.
    pub text: Option<String>,
}

/// Which events come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Those with the smallest numbers.
    OldestFirst,
    /// Those with the largest numbers.
    NewestFirst,
}

/// The events that were looked for.
#[derive(Debug)]
pub struct Selection {
    /// The events, in the order that was asked for.
    pub events: Vec<ShownEvent>,
    /// The numbers of the range that were not looked at, because enough was found before, or because
    /// no event has them yet.
    pub rest: Range<u64>,
}

impl Filter {
    /// What actors log.
    #[must_use]
    pub fn logs() -> Filter {
        let function = Some(Name::Exactly("theater:simple/runtime#log".to_owned()));
        Filter { kinds: vec![Kind::ImportCall], function, ..Filter::default() }
    }

    /// Whether an event meets the condition.
    #[must_use]
    pub fn matches(&self, event: &ShownEvent) -> bool {
        self.has_kind(event.entry.kind)
            && self.function.as_ref().is_none_or(|name| is_about(event, name))
            && self.since.is_none_or(|since| event.time.is_none_or(|time| time >= since))
            && self.until.is_none_or(|until| event.time.is_some_and(|time| time <= until))
            && self
                .text
                .as_ref()
                .is_none_or(|text| event.line(Paint::PLAIN, Limits::NONE).contains(text))
    }

    fn has_kind(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

impl ChainView {
    /// Looks for events among those with these numbers, and for no more once there are so many.
    pub fn select(
        &self,
        filter: &Filter,
        numbers: Range<u64>,
        order: Order,
        count: usize,
    ) -> Result<Selection, ViewError> {
        let count_so_far = self.count()?;
        let mut rest = numbers;
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut blocks = self.known().blocks_of(&rest);
        match order {
            Order::OldestFirst => {}
            Order::NewestFirst => {
                // What is not there yet comes later, so it is not looked for.
                rest.end = rest.end.min(count_so_far).max(rest.start);
                blocks.reverse();
            }
        }
        for block in blocks {
            if events.len() >= count || bytes >= SELECTED_BYTES_MAX {
                break;
            }
            let mut found = self.select_in(filter, block.clone(), &mut bytes)?;
            match order {
                Order::OldestFirst => rest.start = block.end,
                Order::NewestFirst => {
                    found.reverse();
                    rest.end = block.start;
                }
            }
            events.extend(found);
        }
        if events.len() > count {
            events.truncate(count);
            let last = events.last().map_or(rest.start, |event| event.entry.seq);
            match order {
                Order::OldestFirst => rest.start = last + 1,
                Order::NewestFirst => rest.end = last,
            }
        }
        Ok(Selection { events, rest })
    }

    fn select_in(
        &self,
        filter: &Filter,
        numbers: Range<u64>,
        bytes: &mut usize,
    ) -> Result<Vec<ShownEvent>, ViewError> {
        let mut found = Vec::new();
        let index = self.known();
        index.visit(&self.file, numbers, |record| {
            if filter.has_kind(record.kind) {
                let event = index.shown(&self.file, record, record.event()?);
                if filter.matches(&event) {
                    *bytes += event.bytes;
                    found.push(event);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}

fn is_about(event: &ShownEvent, wanted: &Name) -> bool {
    let Some((interface, name)) = &event.entry.function else { return false };
    let unversioned = interface.split('@').next().unwrap_or(interface);
    wanted.matches(name)
        || [interface.as_str(), unversioned].iter().any(|interface| {
            wanted.matches(interface) || wanted.matches(&format!("{interface}#{name}"))
        })
}
