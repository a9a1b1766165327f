//! From events of a chain to lines of source, by replay or from what an earlier replay has left.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use theater_record::{Event, FunctionType, Stored};
use theater_runtime::{
    Backend, Component, Ending, Engine, Frame, FramesAt, Home, PlaybackOptions, digest, play,
};
use theater_verify::VerifiedChain;

use crate::divergence::Divergence;
use crate::find;
use crate::replay::{self, Ready};
use crate::source::cache::{self, Key, Places};
use crate::source::{Located, SourceMap};
use crate::ui::Ui;

use anyhow::Context;

/// Where source lines are looked for, and how they are shown.
#[derive(clap::Args)]
pub(crate) struct SourceArgs {
    /// A build of the component that was not stripped, or a folder with such builds, for source
    /// lines.
    #[arg(help_heading = "Source lines", long, value_name = "PATH")]
    pub(crate) debug_info: Vec<PathBuf>,
    /// The folder with the guest's sources, to show their text; nothing outside of it is read.
    #[arg(help_heading = "Source lines", long, value_name = "FOLDER", default_value = ".")]
    pub(crate) source_root: PathBuf,
    /// Show whole stacks, with libraries and what was generated.
    #[arg(help_heading = "Source lines", long)]
    pub(crate) verbose: bool,
}

impl Default for SourceArgs {
    fn default() -> SourceArgs {
        SourceArgs { debug_info: Vec::new(), source_root: PathBuf::from("."), verbose: false }
    }
}

/// The places of a chain's events.
pub(crate) struct Lines {
    /// What is known, by event.
    pub(crate) places: Places,
    /// Why there is no more, if that is for a reason that concerns all.
    pub(crate) without: Option<String>,
}

/// Finds the lines of a range of events of a file, of as much of it as is good.
pub(crate) fn in_file(
    path: &Path,
    component: Option<&Path>,
    debug_info: &[PathBuf],
    range: Range<u64>,
    ui: &Ui,
) -> anyhow::Result<Lines> {
    match replay::check(path, true, ui)? {
        Ready::Good(chain, _) => lines(&chain, path, component, debug_info, range),
        Ready::NotGood(_) => {
            let without = "no source lines: nothing of this chain can be replayed".to_owned();
            Ok(Lines { places: Places::new(), without: Some(without) })
        }
    }
}

/// Finds the lines of a range of events. `component` is the recorded one's file, if it is neither in
/// the chain nor in the store.
pub(crate) fn lines(
    chain: &VerifiedChain,
    path: &Path,
    component: Option<&Path>,
    debug_info: &[PathBuf],
    range: Range<u64>,
) -> anyhow::Result<Lines> {
    let bytes = match component {
        Some(file) => find::named(file, path)?,
        None => find::recorded(chain, path)?.0,
    };
    let map = SourceMap::of(&bytes, debug_info)?;
    let key = Key::new(chain.head().hash, digest(&bytes), map.debug_info());
    let without = map.without_lines();
    if let Some(places) = cache::load(path, &key, &range) {
        return Ok(Lines { places, without });
    }
    let (frames, parted) = frames(chain, path, bytes, range.clone())?;
    let places = places(chain, &map, &frames, range.clone())?;
    if parted.is_none() {
        cache::store(path, &key, &range, &places);
    }
    Ok(Lines { places, without: parted.or(without) })
}

/// Finds the line at which a replay parted from its recording and, if another build was recorded and
/// can be found, the line of that build.
pub(crate) fn divergence(
    divergence: &mut Divergence,
    chain: &VerifiedChain,
    path: &Path,
    component: &Component,
    recorded: Option<&Path>,
    args: &SourceArgs,
) -> anyhow::Result<()> {
    divergence.locate(&SourceMap::of(component.bytes(), &args.debug_info)?);
    if chain.header().component == Some(component.digest()) {
        return Ok(());
    }
    let event = divergence.seq..divergence.seq.saturating_add(1);
    match lines(chain, path, recorded, &args.debug_info, event) {
        Ok(lines) => {
            let place = lines.places.into_values().next();
            divergence.recorded_source = place.map(Arc::unwrap_or_clone);
        }
        // A build that was named has to be there; one that was not may well be gone.
        Err(error) if recorded.is_some() => return Err(error),
        Err(_) => {}
    }
    Ok(())
}

/// Where the component is, by event, innermost first.
type Frames = Vec<(u64, Arc<[Frame]>)>;

/// Replays up to the end of a range, and says so if the component does something else before.
fn frames(
    chain: &VerifiedChain,
    path: &Path,
    bytes: Vec<u8>,
    range: Range<u64>,
) -> anyhow::Result<(Frames, Option<String>)> {
    let cannot = || format!("{} cannot be replayed for its source lines", path.display());
    let cache = Home::find().ok().map(|home| home.cache());
    let settings = &chain.header().settings;
    let engine = Engine::for_replay(Backend::Cranelift, settings, false, cache.as_deref());
    let engine = engine.with_context(cannot)?;
    let component = Component::new(&engine, bytes).with_context(cannot)?;
    let options = PlaybackOptions {
        until: Some(range.end),
        frames_at: FramesAt::Range(range),
        ..PlaybackOptions::default()
    };
    let played = engine.on_stack(|| play(&component, chain, options)).with_context(cannot)?;
    let parted = match played.ending {
        Ending::Diverged(mismatch) => Some(format!(
            "no source lines from event {} on: the component does something else there",
            mismatch.seq
        )),
        Ending::Same | Ending::Reached | Ending::Unanswered(_) => None,
    };
    Ok((played.frames, parted))
}

/// The places of the crossings in a range.
fn places(
    chain: &VerifiedChain,
    map: &SourceMap,
    frames: &[(u64, Arc<[Frame]>)],
    range: Range<u64>,
) -> anyhow::Result<Places> {
    let mut places = Places::new();
    let mut functions: Vec<FunctionType> = Vec::new();
    // Calls come from the same few places again and again.
    let mut known: HashMap<(*const Frame, u8, Option<u64>), Arc<Located>> = HashMap::new();
    let mut frames = frames.iter().peekable();
    let mut reader = chain.reader()?;
    while let Some(stored) = reader.read()? {
        let Stored::Record(record) = stored else { continue };
        if record.seq >= range.end {
            break;
        }
        let event = record.event()?;
        let function = match &event {
            Event::Function(function) => {
                functions.push(function.clone());
                continue;
            }
            Event::ExportCall(call) | Event::ImportCall(call) => Some(call.function),
            Event::ImportReturn(end) | Event::ExportReturn(end) => Some(end.function),
            Event::ResourceDrop(_) => None,
            _ => continue,
        };
        if !range.contains(&record.seq) {
            continue;
        }
        while frames.next_if(|(seq, _)| *seq < record.seq).is_some() {}
        let noted = frames.next_if(|(seq, _)| *seq == record.seq);
        let noted: &[Frame] = noted.map(|(_, frames)| &**frames).unwrap_or_default();
        let is_export = matches!(event, Event::ExportCall(_) | Event::ExportReturn(_));
        if noted.is_empty() && !is_export {
            continue;
        }
        let number = function.map(|function| u64::from(function.0));
        let key = (noted.as_ptr(), event.kind() as u8, number.filter(|_| noted.is_empty()));
        let located = known.entry(key).or_insert_with(|| {
            let function = function.and_then(|function| functions.get(function.0 as usize));
            Arc::new(map.locate(&event, function, noted))
        });
        places.insert(record.seq, Arc::clone(located));
    }
    Ok(places)
}
