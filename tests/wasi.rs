//! Actors that use nothing but WASI: they are killed wherever they wait, and held to their permissions. What the guest does with a line of a
//! message is said in `corpus/guests/rust/handyman/src/lib.rs`.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use theater_record::{Event, Outcome, Stored, TrapCode};
use theater_runtime::host::Grants;
use theater_runtime::{ActorId, Backend, End, Spec};
use theater_verify::VerifiedChain;

use crate::stage::actors::{SOON, Stage};
use crate::stage::{component, replay, verified};

fn handyman(stage: &Stage, grants: Grants) -> ActorId {
    let mut spec = Spec::new("handyman", std::fs::read(component("handyman")).unwrap());
    spec.grants = grants;
    stage.system.spawn(spec, None).unwrap()
}

/// An actor's chain, which has been held against its component on both backends.
#[track_caller]
fn replayed(stage: &Stage, actor: ActorId) -> VerifiedChain {
    let chain = verified(&std::fs::read(stage.system.chain_path(actor).unwrap()).unwrap());
    for backend in [Backend::Cranelift, Backend::Pulley] {
        replay(&chain, &component("handyman"), backend);
    }
    chain
}

fn events(chain: &VerifiedChain) -> Vec<Event> {
    let mut reader = chain.reader().unwrap();
    let mut events = Vec::new();
    while let Some(stored) = reader.read().unwrap() {
        if let Stored::Record(record) = stored {
            events.push(record.event().unwrap());
        }
    }
    events
}

/// How the last call to the host ended, if it did not return.
fn last_trap(chain: &VerifiedChain) -> Option<TrapCode> {
    events(chain).iter().rev().find_map(|event| match event {
        Event::ImportReturn(end) => Some(match &end.outcome {
            Outcome::Trapped { code, .. } => Some(*code),
            Outcome::Returned(_) => None,
        }),
        _ => None,
    })?
}

#[test]
fn who_waits_inside_wasi_is_killed_at_once_and_nobody_else_is() {
    // It takes connections, sends nothing, and reads nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let stage = Stage::new();
    let other = stage.spawn();
    let waits = [
        "nap 3600000".to_owned(),
        "until-any 3600000".to_owned(),
        "accept 127.0.0.1:0".to_owned(),
        format!("receive {address}"),
        format!("fill {address}"),
    ];
    let actors = waits.map(|what| {
        let grants = Grants { net: vec!["127.0.0.1".parse().unwrap()], ..Grants::default() };
        let actor = handyman(&stage, grants);
        stage.tell(actor, &what);
        (what, actor)
    });
    std::thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    for (what, actor) in &actors {
        assert_eq!(stage.listed(*actor).end, None, "{what}");
        stage.system.kill(*actor).unwrap();
        assert_eq!(stage.end(*actor), End::Killed, "{what}");
    }
    assert!(start.elapsed() < SOON);
    assert_eq!(stage.ask(other, "count"), "1");
    for (what, actor) in &actors {
        let chain = replayed(&stage, *actor);
        assert_eq!(last_trap(&chain), Some(TrapCode::Killed), "{what}");
    }
    stage.ends_and_replays(other);
}

/// Starts an actor with these permissions and has it do something with WASI. If that ends it, what its chain
/// says was denied is returned.
#[track_caller]
fn held_to(permissions: &str, what: &str) -> Result<(), String> {
    let stage = Stage::new();
    std::fs::copy(component("handyman"), stage.path("handyman.wasm")).unwrap();
    let manifest = stage.path("handyman.toml");
    let text = format!(
        "name = \"handyman\"\ncomponent = \"handyman.wasm\"\n[[handlers]]\ntype = \"message-server\"\n\
         [permissions]\n{permissions}\n"
    );
    std::fs::write(&manifest, text).unwrap();
    let actor = stage.start(manifest).unwrap();
    let answer = stage.system.request(actor, what.as_bytes().to_vec(), SOON);
    if let Ok(answer) = &answer {
        assert!(!answer.starts_with(b"error"), "{}", String::from_utf8_lossy(answer));
        stage.system.stop(actor, SOON).unwrap();
    }
    stage.end(actor);
    let chain = replayed(&stage, actor);
    assert_eq!(last_trap(&chain), answer.is_err().then_some(TrapCode::HostError));
    let denied = |event: Event| match event {
        Event::Permission(it) if !it.allowed => {
            assert_eq!(it.reason, 1);
            Some(format!("{} {}: {}", it.capability, it.subject, it.detail))
        }
        _ => None,
    };
    let denied: Vec<String> = events(&chain).into_iter().filter_map(denied).collect();
    assert_eq!(denied.len(), usize::from(answer.is_err()));
    denied.into_iter().next().map_or(Ok(()), Err)
}

#[test]
fn chance_and_time_are_held_to_permissions_also_through_wasi() {
    for what in ["chance 4", "any-chance 4", "chance-seed"] {
        assert_eq!(held_to("timing = \"deny\"", what), Ok(()));
        let denied = held_to("random = \"deny\"", what).unwrap_err();
        assert!(denied.ends_with(": the permission random leaves none"), "{denied}");
    }
    for what in ["nap 1", "until-any 1", "moment"] {
        assert_eq!(held_to("random = \"deny\"", what), Ok(()));
        let denied = held_to("timing = \"deny\"", what).unwrap_err();
        assert!(denied.ends_with(": the permission timing leaves none"), "{denied}");
    }
}

#[test]
fn restrictions_of_chance_and_time_hold_for_single_calls_of_wasi() {
    let few = "random = { max_bytes = 16 }";
    assert_eq!(held_to(few, "chance 16\nany-chance 16\nchance-seed"), Ok(()));
    assert_eq!(
        held_to(few, "chance 17"),
        Err("random get-random-bytes 17 bytes: the permission random leaves 16 bytes at a time"
            .to_owned())
    );
    let short = "timing = { max_sleep = \"5ms\" }";
    assert_eq!(held_to(short, "nap 5\nmoment"), Ok(()));
    assert_eq!(
        held_to(short, "nap 6"),
        Err("timing subscribe-duration 6ms: the permission timing leaves 5ms at a time".to_owned())
    );
}
