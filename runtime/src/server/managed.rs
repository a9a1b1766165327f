//! What all requests have in common: the system, and how much may be asked of it at a time.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::spawn_blocking;

use crate::system::{SendError, System};

use super::access::Token;
use super::channels::Channels;
use super::problem::{Code, Problem};
use super::views::Views;

/// How many requests may wait for actors at a time.
const WAITING_MAX: usize = 300;
/// How many may end actors at a time. Those that wait are not in their way, as they may wait for just that.
const ENDING_MAX: usize = 50;
/// How many may read files at a time. All together are less than there are threads.
const READING_MAX: usize = 100;

/// A system that is managed.
#[derive(Clone)]
pub(super) struct Managed(Arc<Inner>);

struct Inner {
    system: System,
    token: Option<Token>,
    channels: Channels,
    views: Views,
    started: Instant,
    waiting: Arc<Semaphore>,
    ending: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    state: watch::Sender<State>,
}

/// What becomes of the actors when the server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Farewell {
    /// They are paused, and go on with the next server.
    #[default]
    Suspend,
    /// They come to their end.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Somebody has asked for the end.
    Asked(Farewell),
    Closed,
}

impl Managed {
    pub(super) fn new(system: System, token: Option<Token>) -> Managed {
        Managed(Arc::new(Inner {
            system,
            token,
            channels: Channels::default(),
            views: Views::default(),
            started: Instant::now(),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            ending: Arc::new(Semaphore::new(ENDING_MAX)),
            reading: Arc::new(Semaphore::new(READING_MAX)),
            state: watch::Sender::new(State::Open),
        }))
    }

    pub(super) fn system(&self) -> &System {
        &self.0.system
    }

    pub(super) fn token(&self) -> Option<&Token> {
        self.0.token.as_ref()
    }

    pub(super) fn channels(&self) -> &Channels {
        &self.0.channels
    }

    pub(super) fn views(&self) -> &Views {
        &self.0.views
    }

    pub(super) fn uptime_s(&self) -> u64 {
        self.0.started.elapsed().as_secs()
    }

    /// Does something that may wait for an actor for long. If too much waits already, it is refused.
    pub(super) async fn wait<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Managed) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.0.waiting).try_acquire_owned();
        let place = place.map_err(|_| {
            let message =
                format!("{WAITING_MAX} requests wait for actors already; try again later");
            Problem::new(Code::Busy, message)
        })?;
        self.on_a_thread(place, what).await
    }

    /// Does something that ends an actor.
    pub(super) async fn end<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Managed) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.0.ending).acquire_owned().await.map_err(|_| failed())?;
        self.on_a_thread(place, what).await
    }

    /// Does something that takes as long as a look into a file.
    pub(super) async fn look<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Managed) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let place = Arc::clone(&self.0.reading).acquire_owned().await.map_err(|_| failed())?;
        self.on_a_thread(place, what).await
    }

    async fn on_a_thread<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        what: impl FnOnce(&Managed) -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let managed = self.clone();
        let task = spawn_blocking(move || {
            let done = what(&managed);
            drop(place);
            done
        });
        task.await.map_err(|_| failed())
    }

    /// Why something did not reach an actor. One that has ended is still known.
    pub(super) fn unsent(&self, error: SendError) -> Problem {
        match error {
            SendError::NoActor(id) if self.0.system.listed(id).is_ok() => {
                Problem::new(Code::Ended, format!("{id} has ended"))
            }
            error => error.into(),
        }
    }

    /// Asks for the server's end.
    pub(super) fn ask_to_stop(&self, farewell: Farewell) {
        self.0.state.send_if_modified(|state| {
            let is_first = *state == State::Open;
            if is_first {
                *state = State::Asked(farewell);
            }
            is_first
        });
    }

    /// Returns once somebody has asked for the end.
    pub(super) async fn asked_to_stop(&self) {
        let mut state = self.0.state.subscribe();
        // The sender is in here, so it is not gone.
        let _ = state.wait_for(|state| *state != State::Open).await;
    }

    /// Refuses all that comes from now on, and says what is to become of the actors.
    pub(super) fn close(&self) -> Farewell {
        match self.0.state.send_replace(State::Closed) {
            State::Asked(farewell) => farewell,
            State::Open | State::Closed => Farewell::default(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        *self.0.state.borrow() == State::Closed
    }

    /// Returns once nothing is served any more.
    pub(super) async fn closed(&self) {
        let mut state = self.0.state.subscribe();
        let _ = state.wait_for(|state| *state == State::Closed).await;
    }
}

fn failed() -> Problem {
    Problem::new(Code::Internal, "the server has failed; its actors go on")
}
