//! Property tests of replay: whatever is called, a recording of it can be replayed to the same end.
//!
//! A [`Property`] makes up calls of what a component exports, records them, and holds the recording
//! against what a recording promises: it is complete and without a fault; a replay with no host does
//! the same, on either backend, and comes to the same head; and recorded again with the same input,
//! the chain is the same to the last byte. A component may trap as it likes.
//!
//! This is a test as it could stand in the project of a component:
//!
//! ```no_run
//! use theater_replay::property::Property;
//!
//! #[test]
//! fn every_recording_can_be_replayed() {
//!     let component = "target/wasm32-wasip2/release/my_component.wasm";
//!     // 256 cases, always the same ones. Panics with the fewest calls that break it.
//!     Property::of(component).unwrap().test(256);
//! }
//! ```
//!
//! Strategies can be had for themselves, to hold more against what was recorded, and with
//! proptest's own runner:
//!
//! ```no_run
//! use theater_replay::property::{Conditions, Property, proptest::prelude::*};
//!
//! let component = "target/wasm32-wasip2/release/my_component.wasm";
//! let mut conditions = Conditions::default();
//! conditions.grants.env.push(("LANG".to_owned(), "en".to_owned()));
//! let property = Property::load(component.as_ref(), conditions).unwrap();
//! proptest!(|(calls in property.calls(4))| {
//!     let recorded = property.check(&calls)?;
//!     prop_assert!(recorded.chain.len() < 100_000);
//! });
//! ```

#![allow(clippy::test_attr_in_doctest, reason = "the example is a test, to be copied")]

mod calls;
mod handles;
mod record;
mod script;
mod search;
mod values;
mod violation;

use std::path::Path;
use std::sync::Arc;

use proptest::strategy::BoxedStrategy;
use theater_runtime::host::{Clocks, Input, Random};
use theater_runtime::{
    Backend, Component, ComponentError, Ending, Engine, EngineError, FindError, FunctionPath, Home,
    PlaybackOptions, play,
};
use theater_verify::{Checked, Options, Source, Verdict, VerifiedChain};

pub use calls::{Call, Exports, LeftOut, Reason};
pub use proptest;
pub use record::{Conditions, FUEL_DEFAULT, NotRecorded, Recorded};
pub use search::{Found, Search, Searched};
pub use values::values;
pub use violation::{Counterexample, Violation};

use crate::divergence::Divergence;
use violation::other_recording;

/// That whatever is called, a recording of it can be replayed to the same end.
pub struct Property {
    recorded: Component,
    /// The component again, compiled for a backend of its own.
    second_opinion: Component,
    engine: Engine,
    exports: Arc<Exports>,
    conditions: Conditions,
    record: Box<Record>,
}

/// Makes calls of a component and records them.
type Record = dyn Fn(&Component, &[Call]) -> Recorded + Send + Sync;

/// Why nothing can be said about a component.
#[derive(Debug, thiserror::Error)]
pub enum PropertyError {
    /// There is no component.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// There is no engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is no export of that name.
    #[error(transparent)]
    Export(#[from] FindError),
    /// Nothing of it can be called.
    #[error("the component exports nothing that can be called here")]
    NothingToCall {
        /// What it exports, and why that is left out.
        left_out: Vec<LeftOut>,
    },
}

impl Property {
    /// The property of the component in a file, under the default conditions.
    pub fn of(path: impl AsRef<Path>) -> Result<Property, PropertyError> {
        Property::load(path.as_ref(), Conditions::default())
    }

    /// The property of the component in a file.
    pub fn load(path: &Path, mut conditions: Conditions) -> Result<Property, PropertyError> {
        let cache = Home::find().ok().map(|home| home.cache());
        let engine = Engine::new(Backend::Cranelift, &conditions.limits, cache.as_deref())?;
        let recorded = Component::load(&engine, path)?;
        let settings = conditions.limits.settings(Backend::Cranelift);
        let engine = Engine::for_replay(Backend::Pulley, &settings, false, cache.as_deref())?;
        let second_opinion = Component::new(&engine, recorded.bytes().to_vec())?;
        let exports = callable(Exports::of(recorded.world()))?;
        // Where a component lies must not change what is recorded, but its name may.
        let name = |part: Option<&std::ffi::OsStr>| {
            part.unwrap_or_default().to_string_lossy().into_owned()
        };
        if conditions.name.is_empty() {
            conditions.name = name(path.file_stem());
        }
        if conditions.grants.args.is_empty() {
            conditions.grants.args.push(name(path.file_name()));
        }
        let under = conditions.clone();
        let record =
            Box::new(move |component: &Component, calls: &[Call]| under.record(component, calls));
        Ok(Property { recorded, second_opinion, engine, exports, conditions, record })
    }

    /// The same with only some exports called: `function` or `interface#function`, or `interface`
    /// for all that it has.
    pub fn only(mut self, names: &[FunctionPath]) -> Result<Property, PropertyError> {
        self.exports = callable(self.exports.only(names)?)?;
        Ok(self)
    }

