//! What actors can read of chains: of their own through `runtime`, of their children's through
//! `supervisor`.

use theater_record::{Tip, Value};

use crate::actor_id::ActorId;
use crate::chain_view::{ChainEvent, ChainView, ViewError};
use crate::system::System;

/// An actor gets no event whose data are more than this.
const EVENT_BYTES_MAX: usize = 8 << 20;

/// An actor gets no more events at a time than these, and no further one once their data come to so much.
const EVENTS_MAX: u64 = 4096;
const EVENTS_BYTES_MAX: usize = 1 << 20;

/// A view on an actor's chain, with all that it has done by now.
pub(super) fn view(system: &System, id: ActorId) -> Result<ChainView, String> {
    system.write_chain(id).map_err(|error| error.to_string())?;
    let path = system.chain_path(id).map_err(|error| error.to_string())?;
    ChainView::open(&path).map_err(|error| complaint(&error))
}

/// A `chain-head`.
pub(super) fn head(tip: Tip) -> Value {
    Value::Record(vec![Value::U64(tip.seq), Value::Bytes(tip.hash.0.to_vec())])
}

/// One `chain-event`.
pub(super) fn event(view: &ChainView, number: u64) -> Result<Value, String> {
    fitting(view.event(number).map_err(|error| complaint(&error))?).map(value)
}

/// A list of `chain-event`, beginning with number `first`.
pub(super) fn events(view: &ChainView, first: u64, count: u32) -> Result<Value, String> {
    let count = u64::from(count).min(EVENTS_MAX);
    let mut events =
        view.events(first, count, EVENTS_BYTES_MAX).map_err(|error| complaint(&error))?;
    // Only the last one can be that large. It is complained of when it is the first that is asked for.
    if events.len() > 1 {
        events.pop_if(|event| event.body.len() > EVENT_BYTES_MAX);
    }
    let events: Result<Vec<_>, _> = events.into_iter().map(fitting).collect();
    Ok(Value::List(events?.into_iter().map(value).collect()))
}

/// All events up to this one, as a list of `chain-event`.
pub(super) fn all_events(view: &ChainView, newest: u64) -> Result<Value, String> {
    let events = view.events(0, EVENTS_MAX, EVENTS_BYTES_MAX).map_err(|error| complaint(&error))?;
    let bytes: usize = events.iter().map(|event| event.body.len()).sum();
    if bytes > EVENTS_BYTES_MAX || events.last().is_none_or(|event| event.number < newest) {
        return Err(format!(
            "the chain has more than {EVENTS_MAX} events or {EVENTS_BYTES_MAX} bytes: read it with \
             get-chain-events"
        ));
    }
    Ok(Value::List(events.into_iter().map(value).collect()))
}

/// The state as of an event, as an `option<list<u8>>`.
pub(super) fn state_at(view: &ChainView, number: u64) -> Result<Value, String> {
    let state = view.state_at(number).map_err(|error| complaint(&error))?;
    Ok(Value::Option(state.map(|state| Box::new(Value::Bytes(state)))))
}

/// What an actor is told. It must not learn where on this machine its chain is.
pub(super) fn complaint(error: &ViewError) -> String {
    match error {
        ViewError::NotOpened { .. } => "the chain is not kept in a file".to_owned(),
        ViewError::Read(_)
        | ViewError::Misplaced { .. }
        | ViewError::Changed
        | ViewError::NoEvent { .. }
        | ViewError::StateRemoved { .. } => error.to_string(),
    }
}

fn fitting(event: ChainEvent) -> Result<ChainEvent, String> {
    let ChainEvent { number, body, .. } = &event;
    if body.len() > EVENT_BYTES_MAX {
        return Err(format!("event {number} has {} bytes, more than an actor can get", body.len()));
    }
    Ok(event)
}

fn value(event: ChainEvent) -> Value {
    let parent = event.parent.map(|parent| Box::new(Value::Bytes(parent.0.to_vec())));
    Value::Record(vec![
        Value::U64(event.number),
        Value::Bytes(event.hash.0.to_vec()),
        Value::Option(parent),
        Value::String(event.kind.name().to_owned()),
        Value::Bytes(event.body),
    ])
}
