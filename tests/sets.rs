//! The chains of real systems of actors, held against each other: sound as they were recorded, and found
//! out once somebody has told one of them anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value as Json;
use theater_record::{
    About, CloseReason, Event, Header, Options, Outcome, Reader, Recorder, Seed, Stored, Value,
    Values,
};
use theater_replay::{Exit, Ui, main_from};
use theater_runtime::ActorId;

use crate::stage::actors::{SOON, Stage};
use crate::stage::component;

/// Runs `theater-replay` over the chains of a folder, for JSON.
pub(crate) fn over(command: &str, chains: &Path, options: &[&str]) -> (Exit, Json) {
    let chains = chains.to_str().unwrap();
    let args = ["theater-replay", command, "--set", chains, "--json"];
    let mut ui = Ui::captured();
    let exit = main_from(args.iter().chain(options), &mut ui);
    let (out, err) = ui.into_captured();
    (exit, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
}

/// What does not fit, by name, and whether it is a fault.
pub(crate) fn discrepancies(document: &Json) -> Vec<(&str, bool)> {
    let all = document["discrepancies"].as_array().unwrap().iter();
    all.map(|it| (it["discrepancy"].as_str().unwrap(), it["fault"].as_bool().unwrap())).collect()
}

/// A system in which one has passed on three messages to another, and has asked it for its count. All is
/// over, and only the chains are left.
struct Talk {
    stage: Stage,
    one: ActorId,
    other: ActorId,
}

impl Talk {
    fn new() -> Talk {
        Talk::of(["hello", "again", "bye"])
    }

    /// The same with a message that chains keep out of line.
    fn with_a_long_message() -> Talk {
        Talk::of(["hello", &"long ".repeat(2000), "bye"])
    }

    fn of(messages: [&str; 3]) -> Talk {
        let stage = Stage::seeded();
        let (one, other) = (stage.spawn(), stage.spawn());
        for message in messages {
            stage.tell(one, &format!("pass {other} {message}"));
        }
        assert_eq!(stage.ask(one, &format!("ask {other} count")), "4");
        stage.system.stop(one, SOON).unwrap();
        stage.system.stop(other, SOON).unwrap();
        Talk { stage, one, other }
    }

    fn chains(&self) -> PathBuf {
        self.stage.chains()
    }

    /// Tells a chain anew, with the same ids and the same recorder.
    fn retell(&self, actor: ActorId, change: impl FnOnce(&mut Vec<Event>)) {
        let path = self.stage.system.chain_path(actor).unwrap();
        let (header, mut events) = read(&path);
        change(&mut events);
        let about = || About {
            recorder: header.recorder.clone(),
            name: header.name.clone(),
            component: header.component,
            manifest: header.manifest.clone(),
            state: header.state.clone(),
            settings: header.settings.clone(),
            world: header.world.clone(),
            ..About::default()
        };
        for seed in Stage::seeds() {
            let log = Arc::new(Mutex::new(Vec::new()));
            let (options, clock) = (Options::default(), Arc::new(|| 0));
            let recorder = Recorder::create(log.clone(), about(), options, Seed::new(seed), clock);
            let mut recorder = recorder.unwrap();
            if recorder.chain_id() != header.chain_id {
                continue;
            }
            for event in &events {
                recorder.append(event).unwrap();
            }
            recorder.close(CloseReason::Stopped, "").unwrap();
            fs::write(&path, &*log.lock().unwrap()).unwrap();
            return;
        }
        panic!("no seed gives the chain {}", header.chain_id);
    }

    /// What is found after the receiver's chain was told anew.
    #[track_caller]
    fn lie(change: impl FnOnce(&mut Vec<Event>), expected: &[(&str, bool)]) {
        Talk::new().lies(change, expected);
    }

    #[track_caller]
    fn lies(self, change: impl FnOnce(&mut Vec<Event>), expected: &[(&str, bool)]) {
        let talk = self;
        talk.retell(talk.other, change);
        for actor in [talk.one, talk.other] {
            let path = talk.stage.system.chain_path(actor).unwrap();
            let path = path.to_str().unwrap().to_owned();
            let alone = main_from(["theater-replay", "verify", &path], &mut Ui::captured());
            assert_eq!(alone, Exit::Fine, "each chain is good by itself");
        }
        let (exit, found) = over("verify", &talk.chains(), &[]);
        assert_eq!(discrepancies(&found), expected, "{found:#}");
        let is_fault = expected.iter().any(|(_, is_fault)| *is_fault);
        assert_eq!(exit, if is_fault { Exit::Finding } else { Exit::Fine });
    }
}

/// The header of a chain and what follows it, without what a recorder writes by itself.
fn read(path: &Path) -> (Header, Vec<Event>) {
    let bytes = fs::read(path).unwrap();
    let mut reader = Reader::new(&bytes[..]).unwrap();
    let (mut header, mut events) = (None, Vec::new());
    while let Some(stored) = reader.read().unwrap() {
        let Stored::Record(record) = stored else { continue };
        match record.event().unwrap() {
            Event::Header(found) => header = Some(*found),
            Event::Checkpoint(_) | Event::Close(_) => {}
            event => events.push(event),
        }
    }
    (header.unwrap(), events)
}

/// Where in the receiver's chain each message stands: what says who sent it, the call, and so on up to the
/// next.
fn blocks(events: &[Event]) -> Vec<std::ops::Range<usize>> {
    let is_message = |at: &usize| matches!(&events[*at], Event::Permission(decision) if decision.capability == "message");
    let starts: Vec<usize> = (0..events.len()).filter(is_message).collect();
    let is_end = |event: &Event| matches!(event, Event::ExportReturn(_));
    let block = |at: &usize| *at..at + 1 + events[*at..].iter().position(is_end).unwrap();
    starts.iter().map(block).collect()
}

/// Changes the last byte of the message with this number.
fn spoil(events: &mut [Event], message: usize) {
    let block = blocks(events)[message].clone();
    let call = events[block].iter_mut().find_map(|event| match event {
        Event::ExportCall(call) => Some(call),
        _ => None,
    });
    let args = &mut call.unwrap().args;
    let mut bytes = args.as_bytes().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    *args = Values::from_encoded(bytes).unwrap();
}

#[test]
fn actors_that_talk_hold_as_a_set_and_are_replayed_as_one() {
    let talk = Talk::new();
    let (exit, found) = over("verify", &talk.chains(), &[]);
    assert_eq!(discrepancies(&found), []);
    assert_eq!((exit, &found["verdict"]), (Exit::Fine, &Json::from("complete")));
    let counts = ["messages", "answers", "outside", "not_compared"].map(|it| found[it].as_u64());
    assert_eq!(counts, [4, 1, 4, 0].map(Some));
    let messenger = component("messenger");
    let options = ["--component", messenger.to_str().unwrap()];
    let (exit, played) = over("run", &talk.chains(), &options);
    assert_eq!((exit, &played["replay"]), (Exit::Fine, &Json::from("same")));
    for chain in played["chains"].as_array().unwrap() {
        assert_eq!(chain["replay"], "same", "{chain}");
    }
}

#[test]
fn a_request_that_is_answered_later_holds() {
    let stage = Stage::new();
    let (one, other) = (stage.spawn(), stage.spawn());
    std::thread::scope(|scope| {
        let asked = scope.spawn(|| stage.ask(one, &format!("ask {other} later")));
        while stage.system.state(other).unwrap() != Some(b"1".to_vec()) {}
        assert_eq!(stage.ask(other, "now"), "at last");
        assert_eq!(asked.join().unwrap(), "at last");
    });
    stage.system.shutdown(SOON);
    let (exit, found) = over("verify", &stage.chains(), &[]);
    assert_eq!((exit, discrepancies(&found)), (Exit::Fine, vec![]));
    assert_eq!((found["messages"].as_u64(), found["answers"].as_u64()), (Some(1), Some(1)));
}

#[test]
fn a_tree_with_channels_and_several_lives_holds_and_is_shown_as_a_tree() {
    let stage = Stage::new();
    stage.keeper("one", "");
    stage.keeper("two", "");
    let supervision = "[supervision]\nintensity = 1000\nback_off = { first = \"0ms\" }\n";
    let child = |name| format!("[[children]]\nname = \"{name}\"\nmanifest = \"{name}.toml\"\n");
    let more = format!("{supervision}{}{}", child("one"), child("two"));
    let top = stage.start(stage.keeper("top", &more)).unwrap();
    let (one, two) = (stage.the("one"), stage.the("two"));
    let channel = stage.ask(one, &format!("open {two} first"));
    assert_eq!(stage.ask(one, &format!("say {channel} hello")), "done");
    assert_eq!(stage.ask(two, &format!("say {channel} and back")), "done");
    assert_eq!(stage.ask(two, &format!("close {channel}")), "done");
    assert_eq!(stage.ask(one, "heard"), "said: first\nsaid: and back\nclosed");
    assert_eq!(stage.ask(top, &format!("ask {two} heard")), "said: hello");
    let _ = stage.system.request(two, b"trap".to_vec(), SOON);
    stage.wait_for_life(two, 2);
    assert_eq!(stage.ask(one, &format!("ask {two} count")), "1");
    stage.system.shutdown(SOON);
    let keeper = component("keeper");
    let (exit, played) = over("run", &stage.chains(), &["--component", keeper.to_str().unwrap()]);
    assert_eq!((exit, discrepancies(&played)), (Exit::Fine, vec![]), "{played:#}");
    // To open, the answer to it, once in each direction, the end, and two requests.
    assert_eq!((played["messages"].as_u64(), played["answers"].as_u64()), (Some(7), Some(3)));
    let tree = played["chains"].as_array().unwrap().iter();
    let tree: Vec<_> = tree.map(|chain| (&chain["name"], &chain["parent"])).collect();
    let top = format!("{top}.chain.cbor");
    let rows = [("top", Json::Null), ("one", top.clone().into()), ("two", top.into())];
    let rows: Vec<_> = rows.into_iter().map(|(name, parent)| (Json::from(name), parent)).collect();
    assert_eq!(tree, rows.iter().map(|(name, parent)| (name, parent)).collect::<Vec<_>>());
}

#[test]
fn what_stands_out_of_line_is_compared_and_what_was_removed_is_not() {
    let talk = Talk::with_a_long_message();
    let chain = talk.stage.system.chain_path(talk.other).unwrap();
    let chain = chain.to_str().unwrap();
    let redact = ["theater-replay", "redact", chain, "--larger-than", "4096", "--in-place"];
    assert_eq!(main_from(redact, &mut Ui::captured()), Exit::Fine);
    let (exit, found) = over("verify", &talk.chains(), &[]);
    assert_eq!((exit, discrepancies(&found)), (Exit::Fine, vec![]));
    assert_eq!((found["messages"].as_u64(), found["not_compared"].as_u64()), (Some(4), Some(1)));
}

#[test]
fn bytes_that_were_forged_are_found() {
    for message in 0..4 {
        Talk::lie(|events| spoil(events, message), &[("other-bytes", true)]);
    }
    // Told anew, the chain refers to a payload out of line that is nowhere, and says of none that it was
    // removed.
    Talk::with_a_long_message().lies(|_| {}, &[("other-bytes", true)]);
}

#[test]
fn messages_that_were_dropped_moved_or_doubled_are_found() {
    Talk::lie(|events| drop(events.drain(blocks(events)[1].clone())), &[("dropped", true)]);
    Talk::lie(
        |events| drop(events.drain(blocks(events)[3].clone())),
        &[("answered-unreceived", true)],
    );
    Talk::lie(
        |events| {
            let (first, second) = (blocks(events)[1].clone(), blocks(events)[2].clone());
            let moved: Vec<Event> = events.drain(second).collect();
            events.splice(first.start..first.start, moved);
        },
        &[("reordered", true)],
    );
    Talk::lie(
        |events| {
            let block = blocks(events)[2].clone();
            let copy = events[block.clone()].to_vec();
            events.splice(block.start..block.start, copy);
        },
        &[("duplicated", true)],
    );
}

#[test]
fn senders_that_were_forged_are_found() {
    let subject = |events: &mut Vec<Event>, message: usize, change: &dyn Fn(&str) -> String| {
        let block = blocks(events)[message].clone();
        let Event::Permission(decision) = &mut events[block.start] else { panic!("no sender") };
        decision.subject = change(&decision.subject);
    };
    let other_link = |subject: &str| {
        let (rest, last) = subject.split_at(subject.len() - 1);
        format!("{rest}{}", if last == "0" { "1" } else { "0" })
    };
    Talk::lie(|events| subject(events, 0, &other_link), &[("other-link", true)]);
    let outside = |_: &str| "outside".to_owned();
    Talk::lie(|events| subject(events, 0, &outside), &[("dropped", true)]);
    let other_chain = |subject: &str| {
        let mut words: Vec<&str> = subject.split(' ').collect();
        words[1] = "00112233445566778899aabbccddeeff";
        words.join(" ")
    };
    Talk::lie(
        |events| subject(events, 0, &other_chain),
        &[("dropped", true), ("unknown-sender", true)],
    );
}

#[test]
fn answers_that_were_forged_are_found() {
    let answer = |given: Option<&[u8]>| {
        let given = given.map(|bytes| Box::new(Value::Bytes(bytes.to_vec())));
        let given = vec![Value::Option(None), Value::Tuple(vec![Value::Option(given)])];
        let given = Value::Result(Ok(Some(Box::new(Value::Tuple(given)))));
        Outcome::Returned(Values::of(&[given]).unwrap())
    };
    let told = |given: Option<&'static [u8]>| {
        move |events: &mut Vec<Event>| {
            let end = blocks(events)[3].end - 1;
            let Event::ExportReturn(end) = &mut events[end] else { panic!("no answer") };
            end.outcome = answer(given);
        }
    };
    Talk::lie(told(Some(b"5")), &[("other-answer", true)]);
    Talk::lie(told(None), &[("no-answer", true)]);
}
