//! Events of chains: which are wanted, in which form, and ranges of them.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use serde::de::{Deserializer, Error as _};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use theater_record::Kind;

use crate::chain_view::{Filter, Order, ShownEvent};
use crate::entry::render::Limits;
use crate::moment;
use crate::paint::Paint;

use super::feed::{self, Cursor};
use super::input::{Id, Params};
use super::managed::Managed;
use super::problem::Problem;
use super::views::OneChain;

/// How many events are returned if nobody says, and at most.
const EVENTS: usize = 100;
const EVENTS_MAX: usize = 1000;

/// Which events, and how they are told.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EventParams {
    /// Which chain of the actor, counted from 1.
    chain: Option<usize>,
    from: Option<u64>,
    to: Option<u64>,
    /// Kinds with commas between them.
    kind: Option<String>,
    function: Option<String>,
    since: Option<String>,
    until: Option<String>,
    text: Option<String>,
    order: Ordering,
    limit: Option<usize>,
    form: FormName,
    #[serde(deserialize_with = "flag")]
    follow: bool,
    /// How many that are there already come first when following.
    last: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Ordering {
    #[default]
    Oldest,
    Newest,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FormName {
    #[default]
    Json,
    Line,
    Full,
}

/// How events are told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// With all their fields.
    Json,
    /// As a line of text.
    Line(Limits),
    /// As what was logged.
    Log,
}

/// An event in one of these forms.
pub(super) struct Told<'a> {
    pub(super) form: Form,
    pub(super) actor: Option<&'a str>,
    pub(super) chain: usize,
    pub(super) event: &'a ShownEvent,
}

#[derive(Serialize)]
struct AsJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    chain: usize,
    #[serde(flatten)]
    event: &'a ShownEvent,
}

#[derive(Serialize)]
struct AsLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    chain: usize,
    seq: u64,
    kind: &'static str,
    link: String,
    parent: Option<String>,
    time: Option<u64>,
    line: String,
}

#[derive(Serialize)]
struct AsLog<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    chain: usize,
    seq: u64,
    time: Option<u64>,
    text: &'a str,
}

/// Some events of a chain.
#[derive(Serialize)]
struct Page<'a> {
    actor: &'a str,
    chain: usize,
    chains: usize,
    events: Vec<Told<'a>>,
    /// The numbers that were not looked at; no more are there if this is null.
    rest: Option<Rest>,
}

#[derive(Serialize)]
struct Rest {
    from: u64,
    to: u64,
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Told { form, actor, chain, event } = *self;
        let (seq, time) = (event.entry.seq, event.time);
        match form {
            Form::Json => AsJson { actor, chain, event }.serialize(serializer),
            Form::Line(limits) => {
                let kind = event.entry.kind.name();
                let link = event.link.to_string();
                let parent = event.parent.map(|parent| parent.to_string());
                let line = event.line(Paint::PLAIN, limits);
                AsLine { actor, chain, seq, kind, link, parent, time, line }.serialize(serializer)
            }
            Form::Log => {
                let text = event.log().unwrap_or_default();
                AsLog { actor, chain, seq, time, text }.serialize(serializer)
            }
        }
    }
}

/// The events of an actor: a range of them, or those that are still to come.
pub(super) async fn events(
    State(managed): State<Managed>,
    Id(id): Id,
    headers: HeaderMap,
    Params(params): Params<EventParams>,
) -> Result<Response, Problem> {
    let filter = params.filter(managed.system().now())?;
    let form = match params.form {
        FormName::Json => Form::Json,
        FormName::Line => Form::Line(Limits::LINE),
        FormName::Full => Form::Line(Limits::NONE),
    };
    answer(managed, id, &headers, params, filter, form).await
}

/// What an actor has logged, or is going to.
pub(super) async fn logs(
    State(managed): State<Managed>,
    Id(id): Id,
    headers: HeaderMap,
    Params(params): Params<EventParams>,
) -> Result<Response, Problem> {
    let filter = params.filter(managed.system().now())?;
    let logs = Filter::logs();
    let filter = Filter { kinds: logs.kinds, function: logs.function, ..filter };
    answer(managed, id, &headers, params, filter, Form::Log).await
}

/// What goes on with all actors, as it goes on.
pub(super) async fn all(
    State(managed): State<Managed>,
    Params(params): Params<EventParams>,
) -> Result<Response, Problem> {
    let filter = params.filter(managed.system().now())?;
    let now = managed.look(feed::now).await?;
    Ok(feed::of_all(managed, now, filter))
}

