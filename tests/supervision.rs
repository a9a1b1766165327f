//! Trees of actors: who is started again, who falls with whom, who hears of it. What the guest does with a
//! message is said in `corpus/guests/rust/keeper/src/lib.rs`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use theater_record::{Event, LifecycleState, Stored};
use theater_runtime::{ActorId, ChannelNews, End, ErrorKind, NoAnswer, SendError, Status};
use theater_verify::VerifiedChain;

use crate::stage::actors::{SOON, Stage, Told};
use crate::stage::{component, verified};

/// A keeper with three keepers below it.
struct Tree {
    stage: Stage,
    top: ActorId,
    children: [ActorId; 3],
}

/// No waiting, and as many restarts as it takes.
const PATIENT: &str = "intensity = 1000\nback_off = { first = \"0ms\" }";

impl Tree {
    fn new(supervision: &str, restarts: [&str; 3]) -> Tree {
        let stage = Stage::new();
        let mut more = format!("[supervision]\n{supervision}\n");
        for (name, restart) in ["one", "two", "three"].iter().zip(restarts) {
            stage.keeper(name, "");
            more += &format!(
                "[[children]]\nname = \"{name}\"\nmanifest = \"{name}.toml\"\nrestart = \"{restart}\"\n"
            );
        }
        let top = stage.start(stage.keeper("top", &more)).unwrap();
        let children = ["one", "two", "three"].map(|name| stage.the(name));
        Tree { stage, top, children }
    }

    /// Has a child do something that ends it.
    fn end(&self, child: usize, how: &str) {
        let _ = self.stage.system.request(self.children[child], how.as_bytes().to_vec(), SOON);
    }

    /// How many lives the children have had.
    fn lives(&self) -> [u64; 3] {
        self.children.map(|child| self.stage.listed(child).lives)
    }

    fn states(&self, child: usize) -> Vec<LifecycleState> {
        let path = self.stage.system.chain_path(self.children[child]).unwrap();
        Told::of(&verified(&std::fs::read(path).unwrap())).states
    }
}

#[test]
fn one_for_one_starts_the_one_that_ended_again_under_its_id_and_in_its_chain() {
    let tree = Tree::new(PATIENT, ["permanent"; 3]);
    let [one, two, three] = tree.children;
    for child in tree.children {
        assert_eq!(tree.stage.ask(child, "count"), "1");
    }
    tree.end(1, "trap");
    tree.stage.wait_for_life(two, 2);
    assert_eq!(tree.stage.ask(two, "count"), "1", "it begins anew");
    assert_eq!(tree.stage.ask(one, "count"), "2");
    assert_eq!(tree.stage.ask(three, "count"), "2");
    assert_eq!(tree.lives(), [1, 2, 1]);
    let heard = tree.stage.ask(tree.top, "heard");
    assert_eq!(heard, "ActorErrorKind::Trapped: unreachable");
    tree.stage.all_end_and_replay();
    let (spawned, failed) = (LifecycleState::Spawned, LifecycleState::Failed);
    assert_eq!(tree.states(1), [spawned, failed, spawned, LifecycleState::Stopped]);
}

#[test]
fn one_for_all_starts_all_again() {
    let tree = Tree::new(&format!("strategy = \"one-for-all\"\n{PATIENT}"), ["permanent"; 3]);
    tree.end(1, "fail badly");
    for child in tree.children {
        tree.stage.wait_for_life(child, 2);
    }
    assert_eq!(tree.stage.ask(tree.top, "heard"), "ActorErrorKind::Returned: badly");
    tree.stage.all_end_and_replay();
}

#[test]
fn rest_for_one_starts_those_after_it_again() {
    let tree = Tree::new(&format!("strategy = \"rest-for-one\"\n{PATIENT}"), ["permanent"; 3]);
    tree.end(1, "trap");
    tree.stage.wait_for_life(tree.children[1], 2);
    tree.stage.wait_for_life(tree.children[2], 2);
    assert_eq!(tree.lives(), [1, 2, 2]);
    tree.stage.all_end_and_replay();
}

