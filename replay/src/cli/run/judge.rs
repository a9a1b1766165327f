//! `run --good-if`: a verdict on one build, in the numbers that `git bisect run` understands.

use std::ffi::OsString;
use std::io::Write;

use theater_runtime::complaint::complaint;

use super::{Args, ready, replayed};
use crate::divergence::Divergence;
use crate::exit::Exit;
use crate::good_if::GoodIf;
use crate::ui::{Paint, Ui};

/// How wrong usage ends: with `--good-if` it may not look like a bad build.
pub(crate) fn trouble(args: &[OsString]) -> Exit {
    let is_good_if = |arg: &OsString| arg.to_string_lossy().starts_with("--good-if");
    if args.iter().any(is_good_if) { Exit::Abort } else { Exit::Trouble }
}

/// Says whether a build is good, in the way that `git bisect run` understands.
pub(super) fn judge(args: &Args, condition: &str, ui: &mut Ui) -> anyhow::Result<Exit> {
    let parsed = GoodIf::parse(condition).map_err(anyhow::Error::new);
    let ready = parsed.and_then(|good_if| ready(args, ui).map(|ready| (good_if, ready)));
    let (good_if, chain, verdict) = match ready {
        Ok((good_if, Ok((chain, verdict)))) => (good_if, chain, verdict),
        Ok((_, Err(_))) => return Ok(Exit::Abort),
        Err(error) => {
            ui.err.write_all(complaint(&error).as_bytes())?;
            return Ok(Exit::Abort);
        }
    };
    match replayed(args, &chain, verdict, Some(&good_if), ui) {
        Ok(divergence) => Ok(match goodness(&good_if, divergence.as_ref()) {
            None => Exit::Untestable,
            Some(true) => Exit::Fine,
            Some(false) => Exit::Finding,
        }),
        Err(error) => {
            ui.err.write_all(complaint(&error).as_bytes())?;
            Ok(Exit::Untestable)
        }
    }
}

/// Whether a build is good; `None` if there is no telling.
pub(super) fn goodness(good_if: &GoodIf, divergence: Option<&Divergence>) -> Option<bool> {
    match divergence {
        Some(divergence) if divergence.lacks_export() => None,
        divergence => Some(good_if.is_met(divergence)),
    }
}

/// What is said of a build, for people.
pub(super) fn sentence(good: Option<bool>, paint: Paint) -> String {
    match good {
        Some(true) => format!("{}: it does what --good-if asks for", paint.good("good")),
        Some(false) => format!("{}: it does not do what --good-if asks for", paint.bad("bad")),
        None => "neither good nor bad: it lacks an export that the recording calls".to_owned(),
    }
}
