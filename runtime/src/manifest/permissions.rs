//! What an actor and everybody below it may have at most.
//!
//! A handler gives an actor something; a permission is the ceiling above what handlers may give, to the
//! actor itself and to all actors that it starts. Permissions form a lattice: what is left unsaid is inherited,
//! what is denied stays denied, and what is restricted can only be restricted further.

pub(super) mod read;

use std::path::Path;

use crate::host::Ceiling;

use super::patterns::{Below, Pattern};
use super::restrictions::{
    Environment, Filesystem, HttpClient, HttpServer, MessageUse, Network, Process, Random,
    RuntimeUse, StoreUse, SupervisorUse, Timing,
};

/// A rule for each capability.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Permissions {
    /// To log, to end itself, to know its own chain.
    pub runtime: Rule<RuntimeUse>,
    /// To exchange messages with other actors.
    pub message_server: Rule<MessageUse>,
    /// To start and stop other actors.
    pub supervisor: Rule<SupervisorUse>,
    /// To use the content-addressed store.
    pub store: Rule<StoreUse>,
    /// To send HTTP requests.
    pub http_client: Rule<HttpClient>,
    /// To answer HTTP requests.
    pub http_server: Rule<HttpServer>,
    /// To wait, and to know the time.
    pub timing: Rule<Timing>,
    /// To get random numbers.
    pub random: Rule<Random>,
    /// To read environment variables.
    pub environment: Rule<Environment>,
    /// To use files.
    pub filesystem: Rule<Filesystem>,
    /// To run processes of the operating system.
    pub process: Rule<Process>,
    /// To open connections and sockets of its own.
    pub network: Rule<Network>,
}

/// What is said about one capability.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Rule<R> {
    /// As much as the parent has.
    #[default]
    Inherit,
    /// This much.
    Restrict(R),
    /// Nothing.
    Deny,
}

/// Something wants more than it may have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{capability}{} asks for {asked}, and may have {may_have}", .key.map(|key| format!(".{key}")).unwrap_or_default())]
pub struct Widening {
    /// The capability, as a manifest names it.
    pub capability: &'static str,
    /// The key of its restriction, if it is about one.
    pub key: Option<&'static str>,
    /// What is too much.
    pub asked: String,
    /// What there is at most.
    pub may_have: String,
}

/// A restriction that can be restricted further.
pub trait Restriction: Clone + Default {
    /// The capability, as a manifest names it.
    const CAPABILITY: &'static str;

    /// What is left for somebody below who asks for this much: never more than this.
    fn narrowed(&self, child: &Self) -> Result<Self, Widening>;

    /// The same with paths as the file system knows them.
    #[must_use]
    fn resolved(&self, _base_dir: &Path) -> Self {
        self.clone()
    }
}

impl Permissions {
    /// What is left for a child that asks for this much, which is never more than this.
    pub fn narrowed(&self, child: &Permissions) -> Result<Permissions, Widening> {
        Ok(Permissions {
            runtime: self.runtime.narrowed(&child.runtime)?,
            message_server: self.message_server.narrowed(&child.message_server)?,
            supervisor: self.supervisor.narrowed(&child.supervisor)?,
            store: self.store.narrowed(&child.store)?,
            http_client: self.http_client.narrowed(&child.http_client)?,
            http_server: self.http_server.narrowed(&child.http_server)?,
            timing: self.timing.narrowed(&child.timing)?,
            random: self.random.narrowed(&child.random)?,
            environment: self.environment.narrowed(&child.environment)?,
            filesystem: self.filesystem.narrowed(&child.filesystem)?,
            process: self.process.narrowed(&child.process)?,
            network: self.network.narrowed(&child.network)?,
        })
    }

    /// The same with the paths of a manifest in this folder as the file system knows them.
    #[must_use]
    pub fn resolved(&self, base_dir: &Path) -> Permissions {
        Permissions {
            filesystem: self.filesystem.resolved(base_dir),
            process: self.process.resolved(base_dir),
            ..self.clone()
        }
    }
}