#[test]
fn who_is_started_again_depends_on_how_it_ended() {
    let again = |restart: &str, how: &str| {
        let tree = Tree::new(PATIENT, [restart, "permanent", "permanent"]);
        let first = tree.children[0];
        match how {
            "stop" => drop(tree.stage.system.stop(first, SOON)),
            "kill" => tree.stage.system.kill(first).unwrap(),
            how => tree.end(0, how),
        }
        // The news of it comes after what is done about it.
        while tree.stage.ask(tree.top, "heard").is_empty() {}
        let is_settled = |status| !matches!(status, Status::Starting | Status::Restarting);
        let status = tree.stage.wait_for(first, |it| is_settled(it.status)).status;
        tree.stage.all_end_and_replay();
        status == Status::Running
    };
    let all = ["leave a note", "stop", "fail badly", "trap", "kill"];
    assert_eq!(all.map(|how| again("permanent", how)), [true, false, true, true, true]);
    assert_eq!(all.map(|how| again("transient", how)), [false, false, true, true, true]);
    assert_eq!(all.map(|how| again("temporary", how)), [false; 5]);
}

#[test]
fn too_many_restarts_end_the_parent_and_its_own_parent_starts_all_of_them_again() {
    let stage = Stage::new();
    stage.keeper("leaf", "");
    let child = |name| format!("[[children]]\nname = \"{name}\"\nmanifest = \"{name}.toml\"\n");
    let few = "[supervision]\nintensity = 2\nback_off = { first = \"0ms\" }\n";
    stage.keeper("middle", &format!("{few}{}", child("leaf")));
    let top = format!("[supervision]\n{PATIENT}\n{}", child("middle"));
    let top = stage.start(stage.keeper("top", &top)).unwrap();
    let (middle, leaf) = (stage.the("middle"), stage.the("leaf"));
    for life in 1..=3 {
        stage.wait_for_life(leaf, life);
        let _ = stage.system.request(leaf, b"trap".to_vec(), SOON);
    }
    stage.wait_for_life(middle, 2);
    stage.wait_for_life(leaf, 4);
    let heard = stage.ask(top, "heard");
    let reason = "its child leaf failed more often than is tolerated";
    assert_eq!(heard, format!("ActorErrorKind::Escalated: {reason}"));
    stage.all_end_and_replay();
    assert_eq!(stage.system.chain_paths(leaf).unwrap().len(), 2, "the first was closed");
}

#[test]
fn a_child_that_cannot_be_started_ends_those_who_need_it() {
    let stage = Stage::new();
    stage.keeper("bad", "init_state = { text = \"fail\" }\n\n");
    let child = "[[children]]\nname = \"bad\"\nmanifest = \"bad.toml\"\n";
    let error = stage.start(stage.keeper("top", child)).unwrap_err().to_string();
    assert_eq!(error, "top could not be started: its child bad could not be started");
    assert_eq!(stage.listed(stage.the("bad")).status, Status::Failed);
    let missing = "[[children]]\nname = \"none\"\nmanifest = \"none.toml\"\n";
    let error = stage.start(stage.keeper("other", missing)).unwrap_err().to_string();
    assert!(error.contains("cannot start the child none: cannot read the manifest"), "{error}");
}

#[test]
fn a_child_that_waits_for_its_restart_can_be_stopped() {
    let tree = Tree::new("back_off = { first = \"1h\", max = \"1h\" }", ["permanent"; 3]);
    tree.end(0, "trap");
    let first = tree.children[0];
    tree.stage.wait_for(first, |it| it.status == Status::Restarting);
    tree.stage.system.stop(first, SOON).unwrap();
    assert_eq!(tree.stage.listed(first).status, Status::Failed);
    tree.end(1, "trap");
    tree.stage.wait_for(tree.children[1], |it| it.status == Status::Restarting);
    tree.stage.all_end_and_replay();
    assert_eq!(tree.stage.listed(tree.children[1]).status, Status::Failed);
}