async fn answer(
    managed: Managed,
    id: crate::ActorId,
    headers: &HeaderMap,
    params: EventParams,
    filter: Filter,
    form: Form,
) -> Result<Response, Problem> {
    if params.follow || wants_stream(headers) {
        let start = match resumed(headers)? {
            Some(cursor) => cursor,
            None => {
                let filter = filter.clone();
                managed.look(move |managed| params.start(managed, id, &filter)).await??
            }
        };
        return Ok(feed::of_one(managed, id, start, filter, form));
    }
    managed.look(move |managed| params.page(managed, id, &filter, form)).await?
}

impl EventParams {
    fn filter(&self, now: u64) -> Result<Filter, Problem> {
        let kind = |name: &str| {
            let found = Kind::ALL.into_iter().find(|kind| kind.name() == name);
            found.ok_or_else(|| {
                let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.name()).collect();
                Problem::bad(format!("kind: {name:?} is none of {}", known.join(", ")))
            })
        };
        let kinds = self.kind.iter().flat_map(|kinds| kinds.split(','));
        let time = |key, text: &Option<String>| {
            let time = text.as_deref().map(|text| moment::parse(text, now)).transpose();
            time.map_err(|error| Problem::bad(format!("{key}: {error}")))
        };
        let function = self.function.as_deref().map(str::parse).transpose();
        Ok(Filter {
            kinds: kinds.map(kind).collect::<Result<_, _>>()?,
            function: function.map_err(|error| Problem::bad(format!("function: {error}")))?,
            since: time("since", &self.since)?,
            until: time("until", &self.until)?,
            text: self.text.clone(),
        })
    }

    /// A range of events, now.
    fn page(
        &self,
        managed: &Managed,
        id: crate::ActorId,
        filter: &Filter,
        form: Form,
    ) -> Result<Response, Problem> {
        let chain = OneChain::of(managed, id, self.chain)?;
        let count = chain.view.count()?;
        let (from, to) = (self.from.unwrap_or(0), self.to.unwrap_or(u64::MAX));
        if from > to {
            return Err(Problem::bad(format!("from: {from} is behind to, {to}")));
        }
        let numbers = from.min(count)..to.saturating_add(1).min(count);
        let limit = self.limit.unwrap_or(EVENTS).min(EVENTS_MAX);
        let order = match self.order {
            Ordering::Oldest => Order::OldestFirst,
            Ordering::Newest => Order::NewestFirst,
        };
        let found = chain.view.select(filter, numbers, order, limit)?;
        let rest = (!found.rest.is_empty())
            .then(|| Rest { from: found.rest.start, to: found.rest.end - 1 });
        let told = |event| Told { form, actor: None, chain: chain.number, event };
        let page = Page {
            actor: &id.to_string(),
            chain: chain.number,
            chains: chain.count,
            events: found.events.iter().map(told).collect(),
            rest,
        };
        Ok(Json(page).into_response())
    }

    /// Where to begin to follow.
    fn start(
        &self,
        managed: &Managed,
        id: crate::ActorId,
        filter: &Filter,
    ) -> Result<Cursor, Problem> {
        let chain = OneChain::of(managed, id, self.chain)?;
        let next = match (self.from, self.last) {
            (Some(from), _) => from,
            (None, last) => {
                let count = chain.view.count()?;
                let last = last.unwrap_or(0).min(EVENTS_MAX);
                let found = chain.view.select(filter, 0..count, Order::NewestFirst, last)?;
                found.events.last().map_or(count, |event| event.entry.seq)
            }
        };
        Ok(Cursor { chain: chain.number, next })
    }
}

/// A parameter that can be there without a value.
fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        other => Err(D::Error::custom(format!("{other:?} is neither true nor false"))),
    }
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    accepted.is_some_and(|accepted| accepted.contains("text/event-stream"))
}

/// Where a client goes on that had to connect again.
fn resumed(headers: &HeaderMap) -> Result<Option<Cursor>, Problem> {
    let Some(id) = headers.get("last-event-id") else { return Ok(None) };
    let cursor = id.to_str().ok().and_then(Cursor::behind);
    let wrong = || Problem::bad("Last-Event-ID: expected the id of an event, as in 1.42");
    cursor.map(Some).ok_or_else(wrong)
}
