//! Arbitrary types, values and events, as proptest strategies.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use theater_record::{
    BLOB_PIECE_BYTES_MAX, BlobRef, Call, ChainId, Checkpoint, CheckpointPolicy, Close, CloseReason,
    Event, FunctionId, FunctionType, Hash, Header, Kind, Lifecycle, LifecycleState, Origin,
    Outcome, Permission, Place, PublicKey, Recover, ResourceDrop, Return, Signature, TrapCode,
    Type, TypeDef, TypeId, TypeTable, Value, Values,
};

/// The named types that [`types`] refers to: a resource, an alias, a record.
pub(crate) fn table() -> TypeTable {
    let mut table = TypeTable::default();
    let definitions = [
        Type::Resource,
        Type::U8,
        Type::Record(vec![("x".to_owned(), Type::F64), ("y".to_owned(), Type::Char)]),
    ];
    for (id, ty) in (0..).map(TypeId).zip(definitions) {
        assert!(table.add(TypeDef { id, name: format!("t{}", id.0), ty }));
    }
    table
}

/// Any type that a value can have, over the names in [`table`].
pub(crate) fn types() -> impl Strategy<Value = Type> {
    let names = |least, most| vec(name(), least..most);
    let leaf = prop_oneof![
        Just(Type::Bool),
        Just(Type::S8),
        Just(Type::U8),
        Just(Type::S16),
        Just(Type::U16),
        Just(Type::S32),
        Just(Type::U32),
        Just(Type::S64),
        Just(Type::U64),
        Just(Type::F32),
        Just(Type::F64),
        Just(Type::Char),
        Just(Type::String),
        Just(Type::Own(TypeId(0))),
        Just(Type::Borrow(TypeId(0))),
        Just(Type::Named(TypeId(1))),
        Just(Type::Named(TypeId(2))),
        names(1, 30).prop_map(Type::Enum),
        names(0, 65).prop_map(Type::Flags),
    ];
    leaf.prop_recursive(6, 24, 4, |inner| {
        let boxed = inner.clone().prop_map(Box::new);
        prop_oneof![
            boxed.clone().prop_map(Type::List),
            (0..4u32, boxed.clone()).prop_map(|(len, item)| Type::FixedList(len, item)),
            vec(inner.clone(), 0..4).prop_map(Type::Tuple),
            vec((name(), inner.clone()), 0..4).prop_map(Type::Record),
            vec((name(), option::of(inner)), 1..4).prop_map(Type::Variant),
            boxed.clone().prop_map(Type::Option),
            (option::of(boxed.clone()), option::of(boxed.clone()))
                .prop_map(|(ok, err)| Type::Result(ok, err)),
            (boxed.clone(), boxed).prop_map(|(key, value)| Type::Map(key, value)),
        ]
    })
}

/// Any value of this type, now and then out of line.
pub(crate) fn values_of(ty: &Type) -> BoxedStrategy<Value> {
    prop_oneof![19 => inline_values_of(ty), 1 => blob_refs().prop_map(Value::Blob)].boxed()
}