#[test]
fn actors_start_others_and_look_after_them() {
    let stage = Stage::new();
    let top = stage.start(stage.keeper("top", "")).unwrap();
    stage.keeper("worker", "init_state = { text = \"41\" }\n\n");
    let worker = stage.ask(top, "spawn worker.toml");
    let ask = |what: &str| stage.ask(top, &format!("{what} {worker}"));
    assert_eq!(stage.ask(top, "children"), worker);
    assert_eq!(ask("status"), "ActorStatus::Running");
    assert_eq!(stage.ask(worker.parse().unwrap(), "count"), "42");
    assert_eq!(ask("state"), "42");
    // It fails, is found not to run, and is started again, as the documents have it.
    let _ = stage.system.request(worker.parse().unwrap(), b"trap".to_vec(), SOON);
    stage.wait_for(worker.parse().unwrap(), |it| it.status == Status::Failed);
    assert_eq!(ask("status"), "ActorStatus::Failed");
    assert_eq!(ask("restart"), "done");
    assert_eq!(ask("status"), "ActorStatus::Running");
    assert_eq!(ask("state"), "41");
    assert_eq!(stage.ask(worker.parse().unwrap(), "count"), "42");
    // It is stopped by its parent, which needs no news of that, and brought back as it was.
    stage.ask(top, "heard");
    assert_eq!(ask("resume"), format!("no: {worker} has not ended"));
    assert_eq!(ask("stop"), "done");
    assert_eq!(ask("status"), "ActorStatus::Stopped");
    assert_eq!(ask("resume"), "done");
    assert_eq!(ask("state"), "42");
    assert_eq!(ask("kill"), "done");
    assert_eq!(ask("status"), "ActorStatus::Killed");
    assert_eq!(stage.ask(top, "heard"), "");
    assert_eq!(ask("forget"), "done");
    assert_eq!(stage.ask(top, "children"), "");
    assert_eq!(ask("status"), format!("no: {worker} is not a child of this actor"));
    stage.all_end_and_replay();
}

#[test]
fn who_is_started_again_is_not_stopped_for_the_children_of_the_life_before() {
    let stage = Stage::new();
    stage.keeper("leaf", "");
    let child = |name, more| {
        format!("[[children]]\nname = \"{name}\"\nmanifest = \"{name}.toml\"\n{more}\n")
    };
    stage.keeper("middle", &child("leaf", "shutdown = \"300ms\""));
    let at_once = "[supervision]\nintensity = 5\nback_off = { first = \"0ms\" }\n";
    let top = format!("{at_once}{}", child("middle", ""));
    stage.start(stage.keeper("top", &top)).unwrap();
    let (middle, leaf) = (stage.the("middle"), stage.the("leaf"));
    // It has to be killed, which takes longer than until the parent is to be started again.
    let _spins = stage.system.request_later(leaf, b"spin".to_vec(), SOON).unwrap();
    let _ = stage.system.request(middle, b"trap".to_vec(), SOON);
    stage.wait_for_life(middle, 2);
    stage.wait_for_life(leaf, 2);
    assert_eq!(stage.ask(middle, "count"), "1");
    assert_eq!(stage.ask(leaf, "count"), "1");
    assert_eq!((stage.listed(middle).lives, stage.listed(leaf).lives), (2, 2));
    stage.all_end_and_replay();
}

#[test]
fn of_many_who_start_an_actor_again_at_once_none_starts_it_twice() {
    let stage = Stage::new();
    let actor = stage.start(stage.keeper("one", "")).unwrap();
    for _ in 0..20 {
        stage.system.stop(actor, SOON).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| stage.system.restart(actor).unwrap());
            }
        });
        // Whoever came while it was up has it stopped and started once more.
        assert_eq!(stage.wait_for(actor, |it| it.status == Status::Running).waiting, 0);
        assert_eq!(stage.ask(actor, "count"), "1");
    }
    stage.all_end_and_replay();
}

