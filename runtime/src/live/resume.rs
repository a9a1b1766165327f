//! Bringing an actor back: its tape answers, until it ends and the host takes over.

use theater_record::{Call, Event, Outcome, Tip, Value, Values};
use wasmtime::{Result, Store, StoreContextMut};

use super::links::lifted;
use super::{Live, outside};
use crate::component::Component;
use crate::handles;
use crate::membrane::{Actor, Stopped};
use crate::playback::Plays;
use crate::tape::{Stop, Tape};
use crate::world::Function;

impl Plays for Live {
    const STOPS_WITH_TAPE: bool = false;

    fn tape(&mut self) -> Option<&mut Tape> {
        self.resuming.as_mut()
    }

    fn called(actor: &mut Actor<Live>, call: &Event) -> Result<()> {
        actor.backend.calls += 1;
        Live::remind_of_call(actor, call);
        Live::take_over_in_call(actor)
    }

    fn renew(store: &mut Store<Actor<Live>>, component: &Component) -> Result<()> {
        let lifter = component.lifter().map_err(wasmtime::Error::new)?;
        let live = &mut store.data_mut().backend;
        live.host.forget();
        live.calls = 0;
        Live::connect(store.data_mut(), component, lifter)
    }
}

impl Live {
    /// Tells the service whose handler was called.
    fn remind_of_call(actor: &mut Actor<Live>, call: &Event) {
        let Actor { backend: live, interner, .. } = actor;
        let (Some(function), Event::ExportCall(call)) = (interner.function_of(call), call) else {
            return;
        };
        if without_version(&function.interface) != "theater:simple/http-handlers" {
            return;
        }
        let args = call.args.decode(function.params.iter().map(|(_, ty)| ty), interner.types());
        if let (Ok(args), Some(service)) = (args, live.host.service("theater:simple/http-server")) {
            service.was_called(&function.name, &args);
        }
    }
}

/// The recorded answer, while an actor is being brought back. `None` if the host has to give one.
pub(super) fn recorded_answer(
    cx: &mut StoreContextMut<'_, Actor<Live>>,
    import: usize,
    call: &Call,
) -> Result<Option<Outcome>> {
    let live = &mut cx.data_mut().backend;
    let Some(tape) = &mut live.resuming else { return Ok(None) };
    let (seq, hash) = tape.head();
    match tape.recorded_answer(call.clone()) {
        Ok(outcome) => {
            if is_acquired_again(&cx.data().world.imports[import]) {
                acquire_again(cx, import, call, &outcome)?;
            }
            remind(cx.data_mut(), import, call, &outcome);
            Live::take_over_in_call(cx.data_mut())?;
            Ok(Some(outcome))
        }
        // Whether the host acted is not known. The component waits for its answer, so it is asked.
        Err(Stop::Unanswered { .. }) => {
            let known = live.resuming.take().map_or_else(Vec::new, |mut tape| tape.definitions());
            live.made_before = Some(Tip { seq, hash });
            live.goes_on(&known, "the last call to the host had no answer and is made again")?;
            Ok(None)
        }
        Err(stop) => {
            tape.stop = Some(stop);
            Err(Stopped.into())
        }
    }
}

/// Whether what a function hands out can be had again by calling it again.
fn is_acquired_again(function: &Function) -> bool {
    matches!(
        (without_version(&function.interface), function.name.as_str()),
        ("wasi:cli/stdin", "get-stdin")
            | ("wasi:cli/stdout", "get-stdout")
            | ("wasi:cli/stderr", "get-stderr")
            | ("wasi:filesystem/preopens", "get-directories")
            | ("wasi:sockets/instance-network", "instance-network")
    )
}

fn without_version(interface: &str) -> &str {
    interface.split('@').next().unwrap_or(interface)
}

/// Tells the service that answers a function what it has answered before.
fn remind(actor: &mut Actor<Live>, import: usize, call: &Call, outcome: &Outcome) {
    let Actor { backend: live, interner, world, .. } = actor;
    let service = live.host.service(&world.imports[import].interface);
    let (Some(service), Some(function), Outcome::Returned(results)) =
        (service, interner.imported(import), outcome)
    else {
        return;
    };
    let args = call.args.decode(function.params.iter().map(|(_, ty)| ty), interner.types());
    let results = results.decode(function.results.iter(), interner.types());
    if let (Ok(args), Ok(results)) = (args, results) {
        service.remember(&function.name, &args, &results);
    }
}

/// Has the host hand out again what an actor got from it in an earlier life, and lets that stand
/// for what the chain says it got.
fn acquire_again(
    cx: &mut StoreContextMut<'_, Actor<Live>>,
    import: usize,
    call: &Call,
    recorded: &Outcome,
) -> Result<()> {
    let next = handles::set_next(FRESH);
    let answered = lifted(cx)
        .and_then(|lifted| outside(cx, |cx| lifted.calls[import](cx, call.args.as_bytes())));
    handles::set_next(next);
    let interner = &cx.data().interner;
    let (Ok(fresh), Outcome::Returned(recorded), Some(function)) =
        (answered, recorded, interner.imported(import))
    else {
        return Ok(());
    };
    let decode = |values: &Values| values.decode(function.results.iter(), interner.types());
    let (Ok(fresh), Ok(recorded)) = (decode(&Values::written(fresh)), decode(recorded)) else {
        return Ok(());
    };
    for (recorded, fresh) in recorded.iter().zip(&fresh) {
        let mut pairs = Vec::new();
        // Directories are granted by name; what is granted otherwise now is not what it was.
        pair(recorded, fresh, &mut pairs);
        for (recorded, fresh) in pairs {
            let (Ok(recorded), Ok(fresh)) = (u32::try_from(recorded), u32::try_from(fresh)) else {
                continue;
            };
            if let Some(index) = handles::unbind(fresh) {
                handles::bind(recorded, index);
            }
        }
    }
    Ok(())
}

/// Numbers for the moment, far from those that were given out.
const FRESH: u32 = 1 << 31;

/// Which resource of one value is which of another, as far as the two are the same. Returns
/// whether they are.
fn pair(one: &Value, other: &Value, pairs: &mut Vec<(u64, u64)>) -> bool {
    match (one, other) {
        (Value::Own(one), Value::Own(other)) => {
            pairs.push((*one, *other));
            true
        }
        (Value::List(ones), Value::List(others)) => {
            for one in ones {
                let same = others.iter().find_map(|other| {
                    let mut found = Vec::new();
                    pair(one, other, &mut found).then_some(found)
                });
                pairs.extend(same.into_iter().flatten());
            }
            true
        }
        (Value::Tuple(ones), Value::Tuple(others)) => {
            ones.iter().zip(others).all(|(one, other)| pair(one, other, pairs))
        }
        _ => one == other,
    }
}
