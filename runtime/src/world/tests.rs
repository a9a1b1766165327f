//! Worlds that strain what a chain can hold.

use std::fmt::Write as _;

use theater_record::{Frame, Hash, Place, Value, Values, check_body};

use super::*;
use crate::interner::Interner;

fn world(wit: &str) -> Result<World, WorldError> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("test.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("w")).unwrap();
    World::new(&Decoded { resolve, world })
}

/// As deep as a world may nest its types, a chain can name them and hold values of them.
#[test]
fn types_are_nested_as_deep_as_a_chain_can_hold_and_no_deeper() {
    let mut deepest = 0;
    for depth in 1..=NESTING_DEPTH_MAX {
        let ty = format!("{}u8{}", "tuple<".repeat(depth), ">".repeat(depth));
        let wit = format!("package t:t; world w {{ import f: func(a: {ty}); }}");
        let world = match world(&wit) {
            Ok(world) => world,
            Err(WorldError::Unrecordable { .. }) => break,
            Err(error) => panic!("{error:?}"),
        };
        let (_, definitions) = Interner::new(&world).import(&world, 0);
        for definition in &definitions {
            let place = Place { tag: [0; 4], prev: Hash([0; 32]), seq: 1 };
            let frame = place.frame(definition);
            check_body(Frame::parse(&frame).unwrap().body()).unwrap();
        }
        let value = (0..depth).fold(Value::U8(1), |value, _| Value::Tuple(vec![value]));
        Values::of(&[value]).unwrap();
        deepest = depth;
    }
    assert_eq!(deepest, NESTING_DEPTH_MAX - 2);
}

/// A component made to exhaust whoever looks at its types, not to run.
fn nested(levels: usize, constructor: &str) -> Vec<u8> {
    let mut types = "(type $t0 (option u8))".to_owned();
    for level in 1..=levels {
        let inner = format!("$t{}", level - 1);
        let ty = constructor.replace("T", &inner);
        write!(types, "(type $t{level} {ty})").unwrap();
    }
    wat::parse_str(format!("(component {types} (import \"f\" (func (param \"a\" $t{levels}))))"))
        .unwrap()
}

#[test]
fn bottomless_types_are_refused() {
    for constructor in ["(option T)", "(list T)", "(tuple T T)", "(result T (error T))"] {
        for levels in [100, 5_000] {
            let error = World::of(&nested(levels, constructor)).unwrap_err();
            assert!(
                matches!(error, WorldError::Unreadable(_) | WorldError::Unrecordable { .. }),
                "{error:?}"
            );
        }
    }
}

/// The validator bounds how often a type may be repeated, which keeps every walk over it short.
#[test]
fn types_that_double_at_each_level_are_refused() {
    for constructor in ["(tuple T T)", "(result T (error T))"] {
        assert!(World::of(&nested(12, constructor)).is_ok());
        for levels in [25, 59] {
            let error = World::of(&nested(levels, constructor)).unwrap_err();
            assert!(matches!(error, WorldError::Unreadable(_)), "{error:?}");
        }
    }
}

/// A list whose length is part of its type, and larger than any memory.
#[test]
fn a_huge_fixed_length_is_no_trouble() {
    let wat = "(component (type $t (list u64 4294967295)) (import \"f\" (func (param \"a\" $t))))";
    let world = World::of(&wat::parse_str(wat).unwrap());
    assert!(world.is_err() || world.is_ok_and(|world| world.imports[0].flat_params == SPILLED));
}
