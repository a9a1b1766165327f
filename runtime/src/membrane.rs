//! The membrane around a component: everything that crosses it is an event.
//!
//! A component is linked against stubs only. A stub encodes the call, tells the backend about it,
//! and asks the backend for the answer. Recording and replay build the same stubs; what differs is
//! who answers: the host, or the tape.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use theater_record::{
    Call, CborError, Decoder, Encoder, Event, FunctionId, Outcome, ResourceDrop, Return, Values,
};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Func, Instance, InstancePre, Linker, ResourceType};
use wasmtime::{AsContextMut, Result, Store, StoreContextMut, UpdateDeadline, WasmBacktrace};

use crate::codec::{self, Callee};
use crate::component::Component;
use crate::engine::Limits;
use crate::handles::{self, Handles};
use crate::interner::Interner;
use crate::killer::Killed;
use crate::limiter::Limiter;
use crate::tape::{self, Frame};
use crate::trap::{self, Failure};
use crate::world::{DROP, Function, World};

/// Who is on the other side of the membrane.
pub(crate) trait Backend: Sized + Send + 'static {
    /// The component linked against stubs for this backend.
    fn linked(component: &Component) -> Result<InstancePre<Actor<Self>>> {
        stubs(component)?.instantiate_pre(&component.compiled)
    }

    /// Takes note of what the component did. `definitions` come before it.
    fn emit(actor: &mut Actor<Self>, definitions: &[Event], event: &Event) -> Result<()>;

    /// Answers the import call that was emitted last.
    fn answer(
        cx: &mut StoreContextMut<'_, Actor<Self>>,
        import: usize,
        call: Call,
    ) -> Result<Outcome>;

    /// Gives up the resource whose drop was emitted last. `ty` is its position among the world's
    /// imported resource types.
    fn dropped(cx: &mut StoreContextMut<'_, Actor<Self>>, ty: usize, resource: u32) -> Result<()>;
}

/// What a store knows of its component.
pub(crate) struct Actor<B> {
    pub(crate) backend: B,
    pub(crate) world: Arc<World>,
    pub(crate) interner: Interner,
    pub(crate) limiter: Limiter,
    handles: Handles,
    /// Where the component trapped last, the innermost frame first.
    pub(crate) trapped_at: Vec<Frame>,
    /// How much fuel there was in the beginning, where it is counted.
    fuel_start: Option<u64>,
    /// Set when the component is to stop, whatever it does.
    pub(crate) killed: Killed,
}

/// What a life leaves to the next one in the same chain: names and numbers that were given out.
pub(crate) struct Past {
    interner: Interner,
    handles: Handles,
}

impl<B> Actor<B> {
    /// The backend, and what the next life needs to know.
    pub(crate) fn into_past(self) -> (B, Past) {
        let Actor { backend, interner, handles, .. } = self;
        (backend, Past { interner, handles })
    }

    pub(crate) fn counts_fuel(&self) -> bool {
        self.fuel_start.is_some()
    }

    /// The next resource gets this number, unless that was given out or passed by already.
    pub(crate) fn number_resources_from(&mut self, next: u32) {
        self.handles.skip_to(next);
    }
}

/// A component behind its membrane.
pub(crate) struct Sandbox<B: Backend> {
    pub(crate) store: Store<Actor<B>>,
    linked: InstancePre<Actor<B>>,
    /// The component's exports, once it is instantiated.
    exports: Option<Vec<Callee<Actor<B>>>>,
}

impl<B: Backend> Sandbox<B> {
    /// Puts the membrane up; the component does not run yet.
    pub(crate) fn new(component: &Component, limits: &Limits, backend: B) -> Result<Sandbox<B>> {
        let world = component.shared_world();
        let actor = Actor {
            backend,
            interner: Interner::new(&world),
            limiter: Limiter::new(limits),
            handles: Handles::new(world.resources.len() as u32),
            trapped_at: Vec::new(),
            fuel_start: None,
            killed: Killed::default(),
            world,
        };
        let mut store = Store::new(&component.engine.inner, actor);
        store.limiter(|actor| &mut actor.limiter);
        // The public path and strings that are not UTF-8 are counted by the engine.
        store.set_hostcall_fuel(codec::PASSED_BYTES_MAX);
        if limits.fuel {
            let fuel = limits.fuel_max.unwrap_or(FUEL_ENDLESS).min(FUEL_ENDLESS);
            store.set_fuel(fuel)?;
            store.data_mut().fuel_start = Some(fuel);
        }
        if limits.killable {
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(|cx| match cx.data().killed.failure() {
                Some(failure) => Err(failure.into()),
                None => Ok(UpdateDeadline::Continue(1)),
            });
        }
        Ok(Sandbox { store, linked: B::linked(component)?, exports: None })
    }

