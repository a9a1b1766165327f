//! Resources in values, through both paths.

use theater_record::Value::{self, Borrow, Own, U8};
use wasmtime::component::{Component, Instance, Linker, ResourceType};
use wasmtime::{AsContextMut as _, Store};
use wit_component::StringEncoding;

use super::echo::{ENGINE, Echo, PATHS, Path, decoded, encoded};
use crate::handles::{self, Handles};
use crate::world::World;
use crate::{by_val, codec, lifter};

const WIT: &str = "package t:t; interface i {
    resource r;
    record pair { a: r, n: u8 }
    make: func() -> r;
    g: func(a: r, b: borrow<r>, c: list<r>, d: option<borrow<r>>, e: pair) -> result<list<pair>, r>;
    many: func(a: tuple<u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64, u64,
        u64>, b: r) -> r;
} world w { import i; }";

fn list(items: &[Value]) -> Value {
    Value::List(items.to_vec())
}

fn some(value: Value) -> Value {
    Value::Option(Some(Box::new(value)))
}

fn pair(a: Value, n: u8) -> Value {
    Value::Record(vec![a, U8(n)])
}

/// As in a recording: the lifter's side turns its handles into numbers given in order, the stubs'
/// side has numbers of its own.
#[test]
fn handles_anywhere_in_a_value_are_numbers() {
    for (imports, exports) in PATHS {
        let echo = Echo::new(WIT, StringEncoding::UTF8);
        let run = || {
            let mut running = echo.start(imports, exports);
            let mut call = |function, args: &[Value], answer: &[Value]| {
                running.call(function, &encoded(args), &encoded(answer)).unwrap()
            };
            for stub in [100, 200, 300, 400] {
                let (_, returned) = call(0, &[], &[Own(stub)]);
                assert_eq!(returned, encoded(&[Own(stub + 1)]), "numbers start after those seen");
            }
            let args = |a, b, c, d| {
                let e = pair(Own(d), 7);
                [Own(a), Borrow(b), list(&[Own(c)]), some(Borrow(b)), e]
            };
            let pairs =
                |a, b| Value::Result(Ok(Some(Box::new(list(&[pair(Own(a), 1), pair(Own(b), 2)])))));
            let (seen, returned) = call(1, &args(101, 201, 301, 401), &[pairs(500, 600)]);
            assert_eq!(seen, encoded(&args(100, 200, 300, 400)));
            assert_eq!(returned, encoded(&[pairs(601, 602)]));
            // In memory, which is where the codec falls back on the public path.
            let many = |own| [Value::Tuple((0..16).map(Value::U64).collect()), Own(own)];
            let (seen, returned) = call(2, &many(601), &[Own(700)]);
            assert_eq!(seen, encoded(&many(500)));
            assert_eq!(returned, encoded(&[Own(701)]));
        };
        handles::with(Handles::new(1), || handles::in_lifter(run));
    }
}

/// A chain names a resource that the component does not have, or gives away.
#[test]
fn a_number_that_nobody_holds_is_refused() {
    for (imports, exports) in PATHS {
        let echo = Echo::new(WIT, StringEncoding::UTF8);
        let run = || {
            let args = encoded(&[Value::Tuple((0..16).map(Value::U64).collect()), Own(9)]);
            let error = echo.start(imports, exports).call(2, &args, &encoded(&[Own(1)]));
            let error = error.unwrap_err().root_cause().to_string();
            assert!(error.contains("resource 9 is gone"), "{error}");
        };
        handles::with(Handles::new(1), || handles::in_lifter(run));
    }
}

/// A chain may give any number to a resource, also the last.
#[test]
fn numbers_that_run_out_are_an_error() {
    for (imports, exports) in PATHS {
        let echo = Echo::new(WIT, StringEncoding::UTF8);
        let run = || {
            let mut running = echo.start(imports, exports);
            let error = running.call(0, &encoded(&[]), &encoded(&[Own(u32::MAX.into())]));
            let error = error.unwrap_err().root_cause().to_string();
            assert_eq!(error, "there is no number left for another resource");
        };
        handles::with(Handles::new(1), || handles::in_lifter(run));
    }
}

#[test]
fn a_tuple_of_one_aliased_number_is_not_taken_for_a_handle() {
    let wit = "package t:t; interface i {
        type id = u32; type num = s32; type only = tuple<id>;
        g0: func(a: tuple<id>, b: tuple<num>, c: only, d: tuple<u32>);
    } world w { import i; }";
    let lifter = lifter::generate(&decoded(wit), StringEncoding::UTF8).unwrap();
    let world = World::of(&lifter).unwrap();
    for (name, ty) in &world.exports[0].params {
        let structure = match ty {
            theater_record::Type::Named(id) => &world.types[id.0 as usize].ty,
            structure => structure,
        };
        assert!(matches!(structure, theater_record::Type::Record(_)), "{name} is a {ty:?}");
    }
}

