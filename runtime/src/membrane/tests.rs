//! The membrane around other people's components: the fixtures in the published package of
//! `wit-component`, wherever they are synchronous.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use theater_record::{Type, Value};

use super::*;
use crate::component::ComponentError;
use crate::engine::{self, Engine};
use crate::{by_val, world::WorldError};

/// Answers every call with the same kind of values, and remembers what was done.
#[derive(Default)]
struct Script {
    events: Vec<Event>,
    given: u64,
}

impl Backend for Script {
    fn emit(actor: &mut Actor<Script>, definitions: &[Event], event: &Event) -> Result<()> {
        actor.backend.events.extend(definitions.iter().chain([event]).cloned());
        Ok(())
    }

    fn answer(
        cx: &mut StoreContextMut<'_, Actor<Script>>,
        import: usize,
        _: Call,
    ) -> Result<Outcome> {
        let Actor { backend, world, .. } = cx.data_mut();
        let results = &world.imports[import].results;
        let results = results.iter().map(|ty| example(world, ty, &mut backend.given));
        Ok(Outcome::Returned(Values::of(&results.collect::<Vec<_>>())?))
    }

    fn dropped(_: &mut StoreContextMut<'_, Actor<Script>>, _: usize, _: u32) -> Result<()> {
        Ok(())
    }
}

/// A value of this type; handles are numbered from 1.
fn example(world: &World, ty: &Type, given: &mut u64) -> Value {
    let mut one = |ty: &Type| example(world, ty, given);
    let boxed = |value: Value| Some(Box::new(value));
    match ty {
        Type::Bool => Value::Bool(true),
        Type::S8 => Value::S8(-8),
        Type::U8 => Value::U8(8),
        Type::S16 => Value::S16(-16),
        Type::U16 => Value::U16(16),
        Type::S32 => Value::S32(-32),
        Type::U32 => Value::U32(32),
        Type::S64 => Value::S64(-64),
        Type::U64 => Value::U64(64),
        Type::F32 => Value::F32(0x7fc0_0001),
        Type::F64 => Value::F64(0x4009_21fb_5444_2d18),
        Type::Char => Value::Char('é'),
        Type::String => Value::String("théâtre".to_owned()),
        Type::List(item) | Type::FixedList(_, item) if **item == Type::U8 => {
            Value::Bytes(b"bytes".to_vec())
        }
        Type::List(item) => Value::List(vec![one(item), one(item)]),
        Type::FixedList(len, item) => Value::List((0..*len).map(|_| one(item)).collect()),
        Type::Tuple(items) => Value::Tuple(items.iter().map(one).collect()),
        Type::Record(fields) => Value::Record(fields.iter().map(|(_, ty)| one(ty)).collect()),
        Type::Variant(cases) => {
            Value::Variant(0, cases[0].1.as_ref().and_then(|ty| boxed(one(ty))))
        }
        Type::Enum(_) => Value::Enum(0),
        Type::Flags(_) => Value::Flags(1),
        Type::Option(item) => Value::Option(boxed(one(item))),
        Type::Result(ok, _) => Value::Result(Ok(ok.as_ref().and_then(|ty| boxed(one(ty))))),
        Type::Map(key, value) => Value::Map(vec![(one(key), one(value))]),
        Type::Own(_) | Type::Borrow(_) => {
            *given += 1;
            Value::Own(*given)
        }
        Type::Resource => unreachable!("resources are passed by handles"),
        Type::Named(id) => one(&world.types[id.0 as usize].ty),
    }
}

static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(engine::Backend::Cranelift, &Limits::default(), None).unwrap());

/// What a component did and how it ended, when one of its exports was called.
type Run = (Vec<Event>, Outcome);

/// Calls an export of a fresh instance, by the fused codec or the public path. If there can be no
/// instance without the real host, the error says why.
fn run(component: &Component, export: usize, by_val: bool) -> std::result::Result<Run, String> {
    let mut sandbox = Sandbox::new(component, &Limits::default(), Script::default()).unwrap();
    let Sandbox { store, linked, .. } = &mut sandbox;
    let instance = entered(store, |store| linked.instantiate(store));
    let instance = instance.map_err(|error| format!("{error:#}"))?;
    let mut callees = exports(store, &instance).unwrap();
    let world = store.data().world.clone();
    let function = &world.exports[export];
    if by_val && let Some(func) = exported(store, &instance, function) {
        callees[export] = by_val::callee(func, &*store);
    }
    sandbox.exports = Some(callees);
    let mut given = 0;
    let args = function.params.iter().map(|(_, ty)| example(&world, ty, &mut given));
    let args = Values::of(&args.collect::<Vec<_>>()).unwrap();
    let outcome = sandbox.call(export, args.as_bytes()).unwrap();
    Ok((std::mem::take(&mut sandbox.store.data_mut().backend.events), outcome))
}