    /// The same membrane around a fresh store, for an actor's next life.
    pub(crate) fn renewed(self, component: &Component, limits: &Limits) -> Result<Sandbox<B>> {
        let actor = self.store.into_data();
        let killed = actor.killed.clone();
        let (backend, past) = actor.into_past();
        let mut sandbox = Sandbox::new(component, limits, backend)?;
        sandbox.store.data_mut().killed = killed;
        sandbox.go_on_from(past);
        Ok(sandbox)
    }

    /// Continues the names and numbers of an earlier life.
    pub(crate) fn go_on_from(&mut self, past: Past) {
        let actor = self.store.data_mut();
        actor.interner = past.interner;
        // What the old instance held is gone, but numbers are never given out twice.
        actor.handles.continue_from(&past.handles);
    }

    /// Starts a fresh instance. Its start functions may already call out.
    pub(crate) fn instantiate(&mut self) -> Result<std::result::Result<(), Failure>> {
        self.store.data_mut().limiter.hit = None;
        let Sandbox { store, linked, .. } = self;
        let made = entered(store, |store| linked.instantiate(store));
        match made {
            Ok(instance) => {
                self.exports = Some(exports(&mut self.store, &instance)?);
                Ok(Ok(()))
            }
            Err(error) => self.ended(error).map(Err),
        }
    }

    /// Calls an export. The outer error is not the component's doing: the backend stopped it.
    pub(crate) fn call(&mut self, export: usize, args: &[u8]) -> Result<Outcome> {
        let Some(exports) = &self.exports else {
            wasmtime::bail!("the component was not instantiated");
        };
        let callee = exports[export].clone();
        self.store.data_mut().limiter.hit = None;
        let returned = entered(&mut self.store, |store| callee(&mut store.as_context_mut(), args));
        match returned {
            Ok(results) => Ok(Outcome::Returned(Values::written(results))),
            Err(error) => {
                let Failure { code, detail } = self.ended(error)?;
                Ok(Outcome::Trapped { code, detail })
            }
        }
    }

    /// What the world calls next, as an event.
    pub(crate) fn export_call(&mut self, export: usize, args: Values) -> (Vec<Event>, Event) {
        let fuel = self.fuel();
        let actor = self.store.data_mut();
        let (function, definitions) = actor.interner.export(&actor.world, export);
        (definitions, Event::ExportCall(Call { function, args, fuel }))
    }

    /// What the component answered, as an event.
    pub(crate) fn export_return(&self, function: FunctionId, outcome: Outcome) -> Event {
        Event::ExportReturn(Return { function, outcome, fuel: self.fuel() })
    }

    fn fuel(&self) -> Option<u64> {
        let start = self.store.data().fuel_start?;
        Some(start - self.store.get_fuel().ok()?)
    }

    /// Tells the component's own end from one that the backend brought about.
    fn ended(&mut self, error: wasmtime::Error) -> Result<Failure> {
        // Values that do not fit their types are not the component's doing either.
        if error.is::<Stopped>() || error.is::<CborError>() {
            return Err(error);
        }
        let backtrace = error.downcast_ref::<WasmBacktrace>();
        self.store.data_mut().trapped_at = backtrace.map(tape::frames_of).unwrap_or_default();
        Ok(trap::failure(&error, self.store.data().limiter.hit))
    }
}

/// The backend stopped the component. Why is for the backend to say.
#[derive(Debug, thiserror::Error)]
#[error("the run was stopped")]
pub(crate) struct Stopped;

/// As good as endless, and far from overflowing.
const FUEL_ENDLESS: u64 = u64::MAX / 4;

/// Runs something of the component with the actor's handles laid out.
fn entered<B, R>(
    store: &mut Store<Actor<B>>,
    run: impl FnOnce(&mut Store<Actor<B>>) -> Result<R>,
) -> Result<R> {
    let handles = std::mem::take(&mut store.data_mut().handles);
    let (handles, outcome) = handles::with(handles, || run(store));
    store.data_mut().handles = handles;
    outcome
}