#[test]
fn what_a_child_was_started_for_is_not_done_again_by_another_process() {
    let restarts = ["permanent", "transient", "temporary"];
    let tree = Tree::new(PATIENT, restarts);
    let [permanent, transient, temporary] = tree.children;
    tree.end(1, "leave it done");
    tree.end(2, "leave it done");
    for child in [transient, temporary] {
        tree.stage.end(child);
    }
    let mut stage = tree.stage;
    for _ in 0..2 {
        stage = stage.suspended_and_resumed();
        let there: Vec<_> = stage.system.list().into_iter().map(|it| it.id).collect();
        assert_eq!(there, [tree.top, permanent]);
    }
    stage.all_end_and_replay();
}

#[test]
fn a_tree_that_has_itself_as_a_child_is_not_started() {
    let stage = Stage::new();
    let me = "[[children]]\nname = \"me\"\nmanifest = \"me.toml\"\n";
    let refused = stage.start(stage.keeper("me", me)).unwrap_err().to_string();
    assert!(refused.contains("me could not be started"), "{refused}");
    assert!(stage.system.list().iter().all(|it| it.status != Status::Running));
}

#[test]
fn what_cannot_be_started_is_told_in_a_sentence() {
    let stage = Stage::new();
    let top = stage.start(stage.keeper("top", "[permissions]\nmessage-server = \"deny\"\n"));
    assert!(top.unwrap_err().to_string().contains("asks for more than it may have"));
    let top = stage.keeper("top", "[permissions.supervisor]\nmax_children = 1\n");
    let top = stage.start(top).unwrap();
    let ask = |what: &str| stage.ask(top, what);
    assert_eq!(
        ask("spawn ../other.toml"),
        "no: the manifest ../other.toml is not below the folder of this actor"
    );
    assert!(ask("spawn none.toml").starts_with("no: cannot read the manifest"));
    stage.keeper("greedy", "[permissions.supervisor]\nmax_children = 2\n");
    let refused = ask("spawn greedy.toml");
    assert!(refused.contains("supervisor.max_children asks for 2"), "{refused}");
    let many =
        ["a", "b"].map(|name| format!("[[children]]\nname = \"{name}\"\nmanifest = \"w.toml\"\n"));
    stage.keeper("many", &many.concat());
    let refused = ask("spawn many.toml");
    assert!(refused.contains("supervisor.max_children asks for 2"), "{refused}");
    stage.keeper("fails", "init_state = { text = \"fail\" }\n\n");
    assert_eq!(ask("spawn fails.toml"), "no: fails could not be started: it does not want to");
    assert_eq!(ask("children"), "");
    stage.keeper("worker", "");
    assert!(!ask("spawn worker.toml").starts_with("no"));
    assert_eq!(ask("spawn worker.toml"), "no: the parent may not have more than 1 children");
    let link = stage.path("link.toml");
    std::os::unix::fs::symlink("/etc/hostname", link).unwrap();
    let outside = "no: the manifest link.toml is not below the folder of this actor";
    assert_eq!(ask("spawn link.toml"), outside);
    let chain = stage.system.chain_path(top).unwrap();
    stage.all_end_and_replay();
    let refused = supervisions(&verified(&std::fs::read(chain).unwrap()));
    let expected = ["../other.toml", "greedy", "many", "worker", "link.toml"];
    assert_eq!(refused, expected, "each is recorded");
}

#[test]
fn a_child_is_brought_back_from_a_chain_that_is_sound_and_its_own_only() {
    let stage = Stage::new();
    let top = stage.start(stage.keeper("top", "")).unwrap();
    stage.keeper("worker", "");
    let worker = stage.ask(top, "spawn worker.toml");
    let id = worker.parse().unwrap();
    assert_eq!(stage.ask(id, "ten"), "ten");
    assert_eq!(stage.ask(top, &format!("stop {worker}")), "done");
    let path = stage.system.chain_path(id).unwrap();
    let sound = std::fs::read(&path).unwrap();
    let mut forged = sound.clone();
    let told = forged.windows(3).position(|bytes| bytes == b"ten").unwrap();
    forged[told..told + 3].copy_from_slice(b"two");
    std::fs::write(&path, forged).unwrap();
    let refused = stage.ask(top, &format!("resume {worker}"));
    assert!(refused.starts_with("no: ") && refused.contains(" does not verify: "), "{refused}");
    assert_eq!(stage.ask(top, &format!("status {worker}")), "ActorStatus::Stopped");
    std::fs::write(&path, sound).unwrap();
    assert_eq!(stage.ask(top, &format!("resume {worker}")), "done");
    assert_eq!(stage.ask(id, "count"), "2");
    stage.all_end_and_replay();
}

