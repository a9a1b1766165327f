//! Chains made by the real recorder, and a short way to compare them.

use std::io;
use std::sync::{Arc, Mutex};

use theater_diff::{Chain, Comparison, DiffError, Options, Outline, compare};
use theater_record::{
    About, Call, CheckpointPolicy, CloseReason, Event, Lifecycle, LifecycleState, Outcome,
    Permission, Reader, Recorder, ResourceDrop, Return, Seed, Stored, TrapCode, Type, Value,
    Values,
};

/// One event of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// `test:log/log.number`
    Number(u32),
    /// `test:log/log.text`
    Text(String),
    /// `wasi:clocks/wall-clock@0.2.6.now` answers.
    Clock(u64),
    /// `test:log/log.number` fails.
    Trap(TrapCode),
    Drop(u64),
    Denied(String),
    State(LifecycleState),
}

/// Everything that may be different in two recordings of the same events.
#[derive(Debug, Clone)]
pub(crate) struct Making {
    pub(crate) seed: u8,
    pub(crate) time: u64,
    pub(crate) records_max: u64,
    pub(crate) inline_bytes_max: usize,
    /// Names what is used in another order.
    pub(crate) backwards: bool,
    pub(crate) fuel: Option<u64>,
    pub(crate) name: &'static str,
}

impl Default for Making {
    fn default() -> Making {
        Making {
            seed: 1,
            time: 5,
            records_max: 4096,
            inline_bytes_max: 4096,
            backwards: false,
            fuel: None,
            name: "actor",
        }
    }
}

/// The bytes of a chain that holds these events.
pub(crate) fn record(steps: &[Step], making: &Making, close: bool) -> Vec<u8> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let policy = CheckpointPolicy {
        records_max: making.records_max,
        bytes_max: u64::MAX,
        interval_ns: None,
    };
    let options = theater_record::Options {
        policy,
        inline_bytes_max: making.inline_bytes_max,
        ..theater_record::Options::default()
    };
    let about = About { name: making.name.to_owned(), ..About::default() };
    let (seed, time) = (Seed::new([making.seed; 32]), making.time);
    let mut recorder =
        Recorder::create(log.clone(), about, options, seed, Arc::new(move || time)).unwrap();
    let mut functions: Vec<_> = FUNCTIONS.iter().collect();
    if making.backwards {
        recorder.type_id("test:log/log#unused", &Type::Resource).unwrap();
        functions.reverse();
    }
    for function in functions {
        function_id(&mut recorder, function);
    }
    for step in steps {
        let event = event(&mut recorder, step, making);
        recorder.append(&event).unwrap();
    }
    match close {
        true => drop(recorder.close(CloseReason::Completed, "").unwrap()),
        false => {
            recorder.flush().unwrap();
            drop(recorder);
        }
    }
    std::mem::take(&mut *log.lock().unwrap())
}

/// Interface, name, parameter type and result type.
type Function = (&'static str, &'static str, Option<Type>, Option<Type>);

const FUNCTIONS: [Function; 3] = [
    ("test:log/log", "number", Some(Type::U32), None),
    ("test:log/log", "text", Some(Type::String), None),
    ("wasi:clocks/wall-clock@0.2.6", "now", None, Some(Type::U64)),
];

fn function_id(recorder: &mut Recorder, function: &Function) -> theater_record::FunctionId {
    let (interface, name, param, result) = function;
    let params: Vec<_> = param.iter().map(|ty| ("what", ty.clone())).collect();
    let results: Vec<_> = result.iter().cloned().collect();
    recorder.function_id(interface, name, &params, &results).unwrap()
}

fn event(recorder: &mut Recorder, step: &Step, making: &Making) -> Event {
    let fuel = making.fuel;
    let mut call = |at: usize, value: Value| {
        let function = function_id(recorder, &FUNCTIONS[at]);
        Event::ImportCall(Call { function, args: Values::of(&[value]).unwrap(), fuel })
    };
    match step {
        Step::Number(number) => call(0, Value::U32(*number)),
        Step::Text(text) => call(1, Value::String(text.clone())),
        Step::Clock(time) => {
            let function = function_id(recorder, &FUNCTIONS[2]);
            let outcome = Outcome::Returned(Values::of(&[Value::U64(*time)]).unwrap());
            Event::ImportReturn(Return { function, outcome, fuel })
        }
        Step::Trap(code) => {
            let function = function_id(recorder, &FUNCTIONS[0]);
            let outcome = Outcome::Trapped { code: *code, detail: String::new() };
            Event::ImportReturn(Return { function, outcome, fuel })
        }
        Step::Drop(resource) => {
            let ty = recorder.type_id("test:log/log#pen", &Type::Resource).unwrap();
            Event::ResourceDrop(ResourceDrop { ty, resource: *resource })
        }
        Step::Denied(subject) => Event::Permission(Permission {
            capability: "filesystem".to_owned(),
            subject: subject.clone(),
            allowed: false,
            reason: 1,
            detail: String::new(),
        }),
        Step::State(state) => {
            Event::Lifecycle(Lifecycle { state: *state, time: making.time, detail: String::new() })
        }
    }
}

/// What a walk keeps of a chain.
pub(crate) fn outline(bytes: &[u8]) -> Outline {
    let mut outline = Outline::default();
    let mut reader = Reader::new(bytes).unwrap();
    while let Ok(Some(stored)) = reader.read() {
        outline.add(&stored).unwrap();
    }
    outline
}

/// Compares two chains of which nobody has checked the links.
pub(crate) fn diff(expected: &[u8], actual: &[u8], options: &Options) -> Comparison {
    diff_linked(expected, actual, options, false)
}

pub(crate) fn diff_linked(
    expected: &[u8],
    actual: &[u8],
    options: &Options,
    is_linked: bool,
) -> Comparison {
    try_diff([expected, actual], [expected, actual], options, is_linked).unwrap()
}

/// Compares two chains that were walked over when they were `before`.
pub(crate) fn try_diff(
    before: [&[u8]; 2],
    now: [&[u8]; 2],
    options: &Options,
    is_linked: bool,
) -> Result<Comparison, DiffError> {
    let outlines = before.map(outline);
    let read = |bytes: &[u8], buffer: &mut [u8], offset: u64| {
        let wanted = bytes.get(offset as usize..).and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(wanted.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    };
    let read_expected = |buffer: &mut [u8], offset| read(now[0], buffer, offset);
    let read_actual = |buffer: &mut [u8], offset| read(now[1], buffer, offset);
    let chain = |side: usize, read_at| Chain {
        outline: &outlines[side],
        read_at,
        bytes: before[side].len() as u64,
        is_linked,
    };
    compare(chain(0, &read_expected), chain(1, &read_actual), options)
}

/// The chain without one of its events.
pub(crate) fn without_event(bytes: &[u8], position: usize) -> Vec<u8> {
    let start = outline(bytes).offset(position).unwrap() as usize;
    let mut reader = Reader::at_frame(&bytes[start..], start as u64);
    assert!(matches!(reader.read(), Ok(Some(Stored::Record(_)))));
    [&bytes[..start], &bytes[reader.offset() as usize..]].concat()
}