/// A linker that knows nothing but stubs.
pub(crate) fn stubs<B: Backend>(component: &Component) -> Result<Linker<Actor<B>>> {
    let engine = &component.engine.inner;
    let mut linker = Linker::new(engine);
    let world = component.world();
    let mut known = Vec::new();
    for (name, item) in component.compiled.component_type().imports(engine) {
        match item.ty {
            ComponentItem::ComponentInstance(instance) => {
                for (member, item) in instance.exports(engine) {
                    if let ComponentItem::Resource(ty) = item.ty {
                        define_resource(&mut linker, world, name, member, ty, &mut known)?;
                    }
                }
            }
            ComponentItem::Resource(ty) => {
                define_resource(&mut linker, world, "", name, ty, &mut known)?;
            }
            _ => {}
        }
    }
    for (import, function) in world.imports.iter().enumerate() {
        let mut place = match function.interface.as_str() {
            "" => linker.root(),
            interface => linker.instance(interface)?,
        };
        let (params, results) = (function.flat_params, function.flat_results);
        let stub =
            Arc::new(move |cx: StoreContextMut<'_, Actor<B>>, args| on_call(cx, import, args));
        codec::define(&mut place, &function.name, params, results, stub)?;
    }
    Ok(linker)
}

fn define_resource<B: Backend>(
    linker: &mut Linker<Actor<B>>,
    world: &World,
    interface: &str,
    name: &str,
    ty: ResourceType,
    known: &mut Vec<ResourceType>,
) -> Result<()> {
    // A type that another interface uses is the same type, defined already.
    if known.contains(&ty) {
        return Ok(());
    }
    let number = world
        .resources
        .iter()
        .position(|resource| resource.interface == interface && resource.name == name);
    let Some(number) = number else {
        wasmtime::bail!("{interface}#{name} is a resource the component does not declare");
    };
    known.push(ty);
    let mut place = match interface {
        "" => linker.root(),
        interface => linker.instance(interface)?,
    };
    let stub = ResourceType::host_dynamic(number as u32);
    place.resource(name, stub, move |cx, resource| on_drop(cx, number, resource))
}

/// The component calls out.
fn on_call<B: Backend>(
    mut cx: StoreContextMut<'_, Actor<B>>,
    import: usize,
    args: Vec<u8>,
) -> Result<Vec<u8>> {
    let fuel = match cx.data().fuel_start {
        Some(start) => Some(start - cx.get_fuel()?),
        None => None,
    };
    let Actor { interner, world, .. } = cx.data_mut();
    let (function, definitions) = interner.import(world, import);
    let event = Event::ImportCall(Call { function, args: Values::written(args), fuel });
    B::emit(cx.data_mut(), &definitions, &event)?;
    let Event::ImportCall(call) = event else { unreachable!("it was made above") };
    match B::answer(&mut cx, import, call)? {
        Outcome::Returned(values) => Ok(values.into_bytes()),
        Outcome::Trapped { code, detail } => Err(Failure { code, detail }.into()),
    }
}

/// The component drops a resource of the host's.
fn on_drop<B: Backend>(
    mut cx: StoreContextMut<'_, Actor<B>>,
    number: usize,
    resource: u32,
) -> Result<()> {
    let Actor { interner, world, .. } = cx.data_mut();
    let (ty, definitions) = interner.ty(world, world.resources[number].ty);
    let event = Event::ResourceDrop(ResourceDrop { ty, resource: resource.into() });
    B::emit(cx.data_mut(), &definitions, &event)?;
    B::dropped(&mut cx, number, resource)
}

/// The component's exports, callable, in the order of its world.
fn exports<B: Backend>(
    store: &mut Store<Actor<B>>,
    instance: &Instance,
) -> Result<Vec<Callee<Actor<B>>>> {
    let world = store.data().world.clone();
    let mut exports = Vec::<Callee<Actor<B>>>::new();
    for function in &world.exports {
        if function.name.starts_with(DROP) {
            exports.push(Arc::new(drop_exported));
            continue;
        }
        let Some(func) = exported(store, instance, function) else {
            wasmtime::bail!("the component does not export {}", function.path());
        };
        exports.push(codec::typed(func, &*store, function.flat_params, function.flat_results)?);
    }
    Ok(exports)
}

/// A function that the component exports.
fn exported<B: Backend>(
    store: &mut Store<Actor<B>>,
    instance: &Instance,
    function: &Function,
) -> Option<Func> {
    let within = match function.interface.as_str() {
        "" => None,
        interface => instance.get_export_index(&mut *store, None, interface),
    };
    let index = instance.get_export_index(&mut *store, within.as_ref(), &function.name)?;
    instance.get_func(store, index)
}

/// Drops a resource that the component handed out.
fn drop_exported<B: Backend>(
    cx: &mut StoreContextMut<'_, Actor<B>>,
    args: &[u8],
) -> Result<Vec<u8>> {
    let mut input = Decoder::new(args);
    input.array_of(1)?;
    handles::take_exported(input.uint_as()?)?.resource_drop(cx)?;
    let mut results = Vec::new();
    Encoder(&mut results).array(0);
    Ok(results)
}
