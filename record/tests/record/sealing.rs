//! Payloads out of line: the writer puts them there, the caller is told at once what cannot be.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should fail right there")]

use std::sync::{Arc, Mutex};

use theater_record::{
    About, BLOB_PIECE_BYTES_MAX, BODY_BYTES_MAX, Call, CheckpointPolicy, Event, FunctionId, Kind,
    NESTING_DEPTH_MAX, Options, Reader, RecordError, Recorder, Seed, Sensitivity, Stored, Type,
    TypeDef, TypeId, Value, Values,
};

type Memory = Arc<Mutex<Vec<u8>>>;

fn recorder(options: Options) -> (Recorder, Memory) {
    let log = Memory::default();
    let (about, seed) = (About::default(), Seed::new([1; 32]));
    let recorder = Recorder::create(log.clone(), about, options, seed, Arc::new(|| 1)).unwrap();
    (recorder, log)
}

fn call(args: &[Value]) -> Event {
    let args = Values::of(args).unwrap();
    Event::ImportCall(Call { function: FunctionId(0), args, fuel: Some(7) })
}

/// What stands in the chain behind the header: calls with their arguments, the lengths of blobs,
/// checkpoints.
#[derive(Debug, PartialEq)]
enum Seen {
    Call(Event),
    Blob(usize),
    Checkpoint,
}

fn seen(log: &Memory) -> Vec<Seen> {
    let bytes = log.lock().unwrap().clone();
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let mut seen = Vec::new();
    while let Some(stored) = reader.read().unwrap() {
        match stored {
            Stored::Record(record) => match record.kind {
                Kind::Header => {}
                Kind::Checkpoint => seen.push(Seen::Checkpoint),
                _ => seen.push(Seen::Call(record.event().unwrap())),
            },
            Stored::Blob { blob, .. } => seen.push(Seen::Blob(blob.content.len())),
            Stored::Tombstone { .. } => panic!("nothing was removed"),
        }
    }
    seen
}

/// How many values of a call are out of line, and its fuel.
fn refs(seen: &Seen) -> (usize, Option<u64>) {
    let Seen::Call(Event::ImportCall(call)) = seen else { panic!("{seen:?} is no call") };
    (call.args.blob_refs().unwrap().len(), call.fuel)
}

#[test]
fn blobs_stand_before_their_record_and_once() {
    let (mut recorder, log) = recorder(Options::default());
    let long = Value::Bytes(vec![7; 5000]);
    let text = Value::List(vec![Value::String("x".repeat(6000)), Value::U8(1)]);
    recorder.append(&call(&[Value::U8(1), long.clone(), text])).unwrap();
    recorder.append(&call(&[long])).unwrap();
    recorder.append_as(&call(&[Value::U8(1), Value::U8(1)]), Sensitivity::Sensitive).unwrap();
    drop(recorder);
    let seen = seen(&log);
    assert_eq!(seen[..2], [Seen::Blob(5000), Seen::Blob(6000)]);
    assert_eq!(refs(&seen[2]), (2, Some(7)));
    assert_eq!(refs(&seen[3]), (1, Some(7)));
    assert_eq!(seen[4], Seen::Blob(1));
    assert_eq!(refs(&seen[5]), (2, Some(7)));
    assert_eq!(seen.len(), 6);
}

#[test]
fn a_record_that_would_be_too_large_is_refused_by_the_call_that_asks_for_it() {
    // On a slow machine this takes longer than checkpoints by time are apart.
    let policy =
        CheckpointPolicy { bytes_max: u64::MAX, interval_ns: None, ..CheckpointPolicy::default() };
    let (mut recorder, log) = recorder(Options { policy, ..Options::default() });
    // Fits inline, but not with a reference for each.
    let many = call(&vec![Value::U8(1); 500_000]);
    let refused = recorder.append_as(&many, Sensitivity::Sensitive);
    let Err(RecordError::TooLarge { bytes }) = refused else { panic!("{refused:?}") };
    assert!(bytes > BODY_BYTES_MAX);
    assert_eq!(recorder.append(&many).unwrap(), 1);
    // Far larger than a record, but not once it is out of line.
    let large = call(&[Value::Bytes(vec![7; 2 * BODY_BYTES_MAX])]);
    assert_eq!(recorder.append(&large).unwrap(), 2);
    let large = call(&[Value::List(vec![Value::U64(u64::MAX); BODY_BYTES_MAX / 8])]);
    assert_eq!(recorder.append(&large).unwrap(), 3);
    drop(recorder);
    let blobs = |seen: &[Seen]| seen.iter().filter(|one| matches!(one, Seen::Blob(_))).count();
    let seen = seen(&log);
    assert_eq!(refs(&seen[0]).0, 0, "nothing is left of the refused event");
    // Of the first one all pieces are equal, of the second one none.
    assert_eq!(blobs(&seen), 1 + (BODY_BYTES_MAX / 8 * 9).div_ceil(BLOB_PIECE_BYTES_MAX));
}

