//! Which calls `run` makes: those of a script, those of the command line, or the one of a program.

use std::path::Path;

use anyhow::{Context, anyhow};
use theater_record::Values;

use super::Args;
use crate::complaint::advised;
use crate::escape::visible;
use crate::wave::Invocation;
use crate::world::{Function, World};

/// The calls to make: exports by position, and encoded arguments.
pub(super) fn of(args: &Args, world: &World) -> anyhow::Result<Vec<(usize, Values)>> {
    if args.calls.is_none() && args.invoke.is_empty() {
        return program(args, world).map(|run| vec![run]);
    }
    let mut calls = match &args.calls {
        Some(script) => scripted(script, world)?,
        None => Vec::new(),
    };
    for text in &args.invoke {
        calls.push(one(text, world).with_context(|| format!("--invoke '{text}'"))?);
    }
    Ok(calls)
}

/// The call that starts a program.
fn program(args: &Args, world: &World) -> anyhow::Result<(usize, Values)> {
    let run = world.program();
    let run = run.ok_or_else(|| no_program(args.subject(), world))?;
    Ok((run, Values::of(&[])?))
}

/// The calls of a script: one to a line, between comments and lines that are blank.
fn scripted(script: &Path, world: &World) -> anyhow::Result<Vec<(usize, Values)>> {
    let shown = visible(&script.display().to_string());
    let advice = "name a text file with one call to a line, such as add(\"ann\", 5)";
    let text = std::fs::read(script)
        .with_context(|| format!("cannot read the calls in {shown}"))
        .map_err(|error| advised(error, advice))?;
    let text = String::from_utf8(text)
        .map_err(|_| advised(anyhow!("{shown} is not text in UTF-8"), advice))?;
    let is_call = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| is_call(line));
    let calls =
        lines.map(|(line, number)| one(line, world).with_context(|| format!("{shown}:{number}")));
    let calls = calls.collect::<anyhow::Result<Vec<_>>>()?;
    match calls.is_empty() {
        true => Err(advised(anyhow!("{shown} holds no call"), advice)),
        false => Ok(calls),
    }
}

fn one(text: &str, world: &World) -> anyhow::Result<(usize, Values)> {
    Ok(Invocation::parse(text)?.encoded(world)?)
}

/// How many exports a piece of advice lists.
const LISTED_MAX: usize = 12;

/// Why a component cannot be run without saying what to call.
fn no_program(path: &Path, world: &World) -> anyhow::Error {
    let shown = path.display();
    if world.exports.is_empty() {
        return advised(
            anyhow!("{shown} exports no function, so there is nothing to call"),
            "build it as a program, which exports wasi:cli/run, or export a function",
        );
    }
    let names: Vec<String> = world.exports.iter().take(LISTED_MAX).map(Function::path).collect();
    let more = match world.exports.len().saturating_sub(LISTED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    advised(
        anyhow!("{shown} is no program: it does not export wasi:cli/run"),
        format!("call what it exports with --invoke: {}{more}", names.join(", ")),
    )
}
