//! Hostile chains: answers and arguments that are sound CBOR and of the wrong shape.

use proptest::prelude::*;
use theater_record::{Encoder, Type, TypeTable, Value, Values};
use wit_component::StringEncoding;

use super::echo::{Echo, PATHS, encoded};
use super::values::{Dice, any_signature, any_type, cases, wit_of};

proptest! {
    #![proptest_config(cases(96))]

    /// What a chain's own reader takes for values of a type, both paths pass on unchanged; what it
    /// does not, both refuse.
    #[test]
    fn answers_of_any_shape_are_passed_on_or_refused(
        signature in any_signature(),
        other in any_type(),
        seed in any::<u64>(),
    ) {
        let echo = Echo::new(&wit_of(std::slice::from_ref(&signature)), StringEncoding::UTF8);
        let mut dice = Dice(seed);
        let args = signature.params.iter().map(|ty| dice.value(ty)).collect::<Vec<_>>();
        let result = signature.result.iter().map(|ty| dice.value(ty)).collect::<Vec<_>>();
        let (args, result) = (encoded(&args), encoded(&result));
        let declared = &echo.world.imports[0];
        let params = declared.params.iter().map(|(_, ty)| ty).collect::<Vec<_>>();
        let results = declared.results.iter().collect::<Vec<_>>();
        for _ in 0..6 {
            let answer = hostile(&mut dice, &result, &other);
            passed_on_or_refused(&echo, &args, &answer, fits(&answer, &results, &echo.table));
            let given = hostile(&mut dice, &args, &other);
            passed_on_or_refused(&echo, &given, &result, fits(&given, &params, &echo.table));
        }
    }
}

fn passed_on_or_refused(echo: &Echo, args: &[u8], answer: &[u8], fits: bool) {
    for (imports, exports) in PATHS {
        // A component that trapped cannot be entered again, so each call gets a fresh one.
        let called = echo.start(imports, exports).call(0, args, answer);
        let context = format!(
            "imports by {imports:?}, exports by {exports:?}, {args:x?} answered by {answer:x?}"
        );
        match called {
            Ok((seen, returned)) => {
                assert!(fits, "passed on, {context}");
                assert_eq!((&seen[..], &returned[..]), (args, answer), "{context}");
            }
            Err(error) => assert!(!fits, "refused with {error:#}, {context}"),
        }
    }
}

/// Whether a chain's own reader takes these bytes for values of these types.
fn fits(bytes: &[u8], types: &[&Type], table: &TypeTable) -> bool {
    let Ok(values) = Values::from_encoded(bytes.to_vec()) else { return false };
    // References to payloads elsewhere are filled in before a component sees anything.
    values.blob_refs().is_ok_and(|refs| refs.is_empty())
        && values.decode(types.iter().copied(), table).is_ok()
}

/// Something of sound CBOR: the sound values with a byte changed, values of another type, or any
/// items at all. Never more than an array of them, because a chain's reader sees to that.
fn hostile(dice: &mut Dice, sound: &[u8], other: &Type) -> Vec<u8> {
    for _ in 0..16 {
        let bytes = match dice.below(4) {
            0 | 1 => {
                let mut bytes = sound.to_vec();
                for _ in 0..=dice.below(2) {
                    let at = dice.below(bytes.len() as u64) as usize;
                    bytes[at] = dice.next() as u8;
                }
                bytes
            }
            2 => encoded(&[dice.value(other)]),
            _ => {
                let mut bytes = Vec::new();
                let len = dice.below(3);
                Encoder(&mut bytes).array(len as usize);
                (0..len).for_each(|_| item(dice, 4, &mut bytes));
                bytes
            }
        };
        if Values::from_encoded(bytes.clone()).is_ok() {
            return bytes;
        }
    }
    encoded(&[])
}

fn item(dice: &mut Dice, depth: usize, bytes: &mut Vec<u8>) {
    let mut out = Encoder(bytes);
    match dice.below(if depth == 0 { 6 } else { 9 }) {
        0 => out.uint(dice.next() >> dice.below(64)),
        1 => out.int(dice.next().cast_signed() >> dice.below(64)),
        2 => out.bytes(&dice.next().to_le_bytes()[..dice.below(9) as usize]),
        3 => out.text("text"),
        4 => out.bool(dice.below(2) == 0),
        5 => out.null(),
        _ => {
            let len = dice.below(4);
            out.array(len as usize);
            (0..len).for_each(|_| item(dice, depth - 1, bytes));
        }
    }
}

/// The public path turns flags into names, where a bit without a name would get lost.
#[test]
fn a_flag_that_the_type_does_not_have_is_refused() {
    let ty = Type::Flags(vec!["n0".to_owned(), "n1".to_owned()]);
    let signature = super::values::Signature { params: vec![ty], result: None };
    let echo = Echo::new(&wit_of(&[signature]), StringEncoding::UTF8);
    passed_on_or_refused(&echo, &encoded(&[Value::Flags(4)]), &encoded(&[]), false);
}

/// A list that claims more elements than there are costs nothing.
#[test]
fn a_claimed_length_allocates_nothing() {
    for ty in [Type::List(Box::new(Type::U64)), Type::String, Type::List(Box::new(Type::U8))] {
        let signature = super::values::Signature { params: Vec::new(), result: Some(ty) };
        let echo = Echo::new(&wit_of(&[signature]), StringEncoding::UTF8);
        for major in [0x40, 0x60, 0x80] {
            let answer = [0x81, major | 26, 0xff, 0xff, 0xff, 0xff];
            passed_on_or_refused(&echo, &encoded(&[]), &answer, false);
        }
    }
}