/// A component with a resource of its own, and one that it is lent.
const OWNER: &str = r#"(component
    (import "host" (instance $host (export "r" (type (sub resource)))))
    (alias export $host "r" (type $r))
    (type $mine' (resource (rep i32)))
    (core func $new (canon resource.new $mine'))
    (core func $rep (canon resource.rep $mine'))
    (core func $drop (canon resource.drop $r))
    (core module $m
        (import "" "new" (func $new (param i32) (result i32)))
        (import "" "rep" (func $rep (param i32) (result i32)))
        (import "" "drop" (func $drop (param i32)))
        (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
        (func (export "take") (param i32) (result i32) (call $rep (local.get 0)))
        (func (export "look") (param i32) (result i32) (local.get 0))
        (func (export "lend") (param i32) (call $drop (local.get 0)))
        (func (export "bad") (result i32) (i32.const 77)))
    (core instance $i (instantiate $m (with "" (instance
        (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))))))
    (func $make' (param "n" u32) (result (own $mine')) (canon lift (core func $i "make")))
    (func $take' (param "a" (own $mine')) (result u32) (canon lift (core func $i "take")))
    (func $look' (param "a" (borrow $mine')) (result u32) (canon lift (core func $i "look")))
    (func $bad' (result (own $mine')) (canon lift (core func $i "bad")))
    (component $shape
        (import "mine" (type $mine (sub resource)))
        (import "make" (func $make (param "n" u32) (result (own $mine))))
        (import "take" (func $take (param "a" (own $mine)) (result u32)))
        (import "look" (func $look (param "a" (borrow $mine)) (result u32)))
        (import "bad" (func $bad (result (own $mine))))
        (export $mine' "mine" (type $mine))
        (export "make" (func $make) (func (param "n" u32) (result (own $mine'))))
        (export "take" (func $take) (func (param "a" (own $mine')) (result u32)))
        (export "look" (func $look) (func (param "a" (borrow $mine')) (result u32)))
        (export "bad" (func $bad) (func (result (own $mine')))))
    (instance (export "own") (instantiate $shape
        (with "mine" (type $mine')) (with "make" (func $make')) (with "take" (func $take'))
        (with "look" (func $look')) (with "bad" (func $bad'))))
    (func (export "lend") (param "a" (borrow $r)) (canon lift (core func $i "lend"))))"#;

/// Calls exports of one instance of that component.
struct Owner {
    store: Store<()>,
    instance: Instance,
    world: World,
    path: Path,
}

impl Owner {
    fn new(path: Path) -> Owner {
        let bytes = wat::parse_str(OWNER).unwrap();
        let world = World::of(&bytes).unwrap();
        let component = Component::new(&ENGINE, bytes).unwrap();
        let mut linker = Linker::new(&ENGINE);
        let stub = ResourceType::host_dynamic(0);
        linker.instance("host").unwrap().resource("r", stub, |_, _| Ok(())).unwrap();
        let mut store = Store::new(&ENGINE, ());
        let instance = linker.instantiate(&mut store, &component).unwrap();
        Owner { store, instance, world, path }
    }

    fn call(&mut self, name: &str, args: &[Value]) -> Result<Vec<u8>, String> {
        let mut exports = self.world.exports.iter();
        let export = exports.find(|export| export.name == name).unwrap();
        let within = match export.interface.as_str() {
            "" => None,
            interface => self.instance.get_export_index(&mut self.store, None, interface),
        };
        let index = self.instance.get_export_index(&mut self.store, within.as_ref(), name).unwrap();
        let func = self.instance.get_func(&mut self.store, index).unwrap();
        let callee = match self.path {
            Path::Fused => {
                codec::typed(func, &self.store, export.flat_params, export.flat_results).unwrap()
            }
            Path::Val => by_val::callee(func, &self.store),
        };
        callee(&mut self.store.as_context_mut(), &encoded(args))
            .map_err(|error| error.root_cause().to_string())
    }
}

#[test]
fn resources_of_the_component_itself_are_numbers() {
    for path in [Path::Fused, Path::Val] {
        let run = || {
            let mut owner = Owner::new(path);
            assert_eq!(owner.call("make", &[Value::U32(70)]).unwrap(), encoded(&[Own(1)]));
            assert_eq!(owner.call("make", &[Value::U32(80)]).unwrap(), encoded(&[Own(2)]));
            assert_eq!(owner.call("look", &[Borrow(1)]).unwrap(), encoded(&[Value::U32(70)]));
            assert_eq!(owner.call("take", &[Own(2)]).unwrap(), encoded(&[Value::U32(80)]));
            let error = owner.call("look", &[Borrow(2)]).unwrap_err();
            assert!(error.contains("resource 2 is gone"), "{error}");
            // One of the host's, lent to the component.
            assert_eq!(Owner::new(path).call("lend", &[Borrow(9)]).unwrap(), encoded(&[]));
            assert_eq!(Owner::new(path).call("bad", &[]).unwrap_err(), "unknown handle index 77");
        };
        handles::with(Handles::new(1), run);
    }
}
