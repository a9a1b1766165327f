//! Channels between actors and clients: what an actor sends waits here, up to a limit, until the client takes it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::{Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use http::StatusCode;
use serde_json::json;
use tokio::sync::Notify;

use crate::actor::lock;
use crate::channels::{ChannelNews, Listener};
use crate::system::System;

use super::content::Content;
use super::input::{Id, Message};
use super::managed::Managed;
use super::messages::PATIENCE;
use super::problem::{Code, Problem};

/// How many channels clients may have open at a time.
const CHANNELS_MAX: usize = 1000;
/// How much may wait for a client. One that takes nothing for so long loses its channel.
const WAITING_MESSAGES_MAX: usize = 10_000;
const WAITING_BYTES_MAX: usize = 32 << 20;
/// A channel to which nobody listens is closed after this long.
const UNHEARD_MAX: Duration = Duration::from_secs(300);

/// The channels that clients have opened.
#[derive(Default)]
pub(super) struct Channels(Mutex<BTreeMap<String, Arc<Channel>>>);

/// The client's side of one channel.
struct Channel {
    inbox: Mutex<Inbox>,
    changed: Notify,
}

struct Inbox {
    waiting: VecDeque<Vec<u8>>,
    waiting_bytes: usize,
    /// How many messages were taken.
    taken: u64,
    end: Option<Closed>,
    is_heard: bool,
    unheard_since: Instant,
}

/// Why nothing more comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Closed {
    /// The actor has closed the channel, or has come to its end.
    ByActor,
    /// Too much waited for the client.
    Overrun,
}

/// What the client hears next.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Message(u64, Vec<u8>),
    Closed(Closed),
}

/// Somebody listens to a channel, for as long as this is there.
struct Listening(Arc<Channel>);

impl Channel {
    fn new() -> Channel {
        let inbox = Inbox {
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            taken: 0,
            end: None,
            is_heard: false,
            unheard_since: Instant::now(),
        };
        Channel { inbox: Mutex::new(inbox), changed: Notify::new() }
    }

    /// Something comes from the actor. Must not wait, because the actor does.
    fn hear(&self, news: ChannelNews) {
        let mut inbox = lock(&self.inbox);
        if inbox.end.is_some() {
            return;
        }
        match news {
            ChannelNews::Closed => inbox.end = Some(Closed::ByActor),
            ChannelNews::Message(message) => {
                inbox.waiting_bytes += message.len();
                inbox.waiting.push_back(message);
                if inbox.waiting.len() > WAITING_MESSAGES_MAX
                    || inbox.waiting_bytes > WAITING_BYTES_MAX
                {
                    inbox.waiting.clear();
                    inbox.waiting_bytes = 0;
                    inbox.end = Some(Closed::Overrun);
                }
            }
        }
        drop(inbox);
        self.changed.notify_one();
    }

    fn take(&self) -> Option<News> {
        let mut inbox = lock(&self.inbox);
        if let Some(message) = inbox.waiting.pop_front() {
            inbox.waiting_bytes -= message.len();
            inbox.taken += 1;
            return Some(News::Message(inbox.taken, message));
        }
        inbox.end.map(News::Closed)
    }

    async fn next(&self) -> News {
        loop {
            if let Some(news) = self.take() {
                return news;
            }
            self.changed.notified().await;
        }
    }

    fn listen(channel: Arc<Channel>) -> Option<Listening> {
        let mut inbox = lock(&channel.inbox);
        if inbox.is_heard {
            return None;
        }
        inbox.is_heard = true;
        drop(inbox);
        Some(Listening(channel))
    }

    fn is_forgotten(&self) -> bool {
        let inbox = lock(&self.inbox);
        !inbox.is_heard && inbox.unheard_since.elapsed() > UNHEARD_MAX
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut inbox = lock(&self.0.inbox);
        inbox.is_heard = false;
        inbox.unheard_since = Instant::now();
    }
}

impl Channels {
    fn add(&self, id: &str, channel: Arc<Channel>) {
        lock(&self.0).insert(id.to_owned(), channel);
    }

    fn remove(&self, id: &str) -> bool {
        lock(&self.0).remove(id).is_some()
    }

    fn find(&self, id: &str) -> Result<Arc<Channel>, Problem> {
        lock(&self.0).get(id).cloned().ok_or_else(|| no_channel(id))
    }

    /// Closes what nobody listens to any more, and says whether there is room for another one.
    fn make_room(&self, system: &System) -> Result<(), Problem> {
        let mut open = lock(&self.0);
        let forgotten = open.iter().filter(|(_, channel)| channel.is_forgotten());
        let forgotten: Vec<String> = forgotten.map(|(id, _)| id.clone()).collect();
        for id in &forgotten {
            open.remove(id);
        }
        let is_full = open.len() >= CHANNELS_MAX;
        drop(open);
        for id in &forgotten {
            // The actor may have closed it before.
            let _ = system.close_channel(id);
        }
        match is_full {
            true => {
                Err(Problem::new(Code::Busy, format!("{CHANNELS_MAX} channels are open already")))
            }
            false => Ok(()),
        }
    }
}

