//! Resources in values, through both paths.

use theater_record::Value::{self, Borrow, Own, U8};
use wit_component::StringEncoding;

use super::echo::{Echo, PATHS, decoded, encoded};
use crate::handles::{self, Handles};
use crate::lifter;
use crate::world::World;

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
            let pairs = |a, b| Value::Result(Ok(Some(Box::new(list(&[pair(Own(a), 1), pair(Own(b), 2)])))));
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
            assert_eq!(error, "resource 9 is not held by anybody outside");
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
