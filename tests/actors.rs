//! Actors that talk to one another, on real threads and with real chains. What the guest does with a
//! message is said in `corpus/guests/rust/messenger/src/lib.rs`.

use std::time::Duration;

use theater_record::LifecycleState;
use theater_runtime::{ActorError, Backend, End, ErrorKind, NoAnswer, SendError, Spec};

use crate::stage::actors::{SOON, Stage, Told};
use crate::stage::{component, replay, verified};

fn failed(kind: ErrorKind, message: &str) -> End {
    End::Failed(ActorError::new(kind, message))
}

#[test]
fn an_actor_is_started_counts_its_messages_and_is_stopped() {
    let stage = Stage::new();
    let id = stage.spawn();
    assert_eq!(*stage.logged.lock().unwrap(), [format!("{id} starts")]);
    for _ in 0..10 {
        stage.tell(id, "hello");
    }
    assert_eq!(stage.ask(id, "count"), "11");
    assert_eq!(stage.ask(id, "self"), id.to_string());
    assert_eq!(stage.system.state(id).unwrap(), Some(b"12".to_vec()));
    let history = stage.ends_and_replays(id);
    assert_eq!(history.senders, ["outside"; 12], "who sent each message is in the chain");
    assert_eq!(stage.end(id), End::Stopped);
    let gone = stage.system.send(id, Vec::new(), SOON);
    assert_eq!(gone, Err(SendError::NoActor(id)));
}

#[test]
fn actors_send_to_one_another_and_ask_one_another() {
    let stage = Stage::new();
    let (one, other) = (stage.spawn(), stage.spawn());
    assert_eq!(stage.ask(one, &format!("pass {other} hello")), "Ok(())");
    assert_eq!(stage.ask(one, &format!("ask {other} count")), "2");
    assert_eq!(
        stage.ask(one, &format!("ask {one} count")),
        "no: an actor cannot wait for its own answer"
    );
    assert_eq!(
        stage.ask(one, "ask nobody count"),
        "no: \"nobody\" is not an actor's id, which looks like 019aa8f2-6c50-7d3e-9a41-0242ac120002"
    );
    let sender = stage.ends_and_replays(one);
    let receiver = stage.ends_and_replays(other);
    // What the receiver's chain says of a message leads to the very record that sent it.
    assert_eq!(receiver.senders.len(), 2);
    for letter in &receiver.senders {
        let words: Vec<&str> = letter.split(' ').collect();
        let [id, chain, seq, link] = words[..] else { panic!("{letter}") };
        assert_eq!((id, chain), (&*one.to_string(), &*sender.chain));
        assert_eq!(link, sender.links[seq.parse::<usize>().unwrap()]);
    }
}

#[test]
fn a_request_can_be_answered_later() {
    let stage = Stage::new();
    let id = stage.spawn();
    std::thread::scope(|scope| {
        let asked: Vec<_> = (0..3).map(|_| scope.spawn(|| stage.ask(id, "later"))).collect();
        // Each message is counted, so that it is known when all have come.
        while stage.system.state(id).unwrap() != Some(b"3".to_vec()) {}
        assert_eq!(stage.ask(id, "now"), "at last");
        for asked in asked {
            assert_eq!(asked.join().unwrap(), "at last");
        }
    });
    stage.ends_and_replays(id);
}

#[test]
fn an_actor_that_fails_harms_no_other() {
    let stage = Stage::new();
    let (fails, traps, other) = (stage.spawn(), stage.spawn(), stage.spawn());
    let refused = stage.system.request(fails, b"fail badly".to_vec(), SOON);
    assert_eq!(refused, Err(SendError::NoAnswer(NoAnswer::Refused("badly".to_owned()))));
    let trapped = stage.system.request(traps, b"trap".to_vec(), SOON);
    assert_eq!(trapped, Err(SendError::NoAnswer(NoAnswer::Ended)));
    assert_eq!(stage.ask(other, "count"), "1");
    assert_eq!(stage.end(fails), failed(ErrorKind::Returned, "badly"));
    let End::Failed(error) = stage.end(traps) else { panic!("it has not failed") };
    assert_eq!(error.kind, ErrorKind::Trapped);
    for id in [fails, traps, other] {
        stage.ends_and_replays(id);
    }
}

