//! What goes on, as server-sent events. Each stream reads the files of chains at its own pace, so the slowest
//! reader holds up nobody but itself.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use serde::Serialize;
use serde_json::json;

use crate::actor_id::ActorId;
use crate::chain_view::{Filter, Order, ShownEvent};
use crate::entry::render::Limits;

use super::events::{Form, Told};
use super::listing::ActorJson;
use super::managed::Managed;
use super::problem::Problem;
use super::views::OneChain;

/// How many events are read at a time.
const BATCH: usize = 32;
/// How often chains are looked at that do not grow: at first, and at most.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_LAST: Duration = Duration::from_millis(250);

/// A place in the chains of an actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    /// Which chain, counted from 1.
    pub(super) chain: usize,
    /// The first event that was not looked at.
    pub(super) next: u64,
}

/// What came of a look at an actor's chain.
enum Step {
    /// These events, all of the chain with this number.
    Events(usize, Vec<ShownEvent>),
    /// Nothing is there yet.
    Nothing,
    /// Nothing more will come.
    End,
}

/// A stream that is being sent.
struct Feed {
    managed: Managed,
    filter: Filter,
    of: Of,
    ready: VecDeque<Event>,
    pause: Duration,
    is_over: bool,
}

/// Whose events.
enum Of {
    One {
        id: ActorId,
        cursor: Cursor,
        form: Form,
    },
    /// All actors.
    All {
        cursors: BTreeMap<ActorId, Cursor>,
    },
}

/// The events of one actor, until it has ended and all was told.
pub(super) fn of_one(
    managed: Managed,
    id: ActorId,
    cursor: Cursor,
    filter: Filter,
    form: Form,
) -> Response {
    send(Feed::new(managed, filter, Of::One { id, cursor, form }))
}

/// The events of all actors behind these places. Those that come later are told of from their beginning.
pub(super) fn of_all(
    managed: Managed,
    cursors: BTreeMap<ActorId, Cursor>,
    filter: Filter,
) -> Response {
    send(Feed::new(managed, filter, Of::All { cursors }))
}

/// Behind what all actors have done by now.
pub(super) fn now(managed: &Managed) -> BTreeMap<ActorId, Cursor> {
    let listed = managed.system().list();
    listed.into_iter().map(|listed| (listed.id, newest(managed, listed.id))).collect()
}

fn send(feed: Feed) -> Response {
    let stream = unfold(feed, |mut feed| async {
        loop {
            if let Some(event) = feed.ready.pop_front() {
                return Some((Ok::<_, Infallible>(event), feed));
            }
            if feed.is_over {
                return None;
            }
            feed = feed.read().await?;
        }
    });
    Sse::new(stream).keep_alive(KeepAlive::default()).into_response()
}

impl Cursor {
    /// The place behind the event with this id.
    pub(super) fn behind(id: &str) -> Option<Cursor> {
        let (chain, seq) = id.split_once('.')?;
        let seq: u64 = seq.parse().ok()?;
        Some(Cursor { chain: chain.parse().ok()?, next: seq.checked_add(1)? })
    }

    /// Reads on, and moves behind what was read.
    fn step(&mut self, managed: &Managed, id: ActorId, filter: &Filter) -> Result<Step, Problem> {
        // Asked first: what an actor does before its end is in its chain then.
        let has_ended = managed.system().listed(id)?.status.is_over();
        let chain = match self.next {
            // One that was just begun may have no file yet.
            0 => OneChain::of(managed, id, Some(self.chain))?,
            _ => OneChain::behind(managed, id, Some(self.chain))?,
        };
        let is_closed = chain.view.is_closed()?;
        let count = chain.view.count()?;
        if self.next < count {
            let found = chain.view.select(filter, self.next..count, Order::OldestFirst, BATCH)?;
            self.next = found.rest.start.max(self.next);
            if found.rest.is_empty() {
                self.next = count;
            }
            return Ok(Step::Events(chain.number, found.events));
        }
        if self.chain < chain.count {
            *self = Cursor { chain: self.chain + 1, next: 0 };
            return Ok(Step::Events(self.chain, Vec::new()));
        }
        match is_closed && has_ended {
            true => Ok(Step::End),
            false => Ok(Step::Nothing),
        }
    }
}