/// Opens a channel to an actor; the body is the first message.
pub(super) async fn open(
    State(managed): State<Managed>,
    Id(actor): Id,
    Message(first): Message,
) -> Result<Response, Problem> {
    let opened = managed.wait(move |managed| {
        managed.channels().make_room(managed.system())?;
        let channel = Arc::new(Channel::new());
        let hears = Arc::clone(&channel);
        let listener: Listener = Arc::new(move |news| hears.hear(news));
        let opened = managed.system().open_channel(actor, first, listener, PATIENCE);
        let id = opened.map_err(|error| managed.unsent(error))?;
        managed.channels().add(&id, channel);
        Ok::<_, Problem>(id)
    });
    let id = opened.await??;
    Ok((StatusCode::CREATED, Json(json!({ "channel": id }))).into_response())
}

/// Streams what the actor sends on a channel, until either side closes it.
pub(super) async fn listen(
    State(managed): State<Managed>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let channel = managed.channels().find(&id)?;
    let listening = Channel::listen(channel).ok_or_else(|| {
        Problem::new(Code::Busy, format!("somebody listens to the channel {id:?} already"))
    })?;
    let closing = managed.clone();
    let stream = unfold(Some(listening), move |listening| {
        let (managed, id) = (closing.clone(), id.clone());
        async move {
            let listening = listening?;
            let news = tokio::select! {
                news = listening.0.next() => news,
                () = managed.closed() => return None,
            };
            match news {
                News::Message(number, message) => {
                    let event = Event::default().event("message").id(number.to_string());
                    Some((event.json_data(Content::of(&message)), Some(listening)))
                }
                News::Closed(closed) => {
                    managed.channels().remove(&id);
                    let event = Event::default().event("closed");
                    Some((event.json_data(json!({ "reason": closed.reason() })), None))
                }
            }
        }
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::default()).into_response())
}

/// Sends a message to the actor.
pub(super) async fn send(
    State(managed): State<Managed>,
    Path(id): Path<String>,
    Message(message): Message,
) -> Result<Response, Problem> {
    managed.channels().find(&id)?;
    managed.wait(move |managed| managed.system().send_on_channel(&id, message, PATIENCE)).await??;
    Ok((StatusCode::ACCEPTED, Json(json!({ "sent": true }))).into_response())
}

/// Closes a channel.
pub(super) async fn close(
    State(managed): State<Managed>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    if !managed.channels().remove(&id) {
        return Err(no_channel(&id));
    }
    // The actor may have closed it first, or be gone.
    managed.wait(move |managed| drop(managed.system().close_channel(&id))).await?;
    Ok(Json(json!({ "closed": true })).into_response())
}

impl Closed {
    fn reason(self) -> &'static str {
        match self {
            Closed::ByActor => "the actor has closed the channel",
            Closed::Overrun => "too much waited to be read",
        }
    }
}

fn no_channel(id: &str) -> Problem {
    Problem::new(Code::NoChannel, format!("there is no open channel {id:?}"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Channel, Closed, News, WAITING_MESSAGES_MAX};
    use crate::channels::ChannelNews;

    #[test]
    fn what_comes_waits_in_order_and_the_end_comes_last() {
        let channel = Channel::new();
        channel.hear(ChannelNews::Message(b"a".to_vec()));
        channel.hear(ChannelNews::Message(b"b".to_vec()));
        channel.hear(ChannelNews::Closed);
        channel.hear(ChannelNews::Message(b"late".to_vec()));
        assert_eq!(channel.take(), Some(News::Message(1, b"a".to_vec())));
        assert_eq!(channel.take(), Some(News::Message(2, b"b".to_vec())));
        assert_eq!(channel.take(), Some(News::Closed(Closed::ByActor)));
    }

    #[test]
    fn who_never_listens_does_not_fill_the_memory() {
        let channel = Channel::new();
        for _ in 0..=WAITING_MESSAGES_MAX {
            channel.hear(ChannelNews::Message(Vec::new()));
        }
        assert_eq!(channel.take(), Some(News::Closed(Closed::Overrun)));
        let channel = Channel::new();
        for _ in 0..5 {
            channel.hear(ChannelNews::Message(vec![0; 8 << 20]));
        }
        assert_eq!(channel.take(), Some(News::Closed(Closed::Overrun)));
    }

    #[test]
    fn one_client_listens_at_a_time() {
        let channel = Arc::new(Channel::new());
        let first = Channel::listen(channel.clone()).unwrap();
        assert!(Channel::listen(channel.clone()).is_none());
        drop(first);
        assert!(Channel::listen(channel).is_some());
    }
}
