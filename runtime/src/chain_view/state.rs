//! The state of an actor, as its handlers give it back.

use theater_record::{Event, FunctionType, Outcome, Type, TypeTable, Value};

use crate::entry::Lexicon;

/// What a return says of the actor's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    /// It is this from now on.
    State(Option<Vec<u8>>),
    /// It is another from now on, but which is not in the chain any more.
    Removed,
    /// It is what it was: the handler has failed, or this is no handler.
    Nothing,
}

/// Whether a function gets the actor's state and gives it back:
/// `func(option<list<u8>>, ..) -> result<tuple<option<list<u8>>, ..>, string>`.
pub(super) fn is_handler(function: &FunctionType, types: &TypeTable) -> bool {
    let [(_, state), ..] = &function.params[..] else { return false };
    let [result] = &function.results[..] else { return false };
    let Some(Type::Result(Some(given), Some(error))) = types.resolve(result) else { return false };
    let Some(Type::Tuple(given)) = types.resolve(given) else { return false };
    function.interface.starts_with("theater:simple/")
        && is_state(state, types)
        && given.first().is_some_and(|first| is_state(first, types))
        && types.resolve(error) == Some(&Type::String)
}

fn is_state(ty: &Type, types: &TypeTable) -> bool {
    let Some(Type::Option(held)) = types.resolve(ty) else { return false };
    let Some(Type::List(item)) = types.resolve(held) else { return false };
    types.resolve(item) == Some(&Type::U8)
}

/// What the return of a handler says of the state. Its payloads have been put back.
pub(super) fn given(end: &Event, lexicon: &Lexicon) -> Given {
    let Event::ExportReturn(end) = end else { return Given::Nothing };
    let Outcome::Returned(results) = &end.outcome else { return Given::Nothing };
    let Some(function) = lexicon.function(end.function) else { return Given::Nothing };
    match results.decode(function.results.iter(), &lexicon.types).ok().and_then(|mut r| r.pop()) {
        Some(Value::Result(Ok(Some(given)))) => match *given {
            Value::Tuple(given) => match given.into_iter().next() {
                Some(Value::Option(None)) => Given::State(None),
                Some(Value::Option(Some(state))) => match *state {
                    Value::Bytes(state) => Given::State(Some(state)),
                    _ => Given::Removed,
                },
                _ => Given::Removed,
            },
            _ => Given::Removed,
        },
        Some(Value::Blob(_)) => Given::Removed,
        _ => Given::Nothing,
    }
}
