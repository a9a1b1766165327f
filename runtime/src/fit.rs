//! Holds a manifest against the component that it names: what one gives and the other asks for.

use std::collections::BTreeSet;
use std::fmt;

use crate::handlers::{self, Handlers, WrongHandler};
use crate::manifest::{Claims, Handlers as Given, Loaded, Manifest, Permissions, Rule};
use crate::world::World;

/// Something in which a manifest and its component do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// The component has a handler with types that no actor has, so it is not started.
    WrongHandler(WrongHandler),
    /// The component imports what nobody provides, so it is not started.
    Unprovided {
        /// The interface.
        import: String,
    },
    /// The component imports an interface that no handler gives it, so calls of it are denied.
    NotGiven {
        /// The interface, without its package.
        import: String,
        /// The handler that would.
        handler: &'static str,
    },
    /// A handler has nobody to call.
    Unanswered {
        /// The handler.
        handler: &'static str,
        /// The interface that the component would have to export.
        export: &'static str,
    },
    /// A handler lets the component act, which will not hear what comes of it.
    Unheard {
        /// The handler.
        handler: &'static str,
        /// The interface that the component would have to export.
        export: &'static str,
    },
    /// The component has no use for a handler.
    Unused {
        /// The handler.
        handler: &'static str,
    },
    /// The component imports a part of WASI that permissions deny.
    Denied {
        /// That part.
        import: &'static str,
        /// The permission.
        permission: &'static str,
    },
    /// The component is not told that it starts.
    NoActor,
    /// The manifest claims that the component has an interface, and it does not.
    Claimed {
        /// The key of the claim.
        key: &'static str,
        /// The interface.
        interface: String,
    },
}

/// What a handler is about.
struct Part {
    handler: &'static str,
    is_given: fn(&Given) -> bool,
    /// What it gives, without the package.
    imports: &'static [&'static str],
    hears: Hears,
}

/// What reaches a component through a handler, and the interface that hears of it.
#[derive(Clone, Copy)]
enum Hears {
    Nothing,
    /// What comes of its own doing.
    OfItself(&'static str),
    /// What others do. It can do something itself as well.
    OfOthers(&'static str),
    /// What others do, which all the rest is there for.
    OfOthersAbove(&'static str),
}

const PARTS: &[Part] = &[
    part("runtime", |it| it.runtime.is_some(), &["runtime"], Hears::Nothing),
    part(
        "message-server",
        |it| it.message_server.is_some(),
        &["message-server-host"],
        Hears::OfOthers(handlers::MESSAGES),
    ),
    part("supervisor", |it| it.supervisor.is_some(), &["lifecycle", "supervisor"], Hears::Nothing),
    part("store", |it| it.store.is_some(), &["store"], Hears::Nothing),
    part("http-client", |it| it.http_client.is_some(), &["http-client"], Hears::Nothing),
    part(
        "http-server",
        |it| it.http_server.is_some(),
        &["http-server"],
        Hears::OfOthersAbove(handlers::HTTP),
    ),
    part("timing", |it| it.timing.is_some(), &["timing"], Hears::Nothing),
    part("random", |it| it.random.is_some(), &["random"], Hears::Nothing),
    part("environment", |it| it.environment.is_some(), &["environment"], Hears::Nothing),
    part("filesystem", |it| it.filesystem.is_some(), &["filesystem"], Hears::Nothing),
    part("process", |it| it.process.is_some(), &["process"], Hears::OfItself(handlers::PROCESSES)),
];

const fn part(
    handler: &'static str,
    is_given: fn(&Given) -> bool,
    imports: &'static [&'static str],
    hears: Hears,
) -> Part {
    Part { handler, is_given, imports, hears }
}

/// A part of WASI and the permission above it.
type WasiPart = (&'static str, &'static str, fn(&Permissions) -> bool);

const WASI: &[WasiPart] = &[
    ("wasi:clocks", "timing", |it| it.timing == Rule::Deny),
    ("wasi:cli/environment", "environment", |it| it.environment == Rule::Deny),
    ("wasi:filesystem", "filesystem", |it| it.filesystem == Rule::Deny),
    ("wasi:http", "http-client", |it| it.http_client == Rule::Deny),
    ("wasi:random", "random", |it| it.random == Rule::Deny),
    ("wasi:sockets", "network", |it| it.network == Rule::Deny),
];

const PACKAGE: &str = "theater:simple/";

/// Interfaces without their versions.
type Interfaces<'a> = BTreeSet<&'a str>;

/// Everything in which a manifest and the world of its component do not fit.
pub(crate) fn misfits(loaded: &Loaded, world: &World) -> Vec<Misfit> {
    let imports: Interfaces<'_> =
        world.imports.iter().map(|function| handlers::unversioned(&function.interface)).collect();
    let exports: Interfaces<'_> =
        world.exports.iter().map(|function| handlers::unversioned(&function.interface)).collect();
    let mut misfits = Vec::new();
    misfits.extend(Handlers::of(world).err().map(Misfit::WrongHandler));
    let is_known = |import: &&&str| import.starts_with("wasi:") || provider(import).is_some();
    let unprovided = imports.iter().filter(|import| !is_known(import));
    misfits.extend(unprovided.map(|import| Misfit::Unprovided { import: (*import).to_owned() }));
    let Manifest { handlers: given, permissions, .. } = &loaded.manifest;
    misfits.extend(PARTS.iter().flat_map(|part| of_part(part, given, &imports, &exports)));
    let is_imported = |part: &str| imports.iter().any(|import| import.starts_with(part));
    let denied =
        WASI.iter().filter(|(import, _, is_denied)| is_denied(permissions) && is_imported(import));
    let denied = denied.map(|(import, permission, _)| Misfit::Denied { import, permission });
    misfits.extend(denied);
    if !exports.contains(handlers::ACTOR) {
        misfits.push(Misfit::NoActor);
    }
    misfits.extend(claimed(&loaded.claims, &imports, &exports));
    misfits
}

/// The part that gives an interface.
fn provider(import: &str) -> Option<&'static Part> {
    let name = import.strip_prefix(PACKAGE)?;
    PARTS.iter().find(|part| part.imports.contains(&name))
}

fn of_part(
    part: &Part,
    given: &Given,
    imports: &Interfaces<'_>,
    exports: &Interfaces<'_>,
) -> Vec<Misfit> {
    let handler = part.handler;
    let mut imported = part.imports.iter().copied();
    let imported = imported.find(|name| imports.contains(&*format!("{PACKAGE}{name}")));
    if !(part.is_given)(given) {
        let not_given = imported.map(|name| Misfit::NotGiven { import: name.to_owned(), handler });
        return not_given.into_iter().collect();
    }
    let misfit = match part.hears {
        Hears::OfOthersAbove(export) if !exports.contains(export) => {
            Some(Misfit::Unanswered { handler, export })
        }
        Hears::OfOthers(export) if !exports.contains(export) && imported.is_none() => {
            Some(Misfit::Unanswered { handler, export })
        }
        Hears::OfOthers(export) | Hears::OfItself(export)
            if !exports.contains(export) && imported.is_some() =>
        {
            Some(Misfit::Unheard { handler, export })
        }
        Hears::Nothing | Hears::OfItself(_) if imported.is_none() => {
            Some(Misfit::Unused { handler })
        }
        Hears::Nothing | Hears::OfItself(_) | Hears::OfOthers(_) | Hears::OfOthersAbove(_) => None,
    };
    misfit.into_iter().collect()
}

/// What an old manifest says of its component that is not so.
fn claimed<'a>(
    claims: &'a Claims,
    imports: &'a Interfaces<'_>,
    exports: &'a Interfaces<'_>,
) -> impl Iterator<Item = Misfit> + 'a {
    let of = |key, names: &'a [String], has: &'a Interfaces<'_>| {
        let missing = names.iter().filter(|name| !has.contains(handlers::unversioned(name)));
        missing.map(move |name| Misfit::Claimed { key, interface: name.clone() })
    };
    let implements = of("implements", &claims.implements, exports);
    implements.chain(of("requires", &claims.requires, imports))
}

