//! The chains that were read lately, so that none is read again from its start.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::actor::lock;
use crate::actor_id::ActorId;
use crate::chain_view::{ChainView, ViewError};
use crate::complaint::sentence;

use super::managed::Managed;
use super::problem::{Code, Problem};

/// How many are kept open.
const VIEWS_MAX: usize = 256;

/// Views of chains; the one used last stands last.
#[derive(Default)]
pub(super) struct Views(Mutex<Vec<(PathBuf, Arc<ChainView>)>>);

/// One of the chains of an actor.
pub(super) struct OneChain {
    pub(super) view: Arc<ChainView>,
    /// Which one, counted from 1.
    pub(super) number: usize,
    /// How many there are.
    pub(super) count: usize,
}

impl Views {
    fn open(&self, path: &Path) -> Result<Arc<ChainView>, ViewError> {
        let mut views = lock(&self.0);
        if let Some(at) = views.iter().position(|(known, _)| known == path) {
            let known = views.remove(at);
            let view = Arc::clone(&known.1);
            views.push(known);
            return Ok(view);
        }
        let view = Arc::new(ChainView::open(path)?);
        if views.len() == VIEWS_MAX {
            views.remove(0);
        }
        views.push((path.to_owned(), Arc::clone(&view)));
        Ok(view)
    }
}

impl OneChain {
    /// A chain of an actor, with all that it has done by now: the one with this number, else the newest.
    pub(super) fn of(
        managed: &Managed,
        id: ActorId,
        number: Option<usize>,
    ) -> Result<OneChain, Problem> {
        // What cannot be written is not there. That is the end of the actor, not of its readers.
        let _ = managed.system().write_chain(id);
        OneChain::behind(managed, id, number)
    }

    /// The same with what is in the file, for whoever comes again soon.
    pub(super) fn behind(
        managed: &Managed,
        id: ActorId,
        number: Option<usize>,
    ) -> Result<OneChain, Problem> {
        let paths = managed.system().chain_paths(id)?;
        let count = paths.len();
        let number = number.unwrap_or(count);
        let Some(path) = number.checked_sub(1).and_then(|at| paths.get(at)) else {
            let message = match count {
                0 => format!("the chain of {id} is not kept"),
                1 => format!("{id} has no chain {number}, only chain 1"),
                count => format!("{id} has no chain {number}, only chains 1 to {count}"),
            };
            return Err(Problem::new(Code::NoChain, message));
        };
        Ok(OneChain { view: managed.views().open(path)?, number, count })
    }
}

impl From<ViewError> for Problem {
    fn from(error: ViewError) -> Problem {
        let code = match &error {
            ViewError::NoEvent { .. } => Code::NoEvent,
            ViewError::NotOpened { .. }
            | ViewError::Read(_)
            | ViewError::Misplaced { .. }
            | ViewError::Changed
            | ViewError::StateRemoved { .. } => Code::NoChain,
        };
        Problem::new(code, sentence(&error.into()))
    }
}
