//! Views on chains that grow, are cut, are damaged, and mean harm.

mod hostile;
mod states;

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use expect_test::expect;
use tempfile::TempDir;
use theater_record::{
    About, Call, CloseReason, Event, FunctionId, Kind, Lifecycle, LifecycleState, Options, Outcome,
    Permission, Reader, Recorder, Return, Seed, Stored, Type, Value, Values,
};

use super::{ChainEvent, ChainView, Filter, Order, ShownEvent, ViewError};
use crate::entry::json;
use crate::entry::render::Limits;
use crate::paint::Paint;

/// A chain that is being written, with the functions that its actor calls and has.
struct Scene {
    folder: TempDir,
    recorder: Recorder,
    log: FunctionId,
    handler: FunctionId,
}

/// A clock that goes a second further each time.
fn ticking() -> theater_record::Clock {
    let second = AtomicU64::new(0);
    Arc::new(move || second.fetch_add(1, Ordering::Relaxed) * 1_000_000_000)
}

impl Scene {
    fn new() -> Scene {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let file = File::create_new(path_in(&folder)).expect("the folder is empty");
        let about = About {
            recorder: "test".to_owned(),
            name: "ann".to_owned(),
            state: Some(b"at first".to_vec()),
            ..About::default()
        };
        let mut options = Options::default();
        options.policy.interval_ns = None;
        let recorder = Recorder::create(file, about, options, Seed::new([7; 32]), ticking());
        let mut recorder = recorder.expect("the file can be written");
        let text = [("message", Type::String)];
        let log = recorder.function_id("theater:simple/runtime@0.1.0", "log", &text, &[]);
        let log = log.expect("the function is new");
        let (params, results) = handler_types();
        let client = "theater:simple/message-server-client@0.1.0";
        let handler = recorder.function_id(client, "handle-send", &params, &results);
        let handler = handler.expect("the function is new");
        Scene { folder, recorder, log, handler }
    }

    fn path(&self) -> PathBuf {
        path_in(&self.folder)
    }

    fn add(&mut self, event: &Event) -> u64 {
        self.recorder.append(event).expect("the file can be written")
    }

    /// What the actor logs.
    fn log(&mut self, text: &str) -> u64 {
        let args = values(&[Value::String(text.to_owned())]);
        self.add(&Event::ImportCall(Call { function: self.log, args, fuel: None }))
    }

    /// A handler returns.
    fn give(&mut self, results: &[Value]) -> u64 {
        let outcome = Outcome::Returned(values(results));
        self.add(&Event::ExportReturn(Return { function: self.handler, outcome, fuel: None }))
    }

    /// A view once everything so far is in the file.
    fn view(&mut self) -> ChainView {
        self.recorder.flush().expect("the file can be written");
        ChainView::open(&self.path()).expect("the file is there")
    }

    fn close(self) -> TempDir {
        self.recorder.close(CloseReason::Completed, "").expect("the file can be written");
        self.folder
    }
}

fn path_in(folder: &TempDir) -> PathBuf {
    folder.path().join("ann.chain.cbor")
}

fn values(values: &[Value]) -> Values {
    Values::of(values).expect("they are not deep")
}

/// A state as handlers get it and give it back.
fn state_type() -> Type {
    Type::Option(Box::new(Type::List(Box::new(Type::U8))))
}