#[test]
fn links_join_fates_and_monitors_tell_of_them() {
    let stage = Stage::new();
    let start = |name: &str| stage.start(stage.keeper(name, "")).unwrap();
    let [a, b, c, watcher] = ["a", "b", "c", "watcher"].map(start);
    assert_eq!(stage.ask(a, &format!("link {b}")), "done");
    assert_eq!(stage.ask(b, &format!("link {c}")), "done");
    assert_eq!(stage.ask(b, &format!("unlink {c}")), "done");
    assert_eq!(stage.ask(watcher, &format!("monitor {a}")), "1");
    assert_eq!(stage.ask(watcher, &format!("monitor {b}")), "2");
    assert_eq!(stage.ask(watcher, &format!("monitor {c}")), "3");
    assert_eq!(stage.ask(watcher, "demonitor 3"), "done");
    assert_eq!(stage.ask(watcher, "demonitor 3"), "no: there is no monitor 3");
    let _ = stage.system.request(a, b"trap".to_vec(), SOON);
    let End::Failed(error) = stage.end(b) else { panic!("it has not failed") };
    assert_eq!(error.kind, ErrorKind::Linked);
    assert_eq!(error.message, format!("{a}, which it is linked to, has ended: unreachable"));
    assert_eq!(stage.listed(c).status, Status::Running);
    let mut heard = Vec::new();
    while heard.len() < 2 {
        heard.extend(stage.ask(watcher, "heard").lines().map(str::to_owned));
    }
    assert_eq!(heard, ["1 failed", "2 failed"]);
    assert_eq!(
        stage.ask(watcher, &format!("monitor {a}")),
        "4",
        "who has ended is told of at once"
    );
    while stage.ask(watcher, "heard") != "4 failed" {}
    let gone = format!("no: there is no actor {a}, or it has ended");
    assert_eq!(stage.ask(c, &format!("link {a}")), gone);
    stage.all_end_and_replay();
}

#[test]
fn who_may_not_look_after_others_cannot_make_them_fall() {
    let stage = Stage::new();
    let victim = stage.start(stage.keeper("victim", "")).unwrap();
    let stranger = stage.spawn_as(|spec| {
        spec.name = "stranger".to_owned();
        spec.component = std::fs::read(component("keeper")).unwrap().into();
        spec.handlers.supervisor = None;
    });
    assert_eq!(
        stage.ask(stranger, &format!("link {victim}")),
        "no: lifecycle#link is denied: the manifest has no such handler"
    );
    let _ = stage.system.request(stranger, b"trap".to_vec(), SOON);
    assert!(matches!(stage.end(stranger), End::Failed(_)));
    assert_eq!(stage.ask(victim, "count"), "1");
    stage.all_end_and_replay();
}

#[test]
fn channels_stay_open_until_somebody_closes_them_or_ends() {
    let stage = Stage::new();
    let start = |name: &str| stage.start(stage.keeper(name, "")).unwrap();
    let [a, b] = ["a", "b"].map(start);
    let channel = stage.ask(a, &format!("open {b} hello"));
    assert!(channel.starts_with(&format!("channel-{a}-")), "{channel}");
    assert_eq!(stage.ask(a, &format!("say {channel} one")), "done");
    assert_eq!(stage.ask(b, &format!("say {channel} two")), "done");
    assert_eq!(stage.ask(b, "heard"), "said: one");
    assert_eq!(stage.ask(a, "heard"), "said: hello\nsaid: two");
    assert_eq!(stage.ask(a, &format!("close {channel}")), "done");
    assert_eq!(stage.ask(b, "heard"), "closed");
    let not_open = format!("no: the channel {channel} is not open");
    assert_eq!(stage.ask(b, &format!("say {channel} three")), not_open);
    assert_eq!(stage.ask(a, &format!("open {b} no")), "no: the actor has declined the channel");
    let other = stage.ask(a, &format!("open {b} again"));
    assert!(other.starts_with("channel-"));
    stage.system.stop(b, SOON).unwrap();
    assert_eq!(stage.ask(a, "heard"), "said: again\nclosed");
    stage.all_end_and_replay();
}

