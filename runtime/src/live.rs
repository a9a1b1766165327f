//! The live side of the membrane: the host acts, and the recorder writes down what it did.

mod links;
mod resume;

use std::sync::Arc;

use theater_record::{
    Call, Clock, Encoder, Event, Kind, Lifecycle, LifecycleState, Outcome, RecordError, Recorder,
    Return, Tip, Values,
};
use wasmtime::component::InstancePre;
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::component::Component;
use crate::handles;
use crate::host::{FileWatch, Host, HostView, ServiceCall};
use crate::interner::Interner;
use crate::membrane::{Actor, Backend, Stopped};
use crate::recording::RecordingOptions;
use crate::sealing::Sealing;
use crate::tape::{Stop, Tape, TapeError};
use crate::trap::{self, Failure};
use crate::world::Function;

use links::{Lifted, lifted};

pub(crate) use links::Links;

/// Records what a component does and has the host answer.
pub(crate) struct Live {
    pub(crate) recorder: Recorder,
    host: Host,
    /// The lifter, linked against the host, and what it makes callable once it was needed.
    lifter: Option<InstancePre<Actor<Live>>>,
    lifted: Option<Arc<Lifted>>,
    /// Which imports a service answers.
    served: Vec<bool>,
    /// Whether a call has to be on disk before the host acts, by import. Empty if none has.
    flushed: Vec<bool>,
    /// How denials of the file system are told from each import's results, once it was called.
    watches: Vec<Watch>,
    /// The chain so far, while an actor is being brought back.
    pub(crate) resuming: Option<Tape>,
    /// How many calls it has got in its present life, while it is being brought back.
    pub(crate) calls: u64,
    /// The event of a call that is made again.
    made_before: Option<Tip>,
    /// What is to be done when it goes on in the middle of a call.
    pub(crate) goes_on: Option<GoesOn>,
    clock: Clock,
    /// Decides what can be removed later.
    sealing: Sealing,
    /// Set when recording failed, which ends the run.
    pub(crate) failed: Option<RecordError>,
}

/// Hears that an actor that is brought back goes on in the middle of a call, and which in its life that is.
pub(crate) type GoesOn = Box<dyn FnOnce(u64) + Send>;

/// How denials of the file system are told from the results of one import.
#[derive(Clone)]
enum Watch {
    /// It did not return yet.
    Unknown,
    /// It has nothing to do with files.
    None,
    /// Like this.
    Some(Arc<FileWatch>),
}

impl HostView for Actor<Live> {
    fn host(&mut self) -> &mut Host {
        &mut self.backend.host
    }
}

impl WasiView for Actor<Live> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.backend.host.wasi()
    }
}

impl WasiHttpView for Actor<Live> {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.backend.host.http()
    }
}

impl Live {
    /// The host's functions are not callable yet; see [`Live::connect`].
    pub(crate) fn new(
        recorder: Recorder,
        host: Host,
        flushed: Vec<bool>,
        options: &RecordingOptions,
    ) -> Live {
        Live {
            recorder,
            host,
            lifter: None,
            lifted: None,
            served: Vec::new(),
            flushed,
            watches: Vec::new(),
            resuming: None,
            calls: 0,
            made_before: None,
            goes_on: None,
            clock: options.clock.clone(),
            sealing: Sealing::new(options.redact.clone()),
            failed: None,
        }
    }

    /// Links the lifter against the host. It is instantiated when the host is first called, which many
    /// actors never do.
    pub(crate) fn connect(
        actor: &mut Actor<Live>,
        component: &Component,
        lifter: &wasmtime::component::Component,
    ) -> Result<()> {
        let Actor { backend: live, killed, .. } = actor;
        live.host.ends_with(killed);
        let (linked, served) = Live::link(component, lifter, &mut live.host)?;
        (live.lifter, live.lifted, live.served) = (Some(linked), None, served);
        Ok(())
    }

    /// The lifter, linked against a host, and which imports that has a service for.
    pub(crate) fn link(
        component: &Component,
        lifter: &wasmtime::component::Component,
        host: &mut Host,
    ) -> Result<(InstancePre<Actor<Live>>, Vec<bool>)> {
        let is_served = |function: &Function| host.service(&function.interface).is_some();
        let served: Vec<bool> = component.world().imports.iter().map(is_served).collect();
        let linked = component.links.lifter(component, lifter, host.takes_liberties(), &served)?;
        Ok((linked, served))
    }

