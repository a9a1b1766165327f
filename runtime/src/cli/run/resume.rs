//! `run --resume`: brings an actor back and goes on with its chain.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use theater_record::{Recorder, ResumeError, ResumeOptions, Seed};
use theater_verify::{Checked, FileSource, Options, Verdict, VerifiedChain};

use super::super::Exit;
use super::super::chain_file::ChainFile;
use super::{Args, Ended, calls, make_calls, not_granted, read_key, report};
use crate::complaint::{advised, not_runnable};
use crate::component::{Component, embedded};
use crate::engine::{Backend, Engine, Limits};
use crate::escape::argument;
use crate::home::Home;
use crate::host::Host;
use crate::machine;
use crate::recording::{Recording, RecordingOptions, RunError};
use crate::store::Store;

pub(super) fn run(
    args: &Args,
    path: &Path,
    home: Option<&Home>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> anyhow::Result<Exit> {
    let shown = path.display();
    let file = open(path)?;
    let chain = check(&file, path)?;
    let settings = &chain.header().settings;
    let cache = home.map(Home::cache);
    let engine = Engine::for_replay(Backend::Cranelift, settings, false, cache.as_deref())?;
    let component = component(args, &chain, &engine, home)?;
    let calls = calls::of(args, component.world())?;
    let named = args.component.as_deref().unwrap_or_else(|| Path::new(&chain.header().name));
    let host = Host::new(args.grants(named)).map_err(not_granted)?;
    let recorder = recorder(args, &file, path)?;
    let limits = Limits::from_settings(settings)?;
    let options = RecordingOptions {
        limits,
        durable: args.durable,
        clock: machine::clock(),
        redact: Vec::new(),
    };
    let ended = engine.on_stack(|| -> Result<Ended, RunError> {
        match Recording::resume(&component, host, recorder, &chain, &options) {
            Ok(recording) => make_calls(recording, calls, args.pause),
            Err(error) => Ok(Ended::NotStarted(error)),
        }
    });
    let resumed = ChainFile::resumed(path, file);
    match ended {
        Ok(Ended::Ran { outcomes, failure }) => {
            resumed.mention(err)?;
            report(args, component.world(), &outcomes, failure.as_ref(), out, err)
        }
        Ok(Ended::NotStarted(error)) => Err(advised(
            anyhow::Error::new(error).context(format!("cannot resume {shown}")),
            format!("theater-replay run {} --prefix", argument(path)),
        )),
        Err(error) => Err(resumed.explain(error)),
    }
}

/// Opens a chain that nobody else is writing to.
fn open(path: &Path) -> anyhow::Result<File> {
    let shown = path.display();
    let file = OpenOptions::new().read(true).append(true).open(path).map_err(|error| {
        advised(
            anyhow::Error::new(error).context(format!("cannot open {shown} to go on with it")),
            "check the spelling, or look with ls",
        )
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(anyhow!("{shown} is being written to by another program"))
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {shown}"))
        }
    }
}

/// A chain that can be gone on with is open and otherwise without a fault.
fn check(file: &File, path: &Path) -> anyhow::Result<VerifiedChain> {
    let shown = path.display();
    let source = Arc::new(FileSource::new(file.try_clone()?)?);
    let checked = Checked::new(source, &Options::default())
        .with_context(|| format!("cannot check {shown}"))?;
    match checked.report.verdict() {
        Verdict::Complete => Err(advised(
            anyhow!("{shown} is closed: nothing may follow its last record"),
            "run the component again, and end with --pause to go on later",
        )),
        Verdict::Open => checked.whole().map_err(|report| {
            let reason =
                report.faults.first().map_or_else(String::new, |fault| format!(": {fault}"));
            advised(
                anyhow!("{shown} cannot be gone on with{reason}"),
                format!("theater-replay recover {}", argument(path)),
            )
        }),
        Verdict::Damaged | Verdict::Unmet => Err(advised(
            anyhow!("{shown} is damaged, so nobody knows what state its actor was in"),
            format!("theater-replay verify {}", argument(path)),
        )),
    }
}

fn component(
    args: &Args,
    chain: &VerifiedChain,
    engine: &Engine,
    home: Option<&Home>,
) -> anyhow::Result<Component> {
    let wanted = chain.header().component.context("the chain names no component")?;
    if let Some(path) = &args.component {
        let component = Component::load(engine, path).map_err(|error| not_runnable(error, path))?;
        if component.digest() != wanted {
            return Err(advised(
                anyhow!("{} is not the component that the chain names, {wanted}", path.display()),
                "leave it out: the component is in the store",
            ));
        }
        return Ok(component);
    }
    if let Some(bytes) = embedded(chain)?
        && crate::component::digest(&bytes) == wanted
    {
        return Ok(Component::new(engine, bytes)?);
    }
    let stored = home.and_then(|home| Store::open(home.store()).ok());
    match stored.filter(|store| store.contains(&wanted)) {
        Some(store) => Ok(Component::new(engine, store.get(&wanted)?)?),
        None => Err(advised(
            anyhow!("the component {wanted} is neither in the chain nor in the store"),
            "name its file: theater run COMPONENT --resume CHAIN",
        )),
    }
}

fn recorder(args: &Args, file: &File, path: &Path) -> anyhow::Result<Recorder> {
    let identity = args.sign.as_deref().map(read_key).transpose()?;
    let options = ResumeOptions { identity, ..ResumeOptions::default() };
    let seed = Seed::new(machine::random()?);
    let resumed = Recorder::resume(file.try_clone()?, options, seed, machine::clock());
    resumed.map_err(|error| {
        let advice = match &error {
            ResumeError::Torn { .. } => format!("theater-replay recover {}", argument(path)),
            ResumeError::IdentityMissing | ResumeError::IdentityWrong => {
                "give the identity key that signed the chain with --sign KEY".to_owned()
            }
            _ => format!("theater-replay verify {}", argument(path)),
        };
        advised(anyhow!(error).context(format!("cannot go on with {}", path.display())), advice)
    })
}