/// Calls an import through the lifter, with the stubs where the host would be. `None` if handles
/// are passed, which are the lifter's own.
fn call_lifted(component: &Component, import: usize, by_val: bool) -> Option<Vec<u8>> {
    let mut sandbox = Sandbox::new(component, &Limits::default(), Script::default()).unwrap();
    let world = component.world();
    let function = &world.imports[import];
    let mut given = 0;
    let args = function.params.iter().map(|(_, ty)| example(world, ty, &mut given));
    let args = Values::of(&args.collect::<Vec<_>>()).unwrap();
    let results = function.results.iter().map(|ty| example(world, ty, &mut given));
    let results = Values::of(&results.collect::<Vec<_>>()).unwrap();
    if given > 0 {
        return None;
    }
    let Sandbox { store, .. } = &mut sandbox;
    let linker = stubs::<Script>(component).unwrap();
    let instance = linker.instantiate(&mut *store, component.lifter().unwrap()).unwrap();
    let func = instance.get_func(&mut *store, format!("f{import}")).unwrap();
    let callee = match by_val {
        true => by_val::callee(func, &*store),
        false => codec::typed(func, &*store, function.flat_params, function.flat_results).unwrap(),
    };
    let returned = callee(&mut store.as_context_mut(), args.as_bytes()).unwrap();
    assert_eq!(returned, results.as_bytes(), "{}", function.path());
    let Some(Event::ImportCall(call)) = store.data_mut().backend.events.pop() else {
        panic!("{} was not called", function.path());
    };
    assert_eq!(call.args, args, "{}", function.path());
    Some(returned)
}

#[test]
fn fixtures_of_the_published_wit_component_package() {
    let (mut refused, mut asynchronous, mut called, mut lifted) = (Vec::new(), 0, 0, 0);
    for (name, bytes) in fixtures() {
        let component = match Component::new(&ENGINE, bytes) {
            Ok(component) => component,
            Err(ComponentError::World(WorldError::Asynchronous { .. })) => {
                asynchronous += 1;
                continue;
            }
            Err(ComponentError::Compile(_)) => {
                refused.push(name);
                continue;
            }
            Err(error) => panic!("{name}: {error:?}"),
        };
        assert!(component.lifter().is_ok(), "{name}");
        for (number, function) in component.world().exports.iter().enumerate() {
            let fused = run(&component, number, false);
            assert_eq!(fused, run(&component, number, true), "{name} {}", function.path());
            called += 1;
        }
        for number in 0..component.world().imports.len() {
            let fused = call_lifted(&component, number, false);
            assert_eq!(fused, call_lifted(&component, number, true), "{name}");
            lifted += usize::from(fused.is_some());
        }
    }
    // What asks for features that are switched off, and nothing else.
    let off = [
        "async-import-only-intrinsic",
        "async-import-tricky",
        "async-unit-builtins",
        "custom-page-sizes",
        "implements",
    ];
    assert_eq!(refused, off);
    assert!(asynchronous >= 5 && called >= 90 && lifted >= 30, "{asynchronous} {called} {lifted}");
}

/// The components among the fixtures, with their names.
fn fixtures() -> Vec<(String, Vec<u8>)> {
    let folder = package_folder("wit-component").join("tests/components");
    let mut fixtures = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let component = path.join("component.wat");
        // Those that must not become components have an error message in its place.
        if component.exists() {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            fixtures.push((name, wat::parse_file(&component).unwrap()));
        }
    }
    fixtures.sort();
    fixtures
}

/// Where the sources are of the package with this name that this crate depends on.
fn package_folder(name: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &serde_json::Value| value.as_array().unwrap().clone();
    let root = &metadata["resolve"]["root"];
    let nodes = list(&metadata["resolve"]["nodes"]);
    let node = nodes.iter().find(|node| node["id"] == *root).unwrap();
    let dependencies = list(&node["deps"]);
    let crate_name = name.replace('-', "_");
    let dependency = dependencies.iter().find(|dep| dep["name"] == crate_name.as_str()).unwrap();
    let packages = list(&metadata["packages"]);
    let package = packages.iter().find(|package| package["id"] == dependency["pkg"]).unwrap();
    PathBuf::from(package["manifest_path"].as_str().unwrap()).parent().unwrap().to_owned()
}
