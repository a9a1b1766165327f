//! Values: what is encoded decodes to the same, in the one form that also another library writes.

use proptest::prelude::*;
use theater_record::{Decoder, Encoder, Type, Value, ValueError, Values};

use crate::samples::{table, types, values_of};

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    value.encode(&mut Encoder(&mut bytes));
    bytes
}

/// The same item as another library writes it. It picks the shortest heads of its own accord.
fn rewritten(bytes: &[u8]) -> Vec<u8> {
    let item: ciborium::Value = ciborium::from_reader(bytes).expect("well-formed CBOR");
    let mut rewritten = Vec::new();
    ciborium::into_writer(&item, &mut rewritten).expect("memory does not fail");
    rewritten
}

fn typed_values() -> impl Strategy<Value = (Type, Value)> {
    types().prop_flat_map(|ty| (Just(ty.clone()), values_of(&ty)))
}

proptest! {
    #[test]
    fn decode_to_what_was_encoded((ty, value) in typed_values()) {
        let bytes = encoded(&value);
        let mut input = Decoder::new(&bytes);
        prop_assert_eq!(Value::decode(&mut input, &ty, &table()), Ok(value));
        prop_assert_eq!(input.finish(), Ok(()));
    }

    #[test]
    fn are_strict_cbor_and_what_another_library_writes((_, value) in typed_values()) {
        let bytes = encoded(&value);
        let mut input = Decoder::new(&bytes);
        prop_assert_eq!(input.item(), Ok(&bytes[..]));
        prop_assert_eq!(rewritten(&bytes), bytes);
    }

    #[test]
    fn of_a_call_decode_together(typed in prop::collection::vec(typed_values(), 0..4)) {
        let (types, values): (Vec<_>, Vec<_>) = typed.into_iter().unzip();
        let encoded = Values::of(&values).unwrap();
        prop_assert_eq!(encoded.count(), values.len());
        prop_assert_eq!(Values::from_encoded(encoded.as_bytes().to_vec()), Ok(encoded.clone()));
        prop_assert_eq!(Values::written(encoded.clone().into_bytes()), encoded.clone());
        prop_assert_eq!(encoded.decode(types.iter(), &table()), Ok(values));
    }

    #[test]
    fn changed_at_random_decode_to_their_own_encoding_or_not_at_all(
        (ty, value) in typed_values(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encoded(&value);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let mut input = Decoder::new(&bytes);
        if let Ok(other) = Value::decode(&mut input, &ty, &table()) {
            prop_assert_eq!(encoded(&other), &bytes[..input.position()]);
        }
    }
}

#[test]
fn of_another_number_than_the_function_has_are_refused() {
    let values = Values::of(&[Value::U8(1)]).unwrap();
    let refused = values.decode([].iter(), &table());
    assert_eq!(refused, Err(ValueError::Count { expected: 0, found: 1 }));
}

#[test]
#[should_panic(expected = "values")]
fn written_by_somebody_else_are_refused() {
    let _ = Values::written(vec![0x60]);
}