#[test]
fn a_channel_can_be_opened_from_outside() {
    let stage = Stage::new();
    let actor = stage.start(stage.keeper("a", "")).unwrap();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = heard.clone();
    let listener = Arc::new(move |news| hears.lock().unwrap().push(news));
    let channel = stage.system.open_channel(actor, b"hello".to_vec(), listener, SOON).unwrap();
    stage.system.send_on_channel(&channel, b"one of the line".to_vec(), SOON).unwrap();
    let chain = std::fs::read(stage.system.chain_path(actor).unwrap()).unwrap();
    assert!(chain.windows(15).any(|words| words == b"one of the line"), "it is acknowledged");
    assert_eq!(stage.ask(actor, "heard"), "said: one of the line");
    assert_eq!(stage.ask(actor, &format!("say {channel} two")), "done");
    assert_eq!(stage.ask(actor, &format!("close {channel}")), "done");
    let message = |text: &str| ChannelNews::Message(text.as_bytes().to_vec());
    assert_eq!(*heard.lock().unwrap(), [message("hello"), message("two"), ChannelNews::Closed]);
    assert!(stage.system.send_on_channel(&channel, Vec::new(), SOON).is_err());
    stage.all_end_and_replay();
}

#[test]
fn a_channel_that_is_accepted_too_late_is_closed() {
    let stage = Stage::new();
    let start = |name: &str| stage.start(stage.keeper(name, "")).unwrap();
    let [a, busy] = ["a", "busy"].map(start);
    stage.tell(busy, "spin");
    stage.tell(a, &format!("ask {busy} count"));
    let listener = Arc::new(|news| panic!("nobody listens to {news:?}"));
    let moment = Duration::from_millis(5);
    let late = stage.system.open_channel(a, b"hello".to_vec(), listener.clone(), moment);
    assert_eq!(late, Err(SendError::NoAnswer(NoAnswer::TimedOut(moment))));
    let large = stage.system.open_channel(a, vec![0; (1 << 20) + 1], listener, SOON);
    assert!(matches!(large, Err(SendError::TooLarge { .. })), "{large:?}");
    stage.system.kill(busy).unwrap();
    // The news comes behind what waited before.
    stage.ask(a, "count");
    assert_eq!(stage.ask(a, "heard"), "closed");
    stage.all_end_and_replay();
}

#[test]
fn who_misbehaves_harms_no_neighbour() {
    let stage = Stage::new();
    let good = stage.start(stage.keeper("good", "")).unwrap();
    let small = "[limits]\nmemory = \"16MiB\"\nmailbox = 10\n";
    let bad = |number: usize| stage.start(stage.keeper(&format!("bad{number}"), small)).unwrap();
    let bad: Vec<ActorId> = (0..8).map(bad).collect();
    for (actor, what) in bad.iter().zip(["trap", "spin", "grow", "spin"].iter().cycle()) {
        let _ = stage.system.send(*actor, what.as_bytes().to_vec(), SOON);
    }
    for _ in 0..20 {
        let _ = stage.system.send(bad[1], b"flood".to_vec(), Duration::from_millis(1));
    }
    assert_eq!(stage.ask(good, "count"), "1");
    let End::Failed(error) = stage.end(bad[2]) else { panic!("it has not failed") };
    assert_eq!(error.kind, ErrorKind::Exhausted, "{error:?}");
    for actor in &bad {
        stage.system.kill(*actor).unwrap();
        let gone = stage.end(*actor);
        assert!(matches!(gone, End::Killed | End::Failed(_)), "{gone:?}");
    }
    assert_eq!(stage.ask(good, "count"), "2");
    stage.all_end_and_replay();
}