#[test]
fn without_blobs_a_record_has_to_fit_as_it_is() {
    let options = Options { inline_bytes_max: usize::MAX, ..Options::default() };
    let (mut recorder, log) = recorder(options);
    let refused = recorder.append(&call(&[Value::Bytes(vec![7; BODY_BYTES_MAX])]));
    assert!(matches!(refused, Err(RecordError::TooLarge { .. })), "{refused:?}");
    let fits = call(&[Value::Bytes(vec![7; BODY_BYTES_MAX - 100])]);
    assert_eq!(recorder.append(&fits).unwrap(), 1);
    drop(recorder);
    assert_eq!(seen(&log), [Seen::Call(fits), Seen::Checkpoint]);
}

#[test]
fn a_checkpoint_by_bytes_stands_at_the_same_place_whether_payloads_repeat_or_not() {
    let places = |payload: fn(u8) -> u8| {
        let policy =
            CheckpointPolicy { records_max: u64::MAX, bytes_max: 20_000, interval_ns: None };
        let (mut recorder, log) = recorder(Options { policy, ..Options::default() });
        for at in 0..12 {
            recorder.append(&call(&[Value::Bytes(vec![payload(at); 5000])])).unwrap();
        }
        drop(recorder);
        let linked = seen(&log).into_iter().filter(|one| !matches!(one, Seen::Blob(_)));
        linked.map(|one| one == Seen::Checkpoint).collect::<Vec<_>>()
    };
    let places_of_one = places(|_| 7);
    assert_eq!(places_of_one, places(|at| at));
    assert_eq!(places_of_one.iter().filter(|is_checkpoint| **is_checkpoint).count(), 3);
}

/// A list of lists of ... of numbers, and a value that has every level.
fn nested(levels: usize) -> (Type, Value) {
    let wrap = |(ty, value), _| (Type::List(Box::new(ty)), Value::List(vec![value]));
    (0..levels).fold((Type::U16, Value::U16(1)), wrap)
}

#[test]
fn types_whose_values_would_nest_too_deep_cannot_be_named() {
    let (mut recorder, log) = recorder(Options::default());
    let (deepest, value) = nested(NESTING_DEPTH_MAX - 1);
    let function = recorder.function_id("", "deep", &[("x", deepest.clone())], &[]).unwrap();
    let name = recorder.type_id("half", &nested(NESTING_DEPTH_MAX / 2).0).unwrap();
    let args = Values::of(&[value]).unwrap();
    recorder.append(&Event::ImportCall(Call { function, args, fuel: None })).unwrap();

    let too_deep = Type::List(Box::new(deepest));
    let refused = recorder.type_id("t", &too_deep);
    assert!(matches!(&refused, Err(RecordError::TooDeep { name }) if name == "t"), "{refused:?}");
    let def = TypeDef { id: TypeId(1), name: "t".to_owned(), ty: too_deep.clone() };
    let refused = recorder.append(&Event::Type(def));
    assert!(matches!(&refused, Err(RecordError::TooDeep { name }) if name == "t"), "{refused:?}");
    let refused = recorder.function_id("i", "f", &[], &[too_deep]);
    assert!(matches!(&refused, Err(RecordError::TooDeep { name }) if name == "i#f"), "{refused:?}");
    let by_name =
        (0..NESTING_DEPTH_MAX / 2).fold(Type::Named(name), |ty, _| Type::Option(Box::new(ty)));
    let refused = recorder.function_id("i", "g", &[("x", by_name)], &[]);
    assert!(matches!(refused, Err(RecordError::TooDeep { .. })), "{refused:?}");
    drop(recorder);
    assert_eq!(seen(&log).len(), 3, "the chain reads well and nothing refused is in it");
}
