//! The recording as judge over builds.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::anyhow;
use theater_runtime::complaint::sentence;
use theater_runtime::{Backend, Component, Ending, Engine, FramesAt, Home, PlaybackOptions, play};
use theater_verify::VerifiedChain;

use super::cache::Cache;
use super::origin::Spot;
use super::outcome::{Kept, Outcome};
use super::{Tested, Via};
use crate::divergence::Divergence;

/// The recording, and how builds are held against it.
pub(crate) struct Oracle<'a> {
    chain: &'a VerifiedChain,
    engine: Engine,
    /// Only what comes before this event counts.
    pub(super) until: Option<u64>,
    pub(super) cache: Option<Cache>,
}

impl<'a> Oracle<'a> {
    /// Makes ready to hold builds against a chain.
    pub(crate) fn new(
        chain: &'a VerifiedChain,
        backend: Backend,
        until: Option<u64>,
    ) -> anyhow::Result<Oracle<'a>> {
        let compiled = Home::find().ok().map(|home| home.cache());
        let settings = &chain.header().settings;
        let engine = Engine::for_replay(backend, settings, false, compiled.as_deref())?;
        let cache = Cache::open(chain, backend, until);
        Ok(Oracle { chain, engine, until, cache })
    }

    /// Replays a build, up to some event if need be, and notes where in its code it is at another.
    pub(super) fn replay(&self, build: &Path, until: Option<u64>, at: Option<u64>) -> Tested {
        let component = match Component::load(&self.engine, build) {
            Ok(component) => component,
            Err(error) => return Tested::skipped(sentence(&anyhow!(error))),
        };
        let frames_at = FramesAt::Events(BTreeSet::from_iter(at));
        let options = PlaybackOptions { until, frames_at, ..PlaybackOptions::default() };
        let played = match self.engine.on_stack(|| play(&component, self.chain, options)) {
            Ok(played) => played,
            Err(error) => return Tested::skipped(sentence(&anyhow!(error))),
        };
        let outcome = match played.ending {
            Ending::Same | Ending::Reached | Ending::Unanswered(_) => Outcome::Same,
            Ending::Diverged(mismatch) => match Divergence::of(*mismatch) {
                divergence if divergence.lacks_export() => Outcome::Skipped(format!(
                    "it does not export {}, which event {} calls",
                    divergence.function().unwrap_or_default(),
                    divergence.seq
                )),
                divergence => Outcome::diverged(&divergence),
            },
        };
        let noted = played.frames.first();
        let seen = noted.map(|(seq, frames)| (*seq, frames.iter().map(Spot::of).collect()));
        Tested { kept: Kept { outcome, seen }, via: Via::Replay }
    }
}
