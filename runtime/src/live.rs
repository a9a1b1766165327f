//! The live side of the membrane: the host acts, and the recorder writes down what it did.

mod resume;

use std::sync::Arc;

use theater_record::{
    Call, Clock, Encoder, Event, Kind, Lifecycle, LifecycleState, Outcome, RecordError, Recorder,
    Return, Values,
};
use wasmtime::component::Linker;
use wasmtime::{AsContextMut, Result, Store, StoreContextMut};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};

use crate::codec::{self, Callee};
use crate::component::Component;
use crate::handles;
use crate::host::{self, FileWatch, Host, HostView, ServiceCall};
use crate::interner::Interner;
use crate::membrane::{Actor, Backend, Stopped};
use crate::recording::RecordingOptions;
use crate::sealing::Sealing;
use crate::tape::{Stop, Tape, TapeError};
use crate::trap::{self, Failure};
use crate::world::Function;

/// Records what a component does and has the host answer.
pub(crate) struct Live {
    pub(crate) recorder: Recorder,
    host: Host,
    /// Each imported function, callable.
    calls: Arc<[Callee<Actor<Live>>]>,
    /// Which imports a service answers.
    served: Arc<[bool]>,
    /// How to drop a resource of each imported type.
    drops: Arc<[Callee<Actor<Live>>]>,
    /// Whether a call has to be on disk before the host acts, by import. Empty if none has.
    flushed: Vec<bool>,
    /// How denials of the file system are told from each import's results, once it was called.
    watches: Vec<Watch>,
    /// The chain so far, while an actor is being brought back.
    pub(crate) resuming: Option<Tape>,
    clock: Clock,
    /// Decides what can be removed later.
    sealing: Sealing,
    /// Set when recording failed, which ends the run.
    pub(crate) failed: Option<RecordError>,
}

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
            calls: Arc::from(Vec::new()),
            served: Arc::from(Vec::new()),
            drops: Arc::from(Vec::new()),
            flushed,
            watches: Vec::new(),
            resuming: None,
            clock: options.clock.clone(),
            sealing: Sealing::new(options.redact.clone()),
            failed: None,
        }
    }

    /// Instantiates the lifter against the host, in the component's own store.
    pub(crate) fn connect(
        store: &mut Store<Actor<Live>>,
        component: &Component,
        lifter: &wasmtime::component::Component,
    ) -> Result<()> {
        let mut linker = Linker::new(&component.engine.inner);
        host::add_to_linker(&mut linker)?;
        if store.data().backend.host.takes_liberties() {
            host::add_liberties(&mut linker)?;
        }
        let served = not_lifted(&mut linker, component, &mut store.data_mut().backend.host)?;
        let (calls, drops) = outside(&mut store.as_context_mut(), |cx| {
            let instance = linker.instantiate(&mut *cx, lifter)?;
            let mut get = |name: String, params: usize, results: usize| {
                let Some(func) = instance.get_func(&mut *cx, &name) else {
                    wasmtime::bail!("the lifter has no {name}");
                };
                codec::typed(func, &*cx, params, results)
            };
            let world = component.world();
            let calls = world.imports.iter().enumerate().map(|(number, function)| {
                get(format!("f{number}"), function.flat_params, function.flat_results)
            });
            let calls = calls.collect::<Result<Vec<_>>>()?;
            let drops = (0..world.resources.len()).map(|number| get(format!("d{number}"), 1, 0));
            Ok((calls, drops.collect::<Result<Vec<_>>>()?))
        })?;
        let live = &mut store.data_mut().backend;
        (live.calls, live.drops, live.served) = (calls.into(), drops.into(), served.into());
        Ok(())
    }

    /// The tape is at its end, and the world takes over. What the chain names already is not
    /// named again.
    pub(crate) fn take_over(actor: &mut Actor<Live>) -> Result<()> {
        let Actor { backend: live, interner, world, .. } = actor;
        if let Some(mut tape) = live.resuming.take() {
            let known = tape.definitions();
            interner.learn(world, &known);
            return live.note_resumed(&known, "");
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
                live.note_resumed(&known, "in the middle of a call")?;
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
        if live.flushed.get(import) == Some(&true) {
            live.flush()?;
        }
        if live.served.get(import) == Some(&true) {
            return serve(cx.data_mut(), import, &call);
        }
        let calls = live.calls.clone();
        let answered = outside(cx, |cx| calls[import](cx, call.args.as_bytes()));
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
        let drops = cx.data().backend.drops.clone();
        let mut args = Vec::with_capacity(8);
        Encoder(&mut args).array(1);
        Encoder(&mut args).uint(index.into());
        outside(cx, |cx| drops[ty](cx, &args)).map(drop)
    }
}

/// Leaves to services what they answer: the lifter has to be linked, but is not called for it.
fn not_lifted(
    linker: &mut Linker<Actor<Live>>,
    component: &Component,
    host: &mut Host,
) -> Result<Vec<bool>> {
    let mut served = Vec::new();
    for function in &component.world().imports {
        let is_served = host.service(&function.interface).is_some();
        served.push(is_served);
        if is_served {
            let mut interface = linker.instance(&function.interface)?;
            interface
                .func_new(&function.name, |_, _, _, _| wasmtime::bail!("a service answers this"))?;
        }
    }
    Ok(served)
}

/// Has a service answer a call.
fn serve(actor: &mut Actor<Live>, import: usize, call: &Call) -> Result<Outcome> {
    let Actor { backend: live, interner, world, .. } = actor;
    let function = interner.imported(import).expect("it was named when it was called");
    let params = function.params.iter().map(|(_, ty)| ty);
    let args = call.args.decode(params, interner.types())?;
    let Live { host, recorder, .. } = live;
    let service = host.service(&world.imports[import].interface);
    let service = service.expect("it was there when the component was connected");
    let tip = &mut || recorder.tip();
    let (function, results) = (&function.name, &function.results);
    let decisions = &mut Vec::new();
    let answered = service.call(ServiceCall { function, args, results, decisions, tip });
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
