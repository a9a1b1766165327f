//! The functions by which a component can be used as an actor: those of `theater:simple` that it
//! exports.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use theater_record::{Type, TypeTable};
use wit_parser::{Resolve, SourceMap};

use crate::interfaces;
use crate::wave::type_text;
use crate::world::{Decoded, Function, World};

/// The interface by which an actor is started.
pub(crate) const ACTOR: &str = "theater:simple/actor";
/// The interface by which it gets messages.
pub(crate) const MESSAGES: &str = "theater:simple/message-server-client";
/// The interface by which it hears of its children.
pub(crate) const CHILDREN: &str = "theater:simple/supervisor-handlers";
/// The interface by which it hears of the ends it monitors.
pub(crate) const ENDS: &str = "theater:simple/lifecycle-handlers";
/// The interface by which it answers HTTP requests.
pub(crate) const HTTP: &str = "theater:simple/http-handlers";
/// The interface by which it hears of the processes it has started.
pub(crate) const PROCESSES: &str = "theater:simple/process-handlers";

/// Everything that an actor can export, in the words of WIT.
const EVERYTHING: &str = "
    package runtime:handlers;
    world all {
        export theater:simple/actor@0.1.0;
        export theater:simple/message-server-client@0.1.0;
        export theater:simple/supervisor-handlers@0.1.0;
        export theater:simple/lifecycle-handlers@0.1.0;
        export theater:simple/http-handlers@0.1.0;
        export theater:simple/process-handlers@0.1.0;
    }";

/// The same as a world.
static ALL: LazyLock<World> =
    LazyLock::new(|| all().expect("the package that this program is built with is well formed"));

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
        for handler in &ALL.exports {
            let (interface, name) = (unversioned(&handler.interface), handler.name.as_str());
            let is_it = |function: &Function| {
                unversioned(&function.interface) == interface && function.name == name
            };
            let Some(export) = world.exports.iter().position(is_it) else { continue };
            let function = &world.exports[export];
            let expected = signature(handler, &ALL.type_table());
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

    /// The one at this position among the exports.
    pub(crate) fn at(&self, export: usize) -> Option<&Handler> {
        self.known.values().find(|handler| handler.export == export)
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
    let inner = |ty: &Type| nameless(ty, types);
    let boxed = |ty: &Type| Box::new(nameless(ty, types));
    match ty {
        Type::Named(id) => match types.get(*id) {
            Some(def) => nameless(&def.ty, types),
            None => ty.clone(),
        },
        Type::List(item) => Type::List(boxed(item)),
        Type::Option(held) => Type::Option(boxed(held)),
        Type::Tuple(items) => Type::Tuple(items.iter().map(inner).collect()),
        Type::Result(ok, error) => {
            Type::Result(ok.as_deref().map(boxed), error.as_deref().map(boxed))
        }
        Type::Record(fields) => {
            Type::Record(fields.iter().map(|(name, ty)| (name.clone(), inner(ty))).collect())
        }
        Type::Variant(cases) => Type::Variant(
            cases.iter().map(|(name, ty)| (name.clone(), ty.as_ref().map(inner))).collect(),
        ),
        other => other.clone(),
    }
}

/// The name of an interface without its version.
pub(crate) fn unversioned(interface: &str) -> &str {
    interface.split('@').next().unwrap_or(interface)
}

/// Reads the package.
fn all() -> anyhow::Result<World> {
    let mut files = SourceMap::default();
    for (name, text) in interfaces::FILES {
        files.push_str(name, *text);
    }
    let mut resolve = Resolve::default();
    resolve.push_group(files.parse().map_err(|(_, error)| error)?)?;
    let package = resolve.push_str("handlers", EVERYTHING)?;
    let world = resolve.packages[package].worlds["all"];
    Ok(World::new(&Decoded { resolve, world })?)
}

#[cfg(test)]
mod tests {
    use super::{ALL, signature};

    #[test]
    fn all_handlers_are_known_and_get_the_state() {
        let types = ALL.type_table();
        assert_eq!(ALL.exports.len(), 18);
        for handler in &ALL.exports {
            let signature = signature(handler, &types);
            assert!(signature.starts_with("func(option<list<u8>>, tuple<"), "{signature}");
            let results = "-> result<tuple<option<list<u8>>";
            assert!(signature.contains(results) && signature.ends_with(", string>"), "{signature}");
        }
    }
}