impl<R: Restriction> Rule<R> {
    /// What is left below this rule of another one.
    pub fn narrowed(&self, child: &Rule<R>) -> Result<Rule<R>, Widening> {
        match (self, child) {
            (Rule::Inherit, child) => Ok(child.clone()),
            (_, Rule::Deny) | (Rule::Deny, Rule::Inherit) => Ok(Rule::Deny),
            (Rule::Deny, Rule::Restrict(_)) => Err(denied::<R>()),
            (Rule::Restrict(_), Rule::Inherit) => Ok(self.clone()),
            (Rule::Restrict(parent), Rule::Restrict(child)) => {
                parent.narrowed(child).map(Rule::Restrict)
            }
        }
    }

    /// What is left below this rule of what a handler asks for.
    pub fn allow(&self, asked: &R) -> Result<R, Widening> {
        match self {
            Rule::Inherit => Ok(asked.clone()),
            Rule::Restrict(most) => most.narrowed(asked),
            Rule::Deny => Err(denied::<R>()),
        }
    }

    /// How much this leaves of what is counted like this.
    pub(crate) fn ceiling(&self, amount: impl Fn(&R) -> Option<u64>) -> Ceiling {
        match self {
            Rule::Inherit => Ceiling::None,
            Rule::Restrict(most) => amount(most).map_or(Ceiling::None, Ceiling::AtMost),
            Rule::Deny => Ceiling::Nothing,
        }
    }

    fn resolved(&self, base_dir: &Path) -> Rule<R> {
        match self {
            Rule::Restrict(restriction) => Rule::Restrict(restriction.resolved(base_dir)),
            Rule::Inherit | Rule::Deny => self.clone(),
        }
    }
}

fn denied<R: Restriction>() -> Widening {
    let (asked, may_have) = ("something".to_owned(), "nothing".to_owned());
    Widening { capability: R::CAPABILITY, key: None, asked, may_have }
}

/// One key of a restriction, with what its parent and its child say there.
pub(super) struct Key<'a, T> {
    pub(super) capability: &'static str,
    pub(super) key: &'static str,
    pub(super) parent: &'a T,
    pub(super) child: &'a T,
}

impl<T> Key<'_, Option<T>> {
    /// The child's value if it is within the parent's, or the parent's if the child has none.
    fn within(
        self,
        is_within: impl Fn(&T, &T) -> bool,
        show: impl Fn(&T) -> String,
    ) -> Result<Option<T>, Widening>
    where
        T: Clone,
    {
        match (self.parent, self.child) {
            (parent, None) => Ok(parent.clone()),
            (None, child) => Ok(child.clone()),
            (Some(parent), Some(child)) if is_within(parent, child) => Ok(Some(child.clone())),
            (Some(parent), Some(child)) => Err(Widening {
                capability: self.capability,
                key: Some(self.key),
                asked: show(child),
                may_have: show(parent),
            }),
        }
    }
}

impl Key<'_, Option<u64>> {
    /// A number that may become smaller.
    pub(super) fn at_most(self, show: fn(u64) -> String) -> Result<Option<u64>, Widening> {
        self.within(|parent, child| child <= parent, |number| show(*number))
    }
}

impl Key<'_, Option<bool>> {
    /// Something that may be taken away.
    pub(super) fn may(self) -> Result<Option<bool>, Widening> {
        self.within(|parent, child| *parent || !*child, bool::to_string)
    }
}

impl<P: Pattern> Key<'_, Option<Vec<P>>> {
    /// A list each of whose entries has to be covered.
    pub(super) fn subset(self) -> Result<Option<Vec<P>>, Widening> {
        let is_within = |parent: &Vec<P>, child: &Vec<P>| {
            child.iter().all(|asked| parent.iter().any(|allowed| allowed.covers(asked)))
        };
        self.within(is_within, |list| match list.is_empty() {
            true => "nothing".to_owned(),
            false => list.iter().map(P::to_string).collect::<Vec<_>>().join(", "),
        })
    }
}

/// Paths as the file system knows them.
pub(super) fn resolved_paths(paths: &Option<Vec<Below>>, base_dir: &Path) -> Option<Vec<Below>> {
    paths.as_ref().map(|paths| paths.iter().map(|path| path.real(base_dir)).collect())
}