impl Feed {
    fn new(managed: Managed, filter: Filter, of: Of) -> Feed {
        let (ready, pause) = (VecDeque::new(), PAUSE_FIRST);
        Feed { managed, filter, of, ready, pause, is_over: false }
    }

    /// Waits for something to send. `None` if the server cannot go on.
    async fn read(self) -> Option<Feed> {
        let managed = self.managed.clone();
        let looked = managed.look(move |_| {
            let mut feed = self;
            let is_something = feed.look();
            (feed, is_something)
        });
        let (mut feed, is_something) = looked.await.ok()?;
        if is_something {
            feed.pause = PAUSE_FIRST;
            return Some(feed);
        }
        tokio::select! {
            () = tokio::time::sleep(feed.pause) => feed.pause = PAUSE_LAST.min(2 * feed.pause),
            () = managed.closed() => feed.end("shutdown", &json!({ "reason": "the server stops" })),
        }
        Some(feed)
    }

    /// Reads what is there. Whether anything was.
    fn look(&mut self) -> bool {
        let looked = match &mut self.of {
            Of::One { id, cursor, form } => {
                let (id, form) = (*id, *form);
                cursor.step(&self.managed, id, &self.filter).map(|step| self.one(id, form, step))
            }
            Of::All { .. } => Ok(self.all()),
        };
        looked.unwrap_or_else(|problem| {
            let (code, message) = (problem.code.name(), &problem.message);
            self.end("error", &json!({ "code": code, "message": message }));
            true
        })
    }

    fn one(&mut self, id: ActorId, form: Form, step: Step) -> bool {
        match step {
            Step::Nothing => false,
            Step::Events(chain, events) => {
                for event in &events {
                    self.ready.push_back(told(&Told { form, actor: None, chain, event }));
                }
                true
            }
            Step::End => {
                match self.managed.system().listed(id) {
                    Ok(listed) => self.end("end", &ActorJson::from(&listed)),
                    Err(error) => self.end("error", &json!({ "message": error.to_string() })),
                }
                true
            }
        }
    }

    fn all(&mut self) -> bool {
        let Of::All { cursors } = &mut self.of else { return false };
        let mut is_something = false;
        for listed in self.managed.system().list() {
            let cursor = cursors.entry(listed.id).or_insert(Cursor { chain: 1, next: 0 });
            // One chain that cannot be read keeps nobody from the others.
            let Ok(Step::Events(chain, events)) =
                cursor.step(&self.managed, listed.id, &self.filter)
            else {
                continue;
            };
            is_something = true;
            let actor = listed.id.to_string();
            for event in &events {
                let form = Form::Line(Limits::LINE);
                let event = Told { form, actor: Some(&actor), chain, event };
                self.ready.push_back(told(&event));
            }
        }
        is_something
    }

    fn end(&mut self, name: &str, last: &impl Serialize) {
        self.ready.push_back(sent(Event::default().event(name), last));
        self.is_over = true;
    }
}

/// Behind the newest event there is now.
fn newest(managed: &Managed, id: ActorId) -> Cursor {
    let begin = Cursor { chain: 1, next: 0 };
    let Ok(chain) = OneChain::of(managed, id, None) else { return begin };
    chain.view.count().map_or(begin, |next| Cursor { chain: chain.number, next })
}

fn told(told: &Told<'_>) -> Event {
    let name = if matches!(told.form, Form::Log) { "log" } else { "event" };
    let event = Event::default().event(name);
    sent(event.id(format!("{}.{}", told.chain, told.event.entry.seq)), told)
}

fn sent(event: Event, data: &impl Serialize) -> Event {
    // What is told has text keys only, and JSON has no line breaks.
    event.data(serde_json::to_string(data).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::Cursor;

    #[test]
    fn ids_of_events_lead_behind_them() {
        assert_eq!(Cursor::behind("2.41"), Some(Cursor { chain: 2, next: 42 }));
        for wrong in ["", "1", "1.", ".1", "1.x", "1.18446744073709551615", "-1.1"] {
            assert_eq!(Cursor::behind(wrong), None, "{wrong:?}");
        }
    }
}