impl Misfit {
    /// Whether the actor would not do what its manifest is for. The rest is worth knowing.
    pub(crate) fn is_error(&self) -> bool {
        match self {
            Misfit::WrongHandler(_)
            | Misfit::Unprovided { .. }
            | Misfit::NotGiven { .. }
            | Misfit::Unanswered { .. }
            | Misfit::Claimed { .. } => true,
            Misfit::Unheard { .. }
            | Misfit::Unused { .. }
            | Misfit::Denied { .. }
            | Misfit::NoActor => false,
        }
    }

    /// The key of the manifest that it is about.
    pub(crate) fn key(&self) -> String {
        match self {
            Misfit::WrongHandler(_)
            | Misfit::Unprovided { .. }
            | Misfit::NotGiven { .. }
            | Misfit::NoActor => "component".to_owned(),
            Misfit::Unanswered { handler, .. }
            | Misfit::Unheard { handler, .. }
            | Misfit::Unused { handler } => format!("handlers.{handler}"),
            Misfit::Denied { permission, .. } => format!("permissions.{permission}"),
            Misfit::Claimed { key, .. } => format!("interface.{key}"),
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misfit::WrongHandler(wrong) => {
                write!(f, "{wrong}: build it against the wit folder of this version")
            }
            Misfit::Unprovided { import } => write!(
                f,
                "the component imports {import}, which nobody here provides: \
                 it can import {PACKAGE}* and wasi:*"
            ),
            Misfit::NotGiven { import, handler } => write!(
                f,
                "the component imports {PACKAGE}{import}, and no handler gives it that: \
                 add [[handlers]] with type = \"{handler}\""
            ),
            Misfit::Unanswered { handler, export } => write!(
                f,
                "the component does not export {export}, so nobody answers what comes in \
                 through {handler}: export it, or leave the handler out"
            ),
            Misfit::Unheard { handler, export } => write!(
                f,
                "the component does not export {export}, so it can act through {handler} \
                 and hears nothing: export it, if it is to hear"
            ),
            Misfit::Unused { handler } => {
                write!(f, "the component imports nothing of {handler}: leave the handler out")
            }
            Misfit::Denied { import, permission } => write!(
                f,
                "the component imports {import}, and {permission} is denied, so what it asks for \
                 there fails: permit some of it, if the component needs it"
            ),
            Misfit::NoActor => write!(
                f,
                "the component does not export {}, so it is not told that it starts: export it, \
                 or run it with theater run",
                handlers::ACTOR
            ),
            Misfit::Claimed { key, interface } => {
                let verb = if *key == "implements" { "export" } else { "import" };
                write!(
                    f,
                    "interface.{key}: the component does not {verb} {interface}: take it off the list"
                )
            }
        }
    }
}
