//! The linker has all of WASI 0.2, also for components that were made against an older 0.2.

use theater_runtime::host::add_to_linker;
use wasm_encoder::{
    ComponentBuilder, ComponentTypeRef, ComponentValType, InstanceType, PrimitiveValType,
    TypeBounds,
};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use super::Data;

/// What a component asks an interface for: a resource, or a function that gives a `u64`.
enum Item {
    Resource(&'static str),
    Function(&'static str),
}

fn component_that_imports(interface: &str, item: &Item) -> Vec<u8> {
    let mut instance = InstanceType::new();
    match item {
        Item::Resource(name) => {
            instance.export(*name, ComponentTypeRef::Type(TypeBounds::SubResource));
        }
        Item::Function(name) => {
            let result = ComponentValType::Primitive(PrimitiveValType::U64);
            let none: [(&str, ComponentValType); 0] = [];
            instance.ty().function().params(none).result(Some(result));
            instance.export(*name, ComponentTypeRef::Func(0));
        }
    }
    let mut builder = ComponentBuilder::default();
    let ty = builder.type_instance(None, &instance);
    builder.import(interface, ComponentTypeRef::Instance(ty));
    builder.finish()
}

fn links(interface: &str, item: &Item) -> Result<(), String> {
    let engine = Engine::default();
    let mut linker = Linker::<Data>::new(&engine);
    add_to_linker(&mut linker).expect("nothing is defined twice");
    let bytes = component_that_imports(interface, item);
    let component = Component::new(&engine, bytes).expect("the component is valid");
    linker.instantiate_pre(&component).map(drop).map_err(|error| format!("{error:#}"))
}

#[test]
fn every_interface_is_there() {
    for (interface, item) in [
        ("wasi:cli/terminal-input@0.2.0", Item::Resource("terminal-input")),
        ("wasi:clocks/monotonic-clock@0.2.0", Item::Function("now")),
        ("wasi:random/random@0.2.0", Item::Function("get-random-u64")),
        ("wasi:random/insecure@0.2.3", Item::Function("get-insecure-random-u64")),
        ("wasi:io/streams@0.2.0", Item::Resource("output-stream")),
        ("wasi:io/poll@0.2.0", Item::Resource("pollable")),
        ("wasi:filesystem/types@0.2.0", Item::Resource("descriptor")),
        ("wasi:sockets/tcp@0.2.0", Item::Resource("tcp-socket")),
        ("wasi:sockets/udp@0.2.0", Item::Resource("udp-socket")),
        ("wasi:sockets/ip-name-lookup@0.2.0", Item::Resource("resolve-address-stream")),
        ("wasi:http/types@0.2.0", Item::Resource("outgoing-request")),
    ] {
        assert_eq!(links(interface, &item), Ok(()), "{interface}");
    }
}

#[test]
fn what_is_not_there_does_not_link() {
    let error = links("wasi:clocks/monotonic-clock@0.2.0", &Item::Function("later")).unwrap_err();
    assert!(error.contains("later"), "{error}");
}
