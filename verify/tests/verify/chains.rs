//! Small chains to check and to damage.

use std::sync::{Arc, Mutex};

use theater_record::{
    About, Call, CheckpointPolicy, Clock, CloseReason, Event, Frame, Hash, IdentityKey, Lifecycle,
    LifecycleState, Log, MAGIC, Options, Outcome, Permission, Recorder, RecoverOptions, Recovery,
    ResourceDrop, Return, Seed, Sensitivity, TrapCode, Type, TypeId, Value, Values,
};

/// A recorder into memory, with the memory.
pub(crate) fn recorder(seed: u8, options: Options) -> (Recorder, Arc<Mutex<Vec<u8>>>) {
    let log = Arc::new(Mutex::new(Vec::new()));
    let about = About {
        recorder: "test".to_owned(),
        name: "subject".to_owned(),
        settings: vec![("fuel".to_owned(), "off".to_owned())],
        ..About::default()
    };
    let clock = Arc::new(|| 1_000);
    let recorder = Recorder::create(log.clone(), about, options, Seed::new([seed; 32]), clock);
    (recorder.unwrap(), log)
}

/// Options under which nothing depends on time and segments are short.
pub(crate) fn short_segments(records_max: u64) -> Options {
    let policy = CheckpointPolicy { records_max, bytes_max: 1 << 20, interval_ns: None };
    Options { policy, ..Options::default() }
}

pub(crate) fn identity() -> IdentityKey {
    IdentityKey::from_secret([5; 32])
}

pub(crate) fn signed() -> Options {
    Options { sign: true, identity: Some(identity()), ..short_segments(5) }
}

/// Records every kind of record that a recorder writes, blobs included, and does not close.
pub(crate) fn record_all_kinds(recorder: &mut Recorder) {
    let stream = recorder.type_id("test:io/stream", &Type::Resource).unwrap();
    let send = recorder
        .function_id("test:io/net", "send", &[("body", Type::String)], &[Type::U32])
        .unwrap();
    let lifecycle =
        |state| Event::Lifecycle(Lifecycle { state, time: 1_000, detail: "here".to_owned() });
    let call = |text: &str| Call {
        function: send,
        args: Values::of(&[Value::String(text.to_owned())]).unwrap(),
        fuel: None,
    };
    let end = |outcome| Return { function: send, outcome, fuel: Some(7) };
    recorder.append(&lifecycle(LifecycleState::Spawned)).unwrap();
    recorder.append(&Event::ExportCall(call("go"))).unwrap();
    recorder.append_as(&Event::ImportCall(call("secret")), Sensitivity::Sensitive).unwrap();
    let returned = Outcome::Returned(Values::of(&[Value::U32(6)]).unwrap());
    recorder.append(&Event::ImportReturn(end(returned))).unwrap();
    let permission = Permission {
        capability: "http".to_owned(),
        subject: "example.org".to_owned(),
        allowed: false,
        reason: 3,
        detail: "not granted".to_owned(),
    };
    recorder.append(&Event::Permission(permission)).unwrap();
    recorder.append_as(&Event::ImportCall(call("secret")), Sensitivity::Sensitive).unwrap();
    recorder
        .append(&Event::ResourceDrop(ResourceDrop { ty: TypeId(stream.0), resource: 1 }))
        .unwrap();
    recorder
        .append(&Event::ImportCall(call("a longer text, to have records of several sizes")))
        .unwrap();
    let trapped = Outcome::Trapped { code: TrapCode::Unreachable, detail: "oops".to_owned() };
    recorder.append(&Event::ExportReturn(end(trapped))).unwrap();
    recorder.append(&lifecycle(LifecycleState::Failed)).unwrap();
}

/// A closed chain with all kinds.
pub(crate) fn all_kinds(seed: u8, options: Options) -> Vec<u8> {
    let (mut recorder, log) = recorder(seed, options);
    record_all_kinds(&mut recorder);
    recorder.close(CloseReason::Failed, "trap").unwrap();
    log.lock().unwrap().clone()
}

/// A closed chain with all kinds there are: the recorder crashed, and recovery closed the chain.
pub(crate) fn all_kinds_recovered() -> Vec<u8> {
    let (mut recorder, log) = recorder(1, short_segments(5));
    record_all_kinds(&mut recorder);
    drop(recorder);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("crashed.cbor");
    let torn = [&log.lock().unwrap()[..], &[0xd8, 0x18, 0x58]].concat();
    std::fs::write(&path, torn).unwrap();
    let mut file = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let plan = Recovery::plan(&mut file).unwrap();
    let options = RecoverOptions { close: true, identity: None };
    let clock: Clock = Arc::new(|| 2_000);
    let aside = || Ok(Box::new(std::io::sink()) as Box<dyn Log>);
    plan.apply(&mut file, options, Seed::new([2; 32]), &clock, aside).unwrap();
    std::fs::read(&path).unwrap()
}

/// A closed chain of calls with payloads of varying length.
pub(crate) fn calls(seed: u8, count: u64, options: Options) -> Vec<u8> {
    let (mut recorder, log) = recorder(seed, options);
    append_calls(&mut recorder, seed, count);
    recorder.close(CloseReason::Completed, "").unwrap();
    log.lock().unwrap().clone()
}

pub(crate) fn append_calls(recorder: &mut Recorder, seed: u8, count: u64) {
    let bytes = Type::List(Box::new(Type::U8));
    let put = recorder.function_id("test:kv/store", "put", &[("value", bytes)], &[]).unwrap();
    for at in 0..count {
        let noise = blake3::hash(&[&[seed][..], &at.to_le_bytes()].concat());
        let len = noise.as_bytes()[0] as usize;
        let mut payload = vec![0; len];
        blake3::Hasher::new().update(noise.as_bytes()).finalize_xof().fill(&mut payload);
        let args = Values::of(&[Value::Bytes(payload)]).unwrap();
        recorder.append(&Event::ImportCall(Call { function: put, args, fuel: None })).unwrap();
    }
}

/// Where each frame starts and how long it is.
pub(crate) fn frames(chain: &[u8]) -> Vec<(usize, usize)> {
    let mut frames = Vec::new();
    let mut at = MAGIC.len();
    while at < chain.len() {
        let len = Frame::parse(&chain[at..]).unwrap().bytes().len();
        frames.push((at, len));
        at += len;
    }
    frames
}

/// Where each record's frame starts and how long it is; blob frames are left out.
pub(crate) fn records(chain: &[u8]) -> Vec<(usize, usize)> {
    let is_record = |(at, len): &(usize, usize)| {
        matches!(
            Frame::parse(&chain[*at..at + len]).unwrap().kind(),
            Some(theater_record::FrameKind::Record { .. })
        )
    };
    frames(chain).into_iter().filter(is_record).collect()
}

/// The hash of the record in this range.
pub(crate) fn hash_of(chain: &[u8], record: (usize, usize)) -> Hash {
    theater_record::record_hash(&chain[record.0..record.0 + record.1])
}