fn inline_values_of(ty: &Type) -> BoxedStrategy<Value> {
    let table = table();
    let boxed = |ty: &Type| values_of(ty).prop_map(Box::new);
    let maybe = |ty: Option<&Type>| match ty {
        Some(ty) => boxed(ty).prop_map(Some).boxed(),
        None => Just(None).boxed(),
    };
    match table.resolve(ty).expect("the type is over the table") {
        Type::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Type::S8 => any::<i8>().prop_map(Value::S8).boxed(),
        Type::U8 => any::<u8>().prop_map(Value::U8).boxed(),
        Type::S16 => any::<i16>().prop_map(Value::S16).boxed(),
        Type::U16 => any::<u16>().prop_map(Value::U16).boxed(),
        Type::S32 => any::<i32>().prop_map(Value::S32).boxed(),
        Type::U32 => any::<u32>().prop_map(Value::U32).boxed(),
        Type::S64 => any::<i64>().prop_map(Value::S64).boxed(),
        Type::U64 => any::<u64>().prop_map(Value::U64).boxed(),
        Type::F32 => any::<u32>().prop_map(Value::F32).boxed(),
        Type::F64 => any::<u64>().prop_map(Value::F64).boxed(),
        Type::Char => any::<char>().prop_map(Value::Char).boxed(),
        Type::String => any::<String>().prop_map(Value::String).boxed(),
        Type::Own(_) => any::<u64>().prop_map(Value::Own).boxed(),
        Type::Borrow(_) => any::<u64>().prop_map(Value::Borrow).boxed(),
        Type::Enum(names) => (0..names.len() as u32).prop_map(Value::Enum).boxed(),
        Type::Flags(names) => {
            let unused = 64 - names.len() as u32;
            any::<u64>().prop_map(move |bits| Value::Flags(low_bits(bits, unused))).boxed()
        }
        Type::List(item) if table.resolve(item) == Some(&Type::U8) => {
            vec(any::<u8>(), 0..300).prop_map(Value::Bytes).boxed()
        }
        Type::FixedList(len, item) if table.resolve(item) == Some(&Type::U8) => {
            vec(any::<u8>(), *len as usize).prop_map(Value::Bytes).boxed()
        }
        Type::List(item) => vec(values_of(item), 0..4).prop_map(Value::List).boxed(),
        Type::FixedList(len, item) => {
            vec(values_of(item), *len as usize).prop_map(Value::List).boxed()
        }
        Type::Tuple(items) => {
            items.iter().map(values_of).collect::<Vec<_>>().prop_map(Value::Tuple).boxed()
        }
        Type::Record(fields) => {
            let fields: Vec<_> = fields.iter().map(|(_, ty)| values_of(ty)).collect();
            fields.prop_map(Value::Record).boxed()
        }
        Type::Variant(cases) => {
            let payloads: Vec<_> = cases.iter().map(|(_, ty)| maybe(ty.as_ref())).collect();
            (0..cases.len(), payloads)
                .prop_map(|(case, payloads)| Value::Variant(case as u32, payloads[case].clone()))
                .boxed()
        }
        Type::Option(item) => option::of(boxed(item)).prop_map(Value::Option).boxed(),
        Type::Result(ok, err) => prop_oneof![
            maybe(ok.as_deref()).prop_map(|ok| Value::Result(Ok(ok))),
            maybe(err.as_deref()).prop_map(|err| Value::Result(Err(err))),
        ]
        .boxed(),
        Type::Map(key, value) => {
            vec((values_of(key), values_of(value)), 0..4).prop_map(Value::Map).boxed()
        }
        Type::Resource | Type::Named(_) => unreachable!("no value has such a type"),
    }
}

fn low_bits(bits: u64, unused: u32) -> u64 {
    bits.checked_shr(unused).unwrap_or(0)
}

fn blob_refs() -> impl Strategy<Value = BlobRef> {
    let piece = BLOB_PIECE_BYTES_MAX as u64;
    prop_oneof![
        (0..=piece, vec(hash(), 1)),
        (piece + 1..=2 * piece, vec(hash(), 2)),
        (2 * piece + 1..=3 * piece, vec(hash(), 3)),
    ]
    .prop_map(|(len, pieces)| BlobRef { len, pieces })
}

/// Any place of any chain.
pub(crate) fn places() -> impl Strategy<Value = Place> {
    (any::<[u8; 4]>(), hash(), any::<u64>()).prop_map(|(tag, prev, seq)| Place { tag, prev, seq })
}

/// Any event, every kind as likely as any other.
pub(crate) fn events() -> impl Strategy<Value = Event> {
    proptest::sample::select(&Kind::ALL[..]).prop_flat_map(events_of)
}

/// Any event of this kind.
pub(crate) fn events_of(kind: Kind) -> BoxedStrategy<Event> {
    match kind {
        Kind::Header => headers().prop_map(|header| Event::Header(Box::new(header))).boxed(),
        Kind::Type => (any::<u32>(), name(), prop_oneof![types(), Just(Type::Resource)])
            .prop_map(|(id, name, ty)| Event::Type(TypeDef { id: TypeId(id), name, ty }))
            .boxed(),
        Kind::Function => {
            let shape = (vec((name(), types()), 0..3), vec(types(), 0..2));
            (any::<u32>(), name(), name(), shape)
                .prop_map(|(id, interface, name, (params, results))| {
                    let id = FunctionId(id);
                    Event::Function(FunctionType { id, interface, name, params, results })
                })
                .boxed()
        }
        Kind::ExportCall => calls().prop_map(Event::ExportCall).boxed(),
        Kind::ImportCall => calls().prop_map(Event::ImportCall).boxed(),
        Kind::ImportReturn => returns().prop_map(Event::ImportReturn).boxed(),
        Kind::ExportReturn => returns().prop_map(Event::ExportReturn).boxed(),
        Kind::ResourceDrop => (any::<u32>(), any::<u64>())
            .prop_map(|(ty, resource)| ResourceDrop { ty: TypeId(ty), resource })
            .prop_map(Event::ResourceDrop)
            .boxed(),
        Kind::Lifecycle => {
            (proptest::sample::select(&LifecycleState::ALL[..]), any::<u64>(), any::<String>())
                .prop_map(|(state, time, detail)| Lifecycle { state, time, detail })
                .prop_map(Event::Lifecycle)
                .boxed()
        }
        Kind::Permission => (name(), any::<String>(), any::<bool>(), any::<u64>(), name())
            .prop_map(|(capability, subject, allowed, reason, detail)| {
                Event::Permission(Permission { capability, subject, allowed, reason, detail })
            })
            .boxed(),
        Kind::Checkpoint => {
            checkpoints().prop_map(|checkpoint| Event::Checkpoint(Box::new(checkpoint))).boxed()
        }
        Kind::Close => closes().prop_map(|close| Event::Close(Box::new(close))).boxed(),
        Kind::Recover => (any::<[u64; 2]>(), hash(), option::of(key()), option::of(signature()))
            .prop_map(|([discarded_bytes, time], discarded_digest, next_key, signature)| {
                let recover =
                    Recover { discarded_bytes, discarded_digest, time, next_key, signature };
                Event::Recover(Box::new(recover))
            })
            .boxed(),
    }
}