    /// The same with something else to record with, which may be a host of your own.
    /// [`Conditions::record`] is what is used otherwise. It is called on a thread with a stack that
    /// has room for a component's.
    #[must_use]
    pub fn recorded_by(
        mut self,
        record: impl Fn(&Component, &[Call]) -> Recorded + Send + Sync + 'static,
    ) -> Property {
        self.record = Box::new(record);
        self
    }

    /// What is called, and what is left out.
    #[must_use]
    pub fn exports(&self) -> &Exports {
        &self.exports
    }

    /// The component.
    #[must_use]
    pub fn component(&self) -> &Component {
        &self.recorded
    }

    /// Under which conditions it is recorded.
    #[must_use]
    pub fn conditions(&self) -> &Conditions {
        &self.conditions
    }

    /// Whether everything is recorded twice. Where time or randomness come from the system, or the
    /// world outside is granted, two recordings are two different things.
    #[must_use]
    pub fn records_twice(&self) -> bool {
        let grants = &self.conditions.grants;
        let is_alone = grants.dirs.is_empty() && grants.net.is_empty() && grants.http.is_empty();
        is_alone
            && grants.stdin != Input::Inherit
            && matches!(grants.random, Random::Seeded(_))
            && matches!(grants.clocks, Clocks::Fixed { .. })
    }

    /// Sequences of calls, from one to `max`. They shrink to fewer calls with smaller arguments.
    pub fn calls(&self, max: usize) -> BoxedStrategy<Vec<Call>> {
        self.exports.calls(max)
    }

    /// Makes some calls and checks what the recording promises.
    pub fn check(&self, calls: &[Call]) -> Result<Recorded, Box<Counterexample>> {
        let (recorded, kept) = self.engine.on_stack(|| {
            let recorded = (self.record)(&self.recorded, calls);
            let kept = self.keeps_its_promises(&recorded, calls);
            (recorded, kept)
        });
        match kept {
            Ok(()) => Ok(recorded),
            Err(violation) => {
                Err(Box::new(Counterexample { violation, calls: calls.to_vec(), recorded }))
            }
        }
    }

    /// Tries cases until one breaks the property, and shrinks that. `progress` hears after each.
    pub fn search(&self, search: &Search, progress: &mut dyn FnMut(&Searched)) -> Searched {
        search::search(self, search, progress)
    }

    /// Tries this many cases, the same ones each time.
    ///
    /// # Panics
    ///
    /// With the fewest calls that break the property, if some do.
    #[track_caller]
    pub fn test(&self, cases: u64) {
        let searched = self.search(&Search { cases, ..Search::default() }, &mut |_| {});
        if let Some(found) = searched.found {
            panic!("case {}: {}", searched.cases, found.smallest);
        }
    }

    fn keeps_its_promises(&self, recorded: &Recorded, calls: &[Call]) -> Result<(), Violation> {
        if let Err(error) = &recorded.ended {
            return Err(Violation::NotRecorded(error.clone()));
        }
        let chain = verified(&recorded.chain)?;
        replays(&self.recorded, Backend::Cranelift, &chain)?;
        replays(&self.second_opinion, Backend::Pulley, &chain)?;
        if self.records_twice() {
            let again = (self.record)(&self.recorded, calls);
            other_recording(&recorded.chain, &again.chain).map_or(Ok(()), Err)?;
        }
        Ok(())
    }
}

fn callable(exports: Exports) -> Result<Arc<Exports>, PropertyError> {
    if exports.called().next().is_none() {
        return Err(PropertyError::NothingToCall { left_out: exports.left_out().to_vec() });
    }
    Ok(Arc::new(exports))
}

/// The chain, which has to be complete and without a fault.
fn verified(chain: &[u8]) -> Result<VerifiedChain, Violation> {
    let source: Arc<dyn Source> = Arc::new(chain.to_vec());
    let checked = Checked::new(source, &Options::default()).map_err(Violation::NoChain)?;
    let verdict = checked.report.verdict();
    if verdict != Verdict::Complete {
        let fault = checked.report.faults.into_iter().next();
        return Err(Violation::NotVerified { verdict, fault });
    }
    checked.whole().map_err(|report| {
        let fault = report.faults.into_iter().next();
        Violation::NotVerified { verdict, fault }
    })
}

/// Replays a chain, which has to come to the same end.
fn replays(
    component: &Component,
    backend: Backend,
    chain: &VerifiedChain,
) -> Result<(), Violation> {
    let played = play(component, chain, PlaybackOptions::default())
        .map_err(|error| Violation::NotReplayable { backend, error })?;
    match played.ending {
        Ending::Same | Ending::Reached => {}
        Ending::Diverged(mismatch) => {
            let divergence = Box::new(Divergence::of(*mismatch));
            return Err(Violation::Diverged { backend, divergence });
        }
        Ending::Unanswered(call) => return Err(Violation::Unanswered { backend, call }),
    }
    let recorded = chain.head().hash;
    if played.head != recorded {
        return Err(Violation::OtherHead { backend, recorded, replayed: played.head });
    }
    match played.uncompared {
        0 => Ok(()),
        payloads => Err(Violation::NotCompared { payloads }),
    }
}
