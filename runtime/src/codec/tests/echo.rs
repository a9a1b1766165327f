//! A component that calls an import with what it was called with and returns what that returned,
//! reached by both paths on both sides.

use std::sync::{Arc, LazyLock};

use theater_record::{TypeTable, Value, Values};
use wasmtime::component::{Component, Linker, Val};
use wasmtime::{Engine, Result, Store};
use wit_component::StringEncoding;
use wit_parser::Resolve;

use crate::world::{Decoded, World};
use crate::{by_val, codec, engine, lifter};

/// The engine's settings, and the type constructors that are still switched off in it.
pub(super) static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let mut config = engine::deterministic();
    config.wasm_component_model_fixed_length_lists(true).wasm_component_model_map(true);
    Engine::new(&config).unwrap()
});

/// One of the two ways through the membrane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Path {
    Fused,
    Val,
}

pub(super) const PATHS: [(Path, Path); 4] = [
    (Path::Fused, Path::Fused),
    (Path::Val, Path::Val),
    (Path::Fused, Path::Val),
    (Path::Val, Path::Fused),
];

/// What the import saw, and what it is to answer.
#[derive(Default)]
pub(super) struct Host {
    pub(super) seen: Vec<Vec<u8>>,
    pub(super) answer: Vec<u8>,
}

/// A world that imports functions, and the component that echoes them.
pub(super) struct Echo {
    pub(super) world: World,
    pub(super) table: TypeTable,
    component: Component,
}

impl Echo {
    /// The echo of the world called `w` in some WIT.
    pub(super) fn new(wit: &str, encoding: StringEncoding) -> Echo {
        let decoded = decoded(wit);
        let world = World::new(&decoded).unwrap();
        let bytes = lifter::generate(&decoded, encoding).unwrap();
        let component = Component::new(&ENGINE, bytes).unwrap();
        Echo { table: world.type_table(), world, component }
    }

    /// The echo in a store of its own, with imports and exports passed in the given ways.
    pub(super) fn start(&self, imports: Path, exports: Path) -> Running {
        let mut store = Store::new(&ENGINE, Host::default());
        let mut linker = Linker::<Host>::new(&ENGINE);
        for (number, resource) in self.world.resources.iter().enumerate() {
            let ty = wasmtime::component::ResourceType::host_dynamic(number as u32);
            let mut place = linker.instance(&resource.interface).unwrap();
            place.resource(&resource.name, ty, |_, _| Ok(())).unwrap();
        }
        for function in &self.world.imports {
            let mut place = linker.instance(&function.interface).unwrap();
            match imports {
                Path::Fused => codec::define(
                    &mut place,
                    &function.name,
                    function.flat_params,
                    function.flat_results,
                    Arc::new(|mut cx, args| {
                        cx.data_mut().seen.push(args);
                        Ok(cx.data().answer.clone())
                    }),
                ),
                Path::Val => place.func_new(&function.name, |cx, ty, args, results| {
                    answer_by_val(cx, &ty, args, results)
                }),
            }
            .unwrap();
        }
        let instance = linker.instantiate(&mut store, &self.component).unwrap();
        let functions = self.world.imports.iter().enumerate().map(|(number, function)| {
            let func = instance.get_func(&mut store, format!("f{number}")).unwrap();
            match exports {
                Path::Fused => {
                    codec::typed(func, &store, function.flat_params, function.flat_results).unwrap()
                }
                Path::Val => by_val::callee(func, &store),
            }
        });
        let functions = functions.collect();
        Running { store, functions }
    }
}

/// An import through the public interface, with the same host behind it.
pub(super) fn answer_by_val(
    mut cx: wasmtime::StoreContextMut<'_, Host>,
    ty: &wasmtime::component::types::ComponentFunc,
    args: &[Val],
    results: &mut [Val],
) -> Result<()> {
    let types = ty.params().map(|(_, ty)| ty).collect::<Vec<_>>();
    let seen = by_val::encode_all(wasmtime::AsContextMut::as_context_mut(&mut cx), &types, args)?;
    cx.data_mut().seen.push(seen);
    let answer = cx.data().answer.clone();
    let types = ty.results().collect::<Vec<_>>();
    let values = by_val::decode_all(cx, &types, &answer)?;
    results.clone_from_slice(&values);
    Ok(())
}

/// An echo that can be called.
pub(super) struct Running {
    pub(super) store: Store<Host>,
    functions: Vec<codec::Callee<Host>>,
}

impl Running {
    /// Calls a function whose import answers as given; returns what the import saw and what came
    /// back from the function.
    pub(super) fn call(
        &mut self,
        function: usize,
        args: &[u8],
        answer: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>)> {
        self.store.data_mut().answer = answer.to_vec();
        self.store.data_mut().seen.clear();
        let callee = self.functions[function].clone();
        let returned = callee(&mut wasmtime::AsContextMut::as_context_mut(&mut self.store), args)?;
        Ok((self.store.data_mut().seen.pop().unwrap(), returned))
    }
}

/// A world called `w` from its WIT.
pub(super) fn decoded(wit: &str) -> Decoded {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("w")).unwrap();
    Decoded { resolve, world }
}

/// Values as a chain has them.
pub(super) fn encoded(values: &[Value]) -> Vec<u8> {
    Values::of(values).unwrap().into_bytes()
}