    /// The tape is at its end, and the world takes over. What the chain names already is not
    /// named again.
    pub(crate) fn take_over(actor: &mut Actor<Live>) -> Result<()> {
        let Some(known) = Live::end_tape(actor) else { return Ok(()) };
        actor.backend.note_resumed(&known, "")
    }

    /// The same in the middle of a call, if the tape is at its end. The component may not come out of the sandbox any
    /// more, so that is not waited for.
    pub(crate) fn take_over_in_call(actor: &mut Actor<Live>) -> Result<()> {
        let tape = actor.backend.resuming.as_mut();
        // What cannot be read is found out by whoever needs it next.
        if !tape.is_some_and(|tape| matches!(tape.peek(), Ok(None))) {
            return Ok(());
        }
        let Some(known) = Live::end_tape(actor) else { return Ok(()) };
        actor.backend.goes_on(&known, "in the middle of a call")
    }

    /// Takes the tape away. What it has named is returned.
    fn end_tape(actor: &mut Actor<Live>) -> Option<Vec<Event>> {
        let Actor { backend: live, interner, world, .. } = actor;
        let known = live.resuming.take()?.definitions();
        interner.learn(world, &known);
        Some(known)
    }

    /// The tape ends in the middle of a call, and the world takes over.
    fn goes_on(&mut self, known: &[Event], detail: &str) -> Result<()> {
        self.note_resumed(known, detail)?;
        if let Some(goes_on) = self.goes_on.take() {
            goes_on(self.calls);
        }
        Ok(())
    }

    /// Notes that the world has taken over from a tape that has named these.
    fn note_resumed(&mut self, known: &[Event], detail: &str) -> Result<()> {
        self.sealing.resume(known);
        let (state, time) = (LifecycleState::Resumed, (self.clock)());
        let event = Event::Lifecycle(Lifecycle { state, time, detail: detail.to_owned() });
        self.write(&[], &event)
    }

    /// Writes events, one after another.
    pub(crate) fn write(&mut self, definitions: &[Event], event: &Event) -> Result<()> {
        for event in definitions.iter().chain([event]) {
            let how = self.sealing.sensitivity(event);
            if let Err(error) = self.recorder.append_as(event, how) {
                self.failed = Some(error);
                return Err(Stopped.into());
            }
        }
        Ok(())
    }

    /// The watch over an import, made when it first returns.
    fn watch(&mut self, import: usize, interner: &Interner) -> Option<Arc<FileWatch>> {
        if self.watches.len() <= import {
            self.watches.resize(import + 1, Watch::Unknown);
        }
        if let Watch::Unknown = self.watches[import] {
            let watch = interner
                .imported(import)
                .and_then(|function| FileWatch::new(function, interner.types()));
            self.watches[import] = watch.map_or(Watch::None, |watch| Watch::Some(Arc::new(watch)));
        }
        match &self.watches[import] {
            Watch::Some(watch) => Some(watch.clone()),
            Watch::None | Watch::Unknown => None,
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.recorder.flush().map_err(|error| {
            self.failed = Some(error);
            Stopped.into()
        })
    }
}

impl Backend for Live {
    fn linked(component: &Component) -> Result<InstancePre<Actor<Live>>> {
        component.links.component(component)
    }

    fn emit(actor: &mut Actor<Live>, definitions: &[Event], event: &Event) -> Result<()> {
        let Actor { backend: live, interner, .. } = actor;
        let Some(tape) = &mut live.resuming else { return live.write(definitions, event) };
        match tape.compare(definitions, event, interner) {
            Ok(()) => Ok(()),
            // The chain ends between two calls of a component that was running.
            Err(Stop::Unanswered { .. }) => {
                let known = tape.definitions();
                let Some(missing) = definitions.strip_prefix(&known[..]) else {
                    let (seq, kind) = (tape.next_seq(), Kind::Function);
                    tape.stop = Some(Stop::Failed(TapeError::Order { seq, kind }));
                    return Err(Stopped.into());
                };
                live.resuming = None;
                live.goes_on(&known, "in the middle of a call")?;
                live.write(missing, event)
            }
            Err(stop) => {
                tape.stop = Some(stop);
                Err(Stopped.into())
            }
        }
    }

