//! Replays a chain on behalf of a subcommand: checks it, finds its component, plays, and shows what
//! the component prints while it plays.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use anyhow::{Context, anyhow};
use serde::Serialize;
use theater_runtime::complaint::advised;
use theater_runtime::escape::{argument, visible};
use theater_runtime::{
    Backend, Console, Engine, Home, PlaybackError, PlaybackOptions, Played, Stream, play,
};
use theater_verify::{Checked, Fault, Options, Report, Verdict, VerifiedChain};

use crate::exit::Exit;
use crate::find::{self, Found};
use crate::open::open;
use crate::ui::Ui;
use crate::{findings, json};

/// A chain that can be replayed, or why it cannot.
pub(crate) enum Ready {
    /// It was found good, or its start was and that is enough.
    Good(Box<VerifiedChain>, Verdict),
    /// It is damaged, open or synthetic.
    NotGood(Box<Report>),
}

/// Checks a chain. With `prefix`, its good start will do.
pub(crate) fn check(path: &Path, prefix: bool, ui: &Ui) -> anyhow::Result<Ready> {
    let source: Arc<dyn theater_verify::Source> = Arc::from(open(path)?);
    let progress = ui.progress(source.len());
    let set = |bytes| progress.set(bytes);
    let options = Options { progress: Some(&set), ..Options::default() };
    let checked = Checked::new(source, &options)
        .with_context(|| format!("cannot check {}", path.display()))
        .map_err(|error| advised(error, "name a file that theater has recorded"))?;
    drop(progress);
    let verdict = checked.report.verdict();
    let chain = match prefix {
        // What a replay did was never recorded, so there is nothing to hold a component against.
        _ if is_synthetic(&checked.report) => Err(Box::new(checked.report)),
        true => checked.good_prefix(),
        false if verdict == Verdict::Open => Err(Box::new(checked.report)),
        false => checked.whole(),
    };
    Ok(match chain {
        Ok(chain) => Ready::Good(Box::new(chain), verdict),
        Err(report) => Ready::NotGood(report),
    })
}

fn is_synthetic(report: &Report) -> bool {
    report.faults.iter().any(|fault| matches!(fault, Fault::Synthetic))
}

/// Says why a chain that is not good is not replayed: nothing could be said about it.
pub(crate) fn refuse(
    report: &Report,
    path: &Path,
    schema: Option<&'static str>,
    ui: &mut Ui,
) -> anyhow::Result<Exit> {
    let shown = visible(&path.display().to_string());
    let verdict = findings::verdict(report.verdict());
    if let Some(schema) = schema {
        let outcome = NotReplayedJson { schema, chain: path.display().to_string(), verdict };
        writeln!(ui.out, "{}", json::document(&outcome))?;
    } else if is_synthetic(report) {
        writeln!(ui.err, "{shown} is what a replay did, not a recording, and was not replayed")?;
        writeln!(ui.err, "  try: replay the chain that it was made from")?;
    } else {
        let reason = report.faults.first().map_or_else(String::new, |fault| format!(": {fault}"));
        writeln!(ui.err, "{shown} is {verdict} and was not replayed{}", visible(&reason))?;
        let verify = format!("theater-replay verify {}", argument(path));
        match report.head {
            Some(_) => writeln!(ui.err, "  try: --prefix to replay its good start, or {verify}")?,
            None => writeln!(ui.err, "  try: {verify}")?,
        }
    }
    Ok(if report.verdict() == Verdict::Open { Exit::Open } else { Exit::Finding })
}

#[derive(Serialize)]
struct NotReplayedJson {
    schema: &'static str,
    chain: String,
    verdict: &'static str,
}

/// How to replay.
pub(crate) struct Request<'a> {
    /// The chain's file, for messages.
    pub(crate) path: &'a Path,
    /// A component to use instead of the one that is found.
    pub(crate) component: Option<&'a Path>,
    /// What compiles and runs it.
    pub(crate) backend: Backend,
    /// Whether to show what the component prints.
    pub(crate) shows_output: bool,
}

/// Replays a chain.
pub(crate) fn run(
    request: &Request<'_>,
    chain: &VerifiedChain,
    mut options: PlaybackOptions,
    ui: &mut Ui,
) -> anyhow::Result<(Found, Played)> {
    let cache = Home::find().ok().map(|home| home.cache());
    let settings = &chain.header().settings;
    let counts_fuel = options.fuel_index;
    let engine = Engine::for_replay(request.backend, settings, counts_fuel, cache.as_deref())
        .with_context(|| format!("{} cannot be replayed", request.path.display()))?;
    let found = find::component(chain, request.path, request.component, &engine)?;
    let (sender, receiver) = mpsc::sync_channel::<(Stream, Vec<u8>)>(64);
    if request.shows_output {
        options.console = Console::listening(move |stream, bytes| {
            // Nobody listens any more when the output was closed; the verdict still counts.
            let _ = sender.send((stream, bytes.to_vec()));
        });
    } else {
        drop(sender);
    }
    let component = &found.component;
    let played = std::thread::scope(|scope| {
        let player = scope.spawn(|| engine.on_stack(|| play(component, chain, options)));
        let shown = show(&receiver, ui);
        drop(receiver);
        let played = player.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        shown.map(|()| played)
    })?;
    let played = played.map_err(|error| unplayed(error, request.path))?;
    Ok((found, played))
}

/// Says why a chain was not replayed to its end.
pub(crate) fn unplayed(error: PlaybackError, path: &Path) -> anyhow::Error {
    let shown = path.display();
    match error {
        PlaybackError::Tape(theater_runtime::TapeError::Blob { .. }) => advised(
            anyhow::Error::new(error).context(format!("{shown} cannot be replayed as a whole")),
            format!("replay up to there: theater-replay run {} --to EVENT", argument(path)),
        ),
        error => anyhow!(error).context(format!("{shown} cannot be replayed")),
    }
}

/// Prints what the component prints, until it prints no more.
fn show(printed: &mpsc::Receiver<(Stream, Vec<u8>)>, ui: &mut Ui) -> anyhow::Result<()> {
    for (stream, bytes) in printed {
        match stream {
            Stream::Stdout => ui.out.write_all(&bytes)?,
            Stream::Stderr => ui.err.write_all(&bytes)?,
        }
    }
    Ok(())
}