#[test]
fn an_actor_that_computes_for_ever_is_killed_and_its_chain_replays() {
    let stage = Stage::new();
    let (spins, other) = (stage.spawn(), stage.spawn());
    stage.tell(spins, "hello");
    stage.tell(spins, "spin");
    while stage.listed(spins).waiting > 0 {}
    assert_eq!(stage.ask(other, "count"), "1");
    let end = stage.system.stop(spins, Duration::from_millis(50)).unwrap();
    assert_eq!(end, End::Killed);
    let history = stage.ends_and_replays(spins);
    assert_eq!(history.states, [LifecycleState::Spawned, LifecycleState::Killed]);
}

#[test]
fn a_parent_hears_of_its_children_and_takes_them_along() {
    let stage = Stage::new();
    let parent = stage.spawn();
    let child = || stage.spawn_below(parent);
    let (leaves, fails, stopped, stays) = (child(), child(), child(), child());
    assert_eq!(stage.ask(leaves, "leave a note"), "goodbye");
    assert_eq!(stage.end(leaves), End::Completed(Some(b"a note".to_vec())));
    let _ = stage.system.request(fails, b"fail badly".to_vec(), SOON);
    assert_eq!(stage.end(fails), failed(ErrorKind::Returned, "badly"));
    stage.system.stop(stopped, SOON).unwrap();
    let mut heard = Vec::new();
    while heard.len() < 3 {
        heard.extend(stage.ask(parent, "children").lines().map(str::to_owned));
    }
    assert_eq!(heard, ["left: a note", "failed: badly", "stopped"]);
    stage.ends_and_replays(parent);
    assert_eq!(stage.end(stays), End::Stopped, "nobody outlives who started it");
}

#[test]
fn a_full_mailbox_makes_senders_wait_and_then_refuses() {
    let stage = Stage::new();
    let busy = stage.spawn_as(|spec| spec.mailbox = 2);
    stage.tell(busy, "spin");
    let patience = Duration::from_millis(20);
    let hello = || stage.system.send(busy, b"hello".to_vec(), patience).unwrap_err();
    // What is in the mailbox is not in the chain, so whoever sent it does not know of it yet.
    let unknown = SendError::NoAnswer(NoAnswer::TimedOut(patience));
    assert_eq!([hello(), hello()], [unknown.clone(), unknown]);
    assert_eq!(hello(), SendError::Full(busy));
    stage.system.stop(busy, Duration::ZERO).unwrap();
}

#[test]
fn an_actor_that_runs_is_started_again_over_and_over_in_one_chain() {
    let stage = Stage::new();
    let id = stage.spawn();
    for _ in 0..20 {
        assert_eq!(stage.ask(id, "count"), "1");
        stage.system.restart(id).unwrap();
    }
    assert_eq!(stage.ask(id, "count"), "1", "each life starts with the state that the first had");
    let history = stage.ends_and_replays(id);
    let lives = history.states.iter().filter(|state| **state == LifecycleState::Spawned);
    assert_eq!(lives.count(), 21);
}

#[test]
fn a_life_that_cannot_begin_leaves_a_chain_that_says_why() {
    let stage = Stage::new();
    let stranger = std::fs::read(component("unknown-import")).unwrap();
    let failed = stage.system.spawn(Spec::new("stranger", stranger), None).unwrap_err();
    let [id] = stage.named("stranger")[..] else { panic!("{failed}") };
    let missing = "the component imports what nobody here provides: theater:refused/nowhere";
    assert_eq!(stage.end(id), self::failed(ErrorKind::Unstartable, missing));
    let chain = verified(&std::fs::read(stage.system.chain_path(id).unwrap()).unwrap());
    assert_eq!(Told::of(&chain).states, [LifecycleState::Failed]);
    replay(&chain, &component("unknown-import"), Backend::Cranelift);
}

#[test]
fn another_life_that_cannot_begin_is_told_of_in_the_same_chain() {
    let stage = Stage::new();
    let folder = stage.path("granted");
    std::fs::create_dir(&folder).unwrap();
    let granted = format!("{}::/data", folder.display()).parse().unwrap();
    let id = stage.spawn_as(|spec| spec.grants.dirs = vec![granted]);
    std::fs::remove_dir(&folder).unwrap();
    stage.system.restart(id).unwrap_err();
    let End::Failed(error) = stage.end(id) else { panic!("it has not ended") };
    assert!(error.message.starts_with("cannot grant the directory"), "{error:?}");
    let chain = verified(&std::fs::read(stage.system.chain_path(id).unwrap()).unwrap());
    let states = [LifecycleState::Spawned, LifecycleState::Stopped, LifecycleState::Failed];
    assert_eq!(Told::of(&chain).states, states);
    replay(&chain, &component("messenger"), Backend::Cranelift);
}