    fn answer(
        cx: &mut StoreContextMut<'_, Actor<Live>>,
        import: usize,
        call: Call,
    ) -> Result<Outcome> {
        if let Some(outcome) = resume::recorded_answer(cx, import, &call)? {
            return Ok(outcome);
        }
        let live = &mut cx.data_mut().backend;
        let made_before = live.made_before.take();
        if live.flushed.get(import) == Some(&true) {
            live.flush()?;
        }
        if live.served.get(import) == Some(&true) {
            return serve(cx.data_mut(), import, &call, made_before);
        }
        let answered = lifted(cx)
            .and_then(|lifted| outside(cx, |cx| lifted.calls[import](cx, call.args.as_bytes())));
        let outcome = match answered {
            Ok(results) => Outcome::Returned(Values::written(results)),
            Err(error) => {
                let Failure { code, detail } = trap::host_failure(&error);
                Outcome::Trapped { code, detail }
            }
        };
        write_answer(cx.data_mut(), import, &call, outcome)
    }

    fn dropped(cx: &mut StoreContextMut<'_, Actor<Live>>, ty: usize, resource: u32) -> Result<()> {
        // A resource from an earlier life has nothing behind it any more.
        let Some(index) = handles::unbind(resource) else { return Ok(()) };
        let lifted = lifted(cx)?;
        let mut args = Vec::with_capacity(8);
        Encoder(&mut args).array(1);
        Encoder(&mut args).uint(index.into());
        outside(cx, |cx| lifted.drops[ty](cx, &args)).map(drop)
    }
}

/// Has a service answer a call.
fn serve(
    actor: &mut Actor<Live>,
    import: usize,
    call: &Call,
    made_before: Option<Tip>,
) -> Result<Outcome> {
    let Actor { backend: live, interner, world, .. } = actor;
    let function = interner.imported(import).expect("it was named when it was called");
    let params = function.params.iter().map(|(_, ty)| ty);
    let args = call.args.decode(params, interner.types())?;
    let Live { host, recorder, .. } = live;
    let service = host.service(&world.imports[import].interface);
    let service = service.expect("it was there when the component was connected");
    let (function, results) = (&function.name, &function.results);
    let decisions = &mut Vec::new();
    let answered =
        service.call(ServiceCall { function, args, results, decisions, recorder, made_before });
    for decision in decisions.drain(..) {
        live.write(&[], &Event::Permission(decision))?;
    }
    let outcome = match answered {
        Ok(results) => Outcome::Returned(Values::of(&results)?),
        Err(Failure { code, detail }) => Outcome::Trapped { code, detail },
    };
    write_answer(actor, import, call, outcome)
}

/// Writes what the host decided and answered.
fn write_answer(
    actor: &mut Actor<Live>,
    import: usize,
    call: &Call,
    outcome: Outcome,
) -> Result<Outcome> {
    let Actor { backend: live, interner, .. } = actor;
    for decision in live.host.take_decisions() {
        live.write(&[], &Event::Permission(decision))?;
    }
    if let (Some(watch), Outcome::Returned(results)) = (live.watch(import, interner), &outcome)
        && let Some(denial) = live.host.file_denial(&watch, &call.args, results, interner.types())
    {
        live.write(&[], &Event::Permission(denial))?;
    }
    let event = Event::ImportReturn(Return { function: call.function, outcome, fuel: None });
    live.write(&[], &event)?;
    match event {
        Event::ImportReturn(answer) => Ok(answer.outcome),
        _ => unreachable!("it was made above"),
    }
}

/// Runs something that is not the component's doing: its limits and its fuel are left alone.
fn outside<R>(
    cx: &mut StoreContextMut<'_, Actor<Live>>,
    run: impl FnOnce(&mut StoreContextMut<'_, Actor<Live>>) -> Result<R>,
) -> Result<R> {
    let counts_fuel = cx.data().counts_fuel();
    let fuel = if counts_fuel { Some(cx.get_fuel()?) } else { None };
    if counts_fuel {
        cx.set_fuel(u64::MAX)?;
    }
    cx.data_mut().limiter.is_off = true;
    let outcome = handles::in_lifter(|| run(cx));
    cx.data_mut().limiter.is_off = false;
    if let Some(fuel) = fuel {
        cx.set_fuel(fuel)?;
    }
    outcome
}

/// Which imports can do something that a crash does not undo, so that the intent has to be on disk
/// before they run.
pub(crate) fn has_effects(function: &Function) -> bool {
    const HARMLESS: [&str; 6] = [
        "wasi:clocks/",
        "wasi:random/",
        "wasi:cli/environment@",
        "wasi:cli/terminal",
        "wasi:io/poll@",
        "wasi:io/error@",
    ];
    const READING: [&str; 7] = ["get-", "read", "stat", "is-", "subscribe", "metadata", "check-"];
    let member = function.name.rsplit('.').next().unwrap_or(&function.name);
    !HARMLESS.iter().any(|prefix| function.interface.starts_with(prefix))
        && !READING.iter().any(|prefix| member.starts_with(prefix))
}