#[test]
fn a_storm_of_kills_leaves_a_sound_tree() {
    let tree = Tree::new(PATIENT, ["permanent"; 3]);
    std::thread::scope(|scope| {
        for child in tree.children {
            let system = &tree.stage.system;
            scope.spawn(move || {
                for _ in 0..40 {
                    system.kill(child).unwrap();
                    std::thread::sleep(Duration::from_millis(2));
                }
            });
        }
    });
    for child in tree.children {
        tree.stage.wait_for(child, |it| it.status == Status::Running);
        let answer = tree.stage.system.request(child, b"count".to_vec(), SOON);
        assert_eq!(answer, Ok(b"1".to_vec()));
    }
    assert!(tree.lives().iter().all(|lives| *lives > 2), "{:?}", tree.lives());
    tree.stage.all_end_and_replay();
}

#[test]
fn a_kill_reaches_an_actor_that_waits() {
    let stage = Stage::new();
    let start = |name: &str| stage.start(stage.keeper(name, "[limits]\nmailbox = 1\n")).unwrap();
    let [asks, spins] = ["asks", "spins"].map(start);
    stage.tell(spins, "spin");
    let _ = stage.system.send(asks, format!("ask {spins} count").into_bytes(), SOON);
    stage.system.kill(asks).unwrap();
    assert_eq!(stage.end(asks), End::Killed);
    let gone = stage.system.send(asks, Vec::new(), SOON);
    assert_eq!(gone, Err(SendError::NoActor(asks)));
    stage.system.kill(spins).unwrap();
    stage.all_end_and_replay();
}

#[test]
fn a_tree_comes_back_as_it_was() {
    let mut tree = Tree::new(PATIENT, ["permanent"; 3]);
    let spawned: ActorId = tree.stage.ask(tree.top, "spawn one.toml").parse().unwrap();
    let all = [tree.top, tree.children[0], tree.children[1], tree.children[2], spawned];
    for (actor, times) in all.into_iter().zip(1..) {
        (0..times).for_each(|_| drop(tree.stage.ask(actor, "count")));
    }
    tree.end(0, "trap");
    tree.stage.wait_for_life(tree.children[0], 2);
    let before = all.map(|actor| tree.stage.system.state(actor).unwrap());
    tree.stage = tree.stage.suspended_and_resumed();
    for (actor, before) in all.into_iter().zip(before) {
        assert_eq!(tree.stage.system.state(actor).unwrap(), before);
        let count = String::from_utf8(before.unwrap()).unwrap().parse::<u64>().unwrap() + 1;
        assert_eq!(tree.stage.ask(actor, "count"), count.to_string());
    }
    // Who cares for whom is as it was.
    assert_eq!(tree.stage.ask(tree.top, "children").lines().count(), 4);
    assert_eq!(tree.stage.ask(tree.top, "heard"), "ActorErrorKind::Trapped: unreachable");
    tree.end(2, "trap");
    tree.stage.wait_for_life(tree.children[2], 2);
    let _ = tree.stage.system.request(spawned, b"trap".to_vec(), SOON);
    assert!(matches!(tree.stage.end(spawned), End::Failed(_)));
    tree.stage.all_end_and_replay();
    assert!(tree.stage.system.resume_all(SOON).unwrap().is_empty(), "all have come to their end");
}

/// Which children a chain says were refused.
fn supervisions(chain: &VerifiedChain) -> Vec<String> {
    let mut refused = Vec::new();
    let mut reader = chain.reader().unwrap();
    while let Some(stored) = reader.read().unwrap() {
        let Stored::Record(record) = stored else { continue };
        if let Event::Permission(decision) = record.event().unwrap()
            && decision.capability == "supervisor"
            && !decision.allowed
        {
            refused.push(decision.subject);
        }
    }
    refused
}
