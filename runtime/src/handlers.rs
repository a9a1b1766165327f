//! The functions by which a component can be used as an actor: those of `theater:simple` that it
//! exports.

use std::collections::BTreeMap;

use theater_record::{Type, TypeTable};

use crate::wave::type_text;
use crate::world::{Function, World};

/// The interface by which an actor is started.
pub(crate) const ACTOR: &str = "theater:simple/actor";
/// The interface by which it gets messages.
pub(crate) const MESSAGES: &str = "theater:simple/message-server-client";
/// The interface by which it hears of its children.
pub(crate) const CHILDREN: &str = "theater:simple/supervisor-handlers";

/// Every handler: what it gets besides the state, and what it gives back besides it.
const HANDLERS: &[(&str, &str, &str, &str)] = &[
    (ACTOR, "init", "tuple<string>", ""),
    (MESSAGES, "handle-send", "tuple<list<u8>>", ""),
    (MESSAGES, "handle-request", "tuple<string, list<u8>>", ", tuple<option<list<u8>>>"),
    (
        CHILDREN,
        "handle-child-error",
        "tuple<string, record {kind: actor-error-kind, message: string}>",
        "",
    ),
    (CHILDREN, "handle-child-exit", "tuple<string, option<list<u8>>>", ""),
    (CHILDREN, "handle-child-external-stop", "tuple<string>", ""),
];

/// The handlers that a component has.
#[derive(Debug, Clone)]
pub(crate) struct Handlers {
    known: BTreeMap<(&'static str, &'static str), Handler>,
    types: TypeTable,
}

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Handler {
    /// Its position among the exports.
    pub(crate) export: usize,
    /// The type of what it returns.
    pub(crate) result: Type,
}

/// A component has a handler by its name, but not by its types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the component exports {path} as {found}, where an actor has {expected}")]
pub struct WrongHandler {
    path: String,
    found: String,
    expected: String,
}

impl Handlers {
    /// Finds the handlers of a component.
    pub(crate) fn of(world: &World) -> Result<Handlers, WrongHandler> {
        let types = world.type_table();
        let mut known = BTreeMap::new();
        for &(interface, name, params, results) in HANDLERS {
            let is_it = |function: &Function| {
                function.interface.split('@').next() == Some(interface) && function.name == name
            };
            let Some(export) = world.exports.iter().position(is_it) else { continue };
            let function = &world.exports[export];
            let expected = format!(
                "func(option<list<u8>>, {params}) -> result<tuple<option<list<u8>>{results}>, string>"
            );
            let found = signature(function, &types);
            if found != expected {
                let path = function.path();
                return Err(WrongHandler { path, found, expected });
            }
            let result = function.results[0].clone();
            known.insert((interface, name), Handler { export, result });
        }
        Ok(Handlers { known, types })
    }

    /// A handler, if the component has it.
    pub(crate) fn find(&self, interface: &'static str, name: &'static str) -> Option<&Handler> {
        self.known.get(&(interface, name))
    }

    /// The types that theirs refer to.
    pub(crate) fn types(&self) -> &TypeTable {
        &self.types
    }
}

/// The types of a function, whatever they are called.
fn signature(function: &Function, types: &TypeTable) -> String {
    let text = |ty: &Type| type_text(&nameless(ty, types), types);
    let params: Vec<_> = function.params.iter().map(|(_, ty)| text(ty)).collect();
    let results: Vec<_> = function.results.iter().map(text).collect();
    let arrow = if results.is_empty() { "" } else { " -> " };
    format!("func({}){arrow}{}", params.join(", "), results.join(", "))
}

/// A type with what its parts are in place of what they are called.
fn nameless(ty: &Type, types: &TypeTable) -> Type {
    let inner = |ty: &Type| Box::new(nameless(ty, types));
    match ty {
        Type::Named(id) => match types.get(*id) {
            Some(def) => nameless(&def.ty, types),
            None => ty.clone(),
        },
        Type::List(item) => Type::List(inner(item)),
        Type::Option(held) => Type::Option(inner(held)),
        Type::Tuple(items) => Type::Tuple(items.iter().map(|ty| nameless(ty, types)).collect()),
        Type::Result(ok, error) => {
            Type::Result(ok.as_deref().map(inner), error.as_deref().map(inner))
        }
        other => other.clone(),
    }
}
