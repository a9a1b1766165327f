//! Actors as the server tells of them.

use serde::{Deserialize, Serialize};

use crate::actor_id::ActorId;
use crate::end::{ActorError, End, ErrorKind};
use crate::system::Listed;

use super::content::Content;

/// An actor in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ActorJson {
    pub(crate) id: String,
    pub(crate) name: String,
    /// Who has started it.
    pub(crate) parent: Option<String>,
    /// One of the cases of `actor-status`.
    pub(crate) status: String,
    pub(crate) end: Option<EndJson>,
    /// How many messages wait for it.
    pub(crate) waiting: usize,
    /// How often it was started.
    pub(crate) lives: u64,
}

/// How an actor came to its end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct EndJson {
    /// `completed`, `failed`, `stopped` or `killed`.
    pub(crate) kind: String,
    /// The error, if it was one.
    pub(crate) error: Option<ErrorJson>,
    /// What it left behind.
    pub(crate) left: Option<Content>,
}

/// The error that ended an actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ErrorJson {
    /// One of the cases of `actor-error-kind`.
    pub(crate) kind: String,
    pub(crate) message: String,
}

/// An actor in a tree: how far below the top it stands, and the actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TreeLine {
    pub(crate) depth: usize,
    #[serde(flatten)]
    pub(crate) actor: ActorJson,
}

/// What is known of one actor.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Inspected {
    #[serde(flatten)]
    pub(crate) actor: ActorJson,
    pub(crate) children: Vec<String>,
    /// The files of its chains, the oldest first.
    pub(crate) chains: Vec<String>,
    /// The newest event of the newest chain, if it can be read.
    pub(crate) head: Option<Head>,
}

/// The newest event of a chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    pub(crate) link: String,
}

/// Many actors.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Actors<T> {
    pub(crate) actors: Vec<T>,
}

impl From<&Listed> for ActorJson {
    fn from(listed: &Listed) -> ActorJson {
        ActorJson {
            id: listed.id.to_string(),
            name: listed.name.clone(),
            parent: listed.parent.map(|parent| parent.to_string()),
            status: listed.status.to_string(),
            end: listed.end.as_ref().map(EndJson::from),
            waiting: listed.waiting,
            lives: listed.lives,
        }
    }
}

impl From<&End> for EndJson {
    fn from(end: &End) -> EndJson {
        let (error, left) = match end {
            End::Completed(left) => (None, left.as_deref().map(Content::of)),
            End::Failed(error) => (Some(error.into()), None),
            End::Stopped | End::Killed => (None, None),
        };
        EndJson { kind: end.status().to_string(), error, left }
    }
}

impl From<&ActorError> for ErrorJson {
    fn from(error: &ActorError) -> ErrorJson {
        let kind = match error.kind {
            ErrorKind::Returned => "returned",
            ErrorKind::Trapped => "trapped",
            ErrorKind::Exhausted => "exhausted",
            ErrorKind::Unstartable => "unstartable",
            ErrorKind::Linked => "linked",
            ErrorKind::Escalated => "escalated",
            ErrorKind::Unrecorded => "unrecorded",
        };
        ErrorJson { kind: kind.to_owned(), message: error.message.clone() }
    }
}

/// All actors, each right below who has started it, else at the top. Their order is that of their ids.
pub(crate) fn tree(listed: &[Listed], root: Option<ActorId>) -> Vec<TreeLine> {
    let is_listed = |id: ActorId| listed.iter().any(|other| other.id == id);
    let is_top = |one: &&Listed| match root {
        Some(root) => one.id == root,
        None => one.parent.is_none_or(|parent| !is_listed(parent)),
    };
    // What is due next stands last.
    let mut due: Vec<(usize, &Listed)> =
        listed.iter().rev().filter(is_top).map(|one| (0, one)).collect();
    let mut lines = Vec::new();
    while let Some((depth, one)) = due.pop() {
        lines.push(TreeLine { depth, actor: ActorJson::from(one) });
        let below = listed.iter().rev().filter(|other| other.parent == Some(one.id));
        due.extend(below.map(|child| (depth + 1, child)));
    }
    lines
}