fn handler_types() -> (Vec<(&'static str, Type)>, Vec<Type>) {
    let given = Type::Tuple(vec![state_type(), Type::Option(Box::new(Type::String))]);
    let result = Type::Result(Some(Box::new(given)), Some(Box::new(Type::String)));
    (vec![("state", state_type()), ("params", Type::Tuple(vec![Type::String]))], vec![result])
}

fn state(bytes: Option<Vec<u8>>) -> Value {
    Value::Option(bytes.map(|bytes| Box::new(Value::Bytes(bytes))))
}

/// What a handler gives that has this state from now on.
fn well(bytes: Option<Vec<u8>>) -> Value {
    let given = Value::Tuple(vec![state(bytes), Value::Option(None)]);
    Value::Result(Ok(Some(Box::new(given))))
}

/// All events of a file, read from front to back.
fn read_through(path: &Path) -> Vec<ChainEvent> {
    let mut reader = Reader::new(File::open(path).expect("the file is there")).expect("a chain");
    let mut events = Vec::new();
    while let Some(stored) = reader.read().expect("the chain is sound") {
        if let Stored::Record(record) = stored {
            events.push(ChainEvent::of(&record));
        }
    }
    events
}

#[test]
fn every_event_is_found_as_it_stands_in_the_file() {
    let mut scene = Scene::new();
    for number in 0..500_usize {
        let len = if number.is_multiple_of(7) { 9000 + number } else { number };
        scene.log(&"x".repeat(len));
    }
    let view = scene.view();
    let events = read_through(&scene.path());
    assert_eq!(view.count().unwrap(), events.len() as u64);
    for event in events.iter().rev() {
        assert_eq!(view.event(event.number).unwrap(), *event);
    }
    let head = view.head().unwrap();
    assert_eq!((head.seq, head.hash), events.last().map(|e| (e.number, e.hash)).unwrap());
    assert_eq!(events[1].parent, Some(events[0].hash));
    assert_eq!(view.event(0).unwrap().parent, None);
    assert_eq!(view.header().unwrap().name, "ann");
    for (first, count) in [(0, 3), (63, 2), (64, 64), (100, 1000), (503, 9), (10_000, 5)] {
        let expected = events.iter().skip(first).take(count);
        let got = view.events(first as u64, count as u64, usize::MAX).unwrap();
        assert!(got.iter().eq(expected), "{count} from {first}");
    }
    let some = view.events(3, u64::MAX, 1).unwrap();
    assert_eq!(some, events[3..4], "one event comes to one byte");
    let missing = view.event(9999).unwrap_err().to_string();
    assert_eq!(missing, format!("there is no event 9999: the chain has {} so far", events.len()));
}

#[test]
fn an_event_is_there_once_it_is_written_as_a_whole() {
    let mut scene = Scene::new();
    scene.log("one");
    scene.log(&"two".repeat(3000));
    let all = scene.view().count().unwrap();
    let bytes = fs::read(scene.path()).unwrap();
    let path = scene.folder.path().join("growing");
    let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
    let view = ChainView::open(&path).unwrap();
    let mut before = 0;
    for chunk in bytes.chunks(17) {
        file.write_all(chunk).unwrap();
        let count = view.count().unwrap();
        assert_eq!(count, ChainView::open(&path).unwrap().count().unwrap());
        assert!(count >= before);
        before = count;
        if count > 0 {
            assert_eq!(view.head().unwrap().seq, count - 1);
            assert_eq!(view.event(count - 1).unwrap(), scene.view().event(count - 1).unwrap());
        }
    }
    assert_eq!(before, all);
}

#[test]
fn whoever_follows_gets_every_event_once_and_hears_of_the_end() {
    let mut scene = Scene::new();
    let view = scene.view();
    let path = scene.path();
    let follows = thread::spawn(move || {
        let mut got = Vec::new();
        loop {
            // Asked first: what comes before the end is there then.
            let is_closed = view.is_closed().unwrap();
            let more = view.events(got.len() as u64, 50, usize::MAX).unwrap();
            if more.is_empty() && is_closed {
                return got;
            }
            got.extend(more);
        }
    });
    for number in 0..2000 {
        scene.log(&number.to_string());
        if number % 100 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    let _folder = scene.close();
    assert_eq!(follows.join().unwrap(), read_through(&path));
}

#[test]
fn a_file_that_was_cut_back_is_read_again() {
    let mut scene = Scene::new();
    let kept = scene.view().count().unwrap();
    let kept_bytes = fs::metadata(scene.path()).unwrap().len();
    for _ in 0..200 {
        scene.log("will be cut off");
    }
    let view = scene.view();
    assert!(view.count().unwrap() > kept);
    let file = OpenOptions::new().write(true).open(scene.path()).unwrap();
    file.set_len(kept_bytes).unwrap();
    assert_eq!(view.count().unwrap(), kept);
    assert!(matches!(view.event(kept), Err(ViewError::NoEvent { .. })));
    assert_eq!(view.head().unwrap().seq, kept - 1);
}

#[test]
fn what_is_no_chain_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    let error = ChainView::open(&path).unwrap_err().to_string();
    assert_eq!(error, format!("cannot open the chain {}", path.display()));
    fs::write(&path, "").unwrap();
    let view = ChainView::open(&path).unwrap();
    assert_eq!(view.count().unwrap(), 0, "nothing of it is written yet");
    assert_eq!(view.head().unwrap_err().to_string(), {
        "there is no event 0: the chain has 0 so far"
    });
    fs::write(&path, "dear diary, today").unwrap();
    let error = view.count().unwrap_err().to_string();
    assert_eq!(error, "not a chain: the first bytes are not a chain's magic");
}

#[test]
fn events_explain_themselves_in_a_line_and_as_json() {
    let mut scene = Scene::new();
    let spawned = Lifecycle { state: LifecycleState::Spawned, time: 12, detail: String::new() };
    let spawned = scene.add(&Event::Lifecycle(spawned));
    let logged = scene.log("\u{1b}[2Jhello");
    let long = scene.log(&"long ".repeat(1000));
    let huge = scene.log(&"x".repeat(2 << 20));
    let given = scene.give(&[well(Some(b"now".to_vec()))]);
    let denied = scene.add(&Event::Permission(Permission {
        capability: "store".to_owned(),
        subject: "put".to_owned(),
        allowed: false,
        reason: 2,
        detail: "no".to_owned(),
    }));
    let view = scene.view();
    let event = view.shown(long).unwrap();
    assert_eq!(event.log(), Some(&*"long ".repeat(1000)), "payloads out of line are put back");
    assert_eq!(view.shown(spawned).unwrap().log(), None);
    let mut text = String::new();
    for number in [0, spawned, logged, huge, given, denied] {
        let event = view.shown(number).unwrap();
        text += &format!("{}\n", event.line(Paint::PLAIN, Limits::LINE));
        if number > 0 {
            let parent = event.parent.expect("only the header has none").to_string();
            let json = json::line(&event).replace(&event.link.to_string(), "LINK");
            text += &format!("{}\n", json.replace(&parent, "PARENT"));
        }
    }
    expect![[r#"
             0  header      "ann" recorded by test, chain d32a8aae8bb3fd1ebd5fe6d2c9811c72  1970-01-01 00:00:00.000 UTC
             3  spawned     1970-01-01 00:00:00.000 UTC
        {"seq":3,"kind":"lifecycle","link":"LINK","parent":"PARENT","state":"spawned","time":12,"detail":""}
             4  -> theater:simple/runtime@0.1.0 log(message: "\u{1b}[2Jhello")
        {"seq":4,"kind":"import-call","link":"LINK","parent":"PARENT","time":1000000000,"interface":"theater:simple/runtime@0.1.0","function":"log","args":{"message":"\u001b[2Jhello"}}
             6  -> theater:simple/runtime@0.1.0 log(message: <blob 2.10 MB f2dbe005 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"...>)
        {"seq":6,"kind":"import-call","link":"LINK","parent":"PARENT","time":1000000000,"interface":"theater:simple/runtime@0.1.0","function":"log","args":{"message":{"blob":["f2dbe0058b7f1603d25195e141d47782c7d4459e6df006dac2b33de651f839e8"],"length":2097152,"preview":"787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878"}}}
             7  <= theater:simple/message-server-client@0.1.0 handle-send: ok(some(b"now"), none)
        {"seq":7,"kind":"export-return","link":"LINK","parent":"PARENT","time":1000000000,"interface":"theater:simple/message-server-client@0.1.0","function":"handle-send","result":{"ok":[{"bytes":"6e6f77"},null]}}
             8  denied store "put" (reason 2): no
        {"seq":8,"kind":"permission","link":"LINK","parent":"PARENT","time":1000000000,"capability":"store","subject":"put","allowed":false,"reason":2,"detail":"no"}
    "#]].assert_eq(&text);
}

/// The numbers of what was found.
fn numbers(events: &[ShownEvent]) -> Vec<u64> {
    events.iter().map(|event| event.entry.seq).collect()
}

#[test]
fn large_payloads_are_selected_only_so_many_at_a_time() {
    let mut scene = Scene::new();
    // They are small enough to be put back each.
    let logs: Vec<u64> = (0..400).map(|_| scene.log(&"x".repeat(200 << 10))).collect();
    let view = scene.view();
    for order in [Order::OldestFirst, Order::NewestFirst] {
        let (mut found, mut rest, mut pages) = (Vec::new(), 0..view.count().unwrap(), 0);
        while !rest.is_empty() {
            let selection = view.select(&Filter::logs(), rest, order, 1000).unwrap();
            assert!((1..=110).contains(&selection.events.len()), "{}", selection.events.len());
            found.extend(numbers(&selection.events));
            (rest, pages) = (selection.rest, pages + 1);
        }
        found.sort_unstable();
        assert_eq!(found, logs);
        assert!(pages >= 4, "{pages}");
    }
}

#[test]
fn events_are_selected_by_kind_function_time_and_text_from_either_end() {
    let mut scene = Scene::new();
    let mut logs = Vec::new();
    for number in 0..200 {
        logs.push(scene.log(&format!("line {number}")));
        scene.give(&[well(None)]);
        if number == 99 {
            scene.recorder.flush().unwrap();
        }
    }
    let view = scene.view();
    let select = |filter: &Filter, numbers: Range<u64>, order, count| {
        let selection = view.select(filter, numbers, order, count).unwrap();
        (super::tests::numbers(&selection.events), selection.rest)
    };
    let all = view.count().unwrap();
    let (found, rest) = select(&Filter::logs(), 0..u64::MAX, Order::OldestFirst, 1000);
    assert_eq!((found, rest), (logs.clone(), all..u64::MAX));
    let (found, rest) = select(&Filter::logs(), 0..u64::MAX, Order::NewestFirst, 3);
    assert_eq!(found, [logs[199], logs[198], logs[197]]);
    let (found, _) = select(&Filter::logs(), rest, Order::NewestFirst, 2);
    assert_eq!(found, [logs[196], logs[195]], "what was not looked at can be looked at then");
    let (found, rest) = select(&Filter::logs(), 0..u64::MAX, Order::OldestFirst, 2);
    assert_eq!((found, rest), (logs[..2].to_vec(), logs[1] + 1..u64::MAX));
    // The first checkpoint is what says when the first hundred lines had been logged.
    let time = view.shown(logs[0]).unwrap().time.unwrap();
    let early = Filter { until: Some(time), ..Filter::logs() };
    assert_eq!(select(&early, 0..all, Order::OldestFirst, 1000).0, logs[..100]);
    let late = Filter { since: Some(time + 1), ..Filter::logs() };
    assert_eq!(select(&late, 0..all, Order::OldestFirst, 1000).0, logs[100..]);
    let about = |name: &str| Filter { function: Some(name.parse().unwrap()), ..Filter::default() };
    for (name, count) in [
        ("handle-send", 200),
        ("theater:simple/*", 400),
        ("theater:simple/message-server-client", 200),
        ("theater:simple/runtime@0.1.0#log", 200),
        ("nothing", 0),
    ] {
        let (found, _) = select(&about(name), 0..all, Order::OldestFirst, 1000);
        assert_eq!(found.len(), count, "{name}");
    }
    let kinds = Filter { kinds: vec![Kind::Header, Kind::Checkpoint], ..Filter::default() };
    assert_eq!(select(&kinds, 0..all, Order::NewestFirst, 9).0.len(), 3);
    let text = Filter { text: Some("line 17\"".to_owned()), ..Filter::default() };
    assert_eq!(select(&text, 0..all, Order::OldestFirst, 9).0, [logs[17]]);
}