fn headers() -> impl Strategy<Value = Header> {
    let start = (any::<[u8; 16]>(), vec(any::<u64>(), 0..3), any::<bool>(), any::<u64>());
    let texts = (name(), name(), option::of(name()), option::of(name()));
    let payloads =
        (option::of(hash()), option::of(blob_refs()), option::of(vec(any::<u8>(), 0..9)));
    let policy = (any::<[u64; 2]>(), option::of(any::<u64>()), vec((name(), name()), 0..3));
    let keys = (option::of(key()), option::of(key()), option::of(signature()));
    (start, texts, payloads, policy, keys).prop_map(|(start, texts, payloads, policy, keys)| {
        let [records_max, bytes_max] = policy.0;
        Header {
            version: theater_record::FORMAT_VERSION,
            chain_id: ChainId(start.0),
            suite: theater_record::HASH_SUITE_BLAKE3,
            features: start.1,
            origin: if start.2 { Origin::Synthetic } else { Origin::Recorded },
            recorder: texts.0,
            created: start.3,
            name: texts.1,
            component: payloads.0,
            embedded: payloads.1,
            manifest: texts.2,
            state: payloads.2,
            settings: policy.2,
            world: texts.3,
            policy: CheckpointPolicy { records_max, bytes_max, interval_ns: policy.1 },
            first_key: keys.0,
            identity: keys.1,
            signature: keys.2,
        }
    })
}

fn checkpoints() -> impl Strategy<Value = Checkpoint> {
    let hashes = (hash(), hash(), hash(), option::of(key()), option::of(signature()));
    (any::<[u64; 7]>(), option::of(any::<u64>()), hashes).prop_map(|(numbers, durable, hashes)| {
        Checkpoint {
            number: numbers[0],
            first_seq: numbers[1],
            segment_offset: numbers[2],
            segment_bytes: numbers[3],
            blob_count: numbers[4],
            blob_bytes: numbers[5],
            durable_seq: durable,
            segment_digest: hashes.0,
            segment_root: hashes.1,
            log_root: hashes.2,
            time: numbers[6],
            next_key: hashes.3,
            signature: hashes.4,
        }
    })
}

fn closes() -> impl Strategy<Value = Close> {
    let reason = (proptest::sample::select(&CloseReason::ALL[..]), any::<String>());
    let end = (option::of(any::<u64>()), option::of(signature()), hash());
    (reason, any::<[u64; 6]>(), end).prop_map(|((reason, detail), numbers, end)| Close {
        reason,
        detail,
        checkpoints: numbers[0],
        record_bytes: numbers[1],
        blob_count: numbers[2],
        blob_bytes: numbers[3],
        checkpoint_offset: numbers[4],
        durable_seq: end.0,
        time: numbers[5],
        signature: end.1,
        digest: end.2,
    })
}

fn calls() -> impl Strategy<Value = Call> {
    (any::<u32>(), encoded(), option::of(any::<u64>())).prop_map(|(id, args, fuel)| Call {
        function: FunctionId(id),
        args,
        fuel,
    })
}

fn returns() -> impl Strategy<Value = Return> {
    let trapped = (proptest::sample::select(&TrapCode::ALL[..]), any::<String>())
        .prop_map(|(code, detail)| Outcome::Trapped { code, detail });
    let outcome = prop_oneof![encoded().prop_map(Outcome::Returned), trapped];
    (any::<u32>(), outcome, option::of(any::<u64>())).prop_map(|(id, outcome, fuel)| Return {
        function: FunctionId(id),
        outcome,
        fuel,
    })
}

fn encoded() -> impl Strategy<Value = Values> {
    let value = types().prop_flat_map(|ty| values_of(&ty));
    vec(value, 0..4).prop_map(|values| Values::of(&values).expect("the samples are not that deep"))
}

fn name() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9-]{0,30}"
}

fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash)
}

fn key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey)
}

fn signature() -> impl Strategy<Value = Signature> {
    vec(any::<u8>(), 64)
        .prop_map(|bytes| Signature(bytes.try_into().expect("64 bytes were asked for")))
}
